/**
 * The accesses and expressions of one loop nest: types, axes each value depends on, linear strides, merged axes.
 * Invariant: every load and store is a Site: base address + sum of stride * index, plus explicit and checked coordinates.
 */
import { invariant } from "../ir/invariant.ts";
import type { Affine, Coordinate, Expression, Operand, ScalarType, Size, Store } from "../ir/kernel.ts";
import { addressLocal, countLocal, strideTerm, type Frame, type Term } from "./frame.ts";
import type { Local } from "./encode.ts";
import { add, multiply, sameSize, scale, tryMultiply } from "./sizes.ts";

/** Axes as a bit set. */
export type AxisSet = number;
/** Stands in axis sets for "after the accumulators are complete". */
export const ACCUMULATED: AxisSet = 1 << 30;

/** A value on the stack is always v128: lanes of f32 or i32, or all-ones masks. */
export type LaneType = ScalarType | "mask";

/** A coordinate that is computed as a number rather than folded into strides, or checked against a bound, or both. */
export interface Checked {
  readonly coordinate: Coordinate;
  readonly axes: AxisSet;
  /** In elements; undefined where the strides of the site hold this coordinate already. */
  readonly stride: Size | undefined;
}

export interface Site {
  readonly key: string;
  readonly operand: number;
  readonly type: ScalarType;
  readonly buffer: number;
  /** Elements; the constant and the batch-proportional part. */
  readonly offset: { readonly constant: number; readonly batch: number };
  /** Elements per step of each axis. */
  readonly strides: Size[];
  readonly checked: readonly Checked[];
  /** All axes the address or condition depends on. */
  readonly axes: AxisSet;
  readonly terms: Map<number, Term>;
}

export interface Scope {
  readonly frame: Frame;
  readonly operands: readonly Operand[];
  readonly lets: readonly Expression[];
  readonly stores: readonly Store[];
  /** Expressions evaluated in the nest: accumulator values first, then stored values. */
  readonly roots: readonly Expression[];
  readonly extents: Size[];
  /** Axes merged into a neighbour or of extent 1: their index is 0. */
  dropped: AxisSet;
  readonly sites: Map<string, Site>;
  readonly usedLets: readonly number[];
  readonly accumulatorTypes: readonly ScalarType[];
  readonly axesMemo: Map<Expression, AxisSet>;
  readonly typeMemo: Map<Expression, LaneType>;
  readonly affineTerms: Map<string, Term>;
}

export interface ScopeInput {
  readonly frame: Frame;
  readonly operands: readonly Operand[];
  readonly lets: readonly Expression[];
  readonly roots: readonly Expression[];
  readonly stores: readonly Store[];
  readonly extents: readonly Size[];
  readonly accumulatorTypes: readonly ScalarType[];
}

/** Collects the sites of everything the roots and stores reach. */
export function openScope(input: ScopeInput): Scope {
  const used = new Set<number>();
  const roots = [...input.roots, ...input.stores.map((store) => store.value)];
  const scope: Scope = {
    ...input,
    roots,
    extents: [...input.extents],
    dropped: 0,
    sites: new Map(),
    usedLets: [],
    axesMemo: new Map(),
    typeMemo: new Map(),
    affineTerms: new Map(),
  };
  const visit = (expression: Expression): void => {
    if (expression.kind === "let" && !used.has(expression.index)) {
      const body = input.lets[expression.index];
      invariant(body !== undefined, "a let is missing");
      visit(body);
      used.add(expression.index);
    }
    children(expression).forEach(visit);
    if (expression.kind === "load") addSite(scope, expression.operand, expression.at);
  };
  roots.forEach(visit);
  for (const store of input.stores) {
    for (const each of store.at) if (each.dynamic !== undefined) visit(each.dynamic);
    addSite(scope, store.operand, store.at);
  }
  return { ...scope, usedLets: [...used].sort((a, b) => a - b) };
}

/** Direct subexpressions, those in coordinates included; a let counts as a leaf. */
export function children(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "load":
      return expression.at.flatMap((each) => (each.dynamic === undefined ? [] : [each.dynamic]));
    case "unary":
    case "cast":
      return [expression.x];
    case "binary":
      return [expression.left, expression.right];
    case "select":
      return [expression.condition, expression.then, expression.else];
    case "random":
      return [expression.seed, expression.index];
    default:
      return [];
  }
}

