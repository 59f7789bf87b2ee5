/**
 * Rewrites keep what the interpreter computes, and do what they are for.
 */
import * as assert from "uvu/assert";
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import { differentiate } from "../../compiler/differentiate/differentiate.ts";
import { type Bindings, interpret } from "../../compiler/interpret/interpret.ts";
import { symbol } from "../../compiler/ir/dim.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";
import { decompose } from "../../compiler/rewrite/decompose.ts";
import { foldBatchNorm } from "../../compiler/rewrite/fold-batch-norm.ts";
import { splitPrepared } from "../../compiler/rewrite/prepare.ts";
import { simplify } from "../../compiler/rewrite/simplify.ts";
import { suite } from "../harness.ts";
import { windowOf } from "../operators/cases.ts";
import { closeTo } from "../operators/close-to.ts";
import { nested, scattered } from "../operators/run-operator.ts";

const n = symbol("N");
const initializer = { kind: "constant", value: 0 } as const;

function opsOf(graph: Graph): string[] {
  return graph.nodes.map(({ op }) => op);
}

function agree(before: Graph, after: Graph, bindings: Bindings, tolerance = 1e-12): void {
  const expected = interpret(before, bindings).outputs;
  const actual = interpret(after, bindings).outputs;
  assert.equal([...actual.keys()], [...expected.keys()]);
  for (const [name, tensor] of expected) closeTo(actual.get(name)?.data ?? [], tensor.data, tolerance, name);
}

function bindingsOf(inputs: Record<string, ReferenceTensor>, tensors: Record<string, ReferenceTensor> = {}, batch = 3): Bindings {
  return {
    inputs: new Map(Object.entries(inputs)),
    tensors: new Map(Object.entries(tensors)),
    scalars: new Map(),
    batch,
  };
}

function input(builder: GraphBuilder, name: string, shape: (number | typeof n)[]): Value {
  return builder.emit("input", [], { name, dtype: "f32", shape });
}

function parameter(builder: GraphBuilder, name: string, shape: number[]): Value {
  return builder.emit("parameter", [], { name, shape, initializer });
}

function norm(builder: GraphBuilder, x: Value, prefix: string, channels: number): Value {
  const vectors = ["weight", "bias"].map((name) => parameter(builder, `${prefix}.${name}`, [channels]));
  const kept = ["mean", "variance"].map((name) =>
    builder.emit("state", [], { name: `${prefix}.${name}`, dtype: "f32", shape: [channels], initializer }),
  );
  return builder.emit("batch_norm", [x, ...vectors, ...kept], { eps: 1e-5 });
}

function normTensors(prefix: string, channels: number, seed: number): Record<string, ReferenceTensor> {
  const variance = scattered([channels], seed + 3).data.map((value) => value + 1.5);
  return {
    [`${prefix}.weight`]: scattered([channels], seed),
    [`${prefix}.bias`]: scattered([channels], seed + 1),
    [`${prefix}.mean`]: scattered([channels], seed + 2),
    [`${prefix}.variance`]: { shape: [channels], data: variance },
  };
}

/** conv -> bn -> relu -> bn -> conv + bias -> bn, with the first convolution read twice if `shared`. */
function inferenceNetwork(shared: boolean): Graph {
  const builder = createGraphBuilder("N");
  const x = input(builder, "x", [n, 2, 5, 5]);
  const window = { ...windowOf([3, 3], 1, 1), groups: 1 };
  const first = builder.emit("convolution", [x, parameter(builder, "w1", [4, 2, 3, 3])], window);
  const active = builder.emit("unary", [norm(builder, first, "bn1", 4)], { op: "relu" });
  const between = norm(builder, active, "bn2", 4);
  const second = builder.emit("convolution", [between, parameter(builder, "w2", [2, 2, 3, 3])], {
    ...window,
    groups: 2,
  });
  const bias = builder.emit("broadcast", [parameter(builder, "b2", [2])], {
    shape: builder.typeOf(second).shape,
    axes: [1],
  });
  const y = norm(builder, builder.emit("binary", [bias, second], { op: "add" }), "bn3", 2);
  return builder.finish([{ name: "y", value: y }, ...(shared ? [{ name: "first", value: first }] : [])], []);
}

