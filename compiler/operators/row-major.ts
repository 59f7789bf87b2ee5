/**
 * Row-major loops over small dense tensors, for the reference interpreter.
 * Invariant: `data.length` is the product of `shape`.
 */
import { invariant } from "../ir/invariant.ts";
import type { ReferenceTensor } from "./operator.ts";

/** The number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

/** Elements between neighbours along each axis. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

/** A tensor filled by a function of the multi-index, which is reused between calls. */
export function tensorOf(shape: readonly number[], element: (index: readonly number[], flat: number) => number): ReferenceTensor {
  const data = new Float64Array(elementCount(shape));
  forEachIndex(shape, (index, flat) => {
    data[flat] = element(index, flat);
  });
  return { shape, data };
}

/** Calls `visit` for each multi-index in row-major order; the array is reused. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], flat: number) => void): void {
  const count = elementCount(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < count; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
    }
  }
}

/** The flat position of a multi-index. */
export function flatIndex(index: readonly number[], strides: readonly number[]): number {
  let flat = 0;
  for (let axis = 0; axis < strides.length; axis++) flat += (index[axis] ?? 0) * (strides[axis] ?? 0);
  return flat;
}

/** Calls `visit` for each element in row-major order with its flat index and its offset under other strides. */
export function forEachOffset(shape: readonly number[], strides: readonly number[], visit: (flat: number, offset: number) => void): void {
  const last = shape.length - 1;
  const inner = shape[last] ?? 1;
  const step = strides[last] ?? 0;
  forEachIndex(shape.slice(0, -1), (index, row) => {
    let offset = 0;
    for (let axis = 0; axis < last; axis++) offset += (index[axis] ?? 0) * (strides[axis] ?? 0);
    for (let k = 0; k < inner; k++) visit(row * inner + k, offset + k * step);
  });
}

/** The elements at `origin` plus the offsets of a shape under strides. */
export function stridedCopy(source: ReferenceTensor, origin: number, strides: readonly number[], shape: readonly number[]): ReferenceTensor {
  const data = new Float64Array(elementCount(shape));
  forEachOffset(shape, strides, (flat, offset) => {
    data[flat] = at(source, origin + offset);
  });
  return { shape, data };
}

/** Element `flat` of a tensor. The message is built on failure only: this is the innermost step of every loop. */
export function at(tensor: ReferenceTensor, flat: number): number {
  const value = tensor.data[flat];
  if (value === undefined) invariant(false, `element ${flat} of a tensor of shape [${tensor.shape.join(", ")}]`);
  return value;
}

/** Input `position` of a reference rule. */
export function inputAt(inputs: readonly ReferenceTensor[], position: number): ReferenceTensor {
  const tensor = inputs[position];
  invariant(tensor !== undefined, `input ${position} is missing`);
  return tensor;
}

/** Output shape `position` of a reference rule. */
export function shapeAt(shapes: readonly (readonly number[])[], position: number): readonly number[] {
  const shape = shapes[position];
  invariant(shape !== undefined, `output ${position} is missing`);
  return shape;
}

/** The shape seen as [outer, axis, inner] around one axis. */
export function aroundAxis(shape: readonly number[], axis: number): readonly [outer: number, size: number, inner: number] {
  return [elementCount(shape.slice(0, axis)), shape[axis] ?? 1, elementCount(shape.slice(axis + 1))];
}
