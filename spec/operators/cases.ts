/**
 * Known numbers: for each operator inputs, attributes and the outputs that a hand computation or a closed form gives.
 * Invariant: no expected number was produced by the code under test.
 */
import type { Attributes, OpName } from "../../compiler/ir/attributes.ts";
import { nested, ramp, type TypedTensor } from "./run-operator.ts";

interface CaseOf<K extends OpName> {
  readonly op: K;
  readonly name: string;
  readonly inputs: readonly TypedTensor[];
  readonly attributes: Attributes[K];
  /** Nested lists, one for each output. */
  readonly expected: readonly unknown[];
}

export type OperatorCase = { readonly [K in OpName]: CaseOf<K> }[OpName];

/** Undilated window of one or more axes. */
export function windowOf(kernel: number[], stride = 1, padding = 0, dilation = 1) {
  const each = (value: number): number[] => kernel.map(() => value);
  return { kernel, stride: each(stride), padding: each(padding), dilation: each(dilation) };
}

const unaryCases: OperatorCase[] = (
  [
    ["negate", [2, -3], [-2, 3]],
    ["exp", [0, Math.LN2], [1, 2]],
    ["log", [1, Math.E], [0, 1]],
    ["sqrt", [4, 2.25], [2, 1.5]],
    ["rsqrt", [4, 0.25], [0.5, 2]],
    ["reciprocal", [4, -0.5], [0.25, -2]],
    ["abs", [-3, 2], [3, 2]],
    ["sign", [-3, 0, 2], [-1, 0, 1]],
    ["floor", [1.5, -1.5], [1, -2]],
    ["ceil", [1.5, -1.5], [2, -1]],
    ["round", [0.5, 1.5, 2.5, -0.5, -1.5, 2.4], [0, 2, 2, 0, -2, 2]],
    ["sin", [Math.PI / 6, 0], [0.5, 0]],
    ["cos", [Math.PI / 3, 0], [0.5, 1]],
    ["tanh", [Math.log(3) / 2, 0], [0.5, 0]],
    // Abramowitz and Stegun, table 7.1.
    ["erf", [0.5, 1, -2, 3, 0], [0.5204998778, 0.8427007929, -0.995322265, 0.9999779095, 0]],
    ["sigmoid", [0, Math.log(3), -Math.log(3), -800], [0.5, 0.75, 0.25, 0]],
    ["relu", [-1, 0, 2], [0, 0, 2]],
    ["square", [-3, 0.5], [9, 0.25]],
    ["softplus", [0, 800, -800], [Math.LN2, 800, 0]],
    // x * Phi(x); Phi(1) = 0.8413447461.
    ["gelu", [1, -1, 0], [0.8413447461, -0.1586552539, 0]],
    ["silu", [0, Math.log(3)], [0, 0.75 * Math.log(3)]],
    ["log1p", [0, 1e-12], [0, 1e-12]],
    ["expm1", [0, 1e-12], [0, 1e-12]],
  ] as const
).map(([op, x, y]) => ({ op: "unary", name: op, inputs: [nested([...x])], attributes: { op }, expected: [[...y]] }));

const binaryCases: OperatorCase[] = (
  [
    ["add", [1, 2], [3, -5], [4, -3]],
    ["subtract", [1, 2], [3, -5], [-2, 7]],
    ["multiply", [1, 2], [3, -5], [3, -10]],
    ["divide", [1, 2], [4, -5], [0.25, -0.4]],
    ["maximum", [1, 2], [3, -5], [3, 2]],
    ["minimum", [1, 2], [3, -5], [1, -5]],
    ["power", [2, 9], [3, 0.5], [8, 3]],
    ["equal", [1, 2], [1, 3], [1, 0]],
    ["not_equal", [1, 2], [1, 3], [0, 1]],
    ["less", [1, 2, 3], [1, 3, 2], [0, 1, 0]],
    ["less_equal", [1, 2, 3], [1, 3, 2], [1, 1, 0]],
    ["greater", [1, 2, 3], [1, 3, 2], [0, 0, 1]],
    ["greater_equal", [1, 2, 3], [1, 3, 2], [1, 0, 1]],
  ] as const
).map(([op, a, b, y]) => ({
  op: "binary",
  name: op,
  inputs: [nested([...a]), nested([...b])],
  attributes: { op },
  expected: [[...y]],
}));

