/**
 * Loops over axes: index locals, running pointers, conditions and hoisted values per loop level.
 * Invariant: when a body runs, every site's pointer and condition hold for all axes bound so far.
 */
import type { Affine, Coordinate, Expression } from "../ir/kernel.ts";
import type { Local } from "./encode.ts";
import { evaluate, evaluateScalar, isTrivial } from "./expression.ts";
import { countLocal, isZero, push, pushProduct, scaled, type Term } from "./frame.ts";
import { axesOf, children, siteBase, siteStride, type AxisSet, type Checked, type LaneType, type Scope, type Site } from "./scope.ts";

/** How values are laid into vectors: `unroll` vectors of 4 along `axis`, or one element (all lanes alike). */
export interface Lanes {
  readonly axis: number;
  readonly width: 4 | 1;
  readonly unroll: number;
}

export const NO_LANES: Lanes = { axis: -1, width: 1, unroll: 1 };

export interface Held {
  readonly type: LaneType;
  /** One per unrolled vector, or a single one for all. */
  readonly locals: readonly Local[];
}

export interface Level {
  readonly bound: AxisSet;
  readonly lanes: Lanes;
  readonly indices: ReadonlyMap<number, Term>;
  readonly pointers: Map<string, Local>;
  readonly flags: Map<string, Local>;
  /** Values computed so far, by expression, `let` position or load. */
  readonly values: Map<Expression | string, Held>;
  readonly accumulators: readonly (readonly Local[])[];
}

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

/** Whether an item must be handled lane by lane, because it varies along a vector. */
export function laneWise(level: Level, axes: AxisSet): boolean {
  return level.lanes.width === 4 && (axes & (1 << level.lanes.axis)) !== 0;
}

/** Pushes the value of an affine form as i32; lanes count from the vector's first. */
export function pushAffine(scope: Scope, level: Level, affine: Affine): void {
  const { frame } = scope;
  const constant = affineTerm(scope, affine.constant, `${JSON.stringify(affine)}c`);
  push(frame.code, constant);
  affine.terms.forEach(({ axis, coefficient }, position) => {
    const index = level.indices.get(axis);
    if (coefficient === 0 || (scope.dropped & (1 << axis)) !== 0 || index === undefined) return;
    const factor = affineTerm(scope, coefficient, `${JSON.stringify(affine)}${position}`);
    if ("constant" in factor && factor.constant === 1) push(frame.code, index).op("i32.add");
    else push(push(frame.code, index), factor).op("i32.mul").op("i32.add");
  });
}

function affineTerm(scope: Scope, value: number, key: string): Term {
  if (value === 0 || value === 1) return { constant: value };
  const known = scope.affineTerms.get(key);
  const term = known ?? { local: countLocal(scope.frame, value) };
  scope.affineTerms.set(key, term);
  return term;
}

function pushCoordinate(scope: Scope, level: Level, coordinate: Coordinate): void {
  if (coordinate.dynamic === undefined) pushAffine(scope, level, coordinate.index);
  else evaluateScalar(scope, level, coordinate.dynamic);
}

/**
 * Given the index of a checked coordinate in a local, leaves the condition on the stack (if it is bounded) and the
 * coordinate after division in the local. `term` gives extents, divisors by name.
 */
export function applyBound(scope: Scope, site: Site, each: Checked, index: Local): boolean {
  const { code } = scope.frame;
  const { bound } = each.coordinate;
  if (bound === undefined) return false;
  const position = site.checked.indexOf(each);
  const extent = checkTerm(scope, site, `extent${position}`, () => countLocal(scope.frame, bound.extent));
  if (bound.divisor === 1) {
    push(code.get(index), extent).op("i32.lt_u");
    return true;
  }
  const divisor = checkTerm(scope, site, `divisor${position}`, () => countLocal(scope.frame, bound.divisor));
  const quotient = code.local("i32");
  push(code.get(index), divisor).op("i32.div_u").tee(quotient);
  push(code, divisor).op("i32.mul").get(index).op("i32.eq");
  push(code.get(quotient).tee(index), extent).op("i32.lt_u").op("i32.and");
  return true;
}

function checkTerm(scope: Scope, site: Site, name: string, make: () => Local): Term {
  const key = `${site.key}${name}`;
  const term = scope.affineTerms.get(key) ?? { local: make() };
  scope.affineTerms.set(key, term);
  return term;
}

/** The stride of an explicit coordinate, in bytes. */
export function explicitStride(scope: Scope, site: Site, each: Checked): Term {
  const stride = each.stride ?? 0;
  if (stride === 0) return { constant: 0 };
  if (stride === 1) return { constant: 4 };
  const bytes = typeof stride === "number" ? stride * 4 : { batch: stride.batch * 4 };
  return checkTerm(scope, site, `stride${site.checked.indexOf(each)}`, () => countLocal(scope.frame, bytes));
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
    push(code.get(pointer), scaled(scope.frame, siteStride(scope, site, running.axis), step)).op("i32.add").set(pointer);
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
