/**
 * The elementwise parts of contractions: epilogues over boxes of results, prologues over bands of a source.
 * Invariant: the axes of the kernel stay apart as loops of the frame, so that any box of them can be addressed.
 */
import type { Axis, Expression, Kernel } from "../ir/kernel.ts";
import type { Local } from "./encode.ts";
import { ElementEmitter } from "./expression.ts";
import { Frame, type Place } from "./frame.ts";
import { isZero } from "./loops.ts";
import { define, forRange, less, minus, push, set, sum, times, type Value, when } from "./micro-code.ts";
import { LANE_BYTES } from "./micro.ts";
import { PANEL } from "./pack.ts";

/** A frame for part of a kernel: it adds to the same arguments block. */
export function innerFrame(outer: Frame, axes: readonly Axis[], stores: Kernel["stores"]): Frame {
  const { name, serves, operands, lets } = outer.kernel;
  // A value of all indices: no two axes step through it as one.
  const apart: Expression = { kind: "index", value: { constant: 0, terms: axes.map((_, axis) => ({ axis, coefficient: 1 })) } };
  const kernel: Kernel = { form: "pointwise", name, serves, operands, axes, lets: [...lets, apart], stores };
  const inner = new Frame(outer.f, outer.module, outer.shared, kernel);
  Object.assign(inner, { arguments: outer.arguments });
  return inner;
}

/** The loop of a kernel axis; undefined if its extent is 1. */
export function loopOf(frame: Frame, axis: number | undefined): number | undefined {
  const found = frame.plan.loops.findIndex(({ members }) => members.includes(axis ?? -1));
  return found < 0 ? undefined : found;
}

/** The place where an axis has the given index. */
export function enterAxis(frame: Frame, outer: Place, axis: number | undefined, index: Local): Place {
  const { f } = frame;
  const loop = loopOf(frame, axis);
  if (loop === undefined) return outer;
  const pointers = new Map(outer.pointers);
  for (const [access, pointer] of outer.pointers) {
    if (isZero(frame.stepOf(access, loop))) continue;
    const moved = f.local("i32");
    f.get(pointer).get(index).get(frame.byteStep(access, loop)).op("i32.mul", "i32.add").set(moved);
    pointers.set(access, moved);
  }
  return frame.settle({ ...outer, pointers, indices: new Map([...outer.indices, [loop, index]]) }, outer);
}

/** One axis of a box: index start + step * i for i < count; an absent axis is passed through once per i all the same. */
export interface BoxAxis {
  readonly axis: number | undefined;
  readonly start: Value;
  readonly step: Value;
  readonly count: Value;
}

/** A box of results whose tile rows (8 floats each) lie from `tile` on, the pixels of a row one after another. */
export interface Box {
  readonly rows: BoxAxis;
  readonly pixels: BoxAxis;
  readonly lanes: { readonly axis: number | undefined; readonly start: Value; readonly count: Value };
  readonly tile: Value;
}

/** Evaluates the stores of the frame's kernel over a box. */
export function emitBox(frame: Frame, outer: Place, { rows, pixels, lanes, tile }: Box): void {
  const { f } = frame;
  const laneStart = define(f, lanes.start);
  const laneCount = define(f, lanes.count);
  const loop = loopOf(frame, lanes.axis);
  // The index of the lanes is entered last: their bounds are checked lane by lane.
  const place = { ...outer, pointers: shifted(frame, outer, loop, laneStart).pointers };
  const row = define(f, tile);
  const scalar = (): void => overPixels(frame, place, rows, pixels, row, (inner) => scalarLanes(frame, inner, loop, laneStart, laneCount, row));
  if (loop === undefined) scalar();
  else {
    when(f, less(laneCount, PANEL), scalar, () => overPixels(frame, place, rows, pixels, row, (inner) => vectorLanes(frame, inner, loop, laneStart, row)));
  }
}

function overPixels(frame: Frame, outer: Place, rows: BoxAxis, pixels: BoxAxis, row: Local, body: (place: Place) => void): void {
  const { f } = frame;
  const [rowStep, step, start] = [define(f, rows.step), define(f, pixels.step), define(f, pixels.start)];
  const loop = loopOf(frame, pixels.axis);
  const increments = new Map<number, Local>();
  for (const access of outer.pointers.keys()) {
    if (loop === undefined || isZero(frame.stepOf(access, loop))) continue;
    increments.set(access, define(f, times(step, frame.byteStep(access, loop))));
  }
  const rowIndex = define(f, rows.start);
  forRange(f, 0, rows.count, 1, () => {
    const index = define(f, start);
    const rowPlace = enterAxis(frame, outer, rows.axis, rowIndex);
    const first = shifted(frame, rowPlace, loop, index);
    forRange(f, 0, pixels.count, 1, () => {
      body(frame.settle(first, rowPlace));
      for (const [access, increment] of increments) {
        const pointer = first.pointers.get(access);
        if (pointer !== undefined) f.addLocal(pointer, increment);
      }
      f.addLocal(index, step).addTo(row, LANE_BYTES);
    });
    f.addLocal(rowIndex, rowStep);
  });
}

/** Pointers of their own at the given index of a loop; bounds are not yet checked. */
function shifted(frame: Frame, outer: Place, loop: number | undefined, index: Local): Place {
  if (loop === undefined) return outer;
  const { f } = frame;
  const pointers = new Map(outer.pointers);
  for (const [access, pointer] of outer.pointers) {
    if (isZero(frame.stepOf(access, loop))) continue;
    const moved = f.local("i32");
    f.get(pointer).get(index).get(frame.byteStep(access, loop)).op("i32.mul", "i32.add").set(moved);
    pointers.set(access, moved);
  }
  return { ...outer, pointers, indices: new Map([...outer.indices, [loop, index]]) };
}

