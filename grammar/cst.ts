/**
 * Reading chevrotain's concrete syntax tree: the one place that knows its shape.
 * Invariant: every accessor tolerates what recovery left out.
 */
import type { CstNode, IToken } from "chevrotain";
import type { Comment, Name } from "./ast.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { spanOf } from "./lex.ts";
import type { Source, Span } from "./source.ts";

/** What the builders share during one parse. */
export interface Context {
  readonly source: Source;
  readonly comments: readonly Comment[];
  readonly report: (diagnostic: Diagnostic) => void;
}

const NONE: readonly never[] = [];

function isNode(element: CstNode | IToken): element is CstNode {
  return "children" in element;
}

function isWritten(element: CstNode | IToken): element is IToken {
  return !("children" in element) && element.isInsertedInRecovery !== true;
}

/** The child nodes under a rule's name, in source order. */
export function nodes(node: CstNode, name: string): readonly CstNode[] {
  const found = node.children[name];
  if (found === undefined) return NONE;
  return found.every(isNode) ? found : found.filter(isNode);
}

/** The first child node under a rule's name. */
export function node(parent: CstNode | undefined, name: string): CstNode | undefined {
  const found = parent?.children[name]?.[0];
  return found !== undefined && "children" in found ? found : undefined;
}

/** The child tokens under a token type's name, in source order; those that recovery made up are left out. */
export function tokens(node: CstNode, name: string): readonly IToken[] {
  const found = node.children[name];
  if (found === undefined) return NONE;
  return found.every(isWritten) ? found : found.filter(isWritten);
}

/** The first child token under a token type's name. */
export function token(parent: CstNode | undefined, name: string): IToken | undefined {
  const found = parent?.children[name];
  return found === undefined ? undefined : found.find(isWritten);
}

/** The text a node covers; empty at `fallback` where recovery left nothing. */
export function nodeSpan(context: Context, node: CstNode | undefined, fallback: number): Span {
  const { source } = context;
  const location = node?.location;
  if (location === undefined || Number.isNaN(location.startOffset)) return { source, start: fallback, end: fallback };
  const end = (location.endOffset ?? location.startOffset) + 1;
  return { source, start: location.startOffset, end: Math.max(end, location.startOffset) };
}

export function tokenSpan(context: Context, token: IToken): Span {
  return spanOf(token, context.source);
}

/** A name from its token, or the empty name at `fallback`. */
export function nameOf(context: Context, token: IToken | undefined, fallback: number): Name {
  if (token === undefined) {
    return { kind: "Name", text: "", span: { source: context.source, start: fallback, end: fallback } };
  }
  return { kind: "Name", text: token.image, span: tokenSpan(context, token) };
}

/** Children of two kinds in source order. */
export function inOrder(node: CstNode, names: readonly string[]): readonly (CstNode | IToken)[] {
  const found = names.flatMap((name): readonly (CstNode | IToken)[] => node.children[name] ?? NONE);
  return found.toSorted((a, b) => startOf(a) - startOf(b));
}

function startOf(element: CstNode | IToken): number {
  const start = "children" in element ? element.location?.startOffset : element.startOffset;
  return start === undefined || Number.isNaN(start) ? Number.MAX_SAFE_INTEGER : start;
}

/** The token at a position among those of one type, recovery's own counted; undefined if recovery made it up. */
export function tokenAt(node: CstNode, name: string, index: number): IToken | undefined {
  const found = node.children[name]?.[index];
  return found === undefined || "children" in found || found.isInsertedInRecovery === true ? undefined : found;
}

/** Where the first token of one of these types ends; else where the node begins. */
export function endOfToken(context: Context, cst: CstNode, ...names: readonly string[]): number {
  for (const name of names) {
    const found = token(cst, name);
    if (found !== undefined) return tokenSpan(context, found).end;
  }
  return nodeSpan(context, cst, 0).start;
}
