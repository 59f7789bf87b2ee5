/**
 * Pooling over spatial windows of x [N, C, ..S], and its gradients.
 * Invariant: a gradient gathers, for each input pixel, from the windows that cover it: no two threads write one pixel.
 */
import type { PoolAttributes } from "../ir/attributes.ts";
import { type Dim, mul } from "../ir/dim.ts";
import type { Coordinate, Expression, WindowAxis } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import { accumulated, along, axesOf, binary, castTo, choose, indexValue, literal, rowMajor } from "./kernel-expressions.ts";
import type { Operator, TypeContext } from "./operator.ts";
import { at, elementCount, inputAt, shapeAt } from "./row-major.ts";
import { expectFloat, expectInputs, expectInteger, expectSameShape, requireAtLeast, requireEqual } from "./type-rules.ts";
import { expectWindow, poolOutputs, requireFit, type Taps, tapsOf, windowAxes, windowDims } from "./window.ts";

/** Demands of every pooling window; the padding bound keeps a real element in each window. */
function expectPool(context: TypeContext, attributes: PoolAttributes, type: TensorType): boolean {
  if (type.shape.length < 3) {
    const message = `needs batch, channels and at least one spatial axis, not ${type.shape.length} axes`;
    context.fail({ kind: "rank", input: 0, message });
    return false;
  }
  if (!expectWindow(context, attributes, type.shape.length - 2)) return false;
  for (const [axis, { kernel, padding }] of windowDims(attributes).entries()) {
    requireAtLeast(context, kernel, mul(2, padding), `kernel is at least twice the padding, spatial axis ${axis}`);
  }
  return true;
}

function forwardType(context: TypeContext, x: TensorType, attributes: PoolAttributes): TensorType | undefined {
  if (!expectFloat(context, x, 0, "the input") || !expectPool(context, attributes, x)) return undefined;
  requireFit(context, x.shape.slice(2), attributes);
  return { dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...poolOutputs(x.shape.slice(2), attributes)] };
}

type WithInputSize = PoolAttributes & { readonly inputSize: readonly Dim[] };

function backwardType(context: TypeContext, dy: TensorType, attributes: WithInputSize): TensorType | undefined {
  if (!expectFloat(context, dy, 0, "the gradient") || !expectPool(context, attributes, dy)) return undefined;
  requireFit(context, attributes.inputSize, attributes);
  for (const [axis, size] of poolOutputs(attributes.inputSize, attributes).entries()) {
    requireEqual(context, dy.shape[axis + 2] ?? 1, size, `output size, spatial axis ${axis}`);
  }
  return { dtype: dy.dtype, shape: [...dy.shape.slice(0, 2), ...attributes.inputSize] };
}

/** Coordinates of an input under output axes 2.. and tap axes behind them. */
function inputCoordinates(window: readonly WindowAxis[]): readonly Coordinate[] {
  const rank = window.length + 2;
  return [0, 1]
    .map((axis): Coordinate => ({ index: along(axis) }))
    .concat(
      window.map(({ input, stride, dilation, padding }, axis) => ({
        index: {
          constant: -padding,
          terms: [
            { axis: axis + 2, coefficient: stride },
            { axis: axis + rank, coefficient: dilation },
          ],
        },
        bound: { extent: input, divisor: 1 },
      })),
    );
}

/** Coordinates of the output whose tap (axes behind the pixel's) covers the pixel (axes 2..), if there is one. */
function outputCoordinates(window: readonly WindowAxis[]): readonly Coordinate[] {
  const rank = window.length + 2;
  return [0, 1]
    .map((axis): Coordinate => ({ index: along(axis) }))
    .concat(
      window.map(({ output, stride, dilation, padding }, axis) => ({
        index: {
          constant: padding,
          terms: [
            { axis: axis + 2, coefficient: 1 },
            { axis: axis + rank, coefficient: -dilation },
          ],
        },
        bound: { extent: output, divisor: stride },
      })),
    );
}

function tapAxes(window: readonly WindowAxis[]) {
  return axesOf(
    window.map(({ taps }) => taps),
    "k",
  );
}

/** Per image and channel, visits the taps in bounds. */
function forEachTap(
  input: readonly number[],
  output: readonly number[],
  taps: Taps,
  visit: (input: number, output: number, tap: number) => void,
): void {
  const [area, field] = [elementCount(input.slice(2)), elementCount(output.slice(2))];
  for (let plane = 0; plane < elementCount(input.slice(0, 2)); plane++) {
    for (let k = 0; k < taps.count; k++) {
      visit(plane * area + (taps.input[k] ?? 0), plane * field + (taps.output[k] ?? 0), taps.tap[k] ?? 0);
    }
  }
}

function referenceTaps(attributes: PoolAttributes, input: readonly number[], output: readonly number[]): Taps {
  return tapsOf(windowAxes(attributes, input.slice(2), output.slice(2)));
}

