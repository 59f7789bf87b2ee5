/**
 * Builds graphs: every node is typed by its operator's rule, equal pure nodes are one, trivial ones vanish.
 * Invariant: ids grow with each new node and inputs precede their users; `finish` drops what nothing needs.
 */
import type { Attributes, BinaryOp, OpName } from "../ir/attributes.ts";
import { evident } from "../ir/dim-bounds.ts";
import { type Dim, formatDim, modulo } from "../ir/dim.ts";
import type { Graph, GraphNode, GraphUpdate, NamedValue, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import { printAttribute, printType } from "../ir/print-graph.ts";
import type { TensorType } from "../ir/type.ts";
import { verifyGraph } from "../ir/verify-graph.ts";
import type { Emitter, TypeContext, TypeRelation } from "../operators/operator.ts";
import { operatorOf } from "../operators/table.ts";
import { foldNode } from "./fold.ts";
import { liveGraph } from "./live.ts";

/** An Emitter over a growing graph. */
export interface GraphBuilder extends Emitter {
  /** Id of the free batch symbol, if the batch is free. */
  readonly batch: string | undefined;
  /** How many nodes there are; ids are below it. */
  count(): number;
  node(id: number): GraphNode;
  /** Adds a node of another graph, its inputs given as values of this one, with the types and path it had there. */
  copy(node: GraphNode, inputs: readonly Value[]): readonly Value[];
  /** Runs `body`; nodes it adds carry `path`. */
  withPath<T>(path: string, body: () => T): T;
  /** Repeats a scalar (shape []), or size-1 axes of a tensor of equal rank, to a shape. */
  broadcastTo(value: Value, shape: readonly Dim[]): Value;
  /** `binary` with operands brought to one shape: scalars, and size-1 axes at equal rank, are repeated. */
  emitBinary(op: BinaryOp, left: Value, right: Value): Value;
  /** The graph of what outputs and updates need, plus all inputs, parameters and states; verified. */
  finish(outputs: readonly NamedValue[], updates: readonly GraphUpdate[]): Graph;
}

/** What stands for a node about to be added, as values of the builder; undefined if it is needed. */
export type Replace = (node: GraphNode) => readonly Value[] | undefined;

/** An empty builder; `batch` is the id of the batch symbol that sizes may hold. `replace` is asked for every new node. */
export function createGraphBuilder(batch: string | undefined, replace: Replace = () => undefined): GraphBuilder {
  return new Builder(batch, replace);
}

class Builder implements GraphBuilder {
  readonly batch: string | undefined;
  readonly #replace: Replace;
  readonly #nodes: GraphNode[] = [];
  /** What every node asked for so far became. */
  readonly #known = new Map<string, readonly Value[]>();
  readonly #attributes = new Map<object, number>();
  readonly #attributeTexts = new Map<string, number>();
  #path = "";

  constructor(batch: string | undefined, replace: Replace) {
    this.batch = batch;
    this.#replace = replace;
  }

  count(): number {
    return this.#nodes.length;
  }

  node(id: number): GraphNode {
    const node = this.#nodes[id];
    if (node === undefined) invariant(false, `there is no node ${id}`);
    return node;
  }

  typeOf(value: Value): TensorType {
    const type = this.node(value.node).types[value.output];
    if (type === undefined) invariant(false, `node ${value.node} has no output ${value.output}`);
    return type;
  }

  withPath<T>(path: string, body: () => T): T {
    const before = this.#path;
    this.#path = path;
    try {
      return body();
    } finally {
      this.#path = before;
    }
  }

  emit<K extends OpName>(op: K, inputs: readonly Value[], attributes: Attributes[K]): Value {
    const [value] = this.emitAll(op, inputs, attributes);
    invariant(value !== undefined, `${op} has no output`);
    return value;
  }

  emitAll<K extends OpName>(op: K, inputs: readonly Value[], attributes: Attributes[K]): readonly Value[] {
    const key = this.#keyOf(op, inputs, attributes);
    const known = this.#known.get(key);
    if (known === undefined) return this.#add(key, op, inputs, attributes, this.#typesOf(op, inputs, attributes));
    if ("name" in attributes) this.#meetSource(known, op, attributes);
    return known;
  }

  copy({ op, attributes, types, path }: GraphNode, inputs: readonly Value[]): readonly Value[] {
    const key = this.#keyOf(op, inputs, attributes);
    return this.#known.get(key) ?? this.withPath(path, () => this.#add(key, op, inputs, attributes, types));
  }

  #add<K extends OpName>(key: string, op: K, inputs: readonly Value[], attributes: Attributes[K], types: readonly TensorType[]): readonly Value[] {
    const id = this.#nodes.length;
    const node = { id, op, attributes, inputs, types, path: this.#path } as NodeFor<K> as GraphNode;
    const values = this.#replace(node) ?? this.#fold(node) ?? this.#push(node);
    this.#known.set(key, values);
    return values;
  }

  #fold(node: GraphNode): readonly Value[] | undefined {
    const value = foldNode(this, node);
    return value && [value];
  }

  /** What was asked whether it replaces the node may have added others before it. */
  #push(node: GraphNode): readonly Value[] {
    const id = this.#nodes.length;
    this.#nodes.push(id === node.id ? node : { ...node, id });
    return node.types.map((_, output) => ({ node: id, output }));
  }

  broadcastTo(value: Value, shape: readonly Dim[]): Value {
    const own = this.typeOf(value).shape;
    invariant(own.length === 0 || own.length === shape.length, `${own.length} axes cannot be repeated to ${shape.length}`);
    return this.emit("broadcast", [value], { shape, axes: own.map((_, axis) => axis) });
  }

  emitBinary(op: BinaryOp, left: Value, right: Value): Value {
    const [a, b] = [this.typeOf(left).shape, this.typeOf(right).shape];
    const shape = a.length >= b.length ? a.map((size, axis) => (size === 1 ? (b[axis] ?? 1) : size)) : b;
    return this.emit("binary", [this.broadcastTo(left, shape), this.broadcastTo(right, shape)], { op });
  }

  finish(outputs: readonly NamedValue[], updates: readonly GraphUpdate[]): Graph {
    return verifyGraph(liveGraph({ nodes: this.#nodes, outputs, updates, batch: this.batch }));
  }

  #keyOf(op: OpName, inputs: readonly Value[], attributes: object): string {
    // Parameters and states are kept under one set of names.
    if ("name" in attributes) return `${op === "input" || op === "scalar" ? op : "tensor"} ${String(attributes.name)}`;
    let key = `${op} ${this.#attributesId(attributes)}`;
    for (const { node, output } of inputs) key += output === 0 ? ` ${node}` : ` ${node}.${output}`;
    return key;
  }

  /** Equal attributes have equal ids; those of repeated blocks and of copies are one object, which needs no text. */
  #attributesId(attributes: object): number {
    const known = this.#attributes.get(attributes);
    if (known !== undefined) return known;
    const text = printAttribute(attributes);
    const id = this.#attributeTexts.get(text) ?? this.#attributeTexts.size;
    this.#attributeTexts.set(text, id);
    this.#attributes.set(attributes, id);
    return id;
  }

  #typesOf<K extends OpName>(op: K, inputs: readonly Value[], attributes: Attributes[K]): readonly TensorType[] {
    const given = inputs.map((input) => this.typeOf(input));
    const describe = (): string => `${op}(${given.map(printType).join(", ")}) ${printAttribute(attributes)} at "${this.#path}"`;
    const types = operatorOf(op).type(certain(describe), given, attributes);
    if (types === undefined) invariant(false, `${describe()} has no type`);
    return types;
  }

  /** A second source of one name is the first, or a contradiction. */
  #meetSource([value]: readonly Value[], op: OpName, attributes: { readonly name: string }): void {
    const node = value && this.node(value.node);
    const equal = node?.op === op && printAttribute(node.attributes) === printAttribute(attributes);
    invariant(equal, `two different sources are named ${attributes.name}`);
  }
}

/** A type context for sizes known to be right: whatever does not evidently hold is a compiler bug. */
function certain(describe: () => string): TypeContext {
  return {
    require(relation, what) {
      // The text is built on failure only: every node asks.
      if (!holds(relation)) invariant(false, `${describe()}: ${what}: ${relationText(relation)} does not hold`);
    },
    fail(problem) {
      invariant(false, `${describe()}: ${problem.message}`);
    },
  };
}

function holds(relation: TypeRelation): boolean {
  if (relation.op === "divides") return modulo(relation.dividend, relation.divisor) === 0;
  return evident(relation.op, relation.left, relation.right);
}

function relationText(relation: TypeRelation): string {
  if (relation.op === "divides") return `${formatDim(relation.divisor)} divides ${formatDim(relation.dividend)}`;
  return `${formatDim(relation.left)} ${relation.op} ${formatDim(relation.right)}`;
}
