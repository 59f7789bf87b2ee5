/**
 * Type rules with concrete and symbolic sizes: the result, what is demanded, and what is refused outright.
 */
import * as assert from "uvu/assert";
import type { Attributes, OpName } from "../../compiler/ir/attributes.ts";
import { add, ceilDiv, type Dim, floorDiv, formatDim, mul, sub, symbol } from "../../compiler/ir/dim.ts";
import { printType } from "../../compiler/ir/print-graph.ts";
import type { Dtype, TensorType } from "../../compiler/ir/type.ts";
import { operators } from "../../compiler/operators/table.ts";
import { suite } from "../harness.ts";
import { windowOf } from "./cases.ts";
import { typing } from "./run-operator.ts";

const [N, C, H, W, K] = ["N", "C", "H", "W", "K"].map((name) => symbol(name)) as [Dim, Dim, Dim, Dim, Dim];

function f32(...shape: Dim[]): TensorType {
  return { dtype: "f32", shape };
}

function of(dtype: Dtype, ...shape: Dim[]): TensorType {
  return { dtype, shape };
}

interface TypeCase<K extends OpName> {
  readonly op: K;
  readonly name: string;
  readonly inputs: readonly TensorType[];
  readonly attributes: Attributes[K];
  readonly types: readonly TensorType[];
  /** Demands that must be among those made, as text. */
  readonly demands?: readonly string[];
}

type AnyCase = { readonly [K in OpName]: TypeCase<K> }[OpName];

const same = { kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1] };
const initializer = { kind: "constant", value: 0 } as const;

