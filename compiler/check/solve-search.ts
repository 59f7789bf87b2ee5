/**
 * Looks for a small assignment that satisfies the facts and falsifies a relation.
 * Invariant: deterministic; what it returns was checked by evaluation against every fact and the relation itself.
 */
import { childrenOf, type Dim, evaluate, type SymbolAtom } from "../ir/dim.ts";
import { fromAtom, partsOf } from "../ir/dim-polynomial.ts";
import { limitsOf, type Solved } from "./solve-eliminate.ts";
import { comparedValues, dimsOf, evaluateRelation, symbolsOfAll } from "./solve-relation.ts";
import type { Relation } from "../ir/relation.ts";

/** An assignment by symbol id. */
export type Assignment = ReadonlyMap<string, number>;

const FIRST_VALUES = 10;
const MAX_GRID = 400;
const MAX_RANDOM = 1500;
const MORE_AFTER_FOUND = 60;

interface Free {
  readonly id: string;
  readonly low: number;
  readonly high: number;
  /** Sorted as they should be tried. */
  readonly values: readonly number[];
}

/** A search that can be continued: `run(n)` tries n further assignments. */
export interface Search {
  readonly run: (tries: number) => Assignment | undefined;
  /** Tries every assignment; "none" is a proof, undefined means there are too many. */
  readonly exhaust: () => Assignment | "none" | undefined;
}

/** Prepares the search over the symbols that the solved facts leave free. */
export function searchFalsifying(relation: Relation, facts: readonly Relation[], solved: Solved): Search {
  const originals = symbolsOfAll([relation, ...facts].flatMap(dimsOf));
  const expressions = new Map([...originals].map(([id, atom]) => [id, solved.bindings.get(id) ?? fromAtom(atom)]));
  const free = freeSymbols(expressions, relation, facts, solved);
  const attempt = (env: Assignment): Assignment | undefined => {
    const full = complete(originals, expressions, env);
    if (full === undefined || evaluateRelation(relation, full) !== false) return undefined;
    return facts.every((fact) => evaluateRelation(fact, full) === true) ? full : undefined;
  };
  const order = assignments(free);
  const run = (tries: number): Assignment | undefined => {
    let found: Assignment | undefined;
    let left = tries;
    for (let next = order.next(); !next.done; next = order.next()) {
      const witness = attempt(next.value);
      if (witness !== undefined) {
        if (isNatural(relation, witness)) return witness;
        if (found === undefined) left = Math.min(left, MORE_AFTER_FOUND);
        found ??= witness;
      }
      if (--left <= 0) break;
    }
    return found;
  };
  return { run, exhaust: () => exhaust(free, attempt) };
}

function complete(originals: ReadonlyMap<string, SymbolAtom>, expressions: ReadonlyMap<string, Dim>, env: Assignment): Assignment | undefined {
  const full = new Map<string, number>();
  for (const [id, expression] of expressions) {
    const value = evaluate(expression, env);
    if (value === undefined || value < (originals.get(id)?.least ?? value)) return undefined;
    full.set(id, value);
  }
  return full;
}

/** Sizes of at least 1 on both sides convince more than `0 vs 1`. */
function isNatural(relation: Relation, env: Assignment): boolean {
  if (relation.op === "divides") return true;
  const values = comparedValues(relation, env);
  return values === undefined || (values.left >= 1 && values.right >= 1);
}

function freeSymbols(expressions: ReadonlyMap<string, Dim>, relation: Relation, facts: readonly Relation[], solved: Solved): readonly Free[] {
  const limits = limitsOf(solved.literals);
  const numbers = new Set<number>();
  for (const dim of [relation, ...facts].flatMap(dimsOf)) collectNumbers(dim, numbers);
  return [...symbolsOfAll([...expressions.values()])].map(([id, atom]) => {
    const low = Math.max(atom.least, limits.get(id)?.low ?? Number.NEGATIVE_INFINITY);
    const high = limits.get(id)?.high ?? Number.POSITIVE_INFINITY;
    return { id, low, high, values: candidateValues(low, high, numbers) };
  });
}

