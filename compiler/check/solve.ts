/**
 * The three answers about relations between sizes: proved, refuted with a witness, or unproved.
 * Invariant: proved holds for every assignment satisfying the facts; a witness satisfies every fact and falsifies the
 * relation; the work for one question is bounded.
 */
import { type Dim, dimKey, mapAtoms, type SymbolAtom, substitute, symbol } from "../ir/dim.ts";
import { contradictory } from "./solve-contradict.ts";
import { eliminate, withoutFresh } from "./solve-eliminate.ts";
import { comparedValues, dimsOf, formatRelation, type Literal, literalsOf, symbolsOfAll } from "./solve-relation.ts";
import type { Relation } from "../ir/relation.ts";
import { type Assignment, searchFalsifying } from "./solve-search.ts";

export { formatRelation };

const QUICK_TRIES = 120;
const MORE_TRIES = 2000;
const CASES = 150;
const CHOICE_CASES = 20;

/** Relations assumed true. */
export interface Facts {
  readonly relations: readonly Relation[];
}

/** No facts. */
export const noFacts: Facts = { relations: [] };

/** The facts and more of them. */
export function assume(facts: Facts, more: readonly Relation[]): Facts {
  return more.length === 0 ? facts : { relations: [...facts.relations, ...more] };
}

export type Answer = { readonly kind: "proved" } | { readonly kind: "refuted"; readonly witness: Witness } | { readonly kind: "unproved" };

/** An assignment that satisfies the facts and falsifies the relation. */
export interface Witness {
  /** By symbol name (by id where two symbols share a name): the relation's symbols first, then those of the facts. */
  readonly bindings: ReadonlyMap<string, number>;
  /** The values of the two sides that differ. */
  readonly left?: number;
  readonly right?: number;
  /** How many of the first bindings belong to symbols of the relation itself; the text shows these. */
  readonly own?: number;
}

/** Answers whether the relation holds for all sizes that satisfy the facts. */
export function prove(relation: Relation, facts: Facts): Answer {
  const everything = [relation, ...facts.relations];
  if (everything.flatMap(dimsOf).some((dim) => Number.isNaN(dim))) return { kind: "unproved" };
  const negated = literalsOf(relation, false);
  // Most questions are equal canonical forms, which need no fact.
  if (eliminate(negated, "$n.") === undefined) return { kind: "proved" };
  const { related, unrelated } = partition(relation, facts.relations);
  const literals = [...related.flatMap((fact) => literalsOf(fact, true)), ...negated];
  const solved = eliminate(literals, "$f.");
  if (solved === undefined) return { kind: "proved" };
  const search = searchFalsifying(relation, related, solved);
  const early = search.run(QUICK_TRIES);
  if (early !== undefined) return refute(relation, early, unrelated, facts);
  if (contradictory(literals, { cases: CASES })) return { kind: "proved" };
  const late = search.exhaust() ?? search.run(MORE_TRIES);
  if (late === "none") return { kind: "proved" };
  return late === undefined ? { kind: "unproved" } : refute(relation, late, unrelated, facts);
}

/** The facts that share symbols with the relation, directly or through other facts, and groups of the others. */
function partition(
  relation: Relation,
  facts: readonly Relation[],
): { readonly related: readonly Relation[]; readonly unrelated: readonly (readonly Relation[])[] } {
  const groups: Relation[][] = [];
  let open = [...facts];
  let seeds = [...symbolsOfAll(dimsOf(relation)).keys()];
  while (true) {
    const reached = new Set(seeds);
    const group: Relation[] = [];
    for (let grown = true; grown; ) {
      grown = false;
      for (const fact of open) {
        const ids = [...symbolsOfAll(dimsOf(fact)).keys()];
        if (ids.length > 0 && !ids.some((id) => reached.has(id))) continue;
        for (const id of ids) reached.add(id);
        group.push(fact);
        grown = true;
      }
      open = open.filter((fact) => !group.includes(fact));
    }
    groups.push(group);
    const [next] = open;
    if (next === undefined) break;
    seeds = [...symbolsOfAll(dimsOf(next)).keys()];
  }
  const [related = [], ...unrelated] = groups;
  return { related, unrelated };
}

