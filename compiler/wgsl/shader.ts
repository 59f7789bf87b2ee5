/**
 * One shader being written: its lines, the values that already have a name, what it needs of the module around it.
 * Invariant: a name is given once and stands for one text; it is forgotten with the block that declares it.
 */
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Operand, ScalarType, Size } from "../ir/kernel.ts";

export type ValueType = ScalarType | "bool";

/** A WGSL expression without side effects. */
export interface Value {
  readonly text: string;
  readonly type: ValueType;
}

/** How a kernel's operands are bound: those of one memory share a binding. */
export interface Layout {
  /** The binding of each operand, counted from 0 by first appearance. */
  readonly bindings: readonly number[];
  /** Names by binding, unique and no words of WGSL. */
  readonly names: readonly string[];
  /** Whether an operand begins at a multiple of four elements. */
  readonly aligned: readonly boolean[];
  /** By binding, whether its elements are stored as f16; all are computed with as f32. */
  readonly halves: readonly boolean[];
}

/** `per` divides the product of the sizes into workgroups. */
export interface Extent {
  readonly sizes: readonly Size[];
  readonly per: number;
}

/** Invocations of a workgroup where nothing asks for another number; every device has 256. */
export const WORKGROUP = 64;

export class Shader {
  readonly kernel: Kernel;
  readonly functions = new Set<string>();
  /** Module-scope declarations beyond the bindings. */
  readonly declarations: string[] = [];
  /** `enable` directives. */
  readonly extensions = new Set<string>();
  private readonly layout: Layout;
  private readonly lines: string[] = [];
  private readonly known: Map<string, Value>[] = [new Map()];
  private readonly touched = new Set<number>();
  private readonly vectors = new Set<number>();
  private readonly vectorStores = new Set<number>();
  private readonly scratches: { readonly index: number; readonly name: string; readonly type: string }[] = [];
  private readonly parameters = new Set<string>();
  private names = 0;

  constructor(kernel: Kernel, layout: Layout) {
    this.kernel = kernel;
    this.layout = layout;
  }

  line(text: string): void {
    this.lines.push(`${"  ".repeat(this.known.length - 1)}${text}`);
  }

  /** A block in braces; what is named in it is forgotten behind it. */
  block(head: string, body: () => void): void {
    this.line(head === "" ? "{" : `${head} {`);
    this.known.push(new Map());
    body();
    this.known.pop();
    this.line("}");
  }

  fresh(stem: string): string {
    return `${stem}_${this.names++}`;
  }

  /** The value under a name, the same one for the same text. */
  named(value: Value, stem = "v"): Value {
    if (/^[\w.$]+$/.test(value.text)) return value;
    return this.remembered(value.text, () => {
      const name = this.fresh(stem);
      this.line(`let ${name} = ${value.text};`);
      return { text: name, type: value.type };
    });
  }

  /** What `make` gave for this key in this block or one around it. */
  remembered(key: string, make: () => Value): Value {
    for (const scope of this.known) {
      const found = scope.get(key);
      if (found !== undefined) return found;
    }
    const made = make();
    this.known.at(-1)?.set(key, made);
    return made;
  }

  operand(index: number): Operand {
    const operand = this.kernel.operands[index];
    invariant(operand !== undefined, `kernel ${this.kernel.name}: there is no operand ${index}`);
    return operand;
  }

  /** Where an operand begins, in elements. */
  base(index: number): string {
    this.touched.add(index);
    return `call.base${index}`;
  }

  /** An element as the operand's type. */
  element(index: number, address: string): Value {
    const { type } = this.operand(index);
    const text = this.place(index, address);
    const held = this.elementType(index);
    return { text: held === type ? text : held === "f16" ? `f32(${text})` : `bitcast<${type}>(${text})`, type };
  }

  /** The statement that stores a value of the operand's type. */
  storeElement(index: number, address: string, value: string): string {
    const { type } = this.operand(index);
    const held = this.elementType(index);
    invariant(!this.isVector(index), "a component of a vector in memory is not written alone: its neighbours may be written with it");
    return `${this.place(index, address)} = ${held === type ? value : held === "f16" ? `f16(${value})` : `bitcast<${held}>(${value})`};`;
  }

  /** Promises that these operands are stored to by fours, or not at all. */
  storeVectors(operands: readonly number[]): void {
    for (const operand of operands) this.vectorStores.add(operand);
  }

  /** Binds the operand's memory as vectors of four where every operand in it allows that and nothing is stored there. */
  widen(index: number): boolean {
    const binding = this.bindingOf(index);
    const { operands, stores } = this.kernel;
    const together = operands.flatMap((_, k) => (this.bindingOf(k) === binding ? [k] : []));
    const isStored = stores.some((store) => together.includes(store.operand) && !this.vectorStores.has(store.operand));
    const isWide = !isStored && together.every((k) => operands[k]?.type === "f32" && this.layout.aligned[k] === true);
    if (isWide) this.vectors.add(binding);
    return isWide;
  }

  isVector(index: number): boolean {
    return this.vectors.has(this.bindingOf(index));
  }

  /** Four elements from a multiple of four on, of an operand that `widen` took, as a `vec4<f32>`. */
  vector(index: number, address: string): string {
    const held = this.vectorPlace(index, address);
    return this.isHalf(index) ? `vec4<f32>(${held})` : held;
  }

