/**
 * The reference interpreter: an unfused graph evaluated node by node in f64, the oracle for every back end.
 * Invariant: uses the operators' `reference` rules only, never their lowering.
 */
import type { Attributes, OpName } from "../ir/attributes.ts";
import { evaluate, type SymbolicDim } from "../ir/dim.ts";
import type { Graph, GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { printNode } from "../ir/print-graph.ts";
import type { ReferenceTensor } from "../operators/operator.ts";
import { elementCount } from "../operators/row-major.ts";
import { operatorOf } from "../operators/table.ts";

/** What the graph is run on. */
export interface Bindings {
  /** By port name. */
  readonly inputs: ReadonlyMap<string, ReferenceTensor>;
  /** By name of parameter or state. */
  readonly tensors: ReadonlyMap<string, ReferenceTensor>;
  /** By name: `learning_rate`, `step_number`, `seed`. */
  readonly scalars: ReadonlyMap<string, number>;
  /** Value of the free batch symbol; ignored if the batch is fixed. */
  readonly batch: number;
}

export interface Results {
  /** By output name. */
  readonly outputs: ReadonlyMap<string, ReferenceTensor>;
  /** New values by name of parameter or state. */
  readonly updates: ReadonlyMap<string, ReferenceTensor>;
}

/** Evaluates the graph. Bindings that are missing or have another shape are compiler bugs: callers check user data. */
export function interpret(graph: Graph, bindings: Bindings): Results {
  const sizes = new Map(graph.batch === undefined ? [] : [[graph.batch, bindings.batch] as const]);
  const values: (readonly ReferenceTensor[])[] = [];
  const read = ({ node, output }: Value): ReferenceTensor => {
    const tensor = values[node]?.[output];
    invariant(tensor !== undefined, `value ${node}.${output} was not computed`);
    return tensor;
  };
  const lastUse = lastUses(graph);
  for (const node of graph.nodes) {
    values.push(evaluateNode(node, node.inputs.map(read), bindings, sizes));
    for (const { node: input } of node.inputs) if (lastUse.get(input) === node.id) values[input] = [];
  }
  const updates = graph.updates.map(({ target, value }) => {
    const node = graph.nodes[target];
    invariant(node?.op === "parameter" || node?.op === "state", "an update needs a kept tensor");
    return [node.attributes.name, read(value)] as const;
  });
  return {
    outputs: new Map(graph.outputs.map(({ name, value }) => [name, read(value)])),
    updates: new Map(updates),
  };
}

/** The last node that reads each node; those read by outputs or updates are never released. */
function lastUses(graph: Graph): ReadonlyMap<number, number> {
  const last = new Map<number, number>();
  for (const node of graph.nodes) for (const input of node.inputs) last.set(input.node, node.id);
  for (const { value } of [...graph.outputs, ...graph.updates]) last.delete(value.node);
  return last;
}

function evaluateNode(
  node: GraphNode,
  inputs: readonly ReferenceTensor[],
  bindings: Bindings,
  sizes: ReadonlyMap<string, number>,
): readonly ReferenceTensor[] {
  const shapes = node.types.map(({ shape }) => resolve(shape, sizes) as readonly number[]);
  const results = boundTensor(node, bindings) ?? compute(node, inputs, shapes, sizes);
  for (const [position, { shape, data }] of results.entries()) {
    const expected = shapes[position] ?? [];
    const fits = shape.length === expected.length && shape.every((size, axis) => size === expected[axis]);
    invariant(fits && data.length === elementCount(expected), `${printNode(node)} got a tensor [${shape.join(", ")}]`);
  }
  return results;
}

function boundTensor(node: GraphNode, bindings: Bindings): readonly ReferenceTensor[] | undefined {
  switch (node.op) {
    case "input":
      return [bound(bindings.inputs.get(node.attributes.name), node)];
    case "parameter":
    case "state":
      return [bound(bindings.tensors.get(node.attributes.name), node)];
    case "scalar":
      return [{ shape: [], data: Float64Array.of(bound(bindings.scalars.get(node.attributes.name), node)) }];
    default:
      return undefined;
  }
}

function bound<T>(value: T | undefined, node: GraphNode): T {
  invariant(value !== undefined, `${printNode(node)} is not bound`);
  return value;
}

function compute<K extends OpName>(
  node: NodeFor<K>,
  inputs: readonly ReferenceTensor[],
  shapes: readonly (readonly number[])[],
  sizes: ReadonlyMap<string, number>,
): readonly ReferenceTensor[] {
  const attributes = resolve(node.attributes, sizes) as Attributes[K];
  return operatorOf(node.op).reference(inputs, attributes, shapes, node.types);
}

/** Plain data with every symbolic size replaced by its number. */
function resolve(value: unknown, sizes: ReadonlyMap<string, number>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => resolve(each, sizes));
  if (isSymbolic(value)) {
    const size = evaluate(value, sizes);
    invariant(size !== undefined, `the size ${value.key} has no value`);
    return size;
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, resolve(each, sizes)]));
}

function isSymbolic(value: object): value is SymbolicDim {
  return "kind" in value && value.kind === "dim";
}
