/**
 * The laws of a Graph, stated as checks.
 * Invariant: a graph that passes can be interpreted and lowered; types against operators are the builder's concern.
 */
import { coefficientOf, type Dim, formatDim } from "./dim.ts";
import type { Graph, GraphNode, Value } from "./graph.ts";
import { invariant } from "./invariant.ts";
import type { TensorType } from "./type.ts";

/** Fails on the first breach: order, ids, dangling values, sizes beyond `k * batch`, doubled names, ill-typed updates. */
export function verifyGraph(graph: Graph): Graph {
  const names = new Set<string>();
  for (const [position, node] of graph.nodes.entries()) {
    invariant(node.id === position, `node ${position} has id ${node.id}`);
    const what = `node ${node.id} (${node.op}${node.path === "" ? "" : ` at ${node.path}`})`;
    for (const input of node.inputs) {
      invariant(input.node < position, `${what} reads node ${input.node}, which does not precede it`);
      typeOfValue(graph, input);
    }
    invariant(node.types.length > 0, `${what} has no output`);
    for (const { shape } of node.types) {
      for (const size of shape) verifySize(size, graph.batch, what);
    }
    const name = sourceName(node);
    if (name !== undefined) {
      invariant(!names.has(name), `two sources are named ${name}`);
      names.add(name);
    }
  }
  const outputs = new Set<string>();
  for (const { name, value } of graph.outputs) {
    typeOfValue(graph, value);
    invariant(!outputs.has(name), `two outputs are named ${name}`);
    outputs.add(name);
  }
  verifyUpdates(graph);
  return graph;
}

/** The type of a value of the graph. */
export function typeOfValue(graph: Graph, value: Value): TensorType {
  const type = graph.nodes[value.node]?.types[value.output];
  invariant(type !== undefined, `there is no value ${value.node}.${value.output}`);
  return type;
}

function verifyUpdates(graph: Graph): void {
  const targets = new Set<number>();
  for (const { target, value } of graph.updates) {
    const node = graph.nodes[target];
    invariant(
      node?.op === "parameter" || node?.op === "state",
      `update of node ${target}, which is not kept between runs`,
    );
    invariant(!targets.has(target), `two updates of ${node.attributes.name}`);
    targets.add(target);
    const type = typeOfValue(graph, value);
    const same = shapeText(type) === shapeText(typeOfValue(graph, { node: target, output: 0 }));
    invariant(same, `the update of ${node.attributes.name} has another type`);
  }
}

function verifySize(size: Dim, batch: string | undefined, what: string): void {
  if (typeof size === "number") {
    invariant(Number.isSafeInteger(size) && size >= 1, `${what} has a size ${size}`);
    return;
  }
  const parts = batch === undefined ? undefined : coefficientOf(size, batch);
  invariant(
    parts?.rest === 0 && parts.coefficient >= 1,
    `${what} has the size ${formatDim(size)}, not a multiple of the batch`,
  );
}

function sourceName(node: GraphNode): string | undefined {
  switch (node.op) {
    case "input":
    case "scalar":
      return `${node.op} ${node.attributes.name}`;
    case "parameter":
    case "state":
      return `tensor ${node.attributes.name}`;
    default:
      return undefined;
  }
}

function shapeText({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape.map(formatDim).join(", ")}]`;
}
