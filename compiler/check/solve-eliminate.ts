/**
 * Turns facts into substitutions: equalities and divisibilities are solved for a symbol, lower bounds enter symbols.
 * Invariant: every assignment that satisfies the literals extends to the fresh symbols such that each binding holds;
 * a fresh symbol's meaning is a size over symbols known before it.
 */
import {
  add,
  coefficientOf,
  type Dim,
  floorDiv,
  isConstant,
  modulo,
  mul,
  negate,
  product,
  type SymbolAtom,
  sub,
  substitute,
  symbol,
  symbolsOf,
} from "../ir/dim.ts";
import { boundsOf } from "../ir/dim-bounds.ts";
import {
  type DimAtom,
  type DimTerm,
  divideCoefficients,
  divideFactors,
  divideWithRemainder,
  floorQuotient,
  fromAtom,
  fromParts,
  greatestCommonDivisor,
  partsOf,
} from "../ir/dim-polynomial.ts";
import { dimsOfLiteral, type Literal, mapLiteral } from "./solve-relation.ts";

const MAX_STEPS = 60;

/** A symbol made here, and the size over earlier symbols that it stands for. */
export interface Fresh {
  readonly id: string;
  readonly meaning: Dim;
  /** Where the meaning is an exact quotient: `divisor * fresh == dividend`. */
  readonly exact?: { readonly divisor: Dim; readonly dividend: Dim };
}

/** What is left to decide, and how the symbols that went read in terms of those that stay. */
export interface Solved {
  readonly literals: readonly Literal[];
  /** Over symbols that stay; a binding of an id to a symbol of the same id only raises its least value. */
  readonly bindings: ReadonlyMap<string, Dim>;
  /** Oldest first. */
  readonly fresh: readonly Fresh[];
}

interface Work {
  literals: Literal[];
  bindings: Map<string, Dim>;
  readonly fresh: Fresh[];
  readonly prefix: string;
}

/** Solves what it can; undefined when the literals contradict one another. `prefix` keeps fresh ids apart. */
export function eliminate(literals: readonly Literal[], prefix: string): Solved | undefined {
  const work: Work = { literals: [...literals], bindings: new Map(), fresh: [], prefix };
  for (let step = 0; step < MAX_STEPS; step++) {
    const reduced = reduceAll(work.literals);
    if (reduced === undefined) return undefined;
    work.literals = reduced;
    const outcome = solveOne(work);
    if (outcome === "contradiction") return undefined;
    if (outcome === "done") break;
  }
  return { literals: work.literals, bindings: work.bindings, fresh: work.fresh };
}

/** Drops what holds anyway, divides out contents and positive common factors; undefined: one literal cannot hold. */
function reduceAll(literals: readonly Literal[]): Literal[] | undefined {
  const kept = new Map<string, Literal>();
  for (const literal of literals) {
    const reduced = reduceLiteral(literal);
    if (reduced === false) return undefined;
    if (reduced !== true) kept.set(literalKey(reduced), reduced);
  }
  return [...kept.values()];
}

function literalKey(literal: Literal): string {
  const keys = dimsOfLiteral(literal).map((dim) => (isConstant(dim) ? String(dim) : dim.key));
  return literal.kind === "either" ? JSON.stringify(literal) : `${literal.kind} ${keys.join(" ")}`;
}

function reduceLiteral(literal: Literal): Literal | boolean {
  switch (literal.kind) {
    case "either": {
      const open: (readonly Literal[])[] = [];
      for (const option of literal.options) {
        const reduced = reduceAll(option);
        if (reduced === undefined) continue;
        if (reduced.length === 0) return true;
        open.push(reduced);
      }
      return open.length === 0 ? false : { kind: "either", options: open };
    }
    case "divides":
      return reduceDivides(literal.divisor, literal.dividend);
    default:
      return reduceComparison(literal.kind, literal.dim);
  }
}

