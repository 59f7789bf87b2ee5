/**
 * Writes the declarations of an emitted module, typed for its network: ports by name with their shapes, and the
 * methods that its programs allow.
 * Invariant: the text stands alone; what it declares is what the runtime does.
 */
import type { Manifest, PortSpec, ProgramSpec, TensorDtype } from "../../runtime/manifest.ts";

const ARRAYS: Readonly<Record<TensorDtype, string>> = {
  f32: "Float32Array",
  f16: "Uint16Array",
  i32: "Int32Array",
  i64: "BigInt64Array",
  bool: "Uint8Array",
};

const INPUTS: Readonly<Record<TensorDtype, string>> = {
  f32: "FloatInput",
  f16: "FloatInput",
  i32: "IntegerInput",
  i64: "IntegerInput",
  bool: "IntegerInput",
};

/** The `.d.ts` text; `banner` is a finished comment. */
export function emitDeclarations(manifest: Manifest, banner: string, hasDefaultWeights: boolean): string {
  const training = manifest.step ?? manifest.gradients;
  const shown = manifest.infer ?? training;
  const parts = [
    banner,
    COMMON,
    `/** Inputs of a forward pass. A bare array's batch follows from its length. */\nexport interface Inputs ${inputMembers(shown)}`,
    `export interface Outputs ${outputMembers(shown)}`,
    ...(training === undefined ? [] : [trainingTypes(manifest, training)]),
    loadOptions(manifest, hasDefaultWeights),
    networkType(manifest),
    footer(manifest),
  ];
  return `${parts.join("\n\n")}\n`;
}

const COMMON = `export type TensorData =
  | Float64Array | Float32Array | Uint16Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** A dense tensor, row-major, in PyTorch's axis order. f16 and bf16 are bit patterns in a Uint16Array. */
export interface Tensor<Data extends TensorData = TensorData> {
  readonly dtype: "f64" | "f32" | "f16" | "bf16" | "i64" | "i32" | "i16" | "i8" | "u8" | "bool";
  readonly shape: readonly number[];
  readonly data: Data;
}

export interface TensorLike {
  readonly dtype?: Tensor["dtype"];
  readonly shape: readonly number[];
  readonly data: TensorData | readonly number[];
}

type FloatData = Float32Array | Float64Array | readonly number[];
type IntegerData = Int32Array | BigInt64Array | Int16Array | Int8Array | Uint8Array | readonly number[];
export type FloatInput = FloatData | { readonly data: FloatData | Uint16Array; readonly shape: readonly number[]; readonly dtype?: Tensor["dtype"] };
export type IntegerInput = IntegerData | { readonly data: IntegerData; readonly shape: readonly number[]; readonly dtype?: Tensor["dtype"] };

/** Bytes of a safetensors file, its URL or path, or tensors by name. */
export type WeightSource =
  | Uint8Array | ArrayBuffer | string | URL
  | Readonly<Record<string, TensorLike>> | ReadonlyMap<string, TensorLike>;

export interface PortInfo {
  readonly name: string;
  readonly dtype: string;
  /** N is the batch. */
  readonly shape: readonly (number | string)[];
}

/** Times in milliseconds, over all calls. */
export interface Profile {
  readonly device: "wasm" | "webgpu";
  /** What timed the kernels; with \`none\` only the programs' times are known. */
  readonly clock: "host" | "timestamps" | "none";
  readonly programs: readonly { readonly program: string; readonly calls: number; readonly milliseconds: number }[];
  /** The slowest first. */
  readonly kernels: readonly {
    readonly program: string;
    readonly kernel: string;
    readonly calls: number;
    readonly milliseconds: number;
    readonly flops: number;
    readonly bytes: number;
    readonly serves: readonly string[];
  }[];
}`;

function loadOptions(manifest: Manifest, hasDefaultWeights: boolean): string {
  const weights = hasDefaultWeights
    ? "Instead of the module's own weights; null draws them from `seed`."
    : "Without it (or null) weights are drawn from `seed`.";
  const devices =
    manifest.webgpu === undefined
      ? '  readonly device?: "auto" | "wasm" | undefined;'
      : `  /** \`auto\` is \`wasm\`. */
  readonly device?: "auto" | "wasm" | "webgpu" | undefined;
  /** A GPU or GPUDevice in place of \`navigator.gpu\`. */
  readonly gpu?: object | undefined;
  /** True by default: goes on with the same weights on a new device, or on the CPU, if the GPU is lost or out of memory. */
  readonly recover?: boolean | undefined;
  /** Hears of that in one line; \`console.warn\` by default. */
  readonly onNotice?: ((message: string) => void) | undefined;
  /** Measures the ways to compute each kernel, which takes seconds, and goes on with the fastest; \`tunings\` remembers it. */
  readonly tune?: boolean | undefined;
  /** For example \`{ get: (k) => localStorage.getItem(k), set: (k, v) => localStorage.setItem(k, v) }\`. */
  readonly tunings?: {
    get(key: string): string | null | undefined | Promise<string | null | undefined>;
    set(key: string, value: string): unknown;
  } | undefined;`;
  return `export interface LoadOptions {
${devices}
  /** ${weights} */
  readonly weights?: WeightSource | null | undefined;
  /** Whole number, 0 by default. */
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  /** Takes the memory for this batch now. */
  readonly batch?: number | undefined;
  /** Keeps the times that \`profile\` gives. */
  readonly profile?: boolean | undefined;
}`;
}

