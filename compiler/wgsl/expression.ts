/**
 * Scalar expressions as WGSL statements: each distinct value gets a name once.
 * Invariant: an access outside of a coordinate's bound never happens; values are computed before any store.
 */
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import { invariant } from "../ir/invariant.ts";
import { loadsOf } from "../fuse/expression.ts";
import type { Affine, Coordinate, Expression, Size } from "../ir/kernel.ts";
import { floatLiteral, specialBits } from "./math.ts";
import { type Shader, numberText, sizeText, sumText, timesText, type Value, type ValueType } from "./shader.ts";

/** Where an expression is evaluated: the kernel's axes and accumulators as WGSL values. */
export interface Point {
  readonly shader: Shader;
  readonly axes: readonly string[];
  readonly accumulators: readonly Value[];
  /** Lets computed at this point, by index. */
  readonly lets: Map<number, Value>;
  /** Where the point is one of four side by side: which, and the axes of the first. */
  readonly lane?: { readonly index: 0 | 1 | 2 | 3; readonly axes: readonly string[] };
}

export function pointAt(shader: Shader, axes: readonly string[], accumulators: readonly Value[]): Point {
  return { shader, axes, accumulators, lets: new Map() };
}

/** The value, under a name if it is not trivial. */
export function evaluate(point: Point, expression: Expression): Value {
  const { shader } = point;
  switch (expression.kind) {
    case "load":
      return load(point, expression);
    case "constant":
      return constant(shader, expression.value, expression.type);
    case "size":
      return expression.type === "i32"
        ? { text: sizeText(expression.value), type: "i32" }
        : { text: `f32(${sizeText(expression.value)})`, type: "f32" };
    case "index":
      return shader.named({ text: affineText(point, expression.value), type: "i32" }, "i");
    case "unary":
      return shader.named(unary(point, expression.op, expression.x));
    case "binary":
      return shader.named(binary(point, expression.op, expression.left, expression.right));
    case "select": {
      const [then, otherwise] = alike(point, expression.then, expression.else);
      const condition = evaluateAs(point, expression.condition, "bool");
      return shader.named({ text: `select(${otherwise.text}, ${then.text}, ${condition})`, type: then.type });
    }
    case "cast":
      return shader.named({ text: evaluateAs(point, expression.x, expression.to), type: expression.to });
    case "random": {
      shader.functions.add("random_uniform");
      const [seed, index] = [evaluateAs(point, expression.seed, "i32"), evaluateAs(point, expression.index, "i32")];
      return shader.named({ text: `random_uniform(${seed}, ${expression.stream >>> 0}u, ${index})`, type: "f32" });
    }
    case "accumulator": {
      const found = point.accumulators[expression.index];
      invariant(found !== undefined, "an accumulator is read before it is complete");
      return found;
    }
    case "let": {
      const known = point.lets.get(expression.index);
      if (known !== undefined) return known;
      const body = shader.kernel.lets[expression.index];
      invariant(body !== undefined, "a let is missing");
      const value = evaluate(point, body);
      point.lets.set(expression.index, value);
      return value;
    }
  }
  expression satisfies never;
}

/** The value converted; truth is 1 as a number, and any number but 0 is true. */
export function evaluateAs(point: Point, expression: Expression, type: ValueType): string {
  return converted(evaluate(point, expression), type);
}

/** A value as another type. */
export function converted(value: Value, type: ValueType): string {
  if (value.type === type) return value.text;
  if (type === "bool") return `(${value.text} != ${value.type === "f32" ? "0f" : "0"})`;
  return `${type}(${value.text})`;
}

/** A number of a type, infinities and NaN included. */
export function constant(shader: Shader, value: number, type: "f32" | "i32"): Value {
  if (type === "i32")
    return {
      text: value === -(2 ** 31) ? "(-2147483647 - 1)" : value < 0 ? `(${Math.trunc(value)})` : `${Math.trunc(value)}`,
      type,
    };
  if (Number.isFinite(Math.fround(value))) return { text: floatLiteral(value), type };
  shader.functions.add("from_bits");
  return { text: `from_bits(${specialBits(value)})`, type };
}

function affineText(point: Point, { constant: start, terms }: Affine): string {
  const parts = terms.map(({ axis, coefficient }) => timesText(point.axes[axis] ?? invalid(axis), coefficient));
  return sumText([...parts, numberText(start)]);
}

function invalid(axis: number): never {
  throw new Error(`internal error: there is no axis ${axis}`);
}

