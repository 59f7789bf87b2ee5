/**
 * What the body of a repeat computes from the index: rounds in which all of it is the same may be the same.
 * Invariant: where a value of the body itself is among the operands, the index stands for the expression, and differs in every round.
 */
import type { Expression, RepeatStage } from "../../grammar/ast.ts";
import { type Node, walk } from "../../grammar/walk.ts";
import type { Frame, Session } from "./context.ts";
import { contains, STATIC_CALLS } from "./depth.ts";
import { evaluate } from "./expressions.ts";
import { lookup, openScope, type Scope } from "./scope.ts";
import { noNames } from "./used-names.ts";
import { dimValue, type Value, valueKey } from "./values.ts";

/**
 * The largest parts of a body that are computed from the index and things outside of the body alone; undefined if the body
 * asks for `depth`. Where the index meets names of the body itself, the part is the index, which differs in every round.
 */
export function expressionsOfIndex(scope: Scope, { index, body }: RepeatStage): readonly Expression[] | undefined {
  const isNamed = (name: string) => (node: Node) => node.kind === "Reference" && node.name.text === name;
  if (body.some((statement) => contains(statement, isNamed("depth")))) return undefined;
  if (index === undefined) return [];
  const inner = namesBoundIn(body);
  const found: Expression[] = [];
  for (const statement of body)
    walk(statement, (node) => {
      if (!isExpression(node) || !contains(node, isNamed(index.text))) return true;
      if (!isStatic(node, scope, index.text, inner)) return true;
      found.push(node);
      return false;
    });
  return found;
}

const EXPRESSIONS: ReadonlySet<Node["kind"]> = new Set([
  ...(["Reference", "Member", "Call", "Index", "Unary", "Binary", "Conditional"] as const),
  ...(["ListExpression", "TupleExpression", "NumberLiteral", "StringLiteral", "BooleanLiteral"] as const),
]);

function isExpression(node: Node): node is Expression {
  return EXPRESSIONS.has(node.kind);
}

/** Sizes, numbers, lists and choices among them, of the index and what is known outside of the body. */
function isStatic(root: Node, scope: Scope, index: string, inner: ReadonlySet<string>): boolean {
  return !contains(root, (node) => {
    if (node.kind === "Argument" || node.kind === "Name") return false;
    if (node.kind === "Call") return node.callee.kind !== "Reference" || !STATIC_CALLS.includes(node.callee.name.text);
    if (node.kind !== "Reference") return !isExpression(node);
    const { text } = node.name;
    if (text === index) return false;
    if (inner.has(text) || scope.outs.has(text)) return true;
    const bound = lookup(scope, text);
    if (bound !== undefined) return !isKnown(bound.value);
    return !STATIC_CALLS.includes(text) && scope.file.visible.get(text)?.kind !== "constant";
  });
}

/** A value that its key says all of: no tensor is in it. */
function isKnown(value: Value): boolean {
  if (value.kind === "tuple" || value.kind === "list") return value.elements.every(isKnown);
  return value.kind === "dim" || value.kind === "real" || value.kind === "bool" || value.kind === "string" || value.kind === "pack";
}

/** Labels, locals, parameters and inner indices. */
function namesBoundIn(body: RepeatStage["body"]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const statement of body)
    walk(statement, (node, parents) => {
      if (node.kind === "Label") names.add(node.text);
      const parent = parents.at(-1)?.kind;
      if (node.kind === "Name" && parent !== "Reference" && parent !== "Argument" && parent !== "Member") names.add(node.text);
    });
  return names;
}

/** Equal for indices of which the expressions have equal values; undefined where one cannot be evaluated. */
export function keyOfIndex(
  frame: Frame,
  scope: Scope,
  { index }: RepeatStage,
  expressions: readonly Expression[],
): (round: number) => string | undefined {
  if (index === undefined) return () => "";
  const { session } = frame;
  const apart: Session = { ...session, diagnostics: [], reported: new Set(), constants: new Map(session.constants) };
  const scratch: Frame = { ...frame, session: apart, entries: [], types: [], derived: new Set(), used: noNames() };
  return (round) => {
    const inner = openScope(scope);
    inner.names.set(index.text, { value: dimValue(round), span: index.span, declared: "local" });
    apart.facts = session.facts;
    const keys = expressions.map((expression) => valueKey(evaluate(scratch, inner, expression)));
    if (apart.diagnostics.length === 0) return keys.join(";");
    apart.diagnostics.length = 0;
    apart.reported.clear();
    return undefined;
  };
}
