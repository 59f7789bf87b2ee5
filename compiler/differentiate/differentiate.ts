/**
 * Reverse-mode differentiation over the nodes of a builder; the gradients are further nodes of the same graph.
 * Invariant: a node's rule runs once, after all its users; gradients carry the path of what they differentiate.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { OpName } from "../ir/attributes.ts";
import type { GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { printType } from "../ir/print-graph.ts";
import { sameType } from "../ir/type.ts";
import { normSums } from "../operators/normalize.ts";
import { operatorOf } from "../operators/table.ts";
import { isFloat } from "../operators/type-rules.ts";

/**
 * The gradients of `loss` (summed, if it has several elements) with respect to values; undefined where none flows.
 * Source: Griewank and Walther 2008, chapter 3.
 */
export function differentiate(builder: GraphBuilder, loss: Value, wrt: readonly Value[]): readonly (Value | undefined)[] {
  const wanted = reachable(builder, loss, wrt);
  /** By node, then output. */
  const gradients: (Value | undefined)[][] = [];
  const accumulate = (value: Value, gradient: Value): void => {
    const [type, given] = [builder.typeOf(value), builder.typeOf(gradient)];
    const { op } = builder.node(value.node);
    if (!sameType(type, given)) invariant(false, `the gradient of a ${printType(type)} (${op}) is a ${printType(given)}`);
    const own = (gradients[value.node] ??= []);
    const before = own[value.output];
    own[value.output] = before === undefined ? gradient : builder.emit("binary", [before, gradient], { op: "add" });
  };
  const handOn = (node: GraphNode, incoming: readonly (Value | undefined)[]): void => {
    const outgoing = nodeGradients(builder, node, incoming);
    for (const [position, input] of node.inputs.entries()) {
      const gradient = outgoing[position];
      if (gradient === undefined || wanted[input.node] !== 1) continue;
      if (isFloat(builder.typeOf(input).dtype)) accumulate(input, gradient);
    }
  };
  accumulate(loss, builder.emit("constant", [], { value: 1, ...builder.typeOf(loss) }));
  for (let id = loss.node; id >= 0; id--) {
    const incoming = gradients[id];
    if (wanted[id] !== 1 || incoming === undefined) continue;
    const node = builder.node(id);
    builder.withPath(node.path, () =>
      handOn(
        node,
        node.types.map((_, output) => incoming[output]),
      ),
    );
  }
  return wrt.map((value) => gradients[value.node]?.[value.output]);
}

/** 1 at the nodes up to the loss that depend on a wanted value. */
function reachable(builder: GraphBuilder, loss: Value, wrt: readonly Value[]): Uint8Array {
  const found = new Uint8Array(builder.count());
  for (const { node } of wrt) found[node] = 1;
  for (let id = 0; id <= loss.node; id++) {
    if (builder.node(id).inputs.some((input) => found[input.node] === 1)) found[id] = 1;
  }
  return found;
}

function nodeGradients(builder: GraphBuilder, node: GraphNode, incoming: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  if (node.op === "batch_norm") {
    const fused = trainedNormGradients(builder, node, incoming[0]);
    if (fused !== undefined) return fused;
  }
  return ruleOf(node, builder, incoming);
}

function ruleOf<K extends OpName>(node: NodeFor<K>, builder: GraphBuilder, incoming: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  const { gradient } = operatorOf<K>(node.op);
  invariant(gradient !== "none", `${node.op} is not differentiable`);
  return gradient(builder, node, incoming);
}

/**
 * Batch norm by the statistics of its own input: one pair of sums gives all three gradients, and what flows through mean
 * and variance is inside dx already, so that none is handed on to them.
 */
function trainedNormGradients(builder: GraphBuilder, node: NodeFor<"batch_norm">, dy: Value | undefined): readonly (Value | undefined)[] | undefined {
  const [x, weight, , mean, variance] = node.inputs;
  if (x === undefined || weight === undefined || mean === undefined || variance === undefined || dy === undefined) return undefined;
  const moments = builder.node(mean.node);
  if (moments.op !== "batch_moments" || mean.output !== 0 || variance.node !== mean.node || variance.output !== 1) return undefined;
  const [measured] = moments.inputs;
  if (measured === undefined || measured.node !== x.node || measured.output !== x.output) return undefined;
  const { eps } = node.attributes;
  const [sumDy, sumDyXhat] = normSums(builder, x, dy, mean, variance, eps);
  const inputs = [x, dy, weight, mean, variance, sumDy, sumDyXhat];
  return [builder.emit("batch_norm_gradient_input", inputs, { eps }), sumDyXhat, sumDy, undefined, undefined];
}
