/** Tensor types: element type and a shape of symbolic dims, in PyTorch's order (batch, channels, spatial). */
import { type Dim, sameDim } from "./dim-polynomial.ts";

export const DTYPES = ["f32", "f16", "i32", "i64", "bool"] as const;

export type Dtype = (typeof DTYPES)[number];

export interface TensorType {
  readonly dtype: Dtype;
  readonly shape: readonly Dim[];
}

/** Whether dtype and every size are equal. */
export function sameType(a: TensorType, b: TensorType): boolean {
  return a === b || (a.dtype === b.dtype && sameShape(a.shape, b.shape));
}

/** Whether two shapes have equal sizes axis by axis. */
export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (const [axis, size] of a.entries()) if (!sameDim(size, b[axis] ?? 0)) return false;
  return true;
}
