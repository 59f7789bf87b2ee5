/**
 * Runs lexer and parser over arranged tokens and words the syntax errors; also over a part of a text.
 * Invariant: offsets are those of the whole source.
 */
import { type CstNode, EOF, type IToken } from "chevrotain";
import type { Diagnostic } from "./diagnostic.ts";
import { describe } from "./expected.ts";
import { isInserted } from "./layout.ts";
import { lex, spanOf } from "./lex.ts";
import { parseTokens, type ParserError } from "./parse-tokens.ts";
import { foreignJoin, strayCloser, unexpected } from "./problems.ts";
import type { Source, Span } from "./source.ts";
import { Colon, RightBrace, Separator } from "./tokens.ts";

export interface Fragment {
  readonly cst: CstNode | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Parses `source.text.slice(start, end)` as one expression. */
export function parseFragment(source: Source, start: number, end: number): Fragment {
  const part = lex({ path: source.path, text: source.text.slice(start, end) });
  const moved = part.diagnostics.map((each) => ({
    ...each,
    span: { source, start: each.span.start + start, end: each.span.end + start },
    fixes: [],
  }));
  for (const token of part.tokens) {
    token.startOffset += start;
    token.endOffset = (token.endOffset ?? 0) + start;
  }
  const result = parseArranged(source, part.tokens, "expression", end);
  return { cst: result.cst, diagnostics: [...moved, ...result.diagnostics] };
}

/** Parses arranged tokens; `end` is where their text ends, `reported` what is known to be wrong in it. */
export function parseArranged(
  source: Source,
  tokens: IToken[],
  rule: "module" | "expression",
  end: number = source.text.length,
  reported: readonly Diagnostic[] = [],
): Fragment {
  const { cst, errors } = parseTokens(tokens, rule);
  const diagnostics: Diagnostic[] = [];
  const seen = new Set(reported.map((each) => each.span.start));
  for (const error of errors) {
    const span = placeOf(source, error, tokens, end);
    // At a bracket that was put in, the missing bracket is the cause and has been reported.
    const follows = error.previous !== undefined && seen.has(error.previous.startOffset);
    if (isInserted(error.token) || seen.has(span.start) || follows) continue;
    seen.add(span.start);
    const found = endsStatement(error) ? "the end of the statement" : describe(error.token);
    const stray = error.rule === "module" && error.token.tokenType === RightBrace;
    if (stray) diagnostics.push(strayCloser("}", span, undefined));
    else diagnostics.push(skipIntoBlock(source, error.token, span) ?? unexpected(found, error.message, span, advice(error)));
  }
  return { cst, diagnostics };
}

/** `skip x -> b.sum`: the join of a block that is used here. */
function skipIntoBlock(source: Source, token: IToken, { start }: Span): Diagnostic | undefined {
  if (token.image !== ".") return undefined;
  const before = /\bskip\s[^\n]*->\s*(\w+)$/.exec(source.text.slice(source.text.lastIndexOf("\n", start) + 1, start))?.[1];
  const after = /^\.\w+/.exec(source.text.slice(start))?.[0];
  if (before === undefined || after === undefined) return undefined;
  return foreignJoin(before, before + after, { source, start: start - before.length, end: start + after.length });
}

function placeOf(source: Source, error: ParserError, tokens: readonly IToken[], end: number): Span {
  const { token } = error;
  if (token.tokenType === EOF || Number.isNaN(token.startOffset)) {
    const last = tokens.at(-1);
    const at = last === undefined ? end : spanOf(last, source).end;
    return { source, start: at, end: at };
  }
  if (error.previous !== undefined && endsStatement(error)) {
    const { end: at } = spanOf(error.previous, source);
    return { source, start: at, end: at };
  }
  return spanOf(token, source);
}

/** A brace on a later line says nothing; what is missing belongs where the text before it stops. */
function endsStatement({ token, previous }: ParserError): boolean {
  const later = (token.startLine ?? 0) > (previous?.endLine ?? Number.POSITIVE_INFINITY);
  return later && (token.tokenType === RightBrace || (token.tokenType === Separator && token.image === ";"));
}

const STATEMENT_LIKE = /^(in|out|where|param|state|update|let|skip|if|names|join|repeat|stages)$/;

const LABEL_IN_CHAIN = "a label stands before a stage of a chain, `x -> cell: Cell(8)`, and is a name from there on";
const PART_OF_TENSOR = "a part of a tensor is `slice(x, axis: 1, start: 0, size: 8)`, or one of the parts of `split`";

function advice(error: ParserError): { readonly help: readonly string[] } {
  const { token, rule } = error;
  if (rule === "module" && STATEMENT_LIKE.test(token.image) && token.tokenType !== Separator) {
    return { help: ["statements belong inside a `block` or `model`; an earlier `}` may have closed it"] };
  }
  if (token.tokenType === Colon && error.message === "`,` or `]`") return { help: [PART_OF_TENSOR] };
  if (token.tokenType === Colon && error.message.startsWith("an operator")) return { help: [LABEL_IN_CHAIN] };
  return { help: [] };
}
