/**
 * Kernels from groups: members substituted into one another, equal parts evaluated once, operands with strides.
 * Invariant: kernel axes are in memory order of the first store (contractions: in the order of the result's role); axes of
 * one element are gone from pointwise and reduction kernels.
 */
import { invariant } from "../ir/invariant.ts";
import type { Accumulator, Affine, Axis, Contraction, Coordinate, Expression, Kernel, Operand, Size, Store } from "../ir/kernel.ts";
import type { LogicalContraction, LogicalRole, RoleAxis } from "../operators/operator.ts";
import { affineKey, axisIndex, composeAffine, identityIndices, zero } from "./affine.ts";
import { collapseAxes } from "./collapse.ts";
import { createInterner, type Interner, type Load, mapChildren, rewriteExpression } from "./expression.ts";
import { shareParts } from "./lets.ts";
import type { Group, Member } from "./partition.ts";
import { compareSizes, multiplySizes, sizeKey } from "./size.ts";
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
  /** Loops that address memory as one become one. */
  readonly collapsing: boolean;
}

/** Builds the kernels of groups; equal ones share their loops, expressions and stores, object by object. */
export interface KernelBuilder {
  /** The kernels of a group, in order: one, or a fill and a sequential kernel for a scatter. */
  build(group: Group): readonly Kernel[];
}

/** A builder for the groups of one program. */
export function createKernelBuilder(context: KernelContext): KernelBuilder {
  const shared: Shared = { context, interner: createInterner(), templates: new Map() };
  return {
    build(group) {
      switch (group.form) {
        case "pointwise":
        case "reduction":
          return [buildLoops(group, shared)];
        case "contraction":
          return [buildContraction(group, shared)];
        case "scatter":
          return [buildLoops({ ...group, form: "pointwise" }, shared), buildScatter(group, shared)];
        default:
          return group satisfies never;
      }
    },
  };
}

interface Shared {
  readonly context: KernelContext;
  readonly interner: Interner;
  /** Finished kernels by the text of their raw form; their operands' buffers are positions among the raw operands. */
  readonly templates: Map<string, Kernel>;
}

/** Operands by tensor and role, in order of first use. */
interface OperandTable {
  readonly operands: Operand[];
  read(tensor: number): number;
  write(tensor: number): number;
}

function createOperands(context: KernelContext): OperandTable {
  const operands: Operand[] = [];
  const reads = new Map<number, number>();
  const writes = new Map<number, number>();
  const add = (tensor: number, known: Map<number, number>): number => {
    const found = known.get(tensor);
    if (found !== undefined) return found;
    const { type } = tensorAt(context, tensor);
    const storage = context.storage[tensor];
    invariant(storage !== undefined, `tensor ${tensor} is used by a kernel and has no memory`);
    known.set(tensor, operands.length);
    return operands.push({ buffer: storage.buffer, type, offset: storage.offset, strides: storage.strides }) - 1;
  };
  return { operands, read: (tensor) => add(tensor, reads), write: (tensor) => add(tensor, writes) };
}

function tensorAt(context: KernelContext, id: number): Tensor {
  const tensor = context.tensors[id];
  invariant(tensor !== undefined, `tensor ${id} is missing`);
  return tensor;
}

function headOf(group: Group, { statements }: KernelContext): { readonly name: string; readonly serves: readonly string[] } {
  const served = group.statements.map((id) => statements[id]).filter((each) => each !== undefined);
  const labels = [...new Set(served.map((each) => each.label))].slice(0, 6);
  return {
    name: labels.join("_"),
    serves: [...new Set(served.map((each) => each.path).filter((path) => path !== ""))],
  };
}

function storedMembers(group: Group, { stored }: KernelContext): readonly Member[] {
  return group.members.filter((member) => stored.has(member.tensor));
}

/** Interns values over the kernel's axes; loads by tensor become loads by operand. */
type Resolve = (e: Expression, axes: readonly Affine[]) => Expression;

/** `inner` gives the value of tensors that the group itself computes. */
function createResolver(table: OperandTable, { make }: Interner, inner: (tensor: number) => Expression | undefined): Resolve {
  return (root, axes) => {
    const memo = new Map<Expression, Expression>();
    const walk = (e: Expression): Expression => {
      if (e.kind === "index") return make({ kind: "index", value: composeAffine(e.value, axes) });
      const known = memo.get(e);
      if (known !== undefined) return known;
      const result = e.kind === "load" ? (inner(e.operand) ?? make(moved(e))) : make(mapChildren(e, walk));
      memo.set(e, result);
      return result;
    };
    const moved = (e: Load): Load => ({
      kind: "load",
      operand: table.read(e.operand),
      at: e.at.map(({ index, bound, dynamic }) => ({
        index: composeAffine(index, axes),
        ...(bound === undefined ? {} : { bound }),
        ...(dynamic === undefined ? {} : { dynamic: walk(dynamic) }),
      })),
      fill: e.fill,
    });
    return walk(root);
  };
}

