/**
 * Sizes as a test writes them: the text in the language beside its own evaluation, and seeded draws.
 * Invariant: nothing here uses the compiler; `undefined` is a size that does not exist (a division with a remainder).
 */

export type Env = ReadonlyMap<string, number>;

export interface Size {
  readonly text: string;
  readonly value: (env: Env) => number | undefined;
}

export type Draw = (count: number) => number;

/** Lehmer's generator, modulus 2^31 - 1, multiplier 48271; yields integers in [0, count). */
export function generator(seed: number): Draw {
  let state = seed;
  return (count) => {
    state = (state * 48271) % 2147483647;
    return Math.floor((state / 2147483647) * count);
  };
}

export function pick<T>(draw: Draw, choices: readonly T[]): T {
  return choices[draw(choices.length)] as T;
}

export function number(value: number): Size {
  return { text: String(value), value: () => value };
}

export function named(name: string): Size {
  return { text: name, value: (env) => env.get(name) };
}

function both(text: string, a: Size, b: Size, combine: (a: number, b: number) => number | undefined): Size {
  const value = (env: Env): number | undefined => {
    const [left, right] = [a.value(env), b.value(env)];
    return left === undefined || right === undefined ? undefined : combine(left, right);
  };
  return { text, value };
}

export const plus = (a: Size, b: Size): Size => both(`(${a.text} + ${b.text})`, a, b, (x, y) => x + y);
export const minus = (a: Size, b: Size): Size => both(`(${a.text} - ${b.text})`, a, b, (x, y) => x - y);
export const times = (a: Size, b: Size): Size => both(`${a.text}*${b.text}`, a, b, (x, y) => x * y);
export const floorOf = (a: Size, b: Size): Size => both(`floor(${a.text}/(${b.text}))`, a, b, (x, y) => Math.floor(x / y));
export const ceilOf = (a: Size, b: Size): Size => both(`ceil(${a.text}/(${b.text}))`, a, b, (x, y) => Math.ceil(x / y));
export const least = (a: Size, b: Size): Size => both(`min(${a.text}, ${b.text})`, a, b, Math.min);
export const exactly = (a: Size, b: Size): Size => both(`${a.text}/${b.text}`, a, b, (x, y) => (x % y === 0 ? x / y : undefined));

/** Every assignment of the names within their ranges; `fixed` values stay. */
export function* grid(ranges: ReadonlyMap<string, readonly number[]>, fixed: Env = new Map()): Generator<Map<string, number>> {
  const free = [...ranges].filter(([name]) => !fixed.has(name));
  const count = free.reduce((total, [, values]) => total * values.length, 1);
  for (let turn = 0; turn < count; turn++) {
    let rest = turn;
    const env = new Map(fixed);
    for (const [name, values] of free) {
      env.set(name, values[rest % values.length] ?? 1);
      rest = Math.floor(rest / values.length);
    }
    yield env;
  }
}
