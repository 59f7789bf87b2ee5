/**
 * The graph as statements over tensors: live nodes only, each with its loops (`Computation`), shapes as sizes.
 * Reshapes that merge no axes become movement, concats that extend one another are nested, values that leave the program
 * from memory that is not theirs are copied.
 * Invariant: statements are in topological order; loads in a body name the statement's inputs by position.
 */
import type { OpName } from "../ir/attributes.ts";
import type { Graph, GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import type { Affine, Axis, Expression, ScalarType, Size } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import type { Computation, LowerContext } from "../operators/operator.ts";
import { operators } from "../operators/table.ts";
import { axisIndex, identityIndices, zero } from "./affine.ts";
import { hoistInvariants } from "./hoist.ts";
import { matchAxes, sameShape, sizeKey, sizeOfDim } from "./size.ts";

/** What a source stands for: a port or scalar of this call, or a tensor kept between calls. */
export type SourceKind = "input" | "scalar" | "persistent";

export type Body = Exclude<Computation, { form: "source" }> | { readonly form: "source"; readonly kind: SourceKind; readonly name: string };

/** A value with a shape; ids are dense. */
export interface Tensor {
  readonly id: number;
  readonly shape: readonly Size[];
  readonly type: ScalarType;
  readonly statement: number;
  readonly output: number;
}

export interface Statement {
  readonly id: number;
  readonly body: Body;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly path: string;
  /** A word for kernel names. */
  readonly label: string;
}

export interface Statements {
  readonly statements: readonly Statement[];
  readonly tensors: readonly Tensor[];
  readonly outputs: readonly { readonly name: string; readonly tensor: number }[];
  /** `target` is a persistent source; `tensor` is computed by this program and goes nowhere else. */
  readonly updates: readonly { readonly target: number; readonly tensor: number }[];
}

/** Appends statements; used by the passes that make new ones. */
export interface StatementBuilder {
  readonly statements: Statement[];
  readonly tensors: Tensor[];
  add(
    body: Body,
    inputs: readonly number[],
    outputs: readonly { readonly shape: readonly Size[]; readonly type: ScalarType }[],
    origin: { readonly path: string; readonly label: string },
  ): readonly number[];
}

/** A builder without statements. */
export function createStatementBuilder(): StatementBuilder {
  const statements: Statement[] = [];
  const tensors: Tensor[] = [];
  return {
    statements,
    tensors,
    add(body, inputs, outputs, { path, label }) {
      const id = statements.length;
      const ids = outputs.map((type, output) => {
        tensors.push({ id: tensors.length, ...type, statement: id, output });
        return tensors.length - 1;
      });
      statements.push({ id, body, inputs, outputs: ids, path, label });
      return ids;
    },
  };
}

/** The body of a copy of a tensor of this shape. */
export function copyBody(shape: readonly Size[]): Body {
  return {
    form: "pointwise",
    axes: shape.map((extent, axis) => ({ name: `i${axis}`, extent })),
    values: [loadAt(0, identityIndices(shape.length))],
  };
}

function loadAt(operand: number, at: readonly Affine[]): Expression {
  return { kind: "load", operand, at: at.map((index) => ({ index })), fill: 0 };
}

/** Lowers the nodes that outputs and updates need. */
export function lowerStatements(graph: Graph): Statements {
  const live = liveNodes(graph);
  const builder = createStatementBuilder();
  const hoisted = new Map<string, number>();
  const prefixes = new Map<string, number>();
  /** Tensor of output k of node n. */
  const tensorOf: (readonly number[])[] = [];
  const find = (value: Value): number => {
    const id = tensorOf[value.node]?.[value.output];
    invariant(id !== undefined, `output ${value.output} of node ${value.node} is missing`);
    return id;
  };
  for (const node of graph.nodes) {
    if (live[node.id] !== 1) continue;
    const inputs = node.inputs.map(find);
    const types = node.inputs.map((input) => typeOfValue(graph, input));
    tensorOf[node.id] = lowerNode(node, inputs, types, { batch: graph.batch, builder, hoisted, prefixes });
  }
  const leaving = new Set<number>();
  const copyOf = (tensor: number, label: string): number => {
    const { shape, type, statement } = tensorAt(builder, tensor);
    const path = builder.statements[statement]?.path ?? "";
    return builder.add(copyBody(shape), [tensor], [{ shape, type }], { path, label })[0] ?? tensor;
  };
  const outputs = graph.outputs.map(({ name, value }) => {
    const tensor = find(value);
    const form = builder.statements[tensorAt(builder, tensor).statement]?.body.form;
    const own = form === "source" || form === "alias" ? copyOf(tensor, "output") : tensor;
    leaving.add(own);
    return { name, tensor: own };
  });
  const updates = graph.updates.map(({ target, value }) => {
    const tensor = find(value);
    const form = builder.statements[tensorAt(builder, tensor).statement]?.body.form;
    const fresh = (form === "pointwise" || form === "reduction" || form === "contraction") && !leaving.has(tensor);
    const own = fresh ? tensor : copyOf(tensor, "update");
    leaving.add(own);
    return { target: find({ node: target, output: 0 }), tensor: own };
  });
  return { statements: builder.statements, tensors: builder.tensors, outputs, updates };
}

interface Lowering {
  readonly batch: string | undefined;
  readonly builder: StatementBuilder;
  /** Hoisted parts by structure. */
  readonly hoisted: Map<string, number>;
  /** Concats by their parts. */
  readonly prefixes: Map<string, number>;
}

function typeOfValue(graph: Graph, value: Value): TensorType {
  const type = graph.nodes[value.node]?.types[value.output];
  invariant(type !== undefined, `output ${value.output} of node ${value.node} has no type`);
  return type;
}

function tensorAt(builder: StatementBuilder, id: number): Tensor {
  const tensor = builder.tensors[id];
  invariant(tensor !== undefined, `tensor ${id} is missing`);
  return tensor;
}

function liveNodes(graph: Graph): Uint8Array {
  const live = new Uint8Array(graph.nodes.length);
  for (const { value } of graph.outputs) live[value.node] = 1;
  for (const { target, value } of graph.updates) {
    live[target] = 1;
    live[value.node] = 1;
  }
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    // Ports stay even where nothing reads them: the caller passes them all the same.
    if (node !== undefined && (node.op === "input" || node.op === "scalar")) live[id] = 1;
    if (live[id] !== 1) continue;
    for (const input of node?.inputs ?? []) live[input.node] = 1;
  }
  return live;
}

