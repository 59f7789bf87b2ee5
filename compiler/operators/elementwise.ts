/**
 * Elementwise operators: tables of gradients around one type rule, one lowering and one reference each.
 * Invariant: operands have equal shapes; broadcasting is an operator of its own.
 */
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import type { Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/type.ts";
import { apply, constantLike, map, minus, over, plus, times, where } from "./gradient-arithmetic.ts";
import { axesOf, binary as both, castTo, choose, everyAxis, literal, scalarTypeOf, unary as one } from "./kernel-expressions.ts";
import type { Emitter, LowerContext, Operator } from "./operator.ts";
import { at, inputAt, tensorOf } from "./row-major.ts";
import { binaryFunctions, integerDivide, unaryFunctions } from "./scalar-functions.ts";
import { expectFloat, expectInputs, expectSameDtype, expectSameShape, isFloat } from "./type-rules.ts";

type UnaryGradient = (e: Emitter, dy: Value, x: Value, y: Value) => Value;

const flat = undefined;

/** dx from dy; `y` is used where it serves as well as `x`, since it is what later layers keep. */
const unaryGradients: { readonly [K in UnaryOp]: UnaryGradient | undefined } = {
  negate: (e, dy) => map(e, "negate", dy),
  exp: (e, dy, _x, y) => times(e, dy, y),
  log: (e, dy, x) => over(e, dy, x),
  sqrt: (e, dy, _x, y) => over(e, times(e, dy, 0.5), y),
  rsqrt: (e, dy, _x, y) => times(e, times(e, dy, -0.5), times(e, y, map(e, "square", y))),
  reciprocal: (e, dy, _x, y) => map(e, "negate", times(e, dy, map(e, "square", y))),
  abs: (e, dy, x) => times(e, dy, map(e, "sign", x)),
  sign: flat,
  floor: flat,
  ceil: flat,
  round: flat,
  sin: (e, dy, x) => times(e, dy, map(e, "cos", x)),
  cos: (e, dy, x) => map(e, "negate", times(e, dy, map(e, "sin", x))),
  tanh: (e, dy, _x, y) => minus(e, dy, times(e, dy, map(e, "square", y))),
  erf: (e, dy, x) => times(e, times(e, dy, 2 / Math.sqrt(Math.PI)), bell(e, x, 1)),
  sigmoid: (e, dy, _x, y) => times(e, dy, minus(e, y, map(e, "square", y))),
  relu: (e, dy, _x, y) => where(e, apply(e, "greater", y, 0), dy, 0),
  square: (e, dy, x) => times(e, dy, times(e, x, 2)),
  softplus: (e, dy, x) => times(e, dy, map(e, "sigmoid", x)),
  gelu(e, dy, x) {
    const half = times(e, plus(e, map(e, "erf", times(e, x, Math.SQRT1_2)), 1), 0.5);
    return times(e, dy, plus(e, half, times(e, times(e, x, 1 / Math.sqrt(2 * Math.PI)), bell(e, x, 0.5))));
  },
  silu(e, dy, x, y) {
    const s = map(e, "sigmoid", x);
    return times(e, dy, plus(e, s, minus(e, y, times(e, y, s))));
  },
  log1p: (e, dy, x) => over(e, dy, plus(e, x, 1)),
  expm1: (e, dy, _x, y) => times(e, dy, plus(e, y, 1)),
  not: flat,
};

/** exp(-scale * x²) */
function bell(e: Emitter, x: Value, scale: number): Value {
  return map(e, "exp", times(e, map(e, "square", x), -scale));
}

type BinaryGradient = (e: Emitter, dy: Value, a: Value, b: Value, y: Value) => readonly [Value, Value];

const binaryGradients: { readonly [K in BinaryOp]: BinaryGradient | undefined } = {
  add: (_e, dy) => [dy, dy],
  subtract: (e, dy) => [dy, map(e, "negate", dy)],
  multiply: (e, dy, a, b) => [times(e, dy, b), times(e, dy, a)],
  divide: (e, dy, _a, b, y) => [over(e, dy, b), map(e, "negate", over(e, times(e, dy, y), b))],
  maximum: (e, dy, a, b) => extremeGradient(e, dy, a, b, "greater"),
  minimum: (e, dy, a, b) => extremeGradient(e, dy, a, b, "less"),
  power(e, dy, a, b, y) {
    const positive = apply(e, "greater", a, 0);
    const logarithm = map(e, "log", where(e, positive, a, 1));
    const slope = times(e, b, apply(e, "power", a, minus(e, b, 1)));
    return [times(e, dy, where(e, apply(e, "equal", b, 0), times(e, b, 0), slope)), times(e, times(e, dy, y), logarithm)];
  },
  equal: flat,
  not_equal: flat,
  less: flat,
  less_equal: flat,
  greater: flat,
  greater_equal: flat,
  and: flat,
  or: flat,
};

/** Where both are equal each takes half, as in PyTorch. */
function extremeGradient(e: Emitter, dy: Value, a: Value, b: Value, wins: "greater" | "less"): readonly [Value, Value] {
  const tie = apply(e, "equal", a, b);
  const half = times(e, dy, 0.5);
  const first = where(e, apply(e, wins, a, b), dy, 0);
  const second = where(e, apply(e, wins, b, a), dy, 0);
  return [where(e, tie, half, first), where(e, tie, half, second)];
}

/** Those left out are exported as what they are made of. */
const unaryOnnx: { readonly [K in UnaryOp]?: string } = {
  negate: "Neg",
  exp: "Exp",
  log: "Log",
  sqrt: "Sqrt",
  reciprocal: "Reciprocal",
  abs: "Abs",
  sign: "Sign",
  floor: "Floor",
  ceil: "Ceil",
  round: "Round",
  sin: "Sin",
  cos: "Cos",
  tanh: "Tanh",
  erf: "Erf",
  sigmoid: "Sigmoid",
  relu: "Relu",
  softplus: "Softplus",
  gelu: "Gelu",
  not: "Not",
};

const binaryOnnx: { readonly [K in BinaryOp]?: string } = {
  add: "Add",
  subtract: "Sub",
  multiply: "Mul",
  divide: "Div",
  maximum: "Max",
  minimum: "Min",
  power: "Pow",
  equal: "Equal",
  less: "Less",
  less_equal: "LessOrEqual",
  greater: "Greater",
  greater_equal: "GreaterOrEqual",
  and: "And",
  or: "Or",
};

const forIntegers: ReadonlySet<UnaryOp> = new Set<UnaryOp>(["negate", "abs", "sign", "square", "relu"]);

/** Functions of one number. */
export const unary: Operator<"unary"> = {
  documentation:
    "A function of each element: negate, exp, log, sqrt, rsqrt, reciprocal, abs, sign, floor, ceil, round (to even), sin, " +
    "cos, tanh, erf, sigmoid, relu, square, softplus, gelu (with erf: Hendrycks and Gimpel 2016), silu, log1p, expm1, not.",
  type(context, inputs, { op }) {
    const [x] = inputs;
    if (!expectInputs(context, inputs, 1) || x === undefined) return undefined;
    if (op === "not") {
      if (x.dtype !== "bool") return context.fail({ kind: "dtype", input: 0, message: `not takes bool, not ${x.dtype}` });
      return [x];
    }
    if (x.dtype !== "bool" && forIntegers.has(op)) return [x];
    return expectFloat(context, x, 0, `the input of ${op}`) ? [x] : undefined;
  },
  gradient(emitter, node, [dy]) {
    const rule = unaryGradients[node.attributes.op];
    const [x] = node.inputs;
    if (rule === undefined || dy === undefined || x === undefined) return [undefined];
    return [rule(emitter, dy, x, { node: node.id, output: 0 })];
  },
  lower: (context, { op }) => pointwise(context, one(op, element(context, 0))),
  reference(inputs, { op }) {
    const x = inputAt(inputs, 0);
    return [{ shape: x.shape, data: x.data.map(unaryFunctions[op]) }];
  },
  onnx: ({ op }) => unaryOnnx[op],
};

const comparisons: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]);

