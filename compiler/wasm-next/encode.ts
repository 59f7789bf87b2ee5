/**
 * A WebAssembly encoder: `createModule` collects functions, `FunctionBuilder` pushes instructions one by one.
 * Branches take relative depths, as in the text format. Invariant: equal bodies of `unique` functions exist once.
 */
import { invariant } from "../ir/invariant.ts";
import { type LaneMemoryName, type LaneName, memoryBytes, type MemoryName, opcodeBytes, type PlainName } from "./opcodes.ts";

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** A parameter or local variable of the function being built. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

export interface FunctionOptions {
  /** Exports the function under its name, made unique by a suffix. */
  readonly export?: boolean;
  /** Returns an earlier `unique` function whose type and body are equal, if there is one. */
  readonly unique?: boolean;
}

/** Functions under construction; a function may add others while its own body is built. */
export interface WasmModule {
  /** Builds a function and returns its index. */
  addFunction(
    name: string,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    build: (f: FunctionBuilder) => void,
    options?: FunctionOptions,
  ): number;
  /** The name of a function, which is that of its export if it has one. */
  nameOf(index: number): string;
  /** The binary; `env.memory` is imported, as shared memory with a maximum if asked for. */
  finish(sharedMemory?: boolean): Uint8Array<ArrayBuffer>;
  /** A readable listing, close to the text format. */
  text(): string;
}

interface FunctionRecord {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly code: readonly number[];
  readonly listing: () => string;
  readonly exported: boolean;
}

const valueTypes: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

function unsignedTo(bytes: number[], value: number): void {
  let rest = value >>> 0;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  bytes.push(rest);
}

function signedTo(bytes: number[], value: number): void {
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 127) | 128);
    rest >>= 7;
  }
  bytes.push(rest & 127);
}

/** Instructions of one function. Methods return the builder, so that short sequences read as one line. */
export class FunctionBuilder {
  readonly parameters: readonly Local[];
  private bytes: number[] = [];
  private lines: string[] = [];
  private readonly start: { readonly bytes: number[]; readonly lines: string[] } = { bytes: [], lines: [] };
  private readonly locals: Local[];
  private level = 1;

  constructor(parameters: readonly ValueType[]) {
    this.parameters = parameters.map((type, index) => ({ index, type }));
    this.locals = [...this.parameters];
  }

  /** Parameter by position. */
  param(position: number): Local {
    const local = this.parameters[position];
    invariant(local !== undefined, "no such parameter");
    return local;
  }

  /** A new local variable, 0 at first. */
  local(type: ValueType): Local {
    const local: Local = { index: this.locals.length, type };
    this.locals.push(local);
    return local;
  }

  /** Puts what `build` pushes at the start of the function, behind what earlier calls put there. */
  atStart(build: () => void): this {
    const { bytes, lines, level } = this;
    this.bytes = this.start.bytes;
    this.lines = this.start.lines;
    this.level = 1;
    build();
    this.bytes = bytes;
    this.lines = lines;
    this.level = level;
    return this;
  }

  private note(text: string): void {
    this.lines.push("  ".repeat(this.level) + text);
  }

  private index(opcode: number, name: string, value: number): this {
    this.bytes.push(opcode);
    unsignedTo(this.bytes, value);
    this.note(`${name} ${value}`);
    return this;
  }

  get(local: Local): this {
    return this.index(0x20, "local.get", local.index);
  }
  set(local: Local): this {
    return this.index(0x21, "local.set", local.index);
  }
  tee(local: Local): this {
    return this.index(0x22, "local.tee", local.index);
  }
  call(target: number): this {
    return this.index(0x10, "call", target);
  }
  br(depth: number): this {
    return this.index(0x0c, "br", depth);
  }
  brIf(depth: number): this {
    return this.index(0x0d, "br_if", depth);
  }

  /** An instruction without immediate. */
  op(...names: readonly PlainName[]): this {
    for (const name of names) {
      this.bytes.push(...codeOf(opcodeBytes, name));
      this.note(name);
    }
    return this;
  }

  /** A vector instruction with a lane. */
  lane(name: LaneName, lane: number): this {
    this.bytes.push(...codeOf(opcodeBytes, name), lane);
    this.note(`${name} ${lane}`);
    return this;
  }

  /** Bytes of both operands, 0-15 the first, 16-31 the second. */
  shuffle(bytes: readonly number[]): this {
    invariant(bytes.length === 16, "a shuffle needs 16 indices");
    this.bytes.push(0xfd, 13, ...bytes);
    this.note(`i8x16.shuffle ${bytes.join(" ")}`);
    return this;
  }

