/**
 * Copies of what a caller gives and may overwrite once the call has returned.
 * Invariant: what is no input and no tensor stays as it is, for the network to refuse with its own message.
 */
import type { InputData, Inputs, InputValue } from "./inputs.ts";
import type { TensorLike } from "./tensor.ts";
import type { Weights } from "./weights.ts";

export function copyInputs(inputs: Inputs): Inputs {
  if (typeof inputs !== "object" || inputs === null) return inputs;
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, copyInput(value)]));
}

/** Of the data. */
export function inputBytes(inputs: Inputs): number {
  return Object.values(inputs ?? {}).reduce((sum, value) => sum + sizeOf(isData(value) ? value : value?.data), 0);
}

export function copyWeights(weights: Weights): Readonly<Record<string, TensorLike>> {
  const entries = weights instanceof Map ? [...weights] : Object.entries(weights);
  return Object.fromEntries(entries.map(([name, tensor]) => [name, copyShaped(tensor)]));
}

/** Of the data. */
export function weightBytes(weights: Readonly<Record<string, TensorLike>>): number {
  return Object.values(weights).reduce((sum, tensor) => sum + sizeOf(tensor?.data), 0);
}

function copyInput(value: InputValue): InputValue {
  return isData(value) ? copyData(value) : copyShaped(value);
}

/** A copy of data with its shape. The members are named, since those of an object of a class of the caller's may be getters. */
export function copyShaped<T extends { readonly data: InputData; readonly shape: readonly number[] }>(value: T): T {
  if (typeof value !== "object" || value === null || !isData(value.data)) return value;
  const { data, shape } = value;
  const { dtype } = value as { readonly dtype?: unknown };
  return { ...value, data: copyData(data), shape: Array.isArray(shape) ? [...shape] : shape, ...(dtype === undefined ? {} : { dtype }) };
}

/** Node's Buffer has a `slice` that copies nothing; this one copies whatever typed array it is called on. */
function copyData<T extends InputData>(data: T): T {
  return (ArrayBuffer.isView(data) ? Uint8Array.prototype.slice.call(data) : data.slice()) as T;
}

function isData(value: unknown): value is InputData {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function sizeOf(data: unknown): number {
  if (ArrayBuffer.isView(data)) return data.byteLength;
  return Array.isArray(data) ? 8 * data.length : 0;
}
