/**
 * Pointwise and sequential kernels: a vector loop over the innermost axis inside the range of units.
 * Invariant: an element's value does not depend on where the range or a vector begins.
 */
import type { Expression, Size } from "../ir/kernel.ts";
import { ElementEmitter } from "./expression.ts";
import type { Frame, Place } from "./frame.ts";
import { isOne, isZero } from "./loops.ts";
import { forLanes, forLoops, forUnits, unitsOf } from "./nest.ts";

/** The loop to vectorise: the one that most accesses walk contiguously, stores counting double, long ones preferred. */
export function chooseVectorLoop(frame: Frame, loops: readonly number[], stores: readonly number[], accesses: readonly number[]): number | undefined {
  let best: number | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const loop of loops) {
    const extent = frame.plan.loops[loop]?.extent ?? 1;
    let score = typeof extent === "number" && extent < 4 ? -100 : 0;
    for (const index of accesses) {
      const step = frame.stepOf(index, loop);
      const weight = stores.includes(index) ? 4 : 2;
      if (isOne(step)) score += weight;
      else if (!isZero(step)) score -= weight / 2;
      if (frame.access(index).guards.some(({ steps }) => (steps[loop] ?? 0) !== 0)) score -= weight / 2;
    }
    if (score >= bestScore) [best, bestScore] = [loop, score];
  }
  return best;
}

/** Emits the body of a pointwise kernel; returns its units. */
export function emitPointwise(frame: Frame): Size {
  const { kernel } = frame;
  const accesses = [...new Set(kernel.stores.flatMap((store) => frame.registerStore(store)))];
  const targets = kernel.stores.map((store) => frame.accessIndex(store));
  const loops = frame.plan.loops.map((_, loop) => loop);
  const vector = chooseVectorLoop(frame, loops, targets, accesses);
  const outer = loops.filter((loop) => loop !== vector);
  const start = frame.start(accesses);
  if (vector === undefined) {
    forUnits(frame, start, [], frame.begin, frame.end, (place) => scalarBody(frame, place));
    return 1;
  }
  const lanes = (place: Place, from: Parameters<typeof forLanes>[3]) =>
    forLanes(frame, place, vector, from, (inner, width) => new ElementEmitter(frame, inner, width).stores(kernel.stores));
  if (outer.length > 0) {
    forUnits(frame, start, outer, frame.begin, frame.end, (place) => lanes(place, { from: undefined, count: frame.extent(vector) }));
    return unitsOf(frame, outer);
  }
  const count = frame.f.local("i32");
  frame.f.get(frame.end).get(frame.begin).op("i32.sub").set(count);
  lanes(start, { from: frame.begin, count });
  return unitsOf(frame, [vector]);
}

function scalarBody(frame: Frame, place: Place): void {
  new ElementEmitter(frame, place, { width: 1, loop: undefined }).stores(frame.kernel.stores);
}

/** Emits the body of a sequential kernel: one unit, elements in the order of the axes unless all stores are distinct along a row. */
export function emitSequential(frame: Frame): Size {
  const { kernel } = frame;
  const accesses = [...new Set(kernel.stores.flatMap((store) => frame.registerStore(store)))];
  const loops = frame.plan.loops.map((_, loop) => loop);
  const last = loops.at(-1);
  const start = frame.start(accesses);
  const vectorisable =
    last !== undefined &&
    kernel.stores.every((store) => {
      const access = frame.access(frame.accessIndex(store));
      const fixed = access.dynamics.every(({ value }) => !dependsOn(frame, value, last));
      return fixed && isOne(access.steps[last] ?? { fixed: 0, batch: 0 }) && access.guards.every(({ steps }) => (steps[last] ?? 0) === 0);
    });
  forUnits(frame, start, [], frame.begin, frame.end, (outer) => {
    if (vectorisable && kernel.stores.length === 1) {
      forLoops(frame, outer, loops.slice(0, -1), (place) => {
        forLanes(frame, place, last, { from: undefined, count: frame.extent(last) }, (inner, lanes) => {
          new ElementEmitter(frame, inner, lanes).stores(kernel.stores);
        });
      });
    } else forLoops(frame, outer, loops, (place) => scalarBody(frame, place));
  });
  return 1;
}

function dependsOn(frame: Frame, value: Expression, loop: number): boolean {
  const place = { pointers: new Map(), valid: new Map(), indices: new Map() };
  return new ElementEmitter(frame, place, { width: 4, loop }).varies(value);
}
