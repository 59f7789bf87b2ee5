/**
 * Random numbers as a function of (seed, stream, item), so that any sample of any epoch can be drawn on its own.
 * Invariant: one Philox counter per four numbers; two streams, or two items of one stream, never share a counter.
 */
import { philox, seedKey } from "../../runtime/random.ts";

/** Keeps uses of one seed apart; the fourth counter word, where the runtime's own streams have hashes or zero. */
export const STREAM = { permutation: 0x64617461, augmentation: 0x64617462, digits: 0x64617463 } as const;

/** The numbers of one item, drawn in order. */
export interface Draws {
  /** In [low, high), with 32 random bits. */
  readonly uniform: (low: number, high: number) => number;
  /** A whole number from 0 to count-1. */
  readonly below: (count: number) => number;
  /** Mean 0, standard deviation 1 (Box and Muller, 1958). */
  readonly normal: () => number;
}

/** The draws of item `index`, part `part` (an epoch, say) of a stream. Throws RN606 if the seed is no whole number. */
export function drawsOf(seed: number, stream: number, part: number, index: number): Draws {
  const [key0, key1] = seedKey(seed);
  const words = new Uint32Array(4);
  let used = 4;
  let block = 0;
  const next = (): number => {
    if (used === 4) {
      philox(words, block++, index, part, stream, key0, key1);
      used = 0;
    }
    return (words[used++] ?? 0) / 2 ** 32;
  };
  return {
    uniform: (low, high) => low + (high - low) * next(),
    below: (count) => Math.floor(next() * count),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}

/** A permutation of 0..count-1 (Fisher and Yates), a function of count, seed and epoch alone. */
export function permutation(count: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const draws = drawsOf(seed, STREAM.permutation, epoch, 0);
  for (let last = count - 1; last > 0; last--) {
    const other = draws.below(last + 1);
    const held = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = held;
  }
  return order;
}
