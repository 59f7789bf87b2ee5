/**
 * Evaluation of expressions: sizes, numbers and conditions statically, tensors by appending operators.
 * Invariant: never throws for a user's mistake; a reported mistake yields poison.
 */
import type { Binary, Call, Conditional, Expression, ShapeDim, ShapeType } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { ceilDiv, constantOf, type Dim, floorDiv, negate } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import type { Declaration } from "../resolve/modules.ts";
import { PRELUDE } from "../resolve/modules.ts";
import { recursiveConstant, unknownName } from "../resolve/problems.ts";
import { asReal, evaluateArguments } from "./arguments.ts";
import { applyBlock } from "./apply.ts";
import type { Comparison } from "../ir/comparison.ts";
import { arithmetic, comparison, logical, mapDims } from "./arithmetic.ts";
import { mergeValues } from "./branches.ts";
import { assuming, decide, type Frame, report } from "./context.ts";
import { depthHere } from "./depth.ts";
import { applyPrimitive, isPrimitive, PRIMITIVE_NAMES } from "./primitives.ts";
import { noMembers, usedBeforeComputed } from "./name-problems.ts";
import * as problems from "./problems.ts";
import { checkShared } from "./shared-weights.ts";
import { lookup, lookupDeclaration, lookupLater, namesInScope, rootScope, type Scope } from "./scope.ts";
import { applyStatic, isStatic } from "./static-functions.ts";
import { binaryTensor, unaryTensor } from "./tensor-expressions.ts";
import { type BlockValue, dimValue, type GivenArgument, POISON, type Value } from "./values.ts";

export const INITIALIZERS: readonly string[] = [
  "zeros",
  "ones",
  "constant",
  "normal",
  "uniform",
  "truncated_normal",
  "kaiming_normal",
  "kaiming_uniform",
  "xavier_normal",
  "xavier_uniform",
  "lecun_normal",
];

const STRING_CONSTANTS: readonly string[] = ["fan_in", "fan_out", "batch", "channel", "spatial", "nearest", "bilinear"];

/** The value of an expression; in stage position names mean blocks before operators. */
export function evaluate(frame: Frame, scope: Scope, expression: Expression, stage = false): Value {
  switch (expression.kind) {
    case "NumberLiteral":
      return expression.integer ? dimValue(expression.value) : { kind: "real", value: expression.value };
    case "StringLiteral":
      return { kind: "string", value: expression.value };
    case "BooleanLiteral":
      return { kind: "bool", value: expression.value };
    case "Hole":
      return POISON;
    case "Spread":
      return evaluate(frame, scope, expression.value);
    case "Reference":
      return evaluateReference(frame, scope, expression.name.text, expression.span, stage);
    case "Member":
      return evaluateMember(frame, scope, expression);
    case "Call":
      return evaluateCall(frame, scope, expression, stage);
    case "Index":
      return evaluateIndex(frame, scope, expression.object, expression.index, expression.span);
    case "Unary":
      return evaluateUnary(frame, scope, expression.operator, expression.operand, expression.span);
    case "Binary":
      return evaluateBinary(frame, scope, expression);
    case "Conditional":
      return evaluateConditional(frame, scope, expression);
    case "ListExpression":
      return collected(
        "list",
        expression.elements.flatMap((element) => listElements(evaluate(frame, scope, element), element)),
      );
    case "TupleExpression":
      return collected(
        "tuple",
        expression.elements.map((element) => evaluate(frame, scope, element)),
      );
    case "ShapeType": {
      const type = evaluateShape(frame, scope, expression);
      return type === undefined ? POISON : { kind: "type", type };
    }
    default:
      return expression satisfies never;
  }
}

/** A list with a wrong element is wrong. */
function collected(kind: "list" | "tuple", elements: readonly Value[]): Value {
  return elements.some((element) => element.kind === "poison") ? POISON : { kind, elements };
}

