/**
 * The entry of fusion: a graph becomes kernels over buffers, in running order. Places come later (plan/).
 * Invariant: running the kernels in order computes every output and update of the graph.
 */
import type { Graph } from "../ir/graph.ts";
import type { Dtype } from "../ir/type.ts";
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Size } from "../ir/kernel.ts";
import { soleAxis } from "./affine.ts";
import { loadsOf } from "./expression.ts";
import { createKernelBuilder } from "./kernels.ts";
import { type Group, loadOfTensor, type Partition, partition } from "./partition.ts";
import type { Target } from "./rules.ts";
import { scheduleGroups, tensorsRead } from "./schedule.ts";
import { sizeOfDim } from "./size.ts";
import { lowerStatements, type Statements } from "./statements.ts";
import { assignStorage, type LogicalBuffer, type StoragePlan } from "./storage.ts";

/** A tensor that crosses the border: row-major in PyTorch's axis order. */
export interface LogicalPort {
  readonly name: string;
  readonly buffer: number;
  readonly dtype: Dtype;
  readonly shape: readonly Size[];
}

/** Kernels in running order; `Operand.buffer` names `buffers` by id. Buffers that nothing touches have no use. */
export interface LoweredProgram {
  readonly buffers: readonly LogicalBuffer[];
  readonly kernels: readonly Kernel[];
  readonly inputs: readonly LogicalPort[];
  readonly scalars: readonly LogicalPort[];
  readonly outputs: readonly LogicalPort[];
}

/** Lowers a graph of operators that have loops of their own. */
export function lowerGraph(graph: Graph, target: Target): LoweredProgram {
  const program = lowerStatements(graph);
  const groups = partition(program, target);
  const plan = assignStorage(program, groups, target);
  const order = scheduleGroups(program, groups, plan);
  const copies = settleUpdates(program, groups, plan, order, target);
  const stored = storedTensors(program, groups, plan);
  const { statements } = program;
  const { tensors, storage, operands } = plan;
  const builder = createKernelBuilder({
    statements,
    tensors,
    storage,
    operands,
    stored,
    collapsing: target.rules.collapsing,
  });
  const kernels = [...order.map((id) => groupAt(groups, id)), ...copies].flatMap((group) => builder.build(group));
  return { buffers: plan.buffers, kernels, ...portsOf(graph, program, plan) };
}

function groupAt({ groups }: Partition, id: number): Group {
  const group = groups[id];
  invariant(group !== undefined, `group ${id} is missing`);
  return group;
}

/** Tensors that some group other than their own reads, or that leave the program. */
function storedTensors({ outputs, updates, statements }: Statements, { groups, groupOf, inlined }: Partition, plan: StoragePlan): Set<number> {
  const stored = new Set<number>();
  for (const group of groups) {
    for (const tensor of group.reads) stored.add(tensor);
    for (const tensor of plan.operands.get(group.id) ?? []) stored.add(tensor);
  }
  for (const { tensor } of [...outputs, ...plan.outputs, ...updates]) stored.add(tensor);
  for (const { body, inputs } of statements) {
    if (body.form !== "alias" && body.form !== "concat") continue;
    for (const input of inputs) {
      const view = inlined.get(input);
      stored.add(view?.kind === "load" ? view.operand : input);
    }
  }
  for (const tensor of plan.pinned) if ((groupOf[tensor] ?? -1) >= 0) stored.add(tensor);
  for (const [tensor, { statement }] of plan.tensors.entries()) {
    // Copies were added because their memory is read.
    if (statements[statement]?.outputs.includes(tensor) !== true) stored.add(tensor);
  }
  return stored;
}

