/**
 * Run just before lowering: softmax, its logarithm and cross entropy become reductions and elementwise nodes.
 * Invariant: exponentials are of x - max(x) <= 0 only; labels are compared with an index ramp, never used as an address.
 */
import type { Graph, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { apply, constantLike, map, minus, over, sumOver, times, unreduce, where } from "../operators/gradient-arithmetic.ts";
import type { Emitter } from "../operators/operator.ts";
import { rewrite, type Rule, ruleFor } from "./rewrite.ts";

interface Centred {
  /** x - max(x) */
  readonly values: Value;
  readonly exponentials: Value;
  /** sum(exponentials), the axis dropped. */
  readonly total: Value;
}

function centre(emitter: Emitter, x: Value, axis: number): Centred {
  const { shape } = emitter.typeOf(x);
  const highest = emitter.emit("reduce", [x], { op: "max", axes: [axis] });
  const values = minus(emitter, x, unreduce(emitter, highest, shape, [axis]));
  const exponentials = map(emitter, "exp", values);
  return { values, exponentials, total: sumOver(emitter, exponentials, [axis]) };
}

function normalised(emitter: Emitter, { exponentials, total }: Centred, axis: number): Value {
  return over(emitter, exponentials, unreduce(emitter, total, emitter.typeOf(exponentials).shape, [axis]));
}

/** Whether column k of row n is label n, as bool [N, K]. */
function isLabel(emitter: Emitter, labels: Value, logits: Value): Value {
  const { shape } = emitter.typeOf(logits);
  const { dtype } = emitter.typeOf(labels);
  const columns = emitter.emit("iota", [], { shape, axis: 1, dtype });
  return apply(emitter, "equal", columns, unreduce(emitter, labels, shape, [1]));
}

function classesOf(emitter: Emitter, logits: Value): number {
  const classes = emitter.typeOf(logits).shape[1];
  invariant(typeof classes === "number", "the number of classes must not depend on the batch");
  return classes;
}

/** The rules by name. */
export const decomposeRules: readonly Rule[] = [
  ruleFor("softmax", "softmax", ({ builder }, { inputs: [x], attributes: { axis } }) =>
    x === undefined ? undefined : normalised(builder, centre(builder, x, axis), axis),
  ),
  ruleFor("log_softmax", "log_softmax", ({ builder }, { inputs: [x], attributes: { axis } }) => {
    if (x === undefined) return undefined;
    const { values, total } = centre(builder, x, axis);
    return minus(builder, values, unreduce(builder, map(builder, "log", total), builder.typeOf(x).shape, [axis]));
  }),
  ruleFor("softmax_cross_entropy", "softmax_cross_entropy", ({ builder }, { inputs, attributes: { smoothing } }) => {
    const [logits, labels] = inputs;
    if (logits === undefined || labels === undefined) return undefined;
    const { values, total } = centre(builder, logits, 1);
    const chosen = sumOver(builder, where(builder, isLabel(builder, labels, logits), values, 0), [1]);
    const loss = minus(builder, map(builder, "log", total), times(builder, chosen, 1 - smoothing));
    if (smoothing === 0) return loss;
    return minus(builder, loss, times(builder, sumOver(builder, values, [1]), smoothing / classesOf(builder, logits)));
  }),
  ruleFor("softmax_cross_entropy_gradient", "softmax_cross_entropy_gradient", ({ builder }, { inputs, attributes }) => {
    const [logits, labels, upstream] = inputs;
    if (logits === undefined || labels === undefined || upstream === undefined) return undefined;
    const probability = normalised(builder, centre(builder, logits, 1), 1);
    const rest = attributes.smoothing / classesOf(builder, logits);
    const [hit, miss] = [1 - attributes.smoothing + rest, rest].map((value) => constantLike(builder, logits, value));
    invariant(hit !== undefined && miss !== undefined, "two constants");
    const target = where(builder, isLabel(builder, labels, logits), hit, miss);
    const weight = unreduce(builder, upstream, builder.typeOf(logits).shape, [1]);
    return times(builder, weight, minus(builder, probability, target));
  }),
];

/** Expands every composite that has no kernel of its own. */
export function decompose(graph: Graph): Graph {
  return rewrite(graph, decomposeRules);
}
