/**
 * Random numbers from counters, and the first values of tensors.
 * Invariant: element i of a tensor depends on (seed, tensor name, i) alone: no order, thread or batch changes it.
 */
import type { InitializerSpec } from "./manifest.ts";
import { badOption } from "./problems.ts";

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const TWO_POW_32 = 2 ** 32;

/**
 * Philox-4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC11, section 3.3):
 * four 32-bit words from a 128-bit counter and a 64-bit key, written to `out`.
 */
export function philox(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, key0: number, key1: number): void {
  let [x0, x1, x2, x3, k0, k1] = [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0, key0 | 0, key1 | 0];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, x0);
    const high1 = multiplyHigh(MULTIPLIER_1, x2);
    const low0 = Math.imul(MULTIPLIER_0, x0);
    const low1 = Math.imul(MULTIPLIER_1, x2);
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1 >>> 0;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** Upper 32 bits of the 64-bit product of two u32. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** The key of a seed: a whole number of up to 53 bits, negative ones too. Throws RN606. */
export function seedKey(seed: number): readonly [number, number] {
  if (!Number.isSafeInteger(seed)) throw badOption("seed", "a whole number", seed);
  return [seed >>> 0, Math.floor(seed / TWO_POW_32) >>> 0];
}

/** The i32 that a program's random kernels get at step `step` (1-based): well mixed, never repeated in order. */
export function stepSeed(seed: number, step: number): number {
  const [k0, k1] = seedKey(seed);
  const words = new Uint32Array(4);
  // The third word keeps these counters apart from those of tensors, whose third word is a hash.
  philox(words, step, Math.floor(step / TWO_POW_32), 0x73746570, 0, k0, k1);
  return words[0]! | 0;
}

/** Fills `target` with the first values of the tensor `name`, computed in f64 and rounded once. */
export function initialize(target: Float32Array | Int32Array, initializer: InitializerSpec, name: string, seed: number): void {
  if (initializer.kind === "constant") {
    target.fill(initializer.value);
    return;
  }
  const [k0, k1] = seedKey(seed);
  const [h0, h1] = [hashName(name, 0x811c9dc5), hashName(name, 0x3c6ef372)];
  const words = new Uint32Array(4);
  const draw = (index: number, attempt: number): void => philox(words, index, attempt, h0, h1, k0, k1);
  switch (initializer.kind) {
    case "uniform":
      for (let i = 0; i < target.length; i++) {
        if (i % 4 === 0) draw(i / 4, 0);
        target[i] = initializer.low + (initializer.high - initializer.low) * unit(words[i % 4]!);
      }
      return;
    case "normal":
      for (let i = 0; i < target.length; i++) {
        if (i % 4 === 0) draw(i / 4, 0);
        target[i] = initializer.mean + initializer.std * normalOf(words, i % 4);
      }
      return;
    case "truncated_normal": {
      const { mean, std, low, high } = initializer;
      for (let i = 0; i < target.length; i++) {
        target[i] = mean + std * truncatedNormal(words, (attempt) => draw(i, attempt), (low - mean) / std, (high - mean) / std);
      }
      return;
    }
    default:
      initializer satisfies never;
  }
}

/** A u32 as a number in the open interval (0, 1). */
function unit(word: number): number {
  return (word + 0.5) / TWO_POW_32;
}

/** Box and Muller 1958: words 0, 1 give normals 0, 1 and words 2, 3 give normals 2, 3. */
function normalOf(words: Uint32Array, which: number): number {
  const pair = which & 2;
  const radius = Math.sqrt(-2 * Math.log(unit(words[pair]!)));
  const angle = 2 * Math.PI * unit(words[pair + 1]!);
  return radius * (which & 1 ? Math.sin(angle) : Math.cos(angle));
}

const NORMAL_BLOCKS = 4;
const ALL_BLOCKS = 256;

/**
 * A standard normal within [low, high], by rejection, hence exact in distribution: from the normal at first; where that
 * keeps missing (an interval far in a tail), from the uniform (Robert 1995, "Simulation of truncated normal variables").
 */
function truncatedNormal(words: Uint32Array, draw: (attempt: number) => void, low: number, high: number): number {
  const nearest = Math.min(Math.max(0, low), high);
  for (let attempt = 0; attempt < ALL_BLOCKS; attempt++) {
    draw(attempt);
    if (attempt < NORMAL_BLOCKS) {
      for (let which = 0; which < 4; which++) {
        const value = normalOf(words, which);
        if (value >= low && value <= high) return value;
      }
    } else {
      const value = low + (high - low) * unit(words[0]!);
      if (unit(words[1]!) <= Math.exp((nearest * nearest - value * value) / 2)) return value;
    }
  }
  return nearest;
}

/** FNV-1a over UTF-16 code units from a given basis. */
function hashName(name: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
