/**
 * The WebAssembly instructions that the CPU back end may use: opcode bytes by name.
 * Source: WebAssembly core specification 2.0, section 5.4; memory instructions are listed with log2 of their alignment.
 */

/** Instructions without immediate, by their one opcode byte. */
const plain = {
  unreachable: 0x00,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  "i32.eqz": 0x45,
  "i32.eq": 0x46,
  "i32.ne": 0x47,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_s": 0x4a,
  "i32.gt_u": 0x4b,
  "i32.le_s": 0x4c,
  "i32.le_u": 0x4d,
  "i32.ge_s": 0x4e,
  "i32.ge_u": 0x4f,
  "i64.eqz": 0x50,
  "i64.eq": 0x51,
  "i64.ne": 0x52,
  "i64.lt_s": 0x53,
  "i64.lt_u": 0x54,
  "f32.eq": 0x5b,
  "f32.ne": 0x5c,
  "f32.lt": 0x5d,
  "f32.gt": 0x5e,
  "f32.le": 0x5f,
  "f32.ge": 0x60,
  "i32.clz": 0x67,
  "i32.ctz": 0x68,
  "i32.popcnt": 0x69,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.div_s": 0x6d,
  "i32.div_u": 0x6e,
  "i32.rem_s": 0x6f,
  "i32.rem_u": 0x70,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i32.shr_s": 0x75,
  "i32.shr_u": 0x76,
  "i64.add": 0x7c,
  "i64.sub": 0x7d,
  "i64.mul": 0x7e,
  "i64.div_s": 0x7f,
  "i64.div_u": 0x80,
  "i64.rem_u": 0x82,
  "i64.shl": 0x86,
  "i64.shr_u": 0x88,
  "f32.abs": 0x8b,
  "f32.neg": 0x8c,
  "f32.ceil": 0x8d,
  "f32.floor": 0x8e,
  "f32.trunc": 0x8f,
  "f32.nearest": 0x90,
  "f32.sqrt": 0x91,
  "f32.add": 0x92,
  "f32.sub": 0x93,
  "f32.mul": 0x94,
  "f32.div": 0x95,
  "f32.min": 0x96,
  "f32.max": 0x97,
  "f32.copysign": 0x98,
  "f64.add": 0xa0,
  "f64.sub": 0xa1,
  "f64.mul": 0xa2,
  "f64.div": 0xa3,
  "i32.wrap_i64": 0xa7,
  "i64.extend_i32_s": 0xac,
  "i64.extend_i32_u": 0xad,
  "f32.convert_i32_s": 0xb2,
  "f32.convert_i32_u": 0xb3,
  "f32.demote_f64": 0xb6,
  "f64.convert_i32_s": 0xb7,
  "f64.promote_f32": 0xbb,
  "i32.reinterpret_f32": 0xbc,
  "f32.reinterpret_i32": 0xbe,
} as const;

/** Instructions without immediate behind the prefix 0xfd. */
const simd = {
  "i8x16.swizzle": 14,
  "i8x16.splat": 15,
  "i16x8.splat": 16,
  "i32x4.splat": 17,
  "i64x2.splat": 18,
  "f32x4.splat": 19,
  "f64x2.splat": 20,
  "i32x4.eq": 55,
  "i32x4.ne": 56,
  "i32x4.lt_s": 57,
  "i32x4.lt_u": 58,
  "i32x4.gt_s": 59,
  "i32x4.gt_u": 60,
  "i32x4.le_s": 61,
  "i32x4.le_u": 62,
  "i32x4.ge_s": 63,
  "i32x4.ge_u": 64,
  "f32x4.eq": 65,
  "f32x4.ne": 66,
  "f32x4.lt": 67,
  "f32x4.gt": 68,
  "f32x4.le": 69,
  "f32x4.ge": 70,
  "v128.not": 77,
  "v128.and": 78,
  "v128.andnot": 79,
  "v128.or": 80,
  "v128.xor": 81,
  "v128.bitselect": 82,
  "v128.any_true": 83,
  "f32x4.demote_f64x2_zero": 94,
  "f64x2.promote_low_f32x4": 95,
  "f32x4.ceil": 103,
  "f32x4.floor": 104,
  "f32x4.trunc": 105,
  "f32x4.nearest": 106,
  "i32x4.abs": 160,
  "i32x4.neg": 161,
  "i32x4.all_true": 163,
  "i32x4.bitmask": 164,
  "i32x4.shl": 171,
  "i32x4.shr_s": 172,
  "i32x4.shr_u": 173,
  "i32x4.add": 174,
  "i32x4.sub": 177,
  "i32x4.mul": 181,
  "i32x4.min_s": 182,
  "i32x4.min_u": 183,
  "i32x4.max_s": 184,
  "i32x4.max_u": 185,
  "f32x4.abs": 224,
  "f32x4.neg": 225,
  "f32x4.sqrt": 227,
  "f32x4.add": 228,
  "f32x4.sub": 229,
  "f32x4.mul": 230,
  "f32x4.div": 231,
  "f32x4.min": 232,
  "f32x4.max": 233,
  "f32x4.pmin": 234,
  "f32x4.pmax": 235,
  "f64x2.add": 240,
  "f64x2.sub": 241,
  "f64x2.mul": 242,
  "f64x2.div": 243,
  "f64x2.nearest": 148,
  "f64x2.min": 244,
  "f64x2.max": 245,
  "i32x4.trunc_sat_f64x2_s_zero": 252,
  "f64x2.convert_low_i32x4_s": 254,
  "i32x4.trunc_sat_f32x4_s": 248,
  "i32x4.trunc_sat_f32x4_u": 249,
  "f32x4.convert_i32x4_s": 250,
  "f32x4.convert_i32x4_u": 251,
  "f32x4.relaxed_madd": 261,
} as const;

