/** The generator against its authors' vectors, and initial values against the distributions' own moments. */
import * as assert from "uvu/assert";
import type { InitializerSpec } from "../../runtime/manifest.ts";
import { initialize, philox, seedKey, stepSeed } from "../../runtime/random.ts";
import { suite } from "../harness.ts";
import { throwsError } from "./expect-error.ts";

const COUNT = 200_000;

function draw(initializer: InitializerSpec, name = "w", seed = 0, count = COUNT): Float32Array {
  const values = new Float32Array(count);
  initialize(values, initializer, name, seed);
  return values;
}

function moments(values: Float32Array): {
  mean: number;
  std: number;
  skew: number;
  kurtosis: number;
  low: number;
  high: number;
} {
  const about = (centre: number, power: number) => values.reduce((sum, value) => sum + (value - centre) ** power, 0) / values.length;
  const mean = about(0, 1);
  const std = Math.sqrt(about(mean, 2));
  const [low, high] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity] as [number, number]);
  return { mean, std, skew: about(mean, 3) / std ** 3, kurtosis: about(mean, 4) / std ** 4, low, high };
}

const near = (actual: number, expected: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected} within ${tolerance}`);

suite("random: philox", (test) => {
  test("known answers (Random123 1.14, kat_vectors, philox4x32 10)", () => {
    const vectors: readonly (readonly [readonly number[], readonly number[]])[] = [
      [
        [0, 0, 0, 0, 0, 0],
        [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
      ],
      [Array.from({ length: 6 }, () => 0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
      [
        [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
        [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
      ],
    ];
    for (const [input, expected] of vectors) {
      const words = new Uint32Array(4);
      philox(words, input[0]!, input[1]!, input[2]!, input[3]!, input[4]!, input[5]!);
      assert.equal([...words], expected);
    }
  });

  test("seeds: whole numbers, each its own key", () => {
    assert.equal(seedKey(0), [0, 0]);
    assert.equal(seedKey(2 ** 32 + 5), [5, 1]);
    assert.equal(seedKey(-1), [0xffffffff, 0xffffffff]);
    for (const seed of [0.5, Number.NaN, 2 ** 53, Infinity]) throwsError(() => seedKey(seed), "RN606", "seed");
  });

  test("step seeds are i32 and differ", () => {
    const seeds = Array.from({ length: 1000 }, (_, step) => stepSeed(1, step));
    assert.is(new Set(seeds).size, 1000);
    assert.ok(seeds.every((seed) => seed === (seed | 0)));
    assert.ok(seeds.some((seed) => seed < 0) && stepSeed(2, 5) !== stepSeed(1, 5));
  });
});

suite("random: initial values", (test) => {
  test("normal: moments within five standard errors", () => {
    const { mean, std, skew, kurtosis } = moments(draw({ kind: "normal", mean: 1, std: 0.5 }));
    near(mean, 1, (5 * 0.5) / Math.sqrt(COUNT), "mean");
    near(std, 0.5, (5 * 0.5) / Math.sqrt(2 * COUNT), "std");
    near(skew, 0, 5 * Math.sqrt(6 / COUNT), "skew");
    near(kurtosis, 3, 5 * Math.sqrt(24 / COUNT), "kurtosis");
  });

  test("normal: neighbours are uncorrelated, at lags that share a block and that do not", () => {
    const values = draw({ kind: "normal", mean: 0, std: 1 });
    for (const lag of [1, 2, 3, 4]) {
      let sum = 0;
      for (let i = lag; i < values.length; i++) sum += values[i]! * values[i - lag]!;
      near(sum / values.length, 0, 5 / Math.sqrt(COUNT), `lag ${lag}`);
    }
  });

  test("uniform: moments and range", () => {
    const { mean, std, low, high } = moments(draw({ kind: "uniform", low: -2, high: 4 }));
    near(mean, 1, (5 * Math.sqrt(3)) / Math.sqrt(COUNT), "mean");
    near(std, Math.sqrt(3), 0.01, "std");
    assert.ok(low >= -2 && low < -1.999 && high <= 4 && high > 3.999);
  });

  test("truncated normal: at two standard deviations the standard deviation is 0.87963 (Johnson, Kotz, Balakrishnan 1994, 13.10)", () => {
    const { mean, std, low, high } = moments(draw({ kind: "truncated_normal", mean: 0, std: 1, low: -2, high: 2 }));
    near(mean, 0, 5 / Math.sqrt(COUNT), "mean");
    near(std, 0.87963, 0.006, "std");
    assert.ok(low >= -2 && high <= 2 && high > 1.99);
  });

  test("truncated normal far in a tail: the mean of [5, 6] is (phi(5) - phi(6)) / (Q(5) - Q(6)) = 5.1832", () => {
    const { mean, low, high } = moments(draw({ kind: "truncated_normal", mean: 0, std: 1, low: 5, high: 6 }, "w", 0, 20_000));
    near(mean, (1.486719515e-6 - 6.07588285e-9) / (2.866515719e-7 - 9.86587645e-10), 0.01, "mean");
    assert.ok(low >= 5 && high <= 6);
  });

  test("constant, in both types", () => {
    assert.equal([...draw({ kind: "constant", value: 0.5 }, "w", 0, 3)], [0.5, 0.5, 0.5]);
    const counters = new Int32Array(1);
    initialize(counters, { kind: "constant", value: 7 }, "w", 0);
    assert.is(counters[0], 7);
  });

  test("values depend on seed, name and position alone", () => {
    const spec: InitializerSpec = { kind: "normal", mean: 0, std: 1 };
    const values = draw(spec, "a.weight", 3, 100);
    assert.equal(draw(spec, "a.weight", 3, 41), values.slice(0, 41), "whatever the length");
    assert.ok(draw(spec, "a.weight", 4, 100)[0] !== values[0]);
    assert.ok(draw(spec, "b.weight", 3, 100)[0] !== values[0]);
    const names = Array.from({ length: 2000 }, (_, i) => `layer${i}.weight`);
    assert.is(new Set(names.map((name) => draw(spec, name, 0, 1)[0])).size, 2000);
  });
});
