/**
 * Conditions on the batch that no proof could settle, checked before a program runs.
 * Invariant: exact integer arithmetic below 2^53, division rounding down, as the compiler's.
 */
import type { GuardCondition, GuardSize, GuardSpec, Manifest } from "./manifest.ts";
import type { ProgramName } from "./memory.ts";
import { guardFails } from "./problems.ts";

/** Throws RN709 with the text of the first condition that fails for this batch. */
export function checkGuards(manifest: Manifest, name: ProgramName, batch: number): void {
  for (const guard of manifest.guards) {
    if (applies(guard, name) && !holds(guard.condition, batch)) throw guardFails(guard.text, batch);
  }
}

function applies(guard: GuardSpec, name: ProgramName): boolean {
  return guard.mode === undefined || (guard.mode === "inference") === (name === "infer");
}

function holds(condition: GuardCondition, batch: number): boolean {
  switch (condition.op) {
    case "and":
      return condition.parts.every((part) => holds(part, batch));
    case "or":
      return condition.parts.some((part) => holds(part, batch));
    case "not":
      return !holds(condition.part, batch);
    case "divides":
      return valueOf(condition.dividend, batch) % valueOf(condition.divisor, batch) === 0;
    default:
      return compare(condition.op, valueOf(condition.left, batch), valueOf(condition.right, batch));
  }
}

function compare(op: "==" | "!=" | "<" | "<=" | ">" | ">=", left: number, right: number): boolean {
  switch (op) {
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    default:
      return left >= right;
  }
}

function valueOf(size: GuardSize, batch: number): number {
  if (typeof size === "number") return size;
  switch (size.kind) {
    case "batch":
      return batch;
    case "sum":
      return size.parts.reduce<number>((total, part) => total + valueOf(part, batch), 0);
    case "product":
      return size.parts.reduce<number>((total, part) => total * valueOf(part, batch), 1);
    case "floor":
      return Math.floor(valueOf(size.numerator, batch) / valueOf(size.denominator, batch));
    case "min":
      return Math.min(...size.parts.map((part) => valueOf(part, batch)));
    case "max":
      return Math.max(...size.parts.map((part) => valueOf(part, batch)));
    default:
      return valueOf(holds(size.condition, batch) ? size.then : size.otherwise, batch);
  }
}
