/** Losses: those of the library by their definitions, expressions over several of them, a user's own, and what is refused. */
import * as assert from "uvu/assert";
import { check } from "../../compiler/check-source.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";
import { closeTo, type Given, runSource } from "./run-source.ts";

/** A model that gives what it is given, so that a loss of `y` is a function of `x` alone. */
const same = (shape: string): string => `model M {\n in x: f32${shape}\n out y: f32${shape}\n y = x\n}`;

const PI = [0.4, -1.3, 2.1, 0.05, -0.7, 1.6];
const TARGETS = [0.2, 0.9, 0.5, 1, 0, 0.3];
const two: Given = { shape: [2, 3], data: PI };
const target: Given = { shape: [2, 3], data: TARGETS };
const label: Given = { shape: [2], data: [2, 0], dtype: "i64" };

const mean = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0) / values.length;
const pairs = (f: (x: number, t: number) => number): number[] => PI.map((x, i) => f(x, TARGETS[i] ?? 0));

/** -(1 - s) log p[label] - s / K sum(log p), a row (Szegedy et al. 2016). */
function crossEntropy(rows: readonly (readonly number[])[], labels: readonly number[], smoothing: number): number {
  return mean(
    rows.map((row, i) => {
      const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      const logs = row.map((x) => x - total);
      return -(1 - smoothing) * (logs[labels[i] ?? 0] ?? 0) - smoothing * mean(logs);
    }),
  );
}

const rows = [PI.slice(0, 3), PI.slice(3)];

suite("language/losses: of the library", (test) => {
  const cases: readonly { loss: string; target: Given; value: number; slope: (x: number, t: number) => number }[] = [
    { loss: "mse(y, target)", target, value: mean(pairs((x, t) => (x - t) ** 2)), slope: (x, t) => (2 * (x - t)) / 6 },
    { loss: "l1(y, target)", target, value: mean(pairs((x, t) => Math.abs(x - t))), slope: (x, t) => Math.sign(x - t) / 6 },
    {
      loss: "huber(y, target, delta: 0.5)",
      target,
      value: mean(pairs((x, t) => (Math.abs(x - t) <= 0.5 ? (x - t) ** 2 / 2 : 0.5 * (Math.abs(x - t) - 0.25)))),
      slope: (x, t) => Math.max(-0.5, Math.min(0.5, x - t)) / 6,
    },
    {
      loss: "binary_cross_entropy(y, target)",
      target,
      value: mean(pairs((x, t) => -(t * Math.log(1 / (1 + Math.exp(-x))) + (1 - t) * Math.log(1 - 1 / (1 + Math.exp(-x)))))),
      slope: (x, t) => (1 / (1 + Math.exp(-x)) - t) / 6,
    },
  ];
  for (const { loss, target: against, value, slope } of cases)
    test(loss, async () => {
      const ran = await runSource(same("[N, 3]"), { inputs: { x: two, target: against }, loss });
      closeTo([ran.loss ?? 0], [value], loss);
      closeTo(ran.gradients["input.x"], pairs(slope), "gradient");
    });

  for (const smoothing of [0, 0.1, 1])
    test(`cross_entropy, smoothing ${smoothing}`, async () => {
      const ran = await runSource(same("[N, 3]"), { inputs: { x: two, label }, loss: `cross_entropy(y, label, smoothing: ${smoothing})` });
      closeTo([ran.loss ?? 0], [crossEntropy(rows, [2, 0], smoothing)]);
    });

  test("cross_entropy of positions: each is a sample", async () => {
    // Channels first: position p of sample n has the logits x[n, :, p].
    const x: Given = { shape: [1, 3, 2], data: PI };
    const labels: Given = { shape: [1, 2], data: [1, 2], dtype: "i32" };
    const ran = await runSource(same("[N, 3, 2]"), { inputs: { x, label: labels }, loss: "cross_entropy(y, label: i32[N, 2])" });
    const at = (position: number): number[] => [0, 1, 2].map((k) => PI[2 * k + position] ?? 0);
    closeTo([ran.loss ?? 0], [crossEntropy([at(0), at(1)], [1, 2], 0)]);
  });

  test("logits far from 0 do not overflow", async () => {
    const x: Given = { shape: [1, 2], data: [1000, -1000] };
    const binary = await runSource(same("[N, 2]"), {
      inputs: { x, target: { shape: [1, 2], data: [0, 1] } },
      loss: "binary_cross_entropy(y, target)",
    });
    closeTo([binary.loss ?? 0], [1000]);
  });
});

const HEADS = `const share = 0.25
block focal(gamma: real = 2) {
  in logits: [N, K]
  in label: i64[N]
  out loss: []
  let each = softmax_cross_entropy(logits, label)
  loss = mean(power(1 - exp(-each), gamma) * each)
}
block perSample {
  in x: [N, F]
  out y: [N]
  y = mean(square(x), axes: [1])
}
model Two(weight: real = 0.5) {
  in x: f32[N, 3]
  out y: f32[N, 3]
  out other: f32[N, 3]
  out penalty: f32[]
  y = x
  other = 2 * x
  penalty = mean(square(x))
}
`;