function trainingTypes(manifest: Manifest, training: ProgramSpec): string {
  const scalars = Object.keys(manifest.scalars).map((name) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
  const members = scalars.map((name) => `  readonly ${key(name)}?: number | undefined;`);
  const gradientInputs = (manifest.gradients?.outputs ?? []).filter((port) => port.name.startsWith("input."));
  return `export interface TrainingInputs ${inputMembers(training)}

/** In place of the recipe's values, for one step. */
export interface Hyperparameters ${block(members)}

export interface StepResult {
  /** Before the update. */
  readonly loss: number;
  readonly outputs: Outputs;
}

export interface GradientsResult extends StepResult {
  /** By parameter name, in checkpoint order. */
  readonly gradients: Readonly<Record<string, Tensor<Float32Array>>>;
  readonly inputGradients: ${block(gradientInputs.map((port) => member(port.name.slice("input.".length), port, `Tensor<${ARRAYS[port.dtype]}>`)))};
}

export interface OptimizerState {
  readonly step: number;
  readonly slots: Readonly<Record<string, TensorLike>>;
}`;
}

function networkType(manifest: Manifest): string {
  const methods = [
    ...(manifest.infer === undefined ? [] : ["/** Forward pass in inference mode. */", "run(inputs: Inputs): Promise<Outputs>;"]),
    ...(manifest.gradients === undefined
      ? []
      : ["/** Forward and backward pass in training mode; changes nothing. */", "gradients(inputs: TrainingInputs): Promise<GradientsResult>;"]),
    ...(manifest.step === undefined
      ? []
      : [
          "/** One training step. */",
          "step(inputs: TrainingInputs, hyper?: Hyperparameters): Promise<StepResult>;",
          "optimizerState(): Promise<OptimizerState & { readonly slots: Readonly<Record<string, Tensor>> }>;",
          "setOptimizerState(state: OptimizerState): Promise<void>;",
          "readonly stepsDone: number;",
        ]),
  ];
  return `export interface Network {
  readonly model: string;
  readonly device: "wasm" | "webgpu";
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
${methods.map((line) => `  ${line}`).join("\n")}
  /** Parameters and states, in checkpoint order. */
  weights(): Promise<Readonly<Record<string, Tensor>>>;
  /** The weights as the bytes of a safetensors file. */
  saveWeights(metadata?: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>>;
  setWeights(weights: WeightSource): Promise<void>;
  /** Where the time went since loading, or since the last profile; needs \`load({ profile: true })\`. */
  profile(): Promise<Profile>;
  dispose(): Promise<void>;
}`;
}

function footer(manifest: Manifest): string {
  const training = `

export type Batches = Iterable<TrainingInputs> | AsyncIterable<TrainingInputs>;

export interface EpochReport {
  readonly epoch: number;
  /** Mean of the steps' losses. */
  readonly loss: number;
  readonly steps: number;
}

/** Minimal training loop; goes on from the network's step count. */
export declare function train(
  network: Network,
  batches: Batches | ((epoch: number) => Batches),
  options?: {
    readonly epochs?: number;
    /** Peak rate, which the schedule's factor multiplies. */
    readonly learningRate?: number;
    readonly schedule?: (iteration: number) => number;
    readonly hyper?: Hyperparameters;
    readonly onStep?: (report: StepResult & { readonly step: number; readonly epoch: number; readonly learningRate: number | undefined }) => void | Promise<void>;
    readonly onEpoch?: (report: EpochReport) => void | Promise<void>;
    readonly signal?: AbortSignal;
  },
): Promise<EpochReport>;

/** Consecutive phases; \`epochs\` is where a phase ends, counted from the start of training. */
export declare function createSchedule(
  phases: readonly (
    | { readonly kind: "constant"; readonly epochs?: number }
    | { readonly kind: "warmup"; readonly epochs: number }
    | { readonly kind: "cosine"; readonly epochs: number; readonly final?: number }
    | { readonly kind: "step"; readonly milestones?: readonly number[]; readonly every?: number; readonly gamma?: number; readonly epochs?: number }
  )[],
  stepsPerEpoch: number,
): (iteration: number) => number;`;
  return `/** The network's structure: tensors, programs and memory. */
export declare const manifest: { readonly model: string; readonly [member: string]: unknown };

export declare class ResnetError extends Error {
  /** RN6xx device, RN7xx inputs and weights. */
  readonly code: string;
}

/** Instantiates the network. Throws ResnetError. */
export declare function load(options?: LoadOptions): Promise<Network>;${manifest.step === undefined ? "" : training}`;
}

function inputMembers(program: ProgramSpec | undefined): string {
  return block((program?.inputs ?? []).map((port) => member(port.name, port, INPUTS[port.dtype])));
}

function outputMembers(program: ProgramSpec | undefined): string {
  const ports = (program?.outputs ?? []).filter(({ name }) => name !== "loss" && !/^(gradient|input)\./.test(name));
  return block(ports.map((port) => member(port.name.replace(/^output\./, ""), port, `Tensor<${ARRAYS[port.dtype]}>`)));
}

function member(name: string, port: PortSpec, type: string): string {
  const shape = port.shape.map((size) => (typeof size === "number" ? size : size.batch === 1 ? "N" : `${size.batch}*N`));
  return `  /** ${port.dtype}[${shape.join(", ")}] */\n  readonly ${key(name)}: ${type};`;
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function block(members: readonly string[]): string {
  return members.length === 0 ? "{}" : `{\n${members.join("\n")}\n}`;
}