/** A kernel before shared parts are found: values of stores are whole expressions. */
interface Raw {
  readonly form: "pointwise" | "reduction" | "contraction";
  readonly axes: readonly Axis[];
  readonly reduced: readonly Axis[];
  readonly accumulators: readonly Accumulator[];
  readonly contraction: Contraction | undefined;
  readonly stores: readonly Store[];
  readonly operands: readonly Operand[];
}

/** The stores of a group; `axes` are the group's axes over the kernel's. */
function buildStores(group: Group, shared: Shared, axes: readonly Affine[], table: OperandTable): readonly Store[] {
  const byTensor = new Map(group.members.map((member) => [member.tensor, member]));
  const values = new Map<Member, Expression>();
  const valueOf = (member: Member): Expression => {
    const known = values.get(member);
    if (known !== undefined) return known;
    const value = resolve(
      member.value,
      member.axes.map((axis) => (axis < 0 ? zero : (axes[axis] ?? zero))),
    );
    values.set(member, value);
    return value;
  };
  const resolve = createResolver(table, shared.interner, (tensor) => {
    const member = byTensor.get(tensor);
    return member && valueOf(member);
  });
  const members = storedMembers(group, shared.context);
  const stored = members.map(valueOf);
  return members.map((member, k) => ({
    operand: table.write(member.tensor),
    at: member.axes.map((axis) => ({ index: axis < 0 ? zero : (axes[axis] ?? zero) })),
    value: stored[k] ?? { kind: "constant", value: 0, type: "f32" },
  }));
}

/** The kernel of a raw form: an earlier equal one over these buffers, or a new one. */
function finish(raw: Raw, group: Group, { context, interner, templates }: Shared): Kernel {
  const buffers = raw.operands.map((operand) => operand.buffer);
  const key = rawKey(raw, buffers, interner);
  let template = templates.get(key);
  if (template === undefined) {
    const operands = raw.operands.map((operand) => ({ ...operand, buffer: buffers.indexOf(operand.buffer) }));
    const { accumulators, stores } = distinctAccumulators(raw);
    const { lets, values } = shareParts(
      stores.map((store) => store.value),
      stores.length > 1,
    );
    const base = {
      name: "",
      serves: [],
      operands,
      axes: raw.axes,
      lets,
      stores: stores.map((store, k) => ({ ...store, value: values[k] ?? store.value })),
    };
    if (raw.form === "contraction" && raw.contraction !== undefined) template = { ...base, form: "contraction", contraction: raw.contraction };
    else if (raw.form === "reduction") template = { ...base, form: "reduction", reduced: raw.reduced, accumulators };
    else template = { ...base, form: "pointwise" };
    if (context.collapsing) template = collapseAxes(template);
    templates.set(key, template);
  }
  const operands = template.operands.map((operand) => ({ ...operand, buffer: buffers[operand.buffer] ?? -1 }));
  return { ...template, ...headOf(group, context), operands };
}

function rawKey({ form, axes, reduced, accumulators, contraction, stores, operands }: Raw, buffers: readonly number[], { idOf }: Interner): string {
  let key: string = form;
  for (const { extent } of axes) key += `<${sizeKey(extent)}`;
  for (const { extent } of reduced) key += `>${sizeKey(extent)}`;
  for (const { combine, position, value } of accumulators) key += `|${combine}${position === true}${idOf(value)}`;
  for (const [k, { type, offset, strides }] of operands.entries()) {
    key += `%${type}${buffers.indexOf(buffers[k] ?? -1)}+${sizeKey(offset)}`;
    for (const stride of strides) key += `,${sizeKey(stride)}`;
  }
  for (const { operand, at, value } of stores) {
    key += `=${operand}:${idOf(value)}`;
    for (const { index } of at) key += `,${affineKey(index)}`;
  }
  return contraction === undefined ? key : key + JSON.stringify(contraction);
}

function buildLoops(group: Extract<Group, { form: "pointwise" | "reduction" }>, shared: Shared): Kernel {
  const { context, interner } = shared;
  const order = loopOrder(group, context);
  const axes: Affine[] = group.domain.map(() => zero);
  for (const [position, axis] of order.entries()) axes[axis] = axisIndex(position);
  const parallel: Axis[] = order.map((axis, position) => ({ name: `i${position}`, extent: group.domain[axis] ?? 1 }));
  const table = createOperands(context);
  const reduced: Axis[] = [];
  let accumulators: readonly Accumulator[] = [];
  if (group.form === "reduction") {
    const all = [...axes];
    for (const { extent } of group.reduced) {
      if (extent === 1) all.push(zero);
      else all.push(axisIndex(parallel.length + reduced.push({ name: `r${reduced.length}`, extent }) - 1));
    }
    const resolve = createResolver(table, interner, () => undefined);
    accumulators = group.accumulators.map((each) => ({ ...each, value: resolve(each.value, all) }));
  }
  const stores = buildStores(group, shared, axes, table);
  const raw: Raw = {
    form: group.form,
    axes: parallel,
    reduced,
    accumulators,
    contraction: undefined,
    stores,
    operands: table.operands,
  };
  return finish(raw, group, shared);
}

