/**
 * A loop level: which axes are bound, how lanes lie, and what is already in locals; index and bound arithmetic over it.
 * Invariant: knows nothing of expressions' values, so that expressions and loops may both build on it.
 */
import type { Affine, Expression } from "../ir/kernel.ts";
import type { Local } from "./encode.ts";
import { countLocal, push, type Term } from "./frame.ts";
import type { AxisSet, Checked, LaneType, Scope, Site } from "./scope.ts";

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