  /** The statement that stores four values there. */
  storeVector(index: number, address: string, values: readonly string[]): string {
    const four = `vec4<f32>(${values.join(", ")})`;
    return `${this.vectorPlace(index, address)} = ${this.isHalf(index) ? `vec4<f16>(${four})` : four};`;
  }

  private vectorPlace(index: number, address: string): string {
    this.touched.add(index);
    // A shift: addresses are not negative, which the division of an i32 would have to ask.
    return `${this.layout.names[this.bindingOf(index)]}[(${address}) >> 2u]`;
  }

  private isHalf(index: number): boolean {
    return this.layout.halves[this.bindingOf(index)] === true;
  }

  /** A whole number that the dispatch gives, beside where its operands begin. */
  parameter(name: string): string {
    this.parameters.add(name);
    return `call.${name}`;
  }

  /** Binds a scratch buffer of the variant, by its position, under a name. */
  scratch(index: number, name: string, type: string): void {
    this.scratches.push({ index, name, type });
  }

  /** The scratch buffers behind the operands' bindings. */
  boundScratch(): readonly number[] {
    return this.scratches.map((each) => each.index);
  }

  /** An empty shader of the same kernel, to find types with. */
  probe(): Shader {
    return new Shader(this.kernel, this.layout);
  }

  private place(index: number, address: string): string {
    this.touched.add(index);
    const name = this.layout.names[this.bindingOf(index)];
    return this.isVector(index) ? `${name}[(${address}) >> 2u][(${address}) & 3]` : `${name}[${address}]`;
  }

  private bindingOf(index: number): number {
    const binding = this.layout.bindings[index];
    invariant(binding !== undefined, `kernel ${this.kernel.name}: operand ${index} has no binding`);
    return binding;
  }

  private elementType(index: number): string {
    const binding = this.bindingOf(index);
    const types = new Set(this.kernel.operands.filter((_, k) => this.bindingOf(k) === binding).map((each) => each.type));
    const [only] = types;
    invariant(!this.isHalf(index) || (types.size === 1 && only === "f32"), "only numbers are stored as f16");
    if (this.isHalf(index)) return "f16";
    return types.size === 1 && only !== undefined ? only : "u32";
  }

  /** Operands whose beginnings the uniform holds, in order. */
  usedOperands(): readonly number[] {
    return [...this.touched].sort((a, b) => a - b);
  }

  /** Operands that stand for the storage bindings from 1 on; scratch buffers follow them. */
  boundOperands(): readonly number[] {
    const seen = new Set<number>();
    return this.usedOperands().filter((index) => {
      const binding = this.bindingOf(index);
      return !seen.has(binding) && seen.add(binding);
    });
  }

  /** The uniform that each call fills, and the bindings that the shader uses. */
  bindings(): string[] {
    const fields = ["batch", ...this.usedOperands().map((index) => `base${index}`), ...this.parameters].map((name) => `${name}: i32`);
    const storage = this.boundOperands().map((index) => ({
      name: this.layout.names[this.bindingOf(index)] ?? "",
      type: this.isVector(index) ? `vec4<${this.elementType(index)}>` : this.elementType(index),
    }));
    if (this.boundOperands().some((index) => this.isHalf(index))) this.extensions.add("f16");
    return [
      `struct Call { ${fields.join(", ")} }`,
      "@group(0) @binding(0) var<uniform> call: Call;",
      ...[...storage, ...this.scratches].map(({ name, type }, k) => `@group(0) @binding(${k + 1}) var<storage, read_write> ${name}: array<${type}>;`),
    ];
  }

  text(): string {
    return this.lines.join("\n");
  }
}

/**
 * A number that differs between kernels of one structure, as an i32 expression: between dollar signs, which WGSL has not,
 * until `templateOf` takes it out of the text. 0 and 1 are structure, and stay.
 */
export function numberText(value: number): string {
  return Math.abs(value) < 2 ? `${value}` : countText(value);
}

/** The same of a count of work items, whose 1 is no structure. */
export function countText(value: number): string {
  return `$${value}$`;
}

/** A size as an i32 expression. */
export function sizeText(size: Size): string {
  if (typeof size === "number") return numberText(size);
  return size.batch === 1 ? "call.batch" : `(${numberText(size.batch)} * call.batch)`;
}

/** A text and the numbers in it, in order: a lone dollar sign stands for each. */
export function templateOf(text: string): { readonly template: string; readonly sizes: readonly number[] } {
  const sizes: number[] = [];
  const template = text.replaceAll(/\$(-?\d+)\$/g, (_, digits: string) => {
    sizes.push(Number(digits));
    return "$";
  });
  return { template, sizes };
}

/** `a * b`, short where one is 0 or 1. */
export function timesText(factor: string, size: Size): string {
  if (size === 0 || factor === "0") return "0";
  if (size === 1) return factor;
  return factor === "1" ? sizeText(size) : `${factor} * ${sizeText(size)}`;
}

/** The product of sizes. */
export function productText(sizes: readonly Size[]): string {
  const constant = sizes.reduce<number>((product, size) => product * (typeof size === "number" ? size : size.batch), 1);
  const batches = sizes.filter((size) => typeof size !== "number").map(() => "call.batch");
  return [...(constant === 1 && batches.length > 0 ? [] : [numberText(constant)]), ...batches].join(" * ");
}

/** The sum of terms, without zeros. */
export function sumText(terms: readonly string[]): string {
  const kept = terms.filter((term) => term !== "0");
  return kept.length === 0 ? "0" : kept.join(" + ").replaceAll(/\+ (\$?)-/g, "- $1");
}
