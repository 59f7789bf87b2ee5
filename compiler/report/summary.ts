/**
 * What a network costs: parameters, multiply-accumulates and activation bytes, per layer and in all, from the Program.
 * Invariant: counts convolutions and matrix products of one sample, as the papers do; additions, norms, pools count nothing.
 */
import { add, constantOf, type Dim, formatDim, mul, product, substitute } from "../ir/dim.ts";
import type { Entry, Instance, OpEntry, Program } from "../ir/program.ts";
import type { TensorType } from "../ir/type.ts";

export interface PortSummary {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface LayerSummary {
  readonly path: string;
  readonly operator: string;
  readonly output: readonly (number | string)[];
  readonly parameters: number;
  readonly macs: number | undefined;
  readonly activation_bytes: number | undefined;
}

export interface TensorSummary {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly kind: "param" | "state";
}

export interface Summary {
  readonly model: string;
  readonly inputs: readonly PortSummary[];
  readonly outputs: readonly PortSummary[];
  readonly parameters: number;
  readonly macs: number | undefined;
  readonly activation_bytes: number | undefined;
  readonly layers: readonly LayerSummary[];
  readonly tensors: readonly TensorSummary[];
}

interface Cost {
  parameters: number;
  macs: Dim;
  elements: Dim;
}

interface Totals {
  readonly layers: LayerSummary[];
  readonly tensors: Map<string, TensorSummary>;
  readonly batch: string | undefined;
  macs: Dim;
  bytes: Dim;
}

const DTYPES: Readonly<Record<string, string>> = { f32: "F32", f16: "F16", i32: "I32", i64: "I64", bool: "BOOL" };

/** Summarises an elaborated model. Numbers that depend on a free size are undefined. */
export function summarize(program: Program): Summary {
  const totals: Totals = { layers: [], tensors: new Map(), batch: program.batch, macs: 0, bytes: 0 };
  visit(totals, program.root, "");
  const { root } = program;
  const port = ({ name, value }: { name: string; value: number }): PortSummary => {
    const type = root.types[value] ?? { dtype: "f32", shape: [] };
    return { name, dtype: type.dtype, shape: shapeOf(type) };
  };
  const tensors = [...totals.tensors.values()];
  return {
    model: program.model,
    inputs: root.inputs.map(port),
    outputs: root.outputs.map(port),
    parameters: tensors.filter((tensor) => tensor.kind === "param").reduce((sum, tensor) => sum + count(tensor.shape), 0),
    macs: known(totals, totals.macs),
    activation_bytes: known(totals, totals.bytes),
    layers: totals.layers,
    tensors,
  };
}

function count(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function shapeOf(type: TensorType): (number | string)[] {
  return type.shape.map((dim) => constantOf(dim) ?? formatDim(dim));
}

/** For one sample. */
function known({ batch }: Totals, dim: Dim): number | undefined {
  return constantOf(batch === undefined ? dim : substitute(dim, new Map([[batch, 1]])));
}

function join(path: string, components: readonly string[]): string {
  return [path, ...components].filter((part) => part !== "").join(".");
}

/** A block whose body calls no other block is a layer; others are containers. */
function visit(totals: Totals, instance: Instance, path: string): void {
  const before = totals.tensors.size;
  visitEntries(totals, instance, path);
  if (instance.order.length > 0) reorder(totals, before, path, instance.order);
}

/** `names order(a, b)`: of the tensors added since, those below `a` come first, then those below `b`, then the others. */
function reorder(totals: Totals, before: number, path: string, order: readonly string[]): void {
  const all = [...totals.tensors];
  const rank = ([name]: readonly [string, TensorSummary]): number => {
    const label = name.slice(path === "" ? 0 : path.length + 1).split(".")[0] ?? "";
    const at = order.indexOf(label);
    return at < 0 ? order.length : at;
  };
  const added = all.slice(before).sort((a, b) => rank(a) - rank(b));
  totals.tensors.clear();
  for (const [name, tensor] of [...all.slice(0, before), ...added]) totals.tensors.set(name, tensor);
}

function visitEntries(totals: Totals, instance: Instance, path: string): void {
  const own: Cost = { parameters: 0, macs: 0, elements: 0 };
  for (const entry of instance.entries) {
    if (entry.kind === "call") {
      const at = join(path, entry.path);
      if (isLayer(entry.instance)) addLayer(totals, entry.instance, at);
      else visit(totals, entry.instance, at);
    } else addEntry(totals, instance, entry, path, own);
    if (entry.kind === "join")
      totals.layers.push(
        row(totals, join(path, entry.path), `join ${entry.merge}`, instance.types[entry.output], { parameters: 0, macs: 0, elements: 0 }),
      );
  }
  totals.macs = add(totals.macs, own.macs);
  totals.bytes = add(totals.bytes, mul(4, own.elements));
}

function isLayer(instance: Instance): boolean {
  return instance.entries.every((entry) => entry.kind !== "call" && entry.kind !== "join");
}

function addLayer(totals: Totals, instance: Instance, path: string): void {
  const cost: Cost = { parameters: 0, macs: 0, elements: 0 };
  for (const entry of instance.entries) addEntry(totals, instance, entry, path, cost);
  const output = instance.outputs[0];
  const type = output === undefined ? undefined : instance.types[output.value];
  const elements = type === undefined ? 0 : product(type.shape);
  const shown: Cost = { ...cost, elements };
  totals.layers.push(row(totals, path, instance.block, type, shown));
  totals.macs = add(totals.macs, cost.macs);
  totals.bytes = add(totals.bytes, mul(4, elements));
}

function row(totals: Totals, path: string, operator: string, type: TensorType | undefined, cost: Cost): LayerSummary {
  return {
    path,
    operator,
    output: type === undefined ? [] : shapeOf(type),
    parameters: cost.parameters,
    macs: known(totals, cost.macs),
    activation_bytes: known(totals, mul(4, cost.elements)),
  };
}

function addEntry(totals: Totals, instance: Instance, entry: Entry, path: string, cost: Cost): void {
  if (entry.kind === "parameter" || entry.kind === "state") {
    const name = join(path, [entry.name]);
    if (totals.tensors.has(name)) return;
    const shape = entry.shape.map((dim) => constantOf(dim) ?? Number.NaN);
    totals.tensors.set(name, { name, dtype: DTYPES[entry.dtype] ?? "F32", shape, kind: entry.kind === "parameter" ? "param" : "state" });
    if (entry.kind === "parameter") cost.parameters += count(shape);
  }
  if (entry.kind === "op") {
    cost.macs = add(cost.macs, macsOf(instance, entry));
  }
}

function macsOf(instance: Instance, entry: OpEntry): Dim {
  const type = (id: number | undefined): readonly Dim[] => (id === undefined ? [] : (instance.types[id]?.shape ?? []));
  const [a, b] = entry.inputs;
  const out = type(entry.outputs[0]);
  switch (entry.op) {
    case "convolution":
      return mul(product(out), product(type(b).slice(1)));
    case "convolution_input_gradient":
      return mul(product(type(a)), product(type(b).slice(1)));
    case "matmul": {
      const left = type(a);
      const { transposeLeft } = entry.attributes as { transposeLeft: boolean };
      return mul(product(out), left[left.length - (transposeLeft ? 2 : 1)] ?? 1);
    }
    default:
      return 0;
  }
}
