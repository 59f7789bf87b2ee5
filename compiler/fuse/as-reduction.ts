/**
 * A contraction written as a plain reduction: for depthwise convolutions and whatever the tile kernels do not take.
 * Invariant: same axes, operands, lets and stores; two operands are added, the views of the factors by role.
 */
import { invariant } from "../ir/invariant.ts";
import type { Affine, Axis, Contraction, Coordinate, Expression, Kernel, Operand, RoleStrides, Size, WindowAxis } from "../ir/kernel.ts";

export type ContractionKernel = Extract<Kernel, { form: "contraction" }>;
type ReductionKernel = Extract<Kernel, { form: "reduction" }>;

/** Where a role's axis lies in terms of the reduction's axes. `extent` if the index may leave the tensor. */
interface Position {
  readonly index: Affine;
  readonly divisor: number;
  readonly extent: Size | undefined;
}

function axisAt(axis: number, coefficient = 1): Affine {
  return { constant: 0, terms: [{ axis, coefficient }] };
}

function inside(axis: number): Position {
  return { index: axisAt(axis), divisor: 1, extent: undefined };
}

/** Whether output and tap positions can point outside of the input. */
export function leavesInput(axis: WindowAxis): boolean {
  const last = (axis.output - 1) * axis.stride + (axis.taps - 1) * axis.dilation - axis.padding;
  return axis.padding > 0 || last >= axis.input;
}

/** output * stride + tap * dilation - padding. */
function inputPosition(axis: WindowAxis, output: number, tap: number): Position {
  const terms = [
    { axis: output, coefficient: axis.stride },
    { axis: tap, coefficient: axis.dilation },
  ];
  return { index: { constant: -axis.padding, terms }, divisor: 1, extent: leavesInput(axis) ? axis.input : undefined };
}

/** (input + padding - tap * dilation) / stride. */
function outputPosition(axis: WindowAxis, input: number, tap: number): Position {
  const terms = [
    { axis: input, coefficient: 1 },
    { axis: tap, coefficient: -axis.dilation },
  ];
  return { index: { constant: axis.padding, terms }, divisor: axis.stride, extent: axis.output };
}

interface Roles {
  readonly reduced: readonly Axis[];
  readonly input: readonly Position[] | undefined;
  readonly output: readonly Position[] | undefined;
  readonly kernel: readonly Position[] | undefined;
}

function namedAxis(name: string, extent: Size): Axis {
  return { name, extent };
}

function rolesOf(contraction: Contraction, rank: number): Roles {
  const { window } = contraction;
  const count = window.length;
  const spatial = window.map((_, i) => i);
  const tapAxes = window.map((axis, i) => namedAxis(`tap${i}`, axis.taps));
  if (contraction.result === "kernel") {
    const outputs = spatial.map((i) => rank + 1 + i);
    return {
      reduced: [namedAxis("batch", contraction.batch), ...window.map((axis, i) => namedAxis(`output${i}`, axis.output))],
      input: [inside(rank), inside(0), ...window.map((axis, i) => inputPosition(axis, rank + 1 + i, 1 + i)), inside(1 + count)],
      output: [inside(rank), inside(0), ...outputs.map(inside), inside(2 + count)],
      kernel: undefined,
    };
  }
  const taps = spatial.map((i) => inside(rank + i));
  const deep = inside(rank + count);
  const wide = inside(2 + count);
  if (contraction.result === "output") {
    return {
      reduced: [...tapAxes, namedAxis("channel", contraction.inputChannels)],
      input: [inside(0), inside(1), ...window.map((axis, i) => inputPosition(axis, 2 + i, rank + i)), deep],
      output: undefined,
      kernel: [inside(1), ...taps, deep, wide],
    };
  }
  return {
    reduced: [...tapAxes, namedAxis("channel", contraction.outputChannels)],
    input: undefined,
    output: [inside(0), inside(1), ...window.map((axis, i) => outputPosition(axis, 2 + i, rank + i)), deep],
    kernel: [inside(1), ...taps, wide, deep],
  };
}