const cases: readonly AnyCase[] = [
  {
    op: "input",
    name: "free batch",
    inputs: [],
    attributes: { name: "x", dtype: "f32", shape: [N, 3] },
    types: [f32(N, 3)],
  },
  { op: "parameter", name: "vector", inputs: [], attributes: { name: "w", shape: [C], initializer }, types: [f32(C)] },
  {
    op: "state",
    name: "counter",
    inputs: [],
    attributes: { name: "n", dtype: "i64", shape: [], initializer },
    types: [of("i64")],
  },
  { op: "scalar", name: "seed", inputs: [], attributes: { name: "seed", dtype: "i32" }, types: [of("i32")] },
  {
    op: "constant",
    name: "free shape",
    inputs: [],
    attributes: { value: 0, dtype: "f32", shape: [N] },
    types: [f32(N)],
  },
  { op: "size", name: "of a batch", inputs: [], attributes: { value: N, dtype: "f32" }, types: [f32()] },
  {
    op: "iota",
    name: "labels",
    inputs: [],
    attributes: { shape: [N, K], axis: 1, dtype: "i64" },
    types: [of("i64", N, K)],
  },
  { op: "random", name: "mask", inputs: [of("i32")], attributes: { shape: [N, C], stream: 0 }, types: [f32(N, C)] },
  { op: "unary", name: "keeps the type", inputs: [f32(N, C)], attributes: { op: "relu" }, types: [f32(N, C)] },
  { op: "unary", name: "not", inputs: [of("bool", N)], attributes: { op: "not" }, types: [of("bool", N)] },
  {
    op: "binary",
    name: "demands equal sizes",
    inputs: [f32(N, C), f32(N, K)],
    attributes: { op: "add" },
    types: [f32(N, C)],
    demands: ["C == K"],
  },
  { op: "binary", name: "comparison", inputs: [f32(N), f32(N)], attributes: { op: "less" }, types: [of("bool", N)] },
  { op: "select", name: "keeps the type", inputs: [of("bool", N), f32(N), f32(N)], attributes: {}, types: [f32(N)] },
  { op: "cast", name: "to real", inputs: [of("i64", N)], attributes: { dtype: "f32" }, types: [f32(N)] },
  { op: "stop_gradient", name: "identity", inputs: [f32(N)], attributes: {}, types: [f32(N)] },
  {
    op: "broadcast",
    name: "bias over an image",
    inputs: [f32(C)],
    attributes: { shape: [N, K, H, W], axes: [1] },
    types: [f32(N, K, H, W)],
    demands: ["C == K"],
  },
  {
    op: "reshape",
    name: "flatten",
    inputs: [f32(N, C, H)],
    attributes: { shape: [N, mul(C, H)] },
    types: [f32(N, mul(C, H))],
    demands: ["C*H*N == C*H*N"],
  },
  {
    op: "transpose",
    name: "channels last",
    inputs: [f32(N, C, H, W)],
    attributes: { permutation: [0, 2, 3, 1] },
    types: [f32(N, H, W, C)],
  },
  {
    op: "slice",
    name: "every second pixel",
    inputs: [f32(N, H)],
    attributes: { start: [0, 0], step: [1, 2], size: [N, ceilDiv(H, 2)] },
    types: [f32(N, ceilDiv(H, 2))],
  },
  {
    op: "pad",
    name: "new channels",
    inputs: [f32(N, C)],
    attributes: { before: [0, 0], after: [0, sub(K, C)], interior: [0, 0], value: 0 },
    types: [f32(N, K)],
    demands: ["K - C >= 0"],
  },
  {
    op: "concat",
    name: "dense connectivity",
    inputs: [f32(N, C, H), f32(N, 12, W)],
    attributes: { axis: 1 },
    types: [f32(N, add(C, 12), H)],
    demands: ["H == W"],
  },
  { op: "gather", name: "embedding", inputs: [f32(K, 8), of("i64", N, W)], attributes: {}, types: [f32(N, W, 8)] },
  {
    op: "scatter_add",
    name: "its gradient",
    inputs: [of("i64", N, W), f32(N, W, 8)],
    attributes: { size: K },
    types: [f32(K, 8)],
  },
  {
    op: "reduce",
    name: "global mean",
    inputs: [f32(N, C, H, W)],
    attributes: { op: "mean", axes: [2, 3] },
    types: [f32(N, C)],
  },
  { op: "argmax", name: "class", inputs: [f32(N, K)], attributes: { axis: 1 }, types: [of("i64", N)] },
  {
    op: "convolution",
    name: "stride 2 halves, rounding up",
    inputs: [f32(N, C, H, W), f32(64, 3, 3, 3)],
    attributes: { ...same, groups: 1 },
    types: [f32(N, 64, ceilDiv(H, 2), ceilDiv(W, 2))],
    demands: ["C == 3", "H + 2 >= 3"],
  },
  {
    op: "convolution",
    name: "groups",
    inputs: [f32(N, C, 8, 8), f32(K, 4, 1, 1)],
    attributes: { ...windowOf([1, 1]), groups: 32 },
    types: [f32(N, K, 8, 8)],
    demands: ["C == 128", "32 divides K"],
  },
  {
    op: "convolution_input_gradient",
    name: "back to the input",
    inputs: [f32(N, 64, 4, 4), f32(64, C, 3, 3)],
    attributes: { ...same, groups: 1, inputSize: [7, 8] },
    types: [f32(N, C, 7, 8)],
  },
  {
    op: "convolution_kernel_gradient",
    name: "a weight",
    inputs: [f32(N, C, 8, 8), f32(N, K, 4, 4)],
    attributes: { ...same, groups: 1 },
    types: [f32(K, C, 3, 3)],
  },
  {
    op: "matmul",
    name: "linear",
    inputs: [f32(N, C), f32(K, 5)],
    attributes: { transposeLeft: false, transposeRight: true },
    types: [f32(N, K)],
    demands: ["C == 5"],
  },
  {
    op: "max_pool",
    name: "3/2/1",
    inputs: [f32(N, C, H, W)],
    attributes: { ...same, ceil: false },
    types: [f32(N, C, ceilDiv(H, 2), ceilDiv(W, 2)), of("i32", N, C, ceilDiv(H, 2), ceilDiv(W, 2))],
  },
  {
    op: "max_pool_gradient",
    name: "back to the input",
    inputs: [of("i32", N, C, 4, 4), f32(N, C, 4, 4)],
    attributes: { ...same, ceil: false, inputSize: [8, 8] },
    types: [f32(N, C, 8, 8)],
  },
  {
    op: "avg_pool",
    name: "2x2",
    inputs: [f32(N, C, H, 7)],
    attributes: { ...windowOf([2, 2], 2), ceil: false, countPadding: true },
    types: [f32(N, C, floorDiv(H, 2), 3)],
  },
  {
    op: "avg_pool_gradient",
    name: "2x2",
    inputs: [f32(N, C, 3)],
    attributes: { ...windowOf([2], 2), ceil: false, countPadding: true, inputSize: [7] },
    types: [f32(N, C, 7)],
  },
  {
    op: "batch_norm",
    name: "channels",
    inputs: [f32(N, C, H), f32(K), f32(C), f32(C), f32(C)],
    attributes: { eps: 1e-5 },
    types: [f32(N, C, H)],
    demands: ["C == K"],
  },
  { op: "batch_moments", name: "channels", inputs: [f32(N, C, H)], attributes: {}, types: [f32(C), f32(C)] },
  {
    op: "batch_norm_gradient_sums",
    name: "channels",
    inputs: [f32(N, C), f32(N, C), f32(C), f32(C)],
    attributes: { eps: 1e-5 },
    types: [f32(C), f32(C)],
  },
  {
    op: "batch_norm_gradient_input",
    name: "channels",
    inputs: [f32(N, C), f32(N, C), f32(C), f32(C), f32(C), f32(C), f32(C)],
    attributes: { eps: 1e-5 },
    types: [f32(N, C)],
  },
  { op: "softmax", name: "keeps the type", inputs: [f32(N, K)], attributes: { axis: 1 }, types: [f32(N, K)] },
  { op: "log_softmax", name: "keeps the type", inputs: [f32(N, K)], attributes: { axis: 1 }, types: [f32(N, K)] },
  {
    op: "softmax_cross_entropy",
    name: "a loss per sample",
    inputs: [f32(N, K), of("i64", W)],
    attributes: { smoothing: 0.1 },
    types: [f32(N)],
    demands: ["N == W"],
  },
  {
    op: "softmax_cross_entropy_gradient",
    name: "like the logits",
    inputs: [f32(N, K), of("i64", N), f32(N)],
    attributes: { smoothing: 0 },
    types: [f32(N, K)],
  },
  {
    op: "sgd_step",
    name: "parameter and velocity",
    inputs: [f32(C, K), f32(C, K), f32(C, K), f32()],
    attributes: { kind: "sgd", momentum: 0.9, weightDecay: 0, nesterov: false, dampening: 0 },
    types: [f32(C, K), f32(C, K)],
  },
  {
    op: "adam_moments",
    name: "two moments",
    inputs: [f32(C), f32(C), f32(C), f32(C)],
    attributes: { kind: "adam", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 },
    types: [f32(C), f32(C)],
  },
  {
    op: "adam_step",
    name: "the parameter",
    inputs: [f32(C), f32(C), f32(C), f32(), f32()],
    attributes: { kind: "adam", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 },
    types: [f32(C)],
  },
];

