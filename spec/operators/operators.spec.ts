/**
 * Every operator on known numbers: its reference, and its lowering evaluated by definition.
 */
import * as assert from "uvu/assert";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import { symbol } from "../../compiler/ir/dim.ts";
import { randomUniform } from "../../compiler/ir/random.ts";
import { operators } from "../../compiler/operators/table.ts";
import { suite } from "../harness.ts";
import { closeTo } from "./close-to.ts";
import { operatorCases } from "./cases.ts";
import { evaluateLowered } from "./evaluate-computation.ts";
import { nested, ramp, runOperator, scattered, type TypedTensor } from "./run-operator.ts";

const composites = new Set(["softmax", "log_softmax", "softmax_cross_entropy", "softmax_cross_entropy_gradient"]);
const testedApart = new Set(["input", "parameter", "state", "scalar", "random"]);

suite("operators on known numbers", (test) => {
  for (const each of operatorCases) {
    test(`${each.op}: ${each.name}`, () => {
      const outputs = runOperator(each.op, each.inputs, each.attributes);
      assert.is(outputs.length, each.expected.length);
      for (const [k, output] of outputs.entries()) {
        const expected = nested(each.expected[k]);
        assert.equal(output.shape, expected.shape);
        closeTo(output.data, expected.data, 2e-10);
      }
      if (composites.has(each.op)) return;
      const types = each.inputs.map(({ shape, dtype = "f32" }) => ({ shape, dtype }));
      const lowered = evaluateLowered(
        each.op,
        each.inputs,
        types,
        each.attributes,
        outputs.map(({ shape }) => shape),
      );
      for (const [k, expected] of each.expected.entries()) closeTo(lowered[k] ?? [], nested(expected).data, 2e-10);
    });
  }

  test("each operator has a case", () => {
    const covered = new Set<string>(operatorCases.map(({ op }) => op));
    const missing = Object.keys(operators).filter((op) => !covered.has(op) && !testedApart.has(op));
    assert.equal(missing, []);
  });

  test("each operator is documented", () => {
    for (const [op, { documentation }] of Object.entries(operators)) assert.ok(documentation.length > 20, op);
  });

  test("ports, kept tensors and scalars are bound by name; the batch is free", () => {
    const n = symbol("N");
    const builder = createGraphBuilder("N");
    const image = builder.emit("input", [], { name: "image", dtype: "f32", shape: [n, 2] });
    const initializer = { kind: "constant", value: 0 } as const;
    const weight = builder.emit("parameter", [], { name: "w", shape: [2, 2], initializer });
    const offset = builder.emit("state", [], { name: "s", dtype: "f32", shape: [2], initializer });
    const rate = builder.emit("scalar", [], { name: "learning_rate", dtype: "f32" });
    const product = builder.emit("matmul", [image, weight], { transposeLeft: false, transposeRight: true });
    const shifted = builder.emit("binary", [product, builder.emit("broadcast", [offset], { shape: [n, 2], axes: [1] })], { op: "add" });
    const scaled = builder.emitBinary("multiply", shifted, rate);
    const count = builder.emit("size", [], { value: n, dtype: "f32" });
    const next = builder.emitBinary("add", offset, count);
    const graph = builder.finish([{ name: "y", value: scaled }], [{ target: offset.node, value: next }]);
    const { outputs, updates } = interpret(graph, {
      inputs: new Map([
        [
          "image",
          nested([
            [1, 2],
            [3, 4],
            [5, 6],
          ]),
        ],
      ]),
      tensors: new Map([
        [
          "w",
          nested([
            [1, 0],
            [1, 1],
          ]),
        ],
        ["s", nested([10, 20])],
      ]),
      scalars: new Map([["learning_rate", 0.5]]),
      batch: 3,
    });
    closeTo(outputs.get("y")?.data ?? [], nested([5.5, 11.5, 6.5, 13.5, 7.5, 15.5]).data, 1e-15);
    closeTo(updates.get("s")?.data ?? [], [13, 23], 1e-15);
  });

  test("random numbers are uniform and depend on seed, stream and element alone", () => {
    const draw = (seed: number, stream: number): Float64Array =>
      runOperator("random", [nested(seed, "i32")], { shape: [64, 64], stream })[0]?.data ?? new Float64Array();
    const sample = draw(7, 3);
    assert.equal(sample, draw(7, 3));
    for (const other of [draw(8, 3), draw(7, 4)]) {
      assert.ok(sample.filter((value, i) => value === other[i]).length < 10);
    }
    assert.ok(sample.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24)));
    const mean = sample.reduce((total, value) => total + value, 0) / sample.length;
    const square = sample.reduce((total, value) => total + (value - 0.5) ** 2, 0) / sample.length;
    // Four standard errors of 4096 draws.
    assert.ok(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / 4096), `mean ${mean}`);
    assert.ok(Math.abs(square - 1 / 12) < 4 * Math.sqrt(1 / 180 / 4096), `variance ${square}`);
    const neighbours = sample.slice(1).reduce((total, value, i) => total + (value - 0.5) * ((sample[i] ?? 0) - 0.5), 0);
    assert.ok(Math.abs(neighbours / 4095) < 4 / 12 / Math.sqrt(4095), `correlation ${neighbours}`);
    assert.is(sample[65], randomUniform(7, 3, 65));
    const lowered = evaluateLowered("random", [nested(7, "i32")], [{ dtype: "i32", shape: [] }], { shape: [64, 64], stream: 3 }, [[64, 64]]);
    assert.equal(lowered[0], sample);
  });
});