/** The equal reduction kernel. The kernel operand must not be packed. */
export function asReduction(kernel: ContractionKernel): ReductionKernel {
  const { contraction, ...rest } = kernel;
  invariant(contraction.packedPanel === undefined || contraction.result === "kernel", "a packed contraction is no plain reduction");
  const roles = rolesOf(contraction, kernel.axes.length);
  const operands: Operand[] = [...kernel.operands];
  const factors: Expression[] = [];
  const view = (operand: number, strides: readonly Size[]): number => {
    const base = kernel.operands[operand];
    invariant(base !== undefined, "a contraction's operand is missing");
    return operands.push({ ...base, strides }) - 1;
  };
  const factor = (role: RoleStrides, at: readonly Position[], prologue: Expression | undefined): void => {
    const operand = view(role.operand, [role.batch, role.group, ...role.spatial, role.channel]);
    const value: Expression = { kind: "load", operand, at: at.map(coordinateOf), fill: 0 };
    factors.push(prologue === undefined ? value : guarded(at, substitute(kernel, prologue, at, value)));
  };
  if (roles.input !== undefined) factor(contraction.input, roles.input, contraction.inputPrologue);
  if (roles.kernel !== undefined) {
    const { operand, group, taps, input, output } = contraction.kernel;
    factors.push({ kind: "load", operand: view(operand, [group, ...taps, input, output]), at: roles.kernel.map(coordinateOf), fill: 0 });
  }
  if (roles.output !== undefined) factor(contraction.output, roles.output, contraction.outputPrologue);
  const [left, right] = factors;
  invariant(left !== undefined && right !== undefined, "a contraction multiplies two factors");
  return {
    ...rest,
    form: "reduction",
    operands,
    reduced: roles.reduced,
    accumulators: [{ combine: "sum", value: { kind: "binary", op: "multiply", left, right } }],
  };
}

function coordinateOf(position: Position): Coordinate {
  const { index, divisor, extent } = position;
  return extent === undefined && divisor === 1 ? { index } : { index, bound: { extent: extent ?? 0, divisor } };
}

/** The value, or 0 where a position lies outside: padding is of what the prologue gives. */
function guarded(at: readonly Position[], value: Expression): Expression {
  const conditions = at.flatMap((position): Expression[] => {
    const { index, divisor, extent } = position;
    if (extent === undefined) return [];
    const whole: Expression = { kind: "index", value: index };
    const by: Expression = { kind: "constant", value: divisor, type: "i32" };
    const quotient: Expression = divisor === 1 ? whole : { kind: "binary", op: "divide", left: whole, right: by };
    const zero: Expression = { kind: "constant", value: 0, type: "i32" };
    const inRange: Expression[] = [
      { kind: "binary", op: "greater_equal", left: whole, right: zero },
      { kind: "binary", op: "less", left: quotient, right: { kind: "size", value: extent, type: "i32" } },
    ];
    if (divisor === 1) return inRange;
    const product: Expression = { kind: "binary", op: "multiply", left: quotient, right: by };
    return [...inRange, { kind: "binary", op: "equal", left: product, right: whole }];
  });
  const [first, ...others] = conditions;
  if (first === undefined) return value;
  const condition = others.reduce((left, right): Expression => ({ kind: "binary", op: "and", left, right }), first);
  return { kind: "select", condition, then: value, else: { kind: "constant", value: 0, type: "f32" } };
}

/** A prologue in terms of the reduction's axes, with `value` for what was read; its lets are written out. */
function substitute(kernel: ContractionKernel, expression: Expression, at: readonly Position[], value: Expression): Expression {
  const again = (each: Expression) => substitute(kernel, each, at, value);
  switch (expression.kind) {
    case "accumulator":
      return value;
    case "let": {
      const body = kernel.lets[expression.index];
      invariant(body !== undefined, "a let is missing");
      return again(body);
    }
    case "load":
      return { ...expression, at: expression.at.map((each) => compose(each, at, again)) };
    case "index":
      return { ...expression, value: composeAffine(expression.value, at) };
    case "unary":
    case "cast":
      return { ...expression, x: again(expression.x) };
    case "binary":
      return { ...expression, left: again(expression.left), right: again(expression.right) };
    case "select":
      return { ...expression, condition: again(expression.condition), then: again(expression.then), else: again(expression.else) };
    case "random":
      return { ...expression, seed: again(expression.seed), index: again(expression.index) };
    default:
      return expression;
  }
}

function compose(coordinate: Coordinate, at: readonly Position[], again: (each: Expression) => Expression): Coordinate {
  if (coordinate.dynamic !== undefined) return { ...coordinate, dynamic: again(coordinate.dynamic) };
  const { index, bound } = coordinate;
  const [term] = index.terms;
  const plain = index.constant === 0 && index.terms.length === 1 && term?.coefficient === 1 && bound === undefined;
  const position = term === undefined ? undefined : at[term.axis];
  if (plain && position !== undefined) return coordinateOf(position);
  return { ...coordinate, index: composeAffine(index, at) };
}

function composeAffine(affine: Affine, at: readonly Position[]): Affine {
  return affine.terms.reduce<Affine>(
    (sum, { axis, coefficient }) => {
      const position = at[axis];
      invariant(position !== undefined && position.divisor === 1, "a prologue index is not affine in the result's axes");
      const terms = position.index.terms.map((term) => ({ axis: term.axis, coefficient: term.coefficient * coefficient }));
      return { constant: sum.constant + position.index.constant * coefficient, terms: [...sum.terms, ...terms] };
    },
    { constant: affine.constant, terms: [] },
  );
}
