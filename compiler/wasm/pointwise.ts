/**
 * Pointwise and sequential kernels: choice of the vector axis, merging of axes, the loop nest and its units.
 * Invariant: a unit is a position along the outermost loop (or loops), so any split computes the same bits.
 */
import type { Kernel, Size } from "../ir/kernel.ts";
import type { Frame, Term } from "./frame.ts";
import { BEGIN, END, push, sizeTerm } from "./frame.ts";
import { evaluateStores } from "./expression.ts";
import type { Lanes, Level } from "./level.ts";
import { loopAxis, loopLanes, outerLevel, settle, splitUnit } from "./nest.ts";
import { mergeAxes, openScope, siteOf, siteStride, type Scope } from "./scope.ts";
import { atLeast, magnitude, tryMultiply } from "./sizes.ts";

/** Vectors in pairs, then single ones, then elements. */
export function vectorVersions(axis: number, ...unrolls: readonly number[]): Lanes[] {
  const wide: Lanes[] = unrolls.map((unroll) => ({ axis, width: 4, unroll }));
  return [...wide, { axis, width: 1, unroll: 1 }];
}

/** The scope of a kernel that has stores alone, without accumulators. */
function storesScope(frame: Frame, kernel: Kernel): Scope {
  return openScope({
    frame,
    operands: kernel.operands,
    lets: kernel.lets,
    roots: [],
    stores: kernel.stores,
    extents: kernel.axes.map((axis) => axis.extent),
    accumulatorTypes: [],
  });
}

/** Emits the kernel into the frame and returns its units. */
export function emitPointwise(frame: Frame, kernel: Extract<Kernel, { form: "pointwise" }>): Size {
  const scope = storesScope(frame, kernel);
  const axes = mergeAxes(
    scope,
    storeOrder(
      scope,
      kernel.axes.map((_, axis) => axis),
    ),
    () => true,
  );
  const vector = vectorAxis(scope, axes);
  const outer = axes.filter((axis) => axis !== vector);
  return loopUnits(scope, outer, vector, (level) => evaluateStores(scope, level));
}

/** Axes by descending stride of the first store, so that memory is written in order. */
export function storeOrder(scope: Scope, axes: readonly number[]): number[] {
  const store = scope.stores[0];
  if (store === undefined) return [...axes];
  const { strides } = siteOf(scope, store.operand, store.at);
  const weight = (axis: number) => magnitude(strides[axis] ?? 0);
  return axes.toSorted((a, b) => weight(b) - weight(a));
}

/** The axis along which vectors lie: the one with most contiguous and fewest irregular accesses. */
export function vectorAxis(scope: Scope, axes: readonly number[]): number | undefined {
  const stores = new Set(scope.stores.map((store) => siteOf(scope, store.operand, store.at).key));
  const score = (axis: number): number => {
    let total = 0;
    for (const site of scope.sites.values()) {
      const weight = stores.has(site.key) ? 3 : 2;
      const stride = site.strides[axis] ?? 0;
      if (site.checked.some((each) => (each.axes & (1 << axis)) !== 0)) total -= 2 * weight;
      else if (stride === 1) total += weight;
      else if (stride !== 0) total -= weight - 1;
    }
    if (magnitude(scope.extents[axis] ?? 1) < 4) total -= 20;
    return total;
  };
  return axes.toReversed().reduce<number | undefined>((best, axis) => (best === undefined || score(axis) > score(best) ? axis : best), undefined);
}

const FULL = (extent: Term): { readonly from: Term; readonly to: Term } => ({ from: { constant: 0 }, to: extent });
const UNIT_RANGE = { from: { local: BEGIN }, to: { local: END } } as const;
/** Enough units to share among threads. */
const ENOUGH_UNITS = 64;
/** Elements below which a unit is not worth its division of the unit number. */
const LEAST_WORK = 64;

/** How many of the outer axes (outermost first) one unit number spans. */
function unitAxes(scope: Scope, outer: readonly number[], inner: Size): { readonly count: number; readonly units: Size } {
  const extent = (position: number) => scope.extents[outer[position] ?? 0] ?? 1;
  let units = extent(0);
  let count = 1;
  while (count < outer.length && atLeast(units) < ENOUGH_UNITS) {
    const product = tryMultiply(units, extent(count));
    const rest = outer.slice(count + 1).reduce((work, axis) => work * magnitude(scope.extents[axis] ?? 1), magnitude(inner));
    if (product === undefined || rest < LEAST_WORK) break;
    units = product;
    count++;
  }
  return { count, units };
}

