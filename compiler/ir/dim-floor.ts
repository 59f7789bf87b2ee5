/**
 * Canonical floor division of sizes.
 * Invariant: every rewrite is exact over the integers wherever the original has a value (a non-zero divisor).
 */
import { boundsOf } from "./dim-bounds.ts";
import {
  add,
  type Dim,
  type DimAtom,
  type DimTerm,
  divideCoefficients,
  divideFactors,
  divideWithRemainder,
  type FloorAtom,
  floorQuotient,
  fromAtom,
  fromParts,
  greatestCommonDivisor,
  leadingTerm,
  mul,
  negate,
  partsOf,
  sub,
} from "./dim-polynomial.ts";

/** `floor(a / b)` for integers a and b; without a value where b is 0. */
export function floorDiv(a: Dim, b: Dim): Dim {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  if (b === 1) return a;
  if (typeof a === "number" && typeof b === "number" && b !== 0) return floorQuotient(a, b) ?? Number.NaN;
  if (b === 0) return fromAtom({ kind: "floor", numerator: a, denominator: b });
  if (leadingTerm(b).coefficient < 0) return floorDiv(negate(a), negate(b));
  const { quotient, remainder } = divideWithRemainder(a, b);
  if (quotient !== 0) return add(quotient, floorDiv(remainder, b));
  return a === 0 ? 0 : (cancelContent(a, b) ?? cancelFactors(a, b) ?? nearZero(a, b) ?? mergeNested(a, b) ?? opaque(a, b));
}

/** `floor((g*x + r) / (g*y)) = floor(x / y)` for 0 <= r < g, since `floor(floor(z) / y) = floor(z / y)` for y >= 1. */
function cancelContent(a: Dim, b: Dim): Dim | undefined {
  const numerator = partsOf(a);
  const denominator = partsOf(b);
  const inner = greatestCommonDivisor([
    ...numerator.terms.map((term) => term.coefficient),
    denominator.constant,
    ...denominator.terms.map((term) => term.coefficient),
  ]);
  const divisor = isPositive(b) ? inner : greatestCommonDivisor([inner, numerator.constant]);
  if (divisor <= 1) return undefined;
  const constant = floorQuotient(numerator.constant, divisor);
  if (constant === undefined) return undefined;
  const terms = numerator.terms.map((term) => ({ coefficient: term.coefficient / divisor, factors: term.factors }));
  return floorDiv(fromParts(constant, terms), divideCoefficients(b, divisor));
}

/**
 * Atoms that every product of the divisor has cancel: `floor((c*x + r)/(c*y)) = floor((x + floor(r/c))/y)` where the sign
 * and size of r decide the inner quotient, or there is no r.
 */
function cancelFactors(a: Dim, b: Dim): Dim | undefined {
  const bottom = partsOf(b);
  const first = bottom.terms[0];
  if (bottom.constant !== 0 || first === undefined) return undefined;
  const top = partsOf(a);
  const common: DimAtom[] = [];
  for (const factor of first.factors) {
    const more = [...common, factor];
    if (!bottom.terms.every((term) => divideFactors(term.factors, more) !== undefined)) continue;
    if (top.terms.some((term) => divideFactors(term.factors, more) !== undefined)) common.push(factor);
  }
  if (common.length === 0) return undefined;
  const whole = top.terms.filter((term) => divideFactors(term.factors, common) !== undefined);
  const rest = sub(a, fromParts(0, whole));
  const divisor = withoutFactors(b, common);
  const inner = withoutFactors(fromParts(0, whole), common);
  if (rest === 0) return floorDiv(inner, divisor);
  if (!isPositive(divisor)) return undefined;
  const shift = nearZero(rest, fromParts(0, [{ coefficient: 1, factors: common }]));
  return shift === undefined ? undefined : floorDiv(add(inner, shift), divisor);
}

function withoutFactors(a: Dim, factors: readonly DimAtom[]): Dim {
  let constant = 0;
  const terms: DimTerm[] = [];
  for (const term of partsOf(a).terms) {
    const rest = divideFactors(term.factors, factors) ?? term.factors;
    if (rest.length === 0) constant += term.coefficient;
    else terms.push({ coefficient: term.coefficient, factors: rest });
  }
  return fromParts(constant, terms);
}

/** 0 for `0 <= a < b` and -1 for `-b <= a < 0`, when the bounds of the symbols say so. */
function nearZero(a: Dim, b: Dim): Dim | undefined {
  if (!isPositive(b)) return undefined;
  const { low, high } = boundsOf(a);
  if (low >= 0 && boundsOf(sub(b, a)).low >= 1) return 0;
  if (high <= -1 && boundsOf(add(a, b)).low >= 0) return -1;
  return undefined;
}

/** `floor((floor(n/m) + c) / b) = floor((n + c*m) / (m*b))` for b >= 1; a negated floor is `floor((m - 1 - n)/m)`. */
function mergeNested(a: Dim, b: Dim): Dim | undefined {
  if (!isPositive(b)) return undefined;
  const floors = partsOf(a).terms.filter((term) => term.factors.some((factor) => factor.kind === "floor"));
  const [only, second] = floors;
  if (only === undefined || second !== undefined || only.factors.length !== 1) return undefined;
  const inner = only.factors[0] as FloorAtom;
  const rest = sub(a, fromParts(0, [only]));
  const { numerator, denominator } = inner;
  if (only.coefficient === 1) return floorDiv(add(numerator, mul(rest, denominator)), mul(denominator, b));
  if (only.coefficient !== -1 || !isPositive(denominator)) return undefined;
  const top = sub(sub(denominator, 1), numerator);
  return floorDiv(add(top, mul(rest, denominator)), mul(denominator, b));
}

/** Nothing applies: a new atom, with the leading sign of the numerator made positive as `floor(-n/b) = -ceil(n/b)`. */
function opaque(numerator: Dim, denominator: Dim): Dim {
  if (leadingTerm(numerator).coefficient < 0 && isPositive(denominator)) {
    return negate(floorDiv(sub(sub(denominator, 1), numerator), denominator));
  }
  return fromAtom({ kind: "floor", numerator, denominator });
}

function isPositive(b: Dim): boolean {
  return boundsOf(b).low >= 1;
}
