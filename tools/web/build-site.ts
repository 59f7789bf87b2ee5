/**
 * Builds the web demo into a folder that any static host can serve: the page, its worker, and two modules compiled from
 * `examples/digits/digits.resnet`, one with weights inside to classify, one to train.
 * Invariant: the folder is complete by itself; nothing in it asks another host for anything.
 */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { SiteRecipe } from "../../examples/web/messages.ts";
import { compile, emitModule, type Program } from "../api/index.ts";
import { bundleRuntime } from "../build/bundle-runtime.ts";
import { writeFileAtomic } from "../data/write.ts";
import { trainedDigits } from "./digits-weights.ts";
import { POLICY } from "./policy.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const MODEL = join(root, "examples/digits/digits.resnet");
const PAGE = join(root, "examples/web");
const DEVICES = ["wasm", "webgpu"] as const;

/** Where weights that were trained once are kept. */
export const CACHE = join(root, ".cache/web");

/** Writes the site; says what takes time. Throws what compiling and writing throw. */
export async function buildSite(folder: string, say: (text: string) => void): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const training = await compile({ file: MODEL, mode: "training", devices: DEVICES });
  const inference = await compile({ file: MODEL, mode: "inference", devices: DEVICES });
  const { recipe } = training;
  if (recipe === undefined) throw new Error(`${MODEL} has no train recipe`);
  const { weights, accuracy } = await trainedDigits(MODEL, training, recipe, CACHE, say);
  const runtimeText = await bundleRuntime();
  const write = (name: string, { manifest, wasm }: Program, parts: { readonly weights?: Uint8Array }): void => {
    const banner = "Digits, compiled by resnet-lang from examples/digits/digits.resnet";
    writeFileAtomic(join(folder, name), emitModule({ manifest, wasm, runtimeText, banner, ...parts }).javascript);
  };
  write("digits.js", inference, { weights });
  write("trainer.js", training, {});
  const site: SiteRecipe = {
    mean: recipe.normalize?.mean[0] ?? 0,
    std: recipe.normalize?.std[0] ?? 1,
    batch: recipe.batch,
    learningRate: recipe.learningRate,
    schedule: recipe.schedule,
    epochs: recipe.epochs ?? 4,
    accuracy,
  };
  writeFileAtomic(join(folder, "recipe.json"), `${JSON.stringify(site)}\n`);
  await bundleScripts(folder);
  for (const file of ["style.css", "favicon.svg"]) copyFileSync(join(PAGE, file), join(folder, file));
  writeFileAtomic(join(folder, "index.html"), readFileSync(join(PAGE, "index.html"), "utf8").replace("{{policy}}", POLICY));
}

async function bundleScripts(folder: string): Promise<void> {
  await build({
    entryPoints: ["page", "worker"].map((name) => join(PAGE, `${name}.ts`)),
    absWorkingDir: root,
    outdir: folder,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
  });
}
