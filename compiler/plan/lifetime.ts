/**
 * When each buffer is alive: from its first write to its last use, in steps. A result that may take the memory of an
 * operand it uses up shares that operand's slot.
 * Invariant: two slots whose intervals touch never share memory; ports live as long as the program.
 */
import { loadsOf } from "../fuse/expression.ts";
import { addSizes, multiplySizes, sameSize, sizeKey } from "../fuse/size.ts";
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { Coordinate, Kernel, Operand, Size, Store } from "../ir/kernel.ts";

/** Memory of one size for an interval of steps; several buffers may take turns in it. */
export interface Slot {
  /** In elements. */
  readonly size: Size;
  start: number;
  end: number;
  readonly buffers: number[];
}

/** Slots of all temporaries that kernels touch, ports included. `inPlace` lets results take over operands' slots. */
export function findSlots(program: LoweredProgram, inPlace: boolean): readonly Slot[] {
  const last = program.kernels.length;
  // Deep networks have tens of thousands of buffers: lists by id.
  const slotOf: (Slot | undefined)[] = program.buffers.map(() => undefined);
  const lastUse = new Int32Array(program.buffers.length).fill(-1);
  const writes = new Int32Array(program.buffers.length);
  const kept = new Set([...program.inputs, ...program.scalars, ...program.outputs].map((port) => port.buffer));
  for (const [step, kernel] of program.kernels.entries()) {
    for (const { buffer } of kernel.operands) lastUse[buffer] = step;
    for (const store of kernel.stores) {
      const buffer = kernel.operands[store.operand]?.buffer ?? -1;
      writes[buffer] = (writes[buffer] ?? 0) + 1;
    }
  }
  const slots: Slot[] = [];
  const open = (buffer: number, start: number, end: number): void => {
    const { size } = program.buffers[buffer] ?? { size: 0 };
    const slot = { size, start, end, buffers: [buffer] };
    slots.push(slot);
    slotOf[buffer] = slot;
  };
  for (const { buffer } of [...program.inputs, ...program.scalars]) {
    if (program.buffers[buffer]?.kind !== "persistent") open(buffer, -1, last);
  }
  for (const [step, kernel] of program.kernels.entries()) {
    for (const { buffer } of kernel.operands) {
      if (slotOf[buffer] !== undefined || program.buffers[buffer]?.kind !== "temporary") continue;
      const end = kept.has(buffer) ? last : (lastUse[buffer] ?? step);
      const store = soleStore(kernel, buffer);
      const free = (other: number): boolean =>
        lastUse[other] === step &&
        !kept.has(other) &&
        program.buffers[other]?.kind === "temporary" &&
        sameSize(program.buffers[other]?.size ?? -1, program.buffers[buffer]?.size ?? -2) &&
        slotOf[other]?.end === step;
      const host = inPlace && store !== undefined && writes[buffer] === 1 ? operandInStep(kernel, store, free) : undefined;
      const slot = host === undefined ? undefined : slotOf[host];
      if (slot === undefined) open(buffer, step, end);
      else {
        slot.end = end;
        slot.buffers.push(buffer);
        slotOf[buffer] = slot;
      }
    }
  }
  for (const { buffer } of program.outputs) {
    if (slotOf[buffer] === undefined && program.buffers[buffer]?.kind === "temporary") open(buffer, -1, last);
  }
  return slots;
}

/** The only store into a buffer that the kernel does not read otherwise. */
function soleStore(kernel: Kernel, buffer: number): Store | undefined {
  if (kernel.form === "sequential") return undefined;
  const { operands } = kernel;
  const position = operands.findIndex((operand) => operand.buffer === buffer);
  if (operands.findLastIndex((operand) => operand.buffer === buffer) !== position) return undefined;
  const store = kernel.stores.find((each) => each.operand === position);
  return kernel.stores.findLast((each) => each.operand === position) === store ? store : undefined;
}

/** A buffer that is free after this kernel and is read only at the element that `store` writes. */
function operandInStep(kernel: Kernel, store: Store, free: (buffer: number) => boolean): number | undefined {
  if (!kernel.operands.some(({ buffer }) => free(buffer))) return undefined;
  const written = addressKey(kernel.operands[store.operand], store.at);
  if (written === undefined) return undefined;
  const barred = new Set<number>();
  if (kernel.form === "contraction") {
    const { input, kernel: weights, output, inputPrologue, outputPrologue } = kernel.contraction;
    for (const { operand } of [input, weights, output]) barred.add(operand);
    const prologues = [inputPrologue, outputPrologue].filter((each) => each !== undefined);
    for (const load of loadsOf(prologues)) barred.add(load.operand);
  }
  if (kernel.form === "reduction") {
    for (const load of loadsOf(kernel.accumulators.map((each) => each.value))) barred.add(load.operand);
  }
  for (const { operand } of kernel.stores) barred.add(operand);
  const loads = loadsOf([...kernel.lets, ...kernel.stores.map((each) => each.value)]);
  for (const load of loads) {
    const buffer = kernel.operands[load.operand]?.buffer ?? -1;
    if (!free(buffer)) continue;
    const same = kernel.operands.flatMap((operand, position) => (operand.buffer === buffer ? [position] : []));
    if (same.some((position) => barred.has(position))) continue;
    const all = loads.filter((each) => same.includes(each.operand));
    if (all.every((each) => addressKey(kernel.operands[each.operand], each.at) === written)) return buffer;
  }
  return undefined;
}

/** Text of the address as a function of the axes; undefined where it is bounded, computed or not one sum. */
function addressKey(operand: Operand | undefined, at: readonly Coordinate[]): string | undefined {
  if (operand === undefined) return undefined;
  let offset: Size | undefined = operand.offset;
  const strides = new Map<number, Size>();
  for (const [d, { index, bound, dynamic }] of at.entries()) {
    if (bound !== undefined || dynamic !== undefined || offset === undefined) return undefined;
    const stride = operand.strides[d] ?? 0;
    offset = addSizes(offset, multiplySizes(index.constant, stride));
    for (const { axis, coefficient } of index.terms) {
      const sum = addSizes(strides.get(axis) ?? 0, multiplySizes(coefficient, stride));
      if (sum === undefined) return undefined;
      strides.set(axis, sum);
    }
  }
  if (offset === undefined) return undefined;
  const terms = [...strides].sort(([a], [b]) => a - b).map(([axis, stride]) => `${axis}*${sizeKey(stride)}`);
  return `${sizeKey(offset)}+${terms.join("+")}`;
}
