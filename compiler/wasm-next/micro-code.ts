/**
 * Integer code as nested values: what the drivers around the micro-kernels are written in.
 * Invariant: a value is pushed anew at each use; nothing here keeps state besides locals asked for.
 */
import type { FunctionBuilder, Local } from "./encode.ts";
import type { PlainName } from "./opcodes.ts";

/** An i32: a constant, a local, an operation on two values, or a word of memory at a byte offset. */
export type Value =
  | number
  | Local
  | { readonly op: PlainName; readonly a: Value; readonly b: Value }
  | { readonly word: Value; readonly offset: number };

export function push(f: FunctionBuilder, value: Value): FunctionBuilder {
  if (typeof value === "number") return f.i32(value);
  if ("index" in value) return f.get(value);
  if ("word" in value) return push(f, value.word).load("i32.load", value.offset);
  push(f, value.a);
  return push(f, value.b).op(value.op);
}

const binary =
  (op: PlainName) =>
  (a: Value, b: Value): Value => ({ op, a, b });

const plus = binary("i32.add");
export const minus = binary("i32.sub");
export const quotient = binary("i32.div_u");
export const remainder = binary("i32.rem_u");
export const less = binary("i32.lt_s");
export const below = binary("i32.lt_u");
export const equal = binary("i32.eq");
export const both = binary("i32.and");

/** The sum of values, without the zeros. */
export function sum(...values: readonly Value[]): Value {
  return values.filter((value) => value !== 0).reduce((a, b) => (a === 0 ? b : plus(a, b)), 0);
}

export function times(a: Value, b: Value): Value {
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  if (b === 1) return a;
  return { op: "i32.mul", a, b };
}

/** The word at a byte offset from an address. */
export function word(address: Value, offset: number): Value {
  return { word: address, offset };
}

export function set(f: FunctionBuilder, local: Local, value: Value): void {
  push(f, value).set(local);
}

/** A new i32 local with that value. */
export function define(f: FunctionBuilder, value: Value): Local {
  const local = f.local("i32");
  set(f, local, value);
  return local;
}

/** A new local with the smaller or larger of two values (signed). */
export function smaller(f: FunctionBuilder, a: Value, b: Value): Local {
  return chosen(f, a, b, "i32.lt_s");
}
export function larger(f: FunctionBuilder, a: Value, b: Value): Local {
  return chosen(f, a, b, "i32.gt_s");
}

function chosen(f: FunctionBuilder, a: Value, b: Value, op: PlainName): Local {
  const [left, right, result] = [define(f, a), define(f, b), f.local("i32")];
  f.get(left).get(right).get(left).get(right).op(op, "select").set(result);
  return result;
}

export function setWord(f: FunctionBuilder, address: Value, offset: number, value: Value): void {
  push(f, address);
  push(f, value).store("i32.store", offset);
}

export function when(f: FunctionBuilder, condition: Value, then: () => void, otherwise?: () => void): void {
  push(f, condition).if(then, otherwise);
}

/** `for (i = from; i < to; i += step) body(i)`; `to` is pushed once. */
export function forRange(f: FunctionBuilder, from: Value, to: Value, step: Value, body: (i: Local) => void): void {
  const i = define(f, from);
  const end = define(f, to);
  when(f, less(i, end), () => {
    f.loop(() => {
      body(i);
      set(f, i, plus(i, step));
      push(f, less(i, end)).brIf(0);
    });
  });
}

/** Names of consecutive words, as byte offsets. */
export function layout<Name extends string>(...names: readonly Name[]): Readonly<Record<Name, number>> {
  const entries = names.map((name, position) => [name, 4 * position] as const);
  return Object.fromEntries(entries) as Record<Name, number>;
}
