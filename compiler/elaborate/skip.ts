/**
 * Skips that change sizes: the 1×1 projection (He et al. 2015, option B) and zero padding (option A).
 * Invariant: strides come from the two size expressions, proved for all sizes, never guessed from measured ones.
 */
import type { Skip, Via } from "../../grammar/ast.ts";
import { ceilDiv, constantOf, type Dim, type DimAtom, dimKey, formatDim, max, sub, symbol, symbolsOf } from "../ir/dim.ts";
import { boundsOf } from "../ir/dim-bounds.ts";
import { divideWithRemainder } from "../ir/dim-polynomial.ts";
import type { Relation } from "../ir/relation.ts";
import { formatWitness } from "../check/solve.ts";
import { applyBlock } from "./apply.ts";
import { evaluateArguments } from "./arguments.ts";
import { emitOp, type Frame, guard, provedEqual, report, type Session } from "./context.ts";
import { declaredValue } from "./expressions.ts";
import * as problems from "./join-problems.ts";
import { wrongKind } from "./problems.ts";
import type { Scope } from "./scope.ts";
import { dimValue, type GivenArgument, POISON, type TensorValue, type Value } from "./values.ts";

export interface Sides {
  readonly skip: problems.JoinSide;
  readonly join: problems.JoinSide;
}

const MOST_STRIDE = 32;

/** `via project`: the block `projection` of the standard library, or the one named by `project(block: ...)`. */
export function projectSkip(
  frame: Frame,
  scope: Scope,
  via: Extract<Via, { kind: "ViaProject" }>,
  skip: Skip,
  sides: Sides,
  path: readonly string[],
): Value {
  const { session } = frame;
  const from = sides.skip.value;
  const to = sides.join.value;
  if (!sameRank(frame, sides, skip)) return POISON;
  const given = evaluateArguments(frame, scope, via.arguments);
  if (given.some((argument) => argument.value.kind === "poison")) return POISON;
  const written = given.find((argument) => argument.name === "stride");
  const stride = written?.value.kind === "dim" ? checkStride(frame, sides, written, written.value.dim) : findStrides(frame, sides, skip);
  if (stride === undefined) return POISON;
  const block = given.find((argument) => argument.name === "block")?.value ?? standardProjection(frame, scope, skip);
  if (block.kind !== "block") return POISON;
  const rest = given.filter((argument) => argument.name !== "stride" && argument.name !== "block");
  const span = via.span;
  const named = (name: string, value: Value): GivenArgument => ({ name, nameSpan: span, value, span });
  const channels = to.type.shape[1] ?? 1;
  const known = session.facts;
  const result = applyBlock(
    frame,
    { ...block, given: [...block.given, ...rest, named("channels", dimValue(channels)), named("stride", dimValue(stride))] },
    [from],
    { path },
    span,
  );
  session.facts = known;
  return result;
}

function standardProjection(frame: Frame, scope: Scope, skip: Skip): Value {
  const declaration = scope.file.visible.get("projection");
  if (declaration !== undefined) return declaredValue(frame, declaration, skip.span);
  report(frame.session, wrongKind(skip.span, "a block `projection` in scope", POISON));
  return POISON;
}

function sameRank(frame: Frame, sides: Sides, skip: Skip): boolean {
  const fits = sides.skip.value.type.shape.length === sides.join.value.type.shape.length;
  if (!fits) report(frame.session, problems.joinRanks(sides.skip, sides.join, skip.span));
  return fits;
}

/** The one stride that takes every spatial size of the skip to the join's. */
function findStrides(frame: Frame, sides: Sides, skip: Skip): Dim | undefined {
  const from = sides.skip.value.type.shape;
  const to = sides.join.value.type.shape;
  const found = strideFor(frame.session, from, to) ?? possibleStride(frame.session, from, to, skip);
  if (found !== undefined) return found;
  const stride = leastStride(from, to);
  for (const [i, relation] of strideRelations(from, to, stride).entries()) {
    const answer = frame.session.solver.answer(frame.session.facts, relation);
    if (answer.kind !== "refuted") continue;
    report(frame.session, problems.projectImpossible(sides.skip, sides.join, 2 + i, answer.witness, skip.span));
    return undefined;
  }
  return undefined;
}

/**
 * The least stride that takes no size of one shape beyond the other's: `ceil(f/s) <= t` says `s >= ceil(f/t)`. If it misses
 * a size then so does every stride, since greater ones give less.
 */
function leastStride(from: readonly Dim[], to: readonly Dim[]): Dim {
  return from.slice(2).reduce((least: Dim, size, i) => max(least, ceilDiv(size, to[i + 2] ?? size)), 1);
}

function strideRelations(from: readonly Dim[], to: readonly Dim[], stride: Dim): Relation[] {
  return from.slice(2).map((size, i) => ({ op: "==", left: ceilDiv(size, stride), right: to[i + 2] ?? size }));
}

/** The first stride proved to take the spatial sizes of one shape to those of the other, rounding up. */
export function strideFor(session: Session, from: readonly Dim[], to: readonly Dim[]): Dim | undefined {
  return strideCandidates(from, to).find((stride) =>
    from.slice(2).every((size, i) => provedEqual(session, ceilDiv(size, stride), to[i + 2] ?? size)),
  );
}

