/**
 * The values of one sweep: parameters of the model by their types, models with arguments, or expressions of the recipe.
 * Invariant: there is at least one; in place of values that cannot be used stands a hole, after a diagnostic.
 */
import type { Expression, Parameter, Sweep } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { constantOf } from "../ir/dim.ts";
import * as sweepProblems from "../recipe/sweep-problems.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { unknownName } from "../resolve/problems.ts";
import { coerce, evaluateArguments, typeText } from "./arguments.ts";
import type { Frame } from "./context.ts";
import { evaluate } from "./expressions.ts";
import { notAModel } from "./name-problems.ts";
import { wrongArgument } from "./problems.ts";
import { literalOf } from "./recipe-constants.ts";
import { rootScope } from "./scope.ts";
import { newFrame, newSession } from "./session.ts";
import { genericChecks } from "./generic.ts";
import { modelBlock, type SweepValue } from "./sweep.ts";
import { describe, elementsOf, POISON, type Value, valueKey } from "./values.ts";

type Report = (diagnostic: Diagnostic) => void;

/** What a sweep's values are given to. */
export interface Target {
  readonly model: string;
  /** undefined: they are expressions of the recipe. */
  readonly parameter: Parameter | undefined;
}

/** The values of a sweep that is not over models. */
export function readValues(frame: Frame, file: ModuleScope, sweep: Sweep, target: Target, report: Report): readonly SweepValue[] {
  const elements = elementsIn(frame, file, sweep, report);
  const values = (elements ?? []).flatMap((element) => valueOf(frame, file, sweep.name.text, element, target, report) ?? []);
  if (elements === undefined || values.length < elements.length || values.length === 0) return [holeOf(sweep)];
  return distinct(sweep, values, report);
}

/** The values of `sweep model in [...]`. */
export function readModelValues(frame: Frame, file: ModuleScope, sweep: Sweep, trained: string, report: Report): readonly SweepValue[] {
  const list = sweep.values;
  const itself: SweepValue = { text: trained, json: trained, span: list.span, meaning: { kind: "model", model: trained, set: [] } };
  if (list.kind !== "ListExpression") {
    if (list.kind !== "Hole") report(notAList(sweep, `\`${textOf(list.span)}\``, list));
    return [itself];
  }
  if (list.elements.length === 0) report(sweepProblems.emptySweep("model", list.span));
  const values = list.elements.flatMap((element) => modelOf(frame, file, element, report) ?? []);
  return values.length === 0 ? [itself] : distinct(sweep, values, report);
}

/** `Net`, or `Net(depth: 4)`. */
export function modelOf(frame: Frame, file: ModuleScope, element: Expression, report: Report): SweepValue | undefined {
  const callee = element.kind === "Call" ? element.callee : element;
  if (element.kind === "Hole") return undefined;
  if (callee.kind !== "Reference") {
    report(sweepProblems.notModels(element.span, `\`${textOf(element.span)}\``));
    return undefined;
  }
  const { text, span } = callee.name;
  const declaration = file.visible.get(text);
  if (declaration?.kind === "block" && !declaration.block.model) report(notAModel(text, span, declaration.block.name.span));
  else if (declaration?.kind !== "block" && declaration?.kind !== "variant") {
    const models = [...file.visible].flatMap(([name, each]) =>
      each.kind === "variant" || (each.kind === "block" && each.block.model) ? [name] : [],
    );
    report(unknownName(text, span, models, "model"));
  } else {
    const names = (modelBlock(file, text)?.parameters ?? []).map(({ name }) => name.text);
    const given = element.kind === "Call" ? evaluateArguments(frame, rootScope(file, new Map()), element.arguments) : [];
    const set = given.map((argument, position) => ({ ...argument, name: argument.name ?? names[position] }));
    const text_ = compact(element.span);
    return { text: text_, json: text_, span: element.span, meaning: { kind: "model", model: text, set } };
  }
  return undefined;
}

interface Element {
  readonly span: Span;
  /** As written, where it stands by itself. */
  readonly expression: Expression | undefined;
  /** undefined: not evaluated yet. */
  readonly value: Value | undefined;
}

/** undefined, after a diagnostic, where there is no list. */
function elementsIn(frame: Frame, file: ModuleScope, sweep: Sweep, report: Report): readonly Element[] | undefined {
  const { values, name } = sweep;
  if (values.kind === "Hole") return undefined;
  if (values.kind === "ListExpression" && values.elements.every(({ kind }) => kind !== "Spread" && kind !== "Hole")) {
    if (values.elements.length === 0) report(sweepProblems.emptySweep(name.text, values.span));
    return values.elements.map((expression) => ({ span: expression.span, expression, value: undefined }));
  }
  const value = values.kind === "TupleExpression" ? undefined : evaluate(frame, rootScope(file, new Map()), values);
  if (value?.kind === "poison") return undefined;
  const elements = value === undefined || value.kind === "tuple" ? undefined : elementsOf(value);
  if (elements === undefined) {
    report(notAList(sweep, value === undefined ? "a tuple" : describe(value), values));
    return undefined;
  }
  if (elements.length === 0) report(sweepProblems.emptySweep(name.text, values.span));
  return elements.map((element) => ({ span: values.span, expression: literalOf(element, values.span), value: element }));
}

