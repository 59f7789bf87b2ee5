/**
 * Convolution with its two gradients, and matrix products: sums of products over a window and channels.
 * Invariant: the three convolution operators share one relation of sizes and differentiate into one another.
 */
import type { ConvolutionAttributes } from "../ir/attributes.ts";
import { type Dim, divExact, mul } from "../ir/dim.ts";
import type { Size } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import { countOf, fixedSize } from "./kernel-expressions.ts";
import type { Computation, LogicalContraction, LogicalRole, Operator, RoleAxis, TypeContext } from "./operator.ts";
import { at, elementCount, inputAt, shapeAt } from "./row-major.ts";
import { expectFloat, expectInputs, expectRank, expectSameDtype, requireAtLeast, requireEqual } from "./type-rules.ts";
import { expectWindow, requireFit, tapsOf, windowAxes, windowDims, windowOutput } from "./window.ts";

/** Two real tensors of one dtype. */
function operands(context: TypeContext, inputs: readonly TensorType[]): readonly [TensorType, TensorType] | undefined {
  const [left, right] = inputs;
  if (!expectInputs(context, inputs, 2) || left === undefined || right === undefined) return undefined;
  if (!expectFloat(context, left, 0, "the input") || !expectSameDtype(context, left, right, 1)) return undefined;
  return [left, right];
}

/** Batch, channels and at least one spatial axis. */
function expectImage(context: TypeContext, type: TensorType, position: number): boolean {
  if (type.shape.length >= 3) return true;
  context.fail({
    kind: "rank",
    input: position,
    message: `needs batch, channels and at least one spatial axis, not ${type.shape.length} axes`,
  });
  return false;
}

function requireWeight(context: TypeContext, weight: TensorType, attributes: ConvolutionAttributes): void {
  context.require({ op: ">=", left: attributes.groups, right: 1 }, "number of groups");
  context.require({ op: "divides", divisor: attributes.groups, dividend: weight.shape[0] ?? 1 }, "groups divide the output channels");
  for (const [axis, size] of attributes.kernel.entries()) {
    requireEqual(context, weight.shape[axis + 2] ?? 1, size, `taps of the weight, spatial axis ${axis}`);
  }
}

/** Demands that `output` sizes follow from `input` sizes. */
function requireOutput(context: TypeContext, input: readonly Dim[], output: readonly Dim[], attributes: ConvolutionAttributes): void {
  requireFit(context, input, attributes);
  for (const [axis, dims] of windowDims(attributes).entries()) {
    requireEqual(context, output[axis] ?? 1, windowOutput(input[axis] ?? 1, dims), `output size, spatial axis ${axis}`);
  }
}

/** x * weight. */
export const convolution: Operator<"convolution"> = {
  documentation:
    "Cross-correlation of x [N, C, ..S] with weight [O, C/groups, ..K] for 1 to 3 spatial axes: " +
    "y[n, o, p] = sum over c and k of x[n, c, p*stride + k*dilation - padding] * weight[o, c, k], within each group. " +
    "Output size floor((S + 2*padding - dilation*(K - 1) - 1) / stride) + 1 (Dumoulin and Visin 2016).",
  type(context, inputs, attributes) {
    const pair = operands(context, inputs);
    if (pair === undefined) return undefined;
    const [x, weight] = pair;
    if (!expectImage(context, x, 0) || !expectRank(context, weight, x.shape.length, 1, "the weight")) return undefined;
    if (!expectWindow(context, attributes, x.shape.length - 2)) return undefined;
    requireEqual(context, x.shape[1] ?? 1, mul(attributes.groups, weight.shape[1] ?? 1), "input channels");
    requireWeight(context, weight, attributes);
    const sizes = x.shape.slice(2);
    requireFit(context, sizes, attributes);
    const output = windowDims(attributes).map((dims, axis) => windowOutput(sizes[axis] ?? 1, dims));
    return [{ dtype: x.dtype, shape: [x.shape[0] ?? 1, weight.shape[0] ?? 1, ...output] }];
  },
  gradient(emitter, node, [dy]) {
    const [x, weight] = node.inputs;
    if (dy === undefined || x === undefined || weight === undefined) return [undefined, undefined];
    const inputSize = emitter.typeOf(x).shape.slice(2);
    return [
      emitter.emit("convolution_input_gradient", [dy, weight], { ...node.attributes, inputSize }),
      emitter.emit("convolution_kernel_gradient", [x, dy], node.attributes),
    ];
  },
  lower: (context, attributes) =>
    contraction("output", attributes, {
      input: context.inputs[0],
      kernel: context.inputs[1],
      output: context.outputs[0],
    }),
  reference(inputs, attributes, shapes) {
    const [x, weight] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const shape = shapeAt(shapes, 0);
    const y = new Float64Array(elementCount(shape));
    sumProducts("y", { x: x.data, weight: weight.data, y }, { x: x.shape, weight: weight.shape, y: shape }, attributes);
    return [{ shape, data: y }];
  },
  onnx: "Conv",
};

