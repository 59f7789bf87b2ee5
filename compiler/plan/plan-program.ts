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
  const places = new Map<number, Place>();
  const fixed = placeSlots(
    slots.filter((slot) => typeof slot.size === "number"),
    "fixed",
    places,
  );
  const batch = placeSlots(
    slots.filter((slot) => typeof slot.size !== "number"),
    "batch",
    places,
  );
  const buffers: Buffer[] = [];
  // What nothing uses is left out; where all are used, as in extended programs, ids and kernels stay as they are.
  const isKept = usedBuffers(program) === program.buffers.length;
  const ids: (number | undefined)[] = program.buffers.map(() => undefined);
  const idOf = (logical: number): number => {
    const known = ids[logical];
    if (known !== undefined) return known;
    const { name, type, size, shape, kind } = program.buffers[logical] ?? {};
    invariant(name !== undefined && type !== undefined && size !== undefined, `buffer ${logical} is missing`);
    const place = kind === "persistent" ? persistent.place(name, type, size).place : places.get(logical);
    invariant(place !== undefined, `buffer ${logical} (${name}) has no place`);
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
    return { kernel: isKept ? kernel : { ...kernel, operands }, frees: (frees[step] ?? []).map(idOf) };
  });
  const outputs = program.outputs.map(port);
  const planned = slots.map(({ size, start, end, buffers: own }): PlanSlot => ({ size, first: start, last: end, buffers: own.map(idOf) }));
  return { buffers, slots: planned, steps, inputs, scalars, outputs, fixedBytes: fixed, batchBytes: batch };
}

function usedBuffers({ inputs, scalars, kernels, outputs }: LoweredProgram): number {
  const used = new Set([...inputs, ...scalars, ...outputs].map((port) => port.buffer));
  for (const { operands } of kernels) for (const { buffer } of operands) used.add(buffer);
  return used.size;
}

function placeSlots(slots: readonly Slot[], arena: "fixed" | "batch", places: Map<number, Place>): number {
  const intervals: Interval[] = slots.map(({ size, start, end }) => ({
    size: align(4 * (typeof size === "number" ? size : size.batch)),
    start,
    end,
  }));
  const { offsets, bytes } = packIntervals(intervals);
  for (const [k, slot] of slots.entries()) {
    for (const buffer of slot.buffers) places.set(buffer, { arena, offset: offsets[k] ?? 0 });
  }
  return bytes;
}

/** The last buffer of each slot, by the step after which the slot is free. */
function freedBy(slots: readonly Slot[], steps: number): readonly (readonly number[])[] {
  const freed: number[][] = Array.from({ length: steps }, () => []);
  for (const { end, buffers } of slots) {
    const [last] = buffers.slice(-1);
    if (last !== undefined) freed[end]?.push(last);
  }
  return freed;
}
