/**
 * Inputs on which each operator's gradient is compared with central differences.
 * Invariant: no input lies within 1e-4 of a kink (a zero of relu, a tie of a maximum) unless it is exactly there.
 */
import type { Attributes, OpName, UnaryOp } from "../../compiler/ir/attributes.ts";
import { windowOf } from "../operators/cases.ts";
import { nested, runOperator, scattered, type TypedTensor } from "../operators/run-operator.ts";

interface CaseOf<K extends OpName> {
  readonly op: K;
  readonly name: string;
  readonly inputs: readonly TypedTensor[];
  readonly attributes: Attributes[K];
}

export type GradientCase = { readonly [K in OpName]: CaseOf<K> }[OpName];

/** Numbers in (0.5, 2.5). */
function positive(shape: readonly number[], seed: number): TypedTensor {
  const tensor = scattered(shape, seed);
  return { ...tensor, data: tensor.data.map((value) => value + 1.5) };
}

const needPositive: ReadonlySet<UnaryOp> = new Set<UnaryOp>(["log", "sqrt", "rsqrt", "log1p", "reciprocal"]);
const smooth: readonly UnaryOp[] = [
  "negate",
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "reciprocal",
  "abs",
  "sign",
  "floor",
  "ceil",
  "round",
  "sin",
  "cos",
  "tanh",
  "erf",
  "sigmoid",
  "relu",
  "square",
  "softplus",
  "gelu",
  "silu",
  "log1p",
  "expm1",
];

const unaryCases: GradientCase[] = smooth.map((op) => ({
  op: "unary",
  name: op,
  inputs: [needPositive.has(op) ? positive([7], 1) : scattered([7], 1)],
  attributes: { op },
}));

const binaryCases: GradientCase[] = (["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"] as const).map((op) => ({
  op: "binary",
  name: op,
  inputs: [op === "power" ? positive([5], 1) : scattered([5], 1), positive([5], 2)],
  attributes: { op },
}));

const elementwiseCases: GradientCase[] = [
  ...unaryCases,
  ...binaryCases,
  {
    op: "select",
    name: "both sides",
    inputs: [nested([1, 0, 1], "bool"), scattered([3], 1), scattered([3], 2)],
    attributes: {},
  },
  { op: "cast", name: "real to half", inputs: [scattered([3], 1)], attributes: { dtype: "f16" } },
];

const movementCases: GradientCase[] = [
  { op: "broadcast", name: "new axes", inputs: [scattered([3], 1)], attributes: { shape: [2, 3, 2], axes: [1] } },
  {
    op: "broadcast",
    name: "size 1",
    inputs: [scattered([1, 3, 1], 1)],
    attributes: { shape: [2, 2, 3, 4], axes: [1, 2, 3] },
  },
  { op: "reshape", name: "flat", inputs: [scattered([2, 3], 1)], attributes: { shape: [6] } },
  { op: "transpose", name: "cycle", inputs: [scattered([2, 3, 2], 1)], attributes: { permutation: [2, 0, 1] } },
  {
    op: "slice",
    name: "strided, with a rest",
    inputs: [scattered([3, 8], 1)],
    attributes: { start: [1, 1], step: [1, 3], size: [2, 2] },
  },
  {
    op: "pad",
    name: "around and between",
    inputs: [scattered([2, 3], 1)],
    attributes: { before: [1, 0], after: [0, 2], interior: [0, 2], value: 3 },
  },
  {
    op: "concat",
    name: "three",
    inputs: [scattered([2, 1], 1), scattered([2, 3], 2), scattered([2, 2], 3)],
    attributes: { axis: 1 },
  },
  {
    op: "gather",
    name: "twice the same row",
    inputs: [scattered([3, 2], 1), nested([2, 0, 2], "i64")],
    attributes: {},
  },
  {
    op: "scatter_add",
    name: "twice the same row",
    inputs: [nested([2, 0, 2], "i64"), scattered([3, 2], 1)],
    attributes: { size: 3 },
  },
];

const zeros = nested([
  [1.5, 0, 2],
  [0, 3, 0],
  [0.5, 2, -1],
]);
const reduceCases: GradientCase[] = [
  { op: "reduce", name: "sum", inputs: [scattered([2, 3, 2], 1)], attributes: { op: "sum", axes: [2, 0] } },
  { op: "reduce", name: "mean", inputs: [scattered([2, 3, 2], 1)], attributes: { op: "mean", axes: [1] } },
  { op: "reduce", name: "max", inputs: [scattered([2, 5], 1)], attributes: { op: "max", axes: [1] } },
  { op: "reduce", name: "min", inputs: [scattered([2, 5], 1)], attributes: { op: "min", axes: [0] } },
  { op: "reduce", name: "prod", inputs: [scattered([3, 3], 1)], attributes: { op: "prod", axes: [1] } },
  { op: "reduce", name: "prod with zeros", inputs: [zeros], attributes: { op: "prod", axes: [1] } },
];

