/** Tensor types: element type and a shape of symbolic dims, in PyTorch's order (batch, channels, spatial). */
import type { Dim } from "./dim.ts";

export type Dtype = "f32" | "f16" | "i32" | "i64" | "bool";

export interface TensorType {
  readonly dtype: Dtype;
  readonly shape: readonly Dim[];
}
