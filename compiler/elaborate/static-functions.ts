/** Functions over sizes and numbers that are evaluated while compiling. */
import type { Span } from "../../grammar/source.ts";
import { constantOf, type Dim, max, min, product, sum } from "../ir/dim.ts";
import { asReal, matchArguments } from "./arguments.ts";
import { MOST_ELEMENTS } from "./arithmetic.ts";
import { emitOp, type Frame, report } from "./context.ts";
import { isPrimitive } from "./primitives.ts";
import * as problems from "./problems.ts";
import { dimValue, type GivenArgument, POISON, type Value } from "./values.ts";

const REAL_FUNCTIONS: Readonly<Record<string, (x: number) => number>> = {
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  abs: Math.abs,
  tanh: Math.tanh,
};

/** What each takes, and what is not needed. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  product: ["list"],
  sum: ["list"],
  rank: ["pack"],
  length: ["list"],
  shape: ["x"],
  range: ["count", "end?", "step?"],
  fill: ["pack", "value"],
  real: ["size"],
  floor: ["x"],
  ceil: ["x"],
  round: ["x"],
  ...Object.fromEntries(Object.keys(REAL_FUNCTIONS).map((name) => [name, ["x"]])),
};

/** For messages, where it is not a number. */
const TAKES: Readonly<Record<string, string>> = {
  rank: "a rank pack, list or tensor",
  length: "a list or rank pack",
  shape: "a tensor",
  range: "integers that are known, and a step other than 0",
  fill: "a rank pack, and one size or one for each of its axes",
  real: "a number or size",
};

/** They take any number of values. */
const VARIADIC: ReadonlySet<string> = new Set(["min", "max"]);

export function isStatic(name: string): boolean {
  return VARIADIC.has(name) || Object.hasOwn(PARAMETERS, name);
}

/** The result, or undefined when the arguments are tensors (then the name means the operator). */
export function applyStatic(frame: Frame, name: string, given: readonly GivenArgument[], span: Span): Value | undefined {
  const values = ordered(frame, name, given, span);
  if (values === "reported") return POISON;
  const [first] = values;
  if (first?.kind === "tensor" && name === "shape") return { kind: "pack", dims: first.type.shape };
  if (first?.kind === "tensor" && name === "rank") return dimValue(first.type.shape.length);
  if (first === undefined || values.some((value) => value.kind === "tensor")) return undefined;
  const result = compute(frame, name, values, span);
  if (result !== undefined || isPrimitive(name) || (frame.session.generic && values.some(isUnknown))) return result;
  report(frame.session, problems.wrongKind(given[0]?.span ?? span, TAKES[name] ?? "a number", first));
  return POISON;
}

/** The arguments in the order of the parameters; of tensors the operator of the same name reads them itself. */
function ordered(frame: Frame, name: string, given: readonly GivenArgument[], span: Span): readonly Value[] | "reported" {
  const parameters = PARAMETERS[name];
  if (parameters === undefined || given.some(({ value }) => value.kind === "tensor")) return given.map(({ value }) => value);
  const { session } = frame;
  const before = session.complaints;
  const names = parameters.map((parameter) => parameter.replace("?", ""));
  const matched = matchArguments(
    session,
    name,
    names.map((each) => ({ name: each, wanted: "" })),
    given,
    undefined,
  );
  for (const [i, parameter] of parameters.entries())
    if (!parameter.endsWith("?") && !matched.has(names[i] ?? "") && session.complaints === before)
      report(session, problems.missingArgument(name, parameter, "a value", span, undefined));
  return session.complaints > before ? "reported" : names.flatMap((each) => matched.get(each)?.value ?? []);
}

function isUnknown(value: Value): boolean {
  return (value.kind === "real" && Number.isNaN(value.value)) || (value.kind === "dim" && constantOf(value.dim) === undefined);
}

