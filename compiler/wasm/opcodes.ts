/**
 * The WebAssembly instructions this back end uses: opcode bytes and the kind of immediate, for encoder and dump alike.
 * Source: WebAssembly core specification 2.0, section 5.4 (binary format of instructions).
 */

/** What follows an opcode. `memory`: alignment and offset; `memoryLane`: those and a lane. */
export type Immediate =
  | "none"
  | "block"
  | "label"
  | "index"
  | "memory"
  | "memoryLane"
  | "lane"
  | "i32"
  | "f32"
  | "f64"
  | "v128"
  | "shuffle"
  | "zero"
  | "zeroZero";

interface Instruction {
  readonly opcode: readonly number[];
  readonly immediate: Immediate;
  /** log2 of the natural alignment, for memory instructions. */
  readonly align: number;
}

function plain(...opcode: number[]): Instruction {
  return { opcode, immediate: "none", align: 0 };
}

function withImmediate(immediate: Immediate, ...opcode: number[]): Instruction {
  return { opcode, immediate, align: 0 };
}

function memory(align: number, ...opcode: number[]): Instruction {
  return { opcode, immediate: "memory", align };
}

/** SIMD opcodes are 0xfd and an unsigned LEB128 number. */
function simdOpcode(code: number): readonly number[] {
  return code < 0x80 ? [0xfd, code] : [0xfd, (code & 0x7f) | 0x80, code >> 7];
}

function simd(code: number, immediate: Immediate = "none", align = 0): Instruction {
  return { opcode: simdOpcode(code), immediate, align };
}

