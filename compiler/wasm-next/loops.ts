/**
 * The loops of a kernel: its axes ordered by memory and merged where one stride steps through both.
 * Invariant: every affine form of the kernel (addresses, bounds, indices) is affine over the loops with the same values.
 */
import { invariant } from "../ir/invariant.ts";
import type { Accumulator, Affine, Axis, Coordinate, Expression, Kernel, ScalarType, Size } from "../ir/kernel.ts";

/** A number of elements: `fixed` plus `batch` times the batch size. */
export interface Amount {
  readonly fixed: number;
  readonly batch: number;
}

/** Merged axes, outermost first; the extent is their product. */
export interface Loop {
  readonly extent: Size;
  readonly members: readonly number[];
}

/** A check of one coordinate; with a divisor the quotient moves the address by `stride`. Steps are per loop. */
export interface Guard {
  readonly constant: number;
  readonly steps: readonly number[];
  readonly extent: Size;
  readonly divisor: number;
  readonly stride: Size;
}

/** A coordinate that an expression gives. */
export interface DynamicPart {
  readonly value: Expression;
  readonly stride: Size;
  readonly bound: Coordinate["bound"] | undefined;
}

/** Where one load or store goes, in elements; steps are per loop. */
export interface Access {
  readonly operand: number;
  readonly type: ScalarType;
  readonly fill: number;
  readonly base: Amount;
  readonly steps: readonly Amount[];
  readonly guards: readonly Guard[];
  readonly dynamics: readonly DynamicPart[];
}

export interface LoopPlan {
  /** Parallel loops, then reduced ones. */
  readonly loops: readonly Loop[];
  readonly parallel: number;
  access(operand: number, at: readonly Coordinate[], fill: number): Access;
  /** An affine form over the kernel's axes, per loop. */
  steps(affine: Affine): readonly number[];
}

const nothing: Amount = { fixed: 0, batch: 0 };

export function amountOf(size: Size, factor = 1): Amount {
  return typeof size === "number" ? { fixed: size * factor, batch: 0 } : { fixed: 0, batch: size.batch * factor };
}

function addAmounts(a: Amount, b: Amount): Amount {
  return { fixed: a.fixed + b.fixed, batch: a.batch + b.batch };
}

export function isZero({ fixed, batch }: Amount): boolean {
  return fixed === 0 && batch === 0;
}

/** Exactly one element. */
export function isOne({ fixed, batch }: Amount): boolean {
  return fixed === 1 && batch === 0;
}

/** For comparisons of order only: the batch counts as a large number. */
function magnitude({ fixed, batch }: Amount): number {
  return Math.abs(fixed) + Math.abs(batch) * 1e6;
}

function scaleAmount(amount: Amount, by: Size): Amount | undefined {
  if (typeof by === "number") return { fixed: amount.fixed * by, batch: amount.batch * by };
  return amount.batch === 0 ? { fixed: 0, batch: amount.fixed * by.batch } : undefined;
}

/** The product, if it is linear in the batch. */
export function multiplySizes(a: Size, b: Size): Size | undefined {
  if (typeof a === "number") return typeof b === "number" ? a * b : { batch: a * b.batch };
  return typeof b === "number" ? { batch: a.batch * b } : undefined;
}

/** An access over the kernel's own axes. */
function rawAccess(kernel: Kernel, rank: number, operand: number, at: readonly Coordinate[], fill: number): Access {
  const target = kernel.operands[operand];
  invariant(target !== undefined, "a kernel has no such operand");
  let base = nothing;
  const steps = new Array<Amount>(rank).fill(nothing);
  const guards: Guard[] = [];
  const dynamics: DynamicPart[] = [];
  for (const [dimension, { index, bound, dynamic }] of at.entries()) {
    const stride = target.strides[dimension] ?? 0;
    if (dynamic !== undefined) {
      dynamics.push({ value: dynamic, stride, bound });
      continue;
    }
    const divided = bound !== undefined && bound.divisor !== 1;
    if (bound !== undefined) {
      guards.push({
        constant: index.constant,
        steps: stepsOf(index, rank),
        extent: bound.extent,
        divisor: bound.divisor,
        stride: divided ? stride : 0,
      });
    }
    if (divided) continue;
    base = addAmounts(base, amountOf(stride, index.constant));
    for (const { axis, coefficient } of index.terms) steps[axis] = addAmounts(steps[axis] ?? nothing, amountOf(stride, coefficient));
  }
  return { operand, type: target.type, fill, base, steps, guards, dynamics };
}

function stepsOf(affine: Affine, rank: number): number[] {
  const steps = new Array<number>(rank).fill(0);
  for (const { axis, coefficient } of affine.terms) steps[axis] = (steps[axis] ?? 0) + coefficient;
  return steps;
}

/** Calls `visit` for an expression and all within, those of dynamic coordinates too. */
export function visitExpression(expression: Expression, visit: (each: Expression) => void): void {
  visit(expression);
  for (const part of partsOf(expression)) visitExpression(part, visit);
}

function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "load":
      return expression.at.flatMap(({ dynamic }) => (dynamic === undefined ? [] : [dynamic]));
    case "unary":
    case "cast":
      return [expression.x];
    case "binary":
      return [expression.left, expression.right];
    case "select":
      return [expression.condition, expression.then, expression.else];
    case "random":
      return [expression.seed, expression.index];
    default:
      return [];
  }
}

