/** Builds safetensors files byte by byte, right or wrong, without the code under test. */

/** A file with this header text and so many data bytes; `claimed` overrides the header length. */
export function fileOf(header: string, dataBytes: number, claimed?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  file.set(json, 8);
  for (let i = 0; i < dataBytes; i++) file[8 + json.length + i] = i;
  return file;
}

const entry = (dtype: string, shape: unknown, offsets: unknown): string =>
  `{"dtype":${JSON.stringify(dtype)},"shape":${JSON.stringify(shape)},"data_offsets":${JSON.stringify(offsets)}}`;
const two = (a: string, b: string): string => `{"a":${a},"b":${b}}`;
const f32 = (shape: unknown, offsets: unknown): string => entry("F32", shape, offsets);

/** Name, bytes, code, and what the message must say. */
export const BROKEN_FILES: readonly (readonly [string, Uint8Array, string, readonly string[]])[] = [
  ["empty", new Uint8Array(0), "RN720", ["0 bytes"]],
  ["seven bytes", new Uint8Array(7), "RN720", ["7 bytes"]],
  ["header length beyond the file", fileOf("{}", 0, 3n), "RN721", ["claims 3 bytes", "only 2"]],
  ["header cut off", fileOf(two(f32([1], [0, 4]), f32([1], [4, 8])), 8).subarray(0, 40), "RN721", ["cut off"]],
  ["header length over the limit", fileOf("{}", 0, 100_000_001n), "RN722", ["100000001"]],
  ["header length of 2^64 - 1", fileOf("{}", 0, 2n ** 64n - 1n), "RN722", ["18446744073709551615"]],
  ["header length zero", fileOf("", 8, 0n), "RN723", ["begin with"]],
  ["a PNG", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13), "RN722", ["not a safetensors file"]],
  ["JSON malformed", fileOf('{"a":', 0), "RN723", ["no valid JSON"]],
  ["JSON with a tail", fileOf("{}}", 0), "RN723", ["no valid JSON"]],
  ["an array", fileOf("[]", 0), "RN723", ["begin with"]],
  ["a leading space", fileOf(" {}", 0), "RN723", ["begin with"]],
  ["invalid UTF-8", fileOf("{}", 0).map((byte, i) => (i === 8 ? 0xff : byte)), "RN723", ["UTF-8"]],
  ["an entry that is no object", fileOf('{"a":5}', 0), "RN724", ["`a`", "5"]],
  ["no shape", fileOf('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), "RN724", ["`a`", "`shape`"]],
  ["a negative size", fileOf(`{"a":${f32([-1], [0, 4])}}`, 4), "RN724", ["`a`", "[-1]"]],
  ["a fractional size", fileOf(`{"a":${f32([1.5], [0, 6])}}`, 6), "RN724", ["`a`", "[1.5]"]],
  ["one offset", fileOf(`{"a":${f32([1], [0])}}`, 4), "RN724", ["`a`", "[0]"]],
  ["offsets reversed", fileOf(`{"a":${f32([1], [4, 0])}}`, 4), "RN724", ["`a`", "[4, 0]"]],
  ["unknown dtype", fileOf(`{"a":${entry("F12", [1], [0, 4])}}`, 4), "RN725", ["`a`", '"F12"', "BF16"]],
  ["size unlike shape and dtype", fileOf(`{"w":${f32([2, 3], [0, 20])}}`, 20), "RN726", ["`w`", "[2, 3]", "24 bytes", "span 20"]],
  ["a shape beyond all numbers", fileOf(`{"w":${f32([2 ** 52, 2 ** 52], [0, 4])}}`, 4), "RN726", ["`w`"]],
  ["data cut off", fileOf(two(f32([1], [0, 4]), f32([2], [4, 12])), 9), "RN727", ["`b`", "byte 12", "only 9", "cut off"]],
  ["overlap", fileOf(two(f32([2], [0, 8]), f32([1], [4, 8])), 8), "RN728", ["`a` and `b`", "byte 4"]],
  ["the same bytes twice", fileOf(two(f32([1], [0, 4]), f32([1], [0, 4])), 4), "RN728", ["`a` and `b`"]],
  ["a hole", fileOf(two(f32([1], [0, 4]), f32([1], [8, 12])), 12), "RN729", ["4 to 8", "`b`"]],
  ["a hole at the start", fileOf(`{"a":${f32([1], [4, 8])}}`, 8), "RN729", ["0 to 4", "`a`"]],
  ["bytes left over", fileOf(`{"a":${f32([1], [0, 4])}}`, 7), "RN729", ["last 3 bytes"]],
  ["a name twice", fileOf(`{"a":${f32([1], [0, 4])},"a":${f32([1], [4, 8])}}`, 8), "RN730", ['"a" twice']],
  ["a name twice, once escaped", fileOf(`{"a":${f32([1], [0, 4])},"\\u0061":${f32([1], [4, 8])}}`, 8), "RN730", ['"a" twice']],
  ["a member twice", fileOf('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4), "RN730", ['"dtype" twice']],
  ["metadata that is no object", fileOf('{"__metadata__":"pt"}', 0), "RN731", ["__metadata__"]],
  ["metadata that is no text", fileOf('{"__metadata__":{"epoch":5}}', 0), "RN731", ["`epoch`", "5"]],
];
