/**
 * Optimizer steps against PyTorch's formulas written out for one number, over five steps.
 */
import * as assert from "uvu/assert";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { applyOptimizer } from "../../compiler/differentiate/optimizer.ts";
import type { OptimizerSpec } from "../../compiler/ir/optimizer.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";
import { closeTo } from "../operators/close-to.ts";
import { nested } from "../operators/run-operator.ts";
import { suite } from "../harness.ts";

const start = [0.5, -2, 3];
const slopes = [
  [1, 2, -3],
  [0.5, -1, 0],
  [-2, 0.25, 1],
  [1, 1, 1],
  [0, -3, 2],
];

/** The parameter after each step of the graph that `applyOptimizer` builds. */
function stepsOf(spec: OptimizerSpec, learningRate: number): { readonly weights: number[][]; readonly slots: string[] } {
  const builder = createGraphBuilder(undefined);
  const value = builder.emit("parameter", [], {
    name: "fc.weight",
    shape: [3],
    initializer: { kind: "constant", value: 0 },
  });
  const gradient = builder.emit("input", [], { name: "gradient", dtype: "f32", shape: [3] });
  const rate = builder.emit("scalar", [], { name: "learning_rate", dtype: "f32" });
  const step = builder.emit("scalar", [], { name: "step_number", dtype: "f32" });
  const { slots, updates } = applyOptimizer(builder, spec, [{ name: "fc.weight", value, gradient }], rate, step);
  const graph = builder.finish([], updates);
  let tensors = new Map<string, ReferenceTensor>([["fc.weight", nested(start)]]);
  for (const { name } of slots) tensors.set(name, nested([0, 0, 0]));
  const weights = slopes.map((slope, position) => {
    const scalars = new Map([
      ["learning_rate", learningRate],
      ["step_number", position + 1],
    ]);
    const { updates: next } = interpret(graph, {
      inputs: new Map([["gradient", nested(slope)]]),
      tensors,
      scalars,
      batch: 1,
    });
    tensors = new Map([...tensors, ...next]);
    return [...(tensors.get("fc.weight")?.data ?? [])];
  });
  return { weights, slots: slots.map(({ name }) => name) };
}

/** torch.optim.SGD, one number at a time. */
function sgd(w: number, rate: number, momentum: number, decay: number, nesterov: boolean, dampening: number, column: number): number[] {
  let velocity: number | undefined;
  return slopes.map((slope) => {
    let g = (slope[column] ?? 0) + decay * w;
    if (momentum !== 0) {
      velocity = velocity === undefined ? g : momentum * velocity + (1 - dampening) * g;
      g = nesterov ? g + momentum * velocity : velocity;
    }
    w -= rate * g;
    return w;
  });
}

/** torch.optim.Adam and AdamW, one number at a time. */
function adam(w: number, rate: number, decay: number, decoupled: boolean, column: number): number[] {
  let [m, v] = [0, 0];
  return slopes.map((slope, position) => {
    let g = slope[column] ?? 0;
    if (decoupled) w *= 1 - rate * decay;
    else g += decay * w;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const t = position + 1;
    w -= ((rate / (1 - 0.9 ** t)) * m) / (Math.sqrt(v) / Math.sqrt(1 - 0.999 ** t) + 1e-8);
    return w;
  });
}

function compare(actual: readonly number[][], column: (index: number) => number[]): void {
  const columns = start.map((_, index) => column(index));
  for (const [step, weights] of actual.entries()) {
    closeTo(
      weights,
      columns.map((each) => each[step] ?? Number.NaN),
      1e-12,
      `step ${step + 1}`,
    );
  }
}

const betas = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

suite("optimizers follow PyTorch", (test) => {
  const settings = [
    { name: "plain", momentum: 0, weightDecay: 0, nesterov: false, dampening: 0 },
    { name: "momentum and decay", momentum: 0.9, weightDecay: 0.05, nesterov: false, dampening: 0 },
    { name: "nesterov", momentum: 0.9, weightDecay: 0.01, nesterov: true, dampening: 0 },
    { name: "dampening", momentum: 0.8, weightDecay: 0, nesterov: false, dampening: 0.3 },
  ];
  for (const { name, momentum, weightDecay, nesterov, dampening } of settings) {
    test(`sgd: ${name}`, () => {
      const { weights, slots } = stepsOf({ kind: "sgd", momentum, weightDecay, nesterov, dampening }, 0.1);
      compare(weights, (column) => sgd(start[column] ?? 0, 0.1, momentum, weightDecay, nesterov, dampening, column));
      assert.equal(slots, momentum === 0 ? [] : ["optimizer.momentum.fc.weight"]);
    });
  }
  for (const weightDecay of [0, 0.05]) {
    test(`adam, decay ${weightDecay}`, () => {
      const { weights, slots } = stepsOf({ kind: "adam", ...betas, weightDecay }, 0.002);
      compare(weights, (column) => adam(start[column] ?? 0, 0.002, weightDecay, false, column));
      assert.equal(slots, ["optimizer.exp_avg.fc.weight", "optimizer.exp_avg_sq.fc.weight"]);
    });
    test(`adamw, decay ${weightDecay}`, () => {
      const { weights } = stepsOf({ kind: "adamw", ...betas, weightDecay }, 0.002);
      compare(weights, (column) => adam(start[column] ?? 0, 0.002, weightDecay, true, column));
    });
  }

  test("weight decay spares the parameters that patterns name", () => {
    const span = { source: { path: "recipe", text: "" }, start: 0, end: 0 };
    const spec = { kind: "sgd", momentum: 0.9, weightDecay: 0.5, nesterov: false, dampening: 0 } as const;
    const plain = stepsOf({ ...spec, weightDecay: 0 }, 0.1).weights;
    assert.equal(stepsOf({ ...spec, except: [{ pattern: "*.weight", span }] }, 0.1).weights, plain);
    assert.equal(stepsOf({ ...spec, except: [{ pattern: "*.bias", span }] }, 0.1).weights, stepsOf(spec, 0.1).weights);
    assert.not.equal(stepsOf(spec, 0.1).weights, plain);
  });
});
