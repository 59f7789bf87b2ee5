/**
 * The package's entry: check and compile files, and load what was compiled.
 * Invariant: the only place where the compiler meets files; everything it calls is pure.
 */
import { closest } from "../../grammar/closest.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import {
  type AnalyzeRequest,
  type Analysis,
  analyze,
  buildGraphs,
  type Code,
  dump,
  freeSizes,
  type Graphs,
  generate,
  generateWebgpu,
  type Stage,
  type Storage,
  type Summary,
  summarize,
} from "../../compiler/compile.ts";
import { listSweep, type SweepListing } from "../../compiler/sweep.ts";
import type { RecipeSpec } from "../../compiler/recipe/recipe.ts";
import { loadModules } from "../../compiler/resolve/modules.ts";
import { emitModule } from "../../compiler/emit/module.ts";
import { loadNetwork, type LoadOptions, ResnetError } from "../../runtime/load.ts";
import type { Manifest } from "../../runtime/manifest.ts";
import type { Network } from "../../runtime/network.ts";
import { badOption } from "../../runtime/problems.ts";
import { libraryFiles, readModule, readSource, runtimeText } from "./files.ts";
import { chooseDevice } from "../host/choose-device.ts";
import { nodeGpu } from "./node-gpu.ts";
import { setArguments } from "./set-values.ts";
import { type Starter, starter as makeStarter } from "./starter.ts";
import { fileTunings } from "./tuning-file.ts";

export { emitModule } from "../../compiler/emit/module.ts";
export type { BlockSignature } from "../../compiler/report/signature.ts";
export type { Diagnostic } from "../../grammar/diagnostic.ts";
export { type LoadOptions, loadNetwork, ResnetError } from "../../runtime/load.ts";
export { chooseDevice, type DeviceChoice } from "../host/choose-device.ts";
export { check, recipes, signatures } from "./check.ts";
export type { PointOfSweep, RecipeSignature, SweepListing, SweptName } from "../../compiler/sweep.ts";
export type { Starter } from "./starter.ts";
export { fileTunings } from "./tuning-file.ts";
export type { Network } from "../../runtime/network.ts";

export interface CompileOptions {
  /** A `.resnet` file or a path of the standard library, `std/models/...`. */
  readonly file: string;
  /** Needed where the file declares several models. */
  readonly model?: string;
  readonly recipe?: string;
  /** Sizes of free dims, by the names of the model's ports. The batch stays free unless it is given. */
  readonly dims?: Readonly<Record<string, number>>;
  /**
   * Parameters of the model, and values of what its recipe sweeps: those of a point that `sweep` gives, or of one's own.
   * What a recipe sweeps and nothing is said of has the model's default; a name of the recipe's own has its first value.
   */
  readonly set?: Readonly<Record<string, unknown>>;
  readonly mode: "inference" | "training";
  /** For training, e.g. `cross_entropy(logits, label)`; by default the recipe's. */
  readonly loss?: string;
  /** For training, e.g. `sgd(lr: 0.1, momentum: 0.9)`; by default the recipe's. */
  readonly optimizer?: string;
  /** Free dims that are not given take the sizes of the model's doc comment, `Sizes: H=224, W=224`. */
  readonly usualSizes?: boolean;
  /** What `manifest` and `module` are made for; Wasm is always there. `load` makes what it needs. */
  readonly devices?: readonly ("wasm" | "webgpu")[];
  /**
   * For inference on WebGPU: how weights and what flows between layers are stored, by default `f32`. With `f16` a device
   * needs the feature `shader-f16`; sums are f32 in either, as are inputs, outputs and the weights that `weights()` gives.
   */
  readonly storage?: Storage;
}

/** The `train` declaration that applies, with options put over it. */
export interface Recipe {
  readonly name: string;
  readonly loss: string;
  readonly optimizer: { readonly kind: string; readonly [hyper: string]: number | boolean | string };
  readonly learningRate: number;
  readonly schedule: RecipeSpec["schedule"];
  readonly batch: number;
  readonly epochs: number | undefined;
  readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly augment?: RecipeSpec["augment"];
}

/** A compiled model. Code is generated on first need, so that a summary costs none. */
export interface Program {
  readonly model: string;
  readonly recipe: Recipe | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** Sizes taken from the doc comment because of `usualSizes`. */
  readonly assumed: Readonly<Record<string, number>>;
  readonly manifest: Manifest;
  readonly wasm: Uint8Array;
  summary(): Summary;
  /** `ast`, `program`, `graph`, `kernels`, `plan` or `wat`, as readable text. */
  dump(stage: string): string;
  /** Without `device`, on Wasm, or `auto` if the program was compiled for `webgpu` too. */
  /** With `tune`, measurements are remembered in the user's cache folder unless `tunings` says where. */
  load(options?: LoadOptions): Promise<Network>;
  /** A standalone ES module and its declarations. */
  module(options: { readonly weights?: Uint8Array; readonly weightsUrl?: string }): { readonly javascript: string; readonly declarations: string };
  /** The unrewritten graphs, for the reference interpreter. */
  graphs(): Graphs;
}