/** `[N, ..S]` splices the dims of a pack or the elements of a list. */
function listElements(value: Value, element: Expression): readonly Value[] {
  if (element.kind !== "Spread") return [value];
  if (value.kind === "pack") return value.dims.map(dimValue);
  return value.kind === "list" || value.kind === "tuple" ? value.elements : [value];
}

function evaluateReference(frame: Frame, scope: Scope, name: string, span: Span, stage: boolean): Value {
  const bound = lookup(scope, name);
  if (bound !== undefined) return bound.value;
  const declaration = lookupDeclaration(scope, name);
  const later = lookupLater(scope, name);
  // A stage may be labelled like its block: `conv: conv(16, 3)`.
  if (later !== undefined && !(stage && declaration?.kind === "block")) {
    report(frame.session, usedBeforeComputed(name, span, later));
    return POISON;
  }
  const position = name === "depth" && declaration === undefined ? depthHere(frame, span) : undefined;
  if (position !== undefined) return position;
  const operatorFirst = !stage && (declaration === undefined || fromPrelude(scope, declaration) || isItself(frame, declaration));
  if (!operatorFirst && declaration !== undefined) return declaredValue(frame, declaration, span);
  const builtin = builtinValue(name);
  if (builtin !== undefined) return builtin;
  if (declaration !== undefined) return declaredValue(frame, declaration, span);
  if (scope.file.unresolved.has(name)) return POISON;
  report(frame.session, unknownName(name, span, namesMeant(frame, scope), stage ? "block" : "name"));
  return POISON;
}

/** What an unknown name may be a slip of; nothing once the check has compared more names than any honest file calls for. */
function namesMeant({ session }: Frame, scope: Scope): readonly string[] {
  if (session.spelling.left <= 0) return [];
  const names = [...namesInScope(scope), ...PRIMITIVE_NAMES, ...INITIALIZERS, "true", "false"];
  session.spelling.left -= names.length;
  return names;
}

/** Operators win over the prelude's blocks in expressions (`relu(a + b)`), and inside the prelude itself. */
function fromPrelude(scope: Scope, declaration: Declaration): boolean {
  if (scope.file.path === PRELUDE) return true;
  return declaration.kind === "block" && declaration.file.path === PRELUDE;
}

/** Inside a block `relu` the name means the operator: a block cannot contain itself. */
function isItself(frame: Frame, declaration: Declaration): boolean {
  return declaration.kind === "block" && frame.session.trail.at(-1)?.declaration.block === declaration.block;
}

/** Operators, initialisers and other names that every file knows. */
export function isBuiltin(name: string): boolean {
  return builtinValue(name) !== undefined;
}

function builtinValue(name: string): Value | undefined {
  if (name === "pi") return { kind: "real", value: Math.PI };
  if (name === "infinity") return { kind: "real", value: Number.POSITIVE_INFINITY };
  if (isStatic(name) || isPrimitive(name)) return { kind: "primitive", name, given: [] };
  if (INITIALIZERS.includes(name)) return { kind: "init", name, given: [] };
  if (STRING_CONSTANTS.includes(name)) return { kind: "string", value: name };
  return undefined;
}

/** A declaration as a value: blocks with the variant's replacement applied, constants evaluated in their own file. */
export function declaredValue(frame: Frame, declaration: Declaration, span: Span): Value {
  switch (declaration.kind) {
    case "block": {
      const { replacements, replaced: met } = frame.session.edits;
      const replaced = replacements.get(declaration.block.name.text);
      if (replaced !== undefined) met.add(declaration.block.name.text);
      return replaced ?? { kind: "block", declaration, given: [] };
    }
    case "constant": {
      const { constant, file } = declaration;
      const { constants } = frame.session;
      const known = constants.get(constant);
      if (known === "open") report(frame.session, recursiveConstant(constant.name.text, span));
      if (known !== undefined) return known === "open" ? POISON : known;
      constants.set(constant, "open");
      const value = evaluate(frame, rootScope(file, new Map()), constant.value);
      constants.set(constant, value);
      return value;
    }
    case "namespace":
      return { kind: "namespace", file: declaration.file };
    case "variant":
      report(frame.session, problems.wrongKind(span, "a block", { kind: "string", value: `variant ${declaration.variant.name.text}` }));
      return POISON;
    default:
      return declaration satisfies never;
  }
}

