/**
 * A small engine: named rules over a graph that is rebuilt node by node. Every node about to be added, copied or made by
 * a rule, is offered to the rules; nodes never change once added, so one walk leaves nothing for a rule to do.
 * Invariant: a rule's result has the types and, up to rounding, the values of the node it replaces.
 */
import { createGraphBuilder, type GraphBuilder } from "../graph/builder.ts";
import type { OpName } from "../ir/attributes.ts";
import type { Graph, GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { sameType } from "../ir/type.ts";
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
  /** The operator it replaces. */
  readonly op: OpName;
  /** The values that replace the node's outputs, or undefined. The node's inputs are values of the context's builder. */
  apply(context: RewriteContext, node: GraphNode): readonly Value[] | undefined;
}

/** A rule for one operator; what it makes is offered to all rules in turn, so it must come nearer to an end. */
export function ruleFor<K extends OpName>(name: string, op: K, apply: (context: RewriteContext, node: NodeFor<K>) => Value | undefined): Rule {
  return {
    name,
    op,
    apply(context, node) {
      if (!isOf(node, op)) return undefined;
      const value = apply(context, node);
      return value && [value];
    },
  };
}

/** A graph rewritten into a builder, which goes on applying the rules to what is added. */
export interface Rewritten {
  readonly builder: GraphBuilder;
  /** The value that stands for one of the graph. */
  renamed(value: Value): Value;
}

/** The graph with every rule applied; dead nodes are dropped. */
export function rewrite(graph: Graph, rules: readonly Rule[]): Graph {
  const { builder, renamed } = rewriteInto(graph, rules);
  return builder.finish(
    graph.outputs.map(({ name, value }) => ({ name, value: renamed(value) })),
    graph.updates.map(({ target, value }) => ({ target: renamed({ node: target, output: 0 }).node, value: renamed(value) })),
  );
}

/** The same with the builder still open. */
export function rewriteInto(graph: Graph, rules: readonly Rule[]): Rewritten {
  const byOp = new Map<OpName, Rule[]>();
  for (const rule of rules) byOp.set(rule.op, [...(byOp.get(rule.op) ?? []), rule]);
  const builder = createGraphBuilder(graph.batch, (node) => {
    const own = byOp.get(node.op);
    return own && firstResult(own, context, node);
  });
  const replaced: (readonly Value[])[] = [];
  const renamed = ({ node, output }: Value): Value => {
    const value = replaced[node]?.[output];
    if (value === undefined) invariant(false, `value ${node}.${output} was lost`);
    return value;
  };
  const uses = countUses(graph);
  const standsFor = new UseCounts();
  const fixed = fixedNodes((id) => builder.node(id));
  const context: RewriteContext = {
    builder,
    isFixed: (value) => fixed(value.node),
    useCount: (value) => standsFor.of(value),
    producer(value, op) {
      const node = value === undefined ? undefined : builder.node(value.node);
      return node !== undefined && isOf(node, op) ? node : undefined;
    },
  };
  for (const node of graph.nodes) {
    const values = builder.copy(node, node.inputs.map(renamed));
    for (const [output, value] of values.entries()) standsFor.add(value, uses.of({ node: node.id, output }));
    replaced.push(values);
  }
  return { builder, renamed };
}

function firstResult(rules: readonly Rule[], context: RewriteContext, node: GraphNode): readonly Value[] | undefined {
  for (const rule of rules) {
    const values = rule.apply(context, node);
    if (values === undefined) continue;
    for (const [output, value] of values.entries()) {
      const before = node.types[output];
      invariant(before !== undefined && sameType(before, context.builder.typeOf(value)), `rule ${rule.name} changed a type`);
    }
    return values;
  }
  return undefined;
}

function isOf<K extends OpName>(node: GraphNode | NodeFor<K>, op: K): node is NodeFor<K> {
  return node.op === op;
}

/** Uses by value. */
class UseCounts {
  /** By node, then output. */
  private readonly counts: number[][] = [];

  of({ node, output }: Value): number {
    return this.counts[node]?.[output] ?? 0;
  }

  add({ node, output }: Value, uses: number): void {
    const own = (this.counts[node] ??= []);
    own[output] = (own[output] ?? 0) + uses;
  }
}

function countUses(graph: Graph): UseCounts {
  const uses = new UseCounts();
  for (const node of graph.nodes) for (const input of node.inputs) uses.add(input, 1);
  for (const { value } of [...graph.outputs, ...graph.updates]) uses.add(value, 1);
  return uses;
}
