/** Kernels that together use every operation and form of the back end, with values to run them on. */
import type { Affine, Coordinate, Expression, Kernel, Operand, ScalarType, Size } from "../../compiler/ir/kernel.ts";
import type { BinaryOp, UnaryOp } from "../../compiler/ir/attributes.ts";
import { along, axesOf, binary, castTo, indexValue, unary } from "../../compiler/operators/kernel-expressions.ts";
import { buildContraction, bufferSizes, type ContractionSpec } from "../wasm/build-contraction.ts";
import { randomStream } from "../wasm/run-entry.ts";
import type { TestBuffer } from "./run-kernels.ts";

export interface KernelCase {
  readonly kernel: Kernel;
  readonly buffers: readonly TestBuffer[];
  readonly batch?: number;
  readonly tolerance?: number;
  /** Only variants of these names; software adapters take seconds to compile one. */
  readonly only?: RegExp;
}

const COUNT = 200;

function at(...indices: readonly Affine[]): readonly Coordinate[] {
  return indices.map((index) => ({ index }));
}

function load(operand: number, where: readonly Coordinate[], fill = 0): Expression {
  return { kind: "load", operand, at: where, fill };
}

function operand(buffer: number, strides: readonly Size[], type: ScalarType = "f32"): Operand {
  return { buffer, type, offset: 0, strides };
}

function filled(size: number, seed: number, type: ScalarType = "f32", low = -4, high = 4): TestBuffer {
  const random = randomStream(seed);
  const data = Float64Array.from({ length: size }, () => {
    const value = low + (high - low) * random();
    return type === "f32" ? Math.fround(value) : Math.floor(value);
  });
  return { type, data };
}

function elementwise(name: string, value: Expression, types: readonly ScalarType[], buffers: readonly TestBuffer[], result: ScalarType): KernelCase {
  const operands = [...types, result].map((type, k) => operand(k, [1], type));
  const stores = [{ operand: types.length, at: at(along(0)), value }];
  const kernel: Kernel = {
    form: "pointwise",
    name,
    serves: ["a.b"],
    operands,
    axes: axesOf([COUNT]),
    lets: [],
    stores,
  };
  return { kernel, buffers: [...buffers, filled(COUNT, 9, result)] };
}

const here = (index: number): Expression => load(index, at(along(0)));

const UNARY: Readonly<Record<Exclude<UnaryOp, "not">, readonly [number, number]>> = {
  negate: [-4, 4],
  exp: [-90, 80],
  log: [0, 50],
  sqrt: [0, 50],
  rsqrt: [0.01, 50],
  reciprocal: [0.1, 9],
  abs: [-4, 4],
  sign: [-4, 4],
  floor: [-9, 9],
  ceil: [-9, 9],
  round: [-9, 9],
  sin: [-60, 60],
  cos: [-60, 60],
  tanh: [-12, 12],
  erf: [-5, 5],
  sigmoid: [-30, 30],
  relu: [-4, 4],
  square: [-4, 4],
  softplus: [-30, 30],
  gelu: [-6, 6],
  silu: [-9, 9],
  log1p: [-0.9, 20],
  expm1: [-9, 9],
};

const BINARY: readonly BinaryOp[] = [
  ...(["add", "subtract", "multiply", "divide", "maximum", "minimum", "equal", "not_equal"] as const),
  ...(["less", "less_equal", "greater", "greater_equal", "and", "or"] as const),
];
const CONDITIONS = new Set<BinaryOp>(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "and", "or"]);

/** One kernel for each operation, on f32 and i32. */
export function operationCases(): KernelCase[] {
  const unaries = Object.entries(UNARY).map(([op, [low, high]]) =>
    elementwise(op, unary(op as UnaryOp, here(0)), ["f32"], [filled(COUNT, 3, "f32", low, high)], "f32"),
  );
  const pairs = (type: ScalarType) => [filled(COUNT, 5, type, 1, 5), filled(COUNT, 6, type, 1, 4)];
  const binaries = BINARY.flatMap((op) =>
    (["f32", "i32"] as const)
      // The evaluation in f64 divides whole numbers as reals.
      .filter((type) => !(type === "i32" && op === "divide"))
      .map((type) => elementwise(`${op}_${type}`, binary(op, here(0), here(1)), [type, type], pairs(type), CONDITIONS.has(op) ? "i32" : type)),
  );
  const infinity: Expression = { kind: "constant", value: Number.NEGATIVE_INFINITY, type: "f32" };
  const random: Expression = { kind: "random", seed: here(0), stream: 7, index: indexValue(along(0, 3, 1)) };
  return [
    ...unaries,
    ...binaries,
    elementwise("power", binary("power", here(0), here(1)), ["f32", "f32"], [filled(COUNT, 1, "f32", 0.01, 5), filled(COUNT, 2)], "f32"),
    elementwise("not", unary("not", castTo("i32", here(0))), ["f32"], [filled(COUNT, 4)], "i32"),
    elementwise("infinity", binary("maximum", infinity, here(0)), ["f32"], [filled(COUNT, 4)], "f32"),
    elementwise("random", random, ["i32"], [filled(COUNT, 4, "i32", -1e9, 1e9)], "f32"),
  ];
}

