/**
 * A compact notation of syntax trees for expectations, and short ways to parse pieces of the language.
 * Invariant: every field of every node appears in the notation, so that a tree that prints right is right.
 */
import type * as ast from "../../grammar/ast.ts";
import { parse, type ParseResult } from "../../grammar/parse.ts";

export function parseText(text: string): ParseResult {
  return parse({ path: "test.resnet", text });
}

/** Codes with the text each points at. */
export function errorsOf(text: string): string[] {
  return parseText(text).diagnostics.map(({ code, span }) => `${code} ${text.slice(span.start, span.end)}`.trim());
}

/** Messages with line and column. */
export function messagesOf(text: string): string[] {
  return parseText(text).diagnostics.map(({ code, span, message }) => {
    const before = text.slice(0, span.start).split("\n");
    return `${code} ${before.length}:${(before.at(-1) ?? "").length + 1} ${message}`;
  });
}

/** The statements of `block B() { text }`, without allowing errors. */
export function statementsOf(text: string): string[] {
  const { module, diagnostics } = parseText(`block B() {\n${text}\n}`);
  const [first] = diagnostics;
  if (first !== undefined) throw new Error(`${first.code} ${first.message} in ${text}`);
  const [block] = module.items;
  if (block?.kind !== "Block") throw new Error("no block");
  return block.body.map(printStatement);
}

/** The notation of one expression, without allowing errors. */
export function expressionOf(text: string): string {
  const [statement = ""] = statementsOf(`let v = ${text}`);
  return statement.replace(/^let v = /, "");
}

export function printExpression(e: ast.Expression): string {
  const list = (all: readonly ast.Expression[]): string => all.map(printExpression).join(", ");
  switch (e.kind) {
    case "NumberLiteral":
      return e.integer ? String(e.value) : `${e.value}r`;
    case "StringLiteral":
      return JSON.stringify(e.value);
    case "BooleanLiteral":
      return String(e.value);
    case "Reference":
      return e.name.text;
    case "Member":
      return `${printExpression(e.object)}.${e.name.text}`;
    case "Call":
      return `${printExpression(e.callee)}(${printArguments(e.arguments)})`;
    case "Index":
      return `${printExpression(e.object)}@[${printExpression(e.index)}]`;
    case "Unary":
      return `(${e.operator}${printExpression(e.operand)})`;
    case "Binary":
      return `(${printExpression(e.left)} ${e.operator} ${printExpression(e.right)})`;
    case "Conditional":
      return `(${printExpression(e.condition)} ? ${printExpression(e.then)} : ${printExpression(e.else)})`;
    case "ListExpression":
      return `[${list(e.elements)}]`;
    case "TupleExpression":
      return `<${list(e.elements)}>`;
    case "ShapeType":
      return printShape(e);
    case "Spread":
      return `..${printExpression(e.value)}`;
    case "Hole":
      return "_";
  }
}

export function printArguments(all: readonly ast.Argument[]): string {
  return all.map((a) => (a.name === undefined ? "" : `${a.name.text}: `) + printExpression(a.value)).join(", ");
}

export function printShape(shape: ast.ShapeType | undefined): string {
  if (shape === undefined) return "?";
  const dims = shape.dims.map((d) => (d.kind === "PackExpression" ? ".." : "") + printExpression(d.value));
  return `${shape.dtype}${shape.dtypeSpan === undefined ? "~" : ""}<${dims.join(", ")}>`;
}

const doc = (text: string | undefined): string => (text === undefined ? "" : `/// ${text.replaceAll("\n", "|")} `);
const names = (all: readonly ast.Name[]): string => all.map((each) => each.text).join(", ");
const body = (all: readonly ast.Statement[]): string => `{ ${all.map(printStatement).join("; ")} }`.replace("{  }", "{}");