/** The result over what are no tensors; undefined where the values do not fit. */
function compute(frame: Frame, name: string, values: readonly Value[], span: Span): Value | undefined {
  const [first, second] = values;
  if (first === undefined) return undefined;
  switch (name) {
    case "min":
    case "max":
      return extreme(name, values);
    case "product":
    case "sum":
      return total(name, first);
    case "rank":
    case "length":
      if (first.kind === "pack") return dimValue(first.dims.length);
      return first.kind === "list" || first.kind === "tuple" ? dimValue(first.elements.length) : undefined;
    case "range":
      return range(frame, values, span);
    case "fill":
      if (first.kind !== "pack") return undefined;
      if (second?.kind === "dim") return { kind: "pack", dims: first.dims.map(() => second.dim) };
      if (second?.kind !== "pack" || second.dims.length === first.dims.length) return second;
      report(frame.session, problems.wrongKind(span, `one number, or a list of ${first.dims.length} for the axes`, second));
      return POISON;
    case "real":
      if (first.kind !== "dim") return asReal(first);
      if (constantOf(first.dim) !== undefined) return asReal(first);
      return emitOp(frame, "size", [], { value: first.dim, dtype: "f32" }, span, "real")?.[0] ?? POISON;
    case "floor":
    case "ceil":
    case "round":
      if (first.kind === "dim") return first;
      if (first.kind !== "real" || Number.isNaN(first.value)) return undefined;
      return dimValue(Math[name](first.value));
    default: {
      const real = asReal(first);
      const apply = REAL_FUNCTIONS[name];
      return real?.kind === "real" && apply !== undefined ? { kind: "real", value: apply(real.value) } : undefined;
    }
  }
}

/** `range(3)` is 0, 1, 2; `range(1, 3)` is 1, 2; `range(0, 6, 2)` is 0, 2, 4. */
function range(frame: Frame, values: readonly Value[], span: Span): Value | undefined {
  const numbers = values.map((value) => (value.kind === "dim" ? constantOf(value.dim) : undefined));
  if (numbers.some((number) => number === undefined)) return frame.session.generic ? POISON : undefined;
  const [first = 0, second, step = 1] = numbers;
  const [start, end] = second === undefined ? [0, first] : [first, second];
  if (step === 0) return undefined;
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (count <= MOST_ELEMENTS) return { kind: "list", elements: Array.from({ length: count }, (_, i) => dimValue(start + i * step)) };
  report(frame.session, problems.tooLarge("elements of a list", MOST_ELEMENTS, span));
  return POISON;
}

function extreme(name: "min" | "max", values: readonly Value[]): Value | undefined {
  const dims = values.flatMap((value) => (value.kind === "dim" ? [value.dim] : value.kind === "pack" ? value.dims : []));
  const counted = values.every((value) => value.kind === "dim" || value.kind === "pack");
  if (counted && dims.length > 0) return dimValue(dims.reduce((a: Dim, b: Dim) => (name === "min" ? min(a, b) : max(a, b))));
  const reals = values.map(asReal);
  if (!reals.every((value) => value?.kind === "real")) return undefined;
  return { kind: "real", value: Math[name](...reals.map((value) => (value?.kind === "real" ? value.value : 0))) };
}

function total(name: "product" | "sum", value: Value): Value | undefined {
  if (value.kind === "pack") return dimValue(name === "product" ? product(value.dims) : sum(value.dims));
  if (value.kind !== "list" && value.kind !== "tuple") return undefined;
  const dims = value.elements.flatMap((element) => (element.kind === "dim" ? [element.dim] : []));
  if (dims.length === value.elements.length) return dimValue(name === "product" ? product(dims) : sum(dims));
  const reals = value.elements.map(asReal).flatMap((element) => (element?.kind === "real" ? [element.value] : []));
  if (reals.length !== value.elements.length) return undefined;
  return { kind: "real", value: reals.reduce((a, b) => (name === "product" ? a * b : a + b), name === "product" ? 1 : 0) };
}
