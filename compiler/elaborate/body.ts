/**
 * Statements of a block or nested body, in order.
 * Invariant: names are checked for duplicates before evaluation; a name bound further down is known as "later".
 */
import type { Assign, Chain, IfStatement, Let, Skip, Stage, Statement } from "../../grammar/ast.ts";
import type { Name } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import type { Relation } from "../ir/relation.ts";
import { duplicateName } from "../resolve/problems.ts";
import { runChain } from "./chain.ts";
import { mergeValues } from "./branches.ts";
import { assuming, decide, type Frame, report } from "./context.ts";
import { evaluate } from "./expressions.ts";
import { noSuchJoin } from "./join-problems.ts";
import * as portProblems from "./port-problems.ts";
import * as problems from "./problems.ts";
import { lookup, openScope, type OutTarget, type Scope } from "./scope.ts";
import { declareTensor, declareUpdate } from "./tensors.ts";
import { asTensor } from "./tensor-expressions.ts";
import { elementsOf, POISON, type Value } from "./values.ts";

/** What a chain needs to know of the statements around it. */
export interface Body {
  /** The skips that enter a join; under an `if` that is not decided yet, with its condition. */
  readonly skips: (join: string | undefined) => readonly ConditionalSkip[];
  readonly joins: readonly Name[];
  /** A block's own statements, not those of a nested body: unlabelled stages there keep their derived names. */
  readonly outermost: boolean;
}

export interface ConditionalSkip {
  readonly skip: Skip;
  /** Known to hold where the skip is there; only in a generic check. */
  readonly condition: Relation | undefined;
}

/** Elaborates statements; the result is what the last chain ends with, or what flows in where there is none. */
export function elaborateStatements(frame: Frame, scope: Scope, statements: readonly Statement[], it: Value | undefined): Value | undefined {
  const { session } = frame;
  session.effort.bodies++;
  const chains = statements.flatMap((statement) => (statement.kind === "ChainStatement" ? [statement.chain] : []));
  const joins = chains.flatMap((chain) =>
    chain.stages.flatMap((stage) => (stage.kind === "JoinStage" && stage.label !== undefined ? [stage.label] : [])),
  );
  const skips = allSkips(statements);
  const entering = (join: string | undefined): ConditionalSkip[] =>
    join === undefined ? [] : skipsInForce(frame, scope, statements, join, undefined);
  const body: Body = { skips: entering, joins, outermost: scope.parent === undefined };
  collectNames(frame, scope, statements, chains);
  for (const skip of skips)
    if (!joins.some((join) => join.text === skip.join.text))
      report(
        session,
        noSuchJoin(
          skip.join.text,
          skip.join.span,
          joins.map((join) => join.text),
          namedOtherwise(scope, chains, skip.join.text),
        ),
      );
  for (const statement of statements) if (statement.kind === "Names" && statement.order.length === 0) session.scheme = statement.scheme.text;
  if (it !== undefined)
    scope.names.set("it", { value: it, span: statements[0]?.span ?? { source: scope.file.module.span.source, start: 0, end: 0 } });
  const last = statements.findLast((statement) => statement.kind === "ChainStatement" || statement.kind === "IfStatement");
  let flow = it;
  for (const statement of statements) flow = elaborateStatement(frame, scope, body, statement, flow, statement === last && it !== undefined);
  return flow;
}

/** The flow after the statement. The last chain of a nested body gives its result, whatever value it begins with. */
function elaborateStatement(frame: Frame, scope: Scope, body: Body, statement: Statement, flow: Value | undefined, last: boolean): Value | undefined {
  switch (statement.kind) {
    case "InPort":
    case "OutPort":
    case "Where":
    case "Skip":
    case "Names":
      return flow;
    case "ParamDeclaration":
    case "StateDeclaration":
      scope.later.delete(statement.name.text);
      declareTensor(frame, scope, statement);
      return flow;
    case "Update":
      declareUpdate(frame, scope, statement);
      return flow;
    case "Let":
    case "Assign":
      bindNames(frame, scope, statement);
      return flow;
    case "ChainStatement": {
      const result = runChain(frame, scope, body, statement.chain, flow);
      return (result.fromFlow || last) && !result.delivered ? result.value : flow;
    }
    case "IfStatement":
      return elaborateIf(frame, scope, statement, flow);
    default:
      return statement satisfies never;
  }
}

/** What else a skip's target may be: a labelled stage, or an `out` port. */
function namedOtherwise(scope: Scope, chains: readonly Chain[], name: string): { readonly what: string; readonly span: Span } | undefined {
  const out = scope.outs.get(name);
  if (out !== undefined) return { what: "an output", span: out.name.span };
  for (const { stages } of chains)
    for (const stage of stages) {
      const label = stageLabel(stage);
      if (label?.text === name && stage.kind !== "JoinStage") return { what: "a stage", span: label.span };
    }
  return undefined;
}