export function printStatement(s: ast.Statement): string {
  switch (s.kind) {
    case "InPort": {
      const where = s.where.length === 0 ? "" : ` where ${s.where.map(printExpression).join(", ")}`;
      return `${doc(s.doc)}in ${s.name.text}: ${printShape(s.type)}${where}`;
    }
    case "OutPort":
      return `${doc(s.doc)}out ${s.name.text}: ${printShape(s.type)}`;
    case "Where":
      return `where ${s.conditions.map(printExpression).join(", ")}`;
    case "ParamDeclaration":
    case "StateDeclaration": {
      const value = s.initializer === undefined ? "" : ` = ${printExpression(s.initializer)}`;
      const word = s.kind === "ParamDeclaration" ? "param" : "state";
      return `${doc(s.doc)}${word} ${s.name.text}: ${printShape(s.type)}${value}`;
    }
    case "Update":
      return `update ${s.name.text} = ${printExpression(s.value)}`;
    case "Let":
      return `${doc(s.doc)}let ${names(s.names)} = ${printExpression(s.value)}`;
    case "Assign":
      return `assign ${names(s.names)} = ${printExpression(s.value)}`;
    case "ChainStatement":
      return printChain(s.chain);
    case "Skip": {
      const via = s.via === undefined ? "" : ` via ${printVia(s.via)}`;
      return `skip ${printLabel(s.label)}${printExpression(s.from)} => ${s.join.text}${via}`;
    }
    case "IfStatement":
      return `if! ${printExpression(s.condition)} ${body(s.then)} else ${body(s.else)}`;
    case "Names":
      return `names ${s.scheme.text}`;
  }
}

function printVia(via: ast.Via): string {
  switch (via.kind) {
    case "ViaIdentity":
      return "IDENTITY";
    case "ViaProject":
      return `PROJECT${via.optional ? "?" : ""}(${printArguments(via.arguments)})`;
    case "ViaPad":
      return `PAD(${printArguments(via.arguments)})`;
    case "ViaChain":
      return printChain(via.chain);
  }
}

export function printChain(chain: ast.Chain): string {
  return chain.stages.map(printStage).join(" -> ");
}

function printLabel(label: ast.Label | undefined): string {
  if (label === undefined) return "";
  const parts = label.parts.map((p) => (p.kind === "LabelText" ? p.text : `{${printExpression(p.value)}}`));
  return `'${parts.join("")}': `;
}

function printPattern(pattern: ast.Pattern): string {
  return pattern.kind === "NamePattern" ? pattern.name.text : `(${pattern.elements.map(printPattern).join(", ")})`;
}

function printStage(s: ast.Stage): string {
  switch (s.kind) {
    case "CallStage":
      return printLabel(s.label) + printExpression(s.value);
    case "JoinStage":
      return `join ${s.label?.text ?? "-"}: ${s.merge.text}(${printArguments(s.arguments)})`;
    case "RepeatStage":
      return `${printLabel(s.label)}repeat ${printExpression(s.count)} as ${s.index?.text ?? "-"} ${body(s.body)}`;
    case "StagesStage": {
      const pattern = s.pattern === undefined ? "-" : printPattern(s.pattern);
      const head = `${printLabel(s.label)}stages ${printExpression(s.list)} as ${s.index?.text ?? "-"}, ${pattern}`;
      return `${head} ${body(s.body)}`;
    }
    case "IfStage":
      return `if ${printExpression(s.condition)} ${body(s.then)} else ${body(s.else)}`;
    case "BodyStage":
      return `${printLabel(s.label)}${body(s.body)}`;
  }
}

function printType(type: ast.ParameterType): string {
  if (type.kind === "ScalarType") return type.name;
  return type.kind === "ListType" ? `[${printType(type.element)}]` : `(${type.elements.map(printType).join(", ")})`;
}

export function printItem(item: ast.Item): string {
  switch (item.kind) {
    case "Block": {
      const parameters = item.parameters.map((p) => {
        const value = p.default === undefined ? "" : ` = ${printExpression(p.default)}`;
        return `${p.name.text}: ${printType(p.type)}${value}`;
      });
      const word = item.model ? "model" : "block";
      return `${doc(item.doc)}${word} ${item.name.text}(${parameters.join(", ")}) ${body(item.body)}`;
    }
    case "Constant":
      return `${doc(item.doc)}const ${item.name.text} = ${printExpression(item.value)}`;
    case "Variant": {
      const actions = item.actions.map((action) => {
        if (action.kind === "CutSkip") return `cut ${action.patterns.map((p) => p.text).join(" & ")}`;
        if (action.kind === "SetParameter") return `set ${action.name.text} = ${printExpression(action.value)}`;
        return `replace ${action.from.text} with ${printExpression(action.to)}`;
      });
      return `${doc(item.doc)}variant ${item.name.text} of ${item.of.text} { ${actions.join("; ")} }`;
    }
    case "Train": {
      const settings = item.settings.map((s) =>
        s.kind === "Sweep"
          ? `sweep ${s.name.text} in ${printExpression(s.values)}`
          : `${s.keyword.text} ${s.values.map(printExpression).join(" -> ")}`,
      );
      return `${doc(item.doc)}train ${item.model.text} as ${item.name?.text ?? "-"} { ${settings.join("; ")} }`;
    }
  }
}
