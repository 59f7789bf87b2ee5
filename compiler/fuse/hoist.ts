/**
 * Costly parts of an expression that do not vary along all axes are computed once, in a statement of their own:
 * the square root over channels in a batch norm, a power of the step number in an optimizer.
 * Invariant: the value is unchanged; equal parts of different nodes have equal keys.
 */
import type { Affine, Axis, Expression, ScalarType } from "../ir/kernel.ts";
import type { Computation } from "../operators/operator.ts";
import { axisIndex, zero } from "./affine.ts";
import { childrenOf, createInterner, isCostly, loadsOf, rewriteExpression, substituteAxes, typeOf, visitExpression } from "./expression.ts";

type Loops = Extract<Computation, { form: "pointwise" | "reduction" }>;
type Pointwise = Extract<Computation, { form: "pointwise" }>;

/** A body; its inputs are the node's, then one for each part. */
export interface LoweredBody {
  readonly body: Exclude<Computation, { form: "source" }>;
  readonly parts: readonly HoistedPart[];
}

/** A statement to be computed before; f32. */
export interface HoistedPart {
  readonly body: Pointwise;
  /** Inputs of the node that are the part's inputs. */
  readonly operands: readonly number[];
  /** Equal for equal loops over inputs by position. */
  readonly key: string;
}

/** What an expression varies with, and whether it is worth a statement. */
interface Facts {
  /** Bit per axis. */
  readonly axes: number;
  readonly costly: boolean;
  readonly loads: boolean;
  readonly movable: boolean;
}

/** Moves invariant costly parts out of the loops of one node. */
export function hoistInvariants(body: Loops, inputs: readonly ScalarType[]): LoweredBody {
  const domain: readonly Axis[] = body.form === "reduction" ? [...body.axes, ...body.reduced] : body.axes;
  const roots = body.form === "reduction" ? body.accumulators.map((each) => each.value) : body.values;
  if (domain.every((axis) => axis.extent === 1) || !roots.some(hasCostlyPart)) return { body, parts: [] };
  const facts = createFacts(domain);
  const leaves = {
    operand: (operand: number): ScalarType => inputs[operand] ?? "f32",
    accumulator: (): ScalarType => "f32",
    let: (): ScalarType => "f32",
  };
  const parts: HoistedPart[] = [];
  const take = (e: Expression): Expression | undefined => {
    const { axes, costly, loads, movable } = facts(e);
    if (!costly || !loads || !movable || !isSmaller(domain, axes) || typeOf(e, leaves) !== "f32") return undefined;
    const kept = domain.flatMap((axis, position) => ((axes >> position) & 1 ? [{ axis, position }] : []));
    const renumbered: Affine[] = domain.map(() => zero);
    for (const [position, each] of kept.entries()) renumbered[each.position] = axisIndex(position);
    const part = partOf(
      substituteAxes(e, renumbered),
      kept.map((each) => each.axis),
    );
    const known = parts.findIndex((each) => each.key === part.key && each.operands.join() === part.operands.join());
    const position = inputs.length + (known >= 0 ? known : parts.push(part) - 1);
    return { kind: "load", operand: position, at: kept.map((each) => ({ index: axisIndex(each.position) })), fill: 0 };
  };
  const memo = new Map<Expression, Expression>();
  const rewrite = (e: Expression): Expression => rewriteExpression(e, take, memo);
  if (body.form === "pointwise") return { body: { ...body, values: body.values.map(rewrite) }, parts };
  const accumulators = body.accumulators.map((each) => ({ ...each, value: rewrite(each.value) }));
  return { body: { ...body, accumulators }, parts };
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
  const bitsOf = (index: Affine): number => index.terms.reduce((bits, { axis }) => (domain[axis]?.extent === 1 ? bits : bits | (1 << axis)), 0);
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

function partOf(value: Expression, axes: readonly Axis[]): HoistedPart {
  const operands = [...new Set(loadsOf([value]).map((load) => load.operand))].sort((a, b) => a - b);
  const renumbered = rewriteExpression(value, (e) => (e.kind === "load" ? { ...e, operand: operands.indexOf(e.operand) } : undefined));
  const { intern } = createInterner();
  const body: Pointwise = { form: "pointwise", axes, values: [intern(renumbered)] };
  return { body, operands, key: JSON.stringify([axes.map((axis) => axis.extent), body.values]) };
}
