/**
 * Operators made of others while a block is elaborated: variance, log-sum-exp, clamp, and the splitting of axes.
 * Invariant: gradients follow from the parts, and agree with PyTorch's also where two branches meet.
 */
import type { Span } from "../../grammar/source.ts";
import type { BinaryOp, ReduceOp } from "../ir/attributes.ts";
import { add, constantOf, type Dim, divExact, mul, product, sub } from "../ir/dim.ts";
import type { ArgumentReader } from "./argument-reader.ts";
import { demand, emitOp, type Frame, report } from "./context.ts";
import { badMovement } from "./movement-problems.ts";
import * as problems from "./problems.ts";
import { byPattern, type ReduceAxes, reshapeTo } from "./rearrange.ts";
import { asTensor, elementwise, unaryTensor } from "./tensor-expressions.ts";
import { dimValue, type TensorValue, type Value } from "./values.ts";

/** A tensor, or nothing where something was reported. */
function tensorOf(value: Value | undefined): TensorValue | undefined {
  return value?.kind === "tensor" ? value : undefined;
}

function apply(frame: Frame, op: BinaryOp, a: Value | undefined, b: Value | undefined, span: Span): TensorValue | undefined {
  return a === undefined || b === undefined ? undefined : tensorOf(elementwise(frame, op, a, b, span, `\`${op}\``));
}

/** Reads what follows `x` in a reduction, `axes` or a pattern, and applies the reduction. */
export function overAxes(read: ArgumentReader, frame: Frame, span: Span, what: string, reduce: ReduceAxes): TensorValue | undefined {
  const x = read.tensor("x");
  const given = read.optional("axes");
  if (given?.value.kind === "string" && given.value.value.includes("->")) return byPattern(read, frame, span, what, x, given.value.value, reduce);
  const rank = x.type.shape.length;
  const axes = given === undefined ? x.type.shape.map((_, axis) => axis) : read.axes("axes", rank);
  return reduce(
    x,
    [...new Set(axes)].sort((a, b) => a - b),
  );
}

/** One of the primitive reductions. */
export function reduceWith(frame: Frame, op: ReduceOp, span: Span): ReduceAxes {
  return (x, axes) => emitOp(frame, "reduce", [x], { op, axes }, span, op)?.[0];
}

/** What was reduced, repeated to the shape it came from. */
function repeated(frame: Frame, reduced: TensorValue | undefined, like: TensorValue, axes: readonly number[], span: Span): TensorValue | undefined {
  if (reduced === undefined) return undefined;
  const kept = like.type.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  return emitOp(frame, "broadcast", [reduced], { shape: like.type.shape, axes: kept }, span, "broadcast")?.[0];
}

/** Sum of squared distances from the mean over n - 1, or n if `biased`. */
export function variance(read: ArgumentReader, frame: Frame, span: Span, root: boolean): Value | undefined {
  const named = read.named("biased");
  const biased = named === undefined ? false : read.bool("biased", false);
  return overAxes(read, frame, span, root ? "std" : "var", (x, axes) => {
    const mean = repeated(frame, reduceWith(frame, "mean", span)(x, axes), x, axes, span);
    const centred = apply(frame, "subtract", x, mean, span);
    const squared = centred === undefined ? undefined : tensorOf(unaryTensor(frame, "square", centred, span));
    if (squared === undefined) return undefined;
    const total = reduceWith(frame, "sum", span)(squared, axes);
    const count = product(axes.map((axis) => x.type.shape[axis] ?? 1));
    const divisor = asTensor(frame, dimValue(biased ? count : sub(count, 1)), "f32", span);
    const result = apply(frame, "divide", total, divisor, span);
    return root && result !== undefined ? tensorOf(unaryTensor(frame, "sqrt", result, span)) : result;
  });
}

/** log(sum(exp(x))), kept from overflow by the greatest value, which takes no part in the gradient. */
export function logSumExp(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  return overAxes(read, frame, span, "logsumexp", (x, axes) => {
    const greatest = reduceWith(frame, "max", span)(x, axes);
    const still = greatest === undefined ? undefined : emitOp(frame, "stop_gradient", [greatest], {}, span, "logsumexp")?.[0];
    // Of nothing but -infinity the result is -infinity; subtracting it would give NaN.
    const finite =
      still === undefined
        ? undefined
        : apply(frame, "less", unaryTensor(frame, "abs", still, span), { kind: "real", value: Number.POSITIVE_INFINITY }, span);
    const shift = choose(frame, finite, still, { kind: "real", value: 0 }, span);
    const shifted = apply(frame, "subtract", x, repeated(frame, shift, x, axes, span), span);
    const powers = shifted === undefined ? undefined : tensorOf(unaryTensor(frame, "exp", shifted, span));
    const total = powers === undefined ? undefined : reduceWith(frame, "sum", span)(powers, axes);
    return total === undefined ? undefined : apply(frame, "add", unaryTensor(frame, "log", total, span), shift, span);
  });
}

