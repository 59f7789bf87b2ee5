/**
 * Chains: a value flows through stages. Blocks and operators are applied, joins merge, repeats and stages unroll.
 * Invariant: a poisoned flow passes through silently, but labels are still bound.
 */
import type { CallStage, Chain, Expression, Label, Name, Pattern, RepeatStage, Stage, StagesStage, Statement } from "../../grammar/ast.ts";
import { closest } from "../../grammar/closest.ts";
import type { Span } from "../../grammar/source.ts";
import { constantOf, formatDim } from "../ir/dim.ts";
import { applyBlock } from "./apply.ts";
import { assignOut, type Body, elaborateStatements } from "./body.ts";
import { mergeValues } from "./branches.ts";
import { assuming, decide, type Frame, report } from "./context.ts";
import { countingDepth, passStage, roundOfDepth } from "./depth.ts";
import { applyShared, applyValue, evaluate, isBuiltin } from "./expressions.ts";
import { repeatSymbolic } from "./induction.ts";
import { runJoin } from "./join.ts";
import { namesNothing } from "./name-problems.ts";
import * as problems from "./problems.ts";
import { applyPrimitive, isPrimitive, PRIMITIVE_NAMES } from "./primitives.ts";
import { MOST_ROUNDS, unroll } from "./rounds.ts";
import { lookup, lookupLater, openScope, type Scope } from "./scope.ts";
import { derivedName, freeComponent } from "./used-names.ts";
import { dimValue, elementsOf, POISON, type Value } from "./values.ts";

export interface ChainResult {
  readonly value: Value;
  /** The chain began from `it`, so its end is where the body's flow goes on. */
  readonly fromFlow: boolean;
  /** It ends in an `out` port, which takes the value. */
  readonly delivered: boolean;
}

export function runChain(frame: Frame, scope: Scope, body: Body, chain: Chain, it: Value | undefined): ChainResult {
  let flow: Value | undefined;
  let fromFlow = false;
  for (const [i, stage] of chain.stages.entries()) {
    passStage(frame, stage);
    if (i === 0) {
      const source = startValue(frame, scope, stage);
      if (source !== undefined) {
        flow = source.value;
        fromFlow = source.isFlow;
        continue;
      }
      if (it === undefined) {
        report(frame.session, problems.noInput(stage.span));
        flow = POISON;
      } else flow = it;
      fromFlow = true;
    }
    const named = i > 0 && i === chain.stages.length - 1 ? meantName(scope, stage) : undefined;
    if (named === undefined) flow = runStage(frame, scope, body, stage, flow ?? POISON);
    else {
      const before = chain.stages[i - 1];
      report(frame.session, namesNothing(named.text, named.span, before?.kind === "CallStage" ? before : undefined, [...scope.outs.keys()]));
      scope.names.set(named.text, { value: flow ?? POISON, span: named.span, declared: "label" });
    }
  }
  return { value: flow ?? POISON, fromFlow, delivered: endsInOut(scope, chain) };
}

/** `x -> relu -> h`, where `h` is nothing and like nothing: a name for the result was meant. */
function meantName(scope: Scope, stage: Stage): Name | undefined {
  if (stage.kind !== "CallStage" || stage.label !== undefined || stage.value.kind !== "Reference") return undefined;
  const { name } = stage.value;
  const { text } = name;
  const isKnown = lookup(scope, text) ?? lookupLater(scope, text) ?? scope.outs.get(text);
  if (isKnown !== undefined || frameKnows(scope, text) || isBuiltin(text) || scope.file.unresolved.has(text)) return undefined;
  return closest(text, [...scope.outs.keys(), ...scope.file.visible.keys(), ...PRIMITIVE_NAMES]) === undefined ? name : undefined;
}

function endsInOut(scope: Scope, chain: Chain): boolean {
  const last = chain.stages.at(-1);
  if (chain.stages.length < 2 || last?.kind !== "CallStage" || last.value.kind !== "Reference") return false;
  return scope.outs.has(last.value.name.text) && lookup(scope, last.value.name.text) === undefined;
}

