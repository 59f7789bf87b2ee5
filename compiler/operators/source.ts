/**
 * Operators without data inputs: ports, parameters, states, scalars, constants, sizes and index ramps.
 * Invariant: the interpreter binds `input`, `parameter`, `state` and `scalar` itself; the rest evaluate here.
 */
import { invariant } from "../ir/invariant.ts";
import type { TensorType } from "../ir/type.ts";
import { along, axesOf, castTo, countOf, dimValue, indexValue, literal, scalarTypeOf } from "./kernel-expressions.ts";
import type { Computation, Operator, ReferenceTensor } from "./operator.ts";
import { shapeAt, tensorOf } from "./row-major.ts";
import { expectInputs } from "./type-rules.ts";

function bound(): readonly ReferenceTensor[] {
  invariant(false, "the interpreter binds ports, parameters, states and scalars itself");
}

const source = {
  gradient: () => [],
  lower: (): Computation => ({ form: "source" }),
  reference: bound,
  onnx: undefined,
} as const;

/** A port: a tensor given at each call. */
export const input: Operator<"input"> = {
  ...source,
  documentation: "A tensor given at each call, by the name of its `in` port.",
  type: (context, inputs, { dtype, shape }) => (expectInputs(context, inputs, 0) ? [{ dtype, shape }] : undefined),
};

/** A trained tensor. */
export const parameter: Operator<"parameter"> = {
  ...source,
  documentation: "A trained tensor, kept under its name in the checkpoint.",
  type: (context, inputs, { shape }) => (expectInputs(context, inputs, 0) ? [{ dtype: "f32", shape }] : undefined),
};

/** A kept tensor that is not trained. */
export const state: Operator<"state"> = {
  ...source,
  documentation: "A tensor kept between steps but not trained, such as a running mean or an optimizer's momentum.",
  type: (context, inputs, { dtype, shape }) => (expectInputs(context, inputs, 0) ? [{ dtype, shape }] : undefined),
};

/** A number given at each call. */
export const scalar: Operator<"scalar"> = {
  ...source,
  documentation: "A number given at each call: the learning rate, the step number (from 1) or the seed.",
  type: (context, inputs, { dtype }) => (expectInputs(context, inputs, 0) ? [{ dtype, shape: [] }] : undefined),
};

/** One number, repeated. */
export const constant: Operator<"constant"> = {
  documentation: "A tensor that holds one number in every element.",
  type: (context, inputs, { dtype, shape }) => (expectInputs(context, inputs, 0) ? [{ dtype, shape }] : undefined),
  gradient: () => [],
  lower: (context, { value, dtype }) => ({
    form: "pointwise",
    axes: axesOf(context.outputs[0] ?? []),
    values: [literal(value, scalarTypeOf(dtype))],
  }),
  reference: (_inputs, { value }, shapes) => [tensorOf(shapeAt(shapes, 0), () => value)],
  onnx: "Constant",
};

/** A size as a number. */
export const size: Operator<"size"> = {
  documentation: "A size as a number, such as the count of elements that batch norm averages over when the batch is free.",
  type: (context, inputs, { dtype }) => (expectInputs(context, inputs, 0) ? [{ dtype, shape: [] }] : undefined),
  gradient: () => [],
  lower: (_context, { value, dtype }) => ({
    form: "pointwise",
    axes: [],
    values: [dimValue(value, scalarTypeOf(dtype))],
  }),
  reference: (_inputs, { value }, shapes) => [tensorOf(shapeAt(shapes, 0), () => countOf(value))],
  onnx: undefined,
};

/** 0, 1, 2, ... */
export const iota: Operator<"iota"> = {
  documentation: "The index along one axis, 0, 1, 2, ..., repeated over the other axes.",
  type(context, inputs, { shape, axis, dtype }): readonly TensorType[] | undefined {
    if (!expectInputs(context, inputs, 0)) return undefined;
    if (dtype === "bool") return context.fail({ kind: "dtype", message: "an index is a number, not bool" });
    if (axis < 0 || axis >= shape.length) return context.fail({ kind: "axis", message: `there is no axis ${axis}` });
    return [{ dtype, shape }];
  },
  gradient: () => [],
  lower(context, { axis, dtype }) {
    const index = indexValue(along(axis));
    const value = scalarTypeOf(dtype) === "i32" ? index : castTo("f32", index);
    return { form: "pointwise", axes: axesOf(context.outputs[0] ?? []), values: [value] };
  },
  reference: (_inputs, { axis }, shapes) => [tensorOf(shapeAt(shapes, 0), (index) => index[axis] ?? 0)],
  onnx: "Range",
};
