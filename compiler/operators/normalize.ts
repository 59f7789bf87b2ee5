/**
 * Batch normalisation (Ioffe and Szegedy 2015) in parts: statistics, application, and the two halves of its gradient.
 * Invariant: channels are axis 1; variances are biased (divided by n); statistics have shape [C].
 */
import type { Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import type { Expression, Size } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import { allButChannels, apply, countLike, map, minus, over, perChannel, plus, times } from "./gradient-arithmetic.ts";
import { accumulated, along, axesOf, binary, everyAxis, fixed, literal, multiplySizes, sizeValue, unary } from "./kernel-expressions.ts";
import type { Emitter, LowerContext, Operator, ReferenceTensor, TypeContext } from "./operator.ts";
import { aroundAxis, at, inputAt } from "./row-major.ts";
import { splitAxes } from "./reduce.ts";
import { expectFloat, expectInputs, expectRank, expectSameDtype, expectSameShape, requireEqual } from "./type-rules.ts";

/** `images` tensors of one shape [N, C, ..] first, then vectors over channels; returns the first. */
function channelwise(context: TypeContext, inputs: readonly TensorType[], images: number, vectors: readonly string[]): TensorType | undefined {
  const [x] = inputs;
  if (!expectInputs(context, inputs, images + vectors.length) || x === undefined) return undefined;
  if (!expectFloat(context, x, 0, "the input")) return undefined;
  if (x.shape.length < 2) {
    return context.fail({ kind: "rank", input: 0, message: "needs at least a batch and a channel axis" });
  }
  for (const [position, type] of inputs.entries()) {
    if (!expectSameDtype(context, x, type, position)) return undefined;
    if (position < images) {
      if (!expectSameShape(context, x.shape, type.shape, position, "the gradient")) return undefined;
      continue;
    }
    const what = vectors[position - images] ?? "";
    if (!expectRank(context, type, 1, position, what)) return undefined;
    requireEqual(context, x.shape[1] ?? 1, type.shape[0] ?? 1, `channels of ${what}`);
  }
  return x;
}

function channelVector(x: TensorType): TensorType {
  return { dtype: x.dtype, shape: [x.shape[1] ?? 1] };
}

/** 1 / sqrt(variance + eps) */
function inverseDeviation(variance: Expression, eps: number): Expression {
  return unary("rsqrt", binary("add", variance, literal(eps)));
}

/** Calls `visit` for each element of x with its channel. */
function forEachChannel(x: ReferenceTensor, visit: (flat: number, channel: number) => void): number {
  const [outer, channels, inner] = aroundAxis(x.shape, 1);
  for (let row = 0; row < outer * channels; row++) {
    for (let k = 0; k < inner; k++) visit(row * inner + k, row % channels);
  }
  return outer * inner;
}

/** The sizes that statistics are taken over. */
function pooled(sizes: readonly Size[]): Size {
  return multiplySizes(allButChannels(sizes.length).map((axis) => sizes[axis] ?? 1));
}

function reductionAxes(sizes: readonly Size[]) {
  return {
    axes: axesOf([sizes[1] ?? 1]),
    reduced: axesOf(
      allButChannels(sizes.length).map((axis) => sizes[axis] ?? 1),
      "r",
    ),
  };
}

/** Application of given statistics. */
export const batch_norm: Operator<"batch_norm"> = {
  documentation:
    "y = (x - mean) / sqrt(variance + eps) * weight + bias per channel (axis 1); statistics are inputs: those of the batch " +
    "in training, running ones in inference (Ioffe and Szegedy 2015).",
  type(context, inputs) {
    const x = channelwise(context, inputs, 1, ["the weight", "the bias", "the mean", "the variance"]);
    return x && [x];
  },
  /** With the statistics held fixed; those of the same batch are recognised by the differentiator. */
  gradient(emitter, node, [dy]) {
    const [x, weight, , mean, variance] = node.inputs;
    if (dy === undefined || x === undefined || weight === undefined || mean === undefined || variance === undefined) return [];
    const { eps } = node.attributes;
    const [sumDy, sumDyXhat] = normSums(emitter, x, dy, mean, variance, eps);
    const inverse = map(emitter, "rsqrt", plus(emitter, variance, eps));
    const slope = times(emitter, weight, inverse);
    const dvariance = times(emitter, times(emitter, slope, times(emitter, inverse, -0.5)), sumDyXhat);
    return [times(emitter, dy, perChannel(emitter, slope, dy)), sumDyXhat, sumDy, map(emitter, "negate", times(emitter, slope, sumDy)), dvariance];
  },
  lower(context, { eps }) {
    const channel = (input: number): Expression => context.load(input, [along(1)]);
    const centred = binary("subtract", context.load(0, everyAxis(context.outputs[0]?.length ?? 0)), channel(3));
    const slope = binary("multiply", channel(1), inverseDeviation(channel(4), eps));
    return {
      form: "pointwise",
      axes: axesOf(context.outputs[0] ?? []),
      values: [binary("add", binary("multiply", centred, slope), channel(2))],
    };
  },
  reference(inputs, { eps }) {
    const [x, weight, bias] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    const [mean, variance] = [inputAt(inputs, 3), inputAt(inputs, 4)];
    const data = new Float64Array(x.data.length);
    forEachChannel(x, (flat, c) => {
      data[flat] = ((at(x, flat) - at(mean, c)) / Math.sqrt(at(variance, c) + eps)) * at(weight, c) + at(bias, c);
    });
    return [{ shape: x.shape, data }];
  },
  onnx: "BatchNormalization",
};

/** sum(dy) and sum(dy * xhat): the gradients of batch norm's bias and weight. */
export function normSums(
  emitter: Emitter,
  x: Value,
  dy: Value,
  mean: Value,
  variance: Value,
  eps: number,
): readonly [sumDy: Value, sumDyXhat: Value] {
  const [sumDy, sumDyXhat] = emitter.emitAll("batch_norm_gradient_sums", [x, dy, mean, variance], { eps });
  invariant(sumDy !== undefined && sumDyXhat !== undefined, "batch_norm_gradient_sums has two outputs");
  return [sumDy, sumDyXhat];
}

/** A prime: multiples of a place modulo it lie apart along every axis. */
const PIVOT_PLACES = 7;

/**
 * A value near the mean of each channel: the average of a few elements that lie apart. The variance about a pivot loses
 * what the pivot is off: with one element, often some deviations off, it was wrong by several roundings of all it scales.
 */
function typicalValue(context: LowerContext, sizes: readonly Size[]): Expression {
  const places = Array.from({ length: PIVOT_PLACES }, (_, k) =>
    sizes.map((extent, axis) =>
      axis < 2 || typeof extent !== "number" ? 0 : Math.floor((extent * (((axis - 1) * k) % PIVOT_PLACES)) / PIVOT_PLACES),
    ),
  );
  const distinct = [...new Map(places.map((place) => [place.join(), place])).values()];
  const values = distinct.map((place) =>
    context.load(
      0,
      place.map((offset, axis) => (axis === 1 ? along(0) : fixed(offset))),
    ),
  );
  return binary(
    "multiply",
    values.reduce((sum, value) => binary("add", sum, value)),
    literal(1 / values.length),
  );
}

/** Mean and biased variance per channel. */
export const batch_moments: Operator<"batch_moments"> = {
  documentation: "Mean and biased variance of x over all axes but the channels (axis 1), in one pass about a pivot.",
  type(context, inputs) {
    const x = channelwise(context, inputs, 1, []);
    return x && [channelVector(x), channelVector(x)];
  },
  gradient(emitter, node, [dmean, dvariance]) {
    const [x] = node.inputs;
    if (x === undefined) return [undefined];
    const { shape, dtype } = emitter.typeOf(x);
    const reduced = allButChannels(shape.length).map((axis) => shape[axis] ?? 1);
    const count = countLike(emitter, reduced, [shape[1] ?? 1], dtype);
    const parts: Value[] = [];
    if (dmean !== undefined) parts.push(perChannel(emitter, over(emitter, dmean, count), x));
    if (dvariance !== undefined) {
      const slope = over(emitter, times(emitter, dvariance, 2), count);
      const centred = minus(emitter, x, perChannel(emitter, { node: node.id, output: 0 }, x));
      parts.push(times(emitter, perChannel(emitter, slope, x), centred));
    }
    const [first, second] = parts;
    return [first === undefined || second === undefined ? first : apply(emitter, "add", first, second)];
  },
  lower(context) {
    const sizes = context.inputs[0] ?? [];
    const count = sizeValue(pooled(sizes));
    const pivot = typicalValue(context, sizes);
    const distance = binary("subtract", context.load(0, splitAxes(sizes.length, allButChannels(sizes.length))), pivot);
    const [first, second] = [accumulated(0), accumulated(1)];
    const spread = binary("subtract", second, binary("divide", unary("square", first), count));
    return {
      form: "reduction",
      ...reductionAxes(sizes),
      accumulators: [
        { combine: "sum", value: distance },
        { combine: "sum", value: unary("square", distance) },
      ],
      values: [binary("add", pivot, binary("divide", first, count)), binary("maximum", literal(0), binary("divide", spread, count))],
    };
  },
  reference(inputs, _attributes, shapes) {
    const x = inputAt(inputs, 0);
    const channels = x.shape[1] ?? 1;
    const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
    const count = forEachChannel(x, (flat, c) => {
      mean[c] = (mean[c] ?? 0) + at(x, flat);
    });
    for (let c = 0; c < channels; c++) mean[c] = (mean[c] ?? 0) / count;
    forEachChannel(x, (flat, c) => {
      variance[c] = (variance[c] ?? 0) + (at(x, flat) - (mean[c] ?? 0)) ** 2 / count;
    });
    const shape = shapes[0] ?? [channels];
    return [
      { shape, data: mean },
      { shape, data: variance },
    ];
  },
  onnx: undefined,
};

/** x, dy, mean, variance -> sum(dy), sum(dy * xhat). */
export const batch_norm_gradient_sums: Operator<"batch_norm_gradient_sums"> = {
  documentation: "Per channel sum(dy) and sum(dy * xhat), xhat = (x - mean) / sqrt(variance + eps): gradients of bias and weight.",
  type(context, inputs) {
    const x = channelwise(context, inputs, 2, ["the mean", "the variance"]);
    return x && [channelVector(x), channelVector(x)];
  },
  gradient: "none",
  lower(context, { eps }) {
    const sizes = context.inputs[0] ?? [];
    const everywhere = splitAxes(sizes.length, allButChannels(sizes.length));
    const dy = context.load(1, everywhere);
    const centred = binary("subtract", context.load(0, everywhere), context.load(2, [along(0)]));
    return {
      form: "reduction",
      ...reductionAxes(sizes),
      accumulators: [
        { combine: "sum", value: dy },
        { combine: "sum", value: binary("multiply", dy, centred) },
      ],
      values: [accumulated(0), binary("multiply", accumulated(1), inverseDeviation(context.load(3, [along(0)]), eps))],
    };
  },
  reference(inputs, { eps }, shapes) {
    const [x, dy, mean, variance] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2), inputAt(inputs, 3)];
    const channels = x.shape[1] ?? 1;
    const [sumDy, sumDyXhat] = [new Float64Array(channels), new Float64Array(channels)];
    forEachChannel(x, (flat, c) => {
      sumDy[c] = (sumDy[c] ?? 0) + at(dy, flat);
      sumDyXhat[c] = (sumDyXhat[c] ?? 0) + (at(dy, flat) * (at(x, flat) - at(mean, c))) / Math.sqrt(at(variance, c) + eps);
    });
    const shape = shapes[0] ?? [channels];
    return [
      { shape, data: sumDy },
      { shape, data: sumDyXhat },
    ];
  },
  onnx: undefined,
};