export const INSTRUCTIONS = {
  unreachable: plain(0x00),
  block: withImmediate("block", 0x02),
  loop: withImmediate("block", 0x03),
  if: withImmediate("block", 0x04),
  else: plain(0x05),
  end: plain(0x0b),
  br: withImmediate("label", 0x0c),
  br_if: withImmediate("label", 0x0d),
  return: plain(0x0f),
  call: withImmediate("index", 0x10),
  drop: plain(0x1a),
  select: plain(0x1b),
  "local.get": withImmediate("index", 0x20),
  "local.set": withImmediate("index", 0x21),
  "local.tee": withImmediate("index", 0x22),
  "i32.load": memory(2, 0x28),
  "f32.load": memory(2, 0x2a),
  "i32.store": memory(2, 0x36),
  "f32.store": memory(2, 0x38),
  "i32.const": withImmediate("i32", 0x41),
  "f32.const": withImmediate("f32", 0x43),
  "f64.const": withImmediate("f64", 0x44),
  "i32.eqz": plain(0x45),
  "i32.eq": plain(0x46),
  "i32.ne": plain(0x47),
  "i32.lt_s": plain(0x48),
  "i32.lt_u": plain(0x49),
  "i32.gt_s": plain(0x4a),
  "i32.le_s": plain(0x4c),
  "i32.ge_s": plain(0x4e),
  "i32.ge_u": plain(0x4f),
  "f32.eq": plain(0x5b),
  "f32.ne": plain(0x5c),
  "f32.lt": plain(0x5d),
  "f32.gt": plain(0x5e),
  "f64.lt": plain(0x63),
  "f64.gt": plain(0x64),
  "i32.add": plain(0x6a),
  "i32.sub": plain(0x6b),
  "i32.mul": plain(0x6c),
  "i32.div_s": plain(0x6d),
  "i32.div_u": plain(0x6e),
  "i32.rem_s": plain(0x6f),
  "i32.rem_u": plain(0x70),
  "i32.and": plain(0x71),
  "i32.or": plain(0x72),
  "i32.xor": plain(0x73),
  "i32.shl": plain(0x74),
  "i32.shr_s": plain(0x75),
  "i32.shr_u": plain(0x76),
  "f32.abs": plain(0x8b),
  "f32.neg": plain(0x8c),
  "f32.add": plain(0x92),
  "f32.sub": plain(0x93),
  "f32.mul": plain(0x94),
  "f64.abs": plain(0x99),
  "f64.neg": plain(0x9a),
  "f64.floor": plain(0x9c),
  "f64.nearest": plain(0x9e),
  "f64.add": plain(0xa0),
  "f64.sub": plain(0xa1),
  "f64.mul": plain(0xa2),
  "f64.div": plain(0xa3),
  "f64.min": plain(0xa4),
  "f64.max": plain(0xa5),
  "f32.convert_i32_s": plain(0xb2),
  "f32.demote_f64": plain(0xb6),
  "f64.convert_i32_s": plain(0xb7),
  "f64.promote_f32": plain(0xbb),
  "i32.reinterpret_f32": plain(0xbc),
  "f32.reinterpret_i32": plain(0xbe),
  "i32.trunc_sat_f64_s": plain(0xfc, 0x02),
  "memory.copy": withImmediate("zeroZero", 0xfc, 0x0a),
  "memory.fill": withImmediate("zero", 0xfc, 0x0b),
  "v128.load": simd(0x00, "memory", 2),
  "v128.load32_splat": simd(0x09, "memory", 2),
  "v128.store": simd(0x0b, "memory", 2),
  "v128.const": simd(0x0c, "v128"),
  "i8x16.shuffle": simd(0x0d, "shuffle"),
  "i32x4.splat": simd(0x11),
  "f32x4.splat": simd(0x13),
  "i32x4.extract_lane": simd(0x1b, "lane"),
  "i32x4.replace_lane": simd(0x1c, "lane"),
  "f32x4.extract_lane": simd(0x1f, "lane"),
  "f32x4.replace_lane": simd(0x20, "lane"),
  "i32x4.eq": simd(0x37),
  "i32x4.ne": simd(0x38),
  "i32x4.lt_s": simd(0x39),
  "i32x4.gt_s": simd(0x3b),
  "i32x4.le_s": simd(0x3d),
  "i32x4.ge_s": simd(0x3f),
  "f32x4.eq": simd(0x41),
  "f32x4.ne": simd(0x42),
  "f32x4.lt": simd(0x43),
  "f32x4.gt": simd(0x44),
  "f32x4.le": simd(0x45),
  "f32x4.ge": simd(0x46),
  "v128.not": simd(0x4d),
  "v128.and": simd(0x4e),
  "v128.andnot": simd(0x4f),
  "v128.or": simd(0x50),
  "v128.xor": simd(0x51),
  "v128.bitselect": simd(0x52),
  "v128.load32_lane": simd(0x56, "memoryLane", 2),
  "v128.store32_lane": simd(0x5a, "memoryLane", 2),
  "f32x4.ceil": simd(0x67),
  "f32x4.floor": simd(0x68),
  "f32x4.trunc": simd(0x69),
  "f32x4.nearest": simd(0x6a),
  "i32x4.abs": simd(0xa0),
  "i32x4.neg": simd(0xa1),
  "i32x4.shl": simd(0xab),
  "i32x4.shr_s": simd(0xac),
  "i32x4.shr_u": simd(0xad),
  "i32x4.add": simd(0xae),
  "i32x4.sub": simd(0xb1),
  "i32x4.mul": simd(0xb5),
  "i32x4.min_s": simd(0xb6),
  "i32x4.max_s": simd(0xb8),
  "f32x4.abs": simd(0xe0),
  "f32x4.neg": simd(0xe1),
  "f32x4.sqrt": simd(0xe3),
  "f32x4.add": simd(0xe4),
  "f32x4.sub": simd(0xe5),
  "f32x4.mul": simd(0xe6),
  "f32x4.div": simd(0xe7),
  "f32x4.min": simd(0xe8),
  "f32x4.max": simd(0xe9),
  "f32x4.pmin": simd(0xea),
  "f32x4.pmax": simd(0xeb),
  "i32x4.trunc_sat_f32x4_s": simd(0xf8),
  "f32x4.convert_i32x4_s": simd(0xfa),
} as const satisfies Readonly<Record<string, Instruction>>;

export type Mnemonic = keyof typeof INSTRUCTIONS;

/** The table by mnemonic, typed for look-ups with any mnemonic. */
export function instruction(mnemonic: Mnemonic): Instruction {
  return INSTRUCTIONS[mnemonic];
}
