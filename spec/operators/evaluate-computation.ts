/**
 * Evaluates what `lower` returns, straight from the definitions in `ir/kernel.ts`, on concrete tensors.
 * Invariant: shares no code with the reference rules but the tables of scalar functions.
 */
import type { Attributes, OpName } from "../../compiler/ir/attributes.ts";
import { invariant } from "../../compiler/ir/invariant.ts";
import type { Accumulator, Affine, Axis, Coordinate, Expression, Size } from "../../compiler/ir/kernel.ts";
import { randomUniform } from "../../compiler/ir/random.ts";
import type { TensorType } from "../../compiler/ir/type.ts";
import { scalarTypeOf } from "../../compiler/operators/kernel-expressions.ts";
import type { Computation, LogicalContraction, LogicalRole, LowerContext, ReferenceTensor, RoleAxis } from "../../compiler/operators/operator.ts";
import { elementCount, flatIndex, forEachIndex, stridesOf } from "../../compiler/operators/row-major.ts";
import { binaryFunctions, integerDivide, unaryFunctions } from "../../compiler/operators/scalar-functions.ts";
import { operatorOf } from "../../compiler/operators/table.ts";

interface Scope {
  readonly inputs: readonly ReferenceTensor[];
  readonly types: readonly TensorType[];
  readonly index: readonly number[];
  readonly accumulators: readonly number[];
}

function count(size: Size): number {
  invariant(typeof size === "number", "sizes are concrete here");
  return size;
}

function affine(value: Affine, index: readonly number[]): number {
  return value.terms.reduce((total, { axis, coefficient }) => total + coefficient * (index[axis] ?? Number.NaN), value.constant);
}

/** The coordinate, or undefined outside its bounds. */
function coordinate(at: Coordinate, scope: Scope): number | undefined {
  const raw = at.dynamic === undefined ? affine(at.index, scope.index) : evaluate(at.dynamic, scope);
  if (at.bound === undefined) return raw;
  const position = raw / at.bound.divisor;
  return Number.isInteger(position) && position >= 0 && position < count(at.bound.extent) ? position : undefined;
}

function load(e: Extract<Expression, { kind: "load" }>, scope: Scope): number {
  const tensor = scope.inputs[e.operand];
  invariant(tensor !== undefined && tensor.shape.length === e.at.length, "a load gives one coordinate an axis");
  let flat = 0;
  const strides = stridesOf(tensor.shape);
  for (const [axis, at] of e.at.entries()) {
    const position = coordinate(at, scope);
    if (position === undefined) return e.fill;
    invariant(position >= 0 && position < (tensor.shape[axis] ?? 0), `an unbounded load of input ${e.operand} leaves axis ${axis}`);
    flat += position * (strides[axis] ?? 0);
  }
  return tensor.data[flat] ?? Number.NaN;
}

function isInteger(e: Expression, scope: Scope): boolean {
  switch (e.kind) {
    case "load":
      return scalarTypeOf(scope.types[e.operand]?.dtype ?? "f32") === "i32";
    case "constant":
    case "size":
      return e.type === "i32";
    case "cast":
      return e.to === "i32";
    case "index":
      return true;
    case "binary":
      return isInteger(e.left, scope);
    case "unary":
      return isInteger(e.x, scope);
    case "select":
      return isInteger(e.then, scope);
    default:
      return false;
  }
}

function evaluate(e: Expression, scope: Scope): number {
  switch (e.kind) {
    case "load":
      return load(e, scope);
    case "constant":
      return e.value;
    case "size":
      return count(e.value);
    case "index":
      return affine(e.value, scope.index);
    case "unary":
      return unaryFunctions[e.op](evaluate(e.x, scope));
    case "binary": {
      const compute = e.op === "divide" && isInteger(e.left, scope) ? integerDivide : binaryFunctions[e.op];
      return compute(evaluate(e.left, scope), evaluate(e.right, scope));
    }
    case "select":
      return evaluate(e.condition, scope) !== 0 ? evaluate(e.then, scope) : evaluate(e.else, scope);
    case "cast":
      return e.to === "i32" ? Math.trunc(evaluate(e.x, scope)) : evaluate(e.x, scope);
    case "random":
      return randomUniform(evaluate(e.seed, scope), e.stream, evaluate(e.index, scope));
    case "accumulator":
      return scope.accumulators[e.index] ?? Number.NaN;
    case "let":
      invariant(false, "an operator's computation has no lets");
      break;
    default:
      return e satisfies never;
  }
}

function extents(axes: readonly Axis[]): number[] {
  return axes.map(({ extent }) => count(extent));
}

const starts = { sum: 0, prod: 1, max: Number.NEGATIVE_INFINITY, min: Number.POSITIVE_INFINITY };

function accumulate({ combine, value, position }: Accumulator, reduced: readonly number[], scope: Omit<Scope, "accumulators">): number {
  let total = starts[combine];
  let best = 0;
  forEachIndex(reduced, (index, flat) => {
    const each = evaluate(value, { ...scope, index: [...scope.index, ...index], accumulators: [] });
    if (combine === "sum") total += each;
    else if (combine === "prod") total *= each;
    else if (combine === "max" ? each > total : each < total) {
      total = each;
      best = flat;
    }
  });
  return position === true ? best : total;
}

