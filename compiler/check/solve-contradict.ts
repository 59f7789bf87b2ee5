/**
 * Decides that literals cannot hold together: elimination, linear arithmetic, then bounded case splits.
 * Invariant: `true` only when no assignment satisfies all literals; the work is bounded by the cases left.
 */
import { childrenOf, type Dim, type DimAtom, mapAtoms, type SymbolAtom, sub, symbol } from "../ir/dim.ts";
import { add, atomKey, greatestCommonDivisor, partsOf } from "../ir/dim-polynomial.ts";
import { eliminate, limitsOf } from "./solve-eliminate.ts";
import { linearContradiction } from "./solve-linear.ts";
import { dimsOfLiteral, type Literal, literalsOf, mapLiteral } from "./solve-relation.ts";

const MAX_DEPTH = 7;
const MAX_RANGE = 4;
const MAX_PERIOD = 32;
/** Numbers up to here have at most 48 divisors. */
const MAX_DIVIDEND = 4096;

/** How many cases may still be looked at. */
export interface Budget {
  cases: number;
}

/** Whether the literals contradict one another; false also when the budget ran out. */
export function contradictory(literals: readonly Literal[], budget: Budget, depth = 0): boolean {
  if (budget.cases-- <= 0) return false;
  const solved = eliminate(literals, `$${depth}.`);
  if (solved === undefined) return true;
  const atMostZero = solved.literals.flatMap((literal) => (literal.kind === "atMostZero" ? [literal.dim] : []));
  const zero = solved.literals.flatMap((literal) => (literal.kind === "zero" ? [literal.dim] : []));
  const nonzero = solved.literals.flatMap((literal) => (literal.kind === "nonzero" ? [literal.dim] : []));
  if (linearContradiction(atMostZero, zero)) return true;
  for (const dim of nonzero.slice(0, 4)) {
    const below = linearContradiction([...atMostZero, add(dim, 1)], zero);
    if (below && linearContradiction([...atMostZero, sub(1, dim)], zero)) return true;
  }
  if (depth >= MAX_DEPTH) return false;
  const cases = splitCases(solved.literals, budget);
  return cases !== undefined && cases.every((each) => contradictory(each, budget, depth + 1));
}

/** Cases that together cover every assignment; undefined when nothing is left to split. */
function splitCases(literals: readonly Literal[], budget: Budget): readonly (readonly Literal[])[] | undefined {
  const cases =
    eitherCases(literals) ??
    choiceCases(literals) ??
    divisorCases(literals) ??
    rangeCases(literals) ??
    residueCases(literals, budget.cases) ??
    signCases(literals);
  return cases !== undefined && cases.length <= budget.cases ? cases : undefined;
}

function eitherCases(literals: readonly Literal[]): readonly (readonly Literal[])[] | undefined {
  const either = literals.find((literal) => literal.kind === "either");
  if (either?.kind !== "either") return undefined;
  const others = literals.filter((literal) => literal !== either);
  return either.options.map((option) => [...others, ...option]);
}

/** A `select`, `min` or `max` gives way to either side, with the condition under which it has that value. */
function choiceCases(literals: readonly Literal[]): readonly (readonly Literal[])[] | undefined {
  const atom = firstAtom(literals, (candidate) => candidate.kind !== "symbol" && candidate.kind !== "floor");
  if (atom === undefined || atom.kind === "symbol" || atom.kind === "floor") return undefined;
  const taking = (value: Dim, conditions: readonly Literal[]): readonly Literal[] => [...conditions, ...replaceAtom(literals, atom, value)];
  if (atom.kind === "select") {
    const { op, left, right } = atom.condition;
    return [taking(atom.then, literalsOf({ op, left, right }, true)), taking(atom.else, literalsOf({ op, left, right }, false))];
  }
  const [lesser, greater] = atom.kind === "min" ? [atom.left, atom.right] : [atom.right, atom.left];
  return [
    taking(atom.left, literalsOf({ op: "<=", left: lesser, right: greater }, true)),
    taking(atom.right, literalsOf({ op: "<=", left: lesser, right: greater }, false)),
  ];
}

function replaceAtom(literals: readonly Literal[], atom: DimAtom, value: Dim): readonly Literal[] {
  const key = atomKey(atom);
  const change = (dim: Dim): Dim => mapAtoms(dim, (candidate) => (atomKey(candidate) === key ? value : undefined));
  return literals.map((literal) => mapLiteral(literal, change));
}

