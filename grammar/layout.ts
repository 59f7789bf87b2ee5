/**
 * Between lexer and parser: decides which words are keywords, puts zero-width separators where a new statement begins,
 * and balances brackets declaration by declaration, so that one slip stays inside one statement or declaration.
 * Invariant: inside declarations the tokens handed on are balanced in `{}`, `()` and `[]`, and nested at most `NESTING_LIMIT` deep.
 */
import { createTokenInstance, type IToken, type TokenType } from "chevrotain";
import type { Diagnostic } from "./diagnostic.ts";
import * as word from "./keywords.ts";
import { spanOf } from "./lex.ts";
import { chainInSweep, missingArrow, strayCloser, tooDeep, unclosed, unexpected, wrongCloser } from "./problems.ts";
import type { Source } from "./source.ts";
import * as t from "./tokens.ts";

const NESTING_LIMIT = 40;
/** Operators along one path of the syntax tree; `?` and `else` are depth in the parser too and count as several. */
const OPERATOR_LIMIT = 400;
const BRANCH_COST = 8;
/** Tokens that are searched for a closer. */
const LOOK_AHEAD = 100;

export interface Layout {
  readonly tokens: IToken[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Arranges the tokens of one file for the parser. Retags the given tokens in place. */
export function arrange(source: Source, tokens: readonly IToken[]): Layout {
  const out: IToken[] = [];
  const diagnostics: Diagnostic[] = [];
  let start = 0;
  for (let i = 1; i <= tokens.length; i++) {
    if (i < tokens.length && !word.isDeclarationHead(tokens, i)) continue;
    const plain = new Arranger(source, tokens, start, i, false);
    plain.run();
    const guided = plain.unbalanced ? new Arranger(source, tokens, start, i, true) : plain;
    if (guided !== plain) guided.run();
    const better = guided.errors.length <= plain.errors.length ? guided : plain;
    for (const token of better.finish()) out.push(token);
    diagnostics.push(...better.errors);
    start = i;
  }
  return { tokens: out, diagnostics };
}

/** True for tokens that `arrange` put in to balance brackets; errors at them follow from one already given. */
export function isInserted(token: IToken): boolean {
  return token.payload === INSERTED;
}

const INSERTED = "inserted";
const SUM_OF_PATHS = "two paths are added in a join: `-> join sum: add`, and `skip x -> sum` for the other path";
/** Statements after which, on the same line, another may begin without `;`. */
const ENDS_ITSELF: ReadonlySet<string> = new Set(["in", "out", "param", "state", "names", "if"]);

interface Frame {
  readonly kind: word.FrameKind;
  readonly opener: IToken | undefined;
  readonly closer: TokenType;
  /** Column of the first token on the opener's line. */
  readonly indent: number;
  /** In parentheses: index of the first token that seems to begin the next statement. */
  soft: number | undefined;
  /** Keyword that began the current statement, `chain` for one without, empty between statements. */
  statement: string;
  /** A `repeat`, `stages` or `if` still waits for its `{`. */
  pendingBody: boolean;
  /** Depth that the expressions around this frame have already taken. */
  readonly base: number;
  operators: number;
}

/** What the token before says about the next: a statement may start, an operand has ended, or one must follow. */
type Role = "start" | "operand" | "needs";

class Arranger {
  readonly errors: Diagnostic[] = [];
  unbalanced = false;
  private readonly source: Source;
  private readonly tokens: readonly IToken[];
  private readonly start: number;
  private readonly end: number;
  private readonly trustIndent: boolean;
  private readonly kept: { readonly at: number; readonly token: IToken }[] = [];
  private readonly retags: { readonly token: IToken; readonly type: TokenType }[] = [];
  private readonly frames: Frame[] = [];
  private readonly top: Frame = frameOf("top", undefined, t.RightBrace, 1, 0);
  private role: Role = "start";
  private lineIndent = 1;
  private previous: IToken | undefined;
  private previousType: TokenType | undefined;

  constructor(source: Source, tokens: readonly IToken[], start: number, end: number, trustIndent: boolean) {
    this.source = source;
    this.tokens = tokens;
    this.start = start;
    this.end = end;
    this.trustIndent = trustIndent;
    this.frames.push(this.top);
  }

  run(): void {
    for (let i = this.start; i < this.end; i++) {
      const token = this.tokens[i];
      if (token === undefined || !this.take(token, i)) break;
      this.previous = token;
    }
    this.closeAtEnd();
  }

  /** Applies the keyword types and yields the balanced tokens. */
  finish(): IToken[] {
    for (const { token, type } of this.retags) setType(token, type);
    return this.kept.sort((a, b) => a.at - b.at).map((each) => each.token);
  }

  private get frame(): Frame {
    return this.frames[this.frames.length - 1] ?? this.top;
  }

  /** Handles one token; false stops this declaration. */
  private take(token: IToken, i: number): boolean {
    const newLine = this.previous === undefined || (token.startLine ?? 0) > (this.previous.endLine ?? 0);
    if (newLine) this.lineIndent = token.startColumn ?? 1;
    if (this.frame.kind === "import" && word.endsImport(this.near(i, newLine))) this.closeUnclosed(i);
    if (newLine && this.trustIndent && token.tokenType === t.RightBrace) this.closeByIndent(token, i);
    if (this.frame.kind === "paren") this.watchParens(token, i, newLine);
    const type = this.frame.kind === "paren" ? this.literal(token, i) : this.separate(token, i, newLine);
    if (this.role === "needs" && this.frame.kind !== "variant" && word.lacksOperand(type, this.previousType)) {
      const help = type === t.Plus && this.previousType === t.Arrow ? { help: [SUM_OF_PATHS] } : {};
      this.errors.push(unexpected(`\`${token.image}\``, "an expression", spanOf(token, this.source), help));
      this.insert(t.Missing, "", i, INSERTED);
    }
    switch (type) {
      case t.LeftParen:
      case t.LeftBracket:
        return this.open("paren", token, i, type === t.LeftParen ? t.RightParen : t.RightBracket);
      case t.LeftBrace:
        return this.open(this.braceKind(), token, i, t.RightBrace);
      case t.RightParen:
      case t.RightBracket:
      case t.RightBrace:
        this.close(token, type, i);
        return true;
      default:
        this.keep(token, type, i);
        return this.countOperators(token, type);
    }
  }

  private literal(token: IToken, i: number): TokenType {
    if (token.tokenType !== t.Identifier) return token.tokenType;
    const keyword = word.literalKeyword(this.near(i, false));
    return keyword === undefined ? token.tokenType : t.keywords[keyword];
  }

  private keep(token: IToken, type: TokenType, i: number): void {
    if (type !== token.tokenType) this.retags.push({ token, type });
    this.kept.push({ at: i, token });
    const isSetting = this.frame.kind === "train" && this.role === "start";
    if (type === t.Separator) this.role = "start";
    else this.role = word.endsOperand(type, this.previousType) && !isSetting ? "operand" : "needs";
    this.previousType = type;
  }

  private insert(type: TokenType, image: string, at: number, payload: string | undefined): void {
    const after = this.tokens[at - 1];
    const offset = after === undefined ? 0 : (after.endOffset ?? 0) + 1;
    const line = after?.endLine ?? 1;
    const column = (after?.endColumn ?? 0) + 1;
    const token = createTokenInstance(type, image, offset, offset - 1, line, line, column, column);
    token.payload = payload;
    this.kept.push({ at: at - 0.5, token });
  }

  private open(kind: word.FrameKind, token: IToken, i: number, closer: TokenType): boolean {
    if (this.frames.length > NESTING_LIMIT) return this.stop(token, NESTING_LIMIT);
    if (kind === "paren" && ++this.frame.operators > OPERATOR_LIMIT) return this.stop(token, OPERATOR_LIMIT);
    this.keep(token, token.tokenType, i);
    if (kind !== "paren") this.frame.pendingBody = false;
    this.frames.push(frameOf(kind, token, closer, this.lineIndent, this.frame.operators));
    this.role = kind === "paren" ? "needs" : "start";
    return true;
  }

  private stop(token: IToken, limit: number): boolean {
    this.errors.push(tooDeep(spanOf(token, this.source), limit));
    for (let depth = this.frames.length - 1; depth > 0; depth--) this.closeSilently(this.end);
    return false;
  }

  private countOperators(token: IToken, type: TokenType): boolean {
    const frame = this.frame;
    if (type === t.Comma || type === t.Arrow || type === t.Equal) frame.operators = frame.base;
    const counts = type === t.Question || type === t.Dot || type === t.Not || type === t.keywords.else;
    if (!counts && !(type.CATEGORIES ?? []).includes(t.BinaryOperator)) return true;
    frame.operators += type === t.Question || type === t.keywords.else ? BRANCH_COST : 1;
    return frame.operators <= OPERATOR_LIMIT || this.stop(token, OPERATOR_LIMIT);
  }

  private close(token: IToken, type: TokenType, i: number): void {
    if (type === t.RightBrace) this.closeParens(i);
    else this.closeUpTo(type, i);
    const frame = this.frame;
    const span = spanOf(token, this.source);
    const opener = frame.opener === undefined ? undefined : spanOf(frame.opener, this.source);
    if (frame.closer === type && opener !== undefined) {
      this.frames.pop();
      this.keep(token, type, i);
      this.role = "operand";
    } else if (frame.kind === "paren" && opener !== undefined) {
      this.errors.push(wrongCloser(token.image, symbolOf(frame.closer), span, opener));
      this.closeSilently(i);
    } else if (frame.kind === "top" && type === t.RightBrace) {
      // Left to the parser, which sees whether stray statements come with it.
      this.unbalanced = true;
      this.keep(token, type, i);
    } else this.errors.push(strayCloser(token.image, span, opener));
  }

  /** `( [ )`: the bracket inside is the unclosed one, provided its partner outside has no other closer. */
  private closeUpTo(type: TokenType, at: number): void {
    if (this.frame.closer === type) return;
    const partner = this.frames.findLastIndex((frame) => frame.kind !== "paren" || frame.closer === type);
    if (this.frames[partner]?.kind !== "paren" || this.closesLater(type, at + 1)) return;
    while (this.frames.length - 1 > partner) this.closeUnclosed(at);
  }

  /** Whether a bracket that is open here has its closer further on in the same stretch of brackets. */
  private closesLater(type: TokenType, from: number): boolean {
    const opener = type === t.RightParen ? t.LeftParen : t.LeftBracket;
    let depth = 0;
    for (let i = from; i < Math.min(this.end, from + LOOK_AHEAD); i++) {
      const next = this.tokens[i]?.tokenType;
      if (next === t.Arrow || next === t.LeftBrace || next === t.RightBrace || next === t.Separator) return false;
      if (next === opener) depth++;
      else if (next === type && depth-- === 0) return true;
    }
    return false;
  }

  private closeParens(at: number): void {
    while (this.frame.kind === "paren") {
      const { soft } = this.frame;
      this.closeUnclosed(soft ?? at);
      if (soft === undefined || this.frame.kind === "paren") continue;
      if (this.frame.kind !== "top") this.insert(t.Separator, "", soft, undefined);
      this.frame.statement = "chain";
    }
  }

  private closeByIndent(token: IToken, i: number): void {
    const column = token.startColumn ?? 1;
    const braces = this.frames.filter((frame) => frame.kind !== "paren" && frame.opener !== undefined);
    const partner = braces.findLast((frame) => frame.indent === column);
    if (partner === undefined) return;
    while (this.frame !== partner && this.frame.indent > column) this.closeUnclosed(i);
  }

  private closeUnclosed(at: number, labelEnd = false): void {
    const { opener, closer } = this.frame;
    if (opener !== undefined) {
      const next = this.tokens[at];
      const span =
        next === undefined ? { source: this.source, start: this.source.text.length, end: this.source.text.length } : spanOf(next, this.source);
      const text = next === undefined ? "the file ends here" : labelEnd ? "the next declaration begins here" : "before this";
      const outer = labelEnd ? this.frames.slice(1, -1) : [];
      const outerSpans = outer.flatMap((frame) => (frame.opener === undefined ? [] : [spanOf(frame.opener, this.source)]));
      const sign = symbolOf(closer);
      this.errors.push(unclosed(spanOf(opener, this.source), sign, { span, text }, outerSpans));
    }
    this.closeSilently(at);
  }

  private closeSilently(at: number): void {
    const { closer } = this.frame;
    this.frames.pop();
    this.insert(closer, symbolOf(closer), at, INSERTED);
    this.role = "operand";
    this.previousType = closer;
  }

  private closeAtEnd(): void {
    if (this.frames.length > 1 && this.frame.kind !== "paren") this.unbalanced = true;
    if (this.frame.kind === "paren") {
      this.closeParens(this.end);
      // The braces around an unclosed parenthesis are open for the same reason at the end of the text.
      this.unbalanced ||= this.frames.length > 1;
    } else if (this.frames.length > 1) this.closeUnclosed(this.end, true);
    while (this.frames.length > 1) this.closeSilently(this.end);
  }

  /** Looks inside parentheses for signs that they were meant to be closed. */
  private watchParens(token: IToken, i: number, newLine: boolean): void {
    const type = token.tokenType;
    if (type === t.Arrow && this.frames.findLast((frame) => frame.kind !== "paren")?.statement === "sweep") {
      this.errors.push(chainInSweep(spanOf(token, this.source)));
      return;
    }
    const clear = type === t.Arrow || type === t.LeftBrace || type === t.Separator;
    if (clear || (newLine && this.bodyAround() && word.isSureHead(this.near(i, newLine)))) {
      this.closeParens(i);
      return;
    }
    if (type === t.Equal && this.frame.soft !== undefined) {
      this.closeParens(i);
      return;
    }
    const begins = type === t.Identifier || type === t.NumberLiteral || type === t.StringLiteral;
    if (newLine && begins && this.role === "operand") this.frame.soft ??= i;
  }

  private bodyAround(): boolean {
    return this.frames.findLast((frame) => frame.kind !== "paren")?.kind === "body";
  }

  private near(i: number, newLine: boolean): word.Near {
    const afterOperand = this.role === "operand";
    return { token: this.tokens[i], next: this.at(i + 1), afterNext: this.at(i + 2), newLine, afterOperand };
  }

  private at(i: number): IToken | undefined {
    return i < this.end ? this.tokens[i] : undefined;
  }

  /** Outside parentheses: begins a statement where one begins, and gives the token its type. */
  private separate(token: IToken, i: number, newLine: boolean): TokenType {
    const near = this.near(i, newLine);
    const { frame } = this;
    if (token.tokenType === t.Separator) {
      this.begin();
      return t.Separator;
    }
    const infix = word.infixKeyword(near, frame, this.previousType);
    if (infix !== undefined) return t.keywords[infix];
    if (frame.kind === "top") return this.typeAtTop(near);
    if (frame.kind === "import") return token.tokenType;
    const head = word.headOf(near, frame.kind);
    if (this.role !== "start" && this.startsStatement(near, head)) {
      this.insert(t.Separator, "", i, undefined);
      this.begin();
    } else if (this.role === "operand" && this.lacksArrow(near)) {
      this.errors.push(missingArrow(token.image, spanOf(token, this.source)));
      this.insert(t.Arrow, "->", i, undefined);
      this.role = "needs";
      this.previousType = t.Arrow;
    }
    return this.typeInStatement(near, head);
  }

  private begin(): void {
    this.frame.statement = "";
    this.frame.pendingBody = false;
    this.frame.operators = this.frame.base;
    this.role = "start";
    this.previousType = undefined;
  }

  private typeAtTop(near: word.Near): TokenType {
    const keyword = word.topKeyword(near, this.role === "needs");
    if (keyword === undefined) return near.token?.tokenType ?? t.Identifier;
    this.frame.statement = keyword;
    return t.keywords[keyword];
  }

  private startsStatement(near: word.Near, head: t.Keyword | undefined): boolean {
    const { frame } = this;
    const type = near.token?.tokenType;
    if (head !== undefined && word.isStatementHead(head) && (near.newLine || this.role === "operand")) return true;
    if (near.newLine && type === t.Identifier && this.endsWithLine(near)) return true;
    if (this.role !== "operand") return false;
    if (type === t.LeftBrace) return near.newLine && !frame.pendingBody;
    if (near.newLine) return type !== undefined && word.OPERAND_STARTS.has(type);
    // `sweep lr over [...]`: the parser says what stands there.
    if (frame.statement === "sweep" && this.previousType === t.Identifier) return false;
    return type === t.Identifier && (frame.kind === "train" || ENDS_ITSELF.has(frame.statement));
  }

  /** A word whose value or name should have come on its own line, which is over. */
  private endsWithLine(near: word.Near): boolean {
    const { previousType: before } = this;
    if (this.frame.kind !== "train") return this.frame.kind === "body" && word.staysOnLine(before);
    return before === t.Identifier || word.isSureSetting(near);
  }

  private lacksArrow(near: word.Near): boolean {
    const { frame } = this;
    const type = near.token?.tokenType;
    if (frame.kind !== "body" || near.newLine || frame.statement !== "chain") return false;
    return type === t.Identifier || (type === t.LeftBrace && !frame.pendingBody);
  }

  private typeInStatement(near: word.Near, head: t.Keyword | undefined): TokenType {
    const { frame } = this;
    const type = near.token?.tokenType ?? t.Identifier;
    if (this.role === "start") {
      frame.statement = head ?? (frame.kind === "train" ? "setting" : "chain");
      if (head !== undefined) return this.keywordType(head);
    } else if (type === t.Equal && frame.statement === "chain") frame.statement = "assign";
    else if (type === t.Arrow && frame.statement === "if") frame.statement = "chain";
    if (type !== t.Identifier) return type;
    const keyword = this.keywordInStatement(near) ?? word.literalKeyword(near);
    return keyword === undefined ? type : this.keywordType(keyword);
  }

  private keywordInStatement(near: word.Near): t.Keyword | undefined {
    const { frame, previousType: before } = this;
    if (frame.kind === "variant") return before === t.keywords.cut && near.token?.image === "skip" ? "skip" : undefined;
    if (frame.kind !== "body") return undefined;
    if (before === t.keywords.via) return word.adaptationKeyword(near) ?? word.stageKeyword(near);
    const afterLabel = before === t.Colon && (frame.statement === "chain" || frame.statement === "skip");
    const atStage = this.role === "start" || before === t.Arrow || before === t.keywords.else || afterLabel;
    return atStage ? word.stageKeyword(near) : undefined;
  }

  private keywordType(keyword: t.Keyword): TokenType {
    if (keyword === "repeat" || keyword === "stages" || keyword === "if") this.frame.pendingBody = true;
    return t.keywords[keyword];
  }

  private braceKind(): word.FrameKind {
    const { frame, previousType } = this;
    if (frame.kind !== "top") return "body";
    if (previousType === t.keywords.import) return "import";
    return frame.statement === "train" || frame.statement === "variant" ? frame.statement : "body";
  }
}

function frameOf(kind: word.FrameKind, opener: IToken | undefined, closer: TokenType, indent: number, base: number): Frame {
  const state = { soft: undefined, statement: "", pendingBody: false, operators: base };
  return { kind, opener, closer, indent, base, ...state };
}

function setType(token: IToken, type: TokenType): void {
  token.tokenType = type;
  token.tokenTypeIdx = type.tokenTypeIdx ?? 0;
}

function symbolOf(type: TokenType): string {
  return (type.LABEL ?? "").replaceAll("`", "");
}
