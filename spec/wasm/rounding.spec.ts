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

/** Roundings between batch norm in training and the exact one: `count` images of 2x2 pixels, channels some deviations from 0. */
async function normError(count: number): Promise<number> {
  const [channels, pixels] = [256, 4];
  const [x, means] = [numbers(count * channels * pixels, 3), numbers(channels, 4)];
  const shifted = x.map((value, i) => Math.fround(value + (means[Math.floor(i / pixels) % channels] ?? 0)));
  const text = `model M {\n in x: f32[N, ${channels}, 2, 2]\n in t: f32[N, ${channels}, 2, 2]\n out y\n x -> bn: batchnorm -> y\n}`;
  const shape = [count, channels, 2, 2];
  const { trainingOutputs } = await runSource(text, {
    inputs: { x: { shape, data: shifted }, t: { shape, data: shifted.map(() => 0) } },
    loss: "mse(y, t)",
  });
  const found = trainingOutputs["y"] ?? [];
  assert.is(found.length, shifted.length);
  const exact = Array.from({ length: channels }, (_, channel) => {
    const own = shifted.filter((_, i) => Math.floor(i / pixels) % channels === channel);
    const mean = own.reduce((total, value) => total + value, 0) / own.length;
    const variance = own.reduce((total, value) => total + (value - mean) ** 2, 0) / own.length;
    return { mean, scale: 1 / Math.sqrt(variance + 1e-5) };
  });
  const errors = shifted.map((value, i) => {
    const { mean, scale } = exact[Math.floor(i / pixels) % channels] ?? { mean: 0, scale: 0 };
    return (value - mean) * scale - (found[i] ?? Number.NaN);
  });
  return rootMeanSquare(errors) / ROUNDING;
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

  for (const [count, most] of [
    [2, 1.5],
    [4, 1.5],
    [32, 1.5],
  ] as const)
    test(`batch norm over ${4 * count} values is off by less than ${most} roundings`, async () => {
      const error = await normError(count);
      assert.ok(error < most, `${error}`);
    });
});
