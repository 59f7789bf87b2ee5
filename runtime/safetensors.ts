/**
 * The safetensors format: 8 bytes of header length (u64, little-endian), a JSON header, then the data.
 * Invariant: what a read returns covers the data buffer exactly, without overlap or hole; a write is a pure function of
 * its arguments, and reads back with the same dtypes.
 */
import { findDuplicateKey } from "./json-keys.ts";
import { brokenFile, describeValue, formatBytes, formatShape } from "./problems.ts";
import { bytesOf, dataFromBytes, type Dtype, dtypeSize, elementCount, type Tensor } from "./tensor.ts";

/** Names of dtypes in files; the position orders tensors in a written file as the safetensors library does. */
const FILE_DTYPES: readonly (readonly [string, Dtype])[] = [
  ["I64", "i64"],
  ["F64", "f64"],
  ["F32", "f32"],
  ["I32", "i32"],
  ["BF16", "bf16"],
  ["F16", "f16"],
  ["I16", "i16"],
  ["I8", "i8"],
  ["U8", "u8"],
  ["BOOL", "bool"],
];

const LENGTH_BYTES = 8;
/** The format's own limit on the header, which keeps a lying length from taking all memory. */
const MAX_HEADER_BYTES = 100_000_000;

/** Where a tensor lies; `begin` and `end` are offsets from the start of the data, i.e. from `dataStart` in the file. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Byte offset of the data in the file. */
  readonly dataStart: number;
}

export interface SafetensorsFile {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The length of the JSON header, from the first 8 bytes of a file of `fileBytes` bytes.
 * Throws RN720 (too short), RN721 (beyond the file), RN722 (over the format's limit).
 */
export function readHeaderLength(start: Uint8Array, fileBytes: number, source?: string): number {
  if (fileBytes < LENGTH_BYTES || start.byteLength < LENGTH_BYTES) {
    throw brokenFile("RN720", source, `a safetensors file begins with 8 bytes of header length, this one has ${fileBytes} bytes in all`);
  }
  const length = new DataView(start.buffer, start.byteOffset, start.byteLength).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw brokenFile("RN722", source, `the header claims ${length} bytes, the format allows ${MAX_HEADER_BYTES}; this is not a safetensors file`);
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw brokenFile(
      "RN721",
      source,
      `the header claims ${length} bytes, only ${fileBytes - LENGTH_BYTES} follow; the file is cut off or not a safetensors file`,
    );
  }
  return Number(length);
}

/**
 * Reads and checks the header, which must be whole in `start`; with `fileBytes` the rest of the file may be elsewhere
 * (range reads). Throws RN720 to RN731.
 */
export function readSafetensorsHeader(start: Uint8Array, fileBytes: number = start.byteLength, source?: string): SafetensorsHeader {
  const length = readHeaderLength(start, fileBytes, source);
  const dataStart = LENGTH_BYTES + length;
  const object = parseHeader(start.subarray(LENGTH_BYTES, dataStart), source);
  const metadata = readMetadata(object["__metadata__"], source);
  const entries = Object.entries(object)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => readEntry(name, entry, source));
  checkCoverage(entries, fileBytes - dataStart, source);
  return { entries, metadata, dataStart };
}

/** A whole file. Tensors may share memory with `bytes`. Throws RN720 to RN731, naming `source` where given. */
export function readSafetensors(bytes: Uint8Array, source?: string): SafetensorsFile {
  const { entries, metadata, dataStart } = readSafetensorsHeader(bytes, bytes.byteLength, source);
  const tensors = entries.map(({ name, dtype, shape, begin, end }) => {
    const data = dataFromBytes(dtype, bytes.subarray(dataStart + begin, dataStart + end));
    return [name, { dtype, shape, data }] as const;
  });
  return { tensors: Object.fromEntries(tensors), metadata };
}

/** The tensors of a file by name, in the header's order. */
export function tensorsFromSafetensors(bytes: Uint8Array, source?: string): Readonly<Record<string, Tensor>> {
  return readSafetensors(bytes, source).tensors;
}

/**
 * The bytes of a file with these tensors: wider dtypes first, then by name, as the safetensors library orders them, so
 * that every tensor is aligned.
 */
