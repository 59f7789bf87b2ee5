/**
 * CST → AST for expressions, arguments, lists and shapes.
 * Invariant: an expression's span includes its own text only; parentheses around it belong to what encloses it.
 */
import type { CstNode, IToken } from "chevrotain";
import type { Argument, BinaryOperator, DtypeName, Expression, Hole, Name, NumberLiteral, ShapeDim, ShapeType, StringLiteral } from "./ast.ts";
import { type Context, inOrder, nameOf, node, nodeSpan, nodes, token, tokenSpan, tokens } from "./cst.ts";
import { isInserted } from "./layout.ts";
import { numberProblem, plainSymbol } from "./lex.ts";
import { malformed, safeFix, unknownEscape } from "./problems.ts";
import type { Span } from "./source.ts";

/** An expression with the text it takes, parentheses included. */
interface Placed {
  readonly value: Expression;
  readonly start: number;
  readonly end: number;
}

const DTYPES: ReadonlyMap<string, DtypeName> = new Map([
  ["f32", "f32"],
  ["f16", "f16"],
  ["i32", "i32"],
  ["i64", "i64"],
  ["bool", "bool"],
]);

/** The dtypes' names elsewhere. */
const DTYPE_WORDS: ReadonlyMap<string, DtypeName> = new Map<string, DtypeName>([
  ...["float32", "float", "single", "fp32"].map((word) => [word, "f32"] as const),
  ...["float16", "half", "fp16"].map((word) => [word, "f16"] as const),
  ...["int32", "int"].map((word) => [word, "i32"] as const),
  ...["int64", "long"].map((word) => [word, "i64"] as const),
  ["boolean", "bool"],
]);

const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  "||": 1,
  "&&": 2,
  ...{ "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3 },
  ...{ "+": 4, "-": 4, "*": 5, "/": 5, "%": 5 },
};

function isOperator(text: string): text is BinaryOperator {
  return Object.hasOwn(PRECEDENCE, text);
}

/** A hole of no width. */
export function holeAt(context: Context, offset: number): Hole {
  return { kind: "Hole", span: { source: context.source, start: offset, end: offset } };
}

/** The expression of an `expression` node; a hole at `fallback` when it is missing. */
export function buildExpression(context: Context, cst: CstNode | undefined, fallback: number): Expression {
  return place(context, cst, fallback).value;
}

function place(context: Context, cst: CstNode | undefined, fallback: number): Placed {
  if (cst === undefined) return { value: holeAt(context, fallback), start: fallback, end: fallback };
  const span = nodeSpan(context, cst, fallback);
  const head = placeOperation(context, cst, span.start);
  const question = token(cst, "Question");
  if (question === undefined) return head;
  const [thenNode, elseNode] = nodes(cst, "expression");
  const colon = token(cst, "Colon");
  const afterQuestion = tokenSpan(context, question).end;
  const then = place(context, thenNode, afterQuestion);
  const other = place(context, elseNode, colon === undefined ? then.end : tokenSpan(context, colon).end);
  const value: Expression = {
    kind: "Conditional",
    condition: head.value,
    then: then.value,
    else: other.value,
    span: { ...span, start: Math.min(span.start, head.start), end: Math.max(span.end, other.end) },
  };
  return { value, start: value.span.start, end: value.span.end };
}

/** The operands and operators of an `expression` node; operands that recovery left out become holes. */
function placeOperation(context: Context, cst: CstNode, fallback: number): Placed {
  const units = nodes(cst, "unary");
  const signs = tokens(cst, "BinaryOperator");
  const [only] = units;
  if (only !== undefined && signs.length === 0) return placeUnary(context, only, fallback);
  const operands: Placed[] = [];
  const operators: IToken[] = [];
  let at = fallback;
  for (const element of inOrder(cst, ["unary", "BinaryOperator"])) {
    if ("children" in element) {
      if (operands.length > operators.length) continue;
      const operand = placeUnary(context, element, at);
      operands.push(operand);
      at = operand.end;
    } else {
      while (operands.length <= operators.length) operands.push(emptyAt(context, at));
      operators.push(element);
      at = tokenSpan(context, element).end;
    }
  }
  while (operands.length <= operators.length) operands.push(emptyAt(context, at));
  return climb(context, operands, operators, fallback);
}

function emptyAt(context: Context, offset: number): Placed {
  return { value: holeAt(context, offset), start: offset, end: offset };
}

/** Shunting with explicit stacks: a long sum must not cost call depth. */
function climb(context: Context, operands: readonly Placed[], operators: readonly IToken[], fallback: number): Placed {
  const values: Placed[] = [];
  const pending: BinaryOperator[] = [];
  const reduce = (): void => {
    const operator = pending.pop();
    const right = values.pop();
    const left = values.pop();
    if (operator === undefined || left === undefined || right === undefined) return;
    const span = { source: context.source, start: left.start, end: right.end };
    const value: Expression = { kind: "Binary", operator, left: left.value, right: right.value, span };
    values.push({ value, start: span.start, end: span.end });
  };
  operands.forEach((operand, i) => {
    values.push(operand);
    const each = operators[i];
    const text = each === undefined ? "" : plainSymbol(each);
    if (!isOperator(text)) return;
    while (PRECEDENCE[pending.at(-1) ?? text] >= PRECEDENCE[text] && pending.length > 0) reduce();
    pending.push(text);
  });
  while (pending.length > 0) reduce();
  return values[0] ?? emptyAt(context, fallback);
}

