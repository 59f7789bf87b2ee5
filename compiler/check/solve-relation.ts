/**
 * Relations between sizes: their truth under an assignment, normal form and text.
 * Invariant: a literal holds exactly where the relation it came from holds and its sides have values.
 */
import { type Comparison, compare } from "../ir/comparison.ts";
import { add, type Dim, evaluate, formatCondition, formatDim, isConstant, modulo, mul, negate, type SymbolAtom, sub, symbolsOf } from "../ir/dim.ts";
import { divideWithRemainder, fromParts, partsOf } from "../ir/dim-polynomial.ts";
import type { Relation } from "../ir/relation.ts";

/** `dim` compared with zero, a divisibility, or a choice between conjunctions. */
export type Literal =
  | { readonly kind: "zero" | "nonzero" | "atMostZero"; readonly dim: Dim }
  | { readonly kind: "divides"; readonly divisor: Dim; readonly dividend: Dim }
  | { readonly kind: "either"; readonly options: readonly (readonly Literal[])[] };

const opposite: Readonly<Record<Comparison, Comparison>> = {
  "==": "!=",
  "!=": "==",
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
};

/** The relation, or its negation, as a conjunction of literals. */
export function literalsOf(relation: Relation, holds: boolean): readonly Literal[] {
  switch (relation.op) {
    case "not":
      return literalsOf(relation.part, !holds);
    case "and":
    case "or": {
      const options = relation.parts.map((part) => literalsOf(part, holds));
      if ((relation.op === "and") === holds || options.length === 1) return options.flat();
      return [{ kind: "either", options }];
    }
    case "divides": {
      const { divisor, dividend } = relation;
      return holds ? [{ kind: "divides", divisor, dividend }] : [{ kind: "nonzero", dim: modulo(dividend, divisor) }];
    }
    default:
      return comparisonLiterals(holds ? relation.op : opposite[relation.op], relation.left, relation.right);
  }
}

function comparisonLiterals(op: Comparison, left: Dim, right: Dim): readonly Literal[] {
  switch (op) {
    case "==":
      return equalityLiterals(sub(left, right));
    case "!=":
      return [{ kind: "nonzero", dim: sub(left, right) }];
    case "<":
      return [{ kind: "atMostZero", dim: add(sub(left, right), 1) }];
    case "<=":
      return [{ kind: "atMostZero", dim: sub(left, right) }];
    case ">":
      return [{ kind: "atMostZero", dim: add(sub(right, left), 1) }];
    case ">=":
      return [{ kind: "atMostZero", dim: sub(right, left) }];
    default:
      return op satisfies never;
  }
}

/** `n % d == r` becomes `d divides n - r`, which elimination can solve. */
function equalityLiterals(difference: Dim): readonly Literal[] {
  const zero: Literal = { kind: "zero", dim: difference };
  for (const term of partsOf(difference).terms) {
    const atom = term.factors.find((factor) => factor.kind === "floor");
    if (atom?.kind !== "floor") continue;
    const others = term.factors.filter((factor) => factor !== atom);
    const own = others.length === 0 ? term.coefficient : fromParts(0, [{ coefficient: term.coefficient, factors: others }]);
    const { quotient, remainder } = divideWithRemainder(negate(own), atom.denominator);
    if (remainder !== 0 || (quotient !== 1 && quotient !== -1)) continue;
    const rest = add(sub(difference, fromParts(0, [term])), mul(-quotient, atom.numerator));
    // difference = quotient*(numerator % denominator) + rest
    const residue = mul(-quotient, rest);
    return [zero, { kind: "divides", divisor: atom.denominator, dividend: sub(atom.numerator, residue) }];
  }
  return [zero];
}

