/**
 * Built modules in a real Chromium, in the window and in a worker, on Wasm and on WebGPU: PyTorch's fixtures, and training
 * on generated digits. All pages share one browser, whose WebGPU is SwiftShader where there is no graphics card.
 * Invariant: modules come from the compiler as a user gets them; page and data are served over the loopback address.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import * as assert from "uvu/assert";
import { type CompileOptions, compile, emitModule } from "../../tools/api/index.ts";
import { bundleRuntime } from "../../tools/build/bundle-runtime.ts";
import { HEADERS } from "../../tools/web/policy.ts";
import { serve } from "../../tools/web/serve.ts";
import { FIXTURES } from "../fixtures/check-fixture.ts";
import { fixturePath, hasFixture } from "../fixtures/fixture-files.ts";
import { suite } from "../harness.ts";
import { launch, type OpenSite, openPage, sharingSite } from "./chromium.ts";
import type { Findings, InPage, Request } from "./in-page.ts";

const FILES = ["weights.safetensors", "io.safetensors", "grads.safetensors", "step5.safetensors", "expected.json"];
const OPTIMIZER = "sgd(lr: 0.02, momentum: 0.9, weight_decay: 1e-4)";
const TINY = fileURLToPath(new URL("tiny.resnet", import.meta.url));
const LIMIT_MILLISECONDS = 280_000;

interface Site extends OpenSite {
  readonly browser: Browser;
  readonly url: string;
}

async function writeModule(path: string, options: CompileOptions): Promise<void> {
  const program = await compile({ ...options, devices: ["wasm", "webgpu"] });
  const { manifest, wasm } = program;
  writeFileSync(path, emitModule({ manifest, wasm, runtimeText: await bundleRuntime(), banner: "test" }).javascript);
}

async function openSite(executable: string): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), "resnet-browser-"));
  const entry = fileURLToPath(new URL("in-page.ts", import.meta.url));
  await build({ entryPoints: [entry], outfile: join(folder, "in-page.js"), bundle: true, format: "esm", platform: "browser", target: "es2022" });
  writeFileSync(join(folder, "index.html"), '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./in-page.js"></script>');
  for (const { fixture, file, model, dims } of FIXTURES) {
    if (!hasFixture(fixture)) continue;
    mkdirSync(join(folder, fixture));
    for (const each of FILES) copyFileSync(fixturePath(fixture, each), join(folder, fixture, each));
    await writeModule(join(folder, `${fixture}.js`), { file, model, dims, mode: "training", optimizer: OPTIMIZER });
  }
  await writeModule(join(folder, "tiny.js"), { file: TINY, mode: "training" });
  const policy = { ...HEADERS, "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:" };
  const served = await serve({ folder, port: 0, headers: policy });
  const browser = await launch({ executable, webgpu: true });
  return {
    browsers: [browser],
    browser,
    url: served.url,
    async close() {
      await browser.close();
      await served.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Performs a request in a fresh page; fails for anything the page complains of. */
async function perform({ browser, url }: Site, where: keyof InPage, request: Request): Promise<Findings> {
  const { page, problems, close } = await openPage(browser);
  try {
    page.setDefaultTimeout(LIMIT_MILLISECONDS);
    await page.goto(url);
    await page.waitForFunction("globalThis.inPage !== undefined");
    const call = page.evaluate(({ where, request }) => (globalThis as unknown as { inPage: InPage }).inPage[where](request), { where, request });
    const findings = await Promise.race([call, page.waitForTimeout(LIMIT_MILLISECONDS).then(() => undefined)]);
    if (findings === undefined) throw new Error(`no answer within ${LIMIT_MILLISECONDS / 1000} s`);
    assert.equal(problems, []);
    return findings;
  } finally {
    await close();
  }
}

function within(findings: Findings, smooth: boolean): void {
  const loose = smooth ? 1e-5 : 2e-2;
  const tolerances = { evaluated: 1e-5, trained: 1e-5, loss: 1e-5, gradients: 1e-4, losses: smooth ? 1e-5 : 1e-3, weights: loose, after: loose };
  for (const [name, tolerance] of Object.entries(tolerances)) {
    const value = findings[name] ?? Number.NaN;
    assert.ok(value <= tolerance, `${name}: deviation ${value}, allowed ${tolerance}`);
  }
}

suite("networks in a browser", (test) => {
  const { inBrowser, closing } = sharingSite(test, openSite);
  const sameAccuracy = "training on generated digits reaches the same accuracy on webgpu as on wasm";
  inBrowser(sameAccuracy, async (site) => {
    const heldOut = 1024;
    const request = { task: "digits", module: `${site.url}tiny.js`, steps: 40, batch: 32, learningRate: 0.05, seed: 1, heldOut } as const;
    const accuracy = async (device: "wasm" | "webgpu"): Promise<number> =>
      ((await perform(site, "inWorker", { ...request, device }))["correct"] ?? 0) / heldOut;
    const [wasm, webgpu] = [await accuracy("wasm"), await accuracy("webgpu")];
    // Three standard errors of one accuracy over the held-out digits; rounding alone sets the two runs apart.
    console.log(`  generated digits in Chromium: accuracy ${wasm.toFixed(3)} on wasm, ${webgpu.toFixed(3)} on webgpu`);
    const bound = 3 * Math.sqrt((wasm * (1 - wasm)) / heldOut);
    assert.ok(Math.abs(wasm - webgpu) <= bound, `wasm ${wasm}, webgpu ${webgpu}, bound ${bound}`);
    // Chance is 0.1.
    for (const value of [wasm, webgpu]) assert.ok(value >= 0.8, `accuracy ${value}`);
  });
  for (const { fixture, input, smooth } of FIXTURES) {
    for (const [where, device] of [
      ["inWindow", "wasm"],
      ["inWorker", "wasm"],
      ["inWorker", "webgpu"],
    ] as const) {
      const name = `${fixture} as PyTorch, ${where === "inWindow" ? "in the window" : "in a worker"}, on ${device}`;
      if (!hasFixture(fixture)) test.skip(name, "the fixtures are not beside the project");
      else
        inBrowser(name, async (site) => {
          const request = { task: "fixture", module: `${site.url}${fixture}.js`, folder: `${site.url}${fixture}/`, input, device } as const;
          const begin = performance.now();
          const findings = await perform(site, where, request);
          const { evaluated = Number.NaN, gradients = Number.NaN } = findings;
          const seconds = ((performance.now() - begin) / 1000).toFixed(1);
          console.log(`  ${name}: outputs off by ${evaluated.toExponential(1)}, gradients by ${gradients.toExponential(1)}; ${seconds} s`);
          within(findings, smooth);
        });
    }
  }
  if (hasFixture("transformer_tiny-s1"))
    inBrowser("transformer_tiny-s1 as PyTorch, in the window, on webgpu", async (site) => {
      const fixture = "transformer_tiny-s1";
      const request = { task: "fixture", module: `${site.url}${fixture}.js`, folder: `${site.url}${fixture}/`, input: "tokens" } as const;
      within(await perform(site, "inWindow", { ...request, device: "webgpu" }), true);
    });
  closing();
});
