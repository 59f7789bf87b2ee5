/**
 * Arithmetic on Sizes. Invariant: results are Sizes again; what is not linear in the batch is a compiler bug here and
 * `undefined` from the `try` variants.
 */
import { invariant } from "../ir/invariant.ts";
import type { Size } from "../ir/kernel.ts";

/** `a * b`, or `undefined` where that is quadratic in the batch. */
export function tryMultiply(a: Size, b: Size): Size | undefined {
  if (typeof a === "number") return scale(b, a);
  return typeof b === "number" ? scale(a, b) : undefined;
}

export function multiply(a: Size, b: Size): Size {
  const product = tryMultiply(a, b);
  invariant(product !== undefined, "a size is quadratic in the batch");
  return product;
}

export function scale(size: Size, factor: number): Size {
  if (typeof size === "number") return size * factor;
  return factor === 0 ? 0 : { batch: size.batch * factor };
}

export function add(a: Size, b: Size): Size {
  if (a === 0) return b;
  if (b === 0) return a;
  if (typeof a === "number" && typeof b === "number") return a + b;
  invariant(typeof a !== "number" && typeof b !== "number", "a size mixes a constant and the batch");
  return a.batch + b.batch === 0 ? 0 : { batch: a.batch + b.batch };
}

export function sameSize(a: Size, b: Size): boolean {
  return typeof a === "number" ? a === b : typeof b !== "number" && a.batch === b.batch;
}

/** A guess of the value, to compare sizes by: the batch counts as large. */
export function magnitude(size: Size): number {
  return typeof size === "number" ? Math.abs(size) : Math.abs(size.batch) * 64;
}

/** The part that is known: the smallest value for any batch. */
export function atLeast(size: Size): number {
  return typeof size === "number" ? size : size.batch;
}
