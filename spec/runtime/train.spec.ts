/** Schedules by the numbers of their definitions, and the loop around them. */
import * as assert from "uvu/assert";
import type { Inputs } from "../../runtime/inputs.ts";
import { loadNetwork } from "../../runtime/load.ts";
import { createSchedule, type Phase, type Schedule, train } from "../../runtime/train.ts";
import { suite } from "../harness.ts";
import { rejects, throwsError } from "./expect-error.ts";
import { TINY, tinyWasm } from "./tiny-network.ts";

function expectValues(schedule: Schedule, values: readonly (readonly [number, number])[]): void {
  for (const [iteration, value] of values) {
    assert.ok(Math.abs(schedule(iteration) - value) < 1e-12, `iteration ${iteration}: ${schedule(iteration)}, expected ${value}`);
  }
}

suite("schedule", (test) => {
  test("warmup(5) -> cosine(90), ten steps per epoch", () => {
    const schedule = createSchedule(
      [
        { kind: "warmup", epochs: 5 },
        { kind: "cosine", epochs: 90 },
      ],
      10,
    );
    // 850 iterations of cosine from 50 on: a quarter is at 262.5, half at 475.
    expectValues(schedule, [
      [0, 1 / 50],
      [1, 2 / 50],
      [24, 0.5],
      [49, 1],
      [50, 1],
      [475, 0.5],
      [50 + 170, (1 + Math.cos(Math.PI / 5)) / 2],
      [899, (1 - Math.cos(Math.PI / 850)) / 2],
      [900, 0],
      [5000, 0],
    ]);
  });

  test("cosine with a floor", () => {
    expectValues(createSchedule([{ kind: "cosine", epochs: 2, final: 0.1 }], 2), [
      [0, 1],
      [2, 0.55],
      [4, 0.1],
      [9, 0.1],
    ]);
  });

  test("step by milestones (He et al. 2015, CIFAR: 32k and 48k of 64k) and by intervals", () => {
    expectValues(createSchedule([{ kind: "step", milestones: [32000, 48000] }], 1), [
      [0, 1],
      [31999, 1],
      [32000, 0.1],
      [48000, 0.01],
      [63999, 0.01],
    ]);
    const every = createSchedule(
      [
        { kind: "warmup", epochs: 1 },
        { kind: "step", every: 2, gamma: 0.5 },
      ],
      3,
    );
    expectValues(every, [
      [0, 1 / 3],
      [2, 1],
      [3, 1],
      [8, 1],
      [9, 0.5],
      [14, 0.5],
      [15, 0.25],
    ]);
  });

  test("phases go on from the level before", () => {
    const schedule = createSchedule(
      [{ kind: "step", milestones: [1], gamma: 0.5, epochs: 2 }, { kind: "cosine", epochs: 4 }, { kind: "constant" }],
      1,
    );
    expectValues(schedule, [
      [0, 1],
      [1, 0.5],
      [2, 0.5],
      [3, 0.25],
      [4, 0],
      [9, 0],
    ]);
    expectValues(createSchedule([{ kind: "constant" }], 7), [
      [0, 1],
      [1e6, 1],
    ]);
    expectValues(createSchedule([], 7), [
      [0, 1],
      [1e6, 1],
    ]);
  });

  test("fractions of epochs, and a warm-up of none", () => {
    expectValues(createSchedule([{ kind: "warmup", epochs: 0.5 }, { kind: "constant" }], 4), [
      [0, 0.5],
      [1, 1],
      [2, 1],
    ]);
    expectValues(
      createSchedule(
        [
          { kind: "warmup", epochs: 0 },
          { kind: "cosine", epochs: 1 },
        ],
        2,
      ),
      [
        [0, 1],
        [1, 0.5],
      ],
    );
  });

  test("malformed phases", () => {
    const broken =
      (phase: unknown, ...more: Phase[]) =>
      () =>
        createSchedule([phase as Phase, ...more], 10);
    throwsError(broken({ kind: "cosine", epochs: 90 }, { kind: "warmup", epochs: 5 }), "RN743", "`warmup(5)` ends before", "epoch 90");
    throwsError(broken({ kind: "constant" }, { kind: "warmup", epochs: 5 }), "RN743", "`constant` needs the epoch");
    throwsError(broken({ kind: "cosine" }), "RN743", "`cosine`");
    throwsError(broken({ kind: "cosine", epochs: "x" }), "RN743", '"x"');
    throwsError(broken({ kind: "step" }), "RN743", "`milestones` or `every`");
    throwsError(broken({ kind: "step", every: 0 }), "RN743", "`every`");
    throwsError(broken({ kind: "linear", epochs: 3 }), "RN743", '"linear"');
    throwsError(() => createSchedule([], 0), "RN743", "steps per epoch");
  });
});