suite("language/losses: expressions", (test) => {
  const mainTerm = crossEntropy(rows, [2, 0], 0);
  const auxiliary = crossEntropy(
    rows.map((row) => row.map((x) => 2 * x)),
    [2, 0],
    0,
  );
  const penalty = mean(PI.map((x) => x * x));

  test("several outputs, weighted by numbers, constants and parameters of the model", async () => {
    const loss = "cross_entropy(y, label: i64[N]) + share * cross_entropy(other, label) + weight * penalty";
    const ran = await runSource(HEADS, { model: "Two", inputs: { x: two, label }, loss });
    closeTo([ran.loss ?? 0], [mainTerm + 0.25 * auxiliary + 0.5 * penalty]);
    const set = await runSource(HEADS, { model: "Two", set: { weight: 0.1 }, inputs: { x: two, label }, loss });
    closeTo([set.loss ?? 0], [mainTerm + 0.25 * auxiliary + 0.1 * penalty]);
  });

  test("an output by itself, without a target", async () => {
    const ran = await runSource(HEADS, { model: "Two", inputs: { x: two }, loss: "penalty" });
    closeTo([ran.loss ?? 0], [penalty]);
    closeTo(
      ran.gradients["input.x"],
      PI.map((x) => x / 3),
    );
  });

  test("a target that is an input of the model: reconstruction", async () => {
    const ran = await runSource(HEADS, { model: "Two", inputs: { x: two }, loss: "mse(other, x)" });
    closeTo([ran.loss ?? 0], [penalty]);
  });

  test("a block of the file is a loss, with its parameters", async () => {
    const ran = await runSource(HEADS, { model: "Two", inputs: { x: two, label }, loss: "focal(y, label: i64[N], gamma: 1.5)" });
    const focal = rows.map((row, i) => {
      const each = crossEntropy([row], [[2, 0][i] ?? 0], 0);
      return (1 - Math.exp(-each)) ** 1.5 * each;
    });
    closeTo([ran.loss ?? 0], [mean(focal)]);
  });

  test("operators make one number of a tensor", async () => {
    const ran = await runSource(HEADS, {
      model: "Two",
      inputs: { x: two, margin: { shape: [2], data: [0.5, 3] } },
      loss: "sum(maximum(perSample(y), margin: f32[N]) - margin) + mean(abs(y))",
    });
    const each = rows.map((row, i) => Math.max(0, mean(row.map((x) => x * x)) - ([0.5, 3][i] ?? 0)));
    closeTo([ran.loss ?? 0], [each.reduce((a, b) => a + b, 0) + mean(PI.map(Math.abs))]);
  });
});

/** Codes and messages of a recipe with this loss. */
const reports = (loss: string, model = "Two"): string[] =>
  check(
    { path: "loss.resnet", text: `edition 2026\n${HEADS}train ${model} as own {\n  loss ${loss}\n}\ntrain Two as used { loss weight * penalty }` },
    readModule,
  ).diagnostics.map(({ code, message, help, fixes }) => [code, message, ...help, ...fixes.map(({ title }) => title)].join(" "));

suite("language/losses: what is refused", (test) => {
  const cases: readonly (readonly [loss: string, expected: RegExp])[] = [
    ["crossentropy(y, label: i64[N])", /^RN504 there is no loss `crossentropy` .*did you mean `cross_entropy`/],
    ["cross_entropy(z, label: i64[N])", /^RN505 the model has no output `z`/],
    ["mse(y, target) + 0.1 * penalti", /^RN505 .*`penalti`.*did you mean `penalty`/],
    ["perSample(y)", /^RN503 `loss` takes one number for the whole batch, but this is f32\[N\].*mean/],
    ["0.5", /^RN503 `loss` takes one number for the whole batch, made of the model's outputs/],
    ["mean(linear(4)(y))", /^RN503 a loss has no parameters of its own/],
    ["cross_entropy(y)", /^RN503 `cross_entropy` takes the output and the target/],
    ["cross_entropy(y, label: i64[N]) + mse(other, label: f32[N, 3])", /^RN503 `label` is i64\[N\] already/],
    ["cross_entropy(y, label: i64[N], smoothing: 1.5)", /^RN(215|301|305) .*1\.5/],
    ["mse(y, target: f32[N])", /^RN208 `mse` compares `y` \[N, 3\] with `target` \[N\]/],
    ["mse(y, penalty)", /^RN208 `mse` compares `y` \[N, 3\] with `penalty` \[\]/],
    ["cross_entropy(penalty, label)", /^RN208 cross_entropy needs logits/],
    ["mse(y, target, weight: 3)", /^RN302 .*`mse` has no parameter `weight`/],
    ["focal(y, label: i64[N], gama: 3)", /^RN302 .*gama/],
  ];
  for (const [loss, expected] of cases)
    test(loss, () => {
      const found = reports(loss);
      assert.is(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", expected);
    });

  test("what is right is right in the checker too", () => {
    for (const loss of ["cross_entropy(y, label)", "share * mse(y, other) + weight * penalty", "focal(y, label: i64[N])", "l1(y, x)"])
      assert.equal(reports(loss), []);
  });
});
