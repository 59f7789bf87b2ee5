/**
 * Text → tokens and comments, with the errors of single tokens (RN001, RN002, RN005, RN006).
 * Invariant: never throws; every character of the text lies in a token, a comment, white space or an error.
 */
import { type IToken, Lexer } from "chevrotain";
import type { Comment } from "./ast.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { cleanText } from "./odd-characters.ts";
import {
  anchoredLabel,
  fatArrow,
  foreignName,
  hashComment,
  malformedNumber,
  singleQuotes,
  typographicCharacter,
  unexpectedCharacter,
  unterminatedComment,
  unterminatedString,
} from "./problems.ts";
import type { Source, Span } from "./source.ts";
import * as t from "./tokens.ts";

export interface Lexed {
  readonly tokens: IToken[];
  readonly comments: readonly Comment[];
  readonly diagnostics: readonly Diagnostic[];
}

const lexer = new Lexer(t.lexedTokens, {
  positionTracking: "full",
  ensureOptimizations: true,
  skipValidations: true,
  deferDefinitionErrorsHandling: true,
});

/** Splits a source into tokens; keywords are still `Identifier`s. */
export function lex(source: Source): Lexed {
  const clean = cleanText(source);
  const result = lexer.tokenize(clean?.text ?? source.text);
  const diagnostics: Diagnostic[] = [];
  if (clean !== undefined) {
    for (const token of [...result.tokens, ...Object.values(result.groups).flat()]) moveToken(token, clean.offset);
    for (const error of result.errors) {
      const end = clean.offset(error.offset + error.length - 1) + 1;
      error.offset = clean.offset(error.offset);
      error.length = end - error.offset;
    }
  }
  const anchors = new Set<number>();
  for (const each of result.errors) {
    if (each.length <= 0) continue;
    const span = { source, start: each.offset, end: each.offset + each.length };
    const text = source.text.slice(span.start, span.end);
    const anchor = text === "@" ? ANCHOR.exec(source.text.slice(span.end))?.[0] : undefined;
    if (anchor === undefined) diagnostics.push(unexpectedCharacter(text, span));
    else {
      anchors.add(span.end);
      diagnostics.push(anchoredLabel(anchor, { ...span, end: span.end + anchor.length }));
    }
  }
  const tokens = anchors.size === 0 ? result.tokens : result.tokens.filter(({ startOffset }) => !anchors.has(startOffset));
  for (const token of tokens) checkToken(token, source, diagnostics);
  const comments = (result.groups["comments"] ?? []).map((token) => comment(token, source, diagnostics));
  if (clean !== undefined) diagnostics.push(...clean.complaints(comments));
  return { tokens, comments, diagnostics };
}

/** From its place in the clean text to that in the source. */
function moveToken(token: IToken, offset: (at: number) => number): void {
  const last = token.endOffset ?? token.startOffset + token.image.length - 1;
  token.startOffset = offset(token.startOffset);
  token.endOffset = offset(last);
}

/** The name that directly follows an `@`. */
const ANCHOR = /^[A-Za-z_]\w*/;

/** The token's place; tokens made by the parser's recovery have none and yield an empty span at `fallback`. */
export function spanOf(token: IToken, source: Source, fallback = 0): Span {
  if (Number.isNaN(token.startOffset)) return { source, start: fallback, end: fallback };
  return { source, start: token.startOffset, end: (token.endOffset ?? token.startOffset + token.image.length - 1) + 1 };
}

function checkToken(token: IToken, source: Source, diagnostics: Diagnostic[]): void {
  const span = (): Span => spanOf(token, source);
  switch (token.tokenType) {
    case t.Identifier:
      if (NON_ASCII.test(token.image)) {
        const plain = plainLetters(token.image);
        diagnostics.push(foreignName(token.image, plain, span()));
        token.image = plain ?? token.image;
      }
      return;
    case t.NumberLiteral: {
      const why = numberProblem(token.image);
      if (why !== undefined) diagnostics.push(malformedNumber(token.image, why, span()));
      return;
    }
    case t.UnterminatedString:
      diagnostics.push(unterminatedString(span()));
      return;
    case t.SingleString:
      diagnostics.push(singleQuotes(span()));
      return;
    case t.CurlyString: {
      const place = span();
      diagnostics.push(typographicCharacter(token.image.charAt(0), '"', { ...place, end: place.start + 1 }));
      return;
    }
    default: {
      if (token.image === "=>") diagnostics.push(fatArrow(span(), plainSymbol(token)));
      if (token.image.charCodeAt(0) < 128) return;
      diagnostics.push(typographicCharacter(token.image, plainSymbol(token), span()));
    }
  }
}

const NON_ASCII = /[^\0-\x7f]/;

/** Cyrillic and Greek letters that look like those of ASCII below them. */
const FOREIGN = "аАВсСеЕһНіІјЈкКМоОрРѕЅтТуУхХΑΒΕΖΗΙΚΜΝοΟΡΤΥΧν";
const ALIKE = "aABcCeEhHiIjJkKMoOpPsStTyYxXABEZHIKMNoOPTYXv";

/** The name as it looks; undefined if it has a letter that looks like none. */
function plainLetters(name: string): string | undefined {
  const plain = name.replaceAll(/[^\0-\x7f]/g, (letter) => ALIKE.charAt(FOREIGN.indexOf(letter)) || letter);
  return NON_ASCII.test(plain) ? undefined : plain;
}

/** The symbol in the language's own characters, whatever the user typed. */
export function plainSymbol(token: IToken): string {
  return (token.tokenType.LABEL ?? "").replaceAll("`", "");
}

/** Why a number literal is refused; undefined when it is good. */
export function numberProblem(image: string): string | undefined {
  if (!/^\d+(_\d+)*(\.\d+(_\d+)*)?([eE][+-]?\d+)?$/.test(image)) {
    if (/^0[xXbBoO]/.test(image)) return "is not a decimal number";
    return /^\d+[A-Za-z_]/.test(image) ? "is neither a number nor a name" : "is not a number";
  }
  const value = Number(image.replaceAll("_", ""));
  if (!Number.isFinite(value)) return "is too large for a number";
  if (value === 0 && /[1-9]/.test(image.split(/[eE]/)[0] ?? "")) return "is too small: it rounds to zero";
  if (/^[\d_]+$/.test(image) && !Number.isSafeInteger(value)) return "is too large for an integer (2^53 and above)";
  return undefined;
}

function comment(token: IToken, source: Source, diagnostics: Diagnostic[]): Comment {
  const span = spanOf(token, source);
  const image = token.image;
  if (image.startsWith("#")) {
    diagnostics.push(hashComment(span));
    return { kind: "Comment", text: image.slice(1), doc: false, span };
  }
  if (image.startsWith("//")) {
    const doc = image.startsWith("///") && !image.startsWith("////");
    return { kind: "Comment", text: image.slice(doc ? 3 : 2), doc, span };
  }
  const closed = image.length >= 4 && image.endsWith("*/");
  if (!closed) diagnostics.push(unterminatedComment({ ...span, end: span.start + 2 }));
  return { kind: "Comment", text: image.slice(2, closed ? -2 : undefined), doc: false, span };
}