/** Mistakes in the source; `diagnostics` says which and where. */
export class CompileError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    const errors = diagnostics.filter((diagnostic) => diagnostic.severity === "error");
    const [first] = errors;
    super(
      first === undefined ? "the source has errors" : `${first.code}: ${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ""}`,
    );
    this.name = "CompileError";
    this.diagnostics = diagnostics;
  }
}

/** Compiles a model. Throws a CompileError for mistakes in the source, RN801 if the file cannot be read, RN606. */
export async function compile(options: CompileOptions): Promise<Program> {
  const { storage = "f32" } = options;
  if (storage !== "f32" && storage !== "f16") throw badOption("storage", '"f32" or "f16"', storage);
  if (storage === "f16" && options.mode === "training") throw badOption("storage", '"f32" for training', storage);
  const request: AnalyzeRequest = {
    entry: readSource(await fileOf(options.file, options.model)),
    read: readModule,
    model: options.model,
    recipe: options.recipe,
    dims: new Map(Object.entries(options.dims ?? {})),
    set: setArguments(options.set ?? {}),
    training: options.mode === "training",
    loss: options.loss,
    optimizer: options.optimizer,
  };
  const first = analyze(request);
  const assumed = first.value === undefined || options.usualSizes !== true ? {} : usualSizes(first.value);
  const dims = new Map([...Object.entries(assumed), ...request.dims]);
  const analyzed = Object.keys(assumed).length === 0 ? first : analyze({ ...request, dims });
  const analysis = analyzed.value;
  if (analysis === undefined) throw new CompileError(analyzed.diagnostics);
  const graphs = once((): Graphs => {
    const built = buildGraphs(analysis);
    if (built.value === undefined) throw new CompileError(built.diagnostics);
    return built.value;
  });
  const plain = once((): Code => generate(analysis, graphs));
  const withWebgpu = once((): Code => {
    const code = plain();
    return { ...code, manifest: { ...code.manifest, webgpu: generateWebgpu(analysis, graphs, options.storage) } };
  });
  const code = options.devices?.includes("webgpu") === true ? withWebgpu : plain;
  const { recipe } = analysis;
  return {
    model: analysis.model,
    recipe: recipe === undefined ? undefined : publicRecipe(recipe, analysis),
    diagnostics: analyzed.diagnostics,
    assumed,
    get manifest() {
      return code().manifest;
    },
    get wasm() {
      return code().wasm.bytes;
    },
    summary: () => summarize(analysis.trained ?? analysis.inference),
    dump: (stage) => dump(stage as Stage, analysis, graphs, code, options.storage),
    load: async (loadOptions = {}) => {
      const wanted = loadOptions.device ?? (options.devices?.includes("webgpu") === true ? "auto" : "wasm");
      const device = wanted === "auto" && loadOptions.gpu === undefined ? (await chooseDevice(wanted)).device : wanted;
      if (device !== "webgpu" && device !== "auto")
        return loadNetwork({ manifest: code().manifest, wasm: code().wasm.bytes }, { ...loadOptions, device });
      const gpu = loadOptions.gpu ?? (await nodeGpu());
      const tunings = loadOptions.tunings ?? (loadOptions.tune === true ? fileTunings() : undefined);
      const { manifest, wasm } = withWebgpu();
      // A GPU that lacks what the network needs leaves `auto` to the CPU.
      return loadNetwork({ manifest, wasm: wasm.bytes }, { ...loadOptions, device: wanted, gpu, tunings });
    },
    module: (parts) =>
      emitModule({
        manifest: code().manifest,
        wasm: code().wasm.bytes,
        runtimeText: runtimeText(),
        banner: `${analysis.model}, compiled by resnet-lang from ${options.file}`,
        ...parts,
      }),
    graphs,
  };
}

/**
 * The points of a recipe's sweep, all of them checked; undefined if the recipe sweeps nothing. `set` and `model` choose
 * among them as on the command line. A point's `set` is what `compile` takes:
 *
 *     const { points } = (await sweep({ file, recipe: "rates" })) ?? { points: [{ name: "", set: {} }] };
 *     for (const { name, set } of points) {
 *       const program = await compile({ file, recipe: "rates", mode: "training", set });
 *       const net = await program.load({ seed: 0 });
 *       const { loss } = await train(net, batches, { epochs: 2, learningRate: program.recipe?.learningRate ?? 0.1 });
 *       console.log(name, loss);
 *       await net.dispose();
 *     }
 *
 * `train` is that of `resnet-lang/runtime`. Throws a CompileError for mistakes in the source, at whatever point, RN801 if
 * the file cannot be read.
 */
