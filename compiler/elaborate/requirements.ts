/**
 * `where` conditions: assumed by a block that is checked by itself or built, demanded of its uses.
 * Invariant: a condition that fails is reported at the use, with the place that states it.
 */
import type { Block, Expression } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { walk } from "../../grammar/walk.ts";
import { type Dim, sameDim } from "../ir/dim.ts";
import type { Relation } from "../ir/relation.ts";
import { decide, demand, type Frame, report } from "./context.ts";
import { evaluate } from "./expressions.ts";
import type { Arrivals } from "./ports.ts";
import * as problems from "./problems.ts";
import { lookup, openScope, type Scope } from "./scope.ts";
import type { Origin } from "./values.ts";
import { whereFix } from "./where-fix.ts";

/** Assumes or demands each condition. */
export function requireAll(frame: Frame, scope: Scope, block: Block, conditions: readonly Expression[], arrivals: Arrivals | undefined): void {
  const { session } = frame;
  for (const expression of conditions) {
    const condition = evaluate(frame, scope, expression);
    if (condition.kind === "poison") continue;
    if (condition.kind !== "bool") {
      report(session, problems.wrongKind(expression.span, "a condition", condition));
      continue;
    }
    const explain = (witness: string) => explainFailure(frame, scope, block, expression, arrivals, witness, conditions);
    if (typeof condition.value === "boolean") {
      if (!condition.value) report(session, explain(""));
    } else if (arrivals === undefined) {
      session.facts = { relations: [...session.facts.relations, condition.value] };
      // Nobody uses a model but who runs it: what holds the batch can be asked of the call only.
      if (!session.generic)
        session.guards.push({ relation: condition.value, message: `\`${block.name.text}\` requires ${textOf(expression)}`, span: expression.span });
    } else demand(session, condition.value, arrivals.useSpan, `\`${block.name.text}\` requires ${textOf(expression)}`, explain);
  }
}

function explainFailure(
  frame: Frame,
  scope: Scope,
  block: Block,
  condition: Expression,
  arrivals: Arrivals | undefined,
  witness: string,
  conditions: readonly Expression[],
): Diagnostic {
  const contradicting = arrivals === undefined ? undefined : contradictingArgument(frame, scope, block, condition, arrivals);
  if (contradicting !== undefined) return contradicting;
  const values = namesIn(condition).flatMap((name): NamedSize[] => {
    const value = lookup(scope, name)?.value;
    return value?.kind === "dim" ? [{ name, dim: value.dim }] : [];
  });
  const origins = values.map(({ dim }) => originOf(arrivals, dim));
  const span = arrivals?.useSpan ?? condition.span;
  const fixes = arrivals === undefined ? [] : whereFix(frame.session, unmet(frame, scope, conditions));
  return problems.whereFails(block.name.text, textOf(condition), values, witness, span, condition.span, origins, fixes);
}

/** What the block asks of its use beyond what is known there: one `where` states all of it. */
function unmet(frame: Frame, scope: Scope, conditions: readonly Expression[]): Relation[] {
  return conditions.flatMap((expression) => {
    const condition = evaluate(frame, scope, expression);
    if (condition.kind !== "bool" || typeof condition.value === "boolean") return [];
    return frame.session.solver.answer(frame.session.facts, condition.value).kind === "proved" ? [] : [condition.value];
  });
}

interface NamedSize {
  readonly name: string;
  readonly dim: Dim;
}

/** An argument without which the condition holds: it states a size, and what arrives has another. */
function contradictingArgument(frame: Frame, scope: Scope, block: Block, condition: Expression, arrivals: Arrivals): Diagnostic | undefined {
  const named = namesIn(condition);
  for (const argument of arrivals.arguments) {
    const parameter = block.parameters.find((each) => each.name.text === argument.name);
    if (parameter?.default === undefined || argument.nameSpan === undefined || !named.includes(parameter.name.text)) continue;
    const without = openScope(scope);
    without.names.set(parameter.name.text, { value: evaluate(frame, scope, parameter.default), span: parameter.span, declared: "parameter" });
    const relaxed = evaluate(frame, without, condition);
    if (relaxed.kind !== "bool" || decide(frame.session, relaxed.value) !== true) continue;
    const size = comparedSize(frame, scope, condition, parameter.name.text);
    if (size === undefined || argument.value.kind !== "dim") continue;
    const span = { ...argument.span, start: argument.nameSpan.start };
    return problems.argumentContradicts({
      block: block.name.text,
      argument: parameter.name.text,
      given: argument.value.dim,
      arrives: size,
      origin: originOf(arrivals, size),
      span,
      declared: parameter.span,
      // Deleting the argument changes nothing else where the block only compares it.
      safe: onlyCompared(block, parameter.name.text),
      deletion: withComma(span),
    });
  }
  return undefined;
}

/** The other side of `name == size` somewhere in the condition. */
function comparedSize(frame: Frame, scope: Scope, condition: Expression, name: string): Dim | undefined {
  let found: Dim | undefined;
  walk(condition, (node) => {
    if (node.kind !== "Binary" || node.operator !== "==") return;
    const isName = (side: Expression): boolean => side.kind === "Reference" && side.name.text === name;
    const other = isName(node.left) ? node.right : isName(node.right) ? node.left : undefined;
    if (other === undefined || other.kind === "NumberLiteral") return;
    const value = evaluate(frame, scope, other);
    if (value.kind === "dim") found = value.dim;
  });
  return found;
}

function onlyCompared(block: Block, name: string): boolean {
  let used = false;
  for (const parameter of block.parameters) if (parameter.default !== undefined && namesIn(parameter.default).includes(name)) used = true;
  for (const statement of block.body)
    walk(statement, (node, parents) => {
      if (node.kind !== "Reference" || node.name.text !== name) return;
      const inPort = parents.some((parent) => parent.kind === "InPort") && !parents.some((parent) => parent.kind === "ShapeType");
      if (!inPort && !parents.some((parent) => parent.kind === "Where")) used = true;
    });
  return !used;
}

function namesIn(expression: Expression): string[] {
  const names = new Set<string>();
  walk(expression, (node) => {
    if (node.kind === "Reference") names.add(node.name.text);
  });
  return [...names];
}

function originOf(arrivals: Arrivals | undefined, dim: Dim): Origin | undefined {
  for (const tensor of arrivals?.given ?? [])
    for (const [axis, size] of tensor.type.shape.entries()) if (sameDim(size, dim)) return tensor.origins[axis];
  return undefined;
}

/** The argument with the comma that goes with it. */
function withComma(span: Span): Span {
  const { text } = span.source;
  const before = /,\s*$/.exec(text.slice(0, span.start));
  if (before !== null) return { ...span, start: before.index };
  const after = /^\s*,\s*/.exec(text.slice(span.end));
  return { ...span, end: span.end + (after?.[0].length ?? 0) };
}

function textOf({ span }: Expression): string {
  return span.source.text.slice(span.start, span.end);
}
