/**
 * What of a graph is needed. Invariant: order is kept; ports and kept tensors stay, since files and callers name them.
 */
import type { Graph, GraphNode, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";

/** The graph without nodes that no output or update needs; ids are made dense again. Unmoved nodes stay as they are. */
export function liveGraph(graph: Graph): Graph {
  const needed = neededNodes(graph);
  const renamed = new Int32Array(graph.nodes.length).fill(-1);
  const nodes: GraphNode[] = [];
  const idOf = (node: number): number => {
    const id = renamed[node] ?? -1;
    invariant(id >= 0, `node ${node} was dropped but is used`);
    return id;
  };
  const rename = (value: Value): Value => {
    const id = idOf(value.node);
    return id === value.node ? value : { node: id, output: value.output };
  };
  for (const node of graph.nodes) {
    if (needed[node.id] !== 1) continue;
    const id = nodes.length;
    renamed[node.id] = id;
    nodes.push(id === node.id ? node : { ...node, id, inputs: node.inputs.map(rename) });
  }
  return {
    nodes,
    outputs: graph.outputs.map(({ name, value }) => ({ name, value: rename(value) })),
    updates: graph.updates.map(({ target, value }) => ({ target: idOf(target), value: rename(value) })),
    batch: graph.batch,
  };
}

function neededNodes(graph: Graph): Uint8Array {
  const needed = new Uint8Array(graph.nodes.length);
  for (const { value } of graph.outputs) needed[value.node] = 1;
  for (const { target, value } of graph.updates) needed[target] = needed[value.node] = 1;
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    if (node === undefined) continue;
    if (node.op === "input" || node.op === "parameter" || node.op === "state") needed[id] = 1;
    if (needed[id] === 1) for (const input of node.inputs) needed[input.node] = 1;
  }
  return needed;
}