function reduceDivides(divisor: Dim, dividend: Dim): Literal | boolean {
  const remainder = modulo(dividend, divisor);
  if (remainder === 0) return true;
  if (typeof remainder === "number" && !Number.isNaN(remainder)) return false;
  return { kind: "divides", divisor, dividend };
}

function reduceComparison(kind: "zero" | "nonzero" | "atMostZero", given: Dim): Literal | boolean {
  const dim = withoutPositiveFactors(given);
  const { low, high } = boundsOf(dim);
  if (kind === "zero" ? low === 0 && high === 0 : kind === "nonzero" ? low > 0 || high < 0 : high <= 0) return true;
  if (kind === "zero" ? low > 0 || high < 0 : kind === "nonzero" ? low === 0 && high === 0 : low > 0) return false;
  const { constant, terms } = partsOf(dim);
  const content = greatestCommonDivisor(terms.map((term) => term.coefficient));
  if (content <= 1) return { kind, dim };
  if (kind === "atMostZero") {
    const rounded = floorQuotient(-constant, content);
    if (rounded === undefined) return { kind, dim };
    return { kind, dim: sub(divideCoefficients(sub(dim, constant), content), rounded) };
  }
  if (constant % content !== 0) return kind === "nonzero";
  return { kind, dim: divideCoefficients(dim, content) };
}

/** `x*a` compares with zero as `a` does when x >= 1. */
function withoutPositiveFactors(dim: Dim): Dim {
  const { constant, terms } = partsOf(dim);
  const [first, ...others] = terms;
  if (constant !== 0 || first === undefined) return dim;
  const common: DimAtom[] = [];
  for (const factor of first.factors) {
    const more = [...common, factor];
    const shared = others.every((term) => divideFactors(term.factors, more) !== undefined);
    if (shared && boundsOf(fromAtom(factor)).low >= 1) common.push(factor);
  }
  if (common.length === 0) return dim;
  let whole = 0;
  const rest: DimTerm[] = [];
  for (const term of terms) {
    const factors = divideFactors(term.factors, common) ?? [];
    if (factors.length === 0) whole += term.coefficient;
    else rest.push({ coefficient: term.coefficient, factors });
  }
  return fromParts(whole, rest);
}

function solveOne(work: Work): "progress" | "done" | "contradiction" {
  for (const literal of work.literals) {
    if (literal.kind === "zero" && solveEquality(work, literal, literal.dim)) return "progress";
  }
  for (const literal of work.literals) {
    if (literal.kind === "divides" && solveDivides(work, literal)) return "progress";
  }
  return raiseLeast(work);
}

/** Binds a symbol everywhere, and keeps its lower bound as a literal. */
function bind(work: Work, atom: SymbolAtom, value: Dim, solved: Literal | undefined): void {
  const binding = new Map([[atom.id, value]]);
  const change = (dim: Dim): Dim => substitute(dim, binding);
  work.literals = work.literals.filter((literal) => literal !== solved).map((literal) => mapLiteral(literal, change));
  if (Number.isFinite(atom.least)) work.literals.push({ kind: "atMostZero", dim: sub(atom.least, value) });
  work.bindings = new Map([...work.bindings].map(([id, dim]) => [id, change(dim)]));
  work.bindings.set(atom.id, value);
}

function makeFresh(work: Work, meaning: Dim, least: number, exact?: Fresh["exact"]): Dim {
  const id = `${work.prefix}${work.fresh.length}`;
  work.fresh.push(exact === undefined ? { id, meaning } : { id, meaning, exact });
  return symbol(id, { least });
}

function solveEquality(work: Work, literal: Literal, dim: Dim): boolean {
  return solveUnit(work, literal, dim) || solveEuclid(work, dim) || solveFloor(work, literal, dim);
}

