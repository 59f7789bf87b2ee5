/**
 * `depth` in the body of a loop: the linear position from 0 to 1 among the rounds of the outermost loop (Huang et al. 2016, eq. 4).
 * Invariant: a round without a loop in it is one position; in any other round each stage that mentions `depth` is one.
 */
import type { Expression, RepeatStage, Stage, StagesStage, Statement } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { type Node, walk } from "../../grammar/walk.ts";
import { constantOf } from "../ir/dim.ts";
import { decide, type Frame, report } from "./context.ts";
import { evaluate } from "./expressions.ts";
import * as problems from "./problems.ts";
import { openScope, type Scope } from "./scope.ts";
import { dimValue, POISON, type Value } from "./values.ts";

type Loop = RepeatStage | StagesStage;

/** Rounds of one loop; elaboration refuses as many. */
const MOST_COUNTED = 1_000_000;

/** Where the elaboration of a block stands within its outermost loop. */
export interface DepthTracker {
  /** Positions of the whole loop; undefined where a count is not known. Counted when first asked for. */
  readonly total: () => number | undefined;
  /** Positions begun. */
  next: number;
  /** The innermost round has no loop in it. */
  leaf: boolean;
}

/** Runs a loop; the outermost one of a block begins to count. */
export function countingDepth<T>(frame: Frame, scope: Scope, loop: Loop, run: () => T): T {
  const { depth } = frame;
  let total: { readonly value: number | undefined } | undefined;
  const count = (): number | undefined => {
    if (total !== undefined) return total.value;
    // A count that asks for `depth` itself has none.
    total = { value: undefined };
    total = { value: positionsOf(frame, scope, loop) };
    return total.value;
  };
  if (depth === undefined) frame.depth = { total: count, next: 0, leaf: false };
  const result = run();
  frame.depth = depth;
  return result;
}

/** Runs one round of a loop with this body. */
export function roundOfDepth<T>(frame: Frame, body: readonly Statement[], run: () => T): T {
  const { depth } = frame;
  if (depth === undefined) return run();
  const { leaf } = depth;
  depth.leaf = isLeaf(body);
  if (depth.leaf) depth.next++;
  const result = run();
  depth.leaf = leaf;
  return result;
}

/** Notes a stage about to run: beside an inner loop, one that mentions `depth` is a position of its own. */
export function passStage(frame: Frame, stage: Stage): void {
  const { depth } = frame;
  if (depth !== undefined && !depth.leaf && isPosition(stage)) depth.next++;
}

/** The value of `depth` here; undefined outside of loops. */
export function depthHere(frame: Frame, span: Span): Value | undefined {
  const { depth, session } = frame;
  if (depth === undefined) return undefined;
  const total = depth.total();
  if (total !== undefined) return { kind: "real", value: total <= 1 ? 0 : Math.min(1, Math.max(0, depth.next - 1) / (total - 1)) };
  if (session.generic) return { kind: "real", value: Number.NaN };
  report(session, problems.notConstant(span, "the number of rounds that `depth` counts", POISON));
  return POISON;
}

const leaves = new WeakMap<readonly Statement[], boolean>();
const positions = new WeakMap<Stage, boolean>();

function isLeaf(body: readonly Statement[]): boolean {
  const known = leaves.get(body);
  if (known !== undefined) return known;
  const leaf = !body.some((statement) => contains(statement, (node) => node.kind === "RepeatStage" || node.kind === "StagesStage"));
  leaves.set(body, leaf);
  return leaf;
}

function isPosition(stage: Stage): boolean {
  if (stage.kind !== "CallStage" && stage.kind !== "JoinStage") return false;
  const known = positions.get(stage);
  if (known !== undefined) return known;
  const mentions = contains(stage, (node) => node.kind === "Reference" && node.name.text === "depth");
  positions.set(stage, mentions);
  return mentions;
}

export function contains(root: Node, wanted: (node: Node) => boolean): boolean {
  let found = false;
  walk(root, (node) => {
    found ||= wanted(node);
    return !found;
  });
  return found;
}

/** A loop's positions, from its counts, lists and conditions alone. */
function positionsOf(frame: Frame, scope: Scope, loop: Loop): number | undefined {
  const elements = roundsOf(frame, scope, loop);
  if (elements === undefined) return undefined;
  if (isLeaf(loop.body)) return elements.length;
  return total(elements, (element, round) => {
    const inner = openScope(scope);
    bindLoop(inner, loop, round, element);
    return positionsIn(frame, inner, loop.body);
  });
}

