/**
 * The contract between compiler and runtime: a compiled network as JSON beside its Wasm bytes.
 * Invariant: addresses are resolved by the runtime as base(arena) + offset (* batch in the batch arena); every kernel is
 * a Wasm export `(argumentsPointer, begin, end, scratch) -> ()`, whose arguments block is an i32 array in linear memory.
 */

export type TensorDtype = "f32" | "f16" | "i32" | "i64" | "bool";

/** A count: constant, or times the batch. */
export type SizeSpec = number | { readonly batch: number };

/** How a tensor begins. `low` and `high` are values, not multiples of `std`; drawn as `runtime/random.ts` states. */
export type InitializerSpec =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly mean: number; readonly std: number }
  | {
      readonly kind: "truncated_normal";
      readonly mean: number;
      readonly std: number;
      readonly low: number;
      readonly high: number;
    }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number };

/** Inside, tensors are f32 or i32; `dtype` is what crosses the border. Shapes are PyTorch's, row-major. */
export interface PortTypeSpec {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly SizeSpec[];
}

export interface PortSpec extends PortTypeSpec {
  /** [arena, byte offset]: 0 persistent, 1 fixed, 2 batch. */
  readonly place: readonly [number, number];
}

export interface TensorSpec {
  readonly name: string;
  readonly kind: "param" | "state" | "slot";
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /** Byte offset in the persistent arena. */
  readonly offset: number;
  readonly initializer: InitializerSpec;
}

/** An argument of a kernel call: a count, or an address: so many bytes into one of the step's operands. */
export type ArgumentSpec = SizeSpec | readonly [operand: number, extra: SizeSpec];

/** How a kernel is called. Equal layers differ in the addresses of their operands alone, which are the steps'. */
export interface CallSpec {
  /** Index into `Manifest.kernels`. */
  readonly kernel: number;
  readonly arguments: readonly ArgumentSpec[];
  /** Independent units of work; the runtime calls kernel(arguments, 0, units, scratch) or splits the range over threads. */
  readonly units: SizeSpec;
  /** Multiplications and additions, and bytes of operands each counted once, for profiles. */
  readonly flops?: SizeSpec;
  readonly bytes?: SizeSpec;
}

export interface StepSpec {
  /** Index into `Manifest.calls`. */
  readonly call: number;
  /** Where the operands lie, as places one after another: arena, byte offset, arena, byte offset, .. */
  readonly operands: readonly number[];
  /** Source paths served, for profiles. */
  readonly serves?: string;
}

/**
 * In `gradients` and `step` the outputs are `loss` (shape []), then `gradient.NAME` per parameter and `input.NAME` per
 * float input (`gradients` only), and the out ports under their own names, or as `output.NAME`.
 */
export interface ProgramSpec {
  readonly inputs: readonly PortSpec[];
  /** Scalars given at each call: `learning_rate`, ..; the runtime itself sets `step_number` (1-based) and `seed` (i32). */
  readonly scalars: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  readonly steps: readonly StepSpec[];
  readonly fixedBytes: number;
  /** Per unit of batch. */
  readonly batchBytes: number;
}

export interface Manifest {
  readonly format: 1;
  readonly model: string;
  /** Kernel exports of the Wasm module, which imports its one memory (under any name) and nothing else. */
  readonly kernels: readonly string[];
  /** What the steps of all programs call. */
  readonly calls: readonly CallSpec[];
  readonly persistentBytes: number;
  /** Bytes of scratch that each thread needs. */
  readonly scratchBytes: number;
  /** Fixed batch if the batch is not free. */
  readonly batch: number | undefined;
  readonly tensors: readonly TensorSpec[];
  readonly prepare: ProgramSpec | undefined;
  readonly infer: ProgramSpec | undefined;
  readonly gradients: ProgramSpec | undefined;
  readonly step: ProgramSpec | undefined;
  /** Hyper-parameters of the optimizer that `step` may be given anew, with their defaults. */
  readonly scalars: Readonly<Record<string, number>>;
  /** The same programs for WebGPU, where they were asked for. */
  readonly webgpu?: WebgpuSpec;
  /** Conditions on the batch that the checker could not prove: checked at each call. */
  readonly guards: readonly GuardSpec[];
}

/** A condition on the batch, with its text for the error. */
export interface GuardSpec {
  readonly text: string;
  readonly condition: GuardCondition;
  /** Asked of `infer` alone, or of `gradients` and `step`; of all if absent. */
  readonly mode?: "inference" | "training";
}

export type GuardCondition =
  | { readonly op: "==" | "!=" | "<" | "<=" | ">" | ">="; readonly left: GuardSize; readonly right: GuardSize }
  | { readonly op: "divides"; readonly divisor: GuardSize; readonly dividend: GuardSize }
  | { readonly op: "and" | "or"; readonly parts: readonly GuardCondition[] }
  | { readonly op: "not"; readonly part: GuardCondition };

/** An integer that may depend on the batch. */
export type GuardSize =
  | number
  | { readonly kind: "batch" }
  | { readonly kind: "sum" | "product" | "min" | "max"; readonly parts: readonly GuardSize[] }
  | { readonly kind: "floor"; readonly numerator: GuardSize; readonly denominator: GuardSize }
  | { readonly kind: "select"; readonly condition: GuardCondition; readonly then: GuardSize; readonly otherwise: GuardSize };

