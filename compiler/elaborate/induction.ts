/**
 * A repeat whose count is symbolic: the sizes after n rounds by induction over one round.
 * Invariant: a size is given only if `size(j) = size(0) + j * change` was proved for a round of arbitrary index j; any
 * other size is an unknown, of which nothing can be refuted.
 */
import type { RepeatStage } from "../../grammar/ast.ts";
import { add, type Dim, mul, sameDim, select, sub, symbol } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import { addValue, decide, type Frame, infer, provedEqual, type Session, speculate } from "./context.ts";
import { OPAQUE } from "./solver.ts";
import { dimValue, POISON, type TensorValue, type Value } from "./values.ts";

type Round = (index: Value, value: Value) => Value;

/** Each level of nesting multiplies the rounds elaborated. */
const MOST_NESTED = 2;

/** The repeat under way. */
interface Induction {
  readonly frame: Frame;
  readonly stage: RepeatStage;
  readonly count: Dim;
  readonly round: Round;
}

export function repeatSymbolic(frame: Frame, stage: RepeatStage, count: Dim, flow: Value, round: Round): Value {
  const { session } = frame;
  if (flow.kind !== "tensor") return POISON;
  infer(session, { op: ">=", left: count, right: 0 });
  session.inductions++;
  const induction: Induction = { frame, stage, count, round };
  const result = session.inductions > MOST_NESTED ? withoutInduction(induction, flow) : byInduction(induction, flow);
  session.inductions--;
  return result;
}

/** One round of any index on unknown sizes: what holds of it holds of each. */
function withoutInduction({ frame, stage, round }: Induction, flow: TensorValue): Value {
  const { session } = frame;
  const unknown = (like: TensorValue): TensorValue =>
    tensorOf(
      frame,
      like,
      like.type.shape.map((dim) => freshSize(session, dim, stage)),
    );
  const after = round(dimValue(symbol("j", { id: `j?${session.fresh++}`, least: 0 })), unknown(flow));
  return after.kind === "tensor" ? unknown(after) : POISON;
}

function byInduction(induction: Induction, flow: TensorValue): Value {
  const { frame, round } = induction;
  const { session } = frame;
  const facts = session.facts;
  const first = round(dimValue(0), flow);
  if (first.kind !== "tensor") return POISON;
  const every = new Set(flow.type.shape.keys());
  const fromStart = arbitraryRound(induction, flow, first, 0, every);
  session.facts = facts;
  if (fromStart.result !== undefined) return fromStart.result;
  const second = round(dimValue(1), first);
  if (second.kind !== "tensor") return POISON;
  const fromSecond = arbitraryRound(induction, first, second, 1, every);
  session.facts = facts;
  return (
    (fromSecond.result === undefined ? undefined : unlessNone(induction, flow, fromSecond.result)) ?? partly(induction, flow, first, fromStart.failed)
  );
}

/** What the rounds from the second on give, if there is a first. */
function unlessNone({ frame, count }: Induction, flow: TensorValue, result: TensorValue): TensorValue | undefined {
  if (decide(frame.session, { op: ">=", left: count, right: 1 }) === true) return result;
  if (flow.type.shape.length !== result.type.shape.length) return undefined;
  const shape = result.type.shape.map((dim, axis) => select({ op: "<=", left: 1, right: count }, dim, flow.type.shape[axis] ?? dim));
  return tensorOf(frame, result, shape);
}

/** Axes that could not be proved are unknown in every round; the others may still be proved. */
function partly(induction: Induction, flow: TensorValue, first: TensorValue, failed: ReadonlySet<number>): TensorValue {
  const { frame, stage } = induction;
  const { session } = frame;
  const facts = session.facts;
  const held = new Set(flow.type.shape.keys());
  let open = failed;
  while (open.size > 0) {
    for (const axis of open) held.delete(axis);
    const attempt = arbitraryRound(induction, flow, first, 0, held);
    session.facts = facts;
    if (attempt.result !== undefined) return attempt.result;
    open = new Set([...attempt.failed].filter((axis) => held.has(axis)));
  }
  return tensorOf(
    frame,
    first,
    first.type.shape.map((dim) => freshSize(session, dim, stage)),
  );
}

interface Attempt {
  readonly result: TensorValue | undefined;
  /** Axes whose size after the round is not what was assumed. */
  readonly failed: ReadonlySet<number>;
}

/** Assumes the sizes of round j >= from on the axes held, proves those of round j + 1; the sizes after `count` rounds. */
function arbitraryRound(
  { frame, stage, count, round }: Induction,
  start: TensorValue,
  next: TensorValue,
  from: number,
  held: ReadonlySet<number>,
): Attempt {
  const { session } = frame;
  const { shape } = start.type;
  if (shape.length !== next.type.shape.length) return { result: undefined, failed: new Set() };
  const change = shape.map((dim, axis) => sub(next.type.shape[axis] ?? dim, dim));
  const index = symbol("j", { id: `j?${session.fresh++}`, least: from });
  const sizeAt = (rounds: Dim): Dim[] =>
    shape.map((dim, axis) => (held.has(axis) ? add(dim, mul(rounds, change[axis] ?? 0)) : freshSize(session, dim, stage)));
  const facts = session.facts;
  session.facts = { relations: [...facts.relations, { op: ">=", left: index, right: from }, { op: "<", left: index, right: count }] };
  let failed: ReadonlySet<number> = new Set(held);
  // The sizes assumed may be wrong, and then so is what is reported of them.
  const result = speculate(session, () => {
    const after = round(dimValue(index), tensorOf(frame, start, sizeAt(sub(index, from))));
    if (after.kind !== "tensor" || after.type.shape.length !== shape.length) return undefined;
    const expected = sizeAt(sub(add(index, 1), from));
    failed = new Set([...held].filter((axis) => !provedEqual(session, expected[axis] ?? 0, after.type.shape[axis] ?? 0)));
    return failed.size === 0 ? tensorOf(frame, start, sizeAt(sub(count, from))) : undefined;
  });
  session.facts = facts;
  return { result, failed };
}

function freshSize(session: Session, dim: Dim, stage: RepeatStage): Dim {
  return sameDim(dim, 0) ? dim : symbol("a size after the repeat", { id: `${OPAQUE}${stage.span.start}.${session.fresh++}` });
}

function tensorOf(frame: Frame, like: TensorValue, shape: readonly Dim[]): TensorValue {
  const type: TensorType = { dtype: like.type.dtype, shape };
  return { kind: "tensor", id: addValue(frame, type), type, origins: like.origins };
}