function evaluateMember(frame: Frame, scope: Scope, expression: Extract<Expression, { kind: "Member" }>): Value {
  const object = evaluate(frame, scope, expression.object);
  if (object.kind === "poison") return POISON;
  if (object.kind !== "namespace") {
    report(frame.session, noMembers(expression.span, expression.name.text, object));
    return POISON;
  }
  const found = object.file.own.get(expression.name.text);
  if (found !== undefined) return declaredValue(frame, found, expression.name.span);
  report(frame.session, unknownName(expression.name.text, expression.name.span, [...object.file.own.keys()], "declaration"));
  return POISON;
}

function evaluateCall(frame: Frame, scope: Scope, call: Call, stage: boolean): Value {
  const division = call.arguments[0]?.value;
  if (call.callee.kind === "Reference" && call.arguments.length === 1 && division?.kind === "Binary" && division.operator === "/") {
    const name = call.callee.name.text;
    if ((name === "floor" || name === "ceil") && lookup(scope, name) === undefined) {
      const rounded = roundedDivision(frame, scope, division, name);
      if (rounded !== undefined) return rounded;
    }
  }
  const shared = call.callee.kind === "Reference" ? sharedBlock(scope, call.callee.name.text) : undefined;
  if (shared !== undefined) return callShared(frame, shared, evaluateArguments(frame, scope, call.arguments), call.span);
  const callee = evaluateCallee(frame, scope, call.callee, stage);
  if (callee.kind === "poison") {
    evaluateArguments(frame, scope, call.arguments);
    return POISON;
  }
  const given = evaluateArguments(frame, scope, call.arguments);
  return applyValue(frame, callee, given, call.span, stage);
}

/** The block that a label stands for, with the place of its parameters. */
export interface SharedBlock {
  readonly block: BlockValue;
  readonly path: readonly string[];
}

/** What a label names besides its value: the block it was put at, unless a block is declared under that name too. */
export function sharedBlock(scope: Scope, name: string): SharedBlock | undefined {
  const stage = lookup(scope, name)?.stage;
  if (stage?.block.kind !== "block" || lookupDeclaration(scope, name) !== undefined || isPrimitive(name)) return undefined;
  return { block: stage.block, path: stage.path };
}

/** The same block with the same parameters, applied to other tensors. */
export function applyShared(frame: Frame, { block, path }: SharedBlock, inputs: readonly Value[], span: Span): Value {
  const before = frame.prefix;
  frame.prefix = [];
  const result = applyBlock(frame, block, inputs, { path }, span);
  frame.prefix = before;
  return result.kind === "poison" || checkShared(frame, path, span) ? result : POISON;
}

/** `encoder(right)` */
function callShared(frame: Frame, shared: SharedBlock, given: readonly GivenArgument[], span: Span): Value {
  const other = given.find(({ value }) => value.kind !== "tensor" && value.kind !== "poison");
  if (other !== undefined) {
    report(frame.session, problems.wrongKind(other.span, "a tensor: a label's block has its arguments", other.value));
    return POISON;
  }
  return applyShared(
    frame,
    shared,
    given.map(({ value }) => value),
    span,
  );
}

/** A label's tensor cannot be called, so that there the name still means the block or operator. */
function evaluateCallee(frame: Frame, scope: Scope, callee: Expression, stage: boolean): Value {
  if (callee.kind === "Reference" && lookup(scope, callee.name.text)?.value.kind === "tensor") {
    const declaration = lookupDeclaration(scope, callee.name.text);
    if (declaration?.kind === "block" && (stage || !isPrimitive(callee.name.text))) return declaredValue(frame, declaration, callee.span);
    const builtin = builtinValue(callee.name.text);
    if (builtin !== undefined) return builtin;
  }
  return evaluate(frame, scope, callee, stage);
}