function placeUnary(context: Context, cst: CstNode, fallback: number): Placed {
  const span = nodeSpan(context, cst, fallback);
  const signs = tokens(cst, "UnaryOperator");
  const lastSign = signs.at(-1);
  const from = lastSign === undefined ? span.start : tokenSpan(context, lastSign).end;
  let placed = placePrimary(context, cst, from);
  if (hasSuffix(cst)) {
    for (const suffix of inOrder(cst, ["arguments", "index", "member"])) {
      if ("children" in suffix) placed = placeSuffix(context, placed, suffix);
    }
  }
  for (let i = signs.length - 1; i >= 0; i--) {
    const sign = signs[i];
    if (sign === undefined) continue;
    const operator = plainSymbol(sign) === "!" ? "!" : "-";
    const start = tokenSpan(context, sign).start;
    const whole = { source: context.source, start, end: placed.end };
    placed = { value: { kind: "Unary", operator, operand: placed.value, span: whole }, start, end: placed.end };
  }
  return placed;
}

function hasSuffix(cst: CstNode): boolean {
  const { arguments: call, index, member } = cst.children;
  return call !== undefined || index !== undefined || member !== undefined;
}

function placeSuffix(context: Context, object: Placed, cst: CstNode): Placed {
  const suffix = nodeSpan(context, cst, object.end);
  const span = { source: context.source, start: object.start, end: Math.max(suffix.end, object.end) };
  const value = suffixed(context, object.value, cst, span);
  return { value, start: span.start, end: span.end };
}

function suffixed(context: Context, object: Expression, cst: CstNode, span: Span): Expression {
  if (cst.name === "arguments") return { kind: "Call", callee: object, arguments: buildArguments(context, cst), span };
  if (cst.name === "member") {
    return { kind: "Member", object, name: nameOf(context, token(cst, "Identifier"), span.end), span };
  }
  const dtype = object.kind === "Reference" ? DTYPES.get(object.name.text) : undefined;
  if (dtype !== undefined) return { kind: "ShapeType", dtype, dtypeSpan: object.span, dims: buildDims(context, cst), span };
  const [index, ...more] = buildElements(context, cst);
  if (index === undefined || more.length > 0) {
    const help = [
      "a shape with a dtype is written `f32[N, C]`; the dtypes are f32, f16, i32, i64 and bool",
      "a part of a tensor is `slice(x, axis: 1, start: 0, size: 8)`",
    ];
    context.report(malformed("an index is one expression, as in `list[i]`", nodeSpan(context, cst, span.end), { help }));
  }
  return { kind: "Index", object, index: index ?? holeAt(context, span.end), span };
}

/** The operand of a `unary` node without its signs and suffixes. */
function placePrimary(context: Context, cst: CstNode, fallback: number): Placed {
  const leaf = token(cst, "Identifier") ?? token(cst, "Number") ?? token(cst, "String");
  const literal = leaf ?? token(cst, "KeywordTrue") ?? token(cst, "KeywordFalse");
  if (literal !== undefined) {
    const value = primaryToken(context, literal);
    return { value, start: value.span.start, end: value.span.end };
  }
  const bracketed = node(cst, "list") ?? node(cst, "group");
  if (bracketed === undefined) return emptyAt(context, fallback);
  const span = nodeSpan(context, bracketed, fallback);
  const { start, end } = span;
  if (bracketed.name !== "list") return { value: buildGroup(context, bracketed, span), start, end };
  return { value: { kind: "ListExpression", elements: buildElements(context, bracketed), span }, start, end };
}

function primaryToken(context: Context, leaf: IToken): Expression {
  const span = tokenSpan(context, leaf);
  switch (leaf.tokenType.name) {
    case "Identifier":
      return { kind: "Reference", name: { kind: "Name", text: leaf.image, span }, span };
    case "Number":
      return buildNumber(context, leaf);
    case "KeywordTrue":
    case "KeywordFalse":
      return { kind: "BooleanLiteral", value: leaf.image === "true", span };
    default:
      return buildString(context, leaf);
  }
}

function buildGroup(context: Context, cst: CstNode, span: Span): Expression {
  checkCommas(context, cst, "expression", "expression");
  const elements = nodes(cst, "expression").map((each) => buildExpression(context, each, span.start));
  const [only] = elements;
  if (only !== undefined && elements.length === 1 && token(cst, "Comma") === undefined) return only;
  const closed = tokens(cst, "RightParen").every((each) => !isInserted(each));
  if (only === undefined && closed) context.report(malformed("empty parentheses hold no value", span));
  return only === undefined ? { kind: "Hole", span } : { kind: "TupleExpression", elements, span };
}

