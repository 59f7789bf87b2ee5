/** Comparison of tensors' data within a tolerance relative to the largest expected number. */
import * as assert from "uvu/assert";

/** Fails unless max |actual - expected| <= tolerance * max(1, max |expected|). */
export function closeTo(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = "values"): void {
  assert.is(actual.length, expected.length, `${what}: lengths`);
  const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i] ?? Number.NaN, expected[i] ?? Number.NaN];
    if (!(Math.abs(a - b) <= tolerance * scale)) assert.unreachable(`${what}: element ${i} is ${a}, expected ${b}`);
  }
}
