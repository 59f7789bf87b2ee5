/** Activations of the prelude against their formulas, in f64, at scattered points and where their pieces meet. */
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { closeTo, runSource } from "../language/run-source.ts";

const points: readonly number[] = [-40, -7.5, -3, -2.9, -1, -0.3, 0, 0.2, 1, 2.5, 3, 3.1, 6, 40];

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const elu = (x: number): number => (x > 0 ? x : Math.expm1(x));

const FORMULAS: Readonly<Record<string, (x: number) => number>> = {
  identity: (x) => x,
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  silu: (x) => x * sigmoid(x),
  leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  "leaky_relu(0.2)": (x) => (x > 0 ? x : 0.2 * x),
  elu,
  "elu(0.5)": (x) => (x > 0 ? x : 0.5 * Math.expm1(x)),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  hardsigmoid: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
  hardswish: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0)),
};

suite("activations", (test) => {
  const x = { shape: [1, points.length], data: points };
  const t = { shape: [1, points.length], data: points.map(() => 0) };
  for (const [name, formula] of Object.entries(FORMULAS)) {
    test(name, async () => {
      const ran = await runSource(`model M {\n in x: [N, ${points.length}]\n out y\n x -> ${name} -> y\n}`, { inputs: { x, t }, loss: "mse(y, t)" });
      closeTo(ran.outputs["y"], points.map(formula));
      // d/dx of the mean of y² is 2 y y' / n; y' by central differences, where the formula has a derivative.
      for (const [i, at] of points.entries()) {
        if ([0, 3, -3, 6].includes(at)) continue;
        const slope = (formula(at + 1e-6) - formula(at - 1e-6)) / 2e-6;
        const found = ran.gradients["input.x"]?.[i] ?? Number.NaN;
        assert.ok(Math.abs(found - (2 * formula(at) * slope) / points.length) < 1e-4 * Math.max(1, Math.abs(found)), `${name}'(${at}): ${found}`);
      }
    });
  }

  test("prelu has a slope for each channel, and its gradient", async () => {
    const inputs = { x: { shape: [1, 2, 2], data: [-1, 2, -3, -4] }, t: { shape: [1, 2, 2], data: [0, 0, 0, 0] } };
    const ran = await runSource("model M {\n in x: [N, 2, 2]\n out y\n x -> p: prelu -> y\n}", {
      inputs,
      weights: { "p.weight": [0.5, 0.25] },
      loss: "mse(y, t)",
    });
    closeTo(ran.outputs["y"], [-0.5, 2, -0.75, -1]);
    closeTo(ran.gradients["p.weight"], [(2 * -0.5 * -1) / 4, (2 * (-0.75 * -3 + -1 * -4)) / 4]);
  });

  test("global_maxpool takes the greatest of each channel; bn and gap are the layers they stand for", async () => {
    const inputs = { x: { shape: [1, 2, 3], data: [1, 5, 2, -3, -1, -2] } };
    const ran = await runSource("model M {\n in x: [N, 2, 3]\n out a\n out b\n x -> n: bn -> gap -> a\n x -> global_maxpool -> b\n}", { inputs });
    closeTo(ran.outputs["a"], [8 / 3 / Math.sqrt(1 + 1e-5), -2 / Math.sqrt(1 + 1e-5)]);
    assert.equal(ran.outputs["b"], [5, -1]);
    assert.equal(ran.tensors, ["n.weight", "n.bias", "n.running_mean", "n.running_var", "n.num_batches_tracked"]);
  });
});

suite("losses over positions", (test) => {
  test("cross entropy of [N, K, T] is the mean over samples and positions", async () => {
    const logits = [0.5, -1, 2, 1, 0, -0.5];
    const text = "model M {\n in x: [N, 3, 2]\n out y: [N, 3, 2]\n x -> identity -> y\n}";
    const ran = await runSource(text, {
      inputs: { x: { shape: [1, 3, 2], data: logits }, label: { shape: [1, 2], data: [2, 0], dtype: "i64" } },
      loss: "cross_entropy(y, label)",
    });
    // By hand: the gradient at position t is (softmax - onehot) / 2.
    const expected = [0, 1, 2].flatMap((k) =>
      [0, 1].map((position) => {
        const column = [0, 1, 2].map((each) => Math.exp(logits[each * 2 + position] ?? 0));
        const share = (column[k] ?? 0) / column.reduce((a, b) => a + b);
        return (share - (k === [2, 0][position] ? 1 : 0)) / 2;
      }),
    );
    closeTo(ran.gradients["input.x"], expected);
  });
});
