/**
 * Splits an inference graph: what depends on weights alone is computed once per set of weights, by a program of its own.
 * Invariant: running `prepare`, keeping its updates, then `main`, gives what the whole graph gives.
 */
import { createGraphBuilder, type GraphBuilder } from "../graph/builder.ts";
import type { Graph, GraphNode, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { fixedNodes } from "./fixed-values.ts";

export interface Prepared {
  /** Updates the states `prepared.PATH.K`; undefined if nothing is worth preparing. */
  readonly prepare: Graph | undefined;
  /** Reads the states `prepared.PATH.K`. */
  readonly main: Graph;
}

/** Operators that cost nothing where their result is read, and would only make the kept tensor larger. */
const movesOnly: ReadonlySet<string> = new Set(["broadcast", "reshape", "stop_gradient", "constant", "iota", "parameter", "state"]);

/** Moves work on weights and kept statistics into a program of its own. */
export function splitPrepared(graph: Graph): Prepared {
  const fixed = fixedNodes((id) => nodeAt(graph, id));
  const cut = cutValues(graph, fixed);
  if (cut.length === 0) return { prepare: undefined, main: graph };
  const names = nameValues(graph, cut);

  const first = createGraphBuilder(undefined);
  const inFirst = copyNodes(
    graph,
    first,
    (node) => fixed(node.id),
    () => undefined,
  );
  const updates = cut.map((value) => ({
    target: preparedState(first, graph, value, names).node,
    value: inFirst(value),
  }));

  const second = createGraphBuilder(graph.batch);
  const kept = new Set(graph.nodes.map((node) => node.id));
  for (const { node } of cut) kept.delete(node);
  const inSecond = copyNodes(
    graph,
    second,
    (node) => kept.has(node.id),
    (value) => (names.has(keyOf(value)) ? preparedState(second, graph, value, names) : undefined),
  );
  const main = second.finish(
    graph.outputs.map(({ name, value }) => ({ name, value: inSecond(value) })),
    graph.updates.map(({ target, value }) => ({
      target: inSecond({ node: target, output: 0 }).node,
      value: inSecond(value),
    })),
  );
  return { prepare: first.finish([], updates), main };
}

/** By the path that each serves, so that equal layers have names alike. */
function nameValues(graph: Graph, values: readonly Value[]): ReadonlyMap<string, string> {
  const counts = new Map<string, number>();
  const named = values.map((value): readonly [string, string] => {
    const { path } = nodeAt(graph, value.node);
    const count = counts.get(path) ?? 0;
    counts.set(path, count + 1);
    return [keyOf(value), `prepared.${path}.${count}`];
  });
  return new Map(named);
}

function keyOf({ node, output }: Value): string {
  return `${node}.${output}`;
}

function nodeAt(graph: Graph, id: number): GraphNode {
  const node = graph.nodes[id];
  invariant(node !== undefined, `there is no node ${id}`);
  return node;
}

/** Fixed values that cost something and are read by a node, output or update that is not fixed or merely moves. */
function cutValues(graph: Graph, fixed: (id: number) => boolean): readonly Value[] {
  const cut = new Map<string, Value>();
  const read = (value: Value): void => {
    const node = nodeAt(graph, value.node);
    if (!fixed(value.node)) return;
    if (!movesOnly.has(node.op)) cut.set(keyOf(value), value);
    // What moves a fixed value stays with its reader, so its own inputs are cut instead.
    else node.inputs.forEach(read);
  };
  for (const node of graph.nodes) if (!fixed(node.id)) node.inputs.forEach(read);
  for (const { value } of [...graph.outputs, ...graph.updates]) read(value);
  return [...cut.values()];
}

function preparedState(builder: GraphBuilder, graph: Graph, value: Value, names: ReadonlyMap<string, string>): Value {
  const { types, path } = nodeAt(graph, value.node);
  const type = types[value.output];
  const name = names.get(keyOf(value));
  invariant(type !== undefined && name !== undefined, "a prepared value has a type and a name");
  return builder.withPath(path, () => builder.emit("state", [], { name, ...type, initializer: { kind: "constant", value: 0 } }));
}

/** Copies the chosen nodes whose inputs exist; `stand` gives a value's replacement first. Returns the renaming. */
function copyNodes(
  graph: Graph,
  builder: GraphBuilder,
  chosen: (node: GraphNode) => boolean,
  stand: (value: Value) => Value | undefined,
): (value: Value) => Value {
  const copies = new Map<string, Value>();
  const renamed = (value: Value): Value | undefined => stand(value) ?? copies.get(keyOf(value));
  for (const node of graph.nodes) {
    if (!chosen(node)) continue;
    const inputs = node.inputs.map(renamed);
    // A node all of whose readers were cut away may have lost its inputs; nothing reads it.
    if (inputs.some((input) => input === undefined)) continue;
    const values = builder.copy(
      node,
      inputs.filter((input) => input !== undefined),
    );
    for (const [output, value] of values.entries()) copies.set(keyOf({ node: node.id, output }), value);
  }
  return (value) => {
    const result = renamed(value);
    invariant(result !== undefined, `value ${keyOf(value)} was not copied`);
    return result;
  };
}
