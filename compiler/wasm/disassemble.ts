/**
 * A readable dump of a module this back end wrote, one instruction a line, indented by block.
 * Invariant: it reads the same instruction table that the encoder writes from; a byte outside of it is an error.
 */
import { invariant } from "../ir/invariant.ts";
import { INSTRUCTIONS, type Immediate } from "./opcodes.ts";

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

const TYPE_NAMES: Readonly<Record<number, string>> = { 0x7f: "i32", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128" };

function byte(reader: Reader): number {
  const value = reader.bytes[reader.at++];
  invariant(value !== undefined, "the module ends early");
  return value;
}

function unsigned(reader: Reader): number {
  let result = 0;
  for (let shift = 0; ; shift += 7) {
    const next = byte(reader);
    result += (next & 0x7f) * 2 ** shift;
    if ((next & 0x80) === 0) return result;
  }
}

function signed(reader: Reader): number {
  let result = 0;
  for (let shift = 0; ; ) {
    const next = byte(reader);
    result |= (next & 0x7f) << shift;
    shift += 7;
    if ((next & 0x80) === 0) return shift < 32 && (next & 0x40) !== 0 ? result | (-1 << shift) : result;
  }
}

function view(reader: Reader, length: number): DataView {
  const { buffer, byteOffset } = reader.bytes;
  const data = new DataView(buffer, byteOffset + reader.at, length);
  reader.at += length;
  return data;
}

function name(reader: Reader): string {
  const length = unsigned(reader);
  const data = view(reader, length);
  return new TextDecoder().decode(new Uint8Array(data.buffer, data.byteOffset, length));
}

const BY_OPCODE: ReadonlyMap<string, { readonly mnemonic: string; readonly immediate: Immediate }> = new Map(
  Object.entries(INSTRUCTIONS).map(([mnemonic, each]) => [each.opcode.join(), { mnemonic, immediate: each.immediate }]),
);

function readOpcode(reader: Reader): { readonly mnemonic: string; readonly immediate: Immediate } {
  const opcode = [byte(reader)];
  if (opcode[0] === 0xfc || opcode[0] === 0xfd) {
    do opcode.push(byte(reader));
    while (((opcode.at(-1) ?? 0) & 0x80) !== 0);
  }
  const found = BY_OPCODE.get(opcode.join());
  invariant(found !== undefined, `unknown opcode ${opcode.join()}`);
  return found;
}

function immediateText(reader: Reader, kind: Immediate, mnemonic: string, names: readonly string[]): string {
  switch (kind) {
    case "none":
      return "";
    case "zero":
      byte(reader);
      return "";
    case "zeroZero":
      view(reader, 2);
      return "";
    case "block": {
      const type = TYPE_NAMES[byte(reader)];
      return type === undefined ? "" : ` (result ${type})`;
    }
    case "label":
    case "lane":
      return ` ${unsigned(reader)}`;
    case "index": {
      const index = unsigned(reader);
      return mnemonic === "call" ? ` $${names[index] ?? index}` : ` ${index}`;
    }
    case "memory":
    case "memoryLane": {
      unsigned(reader);
      const offset = unsigned(reader);
      return `${offset === 0 ? "" : ` offset=${offset}`}${kind === "memoryLane" ? ` ${byte(reader)}` : ""}`;
    }
    case "i32":
      return ` ${signed(reader)}`;
    case "f32":
      return ` ${view(reader, 4).getFloat32(0, true)}`;
    case "f64":
      return ` ${view(reader, 8).getFloat64(0, true)}`;
    case "v128": {
      const data = view(reader, 16);
      return ` i32x4${[0, 4, 8, 12].map((at) => ` 0x${data.getUint32(at, true).toString(16).padStart(8, "0")}`).join("")}`;
    }
    case "shuffle": {
      const data = view(reader, 16);
      return Array.from({ length: 16 }, (_, at) => ` ${data.getUint8(at)}`).join("");
    }
  }
  kind satisfies never;
}

function functionText(reader: Reader, index: number, type: string, names: readonly string[]): string[] {
  const end = unsigned(reader) + reader.at;
  const lines = [`  (func $${names[index] ?? index} ${type}`];
  for (let group = unsigned(reader); group > 0; group--) {
    const count = unsigned(reader);
    lines.push(`    (local ${count} x ${TYPE_NAMES[byte(reader)]})`);
  }
  let depth = 2;
  while (reader.at < end) {
    const { mnemonic, immediate } = readOpcode(reader);
    if (mnemonic === "end" || mnemonic === "else") depth--;
    if (depth < 2) break;
    lines.push(`${"  ".repeat(depth)}${mnemonic}${immediateText(reader, immediate, mnemonic, names)}`);
    if (immediate === "block" || mnemonic === "else") depth++;
  }
  reader.at = end;
  lines.push("  )");
  return lines;
}

function readTypes(reader: Reader): string[] {
  const list = () => Array.from({ length: unsigned(reader) }, () => TYPE_NAMES[byte(reader)] ?? "?").join(" ");
  return Array.from({ length: unsigned(reader) }, () => {
    byte(reader);
    const parameters = list();
    const results = list();
    return [parameters && `(param ${parameters})`, results && `(result ${results})`].filter(Boolean).join(" ");
  });
}

/** The module as indented text. `names` are the functions', by index. */
export function disassemble(bytes: Uint8Array, names: readonly string[]): string {
  const reader: Reader = { bytes, at: 8 };
  const lines = ["(module"];
  let types: string[] = [];
  let signatures: number[] = [];
  while (reader.at < bytes.length) {
    const id = byte(reader);
    const end = unsigned(reader) + reader.at;
    if (id === 1) types = readTypes(reader);
    if (id === 2) {
      unsigned(reader);
      lines.push(`  (import "${name(reader)}" "${name(reader)}" (memory))`);
    }
    if (id === 3) signatures = Array.from({ length: unsigned(reader) }, () => unsigned(reader));
    if (id === 7) {
      for (let count = unsigned(reader); count > 0; count--) {
        const label = name(reader);
        byte(reader);
        lines.push(`  (export "${label}" (func ${unsigned(reader)}))`);
      }
    }
    if (id === 10) {
      const count = unsigned(reader);
      for (let index = 0; index < count; index++) lines.push(...functionText(reader, index, types[signatures[index] ?? 0] ?? "", names));
    }
    reader.at = end;
  }
  lines.push(")");
  return lines.join("\n");
}
