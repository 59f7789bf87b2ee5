/**
 * Canonical `min`, `max` and `select`.
 * Invariant: what both alternatives share is outside (`min(a + c, b + c)` is `min(a, b) + c`), so equal choices meet.
 */
import { boundsOf, decideCondition } from "./dim-bounds.ts";
import {
  add,
  type Dim,
  type DimCondition,
  type DimTerm,
  dimKey,
  divideCoefficients,
  factorsKey,
  floorQuotient,
  fromAtom,
  fromParts,
  greatestCommonDivisor,
  negate,
  partsOf,
  sameDim,
  scale,
  sub,
} from "./dim-polynomial.ts";

/** Alternatives double with each nested choice; deeper ones stay opaque. */
const MAX_NESTING = 4;

/** The lesser of two sizes. */
export function min(a: Dim, b: Dim): Dim {
  return extreme("min", a, b);
}

/** The greater of two sizes. */
export function max(a: Dim, b: Dim): Dim {
  return extreme("max", a, b);
}

function extreme(kind: "min" | "max", a: Dim, b: Dim): Dim {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  const kept: Dim[] = [];
  for (const candidate of [...operands(kind, a), ...operands(kind, b)]) {
    if (kept.some((other) => wins(kind, other, candidate))) continue;
    const rest = kept.filter((other) => !wins(kind, candidate, other));
    kept.splice(0, kept.length, ...rest, candidate);
  }
  const shared = leastCommonPart(kind, kept);
  const own = kept.map((each) => sub(each, shared));
  const content = greatestCommonDivisor(own.flatMap(coefficients)) || 1;
  const parts = own.map((each) => divideCoefficients(each, content));
  parts.sort((x, y) => rank(x) - rank(y) || (dimKey(x) < dimKey(y) ? -1 : 1));
  const folded = parts.reduceRight((right, left) => fromAtom({ kind, left, right }));
  return add(shared, scale(folded, content));
}

/** Symbolic operands come before the constant, as people write `min(H, 512)`. */
function rank(a: Dim): number {
  return typeof a === "number" ? 1 : 0;
}

/** Whether `a` is at least as extreme as `b` in every assignment. */
function wins(kind: "min" | "max", a: Dim, b: Dim): boolean {
  const difference = boundsOf(kind === "min" ? sub(b, a) : sub(a, b));
  return difference.low >= 0;
}

/** The alternatives of nested choices: `c*min(a, b) + rest` with c > 0 counts as `c*a + rest` and `c*b + rest`. */
function operands(kind: "min" | "max", a: Dim, depth = 0): readonly Dim[] {
  const term = depth < MAX_NESTING ? partsOf(a).terms.find((each) => isChoice(kind, each) && each.coefficient > 0) : undefined;
  const atom = term?.factors[0];
  if (term === undefined || (atom?.kind !== "min" && atom?.kind !== "max")) return [a];
  const rest = sub(a, fromParts(0, [term]));
  return [atom.left, atom.right].flatMap((side) => operands(kind, add(scale(side, term.coefficient), rest), depth + 1));
}

function isChoice(kind: "min" | "max", term: DimTerm): boolean {
  return term.factors.length === 1 && term.factors[0]?.kind === kind;
}

/** The least coefficient of each product among all alternatives; choices of the same kind only where all have them. */
function leastCommonPart(kind: "min" | "max", dims: readonly Dim[]): Dim {
  const all = dims.map(partsOf);
  const least = new Map<string, DimTerm>();
  for (const part of all) {
    for (const term of part.terms) {
      const key = factorsKey(term.factors);
      const each = all.map((other) => coefficientAt(other.terms, key));
      const coefficient = Math.min(...each);
      if (isChoice(kind, term) && coefficient !== Math.max(...each)) continue;
      least.set(key, { coefficient, factors: term.factors });
    }
  }
  return fromParts(Math.min(...all.map((part) => part.constant)), [...least.values()]);
}

function coefficientAt(terms: readonly DimTerm[], key: string): number {
  return terms.find((term) => factorsKey(term.factors) === key)?.coefficient ?? 0;
}

function coefficients(a: Dim): readonly number[] {
  const { constant, terms } = partsOf(a);
  return [constant, ...terms.map((term) => term.coefficient)];
}

/** `condition ? a : b`. */
export function select(condition: DimCondition, a: Dim, b: Dim): Dim {
  const normal = normalCondition(condition);
  if (normal === true || sameDim(a, b)) return a;
  if (normal === false) return b;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  if (normal.op === "!=") return select({ ...normal, op: "==" }, b, a);
  const shared = equalPart(a, b);
  return add(shared, fromAtom({ kind: "select", condition: normal, then: sub(a, shared), else: sub(b, shared) }));
}

/** The symbolic terms, coefficient included, that both have. */
function equalPart(a: Dim, b: Dim): Dim {
  const other = partsOf(b).terms;
  const shared = partsOf(a).terms.filter((term) => coefficientAt(other, factorsKey(term.factors)) === term.coefficient);
  return fromParts(0, shared);
}

/** A condition with the difference split by sign (`left` and `right` add up, nothing subtracts), or its truth value. */
export function normalCondition({ op, left, right }: DimCondition): DimCondition | boolean {
  const strict = op === "<";
  const difference = add(sub(left, right), strict ? 1 : 0);
  const kind = strict ? "<=" : op;
  if (Number.isNaN(difference)) return { op, left, right };
  const decided = decideCondition({ op: kind, left: difference, right: 0 }, difference);
  if (decided !== undefined) return decided;
  const { constant, terms } = partsOf(difference);
  const content = greatestCommonDivisor(terms.map((term) => term.coefficient));
  const reduced = terms.map((term) => ({ coefficient: term.coefficient / content, factors: term.factors }));
  if (kind === "<=") return split(kind, fromParts(-(floorQuotient(-constant, content) ?? 0), reduced));
  if (constant % content !== 0) return kind === "!=";
  const whole = fromParts(constant / content, reduced);
  return split(kind, (reduced[0]?.coefficient ?? 0) < 0 ? negate(whole) : whole);
}

function split(op: DimCondition["op"], difference: Dim): DimCondition {
  const { constant, terms } = partsOf(difference);
  const left = fromParts(
    Math.max(constant, 0),
    terms.filter((term) => term.coefficient > 0),
  );
  return { op, left, right: sub(left, difference) };
}