/** Element by element `then` or `otherwise`; numbers are repeated to the condition's shape. */
function choose(
  frame: Frame,
  condition: TensorValue | undefined,
  then: Value | undefined,
  otherwise: Value | undefined,
  span: Span,
): TensorValue | undefined {
  if (condition === undefined || then === undefined || otherwise === undefined) return undefined;
  const wide = [then, otherwise].map((value) => {
    const dtype = then.kind === "tensor" ? then.type.dtype : otherwise.kind === "tensor" ? otherwise.type.dtype : "f32";
    const tensor = asTensor(frame, value, dtype, span);
    if (tensor === undefined || tensor.type.shape.length === condition.type.shape.length) return tensor;
    return emitOp(frame, "broadcast", [tensor], { shape: condition.type.shape, axes: [] }, span, "broadcast")?.[0];
  });
  const [first, second] = wide;
  return first === undefined || second === undefined ? undefined : emitOp(frame, "select", [condition, first, second], {}, span, "where")?.[0];
}

/** `clamp(x, low, high)`: either bound may be left out; at a bound the gradient still flows, as in PyTorch. */
export function clamp(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const low = read.optional("low")?.value;
  const high = read.optional("high")?.value;
  if (low === undefined && high === undefined) {
    report(frame.session, badMovement("clamp", "give `low`, `high` or both", span));
    return undefined;
  }
  const raised = low === undefined ? x : choose(frame, apply(frame, "less", x, low, span), low, x, span);
  if (high === undefined || raised === undefined) return raised;
  return choose(frame, apply(frame, "greater", raised, high, span), high, raised, span);
}

/** `flatten(x, start, stop)`: the axes from start to stop, both counted, become one. */
export function flatten(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const { shape } = x.type;
  const start = read.axis("start", shape.length, Math.min(1, shape.length - 1));
  const stop = read.axis("stop", shape.length, shape.length - 1);
  if (stop < start) {
    report(frame.session, badMovement("flatten", `axis ${stop} is before axis ${start}`, span));
    return undefined;
  }
  return reshapeTo(frame, x, [...shape.slice(0, start), product(shape.slice(start, stop + 1)), ...shape.slice(stop + 1)], span, "flatten");
}

/** `squeeze(x, axis)`: an axis of size 1 goes. */
export function squeeze(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const { shape } = x.type;
  const axis = read.axis("axis", shape.length, shape.length - 1);
  const relation = { op: "==", left: shape[axis] ?? 1, right: 1 } as const;
  const what = `the size of axis ${axis}`;
  const sound = demand(frame.session, relation, span, `squeeze: ${what}`, (witness) =>
    problems.relationFails(relation, what, witness, span, "squeeze", [x]),
  );
  return sound
    ? reshapeTo(
        frame,
        x,
        shape.filter((_, i) => i !== axis),
        span,
        "squeeze",
      )
    : undefined;
}

/** `unsqueeze(x, axis)`: a new axis of size 1. */
export function unsqueeze(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  return withAxis(frame, x, read.axis("axis", x.type.shape.length + 1, x.type.shape.length), span, "unsqueeze");
}

function withAxis(frame: Frame, x: TensorValue, axis: number, span: Span, what: string): TensorValue | undefined {
  return reshapeTo(frame, x, x.type.shape.toSpliced(axis, 0, 1), span, what);
}

/** `stack(a, b, …, axis: 0)`: one after another along a new axis. */
export function stack(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const tensors = read.tensors();
  const axis = read.axis("axis", (tensors[0]?.type.shape.length ?? 0) + 1, 0);
  const apart = tensors.map((x) => withAxis(frame, x, Math.min(axis, x.type.shape.length), span, "stack"));
  const sound = apart.filter((x) => x !== undefined);
  return sound.length < tensors.length ? undefined : emitOp(frame, "concat", sound, { axis }, span, "stack")?.[0];
}

/** `split(x, 3, axis)` into equal parts, `split(x, [8, 16], axis)` into parts of these sizes: a tuple. */
export function split(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const { shape } = x.type;
  const single = read.optional("parts")?.value.kind === "dim";
  const count = single ? constantOf(read.dim("parts", 1)) : undefined;
  const listed = single ? [] : read.dims("parts");
  const axis = read.axis("axis", shape.length, 1);
  const whole = shape[axis] ?? 1;
  if (single && (count === undefined || count < 1)) {
    report(frame.session, badMovement("split", "the number of parts must be a known number, at least 1", span));
    return undefined;
  }
  const relation =
    count === undefined
      ? ({ op: "==", left: listed.reduce((a, b) => add(a, b), 0), right: whole } as const)
      : ({ op: "divides", divisor: count, dividend: whole } as const);
  const what = count === undefined ? `the parts' sizes and that of axis ${axis}` : `axis ${axis} in ${count} parts`;
  const sound = demand(frame.session, relation, span, `split: ${what}`, (witness) =>
    problems.relationFails(relation, what, witness, span, "split", [x]),
  );
  if (!sound) return undefined;
  const sizes: readonly Dim[] = count === undefined ? listed : Array.from({ length: count }, () => divExact(whole, count));
  let start: Dim = 0;
  const parts = sizes.map((size, i) => {
    if (i > 0) start = count === undefined ? add(start, sizes[i - 1] ?? 0) : mul(i, size);
    const at = (value: Dim, other: (dim: Dim) => Dim): Dim[] => shape.map((dim, each) => (each === axis ? value : other(dim)));
    return emitOp(frame, "slice", [x], { start: at(start, () => 0), step: shape.map(() => 1), size: at(size, (dim) => dim) }, span, "split")?.[0];
  });
  const elements = parts.filter((part) => part !== undefined);
  return elements.length < sizes.length ? undefined : { kind: "tuple", elements };
}
