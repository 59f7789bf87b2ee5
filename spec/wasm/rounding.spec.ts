/**
 * How far f32 results lie from the exact ones, in roundings (2^-24 of a typical result): long sums must round like short
 * ones, since a deep network multiplies what each layer adds. A chain of n random terms would be off by sqrt(n / 6).
 */
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { runSource } from "../language/run-source.ts";
import { randomStream } from "./run-entry.ts";

const ROUNDING = 2 ** -24;
const ROWS = 16;
const CHANNELS = 16;

function numbers(count: number, seed: number, mean = 0): number[] {
  const random = randomStream(seed);
  return Array.from({ length: count }, () => Math.fround(mean + 2 * random() - 1));
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length);
}

/** Roundings between a product of that depth and the exact one. */
async function productError(depth: number): Promise<number> {
  const [x, weight] = [numbers(ROWS * depth, 1), numbers(CHANNELS * depth, 2)];
  const text = `model M {\n in x: f32[N, ${depth}]\n out y\n x -> fc: linear(${CHANNELS}, bias: false) -> y\n}`;
  const { outputs } = await runSource(text, { inputs: { x: { shape: [ROWS, depth], data: x } }, weights: { "fc.weight": weight } });
  const exact = Array.from({ length: ROWS * CHANNELS }, (_, i) => {
    const [row, channel] = [Math.floor(i / CHANNELS), i % CHANNELS];
    let total = 0;
    for (let k = 0; k < depth; k++) total += (x[row * depth + k] ?? 0) * (weight[channel * depth + k] ?? 0);
    return total;
  });
  const found = outputs["y"] ?? [];
  assert.is(found.length, exact.length);
  return rootMeanSquare(exact.map((value, i) => value - (found[i] ?? Number.NaN))) / rootMeanSquare(exact) / ROUNDING;
}

suite("rounding", (test) => {
  for (const [depth, most] of [
    [64, 2.4],
    [576, 2.8],
    [4608, 3.4],
  ] as const)
    test(`products of depth ${depth} are off by less than ${most} roundings`, async () => {
      const error = await productError(depth);
      assert.ok(error < most, `${error}`);
    });
});
