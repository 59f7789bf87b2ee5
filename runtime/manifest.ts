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
export interface PortSpec {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly SizeSpec[];
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

/**
 * An argument of a kernel call: a count, or an address [arena, offset, extra?]: base + offset (times the batch in the
 * batch arena) + extra, all in bytes.
 */
export type ArgumentSpec = number | { readonly batch: number } | readonly [number, number] | readonly [number, number, number];

export interface StepSpec {
  /** Index into `Manifest.kernels`. */
  readonly kernel: number;
  readonly arguments: readonly ArgumentSpec[];
  /** Independent units of work; the runtime calls kernel(arguments, 0, units, scratch) or splits the range over threads. */
  readonly units: SizeSpec;
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

/** A dispatch: so many workgroups as the product of `workgroups`, each its sizes' product over `per`, rounded up. */
export interface WebgpuStepSpec {
  /** Index into `WebgpuSpec.shaders`. */
  readonly shader: number;
  /** Where its operands begin, as in `ArgumentSpec`; the uniform holds the batch and these in elements of 4 bytes. */
  readonly addresses: readonly (readonly [number, number] | readonly [number, number, number])[];
  readonly workgroups: readonly { readonly sizes: readonly SizeSpec[]; readonly per: number }[];
  /** Source paths served, for profiles. */
  readonly serves?: string;
}

export interface WebgpuProgramSpec extends Omit<ProgramSpec, "steps"> {
  readonly steps: readonly WebgpuStepSpec[];
}

/**
 * The programs for WebGPU: bindings 0 to 2 of each shader are the arenas (persistent, fixed, batch), all storage
 * read_write; binding 3 is the uniform of the step; the entry point is `main`.
 */
export interface WebgpuSpec {
  readonly shaders: readonly { readonly name: string; readonly code: string }[];
  readonly persistentBytes: number;
  /** Byte offsets in the persistent arena, by position in `Manifest.tensors`. */
  readonly offsets: readonly number[];
  readonly prepare: WebgpuProgramSpec | undefined;
  readonly infer: WebgpuProgramSpec | undefined;
  readonly gradients: WebgpuProgramSpec | undefined;
  readonly step: WebgpuProgramSpec | undefined;
}
