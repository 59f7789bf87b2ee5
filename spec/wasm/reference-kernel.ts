/**
 * A scalar evaluator of the kernel IR in f64: plain loops, no layout decisions. The oracle of the Wasm tests.
 * Invariant: it follows the comments of compiler/ir/kernel.ts and shares no code with the back end.
 */
import type { Affine, Contraction, Coordinate, Expression, Kernel, Operand, RoleStrides, Size } from "../../compiler/ir/kernel.ts";
import { randomUniform } from "../../compiler/ir/random.ts";

/** Buffers by id; i32 buffers hold whole numbers. */
export type Memory = Map<number, Float64Array>;

interface State {
  readonly kernel: Kernel;
  readonly memory: Memory;
  readonly batch: number;
}

interface Point {
  readonly indices: readonly number[];
  readonly accumulators: readonly number[];
}

export function sizeValue(size: Size, batch: number): number {
  return typeof size === "number" ? size : size.batch * batch;
}

/** Runs the kernel on memory, in place. */
export function evaluateKernel(kernel: Kernel, memory: Memory, batch: number): void {
  const state: State = { kernel, memory, batch };
  const extents = kernel.axes.map((axis) => sizeValue(axis.extent, batch));
  const writes: (() => void)[] = [];
  forEachIndex(extents, (indices) => {
    const accumulators = accumulatorsAt(state, indices);
    const point = { indices, accumulators };
    const commits = kernel.stores.map((store) => {
      const operand = operandOf(kernel, store.operand);
      const address = locate(state, operand, store.at, point);
      const value = evaluate(state, store.value, point);
      return () => {
        if (address === undefined) return;
        const data = bufferOf(state, operand);
        const kept = operand.type === "i32" ? Math.trunc(value) : value;
        data[address] = store.accumulate ? (data[address] ?? NaN) + kept : kept;
      };
    });
    if (kernel.form === "sequential") for (const commit of commits) commit();
    else writes.push(...commits);
  });
  for (const write of writes) write();
}

function operandOf(kernel: Kernel, index: number): Operand {
  const operand = kernel.operands[index];
  if (operand === undefined) throw new Error(`no operand ${index}`);
  return operand;
}

function bufferOf(state: State, operand: Operand): Float64Array {
  const data = state.memory.get(operand.buffer);
  if (data === undefined) throw new Error(`no buffer ${operand.buffer}`);
  return data;
}

export function forEachIndex(extents: readonly number[], body: (indices: readonly number[]) => void): void {
  const total = extents.reduce((product, extent) => product * extent, 1);
  for (let linear = 0; linear < total; linear++) {
    const indices: number[] = [];
    let rest = linear;
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      const extent = extents[axis] ?? 1;
      indices[axis] = rest % extent;
      rest = Math.floor(rest / extent);
    }
    body(indices);
  }
}

function affine(form: Affine, indices: readonly number[]): number {
  return form.terms.reduce((sum, { axis, coefficient }) => sum + coefficient * (indices[axis] ?? NaN), form.constant);
}

/** Element address, or undefined where a bound forbids the access. */
function locate(state: State, operand: Operand, at: readonly Coordinate[], point: Point): number | undefined {
  let address = sizeValue(operand.offset, state.batch);
  for (const [position, { index, bound, dynamic }] of at.entries()) {
    let value = dynamic === undefined ? affine(index, point.indices) : Math.trunc(evaluate(state, dynamic, point));
    if (bound !== undefined) {
      if (((value % bound.divisor) + bound.divisor) % bound.divisor !== 0) return undefined;
      value /= bound.divisor;
      if (value < 0 || value >= sizeValue(bound.extent, state.batch)) return undefined;
    }
    address += value * sizeValue(operand.strides[position] ?? NaN, state.batch);
  }
  return address;
}

function accumulatorsAt(state: State, parallel: readonly number[]): readonly number[] {
  const { kernel, batch } = state;
  if (kernel.form === "contraction") return [contract(state, kernel.contraction, parallel)];
  if (kernel.form !== "reduction") return [];
  const initial = { sum: 0, prod: 1, max: -Infinity, min: Infinity };
  const best = kernel.accumulators.map((each) => initial[each.combine]);
  const positions = kernel.accumulators.map(() => 0);
  let position = 0;
  forEachIndex(
    kernel.reduced.map((axis) => sizeValue(axis.extent, batch)),
    (reduced) => {
      kernel.accumulators.forEach((each, index) => {
        const value = evaluate(state, each.value, { indices: [...parallel, ...reduced], accumulators: [] });
        const known = best[index] ?? 0;
        if (each.combine === "sum") best[index] = known + value;
        else if (each.combine === "prod") best[index] = known * value;
        else if (each.combine === "max" ? value > known : value < known) {
          best[index] = value;
          positions[index] = position;
        }
      });
      position++;
    },
  );
  return kernel.accumulators.map((each, index) => (each.position ? positions[index] : best[index]) ?? NaN);
}