const logicalCases: OperatorCase[] = [
  { op: "unary", name: "not", inputs: [nested([0, 1], "bool")], attributes: { op: "not" }, expected: [[1, 0]] },
  {
    op: "binary",
    name: "and",
    inputs: [nested([0, 0, 1, 1], "bool"), nested([0, 1, 0, 1], "bool")],
    attributes: { op: "and" },
    expected: [[0, 0, 0, 1]],
  },
  {
    op: "binary",
    name: "or",
    inputs: [nested([0, 0, 1, 1], "bool"), nested([0, 1, 0, 1], "bool")],
    attributes: { op: "or" },
    expected: [[0, 1, 1, 1]],
  },
  {
    op: "binary",
    name: "divide integers",
    inputs: [nested([7, -7, 6], "i32"), nested([2, 2, 3], "i32")],
    attributes: { op: "divide" },
    expected: [[3, -3, 2]],
  },
  {
    op: "select",
    name: "by a condition",
    inputs: [nested([1, 0], "bool"), nested([10, 20]), nested([30, 40])],
    attributes: {},
    expected: [[10, 40]],
  },
  {
    op: "cast",
    name: "real to integer",
    inputs: [nested([1.9, -1.9])],
    attributes: { dtype: "i32" },
    expected: [[1, -1]],
  },
  { op: "cast", name: "real to bool", inputs: [nested([0, -0.5])], attributes: { dtype: "bool" }, expected: [[0, 1]] },
  {
    op: "cast",
    name: "bool to real",
    inputs: [nested([0, 1], "bool")],
    attributes: { dtype: "f32" },
    expected: [[0, 1]],
  },
  { op: "stop_gradient", name: "identity", inputs: [nested([1, 2])], attributes: {}, expected: [[1, 2]] },
];

const sourceCases: OperatorCase[] = [
  {
    op: "constant",
    name: "filled",
    inputs: [],
    attributes: { value: 2.5, dtype: "f32", shape: [2, 1] },
    expected: [[[2.5], [2.5]]],
  },
  { op: "size", name: "of a constant", inputs: [], attributes: { value: 12, dtype: "f32" }, expected: [12] },
  {
    op: "iota",
    name: "along the last axis",
    inputs: [],
    attributes: { shape: [2, 3], axis: 1, dtype: "i32" },
    expected: [
      [
        [0, 1, 2],
        [0, 1, 2],
      ],
    ],
  },
  {
    op: "iota",
    name: "along the first axis, real",
    inputs: [],
    attributes: { shape: [2, 3], axis: 0, dtype: "f32" },
    expected: [
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
    ],
  },
];

