/**
 * What type rules share: demands of rank, dtype and size put to a TypeContext.
 * Invariant: each returns false after `fail`, so that a rule can stop with `undefined`.
 */
import type { Dim } from "../ir/dim.ts";
import type { Dtype, TensorType } from "../ir/type.ts";
import type { TypeContext } from "./operator.ts";

/** Whether values of this dtype have gradients. */
export function isFloat(dtype: Dtype): boolean {
  return dtype === "f32" || dtype === "f16";
}

/** Demands a number of inputs. */
export function expectInputs(context: TypeContext, inputs: readonly TensorType[], count: number): boolean {
  if (inputs.length === count) return true;
  context.fail({ kind: "arity", message: `takes ${count} inputs, not ${inputs.length}` });
  return false;
}

/** Demands an exact rank of input `position`; `what` says what it is: "the weight". */
export function expectRank(context: TypeContext, type: TensorType, rank: number, position: number, what: string): boolean {
  if (type.shape.length === rank) return true;
  context.fail({
    kind: "rank",
    input: position,
    message: `${what} must have ${rank} ${rank === 1 ? "axis" : "axes"}, not ${type.shape.length}`,
  });
  return false;
}

/** Demands real numbers. */
export function expectFloat(context: TypeContext, type: TensorType, position: number, what: string): boolean {
  if (isFloat(type.dtype)) return true;
  context.fail({ kind: "dtype", input: position, message: `${what} must hold real numbers, not ${type.dtype}` });
  return false;
}

/** Demands integers (i32 or i64). */
export function expectInteger(context: TypeContext, type: TensorType, position: number, what: string): boolean {
  if (type.dtype === "i32" || type.dtype === "i64") return true;
  context.fail({ kind: "dtype", input: position, message: `${what} must hold integers, not ${type.dtype}` });
  return false;
}

/** Demands that input `position` has the dtype of the first. */
export function expectSameDtype(context: TypeContext, first: TensorType, other: TensorType, position: number): boolean {
  if (first.dtype === other.dtype) return true;
  context.fail({ kind: "dtype", input: position, message: `holds ${other.dtype} where ${first.dtype} is needed` });
  return false;
}

/** Demands an axis that exists. */
export function expectAxis(context: TypeContext, type: TensorType, axis: number): boolean {
  if (Number.isInteger(axis) && axis >= 0 && axis < type.shape.length) return true;
  context.fail({
    kind: "axis",
    input: 0,
    message: `there is no axis ${axis}: the input has ${type.shape.length} axes`,
  });
  return false;
}

/** Demands a list with one entry for each axis. */
export function expectEntries(context: TypeContext, list: readonly unknown[], count: number, what: string): boolean {
  if (list.length === count) return true;
  context.fail({ kind: "attribute", message: `${what} needs ${count} entries, not ${list.length}` });
  return false;
}

/** Demands equal sizes axis by axis; the ranks must agree. */
export function expectSameShape(context: TypeContext, left: readonly Dim[], right: readonly Dim[], position: number, what: string): boolean {
  if (left.length !== right.length) {
    context.fail({
      kind: "rank",
      input: position,
      message: `${what} must have ${left.length} axes like the first, not ${right.length}`,
    });
    return false;
  }
  for (const [axis, size] of left.entries()) requireEqual(context, size, right[axis] ?? 0, `${what}, axis ${axis}`);
  return true;
}

/** Demands that two sizes are equal. */
export function requireEqual(context: TypeContext, left: Dim, right: Dim, what: string): void {
  context.require({ op: "==", left, right }, what);
}

/** Demands that a size is at least another. */
export function requireAtLeast(context: TypeContext, left: Dim, right: Dim, what: string): void {
  context.require({ op: ">=", left, right }, what);
}