const inference = bindingsOf(
  { x: scattered([3, 2, 5, 5], 1) },
  {
    w1: scattered([4, 2, 3, 3], 2),
    w2: scattered([2, 2, 3, 3], 3),
    b2: scattered([2], 4),
    ...normTensors("bn1", 4, 5),
    ...normTensors("bn2", 4, 9),
    ...normTensors("bn3", 2, 13),
  },
);

suite("rewrites", (test) => {
  test("batch norm folds into convolutions, grouped and biased, and else into a multiply and an add", () => {
    const graph = inferenceNetwork(false);
    const folded = foldBatchNorm(graph);
    agree(graph, folded, inference);
    assert.not.ok(opsOf(folded).includes("batch_norm"));
    const images = folded.nodes.filter(({ op, types }) => op === "binary" && types[0]?.shape.length === 4 && types[0].shape[0] === n);
    // Two shifts behind convolutions, and scale and shift of the batch norm that follows a relu.
    assert.is(images.length, 4);
  });

  test("a convolution that something else reads keeps its weight", () => {
    const graph = inferenceNetwork(true);
    const folded = foldBatchNorm(graph);
    agree(graph, folded, inference);
    const [first, ...others] = folded.nodes.filter(({ op }) => op === "convolution");
    assert.is(others.length, 1);
    assert.is(folded.nodes[first?.inputs[1]?.node ?? -1]?.op, "parameter");
  });

  test("batch norm in training stays", () => {
    const builder = createGraphBuilder("N");
    const x = builder.emit("convolution", [input(builder, "x", [n, 2, 4]), parameter(builder, "w", [2, 2, 1])], {
      ...windowOf([1]),
      groups: 1,
    });
    const moments = builder.emitAll("batch_moments", [x], {});
    const vectors = [parameter(builder, "weight", [2]), parameter(builder, "bias", [2])];
    const y = builder.emit("batch_norm", [x, ...vectors, ...moments], { eps: 1e-5 });
    assert.ok(opsOf(foldBatchNorm(builder.finish([{ name: "y", value: y }], []))).includes("batch_norm"));
  });

  test("the prepared program does the work on weights; the main one only reads it", () => {
    const graph = foldBatchNorm(inferenceNetwork(false));
    const { prepare, main } = splitPrepared(graph);
    assert.ok(prepare !== undefined);
    const { updates } = interpret(prepare as Graph, {
      ...inference,
      tensors: withPrepared(inference.tensors, prepare as Graph),
    });
    const expected = interpret(graph, inference).outputs.get("y");
    const actual = interpret(main, { ...inference, tensors: new Map([...inference.tensors, ...updates]) }).outputs.get("y");
    closeTo(actual?.data ?? [], expected?.data ?? [], 1e-12);
    // Of each folded convolution its weight and shift; scale and shift of the other batch norm.
    assert.equal(
      [...updates.keys()].map((name) => /^prepared\..*\.\d+$/.test(name)),
      [true, true, true, true, true, true],
    );
    assert.equal([...updates.values()].map(({ shape }) => shape.join("x")).sort(), ["2", "2x2x3x3", "4", "4", "4", "4x2x3x3"]);
    const onImages = ["convolution", "binary", "unary", "broadcast", "input", "state", "parameter", "constant"];
    assert.ok(opsOf(main).every((op) => onImages.includes(op)));
    for (const { op, types } of main.nodes) {
      if (op === "binary" || op === "unary") assert.is(types[0]?.shape.length, 4);
    }
  });

  test("a graph with nothing to prepare stays whole", () => {
    const builder = createGraphBuilder("N");
    const x = input(builder, "x", [n, 2]);
    const w = builder.emit("broadcast", [parameter(builder, "b", [2])], { shape: [n, 2], axes: [1] });
    const graph = builder.finish([{ name: "y", value: builder.emit("binary", [x, w], { op: "add" }) }], []);
    const { prepare, main } = splitPrepared(graph);
    assert.is(prepare, undefined);
    assert.equal(main, graph);
  });

  for (const smoothing of [0, 0.2]) {
    test(`softmax, its logarithm and cross entropy decompose, smoothing ${smoothing}`, () => {
      const builder = createGraphBuilder("N");
      const logits = input(builder, "logits", [n, 4]);
      const labels = builder.emit("input", [], { name: "labels", dtype: "i64", shape: [n] });
      const loss = builder.emit("softmax_cross_entropy", [logits, labels], { smoothing });
      const outputs = [
        { name: "softmax", value: builder.emit("softmax", [logits], { axis: 1 }) },
        {
          name: "across",
          value: builder.emit("log_softmax", [builder.emit("transpose", [logits], { permutation: [1, 0] })], {
            axis: 0,
          }),
        },
        { name: "loss", value: loss },
      ];
      const [gradient] = differentiate(builder, builder.emit("reduce", [loss], { op: "mean", axes: [0] }), [logits]);
      assert.ok(gradient !== undefined);
      const graph = builder.finish([...outputs, { name: "gradient", value: gradient as Value }], []);
      const plain = decompose(graph);
      const large = scattered([3, 4], 1);
      const bound = bindingsOf({
        logits: { ...large, data: large.data.map((v) => 300 * v + 1000) },
        labels: nested([0, 3, 2], "i64"),
      });
      agree(graph, plain, bound);
      assert.not.ok(opsOf(plain).some((op) => op.includes("softmax")));
      // One maximum, one exponential and one sum serve the forward pass and the gradient.
      assert.is(plain.nodes.filter((node) => node.op === "reduce" && node.attributes.op === "max").length, 2);
    });
  }

  test("simplify removes chains and keeps values", () => {
    const builder = createGraphBuilder("N");
    const x = input(builder, "x", [n, 2, 6]);
    const there = builder.emit("transpose", [x], { permutation: [0, 2, 1] });
    const back = builder.emit("transpose", [there], { permutation: [0, 2, 1] });
    const flat = builder.emit("reshape", [builder.emit("reshape", [back], { shape: [n, 3, 4] })], { shape: [n, 12] });
    const part = builder.emit("slice", [flat], { start: [0, 1], step: [1, 2], size: [n, 5] });
    const less = builder.emit("slice", [part], { start: [0, 1], step: [1, 2], size: [n, 2] });
    const twice = builder.emit("unary", [builder.emit("unary", [less], { op: "negate" })], { op: "negate" });
    const minus = builder.emit("binary", [twice, builder.emit("unary", [less], { op: "negate" })], { op: "add" });
    const shifted = builder.emit("binary", [minus, builder.emitBinary("multiply", less, minus)], { op: "subtract" });
    const graph = builder.finish([{ name: "y", value: shifted }], []);
    const simple = simplify(graph);
    agree(graph, simple, bindingsOf({ x: scattered([3, 2, 6], 1) }));
    assert.equal(opsOf(simple), ["input", "reshape", "slice", "binary", "binary", "binary"]);
    assert.is(graph.nodes.length, 12);
  });
});

function withPrepared(tensors: ReadonlyMap<string, ReferenceTensor>, prepare: Graph): ReadonlyMap<string, ReferenceTensor> {
  const all = new Map(tensors);
  for (const node of prepare.nodes) {
    if (node.op !== "state" || all.has(node.attributes.name)) continue;
    const shape = node.attributes.shape.map(Number);
    all.set(node.attributes.name, { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) });
  }
  return all;
}