interface Geometry {
  readonly name: string;
  readonly x: number[];
  readonly outputs: number;
  readonly groups: number;
  readonly window: ReturnType<typeof windowOf>;
}

const geometries: readonly Geometry[] = [
  { name: "3x3 padded", x: [2, 2, 4, 3], outputs: 2, groups: 1, window: windowOf([3, 3], 1, 1) },
  { name: "stride 2 with a rest", x: [1, 2, 6, 6], outputs: 2, groups: 1, window: windowOf([3, 3], 2, 1) },
  { name: "dilated", x: [1, 1, 6, 5], outputs: 2, groups: 1, window: windowOf([2, 2], 1, 1, 2) },
  { name: "two groups", x: [1, 4, 3, 3], outputs: 4, groups: 2, window: windowOf([2, 2]) },
  { name: "1-D, stride 3", x: [2, 2, 8], outputs: 2, groups: 1, window: windowOf([3], 3, 2) },
  { name: "3-D", x: [1, 2, 3, 3, 2], outputs: 2, groups: 2, window: windowOf([2, 3, 1], 2, 1) },
];

const convolutionCases: GradientCase[] = geometries.flatMap(({ name, x, outputs, groups, window }): GradientCase[] => {
  const attributes = { ...window, groups };
  const image = scattered(x, 1);
  const weight = scattered([outputs, (x[1] ?? 1) / groups, ...window.kernel], 2);
  const dy = scattered(runOperator("convolution", [image, weight], attributes)[0]?.shape ?? [], 3);
  return [
    { op: "convolution", name, inputs: [image, weight], attributes },
    {
      op: "convolution_input_gradient",
      name,
      inputs: [dy, weight],
      attributes: { ...attributes, inputSize: x.slice(2) },
    },
    { op: "convolution_kernel_gradient", name, inputs: [image, dy], attributes },
  ];
});

const flags = [false, true];
const matmulCases: GradientCase[] = flags.flatMap((transposeLeft) =>
  flags.flatMap((transposeRight): GradientCase[] => {
    const left = transposeLeft ? [3, 2] : [2, 3];
    const right = transposeRight ? [4, 3] : [3, 4];
    const name = `${transposeLeft ? "T" : "N"}${transposeRight ? "T" : "N"}`;
    const attributes = { transposeLeft, transposeRight };
    return [
      { op: "matmul", name, inputs: [scattered(left, 1), scattered(right, 2)], attributes },
      {
        op: "matmul",
        name: `stacked ${name}`,
        inputs: [scattered([2, ...left], 1), scattered([2, ...right], 2)],
        attributes,
      },
    ];
  }),
);

const poolCases: GradientCase[] = [
  {
    op: "max_pool",
    name: "3/2/1",
    inputs: [scattered([1, 2, 5, 6], 1)],
    attributes: { ...windowOf([3, 3], 2, 1), ceil: false },
  },
  {
    op: "max_pool",
    name: "1-D, ceil",
    inputs: [scattered([2, 1, 7], 1)],
    attributes: { ...windowOf([2], 2), ceil: true },
  },
  {
    op: "avg_pool",
    name: "padding counted",
    inputs: [scattered([1, 2, 5, 4], 1)],
    attributes: { ...windowOf([3, 3], 2, 1), ceil: true, countPadding: true },
  },
  {
    op: "avg_pool",
    name: "3-D, padding not counted",
    inputs: [scattered([1, 1, 3, 4, 3], 1)],
    attributes: { ...windowOf([2, 3, 2], 2, 1), ceil: false, countPadding: false },
  },
  {
    op: "avg_pool_gradient",
    name: "padding not counted",
    inputs: [scattered([1, 2, 3], 1)],
    attributes: { ...windowOf([3], 2, 1), ceil: false, countPadding: false, inputSize: [5] },
  },
];

const compositeCases: GradientCase[] = [
  {
    op: "batch_norm",
    name: "given statistics",
    inputs: [scattered([2, 3, 2, 2], 1), scattered([3], 2), scattered([3], 3), scattered([3], 4), positive([3], 5)],
    attributes: { eps: 1e-3 },
  },
  { op: "batch_moments", name: "4 axes", inputs: [scattered([2, 3, 2, 2], 1)], attributes: {} },
  { op: "softmax", name: "middle axis", inputs: [scattered([2, 3, 2], 1)], attributes: { axis: 1 } },
  { op: "log_softmax", name: "last axis", inputs: [scattered([2, 3], 1)], attributes: { axis: 1 } },
  {
    op: "softmax_cross_entropy",
    name: "smoothed",
    inputs: [scattered([3, 4], 1), nested([0, 3, 1], "i64")],
    attributes: { smoothing: 0.1 },
  },
];

/** Every case. */
export const gradientCases: readonly GradientCase[] = [
  ...elementwiseCases,
  ...movementCases,
  ...reduceCases,
  ...convolutionCases,
  ...matmulCases,
  ...poolCases,
  ...compositeCases,
];
