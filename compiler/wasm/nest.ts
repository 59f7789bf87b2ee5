/**
 * Loops over axes: index locals, running pointers, conditions and hoisted values per loop level.
 * Invariant: when a body runs, every site's pointer and condition hold for all axes bound so far.
 */
import type { Coordinate, Expression } from "../ir/kernel.ts";
import type { Local } from "./encode.ts";
import { evaluate, evaluateScalar, isTrivial } from "./expression.ts";
import { isZero, push, pushProduct, scaled, type Term } from "./frame.ts";
import { applyBound, explicitStride, laneWise, type Lanes, type Level, NO_LANES, pushAffine } from "./level.ts";
import { axesOf, children, siteBase, siteStride, type AxisSet, type Checked, type LaneType, type Scope, type Site } from "./scope.ts";

/** The level outside of all loops. `pointers` replaces the addresses taken from the arguments (by site key). */
export function outerLevel(scope: Scope, pointers?: ReadonlyMap<string, Local>): Level {
  const level: Level = {
    bound: 0,
    lanes: NO_LANES,
    indices: new Map(),
    pointers: new Map(pointers),
    flags: new Map(),
    values: new Map(),
    accumulators: [],
  };
  for (const site of scope.sites.values()) if (!level.pointers.has(site.key)) level.pointers.set(site.key, siteBase(scope, site));
  return level;
}

/** A level inside `outer` where `axes` have become bound. */
export function innerLevel(outer: Level, changes: Partial<Level> & { readonly axes?: AxisSet }): Level {
  return {
    ...outer,
    pointers: new Map(outer.pointers),
    flags: new Map(outer.flags),
    values: new Map(outer.values),
    ...changes,
    bound: outer.bound | (changes.axes ?? 0),
  };
}

function pushCoordinate(scope: Scope, level: Level, coordinate: Coordinate): void {
  if (coordinate.dynamic === undefined) pushAffine(scope, level, coordinate.index);
  else evaluateScalar(scope, level, coordinate.dynamic);
}

/** Settles what the newly bound axes decide: explicit coordinates, conditions and, unless `last`, hoisted values. */
export function settle(scope: Scope, level: Level, before: AxisSet | undefined, hoisting: boolean): void {
  for (const site of scope.sites.values()) {
    for (const each of site.checked) {
      const axes = each.axes & ~scope.dropped;
      const ready = (axes & ~level.bound) === 0 && (before === undefined || (axes & ~before) !== 0);
      if (ready && !laneWise(level, axes)) settleChecked(scope, level, site, each);
    }
  }
  if (!hoisting) return;
  for (const index of scope.usedLets) hoist(scope, level, { kind: "let", index });
  for (const index of scope.usedLets) {
    const body = scope.lets[index];
    if (body !== undefined && !level.values.has(`let${index}`)) hoist(scope, level, body);
  }
  for (const root of scope.roots) hoist(scope, level, root);
}

function settleChecked(scope: Scope, level: Level, site: Site, each: Checked): void {
  const { code } = scope.frame;
  const index = code.local("i32");
  pushCoordinate(scope, level, each.coordinate);
  code.set(index);
  if (applyBound(scope, site, each, index)) {
    const known = level.flags.get(site.key);
    if (known !== undefined) code.get(known).op("i32.and");
    const flag = code.local("i32");
    code.set(flag);
    level.flags.set(site.key, flag);
  }
  const stride = explicitStride(scope, site, each);
  if (isZero(stride)) return;
  const pointer = code.local("i32");
  code.get(level.pointers.get(site.key) ?? 0);
  pushProduct(code, index, stride).op("i32.add").set(pointer);
  level.pointers.set(site.key, pointer);
}

/** Computes, here, the largest subexpressions that no deeper axis changes. */
function hoist(scope: Scope, level: Level, expression: Expression): void {
  const key = expression.kind === "let" ? `let${expression.index}` : expression;
  if (isTrivial(expression) || level.values.has(key)) return;
  const axes = axesOf(scope, expression) & ~scope.dropped;
  if ((axes & ~level.bound) !== 0) {
    if (expression.kind !== "load") for (const child of children(expression)) hoist(scope, level, child);
    return;
  }
  const count = laneWise(level, axes) ? level.lanes.unroll : 1;
  const locals: Local[] = [];
  let type: LaneType = "f32";
  for (let vector = 0; vector < count; vector++) {
    type = evaluate(scope, level, expression, vector);
    const local = scope.frame.code.local("v128");
    scope.frame.code.set(local);
    locals.push(local);
  }
  level.values.set(key, { type, locals });
}

/** The moving parts of one loop: its index and the pointers that its axis changes. */
interface Running {
  readonly axis: number;
  readonly index: Local;
  readonly pointers: ReadonlyMap<string, Local>;
}

