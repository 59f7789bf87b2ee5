/**
 * Tensors as users see them: dtype, shape, and a flat row-major typed array.
 * Invariant: `data.length` is the product of `shape`; f16 and bf16 hold bit patterns in a Uint16Array.
 */
import { bf16ToFloat32, f16ToFloat32, float32ToF16 } from "./half.ts";
import { badTensor, describeValue, formatShape, unrepresentable } from "./problems.ts";

export type Dtype = "f64" | "f32" | "f16" | "bf16" | "i64" | "i32" | "i16" | "i8" | "u8" | "bool";

export type TensorData = Float64Array | Float32Array | Uint16Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** A dense tensor, row-major, in PyTorch's axis order (images: N, C, H, W). */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What is accepted where a tensor is given; without `dtype` that of the typed array holds (plain numbers: f64). */
export interface TensorLike {
  readonly dtype?: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData | readonly number[];
}

interface DtypeFacts {
  readonly bytes: number;
  readonly array: new (buffer: ArrayBuffer, byteOffset?: number, length?: number) => TensorData;
  readonly kind: "float" | "integer" | "bool";
}

const DTYPES: Readonly<Record<Dtype, DtypeFacts>> = {
  f64: { bytes: 8, array: Float64Array, kind: "float" },
  f32: { bytes: 4, array: Float32Array, kind: "float" },
  f16: { bytes: 2, array: Uint16Array, kind: "float" },
  bf16: { bytes: 2, array: Uint16Array, kind: "float" },
  i64: { bytes: 8, array: BigInt64Array, kind: "integer" },
  i32: { bytes: 4, array: Int32Array, kind: "integer" },
  i16: { bytes: 2, array: Int16Array, kind: "integer" },
  i8: { bytes: 1, array: Int8Array, kind: "integer" },
  u8: { bytes: 1, array: Uint8Array, kind: "integer" },
  bool: { bytes: 1, array: Uint8Array, kind: "bool" },
};

/** Bytes of one element. */
export function dtypeSize(dtype: Dtype): number {
  return DTYPES[dtype].bytes;
}

/** Whether elements are real numbers, whole numbers or truth values. */
export function dtypeKind(dtype: Dtype): "float" | "integer" | "bool" {
  return DTYPES[dtype].kind;
}

/** The product of a shape; 1 for rank 0. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

/** The elements of `dtype` that lie in `bytes`; a view where alignment allows, else a copy. Little-endian, as the host. */
export function dataFromBytes(dtype: Dtype, bytes: Uint8Array): TensorData {
  const { array, bytes: size } = DTYPES[dtype];
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / size);
}

/** The bytes of a tensor's data, as a view. */
export function bytesOf(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/** The dtype a typed array stands for by itself; undefined for a Uint16Array, which may be f16 or bf16, and for others. */
export function dtypeOfArray(data: unknown): Dtype | undefined {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof BigInt64Array) return "i64";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Int16Array) return "i16";
  if (data instanceof Int8Array) return "i8";
  if (data instanceof Uint8Array) return "u8";
  return undefined;
}

/** Checks a tensor from outside; throws RN715 naming it. */
export function checkTensor(name: string, given: TensorLike): Tensor {
  if (given === null || typeof given !== "object" || given.data === undefined) {
    throw badTensor(name, `expected { dtype, shape, data }, got ${describeValue(given)}`);
  }
  const data = Array.isArray(given.data) ? Float64Array.from(given.data) : (given.data as TensorData);
  const dtype = Array.isArray(given.data) ? "f64" : (given.dtype ?? dtypeOfArray(data));
  if (dtype === undefined) throw badTensor(name, `no dtype given for data of ${describeValue(data)}`);
  const facts = Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (facts === undefined) throw badTensor(name, `unknown dtype ${describeValue(dtype)}`);
  if (!(data instanceof facts.array)) throw badTensor(name, `dtype ${dtype} needs a ${facts.array.name}, got ${describeValue(data)}`);
  if (!Array.isArray(given.shape) || given.shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
    throw badTensor(name, `shape must be a list of sizes, got ${describeValue(given.shape)}`);
  }
  if (elementCount(given.shape) !== data.length) {
    throw badTensor(name, `shape ${formatShape(given.shape)} has ${elementCount(given.shape)} elements, the data ${data.length}`);
  }
  return { dtype, shape: given.shape, data };
}

/** Values as f32: exact for f16 and bf16, rounded for f64 and wide integers. Shares memory with an f32 tensor. */
export function toFloat32(tensor: Pick<Tensor, "dtype" | "data">): Float32Array {
  const { dtype, data } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array) return Float32Array.from(data, Number);
  if (dtype === "f16") return f16ToFloat32(data as Uint16Array);
  if (dtype === "bf16") return bf16ToFloat32(data as Uint16Array);
  return Float32Array.from(data);
}

/** Writes values of any dtype as f32 into `target`. */
export function writeFloat32(target: Float32Array, source: Pick<Tensor, "dtype" | "data">): void {
  target.set(toFloat32(source));
}

/** Writes whole numbers as i32; throws RN705 with `what` and the element where one does not fit. */
export function writeInt32(target: Int32Array, source: TensorData | readonly number[], what: string): void {
  if (source instanceof Int32Array || source instanceof Int8Array || source instanceof Uint8Array || source instanceof Int16Array) {
    target.set(source);
    return;
  }
  for (let i = 0; i < source.length; i++) {
    const value = Number(source[i]);
    if (!Number.isInteger(value)) throw unrepresentable(what, i, source[i], "a whole number");
    if (value !== (value | 0)) throw unrepresentable(what, i, source[i], "within 32 bits");
    target[i] = value;
  }
}

/** A tensor of `dtype` from the f32 or i32 values that the network holds inside; always a copy. */
export function tensorFromInternal(dtype: Dtype, shape: readonly number[], values: Float32Array | Int32Array): Tensor {
  switch (dtype) {
    case "i64":
      return { dtype, shape, data: BigInt64Array.from(values as Int32Array, BigInt) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)) };
    case "f16":
      return { dtype, shape, data: float32ToF16(values) };
    default:
      return { dtype, shape, data: values.slice() };
  }
}
