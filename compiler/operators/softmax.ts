/**
 * Softmax, its logarithm, and cross entropy on logits with its gradient.
 * Invariant: they are expanded by `rewrite/decompose.ts` before lowering; their `lower` is never reached.
 */
import type { Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import type { TensorType } from "../ir/type.ts";
import { map, minus, sumOver, times, unreduce } from "./gradient-arithmetic.ts";
import type { Computation, Emitter, Operator, ReferenceTensor, TypeContext } from "./operator.ts";
import { aroundAxis, at, inputAt } from "./row-major.ts";
import { expectAxis, expectFloat, expectInputs, expectInteger, expectRank, requireEqual } from "./type-rules.ts";

function decomposed(): Computation {
  invariant(false, "softmax and cross entropy are decomposed before lowering");
}

function alongAxis(context: TypeContext, inputs: readonly TensorType[], axis: number): readonly TensorType[] | undefined {
  const [x] = inputs;
  if (!expectInputs(context, inputs, 1) || x === undefined || !expectAxis(context, x, axis)) return undefined;
  return expectFloat(context, x, 0, "the input") ? [x] : undefined;
}

/** Sums along the axis and repeats the total along it. */
function totalAlong(emitter: Emitter, x: Value, axis: number): Value {
  return unreduce(emitter, sumOver(emitter, x, [axis]), emitter.typeOf(x).shape, [axis]);
}

/** x - max - log(sum(exp(x - max))) along an axis, in f64. */
function logSoftmax(x: ReferenceTensor, axis: number): ReferenceTensor {
  const [outer, size, inner] = aroundAxis(x.shape, axis);
  const data = new Float64Array(x.data.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const position = (k: number): number => (o * size + k) * inner + i;
      let highest = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < size; k++) highest = Math.max(highest, at(x, position(k)));
      let total = 0;
      for (let k = 0; k < size; k++) total += Math.exp(at(x, position(k)) - highest);
      for (let k = 0; k < size; k++) data[position(k)] = at(x, position(k)) - highest - Math.log(total);
    }
  }
  return { shape: x.shape, data };
}

/** exp(x) / sum(exp(x)) */
export const softmax: Operator<"softmax"> = {
  documentation: "exp(x) / sum(exp(x)) along an axis, computed from x - max(x).",
  type: (context, inputs, { axis }) => alongAxis(context, inputs, axis),
  gradient(emitter, node, [dy]) {
    if (dy === undefined) return [undefined];
    const y = { node: node.id, output: 0 };
    const weighted = times(emitter, dy, y);
    return [minus(emitter, weighted, times(emitter, y, totalAlong(emitter, weighted, node.attributes.axis)))];
  },
  lower: decomposed,
  reference(inputs, { axis }) {
    const logarithm = logSoftmax(inputAt(inputs, 0), axis);
    return [{ shape: logarithm.shape, data: logarithm.data.map(Math.exp) }];
  },
  onnx: "Softmax",
};

/** log(softmax(x)) */
export const log_softmax: Operator<"log_softmax"> = {
  documentation: "x - log(sum(exp(x))) along an axis, computed from x - max(x).",
  type: (context, inputs, { axis }) => alongAxis(context, inputs, axis),
  gradient(emitter, node, [dy]) {
    if (dy === undefined) return [undefined];
    const probability = map(emitter, "exp", { node: node.id, output: 0 });
    return [minus(emitter, dy, times(emitter, probability, totalAlong(emitter, dy, node.attributes.axis)))];
  },
  lower: decomposed,
  reference: (inputs, { axis }) => [logSoftmax(inputAt(inputs, 0), axis)],
  onnx: "LogSoftmax",
};

/** logits [N, K] and labels [N]. */
function expectLogits(context: TypeContext, logits: TensorType, labels: TensorType, smoothing: number): boolean {
  if (!expectRank(context, logits, 2, 0, "the logits") || !expectRank(context, labels, 1, 1, "the labels")) return false;
  if (!expectFloat(context, logits, 0, "the logits") || !expectInteger(context, labels, 1, "the labels")) return false;
  requireEqual(context, logits.shape[0] ?? 1, labels.shape[0] ?? 1, "number of samples");
  // NaN stands for a number that is not known yet.
  if (!(smoothing < 0 || smoothing > 1)) return true;
  context.fail({ kind: "attribute", message: `label smoothing lies between 0 and 1, not at ${smoothing}` });
  return false;
}

/** Per-sample loss. */
export const softmax_cross_entropy: Operator<"softmax_cross_entropy"> = {
  documentation:
    "Per sample -(1 - s) * log p[label] - s / K * sum(log p), p = softmax(logits): cross entropy with label smoothing s " +
    "(Szegedy et al. 2016, section 7). Logits [N, K], labels [N] in 0 .. K-1, result [N].",
  type(context, inputs, { smoothing }) {
    const [logits, labels] = inputs;
    if (!expectInputs(context, inputs, 2) || logits === undefined || labels === undefined) return undefined;
    if (!expectLogits(context, logits, labels, smoothing)) return undefined;
    return [{ dtype: logits.dtype, shape: [logits.shape[0] ?? 1] }];
  },
  gradient(emitter, node, [dy]) {
    const [logits, labels] = node.inputs;
    if (dy === undefined || logits === undefined || labels === undefined) return [undefined, undefined];
    return [emitter.emit("softmax_cross_entropy_gradient", [logits, labels, dy], node.attributes), undefined];
  },
  lower: decomposed,
  reference(inputs, { smoothing }, shapes) {
    const logarithm = logSoftmax(inputAt(inputs, 0), 1);
    const labels = inputAt(inputs, 1);
    const classes = logarithm.shape[1] ?? 1;
    const data = labels.data.map((label, n) => {
      const row = logarithm.data.subarray(n * classes, (n + 1) * classes);
      const total = row.reduce((sum, value) => sum + value, 0);
      return -(1 - smoothing) * (row[label] ?? 0) - (smoothing / classes) * total;
    });
    return [{ shape: shapes[0] ?? labels.shape, data }];
  },
  onnx: undefined,
};

/** logits, labels, upstream -> dlogits. */
export const softmax_cross_entropy_gradient: Operator<"softmax_cross_entropy_gradient"> = {
  documentation: "upstream * (softmax(logits) - target), target = (1 - s) * onehot(label) + s / K.",
  type(context, inputs, { smoothing }) {
    const [logits, labels, upstream] = inputs;
    if (!expectInputs(context, inputs, 3) || logits === undefined || labels === undefined || upstream === undefined) {
      return undefined;
    }
    if (!expectLogits(context, logits, labels, smoothing)) return undefined;
    if (!expectRank(context, upstream, 1, 2, "the upstream gradient")) return undefined;
    requireEqual(context, logits.shape[0] ?? 1, upstream.shape[0] ?? 1, "number of samples");
    return [logits];
  },
  gradient: "none",
  lower: decomposed,
  reference(inputs, { smoothing }) {
    const logarithm = logSoftmax(inputAt(inputs, 0), 1);
    const [labels, upstream] = [inputAt(inputs, 1), inputAt(inputs, 2)];
    const classes = logarithm.shape[1] ?? 1;
    const data = logarithm.data.map((value, flat) => {
      const n = Math.floor(flat / classes);
      const target = (at(labels, n) === flat % classes ? 1 - smoothing : 0) + smoothing / classes;
      return at(upstream, n) * (Math.exp(value) - target);
    });
    return [{ shape: logarithm.shape, data }];
  },
  onnx: undefined,
};