/** Skips of this body, those under its `if` statements included. */
function allSkips(statements: readonly Statement[]): Skip[] {
  return statements.flatMap((statement) => {
    if (statement.kind === "Skip") return [statement];
    return statement.kind === "IfStatement" ? [...allSkips(statement.then), ...allSkips(statement.else)] : [];
  });
}

/** A branch's skips belong to the joins around the `if`, unless the branch has such a join itself. */
function withoutOuterSkips(statements: readonly Statement[]): readonly Statement[] {
  const own = new Set(
    statements.flatMap((statement) =>
      statement.kind === "ChainStatement"
        ? statement.chain.stages.flatMap((stage) => (stage.kind === "JoinStage" && stage.label !== undefined ? [stage.label.text] : []))
        : [],
    ),
  );
  return statements.filter((statement) => statement.kind !== "Skip" || own.has(statement.join.text));
}

/** Those of them that enter `join` as far as the conditions around them are decided. */
function skipsInForce(
  frame: Frame,
  scope: Scope,
  statements: readonly Statement[],
  join: string,
  condition: Relation | undefined,
): ConditionalSkip[] {
  return statements.flatMap((statement): ConditionalSkip[] => {
    if (statement.kind === "Skip") return statement.join.text === join ? [{ skip: statement, condition }] : [];
    if (statement.kind !== "IfStatement" || allSkips([statement]).every((skip) => skip.join.text !== join)) return [];
    const value = evaluate(frame, scope, statement.condition);
    if (value.kind !== "bool") return [];
    const decided = decide(frame.session, value.value);
    if (decided !== undefined || typeof value.value === "boolean")
      return skipsInForce(frame, scope, (decided ?? value.value) ? statement.then : statement.else, join, condition);
    const both = (more: Relation): Relation => (condition === undefined ? more : { op: "and", parts: [condition, more] });
    return [
      ...skipsInForce(frame, scope, statement.then, join, both(value.value)),
      ...skipsInForce(frame, scope, statement.else, join, both({ op: "not", part: value.value })),
    ];
  });
}

/** Every label and local of this body is noted with its place; a second one of a name is an error. */
function collectNames(frame: Frame, scope: Scope, statements: readonly Statement[], chains: readonly Chain[]): void {
  const seen = new Map<string, Span>();
  const told = new Set<string>();
  const note = (name: string, span: Span, binds: boolean, assigned = false): void => {
    const first = seen.get(name) ?? scope.names.get(name)?.span;
    const bound = scope.names.get(name)?.declared;
    const what = bound === "parameter" || bound === "port" || bound === "dim" ? "size" : "label";
    // `x = f(x)` line by line is one misunderstanding.
    if (first !== undefined && !told.has(name)) report(frame.session, duplicateName(name, span, first, assigned ? "value" : what));
    if (first !== undefined) told.add(name);
    else seen.set(name, span);
    if (binds && !scope.later.has(name)) scope.later.set(name, span);
  };
  for (const chain of chains)
    for (const stage of chain.stages) {
      const label = stageLabel(stage);
      if (label !== undefined) note(label.text, label.span, true);
    }
  for (const statement of statements) {
    if (statement.kind === "Let") for (const name of statement.names) note(name.text, name.span, true);
    if (statement.kind === "Assign") for (const name of statement.names) if (!scope.outs.has(name.text)) note(name.text, name.span, true, true);
    if (statement.kind === "ParamDeclaration" || statement.kind === "StateDeclaration") note(statement.name.text, statement.name.span, true);
    if (statement.kind === "Skip" && statement.label !== undefined) note(statement.label.text, statement.label.span, false);
  }
}

function stageLabel(stage: Stage): { text: string; span: Span } | undefined {
  if (stage.kind === "IfStage" || stage.label === undefined) return undefined;
  return { text: stage.label.kind === "Name" ? stage.label.text : stage.label.text, span: stage.label.span };
}

function bindNames(frame: Frame, scope: Scope, statement: Let | Assign): void {
  const value = evaluate(frame, scope, statement.value);
  const { names } = statement;
  if (names.length === 1 && names[0] !== undefined) {
    bindName(frame, scope, names[0], value, statement);
    return;
  }
  const elements = elementsOf(value);
  if (elements !== undefined && elements.length !== names.length)
    report(frame.session, problems.wrongKind(statement.value.span, `${names.length} results`, value));
  else if (elements === undefined && value.kind !== "poison")
    report(frame.session, problems.wrongKind(statement.value.span, `${names.length} results`, value));
  for (const [i, name] of names.entries()) bindName(frame, scope, name, elements?.[i] ?? POISON, statement);
}

