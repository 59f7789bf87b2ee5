/**
 * When each buffer is alive: from its first write to its last use, in steps. A result that may take the memory of an
 * operand it uses up shares that operand's slot.
 * Invariant: two slots whose intervals touch never share memory; ports live as long as the program.
 */
import { loadsOf } from "../fuse/expression.ts";
import { addSizes, multiplySizes, sameSize, sizeKey } from "../fuse/size.ts";
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { Coordinate, Kernel, Operand, Size, Store } from "../ir/kernel.ts";
import { createKernelNumbering } from "../ir/kernel-number.ts";

/** Memory of one size for an interval of steps; several buffers may take turns in it. */
export interface Slot {
  /** In elements. */
  readonly size: Size;
  start: number;
  end: number;
  readonly buffers: number[];
}

/** What is known of a program's buffers, by id, while its slots are found: deep networks have tens of thousands. */
interface Lives {
  readonly program: LoweredProgram;
  /** Steps; -1 for what no kernel touches. */
  readonly lastUse: Int32Array;
  readonly writes: Int32Array;
  /** 1 for ports, which live as long as the program. */
  readonly kept: Uint8Array;
  readonly slotOf: (Slot | undefined)[];
  readonly slots: Slot[];
}

/** Slots of all temporaries that kernels touch, ports included. `inPlace` lets results take over operands' slots. */
export function findSlots(program: LoweredProgram, inPlace: boolean): readonly Slot[] {
  const last = program.kernels.length;
  const lives = livesOf(program);
  for (const { buffer } of [...program.inputs, ...program.scalars]) {
    if (program.buffers[buffer]?.kind !== "persistent") open(lives, buffer, -1, last);
  }
  const hostsOf = createHostFinder();
  for (let step = 0; step < last; step++) {
    const kernel = program.kernels[step];
    if (kernel !== undefined) placeTemporaries(lives, kernel, step, inPlace ? hostsOf : undefined);
  }
  for (const { buffer } of program.outputs) {
    if (lives.slotOf[buffer] === undefined && program.buffers[buffer]?.kind === "temporary") open(lives, buffer, -1, last);
  }
  return lives.slots;
}

function livesOf(program: LoweredProgram): Lives {
  const count = program.buffers.length;
  const lives: Lives = {
    program,
    lastUse: new Int32Array(count).fill(-1),
    writes: new Int32Array(count),
    kept: new Uint8Array(count),
    slotOf: program.buffers.map(() => undefined),
    slots: [],
  };
  for (const ports of [program.inputs, program.scalars, program.outputs]) for (const { buffer } of ports) lives.kept[buffer] = 1;
  for (let step = 0; step < program.kernels.length; step++) {
    const kernel = program.kernels[step];
    if (kernel !== undefined) noteUses(lives, kernel.operands, kernel.stores, step);
  }
  return lives;
}

function noteUses({ lastUse, writes }: Lives, operands: readonly Operand[], stores: readonly Store[], step: number): void {
  for (const { buffer } of operands) lastUse[buffer] = step;
  for (const store of stores) {
    const buffer = operands[store.operand]?.buffer ?? -1;
    writes[buffer] = (writes[buffer] ?? 0) + 1;
  }
}

function open({ program, slots, slotOf }: Lives, buffer: number, start: number, end: number): void {
  const slot: Slot = { size: program.buffers[buffer]?.size ?? 0, start, end, buffers: [buffer] };
  slots.push(slot);
  slotOf[buffer] = slot;
}

/** Slots for what a kernel touches first. */
function placeTemporaries(lives: Lives, kernel: Kernel, step: number, hostsOf: ((kernel: Kernel) => Hosts) | undefined): void {
  const { program, lastUse, writes, kept, slotOf } = lives;
  const { operands } = kernel;
  for (const { buffer } of operands) {
    if (slotOf[buffer] !== undefined || program.buffers[buffer]?.kind !== "temporary") continue;
    const end = kept[buffer] === 1 ? program.kernels.length : (lastUse[buffer] ?? step);
    const host = hostsOf !== undefined && writes[buffer] === 1 ? operandInStep(lives, operands, hostsOf(kernel), buffer, step) : undefined;
    const slot = host === undefined ? undefined : slotOf[host];
    if (slot === undefined) open(lives, buffer, step, end);
    else {
      slot.end = end;
      slot.buffers.push(buffer);
      slotOf[buffer] = slot;
    }
  }
}

/** Whether a step is the last to use a buffer of this size, whose memory may then be another's. */
function isFree({ program, lastUse, kept, slotOf }: Lives, buffer: number, size: Size, step: number): boolean {
  if (lastUse[buffer] !== step || kept[buffer] !== 0 || slotOf[buffer]?.end !== step) return false;
  const own = program.buffers[buffer];
  return own?.kind === "temporary" && sameSize(own.size, size);
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
function operandInStep(lives: Lives, operands: readonly Operand[], hosts: Hosts, buffer: number, step: number): number | undefined {
  const size = lives.program.buffers[buffer]?.size ?? -1;
  let position = -1;
  for (let k = 0; k < operands.length; k++) {
    if (operands[k]?.buffer !== buffer) continue;
    if (position >= 0) return undefined;
    position = k;
  }
  const host = hosts[position];
  if (host === undefined) return undefined;
  for (const first of host.order) {
    const other = operands[first]?.buffer ?? -1;
    if (isFree(lives, other, size, step) && isInStep(operands, other, host.inStep)) return other;
  }
  return undefined;
}

function isInStep(operands: readonly Operand[], buffer: number, inStep: readonly boolean[]): boolean {
  for (let k = 0; k < operands.length; k++) if (operands[k]?.buffer === buffer && inStep[k] !== true) return false;
  return true;
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
