/**
 * CST → AST for statements, chains and stages.
 * Invariant: every statement the parser recognised is in the tree, its missing names empty and its missing values
 * holes; a chain has at least one stage.
 */
import type { CstNode, IToken } from "chevrotain";
import type {
  Assign,
  CallStage,
  Chain,
  ChainStatement,
  Expression,
  IfStage,
  IfStatement,
  InPort,
  JoinStage,
  Label,
  Let,
  Name,
  OutPort,
  ParamDeclaration,
  RepeatStage,
  ShapeType,
  Skip,
  Stage,
  StagesStage,
  StateDeclaration,
  Statement,
  Via,
  Where,
} from "./ast.ts";
import { buildArguments, buildExpression, buildShapeType, holeAt } from "./build-expression.ts";
import { buildLabel, buildPattern } from "./build-label.ts";
import { type Context, endOfToken, nameOf, node, nodeSpan, nodes, token, tokenAt, tokenSpan, tokens } from "./cst.ts";
import { docBefore } from "./documentation.ts";
import { malformed, safeFix } from "./problems.ts";
import type { Span } from "./source.ts";

/** The statements of a `body` node. */
export function buildBody(context: Context, cst: CstNode | undefined): readonly Statement[] {
  if (cst === undefined) return [];
  return nodes(cst, "statement").flatMap((each) => {
    const [rule] = Object.keys(each.children);
    const inner = rule === undefined ? undefined : node(each, rule);
    return inner === undefined ? [] : [buildStatement(context, inner)];
  });
}

function buildStatement(context: Context, cst: CstNode): Statement {
  const span = nodeSpan(context, cst, 0);
  switch (cst.name) {
    case "port":
      return buildPort(context, cst, span);
    case "where":
      return buildWhere(context, cst, span);
    case "tensor":
      return buildTensor(context, cst, span);
    case "update": {
      const name = nameOf(context, token(cst, "Identifier"), endOfToken(context, cst, "KeywordUpdate"));
      const value = buildExpression(context, node(cst, "expression"), endOfToken(context, cst, "Equal", "Identifier"));
      return { kind: "Update", name, value, span };
    }
    case "let":
      return buildLet(context, cst, span);
    case "skip":
      return buildSkip(context, cst, span);
    case "names": {
      const [first, ...rest] = tokens(cst, "Identifier");
      const scheme = nameOf(context, first, endOfToken(context, cst, "KeywordNames"));
      return { kind: "Names", scheme, order: rest.map((each) => nameOf(context, each, span.end)), span };
    }
    default:
      return buildFlow(context, cst, span);
  }
}

function buildPort(context: Context, cst: CstNode, span: Span): InPort | OutPort | Where {
  const name = nameOf(context, token(cst, "Identifier"), endOfToken(context, cst, "KeywordIn", "KeywordOut"));
  const type = buildShapeType(context, node(cst, "shapeType"));
  checkColon(context, cst, name, type);
  const doc = docBefore(context, span.start);
  if (token(cst, "KeywordOut") !== undefined) return { kind: "OutPort", name, type, doc, span };
  const where = node(cst, "where");
  const conditions = where === undefined ? [] : buildWhere(context, where, span).conditions;
  return { kind: "InPort", name, type, where: conditions, doc, span };
}

function checkColon(context: Context, cst: CstNode, name: Name, type: ShapeType | undefined): void {
  if (type === undefined || token(cst, "Colon") !== undefined || name.text === "") return;
  const at = { ...name.span, start: name.span.end };
  const fixes = [safeFix("write `:`", at, ":")];
  context.report(malformed(`expected \`:\` between \`${name.text}\` and its type`, type.span, { fixes }));
}

function buildWhere(context: Context, cst: CstNode, span: Span): Where {
  const conditions = nodes(cst, "expression").map((each) => buildExpression(context, each, span.end));
  return { kind: "Where", conditions, span };
}

function buildTensor(context: Context, cst: CstNode, span: Span): ParamDeclaration | StateDeclaration {
  const name = nameOf(context, token(cst, "Identifier"), endOfToken(context, cst, "KeywordParam", "KeywordState"));
  const written = buildShapeType(context, node(cst, "shapeType"));
  checkColon(context, cst, name, written);
  const after = { source: context.source, start: name.span.end, end: name.span.end };
  const hole = { kind: "DimExpression", value: { kind: "Hole", span: after }, span: after } as const;
  const type = written ?? { kind: "ShapeType", dtype: "f32", dtypeSpan: undefined, dims: [hole], span: after };
  const equal = token(cst, "Equal");
  const at = equal === undefined ? span.end : tokenSpan(context, equal).end;
  const value = equal === undefined ? undefined : buildExpression(context, node(cst, "expression"), at);
  const kind = token(cst, "KeywordParam") === undefined ? "StateDeclaration" : "ParamDeclaration";
  return { kind, name, type, initializer: value, doc: docBefore(context, span.start), span };
}

