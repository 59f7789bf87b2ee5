/**
 * Operators that move elements without computing: broadcast, reshape, transpose, slice, pad, concat.
 * Invariant: lowered, they are loads at changed coordinates, so that fusion can read through them.
 */
import { add, type Dim, mul, product, sameDim, sub } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import { sumOver } from "./gradient-arithmetic.ts";
import { along, axesOf, countOf, fixed } from "./kernel-expressions.ts";
import type { Operator } from "./operator.ts";
import { aroundAxis, at, flatIndex, inputAt, shapeAt, stridedCopy, stridesOf, tensorOf } from "./row-major.ts";
import { expectAxis, expectEntries, expectInputs, expectSameDtype, requireAtLeast, requireEqual } from "./type-rules.ts";

/** Insertion and repetition of axes. */
export const broadcast: Operator<"broadcast"> = {
  documentation:
    "Repeats the input to a shape: input axis i becomes output axis axes[i]; axes not named, and input axes of size 1, " + "are repeated.",
  type(context, inputs, { shape, axes }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    if (!expectEntries(context, axes, x.shape.length, "axes")) return undefined;
    for (const [position, axis] of axes.entries()) {
      if (axis <= (axes[position - 1] ?? -1) || axis >= shape.length) {
        return context.fail({ kind: "axis", input: 0, message: `axes must rise and stay below ${shape.length}` });
      }
      const own = x.shape[position] ?? 1;
      if (own !== 1) requireEqual(context, own, shape[axis] ?? 1, `repeated tensor, axis ${position}`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const { shape, axes } = node.attributes;
    const own = emitter.typeOf(x).shape;
    const repeated = shape
      .map((_, axis) => axis)
      .filter((axis) => {
        const position = axes.indexOf(axis);
        return position < 0 || !sameDim(own[position] ?? 1, shape[axis] ?? 1);
      });
    const total = sumOver(emitter, dy, repeated);
    const kept = shape.length - repeated.length;
    return [kept === own.length ? total : emitter.emit("reshape", [total], { shape: own })];
  },
  lower(context, { axes }) {
    const own = context.inputs[0] ?? [];
    return {
      form: "pointwise",
      axes: axesOf(context.outputs[0] ?? []),
      values: [
        context.load(
          0,
          axes.map((axis, position) => (own[position] === 1 ? fixed(0) : along(axis))),
        ),
      ],
    };
  },
  reference(inputs, { axes }, shapes) {
    const x = inputAt(inputs, 0);
    const strides = stridesOf(x.shape);
    const shape = shapeAt(shapes, 0);
    const own = shape.map((_, axis) => {
      const position = axes.indexOf(axis);
      return position < 0 || x.shape[position] === 1 ? 0 : (strides[position] ?? 0);
    });
    return [stridedCopy(x, 0, own, shape)];
  },
  onnx: "Expand",
};

/** The same elements under another shape. */
export const reshape: Operator<"reshape"> = {
  documentation: "The same elements in row-major order under another shape with as many elements.",
  type(context, inputs, { shape }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    for (const [axis, size] of shape.entries()) requireAtLeast(context, size, 1, `size of axis ${axis}`);
    requireEqual(context, product(x.shape), product(shape), "count of elements");
    return [{ dtype: x.dtype, shape }];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    return [emitter.emit("reshape", [dy], { shape: emitter.typeOf(x).shape })];
  },
  lower: () => ({ form: "alias" }),
  reference: (inputs, _attributes, shapes) => [{ shape: shapeAt(shapes, 0), data: inputAt(inputs, 0).data }],
  onnx: "Reshape",
};

/** Reordered axes. */
export const transpose: Operator<"transpose"> = {
  documentation: "Reorders axes: output axis i is input axis permutation[i].",
  type(context, inputs, { permutation }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    if (!expectEntries(context, permutation, x.shape.length, "the permutation")) return undefined;
    if (new Set(permutation).size !== permutation.length || !permutation.every((axis) => axis >= 0 && axis < x.shape.length)) {
      return context.fail({ kind: "axis", input: 0, message: "the permutation must name each axis once" });
    }
    return [{ dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis] ?? 1) }];
  },
  gradient(emitter, node, [dy]) {
    if (dy === undefined) return [undefined];
    const { permutation } = node.attributes;
    return [emitter.emit("transpose", [dy], { permutation: permutation.map((_, axis) => permutation.indexOf(axis)) })];
  },
  lower: (context, { permutation }) => ({
    form: "pointwise",
    axes: axesOf(context.outputs[0] ?? []),
    values: [
      context.load(
        0,
        permutation.map((_, axis) => along(permutation.indexOf(axis))),
      ),
    ],
  }),
  reference(inputs, { permutation }, shapes) {
    const x = inputAt(inputs, 0);
    const strides = stridesOf(x.shape);
    const moved = permutation.map((axis) => strides[axis] ?? 0);
    return [stridedCopy(x, 0, moved, shapeAt(shapes, 0))];
  },
  onnx: "Transpose",
};

