/**
 * Reductions over named axes, and the position of a maximum.
 * Invariant: reduced axes are dropped from the shape; the order of the others stays.
 */
import type { ReduceOp } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import type { Accumulator, Affine } from "../ir/kernel.ts";
import { apply, countLike, over, sumOver, times, unreduce, where } from "./gradient-arithmetic.ts";
import { accumulated, along, axesOf, binary, multiplySizes, sizeValue } from "./kernel-expressions.ts";
import type { Emitter, Operator } from "./operator.ts";
import { aroundAxis, at, elementCount, forEachOffset, inputAt, shapeAt, stridesOf } from "./row-major.ts";
import { binaryFunctions } from "./scalar-functions.ts";
import { expectAxis, expectEntries, expectFloat, expectInputs } from "./type-rules.ts";

const combinations: { readonly [K in ReduceOp]: { readonly combine: Accumulator["combine"]; readonly start: number } } = {
  sum: { combine: "sum", start: 0 },
  mean: { combine: "sum", start: 0 },
  max: { combine: "max", start: Number.NEGATIVE_INFINITY },
  min: { combine: "min", start: Number.POSITIVE_INFINITY },
  prod: { combine: "prod", start: 1 },
};

const steps = {
  sum: binaryFunctions.add,
  max: binaryFunctions.maximum,
  min: binaryFunctions.minimum,
  prod: binaryFunctions.multiply,
} as const;

/** Loads index the parallel axes first, then the reduced ones, in the order of `reduced`. */
export function splitAxes(rank: number, reduced: readonly number[]): readonly Affine[] {
  const kept = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !reduced.includes(axis));
  return Array.from({ length: rank }, (_, axis) => along(reduced.includes(axis) ? kept.length + reduced.indexOf(axis) : kept.indexOf(axis)));
}

/** sum, mean, max, min, prod. */
export const reduce: Operator<"reduce"> = {
  documentation: "Combines all elements along the given axes by sum, mean, max, min or prod; these axes are dropped.",
  type(context, inputs, { op, axes }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    if (!axes.every((axis) => expectAxis(context, x, axis))) return undefined;
    if (!expectEntries(context, [...new Set(axes)], axes.length, "the list of distinct axes")) return undefined;
    if (op === "mean" && !expectFloat(context, x, 0, "the input of mean")) return undefined;
    if (x.dtype === "bool") return context.fail({ kind: "dtype", input: 0, message: `${op} takes numbers, not bool` });
    return [{ dtype: x.dtype, shape: x.shape.filter((_, axis) => !axes.includes(axis)) }];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const { op, axes } = node.attributes;
    const y = { node: node.id, output: 0 };
    switch (op) {
      case "sum":
        return [unreduce(emitter, dy, emitter.typeOf(x).shape, axes)];
      case "mean": {
        const { shape, dtype } = emitter.typeOf(x);
        const count = countLike(
          emitter,
          axes.map((axis) => shape[axis] ?? 1),
          emitter.typeOf(dy).shape,
          dtype,
        );
        return [unreduce(emitter, over(emitter, dy, count), shape, axes)];
      }
      case "max":
      case "min":
        return [extremeGradient(emitter, x, y, dy, axes)];
      case "prod":
        return [productGradient(emitter, x, dy, axes)];
      default:
        return op satisfies never;
    }
  },
  lower(context, { op, axes }) {
    const own = context.inputs[0] ?? [];
    const reduced = axes.map((axis) => own[axis] ?? 1);
    const { combine } = combinations[op];
    const total = accumulated(0);
    return {
      form: "reduction",
      axes: axesOf(context.outputs[0] ?? []),
      reduced: axesOf(reduced, "r"),
      accumulators: [{ combine, value: context.load(0, splitAxes(own.length, axes)) }],
      values: [op === "mean" ? binary("divide", total, sizeValue(multiplySizes(reduced))) : total],
    };
  },
  reference(inputs, { op, axes }, shapes) {
    const x = inputAt(inputs, 0);
    const shape = shapeAt(shapes, 0);
    const strides = stridesOf(shape);
    const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const moved = x.shape.map((_, axis) => strides[kept.indexOf(axis)] ?? 0);
    const data = new Float64Array(elementCount(shape)).fill(combinations[op].start);
    const step = steps[op === "mean" ? "sum" : op];
    forEachOffset(x.shape, moved, (flat, target) => {
      data[target] = step(data[target] ?? 0, at(x, flat));
    });
    const count = elementCount(axes.map((axis) => x.shape[axis] ?? 1));
    return [{ shape, data: op === "mean" ? data.map((total) => total / count) : data }];
  },
  onnx: ({ op }) => `Reduce${op.charAt(0).toUpperCase()}${op.slice(1)}`,
};

