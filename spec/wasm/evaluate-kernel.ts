/**
 * A direct evaluation of kernels in f64, element by element in the order of the axes: the oracle of code generators.
 * Invariant: written from the meaning that ir/kernel.ts states, without any of the back ends' shortcuts.
 */
import type { Accumulator, Affine, Coordinate, Expression, Kernel, Operand, Size } from "../../compiler/ir/kernel.ts";
import { randomUniform } from "../../compiler/ir/random.ts";
import { binaryFunctions, integerDivide, unaryFunctions } from "../../compiler/operators/scalar-functions.ts";

export type Buffers = ReadonlyMap<number, Float64Array>;

/** The value of a size at a batch. */
export function sizeAt(size: Size, batch: number): number {
  return typeof size === "number" ? size : size.batch * batch;
}

interface Element {
  readonly kernel: Kernel;
  readonly buffers: Buffers;
  readonly batch: number;
  readonly indices: readonly number[];
  readonly results: readonly number[];
  readonly isInteger: (expression: Expression) => boolean;
}

function affineAt({ constant, terms }: Affine, indices: readonly number[]): number {
  return terms.reduce((sum, { axis, coefficient }) => sum + coefficient * (indices[axis] ?? 0), constant);
}

/** The element's position in its buffer, or undefined if it is out of bounds. */
function position(element: Element, operand: Operand, at: readonly Coordinate[]): number | undefined {
  let flat = sizeAt(operand.offset, element.batch);
  for (const [axis, { index, bound, dynamic }] of at.entries()) {
    let coordinate = dynamic === undefined ? affineAt(index, element.indices) : evaluate(dynamic, element);
    if (bound !== undefined) {
      if (coordinate % bound.divisor !== 0) return undefined;
      coordinate /= bound.divisor;
      if (coordinate < 0 || coordinate >= sizeAt(bound.extent, element.batch)) return undefined;
    }
    flat += coordinate * sizeAt(operand.strides[axis] ?? 0, element.batch);
  }
  return flat;
}

function operandOf(kernel: Kernel, index: number): Operand {
  const operand = kernel.operands[index];
  if (operand === undefined) throw new Error("no such operand");
  return operand;
}

function evaluate(expression: Expression, element: Element): number {
  const of = (each: Expression): number => evaluate(each, element);
  switch (expression.kind) {
    case "load": {
      const operand = operandOf(element.kernel, expression.operand);
      const flat = position(element, operand, expression.at);
      const found = flat === undefined ? expression.fill : element.buffers.get(operand.buffer)?.[flat];
      if (found === undefined) throw new Error(`a load is outside its buffer at ${flat}`);
      return found;
    }
    case "constant":
      return expression.type === "f32" ? Math.fround(expression.value) : expression.value;
    case "size":
      return sizeAt(expression.value, element.batch);
    case "index":
      return affineAt(expression.value, element.indices);
    case "unary":
      return unaryFunctions[expression.op](of(expression.x));
    case "binary":
      if (expression.op === "divide" && element.isInteger(expression.left)) return integerDivide(of(expression.left), of(expression.right));
      return binaryFunctions[expression.op](of(expression.left), of(expression.right));
    case "select":
      return of(expression.condition) !== 0 ? of(expression.then) : of(expression.else);
    case "cast":
      return expression.to === "i32" ? Math.trunc(of(expression.x)) : of(expression.x);
    case "random":
      return randomUniform(of(expression.seed), expression.stream, of(expression.index));
    case "accumulator":
      return element.results[expression.index] ?? Number.NaN;
    case "let": {
      const shared = element.kernel.lets[expression.index];
      if (shared === undefined) throw new Error("no such let");
      return of(shared);
    }
    default:
      return expression satisfies never;
  }
}

function isInteger(kernel: Kernel, expression: Expression): boolean {
  switch (expression.kind) {
    case "load":
      return operandOf(kernel, expression.operand).type === "i32";
    case "constant":
    case "size":
      return expression.type === "i32";
    case "index":
      return true;
    case "unary":
      return isInteger(kernel, expression.x);
    case "binary":
      return isInteger(kernel, expression.left);
    case "select":
      return isInteger(kernel, expression.then);
    case "cast":
      return expression.to === "i32";
    default:
      return false;
  }
}

function* indicesOf(extents: readonly number[]): Generator<readonly number[]> {
  const total = extents.reduce((product, extent) => product * extent, 1);
  for (let flat = 0; flat < total; flat++) {
    const index = new Array<number>(extents.length);
    let rest = flat;
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      const extent = extents[axis] ?? 1;
      index[axis] = rest % extent;
      rest = Math.floor(rest / extent);
    }
    yield index;
  }
}

function reduceOne(element: Element, extents: readonly number[], { combine, value, position: wanted }: Accumulator): number {
  let total = { sum: 0, prod: 1, max: Number.NEGATIVE_INFINITY, min: Number.POSITIVE_INFINITY }[combine];
  let best = 0;
  let flat = 0;
  for (const inner of indicesOf(extents)) {
    const term = evaluate(value, { ...element, indices: [...element.indices, ...inner] });
    if (combine === "max" && term > total) best = flat;
    if (combine === "sum") total += term;
    else if (combine === "prod") total *= term;
    else total = combine === "max" ? Math.max(total, term) : Math.min(total, term);
    flat++;
  }
  return wanted === true ? best : total;
}

/** Runs a pointwise, sequential or reduction kernel on f64 buffers, in place. */
export function evaluateKernel(kernel: Kernel, buffers: Buffers, batch: number): void {
  if (kernel.form === "contraction") throw new Error("contractions have an oracle of their own");
  const extents = kernel.axes.map(({ extent }) => sizeAt(extent, batch));
  const reduced = kernel.form === "reduction" ? kernel.reduced.map(({ extent }) => sizeAt(extent, batch)) : [];
  for (const indices of indicesOf(extents)) {
    const bare: Element = { kernel, buffers, batch, indices, results: [], isInteger: (each) => isInteger(kernel, each) };
    const results = kernel.form === "reduction" ? kernel.accumulators.map((each) => reduceOne(bare, reduced, each)) : [];
    const element = { ...bare, results };
    const values = kernel.stores.map(({ value }) => evaluate(value, element));
    for (const [order, store] of kernel.stores.entries()) {
      const operand = operandOf(kernel, store.operand);
      const flat = position(element, operand, store.at);
      const buffer = buffers.get(operand.buffer);
      if (flat === undefined || buffer === undefined) continue;
      if (flat < 0 || flat >= buffer.length) throw new Error("a store is outside its buffer");
      buffer[flat] = (store.accumulate === true ? (buffer[flat] ?? 0) : 0) + (values[order] ?? 0);
    }
  }
}