/** The last index that a strided range reaches, plus 1. */
function reach(start: Dim, step: Dim, size: Dim): Dim {
  return add(add(start, mul(step, sub(size, 1))), 1);
}

/** A part of a tensor. */
export const slice: Operator<"slice"> = {
  documentation: "Along each axis `size` elements from `start`, every `step`-th.",
  type(context, inputs, { start, step, size }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    const rank = x.shape.length;
    if (!expectEntries(context, start, rank, "start") || !expectEntries(context, step, rank, "step")) return undefined;
    if (!expectEntries(context, size, rank, "size")) return undefined;
    for (const [axis, own] of x.shape.entries()) {
      const [first, stride, count] = [start[axis] ?? 0, step[axis] ?? 1, size[axis] ?? 1];
      requireAtLeast(context, first, 0, `start of axis ${axis}`);
      requireAtLeast(context, stride, 1, `step of axis ${axis}`);
      requireAtLeast(context, count, 1, `size of axis ${axis}`);
      requireAtLeast(context, own, reach(first, stride, count), `slice of axis ${axis} lies within the input`);
    }
    return [{ dtype: x.dtype, shape: size }];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const { start, step, size } = node.attributes;
    const after = emitter.typeOf(x).shape.map((own, axis) => sub(own, reach(start[axis] ?? 0, step[axis] ?? 1, size[axis] ?? 1)));
    const interior = step.map((stride) => sub(stride, 1));
    return [emitter.emit("pad", [dy], { before: start, after, interior, value: 0 })];
  },
  lower: (context, { start, step }) => ({
    form: "pointwise",
    axes: axesOf(context.outputs[0] ?? []),
    values: [
      context.load(
        0,
        start.map((first, axis) => along(axis, countOf(step[axis]), countOf(first))),
      ),
    ],
  }),
  reference(inputs, { start, step }, shapes) {
    const x = inputAt(inputs, 0);
    const strides = stridesOf(x.shape);
    const moved = strides.map((stride, axis) => stride * countOf(step[axis]));
    const origin = flatIndex(
      start.map((first) => countOf(first)),
      strides,
    );
    return [stridedCopy(x, origin, moved, shapeAt(shapes, 0))];
  },
  onnx: "Slice",
};