/** Merged reductions may sum the same thing; values are interned, so that equal ones are one object. */
function distinctAccumulators({ accumulators: all, stores }: Raw): Pick<Raw, "accumulators" | "stores"> {
  const accumulators: Accumulator[] = [];
  const places = all.map((each) => {
    const same = ({ combine, value, position }: Accumulator): boolean =>
      combine === each.combine && value === each.value && position === each.position;
    const found = accumulators.findIndex(same);
    return found >= 0 ? found : accumulators.push(each) - 1;
  });
  if (accumulators.length === all.length) return { accumulators: all, stores };
  const { intern } = createInterner();
  const memo = new Map<Expression, Expression>();
  const move = (e: Expression): Expression =>
    intern(rewriteExpression(e, (part) => (part.kind === "accumulator" ? { ...part, index: places[part.index] ?? part.index } : undefined), memo));
  return { accumulators, stores: stores.map((store) => ({ ...store, value: move(store.value) })) };
}

/** Axes of more than one element, outermost first by the strides of the first store. */
function loopOrder(group: Group, context: KernelContext): readonly number[] {
  const strides: Size[] = group.domain.map(() => 0);
  const [first] = storedMembers(group, context);
  for (const [d, axis] of first?.axes.entries() ?? []) {
    if (axis >= 0) strides[axis] = context.storage[first?.tensor ?? -1]?.strides[d] ?? 0;
  }
  return group.domain.flatMap((extent, axis) => (extent === 1 ? [] : [axis])).sort((a, b) => compareSizes(strides[b] ?? 0, strides[a] ?? 0) || a - b);
}

function buildScatter(group: Extract<Group, { form: "scatter" }>, { context, interner }: Shared): Kernel {
  const table = createOperands(context);
  const resolve = createResolver(table, interner, () => undefined);
  const axes = identityIndices(group.axes.length);
  const value = resolve(group.value, axes);
  const at: Coordinate[] = group.at.map((each) => (each.dynamic === undefined ? each : { ...each, dynamic: resolve(each.dynamic, axes) }));
  const store = { operand: table.write(group.members[0]?.tensor ?? -1), at, value, accumulate: true };
  return {
    form: "sequential",
    ...headOf(group, context),
    operands: table.operands,
    axes: group.axes,
    lets: [],
    stores: [store],
  };
}

function buildContraction(group: Extract<Group, { form: "contraction" }>, shared: Shared): Kernel {
  const { context } = shared;
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
  const inputPrologue = prologue(group, logical.input, shared, table);
  const outputPrologue = prologue(group, logical.output, shared, table);
  const withPrologues: Contraction = {
    ...contraction,
    ...(inputPrologue === undefined ? {} : { inputPrologue }),
    ...(outputPrologue === undefined ? {} : { outputPrologue }),
  };
  const { axes, indices } = resultAxes(logical, group.domain.length);
  const stores = buildStores(group, shared, indices, table);
  return finish(
    {
      form: "contraction",
      axes,
      reduced: [],
      accumulators: [],
      contraction: withPrologues,
      stores,
      operands: table.operands,
    },
    group,
    shared,
  );
}

/** The function applied to an operand as it is read, over [batch, group, spatial.., channel] of its role. */
function prologue(
  group: Extract<Group, { form: "contraction" }>,
  role: LogicalRole,
  { interner }: Shared,
  table: OperandTable,
): Expression | undefined {
  const value = group.prologues.get(role.tensor);
  const base = group.operands[role.tensor];
  if (value === undefined || base === undefined) return undefined;
  const rank = role.spatial.length + 2;
  const sums = new Map<number, Affine>();
  const add = (axis: RoleAxis | undefined, position: number): void => {
    if (axis === undefined) return;
    const terms = [...(sums.get(axis.axis)?.terms ?? []), { axis: position, coefficient: axis.scale }];
    sums.set(axis.axis, { constant: 0, terms });
  };
  add(role.batch, 0);
  add(role.group, 1);
  for (const [k, axis] of role.spatial.entries()) add(axis, 2 + k);
  add(role.channel, rank);
  const axes = Array.from({ length: rank }, (_, axis) => sums.get(axis) ?? zero);
  const read: Expression = { kind: "accumulator", index: 0 };
  return createResolver(table, interner, (tensor) => (tensor === base ? interner.make(read) : undefined))(value, axes);
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
  return {
    axes,
    indices: sums.map((sum) =>
      composeAffine(
        sum,
        axes.map((_, axis) => axisIndex(axis)),
      ),
    ),
  };
}
