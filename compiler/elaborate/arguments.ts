/**
 * Matching given arguments with declared parameters, and coercing values to parameter types.
 * Invariant: a mismatch is reported once and yields poison.
 */
import type { Argument, Parameter, ParameterType } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { constantOf } from "../ir/dim.ts";
import { evaluate } from "./expressions.ts";
import { demand, type Frame, report, type Session } from "./context.ts";
import * as argumentProblems from "./argument-problems.ts";
import * as problems from "./problems.ts";
import { lookup, type Scope } from "./scope.ts";
import { elementsOf, type GivenArgument, POISON, type Value } from "./values.ts";

/** Evaluates written arguments in order. */
export function evaluateArguments(frame: Frame, scope: Scope, written: readonly Argument[]): GivenArgument[] {
  return written.map((argument) => {
    const target = declaredTarget(scope, argument);
    return {
      name: target === undefined ? argument.name?.text : undefined,
      nameSpan: argument.name?.span,
      value: target ?? evaluate(frame, scope, argument.value),
      span: argument.value.span,
    };
  });
}

/** In a loss `label: i64[N]` stands for the target that it declares. */
function declaredTarget(scope: Scope, { name, value }: Argument): Value | undefined {
  if (name === undefined || value.kind !== "ShapeType") return undefined;
  const bound = lookup(scope, name.text);
  return bound?.declared === "target" ? bound.value : undefined;
}

export interface Wanted {
  readonly name: string;
  readonly span?: Span;
  /** It has no default. */
  readonly required?: boolean;
  /** For messages: "a dim", "a list of dims". */
  readonly wanted: string;
}

/** Positional arguments fill parameters in order, named ones by name; reports the rest. Missing ones are left out. */
export function matchArguments(
  session: Session,
  callee: string,
  parameters: readonly Wanted[],
  given: readonly GivenArgument[],
  declared: Span | undefined,
): Map<string, GivenArgument> {
  const matched = new Map<string, GivenArgument>();
  const known = parameters.map((parameter) => parameter.name);
  const earlier = given.filter((argument) => argument.earlier === true);
  const unknown = given.filter(({ name }) => name !== undefined && !known.includes(name));
  const missing = parameters
    .slice(given.filter(({ name }) => name === undefined).length)
    .filter((each) => each.required === true && !given.some(({ name }) => name === each.name));
  // One name that is none, and one that has no value: the one is probably the other.
  const meant = unknown.length === 1 && missing.length === 1 ? missing[0]?.name : undefined;
  let position = 0;
  for (const argument of given) {
    const name = argument.name ?? known[position++];
    const isAgain = earlier.length > 0 && argument.earlier !== true && (name === undefined || matched.has(name));
    if (isAgain) {
      report(session, argumentProblems.argumentsTwice(callee, earlier, argument));
      return matched;
    }
    if (name === undefined) {
      // One surplus argument is reported for all.
      const positional = given.filter((each) => each.name === undefined).length;
      if (position === parameters.length + 1) report(session, problems.surplusArgument(callee, parameters.length, positional, argument.span));
    }
    if (name === undefined) continue;
    if (!known.includes(name)) report(session, problems.unknownArgument(callee, name, argument.nameSpan ?? argument.span, known, declared, meant));
    else if (matched.has(name)) report(session, problems.repeatedArgument(callee, name, argument.span));
    else matched.set(name, argument);
  }
  return matched;
}

export function typeText(type: ParameterType): string {
  switch (type.kind) {
    case "ScalarType":
      return {
        dim: "a dim (a positive integer)",
        dims: "a dim, or a list with one for each axis",
        int: "an integer",
        ints: "an integer, or a list with one for each axis",
        real: "a real number",
        prob: "a probability between 0 and 1",
        bool: "true or false",
        init: "an initialiser",
        block: "a block",
        string: "a string",
      }[type.name];
    case "ListType":
      return `a list (each element ${typeText(type.element)})`;
    case "TupleType":
      return `a tuple of ${type.elements.length}`;
    default:
      return type satisfies never;
  }
}

/** The value as the type wants it, or undefined if it does not fit. */
export function coerce(value: Value, type: ParameterType): Value | undefined {
  if (value.kind === "poison") return value;
  switch (type.kind) {
    case "ListType": {
      if (value.kind !== "list" && value.kind !== "tuple") return undefined;
      const elements = value.elements.map((element) => coerce(element, type.element));
      return elements.every((element) => element !== undefined) ? { kind: "list", elements } : undefined;
    }
    case "TupleType": {
      if (value.kind !== "tuple" && value.kind !== "list") return undefined;
      if (value.elements.length !== type.elements.length) return undefined;
      const elements = value.elements.map((element, i) => {
        const elementType = type.elements[i];
        return elementType === undefined ? undefined : coerce(element, elementType);
      });
      return elements.every((element) => element !== undefined) ? { kind: "tuple", elements } : undefined;
    }
    case "ScalarType":
      return coerceScalar(value, type.name);
    default:
      return type satisfies never;
  }
}

