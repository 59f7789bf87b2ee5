/**
 * Elementwise arithmetic over an Emitter, for gradient rules and decompositions.
 * Invariant: operands of the binary functions have equal types; numbers become constants of the other operand's type.
 */
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import { type Dim, product } from "../ir/dim.ts";
import type { Value } from "../ir/graph.ts";
import type { Dtype } from "../ir/type.ts";
import type { Emitter } from "./operator.ts";

/** A tensor of one number, with the type of `model`. */
export function constantLike(emitter: Emitter, model: Value, value: number): Value {
  return emitter.emit("constant", [], { value, ...emitter.typeOf(model) });
}

/** A binary operator; one of the operands may be a plain number. */
export function apply(emitter: Emitter, op: BinaryOp, left: Value, right: Value | number): Value {
  return emitter.emit("binary", [left, typeof right === "number" ? constantLike(emitter, left, right) : right], { op });
}

/** `left + right` */
export function plus(emitter: Emitter, left: Value, right: Value | number): Value {
  return apply(emitter, "add", left, right);
}

/** `left - right` */
export function minus(emitter: Emitter, left: Value, right: Value | number): Value {
  return apply(emitter, "subtract", left, right);
}

/** `left * right` */
export function times(emitter: Emitter, left: Value, right: Value | number): Value {
  return apply(emitter, "multiply", left, right);
}

/** `left / right` */
export function over(emitter: Emitter, left: Value, right: Value | number): Value {
  return apply(emitter, "divide", left, right);
}

/** A unary operator. */
export function map(emitter: Emitter, op: UnaryOp, x: Value): Value {
  return emitter.emit("unary", [x], { op });
}

/** `condition ? then : otherwise`, elementwise. */
export function where(emitter: Emitter, condition: Value, then: Value, otherwise: Value | number): Value {
  const other = typeof otherwise === "number" ? constantLike(emitter, then, otherwise) : otherwise;
  return emitter.emit("select", [condition, then, other], {});
}

/** Repeats `x` to `shape`; its axis i becomes axis axes[i]. */
export function spread(emitter: Emitter, x: Value, shape: readonly Dim[], axes: readonly number[]): Value {
  return emitter.emit("broadcast", [x], { shape, axes });
}

/** Repeats a tensor whose `dropped` axes were reduced away back to `shape`. */
export function unreduce(emitter: Emitter, x: Value, shape: readonly Dim[], dropped: readonly number[]): Value {
  return spread(
    emitter,
    x,
    shape,
    shape.map((_, axis) => axis).filter((axis) => !dropped.includes(axis)),
  );
}

/** Repeats a vector over channels (axis 1) to the shape of `model`. */
export function perChannel(emitter: Emitter, vector: Value, model: Value): Value {
  return spread(emitter, vector, emitter.typeOf(model).shape, [1]);
}

/** Sums over axes, dropping them; over none it is the identity. */
export function sumOver(emitter: Emitter, x: Value, axes: readonly number[]): Value {
  return axes.length === 0 ? x : emitter.emit("reduce", [x], { op: "sum", axes });
}

/** The number of elements over some sizes, as a tensor of shape [] repeated to `shape`. */
export function countLike(emitter: Emitter, sizes: readonly Dim[], shape: readonly Dim[], dtype: Dtype): Value {
  const count = product(sizes);
  if (typeof count === "number") return emitter.emit("constant", [], { value: count, dtype, shape });
  return spread(emitter, emitter.emit("size", [], { value: count, dtype }), shape, []);
}

/** All axes but 1: what batch norm reduces over. */
export function allButChannels(rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);
}
