/**
 * The laws of a Graph, stated as checks.
 * Invariant: a graph that passes can be interpreted and lowered; types against operators are the builder's concern.
 */
import { coefficientOf, type Dim, formatDim } from "./dim.ts";
import type { Graph, GraphNode, Value } from "./graph.ts";
import { invariant } from "./invariant.ts";
import { sameType, type TensorType } from "./type.ts";

/** Fails on the first breach: order, ids, dangling values, sizes beyond `k * batch`, doubled names, ill-typed updates. */
export function verifyGraph(graph: Graph): Graph {
  const names = new Set<string>();
  /** Symbolic sizes by key: few, and asked for again and again. */
  const good = new Set<string>();
  for (const [position, node] of graph.nodes.entries()) {
    if (node.id !== position) invariant(false, `node ${position} has id ${node.id}`);
    for (const input of node.inputs) {
      if (input.node >= position) invariant(false, `${describe(node)} reads node ${input.node}, which does not precede it`);
      typeOfValue(graph, input);
    }
    if (node.types.length === 0) invariant(false, `${describe(node)} has no output`);
    for (const { shape } of node.types) {
      for (const size of shape) if (!isGoodSize(size, graph.batch, good)) invariant(false, `${describe(node)} has ${sizeProblem(size)}`);
    }
    const name = sourceName(node);
    if (name === undefined) continue;
    if (names.has(name)) invariant(false, `two sources are named ${name}`);
    names.add(name);
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
  if (type === undefined) invariant(false, `there is no value ${value.node}.${value.output}`);
  return type;
}

function verifyUpdates(graph: Graph): void {
  const targets = new Set<number>();
  for (const { target, value } of graph.updates) {
    const node = graph.nodes[target];
    invariant(node?.op === "parameter" || node?.op === "state", `update of node ${target}, which is not kept between runs`);
    invariant(!targets.has(target), `two updates of ${node.attributes.name}`);
    targets.add(target);
    const same = sameType(typeOfValue(graph, value), typeOfValue(graph, { node: target, output: 0 }));
    invariant(same, `the update of ${node.attributes.name} has another type`);
  }
}

function describe({ id, op, path }: GraphNode): string {
  return `node ${id} (${op}${path === "" ? "" : ` at ${path}`})`;
}

function isGoodSize(size: Dim, batch: string | undefined, good: Set<string>): boolean {
  if (typeof size === "number") return Number.isSafeInteger(size) && size >= 1;
  if (good.has(size.key)) return true;
  const parts = batch === undefined ? undefined : coefficientOf(size, batch);
  if (parts?.rest !== 0 || parts.coefficient < 1) return false;
  good.add(size.key);
  return true;
}

function sizeProblem(size: Dim): string {
  return typeof size === "number" ? `a size ${size}` : `the size ${formatDim(size)}, not a multiple of the batch`;
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
