/**
 * Reductions across rows: a parallel axis is contiguous (channels), the reduced axes lie outside it.
 * Accumulators of a block of channels lie in scratch, so that the data is read once, row by row, and bounds are checked
 * once per row. Invariant: the order of additions of a channel depends on the kernel's reduced sizes only.
 */
import type { Size } from "../ir/kernel.ts";
import { accumulate, type AccumulatorShape, addBlock, blockTerms, type Cell, compensates, pushStart, settleTotal } from "./accumulate.ts";
import type { Local } from "./encode.ts";
import { ElementEmitter, type Lanes } from "./expression.ts";
import type { Frame, Place } from "./frame.ts";
import { positionForm } from "./loops.ts";
import { forLanes, forLoops, forUnits, unitsOf } from "./nest.ts";
import type { ReductionKernel } from "./shapes.ts";

export interface ChannelReduction {
  /** Accesses of the accumulators and of the epilogue. */
  readonly inner: readonly number[];
  readonly epilogue: readonly number[];
  readonly shapes: readonly AccumulatorShape[];
  readonly parallel: readonly number[];
  readonly reduced: readonly number[];
  readonly channels: number;
}

/** Channels per block; their accumulators stay in the first-level cache. */
const blockChannels = 512;
const rowBytes = 4 * blockChannels;

/** Emits the body; returns the units: rows of channels, or channels where there is one row only. */
export function emitChannelReduction(frame: Frame, kernel: ReductionKernel, plan: ChannelReduction): Size {
  const { f } = frame;
  const { channels } = plan;
  const outer = plan.parallel.filter((loop) => loop !== channels);
  const start = frame.start([...new Set([...plan.inner, ...plan.epilogue])]);
  const [from, left, count] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const blocks = (place: Place): void => {
    f.countdown(
      left,
      () => {
        f.get(left).i32(blockChannels).get(left).i32(blockChannels).op("i32.lt_s", "select").set(count);
        reduceBlock(frame, kernel, plan, place, from, count);
        f.addTo(from, blockChannels);
      },
      blockChannels,
    );
  };
  if (outer.length === 0) {
    f.get(frame.begin).set(from).get(frame.end).get(frame.begin).op("i32.sub").set(left);
    blocks(start);
    return unitsOf(frame, [channels]);
  }
  forUnits(frame, start, outer, frame.begin, frame.end, (place) => {
    f.i32(0).set(from).get(frame.extent(channels)).set(left);
    blocks(place);
  });
  return unitsOf(frame, outer);
}

/** Where the accumulators lie in scratch: `slot` rows behind the address that `at` holds. */
function scratchCell(frame: Frame, at: Local, slot: number, width: 1 | 4): Cell["value"] {
  const { f } = frame;
  const value = f.local("v128");
  return {
    get: () => f.get(at).load(width === 4 ? "v128.load" : "v128.load32_splat", slot * rowBytes),
    set: () => {
      f.set(value).get(at).get(value);
      if (width === 4) f.store("v128.store", slot * rowBytes);
      else f.laneAccess("v128.store32_lane", slot * rowBytes, 0);
    },
  };
}

interface Slots {
  readonly total: number;
  readonly partial: number;
  readonly totalPosition: number | undefined;
  readonly lost: number | undefined;
}

/** Sums have a partial row, a total row and one of rounding errors; others only the total, and positions their own. */
function slotsOf(shapes: readonly AccumulatorShape[]): { slots: readonly Slots[]; rows: number } {
  let rows = 0;
  const slots = shapes.map((shape): Slots => {
    const total = rows++;
    const partial = shape.combine === "sum" ? rows++ : total;
    return { total, partial, totalPosition: shape.position ? rows++ : undefined, lost: compensates(shape) ? rows++ : undefined };
  });
  return { slots, rows };
}

