/**
 * Symbolic sizes: the one entry to their arithmetic. Sizes are canonical from construction, so that equal shape
 * formulas are structurally equal: `floor((H + 2*1 - 3)/2) + 1` is `ceil(H/2)`.
 * Invariant: every rewrite is exact over the integers wherever the written expression has a value.
 */
import { compare } from "./comparison.ts";
import { boundsOf } from "./dim-bounds.ts";
import { max, min, select } from "./dim-choice.ts";
import { floorDiv } from "./dim-floor.ts";
import {
  add,
  type Dim,
  type DimAtom,
  type DimCondition,
  dimKey,
  factorsKey,
  floorQuotient,
  fromAtom,
  fromParts,
  mul,
  negate,
  partsOf,
  product,
  type SymbolAtom,
  sameDim,
  sub,
  sum,
} from "./dim-polynomial.ts";

export { formatCondition, formatDim } from "./dim-format.ts";
export type { Dim, DimAtom, DimCondition, DimTerm, SymbolAtom, SymbolicDim } from "./dim-polynomial.ts";
export { add, dimKey, floorDiv, max, min, mul, negate, product, sameDim, select, sub, sum };

/** A named unknown. The id defaults to the name, the least possible value to 1. */
export function symbol(name: string, options: { readonly id?: string; readonly least?: number } = {}): Dim {
  return fromAtom({ kind: "symbol", name, id: options.id ?? name, least: options.least ?? 1 });
}

/** `ceil(a / b)`, for either sign of b. */
export function ceilDiv(a: Dim, b: Dim): Dim {
  return ceilByShift(a, b) ?? negate(floorDiv(negate(a), b));
}

/** For b >= 1 the shifted floor is the same value and merges with the convolution formula. */
function ceilByShift(a: Dim, b: Dim): Dim | undefined {
  return boundsOf(b).low >= 1 ? floorDiv(sub(add(a, b), 1), b) : undefined;
}

/** The floored remainder `a - b*floor(a/b)`; it has the sign of b, and no value where b is 0. */
export function modulo(a: Dim, b: Dim): Dim {
  if (b === 0) return floorDiv(a, b);
  return sub(a, mul(b, floorDiv(a, b)));
}

/** `a / b`: the polynomial quotient where it is evident, else `floorDiv`; the caller records `b divides a`. */
export function divExact(a: Dim, b: Dim): Dim {
  return floorDiv(a, b);
}

/** Whether the size is a plain number. */
export function isConstant(a: Dim): a is number {
  return typeof a === "number";
}

/** The number, for a constant that is a safe integer. */
export function constantOf(a: Dim): number | undefined {
  return typeof a === "number" && Number.isSafeInteger(a) ? a : undefined;
}

/** Every symbol in the expression, by id, in order of first appearance. */
export function symbolsOf(a: Dim): ReadonlyMap<string, SymbolAtom> {
  const found = new Map<string, SymbolAtom>();
  collectSymbols(a, found);
  return found;
}

function collectSymbols(a: Dim, found: Map<string, SymbolAtom>): void {
  for (const term of partsOf(a).terms) {
    for (const factor of term.factors) {
      if (factor.kind === "symbol") {
        if (!found.has(factor.id)) found.set(factor.id, factor);
      } else {
        for (const inner of childrenOf(factor)) collectSymbols(inner, found);
      }
    }
  }
}

/** The sizes directly inside an atom; none for a symbol. */
export function childrenOf(atom: DimAtom): readonly Dim[] {
  switch (atom.kind) {
    case "symbol":
      return [];
    case "floor":
      return [atom.numerator, atom.denominator];
    case "min":
    case "max":
      return [atom.left, atom.right];
    case "select":
      return [atom.condition.left, atom.condition.right, atom.then, atom.else];
    default:
      return atom satisfies never;
  }
}

/** Replaces symbols by sizes, all at once, and brings the result into canonical form. */
export function substitute(a: Dim, bindings: ReadonlyMap<string, Dim>): Dim {
  if (bindings.size === 0) return a;
  return mapAtoms(a, (atom) => (atom.kind === "symbol" ? bindings.get(atom.id) : undefined));
}

