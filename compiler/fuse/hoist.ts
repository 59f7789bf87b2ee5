/**
 * Costly parts of an expression that do not vary along all axes are computed once, in a statement of their own:
 * the square root over channels in a batch norm, a power of the step number in an optimizer.
 * Invariant: the value is unchanged; equal parts of different nodes share one statement.
 */
import { invariant } from "../ir/invariant.ts";
import type { Affine, Axis, Expression, ScalarType } from "../ir/kernel.ts";
import { axisIndex, zero } from "./affine.ts";
import { childrenOf, isCostly, rewriteExpression, substituteAxes, typeOf, visitExpression } from "./expression.ts";
import type { Body, StatementBuilder } from "./statements.ts";

type Loops = Extract<Body, { form: "pointwise" | "reduction" }>;

/** What an expression varies with, and whether it is worth a statement. */
interface Facts {
  /** Bit per axis. */
  readonly axes: number;
  readonly costly: boolean;
  readonly loads: boolean;
  readonly movable: boolean;
}

/** Moves invariant costly parts out of the loops of one node; new inputs are appended. */
export function hoistInvariants(
  body: Loops,
  inputs: readonly number[],
  builder: StatementBuilder,
  hoisted: Map<string, number>,
  origin: { readonly path: string; readonly label: string },
): { readonly body: Loops; readonly inputs: readonly number[] } {
  const domain: readonly Axis[] = body.form === "reduction" ? [...body.axes, ...body.reduced] : body.axes;
  const roots = body.form === "reduction" ? body.accumulators.map((each) => each.value) : body.values;
  if (domain.every((axis) => axis.extent === 1) || !roots.some(hasCostlyPart)) return { body, inputs };
  const all = [...inputs];
  const facts = createFacts(domain);
  const leaves = {
    operand: (operand: number): ScalarType => builder.tensors[all[operand] ?? -1]?.type ?? "f32",
    accumulator: (): ScalarType => "f32",
    let: (): ScalarType => "f32",
  };
  const take = (e: Expression): Expression | undefined => {
    const { axes, costly, loads, movable } = facts(e);
    if (!costly || !loads || !movable || !isSmaller(domain, axes)) return undefined;
    if (typeOf(e, leaves) !== "f32") return undefined;
    const kept = domain.flatMap((axis, position) => ((axes >> position) & 1 ? [{ axis, position }] : []));
    const renumbered: Affine[] = domain.map(() => zero);
    for (const [position, each] of kept.entries()) renumbered[each.position] = axisIndex(position);
    const value = substituteAxes(e, renumbered);
    const tensor = hoistedTensor(value, kept.map((each) => each.axis), inputs, builder, hoisted, origin);
    let position = all.indexOf(tensor, inputs.length);
    if (position < 0) position = all.push(tensor) - 1;
    return { kind: "load", operand: position, at: kept.map((each) => ({ index: axisIndex(each.position) })), fill: 0 };
  };
  const memo = new Map<Expression, Expression>();
  const rewrite = (e: Expression): Expression => rewriteExpression(e, take, memo);
  if (body.form === "pointwise") return { body: { ...body, values: body.values.map(rewrite) }, inputs: all };
  const accumulators = body.accumulators.map((each) => ({ ...each, value: rewrite(each.value) }));
  return { body: { ...body, accumulators }, inputs: all };
}

function hasCostlyPart(e: Expression): boolean {
  let found = false;
  visitExpression(e, (part) => void (found ||= isCostly(part)));
  return found;
}

/** Whether some axis of more than one element is missing. */
function isSmaller(domain: readonly Axis[], axes: number): boolean {
  return domain.some((axis, position) => axis.extent !== 1 && ((axes >> position) & 1) === 0);
}

function createFacts(domain: readonly Axis[]): (e: Expression) => Facts {
  const memo = new Map<Expression, Facts>();
  const bitsOf = (index: Affine): number =>
    index.terms.reduce((bits, { axis }) => (domain[axis]?.extent === 1 ? bits : bits | (1 << axis)), 0);
  const facts = (e: Expression): Facts => {
    const known = memo.get(e);
    if (known !== undefined) return known;
    let axes = 0;
    let costly = isCostly(e);
    let loads = e.kind === "load";
    // A computed index would need its own operands renumbered; gathers stay where they are.
    let movable = e.kind !== "accumulator" && e.kind !== "let" && !(e.kind === "load" && childrenOf(e).length > 0);
    for (const child of childrenOf(e)) {
      const inner = facts(child);
      axes |= inner.axes;
      costly ||= inner.costly;
      loads ||= inner.loads;
      movable &&= inner.movable;
    }
    if (e.kind === "index") axes |= bitsOf(e.value);
    if (e.kind === "load") for (const each of e.at) axes |= bitsOf(each.index);
    const result = { axes, costly, loads, movable };
    memo.set(e, result);
    return result;
  };
  return facts;
}

function hoistedTensor(
  value: Expression,
  axes: readonly Axis[],
  inputs: readonly number[],
  builder: StatementBuilder,
  hoisted: Map<string, number>,
  origin: { readonly path: string; readonly label: string },
): number {
  const used = [...new Set(operandsOf(value))].sort((a, b) => a - b);
  const tensors = used.map((operand) => inputs[operand] ?? -1);
  const renumbered = rewriteExpression(value, (e) =>
    e.kind === "load" ? { ...e, operand: used.indexOf(e.operand) } : undefined,
  );
  const shape = axes.map((axis) => axis.extent);
  const key = JSON.stringify([tensors, shape, renumbered]);
  const known = hoisted.get(key);
  if (known !== undefined) return known;
  const [tensor] = builder.add(
    { form: "pointwise", axes, values: [renumbered] },
    tensors,
    [{ shape, type: "f32" }],
    { path: origin.path, label: origin.label },
  );
  invariant(tensor !== undefined, "a hoisted part has one output");
  hoisted.set(key, tensor);
  return tensor;
}

function operandsOf(e: Expression): readonly number[] {
  const found: number[] = [];
  visitExpression(e, (part) => void (part.kind === "load" && found.push(part.operand)));
  return found;
}