/** Bounds, gathers, folded grids, reductions short and long, ordered sums. */
export function formCases(): KernelCase[] {
  const bounded: Coordinate = { index: along(0, 1, -3), bound: { extent: 40, divisor: 2 } };
  const gathered: Coordinate = { index: along(0), dynamic: load(1, at(along(0))) };
  const store = (index: number, value: Expression) => ({ operand: index, at: at(along(0)), value });
  const pointwise = (name: string, count: number, operands: readonly Operand[], stores: Kernel["stores"]): Kernel => ({
    form: "pointwise",
    name,
    serves: [],
    operands,
    axes: axesOf([count]),
    lets: [],
    stores,
  });
  const line = (buffer: number, type: ScalarType = "f32") => operand(buffer, [1], type);
  return [
    {
      kernel: pointwise("bounded", 100, [line(0), line(1)], [store(1, load(0, [bounded], -1))]),
      buffers: [filled(40, 1), filled(100, 2)],
    },
    {
      kernel: pointwise("gather", 60, [line(0), line(1, "i32"), line(2)], [store(2, load(0, [gathered]))]),
      buffers: [filled(20, 1), filled(60, 2, "i32", 0, 20), filled(60, 3)],
    },
    { kernel: scatter(), buffers: [filled(8, 1), filled(40, 2), filled(40, 3, "i32", 0, 8)] },
    {
      kernel: pointwise("large", 5_000_000, [operand(0, [0]), line(1)], [store(1, binary("add", here(0), castTo("f32", indexValue(along(0)))))]),
      buffers: [filled(1, 1), filled(5_000_000, 2)],
    },
    reduction("rows", 7, 300, [300, 1]),
    reduction("columns", 24, 513, [1, 24]),
    reduction("short", 50, 9, [9, 1]),
  ];
}

function scatter(): Kernel {
  const to: Coordinate = { index: along(0), dynamic: load(2, at(along(0))) };
  return {
    form: "sequential",
    name: "scatter",
    serves: [],
    axes: axesOf([40]),
    lets: [],
    operands: [operand(0, [1]), operand(1, [1]), operand(2, [1], "i32")],
    stores: [{ operand: 0, at: [to], value: load(1, at(along(0))), accumulate: true }],
  };
}

function reduction(name: string, outer: number, inner: number, strides: readonly number[]): KernelCase {
  const value = load(0, at(along(0), along(1)));
  const types = ["f32", "f32", "f32", "i32"] as const;
  const kernel: Kernel = {
    form: "reduction",
    name,
    serves: [],
    axes: axesOf([outer]),
    reduced: axesOf([inner], "r"),
    lets: [],
    operands: [operand(0, strides), ...types.map((type, k) => operand(1 + k, [1, 0], type)).map((each) => ({ ...each, strides: [1] }))],
    accumulators: [
      { combine: "sum", value },
      { combine: "max", value },
      { combine: "min", value: unary("square", value) },
      { combine: "max", value, position: true },
    ],
    stores: types.map((_, index) => ({ operand: 1 + index, at: at(along(0)), value: { kind: "accumulator", index } })),
  };
  return {
    kernel,
    buffers: [filled(outer * inner, 8), ...types.map((type) => filled(outer, 2, type))],
    tolerance: 1e-5,
  };
}

const WINDOW = [
  { input: 9, taps: 3, padding: 1 },
  { input: 7, taps: 3, padding: 1, stride: 2 },
] as const;

const SQUARE = [
  { input: 8, taps: 3, padding: 1 },
  { input: 8, taps: 3, padding: 1 },
] as const;

/** Tiles that the result does not fill, a padding of all that a filter reaches and one of nothing. */
const UNEVEN = [
  { input: 9, taps: 3, padding: 2 },
  { input: 7, taps: 3, padding: 0 },
] as const;

const FILTERED: readonly ContractionSpec[] = [
  { result: "output", batch: { batch: 2 }, inputChannels: 36, outputChannels: 32, window: UNEVEN, residual: true, prologue: true },
  { result: "input", batch: { batch: 1 }, inputChannels: 40, outputChannels: 32, window: UNEVEN, prologue: true },
];

