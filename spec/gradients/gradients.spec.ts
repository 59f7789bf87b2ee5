/**
 * Gradients of every operator, and of small networks, against central differences in f64.
 */
import * as assert from "uvu/assert";
import type { GraphBuilder } from "../../compiler/graph/builder.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import { operators } from "../../compiler/operators/table.ts";
import { windowOf } from "../operators/cases.ts";
import { nested, scattered } from "../operators/run-operator.ts";
import { suite } from "../harness.ts";
import { gradientCases } from "./cases.ts";
import { checkGradients, gradientGraph } from "./central-differences.ts";

/** Their gradient is undefined for every input, which the cases of their users show. */
const constantEverywhere = new Set(["input", "parameter", "state", "scalar", "constant", "size", "iota", "random", "argmax", "stop_gradient"]);

/** Batch norm by the statistics of its own input. */
function trainedNorm(builder: GraphBuilder, x: Value, weight: Value, bias: Value): Value {
  const [mean, variance] = builder.emitAll("batch_moments", [x], {});
  assert.ok(mean !== undefined && variance !== undefined);
  return builder.emit("batch_norm", [x, weight, bias, mean as Value, variance as Value], { eps: 1e-5 });
}

function pick(values: readonly Value[], position: number): Value {
  const value = values[position];
  assert.ok(value !== undefined);
  return value as Value;
}

suite("gradients agree with central differences", (test) => {
  for (const each of gradientCases) {
    test(`${each.op}: ${each.name}`, () => {
      checkGradients(each.inputs, (builder, values) => builder.emitAll(each.op, values, each.attributes));
    });
  }

  test("each differentiable operator has a case", () => {
    const covered = new Set<string>(gradientCases.map(({ op }) => op));
    const missing = Object.entries(operators).filter(([op, { gradient }]) => gradient !== "none" && !covered.has(op) && !constantEverywhere.has(op));
    assert.equal(
      missing.map(([op]) => op),
      [],
    );
  });

  test("batch norm in training takes the fused form, without a gradient of the moments", () => {
    const inputs = [scattered([3, 2, 2, 2], 1), scattered([2], 2), scattered([2], 3)];
    const body = (builder: GraphBuilder, [x, weight, bias]: readonly Value[]): readonly Value[] => {
      assert.ok(x !== undefined && weight !== undefined && bias !== undefined);
      return [trainedNorm(builder, x as Value, weight as Value, bias as Value)];
    };
    checkGradients(inputs, body);
    const { graph } = gradientGraph(inputs, body);
    const ops = graph.nodes.map(({ op }) => op as string).filter((op) => op.startsWith("batch"));
    assert.equal(ops, ["batch_moments", "batch_norm", "batch_norm_gradient_sums", "batch_norm_gradient_input"]);
  });

  test("batch norm by the statistics of another tensor takes the general form", () => {
    const inputs = [scattered([3, 2, 2], 1), scattered([3, 2, 2], 4), scattered([2], 2), scattered([2], 3)];
    checkGradients(inputs, (builder, values) => {
      const moments = builder.emitAll("batch_moments", [pick(values, 1)], {});
      const all = [pick(values, 0), pick(values, 2), pick(values, 3), pick(moments, 0), pick(moments, 1)];
      return [builder.emit("batch_norm", all, { eps: 1e-2 })];
    });
  });

  test("moments used elsewhere too keep that gradient", () => {
    const inputs = [scattered([3, 2, 2], 1), scattered([2], 2), scattered([2], 3)];
    checkGradients(inputs, (builder, values) => {
      const [x, weight, bias] = [pick(values, 0), pick(values, 1), pick(values, 2)];
      return [trainedNorm(builder, x, weight, bias), ...builder.emitAll("batch_moments", [x], {})];
    });
  });

  test("stop_gradient stops", () => {
    const { graph } = gradientGraph([scattered([3], 1)], (builder, [x]) => {
      assert.ok(x !== undefined);
      const stopped = builder.emit("stop_gradient", [x as Value], {});
      return [builder.emit("binary", [stopped, stopped], { op: "multiply" })];
    });
    assert.equal(
      graph.outputs.map(({ name }) => name),
      ["loss"],
    );
  });

  test("a maximum shared by two takes half, as in PyTorch", () => {
    checkGradients([nested([1, 2]), nested([1, 3])], (builder, [a, b]) => {
      assert.ok(a !== undefined && b !== undefined);
      return [builder.emit("binary", [a as Value, b as Value], { op: "maximum" })];
    });
  });

  test("a residual network: convolution, batch norm, max pool, skip, linear, cross entropy", () => {
    const inputs = [
      scattered([3, 1, 6, 6], 1),
      scattered([2, 1, 3, 3], 2),
      scattered([2], 3),
      scattered([2], 4),
      scattered([2, 2, 3, 3], 5),
      scattered([4, 2], 6),
      scattered([4], 7),
      nested([1, 3, 0], "i64"),
    ];
    checkGradients(inputs, (builder, values) => {
      const [image, stem, weight, bias, inner, linear, offset, labels] = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => pick(values, k));
      assert.ok(image && stem && weight && bias && inner && linear && offset && labels);
      const first = builder.emit("convolution", [image as Value, stem as Value], {
        ...windowOf([3, 3], 1, 1),
        groups: 1,
      });
      const normed = builder.emit("unary", [trainedNorm(builder, first, weight as Value, bias as Value)], {
        op: "relu",
      });
      const pooled = builder.emit("max_pool", [normed], { ...windowOf([3, 3], 2, 1), ceil: false });
      const branch = builder.emit("convolution", [pooled, inner as Value], { ...windowOf([3, 3], 1, 1), groups: 1 });
      const joined = builder.emit("unary", [builder.emitBinary("add", branch, pooled)], { op: "silu" });
      const mean = builder.emit("reduce", [joined], { op: "mean", axes: [2, 3] });
      const product = builder.emit("matmul", [mean, linear as Value], { transposeLeft: false, transposeRight: true });
      const repeated = builder.emit("broadcast", [offset as Value], {
        shape: builder.typeOf(product).shape,
        axes: [1],
      });
      const logits = builder.emitBinary("add", product, repeated);
      return [builder.emit("softmax_cross_entropy", [logits, labels as Value], { smoothing: 0.1 })];
    });
  });
});
