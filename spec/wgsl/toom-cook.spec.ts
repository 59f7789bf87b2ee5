/** Minimal filtering by its definition: m results of three taps, exactly, and with how many products. */
import * as assert from "uvu/assert";
import { F2, F4, type Matrix } from "../../compiler/wgsl/toom-cook.ts";
import { suite } from "../harness.ts";

function times(matrix: Matrix, values: readonly number[]): number[] {
  return matrix.map((row) => row.reduce((sum, factor, k) => sum + factor * (values[k] ?? Number.NaN), 0));
}

suite("wgsl minimal filtering", (test) => {
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