/** An innermost atom of the wanted sort. */
function firstAtom(literals: readonly Literal[], wanted: (atom: DimAtom) => boolean): DimAtom | undefined {
  const search = (dim: Dim): DimAtom | undefined => {
    for (const term of partsOf(dim).terms) {
      for (const factor of term.factors) {
        for (const child of childrenOf(factor)) {
          const inner = search(child);
          if (inner !== undefined) return inner;
        }
        if (wanted(factor)) return factor;
      }
    }
    return undefined;
  };
  for (const dim of literals.flatMap(dimsOfLiteral)) {
    const found = search(dim);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A symbol of few possible values takes each of them. */
function rangeCases(literals: readonly Literal[]): readonly (readonly Literal[])[] | undefined {
  for (const { atom, low, high } of limitsOf(literals).values()) {
    if (!(high - low < MAX_RANGE)) continue;
    const self = symbol(atom.name, atom);
    const values = Array.from({ length: high - low + 1 }, (_, index) => low + index);
    return values.map((value) => [...literals, { kind: "zero", dim: sub(self, value) }]);
  }
  return undefined;
}

/** A positive symbol that divides a number is one of its divisors. */
function divisorCases(literals: readonly Literal[]): readonly (readonly Literal[])[] | undefined {
  for (const literal of literals) {
    if (literal.kind !== "divides" || typeof literal.dividend !== "number") continue;
    const atom = bareSymbol(literal.divisor);
    const most = Math.abs(literal.dividend);
    if (atom === undefined || atom.least < 1 || most === 0 || most > MAX_DIVIDEND) continue;
    const self = symbol(atom.name, atom);
    const others = literals.filter((each) => each !== literal);
    const values = Array.from({ length: most }, (_, index) => index + 1).filter((value) => most % value === 0 && value >= atom.least);
    return values.map((value) => [...others, { kind: "zero", dim: sub(self, value) }]);
  }
  return undefined;
}

function bareSymbol(dim: Dim): SymbolAtom | undefined {
  const { constant, terms } = partsOf(dim);
  const [term, more] = terms;
  const [factor, other] = term?.factors ?? [];
  return constant === 0 && more === undefined && other === undefined && term?.coefficient === 1 && factor?.kind === "symbol" ? factor : undefined;
}

/** A symbol under floors of constant divisor takes each residue, which dissolves those floors. */
function residueCases(literals: readonly Literal[], cases: number): readonly (readonly Literal[])[] | undefined {
  const periods = new Map<string, { readonly atom: DimAtom; readonly period: number }>();
  const visit = (dim: Dim): void => {
    for (const factor of partsOf(dim).terms.flatMap((term) => term.factors)) {
      if (factor.kind === "floor" && typeof factor.denominator === "number" && factor.denominator > 1) {
        for (const term of partsOf(factor.numerator).terms) {
          const [atom] = term.factors;
          if (term.factors.length !== 1 || atom?.kind !== "symbol") continue;
          const own = factor.denominator / greatestCommonDivisor([factor.denominator, term.coefficient]);
          const known = periods.get(atom.id)?.period ?? 1;
          periods.set(atom.id, { atom, period: (known * own) / greatestCommonDivisor([known, own]) });
        }
      }
      childrenOf(factor).forEach(visit);
    }
  };
  literals.flatMap(dimsOfLiteral).forEach(visit);
  const [least] = [...periods.values()].sort((a, b) => a.period - b.period);
  if (least === undefined || least.period > Math.min(MAX_PERIOD, cases) || least.atom.kind !== "symbol") return undefined;
  const self = symbol(least.atom.name, least.atom);
  return Array.from({ length: least.period }, (_, residue) => [
    ...literals,
    { kind: "divides", divisor: least.period, dividend: sub(self, residue) },
  ]);
}

function signCases(literals: readonly Literal[]): readonly (readonly Literal[])[] | undefined {
  const literal = literals.find((each) => each.kind === "nonzero");
  if (literal?.kind !== "nonzero") return undefined;
  const others = literals.filter((each) => each !== literal);
  return [
    [...others, { kind: "atMostZero", dim: add(literal.dim, 1) }],
    [...others, { kind: "atMostZero", dim: sub(1, literal.dim) }],
  ];
}