/** The product at one batch item, group, output position, tap and channel pair; 0 outside of the input. */
function term(
  state: State,
  contraction: Contraction,
  b: number,
  g: number,
  o: readonly number[],
  t: readonly number[],
  c: number,
  n: number,
): number {
  const { window, result } = contraction;
  const position: number[] = [];
  for (let i = 0; i < window.length; i++) {
    const { stride, dilation, padding, input } = window[i] ?? { stride: 1, dilation: 1, padding: 0, input: 0 };
    const value = (o[i] ?? 0) * stride + (t[i] ?? 0) * dilation - padding;
    if (value < 0 || value >= input) return 0;
    position.push(value);
  }
  const left =
    result === "input"
      ? role(state, contraction.output, contraction.outputPrologue, [b, g, ...o, n])
      : role(state, contraction.input, contraction.inputPrologue, [b, g, ...position, c]);
  if (result === "kernel") return left * role(state, contraction.output, contraction.outputPrologue, [b, g, ...o, n]);
  return left * kernelValue(state, contraction, g, t, c, n);
}

/** The sum of products for one element of the result, from the definition on `Contraction`. */
function contract(state: State, contraction: Contraction, indices: readonly number[]): number {
  const { window, inputChannels, outputChannels } = contraction;
  const taps = window.map((axis) => axis.taps);
  const outputs = window.map((axis) => axis.output);
  let sum = 0;
  if (contraction.result === "kernel") {
    const [g = 0, ...rest] = indices;
    const [c = 0, n = 0] = rest.slice(window.length);
    const own = rest.slice(0, window.length);
    forEachIndex([sizeValue(contraction.batch, state.batch), ...outputs], ([b = 0, ...o]) => {
      sum += term(state, contraction, b, g, o, own, c, n);
    });
    return sum;
  }
  const [b = 0, g = 0, ...rest] = indices;
  const spatial = rest.slice(0, window.length);
  const channel = rest[window.length] ?? 0;
  if (contraction.result === "output") {
    forEachIndex([...taps, inputChannels], (reduced) => {
      sum += term(state, contraction, b, g, spatial, reduced.slice(0, -1), reduced.at(-1) ?? 0, channel);
    });
    return sum;
  }
  forEachIndex([...taps, outputChannels], (reduced) => {
    const o: number[] = [];
    for (let i = 0; i < window.length; i++) {
      const { stride, dilation, padding, output } = window[i] ?? { stride: 1, dilation: 1, padding: 0, output: 0 };
      const value = ((spatial[i] ?? 0) + padding - (reduced[i] ?? 0) * dilation) / stride;
      if (!Number.isInteger(value) || value < 0 || value >= output) return;
      o.push(value);
    }
    sum += term(state, contraction, b, g, o, reduced.slice(0, -1), channel, reduced.at(-1) ?? 0);
  });
  return sum;
}

/** An element of the input or output, through its prologue. */
function role(state: State, strides: RoleStrides, prologue: Expression | undefined, at: readonly number[]): number {
  const operand = operandOf(state.kernel, strides.operand);
  const steps = [strides.batch, strides.group, ...strides.spatial, strides.channel];
  let address = sizeValue(operand.offset, state.batch);
  for (let i = 0; i < steps.length; i++) address += sizeValue(steps[i] ?? 0, state.batch) * (at[i] ?? 0);
  const value = bufferOf(state, operand)[address] ?? NaN;
  return prologue === undefined ? value : evaluate(state, prologue, { indices: at, accumulators: [value] });
}

function kernelValue(state: State, contraction: Contraction, g: number, t: readonly number[], c: number, n: number): number {
  const { kernel } = contraction;
  const operand = operandOf(state.kernel, kernel.operand);
  if (contraction.packedPanel === 8) return panelValue(state, contraction, operand, g, t, c, n);
  const address =
    sizeValue(operand.offset, state.batch) +
    g * sizeValue(kernel.group, state.batch) +
    t.reduce((sum, tap, i) => sum + tap * (kernel.taps[i] ?? 0), 0) +
    c * kernel.input +
    n * kernel.output;
  return bufferOf(state, operand)[address] ?? NaN;
}