/** dy, weight -> dx. */
export const convolution_input_gradient: Operator<"convolution_input_gradient"> = {
  documentation:
    "The gradient of a convolution with respect to its input, of the given spatial sizes; as a layer of its own it is the " +
    "transposed convolution. Inputs dy [N, O, ..] and weight [O, C/groups, ..K].",
  type(context, inputs, attributes) {
    const pair = operands(context, inputs);
    if (pair === undefined) return undefined;
    const [dy, weight] = pair;
    if (!expectImage(context, dy, 0) || !expectRank(context, weight, dy.shape.length, 1, "the weight")) return undefined;
    if (!expectWindow(context, attributes, dy.shape.length - 2)) return undefined;
    requireEqual(context, dy.shape[1] ?? 1, weight.shape[0] ?? 1, "output channels");
    requireWeight(context, weight, attributes);
    for (const [axis, size] of attributes.inputSize.entries()) requireAtLeast(context, size, 1, `size of the result, spatial axis ${axis}`);
    requireOutput(context, attributes.inputSize, dy.shape.slice(2), attributes);
    const channels = mul(attributes.groups, weight.shape[1] ?? 1);
    return [{ dtype: dy.dtype, shape: [dy.shape[0] ?? 1, channels, ...attributes.inputSize] }];
  },
  gradient(emitter, node, [ddx]) {
    const [dy, weight] = node.inputs;
    if (ddx === undefined || dy === undefined || weight === undefined) return [undefined, undefined];
    const { inputSize: _, ...attributes } = node.attributes;
    return [emitter.emit("convolution", [ddx, weight], attributes), emitter.emit("convolution_kernel_gradient", [ddx, dy], attributes)];
  },
  lower: (context, attributes) =>
    contraction("input", attributes, {
      output: context.inputs[0],
      kernel: context.inputs[1],
      input: context.outputs[0],
    }),
  reference(inputs, attributes, shapes) {
    const [dy, weight] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const shape = shapeAt(shapes, 0);
    const dx = new Float64Array(elementCount(shape));
    sumProducts("x", { x: dx, weight: weight.data, y: dy.data }, { x: shape, weight: weight.shape, y: dy.shape }, attributes);
    return [{ shape, data: dx }];
  },
  onnx: "ConvTranspose",
};

/** x, dy -> dweight. */
export const convolution_kernel_gradient: Operator<"convolution_kernel_gradient"> = {
  documentation: "The gradient of a convolution with respect to its weight. Inputs x [N, C, ..S] and dy [N, O, ..].",
  type(context, inputs, attributes) {
    const pair = operands(context, inputs);
    if (pair === undefined) return undefined;
    const [x, dy] = pair;
    if (!expectImage(context, x, 0) || !expectRank(context, dy, x.shape.length, 1, "the gradient")) return undefined;
    if (!expectWindow(context, attributes, x.shape.length - 2)) return undefined;
    const { groups, kernel } = attributes;
    context.require({ op: ">=", left: groups, right: 1 }, "number of groups");
    context.require({ op: "divides", divisor: groups, dividend: x.shape[1] ?? 1 }, "groups divide the input channels");
    context.require({ op: "divides", divisor: groups, dividend: dy.shape[1] ?? 1 }, "groups divide the output channels");
    requireEqual(context, x.shape[0] ?? 1, dy.shape[0] ?? 1, "batch");
    requireOutput(context, x.shape.slice(2), dy.shape.slice(2), attributes);
    return [{ dtype: x.dtype, shape: [dy.shape[1] ?? 1, divExact(x.shape[1] ?? 1, groups), ...kernel] }];
  },
  gradient(emitter, node, [ddweight]) {
    const [x, dy] = node.inputs;
    if (ddweight === undefined || x === undefined || dy === undefined) return [undefined, undefined];
    const inputSize = emitter.typeOf(x).shape.slice(2);
    return [
      emitter.emit("convolution_input_gradient", [dy, ddweight], { ...node.attributes, inputSize }),
      emitter.emit("convolution", [x, ddweight], node.attributes),
    ];
  },
  lower: (context, attributes) =>
    contraction("kernel", attributes, {
      input: context.inputs[0],
      output: context.inputs[1],
      kernel: context.outputs[0],
    }),
  reference(inputs, attributes, shapes) {
    const [x, dy] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const shape = shapeAt(shapes, 0);
    const dw = new Float64Array(elementCount(shape));
    sumProducts("weight", { x: x.data, weight: dw, y: dy.data }, { x: x.shape, weight: shape, y: dy.shape }, attributes);
    return [{ shape, data: dw }];
  },
  onnx: undefined,
};

