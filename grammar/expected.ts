/**
 * What the parser says it expected, in the language's words; keyed by the parser's rule names.
 * Invariant: no message shows a token type's internal name.
 */
import { EOF, type IParserErrorMessageProvider, type IToken, type TokenType } from "chevrotain";
import * as t from "./tokens.ts";

/** What a rule needs where none of its alternatives fits. */
const WHOLE_RULE: Readonly<Record<string, string>> = {
  module: "a declaration (`block`, `model`, `train`, `variant`, `const` or `import`)",
  import: "`{` or a path in quotes after `import`",
  block: "`block` or `model`",
  parameterType: "a parameter type such as `dim`, `int`, `real`, `bool` or `[int]`",
  action: "`cut skip`, `set` or `replace`",
  edgePattern: "an edge pattern such as `*.sum`",
  recipeLine: "a setting",
  setting: "a value",
  statement: "a statement",
  let: "a name or names in parentheses after `let`",
  via: "`identity`, `project`, `pad` or a chain of stages after `via`",
  stage: "a stage",
  pattern: "a name or names in parentheses after `as`",
  if: "`{` or `if` after `else`",
  unary: "an expression",
  label: "a label",
};

/** What may follow where a rule's closing token did not come. */
const AFTER_PARTS: Readonly<Record<string, string>> = {
  module: "a declaration (`block`, `model`, `train`, `variant`, `const` or `import`)",
  body: "an operator, `->`, `;` or a new line",
  train: "a setting on a new line",
  variant: "an action (`cut skip`, `set` or `replace`) on a new line",
};

const LISTS: Readonly<Record<string, string>> = {
  arguments: "an argument",
  group: "an expression",
  list: "an element",
  parameters: "a parameter such as `width: dim`",
  parameterType: "a parameter type",
  pattern: "a name",
  let: "a name",
  import: "a name",
};

const NAMES: Readonly<Record<string, string>> = {
  importName: "the name to import",
  import: "the name that the file gets here",
  constant: "the constant's name",
  block: "the block's name",
  parameter: "a parameter's name",
  variant: "a name",
  train: "a model's name",
  sweep: "what is swept: a parameter of the model, or a name that the recipe uses",
  action: "a name",
  port: "the port's name",
  tensor: "the tensor's name",
  update: "the state's name",
  let: "a name",
  skip: "the label of a join",
  names: "a naming scheme such as `torchvision`",
  join: "a merge such as `add` or `concat`",
  repeat: "a name for the index",
  member: "a name after `.`",
};

const BODIES: Readonly<Record<string, string>> = { repeat: "`{` and the repeated body", stages: "`{` and the body" };

/** How a token is called in a message. */
export function describe(token: IToken): string {
  if (token.tokenType === EOF) return "the end of the file";
  if (token.tokenType === t.Separator && token.image === "") return "the end of the statement";
  const shown = token.image.length > 40 ? `${token.image.slice(0, 40)}…` : token.image;
  return shown.startsWith('"') ? `the string ${shown}` : `\`${shown}\``;
}

function mismatch(expected: TokenType, previous: IToken | undefined, rule: string): string {
  if (expected === t.RightBrace && rule !== "import") return AFTER_PARTS[rule] ?? "`}`";
  if (expected === EOF) return AFTER_PARTS.module ?? "";
  if (expected === t.RightParen || expected === t.RightBracket || expected === t.RightBrace) {
    const closer = expected.LABEL ?? "";
    const before = previous?.tokenType;
    const open = before === t.Comma || before === t.LeftParen || before === t.LeftBracket || before === t.LeftBrace;
    return open ? `${LISTS[rule] ?? "an expression"} or ${closer}` : `\`,\` or ${closer}`;
  }
  if (expected === t.Identifier) return NAMES[rule] ?? "a name";
  if (expected === t.LeftBrace) return BODIES[rule] ?? "`{`";
  if (expected === t.LeftBracket) return "a shape such as `[N, C, H, W]`";
  if (rule === "expression") return "`:` and the value for the other case";
  return expected.LABEL ?? "something else";
}

/** Gives chevrotain's errors the text that follows `expected`. */
export const messageProvider: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, previous, ruleName }) => mismatch(expected, previous, ruleName),
  buildNotAllInputParsedMessage: () => AFTER_PARTS.module ?? "",
  buildNoViableAltMessage: ({ ruleName, previous }) => {
    const after = previous.tokenType === t.Arrow && ruleName === "stage" ? " after `->`" : "";
    return `${WHOLE_RULE[ruleName] ?? "something else"}${after}`;
  },
  buildEarlyExitMessage: ({ ruleName }) => WHOLE_RULE[ruleName] ?? "something else",
};