suite("train", (test) => {
  const batch: Inputs = { x: [1, 2], label: [4] };
  const load = () => loadNetwork({ manifest: TINY, wasm: tinyWasm() });

  test("finds w = 2.4, the minimum of (w - 4)^2 + (2 w - 4)^2, and reports on the way", async () => {
    const net = await load();
    const epochs: number[] = [];
    const rates: (number | undefined)[] = [];
    const schedule = createSchedule(
      [
        { kind: "warmup", epochs: 1 },
        { kind: "cosine", epochs: 20 },
      ],
      2,
    );
    const report = await train(net, [batch, batch], {
      epochs: 20,
      learningRate: 0.1,
      schedule,
      onStep: ({ learningRate }) => void rates.push(learningRate),
      onEpoch: ({ epoch }) => void epochs.push(epoch),
    });
    assert.is(net.stepsDone, 40);
    assert.equal(
      epochs,
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal(rates.slice(0, 3), [0.05, 0.1, 0.1]);
    const w = Number((await net.weights())["scale.weight"]!.data[0]);
    assert.ok(Math.abs(w - 2.4) < 1e-3, `w is ${w}`);
    // The loss there is 1.6^2 + 0.8^2.
    assert.ok(Math.abs(report.loss - 3.2) < 1e-3, `loss ${report.loss}`);
  });

  test("takes async batches by epoch, and stops when told", async () => {
    const net = await load();
    const stop = new AbortController();
    async function* batches(epoch: number) {
      for (let i = 0; i <= epoch; i++) yield batch;
    }
    await train(net, batches, {
      epochs: 9,
      signal: stop.signal,
      onStep: ({ step }) => (step === 4 ? stop.abort() : undefined),
    });
    assert.is(net.stepsDone, 4);
  });

  test("steps under way: as many at once as asked for, reports in order, the same losses and weights; stopped, all have answered", async () => {
    const [plain, other] = [await load(), await load()];
    const flight = { now: 0, most: 0 };
    const later: typeof other = {
      ...other,
      get stepsDone() {
        return other.stepsDone;
      },
      async step(inputs, hyper) {
        flight.most = Math.max(flight.most, ++flight.now);
        const answer = await other.step(inputs, hyper);
        await new Promise((resolve) => setTimeout(resolve, 0));
        flight.now--;
        return answer;
      },
    };
    const schedule = createSchedule([{ kind: "cosine", epochs: 3 }], 4);
    const run = async (net: typeof plain, underWay: number, signal?: AbortSignal): Promise<unknown> => {
      const seen: unknown[] = [];
      const onStep = ({ loss, step, learningRate }: { loss: number; step: number; learningRate: number | undefined }): void =>
        void seen.push([loss, step, learningRate]);
      const options = { epochs: 3, learningRate: 0.1, schedule, underWay, onStep, ...(signal === undefined ? {} : { signal }) };
      return [await train(net, [batch, { ...batch, x: [2, 3] }, batch, batch], options), seen, String((await net.weights())["scale.weight"]!.data)];
    };
    assert.equal(await run(later, 3), await run(plain, 1));
    assert.equal([flight.most, flight.now], [3, 0]);
    await run(later, 4, AbortSignal.abort());
    const stop = new AbortController();
    const before = other.stepsDone;
    await train(
      later,
      Array.from({ length: 9 }, () => batch),
      { underWay: 4, signal: stop.signal, onStep: ({ step }) => (step === before + 2 ? stop.abort() : undefined) },
    );
    assert.equal([other.stepsDone - before, flight.now], [5, 0]);
    await rejects(train(later, [batch], { underWay: 0 }), "RN606", "underWay");
  });

  test("a loss that is no number ends it, saying where", async () => {
    const net = await load();
    await rejects(train(net, [batch, { x: [Number.NaN, 1], label: [0] }]), "RN742", "NaN", "step 2");
    await rejects(train(net, []), "RN743", "no batches");
    await rejects(train(net, [batch], { schedule: () => 1 }), "RN743", "learningRate");
  });
});
