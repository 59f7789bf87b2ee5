/**
 * Reverse-mode differentiation over the nodes of a builder; the gradients are further nodes of the same graph.
 * Invariant: a node's rule runs once, after all its users; gradients carry the path of what they differentiate.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { OpName } from "../ir/attributes.ts";
import type { GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { printType } from "../ir/print-graph.ts";
import { invariant } from "../ir/invariant.ts";
import { normSums } from "../operators/normalize.ts";
import { operatorOf } from "../operators/table.ts";
import { isFloat } from "../operators/type-rules.ts";

/**
 * The gradients of `loss` (summed, if it has several elements) with respect to values; undefined where none flows.
 * Source: Griewank and Walther 2008, chapter 3.
 */
export function differentiate(
  builder: GraphBuilder,
  loss: Value,
  wrt: readonly Value[],
): readonly (Value | undefined)[] {
  const wanted = reachable(builder, loss, wrt);
  const gradients = new Map<string, Value>();
  const accumulate = (value: Value, gradient: Value): void => {
    const [type, given] = [printType(builder.typeOf(value)), printType(builder.typeOf(gradient))];
    invariant(type === given, `the gradient of a ${type} (${builder.node(value.node).op}) is a ${given}`);
    const before = gradients.get(keyOf(value));
    const total = before === undefined ? gradient : builder.emit("binary", [before, gradient], { op: "add" });
    gradients.set(keyOf(value), total);
  };
  accumulate(loss, builder.emit("constant", [], { value: 1, ...builder.typeOf(loss) }));
  for (let id = loss.node; id >= 0; id--) {
    if (!wanted.has(id)) continue;
    const node = builder.node(id);
    const incoming = node.types.map((_, output) => gradients.get(keyOf({ node: id, output })));
    if (incoming.every((each) => each === undefined)) continue;
    const outgoing = builder.withPath(node.path, () => nodeGradients(builder, node, incoming));
    for (const [position, input] of node.inputs.entries()) {
      const gradient = outgoing[position];
      if (gradient === undefined || !wanted.has(input.node)) continue;
      if (isFloat(builder.typeOf(input).dtype)) builder.withPath(node.path, () => accumulate(input, gradient));
    }
  }
  return wrt.map((value) => gradients.get(keyOf(value)));
}

function keyOf({ node, output }: Value): string {
  return `${node}.${output}`;
}

/** Nodes up to the loss that depend on a wanted value. */
function reachable(builder: GraphBuilder, loss: Value, wrt: readonly Value[]): ReadonlySet<number> {
  const found = new Set(wrt.map((value) => value.node));
  for (let id = 0; id <= loss.node; id++) {
    if (builder.node(id).inputs.some((input) => found.has(input.node))) found.add(id);
  }
  return found;
}

function nodeGradients(
  builder: GraphBuilder,
  node: GraphNode,
  incoming: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  if (node.op === "batch_norm") {
    const fused = trainedNormGradients(builder, node, incoming[0]);
    if (fused !== undefined) return fused;
  }
  return ruleOf(node, builder, incoming);
}

function ruleOf<K extends OpName>(
  node: NodeFor<K>,
  builder: GraphBuilder,
  incoming: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  const { gradient } = operatorOf<K>(node.op);
  invariant(gradient !== "none", `${node.op} is not differentiable`);
  return gradient(builder, node, incoming);
}

/**
 * Batch norm by the statistics of its own input: one pair of sums gives all three gradients, and what flows through mean
 * and variance is inside dx already, so that none is handed on to them.
 */
function trainedNormGradients(
  builder: GraphBuilder,
  node: NodeFor<"batch_norm">,
  dy: Value | undefined,
): readonly (Value | undefined)[] | undefined {
  const [x, weight, , mean, variance] = node.inputs;
  if (x === undefined || weight === undefined || mean === undefined || variance === undefined || dy === undefined)
    return undefined;
  const moments = builder.node(mean.node);
  if (moments.op !== "batch_moments" || mean.output !== 0 || variance.node !== mean.node || variance.output !== 1)
    return undefined;
  const [measured] = moments.inputs;
  if (measured === undefined || keyOf(measured) !== keyOf(x)) return undefined;
  const { eps } = node.attributes;
  const [sumDy, sumDyXhat] = normSums(builder, x, dy, mean, variance, eps);
  const inputs = [x, dy, weight, mean, variance, sumDy, sumDyXhat];
  return [builder.emit("batch_norm_gradient_input", inputs, { eps }), sumDyXhat, sumDy, undefined, undefined];
}