/** The greatest of each window. */
export const max_pool: Operator<"max_pool"> = {
  documentation:
    "The greatest element of each window of x [N, C, ..S]; padding never wins. The second output (i32) is the row-major " +
    "position in the window of the first greatest element, which receives the gradient, as in PyTorch.",
  type(context, inputs, attributes) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    const y = forwardType(context, x, attributes);
    return y && [y, { dtype: "i32", shape: y.shape }];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const inputSize = emitter.typeOf(x).shape.slice(2);
    return [emitter.emit("max_pool_gradient", [{ node: node.id, output: 1 }, dy], { ...node.attributes, inputSize })];
  },
  lower(context, attributes) {
    const window = windowAxes(attributes, context.inputs[0]?.slice(2) ?? [], context.outputs[0]?.slice(2) ?? []);
    const value = context.load(0, inputCoordinates(window), Number.NEGATIVE_INFINITY);
    return {
      form: "reduction",
      axes: axesOf(context.outputs[0] ?? []),
      reduced: tapAxes(window),
      accumulators: [
        { combine: "max", value },
        { combine: "max", value, position: true },
      ],
      values: [accumulated(0), accumulated(1)],
    };
  },
  reference(inputs, attributes, shapes) {
    const x = inputAt(inputs, 0);
    const shape = shapeAt(shapes, 0);
    const y = new Float64Array(elementCount(shape)).fill(Number.NEGATIVE_INFINITY);
    const position = new Float64Array(y.length);
    forEachTap(x.shape, shape, referenceTaps(attributes, x.shape, shape), (input, output, tap) => {
      if (at(x, input) <= (y[output] ?? 0)) return;
      y[output] = at(x, input);
      position[output] = tap;
    });
    return [
      { shape, data: y },
      { shape, data: position },
    ];
  },
  onnx: "MaxPool",
};

/** position, dy -> dx. */
export const max_pool_gradient: Operator<"max_pool_gradient"> = {
  documentation: "The gradient of max_pool: each window hands dy to the element at its recorded position.",
  type(context, inputs, attributes) {
    const [position, dy] = inputs;
    if (!expectInputs(context, inputs, 2) || position === undefined || dy === undefined) return undefined;
    if (!expectInteger(context, position, 0, "the position")) return undefined;
    if (!expectSameShape(context, dy.shape, position.shape, 0, "the position")) return undefined;
    const dx = backwardType(context, dy, attributes);
    return dx && [dx];
  },
  gradient: "none",
  lower(context, attributes) {
    const window = windowAxes(attributes, context.outputs[0]?.slice(2) ?? [], context.inputs[1]?.slice(2) ?? []);
    const rank = window.length + 2;
    const tap = indexValue(rowMajor(window.map(({ taps }, axis) => ({ axis: axis + rank, extent: taps }))));
    const from = outputCoordinates(window);
    const chosen = binary("equal", context.load(0, from, -1), tap);
    return {
      form: "reduction",
      axes: axesOf(context.outputs[0] ?? []),
      reduced: tapAxes(window),
      accumulators: [{ combine: "sum", value: choose(chosen, context.load(1, from), literal(0)) }],
      values: [accumulated(0)],
    };
  },
  reference(inputs, attributes, shapes) {
    const [position, dy] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const shape = shapeAt(shapes, 0);
    const dx = new Float64Array(elementCount(shape));
    forEachTap(shape, dy.shape, referenceTaps(attributes, shape, dy.shape), (input, output, tap) => {
      if (at(position, output) === tap) dx[input] = (dx[input] ?? 0) + at(dy, output);
    });
    return [{ shape, data: dx }];
  },
  onnx: undefined,
};

type AverageAttributes = PoolAttributes & { readonly countPadding: boolean };

/** PyTorch: a window counts elements up to the end of the (padded, if counted) input, never what hangs over it. */
function countAlong(axis: WindowAxis, start: number, countPadding: boolean): number {
  const first = countPadding ? start : Math.max(start, 0);
  return Math.min(start + axis.taps, axis.input + (countPadding ? axis.padding : 0)) - first;
}

/** Elements of the window that begins at `starts[k]` (affine, i32), as f32; at least 1 even where no window begins. */
function countValue(window: readonly WindowAxis[], starts: readonly Coordinate["index"][], countPadding: boolean): Expression {
  let constant = 1;
  let variable: Expression | undefined;
  for (const [position, axis] of window.entries()) {
    const counts = Array.from({ length: axis.output }, (_, o) => countAlong(axis, o * axis.stride - axis.padding, countPadding));
    if (counts.every((count) => count === counts[0])) {
      constant *= counts[0] ?? 1;
      continue;
    }
    const start = starts[position] ?? along(0, 0);
    const end = indexValue({ ...start, constant: start.constant + axis.taps });
    const last = binary("minimum", end, literal(axis.input + (countPadding ? axis.padding : 0), "i32"));
    const first = countPadding ? indexValue(start) : binary("maximum", indexValue(start), literal(0, "i32"));
    const count = binary("maximum", binary("subtract", last, first), literal(1, "i32"));
    variable = variable === undefined ? count : binary("multiply", variable, count);
  }
  if (variable === undefined) return literal(constant);
  const scaled = constant === 1 ? variable : binary("multiply", variable, literal(constant, "i32"));
  return castTo("f32", scaled);
}