/** An element's address, and the condition under which it may be touched. */
export function locate(
  point: Point,
  operand: number,
  at: readonly Coordinate[],
): { readonly address: string; readonly condition: string | undefined } {
  const { shader } = point;
  const { strides } = shader.operand(operand);
  const conditions: string[] = [];
  const terms = at.map(({ index, bound, dynamic }, position) => {
    const stride = strides[position] ?? 0;
    if (stride === 0 && bound === undefined) return "0";
    const plain = dynamic === undefined ? affineText(point, index) : evaluateAs(point, dynamic, "i32");
    if (bound === undefined) return timesText(/^[\w$]+$/.test(plain) ? plain : stride === 1 ? plain : `(${plain})`, stride);
    const whole = shader.named({ text: plain, type: "i32" }, "i").text;
    conditions.push(`${whole} >= 0`);
    if (bound.divisor === 1) {
      conditions.push(`${whole} < ${sizeText(bound.extent)}`);
      return timesText(whole, stride);
    }
    const quotient = shader.named({ text: `${whole} / ${bound.divisor}`, type: "i32" }, "i").text;
    conditions.push(`${whole} % ${bound.divisor} == 0`, `${quotient} < ${sizeText(bound.extent)}`);
    return timesText(quotient, stride);
  });
  const address = sumText([shader.base(operand), ...terms]);
  return { address, condition: conditions.length === 0 ? undefined : [...new Set(conditions)].join(" && ") };
}

function load(point: Point, expression: Extract<Expression, { kind: "load" }>): Value {
  const { shader } = point;
  const { type } = shader.operand(expression.operand);
  if (point.lane !== undefined && shader.isVector(expression.operand) && isAlong(shader, expression.operand, expression.at, point.axes.length - 1)) {
    const { address } = locate({ ...point, axes: point.lane.axes }, expression.operand, expression.at);
    const quad = shader.named({ text: shader.vector(expression.operand, address), type }, "quad");
    return { text: `${quad.text}.${"xyzw"[point.lane.index]}`, type };
  }
  const { address, condition } = locate(point, expression.operand, expression.at);
  if (condition === undefined) return shader.named(shader.element(expression.operand, address), "x");
  const fill = constant(shader, expression.fill, type).text;
  return shader.remembered(`${address} | ${condition} | ${fill}`, () => {
    const name = shader.fresh("x");
    shader.line(`var ${name} = ${fill};`);
    shader.line(`if (${condition}) { ${name} = ${shader.element(expression.operand, address).text}; }`);
    return { text: name, type };
  });
}

const FUNCTION_OF: Readonly<Partial<Record<UnaryOp, string>>> = {
  exp: "math_exp",
  log: "math_log",
  sin: "math_sin",
  cos: "math_cos",
  tanh: "math_tanh",
  erf: "math_erf",
  sigmoid: "math_sigmoid",
  softplus: "math_softplus",
  gelu: "math_gelu",
  silu: "math_silu",
  log1p: "math_log1p",
  expm1: "math_expm1",
};

function unary(point: Point, op: UnaryOp, operand: Expression): Value {
  if (op === "not") return { text: `!${evaluateAs(point, operand, "bool")}`, type: "bool" };
  const found = evaluate(point, operand);
  const keeps = op === "negate" || op === "abs" || op === "sign" || op === "square" || op === "relu";
  const type = keeps && found.type === "i32" ? "i32" : "f32";
  const x = point.shader.named({ text: converted(found, type), type }).text;
  const named = FUNCTION_OF[op];
  if (named !== undefined) {
    point.shader.functions.add(named);
    return { text: `${named}(${x})`, type };
  }
  switch (op) {
    case "negate":
      return { text: `-(${x})`, type };
    case "abs":
    case "sign":
    case "sqrt":
    case "floor":
    case "ceil":
    case "round":
      return { text: `${op}(${x})`, type };
    case "square":
      return { text: `${x} * ${x}`, type };
    case "relu":
      // A NaN passes, as in the other back ends.
      return type === "i32" ? { text: `max(${x}, 0)`, type } : { text: `select(${x}, 0f, ${x} < 0f)`, type };
    case "reciprocal":
      return { text: `1f / ${x}`, type };
    case "rsqrt":
      return { text: `1f / sqrt(${x})`, type };
    default:
      throw new Error(`internal error: no function computes ${op}`);
  }
}

const INFIX: Readonly<Partial<Record<BinaryOp, string>>> = { add: "+", subtract: "-", multiply: "*", divide: "/" };
const COMPARE: Readonly<Partial<Record<BinaryOp, string>>> = {
  equal: "==",
  not_equal: "!=",
  less: "<",
  less_equal: "<=",
  greater: ">",
  greater_equal: ">=",
};

/** Both values as the type they meet in: conditions as i32, and f32 if one is. */
function alike(point: Point, left: Expression, right: Expression): readonly [Value, Value] {
  const [a, b] = [evaluate(point, left), evaluate(point, right)];
  const type = a.type === "f32" || b.type === "f32" ? "f32" : "i32";
  return [
    { text: converted(a, type), type },
    { text: converted(b, type), type },
  ];
}

function binary(point: Point, op: BinaryOp, left: Expression, right: Expression): Value {
  if (op === "and" || op === "or") {
    return {
      text: `${evaluateAs(point, left, "bool")} ${op === "and" ? "&&" : "||"} ${evaluateAs(point, right, "bool")}`,
      type: "bool",
    };
  }
  if (op === "power") return power(point, left, right);
  const [a, b] = alike(point, left, right);
  const compare = COMPARE[op];
  if (compare !== undefined) return { text: `${a.text} ${compare} ${b.text}`, type: "bool" };
  const infix = INFIX[op];
  if (infix !== undefined) return { text: `${a.text} ${infix} ${b.text}`, type: a.type };
  return { text: `${op === "maximum" ? "max" : "min"}(${a.text}, ${b.text})`, type: a.type };
}

