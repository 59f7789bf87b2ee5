/** Plans of small networks compute what the reference interpreter computes, with every rule on and off. */
import * as assert from "uvu/assert";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { mul } from "../../compiler/ir/dim.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { decompose } from "../../compiler/rewrite/decompose.ts";
import { suite } from "../harness.ts";
import { convolution, denseNetwork, input, N, parameter, relu, residualNetwork, residualTraining, state, trainingGraph } from "./networks.ts";
import { checkPlan, planOf, variants } from "./run-both.ts";

function everyVariant(graph: Graph): void {
  for (const target of variants) checkPlan(graph, { target });
}

suite("plans of networks", (test) => {
  test("residual network with a free batch", () => everyVariant(residualNetwork(N)));
  test("residual network with a fixed batch", () => everyVariant(residualNetwork(2)));
  test("one kernel per convolution, pooling and linear layer", () => {
    const { plan } = planOf(residualNetwork(N));
    const forms = plan.steps.map(({ kernel }) => kernel.form);
    assert.is(forms.filter((form) => form === "contraction").length, 7, "six convolutions and one matrix product");
    assert.is(forms.filter((form) => form === "reduction").length, 2, "two poolings");
    // The image is turned to channels-last; slopes of the six batch norms are prepared by folding in real use.
    assert.is(forms.filter((form) => form === "pointwise").length, 1 + 6);
  });
  test("dense chain", () => everyVariant(denseNetwork(true)));
  test("dense chain from flat concats", () => everyVariant(denseNetwork(false)));
  test("dense chain grows in one buffer without copies", () => {
    const { plan } = planOf(denseNetwork(false));
    const copies = plan.steps.filter(({ kernel }) => kernel.name === "concat" || (kernel.name === "convolution" && kernel.form === "pointwise"));
    assert.is(copies.length, 0);
  });
  test("grouped and strided convolutions, transposed weights", () => {
    const b = createGraphBuilder("N");
    const x = input(b, "x", [N, 4, 7, 6]);
    const y = convolution(b, relu(b, x), "a", 6, 3, 2, 2);
    const z = b.emit("transpose", [y], { permutation: [0, 2, 3, 1] });
    everyVariant(
      b.finish(
        [
          { name: "y", value: y },
          { name: "z", value: z },
        ],
        [],
      ),
    );
  });
  test("reshape of a convolution result is copied into row-major order", () => {
    const b = createGraphBuilder("N");
    const x = convolution(b, input(b, "x", [N, 2, 4, 4]), "a", 3);
    const flat = b.emit("reshape", [x], { shape: [N, 48] });
    const weight = parameter(b, "w", [48, 5]);
    const y = b.emit("matmul", [flat, weight], { transposeLeft: false, transposeRight: false });
    everyVariant(b.finish([{ name: "y", value: y }], []));
  });
  test("attention over positions of a feature map", () => {
    const b = createGraphBuilder("N");
    const x = convolution(b, input(b, "x", [N, 2, 3, 3]), "a", 4);
    const tokens = b.emit("reshape", [x], { shape: [N, 4, 9] });
    const scores = b.emit("matmul", [tokens, tokens], { transposeLeft: true, transposeRight: false });
    const weights = b.emit("softmax", [scores], { axis: 2 });
    const y = b.emit("matmul", [tokens, weights], { transposeLeft: false, transposeRight: true });
    everyVariant(decompose(b.finish([{ name: "y", value: b.emit("reshape", [y], { shape: [N, 4, 3, 3] }) }], [])));
  });
  test("squeeze and excite", () => {
    const b = createGraphBuilder("N");
    const image = input(b, "x", [N, 3, 4, 4]);
    const x = convolution(b, image, "a", 4);
    const squeezed = b.emit("reduce", [x], { op: "mean", axes: [2, 3] });
    const gate = b.emit("unary", [b.emit("matmul", [squeezed, parameter(b, "w", [4, 4])], { transposeLeft: false, transposeRight: false })], {
      op: "sigmoid",
    });
    const scaled = b.emitBinary("multiply", x, b.emit("broadcast", [gate], { shape: b.typeOf(x).shape, axes: [0, 1] }));
    everyVariant(b.finish([{ name: "y", value: relu(b, b.emitBinary("add", scaled, x)) }], []));
  });
  test("pads, slices, gathers and scatters", () => {
    const b = createGraphBuilder("N");
    const x = input(b, "x", [N, 4, 5]);
    const padded = b.emit("pad", [relu(b, x)], { before: [0, 1, 2], after: [0, 0, 1], interior: [0, 1, 0], value: -1 });
    const part = b.emit("slice", [padded], { start: [0, 1, 0], step: [1, 2, 1], size: [N, 3, 7] });
    const ids = b.emit("input", [], { name: "ids", dtype: "i64", shape: [6] });
    const table = parameter(b, "table", [3, 4]);
    const rows = b.emit("gather", [table, ids], {});
    const back = b.emit("scatter_add", [ids, b.emitBinary("multiply", rows, rows)], { size: 3 });
    everyVariant(
      b.finish(
        [
          { name: "part", value: part },
          { name: "rows", value: rows },
          { name: "back", value: back },
        ],
        [],
      ),
    );
  });
  test("concat along the batch, of inputs and of one tensor twice", () => {
    const b = createGraphBuilder("N");
    const x = input(b, "x", [N, 2, 3]);
    const y = relu(b, x);
    const both = b.emit("concat", [y, x, y], { axis: 0 });
    const doubled = b.emit("reshape", [both], { shape: [mul(3, N), 6] });
    everyVariant(
      b.finish(
        [
          { name: "both", value: both },
          { name: "doubled", value: doubled },
        ],
        [],
      ),
    );
  });
  test("updates in place, exchanged and from inputs", () => {
    const b = createGraphBuilder("N");
    const [a, c, d] = [state(b, "a", [3]), state(b, "c", [3]), state(b, "d", [3])];
    const x = input(b, "x", [3]);
    const sum = b.emitBinary("add", a, x);
    const node = (value: Value) => value.node;
    const updates = [
      { target: node(a), value: c },
      { target: node(c), value: a },
      { target: node(d), value: b.emitBinary("multiply", d, sum) },
    ];
    everyVariant(
      b.finish(
        [
          { name: "old", value: a },
          { name: "same", value: x },
        ],
        updates,
      ),
    );
  });
});

