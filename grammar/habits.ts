/**
 * Mends what people bring from other languages, token by token, before the layout is read: `padding=1`, `and`, `**`,
 * a misspelt keyword, a forgotten comma. Each is reported with its repair, and the parser sees what was meant.
 * Invariant: text without such a slip passes unchanged; a slip costs one diagnostic and hides nothing else.
 */
import { createTokenInstance, type IToken, type TokenType } from "chevrotain";
import type { Diagnostic } from "./diagnostic.ts";
import { declarationMeant, DECLARATIONS, foreignStatement, statementMeant } from "./habit-words.ts";
import { isDeclarationHead } from "./keywords.ts";
import { spanOf } from "./lex.ts";
import * as problems from "./problems.ts";
import type { Source, Span } from "./source.ts";
import * as t from "./tokens.ts";

/** What a bracket encloses; `call` are arguments, `parameters` those of a declaration. */
type FrameKind = "body" | "settings" | "import" | "call" | "parameters" | "group" | "list";

interface Frame {
  readonly kind: FrameKind;
  /** First word of the statement that is under way in it. */
  head: string;
  /** A `where` was seen in that statement. */
  conditional: boolean;
}

const OPERAND_ENDS: ReadonlySet<TokenType> = new Set([
  ...[t.Identifier, t.NumberLiteral, t.StringLiteral, t.CurlyString, t.SingleString],
  ...[t.RightParen, t.RightBracket],
]);
const OPERAND_STARTS: ReadonlySet<TokenType> = new Set([t.Identifier, t.NumberLiteral, t.StringLiteral, t.CurlyString, t.SingleString]);
/** Words between two operands of which no comma is missing. */
const BETWEEN: ReadonlySet<string> = new Set(["if", "else", "for", "in", "is", "as", "of", "and", "or", "not", "lambda", "from"]);
const OPENERS: ReadonlyMap<TokenType, TokenType> = new Map([
  [t.LeftBrace, t.RightBrace],
  [t.LeftParen, t.RightParen],
  [t.LeftBracket, t.RightBracket],
]);
const CLOSERS: ReadonlySet<TokenType> = new Set(OPENERS.values());