/** Functions of two numbers. */
export const binary: Operator<"binary"> = {
  documentation:
    "A function of two tensors of equal shape and dtype, element by element: add, subtract, multiply, divide (integers: " +
    "towards zero), maximum, minimum, power; comparisons, and, or give bool.",
  type(context, inputs, { op }): readonly TensorType[] | undefined {
    const [a, b] = inputs;
    if (!expectInputs(context, inputs, 2) || a === undefined || b === undefined) return undefined;
    if (!expectSameDtype(context, a, b, 1)) return undefined;
    if (!expectSameShape(context, a.shape, b.shape, 1, `the second operand of ${op}`)) return undefined;
    if (comparisons.has(op)) return [{ dtype: "bool", shape: a.shape }];
    if (op === "and" || op === "or") {
      return a.dtype === "bool" ? [a] : context.fail({ kind: "dtype", input: 0, message: `${op} takes bool, not ${a.dtype}` });
    }
    if (op === "power") return expectFloat(context, a, 0, "the base of power") ? [a] : undefined;
    return a.dtype === "bool" ? context.fail({ kind: "dtype", input: 0, message: `${op} takes numbers, not bool` }) : [a];
  },
  gradient(emitter, node, [dy]) {
    const rule = binaryGradients[node.attributes.op];
    const [a, b] = node.inputs;
    if (rule === undefined || dy === undefined || a === undefined || b === undefined) return [undefined, undefined];
    return rule(emitter, dy, a, b, { node: node.id, output: 0 });
  },
  lower: (context, { op }) => pointwise(context, both(op, element(context, 0), element(context, 1))),
  reference(inputs, { op }, _shapes, types) {
    const a = inputAt(inputs, 0);
    const b = inputAt(inputs, 1);
    const compute = op === "divide" && !isFloat(types[0]?.dtype ?? "f32") ? integerDivide : binaryFunctions[op];
    return [{ shape: a.shape, data: a.data.map((value, flat) => compute(value, at(b, flat))) }];
  },
  onnx: ({ op }) => binaryOnnx[op],
};

