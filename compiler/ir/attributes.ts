/**
 * The closed list of graph operators and what each carries. `Attributes` names them: a new operator is an entry here,
 * one `Operator<K>` object in `compiler/operators`, and its cases.
 * Sizes are Dims so that the checker types operators symbolically; in a Graph they are constants or linear in the batch.
 */
import type { Dim } from "./dim.ts";
import type { AdamSpec, SgdSpec } from "./optimizer.ts";
import type { Dtype } from "./type.ts";

/** One entry per spatial axis in each list. Padding is what is added before; the after side follows from the output size. */
export interface WindowAttributes {
  readonly kernel: readonly Dim[];
  readonly stride: readonly Dim[];
  readonly padding: readonly Dim[];
  readonly dilation: readonly Dim[];
}

export interface PoolAttributes extends WindowAttributes {
  /** Output size rounds up instead of down (PyTorch's ceil_mode). */
  readonly ceil: boolean;
}

export interface ConvolutionAttributes extends WindowAttributes {
  readonly groups: Dim;
}

export type UnaryOp =
  | "negate"
  | "exp"
  | "log"
  | "sqrt"
  | "rsqrt"
  | "reciprocal"
  | "abs"
  | "sign"
  | "floor"
  | "ceil"
  | "round"
  | "sin"
  | "cos"
  | "tanh"
  | "erf"
  | "sigmoid"
  | "relu"
  | "square"
  | "softplus"
  | "gelu"
  | "silu"
  | "log1p"
  | "expm1"
  | "not";

export type BinaryOp =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "maximum"
  | "minimum"
  | "power"
  | "equal"
  | "not_equal"
  | "less"
  | "less_equal"
  | "greater"
  | "greater_equal"
  | "and"
  | "or";

export type ReduceOp = "sum" | "mean" | "max" | "min" | "prod";

/** How a tensor begins; every initialiser of the language reduces to one of these. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly mean: number; readonly std: number }
  | { readonly kind: "truncated_normal"; readonly mean: number; readonly std: number; readonly low: number; readonly high: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number };

type None = Readonly<Record<never, never>>;

export interface Attributes {
  // sources
  input: { readonly name: string; readonly dtype: Dtype; readonly shape: readonly Dim[] };
  parameter: { readonly name: string; readonly shape: readonly Dim[]; readonly initializer: Initializer };
  state: { readonly name: string; readonly dtype: Dtype; readonly shape: readonly Dim[]; readonly initializer: Initializer };
  /** A scalar given at each call: `learning_rate`, `step_number` (1-based), `seed`. */
  scalar: { readonly name: string; readonly dtype: Dtype };
  constant: { readonly value: number; readonly dtype: Dtype; readonly shape: readonly Dim[] };
  /** A size as a number of the given dtype: `n / (n - 1)` in batch norm with a free batch. Shape []. */
  size: { readonly value: Dim; readonly dtype: Dtype };
  /** 0, 1, 2, ... along one axis. */
  iota: { readonly shape: readonly Dim[]; readonly axis: number; readonly dtype: Dtype };
  /** Uniform in [0, 1), counter-based on (seed, stream, element). Inputs: seed scalar. */
  random: { readonly shape: readonly Dim[]; readonly stream: number };
  // elementwise; binary and select take equal shapes (the builder inserts broadcast)
  unary: { readonly op: UnaryOp };
  binary: { readonly op: BinaryOp };
  /** condition, then, otherwise. */
  select: None;
  cast: { readonly dtype: Dtype };
  /** Identity whose gradient is stopped. */
  stop_gradient: None;
  // movement
  /** Inserts and expands axes: input axis i becomes output axis axes[i]; other axes and size-1 input axes are repeated. */
  broadcast: { readonly shape: readonly Dim[]; readonly axes: readonly number[] };
  reshape: { readonly shape: readonly Dim[] };
  transpose: { readonly permutation: readonly number[] };
  /** Per axis: start and step (> 0) and resulting size. */
  slice: { readonly start: readonly Dim[]; readonly step: readonly Dim[]; readonly size: readonly Dim[] };
  /** Per axis: values added before, after, and between neighbours (`interior`, 0 for none); all are `value`. */
  pad: { readonly before: readonly Dim[]; readonly after: readonly Dim[]; readonly interior: readonly Dim[]; readonly value: number };
  concat: { readonly axis: number };
  /** table [V, ...D], indices [...I] (integer) -> [...I, ...D]. */
  gather: None;
  /** Gradient of gather: indices, values -> [size, ...D], summed. */
  scatter_add: { readonly size: Dim };
  // reductions: axes are dropped
  reduce: { readonly op: ReduceOp; readonly axes: readonly number[] };
  argmax: { readonly axis: number };
  // contractions
  /** x [N, C, ..S], weight [O, C/groups, ..K] -> [N, O, ..out]. */
  convolution: ConvolutionAttributes;
  /** dy, weight -> dx of the given input sizes. Also the forward of a transposed convolution. */
  convolution_input_gradient: ConvolutionAttributes & { readonly inputSize: readonly Dim[] };
  /** x, dy -> dweight. */
  convolution_kernel_gradient: ConvolutionAttributes;
  /** [M, K] x [K, N] or batched [B, M, K] x [B, K, N]; flags say that an operand is stored transposed. */
  matmul: { readonly transposeLeft: boolean; readonly transposeRight: boolean };
  // pooling: x [N, C, ..S]
  /** x -> y, position (i32): which tap, counted row-major in the window, held the first maximum, as in PyTorch. */
  max_pool: PoolAttributes;
  /** position, dy -> dx of the given input sizes. */
  max_pool_gradient: PoolAttributes & { readonly inputSize: readonly Dim[] };
  avg_pool: PoolAttributes & { readonly countPadding: boolean };
  /** dy -> dx of the given input sizes. */
  avg_pool_gradient: PoolAttributes & { readonly countPadding: boolean; readonly inputSize: readonly Dim[] };
  // composites, kept whole until lowering
  /** x, weight, bias, mean, variance -> y = (x - mean) / sqrt(variance + eps) * weight + bias, over channels (axis 1). */
  batch_norm: { readonly eps: number };
  /** x -> mean, biased variance over all axes but 1. */
  batch_moments: None;
  /** x, dy, mean, variance -> sum(dy), sum(dy * (x - mean) / sqrt(variance + eps)) over all axes but 1. */
  batch_norm_gradient_sums: { readonly eps: number };
  /** x, dy, weight, mean, variance, sum_dy, sum_dy_xhat -> dx of batch norm with batch statistics. */
  batch_norm_gradient_input: { readonly eps: number };
  /** Along `axis`. */
  softmax: { readonly axis: number };
  log_softmax: { readonly axis: number };
  /** logits [N, K], labels [N] (integer) -> per-sample loss [N], with label smoothing. */
  softmax_cross_entropy: { readonly smoothing: number };
  /** logits, labels, upstream [N] -> dlogits. */
  softmax_cross_entropy_gradient: { readonly smoothing: number };
  /** parameter, gradient, [velocity,] learning rate [, step number] -> parameter [, velocity]. */
  sgd_step: SgdSpec;
  /** parameter, gradient, mean, square -> mean, square. */
  adam_moments: AdamSpec;
  /** parameter, new mean, new square, learning rate, step number -> parameter. */
  adam_step: AdamSpec;
}

export type OpName = keyof Attributes;
