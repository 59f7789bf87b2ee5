/**
 * A WebAssembly binary encoder: instructions of one function (`Code`) and the module around them (`ModuleBuilder`).
 * Invariant: functions whose bodies are equal byte for byte exist once.
 */
import { invariant } from "../ir/invariant.ts";
import { instruction, type Mnemonic } from "./opcodes.ts";

export type ValueType = "i32" | "f32" | "f64" | "v128";

/** Index of a local variable of the function being built. */
export type Local = number;

const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY_BLOCK = 0x40;

/** A block that `branch` may leave (a loop: repeat). */
export interface Label {
  readonly depth: number;
}

/** Locals of one function, shared by the pieces of code that make it up. */
export class Locals {
  readonly types: ValueType[] = [];
  readonly parameters: number;
  constructor(parameters: readonly ValueType[]) {
    this.types.push(...parameters);
    this.parameters = parameters.length;
  }
  add(type: ValueType): Local {
    this.types.push(type);
    return this.types.length - 1;
  }
}

export function unsigned(bytes: number[], value: number): void {
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
}

function signed(bytes: number[], value: number): void {
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return;
    }
    bytes.push(low | 0x80);
  }
}

function rawBytes(data: Float32Array | Float64Array | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer);
}

/** Instructions in order. Pieces that share `locals` may be joined with `append`. */
export class Code {
  readonly bytes: number[] = [];
  readonly locals: Locals;
  #depth = 0;

  constructor(locals: Locals) {
    this.locals = locals;
  }

  local(type: ValueType): Local {
    return this.locals.add(type);
  }

  /** Instructions without immediate, or with an index, lane or label depth. */
  op(mnemonic: Mnemonic, immediate?: number): this {
    const { opcode, immediate: kind } = instruction(mnemonic);
    for (const byte of opcode) this.bytes.push(byte);
    switch (kind) {
      case "none":
        break;
      case "zero":
        this.bytes.push(0);
        break;
      case "zeroZero":
        this.bytes.push(0, 0);
        break;
      case "lane":
        this.bytes.push(immediate ?? 0);
        break;
      case "index":
      case "label":
        unsigned(this.bytes, immediate ?? 0);
        break;
      default:
        invariant(false, `${mnemonic} needs its own method`);
    }
    return this;
  }

  get(local: Local): this {
    return this.op("local.get", local);
  }
  set(local: Local): this {
    return this.op("local.set", local);
  }
  tee(local: Local): this {
    return this.op("local.tee", local);
  }

  /** Loads and stores; `offset` in bytes, not negative. */
  memory(mnemonic: Mnemonic, offset = 0, lane?: number): this {
    const { opcode, immediate, align } = instruction(mnemonic);
    invariant(immediate === "memory" || immediate === "memoryLane", `${mnemonic} is no memory instruction`);
    for (const byte of opcode) this.bytes.push(byte);
    unsigned(this.bytes, align);
    unsigned(this.bytes, offset);
    if (immediate === "memoryLane") this.bytes.push(lane ?? 0);
    return this;
  }

  i32(value: number): this {
    this.bytes.push(...instruction("i32.const").opcode);
    signed(this.bytes, value);
    return this;
  }
  f32(value: number): this {
    this.bytes.push(...instruction("f32.const").opcode, ...rawBytes(new Float32Array([value])));
    return this;
  }
  f64(value: number): this {
    this.bytes.push(...instruction("f64.const").opcode, ...rawBytes(new Float64Array([value])));
    return this;
  }
  /** Four equal f32 lanes. */
  splatF32(value: number): this {
    this.bytes.push(...instruction("v128.const").opcode, ...rawBytes(new Float32Array(4).fill(value)));
    return this;
  }
  /** Four equal i32 lanes. */
  splatI32(value: number): this {
    return this.lanesI32([value, value, value, value]);
  }
  lanesI32(lanes: readonly number[]): this {
    this.bytes.push(...instruction("v128.const").opcode, ...rawBytes(new Int32Array(lanes)));
    return this;
  }
  /** Bytes of both operands, by index. */
  shuffle(indices: readonly number[]): this {
    this.bytes.push(...instruction("i8x16.shuffle").opcode, ...indices);
    return this;
  }