const axes = { kind: "axis" } as const;

interface Refusal {
  readonly name: string;
  readonly kind: string;
  readonly message: RegExp;
  readonly run: () => ReturnType<typeof typing>;
}

const refusals: readonly Refusal[] = [
  {
    name: "a weight of another rank",
    kind: "rank",
    message: /weight must have 4 axes, not 3/,
    run: () => typing("convolution", [f32(N, C, H, W), f32(8, C, 3)], { ...same, groups: 1 }),
  },
  {
    name: "a convolution without spatial axes",
    kind: "rank",
    message: /spatial axis/,
    run: () => typing("convolution", [f32(N, C), f32(8, C)], { ...windowOf([]), groups: 1 }),
  },
  {
    name: "a window with too few entries",
    kind: "attribute",
    message: /kernel needs 2 entries, not 1/,
    run: () => typing("max_pool", [f32(N, C, H, W)], { ...windowOf([3]), ceil: false }),
  },
  {
    name: "relu of bool",
    kind: "dtype",
    message: /real numbers, not bool/,
    run: () => typing("unary", [of("bool", N)], { op: "relu" }),
  },
  {
    name: "mixed dtypes",
    kind: "dtype",
    message: /i32 where f32/,
    run: () => typing("binary", [f32(N), of("i32", N)], { op: "add" }),
  },
  { name: "unequal ranks", kind: "rank", message: /axes/, run: () => typing("binary", [f32(N), f32()], { op: "add" }) },
  {
    name: "an axis that is not there",
    ...axes,
    message: /no axis 2/,
    run: () => typing("softmax", [f32(N, K)], { axis: 2 }),
  },
  {
    name: "an axis reduced twice",
    kind: "attribute",
    message: /distinct/,
    run: () => typing("reduce", [f32(N)], { op: "sum", axes: [0, 0] }),
  },
  {
    name: "too few inputs",
    kind: "arity",
    message: /takes 2 inputs, not 1/,
    run: () => typing("matmul", [f32(N, C)], { transposeLeft: false, transposeRight: false }),
  },
  {
    name: "real labels",
    kind: "dtype",
    message: /labels must hold integers/,
    run: () => typing("softmax_cross_entropy", [f32(N, K), f32(N)], { smoothing: 0 }),
  },
  {
    name: "smoothing above 1",
    kind: "attribute",
    message: /between 0 and 1/,
    run: () => typing("softmax_cross_entropy", [f32(N, K), of("i64", N)], { smoothing: 2 }),
  },
  {
    name: "a dilated average",
    kind: "attribute",
    message: /no dilation/,
    run: () => typing("avg_pool", [f32(N, C, H)], { ...windowOf([2], 1, 0, 2), ceil: false, countPadding: true }),
  },
  {
    name: "a permutation that repeats",
    ...axes,
    message: /each axis once/,
    run: () => typing("transpose", [f32(N, C)], { permutation: [0, 0] }),
  },
];

suite("type rules", (test) => {
  for (const each of cases) {
    test(`${each.op}: ${each.name}`, () => {
      const { types, relations, problems } = typing(each.op, each.inputs, each.attributes);
      assert.equal(problems, []);
      assert.equal(types?.map(printType), each.types.map(printType));
      const made = relations.map((relation) =>
        relation.op === "divides"
          ? `${formatDim(relation.divisor)} divides ${formatDim(relation.dividend)}`
          : `${formatDim(relation.left)} ${relation.op} ${formatDim(relation.right)}`,
      );
      for (const demand of each.demands ?? []) assert.ok(made.includes(demand), `${demand} is not among: ${made.join("; ")}`);
      for (const { what } of relations) assert.ok(what.length > 3);
    });
  }

  for (const { name, kind, message, run } of refusals) {
    test(`refused: ${name}`, () => {
      const { types, problems } = run();
      assert.is(types, undefined);
      assert.equal(
        problems.map((problem) => problem.kind),
        [kind],
      );
      assert.match(problems[0]?.message ?? "", message);
    });
  }

  test("each operator has a case", () => {
    const covered = new Set<string>(cases.map(({ op }) => op));
    assert.equal(
      Object.keys(operators).filter((op) => !covered.has(op)),
      [],
    );
  });
});