function buildLet(context: Context, cst: CstNode, span: Span): Let {
  const at = endOfToken(context, cst, "KeywordLet");
  const written = tokens(cst, "Identifier").map((each) => nameOf(context, each, at));
  const names = written.length > 0 ? written : [nameOf(context, undefined, at)];
  const value = buildExpression(context, node(cst, "expression"), endOfToken(context, cst, "Equal", "Identifier"));
  return { kind: "Let", names, value, doc: docBefore(context, span.start), span };
}

function buildSkip(context: Context, cst: CstNode, span: Span): Skip {
  const label = buildLabel(context, node(cst, "label"));
  const from = buildExpression(context, node(cst, "expression"), endOfToken(context, cst, "Colon", "KeywordSkip"));
  const join = nameOf(context, tokenAt(cst, "Identifier", 0), endOfToken(context, cst, "Arrow"));
  const via = node(cst, "via");
  return { kind: "Skip", label, from, join, via: via === undefined ? undefined : buildVia(context, via), span };
}

function buildVia(context: Context, cst: CstNode): Via | undefined {
  const span = nodeSpan(context, cst, 0);
  const adaptation = node(cst, "adaptation");
  if (adaptation === undefined) {
    const chain = node(cst, "chain");
    return chain === undefined ? undefined : { kind: "ViaChain", chain: buildChain(context, chain, span.start), span };
  }
  const question = token(adaptation, "Question");
  const optional = question !== undefined;
  const values = buildArguments(context, node(adaptation, "arguments"));
  const keyword = token(adaptation, "KeywordProject") ?? token(adaptation, "KeywordPad") ?? token(adaptation, "KeywordIdentity");
  const word = keyword?.image ?? "identity";
  const stages = nodes(cst, "stage");
  if (question !== undefined && (word !== "project" || stages.length > 0)) {
    const why = word === "project" ? "`project?` stands alone, without further stages" : `\`${word}\` takes no \`?\``;
    context.report(malformed(why, tokenSpan(context, question)));
  }
  if (stages.length > 0) {
    const head = nodeSpan(context, adaptation, span.start);
    const name = nameOf(context, keyword, span.start);
    const callee: Expression = { kind: "Reference", name, span: name.span };
    const called = node(adaptation, "arguments") !== undefined;
    const value: Expression = called ? { kind: "Call", callee, arguments: values, span: head } : callee;
    const first = { kind: "CallStage", label: undefined, value, span: head } as const;
    const rest = buildStages(context, cst, "stage", [], span);
    return { kind: "ViaChain", chain: { kind: "Chain", stages: [first, ...rest], span }, span };
  }
  if (word === "project") return { kind: "ViaProject", optional, arguments: values, span };
  if (word === "pad") return { kind: "ViaPad", arguments: values, span };
  if (node(adaptation, "arguments") !== undefined) context.report(malformed("`identity` takes no arguments", span));
  return { kind: "ViaIdentity", span };
}

function buildFlow(context: Context, cst: CstNode, span: Span): ChainStatement | IfStatement | Assign {
  const chain = buildChain(context, node(cst, "chain"), span.start);
  const [first] = chain.stages;
  const equal = token(cst, "Equal");
  if (equal === undefined) {
    if (first?.kind === "IfStage" && chain.stages.length === 1) return { ...first, kind: "IfStatement" };
    return { kind: "ChainStatement", chain, span };
  }
  const value = buildExpression(context, node(cst, "expression"), tokenSpan(context, equal).end);
  const target = chain.stages.length === 1 && first?.kind === "CallStage" && first.label === undefined ? first.value : undefined;
  const targets = target?.kind === "TupleExpression" ? target.elements : target === undefined ? [] : [target];
  const names = targets.flatMap((each) => (each.kind === "Reference" ? [each.name] : []));
  if (names.length === 0 || names.length < targets.length) {
    const help = ["an assignment is written `y = value` or `(a, b) = value`; a chain ends in its target: `.. -> y`"];
    context.report(malformed("expected a name, or names in parentheses, before `=`", chain.span, { help }));
  }
  return { kind: "Assign", names: names.length > 0 ? names : [nameOf(context, undefined, span.start)], value, span };
}

// ── Chains ───────────────────────────────────────────────────────────────────────────────────────────────────

/** The chain of a `chain` node. */
function buildChain(context: Context, cst: CstNode | undefined, fallback: number): Chain {
  const span = nodeSpan(context, cst, fallback);
  const stages = cst === undefined ? [] : buildStages(context, cst, "stage", tokens(cst, "Arrow"), span);
  return { kind: "Chain", stages: stages.length > 0 ? stages : [holeStage(context, fallback)], span };
}

