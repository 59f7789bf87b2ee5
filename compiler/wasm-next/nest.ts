/**
 * Loop nests: the range of units that a call covers, sequential loops inside, and vector loops with a scalar tail.
 * Invariant: pointers, indices and checked bounds of a Place are right whenever its body runs.
 */
import type { Size } from "../ir/kernel.ts";
import { invariant } from "../ir/invariant.ts";
import type { Local } from "./encode.ts";
import type { Lanes } from "./expression.ts";
import type { Frame, Place } from "./frame.ts";
import { isZero, multiplySizes } from "./loops.ts";

/** The product of extents. */
export function unitsOf(frame: Frame, loops: readonly number[]): Size {
  return loops.reduce<Size>((product, loop) => {
    const next = multiplySizes(product, frame.plan.loops[loop]?.extent ?? 1);
    invariant(next !== undefined, "a kernel has more units than are linear in the batch");
    return next;
  }, 1);
}

/** Copies of the pointers that move along any of the loops; others are shared with the outer place. */
function movingPointers(frame: Frame, place: Place, loops: readonly number[]): Map<number, Local> {
  const moving = new Map<number, Local>();
  for (const index of place.pointers.keys()) {
    if (loops.some((loop) => !isZero(frame.stepOf(index, loop)))) moving.set(index, frame.f.local("i32"));
  }
  return moving;
}

/** Runs `body` for each unit in [begin, end), counted over `loops`, the last one fastest. */
export function forUnits(frame: Frame, outer: Place, loops: readonly number[], begin: Local, end: Local, body: (place: Place) => void): void {
  const { f } = frame;
  const last = loops.at(-1);
  f.get(begin)
    .get(end)
    .op("i32.lt_u")
    .if(() => {
      if (last === undefined) {
        body(outer);
        return;
      }
      const unit = f.local("i32");
      f.get(begin).set(unit);
      const indices = decode(frame, loops, unit);
      f.get(begin).set(unit);
      const moving = movingPointers(frame, outer, loops);
      const place = { ...outer, pointers: new Map([...outer.pointers, ...moving]), indices: new Map([...outer.indices, ...indices]) };
      const lastIndex = indices.get(last) ?? unit;
      f.block(() =>
        f.loop(() => {
          for (const [index, pointer] of moving) {
            f.get(outer.pointers.get(index) ?? pointer);
            for (const loop of loops) pushOffset(frame, index, loop, indices);
            f.set(pointer);
          }
          f.loop(() => {
            body(frame.settle(place, outer));
            f.get(unit).i32(1).op("i32.add").tee(unit).get(end).op("i32.ge_u").brIf(2);
            for (const [index, pointer] of moving) frame.advance(pointer, index, last, 1);
            f.get(lastIndex).i32(1).op("i32.add").tee(lastIndex).get(frame.extent(last)).op("i32.lt_u").brIf(0);
          });
          f.i32(0).set(lastIndex);
          carry(frame, loops.slice(0, -1), indices);
          f.br(0);
        }),
      );
    });
}

/** Adds index * step of one loop to the address on the stack. */
function pushOffset(frame: Frame, access: number, loop: number, indices: ReadonlyMap<number, Local>): void {
  const index = indices.get(loop);
  if (index === undefined || isZero(frame.stepOf(access, loop))) return;
  frame.f.get(index).get(frame.byteStep(access, loop)).op("i32.mul", "i32.add");
}

/** The indices of a unit; `unit` is used up. */
function decode(frame: Frame, loops: readonly number[], unit: Local): Map<number, Local> {
  const { f } = frame;
  const indices = new Map<number, Local>();
  for (const [position, loop] of [...loops.entries()].reverse()) {
    const index = f.local("i32");
    indices.set(loop, index);
    f.get(unit);
    if (position > 0) {
      f.get(frame.extent(loop)).op("i32.rem_u").set(index);
      f.get(unit).get(frame.extent(loop)).op("i32.div_u").set(unit);
    } else f.set(index);
  }
  return indices;
}

/** Steps the given indices like the digits of a number; the first never overflows. */
function carry(frame: Frame, loops: readonly number[], indices: ReadonlyMap<number, Local>): void {
  const { f } = frame;
  f.block(() => {
    for (const [position, loop] of [...loops.entries()].reverse()) {
      const index = indices.get(loop);
      if (index === undefined) continue;
      f.get(index).i32(1).op("i32.add").set(index);
      if (position === 0) continue;
      f.get(index).get(frame.extent(loop)).op("i32.lt_u").brIf(0);
      f.i32(0).set(index);
    }
  });
}

/** Loops over whole extents, the last one innermost. */
export function forLoops(frame: Frame, outer: Place, loops: readonly number[], body: (place: Place) => void): void {
  const [loop, ...inner] = loops;
  if (loop === undefined) {
    body(outer);
    return;
  }
  const { f } = frame;
  const index = f.local("i32");
  const place = enter(frame, outer, loop, index);
  f.i32(0).set(index);
  f.loop(() => {
    forLoops(frame, frame.settle(place, outer), inner, body);
    for (const [access, pointer] of place.pointers) {
      if (pointer !== outer.pointers.get(access)) frame.advance(pointer, access, loop, 1);
    }
    f.get(index).i32(1).op("i32.add").tee(index).get(frame.extent(loop)).op("i32.lt_u").brIf(0);
  });
}

/** Pointers for a loop of their own, at its start. */
function enter(frame: Frame, outer: Place, loop: number, index: Local): Place {
  const { f } = frame;
  const moving = movingPointers(frame, outer, [loop]);
  for (const [access, pointer] of moving) f.get(outer.pointers.get(access) ?? pointer).set(pointer);
  return { ...outer, pointers: new Map([...outer.pointers, ...moving]), indices: new Map([...outer.indices, [loop, index]]) };
}

/** A stretch of the vector loop: from index `from` (undefined: 0), `count` elements. */
export interface Stretch {
  readonly from: Local | undefined;
  readonly count: Local;
  /** Further i32 locals (addresses) that move by 4 bytes per element. */
  readonly moving?: readonly Local[];
}

/** Emits `body` for four elements at a time and again for the rest one by one. */
export function forLanes(
  frame: Frame,
  outer: Place,
  loop: number,
  { from, count, moving = [] }: Stretch,
  body: (place: Place, lanes: Lanes) => void,
): void {
  const { f } = frame;
  const [index, rest] = [f.local("i32"), f.local("i32")];
  if (from === undefined) f.i32(0).set(index);
  else f.get(from).set(index);
  const place = enter(frame, outer, loop, index);
  if (from !== undefined) {
    for (const [access, pointer] of place.pointers) {
      if (pointer === outer.pointers.get(access)) continue;
      f.get(pointer).get(from).get(frame.byteStep(access, loop)).op("i32.mul", "i32.add").set(pointer);
    }
  }
  f.get(count).set(rest);
  const pass = (width: 1 | 4): void => {
    f.loop(() => {
      body(place, { width, loop });
      for (const [access, pointer] of place.pointers) {
        if (pointer !== outer.pointers.get(access)) frame.advance(pointer, access, loop, width);
      }
      for (const local of moving) f.addTo(local, 4 * width);
      f.addTo(index, width);
      f.get(rest).i32(width).op("i32.sub").tee(rest).i32(width).op("i32.ge_s").brIf(0);
    });
  };
  f.get(rest)
    .i32(4)
    .op("i32.ge_s")
    .if(() => pass(4));
  f.get(rest)
    .i32(0)
    .op("i32.gt_s")
    .if(() => pass(1));
}
