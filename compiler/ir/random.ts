/**
 * The counter-based generator behind `random`: every back end computes this function bit for bit.
 * Invariant: the result is a multiple of 2^-24 in [0, 1), so f32 holds it exactly.
 */

/** A bijective mixing of 32 bits (the finaliser of MurmurHash3, Appleby); back ends repeat its steps. */
export function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/**
 * Uniform in [0, 1) from three 32-bit integers (others are taken modulo 2^32), all operations modulo 2^32:
 *   key = mix(seed ^ mix(stream + 0x9e3779b9));  bits = mix(mix(index + key) + key * 0x27d4eb2f);  (bits >>> 8) * 2^-24
 */
export function randomUniform(seed: number, stream: number, index: number): number {
  const key = mix((seed | 0) ^ mix((stream + 0x9e3779b9) | 0));
  const bits = mix((mix((index + key) | 0) + Math.imul(key, 0x27d4eb2f)) | 0);
  return (bits >>> 8) * 2 ** -24;
}
