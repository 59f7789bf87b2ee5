/**
 * The operators as the language spells them: which arguments each takes and which graph operators it becomes.
 * Invariant: every entry reads its arguments through an ArgumentReader, so unknown and missing ones are reported alike.
 */
import type { Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { BinaryOp, PoolAttributes, ReduceOp, UnaryOp } from "../ir/attributes.ts";
import { add, type Dim, floorDiv, mul, product, sub } from "../ir/dim.ts";
import { DTYPES } from "../ir/type.ts";
import { type ArgumentReader, readArguments } from "./argument-reader.ts";
import { clamp, flatten, logSumExp, overAxes, reduceWith, split, squeeze, stack, unsqueeze, variance } from "./compositions.ts";
import { demand, emitOp, type Frame, provedEqual, report } from "./context.ts";
import { badMovement } from "./movement-problems.ts";
import * as problems from "./problems.ts";
import { einsum, rearrange } from "./rearrange.ts";
import { resize } from "./resize.ts";
import { asTensor, elementwise, matchShapes, unaryTensor } from "./tensor-expressions.ts";
import { type GivenArgument, POISON, type TensorValue, type Value } from "./values.ts";

type Apply = (read: ArgumentReader, frame: Frame, span: Span) => Value | undefined;

const UNARY: readonly UnaryOp[] = [
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "reciprocal",
  "abs",
  "sign",
  "floor",
  "ceil",
  "round",
  "sin",
  "cos",
  "tanh",
  "erf",
  "sigmoid",
  "relu",
  "square",
  "softplus",
  "gelu",
  "silu",
  "log1p",
  "expm1",
];

const BINARY: Readonly<Record<string, BinaryOp>> = { maximum: "maximum", minimum: "minimum", power: "power" };

const REDUCE: readonly ReduceOp[] = ["sum", "mean", "max", "min", "prod"];

const TABLE: Readonly<Record<string, Apply>> = {
  ...Object.fromEntries(UNARY.map((op) => [op, (read: ArgumentReader, frame: Frame, span: Span) => unaryTensor(frame, op, read.tensor("x"), span)])),
  ...Object.fromEntries(
    Object.entries(BINARY).map(([name, op]) => [
      name,
      (read: ArgumentReader, frame: Frame, span: Span) => elementwise(frame, op, read.any("a"), read.any("b"), span, `\`${name}\``),
    ]),
  ),
  ...Object.fromEntries(
    REDUCE.map((op) => [op, (read: ArgumentReader, frame: Frame, span: Span) => overAxes(read, frame, span, op, reduceWith(frame, op, span))]),
  ),
  var: (read, frame, span) => variance(read, frame, span, false),
  std: (read, frame, span) => variance(read, frame, span, true),
  logsumexp: (read, frame, span) => logSumExp(read, frame, span),
  clamp: (read, frame, span) => clamp(read, frame, span),
  rearrange: (read, frame, span) => rearrange(read, frame, span),
  einsum: (read, frame, span) => einsum(read, frame, span),
  flatten: (read, frame, span) => flatten(read, frame, span),
  squeeze: (read, frame, span) => squeeze(read, frame, span),
  unsqueeze: (read, frame, span) => unsqueeze(read, frame, span),
  stack: (read, frame, span) => stack(read, frame, span),
  split: (read, frame, span) => split(read, frame, span),
  resize: (read, frame, span) => resize(read, frame, span),
  convolution: (read, frame, span) => convolution(read, frame, span),
  convolution_transposed: (read, frame, span) => convolutionTransposed(read, frame, span),
  matmul: (read, frame, span) => matmul(read, frame, span),
  max_pool: (read, frame, span) => {
    const x = read.tensor("x");
    return emitOp(frame, "max_pool", [x], pool(read, x), span, "max_pool")?.[0];
  },
  avg_pool: (read, frame, span) => {
    const x = read.tensor("x");
    return emitOp(frame, "avg_pool", [x], { ...pool(read, x), countPadding: read.bool("count_padding", true) }, span, "avg_pool")?.[0];
  },
  batch_moments: (read, frame, span) => several(emitOp(frame, "batch_moments", [read.tensor("x")], {}, span, "batch_moments")),
  batch_norm: (read, frame, span) => {
    const inputs = ["x", "weight", "bias", "mean", "variance"].map((name) => read.tensor(name));
    return emitOp(frame, "batch_norm", inputs, { eps: read.real("eps", 1e-5) }, span, "batch_norm")?.[0];
  },
  reshape: (read, frame, span) => {
    const x = read.tensor("x");
    const shape = read.dims("shape");
    const relation = { op: "==", left: product(x.type.shape), right: product(shape) } as const;
    const sound = demand(frame.session, relation, span, "reshape keeps the number of elements", (witness) =>
      problems.relationFails(relation, "element counts before and after", witness, span, "reshape", [x]),
    );
    return sound ? emitOp(frame, "reshape", [x], { shape }, span, "reshape")?.[0] : undefined;
  },
  transpose: (read, frame, span) => {
    const x = read.tensor("x");
    const permutation = read.axes("permutation", x.type.shape.length);
    return emitOp(frame, "transpose", [x], { permutation }, span, "transpose")?.[0];
  },
  broadcast: (read, frame, span) => broadcast(read, frame, span),
  slice: (read, frame, span) => slice(read, frame, span),
  pad: (read, frame, span) => pad(read, frame, span),
  concat: (read, frame, span) => {
    const tensors = read.tensors();
    return emitOp(frame, "concat", tensors, { axis: read.axis("axis", tensors[0]?.type.shape.length ?? 2, 1) }, span, "concat")?.[0];
  },
  where: (read, frame, span) => {
    const condition = read.tensor("condition");
    const [chosen, other] = [read.any("then"), read.any("otherwise")];
    const dtype = chosen.kind === "tensor" ? chosen.type.dtype : other.kind === "tensor" ? other.type.dtype : "f32";
    const then = asTensor(frame, chosen, dtype, span);
    const otherwise = asTensor(frame, other, dtype, span);
    if (then === undefined || otherwise === undefined) return undefined;
    const first = matchShapes(frame, condition, then, span, "where");
    const second = matchShapes(frame, first?.[0] ?? condition, otherwise, span, "where");
    if (first === undefined || second === undefined) return undefined;
    return emitOp(
      frame,
      "select",
      [second[0], matchShapes(frame, second[0], first[1], span, "where")?.[1] ?? first[1], second[1]],
      {},
      span,
      "where",
    )?.[0];
  },
  cast: (read, frame, span) => {
    const x = read.tensor("x");
    const dtype = DTYPES.find((known) => known === read.string("dtype"));
    if (dtype !== undefined) return emitOp(frame, "cast", [x], { dtype }, span, "cast")?.[0];
    report(frame.session, badMovement("cast", `the dtypes are ${DTYPES.map((known) => `"${known}"`).join(", ")}`, span));
    return undefined;
  },
  stop_gradient: (read, frame, span) => emitOp(frame, "stop_gradient", [read.tensor("x")], {}, span, "stop_gradient")?.[0],
  softmax: (read, frame, span) => alongAxis(read, frame, span, "softmax"),
  log_softmax: (read, frame, span) => alongAxis(read, frame, span, "log_softmax"),
  gather: (read, frame, span) => emitOp(frame, "gather", [read.tensor("table"), read.tensor("indices")], {}, span, "gather")?.[0],
  argmax: (read, frame, span) => argmax(frame, read.tensor("x"), read, span),
  argmin: (read, frame, span) => {
    const negated = unaryTensor(frame, "negate", read.tensor("x"), span);
    return negated.kind === "tensor" ? argmax(frame, negated, read, span) : undefined;
  },
  iota: (read, frame, span) => {
    const shape = read.dims("shape");
    return emitOp(frame, "iota", [], { shape, axis: read.axis("axis", shape.length, 0), dtype: "i32" }, span, "iota")?.[0];
  },
  random: (read, frame, span) => {
    const seed = emitOp(frame, "scalar", [], { name: "seed", dtype: "i32" }, span, "seed")?.[0];
    if (seed === undefined) return undefined;
    return emitOp(frame, "random", [seed], { shape: read.dims("shape"), stream: 0 }, span, "random")?.[0];
  },
  softmax_cross_entropy: (read, frame, span) => {
    const inputs = [read.tensor("logits"), read.tensor("labels")];
    return emitOp(frame, "softmax_cross_entropy", inputs, { smoothing: read.real("smoothing", 0) }, span, "softmax_cross_entropy")?.[0];
  },
};

export const PRIMITIVE_NAMES: readonly string[] = Object.keys(TABLE);

export function isPrimitive(name: string): boolean {
  return Object.hasOwn(TABLE, name);
}

/** Applies an operator to its arguments; reported problems give poison. */
export function applyPrimitive(frame: Frame, name: string, given: readonly GivenArgument[], span: Span): Value {
  const apply = TABLE[name];
  if (apply === undefined) return POISON;
  return readArguments(frame, name, given, span, (read) => apply(read, frame, span) ?? POISON);
}

function several(values: readonly TensorValue[] | undefined): Value | undefined {
  return values === undefined ? undefined : { kind: "tuple", elements: values };
}

function alongAxis(read: ArgumentReader, frame: Frame, span: Span, op: "softmax" | "log_softmax"): Value | undefined {
  const x = read.tensor("x");
  return emitOp(frame, op, [x], { axis: read.axis("axis", x.type.shape.length, x.type.shape.length - 1) }, span, op)?.[0];
}

function argmax(frame: Frame, x: TensorValue, read: ArgumentReader, span: Span): Value | undefined {
  return emitOp(frame, "argmax", [x], { axis: read.axis("axis", x.type.shape.length, 1) }, span, "argmax")?.[0];
}

function spatialRank(x: TensorValue): number {
  return Math.max(0, x.type.shape.length - 2);
}

function convolution(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const weight = read.tensor("weight");
  const rank = spatialRank(x);
  const attributes = {
    kernel: weight.type.shape.slice(2),
    stride: read.perAxis("stride", rank, 1),
    padding: read.perAxis("padding", rank, 0),
    dilation: read.perAxis("dilation", rank, 1),
    groups: read.dim("groups", 1),
  };
  return emitOp(frame, "convolution", [x, weight], attributes, span, "convolution")?.[0];
}

/** Weight [C_in, C_out/groups, ..K], as in PyTorch; output (S - 1) * stride - 2 * padding + dilation * (K - 1) + 1. */
function convolutionTransposed(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const weight = read.tensor("weight");
  const rank = spatialRank(x);
  const kernel = weight.type.shape.slice(2);
  const stride = read.perAxis("stride", rank, 1);
  const padding = read.perAxis("padding", rank, 0);
  const dilation = read.perAxis("dilation", rank, 1);
  const extra = read.perAxis("output_padding", rank, 0);
  const groups = read.dim("groups", 1);
  const inputSize = x.type.shape.slice(2).map((size, i) => {
    const reach = mul(dilation[i] ?? 1, sub(kernel[i] ?? 1, 1));
    const spread = sub(mul(sub(size, 1), stride[i] ?? 1), mul(2, padding[i] ?? 0));
    return add(add(add(spread, reach), 1), extra[i] ?? 0);
  });
  const attributes = { kernel, stride, padding, dilation, groups, inputSize };
  return emitOp(frame, "convolution_input_gradient", [x, weight], attributes, span, "convolution_transposed")?.[0];
}

/** Leading axes are carried along; both sides may be stored transposed in their last two axes. */
function matmul(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const a = read.tensor("a");
  const b = read.tensor("b");
  const transposeLeft = read.bool("transpose_left", false);
  const transposeRight = read.bool("transpose_right", false);
  const attributes = { transposeLeft, transposeRight };
  const rankA = a.type.shape.length;
  const rankB = b.type.shape.length;
  if (rankA === rankB && rankA <= 3)
    return emitOp(frame, "matmul", [a, b], attributes, span, "matmul", (relation, what, witness) => {
      const found = problems.relationFails(relation, what, witness, span, "matmul", [a, b]);
      const isTurned =
        !transposeLeft && !transposeRight && relation.op === "==" && provedEqual(frame.session, a.type.shape.at(-1) ?? 1, b.type.shape.at(-1) ?? 2);
      return isTurned ? { ...found, fixes: transposeFix(span) } : found;
    })?.[0];
  const flatten = (x: TensorValue, keep: number): TensorValue | undefined => {
    const leading = x.type.shape.slice(0, x.type.shape.length - keep);
    const shape = [product(leading), ...x.type.shape.slice(-keep)];
    return emitOp(frame, "reshape", [x], { shape }, span, "matmul")?.[0];
  };
  const restore = (result: TensorValue | undefined, leading: readonly Dim[], keep: number): Value | undefined => {
    if (result === undefined) return undefined;
    return emitOp(frame, "reshape", [result], { shape: [...leading, ...result.type.shape.slice(-keep)] }, span, "matmul")?.[0];
  };
  if (rankB === 2 && rankA > 2 && !transposeLeft) {
    const rows = flatten(a, 1);
    if (rows === undefined) return undefined;
    return restore(emitOp(frame, "matmul", [rows, b], attributes, span, "matmul")?.[0], a.type.shape.slice(0, -1), 1);
  }
  if (rankA === rankB && rankA > 3) {
    const left = flatten(a, 2);
    const right = flatten(b, 2);
    if (left === undefined || right === undefined) return undefined;
    return restore(emitOp(frame, "matmul", [left, right], attributes, span, "matmul")?.[0], a.type.shape.slice(0, -2), 2);
  }
  report(
    frame.session,
    problems.typeProblem({ kind: "rank", input: 1, message: `matmul cannot combine ranks ${rankA} and ${rankB}` }, span, "matmul", [a, b]),
  );
  return undefined;
}

/** `q` times the transpose of `k`, as scores of attention are. */
function transposeFix(span: Span): Fix[] {
  const at = span.source.text.slice(span.start, span.end).trimEnd().length - 1 + span.start;
  if (span.source.text.charAt(at) !== ")") return [];
  const edits = [{ span: { ...span, start: at, end: at }, replacement: ", transpose_right: true" }];
  return [{ title: "take the second one transposed: `transpose_right: true`", applicability: "maybe-incorrect", edits }];
}

function pool(read: ArgumentReader, x: TensorValue): PoolAttributes {
  const rank = spatialRank(x);
  const kernel = read.perAxis("kernel", rank);
  return {
    kernel,
    stride: read.has("stride") ? read.perAxis("stride", rank) : kernel,
    padding: read.perAxis("padding", rank, 0),
    dilation: read.perAxis("dilation", rank, 1),
    ceil: read.bool("ceil", false),
  };
}

/** `broadcast(x, like: y, axes: [0, 1])`: axis i of x becomes axis axes[i] of y's shape; by default sizes of 1 expand. */
function broadcast(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const shape = read.has("like") ? [...read.tensor("like").type.shape] : read.dims("shape");
  const axes = read.has("axes") ? read.axes("axes", shape.length) : x.type.shape.map((_, axis) => axis + (shape.length - x.type.shape.length));
  return emitOp(frame, "broadcast", [x], { shape, axes }, span, "broadcast")?.[0];
}

/** `slice(x, axis: channel, start: 0, size: 16, step: 1)`; the size defaults to what is left. */
function slice(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const shape = x.type.shape;
  const axis = read.axis("axis", shape.length, 0);
  const start = read.dim("start", 0);
  const step = read.dim("step", 1);
  const rest = add(floorDiv(sub(sub(shape[axis] ?? 1, start), 1), step), 1);
  const size = read.has("size") ? read.dim("size", rest) : rest;
  const at = (value: Dim, other: (dim: Dim) => Dim): Dim[] => shape.map((dim, i) => (i === axis ? value : other(dim)));
  const attributes = { start: at(start, () => 0), step: at(step, () => 1), size: at(size, (dim) => dim) };
  return emitOp(frame, "slice", [x], attributes, span, "slice")?.[0];
}

function pad(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const rank = x.type.shape.length;
  const axis = read.axis("axis", rank, 1);
  const at = (value: Dim): Dim[] => x.type.shape.map((_, i) => (i === axis ? value : 0));
  const attributes = {
    before: at(read.dim("before", 0)),
    after: at(read.dim("after", 0)),
    interior: x.type.shape.map(() => 0),
    value: read.real("value", 0),
  };
  return emitOp(frame, "pad", [x], attributes, span, "pad")?.[0];
}