function collectNumbers(dim: Dim, found: Set<number>): void {
  const { constant, terms } = partsOf(dim);
  found.add(Math.abs(constant));
  for (const term of terms) {
    found.add(Math.abs(term.coefficient));
    for (const factor of term.factors) for (const child of childrenOf(factor)) collectNumbers(child, found);
  }
}

function candidateValues(low: number, high: number, numbers: ReadonlySet<number>): readonly number[] {
  const start = Number.isFinite(low) ? low : Math.min(0, high);
  const values = new Set<number>();
  const offer = (value: number): void => {
    if (value >= low && value <= high && Number.isSafeInteger(value)) values.add(value);
  };
  for (let offset = 0; offset < FIRST_VALUES; offset++) {
    offer(start + offset);
    if (!Number.isFinite(low)) offer(start - offset);
  }
  const further = [...numbers]
    .filter((each) => each > 1)
    .sort((a, b) => a - b)
    .slice(0, 12);
  for (const each of further) for (const value of [each - 1, each, each + 1]) offer(value);
  for (const each of further) for (const value of [2 * each - 1, 2 * each, 2 * each + 1, start + each]) offer(value);
  if (!Number.isFinite(low)) for (const each of further) for (const value of [-each, 1 - each, -each - 1]) offer(value);
  for (const value of [16, 17, 32, 33, 64, 100, 128, 224, 225, high - 1, high]) offer(value);
  return [...values];
}

/** One symbol at a time, all together, pairs, then a fixed pseudo-random sequence. */
function* assignments(free: readonly Free[]): Generator<Assignment, undefined> {
  const at = (choose: (symbol: Free, index: number) => number | undefined): Assignment =>
    new Map(free.map((symbol, index) => [symbol.id, choose(symbol, index) ?? symbol.values[0] ?? 0]));
  yield at((symbol) => symbol.values[0]);
  if (free.length === 0) return undefined;
  for (const [index, { values }] of free.entries()) {
    for (const value of values.slice(1)) yield at((symbol, other) => (other === index ? value : symbol.values[0]));
  }
  if (free.length === 1) {
    const [only] = free;
    for (let offset = FIRST_VALUES; offset < MAX_GRID; offset++) {
      const value = (only?.values[0] ?? 0) + offset;
      if (value <= (only?.high ?? 0)) yield at(() => value);
    }
    return undefined;
  }
  for (let offset = 1; offset < FIRST_VALUES; offset++) yield at((symbol) => symbol.values[offset]);
  for (const base of [1, 2, 5]) {
    for (const [index, { values }] of free.entries()) {
      for (const value of values) yield at((symbol, other) => (other === index ? value : symbol.values[base]));
    }
  }
  for (const [first, { values }] of free.slice(0, 6).entries()) {
    for (let second = first + 1; second < Math.min(free.length, 6); second++) {
      for (const one of values.slice(0, 6)) {
        for (const two of free[second]?.values.slice(0, 6) ?? []) {
          yield at((symbol, other) => (other === first ? one : other === second ? two : symbol.values[0]));
        }
      }
    }
  }
  let state = 12345;
  const draw = (count: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * count);
  };
  for (let turn = 0; turn < MAX_RANDOM; turn++) {
    yield at(({ values }) => values[draw(turn % 2 === 0 ? Math.min(values.length, FIRST_VALUES) : values.length)]);
  }
  return undefined;
}

function exhaust(free: readonly Free[], attempt: (env: Assignment) => Assignment | undefined): Assignment | "none" | undefined {
  const count = free.reduce((total, { low, high }) => total * Math.max(high - low + 1, 0), 1);
  if (!(count <= MAX_GRID)) return undefined;
  for (let turn = 0; turn < count; turn++) {
    let rest = turn;
    const env = new Map<string, number>();
    for (const { id, low, high } of free) {
      env.set(id, low + (rest % (high - low + 1)));
      rest = Math.floor(rest / (high - low + 1));
    }
    const witness = attempt(env);
    if (witness !== undefined) return witness;
  }
  return "none";
}