/**
 * Memory of a WebGPU program: kept between calls, or alive from step `first` to step `last`, both included (an input
 * from -1, a result to the number of steps). Tensors that share memory (parts of a concat, results in place) are one.
 */
export type WebgpuBufferSpec =
  /** Position in `WebgpuSpec.persistent`. */
  | { readonly persistent: number }
  | {
      readonly bytes: SizeSpec;
      readonly first: number;
      readonly last: number;
      /** Of the first tensor there, for the error if a device cannot hold it. */
      readonly name: string;
      readonly shape?: readonly SizeSpec[];
    };

export interface WebgpuPortSpec extends PortTypeSpec {
  /** Position in the program's `buffers`; the tensor begins where the buffer does. */
  readonly buffer: number;
}

/** One compute dispatch: so many workgroups as the product of `workgroups`, each its sizes' product over `per`, rounded up. */
export interface WebgpuDispatchSpec {
  /** Position in `WebgpuSpec.shaders`. */
  readonly shader: number;
  /** What bindings 1, 2, .. are: positions in the step's `buffers`, or -1, -2, .. for the variant's `scratch`. All differ. */
  readonly bindings: readonly number[];
  /** After the batch, the values of the uniform: elements at which the kernel's operands begin in their bindings, then parameters. */
  readonly offsets: readonly SizeSpec[];
  readonly workgroups: readonly { readonly sizes: readonly SizeSpec[]; readonly per: number }[];
}

/** One way to compute a step: dispatches in order. */
export interface WebgpuVariantSpec {
  /** Of the tiling, for profiles and for what is remembered of measurements; unique within the step. */
  readonly name: string;
  readonly dispatches: readonly WebgpuDispatchSpec[];
  /** Bytes of buffers that live during this step alone. */
  readonly scratch: readonly SizeSpec[];
  /** What the device must have beyond WebGPU's defaults. */
  readonly requires?: WebgpuRequirements;
  /** The compiler's choice up to this batch, beyond it the next variant; 0: only a measurement chooses it. */
  readonly upTo?: number;
  /** No measurement tries it beyond this batch. */
  readonly triedUpTo?: number;
  /** Without barriers, and so quick to compile: the choice on an adapter of software, whatever `upTo` says. */
  readonly plain?: true;
}

export interface WebgpuRequirements {
  /** Names of GPUFeatureName, e.g. `subgroups`, `shader-f16`. */
  readonly features?: readonly string[];
  /** `maxComputeWorkgroupStorageSize` and `maxComputeInvocationsPerWorkgroup`, at least. */
  readonly workgroupStorage?: number;
  readonly invocations?: number;
}

/** How a kernel is run. Equal layers differ in the memory that they touch alone, which is the steps'. */
export interface WebgpuCallSpec {
  /** Ways to the same result, not empty; the last needs nothing. Without a measurement the first that the device and the batch allow. */
  readonly variants: readonly WebgpuVariantSpec[];
  /** Multiplications and additions, and bytes of operands each counted once, for profiles. */
  readonly flops: SizeSpec;
  readonly bytes: SizeSpec;
}

export interface WebgpuStepSpec {
  /** Position in `WebgpuSpec.calls`. */
  readonly call: number;
  /** Where the operands lie: positions in the program's `buffers`. */
  readonly buffers: readonly number[];
  /** Source paths served, for profiles. */
  readonly serves?: string;
}

export interface WebgpuProgramSpec {
  readonly inputs: readonly WebgpuPortSpec[];
  readonly scalars: readonly WebgpuPortSpec[];
  readonly outputs: readonly WebgpuPortSpec[];
  readonly buffers: readonly WebgpuBufferSpec[];
  readonly steps: readonly WebgpuStepSpec[];
}

/** A shader as a text in which a dollar sign stands for each of `sizes`, in order: see `webgpu/shader-text.ts`. */
export interface WebgpuShaderSpec {
  readonly name: string;
  readonly template: string;
  readonly sizes: readonly number[];
}

/**
 * The programs for WebGPU. Of each shader the entry point is `main`, binding 0 of group 0 the uniform (`batch`, then the
 * dispatch's `offsets`, all i32, 256 bytes at most), bindings 1.. are storage, `read_write`. A dispatch may be given as a
 * grid of two dimensions (x fastest) that is larger than asked for.
 */
export interface WebgpuSpec {
  /** Names of GPUFeatureName without which a device cannot run it. */
  readonly features?: readonly string[];
  readonly shaders: readonly WebgpuShaderSpec[];
  /** What the steps of all programs run. */
  readonly calls: readonly WebgpuCallSpec[];
  /** Bytes of what is kept: first `Manifest.tensors`, in that order, then what `prepare` makes. */
  readonly persistent: readonly number[];
  readonly prepare: WebgpuProgramSpec | undefined;
  readonly infer: WebgpuProgramSpec | undefined;
  readonly gradients: WebgpuProgramSpec | undefined;
  readonly step: WebgpuProgramSpec | undefined;
}

/** A manifest with WebGPU as modules carry it: shaders' texts are positions in `lines`. */
export type PackedManifest = Omit<Manifest, "webgpu"> & {
  readonly webgpu: Omit<WebgpuSpec, "shaders"> & {
    readonly shaders: readonly (Omit<WebgpuShaderSpec, "template"> & { readonly template: readonly number[] })[];
    readonly lines: readonly string[];
  };
};
