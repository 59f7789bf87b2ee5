/**
 * Arithmetic, comparison and logic on sizes and numbers while compiling; tensors are not among the operands.
 * Invariant: sizes stay symbolic and exact; a division is proved exact, or reported.
 */
import type { Span } from "../../grammar/source.ts";
import { assume } from "../check/solve.ts";
import { add, constantOf, type Dim, divExact, modulo, mul, sub, symbol } from "../ir/dim.ts";
import { type Comparison, compare } from "../ir/comparison.ts";
import type { Relation } from "../ir/relation.ts";
import { asReal } from "./arguments.ts";
import { demand, type Frame, report } from "./context.ts";
import * as problems from "./problems.ts";
import { UNKNOWN_CONDITION } from "./solver.ts";
import { dimValue, POISON, type Value } from "./values.ts";
import { whereFix } from "./where-fix.ts";

/** Bounds products of sums, whose terms multiply. */
const MOST_TERMS = 2000;

/** Bounds products of many factors. */
const MOST_FACTORS = 64;

/** Longest list that a computation may make. */
export const MOST_ELEMENTS = 10_000;

/** Dims with dims, or packs element by element. */
export function mapDims(left: Value, right: Value, combine: (a: Dim, b: Dim) => Dim): Value | undefined {
  if (left.kind === "dim" && right.kind === "dim") return dimValue(combine(left.dim, right.dim));
  if (left.kind === "pack" && right.kind === "dim") return { kind: "pack", dims: left.dims.map((dim) => combine(dim, right.dim)) };
  if (left.kind === "dim" && right.kind === "pack") return { kind: "pack", dims: right.dims.map((dim) => combine(left.dim, dim)) };
  if (left.kind === "pack" && right.kind === "pack" && left.dims.length === right.dims.length)
    return { kind: "pack", dims: left.dims.map((dim, i) => combine(dim, right.dims[i] ?? dim)) };
  return undefined;
}

/** Conjunction and disjunction of conditions, decided where one side decides. */
export function logical(operator: "&&" | "||", left: boolean | Relation, right: boolean | Relation): Value {
  const neutral = operator === "&&";
  if (typeof left === "boolean") return { kind: "bool", value: left === neutral ? right : left };
  if (typeof right === "boolean") return { kind: "bool", value: right === neutral ? left : right };
  return { kind: "bool", value: { op: operator === "&&" ? "and" : "or", parts: [left, right] } };
}

/** Arithmetic on sizes, numbers and lists; undefined where the operands do not fit, poison once reported. */
export function arithmetic(frame: Frame, operator: "+" | "-" | "*" | "/" | "%", left: Value, right: Value, span: Span): Value | undefined {
  if (left.kind === "real" || right.kind === "real") {
    const a = asReal(left);
    const b = asReal(right);
    if (a?.kind !== "real" || b?.kind !== "real") return undefined;
    return { kind: "real", value: realArithmetic(operator, a.value, b.value) };
  }
  if (left.kind === "list" && right.kind === "list" && operator === "+") return { kind: "list", elements: [...left.elements, ...right.elements] };
  if (left.kind === "list" && right.kind === "dim" && operator === "*") {
    const count = constantOf(right.dim);
    if (count === undefined) return POISON;
    const length = Math.max(0, count) * left.elements.length;
    if (length <= MOST_ELEMENTS) return { kind: "list", elements: Array.from({ length: Math.max(0, count) }, () => left.elements).flat() };
    report(frame.session, problems.tooLarge("a list that is repeated", MOST_ELEMENTS, span));
    return POISON;
  }
  let sound = true;
  const result = mapDims(left, right, (a, b) => {
    switch (operator) {
      case "+":
        return add(a, b);
      case "-":
        return sub(a, b);
      case "*":
        if (termsIn(a) * termsIn(b) <= MOST_TERMS && degreeOf(a) + degreeOf(b) <= MOST_FACTORS) return mul(a, b);
        report(frame.session, problems.tooLarge("terms in the product of two sizes", MOST_TERMS, span));
        sound = false;
        return a;
      case "%":
        return modulo(a, b);
      case "/":
        sound = divides(frame, a, b, span) && sound;
        return divExact(a, b);
      default:
        return operator satisfies never;
    }
  });
  return sound ? result : POISON;
}