function roundsOf(frame: Frame, scope: Scope, loop: Loop): readonly (Value | undefined)[] | undefined {
  const value = evaluate(frame, scope, loop.kind === "RepeatStage" ? loop.count : loop.list);
  if (value.kind === "list" || value.kind === "tuple") return value.elements;
  const count = value.kind === "dim" ? constantOf(value.dim) : undefined;
  return count === undefined || count > MOST_COUNTED ? undefined : Array.from({ length: Math.max(0, count) }, () => undefined);
}

function positionsIn(frame: Frame, scope: Scope, statements: readonly Statement[]): number | undefined {
  return total(statements, (statement) => {
    switch (statement.kind) {
      case "Let":
        if (isStatic(scope, statement.value)) bindAll(scope, statement.names, evaluate(frame, scope, statement.value));
        return 0;
      case "ChainStatement":
        return total(statement.chain.stages, (stage) => positionsAt(frame, scope, stage));
      case "Skip":
        return statement.via?.kind === "ViaChain" ? total(statement.via.chain.stages, (stage) => positionsAt(frame, scope, stage)) : 0;
      case "IfStatement":
        return positionsOfBranch(frame, scope, statement);
      default:
        return 0;
    }
  });
}

function positionsAt(frame: Frame, scope: Scope, stage: Stage): number | undefined {
  switch (stage.kind) {
    case "RepeatStage":
    case "StagesStage":
      return positionsOf(frame, scope, stage);
    case "IfStage":
      return positionsOfBranch(frame, scope, stage);
    case "BodyStage":
      return positionsIn(frame, openScope(scope), stage.body);
    default:
      return isPosition(stage) ? 1 : 0;
  }
}

function positionsOfBranch(
  frame: Frame,
  scope: Scope,
  choice: { condition: Expression; then: readonly Statement[]; else: readonly Statement[] },
): number | undefined {
  const condition = evaluate(frame, scope, choice.condition);
  const decided = condition.kind === "bool" ? decide(frame.session, condition.value) : undefined;
  return decided === undefined ? undefined : positionsIn(frame, openScope(scope), decided ? choice.then : choice.else);
}

/** A loop's index and pattern in a scope. */
function bindLoop(scope: Scope, loop: Loop, round: number, element: Value | undefined): void {
  if (loop.index !== undefined) scope.names.set(loop.index.text, { value: dimValue(round), span: loop.index.span, declared: "local" });
  if (loop.kind !== "StagesStage" || loop.pattern === undefined || element === undefined) return;
  const bind = (pattern: NonNullable<StagesStage["pattern"]>, value: Value): void => {
    if (pattern.kind === "NamePattern") scope.names.set(pattern.name.text, { value, span: pattern.name.span, declared: "local" });
    else
      for (const [i, inner] of pattern.elements.entries())
        bind(inner, value.kind === "tuple" || value.kind === "list" ? (value.elements[i] ?? POISON) : POISON);
  };
  bind(loop.pattern, element);
}

function bindAll(scope: Scope, names: readonly { readonly text: string; readonly span: Span }[], value: Value): void {
  for (const [i, name] of names.entries()) {
    const each = names.length === 1 ? value : value.kind === "tuple" || value.kind === "list" ? (value.elements[i] ?? POISON) : POISON;
    scope.names.set(name.text, { value: each, span: name.span, declared: "local" });
  }
}

/** Sizes, numbers, lists and choices among them: nothing that would build a tensor. */
function isStatic(scope: Scope, expression: Expression): boolean {
  return !contains(expression, (node) => {
    if (node.kind === "Call" && !(node.callee.kind === "Reference" && STATIC_CALLS.includes(node.callee.name.text))) return true;
    if (node.kind !== "Reference") return false;
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      const bound = at.names.get(node.name.text);
      if (bound !== undefined) return bound.value.kind === "tensor";
    }
    return !STATIC_CALLS.includes(node.name.text) && !scope.file.visible.has(node.name.text);
  });
}

/** Functions of numbers and lists. */
export const STATIC_CALLS: readonly string[] = ["floor", "ceil", "round", "min", "max", "length", "range", "real", "sqrt", "exp", "log", "abs"];

function total<T>(items: readonly T[], of: (item: T, index: number) => number | undefined): number | undefined {
  let sum = 0;
  for (const [i, item] of items.entries()) {
    const part = of(item, i);
    if (part === undefined) return undefined;
    sum += part;
  }
  return sum;
}
