/**
 * The grammar of expressions, and how both grammars recover; `parser.ts` adds statements and declarations.
 * Invariant: brackets are never made up or dropped by recovery, since `layout.ts` has balanced them.
 */
import { CstParser, type TokenType } from "chevrotain";
import { messageProvider } from "./expected.ts";
import * as t from "./tokens.ts";

const k = t.keywords;
/** Openers never come out of thin air: they would need a closer too. */
const NEVER_INSERTED: ReadonlySet<TokenType> = new Set([t.LeftBrace, t.LeftParen, t.LeftBracket, t.Separator]);
const BRACKETS: ReadonlySet<TokenType> = new Set([
  ...[t.LeftBrace, t.LeftParen, t.LeftBracket, t.RightBrace, t.RightParen, t.RightBracket, t.Separator],
]);

/** Rule names are the keys of `expected.ts` and of the builders. */
export class ExpressionParser extends CstParser {
  constructor(skipValidations: boolean) {
    super(t.vocabulary, {
      recoveryEnabled: true,
      nodeLocationTracking: "onlyOffset",
      maxLookahead: 2,
      errorMessageProvider: messageProvider,
      skipValidations,
    });
  }

  protected override canTokenTypeBeInsertedInRecovery(type: TokenType): boolean {
    return !NEVER_INSERTED.has(type);
  }

  protected override canTokenTypeBeDeletedInRecovery(): boolean {
    return !BRACKETS.has(this.LA(1).tokenType);
  }

  /** Binary operators are a flat row here; the builder applies precedence. */
  expression = this.RULE("expression", () => {
    this.SUBRULE(this.unary);
    this.MANY(() => {
      this.CONSUME(t.BinaryOperator);
      this.SUBRULE2(this.unary);
    });
    this.OPTION(() => {
      this.CONSUME(t.Question);
      this.SUBRULE(this.expression);
      this.CONSUME(t.Colon);
      this.SUBRULE2(this.expression);
    });
  });

  // Alternatives of the rules invoked most often are made once, not at each invocation.
  private readonly operands = [
    { ALT: () => this.CONSUME(t.Identifier) },
    { ALT: () => this.CONSUME(t.NumberLiteral) },
    { ALT: () => this.CONSUME(t.StringLiteral) },
    { ALT: () => this.CONSUME(k.true) },
    { ALT: () => this.CONSUME(k.false) },
    { ALT: () => this.CONSUME(t.Missing) },
    { ALT: () => this.SUBRULE(this.group) },
    { ALT: () => this.SUBRULE(this.list) },
  ];
  private readonly suffixes = [
    { ALT: () => this.SUBRULE(this.arguments) },
    { ALT: () => this.SUBRULE2(this.list, { LABEL: "index" }) },
    { ALT: () => this.SUBRULE(this.member) },
  ];

  protected unary = this.RULE("unary", () => {
    this.MANY(() => this.CONSUME(t.UnaryOperator));
    this.OR(this.operands);
    this.MANY2(() => this.OR2(this.suffixes));
  });

  protected member = this.RULE("member", () => {
    this.CONSUME(t.Dot);
    this.CONSUME(t.Identifier);
  });

  protected group = this.RULE("group", () => {
    this.CONSUME(t.LeftParen);
    this.OPTION(() => this.SUBRULE(this.expression));
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.OPTION2(() => this.SUBRULE2(this.expression));
    });
    this.CONSUME(t.RightParen);
  });

  /** A list, an index, or a shape's dims. */
  protected list = this.RULE("list", () => {
    this.CONSUME(t.LeftBracket);
    this.OPTION(() => this.SUBRULE(this.element));
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.OPTION2(() => this.SUBRULE2(this.element));
    });
    this.CONSUME(t.RightBracket);
  });

  protected element = this.RULE("element", () => {
    this.OPTION(() => this.CONSUME(t.DotDot));
    this.SUBRULE(this.expression);
  });

  protected arguments = this.RULE("arguments", () => {
    this.CONSUME(t.LeftParen);
    this.OPTION(() => this.SUBRULE(this.argument));
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.OPTION2(() => this.SUBRULE2(this.argument));
    });
    this.CONSUME(t.RightParen);
  });

  protected argument = this.RULE("argument", () => {
    this.OPTION(() => {
      this.CONSUME(t.Identifier);
      this.CONSUME(t.Colon);
    });
    this.SUBRULE(this.expression);
  });
}