/** The first stage as a value: a port, a label, or an expression over tensors. undefined: it is a stage to apply. */
function startValue(frame: Frame, scope: Scope, stage: Stage): { value: Value; isFlow: boolean } | undefined {
  if (stage.kind !== "CallStage") return undefined;
  const { value: expression } = stage;
  if (expression.kind === "Reference") {
    const bound = lookup(scope, expression.name.text);
    if (bound === undefined) {
      const out = scope.outs.get(expression.name.text);
      if (out?.assigned !== undefined) return { value: out.assigned.value, isFlow: false };
      if (frameKnows(scope, expression.name.text)) return undefined;
      return { value: evaluate(frame, scope, expression, true), isFlow: false };
    }
    if (bound.value.kind === "block" || bound.value.kind === "primitive") return undefined;
    return { value: bound.value, isFlow: expression.name.text === "it" };
  }
  if (expression.kind === "Call" && !isOverTensors(scope, expression)) return undefined;
  const value = evaluate(frame, scope, expression);
  bindLabel(frame, scope, stage, value, undefined, []);
  return { value, isFlow: false };
}

/** The expression has a tensor as its value: a name of one, an operation over one, or a call that is given one. */
function isOverTensors(scope: Scope, expression: Expression): boolean {
  switch (expression.kind) {
    case "Reference": {
      const { text } = expression.name;
      const kind = (lookup(scope, text)?.value ?? scope.outs.get(text)?.assigned?.value)?.kind;
      return kind === "tensor" || (kind === undefined && lookupLater(scope, text) !== undefined);
    }
    case "Call":
      if (expression.callee.kind === "Reference" && MAKES_TENSORS.has(expression.callee.name.text)) return true;
      return expression.arguments.some((argument) => argument.name === undefined && isOverTensors(scope, argument.value));
    case "Unary":
      return isOverTensors(scope, expression.operand);
    case "Binary":
      return isOverTensors(scope, expression.left) || isOverTensors(scope, expression.right);
    case "Conditional":
      return isOverTensors(scope, expression.then) || isOverTensors(scope, expression.else);
    case "Index":
      return isOverTensors(scope, expression.object);
    case "Spread":
      return isOverTensors(scope, expression.value);
    case "ListExpression":
    case "TupleExpression":
      return expression.elements.some((element) => isOverTensors(scope, element));
    default:
      return false;
  }
}

/** Operators that make a tensor of sizes alone. */
const MAKES_TENSORS: ReadonlySet<string> = new Set(["iota", "random"]);

function frameKnows(scope: Scope, name: string): boolean {
  return scope.file.visible.has(name) || isPrimitive(name);
}

export function runStage(frame: Frame, scope: Scope, body: Body, stage: Stage, flow: Value): Value {
  switch (stage.kind) {
    case "CallStage":
      return runCall(frame, scope, body, stage, flow);
    case "JoinStage":
      return runJoin(frame, scope, body, stage, flow);
    case "RepeatStage":
      return countingDepth(frame, scope, stage, () => runRepeat(frame, scope, body, stage, flow));
    case "StagesStage":
      return countingDepth(frame, scope, stage, () => runStages(frame, scope, body, stage, flow));
    case "IfStage": {
      const condition = evaluate(frame, scope, stage.condition);
      if (condition.kind === "poison") return POISON;
      if (condition.kind !== "bool") {
        report(frame.session, problems.wrongKind(stage.condition.span, "a condition", condition));
        return POISON;
      }
      const decided = decide(frame.session, condition.value);
      if (decided !== undefined) return runBody(frame, scope, decided ? stage.then : stage.else, flow);
      if (!frame.session.generic) {
        report(frame.session, problems.undecided(stage.condition.span, "of this stage"));
        return POISON;
      }
      const relation = condition.value;
      if (typeof relation === "boolean") return POISON;
      const then = assuming(frame.session, relation, () => runBody(frame, scope, stage.then, flow));
      const otherwise = assuming(frame.session, { op: "not", part: relation }, () => runBody(frame, scope, stage.else, flow));
      return mergeValues(frame, { condition: relation, span: stage.condition.span }, then, otherwise);
    }
    case "BodyStage": {
      const added = stage.label === undefined ? [] : [labelText(frame, scope, stage.label)];
      const result = within(frame, added, () => runBody(frame, scope, stage.body, flow));
      if (stage.label !== undefined) bindName(scope, stage.label, result);
      return result;
    }
    default:
      return stage satisfies never;
  }
}