suite("memory taken over in step", (test) => {
  const window = { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], ceil: false };
  test("not where a window reads neighbours of what is overwritten", () => {
    const b = createGraphBuilder("N");
    const x = b.emit("unary", [input(b, "x", [N, 2, 5, 5])], { op: "tanh" });
    const pooled = b.emit("avg_pool", [x], { ...window, countPadding: true });
    everyVariant(b.finish([{ name: "y", value: b.emit("unary", [b.emitBinary("add", pooled, x)], { op: "exp" }) }], []));
  });
  test("not where an update reads a window of the old value", () => {
    const b = createGraphBuilder("N");
    const s = state(b, "s", [1, 2, 5, 5]);
    const pooled = b.emit("avg_pool", [s], { ...window, countPadding: true });
    everyVariant(b.finish([], [{ target: s.node, value: b.emitBinary("add", pooled, s) }]));
  });
  test("not where an update reads the old value transposed", () => {
    const b = createGraphBuilder("N");
    const s = state(b, "s", [4, 4]);
    const turned = b.emit("transpose", [s], { permutation: [1, 0] });
    everyVariant(b.finish([], [{ target: s.node, value: b.emitBinary("add", turned, s) }]));
  });
  test("not where a product reads the old value", () => {
    const b = createGraphBuilder("N");
    const s = state(b, "s", [4, 4]);
    const product = b.emit("matmul", [s, s], { transposeLeft: false, transposeRight: false });
    everyVariant(b.finish([], [{ target: s.node, value: b.emitBinary("add", product, s) }]));
  });
  test("not where a later kernel reads the old value", () => {
    const b = createGraphBuilder("N");
    const s = state(b, "s", [6]);
    const next = b.emitBinary("add", s, input(b, "x", [6]));
    const total = b.emit("reduce", [next], { op: "sum", axes: [0] });
    const late = b.emitBinary("multiply", b.emit("broadcast", [total], { shape: [6], axes: [] }), s);
    everyVariant(b.finish([{ name: "late", value: late }], [{ target: s.node, value: next }]));
  });
});

const sgd = { kind: "sgd", momentum: 0.9, weightDecay: 1e-4, nesterov: false, dampening: 0 } as const;

suite("plans of training", (test) => {
  test("loss and gradients of a residual network", () => everyVariant(trainingGraph(residualTraining(1), "gradients")));
  test("a step of stochastic gradient descent", () => everyVariant(trainingGraph(residualTraining(1), sgd)));
  test("a step of Adam", () => {
    const adam = { kind: "adamw", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 } as const;
    checkPlan(trainingGraph(residualTraining(1), adam));
  });
});