/** The loops of a nest: units over the outer axes, the further outer axes, then the vector axis around `body`. */
export function loopUnits(
  scope: Scope,
  outer: readonly number[],
  vector: number | undefined,
  body: (level: Level) => void,
  versions: (axis: number) => readonly Lanes[] = (axis) => vectorVersions(axis, 1),
  bodyHasLoops = false,
): Size {
  const { frame } = scope;
  const level = outerLevel(scope);
  const extent = (axis: number): Term => sizeTerm(frame, scope.extents[axis] ?? 1);
  const only = outer.length === 0;
  settle(scope, level, undefined, vector !== undefined || !only || bodyHasLoops);
  const lanes = (inner: Level, range: { readonly from: Term; readonly to: Term }) => {
    if (vector === undefined) body(inner);
    else loopLanes(scope, inner, vector, range, versions(vector), bodyHasLoops, body);
  };
  if (only) {
    if (vector === undefined) {
      frame.code
        .get(BEGIN)
        .get(END)
        .op("i32.lt_s")
        .if(() => body(level));
      return 1;
    }
    lanes(level, UNIT_RANGE);
    return scope.extents[vector] ?? 1;
  }
  const { count, units } = unitAxes(scope, outer, vector === undefined ? 1 : (scope.extents[vector] ?? 1));
  const vectorExtent = vector === undefined ? FULL({ constant: 1 }) : FULL(extent(vector));
  const nested = (inner: Level, position: number): void => {
    const axis = outer[position];
    if (axis === undefined) lanes(inner, vectorExtent);
    else loopAxis(scope, inner, axis, FULL(extent(axis)), true, (next) => nested(next, position + 1));
  };
  const [first = 0] = outer;
  if (count === 1) {
    loopAxis(scope, level, first, UNIT_RANGE, vector !== undefined || outer.length > 1 || bodyHasLoops, (inner) => nested(inner, 1));
    return units;
  }
  const unit = frame.code.local("i32");
  const axes = outer.slice(0, count);
  const extents = axes.map((axis) => extent(axis));
  // Strides of the unit axes are read before the loop, where the prologue puts them.
  for (const site of scope.sites.values()) for (const axis of axes) siteStride(scope, site, axis);
  frame.code.get(BEGIN).set(unit);
  frame.code.block((exit) => {
    frame.code.get(unit).get(END).op("i32.ge_s").branchIf(exit);
    frame.code.loop((repeat) => {
      const inner = splitUnit(scope, level, axes, extents, unit);
      settle(scope, inner, level.bound, true);
      nested(inner, count);
      frame.code.get(unit).i32(1).op("i32.add").tee(unit).get(END).op("i32.lt_s").branchIf(repeat);
    });
  });
  return units;
}

/** In order on one thread: nothing is hoisted, as stores may change what loads read. */
export function emitSequential(frame: Frame, kernel: Extract<Kernel, { form: "sequential" }>): Size {
  const scope = storesScope(frame, kernel);
  const axes = mergeAxes(
    scope,
    kernel.axes.map((_, axis) => axis),
    () => true,
  );
  const vector = axes.findLast((axis) => isLaneSafe(scope, axis));
  const outer = axes.filter((axis) => axis !== vector);
  const extents = new Map(axes.map((axis) => [axis, sizeTerm(frame, scope.extents[axis] ?? 1)]));
  const full = (axis: number) => FULL(extents.get(axis) ?? { constant: 1 });
  const body = (level: Level) => evaluateStores(scope, level);
  const nested = (level: Level, position: number): void => {
    const axis = outer[position];
    if (axis !== undefined) loopAxis(scope, level, axis, full(axis), false, (inner) => nested(inner, position + 1));
    else if (vector === undefined) body(level);
    else loopLanes(scope, level, vector, full(vector), vectorVersions(vector, 1), false, body);
  };
  push(frame.code, { local: BEGIN }).get(END).op("i32.lt_s");
  frame.code.if(() => {
    const level = outerLevel(scope);
    settle(scope, level, undefined, false);
    nested(level, 0);
  });
  return 1;
}

/** Whether elements along the axis are stored to distinct addresses that nothing else decides. */
function isLaneSafe(scope: Scope, axis: number): boolean {
  return scope.stores.every((store) => {
    const site = siteOf(scope, store.operand, store.at);
    return site.strides[axis] === 1 && site.checked.every((each) => (each.axes & (1 << axis)) === 0);
  });
}