function reduceBlock(frame: Frame, kernel: ReductionKernel, plan: ChannelReduction, outer: Place, from: Local, count: Local): void {
  const { f } = frame;
  const { shapes, channels } = plan;
  const { slots, rows } = slotsOf(shapes);
  frame.scratchBytes = Math.max(frame.scratchBytes, rows * rowBytes);
  const at = f.local("i32");
  const cellsOf = (width: 1 | 4, which: "total" | "partial"): Cell[] =>
    slots.map((slot) => ({
      value: scratchCell(frame, at, slot[which], width),
      position: slot.totalPosition === undefined ? undefined : scratchCell(frame, at, slot.totalPosition, width),
      lost: slot.lost === undefined || which === "partial" ? undefined : scratchCell(frame, at, slot.lost, width),
    }));
  /** Runs along the channels of the block, with only the pointers of the given accesses. */
  const along = (place: Place, accesses: readonly number[], body: (inner: Place, lanes: Lanes) => void): void => {
    f.get(frame.scratch).set(at);
    const pointers = new Map([...place.pointers].filter(([index]) => accesses.includes(index)));
    forLanes(frame, { ...place, pointers }, channels, { from, count, moving: [at] }, body);
  };
  const sums = shapes.some(({ combine }) => combine === "sum");
  along(outer, [], (_, { width }) => startRows(frame, shapes, cellsOf(width, "total"), cellsOf(width, "partial")));
  const terms = f.local("i32");
  f.i32(blockTerms).set(terms);
  const flush = (): void => along(outer, [], (_, { width }) => flushRows(frame, shapes, cellsOf(width, "total"), cellsOf(width, "partial")));
  forLoops(frame, restrict(outer, plan.inner), plan.reduced, (place) => {
    along(place, plan.inner, (inner, lanes) => step(frame, kernel, shapes, inner, lanes, cellsOf(lanes.width, "partial")));
    if (!sums) return;
    f.get(terms)
      .i32(1)
      .op("i32.sub")
      .tee(terms)
      .op("i32.eqz")
      .if(() => {
        flush();
        f.i32(blockTerms).set(terms);
      });
  });
  if (sums) flush();
  along(outer, plan.epilogue, (place, lanes) => {
    const cells = cellsOf(lanes.width, "total");
    for (const cell of cells) settleTotal(f, cell);
    const push = (index: number): "f32" | "i32" => {
      const [cell, shape] = [cells[index], shapes[index]];
      (cell?.position ?? cell?.value)?.get();
      return shape?.position === true ? "i32" : (shape?.type ?? "f32");
    };
    new ElementEmitter(frame, place, lanes, { push }).stores(kernel.stores);
  });
}

function restrict(place: Place, accesses: readonly number[]): Place {
  return { ...place, pointers: new Map([...place.pointers].filter(([index]) => accesses.includes(index))) };
}

function startRows({ f }: Frame, shapes: readonly AccumulatorShape[], totals: readonly Cell[], partials: readonly Cell[]): void {
  for (const [index, shape] of shapes.entries()) {
    for (const cell of shape.combine === "sum" ? [totals[index], partials[index]] : [totals[index]]) {
      pushStart(f, shape);
      cell?.value.set();
      if (cell?.lost !== undefined) f.v128(0);
      cell?.lost?.set();
    }
    if (shape.position) f.v128i(0);
    if (shape.position) totals[index]?.position?.set();
  }
}

function flushRows({ f }: Frame, shapes: readonly AccumulatorShape[], totals: readonly Cell[], partials: readonly Cell[]): void {
  for (const [index, shape] of shapes.entries()) {
    const [total, partial] = [totals[index], partials[index]];
    if (shape.combine !== "sum" || total === undefined || partial === undefined) continue;
    const value = f.local("v128");
    partial.value.get();
    f.set(value);
    addBlock(f, shape, total, value);
    pushStart(f, shape);
    partial.value.set();
  }
}

/** Takes the elements of one row into the accumulators. */
function step(frame: Frame, kernel: ReductionKernel, shapes: readonly AccumulatorShape[], place: Place, lanes: Lanes, cells: readonly Cell[]): void {
  const { f } = frame;
  const emitter = new ElementEmitter(frame, place, lanes);
  const position = shapes.some((shape) => shape.position) ? f.local("v128") : undefined;
  if (position !== undefined) {
    emitter.pushIndex(0, frame.steps(positionForm(kernel)), "position");
    f.set(position);
  }
  for (const [index, shape] of shapes.entries()) {
    const [cell, accumulator] = [cells[index], kernel.accumulators[index]];
    if (cell === undefined || accumulator === undefined) continue;
    const value = f.local("v128");
    emitter.number(accumulator.value, shape.type);
    f.set(value);
    accumulate(f, shape, cell, value, position);
  }
}