/** Updates write straight into the tensor where no reader of the old value is left; else copies run at the end. */
function settleUpdates({ updates }: Statements, partition: Partition, plan: StoragePlan, order: readonly number[], target: Target): readonly Group[] {
  if (updates.length === 0) return [];
  const updated = new Set(updates.map(({ target: kept }) => plan.storage[kept]?.buffer ?? -1));
  const lastReader = lastReaders(partition, plan, order, updated);
  const position = new Map(order.map((id, at) => [id, at]));
  const copies: Group[] = [];
  for (const { target: kept, tensor } of updates) {
    const group = groupAt(partition, partition.groupOf[tensor] ?? -1);
    const own = plan.storage[kept];
    invariant(own !== undefined, "an updated tensor has memory");
    const free = (lastReader(own.buffer, group.id) ?? -1) < (position.get(group.id) ?? 0);
    if (target.rules.inPlace && free && !plan.pinned.has(tensor) && readsInStep(group, kept, tensor, own.buffer, plan)) {
      plan.storage[tensor] = own;
      continue;
    }
    const { shape, type, statement } = plan.tensors[tensor] ?? { shape: [], type: "f32", statement: 0 };
    const id = plan.tensors.length;
    plan.tensors.push({ id, shape, type, statement, output: 0 });
    plan.storage.push(own);
    copies.push({
      id: partition.groups.length + copies.length,
      form: "pointwise",
      domain: shape,
      members: [
        {
          tensor: id,
          axes: shape.map((extent, axis) => (extent === 1 ? -1 : axis)),
          value: loadOfTensor(tensor, shape.length),
        },
      ],
      statements: [statement],
      reads: new Set([tensor]),
      cost: 0,
    });
  }
  return copies;
}

/** The last position at which a group other than the given one reads one of the buffers. */
function lastReaders(
  partition: Partition,
  { storage, operands }: StoragePlan,
  order: readonly number[],
  buffers: ReadonlySet<number>,
): (buffer: number, except: number) => number | undefined {
  const readers = new Map<number, number[]>();
  for (const [at, id] of order.entries()) {
    for (const tensor of tensorsRead(groupAt(partition, id), operands)) {
      const buffer = storage[tensor]?.buffer ?? -1;
      if (!buffers.has(buffer)) continue;
      const list = readers.get(buffer) ?? [];
      if (list.at(-1) !== at) list.push(at);
      readers.set(buffer, list);
    }
  }
  return (buffer, except) => (readers.get(buffer) ?? []).findLast((at) => order[at] !== except);
}

/** Whether the group reads the old value only as it writes the new one: the same element, after all sums. */
function readsInStep(group: Group, kept: number, tensor: number, buffer: number, { storage, operands }: StoragePlan): boolean {
  const touches = (id: number): boolean => storage[id]?.buffer === buffer;
  if ((operands.get(group.id) ?? []).some(touches)) return false;
  if (group.form === "scatter") return ![...group.reads].some(touches);
  if (group.form === "reduction") {
    for (const load of loadsOf(group.accumulators.map((each) => each.value))) if (touches(load.operand)) return false;
  }
  const written = group.members.find((member) => member.tensor === tensor)?.axes ?? [];
  for (const member of group.members) {
    for (const load of loadsOf([member.value])) {
      if (!touches(load.operand)) continue;
      if (load.operand !== kept) return false;
      for (const [d, axis] of written.entries()) {
        const each = load.at[d];
        if (each === undefined || each.bound !== undefined || each.dynamic !== undefined) return false;
        if (axis < 0) continue;
        const own = soleAxis(each.index);
        if (own === undefined || member.axes[own] !== axis) return false;
      }
    }
  }
  return true;
}

function portsOf(graph: Graph, program: Statements, plan: StoragePlan): Pick<LoweredProgram, "inputs" | "scalars" | "outputs"> {
  const inputs: LogicalPort[] = [];
  const scalars: LogicalPort[] = [];
  const buffers = new Map<string, number>();
  for (const { body, outputs } of program.statements) {
    if (body.form === "source") buffers.set(`${body.kind}:${body.name}`, plan.storage[outputs[0] ?? -1]?.buffer ?? -1);
  }
  for (const node of graph.nodes) {
    if (node.op !== "input" && node.op !== "scalar") continue;
    const { name } = node.attributes;
    const [type] = node.types;
    const buffer = buffers.get(`${node.op}:${name}`);
    invariant(type !== undefined && buffer !== undefined, `port ${name} has no memory`);
    const shape = type.shape.map((dim) => sizeOfDim(dim, graph.batch));
    (node.op === "input" ? inputs : scalars).push({ name, buffer, dtype: type.dtype, shape });
  }
  const outputs = graph.outputs.map(({ name, value }, k) => {
    const type = graph.nodes[value.node]?.types[value.output];
    const tensor = plan.outputs[k]?.tensor ?? -1;
    const buffer = plan.storage[tensor]?.buffer;
    invariant(type !== undefined && buffer !== undefined, `output ${name} has no memory`);
    return { name, buffer, dtype: type.dtype, shape: type.shape.map((dim) => sizeOfDim(dim, graph.batch)) };
  });
  return { inputs, scalars, outputs };
}