function expectUndilated(context: TypeContext, attributes: AverageAttributes): boolean {
  if (attributes.dilation.every((dilation) => dilation === 1)) return true;
  context.fail({ kind: "attribute", message: "average pooling has no dilation" });
  return false;
}

/** The number of elements that each output averages over, in f64. */
function referenceCounts(attributes: AverageAttributes, input: readonly number[], output: readonly number[]): number[] {
  const window = windowAxes(attributes, input.slice(2), output.slice(2));
  return window.reduce<number[]>(
    (counts, axis) =>
      counts.flatMap((outer) =>
        Array.from({ length: axis.output }, (_, o) => {
          let own = 0;
          for (let tap = 0; tap < axis.taps; tap++) {
            const position = o * axis.stride + tap - axis.padding;
            const margin = attributes.countPadding ? axis.padding : 0;
            if (position >= -margin && position < axis.input + margin) own++;
          }
          return outer * own;
        }),
      ),
    [1],
  );
}

/** The mean of each window. */
export const avg_pool: Operator<"avg_pool"> = {
  documentation:
    "The mean of each window of x [N, C, ..S]. With `countPadding` the padding counts as zeros; else the mean is over the " + "elements that exist.",
  type(context, inputs, attributes) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined || !expectUndilated(context, attributes)) return undefined;
    const y = forwardType(context, x, attributes);
    return y && [y];
  },
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const inputSize = emitter.typeOf(x).shape.slice(2);
    return [emitter.emit("avg_pool_gradient", [dy], { ...node.attributes, inputSize })];
  },
  lower(context, attributes) {
    const window = windowAxes(attributes, context.inputs[0]?.slice(2) ?? [], context.outputs[0]?.slice(2) ?? []);
    const starts = window.map(({ stride, padding }, axis) => along(axis + 2, stride, -padding));
    return {
      form: "reduction",
      axes: axesOf(context.outputs[0] ?? []),
      reduced: tapAxes(window),
      accumulators: [{ combine: "sum", value: context.load(0, inputCoordinates(window)) }],
      values: [binary("divide", accumulated(0), countValue(window, starts, attributes.countPadding))],
    };
  },
  reference(inputs, attributes, shapes) {
    const x = inputAt(inputs, 0);
    const shape = shapeAt(shapes, 0);
    const y = new Float64Array(elementCount(shape));
    const counts = referenceCounts(attributes, x.shape, shape);
    forEachTap(x.shape, shape, referenceTaps(attributes, x.shape, shape), (input, output) => {
      y[output] = (y[output] ?? 0) + at(x, input) / (counts[output % counts.length] ?? 1);
    });
    return [{ shape, data: y }];
  },
  onnx: "AveragePool",
};

/** dy -> dx. */
export const avg_pool_gradient: Operator<"avg_pool_gradient"> = {
  documentation: "The gradient of avg_pool: each window spreads dy evenly over the elements it averaged.",
  type(context, inputs, attributes) {
    const [dy] = inputs;
    if (!expectInputs(context, inputs, 1) || dy === undefined || !expectUndilated(context, attributes)) return undefined;
    const dx = backwardType(context, dy, attributes);
    return dx && [dx];
  },
  gradient(emitter, node, [ddx]) {
    const { inputSize: _, ...attributes } = node.attributes;
    return [ddx === undefined ? undefined : emitter.emit("avg_pool", [ddx], attributes)];
  },
  lower(context, attributes) {
    const window = windowAxes(attributes, context.outputs[0]?.slice(2) ?? [], context.inputs[0]?.slice(2) ?? []);
    const rank = window.length + 2;
    // Where the load is in bounds its window begins exactly `tap` elements before the pixel.
    const starts = window.map((_, axis) => ({
      constant: 0,
      terms: [
        { axis: axis + 2, coefficient: 1 },
        { axis: axis + rank, coefficient: -1 },
      ],
    }));
    const dy = context.load(0, outputCoordinates(window));
    const count = countValue(window, starts, attributes.countPadding);
    const even = count.kind === "constant";
    return {
      form: "reduction",
      axes: axesOf(context.outputs[0] ?? []),
      reduced: tapAxes(window),
      accumulators: [{ combine: "sum", value: even ? dy : binary("divide", dy, count) }],
      values: [even ? binary("divide", accumulated(0), count) : accumulated(0)],
    };
  },
  reference(inputs, attributes, shapes) {
    const dy = inputAt(inputs, 0);
    const shape = shapeAt(shapes, 0);
    const dx = new Float64Array(elementCount(shape));
    const counts = referenceCounts(attributes, shape, dy.shape);
    forEachTap(shape, dy.shape, referenceTaps(attributes, shape, dy.shape), (input, output) => {
      dx[input] = (dx[input] ?? 0) + at(dy, output) / (counts[output % counts.length] ?? 1);
    });
    return [{ shape, data: dx }];
  },
  onnx: undefined,
};