/** Which input each role is, by the role that results (the result is -1). */
const positions = {
  output: { input: 0, kernel: 1, output: -1 },
  input: { output: 0, kernel: 1, input: -1 },
  kernel: { input: 0, output: 1, kernel: -1 },
} as const;

interface RoleSizes {
  readonly input: readonly Size[] | undefined;
  readonly kernel: readonly Size[] | undefined;
  readonly output: readonly Size[] | undefined;
}

/** Layouts are PyTorch's: images [N, group*channel, ..], weights [group*output, input, ..taps]. */
function contraction(result: LogicalContraction["result"], attributes: ConvolutionAttributes, sizes: RoleSizes): Computation {
  const groups = countOf(attributes.groups);
  const inputChannels = fixedSize(sizes.kernel?.[1], "channels of a weight");
  const outputChannels = fixedSize(sizes.kernel?.[0], "channels of a weight") / groups;
  const tensor = positions[result];
  const plain = (axis: number): RoleAxis => ({ axis, scale: 1 });
  const spatial = attributes.kernel.map((_, axis) => plain(axis + 2));
  const group = (axis: number, scale: number): RoleAxis | undefined => (groups === 1 ? undefined : { axis, scale });
  const image = (position: number, channels: number): LogicalRole => ({
    tensor: position,
    batch: plain(0),
    group: group(1, channels),
    spatial,
    channel: plain(1),
  });
  return {
    form: "contraction",
    contraction: {
      result,
      batch: sizes.input?.[0] ?? 1,
      groups,
      window: windowAxes(attributes, sizes.input?.slice(2) ?? [], sizes.output?.slice(2) ?? []),
      inputChannels,
      outputChannels,
      input: image(tensor.input, inputChannels),
      kernel: {
        tensor: tensor.kernel,
        group: group(0, outputChannels),
        taps: spatial,
        input: plain(1),
        output: plain(0),
      },
      output: image(tensor.output, outputChannels),
    },
  };
}

interface Operands<T> {
  readonly x: T;
  readonly weight: T;
  readonly y: T;
}

/** Adds every product of a convolution to the operand that results from the other two. */
function sumProducts(
  result: keyof Operands<unknown>,
  data: Operands<Float64Array>,
  shapes: Operands<readonly number[]>,
  attributes: ConvolutionAttributes,
): void {
  const [batch = 1, channels = 1, ...sizes] = shapes.x;
  const [outputs = 1, perGroup = 1, ...field] = shapes.weight;
  const taps = tapsOf(windowAxes(attributes, sizes, shapes.y.slice(2)));
  const outputsPerGroup = outputs / countOf(attributes.groups);
  const { x, weight, y } = data;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      const first = Math.floor(o / outputsPerGroup) * perGroup;
      for (let c = 0; c < perGroup; c++) {
        const xStart = (n * channels + first + c) * elementCount(sizes);
        const wStart = (o * perGroup + c) * elementCount(field);
        const yStart = (n * outputs + o) * elementCount(shapes.y.slice(2));
        for (let k = 0; k < taps.count; k++) {
          const xi = xStart + (taps.input[k] ?? 0);
          const wi = wStart + (taps.tap[k] ?? 0);
          const yi = yStart + (taps.output[k] ?? 0);
          if (result === "y") y[yi] = (y[yi] ?? 0) + (x[xi] ?? 0) * (weight[wi] ?? 0);
          else if (result === "x") x[xi] = (x[xi] ?? 0) + (y[yi] ?? 0) * (weight[wi] ?? 0);
          else weight[wi] = (weight[wi] ?? 0) + (x[xi] ?? 0) * (y[yi] ?? 0);
        }
      }
    }
  }
}

