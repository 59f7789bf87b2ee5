/**
 * CST → AST for files and declarations.
 * Invariant: total; whatever recovery left out is a hole or an empty name, and a good declaration is never lost.
 */
import type { CstNode } from "chevrotain";
import type {
  Block,
  Constant,
  EdgePattern,
  Edition,
  Expression,
  Import,
  ImportName,
  Item,
  Module,
  Parameter,
  ParameterType,
  Sweep,
  Train,
  TrainSetting,
  Variant,
  VariantAction,
} from "./ast.ts";
import { buildArguments, buildExpression, buildNumber, buildString, checkCommas, holeAt } from "./build-expression.ts";
import { buildBody } from "./build-statement.ts";
import { type Context, endOfToken, inOrder, nameOf, node, nodeSpan, nodes, token, tokenAt, tokenSpan, tokens } from "./cst.ts";
import { docBefore, fileDoc } from "./documentation.ts";
import { closest } from "./closest.ts";
import {
  likelyFix,
  malformed,
  settingWithComma,
  settingWithSign,
  SWEEP_FORM,
  sweepOverRange,
  sweepWithoutBrackets,
  sweepWithoutIn,
} from "./problems.ts";
import type { Span } from "./source.ts";

/** The syntax tree of a `module` node. */
export function buildModule(context: Context, cst: CstNode | undefined, firstToken: number): Module {
  const { source } = context;
  const imports: Import[] = [];
  const items: Item[] = [];
  let edition: Edition | undefined;
  const order = ["edition", "import", "constant", "block", "variant", "train"];
  for (const each of cst === undefined ? [] : inOrder(cst, order)) {
    if (!("children" in each)) continue;
    const span = nodeSpan(context, each, 0);
    if (each.name === "edition") {
      const here = buildEdition(context, each, span, edition === undefined && imports.length + items.length === 0);
      edition ??= here;
    } else if (each.name === "import") imports.push(buildImport(context, each, span));
    else items.push(buildItem(context, each, span));
  }
  const doc = fileDoc(context, firstToken, items[0]?.span.start ?? source.text.length);
  return { kind: "Module", edition, imports, items, doc, span: { source, start: 0, end: source.text.length } };
}

function buildEdition(context: Context, cst: CstNode, span: Span, first: boolean): Edition {
  if (!first) context.report(malformed("`edition` comes once, before everything else", span));
  const written = token(cst, "Number");
  const year = written === undefined ? undefined : buildNumber(context, written);
  return { kind: "Edition", year: year?.kind === "NumberLiteral" ? year.value : 0, span };
}

function buildItem(context: Context, cst: CstNode, span: Span): Item {
  switch (cst.name) {
    case "constant":
      return buildConstant(context, cst, span);
    case "variant":
      return buildVariant(context, cst, span);
    case "train":
      return buildTrain(context, cst, span);
    default:
      return buildBlock(context, cst, span);
  }
}

function buildImport(context: Context, cst: CstNode, span: Span): Import {
  const text = token(cst, "String");
  const pathSpan = text === undefined ? { ...span, start: span.end } : tokenSpan(context, text);
  const path = text === undefined ? "" : buildString(context, text).value;
  checkCommas(context, cst, "importName", "name");
  const names = nodes(cst, "importName").map((each): ImportName => {
    const place = nodeSpan(context, each, span.start);
    const name = nameOf(context, tokenAt(each, "Identifier", 0), place.start);
    const local = token(each, "KeywordAs") === undefined ? name : nameOf(context, tokenAt(each, "Identifier", 1), place.end);
    return { kind: "ImportName", name, local, span: place };
  });
  const whole = token(cst, "LeftBrace") === undefined;
  const alias = whole ? nameOf(context, tokenAt(cst, "Identifier", 0), span.end) : undefined;
  return { kind: "Import", names, alias, path, pathSpan, span };
}

function buildConstant(context: Context, cst: CstNode, span: Span): Constant {
  const name = nameOf(context, token(cst, "Identifier"), endOfToken(context, cst, "KeywordConst"));
  const value = buildExpression(context, node(cst, "expression"), endOfToken(context, cst, "Equal", "Identifier"));
  return { kind: "Constant", name, value, doc: docBefore(context, span.start), span };
}

function buildBlock(context: Context, cst: CstNode, span: Span): Block {
  const name = nameOf(context, token(cst, "Identifier"), endOfToken(context, cst, "KeywordBlock", "KeywordModel"));
  const list = node(cst, "parameters");
  if (list !== undefined) checkCommas(context, list, "parameter", "parameter");
  const parameters = list === undefined ? [] : nodes(list, "parameter").map((each) => buildParameter(context, each));
  const model = token(cst, "KeywordModel") !== undefined;
  const doc = docBefore(context, span.start);
  return { kind: "Block", model, name, parameters, body: buildBody(context, node(cst, "body")), doc, span };
}