export interface Mended {
  readonly tokens: IToken[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Mends the tokens of one file; retags some of them in place. */
export function mendHabits(source: Source, tokens: readonly IToken[]): Mended {
  const mender = new Mender(source, tokens);
  mender.run();
  return { tokens: mender.out, diagnostics: mender.diagnostics };
}

class Mender {
  readonly out: IToken[] = [];
  readonly diagnostics: Diagnostic[] = [];
  private readonly source: Source;
  private readonly tokens: readonly IToken[];
  private frames: Frame[] = [];
  private at = 0;

  constructor(source: Source, tokens: readonly IToken[]) {
    this.source = source;
    this.tokens = tokens;
  }

  run(): void {
    while (this.at < this.tokens.length) {
      const token = this.tokens[this.at];
      if (token === undefined) break;
      if (isDeclarationHead(this.tokens, this.at)) this.frames = [];
      if (this.startsStatement(token)) this.beginStatement(token);
      if (this.mendDeclaration(token) || this.mendStatement(token) || this.mendOperator(token) || this.mendList(token)) continue;
      this.keep(token);
    }
  }

  // ── Where we are ───────────────────────────────────────────────────────────────────────────────────────────

  private get frame(): Frame | undefined {
    return this.frames.at(-1);
  }

  private get previous(): IToken | undefined {
    return this.out.at(-1);
  }

  private next(distance = 1): IToken | undefined {
    return this.tokens[this.at + distance];
  }

  private sameLine(a: IToken | undefined, b: IToken | undefined): boolean {
    return a !== undefined && b !== undefined && a.endLine === b.startLine;
  }

  /** The first token of a line, or after `{` or `;`, outside parentheses. */
  private startsStatement(token: IToken): boolean {
    const kind = this.frame?.kind;
    if (kind !== undefined && kind !== "body" && kind !== "settings") return false;
    const { previous } = this;
    return previous === undefined || !this.sameLine(previous, token) || previous.tokenType === t.LeftBrace || previous.tokenType === t.Separator;
  }

  private beginStatement(token: IToken): void {
    const { frame, previous } = this;
    // A line that goes on, or is gone on with, belongs to the statement before.
    const goesOn =
      previous !== undefined && (this.isOperator(previous.tokenType) || previous.tokenType === t.Comma || previous.tokenType === t.Colon);
    if (frame === undefined || goesOn || this.isOperator(token.tokenType)) return;
    frame.head = token.image;
    frame.conditional = token.image === "where" || token.image === "if";
  }

  private isOperator(type: TokenType): boolean {
    return type === t.Arrow || type === t.Equal || type === t.Question || (type.CATEGORIES ?? []).includes(t.BinaryOperator);
  }

  private keep(token: IToken): void {
    const { frame } = this;
    if (token.image === "where" && frame !== undefined) frame.conditional = true;
    if (OPENERS.has(token.tokenType))
      this.frames.push({ kind: this.kindOf(token), head: "", conditional: frame?.conditional === true && token.tokenType !== t.LeftBrace });
    else if (CLOSERS.has(token.tokenType)) this.frames.pop();
    this.out.push(token);
    this.at++;
  }

  private headsSought = 0;
  private lastHead: IToken | undefined;

  private kindOf(token: IToken): FrameKind {
    const { previous } = this;
    if (token.tokenType === t.LeftBrace) {
      if (this.frame !== undefined) return "body";
      const head = this.lineHead()?.image;
      return head === "import" ? "import" : head === "train" || head === "variant" ? "settings" : "body";
    }
    if (token.tokenType === t.LeftBracket) return "list";
    if (previous === undefined || !OPERAND_ENDS.has(previous.tokenType)) return "group";
    return this.frame === undefined && DECLARATIONS.has(this.lineHead()?.image ?? "") ? "parameters" : "call";
  }

  /** The word that began the declaration under way. */
  private lineHead(): IToken | undefined {
    // Asked at every token: each is looked at once.
    for (; this.headsSought < this.out.length; this.headsSought++) {
      const token = this.out[this.headsSought];
      if (token?.startColumn === 1) this.lastHead = token;
    }
    return this.lastHead;
  }

  private span(from: IToken, to: IToken = from): Span {
    return { source: this.source, start: spanOf(from, this.source).start, end: spanOf(to, this.source).end };
  }

  private made(type: TokenType, image: string, before: IToken): IToken {
    const { startOffset, startLine, startColumn } = before;
    return createTokenInstance(type, image, startOffset, startOffset - 1, startLine ?? 1, startLine ?? 1, startColumn ?? 1, startColumn ?? 1);
  }

  private retag(token: IToken, type: TokenType, image: string): void {
    token.tokenType = type;
    token.tokenTypeIdx = type.tokenTypeIdx ?? 0;
    token.image = image;
  }

  /** Leaves out the rest of the statement: to the end of the line, brackets that open on it included. */
  private skipStatement(): void {
    const first = this.tokens[this.at];
    let last = first;
    let depth = 0;
    for (; this.at < this.tokens.length; this.at++) {
      const token = this.tokens[this.at];
      if (token === undefined || (depth === 0 && (!this.sameLine(last, token) || CLOSERS.has(token.tokenType)))) return;
      if (token !== first && isDeclarationHead(this.tokens, this.at)) return;
      if (OPENERS.has(token.tokenType)) depth++;
      else if (CLOSERS.has(token.tokenType)) depth--;
      last = token;
    }
  }

  // ── Declarations ───────────────────────────────────────────────────────────────────────────────────────────

  private mendDeclaration(token: IToken): boolean {
    if (this.frame !== undefined || token.tokenType !== t.Identifier) return token.tokenType !== t.LeftBrace && this.mendBrace(token);
    if (token.startColumn !== 1) return this.mendBrace(token);
    if (token.image === "import") return this.mendImport(token);
    if (token.image === "from" && this.sameLine(token, this.next())) {
      const names = this.tokens.slice(this.at).findIndex((each) => each.image === "import");
      const [module, name] = [this.next(), this.tokens[this.at + names + 1]];
      if (names < 0 || module === undefined || name === undefined) return false;
      this.diagnostics.push(problems.pythonImport(this.span(token)));
      this.skipStatement();
      return true;
    }
    const next = this.next();
    if (next?.tokenType !== t.Identifier || !this.sameLine(token, next) || DECLARATIONS.has(token.image)) return false;
    const after = this.next(2);
    if (/^(def|class|function|fn|func)$/.test(token.image) && !this.hasBody()) {
      this.diagnostics.push(problems.foreignDeclaration(token.image, this.span(token)));
      do this.at++;
      while (this.at < this.tokens.length && this.tokens[this.at]?.startColumn !== 1);
      return true;
    }
    const shaped = after !== undefined && (OPENERS.has(after.tokenType) || after.tokenType === t.Equal || /^(of|as)$/.test(after.image));
    const meant = shaped && this.hasBody() ? declarationMeant(token.image) : undefined;
    if (meant === undefined) return false;
    this.diagnostics.push(problems.misspeltWord(token.image, meant, "declaration", this.span(token)));
    this.retag(token, t.Identifier, meant);
    this.keep(token);
    return true;
  }

  /** Whether a `{` comes before the next declaration, or the declaration is a constant's. */
  private hasBody(): boolean {
    if (this.next(2)?.tokenType === t.Equal) return true;
    for (let i = this.at + 1; i < this.tokens.length && this.tokens[i]?.startColumn !== 1; i++)
      if (this.tokens[i]?.tokenType === t.LeftBrace) return true;
    return false;
  }

  /** `block B(w: dim)` whose body begins on the next line without a brace. */
  private mendBrace(token: IToken): boolean {
    const { previous } = this;
    const head = this.lineHead();
    if (this.frame !== undefined || previous === undefined || this.sameLine(previous, token) || token.startColumn === 1) return false;
    if (head === undefined || !/^(block|model)$/.test(head.image) || !/^(in|out|where|param|state|let)$/.test(token.image)) return false;
    if (previous.tokenType !== t.RightParen && this.out.at(-2) !== head) return false;
    const at = { ...this.span(previous), start: this.span(previous).end };
    this.diagnostics.push(problems.missingBrace(head.image, at));
    this.keepMade(t.LeftBrace, "{", token);
    return true;
  }

  private keepMade(type: TokenType, image: string, before: IToken): void {
    const made = this.made(type, image, before);
    if (OPENERS.has(type)) this.frames.push({ kind: this.kindOf(made), head: "", conditional: false });
    else if (CLOSERS.has(type)) this.frames.pop();
    this.out.push(made);
  }

  /** `import Basic, Wide as W from "std/residual"` without its braces. */
  private mendImport(token: IToken): boolean {
    let end = this.at + 1;
    const inList = (each: IToken | undefined): boolean => each?.tokenType === t.Identifier || each?.tokenType === t.Comma;
    while (inList(this.tokens[end]) && this.sameLine(token, this.tokens[end])) end++;
    const path = this.tokens[end];
    const from = this.tokens[end - 1];
    const [first, last] = [this.next(), this.tokens[end - 2]];
    if (path?.tokenType !== t.StringLiteral || from?.image !== "from" || end - 1 <= this.at + 1 || first === undefined || last === undefined)
      return false;
    this.diagnostics.push(problems.missingImportBraces(this.span(first, last)));
    this.keep(token);
    this.keepMade(t.LeftBrace, "{", first);
    while (this.at < end - 1) this.keep(this.tokens[this.at] ?? token);
    this.keepMade(t.RightBrace, "}", from);
    return true;
  }

  // ── Statements ─────────────────────────────────────────────────────────────────────────────────────────────

  private mendStatement(token: IToken): boolean {
    if (this.frame?.kind !== "body" || token.tokenType !== t.Identifier) return false;
    if (token.image === "repeat") return this.mendRepeat(token);
    if (!this.startsStatement(token)) return false;
    const next = this.next();
    if (!this.sameLine(token, next) || next === undefined) return false;
    const foreign = foreignStatement(token.image);
    if (foreign !== undefined && (OPERAND_STARTS.has(next.tokenType) || next.tokenType === t.LeftParen) && !this.isOwnName(next)) {
      this.diagnostics.push(problems.foreignStatement(token.image, foreign.help, this.span(token)));
      if (foreign.keep) this.at++;
      else this.skipStatement();
      return true;
    }
    if (next.tokenType !== t.Identifier) return false;
    const rest = this.tokens.slice(this.at + 2, this.at + 24).filter((each) => each.startLine === token.endLine);
    const meant = statementMeant(
      token.image,
      rest.map((each) => (each.tokenType === t.Identifier ? "" : each.image)),
    );
    if (meant === undefined) return false;
    this.diagnostics.push(problems.misspeltWord(token.image, meant, "statement", this.span(token)));
    this.retag(token, t.Identifier, meant);
    this.keep(token);
    return true;
  }

  /** `return -> y` or `print(x) -> y`: a label or block of that name. */
  private isOwnName(next: IToken): boolean {
    if (next.tokenType !== t.LeftParen) return false;
    let depth = 0;
    for (let i = this.at + 1; i < this.tokens.length; i++) {
      const type = this.tokens[i]?.tokenType;
      if (type === t.LeftParen) depth++;
      else if (type === t.RightParen && --depth === 0) return this.tokens[i + 1]?.tokenType === t.Arrow;
    }
    return false;
  }

  /** `repeat 3 j {`: the index without its `as`. */
  private mendRepeat(token: IToken): boolean {
    for (let i = this.at + 2; i < this.at + 12; i++) {
      const [before, index, brace] = [this.tokens[i - 1], this.tokens[i], this.tokens[i + 1]];
      if (index === undefined || before === undefined || !this.sameLine(token, index) || index.tokenType === t.LeftBrace) return false;
      if (index.tokenType !== t.Identifier || brace?.tokenType !== t.LeftBrace || !OPERAND_ENDS.has(before.tokenType) || before.image === "as")
        continue;
      this.diagnostics.push(problems.missingAs(index.image, this.span(index)));
      while (this.at < i) this.keep(this.tokens[this.at] ?? token);
      this.out.push(this.made(t.Identifier, "as", index));
      return true;
    }
    return false;
  }

  // ── Operators ──────────────────────────────────────────────────────────────────────────────────────────────

  private mendOperator(token: IToken): boolean {
    switch (token.tokenType) {
      case t.Equal:
        return this.mendEqual(token);
      case t.Star:
        return this.mendPower(token);
      case t.Identifier:
        return this.mendNamedAfter(token) || this.mendLogical(token);
      default:
        return false;
    }
  }

  /** `x -> conv(8) as c1`: the name of a stage stands before it. */
  private mendNamedAfter(token: IToken): boolean {
    const { previous } = this;
    const [name, after] = [this.next(), this.next(2)];
    if (token.image !== "as" || this.frame?.kind !== "body" || this.frame.conditional || previous === undefined || name === undefined) return false;
    if (!OPERAND_ENDS.has(previous.tokenType) || !this.sameLine(previous, token) || !this.sameLine(token, name)) return false;
    // `repeat n as j {`, `stages s of list as i, width {`
    if (name.tokenType !== t.Identifier || after?.tokenType === t.LeftBrace || after?.tokenType === t.Comma) return false;
    const start = this.stageStart();
    const [first, label] = [this.out[start], this.out[start + 1]];
    if (start === 0 || first === undefined || this.out[start - 1]?.tokenType !== t.Arrow || label?.tokenType === t.Colon) return false;
    this.diagnostics.push(problems.namedAfter(name.image, this.span(first), this.span(token, name)));
    this.out.splice(start, 0, this.made(t.Identifier, name.image, first), this.made(t.Colon, ":", first));
    this.at += 2;
    return true;
  }

  /** Where the stage that ends here began in what is kept. */
  private stageStart(): number {
    let depth = 0;
    for (let i = this.out.length - 1; i >= 0; i--) {
      const type = this.out[i]?.tokenType;
      if (type === undefined) return 0;
      if (CLOSERS.has(type)) depth++;
      else if (OPENERS.has(type) && --depth < 0) return i + 1;
      else if (depth === 0 && type === t.Arrow) return i + 1;
    }
    return 0;
  }

  /** `padding=1` in a call, `-> c1 = conv(8)` in a chain, `where C = w`. */
  private mendEqual(token: IToken): boolean {
    const { frame, previous } = this;
    const [name, before] = [this.previous, this.out.at(-2)];
    if (frame === undefined || previous === undefined || name === undefined || name.tokenType !== t.Identifier) return false;
    const argument = frame.kind === "call" && (before?.tokenType === t.LeftParen || before?.tokenType === t.Comma);
    const label = frame.kind === "body" && before?.tokenType === t.Arrow;
    if (argument || label) {
      const next = this.next();
      const value = next !== undefined && this.sameLine(token, next) ? this.span(next).start : this.span(token).end;
      const edit = { source: this.source, start: this.span(name).end, end: value };
      this.diagnostics.push(problems.equalForColon(label ? "a label" : "an argument", name.image, this.span(token), edit));
      this.retag(token, t.Colon, ":");
    } else if (frame.conditional && frame.kind !== "parameters") {
      this.diagnostics.push(problems.equalForComparison(this.span(token)));
      this.retag(token, t.EqualEqual, "==");
    } else return false;
    this.keep(token);
    return true;
  }

  /** `w ** 2` is read as `w * w`, any other power as a product. */
  private mendPower(token: IToken): boolean {
    const { previous, frame } = this;
    const [second, power] = [this.next(), this.next(2)];
    if (previous === undefined || second?.tokenType !== t.Star || second.startOffset !== token.startOffset + 1) return false;
    if (frame?.kind === "settings" || !OPERAND_ENDS.has(previous.tokenType)) return false;
    const square = previous.tokenType === t.Identifier && power?.image === "2";
    const fix = square ? { span: this.span(previous, power), text: `${previous.image} * ${previous.image}` } : undefined;
    this.diagnostics.push(problems.powerOperator(this.span(token, second), fix));
    this.keep(token);
    this.at++;
    if (square) this.retag(power, t.Identifier, previous.image);
    return true;
  }

  /** `and`, `or` between operands, `not` before one. */
  private mendLogical(token: IToken): boolean {
    const { previous } = this;
    const next = this.next();
    if (next === undefined || !this.sameLine(token, next)) return false;
    const starts = OPERAND_STARTS.has(next.tokenType) || next.tokenType === t.LeftParen || next.tokenType === t.Not;
    const before = this.sameLine(previous, token) && previous !== undefined && OPERAND_ENDS.has(previous.tokenType);
    const between = before && !/^(where|if)$/.test(previous.image);
    if ((token.image === "and" || token.image === "or") && between && starts) {
      this.writeOperator(token, token.image === "and" ? t.And : t.Or, token.image === "and" ? "&&" : "||");
      return true;
    }
    const spaced = next.startOffset > (token.endOffset ?? token.startOffset) + 1;
    if (token.image !== "not" || between || !starts || !spaced || this.startsStatement(token)) return false;
    this.writeOperator(token, t.Not, "!");
    return true;
  }

  private writeOperator(token: IToken, type: TokenType, sign: string): void {
    this.diagnostics.push(problems.wordForOperator(token.image, sign, this.span(token), this.next()));
    this.retag(token, type, sign);
    this.keep(token);
  }

  // ── Lists ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Two operands side by side in brackets: the comma between them is missing. */
  private mendList(token: IToken): boolean {
    const { frame, previous } = this;
    if (frame === undefined || previous === undefined || frame.kind === "body" || frame.kind === "settings") return false;
    if (!OPERAND_STARTS.has(token.tokenType) || !OPERAND_ENDS.has(previous.tokenType) || !this.sameLine(previous, token)) return false;
    // A word with another before it on its line may begin the next statement, where brackets are left open.
    if (this.out.at(-2) === undefined || !this.sameLine(this.out.at(-2), previous)) return false;
    // Before its colon a parameter lacks that, and not a comma.
    if (frame.kind === "parameters" && this.out.at(-2)?.tokenType !== t.Colon && this.out.at(-2)?.tokenType !== t.Equal) return false;
    if (BETWEEN.has(token.image) || (BETWEEN.has(previous.image) && previous.tokenType === t.Identifier)) return false;
    const after = this.span(previous).end;
    this.diagnostics.push(problems.missingComma(token.image, this.span(token), { source: this.source, start: after, end: after }));
    this.out.push(this.made(t.Comma, ",", token));
    return false;
  }
}
