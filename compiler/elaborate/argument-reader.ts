/** Reading an operator's arguments by name with kinds and defaults; the first mistake ends the reading. */
import type { Span } from "../../grammar/source.ts";
import { constantOf, type Dim } from "../ir/dim.ts";
import { asReal } from "./arguments.ts";
import { type Frame, report } from "./context.ts";
import * as problems from "./problems.ts";
import { dimValue, type GivenArgument, POISON, type TensorValue, type Value } from "./values.ts";

export interface ArgumentReader {
  has(name: string): boolean;
  /** Names that messages list, whether they are asked for or not. */
  expect(...names: readonly string[]): void;
  tensor(name: string): TensorValue;
  /** All positional tensors, or one list of them. */
  tensors(): TensorValue[];
  any(name: string): Value;
  /** The argument of that name or next in position, if there is one. */
  optional(name: string): GivenArgument | undefined;
  /** An argument given by that name. */
  named(name: string): GivenArgument | undefined;
  dim(name: string, fallback: Dim): Dim;
  dims(name: string): Dim[];
  real(name: string, fallback: number): number;
  bool(name: string, fallback: boolean): boolean;
  string(name: string): string;
  axis(name: string, rank: number, fallback: number): number;
  axes(name: string, rank: number): number[];
  /** One dim per spatial axis; a single one is repeated. */
  perAxis(name: string, rank: number, fallback?: number): Dim[];
  peekRank(name: string): number;
}

/** A tensor among the positional arguments. */
function isInput({ name, value }: GivenArgument): boolean {
  return name === undefined && value.kind === "tensor";
}

class Stop extends Error {}