  /** Shuffles 4-byte lanes of both operands: 0-3 the first, 4-7 the second. */
  shuffleLanes(a: number, b: number, c: number, d: number): this {
    return this.shuffle([a, b, c, d].flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)));
  }

  i32(value: number): this {
    this.bytes.push(0x41);
    signedTo(this.bytes, value);
    this.note(`i32.const ${value | 0}`);
    return this;
  }
  i64(value: number): this {
    invariant(value === (value | 0), "i64 constants must fit 32 bits");
    this.bytes.push(0x42);
    signedTo(this.bytes, value);
    this.note(`i64.const ${value}`);
    return this;
  }
  f32(value: number): this {
    this.bytes.push(0x43, ...new Uint8Array(new Float32Array([value]).buffer));
    this.note(`f32.const ${value}`);
    return this;
  }
  /** Four f32 lanes; one value stands for all. */
  v128(...values: readonly number[]): this {
    const lanes = values.length === 1 ? new Float32Array(4).fill(values[0] ?? 0) : new Float32Array(values);
    return this.vector(new Uint8Array(lanes.buffer), `f32x4 ${lanes.join(" ")}`);
  }
  /** Four i32 lanes; one value stands for all. */
  v128i(...values: readonly number[]): this {
    const lanes = values.length === 1 ? new Int32Array(4).fill(values[0] ?? 0) : new Int32Array(values);
    return this.vector(new Uint8Array(lanes.buffer), `i32x4 ${lanes.join(" ")}`);
  }
  /** Two equal f64 lanes. */
  v128d(value: number): this {
    return this.vector(new Uint8Array(new Float64Array(2).fill(value).buffer), `f64x2 ${value}`);
  }
  private vector(bytes: Uint8Array, text: string): this {
    invariant(bytes.length === 16, "a vector has four lanes");
    this.bytes.push(0xfd, 12, ...bytes);
    this.note(`v128.const ${text}`);
    return this;
  }

  /** Pops an address, pushes the value; `offset` in bytes, not negative. */
  load(name: MemoryName, offset = 0): this {
    return this.access(name, offset);
  }
  /** Pops an address and a value. */
  store(name: MemoryName, offset = 0): this {
    return this.access(name, offset);
  }
  /** Loads into, or stores from, one lane. */
  laneAccess(name: LaneMemoryName, offset: number, lane: number): this {
    this.access(name, offset, ` ${lane}`);
    this.bytes.push(lane);
    return this;
  }
  private access(name: MemoryName | LaneMemoryName, offset: number, suffix = ""): this {
    invariant(offset >= 0 && Number.isInteger(offset), "a memory offset must be a natural number");
    this.bytes.push(...codeOf(memoryBytes, name));
    unsignedTo(this.bytes, offset);
    this.note(`${name} offset=${offset}${suffix}`);
    return this;
  }

  /** `br(0)` inside leaves the block. */
  block(body: () => void): this {
    return this.open(0x02, "block", undefined).inside(body).close();
  }
  /** `br(0)` inside starts the loop anew. */
  loop(body: () => void): this {
    return this.open(0x03, "loop", undefined).inside(body).close();
  }
  /** Pops a condition; both sides leave a value if `result` is given. */
  if(then: () => void, otherwise?: () => void, result?: ValueType): this {
    this.open(0x04, "if", result).inside(then);
    if (otherwise !== undefined) {
      this.bytes.push(0x05);
      this.note("else");
      this.inside(otherwise);
    }
    return this.close();
  }
  private open(opcode: number, name: string, result: ValueType | undefined): this {
    this.bytes.push(opcode, result === undefined ? 0x40 : valueTypes[result]);
    this.note(result === undefined ? name : `${name} (result ${result})`);
    return this;
  }
  private inside(body: () => void): this {
    this.level++;
    body();
    this.level--;
    return this;
  }
  private close(): this {
    this.bytes.push(0x0b);
    this.note("end");
    return this;
  }

  /** Adds a constant to an i32 local. */
  addTo(local: Local, amount: number): this {
    return amount === 0 ? this : this.get(local).i32(amount).op("i32.add").set(local);
  }
  /** Adds an i32 local to another. */
  addLocal(local: Local, amount: Local): this {
    return this.get(local).get(amount).op("i32.add").set(local);
  }
  /** Repeats `body` while the counter, lowered by `step` after each pass, stays positive; not even once if it is not. */
  countdown(counter: Local, body: () => void, step = 1): this {
    return this.get(counter)
      .i32(0)
      .op("i32.gt_s")
      .if(() => {
        this.loop(() => {
          body();
          this.get(counter).i32(step).op("i32.sub").tee(counter).i32(0).op("i32.gt_s").brIf(0);
        });
      });
  }

  /** The body as the code section holds it, without its length. */
  code(): readonly number[] {
    const declared = this.locals.slice(this.parameters.length);
    const runs: { type: ValueType; count: number }[] = [];
    for (const { type } of declared) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    const out: number[] = [];
    unsignedTo(out, runs.length);
    for (const { type, count } of runs) {
      unsignedTo(out, count);
      out.push(valueTypes[type]);
    }
    for (const byte of this.start.bytes) out.push(byte);
    for (const byte of this.bytes) out.push(byte);
    out.push(0x0b);
    return out;
  }

  /** The instructions as text, and the types of the locals. */
  listing(): string {
    const declared = this.locals.slice(this.parameters.length).map(({ type, index }) => `${index}:${type}`);
    return [...(declared.length === 0 ? [] : [`  (local ${declared.join(" ")})`]), ...this.start.lines, ...this.lines].join("\n");
  }
}