/** The panel layout of compiler/wasm/pack.ts, read back element by element. */
function panelValue(state: State, contraction: Contraction, operand: Operand, g: number, t: readonly number[], c: number, n: number): number {
  const forward = contraction.result === "output";
  const [wide, deep] = forward ? [n, c] : [c, n];
  const [wideCount, deepCount] = forward
    ? [contraction.outputChannels, contraction.inputChannels]
    : [contraction.inputChannels, contraction.outputChannels];
  const blocks = Math.ceil(wideCount / 8);
  const { window } = contraction;
  const last = window.at(-1);
  const flipped = !forward && last !== undefined && last.stride === 1;
  let row = g * blocks + Math.floor(wide / 8);
  window.forEach((axis, i) => {
    const tap = t[i] ?? 0;
    row = row * axis.taps + (flipped && i === window.length - 1 ? axis.taps - 1 - tap : tap);
  });
  return bufferOf(state, operand)[sizeValue(operand.offset, state.batch) + (row * deepCount + deep) * 8 + (wide % 8)] ?? NaN;
}

function evaluate(state: State, expression: Expression, point: Point): number {
  switch (expression.kind) {
    case "load": {
      const operand = operandOf(state.kernel, expression.operand);
      const address = locate(state, operand, expression.at, point);
      return address === undefined ? expression.fill : (bufferOf(state, operand)[address] ?? NaN);
    }
    case "constant":
      return expression.value;
    case "size":
      return sizeValue(expression.value, state.batch);
    case "index":
      return affine(expression.value, point.indices);
    case "unary":
      return unary(expression.op, evaluate(state, expression.x, point));
    case "binary":
      return binary(expression.op, evaluate(state, expression.left, point), evaluate(state, expression.right, point));
    case "select":
      return evaluate(state, evaluate(state, expression.condition, point) !== 0 ? expression.then : expression.else, point);
    case "cast": {
      const value = evaluate(state, expression.x, point);
      return expression.to === "i32" ? Math.trunc(value) : value;
    }
    case "random":
      return randomUniform(evaluate(state, expression.seed, point), expression.stream, evaluate(state, expression.index, point));
    case "accumulator":
      return point.accumulators[expression.index] ?? NaN;
    case "let": {
      const body = state.kernel.lets[expression.index];
      if (body === undefined) throw new Error("no such let");
      return evaluate(state, body, point);
    }
  }
  expression satisfies never;
}

/** Error function by its series (|x| < 3) and continued fraction, to 1e-15. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 3) {
    let [term, sum] = [a, a];
    for (let n = 1; n < 120; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

function roundEven(x: number): number {
  const rounded = Math.round(x);
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

export function unary(op: Extract<Expression, { kind: "unary" }>["op"], x: number): number {
  switch (op) {
    case "negate":
      return -x;
    case "exp":
      return Math.exp(x);
    case "log":
      return Math.log(x);
    case "sqrt":
      return Math.sqrt(x);
    case "rsqrt":
      return 1 / Math.sqrt(x);
    case "reciprocal":
      return 1 / x;
    case "abs":
      return Math.abs(x);
    case "sign":
      return Math.sign(x);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round":
      return roundEven(x);
    case "sin":
      return Math.sin(x);
    case "cos":
      return Math.cos(x);
    case "tanh":
      return Math.tanh(x);
    case "erf":
      return erf(x);
    case "sigmoid":
      return 1 / (1 + Math.exp(-x));
    case "relu":
      return x < 0 ? 0 : x;
    case "square":
      return x * x;
    case "softplus":
      return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    case "gelu":
      return 0.5 * x * (1 + erf(x / Math.SQRT2));
    case "silu":
      return x / (1 + Math.exp(-x));
    case "log1p":
      return Math.log1p(x);
    case "expm1":
      return Math.expm1(x);
    case "not":
      return x === 0 ? 1 : 0;
  }
  op satisfies never;
}

export function binary(op: Extract<Expression, { kind: "binary" }>["op"], a: number, b: number): number {
  switch (op) {
    case "add":
      return a + b;
    case "subtract":
      return a - b;
    case "multiply":
      return a * b;
    case "divide":
      return a / b;
    case "maximum":
      return Math.max(a, b);
    case "minimum":
      return Math.min(a, b);
    case "power":
      return a ** b;
    case "equal":
      return Number(a === b);
    case "not_equal":
      return Number(a !== b);
    case "less":
      return Number(a < b);
    case "less_equal":
      return Number(a <= b);
    case "greater":
      return Number(a > b);
    case "greater_equal":
      return Number(a >= b);
    case "and":
      return Number(a !== 0 && b !== 0);
    case "or":
      return Number(a !== 0 || b !== 0);
  }
  op satisfies never;
}