/** Applies what can be applied; a block without tensors among its arguments stays a block. */
export function applyValue(frame: Frame, callee: Value, given: readonly GivenArgument[], span: Span, stage: boolean): Value {
  switch (callee.kind) {
    case "poison":
      return POISON;
    case "init":
      return { kind: "init", name: callee.name, given: [...callee.given, ...given] };
    case "block": {
      const tensors = given.filter((argument) => argument.name === undefined && argument.value.kind === "tensor");
      const rest = given.filter((argument) => !tensors.includes(argument));
      if (!stage && given.some((argument) => argument.value.kind === "poison")) return POISON;
      if (tensors.length === 0 || stage) return { ...callee, given: [...callee.given, ...given] };
      const block: Value = { ...callee, given: [...callee.given, ...rest] };
      return applyBlock(
        frame,
        block,
        tensors.map((argument) => argument.value),
        undefined,
        span,
      );
    }
    case "primitive": {
      const all = [...callee.given, ...given];
      if (all.some((argument) => argument.value.kind === "poison")) return POISON;
      if (isStatic(callee.name) && !stage) {
        const result = applyStatic(frame, callee.name, all, span);
        if (result !== undefined) return result;
      }
      const tensors = all.some((argument) => argument.value.kind === "tensor");
      if (stage || (!tensors && !isPrimitive(callee.name))) return { ...callee, given: all };
      return applyPrimitive(frame, callee.name, all, span);
    }
    default:
      report(frame.session, problems.wrongKind(span, "a block or operator", callee));
      return POISON;
  }
}

function roundedDivision(frame: Frame, scope: Scope, division: Binary, name: "floor" | "ceil"): Value | undefined {
  const left = evaluate(frame, scope, division.left);
  const right = evaluate(frame, scope, division.right);
  if (left.kind === "poison" || right.kind === "poison") return POISON;
  const round = name === "floor" ? floorDiv : ceilDiv;
  const result = mapDims(left, right, (a, b) => round(a, b));
  if (result !== undefined) return result;
  const a = asReal(left);
  const b = asReal(right);
  if (a?.kind === "real" && b?.kind === "real" && !Number.isNaN(a.value / b.value)) return dimValue(Math[name](a.value / b.value));
  return undefined;
}

function evaluateIndex(frame: Frame, scope: Scope, object: Expression, index: Expression, span: Span): Value {
  const list = evaluate(frame, scope, object);
  const at = evaluate(frame, scope, index);
  if (list.kind === "poison" || at.kind === "poison") return POISON;
  const position = at.kind === "dim" ? constantOf(at.dim) : undefined;
  if (at.kind !== "dim") report(frame.session, problems.wrongKind(index.span, "an integer index", at));
  else if (list.kind === "list" || list.kind === "tuple") {
    if (position === undefined) {
      if (frame.session.generic) return POISON;
      report(frame.session, problems.notConstant(index.span, "an index", at));
      return POISON;
    }
    const element = list.elements[position < 0 ? list.elements.length + position : position];
    if (element !== undefined) return element;
    report(frame.session, problems.wrongKind(index.span, `an index below ${list.elements.length}`, at));
  } else if (list.kind === "pack" && position !== undefined) {
    const dim = list.dims[position < 0 ? list.dims.length + position : position];
    if (dim !== undefined) return dimValue(dim);
    report(frame.session, problems.wrongKind(index.span, `an index below ${list.dims.length}`, at));
  } else report(frame.session, list.kind === "tensor" ? problems.indexedTensor(span, list) : problems.wrongKind(span, "a list", list));
  return POISON;
}

