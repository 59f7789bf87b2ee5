/**
 * Which nodes depend on kept tensors and constants only, so that they change with the weights, not with the input.
 * Invariant: sizes that depend on the batch are never fixed.
 */
import type { GraphNode } from "../ir/graph.ts";

/** Whether each node is fixed, given a way to ask the same of the nodes before it. */
export function isFixed(node: GraphNode, isFixedBefore: (id: number) => boolean): boolean {
  if (!node.types.every(({ shape }) => shape.every((size) => typeof size === "number"))) return false;
  switch (node.op) {
    case "parameter":
    case "state":
    case "constant":
    case "iota":
      return true;
    case "input":
    case "scalar":
    case "size":
      return false;
    default:
      return node.inputs.every((input) => isFixedBefore(input.node));
  }
}

/** The same question over a list of nodes that may still grow; each node is looked at once. */
export function fixedNodes(node: (id: number) => GraphNode): (id: number) => boolean {
  const known: boolean[] = [];
  return (id) => {
    while (known.length <= id) known.push(isFixed(node(known.length), (before) => known[before] === true));
    return known[id] === true;
  };
}
