/**
 * What of a graph is needed. Invariant: order is kept; ports and kept tensors stay, since files and callers name them.
 */
import type { Graph, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";

/** The graph without nodes that no output or update needs; ids are made dense again. */
export function liveGraph(graph: Graph): Graph {
  const needed = neededNodes(graph);
  const renamed = new Map<number, number>();
  for (const node of graph.nodes) if (needed.has(node.id)) renamed.set(node.id, renamed.size);
  const rename = ({ node, output }: Value): Value => {
    const id = renamed.get(node);
    invariant(id !== undefined, `node ${node} was dropped but is used`);
    return { node: id, output };
  };
  return {
    nodes: graph.nodes
      .filter((node) => needed.has(node.id))
      .map((node) => ({ ...node, id: rename({ node: node.id, output: 0 }).node, inputs: node.inputs.map(rename) })),
    outputs: graph.outputs.map(({ name, value }) => ({ name, value: rename(value) })),
    updates: graph.updates.map(({ target, value }) => ({
      target: rename({ node: target, output: 0 }).node,
      value: rename(value),
    })),
    batch: graph.batch,
  };
}

function neededNodes(graph: Graph): ReadonlySet<number> {
  const needed = new Set<number>();
  for (const { value } of graph.outputs) needed.add(value.node);
  for (const { target, value } of graph.updates) needed.add(target).add(value.node);
  for (const node of [...graph.nodes].reverse()) {
    if (node.op === "input" || node.op === "parameter" || node.op === "state") needed.add(node.id);
    if (needed.has(node.id)) for (const input of node.inputs) needed.add(input.node);
  }
  return needed;
}
