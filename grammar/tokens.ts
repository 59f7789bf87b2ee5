/**
 * The token vocabulary. Words are lexed as `Identifier` alone; `layout.ts` turns the ones that stand where a keyword
 * is meant into the keyword types below, so every keyword stays usable as a name elsewhere.
 * Invariant: a token type's label is what a message shows the user.
 */
import { createToken, Lexer, type TokenType } from "chevrotain";

const LETTER = "A-Za-z_À-ÖØ-öø-ʯͰ-ϿЀ-ӿ぀-ヿ一-鿿";

/** Operators that stand between two operands. */
export const BinaryOperator = createToken({ name: "BinaryOperator", pattern: Lexer.NA, label: "an operator" });
/** Operators that stand before an operand. */
export const UnaryOperator = createToken({ name: "UnaryOperator", pattern: Lexer.NA, label: "`-` or `!`" });
/** What an edge pattern such as `layer1.*.sum` is made of. */
export const PatternPart = createToken({ name: "PatternPart", pattern: Lexer.NA, label: "an edge pattern" });

export const WhiteSpace = createToken({
  name: "WhiteSpace",
  pattern: /[ \t\r\n\f\v\u00A0\uFEFF]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});
export const LineComment = createToken({ name: "LineComment", pattern: /\/\/[^\r\n]*/, group: "comments" });
/** The comments of other languages; read as comments, with an error. */
export const HashComment = createToken({ name: "HashComment", pattern: /#[^\r\n]*/, group: "comments" });
export const BlockComment = createToken({
  name: "BlockComment",
  pattern: (text: string, offset: number) => {
    if (!text.startsWith("/*", offset)) return null;
    const close = text.indexOf("*/", offset + 2);
    return [text.slice(offset, close < 0 ? text.length : close + 2)];
  },
  start_chars_hint: ["/"],
  group: "comments",
  line_breaks: true,
});

export const Identifier = createToken({
  name: "Identifier",
  pattern: new RegExp(`[${LETTER}][0-9${LETTER}]*`),
  label: "a name",
  categories: [PatternPart],
});
export const NumberLiteral = createToken({
  name: "Number",
  pattern: /[0-9](?:[eE][+-](?=[0-9])|[0-9A-Za-z_]|\.(?=[0-9]))*/,
  label: "a number",
  categories: [PatternPart],
});
export const StringLiteral = createToken({
  name: "String",
  pattern: /"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*"/,
  label: "a string",
});
/** A string that its line ends before its quote; read as a string up to there. */
export const UnterminatedString = createToken({
  name: "UnterminatedString",
  pattern: /"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*\\?/,
  label: "a string",
  categories: [StringLiteral],
});
/** A string in the quotes of other languages; read as a string, with an error. */
export const SingleString = createToken({ name: "SingleString", pattern: /'[^'\r\n]*'/, label: "a string", categories: [StringLiteral] });
/** Typographic quotes; read as a string, with an error. */
export const CurlyString = createToken({
  name: "CurlyString",
  pattern: /[“”„][^"“”„\r\n]*[“”„"]?/,
  label: "a string",
  categories: [StringLiteral],
});

const symbol = (name: string, pattern: RegExp, label: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, pattern, label: `\`${label}\``, categories });

/** `=>` is read as what was meant, with an error: a data edge, or `>=` before a number. */
export const Arrow = symbol("Arrow", /->|→|=>(?!\s*[0-9])/, "->");
export const LeftBrace = symbol("LeftBrace", /\{/, "{");
export const RightBrace = symbol("RightBrace", /\}/, "}");
export const LeftParen = symbol("LeftParen", /\(/, "(");
export const RightParen = symbol("RightParen", /\)/, ")");
export const LeftBracket = symbol("LeftBracket", /\[/, "[");
export const RightBracket = symbol("RightBracket", /\]/, "]");
export const Comma = symbol("Comma", /,/, ",");
export const Colon = symbol("Colon", /:/, ":");
export const Question = symbol("Question", /\?/, "?");
export const DotDot = symbol("DotDot", /\.\.(?:\.)?|…/, "..");
export const Dot = symbol("Dot", /\./, ".", [PatternPart]);
export const Or = symbol("Or", /\|\|/, "||", [BinaryOperator]);
export const And = symbol("And", /&&/, "&&", [BinaryOperator]);
export const EqualEqual = symbol("EqualEqual", /==/, "==", [BinaryOperator]);
export const NotEqual = symbol("NotEqual", /!=|≠/, "!=", [BinaryOperator]);
export const LessEqual = symbol("LessEqual", /<=|≤/, "<=", [BinaryOperator]);
export const GreaterEqual = symbol("GreaterEqual", />=|≥|=>(?=\s*[0-9])/, ">=", [BinaryOperator]);
export const Less = symbol("Less", /</, "<", [BinaryOperator]);
export const Greater = symbol("Greater", />/, ">", [BinaryOperator]);
export const Equal = symbol("Equal", /=/, "=");
export const Plus = symbol("Plus", /\+/, "+", [BinaryOperator]);
export const Minus = symbol("Minus", /[-−–]/, "-", [BinaryOperator, UnaryOperator]);
export const Star = symbol("Star", /[*×]/, "*", [BinaryOperator, PatternPart]);
export const Slash = symbol("Slash", /\//, "/", [BinaryOperator]);
export const Percent = symbol("Percent", /%/, "%", [BinaryOperator]);
export const Not = symbol("Not", /!/, "!", [UnaryOperator]);
/** `;`, and the zero-width separators that `layout.ts` puts where a new statement begins. */
export const Separator = createToken({ name: "Separator", pattern: /;/, label: "`;` or a new line" });

/** Stands, with no width, where `layout.ts` saw that an operand is missing. */
export const Missing = createToken({ name: "Missing", pattern: Lexer.NA, label: "an expression" });

const word = (text: string): TokenType => {
  const name = `Keyword${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return createToken({ name, pattern: Lexer.NA, label: `\`${text}\`` });
};

/** Keyword types by their text. */
export const keywords = {
  edition: word("edition"),
  import: word("import"),
  from: word("from"),
  as: word("as"),
  const: word("const"),
  block: word("block"),
  model: word("model"),
  variant: word("variant"),
  of: word("of"),
  cut: word("cut"),
  set: word("set"),
  replace: word("replace"),
  with: word("with"),
  train: word("train"),
  sweep: word("sweep"),
  in: word("in"),
  out: word("out"),
  where: word("where"),
  param: word("param"),
  state: word("state"),
  update: word("update"),
  let: word("let"),
  skip: word("skip"),
  via: word("via"),
  identity: word("identity"),
  project: word("project"),
  pad: word("pad"),
  if: word("if"),
  else: word("else"),
  names: word("names"),
  join: word("join"),
  repeat: word("repeat"),
  stages: word("stages"),
  true: word("true"),
  false: word("false"),
} as const;

export type Keyword = keyof typeof keywords;

/** In the order the lexer tries them: the longer of two that begin alike comes first. */
export const lexedTokens: TokenType[] = [
  ...[WhiteSpace, LineComment, HashComment, BlockComment, Identifier, NumberLiteral, StringLiteral, UnterminatedString, SingleString, CurlyString],
  ...[Arrow, LeftBrace, RightBrace, LeftParen, RightParen, LeftBracket, RightBracket],
  ...[Comma, Colon, Separator, Question, DotDot, Dot, Or, And],
  ...[EqualEqual, NotEqual, LessEqual, GreaterEqual, Less, Greater, Equal],
  ...[Plus, Minus, Star, Slash, Percent, Not],
];

/** Everything the parser may meet. */
export const vocabulary: TokenType[] = [...[BinaryOperator, UnaryOperator, PatternPart, Missing], ...lexedTokens, ...Object.values(keywords)];