/** x, dy, weight, mean, variance, sum_dy, sum_dy_xhat -> dx. */
export const batch_norm_gradient_input: Operator<"batch_norm_gradient_input"> = {
  documentation:
    "dx of batch norm with the statistics of the same batch: weight / sqrt(variance + eps) * " +
    "(dy - sum_dy / n - xhat * sum_dy_xhat / n) (Ioffe and Szegedy 2015, section 3).",
  type(context, inputs) {
    const x = channelwise(context, inputs, 2, ["the weight", "the mean", "the variance", "the sum of dy", "the sum of dy * xhat"]);
    return x && [x];
  },
  gradient: "none",
  lower(context, { eps }) {
    const sizes = context.outputs[0] ?? [];
    const count = sizeValue(pooled(sizes));
    const everywhere = everyAxis(sizes.length);
    const channel = (input: number): Expression => context.load(input, [along(1)]);
    return {
      form: "pointwise",
      axes: axesOf(sizes),
      values: [normInput(context, everywhere, channel, count, eps)],
    };
  },
  reference(inputs, { eps }) {
    const [x, dy, weight] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    const [mean, variance] = [inputAt(inputs, 3), inputAt(inputs, 4)];
    const [sumDy, sumDyXhat] = [inputAt(inputs, 5), inputAt(inputs, 6)];
    const count = x.data.length / (x.shape[1] ?? 1);
    const data = new Float64Array(x.data.length);
    forEachChannel(x, (flat, c) => {
      const deviation = Math.sqrt(at(variance, c) + eps);
      const xhat = (at(x, flat) - at(mean, c)) / deviation;
      data[flat] = (at(weight, c) / deviation) * (at(dy, flat) - at(sumDy, c) / count - (xhat * at(sumDyXhat, c)) / count);
    });
    return [{ shape: x.shape, data }];
  },
  onnx: undefined,
};

function normInput(
  context: LowerContext,
  everywhere: Parameters<LowerContext["load"]>[1],
  channel: (input: number) => Expression,
  count: Expression,
  eps: number,
): Expression {
  const inverse = inverseDeviation(channel(4), eps);
  const centred = binary("subtract", context.load(0, everywhere), channel(3));
  // Factors that depend on the channel alone stand together, so that they can be computed once per channel.
  const pull = binary("multiply", inverse, binary("divide", channel(6), count));
  const level = binary("divide", channel(5), count);
  const rest = binary("subtract", binary("subtract", context.load(1, everywhere), level), binary("multiply", centred, pull));
  return binary("multiply", binary("multiply", channel(2), inverse), rest);
}