function bindName(frame: Frame, scope: Scope, name: Name, value: Value, statement: Let | Assign): void {
  const out = scope.outs.get(name.text);
  if (statement.kind === "Assign" && out !== undefined) {
    const asValue = value.kind === "real" || value.kind === "dim" ? (asTensor(frame, value, "f32", statement.span) ?? POISON) : value;
    assignOut(frame, scope, name, asValue, statement.value.span);
    return;
  }
  scope.later.delete(name.text);
  scope.names.set(name.text, { value, span: name.span, declared: "local" });
}

/** Gives an out port its value; once only. */
export function assignOut(frame: Frame, scope: Scope, name: Name, value: Value, span: Span): void {
  const out = scope.outs.get(name.text);
  if (out === undefined) return;
  if (out.assigned !== undefined) report(frame.session, portProblems.assignedTwice(name.text, span, out.assigned.span));
  else out.assigned = { value, span };
}

function elaborateIf(frame: Frame, scope: Scope, statement: IfStatement, flow: Value | undefined): Value | undefined {
  const condition = evaluate(frame, scope, statement.condition);
  if (condition.kind === "poison") return flow;
  if (condition.kind !== "bool") {
    report(frame.session, problems.wrongKind(statement.condition.span, "a condition", condition));
    return flow;
  }
  const decided = decide(frame.session, condition.value);
  if (decided !== undefined) return elaborateInline(frame, scope, decided ? statement.then : statement.else, flow);
  if (!frame.session.generic) {
    const text = statement.condition.span.source.text.slice(statement.condition.span.start, statement.condition.span.end);
    report(frame.session, problems.undecided(statement.condition.span, `\`${text}\``));
    return flow;
  }
  return elaborateBoth(frame, scope, statement, condition, flow);
}

/** A decided branch binds its names in the surrounding scope. */
function elaborateInline(frame: Frame, scope: Scope, statements: readonly Statement[], flow: Value | undefined): Value | undefined {
  if (statements.length === 0) return flow;
  const inner = openScope(scope);
  const result = elaborateStatements(frame, inner, withoutOuterSkips(statements), flow);
  for (const [name, binding] of inner.names) {
    if (name === "it") continue;
    scope.later.delete(name);
    if (!scope.names.has(name)) scope.names.set(name, binding);
  }
  return result;
}

/** Generic check: both branches are checked, each under its condition; what both bind stays bound. */
function elaborateBoth(
  frame: Frame,
  scope: Scope,
  statement: IfStatement,
  condition: Extract<Value, { kind: "bool" }>,
  flow: Value | undefined,
): Value | undefined {
  if (typeof condition.value === "boolean") return flow;
  const relation = condition.value;
  const before = new Map([...scope.outs].map(([name, out]) => [name, out.assigned]));
  const branch = (statements: readonly Statement[], holds: Relation): Branch =>
    assuming(frame.session, holds, () => {
      for (const [name, out] of scope.outs) out.assigned = before.get(name);
      const inner = openScope(scope);
      const result = elaborateStatements(frame, inner, withoutOuterSkips(statements), flow);
      return { inner, result, assigned: new Map([...scope.outs].map(([name, out]) => [name, out.assigned])) };
    });
  const then = branch(statement.then, relation);
  const otherwise = branch(statement.else, { op: "not", part: relation });
  const branching = { condition: relation, span: statement.condition.span };
  const merge = (a: Value, b: Value | undefined): Value => (b === undefined ? a : mergeValues(frame, branching, a, b));
  for (const [name, out] of scope.outs) {
    const [one, other] = [then.assigned.get(name), otherwise.assigned.get(name)];
    out.assigned = one === undefined || one === other ? other : { value: merge(one.value, other?.value), span: one.span };
  }
  for (const [name, binding] of [...then.inner.names, ...otherwise.inner.names]) {
    scope.later.delete(name);
    if (name === "it" || lookup(scope, name) !== undefined) continue;
    const other = then.inner.names.has(name) ? otherwise.inner.names.get(name) : undefined;
    scope.names.set(name, { ...binding, value: merge(binding.value, other?.value) });
  }
  return then.result === undefined ? otherwise.result : merge(then.result, otherwise.result);
}

/** What one branch of an undecided `if` bound and assigned. */
interface Branch {
  readonly inner: Scope;
  readonly result: Value | undefined;
  readonly assigned: ReadonlyMap<string, OutTarget["assigned"]>;
}
