/**
 * Rounds of a repeat that come out like the one before are copied: elaboration depends on what differs, not on the count.
 * Invariant: a round is copied only if all that its elaboration reads is the same (the sizes that flow in, what the body
 * computes from the index, the facts) and the one before left nothing behind but values and entries under its own name.
 */
import type { RepeatStage } from "../../grammar/ast.ts";
import type { Facts } from "../check/solve.ts";
import type { Entry, JoinEntry, ValueId } from "../ir/program.ts";
import type { TensorType } from "../ir/type.ts";
import type { Frame } from "./context.ts";
import { expressionsOfIndex, keyOfIndex } from "./loop-index.ts";
import type { Scope } from "./scope.ts";
import { type TensorValue, type Value, valueKey } from "./values.ts";

/** Far beyond any network (ResNet-1202 unrolls 600); ends what a slip of the pen would make endless. */
export const MOST_ROUNDS = 10_000;

/** A repeat to unroll in a frame, whose prefix is that of the repeat: each round adds its name. */
export interface Unrolled {
  readonly frame: Frame;
  readonly scope: Scope;
  readonly stage: RepeatStage;
  readonly nameOf: (index: number) => string;
  readonly elaborate: (index: number, name: string, flow: Value) => Value;
}

/** A round that others may be copies of. */
interface Round {
  readonly name: string;
  /** Equal for rounds that come out the same under the same facts. */
  readonly key: string;
  readonly facts: Facts;
  readonly inputs: readonly TensorValue[];
  readonly result: Value;
  readonly entries: readonly Entry[];
  /** Of its own values, whose ids count from `firstValue`. */
  readonly types: readonly TensorType[];
  readonly firstValue: ValueId;
  /** By how much it counted on: inner rounds, positions of `depth`. */
  readonly inner: number;
  readonly positions: number;
}

/** The value after all rounds. */
export function unroll(repeat: Unrolled, times: number, flow: Value): Value {
  const { frame, scope, stage, nameOf, elaborate } = repeat;
  const { session } = frame;
  // A cut names single rounds by their paths, and `depth` differs from round to round.
  const expressions = session.edits.cuts.length > 0 ? undefined : expressionsOfIndex(scope, stage);
  if (expressions === undefined) {
    let value = flow;
    for (let index = 0; index < times; index++) value = elaborate(index, nameOf(index), value);
    return value;
  }
  const isUniform = expressions.length === 0 && stage.label?.parts.some((part) => part.kind === "LabelHole") !== true;
  const indexKey = keyOfIndex(frame, scope, stage, expressions);
  const taken = namesTaken(frame);
  let last: Round | undefined;
  let firstOfLast = Number.POSITIVE_INFINITY;
  let value = flow;
  for (let index = 0; index < times; index++) {
    const [name, ownIndex, firstValue] = [nameOf(index), indexKey(index), frame.types.length];
    const key = ownIndex === undefined ? undefined : `${valueKey(value)};${ownIndex}`;
    const isNew = !taken.has(name);
    taken.add(name);
    const copies = isUniform && session.checking ? times - index : 1;
    const fits = last !== undefined && isNew && last.key === key && last.facts === session.facts;
    if (fits && last !== undefined && session.rounds + copies * last.inner <= MOST_ROUNDS && (copies === 1 || isSettled(last, value))) {
      value = copyRound(frame, last, name, value, copies);
      index += copies - 1;
    } else {
      const before = stateOf(frame, scope);
      const result = elaborate(index, name, value);
      last =
        key === undefined || !isNew || !isApart(value, firstOfLast) ? undefined : roundOf({ frame, scope, name, key, before, flow: value, result });
      value = result;
    }
    firstOfLast = firstValue;
  }
  return value;
}

/** Whether the next round would be as this one. */
function isSettled({ result }: Round, flow: Value): boolean {
  return valueKey(result) === valueKey(flow);
}

/** What flows in must be told apart from the other values that a body sees, which are the same for all rounds. */
function isApart(flow: Value, firstValue: ValueId): boolean {
  const ids = tensorsOf(flow).map(({ id }) => id);
  return isOfTensors(flow) && ids.every((id, k) => id >= firstValue && ids.indexOf(id) === k);
}

/** A round just elaborated, if others may be copies of it. */
function roundOf(done: {
  readonly frame: Frame;
  readonly scope: Scope;
  readonly name: string;
  readonly key: string;
  readonly before: State;
  readonly flow: Value;
  readonly result: Value;
}): Round | undefined {
  const { frame, scope, name, key, before, flow, result } = done;
  const after = stateOf(frame, scope);
  if (!isOfTensors(result) || !before.kept.every((each, k) => each === after.kept[k])) return undefined;
  return {
    ...{ name, key, facts: frame.session.facts, inputs: tensorsOf(flow), result },
    entries: frame.entries.slice(before.entries),
    types: frame.types.slice(before.values),
    firstValue: before.values,
    inner: after.rounds - before.rounds,
    positions: after.positions - before.positions,
  };
}