function buildParameter(context: Context, cst: CstNode): Parameter {
  const span = nodeSpan(context, cst, 0);
  const name = nameOf(context, token(cst, "Identifier"), span.start);
  const written = node(cst, "parameterType");
  const after = { ...name.span, start: name.span.end };
  if (name.text !== "" && (written === undefined || token(cst, "Colon") === undefined)) {
    const help = ["the types are dim, int, dims, ints, real, prob, bool, init, block, string, lists `[T]` and tuples `(T, T)`"];
    context.report(malformed(`parameter \`${name.text}\` needs a type, as in \`${name.text}: int\``, name.span, { help }));
  }
  const type: ParameterType = written === undefined ? { kind: "ScalarType", name: "dim", span: after } : buildParameterType(context, written);
  const equal = token(cst, "Equal");
  const at = equal === undefined ? span.end : tokenSpan(context, equal).end;
  const value = equal === undefined ? undefined : buildExpression(context, node(cst, "expression"), at);
  return { kind: "Parameter", name, type, default: value, span };
}

type ScalarName = Extract<ParameterType, { kind: "ScalarType" }>["name"];

/** Types of other languages. */
const PARAMETER_TYPE_WORDS: ReadonlyMap<string, ScalarName> = new Map([
  ["integer", "int"],
  ...(["float", "double", "f32", "f64", "number", "scalar"] as const).map((word) => [word, "real"] as const),
  ...(["size", "usize", "uint"] as const).map((word) => [word, "dim"] as const),
  ["str", "string"],
  ["boolean", "bool"],
  ["probability", "prob"],
  ["module", "block"],
  ["layer", "block"],
]);

const SCALARS: ReadonlyMap<string, ScalarName> = new Map(
  (["dim", "dims", "int", "ints", "real", "prob", "bool", "init", "block", "string"] as const).map((name) => [name, name]),
);

function buildParameterType(context: Context, cst: CstNode): ParameterType {
  const span = nodeSpan(context, cst, 0);
  const elements = nodes(cst, "parameterType").map((each) => buildParameterType(context, each));
  if (token(cst, "LeftBracket") !== undefined) {
    return { kind: "ListType", element: elements[0] ?? { kind: "ScalarType", name: "dim", span }, span };
  }
  if (token(cst, "LeftParen") !== undefined) {
    const [only] = elements;
    return elements.length === 1 && only !== undefined ? only : { kind: "TupleType", elements, span };
  }
  const word = token(cst, "Identifier")?.image;
  const name = SCALARS.get(word ?? "dim");
  if (name === undefined) {
    const help = ["the types are dim, int, dims, ints, real, prob, bool, init, block, string, lists `[T]` and tuples `(T, T)`"];
    const meant = PARAMETER_TYPE_WORDS.get((word ?? "").toLowerCase()) ?? closest(word ?? "", [...SCALARS.keys()]);
    const fixes = meant === undefined ? [] : [likelyFix(`write \`${meant}\``, span, meant)];
    context.report(malformed(`\`${word}\` is not a parameter type`, span, { help, fixes }));
  }
  return { kind: "ScalarType", name: name ?? "dim", span };
}

function buildVariant(context: Context, cst: CstNode, span: Span): Variant {
  const name = nameOf(context, tokenAt(cst, "Identifier", 0), endOfToken(context, cst, "KeywordVariant"));
  const of = nameOf(context, tokenAt(cst, "Identifier", 1), endOfToken(context, cst, "KeywordOf", "KeywordVariant"));
  const actions = nodes(cst, "action").flatMap((each) => buildAction(context, each));
  return { kind: "Variant", name, of, actions, doc: docBefore(context, span.start), span };
}

function buildAction(context: Context, cst: CstNode): readonly VariantAction[] {
  const span = nodeSpan(context, cst, 0);
  const at = endOfToken(context, cst, "KeywordCut", "KeywordSet", "KeywordReplace");
  const value = (after: number): Expression => buildExpression(context, node(cst, "expression"), after);
  const name = nameOf(context, tokenAt(cst, "Identifier", 0), at);
  if (token(cst, "KeywordCut") !== undefined) {
    const patterns = nodes(cst, "edgePattern").map((each) => buildEdgePattern(context, each));
    return [{ kind: "CutSkip", patterns, span }];
  }
  if (token(cst, "KeywordSet") !== undefined) {
    return [{ kind: "SetParameter", name, value: value(endOfToken(context, cst, "Equal")), span }];
  }
  if (token(cst, "KeywordReplace") !== undefined) {
    return [{ kind: "ReplaceBlock", from: name, to: value(endOfToken(context, cst, "KeywordWith")), span }];
  }
  return [];
}

function buildEdgePattern(context: Context, cst: CstNode): EdgePattern {
  const span = nodeSpan(context, cst, 0);
  const text = context.source.text.slice(span.start, span.end);
  if (text !== "" && !/^(\*\*?|\w+)(\.(\*\*?|\w+))*$/.test(text)) {
    const help = ["a pattern is names, `*` (one component) or `**` (any number) with dots between: `layer1.*.sum`"];
    context.report(malformed(`\`${text}\` is not an edge pattern`, span, { help }));
  }
  return { kind: "EdgePattern", text, span };
}

