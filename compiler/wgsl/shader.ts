/**
 * One shader being written: its lines, the values that already have a name, what it needs of the module around it.
 * Invariant: a name is given once and stands for one text; it is forgotten with the block that declares it.
 */
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Operand, ScalarType, Size } from "../ir/kernel.ts";
import type { Place } from "../ir/plan.ts";

export type ValueType = ScalarType | "bool";

/** A WGSL expression without side effects. */
export interface Value {
  readonly text: string;
  readonly type: ValueType;
}

/** Which arena each operand of a kernel lies in. */
export type ArenaOf = (operand: Operand) => Place["arena"];

/** The names of the storage bindings, in the order of their numbers. */
export const ARENA_NAMES: Readonly<Record<Place["arena"], string>> = {
  persistent: "persistent",
  fixed: "temporary",
  batch: "batched",
};

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
  private readonly lines: string[] = [];
  private readonly known: Map<string, Value>[] = [new Map()];
  private names = 0;
  private readonly arenaOf: ArenaOf;

  constructor(kernel: Kernel, arenaOf: ArenaOf) {
    this.kernel = kernel;
    this.arenaOf = arenaOf;
  }

  line(text: string): void {
    this.lines.push(`${"  ".repeat(this.known.length - 1)}${text}`);
  }

  /** A block in braces; what is named in it is forgotten behind it. */
  block(head: string, body: () => void): void {
    this.line(`${head} {`);
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
    if (/^[\w.]+$/.test(value.text)) return value;
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

  /** An element as the operand's type. */
  element(index: number, address: string): Value {
    const operand = this.operand(index);
    const held = this.elementType(this.arenaOf(operand));
    const text = `${ARENA_NAMES[this.arenaOf(operand)]}[${address}]`;
    return { text: held === operand.type ? text : `bitcast<${operand.type}>(${text})`, type: operand.type };
  }

  /** The statement that stores a value of the operand's type. */
  storeElement(index: number, address: string, value: string): string {
    const operand = this.operand(index);
    const held = this.elementType(this.arenaOf(operand));
    return `${ARENA_NAMES[this.arenaOf(operand)]}[${address}] = ${held === operand.type ? value : `bitcast<${held}>(${value})`};`;
  }

  /** An empty shader of the same kernel, to find types with. */
  probe(): Shader {
    return new Shader(this.kernel, this.arenaOf);
  }

  private elementType(arena: Place["arena"]): string {
    const types = new Set(this.kernel.operands.filter((each) => this.arenaOf(each) === arena).map((each) => each.type));
    const [only] = types;
    return types.size === 1 && only !== undefined ? only : "u32";
  }

  /** The bindings that the kernel uses, and the uniform that each call fills. */
  bindings(): string[] {
    const used = new Set(this.kernel.operands.map(this.arenaOf));
    const arenas: readonly Place["arena"][] = ["persistent", "fixed", "batch"];
    const storage = arenas.flatMap((arena, binding) =>
      used.has(arena) ? [`@group(0) @binding(${binding}) var<storage, read_write> ${ARENA_NAMES[arena]}: array<${this.elementType(arena)}>;`] : [],
    );
    const bases = this.kernel.operands.map((_, index) => `base${index}: i32`);
    return [`struct Call { ${["batch: i32", ...bases].join(", ")} }`, "@group(0) @binding(3) var<uniform> call: Call;", ...storage];
  }

  text(): string {
    return this.lines.join("\n");
  }
}

/** A size as an i32 expression. */
export function sizeText(size: Size): string {
  if (typeof size === "number") return `${size}`;
  return size.batch === 1 ? "call.batch" : `(${size.batch} * call.batch)`;
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
  return [...(constant === 1 && batches.length > 0 ? [] : [`${constant}`]), ...batches].join(" * ");
}

/** The sum of terms, without zeros. */
export function sumText(terms: readonly string[]): string {
  const kept = terms.filter((term) => term !== "0");
  return kept.length === 0 ? "0" : kept.join(" + ").replaceAll("+ -", "- ");
}
