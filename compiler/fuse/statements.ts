/**
 * The graph as statements over tensors: live nodes only, each with its loops (`Computation`), shapes as sizes.
 * Reshapes that merge no axes become movement, concats that extend one another are nested, values that leave the program
 * from memory that is not theirs are copied.
 * Invariant: statements are in topological order; loads in a body name the statement's inputs by position.
 */
import type { OpName } from "../ir/attributes.ts";
import type { Graph, GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import type { Affine, Expression, ScalarType, Size } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import type { Computation, LowerContext } from "../operators/operator.ts";
import { operators } from "../operators/table.ts";
import { axisIndex, identityIndices, zero } from "./affine.ts";
import { type HoistedPart, hoistInvariants, type LoweredBody } from "./hoist.ts";
import { createLoweringCache, type LoweringCache } from "./lowering-cache.ts";
import { matchAxes, sameShape } from "./size.ts";

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
  const cache = createLoweringCache(graph.batch);
  const lowering: Lowering = { builder, cache, hoisted: new Map(), prefixes: new Map() };
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
    tensorOf[node.id] = lowerNode(node, inputs, types, lowering);
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
  readonly builder: StatementBuilder;
  readonly cache: LoweringCache;
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

function lowerNode(node: GraphNode, inputs: readonly number[], inputTypes: readonly TensorType[], lowering: Lowering): readonly number[] {
  const { builder, cache } = lowering;
  const origin = { path: node.path, label: labelOf(node) };
  const types = node.types.map((type) => cache.typeOf(type));
  const source = sourceOf(node);
  if (source !== undefined) return builder.add(source, [], types, origin);
  const tensors = inputs.map((input) => tensorAt(builder, input));
  const [first] = tensors;
  const [own] = types;
  const same = node.op === "reshape" || node.op === "stop_gradient";
  if (same && first !== undefined && own !== undefined && sameShape(first.shape, own.shape)) return [first.id];
  const key = cache.keyOf(node, inputTypes);
  let known = cache.bodies.get(key);
  if (known === undefined) {
    known = lowerBody(node, tensors, types, inputTypes);
    cache.bodies.set(key, known);
  }
  const { body, parts } = known;
  if (body.form === "concat") return lowerConcat(body.axis, inputs, own, lowering, origin);
  const all = parts.length === 0 ? inputs : [...inputs, ...placeParts(parts, inputs, lowering, origin)];
  return builder.add(body, all, types, origin);
}

/** Statements of the parts that were moved out of a body's loops, one for all equal ones. */
function placeParts(
  parts: readonly HoistedPart[],
  inputs: readonly number[],
  { builder, hoisted }: Lowering,
  origin: { readonly path: string; readonly label: string },
): readonly number[] {
  return parts.map(({ body, operands, key }) => {
    const tensors = operands.map((operand) => inputs[operand] ?? -1);
    const name = `${key}(${tensors.join()})`;
    const known = hoisted.get(name);
    if (known !== undefined) return known;
    const [tensor] = builder.add(body, tensors, [{ shape: body.axes.map((axis) => axis.extent), type: "f32" }], origin);
    invariant(tensor !== undefined, "a hoisted part has one output");
    hoisted.set(name, tensor);
    return tensor;
  });
}

/** A concat whose parts begin with those of an earlier one extends that one, so that a dense chain grows in one buffer. */
function lowerConcat(
  axis: number,
  inputs: readonly number[],
  own: { readonly shape: readonly Size[]; readonly type: ScalarType } | undefined,
  { builder, prefixes }: Lowering,
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

/** The body of a node, with what was hoisted out of it. Reshapes that merge no axes are movement. */
function lowerBody(
  node: GraphNode,
  inputs: readonly Tensor[],
  outputs: readonly { readonly shape: readonly Size[]; readonly type: ScalarType }[],
  inputTypes: readonly TensorType[],
): LoweredBody {
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
  const body = lowerWith(node, context);
  switch (body.form) {
    case "source":
      invariant(false, `${node.op} lowers to a source`);
      break;
    case "pointwise":
    case "reduction":
      return hoistInvariants(
        body,
        inputs.map((tensor) => tensor.type),
      );
    case "alias": {
      const at = splitIndices(inputs[0]?.shape ?? [], outputs[0]?.shape ?? []);
      if (at === undefined) return { body, parts: [] };
      const axes = (outputs[0]?.shape ?? []).map((extent, axis) => ({ name: `i${axis}`, extent }));
      return { body: { form: "pointwise", axes, values: [loadAt(0, at)] }, parts: [] };
    }
    case "concat":
    case "contraction":
    case "scatter":
      return { body, parts: [] };
    default:
      return body satisfies never;
  }
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