/** A symbol with coefficient 1 or -1 that occurs nowhere else in the equality. */
function solveUnit(work: Work, literal: Literal, dim: Dim): boolean {
  let fallback: { atom: SymbolAtom; value: Dim } | undefined;
  for (const atom of linearSymbols(dim)) {
    const split = coefficientOf(dim, atom.id);
    if (split === undefined || Math.abs(split.coefficient) !== 1) continue;
    const value = split.coefficient === 1 ? negate(split.rest) : split.rest;
    if (boundsOf(value).low >= atom.least) {
      bind(work, atom, value, literal);
      return true;
    }
    if (fallback === undefined || (isFresh(fallback.atom) && !isFresh(atom))) fallback = { atom, value };
  }
  if (fallback === undefined) return false;
  bind(work, fallback.atom, fallback.value, literal);
  return true;
}

/** Ids made here begin with `$`, which no name in the language does. */
function isFresh(atom: SymbolAtom): boolean {
  return atom.id.startsWith("$");
}

function linearSymbols(dim: Dim): readonly SymbolAtom[] {
  return partsOf(dim).terms.flatMap((term) => {
    const [factor] = term.factors;
    return term.factors.length === 1 && factor?.kind === "symbol" ? [factor] : [];
  });
}

/** `3*x + 5*y = c`: the symbol of least coefficient gives way to a fresh one, as in Euclid's algorithm. */
function solveEuclid(work: Work, dim: Dim): boolean {
  const { constant, terms } = partsOf(dim);
  const symbols = linearSymbols(dim);
  if (symbols.length !== terms.length || terms.length < 2) return false;
  const [least] = [...terms].sort((a, b) => Math.abs(a.coefficient) - Math.abs(b.coefficient));
  const atom = least?.factors[0];
  if (least === undefined || atom?.kind !== "symbol") return false;
  const divided = (value: number): number => floorQuotient(value, least.coefficient) ?? Number.NaN;
  const others = terms.filter((term) => term !== least);
  const shift = fromParts(
    divided(constant),
    others.map((term) => ({ coefficient: divided(term.coefficient), factors: term.factors })),
  );
  if (Number.isNaN(shift)) return false;
  const fresh = makeFresh(work, add(fromAtom(atom), shift), Number.NEGATIVE_INFINITY);
  // The equality itself stays, with smaller coefficients.
  bind(work, atom, sub(fresh, shift), undefined);
  return true;
}

/** `floor(n/d) = e` is `n = d*e + r` with 0 <= r < d. */
function solveFloor(work: Work, literal: Literal, dim: Dim): boolean {
  for (const term of partsOf(dim).terms) {
    const [atom] = term.factors;
    if (term.factors.length !== 1 || atom?.kind !== "floor" || Math.abs(term.coefficient) !== 1) continue;
    const { numerator, denominator } = atom;
    if (!isConstant(denominator) || denominator < 2) continue;
    const others = sub(dim, fromParts(0, [term]));
    const value = term.coefficient === 1 ? negate(others) : others;
    const offset = sub(numerator, mul(denominator, value));
    if (!linearSymbols(offset).some((each) => Math.abs(coefficientOf(offset, each.id)?.coefficient ?? 0) === 1)) continue;
    const rest = makeFresh(work, offset, 0);
    work.literals = work.literals.filter((each) => each !== literal);
    work.literals.push({ kind: "atMostZero", dim: sub(rest, denominator - 1) }, { kind: "zero", dim: sub(offset, rest) });
    return true;
  }
  return false;
}

/** `d divides n` is `n = d*q` for a fresh q. */
function solveDivides(work: Work, literal: Literal & { readonly kind: "divides" }): boolean {
  const { divisor, dividend } = literal;
  const reduced = isConstant(divisor) ? divideWithRemainder(dividend, divisor).remainder : dividend;
  const inDivisor = symbolsOf(divisor);
  const solvable = linearSymbols(reduced).some((atom) => !inDivisor.has(atom.id) && coefficientOf(reduced, atom.id) !== undefined);
  if (!solvable) return false;
  const meaning = floorDiv(reduced, divisor);
  const { low } = boundsOf(meaning);
  const whole = low === 0 && boundsOf(reduced).low >= 1 ? 1 : low;
  const quotient = makeFresh(work, meaning, whole, { divisor, dividend: reduced });
  const zero: Literal = { kind: "zero", dim: sub(reduced, mul(divisor, quotient)) };
  work.literals = work.literals.map((each) => (each === literal ? zero : each));
  return true;
}

