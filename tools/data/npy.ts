/**
 * NumPy's .npy files (format 1.0 to 3.0, NumPy Enhancement Proposal 1): header as a Python literal, then raw values.
 * Invariant: sizes are checked against the byte count before any value is read.
 */
import { f16ToNumber } from "../../runtime/half.ts";
import { readBytes } from "./bytes.ts";
import { unusableInput, wrongFormat, wrongLength } from "./problems.ts";

/** Values in row-major order: floats as f32, integers and booleans as i32. */
export interface NumberArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

type Getter = (view: DataView, offset: number, little: boolean) => number;

interface Format {
  readonly bytes: number;
  readonly float: boolean;
  readonly get: Getter;
}

const FORMATS: Readonly<Record<string, Format>> = {
  f2: { bytes: 2, float: true, get: (view, offset, little) => f16ToNumber(view.getUint16(offset, little)) },
  f4: { bytes: 4, float: true, get: (view, offset, little) => view.getFloat32(offset, little) },
  f8: { bytes: 8, float: true, get: (view, offset, little) => view.getFloat64(offset, little) },
  b1: { bytes: 1, float: false, get: (view, offset) => view.getUint8(offset) },
  u1: { bytes: 1, float: false, get: (view, offset) => view.getUint8(offset) },
  i1: { bytes: 1, float: false, get: (view, offset) => view.getInt8(offset) },
  u2: { bytes: 2, float: false, get: (view, offset, little) => view.getUint16(offset, little) },
  i2: { bytes: 2, float: false, get: (view, offset, little) => view.getInt16(offset, little) },
  u4: { bytes: 4, float: false, get: (view, offset, little) => view.getUint32(offset, little) },
  i4: { bytes: 4, float: false, get: (view, offset, little) => view.getInt32(offset, little) },
  u8: { bytes: 8, float: false, get: (view, offset, little) => Number(view.getBigUint64(offset, little)) },
  i8: { bytes: 8, float: false, get: (view, offset, little) => Number(view.getBigInt64(offset, little)) },
};

/** Reads one array; integers must fit 32 bits. */
export function readNpy(path: string): NumberArray {
  const bytes = readBytes(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059) {
    throw wrongFormat(path, "not an .npy file: it does not begin with \\x93NUMPY");
  }
  const wide = (bytes[6] ?? 1) >= 2;
  if (wide && bytes.length < 12) throw wrongLength(path, 12, bytes.length, "the .npy header");
  const headerStart = wide ? 12 : 10;
  const start = headerStart + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (start > bytes.length) throw wrongLength(path, start, bytes.length, "the .npy header");
  const header = parseHeader(path, new TextDecoder("latin1").decode(bytes.subarray(headerStart, start)));
  const count = header.shape.reduce((product, size) => product * size, 1);
  const expected = start + count * header.format.bytes;
  if (bytes.length !== expected) {
    throw wrongLength(
      path,
      expected,
      bytes.length,
      `a header of ${start} and ${header.shape.join("×") || "one"} values of ${header.format.bytes} bytes`,
    );
  }
  const values = header.format.float ? new Float32Array(count) : new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const value = header.format.get(view, start + i * header.format.bytes, header.little);
    values[i] = value;
    if (!header.format.float && values[i] !== value) throw unusableInput(path, `value ${i} is ${value}, which does not fit 32 bits`);
  }
  return { shape: header.shape, values: header.fortran ? rowMajor(values, header.shape) : values };
}

function parseHeader(path: string, text: string): { format: Format; little: boolean; fortran: boolean; shape: number[] } {
  const descriptor = /'descr'\s*:\s*'([<>|=])([a-z]\d+)'/.exec(text);
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(text);
  if (descriptor === null || fortran === null || shape === null) throw wrongFormat(path, `unreadable .npy header ${text.trim().slice(0, 80)}`);
  const format = FORMATS[descriptor[2] ?? ""];
  if (format === undefined) {
    throw wrongFormat(path, `values of type ${descriptor[2]}; expected floats (f2, f4, f8), integers (i1 to i8, u1 to u8) or b1`);
  }
  const sizes = (shape[1] ?? "")
    .split(",")
    .map((size) => size.trim())
    .filter((size) => size !== "")
    .map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 0)) throw wrongFormat(path, `unreadable shape (${shape[1]})`);
  return { format, little: descriptor[1] !== ">", fortran: fortran[1] === "True", shape: sizes };
}

/** From column-major (first axis fastest) to row-major. */
function rowMajor<T extends Float32Array | Int32Array>(values: T, shape: readonly number[]): T {
  const result = values.slice() as T;
  const position = shape.map(() => 0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) {
    result[i] = values[position.reduce((sum, at, axis) => sum + at * (strides[axis] ?? 0), 0)] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis] = (position[axis] ?? 0) + 1;
      if ((position[axis] ?? 0) < (shape[axis] ?? 0)) break;
      position[axis] = 0;
    }
  }
  return result;
}