/** Elements that reach the extreme share the gradient equally, as in PyTorch's amax and amin. */
function extremeGradient(emitter: Emitter, x: Value, y: Value, dy: Value, axes: readonly number[]): Value {
  const { shape } = emitter.typeOf(x);
  const reached = apply(emitter, "equal", x, unreduce(emitter, y, shape, axes));
  const ones = emitter.emit("cast", [reached], { dtype: emitter.typeOf(x).dtype });
  const share = over(emitter, dy, sumOver(emitter, ones, axes));
  return where(emitter, reached, unreduce(emitter, share, shape, axes), 0);
}

/** The product of the other elements, also where some are zero. */
function productGradient(emitter: Emitter, x: Value, dy: Value, axes: readonly number[]): Value {
  const { shape, dtype } = emitter.typeOf(x);
  const zero = apply(emitter, "equal", x, 0);
  const zeros = sumOver(emitter, emitter.emit("cast", [zero], { dtype }), axes);
  const nonZero = where(emitter, apply(emitter, "not_equal", x, 0), x, 1);
  const product = emitter.emit("reduce", [nonZero], { op: "prod", axes });
  const whenNone = times(emitter, dy, where(emitter, apply(emitter, "equal", zeros, 0), product, 0));
  const whenOne = times(emitter, dy, where(emitter, apply(emitter, "equal", zeros, 1), product, 0));
  const others = over(emitter, unreduce(emitter, whenNone, shape, axes), nonZero);
  return where(emitter, zero, unreduce(emitter, whenOne, shape, axes), others);
}

/** The index of the greatest element. */
export const argmax: Operator<"argmax"> = {
  documentation: "The index (i64) of the first greatest element along an axis, which is dropped.",
  type(context, inputs, { axis }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined || !expectAxis(context, x, axis)) return undefined;
    if (x.dtype === "bool") return context.fail({ kind: "dtype", input: 0, message: "argmax takes numbers, not bool" });
    return [{ dtype: "i64", shape: x.shape.filter((_, k) => k !== axis) }];
  },
  gradient: () => [undefined],
  lower(context, { axis }) {
    const own = context.inputs[0] ?? [];
    return {
      form: "reduction",
      axes: axesOf(context.outputs[0] ?? []),
      reduced: axesOf([own[axis] ?? 1], "r"),
      accumulators: [{ combine: "max", value: context.load(0, splitAxes(own.length, [axis])), position: true }],
      values: [accumulated(0)],
    };
  },
  reference(inputs, { axis }, shapes) {
    const x = inputAt(inputs, 0);
    const [outer, size, inner] = aroundAxis(x.shape, axis);
    const data = new Float64Array(outer * inner);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let best = 0;
        for (let k = 1; k < size; k++) {
          if (at(x, (o * size + k) * inner + i) > at(x, (o * size + best) * inner + i)) best = k;
        }
        data[o * inner + i] = best;
      }
    }
    return [{ shape: shapeAt(shapes, 0), data }];
  },
  onnx: "ArgMax",
};