/** Moves `x >= c` into the symbol, so that canonical forms see it; equal bounds make an equality. */
function raiseLeast(work: Work): "progress" | "done" | "contradiction" {
  for (const { atom, low, high } of limitsOf(work.literals).values()) {
    if (low > high) return "contradiction";
    if (low === high) {
      bind(work, atom, low, undefined);
      return "progress";
    }
    if (low > atom.least) return raise(work, atom, low);
  }
  return "done";
}

function raise(work: Work, atom: SymbolAtom, least: number): "progress" {
  const raised = symbol(atom.name, { id: atom.id, least });
  const change = (dim: Dim): Dim => substitute(dim, new Map([[atom.id, raised]]));
  work.literals = work.literals.map((literal) => mapLiteral(literal, change));
  work.bindings = new Map([...work.bindings].map(([id, dim]) => [id, change(dim)]));
  if (!work.bindings.has(atom.id)) work.bindings.set(atom.id, raised);
  return "progress";
}

/** The range of a symbol; an end may be infinite. */
export interface Limits {
  readonly atom: SymbolAtom;
  readonly low: number;
  readonly high: number;
}

/** The ranges that single literals give their symbols. */
export function limitsOf(literals: readonly Literal[]): ReadonlyMap<string, Limits> {
  const found = new Map<string, Limits>();
  for (const literal of literals) {
    if (literal.kind !== "atMostZero") continue;
    for (const atom of linearSymbols(literal.dim)) {
      const split = coefficientOf(literal.dim, atom.id);
      if (split === undefined || split.coefficient === 0) continue;
      // coefficient*x <= -rest <= limit
      const limit = boundsOf(negate(split.rest)).high;
      const quotient = Number.isFinite(limit) ? floorQuotient(limit, Math.abs(split.coefficient)) : undefined;
      if (quotient === undefined) continue;
      const known = found.get(atom.id) ?? { atom, low: atom.least, high: Number.POSITIVE_INFINITY };
      const next = split.coefficient > 0 ? { ...known, high: Math.min(known.high, quotient) } : { ...known, low: Math.max(known.low, -quotient) };
      found.set(atom.id, next);
    }
  }
  return found;
}

/** The size over the symbols that the literals had: fresh symbols give way to their meanings, whole multiples first. */
export function withoutFresh(dim: Dim, fresh: readonly Fresh[]): Dim {
  return fresh.reduceRight((size: Dim, each) => {
    const whole = each.exact === undefined ? size : withoutMultiples(size, each.id, each.exact.divisor, each.exact.dividend);
    return substitute(whole, new Map([[each.id, each.meaning]]));
  }, dim);
}

/** `c*q` with `c = m*divisor + r` is `m*dividend + r*q`. */
function withoutMultiples(dim: Dim, id: string, divisor: Dim, dividend: Dim): Dim {
  const { constant, terms } = partsOf(dim);
  const others: DimTerm[] = [];
  let [coefficient, self]: [Dim, Dim] = [0, 0];
  for (const term of terms) {
    const index = term.factors.findIndex((factor) => factor.kind === "symbol" && factor.id === id);
    const own = term.factors[index];
    if (own === undefined) {
      others.push(term);
      continue;
    }
    self = fromAtom(own);
    const factors = term.factors.filter((_, other) => other !== index).map(fromAtom);
    coefficient = add(coefficient, mul(term.coefficient, product(factors)));
  }
  if (coefficient === 0) return dim;
  const { quotient, remainder } = divideWithRemainder(coefficient, divisor);
  return add(fromParts(constant, others), add(mul(quotient, dividend), mul(remainder, self)));
}
