/**
 * The counter-based generator that the reference and every back end compute bit for bit.
 * Invariant: uint32 arithmetic with wrap-around only; the result is a multiple of 2^-24 and exact in f32.
 */

/** Steps of `mixBits`: x ^= x >>> shift, then x *= factor, in turn; a last x ^= x >>> lastShift. */
export const mixing = { shifts: [16, 15], factors: [0x2c1b3c6d, 0x297a2d39], lastShift: 16 } as const;

/** Added before the first mix, so that seed 0, stream 0, index 0 is not a fixed point. */
export const mixingOffset = 0x9e3779b9;

/** Scrambles 32 bits; a bijection. */
export function mixBits(value: number): number {
  let x = value >>> 0;
  for (const [step, shift] of mixing.shifts.entries()) {
    x ^= x >>> shift;
    x = Math.imul(x, mixing.factors[step] ?? 1);
  }
  return (x ^ (x >>> mixing.lastShift)) >>> 0;
}

/** Uniform in [0, 1): mix(mix(mix(seed + offset) + stream) + index), its upper 24 bits over 2^24. */
export function uniformAt(seed: number, stream: number, index: number): number {
  const keyed = mixBits(mixBits((seed + mixingOffset) | 0) + stream);
  return (mixBits((keyed + index) | 0) >>> 8) / 2 ** 24;
}