function lowerNode(
  node: GraphNode,
  inputs: readonly number[],
  inputTypes: readonly TensorType[],
  { batch, builder, hoisted, prefixes }: Lowering,
): readonly number[] {
  const origin = { path: node.path, label: labelOf(node) };
  const types = node.types.map((type) => ({ shape: type.shape.map((dim) => sizeOfDim(dim, batch)), type: scalarTypeOf(type) }));
  const source = sourceOf(node);
  if (source !== undefined) return builder.add(source, [], types, origin);
  const tensors = inputs.map((input) => tensorAt(builder, input));
  const [first] = tensors;
  const [own] = types;
  const body = lowerBody(node, tensors, types, inputTypes);
  switch (body.form) {
    case "source":
      invariant(false, `${node.op} lowers to a source`);
      break;
    case "alias": {
      invariant(first !== undefined && own !== undefined, "an alias has one input");
      if (sameShape(first.shape, own.shape)) return [first.id];
      const at = splitIndices(first.shape, own.shape);
      const axes = own.shape.map((extent, axis) => ({ name: `i${axis}`, extent }));
      const moved: Body = at === undefined ? body : { form: "pointwise", axes, values: [loadAt(0, at)] };
      return builder.add(moved, inputs, types, origin);
    }
    case "concat":
      return lowerConcat(body.axis, inputs, own, builder, prefixes, origin);
    case "pointwise":
    case "reduction": {
      const { body: rest, inputs: all } = hoistInvariants(body, inputs, builder, hoisted, origin);
      return builder.add(rest, all, types, origin);
    }
    case "contraction":
    case "scatter":
      return builder.add(body, inputs, types, origin);
    default:
      return body satisfies never;
  }
}