/** Values around and between the elements. */
export const pad: Operator<"pad"> = {
  documentation: "Along each axis adds `before` values in front, `after` behind and `interior` between neighbours.",
  type(context, inputs, { before, after, interior }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    const rank = x.shape.length;
    if (!expectEntries(context, before, rank, "before") || !expectEntries(context, after, rank, "after")) return undefined;
    if (!expectEntries(context, interior, rank, "interior")) return undefined;
    const shape = x.shape.map((own, axis) => {
      const [front, back, between] = [before[axis] ?? 0, after[axis] ?? 0, interior[axis] ?? 0];
      requireAtLeast(context, front, 0, `padding before axis ${axis}`);
      requireAtLeast(context, back, 0, `padding after axis ${axis}`);
      requireAtLeast(context, between, 0, `padding between elements of axis ${axis}`);
      return add(reach(front, add(between, 1), own), back);
    });
    return [{ dtype: x.dtype, shape }];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const { before, interior } = node.attributes;
    const step = interior.map((between) => add(between, 1));
    return [emitter.emit("slice", [dy], { start: before, step, size: emitter.typeOf(x).shape })];
  },
  lower(context, { before, after, interior, value }) {
    const own = context.inputs[0] ?? [];
    const at = own.map((extent, axis) => {
      const [front, between] = [countOf(before[axis]), countOf(interior[axis])];
      if (front === 0 && between === 0 && after[axis] === 0) return along(axis);
      return { index: along(axis, 1, -front), bound: { extent, divisor: between + 1 } };
    });
    return { form: "pointwise", axes: axesOf(context.outputs[0] ?? []), values: [context.load(0, at, value)] };
  },
  reference(inputs, { before, interior, value }, shapes) {
    const x = inputAt(inputs, 0);
    const strides = stridesOf(x.shape);
    const element = (index: readonly number[]): number => {
      let flat = 0;
      for (const [axis, size] of x.shape.entries()) {
        const position = ((index[axis] ?? 0) - countOf(before[axis])) / (countOf(interior[axis]) + 1);
        if (!Number.isInteger(position) || position < 0 || position >= size) return value;
        flat += position * (strides[axis] ?? 0);
      }
      return at(x, flat);
    };
    return [tensorOf(shapeAt(shapes, 0), element)];
  },
  onnx: "Pad",
};

/** Tensors one after another. */
export const concat: Operator<"concat"> = {
  documentation: "The inputs one after another along an axis; their other sizes and dtypes are equal.",
  type(context, inputs, { axis }): readonly TensorType[] | undefined {
    const [first, ...others] = inputs;
    if (first === undefined) return context.fail({ kind: "arity", message: "takes at least one input" });
    if (!expectAxis(context, first, axis)) return undefined;
    let total = first.shape[axis] ?? 0;
    for (const [position, other] of others.entries()) {
      if (!expectSameDtype(context, first, other, position + 1)) return undefined;
      if (other.shape.length !== first.shape.length) {
        const message = `has ${other.shape.length} axes where the first input has ${first.shape.length}`;
        return context.fail({ kind: "rank", input: position + 1, message });
      }
      for (const [k, size] of first.shape.entries()) {
        if (k !== axis) requireEqual(context, size, other.shape[k] ?? 0, `concatenated input ${position + 2}, axis ${k}`);
      }
      total = add(total, other.shape[axis] ?? 0);
    }
    return [{ dtype: first.dtype, shape: first.shape.map((size, k) => (k === axis ? total : size)) }];
  },
  gradient(emitter, node, [dy]) {
    const { axis } = node.attributes;
    let start: Dim = 0;
    return node.inputs.map((input) => {
      if (dy === undefined) return undefined;
      const { shape } = emitter.typeOf(input);
      const origin = shape.map((_, k) => (k === axis ? start : 0));
      start = add(start, shape[axis] ?? 0);
      return emitter.emit("slice", [dy], { start: origin, step: shape.map(() => 1), size: shape });
    });
  },
  lower: (_context, { axis }) => ({ form: "concat", axis }),
  reference(inputs, { axis }, shapes) {
    const shape = shapeAt(shapes, 0);
    const [outer, size, inner] = aroundAxis(shape, axis);
    const data = new Float64Array(outer * size * inner);
    let start = 0;
    for (const x of inputs) {
      const run = (x.shape[axis] ?? 0) * inner;
      for (let o = 0; o < outer; o++) data.set(x.data.subarray(o * run, (o + 1) * run), (o * size + start) * inner);
      start += x.shape[axis] ?? 0;
    }
    return [{ shape, data }];
  },
  onnx: "Concat",
};