const CONTRACTIONS: readonly ContractionSpec[] = [
  // By fours everywhere, a tap for each tile of the depth.
  { result: "output", batch: { batch: 1 }, inputChannels: 32, outputChannels: 64, window: SQUARE, residual: true, prologue: true },
  { result: "input", batch: { batch: 1 }, inputChannels: 32, outputChannels: 64, window: SQUARE, residual: true, prologue: true },
  { result: "kernel", batch: { batch: 1 }, inputChannels: 32, outputChannels: 64, window: SQUARE, residual: true, prologue: true },
  // A depth so long that few rows are summed in shares.
  { result: "output", batch: { batch: 1 }, inputChannels: 460, outputChannels: 40, window: [{ input: 4, taps: 9, padding: 4 }], residual: true },
  // One row, as at batch 1.
  { result: "output", batch: 1, inputChannels: 530, outputChannels: 40, window: [], residual: true },
  {
    result: "output",
    batch: { batch: 1 },
    inputChannels: 5,
    outputChannels: 35,
    window: WINDOW,
    residual: true,
    prologue: true,
  },
  { result: "input", batch: { batch: 1 }, inputChannels: 12, outputChannels: 9, window: WINDOW, residual: true },
  { result: "kernel", batch: { batch: 1 }, inputChannels: 11, outputChannels: 40, window: WINDOW, residual: true },
  { result: "output", batch: { batch: 40 }, groups: 2, inputChannels: 20, outputChannels: 50, window: [] },
  {
    result: "output",
    batch: 2,
    groups: 6,
    inputChannels: 1,
    outputChannels: 1,
    window: [{ input: 12, taps: 3, dilation: 2, padding: 2 }],
  },
  {
    result: "input",
    batch: 2,
    groups: 3,
    inputChannels: 2,
    outputChannels: 4,
    window: [{ input: 12, taps: 3, stride: 2, padding: 1 }],
    prologue: true,
  },
  {
    result: "kernel",
    batch: { batch: 2 },
    groups: 3,
    inputChannels: 2,
    outputChannels: 4,
    window: [{ input: 12, taps: 3, padding: 1 }],
  },
];

/** Contractions: tiles with remainders, minimal filtering, groups, strides, prologues, and those that are summed without tiles. */
export function contractionCases(): KernelCase[] {
  const filtered = FILTERED.map((spec) => ({ ...contractionCase(spec, 3, 20), only: /^winograd/ }));
  const others = CONTRACTIONS.map((spec) => ({ ...contractionCase(spec, 3, 20), only: /^(?!winograd)/ }));
  return [...others, ...filtered];
}

/** Of many workgroups, pointwise and by tiles. */
export function foldedCases(): KernelCase[] {
  const value = binary("add", here(0), castTo("f32", indexValue(along(0))));
  const many = elementwise("many", value, ["f32"], [filled(COUNT, 4)], "f32");
  const contraction: ContractionSpec = { result: "output", batch: { batch: 1 }, groups: 2, inputChannels: 8, outputChannels: 36, window: WINDOW };
  return [many, contractionCase(contraction, 5, 30)];
}

function contractionCase(spec: ContractionSpec, batch: number, seed: number): KernelCase {
  const sizes = bufferSizes(spec, batch);
  const buffers = Array.from({ length: 8 }, (_, id) => filled(sizes[id] ?? 1, seed + id, "f32", -1, 1));
  return { kernel: buildContraction(spec), buffers, batch, tolerance: 2e-5 };
}

/** Contractions of every result with drawn sizes: few and many, primes and multiples of four and sixteen. */
export function drawnContractionCases(seed: number, count: number): KernelCase[] {
  const random = randomStream(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] ?? (choices[0] as T);
  return Array.from({ length: count }, (_, k): KernelCase => {
    const result = (["output", "input", "kernel"] as const)[k % 3] ?? "output";
    const axes = pick([0, 1, 2, 2]);
    const window = Array.from({ length: axes }, () => {
      const [taps, dilation] = [pick([1, 2, 3, 5]), pick([1, 1, 2])];
      const input = Math.max(pick([5, 7, 8, 11]), dilation * (taps - 1) + 1);
      return { input, taps, dilation, stride: pick([1, 1, 2, 3]), padding: pick([0, 1, Math.floor(taps / 2)]) };
    });
    const groups = pick([1, 1, 1, 2]);
    const channels = [1, 3, 4, 8, 13, 16, 20, 32, 48];
    const spec: ContractionSpec = {
      result,
      batch: pick([{ batch: 1 }, { batch: 2 }]),
      groups,
      inputChannels: pick(channels),
      outputChannels: pick([8, 12, 16, 17, 36, 64]),
      window,
      residual: random() < 0.5,
      prologue: random() < 0.4,
    };
    return contractionCase(spec, pick([1, 2, 5]), seed + k);
  });
}
