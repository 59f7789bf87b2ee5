/**
 * Kernels from groups: members substituted into one another, equal parts evaluated once, operands with strides.
 * Invariant: kernel axes are in memory order of the first store (contractions: in the order of the result's role); axes of
 * one element are gone from pointwise and reduction kernels.
 */
import { invariant } from "../ir/invariant.ts";
import type { Accumulator, Affine, Axis, Coordinate, Expression, Kernel, Operand, Size, Store } from "../ir/kernel.ts";
import type { LogicalContraction, LogicalRole, RoleAxis } from "../operators/operator.ts";
import { axisIndex, composeAffine, zero } from "./affine.ts";
import { createInterner, type Interner, rewriteExpression, substituteAxes } from "./expression.ts";
import { shareParts } from "./lets.ts";
import type { Group, Member } from "./partition.ts";
import { compareSizes, multiplySizes } from "./size.ts";
import type { Statement, Tensor } from "./statements.ts";
import type { Storage } from "./storage.ts";

/** What kernels are built from. */
export interface KernelContext {
  readonly statements: readonly Statement[];
  readonly tensors: readonly Tensor[];
  readonly storage: readonly (Storage | undefined)[];
  /** Tensors that a contraction reads by strides, by group. */
  readonly operands: ReadonlyMap<number, readonly number[]>;
  /** Tensors that are read outside the group that computes them. */
  readonly stored: ReadonlySet<number>;
}

/** The kernels of a group, in order: one, or a fill and a sequential kernel for a scatter. */
export function buildKernels(group: Group, context: KernelContext): readonly Kernel[] {
  switch (group.form) {
    case "pointwise":
      return [buildLoops(group, context)];
    case "reduction":
      return [buildLoops(group, context)];
    case "contraction":
      return [buildContraction(group, context)];
    case "scatter":
      return [buildLoops({ ...group, form: "pointwise" }, context), buildScatter(group, context)];
    default:
      return group satisfies never;
  }
}

/** Operands by tensor and role, in order of first use. */
interface OperandTable {
  readonly operands: Operand[];
  read(tensor: number): number;
  write(tensor: number): number;
}