/** A nested body with its own scope, flowing from `it`. */
export function runBody(frame: Frame, scope: Scope, statements: readonly Statement[], flow: Value, bind?: (inner: Scope) => void): Value {
  if (statements.length === 0) return flow;
  const inner = openScope(scope);
  bind?.(inner);
  return elaborateStatements(frame, inner, statements, flow) ?? POISON;
}

/** Runs with path components added to all that is entered meanwhile. */
export function within<T>(frame: Frame, components: readonly string[], run: () => T): T {
  const before = frame.prefix;
  frame.prefix = [...before, ...components];
  const result = run();
  frame.prefix = before;
  return result;
}

export function labelText(frame: Frame, scope: Scope, label: Label): string {
  return label.parts
    .map((part) => {
      if (part.kind === "LabelText") return part.text;
      const value = evaluate(frame, scope, part.value);
      if (value.kind === "dim") return formatDim(value.dim);
      if (value.kind === "string") return value.value;
      if (value.kind !== "poison") report(frame.session, problems.wrongKind(part.value.span, "an integer or string", value));
      return "?";
    })
    .join("");
}

function bindName(scope: Scope, label: Label, value: Value): void {
  scope.later.delete(label.text);
  scope.names.set(label.text, { value, span: label.span, declared: "label" });
}

function bindLabel(frame: Frame, scope: Scope, stage: CallStage, value: Value, block: Value | undefined, path: readonly string[]): void {
  if (stage.label === undefined) return;
  scope.later.delete(stage.label.text);
  scope.names.set(stage.label.text, {
    value,
    span: stage.label.span,
    declared: "label",
    ...(block === undefined ? {} : { stage: { block, path: [...frame.prefix, ...path] } }),
  });
}

function runCall(frame: Frame, scope: Scope, body: Body, stage: CallStage, flow: Value): Value {
  const { value: expression } = stage;
  const { session } = frame;
  if (expression.kind === "Reference") {
    const name = expression.name;
    if (scope.outs.has(name.text) && lookup(scope, name.text) === undefined) {
      assignOut(frame, scope, name, flow, expression.span);
      return flow;
    }
    const shared = lookup(scope, name.text)?.stage;
    if (shared !== undefined && shared.block.kind === "block") {
      const result = applyShared(frame, { block: shared.block, path: shared.path }, inputsOf(flow, []), stage.span);
      bindLabel(frame, scope, stage, result, undefined, []);
      return result;
    }
  }
  const callee = evaluate(frame, scope, expression, true);
  const path = stage.label === undefined ? undefined : [labelText(frame, scope, stage.label)];
  const result = applyStage(frame, callee, flow, path, stage, body);
  bindLabel(frame, scope, stage, result, callee, path ?? []);
  if (callee.kind === "tensor") report(session, problems.notAStage(expression.span, callee));
  return result;
}

function inputsOf(flow: Value, extra: readonly Value[]): Value[] {
  const first = flow.kind === "tuple" || flow.kind === "list" ? [...flow.elements] : [flow];
  return [...first, ...extra];
}

