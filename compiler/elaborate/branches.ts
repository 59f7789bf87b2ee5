/**
 * What holds after a branch that some sizes take and others do not: each size is the one or the other by the condition.
 * Invariant: nothing is said of the result that does not hold on both ways; what cannot be said is poison, and silent.
 */
import type { Span } from "../../grammar/source.ts";
import { type Dim, modulo, sameDim, select } from "../ir/dim.ts";
import type { Relation } from "../ir/relation.ts";
import { logical } from "./arithmetic.ts";
import { addValue, type Frame } from "./context.ts";
import { type Origin, POISON, type TensorValue, type Value, valueKey } from "./values.ts";

/** The condition, and where it stands. */
export interface Branching {
  readonly condition: Relation;
  readonly span: Span;
}

/** `condition ? then : otherwise` for a condition of any form. */
export function chooseDim(condition: Relation, then: Dim, otherwise: Dim): Dim {
  if (sameDim(then, otherwise)) return then;
  switch (condition.op) {
    case "not":
      return chooseDim(condition.part, otherwise, then);
    case "and":
      return condition.parts.reduceRight((all: Dim, part) => chooseDim(part, all, otherwise), then);
    case "or":
      return condition.parts.reduceRight((none: Dim, part) => chooseDim(part, then, none), otherwise);
    case "divides":
      return select({ op: "==", left: modulo(condition.dividend, condition.divisor), right: 0 }, then, otherwise);
    case ">":
      return select({ op: "<", left: condition.right, right: condition.left }, then, otherwise);
    case ">=":
      return select({ op: "<=", left: condition.right, right: condition.left }, then, otherwise);
    default:
      return select({ op: condition.op, left: condition.left, right: condition.right }, then, otherwise);
  }
}

/** The value after the branch; poison where the two have no common description. */
export function mergeValues(frame: Frame, branching: Branching, then: Value, otherwise: Value): Value {
  if (then.kind === "poison" || otherwise.kind === "poison") return POISON;
  if (then.kind === "tensor" && otherwise.kind === "tensor") return mergeTensors(frame, branching, then, otherwise);
  if (then.kind === "dim" && otherwise.kind === "dim") return { kind: "dim", dim: chooseDim(branching.condition, then.dim, otherwise.dim) };
  if (then.kind === "pack" && otherwise.kind === "pack" && then.dims.length === otherwise.dims.length)
    return { kind: "pack", dims: then.dims.map((dim, i) => chooseDim(branching.condition, dim, otherwise.dims[i] ?? dim)) };
  if ((then.kind === "tuple" || then.kind === "list") && then.kind === otherwise.kind && then.elements.length === otherwise.elements.length)
    return { kind: then.kind, elements: then.elements.map((each, i) => mergeValues(frame, branching, each, otherwise.elements[i] ?? POISON)) };
  if (then.kind === "bool" && otherwise.kind === "bool") return mergeConditions(branching.condition, then.value, otherwise.value);
  if (valueKey(then) === valueKey(otherwise)) return then;
  // A real number that is one of two is as unknown as a parameter.
  if ((then.kind === "real" || then.kind === "dim") && (otherwise.kind === "real" || otherwise.kind === "dim"))
    return { kind: "real", value: Number.NaN };
  return POISON;
}

function mergeConditions(condition: Relation, then: boolean | Relation, otherwise: boolean | Relation): Value {
  const whole = (value: Value): boolean | Relation => (value.kind === "bool" ? value.value : false);
  return logical("||", whole(logical("&&", condition, then)), whole(logical("&&", { op: "not", part: condition }, otherwise)));
}

function mergeTensors(frame: Frame, { condition, span }: Branching, then: TensorValue, otherwise: TensorValue): Value {
  const [a, b] = [then.type, otherwise.type];
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length) return POISON;
  const shape = a.shape.map((dim, axis) => chooseDim(condition, dim, b.shape[axis] ?? dim));
  if (shape.every((dim, axis) => sameDim(dim, a.shape[axis] ?? 0))) return then;
  const written = span.source.text.slice(span.start, span.end);
  const origins = shape.map((dim, axis): Origin | undefined => {
    const previous = then.origins[axis];
    if (sameDim(dim, a.shape[axis] ?? 0)) return previous;
    return { span, dim, by: () => `\`if ${written}\``, ...(previous === undefined ? {} : { previous }) };
  });
  const type = { dtype: a.dtype, shape };
  return { kind: "tensor", id: addValue(frame, type), type, origins };
}