export function siteKey(operand: number, at: readonly Coordinate[]): string {
  return `${operand}${JSON.stringify(at)}`;
}

export function siteOf(scope: Scope, operand: number, at: readonly Coordinate[]): Site {
  const site = scope.sites.get(siteKey(operand, at));
  invariant(site !== undefined, "an access outside of its nest");
  return site;
}

function addSite(scope: Scope, operand: number, at: readonly Coordinate[]): void {
  const key = siteKey(operand, at);
  if (scope.sites.has(key)) return;
  const target = scope.operands[operand];
  invariant(target !== undefined && target.strides.length === at.length, "an access does not fit its operand's rank");
  const strides: Size[] = scope.extents.map(() => 0);
  const checked: Checked[] = [];
  const offset = { constant: 0, batch: 0 };
  const shift = (size: Size): void => {
    if (typeof size === "number") offset.constant += size;
    else offset.batch += size.batch;
  };
  shift(target.offset);
  let axes = 0;
  at.forEach((coordinate, position) => {
    const stride = target.strides[position] ?? 0;
    const own = coordinateAxes(scope, coordinate);
    const explicit = coordinate.dynamic !== undefined || (coordinate.bound?.divisor ?? 1) !== 1;
    axes |= own;
    if (explicit || coordinate.bound !== undefined) checked.push({ coordinate, axes: own, stride: explicit ? stride : undefined });
    if (explicit) return;
    shift(scale(stride, coordinate.index.constant));
    for (const { axis, coefficient } of coordinate.index.terms) {
      strides[axis] = add(strides[axis] ?? 0, scale(stride, coefficient));
    }
  });
  const site = { key, operand, type: target.type, buffer: target.buffer, offset, strides, checked, axes, terms: new Map() };
  scope.sites.set(key, site);
}

function affineAxes(affine: Affine): AxisSet {
  return affine.terms.reduce((set, term) => (term.coefficient === 0 ? set : set | (1 << term.axis)), 0);
}

function coordinateAxes(scope: Scope, coordinate: Coordinate): AxisSet {
  return coordinate.dynamic === undefined ? affineAxes(coordinate.index) : axesOf(scope, coordinate.dynamic);
}

/** The axes a value depends on; for loads those of address and bounds. */
export function axesOf(scope: Scope, expression: Expression): AxisSet {
  const known = scope.axesMemo.get(expression);
  if (known !== undefined) return known;
  let axes = children(expression).reduce((set, child) => set | axesOf(scope, child), 0);
  if (expression.kind === "load") axes |= expression.at.reduce((set, each) => set | coordinateAxes(scope, each), 0);
  if (expression.kind === "index") axes |= affineAxes(expression.value);
  if (expression.kind === "accumulator") axes |= ACCUMULATED;
  if (expression.kind === "let") axes |= axesOf(scope, scope.lets[expression.index] ?? expression);
  scope.axesMemo.set(expression, axes);
  return axes;
}

const MASK_OPS: ReadonlySet<string> = new Set(["not", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "and", "or"]);
const SAME_TYPE_OPS: ReadonlySet<string> = new Set(["negate", "abs", "sign", "square", "relu"]);

function numeric(type: LaneType): ScalarType {
  return type === "i32" ? "i32" : "f32";
}

/** i32 only where both are integers; a mask takes the other's type. */
function common(a: LaneType, b: LaneType): ScalarType {
  if (a === "mask") return numeric(b);
  if (b === "mask") return numeric(a);
  return a === "i32" && b === "i32" ? "i32" : "f32";
}

/** The type an expression's value has before it is converted to what its user needs. */
export function typeOf(scope: Scope, expression: Expression): LaneType {
  const known = scope.typeMemo.get(expression);
  if (known !== undefined) return known;
  const type = inferType(scope, expression);
  scope.typeMemo.set(expression, type);
  return type;
}

function inferType(scope: Scope, expression: Expression): LaneType {
  switch (expression.kind) {
    case "load":
      return scope.operands[expression.operand]?.type ?? "f32";
    case "constant":
    case "size":
      return expression.type;
    case "index":
      return "i32";
    case "unary":
      if (MASK_OPS.has(expression.op)) return "mask";
      return SAME_TYPE_OPS.has(expression.op) ? numeric(typeOf(scope, expression.x)) : "f32";
    case "binary":
      if (MASK_OPS.has(expression.op)) return "mask";
      return common(typeOf(scope, expression.left), typeOf(scope, expression.right));
    case "select":
      return common(typeOf(scope, expression.then), typeOf(scope, expression.else));
    case "cast":
      return expression.to;
    case "random":
      return "f32";
    case "accumulator":
      return scope.accumulatorTypes[expression.index] ?? "f32";
    case "let": {
      const body = scope.lets[expression.index];
      invariant(body !== undefined, "a let is missing");
      return typeOf(scope, body);
    }
  }
  expression satisfies never;
}

