/**
 * The solver with a memory: each relation is asked once under the same facts, whatever block asks.
 * Invariant: questions are told apart by their sizes and by the least values of the symbols in them.
 */
import { type Answer, type Facts, prove } from "../check/solve.ts";
import { type Dim, sameDim, symbolsOf } from "../ir/dim.ts";
import { boundsOf, evident } from "../ir/dim-bounds.ts";
import type { Relation } from "../ir/relation.ts";
import { relationKey } from "./values.ts";

export interface Solver {
  answer(facts: Facts, relation: Relation): Answer;
  /** Equal for equal facts. */
  factsKey(facts: Facts): string;
  /** Whether it should give way to a new one. */
  isFull(): boolean;
}

/** Some tens of megabytes. */
const MOST_ANSWERS = 50_000;

const PROVED: Answer = { kind: "proved" };

/** A solver that keeps its answers as long as it lives. */
export function rememberingSolver(): Solver {
  const byContent = new Map<string, Map<string, Answer>>();
  const keys = new WeakMap<Facts, string>();
  const byFacts = new WeakMap<Facts, Map<string, Answer>>();
  const factsKey = (facts: Facts): string => {
    const known = keys.get(facts);
    if (known !== undefined) return known;
    const key = facts.relations.map(questionKey).join("&");
    keys.set(facts, key);
    return key;
  };
  const tableOf = (facts: Facts): Map<string, Answer> => {
    const known = byFacts.get(facts);
    if (known !== undefined) return known;
    const content = factsKey(facts);
    const table = byContent.get(content) ?? new Map<string, Answer>();
    byContent.set(content, table);
    byFacts.set(facts, table);
    return table;
  };
  let remembered = 0;
  return {
    factsKey,
    isFull: () => remembered > MOST_ANSWERS,
    answer(facts, relation) {
      if (needsNoProof(relation)) return PROVED;
      const table = tableOf(facts);
      const key = questionKey(relation);
      const known =
        table.get(key) ??
        turned(relation.op === "==" ? table.get(questionKey({ ...relation, left: relation.right, right: relation.left })) : undefined);
      const answer = known ?? (unconstrained(relation, facts) ? UNPROVED : withoutOpaque(relation, prove(relation, facts)));
      if (known === undefined) remembered++;
      table.set(key, answer);
      return answer;
    },
  };
}

/** The answer for the sides exchanged. */
function turned(answer: Answer | undefined): Answer | undefined {
  if (answer?.kind !== "refuted") return answer;
  const { left, right, ...rest } = answer.witness;
  return { kind: "refuted", witness: { ...rest, ...(right === undefined ? {} : { left: right }), ...(left === undefined ? {} : { right: left }) } };
}

const UNPROVED: Answer = { kind: "unproved" };

/** Ids of sizes that a repeat leaves unknown begin with this. */
export const OPAQUE = "?repeat";
/** Ids of conditions over real parameters begin with this. */
export const UNKNOWN_CONDITION = "?condition";

/** An unknown size, or an unknown condition, has one value, which need not be the witness's. */
function withoutOpaque(relation: Relation, answer: Answer): Answer {
  const unknown = (id: string): boolean => id.startsWith(OPAQUE) || id.startsWith(UNKNOWN_CONDITION);
  return answer.kind === "refuted" && idsIn(relation).some(unknown) ? UNPROVED : answer;
}

/** A condition that stands for a truth value not known yet (`training`, a real parameter), of which no fact speaks. */
function unconstrained(relation: Relation, facts: Facts): boolean {
  if (!dimsIn(relation).every(isBare)) return false;
  const ids = idsIn(relation);
  return ids.length > 0 && ids.every((id) => id.startsWith("?")) && !facts.relations.some((fact) => idsIn(fact).some((id) => ids.includes(id)));
}

/** A number or a symbol by itself; a size that a condition chooses is neither. */
function isBare(dim: Dim): boolean {
  const [term, ...more] = typeof dim === "number" ? [] : dim.terms;
  return more.length === 0 && (term === undefined || (term.factors.length === 1 && term.factors[0]?.kind === "symbol"));
}

function idsIn(relation: Relation): readonly string[] {
  return dimsIn(relation).flatMap((dim) => [...symbolsOf(dim).keys()]);
}

/** What needs no solver: equal sizes, division by 1, and an order that follows from the least values of symbols. */
function needsNoProof(relation: Relation): boolean {
  switch (relation.op) {
    case "==":
    case ">=":
    case "<=":
      return evident(relation.op, relation.left, relation.right);
    case "divides":
      return relation.divisor === 1 || (sameDim(relation.divisor, relation.dividend) && boundsOf(relation.divisor).low >= 1);
    default:
      return false;
  }
}

/** Symbols of one id may stand for a count in one block and a size in another. */
function questionKey(relation: Relation): string {
  const leasts: string[] = [];
  for (const dim of dimsIn(relation)) for (const [id, { least }] of symbolsOf(dim)) if (least !== 1) leasts.push(`${id}>=${least}`);
  const key = relationKey(relation);
  return leasts.length === 0 ? key : `${key} ${leasts.join()}`;
}

function dimsIn(relation: Relation): readonly Dim[] {
  switch (relation.op) {
    case "divides":
      return [relation.divisor, relation.dividend];
    case "and":
    case "or":
      return relation.parts.flatMap(dimsIn);
    case "not":
      return dimsIn(relation.part);
    default:
      return [relation.left, relation.right];
  }
}
