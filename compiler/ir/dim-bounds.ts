/**
 * Interval bounds of a size from the least values of its symbols alone.
 * Invariant: sound for every assignment in which the size has a value; unsafe numbers widen to infinity.
 */
import { type Dim, type DimAtom, type DimCondition, floorQuotient, partsOf, sameDim, sub } from "./dim-polynomial.ts";

/** Both ends belong to the interval; either may be infinite. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

const everything: Bounds = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** Bounds an atom from elsewhere (facts); undefined falls back to the structure of the atom. */
export type AtomBounds = (atom: DimAtom) => Bounds | undefined;

/** The interval in which the value of `a` lies. */
export function boundsOf(a: Dim, known: AtomBounds = () => undefined): Bounds {
  const { constant, terms } = partsOf(a);
  let total: Bounds = widen({ low: constant, high: constant });
  for (const term of terms) {
    let part: Bounds = { low: term.coefficient, high: term.coefficient };
    for (const factor of term.factors) part = times(part, atomBounds(factor, known));
    total = widen({ low: total.low + part.low, high: total.high + part.high });
  }
  return total;
}

/** The interval in which the value of one atom lies. */
export function atomBounds(atom: DimAtom, known: AtomBounds = () => undefined): Bounds {
  const given = known(atom);
  const own = structuralBounds(atom, known);
  if (given === undefined) return own;
  return { low: Math.max(given.low, own.low), high: Math.min(given.high, own.high) };
}

/** Whether a condition holds for all assignments, for none, or is open. */
export function decideCondition(condition: DimCondition, difference: Dim, known: AtomBounds = () => undefined): boolean | undefined {
  const { low, high } = boundsOf(difference, known);
  switch (condition.op) {
    case "==":
      return low > 0 || high < 0 ? false : low === 0 && high === 0 ? true : undefined;
    case "!=":
      return low > 0 || high < 0 ? true : low === 0 && high === 0 ? false : undefined;
    case "<":
      return high < 0 ? true : low >= 0 ? false : undefined;
    case "<=":
      return high <= 0 ? true : low > 0 ? false : undefined;
    default:
      return condition.op satisfies never;
  }
}

function structuralBounds(atom: DimAtom, known: AtomBounds): Bounds {
  switch (atom.kind) {
    case "symbol":
      return { low: atom.least, high: Number.POSITIVE_INFINITY };
    case "floor":
      return quotientBounds(boundsOf(atom.numerator, known), boundsOf(atom.denominator, known));
    case "min":
    case "max": {
      const choose = atom.kind === "min" ? Math.min : Math.max;
      const left = boundsOf(atom.left, known);
      const right = boundsOf(atom.right, known);
      return { low: choose(left.low, right.low), high: choose(left.high, right.high) };
    }
    case "select": {
      const left = boundsOf(atom.then, known);
      const right = boundsOf(atom.else, known);
      return { low: Math.min(left.low, right.low), high: Math.max(left.high, right.high) };
    }
    default:
      return atom satisfies never;
  }
}

function quotientBounds(numerator: Bounds, denominator: Bounds): Bounds {
  if (denominator.high < 0) return quotientBounds(opposite(numerator), opposite(denominator));
  if (denominator.low < 1) return everything;
  const low = quotientEnd(numerator.low, numerator.low >= 0 ? denominator.high : denominator.low);
  const high = quotientEnd(numerator.high, numerator.high >= 0 ? denominator.low : denominator.high);
  return { low, high };
}

function quotientEnd(numerator: number, denominator: number): number {
  if (!Number.isFinite(numerator)) return numerator;
  if (!Number.isFinite(denominator)) return numerator >= 0 ? 0 : -1;
  return floorQuotient(numerator, denominator) ?? (numerator < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY);
}

function opposite(bounds: Bounds): Bounds {
  return { low: -bounds.high, high: -bounds.low };
}

function times(a: Bounds, b: Bounds): Bounds {
  const ends = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high].map((end) => (Number.isNaN(end) ? 0 : end));
  return widen({ low: Math.min(...ends), high: Math.max(...ends) });
}

function widen({ low, high }: Bounds): Bounds {
  return {
    low: low < Number.MIN_SAFE_INTEGER ? Number.NEGATIVE_INFINITY : Math.min(low, Number.MAX_SAFE_INTEGER),
    high: high > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Math.max(high, Number.MIN_SAFE_INTEGER),
  };
}

/** Whether an equality or an order shows without a proof: equal polynomials, or bounds that do not overlap. */
export function evident(op: "==" | "<=" | ">=", left: Dim, right: Dim): boolean {
  switch (op) {
    case "==":
      return sameDim(left, right);
    case ">=":
      return boundsOf(sub(left, right)).low >= 0;
    case "<=":
      return boundsOf(sub(right, left)).low >= 0;
    default:
      return op satisfies never;
  }
}