/** Saturating conversions, behind the prefix 0xfc. */
const saturating = { "i32.trunc_sat_f32_s": 0, "i32.trunc_sat_f32_u": 1 } as const;

/** Vector instructions with a lane. */
const lanes = {
  "i32x4.extract_lane": 27,
  "i32x4.replace_lane": 28,
  "f32x4.extract_lane": 31,
  "f32x4.replace_lane": 32,
  "f64x2.extract_lane": 33,
  "f64x2.replace_lane": 34,
} as const;

const memory = {
  "i32.load": [0x28, 2],
  "i64.load": [0x29, 2],
  "f32.load": [0x2a, 2],
  "i32.load8_u": [0x2d, 0],
  "i32.store": [0x36, 2],
  "i64.store": [0x37, 2],
  "f32.store": [0x38, 2],
  "i32.store8": [0x3a, 0],
} as const;

const simdMemory = {
  "v128.load": [0, 2],
  "v128.load32_splat": [9, 2],
  "v128.load64_splat": [10, 2],
  "v128.store": [11, 2],
  "v128.load32_zero": [92, 2],
  "v128.load64_zero": [93, 2],
} as const;

const laneMemory = {
  "v128.load32_lane": [86, 2],
  "v128.load64_lane": [87, 2],
  "v128.store32_lane": [90, 2],
  "v128.store64_lane": [91, 2],
} as const;

export type PlainName = keyof typeof plain | keyof typeof simd | keyof typeof saturating;
export type LaneName = keyof typeof lanes;
export type MemoryName = keyof typeof memory | keyof typeof simdMemory;
export type LaneMemoryName = keyof typeof laneMemory;

/** A prefix byte and the opcode in LEB128. */
function prefixed(prefix: number, opcode: number): readonly number[] {
  return opcode < 128 ? [prefix, opcode] : [prefix, (opcode & 127) | 128, opcode >> 7];
}

function codes(table: Readonly<Record<string, number>>, prefix?: number): [string, readonly number[]][] {
  return Object.entries(table).map(([name, code]) => [name, prefix === undefined ? [code] : prefixed(prefix, code)]);
}

function accesses(table: Readonly<Record<string, readonly [number, number]>>, simdCodes: boolean): [string, readonly number[]][] {
  return Object.entries(table).map(([name, [code, align]]) => [name, [...(simdCodes ? prefixed(0xfd, code) : [code]), align]]);
}

/** Opcode bytes of instructions without immediate and of lane instructions (before the lane). */
export const opcodeBytes: ReadonlyMap<string, readonly number[]> = new Map([
  ...codes(plain),
  ...codes(simd, 0xfd),
  ...codes(saturating, 0xfc),
  ...codes(lanes, 0xfd),
]);

/** Opcode bytes and alignment of memory instructions (before the offset). */
export const memoryBytes: ReadonlyMap<string, readonly number[]> = new Map([
  ...accesses(memory, false),
  ...accesses(simdMemory, true),
  ...accesses(laneMemory, true),
]);
