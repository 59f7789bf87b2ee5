/**
 * Affine indices and coordinates: composition and the questions that fusion asks about them.
 * Invariant: terms have distinct axes and non-zero coefficients, in order of axis.
 */
import type { Affine, Coordinate, Size } from "../ir/kernel.ts";
import { sameSize, sizeKey } from "./size.ts";

/** The index 0. */
export const zero: Affine = { constant: 0, terms: [] };

/** One axis by itself. */
export function axisIndex(axis: number): Affine {
  return { constant: 0, terms: [{ axis, coefficient: 1 }] };
}

/** Every axis by itself. */
export function identityIndices(rank: number): readonly Affine[] {
  return Array.from({ length: rank }, (_, axis) => axisIndex(axis));
}

/** Replaces axis a by `axes[a]`. */
export function composeAffine(index: Affine, axes: readonly Affine[]): Affine {
  const [only] = index.terms;
  if (only === undefined) return index;
  if (index.terms.length === 1 && only.coefficient === 1 && index.constant === 0) return axes[only.axis] ?? zero;
  const coefficients = new Map<number, number>();
  let constant = index.constant;
  for (const { axis, coefficient } of index.terms) {
    const inner = axes[axis] ?? zero;
    constant += coefficient * inner.constant;
    for (const term of inner.terms) {
      coefficients.set(term.axis, (coefficients.get(term.axis) ?? 0) + coefficient * term.coefficient);
    }
  }
  return affineOf(constant, coefficients);
}

/** The affine index with these coefficients by axis. */
export function affineOf(constant: number, coefficients: ReadonlyMap<number, number>): Affine {
  const terms = [...coefficients]
    .filter(([, coefficient]) => coefficient !== 0)
    .sort(([a], [b]) => a - b)
    .map(([axis, coefficient]) => ({ axis, coefficient }));
  return { constant, terms };
}

/** The axis, if the index is just that axis. */
export function soleAxis(index: Affine): number | undefined {
  const [only] = index.terms;
  return index.constant === 0 && index.terms.length === 1 && only?.coefficient === 1 ? only.axis : undefined;
}

/** Neither bounded nor computed: a plain affine access. */
export function isPlain(at: readonly Coordinate[]): boolean {
  for (const each of at) if (each.bound !== undefined || each.dynamic !== undefined) return false;
  return true;
}

/** Whether coordinate d is axis d for each of `rank` axes. */
export function isIdentity(at: readonly Coordinate[], rank: number): boolean {
  if (at.length !== rank) return false;
  for (let axis = 0; axis < rank; axis++) {
    const each = at[axis];
    if (each === undefined || each.bound !== undefined || each.dynamic !== undefined) return false;
    if (soleAxis(each.index) !== axis) return false;
  }
  return true;
}

/**
 * For an access that visits each element of a tensor exactly once over a domain (a permutation, up to axes of one
 * element): the tensor's axis for each axis of the domain, -1 for axes of one element. Otherwise undefined.
 */
export function permutationOf(at: readonly Coordinate[], shape: readonly Size[], domain: readonly Size[]): readonly number[] | undefined {
  const tensorAxis: number[] = domain.map(() => -1);
  for (let d = 0; d < shape.length; d++) {
    const each = at[d];
    if (each === undefined || each.bound !== undefined || each.dynamic !== undefined) return undefined;
    if (shape[d] === 1) continue;
    const axis = soleAxis(each.index);
    if (axis === undefined || tensorAxis[axis] !== -1 || !sameSize(domain[axis] ?? -1, shape[d] ?? -2)) return undefined;
    tensorAxis[axis] = d;
  }
  for (let axis = 0; axis < domain.length; axis++) if (tensorAxis[axis] === -1 && domain[axis] !== 1) return undefined;
  return tensorAxis;
}

/** Whether coordinate d moves with axis d for every axis: neighbours stay neighbours (elementwise, windows, slices, pads). */
export function isAxisParallel(at: readonly Coordinate[], rank: number): boolean {
  if (at.length !== rank) return false;
  return at.every((each, axis) => each.dynamic === undefined && each.index.terms.some((term) => term.axis === axis));
}

/** Text that is equal exactly for equal indices. */
export function affineKey(index: Affine): string {
  let text = `${index.constant}`;
  for (const { axis, coefficient } of index.terms) text += `+${coefficient}i${axis}`;
  return text;
}

/** Text of an unbounded or bounded coordinate; `dynamic` is the text of its computed index. */
export function coordinateKey(each: Coordinate, dynamic: string | undefined): string {
  const bound = each.bound === undefined ? "" : `<${sizeKey(each.bound.extent)}/${each.bound.divisor}`;
  return dynamic === undefined ? `${affineKey(each.index)}${bound}` : `{${dynamic}}${bound}`;
}