/** The reduced axes and accumulators, none unless the kernel is a reduction. */
function reductionOf(kernel: Kernel): { reduced: readonly Axis[]; accumulators: readonly Accumulator[] } {
  return kernel.form === "reduction" ? kernel : { reduced: [], accumulators: [] };
}

/** The value of `position` accumulators: row-major over the reduced axes. */
export function positionForm(kernel: Kernel): Affine {
  const { reduced } = reductionOf(kernel);
  const terms: { axis: number; coefficient: number }[] = [];
  let stride = 1;
  for (let k = reduced.length - 1; k >= 0; k--) {
    terms.push({ axis: kernel.axes.length + k, coefficient: stride });
    const extent = reduced[k]?.extent ?? 1;
    if (typeof extent === "number") stride *= extent;
    else invariant(k === 0, "a position counts over the batch");
  }
  return { constant: 0, terms };
}

/** All affine forms of a kernel as steps per axis, those of the stores first and then those of its loads. */
function allForms(kernel: Kernel, rank: number): { stores: Amount[][]; loads: Amount[][]; others: Amount[][] } {
  const stores: Amount[][] = [];
  const loads: Amount[][] = [];
  const others: Amount[][] = [];
  const numbers = (steps: readonly number[]) => steps.map((step) => amountOf(step));
  const add = (target: Amount[][], access: Access): void => {
    target.push([...access.steps]);
    for (const { steps } of access.guards) others.push(numbers(steps));
  };
  const { accumulators } = reductionOf(kernel);
  const expressions = [...accumulators, ...kernel.stores].map(({ value }) => value);
  for (const { operand, at } of kernel.stores) {
    add(stores, rawAccess(kernel, rank, operand, at, 0));
    for (const { dynamic } of at) if (dynamic !== undefined) expressions.push(dynamic);
  }
  for (const root of [...expressions, ...kernel.lets]) {
    visitExpression(root, (each) => {
      if (each.kind === "load") add(loads, rawAccess(kernel, rank, each.operand, each.at, each.fill));
      if (each.kind === "index") others.push(numbers(stepsOf(each.value, rank)));
    });
  }
  if (accumulators.some(({ position }) => position === true)) others.push(numbers(stepsOf(positionForm(kernel), rank)));
  return { stores, loads, others };
}

function sortBy(axes: readonly number[], form: readonly Amount[] | undefined): readonly number[] {
  if (form === undefined) return axes;
  const weight = (axis: number) => magnitude(form[axis] ?? nothing);
  return [...axes].sort((a, b) => weight(b) - weight(a));
}

/** Orders and merges the axes of a kernel. */
export function planLoops(kernel: Kernel): LoopPlan {
  const { reduced, accumulators } = reductionOf(kernel);
  const axes = [...kernel.axes, ...reduced];
  const { stores, loads, others } = allForms(kernel, axes.length);
  const forms = [...stores, ...loads, ...others];
  const extentOf = (axis: number): Size => axes[axis]?.extent ?? 1;
  const kept = axes.map((_, axis) => axis).filter((axis) => extentOf(axis) !== 1);
  const isParallel = (axis: number) => axis < kernel.axes.length;

  const merge = (ordered: readonly number[]): Loop[] => {
    const out: Loop[] = [];
    for (const axis of ordered) {
      const outer = out.at(-1);
      const extent = outer === undefined ? undefined : multiplySizes(outer.extent, extentOf(axis));
      const fits = (form: readonly Amount[]): boolean => {
        const [above, below] = [form[outer?.members.at(-1) ?? 0] ?? nothing, form[axis] ?? nothing];
        const wanted = scaleAmount(below, extentOf(axis));
        return wanted !== undefined && wanted.fixed === above.fixed && wanted.batch === above.batch;
      };
      if (outer !== undefined && extent !== undefined && forms.every(fits)) {
        out.splice(-1, 1, { extent, members: [...outer.members, axis] });
      } else {
        out.push({ extent: extentOf(axis), members: [axis] });
      }
    }
    return out;
  };

  const parallelAxes = kept.filter(isParallel);
  const reducedAxes = kept.filter((axis) => !isParallel(axis));
  const ordered = kernel.form === "sequential" || accumulators.some(({ position }) => position === true);
  const widest = loads.find((form) => reducedAxes.every((axis) => !isZero(form[axis] ?? nothing)));
  const parallel = merge(kernel.form === "sequential" ? parallelAxes : sortBy(parallelAxes, stores[0]));
  const loops = [...parallel, ...merge(ordered ? reducedAxes : sortBy(reducedAxes, widest))];
  const perLoop = <T>(steps: readonly T[], otherwise: T): T[] => loops.map(({ members }) => steps[members.at(-1) ?? 0] ?? otherwise);
  return {
    loops,
    parallel: parallel.length,
    access(operand, at, fill) {
      const raw = rawAccess(kernel, axes.length, operand, at, fill);
      const guards = raw.guards.map((guard) => ({ ...guard, steps: perLoop(guard.steps, 0) }));
      return { ...raw, steps: perLoop(raw.steps, nothing), guards };
    },
    steps: (affine) => perLoop(stepsOf(affine, axes.length), 0),
  };
}