function notAList({ name, values }: Sweep, found: string, { kind }: Expression): Diagnostic {
  const text = textOf(values.span);
  const inner = kind === "TupleExpression" ? text.slice(1, -1).trim() : text;
  const mends =
    kind === "TupleExpression" || kind === "NumberLiteral" || kind === "BooleanLiteral" || (kind === "Reference" && name.text === "model");
  return sweepProblems.sweepWithoutList(name.text, values.span, found, mends ? `[${inner}]` : undefined);
}

/** The value that a name or setting, or a parameter, takes from an element; undefined after a diagnostic. */
export function valueOf(
  frame: Frame,
  file: ModuleScope,
  name: string,
  element: Element,
  { model, parameter }: Target,
  report: Report,
): SweepValue | undefined {
  const { span, expression } = element;
  if (parameter === undefined) {
    if (expression === undefined) {
      report(sweepProblems.sweepWithoutList(name, span, "a list of other things than numbers and words", undefined));
      return undefined;
    }
    const literal = quietly(file, expression) ?? expression;
    const text = shown(literal) ?? compact(span);
    return { text, json: jsonOf(literal) ?? text, span, meaning: { kind: "expression", expression: literal } };
  }
  const value = element.value ?? (expression === undefined ? POISON : evaluate(frame, rootScope(file, new Map()), expression));
  if (value.kind === "poison") return undefined;
  const fitting = coerce(value, parameter.type);
  if (fitting === undefined || (parameter.type.kind === "ScalarType" && parameter.type.name === "dim" && !isConstant(fitting))) {
    report(wrongArgument(model, name, typeText(parameter.type), value, span, parameter.span));
    return undefined;
  }
  const literal = literalOf(value, span);
  const text = (literal && shown(literal)) ?? compact(span);
  const argument = { name, nameSpan: undefined, value, span };
  return { text, json: (literal && jsonOf(literal)) ?? text, span, meaning: { kind: "argument", argument } };
}

function isConstant(value: Value): boolean {
  return value.kind === "dim" && constantOf(value.dim) !== undefined;
}

/** What an expression of the recipe is, if that is a number, text or list; `sgd(lr: 0.1)` is none, and no mistake. */
function quietly(file: ModuleScope, expression: Expression): Expression | undefined {
  const frame = newFrame(newSession({ shared: genericChecks(file, true), training: undefined }), "sweep");
  if (expression.kind === "Reference" && !file.visible.has(expression.name.text)) return undefined;
  if (expression.kind === "StringLiteral") return expression;
  return literalOf(evaluate(frame, rootScope(file, new Map()), expression), expression.span);
}

function distinct(sweep: Sweep, values: readonly SweepValue[], report: Report): readonly SweepValue[] {
  const seen = new Map<string, SweepValue>();
  for (const value of values) {
    const key = value.meaning.kind === "argument" ? valueKey(real(value.meaning.argument.value)) : value.text;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, value);
    else {
      const apart = first.span.start !== value.span.start;
      report(
        sweepProblems.repeatedValue(
          sweep.name.text,
          value.text,
          value.span,
          apart ? first.span : undefined,
          apart ? withComma(value.span) : undefined,
        ),
      );
    }
  }
  return [...seen.values()];
}

/** `1` and `1.0` are one value. */
function real(value: Value): Value {
  const known = value.kind === "dim" ? constantOf(value.dim) : undefined;
  return known === undefined ? value : { kind: "real", value: known };
}

/** The value with the comma before it. */
function withComma(span: Span): Span {
  const before = /,\s*$/.exec(span.source.text.slice(0, span.start));
  return { ...span, start: span.start - (before?.[0].length ?? 0) };
}

function holeOf({ values }: Sweep): SweepValue {
  return { text: "", json: "", span: values.span, meaning: { kind: "expression", expression: { kind: "Hole", span: values.span } } };
}

/** A literal as it stands in the name of a point. */
export function shown(expression: Expression): string | undefined {
  switch (expression.kind) {
    case "NumberLiteral":
      return String(expression.value);
    case "BooleanLiteral":
      return String(expression.value);
    case "StringLiteral":
      return expression.value;
    case "ListExpression": {
      const elements = expression.elements.map(shown);
      return elements.every((each) => each !== undefined) ? `[${elements.join(",")}]` : undefined;
    }
    default:
      return undefined;
  }
}

function jsonOf(expression: Expression): unknown {
  switch (expression.kind) {
    case "NumberLiteral":
    case "BooleanLiteral":
    case "StringLiteral":
      return expression.value;
    case "ListExpression":
      return expression.elements.map(jsonOf);
    default:
      return undefined;
  }
}

function textOf({ source, start, end }: Span): string {
  return source.text.slice(start, end);
}

/** Without white space, which would make two texts of one value, and bad names of folders. */
function compact(span: Span): string {
  return textOf(span)
    .replaceAll(/\/\/.*$/gm, "")
    .replaceAll(/\s+/g, "");
}