/** Matrix products. */
export const matmul: Operator<"matmul"> = {
  documentation: "The matrix product [M, K] x [K, N], or of equally many matrices [B, M, K] x [B, K, N]; an operand may be stored " + "transposed.",
  type(context, inputs, { transposeLeft, transposeRight }) {
    const pair = operands(context, inputs);
    if (pair === undefined) return undefined;
    const [left, right] = pair;
    const rank = left.shape.length;
    if (rank !== 2 && rank !== 3) {
      return context.fail({
        kind: "rank",
        input: 0,
        message: `matmul takes matrices (2 axes) or stacks of them (3), not ${rank}`,
      });
    }
    if (!expectRank(context, right, rank, 1, "the right operand")) return undefined;
    if (rank === 3) requireEqual(context, left.shape[0] ?? 1, right.shape[0] ?? 1, "number of matrices");
    const [m = 1, k = 1] = flip(left.shape.slice(-2), transposeLeft);
    const [also = 1, n = 1] = flip(right.shape.slice(-2), transposeRight);
    requireEqual(context, k, also, "contracted size");
    return [{ dtype: left.dtype, shape: [...left.shape.slice(0, -2), m, n] }];
  },
  gradient(emitter, node, [dy]) {
    const [left, right] = node.inputs;
    if (dy === undefined || left === undefined || right === undefined) return [undefined, undefined];
    const { transposeLeft, transposeRight } = node.attributes;
    const matmul = (a: typeof dy, b: typeof dy, transposeA: boolean, transposeB: boolean): typeof dy =>
      emitter.emit("matmul", [a, b], { transposeLeft: transposeA, transposeRight: transposeB });
    return [
      transposeLeft ? matmul(right, dy, transposeRight, true) : matmul(dy, right, false, !transposeRight),
      transposeRight ? matmul(dy, left, true, transposeLeft) : matmul(left, dy, !transposeLeft, false),
    ];
  },
  lower: (context, attributes) => lowerMatmul(context.inputs, attributes),
  reference(inputs, { transposeLeft, transposeRight }, shapes) {
    const [left, right] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const shape = shapeAt(shapes, 0);
    const [m = 1, n = 1] = shape.slice(-2);
    const [k = 1] = flip(left.shape.slice(-2), !transposeLeft);
    const data = new Float64Array(elementCount(shape));
    for (let b = 0; b < elementCount(shape.slice(0, -2)); b++) {
      for (let row = 0; row < m; row++) {
        for (let column = 0; column < n; column++) {
          let total = 0;
          for (let i = 0; i < k; i++) {
            const l = b * m * k + (transposeLeft ? i * m + row : row * k + i);
            const r = b * k * n + (transposeRight ? column * k + i : i * n + column);
            total += at(left, l) * at(right, r);
          }
          data[(b * m + row) * n + column] = total;
        }
      }
    }
    return [{ shape, data }];
  },
  onnx: "MatMul",
};

function flip<T>(list: readonly T[], reversed: boolean): readonly T[] {
  return reversed ? [...list].reverse() : list;
}

/**
 * Without a window the three roles are matrices: output[m, n] = sum over k of input[m, k] * kernel[k, n]. The size that
 * may depend on the batch takes the batch role: M as it stands, N by exchanging the operands, K by summing for a kernel.
 */
function lowerMatmul(
  inputs: readonly (readonly Size[])[],
  { transposeLeft, transposeRight }: { readonly transposeLeft: boolean; readonly transposeRight: boolean },
): Computation {
  const [left = [], right = []] = inputs;
  const first = left.length - 2;
  const group = first === 0 ? undefined : { axis: 0, scale: 1 };
  const shared = { groups: first === 0 ? 1 : (left[0] ?? 1), window: [] };
  // Axes of M and K in the left operand, of K and N in the right one, of M and N in the result.
  const [leftM, leftK] = transposeLeft ? [first + 1, first] : [first, first + 1];
  const [rightK, rightN] = transposeRight ? [first + 1, first] : [first, first + 1];
  const [m, k, n] = [left[leftM] ?? 1, left[leftK] ?? 1, right[rightN] ?? 1];
  const plain = (axis: number): RoleAxis => ({ axis, scale: 1 });
  const role = (tensor: number, batch: number, channel: number): LogicalRole => ({
    tensor,
    batch: plain(batch),
    group,
    spatial: [],
    channel: plain(channel),
  });
  const kernel = (tensor: number, input: number, output: number): LogicalContraction["kernel"] => ({
    tensor,
    group,
    taps: [],
    input: plain(input),
    output: plain(output),
  });
  if (typeof k !== "number" || (transposeLeft && !transposeRight && typeof m === "number" && typeof n === "number")) {
    return {
      form: "contraction",
      contraction: {
        ...shared,
        result: "kernel",
        batch: k,
        inputChannels: fixedSize(m, "rows summed over the batch"),
        outputChannels: fixedSize(n, "columns summed over the batch"),
        input: role(0, leftK, leftM),
        kernel: kernel(-1, first, first + 1),
        output: role(1, rightK, rightN),
      },
    };
  }
  const exchanged = typeof n !== "number";
  return {
    form: "contraction",
    contraction: {
      ...shared,
      result: "output",
      batch: exchanged ? n : m,
      inputChannels: k,
      outputChannels: fixedSize(exchanged ? m : n, "the other size of a product with a free size"),
      input: exchanged ? role(1, rightN, rightK) : role(0, leftM, leftK),
      kernel: exchanged ? kernel(0, leftK, leftM) : kernel(1, rightK, rightN),
      output: exchanged ? role(-1, first + 1, first) : role(-1, first, first + 1),
    },
  };
}