function createOperands(context: KernelContext): OperandTable {
  const operands: Operand[] = [];
  const known = new Map<string, number>();
  const add = (tensor: number, use: string): number => {
    const key = `${use}${tensor}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const { type } = tensorAt(context, tensor);
    const storage = context.storage[tensor];
    invariant(storage !== undefined, `tensor ${tensor} is used by a kernel and has no memory`);
    known.set(key, operands.length);
    return operands.push({ buffer: storage.buffer, type, offset: storage.offset, strides: storage.strides }) - 1;
  };
  return { operands, read: (tensor) => add(tensor, "r"), write: (tensor) => add(tensor, "w") };
}

function tensorAt(context: KernelContext, id: number): Tensor {
  const tensor = context.tensors[id];
  invariant(tensor !== undefined, `tensor ${id} is missing`);
  return tensor;
}

function headOf(group: Group, { statements }: KernelContext): { readonly name: string; readonly serves: readonly string[] } {
  const served = group.statements.map((id) => statements[id]).filter((each) => each !== undefined);
  const labels = [...new Set(served.map((each) => each.label))].slice(0, 6);
  return { name: labels.join("_"), serves: [...new Set(served.map((each) => each.path).filter((path) => path !== ""))] };
}

function storedMembers(group: Group, { stored }: KernelContext): readonly Member[] {
  return group.members.filter((member) => stored.has(member.tensor));
}

/** Values of members over the group's axes; loads still name tensors. */
function memberValues(group: Group): (member: Member) => Expression {
  const byTensor = new Map(group.members.map((member) => [member.tensor, member]));
  const values = new Map<Member, Expression>();
  const valueOf = (member: Member): Expression => {
    const known = values.get(member);
    if (known !== undefined) return known;
    const axes: Affine[] = member.axes.map((axis) => (axis < 0 ? zero : axisIndex(axis)));
    const identity = member.axes.every((axis, position) => axis === position);
    const moved = identity ? member.value : substituteAxes(member.value, axes);
    const value = rewriteExpression(moved, (e) => {
      const inner = e.kind === "load" ? byTensor.get(e.operand) : undefined;
      return inner === undefined ? undefined : valueOf(inner);
    });
    values.set(member, value);
    return value;
  };
  return valueOf;
}

/** Stores and lets of a group, after its axes were replaced by affine indices over the kernel's. */
function buildEpilogue(
  group: Group,
  context: KernelContext,
  axes: readonly Affine[],
  table: OperandTable,
  interner: Interner,
): { readonly lets: readonly Expression[]; readonly stores: readonly Store[] } {
  const members = storedMembers(group, context);
  const valueOf = memberValues(group);
  const values = members.map((member) => interner.intern(resolveLoads(substituteAxes(valueOf(member), axes), table)));
  const shared = shareParts(values, members.length > 1);
  const stores = members.map((member, k) => ({
    operand: table.write(member.tensor),
    at: member.axes.map((axis) => ({ index: axis < 0 ? zero : (axes[axis] ?? zero) })),
    value: shared.values[k] ?? { kind: "constant", value: 0, type: "f32" },
  }));
  return { lets: shared.lets, stores };
}

/** Loads by tensor become loads by operand. */
function resolveLoads(e: Expression, table: OperandTable): Expression {
  const memo = new Map<Expression, Expression>();
  const walk = (part: Expression): Expression =>
    rewriteExpression(
      part,
      (inner) => {
        if (inner.kind !== "load") return undefined;
        const at = inner.at.map((each) => (each.dynamic === undefined ? each : { ...each, dynamic: walk(each.dynamic) }));
        return { ...inner, operand: table.read(inner.operand), at };
      },
      memo,
    );
  return walk(e);
}

function buildLoops(group: Extract<Group, { form: "pointwise" | "reduction" }>, context: KernelContext): Kernel {
  const order = loopOrder(group, context);
  const axes: Affine[] = group.domain.map(() => zero);
  for (const [position, axis] of order.entries()) axes[axis] = axisIndex(position);
  const parallel: Axis[] = order.map((axis, position) => ({ name: `i${position}`, extent: group.domain[axis] ?? 1 }));
  const table = createOperands(context);
  const interner = createInterner();
  if (group.form === "pointwise") {
    const epilogue = buildEpilogue(group, context, axes, table, interner);
    return { form: "pointwise", ...headOf(group, context), operands: table.operands, axes: parallel, ...epilogue };
  }
  const all = [...axes];
  const reduced: Axis[] = [];
  for (const { extent } of group.reduced) {
    if (extent === 1) all.push(zero);
    else all.push(axisIndex(parallel.length + reduced.push({ name: `r${reduced.length}`, extent }) - 1));
  }
  const { accumulators, renumber } = distinctAccumulators(
    group.accumulators.map((each) => ({ ...each, value: interner.intern(resolveLoads(substituteAxes(each.value, all), table)) })),
  );
  const epilogue = renumber(buildEpilogue(group, context, axes, table, interner));
  const head = headOf(group, context);
  return { form: "reduction", ...head, operands: table.operands, axes: parallel, reduced, accumulators, ...epilogue };
}

type Epilogue = ReturnType<typeof buildEpilogue>;

/** Merged reductions may sum the same thing; values are interned, so that equal ones are one object. */
function distinctAccumulators(all: readonly Accumulator[]): {
  readonly accumulators: readonly Accumulator[];
  readonly renumber: (epilogue: Epilogue) => Epilogue;
} {
  const accumulators: Accumulator[] = [];
  const places = all.map((each) => {
    const same = ({ combine, value, position }: Accumulator): boolean =>
      combine === each.combine && value === each.value && position === each.position;
    const found = accumulators.findIndex(same);
    return found >= 0 ? found : accumulators.push(each) - 1;
  });
  if (accumulators.length === all.length) return { accumulators, renumber: (epilogue) => epilogue };
  const memo = new Map<Expression, Expression>();
  const move = (e: Expression): Expression =>
    rewriteExpression(e, (part) => (part.kind === "accumulator" ? { ...part, index: places[part.index] ?? part.index } : undefined), memo);
  const renumber = ({ lets, stores }: Epilogue): Epilogue => ({
    lets: lets.map(move),
    stores: stores.map((store) => ({ ...store, value: move(store.value) })),
  });
  return { accumulators, renumber };
}

/** Axes of more than one element, outermost first by the strides of the first store. */
function loopOrder(group: Group, context: KernelContext): readonly number[] {
  const strides: Size[] = group.domain.map(() => 0);
  const [first] = storedMembers(group, context);
  for (const [d, axis] of first?.axes.entries() ?? []) {
    if (axis >= 0) strides[axis] = context.storage[first?.tensor ?? -1]?.strides[d] ?? 0;
  }
  return group.domain
    .flatMap((extent, axis) => (extent === 1 ? [] : [axis]))
    .sort((a, b) => compareSizes(strides[b] ?? 0, strides[a] ?? 0) || a - b);
}

function buildScatter(group: Extract<Group, { form: "scatter" }>, context: KernelContext): Kernel {
  const table = createOperands(context);
  const interner = createInterner();
  const resolve = (e: Expression): Expression => interner.intern(resolveLoads(e, table));
  const value = resolve(group.value);
  const at: Coordinate[] = group.at.map((each) => (each.dynamic === undefined ? each : { ...each, dynamic: resolve(each.dynamic) }));
  const store = { operand: table.write(group.members[0]?.tensor ?? -1), at, value, accumulate: true };
  return { form: "sequential", ...headOf(group, context), operands: table.operands, axes: group.axes, lets: [], stores: [store] };
}

function buildContraction(group: Extract<Group, { form: "contraction" }>, context: KernelContext): Kernel {
  const logical = group.contraction;
  const table = createOperands(context);
  const tensors = context.operands.get(group.id) ?? group.operands;
  const contraction = {
    result: logical.result,
    batch: logical.batch,
    groups: logical.groups,
    window: logical.window,
    inputChannels: logical.inputChannels,
    outputChannels: logical.outputChannels,
    input: roleStrides(logical.input, tensors, context, table),
    kernel: kernelStrides(logical.kernel, tensors, context, table),
    output: roleStrides(logical.output, tensors, context, table),
  };
  const { axes, indices } = resultAxes(logical, group.domain.length);
  const epilogue = buildEpilogue(group, context, indices, table, createInterner());
  return { form: "contraction", ...headOf(group, context), operands: table.operands, axes, ...epilogue, contraction };
}

function roleStrides(role: LogicalRole, tensors: readonly number[], context: KernelContext, table: OperandTable) {
  const tensor = tensors[role.tensor];
  if (tensor === undefined) return { operand: -1, batch: 0, group: 0, spatial: role.spatial.map(() => 0), channel: 0 };
  const stride = strideOf(tensor, context);
  return {
    operand: table.read(tensor),
    batch: stride(role.batch),
    group: stride(role.group),
    spatial: role.spatial.map(stride),
    channel: stride(role.channel),
  };
}

function kernelStrides(role: LogicalContraction["kernel"], tensors: readonly number[], context: KernelContext, table: OperandTable) {
  const tensor = tensors[role.tensor];
  if (tensor === undefined) return { operand: -1, group: 0, taps: role.taps.map(() => 0), input: 0, output: 0 };
  const stride = strideOf(tensor, context);
  const fixed = (axis: RoleAxis): number => {
    const size = stride(axis);
    invariant(typeof size === "number", "the weights of a contraction have no axis along the batch inside a group");
    return size;
  };
  return {
    operand: table.read(tensor),
    group: stride(role.group),
    taps: role.taps.map(fixed),
    input: fixed(role.input),
    output: fixed(role.output),
  };
}

function strideOf(tensor: number, { storage }: KernelContext): (axis: RoleAxis | undefined) => Size {
  const strides = storage[tensor]?.strides ?? [];
  return (axis) => (axis === undefined ? 0 : multiplySizes(axis.scale, strides[axis.axis] ?? 0));
}

/** The kernel's axes, and each axis of the result tensor as an index over them. */
function resultAxes(
  { result, batch, groups, window, inputChannels, outputChannels, input, kernel, output }: LogicalContraction,
  rank: number,
): { readonly axes: readonly Axis[]; readonly indices: readonly Affine[] } {
  const axes: Axis[] = [];
  const sums: Affine[] = Array.from({ length: rank }, () => zero);
  const add = (name: string, extent: Size, role: RoleAxis | undefined): void => {
    const position = axes.push({ name, extent }) - 1;
    if (role === undefined || extent === 1) return;
    const before = sums[role.axis] ?? zero;
    sums[role.axis] = { constant: 0, terms: [...before.terms, { axis: position, coefficient: role.scale }] };
  };
  if (result === "kernel") {
    add("g", groups, kernel.group);
    for (const [k, axis] of window.entries()) add(`k${k}`, axis.taps, kernel.taps[k]);
    add("c", inputChannels, kernel.input);
    add("n", outputChannels, kernel.output);
  } else {
    const role = result === "output" ? output : input;
    add("b", batch, role.batch);
    add("g", groups, role.group);
    for (const [k, axis] of window.entries()) add(`s${k}`, axis[result], role.spatial[k]);
    add("n", result === "output" ? outputChannels : inputChannels, role.channel);
  }
  return { axes, indices: sums.map((sum) => composeAffine(sum, axes.map((_, axis) => axisIndex(axis)))) };
}