/** A number literal; a hole where `lex` already refused it. */
export function buildNumber(context: Context, token: IToken): NumberLiteral | Hole {
  const span = tokenSpan(context, token);
  if (numberProblem(token.image) !== undefined) return { kind: "Hole", span };
  const integer = /^[\d_]+$/.test(token.image);
  return { kind: "NumberLiteral", value: Number(token.image.replaceAll("_", "")), integer, span };
}

/** A string literal with its escapes resolved. */
export function buildString(context: Context, token: IToken): StringLiteral {
  const span = tokenSpan(context, token);
  return { kind: "StringLiteral", value: resolveEscapes(context, stringContent(token.image), span.start + 1), span };
}

/** What stands between a string token's quotes. */
export function stringContent(image: string): string {
  const closed = image.length > 1 && /["“”„']$/.test(image) && !/(^|[^\\])(\\\\)*\\"$/.test(image);
  return image.slice(1, closed ? -1 : undefined);
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ...['"', "\\", "{", "}"].map((each): [string, string] => [each, each]),
]);

/** Resolves escapes in a piece of a string that begins at `offset`. */
export function resolveEscapes(context: Context, text: string, offset: number): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([\s\S]?)/g, (all: string, letter: string, at: number) => {
    const meant = ESCAPES.get(letter);
    if (meant === undefined && letter !== "") {
      const start = offset + at;
      context.report(unknownEscape(all, { source: context.source, start, end: start + all.length }));
    }
    return meant ?? letter;
  });
}

/** The arguments of an `arguments` node. */
export function buildArguments(context: Context, cst: CstNode | undefined): readonly Argument[] {
  if (cst === undefined) return [];
  checkCommas(context, cst, "argument", "argument");
  return nodes(cst, "argument").map((each) => {
    const span = nodeSpan(context, each, nodeSpan(context, cst, 0).end);
    const label = token(each, "Identifier");
    const name: Name | undefined = label === undefined ? undefined : nameOf(context, label, span.start);
    const value = buildExpression(context, node(each, "expression"), span.end);
    return { kind: "Argument", name, value, span };
  });
}

/** `a,, b` and `(, a)`: the grammar lets an element be missing so that the rest of the list is still read. */
export function checkCommas(context: Context, cst: CstNode, element: string, called: string): void {
  const commas = tokens(cst, "Comma").length;
  if (commas === 0 || commas < nodes(cst, element).length) return;
  let expectsElement = true;
  for (const each of inOrder(cst, [element, "Comma"])) {
    if ("children" in each) expectsElement = false;
    else if (each.isInsertedInRecovery === true) continue;
    else if (expectsElement) {
      context.report(malformed(`expected an ${called} before this \`,\``, tokenSpan(context, each)));
      return;
    } else expectsElement = true;
  }
}

function buildElements(context: Context, cst: CstNode): readonly Expression[] {
  checkCommas(context, cst, "element", "element");
  return nodes(cst, "element").map((each): Expression => {
    const span = nodeSpan(context, each, nodeSpan(context, cst, 0).end);
    const value = buildExpression(context, node(each, "expression"), span.end);
    return token(each, "DotDot") === undefined ? value : { kind: "Spread", value, span };
  });
}

function buildDims(context: Context, cst: CstNode | undefined): readonly ShapeDim[] {
  if (cst === undefined) return [];
  checkCommas(context, cst, "element", "element");
  return nodes(cst, "element").map((each): ShapeDim => {
    const span = nodeSpan(context, each, nodeSpan(context, cst, 0).end);
    const value = buildExpression(context, node(each, "expression"), span.end);
    return { kind: token(each, "DotDot") === undefined ? "DimExpression" : "PackExpression", value, span };
  });
}

/** `f32[N, C]` or `[N, C]` of a port or tensor; undefined when the shape itself is missing. */
export function buildShapeType(context: Context, cst: CstNode | undefined): ShapeType | undefined {
  const list = node(cst, "list");
  if (cst === undefined || list === undefined || token(list, "LeftBracket") === undefined) return undefined;
  const span = nodeSpan(context, cst, 0);
  const written = token(cst, "Identifier");
  const dtype = written === undefined ? "f32" : DTYPES.get(written.image);
  const dtypeSpan = written === undefined ? undefined : tokenSpan(context, written);
  if (dtype === undefined && dtypeSpan !== undefined) {
    const help = ["the dtypes are f32, f16, i32, i64 and bool"];
    const meant = DTYPE_WORDS.get((written?.image ?? "").toLowerCase());
    const fixes = meant === undefined ? [] : [safeFix(`write \`${meant}\``, dtypeSpan, meant)];
    context.report(malformed(`\`${written?.image}\` is not a dtype`, dtypeSpan, { help, fixes }));
  }
  return { kind: "ShapeType", dtype: dtype ?? "f32", dtypeSpan, dims: buildDims(context, list), span };
}
