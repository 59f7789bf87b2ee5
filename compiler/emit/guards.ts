/**
 * Guards as the runtime evaluates them: relations over the batch alone, with their text.
 * Invariant: a relation that holds other free sizes is left out, since those are fixed before code is made.
 */
import type { GuardCondition, GuardSize, GuardSpec } from "../../runtime/manifest.ts";
import { formatRelation } from "../check/solve.ts";
import { type Dim, type DimAtom, type DimCondition, symbolsOf } from "../ir/dim.ts";
import type { Guard } from "../ir/program.ts";
import type { Relation } from "../ir/relation.ts";

/** Guards of the inference and the training program; those of one alone are marked so. */
export function guardSpecs(inference: readonly Guard[], training: readonly Guard[] | undefined, batch: string | undefined): GuardSpec[] {
  if (batch === undefined) return [];
  const first = distinct(inference, batch);
  if (training === undefined) return [...first.values()];
  const second = distinct(training, batch);
  const only = (specs: ReadonlyMap<string, GuardSpec>, others: ReadonlyMap<string, GuardSpec>, mode: "inference" | "training"): GuardSpec[] =>
    [...specs].flatMap(([key, spec]) => (others.has(key) ? [] : [{ ...spec, mode }]));
  const both = [...first].flatMap(([key, spec]) => (second.has(key) ? [spec] : []));
  return [...both, ...only(first, second, "inference"), ...only(second, first, "training")];
}

function distinct(guards: readonly Guard[], batch: string): ReadonlyMap<string, GuardSpec> {
  const specs = new Map<string, GuardSpec>();
  for (const { relation, message } of guards) {
    if (!sizesIn(relation).every((dim) => [...symbolsOf(dim).keys()].every((id) => id === batch))) continue;
    const condition = conditionOf(relation);
    const key = JSON.stringify(condition);
    const stated = formatRelation(relation);
    const text = message.includes(stated) ? message : `${stated} (${message})`;
    if (!specs.has(key)) specs.set(key, { text, condition });
  }
  return specs;
}

function sizesIn(relation: Relation): readonly Dim[] {
  switch (relation.op) {
    case "and":
    case "or":
      return relation.parts.flatMap(sizesIn);
    case "not":
      return sizesIn(relation.part);
    case "divides":
      return [relation.divisor, relation.dividend];
    default:
      return [relation.left, relation.right];
  }
}

function conditionOf(relation: Relation): GuardCondition {
  switch (relation.op) {
    case "and":
    case "or":
      return { op: relation.op, parts: relation.parts.map(conditionOf) };
    case "not":
      return { op: "not", part: conditionOf(relation.part) };
    case "divides":
      return { op: "divides", divisor: sizeOf(relation.divisor), dividend: sizeOf(relation.dividend) };
    default:
      return { op: relation.op, left: sizeOf(relation.left), right: sizeOf(relation.right) };
  }
}

function sizeOf(dim: Dim): GuardSize {
  if (typeof dim === "number") return dim;
  const terms = dim.terms.map((term): GuardSize => productOf([...(term.coefficient === 1 ? [] : [term.coefficient]), ...term.factors.map(atomOf)]));
  const parts = dim.constant === 0 ? terms : [...terms, dim.constant];
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind: "sum", parts };
}

function productOf(parts: readonly GuardSize[]): GuardSize {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind: "product", parts };
}

function atomOf(atom: DimAtom): GuardSize {
  switch (atom.kind) {
    case "symbol":
      return { kind: "batch" };
    case "floor":
      return { kind: "floor", numerator: sizeOf(atom.numerator), denominator: sizeOf(atom.denominator) };
    case "min":
    case "max":
      return { kind: atom.kind, parts: [sizeOf(atom.left), sizeOf(atom.right)] };
    case "select":
      return { kind: "select", condition: comparisonOf(atom.condition), then: sizeOf(atom.then), otherwise: sizeOf(atom.else) };
    default:
      return atom satisfies never;
  }
}

function comparisonOf({ op, left, right }: DimCondition): GuardCondition {
  return { op, left: sizeOf(left), right: sizeOf(right) };
}
