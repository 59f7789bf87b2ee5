/**
 * Table lookup by integer indices, and the sum back into the table.
 * Invariant: the two are each other's gradients; an index outside the table reads zeros and adds nothing.
 */
import type { Coordinate } from "../ir/kernel.ts";
import { along, axesOf } from "./kernel-expressions.ts";
import type { LowerContext, Operator } from "./operator.ts";
import { at, elementCount, inputAt, shapeAt } from "./row-major.ts";
import { expectInputs, expectInteger, requireAtLeast, requireEqual } from "./type-rules.ts";

/** The row that the indices name, then the axes of one row, which begin at axis `first`. */
function rowAt(context: LowerContext, indices: number, first: number, rows: readonly (number | { readonly batch: number })[]): Coordinate[] {
  const dynamic = context.load(
    indices,
    Array.from({ length: first }, (_, axis) => along(axis)),
  );
  const [extent = 1, ...row] = rows;
  return [{ index: along(0, 0), bound: { extent, divisor: 1 }, dynamic }, ...row.map((_, axis) => ({ index: along(first + axis) }))];
}

/** table [V, ...D], indices [...I] -> [...I, ...D]. */
export const gather: Operator<"gather"> = {
  documentation: "Rows of a table [V, ...D] named by integer indices [...I], as [...I, ...D]: an embedding.",
  type(context, inputs) {
    const [table, indices] = inputs;
    if (!expectInputs(context, inputs, 2) || table === undefined || indices === undefined) return undefined;
    if (table.shape.length === 0) return context.fail({ kind: "rank", input: 0, message: "the table needs at least one axis" });
    if (!expectInteger(context, indices, 1, "the indices")) return undefined;
    return [{ dtype: table.dtype, shape: [...indices.shape, ...table.shape.slice(1)] }];
  },
  gradient(emitter, node, [dy]) {
    const [table, indices] = node.inputs;
    if (dy === undefined || table === undefined || indices === undefined) return [undefined, undefined];
    return [emitter.emit("scatter_add", [indices, dy], { size: emitter.typeOf(table).shape[0] ?? 1 }), undefined];
  },
  lower: (context) => ({
    form: "pointwise",
    axes: axesOf(context.outputs[0] ?? []),
    values: [context.load(0, rowAt(context, 1, context.inputs[1]?.length ?? 0, context.inputs[0] ?? []))],
  }),
  reference(inputs, _attributes, shapes) {
    const [table, indices] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const row = elementCount(table.shape.slice(1));
    const shape = shapeAt(shapes, 0);
    const data = new Float64Array(elementCount(shape));
    for (const [position, index] of indices.data.entries()) {
      if (index < 0 || index >= (table.shape[0] ?? 1)) continue;
      data.set(table.data.subarray(index * row, (index + 1) * row), position * row);
    }
    return [{ shape, data }];
  },
  onnx: "Gather",
};

/** indices [...I], values [...I, ...D] -> [size, ...D]. */
export const scatter_add: Operator<"scatter_add"> = {
  documentation: "A table of zeros [size, ...D] to which each row of values [...I, ...D] is added at its index.",
  type(context, inputs, { size }) {
    const [indices, values] = inputs;
    if (!expectInputs(context, inputs, 2) || indices === undefined || values === undefined) return undefined;
    if (!expectInteger(context, indices, 0, "the indices")) return undefined;
    if (values.shape.length < indices.shape.length) {
      return context.fail({ kind: "rank", input: 1, message: "the values need an axis for each axis of the indices" });
    }
    requireAtLeast(context, size, 1, "rows of the table");
    for (const [axis, own] of indices.shape.entries()) requireEqual(context, own, values.shape[axis] ?? 1, `indices, axis ${axis}`);
    return [{ dtype: values.dtype, shape: [size, ...values.shape.slice(indices.shape.length)] }];
  },
  gradient(emitter, node, [dy]) {
    const [indices] = node.inputs;
    if (dy === undefined || indices === undefined) return [undefined, undefined];
    return [undefined, emitter.emit("gather", [dy, indices], {})];
  },
  lower(context) {
    const [indices = [], values = []] = context.inputs;
    return {
      form: "scatter",
      axes: axesOf(values),
      at: rowAt(context, 0, indices.length, context.outputs[0] ?? []),
      value: context.load(
        1,
        values.map((_, axis) => along(axis)),
      ),
    };
  },
  reference(inputs, _attributes, shapes) {
    const [indices, values] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const shape = shapeAt(shapes, 0);
    const row = elementCount(shape.slice(1));
    const data = new Float64Array(elementCount(shape));
    for (const [position, index] of indices.data.entries()) {
      if (index < 0 || index >= (shape[0] ?? 1)) continue;
      for (let k = 0; k < row; k++) data[index * row + k] = (data[index * row + k] ?? 0) + at(values, position * row + k);
    }
    return [{ shape, data }];
  },
  onnx: "ScatterND",
};