export function writeSafetensors(tensors: Readonly<Record<string, Tensor>>, metadata?: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const rank = (dtype: Dtype): number => FILE_DTYPES.findIndex(([, each]) => each === dtype);
  const ordered = Object.entries(tensors).sort(([nameA, a], [nameB, b]) => rank(a.dtype) - rank(b.dtype) || (nameA < nameB ? -1 : 1));
  let end = 0;
  const header: [string, unknown][] = metadata && Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  for (const [name, tensor] of ordered) {
    const begin = end;
    end += tensor.data.byteLength;
    header.push([name, { dtype: FILE_DTYPES[rank(tensor.dtype)]![0], shape: tensor.shape, data_offsets: [begin, end] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.byteLength / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, LENGTH_BYTES);
  file.fill(0x20, LENGTH_BYTES + json.byteLength, LENGTH_BYTES + headerBytes);
  let position = LENGTH_BYTES + headerBytes;
  for (const [, tensor] of ordered) {
    file.set(bytesOf(tensor), position);
    position += tensor.data.byteLength;
  }
  return file;
}

/** The files of a sharded checkpoint, from its `*.safetensors.index.json`. Throws RN732. */
export function readShardIndex(text: string, source?: string): readonly string[] {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch (error) {
    throw brokenFile("RN732", source, `the shard index is no valid JSON: ${(error as Error).message}`);
  }
  const map = isRecord(index) ? index["weight_map"] : undefined;
  if (!isRecord(map) || !Object.values(map).every((file) => typeof file === "string")) {
    throw brokenFile("RN732", source, "the shard index needs `weight_map`: tensor name to file name");
  }
  return [...new Set(Object.values(map) as string[])].sort();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array, source: string | undefined): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw brokenFile("RN723", source, "the header is not UTF-8 text; this is not a safetensors file");
  }
  if (!text.startsWith("{")) throw brokenFile("RN723", source, `the header must begin with "{", it begins with ${describeValue(text.slice(0, 8))}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw brokenFile("RN723", source, `the header is no valid JSON: ${(error as Error).message}`);
  }
  if (!isRecord(parsed)) throw brokenFile("RN723", source, "the header is no JSON object");
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw brokenFile("RN730", source, `the header has ${describeValue(duplicate)} twice`);
  return parsed;
}

function readMetadata(value: unknown, source: string | undefined): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw brokenFile("RN731", source, `\`__metadata__\` must map strings to strings, got ${describeValue(value)}`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw brokenFile("RN731", source, `\`__metadata__\` entry \`${key}\` must be a string, got ${describeValue(text)}`);
  }
  return value as Record<string, string>;
}

const isSize = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function readEntry(name: string, value: unknown, source: string | undefined): SafetensorsEntry {
  const fail = (code: string, reason: string): Error => brokenFile(code, source, `tensor \`${name}\`: ${reason}`);
  if (!isRecord(value)) throw fail("RN724", `expected { dtype, shape, data_offsets }, got ${describeValue(value)}`);
  const { dtype: fileDtype, shape, data_offsets: offsets } = value;
  const dtype = FILE_DTYPES.find(([each]) => each === fileDtype)?.[1];
  if (dtype === undefined) {
    const known = FILE_DTYPES.map(([each]) => each).join(", ");
    throw fail("RN725", `dtype ${describeValue(fileDtype)} is not supported; expected one of ${known}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) throw fail("RN724", `\`shape\` must be a list of sizes, got ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw fail("RN724", `\`data_offsets\` must be [begin, end], got ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw fail("RN724", `\`data_offsets\` end before they begin: [${begin}, ${end}]`);
  const expected = elementCount(shape) * dtypeSize(dtype);
  if (end - begin !== expected) {
    throw fail(
      "RN726",
      `shape ${formatShape(shape)} of ${fileDtype as string} takes ${expected} bytes, its offsets [${begin}, ${end}] span ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function checkCoverage(entries: readonly SafetensorsEntry[], dataBytes: number, source: string | undefined): void {
  const ordered = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let previous = "";
  for (const { name, begin, end } of ordered) {
    if (end > dataBytes) {
      throw brokenFile(
        "RN727",
        source,
        `tensor \`${name}\` ends at byte ${end} of the data, only ${dataBytes} are there (${formatBytes(end - dataBytes)} missing); the file is cut off`,
      );
    }
    if (begin < covered) throw brokenFile("RN728", source, `tensors \`${previous}\` and \`${name}\` overlap at byte ${begin} of the data`);
    if (begin > covered)
      throw brokenFile("RN729", source, `bytes ${covered} to ${begin} of the data, before tensor \`${name}\`, belong to no tensor`);
    covered = end;
    previous = name;
  }
  if (covered < dataBytes) throw brokenFile("RN729", source, `the last ${formatBytes(dataBytes - covered)} of the data belong to no tensor`);
}