function buildTrain(context: Context, cst: CstNode, span: Span): Train {
  const model = nameOf(context, tokenAt(cst, "Identifier", 0), endOfToken(context, cst, "KeywordTrain"));
  const as = token(cst, "KeywordAs");
  const name = as === undefined ? undefined : nameOf(context, tokenAt(cst, "Identifier", 1), tokenSpan(context, as).end);
  const settings = nodes(cst, "recipeLine").flatMap((each): (TrainSetting | Sweep)[] => {
    const [setting, sweep] = [node(each, "setting"), node(each, "sweep")];
    return sweep === undefined ? (setting === undefined ? [] : [buildSetting(context, setting)]) : [buildSweep(context, sweep)];
  });
  return { kind: "Train", model, name, settings, doc: docBefore(context, span.start), span };
}

function buildSetting(context: Context, cst: CstNode): TrainSetting {
  const span = nodeSpan(context, cst, 0);
  const keyword = nameOf(context, token(cst, "Identifier"), span.start);
  const sign = token(cst, "Equal") ?? token(cst, "Colon");
  const isGiven = node(cst, "arguments") !== undefined || node(cst, "expression") !== undefined;
  if (sign !== undefined && isGiven) context.report(settingWithSign(keyword.text, sign.image, tokenSpan(context, sign), keyword.span.end));
  const list = node(cst, "arguments");
  if (list !== undefined) {
    const callee: Expression = { kind: "Reference", name: keyword, span: keyword.span };
    const call: Expression = { kind: "Call", callee, arguments: buildArguments(context, list), span };
    return { kind: "TrainSetting", keyword, values: [call], span };
  }
  const joints = [...tokens(cst, "Arrow"), ...tokens(cst, "Comma")].sort((x, y) => x.startOffset - y.startOffset);
  const values = nodes(cst, "expression").map((each, i) => {
    const joint = joints[i - 1];
    return buildExpression(context, each, joint === undefined ? span.end : tokenSpan(context, joint).end);
  });
  // A comma at the end is told by the parser, which misses a value.
  if (values.every(({ kind }) => kind !== "Hole"))
    for (const comma of tokens(cst, "Comma").slice(0, values.length - 1)) context.report(settingWithComma(keyword.text, tokenSpan(context, comma)));
  if (values.length === 0 && keyword.text !== "" && cst.recoveredNode !== true) {
    const why = "a setting's value begins on its line";
    const help = keyword.text === "sweep" ? { help: [SWEEP_FORM] } : {};
    context.report(malformed(`setting \`${keyword.text}\` needs a value`, keyword.span, { note: why, ...help }));
  }
  return { kind: "TrainSetting", keyword, values, span };
}

function buildSweep(context: Context, cst: CstNode): Sweep {
  const span = nodeSpan(context, cst, 0);
  const name = nameOf(context, tokenAt(cst, "Identifier", 0), endOfToken(context, cst, "KeywordSweep"));
  const word = token(cst, "KeywordIn") ?? token(cst, "Equal") ?? token(cst, "Colon") ?? tokenAt(cst, "Identifier", 1);
  const written = nodes(cst, "expression").map((each) => buildExpression(context, each, span.end));
  const [first] = written;
  const last = written.at(-1);
  // Of a chain among the values the layout has said what it is.
  if (context.source.text.slice(span.start, span.end).includes("->")) return { kind: "Sweep", name, values: holeAt(context, span.end), span };
  // What is missing altogether was said by the parser.
  if (first === undefined || last === undefined || name.text === "" || written.some((each) => each.kind === "Hole")) {
    return { kind: "Sweep", name, values: first ?? holeAt(context, span.end), span };
  }
  if (name.text === "in" && word === undefined) {
    context.report(malformed("`sweep` needs the name of what is swept before `in`", name.span, { help: [SWEEP_FORM] }));
    return { kind: "Sweep", name: { ...name, text: "" }, values: first, span };
  }
  if (word?.tokenType.name !== "KeywordIn") {
    const place = word === undefined ? { ...name.span, start: name.span.end } : tokenSpan(context, word);
    context.report(sweepWithoutIn(name.text, word?.image, place));
  }
  const dots = token(cst, "DotDot");
  if (dots !== undefined) {
    context.report(sweepOverRange(tokenSpan(context, dots), first.span, last.span));
    return { kind: "Sweep", name, values: holeAt(context, span.end), span };
  }
  if (written.length === 1) return { kind: "Sweep", name, values: first, span };
  const list = { ...first.span, end: last.span.end };
  context.report(sweepWithoutBrackets(name.text, list));
  return { kind: "Sweep", name, values: { kind: "ListExpression", elements: written, span: list }, span };
}