/** Stages in order; one that is missing after an arrow becomes a hole. */
function buildStages(context: Context, cst: CstNode, rule: string, arrows: readonly IToken[], span: Span): readonly Stage[] {
  return nodes(cst, rule).map((each, i) => {
    const arrow = arrows[i - 1];
    return buildStage(context, each, arrow === undefined ? span.start : tokenSpan(context, arrow).end);
  });
}

function holeStage(context: Context, offset: number): CallStage {
  const value = holeAt(context, offset);
  return { kind: "CallStage", label: undefined, value, span: value.span };
}

function buildStage(context: Context, cst: CstNode, fallback: number): Stage {
  const span = nodeSpan(context, cst, fallback);
  const label = buildLabel(context, node(cst, "label"));
  const join = node(cst, "join");
  if (join !== undefined) return buildJoin(context, join, label, span);
  const repeat = node(cst, "repeat");
  if (repeat !== undefined) return buildRepeat(context, repeat, label, span);
  const stages = node(cst, "stages");
  if (stages !== undefined) return buildStagesStage(context, stages, label, span);
  const branch = node(cst, "if");
  if (branch !== undefined) {
    if (label !== undefined) {
      const help = ["label the stages inside, or a group around it: `name: { if .. }`"];
      context.report(malformed("an `if` takes no label", label.span, { help }));
    }
    return buildIf(context, branch, span);
  }
  const body = node(cst, "body");
  if (body !== undefined) return { kind: "BodyStage", label, body: buildBody(context, body), span };
  const colon = token(cst, "Colon");
  const at = colon === undefined ? fallback : tokenSpan(context, colon).end;
  return { kind: "CallStage", label, value: buildExpression(context, node(cst, "expression"), at), span };
}

function buildJoin(context: Context, cst: CstNode, label: Label | undefined, span: Span): JoinStage {
  const at = endOfToken(context, cst, "Colon", "KeywordJoin");
  const own = token(cst, "Colon") === undefined ? undefined : nameOf(context, tokenAt(cst, "Identifier", 0), at);
  const merge = nameOf(context, tokenAt(cst, "Identifier", own === undefined ? 0 : 1), at);
  const outer: Name | undefined = label === undefined ? undefined : { kind: "Name", text: label.text, span: label.span };
  if (own !== undefined && outer !== undefined) {
    context.report(malformed("this join has two labels", outer.span, { labels: [{ span: own.span, text: "and here" }] }));
  }
  const values = buildArguments(context, node(cst, "arguments"));
  return { kind: "JoinStage", label: own ?? outer, merge, arguments: values, span };
}

function buildRepeat(context: Context, cst: CstNode, label: Label | undefined, span: Span): RepeatStage {
  const at = endOfToken(context, cst, "KeywordRepeat");
  const count = buildExpression(context, node(cst, "expression"), at);
  const written = token(cst, "KeywordAs") === undefined ? undefined : tokenAt(cst, "Identifier", 0);
  const index = written === undefined ? undefined : nameOf(context, written, at);
  return { kind: "RepeatStage", label, count, index, body: buildBody(context, node(cst, "body")), span };
}

function buildStagesStage(context: Context, cst: CstNode, outer: Label | undefined, span: Span): StagesStage {
  const list = buildExpression(context, node(cst, "expression"), endOfToken(context, cst, "KeywordOf", "KeywordStages"));
  const [first, second] = nodes(cst, "pattern").map((each) => buildPattern(context, each));
  const names = first?.kind === "NamePattern";
  if (second !== undefined && first !== undefined && !names) {
    context.report(malformed("the first name after `as` is the index; the pattern comes second", first.span));
  }
  const index = names ? first.name : undefined;
  const pattern = names ? second : first;
  const label = buildLabel(context, node(cst, "label")) ?? outer;
  return { kind: "StagesStage", label, list, index, pattern, body: buildBody(context, node(cst, "body")), span };
}

/** An `if` with its `else if`s as nested statements of the else branch. */
function buildIf(context: Context, cst: CstNode, span: Span): IfStage {
  const condition = buildExpression(context, node(cst, "expression"), endOfToken(context, cst, "KeywordIf"));
  const [first, second] = nodes(cst, "body");
  const then = buildBody(context, first);
  const nested = node(cst, "if");
  if (nested === undefined) return { kind: "IfStage", condition, then, else: buildBody(context, second), span };
  const inner = buildIf(context, nested, nodeSpan(context, nested, span.end));
  return { kind: "IfStage", condition, then, else: [{ ...inner, kind: "IfStatement" }], span };
}