function termsIn(dim: Dim): number {
  return typeof dim === "number" ? 1 : dim.terms.length + 1;
}

function degreeOf(dim: Dim): number {
  return typeof dim === "number" ? 0 : dim.terms.reduce((most, term) => Math.max(most, term.factors.length), 0);
}

/** Demands that a division is exact; once reported it is assumed, so that the same quotient is not reported again. */
function divides(frame: Frame, dividend: Dim, divisor: Dim, span: Span): boolean {
  const { session } = frame;
  const relation: Relation = { op: "divides", divisor, dividend };
  const exact = demand(session, relation, span, "the division leaves no remainder", (witness) =>
    problems.inexactDivision(dividend, divisor, witness, span, whereFix(session, [relation])),
  );
  if (!exact && session.generic) session.facts = assume(session.facts, [relation]);
  return exact;
}

function realArithmetic(operator: "+" | "-" | "*" | "/" | "%", a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a - b * Math.floor(a / b);
    default:
      return operator satisfies never;
  }
}

/** A comparison as a truth value or, of unknown sizes, as a relation. */
export function comparison(operator: Comparison, left: Value, right: Value, span: Span): Value | undefined {
  if (left.kind === "dim" && right.kind === "dim") return { kind: "bool", value: compareDims(operator, left.dim, right.dim) };
  if (left.kind === "pack" || right.kind === "pack") return comparePacks(operator, left, right);
  const a = asReal(left);
  const b = asReal(right);
  if (a?.kind === "real" && b?.kind === "real") {
    if (Number.isNaN(a.value) || Number.isNaN(b.value)) return { kind: "bool", value: unknownCondition(span) };
    return { kind: "bool", value: compare(operator, a.value, b.value) };
  }
  if ((left.kind === "string" && right.kind === "string") || (left.kind === "bool" && right.kind === "bool")) {
    if (typeof left.value === "object" || typeof right.value === "object") return undefined;
    if (operator === "==") return { kind: "bool", value: left.value === right.value };
    if (operator === "!=") return { kind: "bool", value: left.value !== right.value };
  }
  return undefined;
}

/** Packs compare axis by axis: all must hold, or for `!=` one. */
function comparePacks(operator: Comparison, left: Value, right: Value): Value | undefined {
  const length = left.kind === "pack" ? left.dims.length : right.kind === "pack" ? right.dims.length : 0;
  const dimsOf = (value: Value): readonly Dim[] | undefined =>
    value.kind === "dim" ? Array.from({ length }, () => value.dim) : value.kind === "pack" ? value.dims : undefined;
  const [a, b] = [dimsOf(left), dimsOf(right)];
  if (a?.length !== b?.length || a === undefined || b === undefined) return undefined;
  const joined = operator === "!=" ? "||" : "&&";
  const start: Value = { kind: "bool", value: joined === "&&" };
  return a.reduce<Value>(
    (rest, dim, i) => (rest.kind === "bool" ? logical(joined, rest.value, compareDims(operator, dim, b[i] ?? dim)) : rest),
    start,
  );
}

function compareDims(operator: Comparison, left: Dim, right: Dim): boolean | Relation {
  const a = constantOf(left);
  const b = constantOf(right);
  if (a !== undefined && b !== undefined) return compare(operator, a, b);
  return { op: operator, left, right };
}

/** A condition over a real parameter, unknown while a block is checked by itself; those of different places are told apart. */
function unknownCondition({ source, start, end }: Span): Relation {
  const text = source.text.slice(start, end);
  return { op: "==", left: symbol(text, { id: `${UNKNOWN_CONDITION} ${source.path} ${start}`, least: 0 }), right: 1 };
}
