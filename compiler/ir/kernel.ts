/**
 * Kernels: loops over axes with scalar expressions, the one form that both back ends print. No operator is named here.
 * Loads are logical (one index per tensor axis); operands carry the strides, so layout is data.
 * Invariant: an axis extent, stride or offset is a Size: a constant or a multiple of the batch.
 */
import type { BinaryOp, UnaryOp } from "./attributes.ts";

/** A count: constant, or `batch` times the free batch size plus nothing else. */
export type Size = number | { readonly batch: number };

export type ScalarType = "f32" | "i32";

export interface Axis {
  readonly name: string;
  readonly extent: Size;
}

/** constant + sum of coefficient * axis (axes of the kernel by position: parallel axes first, then reduced ones). */
export interface Affine {
  readonly constant: number;
  readonly terms: readonly { readonly axis: number; readonly coefficient: number }[];
}

/**
 * One coordinate of a load or store. With `bound`, the coordinate is `index / divisor` and the access happens only if
 * that is whole and lies in [0, extent); otherwise the load gives `fill` and the store does nothing.
 */
export interface Coordinate {
  readonly index: Affine;
  readonly bound?: { readonly extent: Size; readonly divisor: number };
  /** Replaces the affine index by an integer expression (gather). */
  readonly dynamic?: Expression;
}

/**
 * Comparisons, `and`, `or` and `not` yield a condition: `select` takes it as it is, elsewhere (stored, cast, compared) it
 * is the i32 0 or 1. Where a condition is wanted an i32 may stand, and is true unless 0. Other operators take operands of
 * one type and keep it; i32 division truncates; `cast` to i32 truncates towards zero; `round` goes to even.
 */
export type Expression =
  | { readonly kind: "load"; readonly operand: number; readonly at: readonly Coordinate[]; readonly fill: number }
  | { readonly kind: "constant"; readonly value: number; readonly type: ScalarType }
  | { readonly kind: "size"; readonly value: Size; readonly type: ScalarType }
  /** The value of an affine index, as i32. */
  | { readonly kind: "index"; readonly value: Affine }
  | { readonly kind: "unary"; readonly op: UnaryOp; readonly x: Expression }
  | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "select"; readonly condition: Expression; readonly then: Expression; readonly else: Expression }
  | { readonly kind: "cast"; readonly to: ScalarType; readonly x: Expression }
  /** Uniform [0,1) from a counter, by `randomUniform` of ir/random.ts; seed and index are i32. */
  | { readonly kind: "random"; readonly seed: Expression; readonly stream: number; readonly index: Expression }
  /** Result of an accumulator, in the epilogue of a reduction or contraction. */
  | { readonly kind: "accumulator"; readonly index: number }
  /** A shared subexpression of `Kernel.lets`, evaluated once per element, in order. */
  | { readonly kind: "let"; readonly index: number };

/**
 * A tensor as the kernel sees it: a buffer, an element offset into it, and a stride per logical axis (in elements).
 * Several operands may name one buffer. What a kernel writes it reads only in lets and stores and only at the element
 * that is written; with several stores all loads are lets. So a block of elements may be loaded whole, then stored.
 * Operands of one buffer may also interleave (parts of a concat): nothing but an operand's own elements may be written.
 */
export interface Operand {
  readonly buffer: number;
  readonly type: ScalarType;
  readonly offset: Size;
  readonly strides: readonly Size[];
}

export interface Store {
  readonly operand: number;
  readonly at: readonly Coordinate[];
  readonly value: Expression;
  /** Adds to what is there; only in sequential kernels (scatter). */
  readonly accumulate?: boolean;
}

export interface Accumulator {
  readonly combine: "sum" | "max" | "min" | "prod";
  readonly value: Expression;
  /** For max: the accumulator yields instead the position (i32: row-major over the reduced axes) of its first maximum. */
  readonly position?: boolean;
}

/** `input = output * stride + tap * dilation - padding` along one spatial axis. */
export interface WindowAxis {
  readonly input: number;
  readonly output: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
}

/**
 * Sum of products over a sliding window, solved for one of its three tensors:
 *   output[b, g, o.., n] = sum over taps and c of input[b, g, o*stride + tap*dilation - padding .., c] * kernel[g, tap.., c, n]
 * Without window axes it is a (grouped) matrix product. For result "input" or "kernel" the other two are summed instead.
 */
export interface Contraction {
  readonly result: "output" | "input" | "kernel";
  readonly batch: Size;
  readonly groups: Size;
  readonly window: readonly WindowAxis[];
  /** Channels per group of the input and of the output. */
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Strides in elements. The entry of the result's own role is unused. */
  readonly input: RoleStrides;
  readonly kernel: {
    readonly operand: number;
    readonly group: Size;
    readonly taps: readonly number[];
    readonly input: number;
    readonly output: number;
  };
  readonly output: RoleStrides;
  /**
   * Elementwise functions applied as the input or output operand is read, e.g. batch norm and ReLU of a pre-activation:
   * the kernel's lets 0.. may hold them; `accumulator` 0 stands for the value read; loads use the axes
   * [batch, group, spatial.., channel] of that role, numbered 0...
   */
  readonly inputPrologue?: Expression;
  readonly outputPrologue?: Expression;
  /** The kernel operand is not addressed by strides but lies in the panels that `compiler/wasm/pack.ts` defines. */
  readonly packedPanel?: 8;
}

export interface RoleStrides {
  readonly operand: number;
  readonly batch: Size;
  readonly group: Size;
  readonly spatial: readonly Size[];
  readonly channel: Size;
}

interface KernelBase {
  /** From the source, e.g. `conv_bn_relu`; not unique. */
  readonly name: string;
  /** Paths of the nodes served, for comments and profiles. */
  readonly serves: readonly string[];
  readonly operands: readonly Operand[];
  /** Parallel axes, outermost first. For contractions those of the result, in its role's order:
   *  output/input: [batch, group, spatial.., channel]; kernel: [group, taps.., inputChannel, outputChannel]. */
  readonly axes: readonly Axis[];
  readonly lets: readonly Expression[];
  readonly stores: readonly Store[];
}

export type Kernel =
  | (KernelBase & { readonly form: "pointwise" })
  /** Runs in order on one thread: for accumulating stores. */
  | (KernelBase & { readonly form: "sequential" })
  /** Lets and stores are the epilogue, evaluated once per parallel element, after the accumulators. */
  | (KernelBase & { readonly form: "reduction"; readonly reduced: readonly Axis[]; readonly accumulators: readonly Accumulator[] })
  | (KernelBase & { readonly form: "contraction"; readonly contraction: Contraction });
