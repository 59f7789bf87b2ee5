/**
 * Arithmetic of sizes: constants and multiples of the free batch.
 * Invariant: what is not representable (a constant plus a multiple of the batch, the batch squared) is `undefined` or an
 * internal error, never an approximation.
 */
import type { Dim } from "../ir/dim.ts";
import { invariant } from "../ir/invariant.ts";
import type { Size } from "../ir/kernel.ts";

/** Whether two sizes are equal for every batch. */
export function sameSize(a: Size, b: Size): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  return a.batch === b.batch;
}

/** Whether two shapes are equal for every batch. */
export function sameShape(a: readonly Size[], b: readonly Size[]): boolean {
  return a.length === b.length && a.every((size, axis) => sameSize(size, b[axis] ?? -1));
}

/** The sum, if it is a size. */
export function addSizes(a: Size, b: Size): Size | undefined {
  if (a === 0) return b;
  if (b === 0) return a;
  if (typeof a === "number") return typeof b === "number" ? a + b : undefined;
  return typeof b === "number" ? undefined : { batch: a.batch + b.batch };
}

/** The product; at most one factor may depend on the batch. */
export function multiplySizes(a: Size, b: Size): Size {
  if (typeof a === "number") {
    if (typeof b === "number") return a * b;
    return a === 0 ? 0 : { batch: a * b.batch };
  }
  if (typeof b === "number") return b === 0 ? 0 : { batch: a.batch * b };
  invariant(false, "a size grows with the square of the batch");
}

/** The number of elements of a shape. */
export function elementsOf(shape: readonly Size[]): Size {
  return shape.reduce<Size>(multiplySizes, 1);
}

/** Orders by magnitude for a large batch: multiples of the batch after constants. */
export function compareSizes(a: Size, b: Size): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  return typeof b === "number" ? 1 : a.batch - b.batch;
}

/** Text that is equal exactly for equal sizes. */
export function sizeKey(size: Size): string {
  return typeof size === "number" ? `${size}` : `${size.batch}B`;
}

/** The size behind a dim of a graph: a constant or a multiple of the batch symbol. */
export function sizeOfDim(dim: Dim, batch: string | undefined): Size {
  if (typeof dim === "number") return dim;
  const [term, ...others] = dim.terms;
  const [factor, ...rest] = term?.factors ?? [];
  const proportional = dim.constant === 0 && others.length === 0 && rest.length === 0 && factor?.kind === "symbol";
  invariant(term !== undefined && proportional && factor.id === batch, `the size ${dim.key} is neither a constant nor a multiple of the batch`);
  return { batch: term.coefficient };
}

/** The value for a given batch. */
export function evaluateSize(size: Size, batch: number): number {
  return typeof size === "number" ? size : size.batch * batch;
}

/** Row-major strides of a shape whose axes lie in memory in the given order, outermost first. */
export function stridesInOrder(shape: readonly Size[], order: readonly number[]): readonly Size[] {
  const strides: Size[] = shape.map(() => 0);
  let stride: Size = 1;
  for (let position = order.length - 1; position >= 0; position--) {
    const axis = order[position] ?? 0;
    strides[axis] = stride;
    if (position > 0) stride = multiplySizes(stride, shape[axis] ?? 1);
  }
  return strides;
}

/** Strides in the logical order of axes. */
export function rowMajorStrides(shape: readonly Size[]): readonly Size[] {
  return stridesInOrder(
    shape,
    shape.map((_, axis) => axis),
  );
}

/** Whether two layouts of a shape address the same elements: axes of one element do not matter. */
export function sameStrides(shape: readonly Size[], a: readonly Size[], b: readonly Size[]): boolean {
  return shape.every((size, axis) => size === 1 || sameSize(a[axis] ?? 0, b[axis] ?? 0));
}

/**
 * Strides of a tensor's elements under another shape of equal row-major order, or undefined where no strides do
 * (the elements of a merged axis do not lie evenly).
 */
export function reshapedStrides(shape: readonly Size[], strides: readonly Size[], target: readonly Size[]): readonly Size[] | undefined {
  const result: Size[] = target.map(() => 0);
  for (const { from, to } of matchAxes(shape, target)) {
    const present = from.filter((axis) => shape[axis] !== 1);
    for (let i = present.length - 2; i >= 0; i--) {
      const outer = present[i] ?? 0;
      const inner = present[i + 1] ?? 0;
      const needed = multiplySizes(strides[inner] ?? 0, shape[inner] ?? 1);
      if (!sameSize(strides[outer] ?? 0, needed)) return undefined;
    }
    let stride: Size = strides[present.at(-1) ?? -1] ?? 1;
    for (let i = to.length - 1; i >= 0; i--) {
      const axis = to[i] ?? 0;
      result[axis] = stride;
      if (i > 0) stride = multiplySizes(stride, target[axis] ?? 1);
    }
  }
  return result;
}

/** Splits two shapes of equally many elements into the smallest runs of axes with equal products. */
export function matchAxes(
  shape: readonly Size[],
  target: readonly Size[],
): readonly { readonly from: readonly number[]; readonly to: readonly number[] }[] {
  const runs: { from: number[]; to: number[] }[] = [];
  let i = 0;
  let j = 0;
  while (i < shape.length || j < target.length) {
    const from: number[] = [];
    const to: number[] = [];
    let left: Size = 1;
    let right: Size = 1;
    do {
      const takeLeft = i < shape.length && (j >= target.length || from.length === 0 || compareSizes(left, right) < 0);
      if (takeLeft) {
        left = multiplySizes(left, shape[i] ?? 1);
        from.push(i++);
      } else {
        invariant(j < target.length, "a reshape changes the number of elements");
        right = multiplySizes(right, target[j] ?? 1);
        to.push(j++);
      }
    } while (!sameSize(left, right));
    runs.push({ from, to });
  }
  return runs;
}