function power(point: Point, base: Expression, exponent: Expression): Value {
  const { shader } = point;
  const x = shader.named({ text: evaluateAs(point, base, "f32"), type: "f32" }).text;
  const simple: Readonly<Record<string, string>> = {
    1: x,
    2: `${x} * ${x}`,
    3: `${x} * ${x} * ${x}`,
    "-1": `1f / ${x}`,
    0.5: `sqrt(${x})`,
    "-0.5": `1f / sqrt(${x})`,
  };
  const known = exponent.kind === "constant" ? simple[String(exponent.value)] : undefined;
  if (known === undefined) shader.functions.add("math_power");
  const found: Value = { text: known ?? `math_power(${x}, ${evaluateAs(point, exponent, "f32")})`, type: "f32" };
  return evaluatedType(point, base) === "i32" && evaluatedType(point, exponent) === "i32" ? { text: `i32(${found.text})`, type: "i32" } : found;
}

function evaluatedType(point: Point, expression: Expression): ValueType {
  return evaluate(point, expression).type;
}

/** Lets and stores of the kernel at a point: all values first, since a store may overwrite what another value reads. */
export function writeStores(point: Point): void {
  const { shader } = point;
  const { kernel } = shader;
  const ready = kernel.stores.map((store) => {
    const { type } = shader.operand(store.operand);
    const value = shader.named({ text: evaluateAs(point, store.value, type), type });
    return { store, value, ...locate(point, store.operand, store.at) };
  });
  for (const { store, value, address, condition } of ready) {
    const sum = store.accumulate ? `${shader.element(store.operand, address).text} + ${value.text}` : value.text;
    const statement = shader.storeElement(store.operand, address, sum);
    shader.line(condition === undefined ? statement : `if (${condition}) { ${statement} }`);
  }
}

/** Whether an access moves by one element along an axis, and by multiples of four, never out of bounds, along all others. */
function isAlong(shader: Shader, operand: number, at: readonly Coordinate[], axis: number): boolean {
  const { strides } = shader.operand(operand);
  const fourfold = (factor: number, stride: Size): boolean => (factor * (typeof stride === "number" ? stride : stride.batch)) % 4 === 0;
  let along = 0;
  for (const [d, { index, bound, dynamic }] of at.entries()) {
    const stride = strides[d] ?? 0;
    if (stride === 0 && bound === undefined) continue;
    if (bound !== undefined || dynamic !== undefined || !fourfold(index.constant, stride)) return false;
    for (const term of index.terms) {
      if (term.axis !== axis) {
        if (!fourfold(term.coefficient, stride)) return false;
      } else if (typeof stride !== "number") return false;
      else along += term.coefficient * stride;
    }
  }
  return along === 1;
}

/** Binds by fours what lets and stores access so along an axis, whose extent is a multiple of four. */
export function widenAlong(shader: Shader, axis: number): void {
  const { lets, stores } = shader.kernel;
  const wide = stores.filter(({ operand, at, accumulate }) => accumulate !== true && isAlong(shader, operand, at, axis));
  const scalar = new Set(stores.filter((store) => !wide.includes(store)).map((store) => store.operand));
  shader.storeVectors(wide.map((store) => store.operand).filter((operand) => !scalar.has(operand)));
  for (const { operand } of wide) shader.widen(operand);
  for (const { operand, at } of loadsOf([...lets, ...stores.map((store) => store.value)]))
    if (isAlong(shader, operand, at, axis)) shader.widen(operand);
}

/** Lets and stores of four elements side by side along the last axis, from `first` on; the accumulator is a `vec4<f32>`. */
export function writeQuadStores(shader: Shader, axes: readonly string[], first: string, sums: string | undefined): void {
  const { kernel } = shader;
  const points = ([0, 1, 2, 3] as const).map((index): Point => {
    const own = index === 0 ? first : `(${first} + ${index})`;
    const accumulators: Value[] = sums === undefined ? [] : [{ text: `${sums}.${"xyzw"[index]}`, type: "f32" }];
    return { ...pointAt(shader, [...axes.slice(0, -1), own], accumulators), lane: { index, axes } };
  });
  const ready = kernel.stores.map((store) => {
    const { type } = shader.operand(store.operand);
    const values = points.map((point) => shader.named({ text: evaluateAs(point, store.value, type), type }).text);
    if (shader.isVector(store.operand)) {
      return [shader.storeVector(store.operand, locate(points[0] ?? invalid(0), store.operand, store.at).address, values)];
    }
    return points.map((point, k) => {
      const { address, condition } = locate(point, store.operand, store.at);
      const statement = shader.storeElement(store.operand, address, values[k] ?? "");
      return condition === undefined ? statement : `if (${condition}) { ${statement} }`;
    });
  });
  for (const statement of ready.flat()) shader.line(statement);
}
