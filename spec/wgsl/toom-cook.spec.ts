/** Minimal filtering by its definition: m results of three taps, exactly, and with how many products. */
import * as assert from "uvu/assert";
import { emitWgsl } from "../../compiler/wgsl/emit.ts";
import { F2, F4, type Matrix } from "../../compiler/wgsl/toom-cook.ts";
import { suite } from "../harness.ts";
import { buildContraction } from "../wasm/build-contraction.ts";

function times(matrix: Matrix, values: readonly number[]): number[] {
  return matrix.map((row) => row.reduce((sum, factor, k) => sum + factor * (values[k] ?? Number.NaN), 0));
}

/** The batch up to which F(4) of a 3x3 convolution of so many channels is measured. */
function triedUpTo(channels: number, size: number): number | undefined {
  const axis = { input: size, taps: 3, padding: 1 };
  const kernel = buildContraction({
    ...{ result: "output", batch: { batch: 1 }, window: [axis, axis] },
    ...{ inputChannels: channels, outputChannels: channels },
  });
  const { calls } = emitWgsl([kernel], { memory: (_, buffer) => buffer, name: () => "tensor" });
  return calls[0]?.variants.find(({ name }) => name === "winograd4")?.triedUpTo;
}

suite("wgsl minimal filtering", (test) => {
  test("patches fit the binding of every device, 2^25 numbers, at each batch that is measured; filters do not count", () => {
    // 36 places of 14 x 14 and of 2 x 2 tiles.
    assert.is(triedUpTo(64, 56), Math.floor(2 ** 25 / (36 * 196 * 64)));
    assert.is(triedUpTo(512, 7), Math.floor(2 ** 25 / (36 * 4 * 512)));
  });

  for (const [filtering, results] of [
    [F2, 2],
    [F4, 4],
  ] as const)
    test(`F(${results}, 3) is the correlation with three taps, of ${results + 2} products`, () => {
      assert.equal([filtering.results, filtering.products], [results, results + 2]);
      const values = Array.from({ length: results + 2 }, (_, k) => Math.sin(1 + 2.3 * k));
      const taps = [0.7, -1.3, 0.4];
      const [read, filter] = [times(filtering.input, values), times(filtering.filter, taps)];
      const found = times(
        filtering.output,
        read.map((value, k) => value * (filter[k] ?? Number.NaN)),
      );
      const expected = Array.from({ length: results }, (_, k) => taps.reduce((sum, tap, t) => sum + tap * (values[k + t] ?? Number.NaN), 0));
      for (const [k, value] of expected.entries())
        assert.ok(Math.abs((found[k] ?? Number.NaN) - value) < 1e-14, `result ${k}: ${found[k]}, not ${value}`);
    });
});
