/**
 * Inference: batch norm with kept statistics vanishes into the convolution before it, or becomes a multiply and an add.
 * Invariant: what is new depends on kept tensors alone, so that `prepare.ts` can compute it once per set of weights.
 */
import type { Graph, NodeFor, Value } from "../ir/graph.ts";
import { map, minus, over, perChannel, plus, spread, times } from "../operators/gradient-arithmetic.ts";
import { type RewriteContext, rewrite, type Rule } from "./rewrite.ts";

interface Norm {
  readonly x: Value;
  /** weight / sqrt(variance + eps), [C] */
  readonly scale: Value;
  readonly bias: Value;
  readonly mean: Value;
}

/** The convolution right before, whose result nothing else reads, with the bias added to it, if any. */
interface Source {
  readonly convolution: NodeFor<"convolution">;
  readonly bias: Value | undefined;
}

/** `batch_norm(convolution(x, w) [+ b])` -> `convolution(x, w * scale) + (bias + (b - mean) * scale)`. */
export const foldIntoConvolution: Rule = {
  name: "batch norm into convolution",
  op: "batch_norm",
  apply(context, node) {
    const norm = fixedNorm(context, node);
    const source = norm && convolutionBefore(context, norm.x);
    if (norm === undefined || source === undefined) return undefined;
    const { builder } = context;
    const [image, weight] = source.convolution.inputs;
    if (image === undefined || weight === undefined || !context.isFixed(weight)) return undefined;
    const scaled = times(builder, weight, spread(builder, norm.scale, builder.typeOf(weight).shape, [0]));
    const distance = source.bias === undefined ? map(builder, "negate", norm.mean) : minus(builder, source.bias, norm.mean);
    const shift = plus(builder, norm.bias, times(builder, distance, norm.scale));
    const y = builder.emit("convolution", [image, scaled], source.convolution.attributes);
    return [plus(builder, y, perChannel(builder, shift, y))];
  },
};

/** `batch_norm(x)` -> `x * scale + (bias - mean * scale)`. */
export const foldIntoAffine: Rule = {
  name: "batch norm into multiply and add",
  op: "batch_norm",
  apply(context, node) {
    const norm = fixedNorm(context, node);
    if (norm === undefined) return undefined;
    const { builder } = context;
    const shift = minus(builder, norm.bias, times(builder, norm.mean, norm.scale));
    return [plus(builder, times(builder, norm.x, perChannel(builder, norm.scale, norm.x)), perChannel(builder, shift, norm.x))];
  },
};

/** The rules, the better one first. */
export const foldRules: readonly Rule[] = [foldIntoConvolution, foldIntoAffine];

/** Folds every batch norm whose weight, bias and statistics are kept tensors. */
export function foldBatchNorm(graph: Graph): Graph {
  return rewrite(graph, foldRules);
}

function fixedNorm(context: RewriteContext, node: Parameters<Rule["apply"]>[1]): Norm | undefined {
  if (node.op !== "batch_norm") return undefined;
  const [x, weight, bias, mean, variance] = node.inputs;
  if (x === undefined || weight === undefined || bias === undefined || mean === undefined || variance === undefined) return undefined;
  const { builder } = context;
  if (![weight, bias, mean, variance].every(context.isFixed)) return undefined;
  const deviation = map(builder, "sqrt", plus(builder, variance, node.attributes.eps));
  return { x, scale: over(builder, weight, deviation), bias, mean };
}

function convolutionBefore(context: RewriteContext, x: Value): Source | undefined {
  if (context.useCount(x) !== 1) return undefined;
  const direct = context.producer(x, "convolution");
  if (direct !== undefined) return { convolution: direct, bias: undefined };
  const sum = context.producer(x, "binary");
  if (sum?.attributes.op !== "add") return undefined;
  for (const [position, value] of sum.inputs.entries()) {
    const convolution = context.producer(value, "convolution");
    const repeated = context.producer(sum.inputs[1 - position], "broadcast");
    if (convolution === undefined || repeated === undefined || context.useCount(value) !== 1) continue;
    const [bias] = repeated.inputs;
    const alongChannels = repeated.attributes.axes.length === 1 && repeated.attributes.axes[0] === 1;
    const channels = context.builder.typeOf(x).shape[1];
    if (bias === undefined || !alongChannels || context.builder.typeOf(bias).shape[0] !== channels) continue;
    if (context.isFixed(bias)) return { convolution, bias };
  }
  return undefined;
}
