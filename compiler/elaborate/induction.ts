/**
 * A repeat whose count is symbolic: the sizes after n rounds by induction over one round.
 * Invariant: a size is given only if `size(j) = size(0) + j * change` was proved for a round of arbitrary index j.
 */
import type { RepeatStage } from "../../grammar/ast.ts";
import { add, type Dim, mul, sameDim, sub, symbol } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import { addValue, type Frame, provedEqual, type Session, speculate } from "./context.ts";
import { dimValue, POISON, type TensorValue, type Value } from "./values.ts";

type Round = (index: Value, value: Value) => Value;

export function repeatSymbolic(frame: Frame, stage: RepeatStage, count: Dim, flow: Value, round: Round): Value {
  const { session } = frame;
  if (flow.kind !== "tensor") return POISON;
  const facts = session.facts;
  const first = round(dimValue(0), flow);
  if (first.kind !== "tensor") return POISON;
  const fromStart = arbitraryRound(frame, flow, first, count, 0, round);
  session.facts = facts;
  if (fromStart !== undefined) return fromStart;
  const second = round(dimValue(1), first);
  if (second.kind !== "tensor") return POISON;
  const fromSecond = arbitraryRound(frame, first, second, count, 1, round);
  session.facts = facts;
  return fromSecond ?? tensorOf(frame, first, first.type.shape.map((dim) => freshSize(session, dim, stage)));
}

/** Assumes the sizes of round j >= from, proves those of round j + 1; the result's sizes after `count` rounds. */
function arbitraryRound(frame: Frame, start: TensorValue, next: TensorValue, count: Dim, from: number, round: Round): TensorValue | undefined {
  const { session } = frame;
  if (start.type.shape.length !== next.type.shape.length) return undefined;
  const change = start.type.shape.map((dim, axis) => sub(next.type.shape[axis] ?? dim, dim));
  const index = symbol("j", { id: `j?${session.fresh++}`, least: from });
  const sizeAt = (rounds: Dim): Dim[] => start.type.shape.map((dim, axis) => add(dim, mul(rounds, change[axis] ?? 0)));
  const facts = session.facts;
  session.facts = { relations: [...facts.relations, { op: ">=", left: index, right: from }, { op: "<", left: index, right: count }] };
  // The sizes assumed may be wrong, and then so is what is reported of them.
  const result = speculate(session, () => {
    const after = round(dimValue(index), tensorOf(frame, start, sizeAt(sub(index, from))));
    const expected = sizeAt(sub(add(index, 1), from));
    const proved = after.kind === "tensor" && expected.every((dim, axis) => provedEqual(session, dim, after.type.shape[axis] ?? 0));
    return proved ? tensorOf(frame, start, sizeAt(sub(count, from))) : undefined;
  });
  session.facts = facts;
  return result;
}

function freshSize(session: Session, dim: Dim, stage: RepeatStage): Dim {
  return sameDim(dim, 0) ? dim : symbol("a size after the repeat", { id: `?repeat${stage.span.start}.${session.fresh++}` });
}

function tensorOf(frame: Frame, like: TensorValue, shape: readonly Dim[]): TensorValue {
  const type: TensorType = { dtype: like.type.dtype, shape };
  return { kind: "tensor", id: addValue(frame, type), type, origins: like.origins };
}