function codeOf(table: ReadonlyMap<string, readonly number[]>, name: string): readonly number[] {
  const bytes = table.get(name);
  invariant(bytes !== undefined, `unknown instruction ${name}`);
  return bytes;
}

/** An empty module. */
export function createModule(): WasmModule {
  const functions: FunctionRecord[] = [];
  const bodies = new Map<string, number>();
  const taken = new Map<string, number>();

  const uniqueName = (wanted: string): string => {
    const count = taken.get(wanted) ?? 0;
    taken.set(wanted, count + 1);
    return count === 0 ? wanted : uniqueName(`${wanted}_${count + 1}`);
  };

  return {
    addFunction(name, parameters, results, build, options = {}) {
      const builder = new FunctionBuilder(parameters);
      build(builder);
      const code = builder.code();
      const key = options.unique === true ? `${parameters.join()}:${results.join()}:${code.join()}` : undefined;
      const known = key === undefined ? undefined : bodies.get(key);
      if (known !== undefined) return known;
      const exported = options.export === true;
      functions.push({ name: uniqueName(name), parameters, results, code, listing: () => builder.listing(), exported });
      if (key !== undefined) bodies.set(key, functions.length - 1);
      return functions.length - 1;
    },
    nameOf(index) {
      const found = functions[index];
      invariant(found !== undefined, "no such function");
      return found.name;
    },
    finish: (sharedMemory = false) => encodeModule(functions, sharedMemory),
    text: () => functions.map(functionText).join("\n"),
  };
}

function functionText({ name, parameters, results, listing, exported }: FunctionRecord, index: number): string {
  const list = (word: string, types: readonly ValueType[]) => (types.length === 0 ? "" : ` (${word} ${types.join(" ")})`);
  const head = `(func ${index} $${name}${exported ? " (export)" : ""}${list("param", parameters)}${list("result", results)}`;
  return `${head}\n${listing()}\n)`;
}

function encodeModule(functions: readonly FunctionRecord[], sharedMemory: boolean): Uint8Array<ArrayBuffer> {
  const types: string[] = [];
  const typeEntries: number[][] = [];
  const typeOf = ({ parameters, results }: FunctionRecord): number[] => {
    const key = `${parameters.join()}:${results.join()}`;
    if (!types.includes(key)) {
      const codes = (list: readonly ValueType[]) => [list.length, ...list.map((type) => valueTypes[type])];
      typeEntries.push([0x60, ...codes(parameters), ...codes(results)]);
      types.push(key);
    }
    return leb(types.indexOf(key));
  };
  const declared = functions.map(typeOf);
  const exports = functions.flatMap(({ exported, name }, index) => (exported ? [[...text(name), 0, ...leb(index)]] : []));
  const names = functions.map(({ name }, index) => [...leb(index), ...text(name)]);
  const nameList = list(names);
  const out: number[] = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  section(out, 1, list(typeEntries));
  section(out, 2, [1, ...text("env"), ...text("memory"), 2, ...(sharedMemory ? [3, 1, ...leb(65536)] : [0, 1])]);
  section(out, 3, list(declared));
  section(out, 7, list(exports));
  section(out, 10, list(functions.map(({ code }) => [...leb(code.length), ...code])));
  section(out, 0, [...text("name"), 1, ...leb(nameList.length), ...nameList]);
  return new Uint8Array(out);
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  unsignedTo(bytes, value);
  return bytes;
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...leb(bytes.length), ...bytes];
}

function list(items: readonly (readonly number[])[]): number[] {
  const out = leb(items.length);
  for (const item of items) for (const byte of item) out.push(byte);
  return out;
}

function section(out: number[], id: number, content: readonly number[]): void {
  out.push(id, ...leb(content.length));
  for (const byte of content) out.push(byte);
}