/** What a round could change beside the values and entries that it adds. */
interface State {
  readonly entries: number;
  readonly values: number;
  readonly rounds: number;
  readonly positions: number;
  /** All of these must be as they were. */
  readonly kept: readonly unknown[];
}

function stateOf({ session, entries, types, depth }: Frame, scope: Scope): State {
  const { facts, errors, fresh, inferred, scheme, rounds } = session;
  const outs = [...scope.outs.values()].map((out) => out.assigned);
  return {
    entries: entries.length,
    values: types.length,
    rounds,
    positions: depth?.next ?? 0,
    kept: [facts, errors, fresh, inferred.length, scheme, ...outs],
  };
}

/** So many rounds more, each as the given one. What is only checked gets no entries: nobody reads them. */
function copyRound(frame: Frame, round: Round, name: string, flow: Value, copies: number): Value {
  const { session } = frame;
  const shift = frame.types.length - round.firstValue;
  const inputs = new Map<ValueId, TensorValue>();
  for (const [k, tensor] of tensorsOf(flow).entries()) inputs.set(round.inputs[k]?.id ?? -1, tensor);
  const moved = (id: ValueId): ValueId => (id >= round.firstValue ? id + shift : (inputs.get(id)?.id ?? id));
  for (const type of round.types) frame.types.push(type);
  if (!session.checking)
    for (const entry of round.entries) frame.entries.push(copyEntry(entry, moved, { prefix: frame.prefix, from: round.name, to: name }));
  session.rounds += copies * round.inner;
  if (frame.depth !== undefined) frame.depth.next += copies * round.positions;
  const copied = (value: Value): Value => {
    if (value.kind === "tuple" || value.kind === "list") return { ...value, elements: value.elements.map(copied) };
    return value.kind === "tensor" ? (inputs.get(value.id) ?? { ...value, id: moved(value.id) }) : value;
  };
  return copied(round.result);
}

/** The component of a path behind a prefix changes its name. */
interface Renaming {
  readonly prefix: readonly string[];
  readonly from: string;
  readonly to: string;
}

function renamePath(path: readonly string[], { prefix, from, to }: Renaming): readonly string[] {
  if (path[prefix.length] !== from || prefix.some((part, k) => path[k] !== part)) return path;
  return [...prefix, to, ...path.slice(prefix.length + 1)];
}

function copyEntry(entry: Entry, moved: (id: ValueId) => ValueId, renaming: Renaming): Entry {
  const tensorName = (name: string): string => {
    const [from, to] = [renaming.from, renaming.to].map((part) => `${[...renaming.prefix, part].join(".")}.`);
    return from !== undefined && name.startsWith(from) ? `${to}${name.slice(from.length)}` : name;
  };
  switch (entry.kind) {
    case "op":
      return { ...entry, inputs: entry.inputs.map(moved), outputs: entry.outputs.map(moved) };
    case "call":
      return { ...entry, path: renamePath(entry.path, renaming), inputs: entry.inputs.map(moved), outputs: entry.outputs.map(moved) };
    case "parameter":
    case "state":
      return { ...entry, name: tensorName(entry.name), output: moved(entry.output) };
    case "update":
      return { ...entry, name: tensorName(entry.name), value: moved(entry.value) };
    case "join":
      return copyJoin(entry, moved, renaming);
    default:
      return entry satisfies never;
  }
}

function copyJoin(entry: JoinEntry, moved: (id: ValueId) => ValueId, renaming: Renaming): JoinEntry {
  const skips = entry.skips.map((skip) => ({ ...skip, from: moved(skip.from), arrives: moved(skip.arrives) }));
  return { ...entry, path: renamePath(entry.path, renaming), main: moved(entry.main), skips, output: moved(entry.output) };
}

/** Names behind the repeat's prefix that uses go by already: derived names would count on from them. */
function namesTaken({ entries, prefix }: Frame): Set<string> {
  const taken = new Set<string>();
  for (const entry of entries) {
    if (entry.kind !== "call" || prefix.some((part, k) => entry.path[k] !== part)) continue;
    const next = entry.path[prefix.length];
    if (next !== undefined) taken.add(next);
  }
  return taken;
}

function tensorsOf(value: Value): readonly TensorValue[] {
  if (value.kind === "tuple" || value.kind === "list") return value.elements.flatMap(tensorsOf);
  return value.kind === "tensor" ? [value] : [];
}

/** Whether a value is tensors alone, of which nothing but the types matters to a round. */
function isOfTensors(value: Value): boolean {
  return value.kind === "tuple" || value.kind === "list" ? value.elements.every(isOfTensors) : value.kind === "tensor";
}