const movementCases: OperatorCase[] = [
  {
    op: "broadcast",
    name: "channels and size 1",
    inputs: [nested([[1], [2]])],
    attributes: { shape: [2, 2, 3], axes: [1, 2] },
    expected: [
      [
        [
          [1, 1, 1],
          [2, 2, 2],
        ],
        [
          [1, 1, 1],
          [2, 2, 2],
        ],
      ],
    ],
  },
  { op: "broadcast", name: "a scalar", inputs: [nested(7)], attributes: { shape: [2], axes: [] }, expected: [[7, 7]] },
  {
    op: "reshape",
    name: "row-major",
    inputs: [ramp([2, 3])],
    attributes: { shape: [3, 2] },
    expected: [
      [
        [0, 1],
        [2, 3],
        [4, 5],
      ],
    ],
  },
  {
    op: "transpose",
    name: "three axes in a cycle",
    inputs: [ramp([1, 2, 3])],
    attributes: { permutation: [2, 0, 1] },
    expected: [[[[0, 3]], [[1, 4]], [[2, 5]]]],
  },
  {
    op: "slice",
    name: "every second from 1",
    inputs: [ramp([2, 6])],
    attributes: { start: [1, 1], step: [1, 2], size: [1, 3] },
    expected: [[[7, 9, 11]]],
  },
  {
    op: "pad",
    name: "around and between",
    inputs: [nested([1, 2, 3])],
    attributes: { before: [1], after: [2], interior: [1], value: -1 },
    expected: [[-1, 1, -1, 2, -1, 3, -1, -1]],
  },
  {
    op: "concat",
    name: "columns",
    inputs: [
      nested([[1], [2]]),
      nested([
        [3, 4],
        [5, 6],
      ]),
      nested([[7], [8]]),
    ],
    attributes: { axis: 1 },
    expected: [
      [
        [1, 3, 4, 7],
        [2, 5, 6, 8],
      ],
    ],
  },
  {
    op: "gather",
    name: "rows, one of them missing",
    inputs: [
      nested([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      nested(
        [
          [2, 0],
          [2, 3],
        ],
        "i64",
      ),
    ],
    attributes: {},
    expected: [
      [
        [
          [5, 6],
          [1, 2],
        ],
        [
          [5, 6],
          [0, 0],
        ],
      ],
    ],
  },
  {
    op: "scatter_add",
    name: "rows that meet",
    inputs: [
      nested([2, 0, 2], "i64"),
      nested([
        [1, 2],
        [3, 4],
        [10, 20],
      ]),
    ],
    attributes: { size: 3 },
    expected: [
      [
        [3, 4],
        [0, 0],
        [11, 22],
      ],
    ],
  },
];

const reduceCases: OperatorCase[] = [
  {
    op: "reduce",
    name: "sum of columns",
    inputs: [ramp([2, 3])],
    attributes: { op: "sum", axes: [0] },
    expected: [[3, 5, 7]],
  },
  {
    op: "reduce",
    name: "mean of all",
    inputs: [ramp([2, 3])],
    attributes: { op: "mean", axes: [1, 0] },
    expected: [2.5],
  },
  {
    op: "reduce",
    name: "max of outer and inner",
    inputs: [ramp([2, 3, 2], -20)],
    attributes: { op: "max", axes: [0, 2] },
    expected: [[-13, -11, -9]],
  },
  {
    op: "reduce",
    name: "min of rows",
    inputs: [ramp([2, 3])],
    attributes: { op: "min", axes: [1] },
    expected: [[0, 3]],
  },
  { op: "reduce", name: "product", inputs: [ramp([4], 1)], attributes: { op: "prod", axes: [0] }, expected: [24] },
  {
    op: "argmax",
    name: "the first of equals",
    inputs: [
      nested([
        [1, 5, 5],
        [7, 2, 3],
      ]),
    ],
    attributes: { axis: 1 },
    expected: [[1, 0]],
  },
];

const contractionCases: OperatorCase[] = [
  {
    op: "convolution",
    name: "3x3 ones over a ramp, padded",
    // Each result is the sum of the neighbours that exist.
    inputs: [ramp([1, 1, 3, 3], 1), ramp([1, 1, 3, 3], 1, 0)],
    attributes: { ...windowOf([3, 3], 1, 1), groups: 1 },
    expected: [
      [
        [
          [
            [12, 21, 16],
            [27, 45, 33],
            [24, 39, 28],
          ],
        ],
      ],
    ],
  },
  {
    op: "convolution",
    name: "1-D, stride 2, dilation 2, two groups",
    inputs: [
      nested([
        [
          [1, 2, 3, 4, 5],
          [10, 20, 30, 40, 50],
        ],
      ]),
      nested([[[1, -1]], [[2, 1]]]),
    ],
    attributes: { ...windowOf([2], 2, 0, 2), groups: 2 },
    expected: [
      [
        [
          [1 - 3, 3 - 5],
          [2 * 10 + 30, 2 * 30 + 50],
        ],
      ],
    ],
  },
  {
    op: "convolution",
    name: "3-D, 1x1x1 mixes channels",
    inputs: [ramp([1, 2, 1, 2, 2], 1), nested([[[[[10]]], [[[1]]]]])],
    attributes: { ...windowOf([1, 1, 1]), groups: 1 },
    expected: [
      [
        [
          [
            [
              [15, 26],
              [37, 48],
            ],
          ],
        ],
      ],
    ],
  },
  {
    op: "convolution_input_gradient",
    name: "each output hands its weight back",
    inputs: [nested([[[1, 10]]]), nested([[[1, 2, 3]]])],
    attributes: { ...windowOf([3], 2, 1), groups: 1, inputSize: [4] },
    // Outputs sit at inputs 0 and 2: taps -1, 0, 1 of each.
    expected: [[[[2, 3 + 10, 20, 30]]]],
  },
  {
    op: "convolution_kernel_gradient",
    name: "inputs under each tap",
    inputs: [nested([[[1, 2, 3, 4]]]), nested([[[1, 10]]])],
    attributes: { ...windowOf([3], 2, 1), groups: 1 },
    expected: [[[[20, 1 + 30, 2 + 40]]]],
  },
  {
    op: "matmul",
    name: "2x3 by 3x2",
    inputs: [ramp([2, 3], 1), ramp([3, 2], 1)],
    attributes: { transposeLeft: false, transposeRight: false },
    expected: [
      [
        [22, 28],
        [49, 64],
      ],
    ],
  },
  {
    op: "matmul",
    name: "both stored transposed",
    inputs: [
      nested([
        [1, 4],
        [2, 5],
        [3, 6],
      ]),
      nested([
        [1, 3, 5],
        [2, 4, 6],
      ]),
    ],
    attributes: { transposeLeft: true, transposeRight: true },
    expected: [
      [
        [22, 28],
        [49, 64],
      ],
    ],
  },
  {
    op: "matmul",
    name: "stacked",
    inputs: [
      nested([[[1, 2]], [[3, 4]]]),
      nested([
        [[1], [1]],
        [[10], [1]],
      ]),
    ],
    attributes: { transposeLeft: false, transposeRight: false },
    expected: [[[[3]], [[34]]]],
  },
];

const poolCases: OperatorCase[] = [
  {
    op: "max_pool",
    name: "3/2/1, all negative, first of equals",
    inputs: [nested([[[-4, -2, -2, -5, -1]]])],
    attributes: { ...windowOf([3], 2, 1), ceil: false },
    expected: [[[[-2, -2, -1]]], [[[2, 0, 1]]]],
  },
  {
    op: "max_pool",
    name: "2x2",
    inputs: [
      nested([
        [
          [
            [1, 2, 5, 0],
            [3, 4, 0, 9],
          ],
        ],
      ]),
    ],
    attributes: { ...windowOf([2, 2], 2), ceil: false },
    expected: [[[[[4, 9]]]], [[[[3, 3]]]]],
  },
  {
    op: "max_pool",
    name: "ceil, a window over the end",
    inputs: [nested([[[1, 2, 3, 4, 5]]])],
    attributes: { ...windowOf([2], 2), ceil: true },
    expected: [[[[2, 4, 5]]], [[[1, 1, 0]]]],
  },
  {
    op: "max_pool_gradient",
    name: "overlapping windows add up",
    inputs: [nested([[[2, 0, 1]]], "i32"), nested([[[1, 10, 100]]])],
    attributes: { ...windowOf([3], 2, 1), ceil: false, inputSize: [5] },
    // Windows begin at -1, 1, 3.
    expected: [[[[0, 11, 0, 0, 100]]]],
  },
  {
    op: "avg_pool",
    name: "padding counted",
    inputs: [nested([[[3, 6, 9, 12]]])],
    attributes: { ...windowOf([3], 2, 1), ceil: false, countPadding: true },
    expected: [[[[3, 9]]]],
  },
  {
    op: "avg_pool",
    name: "padding not counted",
    inputs: [nested([[[3, 6, 9, 12]]])],
    attributes: { ...windowOf([3], 2, 1), ceil: false, countPadding: false },
    expected: [[[[4.5, 9]]]],
  },
  {
    op: "avg_pool",
    name: "ceil: what hangs over the padded input is not counted",
    inputs: [nested([[[3, 6, 9, 12]]])],
    attributes: { ...windowOf([3], 2, 0), ceil: true, countPadding: true },
    expected: [[[[6, 10.5]]]],
  },
  {
    op: "avg_pool_gradient",
    name: "padding not counted",
    inputs: [nested([[[2, 3]]])],
    attributes: { ...windowOf([3], 2, 1), ceil: false, countPadding: false, inputSize: [4] },
    // The first window holds 2 elements, the second 3.
    expected: [[[[1, 2, 1, 1]]]],
  },
];

const normCases: OperatorCase[] = [
  {
    op: "batch_norm",
    name: "two channels",
    inputs: [
      nested([
        [1, 10],
        [3, 20],
      ]),
      nested([2, 1]),
      nested([5, 0]),
      nested([2, 10]),
      nested([3, 24]),
    ],
    attributes: { eps: 1 },
    expected: [
      [
        [4, 0],
        [6, 2],
      ],
    ],
  },
  {
    op: "batch_moments",
    name: "mean and biased variance",
    inputs: [
      nested([
        [
          [1, 3],
          [100, 100],
        ],
        [
          [5, 7],
          [100, 104],
        ],
      ]),
    ],
    attributes: {},
    expected: [
      [4, 101],
      [5, 3],
    ],
  },
  {
    op: "batch_norm_gradient_sums",
    name: "sums",
    inputs: [nested([[1], [5]]), nested([[2], [10]]), nested([3]), nested([3])],
    attributes: { eps: 1 },
    // xhat = -1, 1.
    expected: [[12], [8]],
  },
  {
    op: "batch_norm_gradient_input",
    name: "the mean and the part along xhat are taken out",
    inputs: [nested([[1], [3], [2], [2]]), nested([[1], [0], [0], [3]]), nested([4]), nested([2]), nested([4]), nested([4]), nested([-0.5])],
    attributes: { eps: 0 },
    // 4/2 * (dy - 1 - xhat * -0.125), xhat = -0.5, 0.5, 0, 0.
    expected: [[[-0.125], [-1.875], [-2], [4]]],
  },
];

const third = Math.log(3);
const softmaxCases: OperatorCase[] = [
  {
    op: "softmax",
    name: "large numbers",
    inputs: [nested([[1000, 1000 + third]])],
    attributes: { axis: 1 },
    expected: [[[0.25, 0.75]]],
  },
  {
    op: "softmax",
    name: "along the first axis",
    inputs: [
      nested([
        [0, third],
        [0, 0],
      ]),
    ],
    attributes: { axis: 0 },
    expected: [
      [
        [0.5, 0.75],
        [0.5, 0.25],
      ],
    ],
  },
  {
    op: "log_softmax",
    name: "two classes",
    inputs: [nested([[0, third]])],
    attributes: { axis: 1 },
    expected: [[[-Math.log(4), third - Math.log(4)]]],
  },
  {
    op: "softmax_cross_entropy",
    name: "without smoothing",
    inputs: [
      nested([
        [0, third],
        [0, third],
      ]),
      nested([0, 1], "i64"),
    ],
    attributes: { smoothing: 0 },
    expected: [[Math.log(4), Math.log(4 / 3)]],
  },
  {
    op: "softmax_cross_entropy",
    name: "with smoothing",
    inputs: [nested([[0, third]]), nested([1], "i64")],
    attributes: { smoothing: 0.2 },
    expected: [[0.9 * Math.log(4 / 3) + 0.1 * Math.log(4)]],
  },
  {
    op: "softmax_cross_entropy_gradient",
    name: "with smoothing",
    inputs: [nested([[0, third]]), nested([1], "i64"), nested([10])],
    attributes: { smoothing: 0.2 },
    expected: [[[10 * (0.25 - 0.1), 10 * (0.75 - 0.9)]]],
  },
];

const sgd = { kind: "sgd", momentum: 0.5, weightDecay: 0, nesterov: false, dampening: 0 } as const;
const adam = { kind: "adam", beta1: 0.5, beta2: 0.75, eps: 0, weightDecay: 0 } as const;

/** By hand, from the formulas of the cited papers. */
const optimizerCases: OperatorCase[] = [
  {
    op: "sgd_step",
    name: "plain, with decay",
    inputs: [nested([1, -2]), nested([4, 8]), nested(0.25)],
    attributes: { ...sgd, momentum: 0, weightDecay: 2 },
    expected: [[1 - 0.25 * 6, -2 - 0.25 * 4]],
  },
  {
    op: "sgd_step",
    name: "with momentum",
    inputs: [nested([1]), nested([4]), nested([2]), nested(0.25)],
    attributes: sgd,
    expected: [[1 - 0.25 * 5], [5]],
  },
  {
    op: "sgd_step",
    name: "after Nesterov",
    inputs: [nested([1]), nested([4]), nested([2]), nested(0.25)],
    attributes: { ...sgd, nesterov: true },
    expected: [[1 - 0.25 * (4 + 0.5 * 5)], [5]],
  },
  {
    op: "sgd_step",
    name: "the first step is not dampened",
    inputs: [nested([1]), nested([4]), nested([0]), nested(0.25), nested(1)],
    attributes: { ...sgd, dampening: 0.75 },
    expected: [[0], [4]],
  },
  {
    op: "sgd_step",
    name: "later steps are dampened",
    inputs: [nested([1]), nested([4]), nested([2]), nested(0.25), nested(2)],
    attributes: { ...sgd, dampening: 0.75 },
    expected: [[1 - 0.25 * 2], [2]],
  },
  {
    op: "adam_moments",
    name: "the first",
    inputs: [nested([1, 1]), nested([4, -0.5]), nested([0, 0]), nested([0, 0])],
    attributes: adam,
    expected: [
      [2, -0.25],
      [4, 0.0625],
    ],
  },
  {
    op: "adam_moments",
    name: "with decay",
    inputs: [nested([2]), nested([3]), nested([0]), nested([0])],
    attributes: { ...adam, weightDecay: 0.5 },
    expected: [[2], [4]],
  },
  {
    op: "adam_moments",
    name: "decay beside them",
    inputs: [nested([2]), nested([3]), nested([0]), nested([0])],
    attributes: { ...adam, kind: "adamw", weightDecay: 0.5 },
    expected: [[1.5], [2.25]],
  },
  {
    op: "adam_step",
    name: "the first step is the rate, whatever the gradient",
    inputs: [nested([1, 1]), nested([2, -0.25]), nested([4, 0.0625]), nested(0.25), nested(1)],
    attributes: adam,
    expected: [[0.75, 1.25]],
  },
  {
    op: "adam_step",
    name: "decay beside the moments",
    inputs: [nested([2]), nested([1.5]), nested([2.25]), nested(0.25), nested(1)],
    attributes: { ...adam, kind: "adamw", weightDecay: 0.5 },
    expected: [[2 - 0.25 * 0.5 * 2 - 0.25]],
  },
];

/** Every case. `random`, ports and kept tensors, which have no closed form here, are tested on their own. */
export const operatorCases: readonly OperatorCase[] = [
  ...unaryCases,
  ...binaryCases,
  ...logicalCases,
  ...sourceCases,
  ...movementCases,
  ...reduceCases,
  ...contractionCases,
  ...poolCases,
  ...normCases,
  ...softmaxCases,
  ...optimizerCases,
];