/** Runs `body`; poison after a reported mistake. Positional arguments go to names in the order they are first asked for. */
export function readArguments(
  frame: Frame,
  callee: string,
  given: readonly GivenArgument[],
  span: Span,
  body: (read: ArgumentReader) => Value,
): Value {
  const { session } = frame;
  if (given.some((argument) => argument.value.kind === "poison")) return POISON;
  const named = new Map(given.filter((argument) => argument.name !== undefined).map((argument) => [argument.name, argument]));
  const positional = given.filter((argument) => argument.name === undefined);
  const asked = new Map<string, GivenArgument | undefined>();
  const expected: string[] = [];
  const find = (name: string): GivenArgument | undefined => {
    if (asked.has(name)) return asked.get(name);
    const found = named.get(name) ?? positional.shift();
    asked.set(name, found);
    return found;
  };
  const stop = (): never => {
    throw new Stop();
  };
  const wrong = (name: string, wanted: string, argument: GivenArgument): never => {
    report(session, problems.wrongArgument(callee, name, wanted, argument.value, argument.span, undefined));
    return stop();
  };
  const need = (name: string, wanted: string): GivenArgument => {
    const found = find(name);
    if (found !== undefined) return found;
    report(session, problems.missingArgument(callee, name, wanted, span, undefined));
    return stop();
  };
  const axisOf = (name: string, value: Value, rank: number, argument: GivenArgument): number => {
    if (value.kind === "string" && value.value === "batch") return 0;
    if (value.kind === "string" && value.value === "channel") return 1;
    const axis = value.kind === "dim" ? constantOf(value.dim) : undefined;
    if (axis === undefined || axis < -rank || axis >= rank) return wrong(name, `an axis of a tensor of rank ${rank}`, argument);
    return axis < 0 ? axis + rank : axis;
  };
  const elements = (value: Value): readonly Value[] | undefined => {
    if (value.kind === "list" || value.kind === "tuple") return value.elements;
    return value.kind === "pack" ? value.dims.map(dimValue) : undefined;
  };
  const read: ArgumentReader = {
    expect: (...names) => void expected.push(...names),
    has: (name) => named.has(name) || asked.get(name) !== undefined,
    tensor(name) {
      const argument = need(name, "a tensor");
      return argument.value.kind === "tensor" ? argument.value : wrong(name, "a tensor", argument);
    },
    tensors() {
      const taken = positional.splice(0, positional.length);
      const first = taken[0];
      const values = first !== undefined && taken.length === 1 ? (elements(first.value) ?? [first.value]) : taken.map((argument) => argument.value);
      return values.map((value, i) =>
        value.kind === "tensor" ? value : wrong("tensors", "tensors", taken[i] ?? first ?? need("tensors", "tensors")),
      );
    },
    any: (name) => need(name, "a value").value,
    optional: (name) => find(name),
    named(name) {
      const argument = named.get(name);
      if (argument !== undefined) asked.set(name, argument);
      return argument;
    },
    dim(name, fallback) {
      const argument = find(name);
      if (argument === undefined) return fallback;
      return argument.value.kind === "dim" ? argument.value.dim : wrong(name, "an integer", argument);
    },
    dims(name) {
      const argument = need(name, "a list of dims");
      const list = elements(argument.value) ?? wrong(name, "a list of dims", argument);
      return list.flatMap((value) =>
        value.kind === "dim" ? [value.dim] : value.kind === "pack" ? [...value.dims] : wrong(name, "a list of dims", argument),
      );
    },
    real(name, fallback) {
      const argument = find(name);
      if (argument === undefined) return fallback;
      const real = asReal(argument.value);
      return real?.kind === "real" ? real.value : wrong(name, "a real number", argument);
    },
    bool(name, fallback) {
      const argument = find(name);
      if (argument === undefined) return fallback;
      if (argument.value.kind === "bool" && typeof argument.value.value === "boolean") return argument.value.value;
      return argument.value.kind === "bool" && session.generic ? fallback : wrong(name, "true or false", argument);
    },
    string(name) {
      // As a stage an operator gets its tensors first, wherever the string stands when it is called.
      const at = positional.findIndex((argument) => argument.value.kind === "string");
      if (at > 0 && !asked.has(name) && !named.has(name)) positional.unshift(...positional.splice(at, 1));
      const argument = need(name, "a string");
      return argument.value.kind === "string" ? argument.value.value : wrong(name, "a string", argument);
    },
    axis(name, rank, fallback) {
      const argument = find(name);
      return argument === undefined ? fallback : axisOf(name, argument.value, rank, argument);
    },
    axes(name, rank) {
      const argument = need(name, "a list of axes");
      if (argument.value.kind === "string" && argument.value.value === "spatial")
        return Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 2);
      const list = elements(argument.value);
      return list === undefined ? [axisOf(name, argument.value, rank, argument)] : list.map((value) => axisOf(name, value, rank, argument));
    },
    perAxis(name, rank, fallback) {
      const argument = fallback === undefined ? need(name, "a size") : find(name);
      if (argument === undefined) return Array.from({ length: rank }, () => fallback ?? 1);
      const value = argument.value;
      if (value.kind === "dim") return Array.from({ length: rank }, () => value.dim);
      const list = elements(value);
      if (list === undefined || list.length !== rank) return wrong(name, `an integer or a list of ${rank}`, argument);
      return list.map((element) => (element.kind === "dim" ? element.dim : wrong(name, "integers", argument)));
    },
    peekRank(name) {
      const argument = named.get(name) ?? positional[0];
      return argument?.value.kind === "tensor" ? argument.value.type.shape.length : 0;
    },
  };
  try {
    const result = body(read);
    const left = positional[0] ?? given.find((argument) => argument.name !== undefined && !asked.has(argument.name));
    if (left !== undefined && result.kind !== "poison") {
      if (left.name === undefined)
        report(session, problems.surplusArgument(callee, asked.size, asked.size + positional.length, left.span, given.filter(isInput).length));
      else
        report(
          session,
          problems.unknownArgument(callee, left.name, left.nameSpan ?? left.span, [...new Set([...expected, ...asked.keys()])], undefined),
        );
      return POISON;
    }
    return result;
  } catch (error) {
    if (error instanceof Stop) return POISON;
    throw error;
  }
}
