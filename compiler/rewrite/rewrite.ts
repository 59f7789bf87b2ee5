/**
 * A small engine: named rules over a graph, applied node by node while it is rebuilt, until none fires.
 * Invariant: a rule's result has the types and, up to rounding, the values of the node it replaces.
 */
import { createGraphBuilder, type GraphBuilder } from "../graph/builder.ts";
import type { OpName } from "../ir/attributes.ts";
import type { Graph, GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { printType } from "../ir/print-graph.ts";
import { fixedNodes } from "./fixed-values.ts";

/** The rebuilt graph so far, and how its values were used in the graph being rewritten. */
export interface RewriteContext {
  readonly builder: GraphBuilder;
  /** Uses, by nodes, outputs and updates, of the values that this one stands for. */
  useCount(value: Value): number;
  /** The node that computes a value, if it is of this operator. */
  producer<K extends OpName>(value: Value | undefined, op: K): NodeFor<K> | undefined;
  /** Whether the value depends on kept tensors and constants alone. */
  isFixed(value: Value): boolean;
}

export interface Rule {
  readonly name: string;
  /** The values that replace the node's outputs, or undefined. The node's inputs are values of the context's builder. */
  apply(context: RewriteContext, node: GraphNode): readonly Value[] | undefined;
}

/** A rule for one operator. */
export function ruleFor<K extends OpName>(
  name: string,
  op: K,
  apply: (context: RewriteContext, node: NodeFor<K>) => Value | undefined,
): Rule {
  return {
    name,
    apply(context, node) {
      if (!isOf(node, op)) return undefined;
      const value = apply(context, node);
      return value && [value];
    },
  };
}

/** Applies the rules until none fires, in at most `limit` passes; dead nodes are dropped. */
export function rewrite(graph: Graph, rules: readonly Rule[], limit = 16): Graph {
  let current = graph;
  for (let pass = 0; pass < limit; pass++) {
    const { next, fired } = rewriteOnce(current, rules);
    if (fired === 0) return next;
    current = next;
  }
  return current;
}

function rewriteOnce(graph: Graph, rules: readonly Rule[]): { readonly next: Graph; readonly fired: number } {
  const builder = createGraphBuilder(graph.batch);
  const replaced: (readonly Value[])[] = [];
  const uses = countUses(graph);
  const standsFor = new Map<string, number>();
  const fixed = fixedNodes((id) => builder.node(id));
  const context: RewriteContext = {
    builder,
    isFixed: (value) => fixed(value.node),
    useCount: (value) => standsFor.get(keyOf(value)) ?? 0,
    producer(value, op) {
      const node = value === undefined ? undefined : builder.node(value.node);
      return node !== undefined && isOf(node, op) ? node : undefined;
    },
  };
  const renamed = ({ node, output }: Value): Value => {
    const value = replaced[node]?.[output];
    invariant(value !== undefined, `value ${node}.${output} was lost`);
    return value;
  };
  let fired = 0;
  for (const original of graph.nodes) {
    const node = { ...original, inputs: original.inputs.map(renamed) };
    const values = builder.withPath(node.path, () => {
      const result = firstResult(rules, context, node);
      if (result !== undefined) fired++;
      return result ?? copyNode(builder, node);
    });
    for (const [output, value] of values.entries()) {
      const key = keyOf(value);
      standsFor.set(key, (standsFor.get(key) ?? 0) + (uses.get(`${original.id}.${output}`) ?? 0));
    }
    replaced.push(values);
  }
  const outputs = graph.outputs.map(({ name, value }) => ({ name, value: renamed(value) }));
  const updates = graph.updates.map(({ target, value }) => ({
    target: renamed({ node: target, output: 0 }).node,
    value: renamed(value),
  }));
  return { next: builder.finish(outputs, updates), fired };
}

function firstResult(rules: readonly Rule[], context: RewriteContext, node: GraphNode): readonly Value[] | undefined {
  for (const rule of rules) {
    const values = rule.apply(context, node);
    if (values === undefined) continue;
    for (const [output, value] of values.entries()) {
      const [before, after] = [node.types[output], context.builder.typeOf(value)];
      invariant(before !== undefined && printType(before) === printType(after), `rule ${rule.name} changed a type`);
    }
    return values;
  }
  return undefined;
}

/** Adds a node as it stands to a builder that holds its inputs. */
export function copyNode<K extends OpName>(builder: GraphBuilder, node: NodeFor<K>): readonly Value[] {
  return builder.emitAll<K>(node.op, node.inputs, node.attributes);
}

function isOf<K extends OpName>(node: GraphNode | NodeFor<K>, op: K): node is NodeFor<K> {
  return node.op === op;
}

function keyOf({ node, output }: Value): string {
  return `${node}.${output}`;
}

function countUses(graph: Graph): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  const use = (value: Value): void => {
    uses.set(keyOf(value), (uses.get(keyOf(value)) ?? 0) + 1);
  };
  for (const node of graph.nodes) node.inputs.forEach(use);
  for (const { value } of graph.outputs) use(value);
  for (const { value } of graph.updates) use(value);
  return uses;
}
