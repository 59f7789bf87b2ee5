/**
 * When a word is a keyword: every keyword is contextual, decided from its place and the two tokens after it.
 * Invariant: a word followed by `->`, `=` or `:` in a statement is a name, save where the table says otherwise.
 */
import type { IToken, TokenType } from "chevrotain";
import * as t from "./tokens.ts";

/** What encloses a token: the file, a brace of one of four kinds, or parentheses and brackets. */
export type FrameKind = "top" | "import" | "body" | "train" | "variant" | "paren";

/** A token with what its classification depends on. */
export interface Near {
  readonly token: IToken | undefined;
  readonly next: IToken | undefined;
  readonly afterNext: IToken | undefined;
  /** The token begins a line. */
  readonly newLine: boolean;
  /** The token before ended an operand. */
  readonly afterOperand: boolean;
}

/** The parts of a bracket frame that classification reads. */
export interface StatementState {
  readonly kind: FrameKind;
  readonly statement: string;
  readonly pendingBody: boolean;
}

const NAME_FOLLOWS: ReadonlySet<TokenType> = new Set([t.Arrow, t.Equal, t.Colon]);
const DECLARING: ReadonlyMap<string, t.Keyword> = new Map((["in", "out", "param", "state", "update", "names"] as const).map((each) => [each, each]));
const HEADS: ReadonlySet<string> = new Set([...DECLARING.keys(), "where", "let", "skip", "if", "cut", "set", "replace"]);
const ARROW_OR_COLON: ReadonlySet<TokenType> = new Set([t.Arrow, t.Colon]);
const TYPED: ReadonlySet<string> = new Set(["in", "out", "param", "state"]);

const isWord = (token: IToken | undefined): boolean => token?.tokenType === t.Identifier;

function followedBy(near: Near, types: ReadonlySet<TokenType>): boolean {
  return near.next !== undefined && types.has(near.next.tokenType);
}

function aloneOnLine({ token, next }: Near): boolean {
  if (next === undefined || next.tokenType === t.RightBrace) return true;
  return (next.startLine ?? 0) > (token?.endLine ?? 0);
}

/** At column 1: a word that begins a declaration whatever is still open before it. */
export function isDeclarationHead(tokens: readonly IToken[], i: number): boolean {
  const token = tokens[i];
  const next = tokens[i + 1];
  if (token?.startColumn !== 1 || token.tokenType !== t.Identifier) return false;
  switch (token.image) {
    case "block":
    case "model":
    case "variant":
    case "train":
    case "const":
      return isWord(next);
    case "import":
      return next?.tokenType === t.LeftBrace || next?.tokenType === t.StringLiteral;
    default:
      return false;
  }
}

/** The keyword that begins a declaration at the top of a file, if this word does. */
export function topKeyword(near: Near, needsOperand: boolean): t.Keyword | undefined {
  if (!isWord(near.token) || followedBy(near, NAME_FOLLOWS) || (needsOperand && !near.newLine)) return undefined;
  switch (near.token?.image) {
    case "edition":
    case "import":
    case "const":
    case "block":
    case "model":
    case "variant":
    case "train":
      return near.token.image;
    default:
      return undefined;
  }
}

/** The keyword that begins a statement, setting or action in a brace of this kind, if this word does. */
export function headOf(near: Near, kind: FrameKind): t.Keyword | undefined {
  if (!isWord(near.token) || kind === "import") return undefined;
  if (kind === "train") return near.token?.image === "sweep" && isWord(near.next) && !aloneOnLine(near) ? "sweep" : undefined;
  const image = near.token?.image ?? "";
  if (!HEADS.has(image)) return undefined;
  if (kind === "variant") {
    if (image !== "cut" && image !== "set" && image !== "replace") return undefined;
    return isWord(near.next) || aloneOnLine(near) ? image : undefined;
  }
  const declaring = DECLARING.get(image);
  if (TYPED.has(image) && missesOnlyName(near)) return declaring;
  if (image === "let") return followedBy(near, ARROW_OR_COLON) ? undefined : "let";
  if (followedBy(near, NAME_FOLLOWS)) return undefined;
  if (declaring !== undefined) return isWord(near.next) || aloneOnLine(near) ? declaring : undefined;
  if (image === "where" || image === "skip") return near.next?.tokenType === t.Dot ? undefined : image;
  return image === "if" ? "if" : undefined;
}

/** `in : [N, C]`, `state: f32[N]`: a declaration that lacks its name. */
function missesOnlyName({ next, afterNext }: Near): boolean {
  return next?.tokenType === t.Colon && afterNext?.tokenType === t.LeftBracket;
}

/** `from "path"` while the braces of an `import` are open. */
export function endsImport({ token, next, afterOperand }: Near): boolean {
  return afterOperand && token?.image === "from" && next?.tokenType === t.StringLiteral;
}

/** Inside parentheses: two words in a row on a line that begins so; only a statement can do that. */
export function isSureHead(near: Near): boolean {
  if (!near.newLine || !isWord(near.next) || aloneOnLine(near)) return false;
  return headOf(near, "body") !== undefined;
}