/** A concat whose parts begin with those of an earlier one extends that one, so that a dense chain grows in one buffer. */
function lowerConcat(
  axis: number,
  inputs: readonly number[],
  own: { readonly shape: readonly Size[]; readonly type: ScalarType } | undefined,
  builder: StatementBuilder,
  prefixes: Map<string, number>,
  origin: { readonly path: string; readonly label: string },
): readonly number[] {
  invariant(own !== undefined, "a concat has one output");
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined) return [only];
  let parts = inputs;
  for (let count = inputs.length - 1; count >= 2; count--) {
    const prefix = prefixes.get(`${axis}:${inputs.slice(0, count).join()}`);
    if (prefix === undefined) continue;
    parts = [prefix, ...inputs.slice(count)];
    break;
  }
  const result = builder.add({ form: "concat", axis }, parts, [own], origin);
  if (result[0] !== undefined) prefixes.set(`${axis}:${inputs.join()}`, result[0]);
  return result;
}

function sourceOf(node: GraphNode): Body | undefined {
  switch (node.op) {
    case "input":
      return { form: "source", kind: "input", name: node.attributes.name };
    case "scalar":
      return { form: "source", kind: "scalar", name: node.attributes.name };
    case "parameter":
    case "state":
      return { form: "source", kind: "persistent", name: node.attributes.name };
    default:
      return undefined;
  }
}

function lowerBody(
  node: GraphNode,
  inputs: readonly Tensor[],
  outputs: readonly { readonly shape: readonly Size[]; readonly type: ScalarType }[],
  inputTypes: readonly TensorType[],
): Computation {
  const context: LowerContext = {
    inputs: inputs.map((tensor) => tensor.shape),
    outputs: outputs.map((type) => type.shape),
    inputTypes,
    load: (operand, at, fill = 0) => ({
      kind: "load",
      operand,
      at: at.map((each) => ("terms" in each ? { index: each } : each)),
      fill,
    }),
  };
  return lowerWith(node, context);
}

function lowerWith<K extends OpName>(node: NodeFor<K>, context: LowerContext): Computation {
  return operators[node.op].lower(context, node.attributes);
}

function labelOf(node: GraphNode): string {
  switch (node.op) {
    case "unary":
    case "binary":
    case "reduce":
      return node.attributes.op;
    default:
      return node.op;
  }
}

function scalarTypeOf(type: TensorType): ScalarType {
  return type.dtype === "f32" || type.dtype === "f16" ? "f32" : "i32";
}

/** Indices of the input of a reshape that merges no axes (each input axis is a run of output axes); else undefined. */
function splitIndices(shape: readonly Size[], target: readonly Size[]): readonly Affine[] | undefined {
  const indices: Affine[] = shape.map(() => zero);
  for (const { from, to } of matchAxes(shape, target)) {
    const present = from.filter((axis) => shape[axis] !== 1);
    const [axis] = present;
    if (present.length > 1) return undefined;
    if (axis === undefined) continue;
    const terms: { axis: number; coefficient: number }[] = [];
    let stride = 1;
    const inner = to.filter((position) => target[position] !== 1);
    for (let k = inner.length - 1; k >= 0; k--) {
      const position = inner[k] ?? 0;
      terms.unshift({ axis: position, coefficient: stride });
      const extent = target[position] ?? 1;
      // Only the outermost extent may depend on the batch: an index has constant coefficients.
      if (k > 0 && typeof extent !== "number") return undefined;
      if (k > 0) stride *= extent as number;
    }
    const [sole] = terms;
    indices[axis] = terms.length === 1 && sole !== undefined && sole.coefficient === 1 ? axisIndex(sole.axis) : { constant: 0, terms };
  }
  return indices;
}

/** Text that is equal exactly for equal loops. */
export function axesKey(axes: readonly Axis[]): string {
  return axes.map((axis) => sizeKey(axis.extent)).join("x");
}