export async function sweep(options: Pick<CompileOptions, "file" | "recipe" | "model" | "set">): Promise<SweepListing | undefined> {
  const { model, recipe } = options;
  const entry = readSource(await fileOf(options.file, model));
  const { value, diagnostics } = listSweep({ entry, read: readModule, model, recipe, set: setArguments(options.set ?? {}) });
  if (diagnostics.some(({ severity }) => severity === "error")) throw new CompileError(diagnostics);
  return value;
}

/** The sizes that the doc comment of the model, or of the model it is a variant of, gives to dims that are still free. */
function usualSizes(analysis: Analysis): Record<string, number> {
  const free = new Set(freeSizes(analysis.inference));
  const declaration = analysis.modules.entry.visible.get(analysis.model);
  const docs: (string | undefined)[] = [];
  for (let at = declaration; at !== undefined && docs.length < 100; at = at.kind === "variant" ? at.file.visible.get(at.variant.of.text) : undefined)
    docs.push(at.kind === "variant" ? at.variant.doc : at.kind === "block" ? at.block.doc : undefined);
  const sizes: Record<string, number> = {};
  for (const doc of docs.reverse())
    for (const [, name, size] of (/^Sizes:(.*)$/m.exec(doc ?? "")?.[1] ?? "").matchAll(/(\w+) *= *(\d+)/g))
      if (name !== undefined && free.has(name)) sizes[name] = Number(size);
  return sizes;
}

function publicRecipe(
  recipe: RecipeSpec,
  analysis: { loss: { text: string } | undefined; optimizer: RecipeSpec["optimizer"]; learningRate: number },
): Recipe {
  const { name, schedule, batch, epochs, normalize, augment } = recipe;
  const { except, ...hyper } = analysis.optimizer ?? { kind: "sgd" as const, except: undefined };
  return {
    name,
    loss: analysis.loss?.text ?? recipe.loss?.text ?? "",
    optimizer: { ...hyper, ...(except === undefined ? {} : { except: except.map(({ pattern }) => pattern).join(", ") }) },
    learningRate: analysis.learningRate,
    schedule,
    batch,
    epochs,
    ...(normalize === undefined ? {} : { normalize }),
    ...(augment.length === 0 ? {} : { augment }),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** The models of the standard library. */
export async function listModels(): Promise<{ name: string; path: string; reference: string | undefined; source: string }[]> {
  return (libraryFiles("std/models") ?? []).flatMap((path) => {
    const { entry } = loadModules(readSource(path), readModule);
    return [...entry.own].flatMap(([name, declaration]) => {
      const declared =
        declaration.kind === "block" && declaration.block.model
          ? declaration.block
          : declaration.kind === "variant"
            ? declaration.variant
            : undefined;
      if (declared === undefined) return [];
      const doc = declared.doc ?? "";
      const reference = /^Reference: *(\S+)$/m.exec(doc)?.[1];
      const source = doc
        .replaceAll(/^(Reference|Sizes):.*$/gm, "")
        .trim()
        .replaceAll(/\s+/g, " ");
      return [{ name, path, reference, source }];
    });
  });
}

/** Of a folder of the library (`std/models`), the file that has the model; else the path itself. Throws RN801 if none has it. */
async function fileOf(path: string, model: string | undefined): Promise<string> {
  const files = libraryFiles(path);
  if (files === undefined) return path;
  const models = (await listModels()).filter((each) => files.includes(each.path));
  const found = models.find(({ name }) => name === model);
  if (found !== undefined) return found.path;
  if (model === undefined) throw new ResnetError("RN801", `${path} has several models: choose one with --model; \`resnet list\` shows them`);
  const meant = closest(
    model,
    models.map(({ name }) => name),
  );
  const hint = meant === undefined ? "`resnet list` shows what there is" : `did you mean ${meant}?`;
  throw new ResnetError("RN801", `${path} has no model ${model}; ${hint}`);
}

/** A file to start from: a model of the library by itself, with a recipe. Throws RN801 if there is no such model. */
export async function starter(from: string, model?: string): Promise<Starter> {
  return makeStarter(await fileOf(from, model), model);
}

/** The text of a library or project file, as the compiler reads it. */
export function sourceText(path: string): string {
  return readSource(path).text;
}