  /** `body` may branch to the label: out of a block or `if`, to the start of a loop. */
  structured(kind: "block" | "loop" | "if", body: (label: Label) => void, result?: ValueType, otherwise?: () => void): this {
    this.bytes.push(...instruction(kind).opcode, result === undefined ? EMPTY_BLOCK : VALUE_TYPES[result]);
    this.#depth++;
    body({ depth: this.#depth });
    if (otherwise !== undefined) {
      this.op("else");
      otherwise();
    }
    this.#depth--;
    return this.op("end");
  }
  block(body: (label: Label) => void): this {
    return this.structured("block", body);
  }
  loop(body: (label: Label) => void): this {
    return this.structured("loop", body);
  }
  if(then: () => void, otherwise?: () => void, result?: ValueType): this {
    return this.structured("if", then, result, otherwise);
  }
  branch(label: Label): this {
    return this.op("br", this.#depth - label.depth);
  }
  branchIf(label: Label): this {
    return this.op("br_if", this.#depth - label.depth);
  }

  append(other: Code): this {
    for (const byte of other.bytes) this.bytes.push(byte);
    return this;
  }
}

interface FunctionEntry {
  readonly name: string;
  readonly type: number;
  readonly body: readonly number[];
  readonly exported: boolean;
}

/** Collects functions and writes the module. Function indices begin at 0: only the memory is imported. */
export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeBytes: number[][] = [];
  readonly #functions: FunctionEntry[] = [];
  readonly #byBody = new Map<string, number>();
  readonly #shared = new Map<string, number>();
  #extraNames = 0;

  /** The function of that name, built at its first use. */
  shared(name: string, parameters: readonly ValueType[], results: readonly ValueType[], build: (code: Code, module: ModuleBuilder) => void): number {
    const known = this.#shared.get(name);
    if (known !== undefined) return known;
    const code = new Code(new Locals(parameters));
    build(code, this);
    const index = this.#add(name, parameters, results, bodyBytes(code), false);
    this.#shared.set(name, index);
    return index;
  }

  /** Adds an exported function, or finds the one with an equal body. Returns its export name. */
  exported(name: string, parameters: readonly ValueType[], code: Code): string {
    const body = bodyBytes(code);
    const key = body.join();
    const known = this.#byBody.get(key);
    if (known !== undefined) return this.#functions[known]?.name ?? "";
    const unique = this.#functions.some((each) => each.name === name) ? `${name}_${++this.#extraNames}` : name;
    this.#byBody.set(key, this.#add(unique, parameters, [], body, true));
    return unique;
  }

  #add(name: string, parameters: readonly ValueType[], results: readonly ValueType[], body: readonly number[], exported: boolean): number {
    this.#functions.push({ name, type: this.#type(parameters, results), body, exported });
    return this.#functions.length - 1;
  }

  #type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters.join()}>${results.join()}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const codes = (list: readonly ValueType[]) => [list.length, ...list.map((each) => VALUE_TYPES[each])];
    this.#typeBytes.push([0x60, ...codes(parameters), ...codes(results)]);
    return this.#types.push(key) - 1;
  }

  functionNames(): readonly string[] {
    return this.#functions.map((each) => each.name);
  }

  /** The module; it imports `env.memory`, shared when `sharedMemory` holds (the maximum is then required). */
  finish(sharedMemory = false): Uint8Array<ArrayBuffer> {
    const out: number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
    const limits = sharedMemory ? [0x03, 0x01, ...leb(65536)] : [0x00, 0x01];
    section(out, 1, vector(this.#typeBytes));
    section(out, 2, [1, ...text("env"), ...text("memory"), 0x02, ...limits]);
    section(out, 3, vector(this.#functions.map((each) => leb(each.type))));
    const exports = this.#functions.flatMap((each, index) => (each.exported ? [[...text(each.name), 0x00, ...leb(index)]] : []));
    section(out, 7, vector(exports));
    section(out, 10, vector(this.#functions.map((each) => [...leb(each.body.length), ...each.body])));
    return new Uint8Array(out);
  }
}

function bodyBytes(code: Code): number[] {
  const declared = code.locals.types.slice(code.locals.parameters);
  const groups: { type: ValueType; count: number }[] = [];
  for (const type of declared) {
    const last = groups.at(-1);
    if (last?.type === type) last.count++;
    else groups.push({ type, count: 1 });
  }
  const body = [...leb(groups.length)];
  for (const { type, count } of groups) body.push(...leb(count), VALUE_TYPES[type]);
  for (const byte of code.bytes) body.push(byte);
  body.push(...instruction("end").opcode);
  return body;
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  unsigned(bytes, value);
  return bytes;
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...leb(bytes.length), ...bytes];
}

function vector(items: readonly (readonly number[])[]): number[] {
  const out = leb(items.length);
  for (const item of items) for (const byte of item) out.push(byte);
  return out;
}

function section(out: number[], id: number, content: readonly number[]): void {
  out.push(id, ...leb(content.length));
  for (const byte of content) out.push(byte);
}