function evaluateUnary(frame: Frame, scope: Scope, operator: "-" | "!", operandExpression: Expression, span: Span): Value {
  const operand = evaluate(frame, scope, operandExpression);
  if (operand.kind === "poison") return POISON;
  if (operator === "-") {
    if (operand.kind === "dim") return dimValue(negate(operand.dim));
    if (operand.kind === "real") return { kind: "real", value: -operand.value };
    if (operand.kind === "tensor") return unaryTensor(frame, "negate", operand, span);
  } else {
    if (operand.kind === "bool")
      return { kind: "bool", value: typeof operand.value === "boolean" ? !operand.value : { op: "not", part: operand.value } };
    if (operand.kind === "tensor") return unaryTensor(frame, "not", operand, span);
  }
  report(frame.session, problems.wrongKind(operandExpression.span, operator === "-" ? "a number or tensor" : "a condition", operand));
  return POISON;
}

function evaluateBinary(frame: Frame, scope: Scope, expression: Binary): Value {
  const left = evaluate(frame, scope, expression.left);
  if (left.kind === "bool" && left.value === false && expression.operator === "&&") return left;
  if (left.kind === "bool" && left.value === true && expression.operator === "||") return left;
  const right = evaluate(frame, scope, expression.right);
  if (left.kind === "poison" || right.kind === "poison") return POISON;
  const { operator, span } = expression;
  if (left.kind === "tensor" || right.kind === "tensor") {
    const result = binaryTensor(frame, operator, left, right, span);
    if (result !== undefined) return result;
  } else if (operator === "&&" || operator === "||") {
    if (left.kind === "bool" && right.kind === "bool") return logical(operator, left.value, right.value);
  } else if ("+-*/%".includes(operator)) {
    const result = arithmetic(frame, operator as "+" | "-" | "*" | "/" | "%", left, right, span);
    if (result !== undefined) return result;
  } else {
    const result = comparison(operator as Comparison, left, right, span);
    if (result !== undefined) return result;
  }
  report(frame.session, problems.badOperands(span, operator, left, right));
  return POISON;
}

function evaluateConditional(frame: Frame, scope: Scope, expression: Conditional): Value {
  const condition = evaluate(frame, scope, expression.condition);
  if (condition.kind === "poison") return POISON;
  if (condition.kind !== "bool") {
    report(frame.session, problems.wrongKind(expression.condition.span, "a condition", condition));
    return POISON;
  }
  const decided = decide(frame.session, condition.value);
  if (decided !== undefined) return evaluate(frame, scope, decided ? expression.then : expression.else);
  if (typeof condition.value === "boolean") return POISON;
  const relation = condition.value;
  const then = assuming(frame.session, relation, () => evaluate(frame, scope, expression.then));
  const otherwise = assuming(frame.session, { op: "not", part: relation }, () => evaluate(frame, scope, expression.else));
  return mergeValues(frame, { condition: relation, span: expression.condition.span }, then, otherwise);
}

/** The dims of a written shape; undefined if one is poisoned. */
/** More than any network has; what is computed of a shape may grow with the square of it. */
const MOST_AXES = 32;

export function evaluateShape(frame: Frame, scope: Scope, type: ShapeType): TensorType | undefined {
  const shape = evaluateDims(frame, scope, type.dims);
  return shape === undefined ? undefined : { dtype: type.dtype, shape };
}

export function evaluateDims(frame: Frame, scope: Scope, dims: readonly ShapeDim[]): Dim[] | undefined {
  const shape: Dim[] = [];
  let sound = true;
  for (const dim of dims) {
    const value = evaluate(frame, scope, dim.value);
    if (value.kind === "dim" && dim.kind === "DimExpression") shape.push(value.dim);
    else if (value.kind === "pack") shape.push(...value.dims);
    else {
      sound = false;
      if (value.kind !== "poison")
        report(frame.session, problems.wrongKind(dim.span, dim.kind === "PackExpression" ? "a rank pack" : "a dim", value));
    }
  }
  const [first] = dims;
  if (first === undefined || shape.length <= MOST_AXES) return sound ? shape : undefined;
  report(frame.session, problems.tooLarge("axes of a tensor", MOST_AXES, first.span));
  return undefined;
}