suite("lowering agrees with the reference", (test) => {
  const window = (kernel: number[], stride: number[], padding: number[], dilation: number[]) => ({
    kernel,
    stride,
    padding,
    dilation,
  });
  const compare = (name: string, op: Parameters<typeof runOperator>[0], inputs: readonly TypedTensor[], attributes: never): void =>
    test(`${op}: ${name}`, () => {
      const outputs = runOperator(op, inputs, attributes);
      const types = inputs.map(({ shape, dtype = "f32" }) => ({ shape, dtype }));
      const lowered = evaluateLowered(
        op,
        inputs,
        types,
        attributes,
        outputs.map(({ shape }) => shape),
      );
      for (const [k, { data }] of outputs.entries()) closeTo(lowered[k] ?? [], data, 1e-11);
    });
  const convolutions = [
    {
      name: "2-D grouped, stride 2",
      x: [2, 4, 5, 6],
      groups: 2,
      output: 6,
      window: window([3, 2], [2, 1], [1, 0], [1, 1]),
    },
    { name: "2-D dilated", x: [1, 2, 7, 6], groups: 1, output: 3, window: window([3, 3], [1, 2], [2, 1], [2, 2]) },
    { name: "depthwise", x: [2, 3, 4, 4], groups: 3, output: 3, window: window([3, 3], [1, 1], [1, 1], [1, 1]) },
    { name: "1-D", x: [2, 3, 9], groups: 1, output: 2, window: window([5], [4], [2], [1]) },
    {
      name: "3-D",
      x: [1, 2, 3, 4, 3],
      groups: 1,
      output: 2,
      window: window([2, 3, 1], [1, 2, 2], [0, 1, 0], [1, 1, 1]),
    },
  ];
  for (const { name, x, groups, output, window: each } of convolutions) {
    const attributes = { ...each, groups };
    const weight = scattered([output, (x[1] ?? 1) / groups, ...each.kernel], 2);
    const image = scattered(x, 1);
    const [y] = runOperator("convolution", [image, weight], attributes);
    const dy = scattered(y?.shape ?? [], 3);
    compare(name, "convolution", [image, weight], attributes as never);
    compare(name, "convolution_input_gradient", [dy, weight], { ...attributes, inputSize: x.slice(2) } as never);
    compare(name, "convolution_kernel_gradient", [image, dy], attributes as never);
  }
  const pools = [
    { name: "3/2/1", x: [2, 2, 7, 6], ceil: false, window: window([3, 3], [2, 2], [1, 1], [1, 1]) },
    { name: "ceil", x: [1, 2, 8, 5], ceil: true, window: window([3, 2], [3, 2], [1, 0], [1, 1]) },
    { name: "1-D", x: [2, 2, 9], ceil: true, window: window([4], [2], [2], [1]) },
    { name: "3-D", x: [1, 2, 4, 3, 5], ceil: false, window: window([2, 2, 3], [2, 1, 2], [0, 1, 1], [1, 1, 1]) },
  ];
  for (const { name, x, ceil, window: each } of pools) {
    const attributes = { ...each, ceil };
    const inputSize = x.slice(2);
    const image = scattered(x, 4);
    const [y, position] = runOperator("max_pool", [image], attributes);
    const dy = scattered(y?.shape ?? [], 5);
    const recorded: TypedTensor = { shape: y?.shape ?? [], data: position?.data ?? new Float64Array(), dtype: "i32" };
    compare(name, "max_pool", [image], attributes as never);
    compare(name, "max_pool_gradient", [recorded, dy], { ...attributes, inputSize } as never);
    for (const countPadding of [false, true]) {
      const label = `${name}, padding ${countPadding ? "" : "not "}counted`;
      compare(label, "avg_pool", [image], { ...attributes, countPadding } as never);
      compare(label, "avg_pool_gradient", [dy], { ...attributes, countPadding, inputSize } as never);
    }
  }
  const image = scattered([3, 2, 4, 5], 6);
  const dy = scattered([3, 2, 4, 5], 7);
  const channel = (seed: number): TypedTensor => scattered([2], seed);
  const variance: TypedTensor = { shape: [2], data: Float64Array.of(0.3, 1.7), dtype: "f32" };
  compare("far from the origin", "batch_moments", [{ ...image, data: image.data.map((v) => v + 50) }], {} as never);
  compare("4 axes", "batch_norm", [image, channel(1), channel(2), channel(3), variance], { eps: 1e-5 } as never);
  compare("4 axes", "batch_norm_gradient_sums", [image, dy, channel(3), variance], { eps: 1e-5 } as never);
  compare("4 axes", "batch_norm_gradient_input", [image, dy, channel(1), channel(3), variance, channel(4), channel(5)], { eps: 1e-5 } as never);
  for (const transposeLeft of [false, true]) {
    for (const transposeRight of [false, true]) {
      const flip = (shape: number[], flag: boolean): number[] => (flag ? [...shape].reverse() : shape);
      const name = `${transposeLeft ? "T" : "N"}${transposeRight ? "T" : "N"}`;
      const attributes = { transposeLeft, transposeRight } as never;
      const [left, right] = [flip([3, 4], transposeLeft), flip([4, 5], transposeRight)];
      compare(name, "matmul", [scattered(left, 1), scattered(right, 2)], attributes);
      compare(`stacked ${name}`, "matmul", [scattered([2, ...left], 1), scattered([2, ...right], 2)], attributes);
    }
  }
  compare("mean of two axes", "reduce", [ramp([2, 3, 4], -5)], { op: "mean", axes: [2, 0] } as never);
});