/** In a recipe: a word with a value beside it that is not an argument list, so no part of a chain before it. */
export function isSureSetting(near: Near): boolean {
  const type = near.next?.tokenType;
  return !aloneOnLine(near) && (type === t.Identifier || type === t.NumberLiteral || type === t.StringLiteral || type === t.LeftBracket);
}

const WITH_NAME: ReadonlySet<TokenType | undefined> = new Set(
  (["in", "out", "param", "state", "update", "names", "let", "skip"] as const).map((each) => t.keywords[each]),
);

/** Keywords whose name stands on their line, so that one just typed does not take a name from the next. */
export function staysOnLine(type: TokenType | undefined): boolean {
  return WITH_NAME.has(type);
}

/** Heads that end an unfinished statement before them; an `if` may be a stage of it. */
export function isStatementHead(head: t.Keyword): boolean {
  return head !== "if";
}

/** The keyword that begins a stage, if this word does. */
export function stageKeyword(near: Near): t.Keyword | undefined {
  const image = near.token?.image;
  const next = near.next?.tokenType;
  if (followedBy(near, NAME_FOLLOWS) && !(image === "join" && next === t.Arrow)) return undefined;
  switch (image) {
    case "join":
      return next === t.Dot || next === t.LeftParen ? undefined : "join";
    case "repeat":
      return next === t.Dot ? undefined : "repeat";
    case "stages":
      return next === t.Identifier || next === t.StringLiteral ? "stages" : undefined;
    case "if":
      return "if";
    default:
      return undefined;
  }
}

/** The keyword between two parts of a statement, if this word is one. */
export function infixKeyword(near: Near, state: StatementState, before: TokenType | undefined): t.Keyword | undefined {
  const { token } = near;
  if (token === undefined || !isWord(token) || followedBy(near, NAME_FOLLOWS)) return undefined;
  const { kind, statement, pendingBody } = state;
  const { image } = token;
  if (!near.afterOperand) return image === "of" && before === t.keywords.stages && near.next?.image !== "of" ? image : undefined;
  switch (image) {
    case "else":
      return before === t.RightBrace ? image : undefined;
    case "as":
      if (kind === "top") return statement === "train" || statement === "import" ? image : undefined;
      return kind === "import" || (kind === "body" && pendingBody) ? image : undefined;
    case "in":
      return kind === "train" && statement === "sweep" && !near.newLine && before === t.Identifier ? image : undefined;
    case "of":
      return (kind === "body" && pendingBody) || (kind === "top" && statement === "variant") ? image : undefined;
    case "via":
      return kind === "body" && statement === "skip" ? image : undefined;
    case "with":
      return kind === "variant" && statement === "replace" ? image : undefined;
    case "from":
      return kind === "top" && statement === "import" ? image : undefined;
    case "where":
      return kind === "body" && statement === "in" && !near.newLine ? image : undefined;
    default:
      return undefined;
  }
}

/** `true` and `false`, except as an argument's name. */
export function literalKeyword({ token, next }: Near): t.Keyword | undefined {
  if (token === undefined || !isWord(token) || next?.tokenType === t.Colon) return undefined;
  return token.image === "true" || token.image === "false" ? token.image : undefined;
}

/** `identity`, `project` and `pad` right after `via`. */
export function adaptationKeyword({ token, next }: Near): t.Keyword | undefined {
  if (token === undefined || !isWord(token) || next?.tokenType === t.Colon) return undefined;
  const { image } = token;
  return image === "identity" || image === "project" || image === "pad" ? image : undefined;
}

const OPERAND_ENDS: ReadonlySet<TokenType> = new Set([
  ...[t.Identifier, t.NumberLiteral, t.StringLiteral, t.UnterminatedString, t.SingleString, t.CurlyString],
  ...[t.RightParen, t.RightBracket, t.RightBrace],
  ...[t.keywords.true, t.keywords.false, t.keywords.identity, t.keywords.project, t.keywords.pad],
]);

const OPERAND_FOLLOWS: ReadonlySet<TokenType | undefined> = new Set([
  ...[t.LeftParen, t.LeftBracket, t.Comma, t.Colon, t.Equal, t.Arrow, t.Question, t.BinaryOperator, t.UnaryOperator],
]);

/** An infix operator right after something that an operand must follow. */
export function lacksOperand(type: TokenType, before: TokenType | undefined): boolean {
  const categories = type.CATEGORIES ?? [];
  const infix = type === t.Question || (categories.includes(t.BinaryOperator) && !categories.includes(t.UnaryOperator));
  if (!infix || before === undefined) return false;
  return OPERAND_FOLLOWS.has(before) || (before.CATEGORIES ?? []).some((each) => OPERAND_FOLLOWS.has(each));
}

/** What may begin an expression. */
export const OPERAND_STARTS: ReadonlySet<TokenType> = new Set([
  ...[t.Identifier, t.NumberLiteral, t.StringLiteral, t.UnterminatedString, t.SingleString, t.CurlyString],
  ...[t.LeftParen, t.LeftBracket],
]);

/** True when an operand ends with a token of this type; `project?` is one too. */
export function endsOperand(type: TokenType, before: TokenType | undefined): boolean {
  return OPERAND_ENDS.has(type) || (type === t.Question && before === t.keywords.project);
}