/** A witness must satisfy the facts about other symbols too; where that cannot be shown there is none. */
function refute(relation: Relation, found: Assignment, unrelated: readonly (readonly Relation[])[], facts: Facts): Answer {
  const values = new Map(found);
  for (const group of unrelated) {
    const model = modelOf(group);
    if (model === "none") return { kind: "proved" };
    if (model === undefined) return { kind: "unproved" };
    for (const [id, value] of model) values.set(id, value);
  }
  const bindings = new Map<string, number>();
  const taken = new Map<string, string>();
  for (const [id, { name }] of symbolsOfAll([...dimsOf(relation), ...facts.relations.flatMap(dimsOf)])) {
    const value = values.get(id);
    if (value === undefined) continue;
    bindings.set(taken.has(name) ? id : name, value);
    taken.set(name, id);
  }
  const own = symbolsOfAll(dimsOf(relation)).size;
  return { kind: "refuted", witness: { bindings, ...comparedValues(relation, found), own } };
}

function modelOf(facts: readonly Relation[]): Assignment | "none" | undefined {
  const literals = facts.flatMap((fact) => literalsOf(fact, true));
  const solved = eliminate(literals, "$m.");
  if (solved === undefined) return "none";
  const never: Relation = { op: "or", parts: [] };
  const model = searchFalsifying(never, facts, solved).run(MORE_TRIES);
  return model ?? (contradictory(literals, { cases: CHOICE_CASES }) ? "none" : undefined);
}

/** The size with what the facts say applied: equalities substituted, exact divisions done, choices decided. */
export function simplifyUnder(dim: Dim, facts: Facts): Dim {
  if (facts.relations.length === 0 || typeof dim === "number") return dim;
  const literals = facts.relations.flatMap((fact) => literalsOf(fact, true));
  const solved = eliminate(literals, "$s.");
  if (solved === undefined) return dim;
  const decided = decideChoices(dim, literals);
  const back = withoutFresh(substitute(decided, solved.bindings), solved.fresh);
  const plain = restoreSymbols(back, symbolsOfAll([dim, ...facts.relations.flatMap(dimsOf)]));
  return dimKey(plain).length <= dimKey(decided).length || usesEquality(decided, solved.bindings) ? plain : decided;
}

/** Whether an equality replaced a symbol by original symbols, which is always wanted. */
function usesEquality(dim: Dim, bindings: ReadonlyMap<string, Dim>): boolean {
  for (const id of symbolsOfAll([dim]).keys()) {
    const value = bindings.get(id);
    if (value === undefined) continue;
    const ids = [...symbolsOfAll([value]).keys()];
    if (!ids.includes(id) && ids.every((each) => !each.startsWith("$"))) return true;
  }
  return false;
}

/** Gives every symbol the least value it was declared with. */
function restoreSymbols(dim: Dim, declared: ReadonlyMap<string, SymbolAtom>): Dim {
  return substitute(dim, new Map([...declared].map(([id, atom]) => [id, symbol(atom.name, atom)])));
}

function decideChoices(dim: Dim, literals: readonly Literal[]): Dim {
  return mapAtoms(dim, (atom) => {
    if (atom.kind === "symbol" || atom.kind === "floor") return undefined;
    const certain = (relation: Relation): boolean => contradictory([...literals, ...literalsOf(relation, false)], { cases: CHOICE_CASES });
    const condition: Relation =
      atom.kind === "select" ? atom.condition : { op: atom.kind === "min" ? "<=" : ">=", left: atom.left, right: atom.right };
    const [first, second] = atom.kind === "select" ? [atom.then, atom.else] : [atom.left, atom.right];
    if (certain(condition)) return decideChoices(first, literals);
    if (certain({ op: "not", part: condition })) return decideChoices(second, literals);
    return undefined;
  });
}

/** `H = 69: 34 vs 35`; without compared values only the assignment. */
export function formatWitness(witness: Witness): string {
  const shown = [...witness.bindings].slice(0, witness.own ?? witness.bindings.size);
  const sizes = shown.map(([name, value]) => `${name} = ${value}`).join(", ");
  if (witness.left === undefined || witness.right === undefined) return sizes;
  const values = `${witness.left} vs ${witness.right}`;
  return sizes === "" ? values : `${sizes}: ${values}`;
}