function vectorLanes(frame: Frame, place: Place, loop: number, start: Local, row: Local): void {
  const { f, kernel } = frame;
  for (const half of [0, 1]) {
    const accumulators = { push: () => (f.get(row).load("v128.load", 16 * half), "f32" as const) };
    const inner = half === 0 ? withIndex(place, loop, start) : nextLanes(frame, place, loop, define(f, sum(start, 4)), 4);
    new ElementEmitter(frame, inner, { width: 4, loop }, accumulators).stores(kernel.stores);
  }
}

function withIndex(place: Place, loop: number, index: Local): Place {
  return { ...place, indices: new Map([...place.indices, [loop, index]]) };
}

/** The place a few lanes further along. */
function nextLanes(frame: Frame, place: Place, loop: number, index: Local, lanes: 1 | 4): Place {
  const { f } = frame;
  const pointers = new Map(place.pointers);
  for (const [access, pointer] of place.pointers) {
    if (isZero(frame.stepOf(access, loop))) continue;
    const moved = define(f, pointer);
    frame.advance(moved, access, loop, lanes);
    pointers.set(access, moved);
  }
  return withIndex({ ...place, pointers }, loop, index);
}

function scalarLanes(frame: Frame, place: Place, loop: number | undefined, start: Local, count: Local, row: Local): void {
  const { f, kernel } = frame;
  const accumulators = { push: () => (f.get(source).load("v128.load32_splat"), "f32" as const) };
  const source = define(f, row);
  const own = loop === undefined ? place : ownPointers(frame, place, loop, start);
  forRange(f, 0, count, 1, () => {
    new ElementEmitter(frame, own, { width: 1, loop }, accumulators).stores(kernel.stores);
    f.addTo(source, 4);
    if (loop === undefined) return;
    const index = own.indices.get(loop);
    if (index !== undefined) f.addTo(index, 1);
    for (const [access, pointer] of own.pointers) if (pointer !== place.pointers.get(access)) frame.advance(pointer, access, loop, 1);
  });
}

/** Copies of index and pointers that a loop may step. */
function ownPointers(frame: Frame, place: Place, loop: number, start: Local): Place {
  const { f } = frame;
  const pointers = new Map(place.pointers);
  for (const [access, pointer] of place.pointers) if (!isZero(frame.stepOf(access, loop))) pointers.set(access, define(f, pointer));
  return withIndex({ ...place, pointers }, loop, define(f, start));
}

/** The dense band that a prologue is applied to, in place; positions outside of the source stay as they are. */
export interface PrologueBox {
  readonly axes: readonly Axis[];
  /** Indices that hold for the whole band, by axis. */
  readonly fixed: readonly { readonly axis: number; readonly index: Local }[];
  /** Spatial axes, outermost first. */
  readonly spatial: readonly { readonly axis: number | undefined; readonly from: Value; readonly span: Value; readonly extent: Value; readonly bytes: Value }[];
  readonly channel: { readonly axis: number; readonly start: Value; readonly count: Value };
  readonly band: Value;
}

/** Applies a prologue to a band of its operand. */
export function emitPrologue(frame: Frame, start: Place, prologue: Expression, box: PrologueBox): void {
  const { f } = frame;
  const fixed = box.fixed.reduce((place, { axis, index }) => enterAxis(frame, place, axis, index), start);
  const nest = (place: Place, position: number, address: Value): void => {
    const axis = box.spatial[position];
    if (axis === undefined) return channels(frame, place, prologue, box, address);
    const index = define(f, axis.from);
    const pointer = define(f, address);
    forRange(f, 0, axis.span, 1, () => {
      when(f, { op: "i32.lt_u", a: index, b: axis.extent }, () => nest(enterAxis(frame, place, axis.axis, index), position + 1, pointer));
      f.addTo(index, 1);
      set(f, pointer, sum(pointer, axis.bytes));
    });
  };
  nest(fixed, 0, box.band);
}

function channels(frame: Frame, outer: Place, prologue: Expression, box: PrologueBox, address: Value): void {
  const { f } = frame;
  const loop = loopOf(frame, box.channel.axis);
  const [start, pointer, rest] = [define(f, box.channel.start), define(f, address), define(f, box.channel.count)];
  const accumulate = { push: () => (f.get(pointer).load("v128.load32_splat"), "f32" as const) };
  const scalar = (place: Place): void => {
    f.get(pointer);
    new ElementEmitter(frame, place, { width: 1, loop }, accumulate).number(prologue, "f32");
    f.laneAccess("v128.store32_lane", 0, 0);
  };
  if (loop === undefined) return scalar(outer);
  const entered = { ...outer, pointers: shifted(frame, outer, loop, start).pointers };
  const own = ownPointers(frame, entered, loop, start);
  const index = own.indices.get(loop);
  const step = (lanes: 1 | 4): void => {
    f.addTo(pointer, 4 * lanes);
    if (index !== undefined) f.addTo(index, lanes);
    for (const [access, local] of own.pointers) if (local !== entered.pointers.get(access)) frame.advance(local, access, loop, lanes);
    set(f, rest, minus(rest, lanes));
  };
  const pass = (lanes: 1 | 4, body: () => void): void =>
    when(f, less(lanes - 1, rest), () => f.loop(() => {
      body();
      step(lanes);
      push(f, less(lanes - 1, rest)).brIf(0);
    }));
  pass(4, () => {
    f.get(pointer);
    const vector = { push: () => (f.get(pointer).load("v128.load"), "f32" as const) };
    new ElementEmitter(frame, own, { width: 4, loop }, vector).number(prologue, "f32");
    f.store("v128.store");
  });
  pass(1, () => scalar(own));
}
