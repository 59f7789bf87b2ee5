/**
 * When each buffer is alive: from its first write to its last use, in steps. A result that may take the memory of an
 * operand it uses up shares that operand's slot.
 * Invariant: two slots whose intervals touch never share memory; ports live as long as the program.
 */
import { loadsOf } from "../fuse/expression.ts";
import { addSizes, multiplySizes, sameSize, sizeKey } from "../fuse/size.ts";
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { Coordinate, Kernel, Operand, Size } from "../ir/kernel.ts";
import { createKernelNumbering } from "../ir/kernel-number.ts";

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
  const kept = new Uint8Array(program.buffers.length);
  for (const ports of [program.inputs, program.scalars, program.outputs]) for (const { buffer } of ports) kept[buffer] = 1;
  let uses = 0;
  for (const kernel of program.kernels) {
    for (const { buffer } of kernel.operands) lastUse[buffer] = uses;
    for (const store of kernel.stores) {
      const buffer = kernel.operands[store.operand]?.buffer ?? -1;
      writes[buffer] = (writes[buffer] ?? 0) + 1;
    }
    uses++;
  }
  const hostsOf = createHostFinder();
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
  let step = 0;
  const isFree = (other: number, size: Size): boolean =>
    lastUse[other] === step &&
    kept[other] === 0 &&
    program.buffers[other]?.kind === "temporary" &&
    slotOf[other]?.end === step &&
    sameSize(program.buffers[other]?.size ?? -1, size);
  for (const kernel of program.kernels) {
    for (const { buffer } of kernel.operands) {
      const own = program.buffers[buffer];
      if (slotOf[buffer] !== undefined || own?.kind !== "temporary") continue;
      const end = kept[buffer] === 1 ? last : (lastUse[buffer] ?? step);
      const host = inPlace && writes[buffer] === 1 ? operandInStep(kernel, hostsOf(kernel), buffer, (other) => isFree(other, own.size)) : undefined;
      const slot = host === undefined ? undefined : slotOf[host];
      if (slot === undefined) open(buffer, step, end);
      else {
        slot.end = end;
        slot.buffers.push(buffer);
        slotOf[buffer] = slot;
      }
    }
    step++;
  }
  for (const { buffer } of program.outputs) {
    if (slotOf[buffer] === undefined && program.buffers[buffer]?.kind === "temporary") open(buffer, -1, last);
  }
  return slots;
}

/** Of equal kernels, by position of an operand: what may give its memory to the one store there. */
type Hosts = readonly (Host | undefined)[];

/** Reads of operands `inStep` are all at the element that the store writes; `order` is that of the operands' first loads. */
interface Host {
  readonly order: readonly number[];
  readonly inStep: readonly boolean[];
}

/** Tells of each kernel what its stores may write over; asked anew only for kernels that differ from those before. */
function createHostFinder(): (kernel: Kernel) => Hosts {
  const numberOf = createKernelNumbering();
  const known: Hosts[] = [];
  return (kernel) => (known[numberOf(kernel)] ??= findHosts(kernel));
}

function findHosts(kernel: Kernel): Hosts {
  if (kernel.form === "sequential") return [];
  const { operands, stores } = kernel;
  const barred = new Set<number>(stores.map(({ operand }) => operand));
  if (kernel.form === "contraction") {
    const { input, kernel: weights, output, inputPrologue, outputPrologue } = kernel.contraction;
    for (const { operand } of [input, weights, output]) barred.add(operand);
    const prologues = [inputPrologue, outputPrologue].filter((each) => each !== undefined);
    for (const load of loadsOf(prologues)) barred.add(load.operand);
  }
  if (kernel.form === "reduction") {
    for (const load of loadsOf(kernel.accumulators.map((each) => each.value))) barred.add(load.operand);
  }
  const loads = loadsOf([...kernel.lets, ...stores.map((each) => each.value)]);
  const keys = loads.map((load) => addressKey(operands[load.operand], load.at));
  const order = [...new Set(loads.map((load) => load.operand))];
  return operands.map((operand, position): Host | undefined => {
    const own = stores.filter((store) => store.operand === position);
    const written = own.length === 1 && own[0] !== undefined ? addressKey(operand, own[0].at) : undefined;
    if (written === undefined) return undefined;
    const isInStep = (each: number): boolean => !barred.has(each) && loads.every((load, k) => load.operand !== each || keys[k] === written);
    return { order, inStep: operands.map((_, each) => isInStep(each)) };
  });
}

/** A buffer that is free after this kernel and is read only at the element that it writes in `buffer`, once. */
function operandInStep({ operands }: Kernel, hosts: Hosts, buffer: number, free: (buffer: number) => boolean): number | undefined {
  const position = operands.findIndex((operand) => operand.buffer === buffer);
  const host = hosts[position];
  if (host === undefined || operands.findLastIndex((operand) => operand.buffer === buffer) !== position) return undefined;
  for (const first of host.order) {
    const other = operands[first]?.buffer ?? -1;
    if (free(other) && operands.every((operand, k) => operand.buffer !== other || host.inStep[k] === true)) return other;
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