/** A choice by a condition. */
export const select: Operator<"select"> = {
  documentation: "Element by element the second input where the first (bool) holds, else the third.",
  type(context, inputs) {
    const [condition, then, otherwise] = inputs;
    if (!expectInputs(context, inputs, 3) || condition === undefined || then === undefined || otherwise === undefined) {
      return undefined;
    }
    if (condition.dtype !== "bool") {
      return context.fail({ kind: "dtype", input: 0, message: `the condition must be bool, not ${condition.dtype}` });
    }
    if (!expectSameDtype(context, then, otherwise, 2)) return undefined;
    if (!expectSameShape(context, then.shape, condition.shape, 0, "the condition of select")) return undefined;
    return expectSameShape(context, then.shape, otherwise.shape, 2, "the third input of select") ? [then] : undefined;
  },
  gradient(emitter, node, [dy]) {
    const [condition] = node.inputs;
    if (dy === undefined || condition === undefined) return [undefined, undefined, undefined];
    const zero = constantLike(emitter, dy, 0);
    return [undefined, where(emitter, condition, dy, zero), where(emitter, condition, zero, dy)];
  },
  lower: (context) => pointwise(context, choose(element(context, 0), element(context, 1), element(context, 2))),
  reference(inputs) {
    const [condition, then, otherwise] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    return [tensorOf(then.shape, (_, flat) => at(at(condition, flat) === 0 ? otherwise : then, flat))];
  },
  onnx: "Where",
};

/** Conversion between dtypes. */
export const cast: Operator<"cast"> = {
  documentation: "The same values in another dtype: real to integer truncates towards zero, number to bool asks for non-zero.",
  type: (context, inputs, { dtype }) => (expectInputs(context, inputs, 1) ? [{ dtype, shape: inputs[0]?.shape ?? [] }] : undefined),
  gradient(emitter, node, [dy]) {
    const [x] = node.inputs;
    if (dy === undefined || x === undefined) return [undefined];
    const from = emitter.typeOf(x).dtype;
    return [isFloat(from) && isFloat(node.attributes.dtype) ? emitter.emit("cast", [dy], { dtype: from }) : undefined];
  },
  lower(context, { dtype }) {
    const x = element(context, 0);
    const from = context.inputTypes[0]?.dtype ?? "f32";
    if (dtype === "bool" && from !== "bool") return pointwise(context, both("not_equal", x, literal(0, scalarTypeOf(from))));
    // A bool may be a bare comparison after fusion, so that even a cast to i32 is kept.
    const same = scalarTypeOf(from) === scalarTypeOf(dtype) && from !== "bool";
    return pointwise(context, same ? x : castTo(scalarTypeOf(dtype), x));
  },
  reference(inputs, { dtype }) {
    const x = inputAt(inputs, 0);
    if (isFloat(dtype)) return [x];
    return [{ shape: x.shape, data: x.data.map(dtype === "bool" ? (value) => (value === 0 ? 0 : 1) : Math.trunc) }];
  },
  onnx: "Cast",
};

/** A wall for gradients. */
export const stop_gradient: Operator<"stop_gradient"> = {
  documentation: "The input itself; no gradient flows back through it.",
  type: (context, inputs) => (expectInputs(context, inputs, 1) ? inputs : undefined),
  gradient: () => [undefined],
  lower: () => ({ form: "alias" }),
  reference: (inputs) => [inputAt(inputs, 0)],
  onnx: "Identity",
};

/** The current element of input `position`. */
function element(context: LowerContext, position: number) {
  return context.load(position, everyAxis(context.outputs[0]?.length ?? 0));
}

function pointwise(context: LowerContext, value: ReturnType<typeof element>) {
  return { form: "pointwise", axes: axesOf(context.outputs[0] ?? []), values: [value] } as const;
}