/** Type in which operands of a comparison or arithmetic operation meet. */
export function meet(scope: Scope, left: Expression, right: Expression): ScalarType {
  return common(typeOf(scope, left), typeOf(scope, right));
}

export function siteStride(scope: Scope, site: Site, axis: number): Term {
  const known = site.terms.get(axis);
  if (known !== undefined) return known;
  const term = strideTerm(scope.frame, site.strides[axis] ?? 0);
  site.terms.set(axis, term);
  return term;
}

/** A local with the address of the site where all indices are 0. */
export function siteBase(scope: Scope, site: Site): Local {
  const { constant, batch } = site.offset;
  if (constant === 0 || batch === 0) {
    return addressLocal(scope.frame, site.buffer, batch === 0 ? 4 * constant : { batch: 4 * batch });
  }
  const base = addressLocal(scope.frame, site.buffer, 4 * constant);
  const rest = countLocal(scope.frame, { batch: 4 * batch });
  scope.frame.prologue.get(base).get(rest).op("i32.add").set(base);
  return base;
}

/** Affine forms among the values (not in addresses): they too must agree to a merge. */
function indexForms(scope: Scope): readonly Affine[] {
  const forms: Affine[] = [];
  const visit = (expression: Expression): void => {
    if (expression.kind === "index") forms.push(expression.value);
    children(expression).forEach(visit);
  };
  scope.roots.forEach(visit);
  for (const index of scope.usedLets) visit(scope.lets[index] ?? { kind: "constant", value: 0, type: "f32" });
  for (const store of scope.stores) for (const each of store.at) if (each.dynamic !== undefined) visit(each.dynamic);
  return forms;
}

/** Axes whose index itself is used: in values, or in coordinates that are checked or computed. */
export function indexAxes(scope: Scope): AxisSet {
  const inValues = indexForms(scope).reduce((set, form) => set | affineAxes(form), 0);
  return [...scope.sites.values()].flatMap((site) => site.checked).reduce((set, each) => set | each.axes, inValues);
}

function coefficient(form: Affine, axis: number): number {
  return form.terms.reduce((sum, term) => (term.axis === axis ? sum + term.coefficient : sum), 0);
}

/**
 * Merges neighbours of `order` (outer first) whose strides allow one longer loop, and drops axes of extent 1.
 * Returns what remains of `order`; merged extents are in `scope.extents`.
 */
export function mergeAxes(scope: Scope, order: readonly number[], canMerge: (outer: number, inner: number) => boolean): number[] {
  const forms = indexForms(scope);
  const kept: number[] = [];
  for (const axis of order) {
    if (scope.extents[axis] === 1) {
      scope.dropped |= 1 << axis;
      continue;
    }
    const outer = kept.at(-1);
    if (outer !== undefined && canMerge(outer, axis) && mergeable(scope, forms, outer, axis)) {
      scope.extents[axis] = multiply(scope.extents[outer] ?? 1, scope.extents[axis] ?? 1);
      scope.dropped |= 1 << outer;
      kept.pop();
    }
    kept.push(axis);
  }
  return kept;
}

function mergeable(scope: Scope, forms: readonly Affine[], outer: number, inner: number): boolean {
  const extent = scope.extents[inner] ?? 1;
  if (tryMultiply(scope.extents[outer] ?? 1, extent) === undefined) return false;
  const both = (1 << outer) | (1 << inner);
  for (const site of scope.sites.values()) {
    if (site.checked.some((each) => (each.axes & both) !== 0)) return false;
    const reach = tryMultiply(extent, site.strides[inner] ?? 0);
    if (reach === undefined || !sameSize(reach, site.strides[outer] ?? 0)) return false;
  }
  return forms.every((form) => {
    const step = coefficient(form, outer);
    const reach = scale(extent, coefficient(form, inner));
    return typeof reach === "number" && reach === step;
  });
}