/** The truth of a relation under an assignment by id; undefined where a side that matters has no value. */
export function evaluateRelation(relation: Relation, env: ReadonlyMap<string, number>): boolean | undefined {
  switch (relation.op) {
    case "not": {
      const part = evaluateRelation(relation.part, env);
      return part === undefined ? undefined : !part;
    }
    case "and":
    case "or": {
      const deciding = relation.op === "or";
      const values = relation.parts.map((part) => evaluateRelation(part, env));
      if (values.includes(deciding)) return deciding;
      return values.includes(undefined) ? undefined : !deciding;
    }
    case "divides": {
      const divisor = evaluate(relation.divisor, env);
      const dividend = evaluate(relation.dividend, env);
      return divisor === undefined || dividend === undefined || divisor === 0 ? undefined : dividend % divisor === 0;
    }
    default: {
      const [left, right] = [evaluate(relation.left, env), evaluate(relation.right, env)];
      return left === undefined || right === undefined ? undefined : compare(relation.op, left, right);
    }
  }
}

/** The two values that a failed relation compares: of its first false comparison, or the remainder and 0. */
export function comparedValues(relation: Relation, env: ReadonlyMap<string, number>): { readonly left: number; readonly right: number } | undefined {
  switch (relation.op) {
    case "not":
      return relation.part.op === "and" || relation.part.op === "or" ? undefined : comparedValues(relation.part, env);
    case "and":
    case "or": {
      const failed = relation.parts.find((part) => evaluateRelation(part, env) === false);
      return failed === undefined || relation.op === "or" ? undefined : comparedValues(failed, env);
    }
    case "divides": {
      const left = evaluate(modulo(relation.dividend, relation.divisor), env);
      return left === undefined ? undefined : { left, right: 0 };
    }
    default: {
      const left = evaluate(relation.left, env);
      const right = evaluate(relation.right, env);
      return left === undefined || right === undefined ? undefined : { left, right };
    }
  }
}

/** The sizes a relation is about. */
export function dimsOf(relation: Relation): readonly Dim[] {
  switch (relation.op) {
    case "not":
      return dimsOf(relation.part);
    case "and":
    case "or":
      return relation.parts.flatMap(dimsOf);
    case "divides":
      return [relation.divisor, relation.dividend];
    default:
      return [relation.left, relation.right];
  }
}

/** The symbols of several sizes, by id, in order of appearance. */
export function symbolsOfAll(dims: readonly Dim[]): Map<string, SymbolAtom> {
  const found = new Map<string, SymbolAtom>();
  for (const dim of dims) for (const [id, atom] of symbolsOf(dim)) if (!found.has(id)) found.set(id, atom);
  return found;
}

/** The literal's sizes. */
export function dimsOfLiteral(literal: Literal): readonly Dim[] {
  if (literal.kind === "divides") return [literal.divisor, literal.dividend];
  if (literal.kind === "either") return literal.options.flat().flatMap(dimsOfLiteral);
  return [literal.dim];
}

/** The literal with every size replaced. */
export function mapLiteral(literal: Literal, change: (dim: Dim) => Dim): Literal {
  if (literal.kind === "divides") {
    return { kind: "divides", divisor: change(literal.divisor), dividend: change(literal.dividend) };
  }
  if (literal.kind === "either") {
    return { kind: "either", options: literal.options.map((option) => option.map((each) => mapLiteral(each, change))) };
  }
  return { kind: literal.kind, dim: change(literal.dim) };
}

/** The relation as a person would write it. */
export function formatRelation(relation: Relation): string {
  switch (relation.op) {
    case "not":
      return `!(${formatRelation(relation.part)})`;
    case "and":
    case "or":
      return relation.parts
        .map((part) => (part.op === "and" || part.op === "or" ? `(${formatRelation(part)})` : formatRelation(part)))
        .join(relation.op === "and" ? " && " : " || ");
    case "divides":
      return `${asOperand(relation.dividend)} % ${asOperand(relation.divisor)} == 0`;
    case "==":
    case "!=":
      return formatCondition({ op: relation.op, left: relation.left, right: relation.right });
    default:
      return `${formatDim(relation.left)} ${relation.op} ${formatDim(relation.right)}`;
  }
}

function asOperand(dim: Dim): string {
  const text = formatDim(dim);
  return /^[\w.]+$/.test(text) || (isConstant(dim) && dim >= 0) ? text : `(${text})`;
}