/** Rebuilds a size with some atoms replaced; `change` sees outer atoms first, undefined descends. */
export function mapAtoms(a: Dim, change: (atom: DimAtom) => Dim | undefined): Dim {
  if (typeof a === "number") return a;
  const changed = a.terms.map((term) => {
    const factors = term.factors.map((factor) => change(factor) ?? rebuild(factor, change));
    return mul(term.coefficient, product(factors));
  });
  return add(a.constant, sum(changed));
}

function rebuild(atom: DimAtom, change: (atom: DimAtom) => Dim | undefined): Dim {
  const walk = (inner: Dim): Dim => mapAtoms(inner, change);
  switch (atom.kind) {
    case "symbol":
      return fromAtom(atom);
    case "floor":
      return floorDiv(walk(atom.numerator), walk(atom.denominator));
    case "min":
      return min(walk(atom.left), walk(atom.right));
    case "max":
      return max(walk(atom.left), walk(atom.right));
    case "select": {
      const { op, left, right } = atom.condition;
      return select({ op, left: walk(left), right: walk(right) }, walk(atom.then), walk(atom.else));
    }
    default:
      return atom satisfies never;
  }
}

/** The value under an assignment by id; undefined for a missing symbol, division by zero, or beyond 2^53. */
export function evaluate(a: Dim, env: ReadonlyMap<string, number>): number | undefined {
  if (typeof a === "number") return constantOf(a);
  let total = a.constant;
  for (const term of a.terms) {
    let part = term.coefficient;
    for (const factor of term.factors) {
      const value = evaluateAtom(factor, env);
      if (value === undefined) return undefined;
      part *= value;
      if (!Number.isSafeInteger(part)) return undefined;
    }
    total += part;
    if (!Number.isSafeInteger(total)) return undefined;
  }
  return total + 0;
}

function evaluateAtom(atom: DimAtom, env: ReadonlyMap<string, number>): number | undefined {
  switch (atom.kind) {
    case "symbol":
      return env.get(atom.id);
    case "floor": {
      const numerator = evaluate(atom.numerator, env);
      const denominator = evaluate(atom.denominator, env);
      return numerator === undefined || denominator === undefined ? undefined : floorQuotient(numerator, denominator);
    }
    case "min":
    case "max": {
      const left = evaluate(atom.left, env);
      const right = evaluate(atom.right, env);
      if (left === undefined || right === undefined) return undefined;
      return atom.kind === "min" ? Math.min(left, right) : Math.max(left, right);
    }
    case "select": {
      const holds = evaluateCondition(atom.condition, env);
      return holds === undefined ? undefined : evaluate(holds ? atom.then : atom.else, env);
    }
    default:
      return atom satisfies never;
  }
}

/** The truth of a condition under an assignment; undefined when a side has no value. */
export function evaluateCondition(condition: DimCondition, env: ReadonlyMap<string, number>): boolean | undefined {
  const left = evaluate(condition.left, env);
  const right = evaluate(condition.right, env);
  return left === undefined || right === undefined ? undefined : compare(condition.op, left, right);
}

/** Splits `a = coefficient*symbol + rest`, `rest` free of the symbol (0 when absent); undefined when not linear. */
export function coefficientOf(a: Dim, symbolId: string): { readonly coefficient: number; readonly rest: Dim } | undefined {
  const { constant, terms } = partsOf(a);
  const own = terms.find((term) => {
    const [factor, more] = term.factors;
    return factor?.kind === "symbol" && factor.id === symbolId && more === undefined;
  });
  const ownKey = own === undefined ? undefined : factorsKey(own.factors);
  const rest = fromParts(
    constant,
    terms.filter((term) => factorsKey(term.factors) !== ownKey),
  );
  return symbolsOf(rest).has(symbolId) ? undefined : { coefficient: own?.coefficient ?? 0, rest };
}
