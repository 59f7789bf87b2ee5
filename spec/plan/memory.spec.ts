/** Offsets and lifetimes: nothing that lives at the same time overlaps, and memory is used again. */
import * as assert from "uvu/assert";
import { lowerGraph } from "../../compiler/fuse/lower-graph.ts";
import { wasmTarget, withRules } from "../../compiler/fuse/rules.ts";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { alignment, type Interval, packIntervals } from "../../compiler/plan/arena.ts";
import { findSlots } from "../../compiler/plan/lifetime.ts";
import { suite } from "../harness.ts";
import { input, N, relu, residualNetwork, residualTraining, trainingGraph } from "../fuse/networks.ts";
import { planOf, randomNumbers } from "../fuse/run-both.ts";

function overlaps(a: Interval, b: Interval): boolean {
  return a.start <= b.end && b.start <= a.end;
}

function assertApart(intervals: readonly Interval[], offsets: readonly number[], bytes: number): void {
  for (const [i, a] of intervals.entries()) {
    const from = offsets[i] ?? -1;
    assert.is(from % alignment, 0);
    assert.ok(from >= 0 && from + a.size <= bytes);
    for (const [j, b] of intervals.entries()) {
      if (j <= i || !overlaps(a, b)) continue;
      const other = offsets[j] ?? -1;
      assert.ok(from + a.size <= other || other + b.size <= from, `intervals ${i} and ${j} share memory`);
    }
  }
}

/** The most bytes alive at one step: no plan can need less. */
function peak(intervals: readonly Interval[]): number {
  const steps = intervals.map((each) => each.start);
  return Math.max(...steps.map((step) => intervals.reduce((sum, each) => sum + (each.start <= step && step <= each.end ? each.size : 0), 0)));
}

suite("arena", (test) => {
  test("turns of equal size share one place", () => {
    const intervals = [0, 1, 2, 3].map((step) => ({ size: 64, start: 2 * step, end: 2 * step + 1 }));
    assert.equal(packIntervals(intervals), { offsets: [0, 0, 0, 0], bytes: 64 });
  });
  test("touching intervals do not share", () => {
    const { offsets, bytes } = packIntervals([
      { size: 64, start: 0, end: 1 },
      { size: 64, start: 1, end: 2 },
    ]);
    assert.equal(
      [...offsets].sort((a, b) => a - b),
      [0, 64],
    );
    assert.is(bytes, 128);
  });
  test("the tightest gap is taken", () => {
    // At step 5 the first and third are gone and leave 320 bytes at 0 and 128 at the end; 90 fits the smaller.
    const { offsets } = packIntervals([
      { size: 320, start: 0, end: 4 },
      { size: 256, start: 0, end: 9 },
      { size: 128, start: 0, end: 4 },
      { size: 192, start: 0, end: 9 },
      { size: 90, start: 5, end: 9 },
    ]);
    assert.equal(offsets, [0, 320, 768, 576, 768]);
  });
  test("random intervals", () => {
    const random = randomNumbers(5);
    const below = (n: number): number => Math.floor(((random() + 1) / 2) * n);
    for (let round = 0; round < 20; round++) {
      const intervals = Array.from({ length: 60 }, () => {
        const start = below(100);
        return { size: 64 * (1 + below(20)), start, end: start + below(15) };
      });
      const { offsets, bytes } = packIntervals(intervals);
      assertApart(intervals, offsets, bytes);
      assert.ok(bytes <= 1.6 * peak(intervals), `${bytes} bytes where ${peak(intervals)} are alive`);
    }
  });
});

suite("lifetimes", (test) => {
  test("an elementwise chain that cannot fuse runs in one buffer", () => {
    const b = createGraphBuilder("N");
    const x = input(b, "x", [N, 8]);
    let y = relu(b, x);
    for (let k = 0; k < 4; k++) y = b.emit("unary", [y], { op: "tanh" });
    const graph = b.finish([{ name: "y", value: b.emit("reduce", [y], { op: "sum", axes: [0, 1] }) }], []);
    const apart = withRules(wasmTarget, { inlining: false, epilogues: false });
    const alone = { ...apart, maximumCost: 1 };
    const program = lowerGraph(graph, alone);
    assert.is(program.kernels.length, 6);
    const batch = findSlots(program, true).filter((slot) => typeof slot.size !== "number");
    assert.is(batch.length, 2, "the input and one buffer for all results");
    assert.is(findSlots(program, false).filter((slot) => typeof slot.size !== "number").length, 6);
  });
  test("inference of a residual network needs what is alive at its widest point", () => {
    const { plan } = planOf(residualNetwork(N));
    // Kept throughout: the image (3*9*8). Widest: the stem's convolution reads the turned image and writes 4*9*8 values;
    // each rounded up to 64 bytes.
    const rounded = (values: number): number => 64 * Math.ceil((4 * values) / 64);
    assert.is(plan.batchBytes, rounded(216) + rounded(216) + rounded(288));
  });
  test("every buffer lies inside its arena and is aligned", () => {
    for (const plan of [planOf(residualNetwork(N)).plan, planOf(trainingGraph(residualTraining(1), "gradients")).plan]) assertInside(plan);
  });
});

function assertInside(plan: Plan): void {
  for (const { place, size, name } of plan.buffers) {
    if (place.arena === "persistent") continue;
    const bytes = 4 * (typeof size === "number" ? size : size.batch);
    assert.is(place.offset % alignment, 0);
    assert.is(place.arena, typeof size === "number" ? "fixed" : "batch");
    assert.ok(place.offset + bytes <= (place.arena === "fixed" ? plan.fixedBytes : plan.batchBytes), name);
  }
}
