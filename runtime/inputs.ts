/**
 * Checks what a user gives for the inputs of a program, finds the batch, and copies the values in.
 * Invariant: `bindInputs` changes nothing; after it, only a whole number out of range can still be refused.
 */
import type { PortSpec, PortTypeSpec, SizeSpec, TensorDtype } from "./manifest.ts";
import { resolveSize } from "./memory.ts";
import {
  batchesDiffer,
  describeValue,
  formatShape,
  missingInput,
  unexpectedInput,
  wrongFixedBatch,
  wrongInputDtype,
  wrongInputShape,
} from "./problems.ts";
import { type Dtype, dtypeKind, dtypeOfArray, elementCount, type TensorData, writeFloat32, writeInt32 } from "./tensor.ts";

export type InputData = TensorData | readonly number[];

/** A flat row-major array, whose batch follows from its length, or one with its shape. */
export type InputValue = InputData | { readonly data: InputData; readonly shape: readonly number[]; readonly dtype?: Dtype };

export type Inputs = Readonly<Record<string, InputValue>>;

export interface BoundInput<P extends PortTypeSpec = PortSpec> {
  readonly port: P;
  readonly data: InputData;
  readonly dtype: Dtype | undefined;
}

export interface BoundInputs<P extends PortTypeSpec = PortSpec> {
  readonly batch: number;
  readonly inputs: readonly BoundInput<P>[];
}

/** A port's shape for people: `["N", 3, 32, 32]`. */
export function portShape(port: PortTypeSpec): readonly (number | string)[] {
  return port.shape.map((size) => (typeof size === "number" ? size : size.batch === 1 ? "N" : `${size.batch}*N`));
}

/** Throws RN701 to RN706 and RN708. Without an input that tells, the batch is `fixedBatch` or 1. */
export function bindInputs<P extends PortTypeSpec>(
  program: { readonly inputs: readonly P[] },
  given: Inputs,
  fixedBatch: number | undefined,
): BoundInputs<P> {
  const known = program.inputs.map((port) => port.name);
  for (const name of Object.keys(given ?? {})) if (!known.includes(name)) throw unexpectedInput(name, known);
  let batch = fixedBatch;
  let decidedBy: string | undefined;
  const inputs = program.inputs.map((port): BoundInput<P> => {
    const value = given?.[port.name];
    const expected = `${port.dtype}${formatShape(portShape(port))}`;
    if (value === undefined || value === null) throw missingInput(port.name, expected, Object.keys(given ?? {}));
    const { data, shape, dtype } = unwrap(port, value);
    const kind = checkDtype(port, data, dtype);
    const found = shape === undefined ? batchFromLength(port, data.length) : batchFromShape(port, shape, data.length);
    if (found !== undefined && found !== batch) {
      if (decidedBy !== undefined) throw batchesDiffer(decidedBy, batch!, port.name, found);
      if (fixedBatch !== undefined) throw wrongFixedBatch(fixedBatch, found);
      batch = found;
    }
    if (found !== undefined) decidedBy ??= port.name;
    return { port, data, dtype: kind };
  });
  return { batch: batch ?? 1, inputs };
}

function unwrap(port: PortTypeSpec, value: InputValue): { data: InputData; shape?: readonly number[]; dtype?: Dtype } {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return { data: value as InputData };
  const { data, shape, dtype } = value as { data: InputData; shape: readonly number[]; dtype?: Dtype };
  const isData = Array.isArray(data) || ArrayBuffer.isView(data);
  if (!isData || !Array.isArray(shape)) {
    throw wrongInputShape(port.name, formatShape(portShape(port)), isData ? "no `shape`" : describeValue(value));
  }
  return { data, shape, ...(dtype === undefined ? {} : { dtype }) };
}

/** The dtype of the data (undefined: plain numbers), if the port takes it. */
function checkDtype(port: PortTypeSpec, data: InputData, claimed: Dtype | undefined): Dtype | undefined {
  if (Array.isArray(data)) {
    const index = data.findIndex((value) => typeof value !== "number" && typeof value !== "boolean");
    if (index < 0) return undefined;
    const what = Array.isArray(data[index]) ? "nested arrays (give one flat array)" : `${describeValue(data[index])} at ${index}`;
    throw wrongInputDtype(port.name, `a flat array of ${port.dtype} numbers`, what);
  }
  const dtype = data instanceof Uint16Array && (claimed === "f16" || claimed === "bf16") ? claimed : dtypeOfArray(data);
  const accepts = dtype !== undefined && (port.dtype === "f32" || port.dtype === "f16") === (dtypeKind(dtype) === "float");
  if (!accepts) throw wrongInputDtype(port.name, `${port.dtype} (${ARRAYS[port.dtype]})`, describeArray(data, dtype));
  return dtype;
}

const ARRAYS: Readonly<Record<TensorDtype, string>> = {
  f32: "Float32Array",
  f16: "Float32Array",
  i32: "Int32Array",
  i64: "BigInt64Array or Int32Array",
  bool: "Uint8Array",
};

function describeArray(data: InputData, dtype: Dtype | undefined): string {
  const name = describeValue(data).replace("a value of type ", "");
  return dtype === undefined ? name : `${dtype} (${name})`;
}

function batchFromShape(port: PortTypeSpec, shape: readonly number[], length: number): number | undefined {
  const mismatch = (): Error => wrongInputShape(port.name, formatShape(portShape(port)), formatShape(shape));
  if (shape.length !== port.shape.length) throw mismatch();
  let batch: number | undefined;
  port.shape.forEach((size, axis) => {
    const actual = shape[axis]!;
    if (typeof size === "number") {
      if (actual !== size) throw mismatch();
      return;
    }
    const found = actual / size.batch;
    if (!Number.isInteger(found) || found < 1 || (batch !== undefined && found !== batch)) throw mismatch();
    batch = found;
  });
  if (elementCount(shape) !== length) {
    throw wrongInputShape(port.name, formatShape(portShape(port)), `${formatShape(shape)} with ${length} values instead of ${elementCount(shape)}`);
  }
  return batch;
}

function batchFromLength(port: PortTypeSpec, length: number): number | undefined {
  const axes = port.shape.filter((size) => typeof size !== "number").length;
  const perSample = portElements(port, 1);
  const mismatch = (): Error => {
    const sample = axes === 0 ? `exactly ${perSample}` : `a multiple of ${perSample}`;
    return wrongInputShape(port.name, formatShape(portShape(port)), `${length} values, not ${sample}`);
  };
  if (axes === 0) {
    if (length !== perSample) throw mismatch();
    return undefined;
  }
  const batch = Math.round((length / perSample) ** (1 / axes));
  if (batch < 1 || portElements(port, batch) !== length) throw mismatch();
  return batch;
}

/** Elements of a port at a batch. */
export function portElements(port: PortTypeSpec, batch: number): number {
  return elementCount(resolveShape(port.shape, batch));
}

/** A port's shape at a batch. */
export function resolveShape(shape: readonly SizeSpec[], batch: number): readonly number[] {
  return shape.map((size) => resolveSize(size, batch));
}

/** Copies an input to where the program reads it, as f32 or i32. Throws RN705. */
export function writeInput(target: Float32Array | Int32Array, input: BoundInput<PortTypeSpec>): void {
  const { port, data, dtype } = input;
  if (target instanceof Int32Array) {
    writeInt32(target, data, `input \`${port.name}\``);
    return;
  }
  if (dtype === "f16" || dtype === "bf16") {
    writeFloat32(target, { dtype, data: data as TensorData });
    return;
  }
  target.set(data as Float32Array | readonly number[]);
}