function coerceScalar(value: Value, type: Extract<ParameterType, { kind: "ScalarType" }>["name"]): Value | undefined {
  switch (type) {
    case "dim":
      if (value.kind !== "dim") return undefined;
      return (constantOf(value.dim) ?? 1) >= 1 ? value : undefined;
    case "int":
      return value.kind === "dim" ? value : undefined;
    case "dims":
    case "ints": {
      const one = type === "dims" ? "dim" : "int";
      const elements = elementsOf(value);
      if (elements === undefined) return coerceScalar(value, one);
      const dims = elements.flatMap((element) => {
        const each = coerceScalar(element, one);
        return each?.kind === "dim" ? [each.dim] : [];
      });
      return dims.length === elements.length ? { kind: "pack", dims } : undefined;
    }
    case "real":
      return asReal(value);
    case "prob": {
      const real = asReal(value);
      if (real?.kind !== "real") return undefined;
      return Number.isNaN(real.value) || (real.value >= 0 && real.value <= 1) ? real : undefined;
    }
    case "bool":
      return value.kind === "bool" ? value : undefined;
    case "init":
      if (value.kind === "init") return value;
      return asReal(value) === undefined ? undefined : { kind: "init", name: "constant", given: [positional(value)] };
    case "block":
      if (value.kind !== "block" && value.kind !== "primitive") return undefined;
      return value.given.length === 0 ? value : { ...value, given: value.given.map((argument) => ({ ...argument, earlier: true })) };
    case "string":
      return value.kind === "string" ? value : undefined;
    default:
      return type satisfies never;
  }
}

/** In a block checked by itself, `real(n)` of a symbolic n is a tensor without axes; at each use it is a number. */
function unknownReal(session: Session, value: Value, type: ParameterType): Value | undefined {
  if (!session.generic || value.kind !== "tensor" || value.type.shape.length > 0) return undefined;
  const wanted = type.kind === "ScalarType" && (type.name === "real" || type.name === "prob");
  return wanted ? { kind: "real", value: Number.NaN } : undefined;
}

function positional(value: Value): GivenArgument {
  return { name: undefined, value, span: NOWHERE, nameSpan: undefined };
}

const NOWHERE: Span = { source: { path: "", text: "" }, start: 0, end: 0 };

/** Integers count as reals; a size that is not known is NaN. */
export function asReal(value: Value): Value | undefined {
  if (value.kind === "real") return value;
  if (value.kind === "dim") return { kind: "real", value: constantOf(value.dim) ?? Number.NaN };
  return undefined;
}

/** Values of a block's parameters from what a use gives; defaults are evaluated by `defaultOf` in declaration order. */
export function bindParameters(
  frame: Frame,
  callee: string,
  parameters: readonly Parameter[],
  given: readonly GivenArgument[],
  useSpan: Span,
  declared: Span,
  bind: (parameter: Parameter, value: Value, span: Span) => void,
  defaultOf: (parameter: Parameter) => Value | undefined,
): boolean {
  const { session } = frame;
  const before = session.diagnostics.length;
  const wanted = parameters.map((parameter) => ({
    name: parameter.name.text,
    wanted: typeText(parameter.type),
    span: parameter.span,
    required: parameter.default === undefined,
  }));
  const matched = matchArguments(session, callee, wanted, given, declared);
  const names = parameters.map((parameter) => parameter.name.text);
  const isMisspelt = given.some((argument) => argument.name !== undefined && !names.includes(argument.name));
  for (const parameter of parameters) {
    const argument = matched.get(parameter.name.text);
    const written = argument?.value ?? defaultOf(parameter);
    if (written === undefined) {
      // A name that is none was reported already; this may be what it leaves missing.
      if (!isMisspelt) report(session, problems.missingArgument(callee, parameter.name.text, typeText(parameter.type), useSpan, parameter.span));
      bind(parameter, POISON, useSpan);
      continue;
    }
    const value = coerce(written, parameter.type) ?? unknownReal(session, written, parameter.type);
    const span = argument?.span ?? parameter.span;
    if (value === undefined) {
      report(
        session,
        problems.wrongArgument(callee, parameter.name.text, typeText(parameter.type), written, span, argument ? parameter.span : undefined),
      );
      bind(parameter, POISON, span);
      continue;
    }
    if (argument !== undefined && parameter.type.kind === "ScalarType" && (parameter.type.name === "dim" || parameter.type.name === "dims"))
      for (const left of value.kind === "dim" ? [value.dim] : value.kind === "pack" ? value.dims : [])
        demand(session, { op: ">=", left, right: 1 }, span, `\`${parameter.name.text}\` is at least 1`, () =>
          problems.wrongArgument(callee, parameter.name.text, typeText(parameter.type), written, span, parameter.span),
        );
    if (argument !== undefined && isSmall(parameter) && argument.name === undefined && argument.value.kind === "dim" && argument.earlier !== true)
      report(session, argumentProblems.channelsForSmallNumber(callee, parameter.name.text, given, argument, parameter.span));
    bind(parameter, value, span);
  }
  return session.diagnostics.length === before;
}

/** An epsilon: a real number whose default is near zero. */
function isSmall({ type, default: written }: Parameter): boolean {
  return type.kind === "ScalarType" && type.name === "real" && written?.kind === "NumberLiteral" && written.value > 0 && written.value < 1e-2;
}