function start(scope: Scope, level: Level, axis: number, from: Term): Running {
  const { code } = scope.frame;
  const index = code.local("i32");
  push(code, from).set(index);
  const pointers = new Map<string, Local>();
  for (const site of scope.sites.values()) {
    const stride = siteStride(scope, site, axis);
    if (isZero(stride)) continue;
    const pointer = code.local("i32");
    code.get(level.pointers.get(site.key) ?? 0);
    if (!isZero(from)) pushProduct(code, index, stride).op("i32.add");
    code.set(pointer);
    pointers.set(site.key, pointer);
  }
  return { axis, index, pointers };
}

function advance(scope: Scope, running: Running, step: number): void {
  const { code } = scope.frame;
  for (const [key, pointer] of running.pointers) {
    const site = scope.sites.get(key);
    if (site === undefined) continue;
    push(code.get(pointer), scaled(scope.frame, siteStride(scope, site, running.axis), step))
      .op("i32.add")
      .set(pointer);
  }
  code.get(running.index).i32(step).op("i32.add").set(running.index);
}

function enter(scope: Scope, level: Level, running: Running, lanes: Lanes, hoisting: boolean): Level {
  const inner = innerLevel(level, {
    axes: 1 << running.axis,
    indices: new Map([...level.indices, [running.axis, { local: running.index }]]),
    lanes,
  });
  for (const [key, pointer] of running.pointers) inner.pointers.set(key, pointer);
  settle(scope, inner, level.bound, hoisting);
  return inner;
}

/** `while (index + step <= to) { body; index += step }` */
function whileFits(scope: Scope, running: Running, to: Term, step: number, body: () => void): void {
  const { code } = scope.frame;
  const limit = code.local("i32");
  push(code, to).i32(step).op("i32.sub").set(limit);
  code.block((exit) => {
    code.get(running.index).get(limit).op("i32.gt_s").branchIf(exit);
    code.loop((repeat) => {
      body();
      advance(scope, running, step);
      code.get(running.index).get(limit).op("i32.le_s").branchIf(repeat);
    });
  });
}

/** A loop over one axis, element by element. `hoisting`: further loops follow inside. */
export function loopAxis(
  scope: Scope,
  level: Level,
  axis: number,
  range: { readonly from: Term; readonly to: Term },
  hoisting: boolean,
  body: (inner: Level) => void,
): void {
  const running = start(scope, level, axis, range.from);
  whileFits(scope, running, range.to, 1, () => body(enter(scope, level, running, level.lanes, hoisting)));
}

/** A loop over an axis in vectors of 4 (in groups, as `versions` say, widest first), then single elements. */
export function loopLanes(
  scope: Scope,
  level: Level,
  axis: number,
  range: { readonly from: Term; readonly to: Term },
  versions: readonly Lanes[],
  hoisting: boolean,
  body: (inner: Level) => void,
): void {
  const running = start(scope, level, axis, range.from);
  for (const lanes of versions) {
    whileFits(scope, running, range.to, lanes.width * lanes.unroll, () => body(enter(scope, level, running, lanes, hoisting)));
  }
}

/** Binds several axes at once from one running number (row-major), for units that span axes. */
export function splitUnit(scope: Scope, level: Level, axes: readonly number[], extents: readonly Term[], unit: Local): Level {
  const { code } = scope.frame;
  const indices = new Map<number, Local>();
  const rest = code.local("i32");
  code.get(unit).set(rest);
  for (let position = axes.length - 1; position >= 0; position--) {
    const axis = axes[position] ?? 0;
    const index = code.local("i32");
    const extent = extents[position] ?? { constant: 1 };
    if (position === 0) code.get(rest).set(index);
    else {
      push(code.get(rest), extent).op("i32.rem_u").set(index);
      push(code.get(rest), extent).op("i32.div_u").set(rest);
    }
    indices.set(axis, index);
  }
  return bindAxes(scope, level, indices);
}

/** Binds axes to index locals: pointers move by stride * index. The caller settles the level. */
export function bindAxes(scope: Scope, level: Level, indices: ReadonlyMap<number, Local>): Level {
  const { code } = scope.frame;
  let bound = 0;
  for (const axis of indices.keys()) bound |= 1 << axis;
  const all = new Map([...level.indices, ...[...indices].map(([axis, local]) => [axis, { local }] as const)]);
  const inner = innerLevel(level, { axes: bound, indices: all });
  for (const site of scope.sites.values()) {
    const moving = [...indices.keys()].filter((axis) => !isZero(siteStride(scope, site, axis)));
    if (moving.length === 0) continue;
    const pointer = code.local("i32");
    code.get(level.pointers.get(site.key) ?? 0);
    for (const axis of moving) pushProduct(code, indices.get(axis) ?? 0, siteStride(scope, site, axis)).op("i32.add");
    code.set(pointer);
    inner.pointers.set(site.key, pointer);
  }
  return inner;
}

/** Binds the vector axis at the index in a local, without a loop. */
export function enterLanes(scope: Scope, level: Level, index: Local, lanes: Lanes): Level {
  const inner = innerLevel(bindAxes(scope, level, new Map([[lanes.axis, index]])), { lanes });
  settle(scope, inner, level.bound, false);
  return inner;
}