/** Loops over output positions, taps and channels by the definition of a Contraction. */
function contract(c: LogicalContraction, inputs: readonly ReferenceTensor[], shape: readonly number[]): Float64Array {
  const result = new Float64Array(elementCount(shape));
  const dataOf = (tensor: number): Float64Array => (tensor === -1 ? result : (inputs[tensor]?.data ?? result));
  const shapeOf = (tensor: number): readonly number[] => (tensor === -1 ? shape : (inputs[tensor]?.shape ?? []));
  const offset = (tensor: number, parts: readonly (readonly [RoleAxis | undefined, number])[]): number => {
    const strides = stridesOf(shapeOf(tensor));
    return parts.reduce((flat, [role, index]) => flat + (role === undefined ? 0 : index * role.scale * (strides[role.axis] ?? 0)), 0);
  };
  const image = (role: LogicalRole, b: number, g: number, spatial: readonly number[], channel: number): number =>
    offset(role.tensor, [
      [role.batch, b],
      [role.group, g],
      ...role.spatial.map((axis, k) => [axis, spatial[k] ?? 0] as const),
      [role.channel, channel],
    ]);
  const loops = [
    count(c.batch),
    count(c.groups),
    c.inputChannels,
    c.outputChannels,
    ...c.window.map((axis) => axis.output),
    ...c.window.map((axis) => axis.taps),
  ];
  const [input, kernel, output] = [dataOf(c.input.tensor), dataOf(c.kernel.tensor), dataOf(c.output.tensor)];
  forEachIndex(loops, ([b = 0, g = 0, i = 0, o = 0, ...rest]) => {
    const at = rest.slice(0, c.window.length);
    const taps = rest.slice(c.window.length);
    const from = c.window.map(({ stride, dilation, padding }, k) => (at[k] ?? 0) * stride + (taps[k] ?? 0) * dilation - padding);
    if (from.some((position, k) => position < 0 || position >= (c.window[k]?.input ?? 0))) return;
    const x = image(c.input, b, g, from, i);
    const y = image(c.output, b, g, at, o);
    const w = offset(c.kernel.tensor, [
      [c.kernel.group, g],
      ...c.kernel.taps.map((axis, k) => [axis, taps[k] ?? 0] as const),
      [c.kernel.input, i],
      [c.kernel.output, o],
    ]);
    if (c.result === "output") output[y] = (output[y] ?? 0) + (input[x] ?? 0) * (kernel[w] ?? 0);
    else if (c.result === "input") input[x] = (input[x] ?? 0) + (output[y] ?? 0) * (kernel[w] ?? 0);
    else kernel[w] = (kernel[w] ?? 0) + (input[x] ?? 0) * (output[y] ?? 0);
  });
  return result;
}

function concatenate(inputs: readonly ReferenceTensor[], axis: number, shape: readonly number[]): Float64Array {
  const result = new Float64Array(elementCount(shape));
  const strides = stridesOf(shape);
  let start = 0;
  for (const input of inputs) {
    forEachIndex(input.shape, (index, flat) => {
      result[flatIndex(index, strides) + start * (strides[axis] ?? 0)] = input.data[flat] ?? Number.NaN;
    });
    start += input.shape[axis] ?? 0;
  }
  return result;
}

function run(computation: Computation, inputs: readonly ReferenceTensor[], types: readonly TensorType[], shape: readonly number[]): Float64Array[] {
  switch (computation.form) {
    case "pointwise":
    case "reduction": {
      const sizes = extents(computation.axes);
      invariant(sizes.join() === shape.join(), `axes [${sizes}] of an output [${shape}]`);
      const results = computation.values.map(() => new Float64Array(elementCount(shape)));
      forEachIndex(shape, (index, flat) => {
        const scope = { inputs, types, index: [...index] };
        const reduced = computation.form === "reduction" ? extents(computation.reduced) : [];
        const given = computation.form === "reduction" ? computation.accumulators : [];
        const accumulators = given.map((each) => accumulate(each, reduced, scope));
        for (const [k, value] of computation.values.entries()) (results[k] ?? [])[flat] = evaluate(value, { ...scope, accumulators });
      });
      return results;
    }
    case "contraction":
      return [contract(computation.contraction, inputs, shape)];
    case "alias":
      return inputs.slice(0, 1).map(({ data }) => data);
    case "concat":
      return [concatenate(inputs, computation.axis, shape)];
    case "scatter": {
      const result = new Float64Array(elementCount(shape));
      const strides = stridesOf(shape);
      forEachIndex(extents(computation.axes), (index) => {
        const scope = { inputs, types, index: [...index], accumulators: [] };
        const at = computation.at.map((each) => coordinate(each, scope));
        if (at.some((position) => position === undefined)) return;
        const flat = flatIndex(
          at.map((position) => position ?? 0),
          strides,
        );
        result[flat] = (result[flat] ?? 0) + evaluate(computation.value, scope);
      });
      return [result];
    }
    case "source":
      invariant(false, "a source computes nothing");
      break;
    default:
      return computation satisfies never;
  }
}

/** Lowers one node and evaluates the computation. */
export function evaluateLowered<K extends OpName>(
  op: K,
  inputs: readonly ReferenceTensor[],
  inputTypes: readonly TensorType[],
  attributes: Attributes[K],
  outputs: readonly (readonly number[])[],
): Float64Array[] {
  const context: LowerContext = {
    inputs: inputs.map(({ shape }) => shape),
    outputs,
    inputTypes,
    load: (operand, at, fill = 0) => ({
      kind: "load",
      operand,
      at: at.map((each) => ("index" in each ? each : { index: each })),
      fill,
    }),
  };
  return run(operatorOf(op).lower(context, attributes), inputs, inputTypes, outputs[0] ?? []);
}
