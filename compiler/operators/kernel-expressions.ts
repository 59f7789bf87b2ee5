/**
 * Constructors of kernel expressions and axes, for `lower` rules.
 * Invariant: what they build is plain data of `ir/kernel.ts`, valid in the logical axes of the node being lowered.
 */
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import type { Dim } from "../ir/dim.ts";
import { invariant } from "../ir/invariant.ts";
import type { Affine, Axis, Expression, ScalarType, Size } from "../ir/kernel.ts";
import type { Dtype } from "../ir/type.ts";

/** A literal. */
export function literal(value: number, type: ScalarType = "f32"): Expression {
  return { kind: "constant", value, type };
}

/** A unary operator applied. */
export function unary(op: UnaryOp, x: Expression): Expression {
  return { kind: "unary", op, x };
}

/** A binary operator applied. */
export function binary(op: BinaryOp, left: Expression, right: Expression): Expression {
  return { kind: "binary", op, left, right };
}

/** `condition ? then : otherwise`; both sides may be evaluated. */
export function choose(condition: Expression, then: Expression, otherwise: Expression): Expression {
  return { kind: "select", condition, then, else: otherwise };
}

/** Conversion; a comparison becomes 0 or 1. */
export function castTo(to: ScalarType, x: Expression): Expression {
  return { kind: "cast", to, x };
}

/** The value of an affine index, i32. */
export function indexValue(value: Affine): Expression {
  return { kind: "index", value };
}

/** A size as a number. */
export function sizeValue(value: Size, type: ScalarType = "f32"): Expression {
  return typeof value === "number" ? literal(value, type) : { kind: "size", value, type };
}

/** Result `index` of the accumulators. */
export function accumulated(index: number): Expression {
  return { kind: "accumulator", index };
}

/** Axis `position` itself, times a coefficient, plus a constant. */
export function along(position: number, coefficient = 1, constant = 0): Affine {
  return { constant, terms: coefficient === 0 ? [] : [{ axis: position, coefficient }] };
}

/** The constant index. */
export function fixed(constant: number): Affine {
  return { constant, terms: [] };
}

/** Every axis by itself: the element that is being computed. */
export function everyAxis(rank: number): readonly Affine[] {
  return Array.from({ length: rank }, (_, position) => along(position));
}

/** Axes named `prefix0`, `prefix1`, ... */
export function axesOf(sizes: readonly Size[], prefix = "i"): readonly Axis[] {
  return sizes.map((extent, position) => ({ name: `${prefix}${position}`, extent }));
}

/** The product of sizes, of which at most one may depend on the batch. */
export function multiplySizes(sizes: readonly Size[]): Size {
  let constant = 1;
  let batch: number | undefined;
  for (const size of sizes) {
    if (typeof size === "number") constant *= size;
    else {
      invariant(batch === undefined, "a size grows with the square of the batch");
      batch = size.batch;
    }
  }
  return batch === undefined ? constant : { batch: batch * constant };
}

/** A size that must not depend on the batch. */
export function fixedSize(size: Size | undefined, what: string): number {
  invariant(typeof size === "number", `${what} must not depend on the batch`);
  return size;
}

/** The number behind a Dim that is constant in a graph. */
export function countOf(dim: Dim | undefined, what = "a size"): number {
  invariant(typeof dim === "number", `${what} must be a constant here`);
  return dim;
}

/** How a tensor of this type is held inside. */
export function scalarTypeOf(dtype: Dtype): ScalarType {
  return dtype === "f32" || dtype === "f16" ? "f32" : "i32";
}

/** The row-major position of an element, counted over the given axes. */
export function rowMajor(axes: readonly { readonly axis: number; readonly extent: Size }[]): Affine {
  let stride = 1;
  const terms: { axis: number; coefficient: number }[] = [];
  for (const [position, { axis, extent }] of [...axes].reverse().entries()) {
    terms.unshift({ axis, coefficient: stride });
    // The extent of the outermost axis never matters, so it may depend on the batch.
    if (position < axes.length - 1) stride *= fixedSize(extent, "an inner axis of a row-major index");
  }
  return { constant: 0, terms };
}

/** A graph's Dim as a number in a kernel: a constant, a multiple of the batch, or a multiple and a constant. */
export function dimValue(dim: Dim, type: ScalarType): Expression {
  if (typeof dim === "number") return literal(dim, type);
  const [term, more] = dim.terms;
  invariant(term !== undefined && more === undefined && term.factors.length === 1, `${dim.key} is not linear in the batch`);
  const multiple = sizeValue({ batch: term.coefficient }, type);
  return dim.constant === 0 ? multiple : binary("add", multiple, literal(dim.constant, type));
}