function applyStage(frame: Frame, callee: Value, flow: Value, path: readonly string[] | undefined, stage: CallStage, body: Body): Value {
  switch (callee.kind) {
    case "block": {
      const tensors = callee.given.filter((given) => given.value.kind === "tensor" && given.name === undefined);
      const block = { ...callee, given: callee.given.filter((given) => !tensors.includes(given)) };
      const inputs = inputsOf(
        flow,
        tensors.map((given) => given.value),
      );
      const start = frame.entries.length;
      const result = applyBlock(frame, block, inputs, path === undefined ? undefined : { path }, stage.span);
      if (path === undefined && !body.outermost) markDerived(frame, start);
      return result;
    }
    case "primitive": {
      const inputs = inputsOf(flow, []).map((value) => ({ name: undefined, nameSpan: undefined, value, span: stage.span }));
      if (!isPrimitive(callee.name)) return applyValue(frame, { ...callee, given: [] }, [...inputs, ...callee.given], stage.span, false);
      return applyPrimitive(frame, callee.name, [...inputs, ...callee.given], stage.span);
    }
    case "poison":
    case "tensor":
      return POISON;
    default:
      report(frame.session, problems.notAStage(stage.value.span, callee));
      return POISON;
  }
}

/** Marks an unlabelled use in a nested body, whose component goes if it is the body's only one. */
function markDerived(frame: Frame, start: number): void {
  const entry = frame.entries[start];
  if (entry?.kind === "call" && entry.instance.holdsTensors) frame.derived.add(entry);
}

/** In a nested body or a skip's chain, a sole unlabelled use that holds tensors adds no path component: `layer1.0.conv1`, not `layer1.0.basic.conv1`. */
export function collapseSole(frame: Frame, start: number, depth: number): void {
  const holders: number[] = [];
  for (let i = start; i < frame.entries.length; i++) {
    const entry = frame.entries[i];
    if (entry === undefined) continue;
    if (entry.kind === "parameter" || entry.kind === "state") return;
    if (entry.kind === "call" && entry.instance.holdsTensors) holders.push(i);
  }
  const [only] = holders;
  const entry = only === undefined ? undefined : frame.entries[only];
  if (holders.length !== 1 || only === undefined || entry?.kind !== "call" || !frame.derived.has(entry)) return;
  if (entry.path.length === depth + 1) freeComponent(frame, only);
}

function runRepeat(frame: Frame, scope: Scope, body: Body, stage: RepeatStage, flow: Value): Value {
  const count = evaluate(frame, scope, stage.count);
  if (count.kind === "poison") return POISON;
  if (count.kind !== "dim") {
    report(frame.session, problems.wrongKind(stage.count.span, "an integer count", count));
    return POISON;
  }
  const times = constantOf(count.dim);
  // A count that is computed may have no rounds to give; one that is written has to be meant.
  if (times !== undefined && times < 0 && isWrittenNumber(stage.count)) {
    report(frame.session, problems.wrongKind(stage.count.span, "a count of at least 0", count));
    return POISON;
  }
  if (times === undefined && !frame.session.generic) {
    report(frame.session, problems.notConstant(stage.count.span, "the count of a repeat", count));
    return POISON;
  }
  const named = stage.label?.parts.some((part) => part.kind === "LabelHole") === true;
  const label = named
    ? []
    : stage.label !== undefined
      ? [labelText(frame, scope, stage.label)]
      : body.outermost
        ? [derivedName(frame, "repeat")]
        : [];
  const result =
    times === undefined
      ? repeatSymbolic(frame, stage, count.dim, flow, (index, value) => runRound(frame, scope, stage, index, value))
      : within(frame, label, () => {
          if (!countRounds(frame, times, stage.count.span)) return POISON;
          const nameOf = (index: number): string => roundName(frame, scope, stage, index);
          const elaborate = (index: number, name: string, value: Value): Value => runRound(frame, scope, stage, dimValue(index), value, name);
          return unroll({ frame, scope, stage, nameOf, elaborate }, times, flow);
        });
  if (stage.label !== undefined) bindName(scope, stage.label, result);
  return result;
}

function isWrittenNumber(expression: Expression): boolean {
  return expression.kind === "NumberLiteral" || (expression.kind === "Unary" && isWrittenNumber(expression.operand));
}

