/**
 * The graph builder: sharing, folding, broadcasting, and what it refuses.
 */
import * as assert from "uvu/assert";
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import { mul, symbol } from "../../compiler/ir/dim.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import { printGraph } from "../../compiler/ir/print-graph.ts";
import { verifyGraph } from "../../compiler/ir/verify-graph.ts";
import { suite } from "../harness.ts";

const n = symbol("N");
const initializer = { kind: "constant", value: 0 } as const;

function image(builder: GraphBuilder): Value {
  return builder.emit("input", [], { name: "x", dtype: "f32", shape: [n, 4] });
}

suite("graph builder", (test) => {
  test("equal nodes are one, whatever the order of their attributes", () => {
    const builder = createGraphBuilder("N");
    const x = image(builder);
    assert.equal(builder.emit("unary", [x], { op: "exp" }), builder.emit("unary", [x], { op: "exp" }));
    const one = builder.emit("constant", [], { value: 0.5, dtype: "f32", shape: [n] });
    assert.equal(one, builder.emit("constant", [], { shape: [n], dtype: "f32", value: 0.5 }));
    assert.is.not(builder.emit("constant", [], { value: 0.25, dtype: "f32", shape: [n] }).node, one.node);
  });

  test("random nodes are shared only within a stream", () => {
    const builder = createGraphBuilder(undefined);
    const seed = builder.emit("scalar", [], { name: "seed", dtype: "i32" });
    const draw = (stream: number): Value => builder.emit("random", [seed], { shape: [3], stream });
    assert.equal(draw(1), draw(1));
    assert.is.not(draw(1).node, draw(2).node);
  });

  test("constants fold and neutral operands vanish", () => {
    const builder = createGraphBuilder("N");
    const x = image(builder);
    const filled = (value: number): Value => builder.emit("constant", [], { value, dtype: "f32", shape: [n, 4] });
    assert.equal(builder.emit("binary", [x, filled(0)], { op: "add" }), x);
    assert.equal(builder.emit("binary", [filled(1), x], { op: "multiply" }), x);
    assert.is.not(builder.emit("binary", [filled(0), x], { op: "subtract" }).node, x.node);
    assert.equal(builder.emit("unary", [filled(4)], { op: "sqrt" }), filled(2));
    assert.equal(builder.emit("binary", [filled(4), filled(3)], { op: "multiply" }), filled(12));
    assert.equal(builder.broadcastTo(builder.emit("constant", [], { value: 3, dtype: "f32", shape: [] }), [n, 4]), filled(3));
    assert.equal(builder.emit("reshape", [x], { shape: [n, 4] }), x);
    assert.equal(builder.emit("transpose", [x], { permutation: [0, 1] }), x);
    assert.equal(builder.emit("size", [], { value: 7, dtype: "f32" }), builder.emit("constant", [], { value: 7, dtype: "f32", shape: [] }));
  });

  test("emitBinary repeats scalars and axes of size 1", () => {
    const builder = createGraphBuilder("N");
    const x = image(builder);
    const row = builder.emit("parameter", [], { name: "row", shape: [1, 4], initializer });
    const scalar = builder.emit("scalar", [], { name: "learning_rate", dtype: "f32" });
    assert.equal(builder.typeOf(builder.emitBinary("add", row, x)).shape, [n, 4]);
    assert.equal(builder.typeOf(builder.emitBinary("less", scalar, x)), { dtype: "bool", shape: [n, 4] });
  });

  test("sizes that do not evidently agree are refused", () => {
    const builder = createGraphBuilder("N");
    const x = image(builder);
    const other = builder.emit("input", [], { name: "other", dtype: "f32", shape: [mul(2, n), 4] });
    assert.throws(() => builder.emit("binary", [x, other], { op: "add" }), /internal compiler error.*does not hold/s);
    assert.throws(() => builder.emit("softmax", [x], { axis: 3 }), /there is no axis 3/);
    assert.throws(() => builder.emit("input", [], { name: "x", dtype: "i32", shape: [n] }), /two different sources are named x/);
  });

  test("finish drops what nothing needs, keeps ports and tensors, and prints", () => {
    const builder = createGraphBuilder("N");
    const x = image(builder);
    builder.emit("parameter", [], { name: "unused", shape: [2], initializer });
    builder.emit("unary", [x], { op: "exp" });
    const y = builder.withPath("layer1.relu", () => builder.emit("unary", [x], { op: "relu" }));
    const text = printGraph(builder.finish([{ name: "y", value: y }], []));
    const expected = [
      '%0 = input() {dtype: "f32", name: "x", shape: [N, 4]} : f32[N, 4]',
      '%1 = parameter() {initializer: {kind: "constant", value: 0}, name: "unused", shape: [2]} : f32[2]',
      '%2 = unary(%0) {op: "relu"} : f32[N, 4]  # layer1.relu',
      "output y = %2",
      "",
    ];
    assert.is(text, expected.join("\n"));
  });

  test("a broken graph does not verify", () => {
    const builder = createGraphBuilder("N");
    const x = image(builder);
    const graph = builder.finish([{ name: "y", value: builder.emit("unary", [x], { op: "relu" }) }], []);
    const [first, second] = graph.nodes;
    assert.ok(first !== undefined && second !== undefined);
    assert.throws(() => verifyGraph({ ...graph, nodes: [second, first] as typeof graph.nodes }), /has id/);
    assert.throws(() => verifyGraph({ ...graph, outputs: [{ name: "y", value: { node: 9, output: 0 } }] }), /no value 9.0/);
    assert.throws(() => verifyGraph({ ...graph, batch: undefined }), /not a multiple of the batch/);
    assert.throws(() => verifyGraph({ ...graph, updates: [{ target: 1, value: { node: 1, output: 0 } }] }), /not kept/);
  });
});