/** The first stride that nothing refutes: it is used, and what could not be proved of it becomes guards. */
function possibleStride(session: Session, from: readonly Dim[], to: readonly Dim[], skip: Skip): Dim | undefined {
  const stride = [...strideCandidates(from, to), leastStride(from, to)].find((each) =>
    strideRelations(from, to, each).every((relation) => session.solver.answer(session.facts, relation).kind !== "refuted"),
  );
  if (stride === undefined) return undefined;
  for (const relation of strideRelations(from, to, stride))
    if (session.solver.answer(session.facts, relation).kind !== "proved")
      guard(session, relation, skip.span, `the skip's stride is ${formatDim(stride)}`);
  return stride;
}

/** Whole numbers, after the symbolic strides that occur in the join's sizes. */
function strideCandidates(from: readonly Dim[], to: readonly Dim[]): Dim[] {
  const candidates = new Map<string, Dim>();
  const add = (dim: Dim): void => {
    candidates.set(dimKey(dim), dim);
  };
  const same = from.slice(2).every((size, i) => dimKey(size) === dimKey(to[i + 2] ?? size));
  if (same) add(1);
  for (const dim of [...to.slice(2), ...from.slice(2)]) for (const divisor of divisorsIn(dim)) add(divisor);
  for (const dim of [...from.slice(2), ...to.slice(2)]) for (const each of symbolsOf(dim).values()) if (each.least >= 1) add(symbol(each.name, each));
  // `s*H` after an enlargement comes back to `H` with stride s.
  for (const [i, dim] of from.slice(2).entries()) {
    const { quotient, remainder } = divideWithRemainder(dim, to[i + 2] ?? dim);
    if (remainder === 0 && boundsOf(quotient).low >= 1) add(quotient);
  }
  for (let stride = 1; stride <= MOST_STRIDE; stride++) add(stride);
  return [...candidates.values()];
}

function divisorsIn(dim: Dim): Dim[] {
  if (typeof dim === "number") return [];
  return dim.terms.flatMap((term) => term.factors.flatMap(divisorsOfAtom));
}

function divisorsOfAtom(atom: DimAtom): Dim[] {
  switch (atom.kind) {
    case "floor":
      // Of `H/(3*s)` the skip may have divided by 3 already.
      return [atom.denominator, ...[...symbolsOf(atom.denominator).values()].map((each) => symbol(each.name, each)), ...divisorsIn(atom.numerator)];
    case "select":
      return [...divisorsIn(atom.then), ...divisorsIn(atom.else)];
    default:
      return [];
  }
}

/** A written stride must be right; the right one is a safe fix. */
function checkStride(frame: Frame, sides: Sides, written: GivenArgument, stride: Dim): Dim | undefined {
  const from = sides.skip.value;
  const to = sides.join.value;
  for (const [axis, size] of from.type.shape.entries()) {
    if (axis < 2) continue;
    const wanted = to.type.shape[axis] ?? size;
    const gives = ceilDiv(size, stride);
    const relation: Relation = { op: "==", left: gives, right: wanted };
    const answer = frame.session.solver.answer(frame.session.facts, relation);
    if (answer.kind === "proved") continue;
    if (answer.kind === "unproved") {
      guard(frame.session, relation, written.span, "size after the projection");
      continue;
    }
    const shown = formatWitness(answer.witness);
    const witness = (answer.witness.own ?? 0) > 0 ? ` (${shown})` : "";
    const needed = soleStride(frame.session, from.type.shape, to.type.shape);
    report(frame.session, problems.projectStride({ given: stride, needed, gives, axis, sides, witness, span: written.span }));
    return undefined;
  }
  return stride;
}

function soleStride(session: Session, from: readonly Dim[], to: readonly Dim[]): number | undefined {
  for (let stride = 1; stride <= MOST_STRIDE; stride++) {
    const fits = from.slice(2).every((size, i) => provedEqual(session, ceilDiv(size, stride), to[i + 2] ?? size));
    if (fits) return stride;
  }
  return undefined;
}

/** Option A: every stride-th pixel, zero channels appended; no parameters. */
export function padSkip(frame: Frame, sides: Sides, skip: Skip): Value {
  if (!sameRank(frame, sides, skip)) return POISON;
  const from = sides.skip.value;
  const to = sides.join.value;
  const stride = findStrides(frame, sides, skip);
  if (stride === undefined) return POISON;
  const shape = from.type.shape;
  let value: TensorValue | undefined = from;
  if (constantOf(stride) !== 1) {
    const size = shape.map((dim, axis) => (axis < 2 ? dim : ceilDiv(dim, stride)));
    const attributes = { start: shape.map(() => 0), step: shape.map((_, axis) => (axis < 2 ? 1 : stride)), size };
    value = emitOp(frame, "slice", [from], attributes, skip.span, "pad")?.[0];
  }
  if (value === undefined) return POISON;
  const missing = sub(to.type.shape[1] ?? 0, shape[1] ?? 0);
  if (constantOf(missing) === 0) return value;
  const none = shape.map(() => 0);
  const after = shape.map((_, axis) => (axis === 1 ? missing : 0));
  return emitOp(frame, "pad", [value], { before: none, after, interior: none, value: 0 }, skip.span, "pad")?.[0] ?? POISON;
}
