/**
 * One program's memory: slots by lifetime, two arenas, ports.
 * Invariant: buffers that live at the same time do not overlap; ids of the plan's buffers are their positions.
 */
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { Target } from "../fuse/rules.ts";
import { invariant } from "../ir/invariant.ts";
import type { Buffer, Place, Plan, PlanSlot, PlanStep, PortBuffer } from "../ir/plan.ts";
import { align, type Interval, packIntervals } from "./arena.ts";
import { findSlots, type Slot } from "./lifetime.ts";
import type { PersistentArena } from "./persistent.ts";

/** Gives every buffer of a lowered program a place. */
export function planProgram(program: LoweredProgram, persistent: PersistentArena, target: Target): Plan {
  const slots = findSlots(program, target.rules.inPlace);
  /** Of temporaries, by id. */
  const places: (Place | undefined)[] = program.buffers.map(() => undefined);
  const fixed = placeSlots(slots, "fixed", places);
  const batch = placeSlots(slots, "batch", places);
  const buffers: Buffer[] = [];
  // What nothing uses is left out; where all are used, as in extended programs, ids and kernels stay as they are.
  const isKept = usesAll(program);
  const ids = new Int32Array(program.buffers.length).fill(-1);
  const idOf = (logical: number): number => {
    const known = ids[logical] ?? -1;
    if (known >= 0) return known;
    const buffer = program.buffers[logical];
    invariant(buffer !== undefined, `buffer ${logical} is missing`);
    const { name, type, size, shape, kind } = buffer;
    const place = kind === "persistent" ? persistent.place(name, type, size).place : places[logical];
    if (place === undefined) invariant(false, `buffer ${logical} (${name}) has no place`);
    const id = isKept ? logical : buffers.length;
    buffers[id] = { id, name, type, size, ...(shape === undefined ? {} : { shape }), place };
    ids[logical] = id;
    return id;
  };
  const port = (each: PortBuffer): PortBuffer => ({ ...each, buffer: idOf(each.buffer) });
  const [inputs, scalars] = [program.inputs.map(port), program.scalars.map(port)];
  const frees = freedBy(slots, program.kernels.length);
  const steps: PlanStep[] = program.kernels.map((kernel, step) => {
    for (const { buffer } of kernel.operands) idOf(buffer);
    const operands = isKept ? kernel.operands : kernel.operands.map((operand) => ({ ...operand, buffer: idOf(operand.buffer) }));
    return { kernel: isKept ? kernel : { ...kernel, operands }, frees: frees[step]?.map(idOf) ?? NONE };
  });
  const outputs = program.outputs.map(port);
  const planned = slots.map(({ size, start, end, buffers: own }): PlanSlot => ({ size, first: start, last: end, buffers: own.map(idOf) }));
  return { buffers, slots: planned, steps, inputs, scalars, outputs, fixedBytes: fixed, batchBytes: batch };
}

/** What most steps free. */
const NONE: readonly number[] = [];

/** Whether kernels and ports touch every buffer. */
function usesAll({ buffers, inputs, scalars, kernels, outputs }: LoweredProgram): boolean {
  const used = new Uint8Array(buffers.length);
  for (const ports of [inputs, scalars, outputs]) for (const { buffer } of ports) used[buffer] = 1;
  for (const { operands } of kernels) for (const { buffer } of operands) used[buffer] = 1;
  return !used.includes(0);
}

/** Lays out the slots that grow with the batch, or those that do not; returns the bytes of the arena. */
function placeSlots(slots: readonly Slot[], arena: "fixed" | "batch", places: (Place | undefined)[]): number {
  const own = slots.filter(({ size }) => (typeof size === "number") === (arena === "fixed"));
  const intervals = own.map(({ size, start, end }): Interval => ({ size: align(4 * (typeof size === "number" ? size : size.batch)), start, end }));
  const { offsets, bytes } = packIntervals(intervals);
  for (let k = 0; k < own.length; k++) {
    const place: Place = { arena, offset: offsets[k] ?? 0 };
    for (const buffer of own[k]?.buffers ?? []) places[buffer] = place;
  }
  return bytes;
}

/** The last buffer of each slot, by the step after which the slot is free. */
function freedBy(slots: readonly Slot[], steps: number): readonly (readonly number[] | undefined)[] {
  const freed: (number[] | undefined)[] = new Array<undefined>(steps).fill(undefined);
  for (const { end, buffers } of slots) {
    const last = buffers.at(-1);
    if (last === undefined || end < 0 || end >= steps) continue;
    const known = freed[end];
    if (known === undefined) freed[end] = [last];
    else known.push(last);
  }
  return freed;
}