/** False, and reported, when the model would unroll into more rounds than any network has. */
function countRounds(frame: Frame, times: number, span: Span): boolean {
  const { session } = frame;
  session.rounds += times;
  if (session.rounds <= MOST_ROUNDS) return true;
  report(session, problems.tooLarge("rounds of repeats and stages, all together", MOST_ROUNDS, span));
  return false;
}

/** The round's number, or what a label with holes makes of it: `"denselayer{j+1}": repeat n as j { ... }`. */
function roundName(frame: Frame, scope: Scope, stage: RepeatStage, number: number): string {
  if (stage.label?.parts.some((part) => part.kind === "LabelHole") !== true) return String(number);
  const inner = openScope(scope);
  if (stage.index !== undefined) inner.names.set(stage.index.text, { value: dimValue(number), span: stage.index.span, declared: "local" });
  return labelText(frame, inner, stage.label);
}

function runRound(frame: Frame, scope: Scope, stage: RepeatStage, index: Value, value: Value, name = "?"): Value {
  const start = frame.entries.length;
  return within(frame, [name], () => {
    const bind = (inner: Scope): void => {
      if (stage.index !== undefined) inner.names.set(stage.index.text, { value: index, span: stage.index.span, declared: "local" });
    };
    const result = roundOfDepth(frame, stage.body, () => runBody(frame, scope, stage.body, value, bind));
    collapseSole(frame, start, frame.prefix.length);
    return result;
  });
}

function runStages(frame: Frame, scope: Scope, _body: Body, stage: StagesStage, flow: Value): Value {
  const list = evaluate(frame, scope, stage.list);
  if (list.kind === "poison") return POISON;
  if (list.kind !== "list" && list.kind !== "tuple") {
    report(frame.session, problems.wrongKind(stage.list.span, "a list", list));
    return POISON;
  }
  if (!countRounds(frame, list.elements.length, stage.list.span)) return POISON;
  let value = flow;
  for (const [i, element] of list.elements.entries()) {
    const bind = (inner: Scope): void => {
      if (stage.index !== undefined) inner.names.set(stage.index.text, { value: dimValue(i), span: stage.index.span, declared: "local" });
      if (stage.pattern !== undefined) bindPattern(frame, inner, stage.pattern, element);
    };
    const start = frame.entries.length;
    value = within(frame, stageComponents(frame, scope, stage, i, bind), () => {
      const result = roundOfDepth(frame, stage.body, () => runBody(frame, scope, stage.body, value, bind));
      collapseSole(frame, start, frame.prefix.length);
      return result;
    });
  }
  if (stage.label !== undefined) bindName(scope, stage.label, value);
  return value;
}

/** `layer` is layer1, layer2, ... under torchvision's names and layer.0, layer.1, ... otherwise; holes say it themselves. */
function stageComponents(frame: Frame, scope: Scope, stage: StagesStage, i: number, bind: (inner: Scope) => void): string[] {
  if (stage.label === undefined) return [];
  if (stage.label.parts.some((part) => part.kind === "LabelHole")) {
    const inner = openScope(scope);
    bind(inner);
    return [labelText(frame, inner, stage.label)];
  }
  return frame.session.scheme === "torchvision" ? [`${stage.label.text}${i + 1}`] : [stage.label.text, String(i)];
}

function bindPattern(frame: Frame, scope: Scope, pattern: Pattern, value: Value): void {
  if (pattern.kind === "NamePattern") {
    scope.names.set(pattern.name.text, { value, span: pattern.name.span, declared: "local" });
    return;
  }
  const elements = elementsOf(value);
  if (elements === undefined || elements.length !== pattern.elements.length) {
    if (value.kind !== "poison") report(frame.session, problems.patternMismatch(pattern.span, pattern.elements.length, value));
    for (const element of pattern.elements) bindPattern(frame, scope, element, POISON);
    return;
  }
  for (const [i, element] of pattern.elements.entries()) bindPattern(frame, scope, element, elements[i] ?? POISON);
}
