/**
 * Joins and the skips that enter them: adaptation of each skip, proof that sizes agree, the merge, the recorded edges.
 * Invariant: a merge never broadcasts; a size that differs is an error that says where both sizes came from.
 */
import type { JoinStage, Name, Skip } from "../../grammar/ast.ts";
import { closest } from "../../grammar/closest.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { SkipEdge } from "../ir/program.ts";
import type { TypeRelation } from "../operators/operator.ts";
import { applyBlock } from "./apply.ts";
import { evaluateArguments } from "./arguments.ts";
import type { Body } from "./body.ts";
import { collapseSole, labelText, runChain, within } from "./chain.ts";
import { demand, emitOp, type Frame, provedEqual, report } from "./context.ts";
import { unknownName } from "../resolve/problems.ts";
import { evaluate } from "./expressions.ts";
import { isPrimitive } from "./primitives.ts";
import { type ArgumentReader, readArguments } from "./argument-reader.ts";
import { divisibilityAdvice, projectFix, roundingFix, strideFix, type Advice } from "./join-advice.ts";
import * as problems from "./join-problems.ts";
import { relationFails, wrongKind } from "./problems.ts";
import { padSkip, projectSkip, strideFor } from "./skip.ts";
import { lookup, openScope, type Scope } from "./scope.ts";
import { asTensor, elementwise, matchShapes, unaryTensor } from "./tensor-expressions.ts";
import { derivedName } from "./used-names.ts";
import { POISON, type TensorValue, type Value } from "./values.ts";

export const MERGES: readonly string[] = ["add", "concat", "mul", "max", "gate"];

interface Arrived {
  readonly skip: Skip;
  readonly from: TensorValue;
  readonly value: TensorValue;
  readonly adaptation: SkipEdge["adaptation"];
}

export function runJoin(frame: Frame, scope: Scope, body: Body, stage: JoinStage, main: Value): Value {
  const result = merge(frame, scope, body, stage, main);
  if (stage.label !== undefined) {
    scope.later.delete(stage.label.text);
    scope.names.set(stage.label.text, { value: result, span: stage.label.span, declared: "label" });
  }
  return result;
}

function merge(frame: Frame, scope: Scope, body: Body, stage: JoinStage, main: Value): Value {
  const { session } = frame;
  const name = stage.label?.text ?? stage.merge.text;
  const { text: mergeName } = stage.merge;
  if (!MERGES.includes(mergeName)) {
    report(session, problems.unknownMerge(mergeName, stage.merge.span, MERGES));
    return POISON;
  }
  const path = [...frame.path, ...frame.prefix, name];
  const written = body.skips(stage.label?.text);
  const dropped = stage.arguments.some((argument) => argument.name?.text === "drop");
  if (written.length === 0) {
    report(session, problems.joinWithoutSkip(name, dropped, sourceFor(frame, scope), stage.span));
    return main;
  }
  const kept = written.filter(({ skip }) => !isCut(frame, path, skip));
  if (main.kind === "poison") return POISON;
  if (main.kind !== "tensor") {
    report(session, wrongKind(stage.span, "a tensor to merge into", main));
    return POISON;
  }
  const arrived: Arrived[] = [];
  let sound = true;
  for (const { skip, condition } of kept) {
    const facts = session.facts;
    if (condition !== undefined) session.facts = { relations: [...facts.relations, condition] };
    const one = adapt(frame, scope, body, stage, skip, main, name);
    session.facts = facts;
    if (one === undefined) sound = false;
    // Under its condition the skip was proved to have the join's sizes.
    else arrived.push(condition === undefined || stage.merge.text === "concat" ? one : { ...one, value: { ...one.value, type: main.type } });
  }
  if (!sound) return POISON;
  const merged = arrived.length === 0 ? main : combine(frame, scope, stage, main, arrived);
  if (merged.kind !== "tensor") return merged;
  frame.entries.push({
    kind: "join",
    path: [...frame.prefix, name],
    merge: mergeName,
    main: main.id,
    skips: arrived.map((one) => ({
      name: one.skip.label?.text ?? edgeName(one.skip),
      from: one.from.id,
      adaptation: one.adaptation,
      arrives: one.value.id,
      span: one.skip.span,
    })),
    output: merged.id,
    span: stage.span,
  });
  return merged;
}

/** In a nested body `it`, else the block's first input. */
function sourceFor({ session }: Frame, scope: Scope): string {
  const port = session.trail.at(-1)?.declaration.block.body.find(({ kind }) => kind === "InPort");
  return scope.names.has("it") || port?.kind !== "InPort" ? "it" : port.name.text;
}

function isCut(frame: Frame, path: readonly string[], skip: Skip): boolean {
  const names = [path.join("."), ...(skip.label === undefined ? [] : [[...path.slice(0, -1), skip.label.text].join(".")])];
  let cut = false;
  if (frame.session.edits.cuts.length > 0) for (const name of names) frame.session.edits.met.add(name);
  for (const pattern of frame.session.edits.cuts)
    if (names.some((name) => pattern.matches(name))) {
      pattern.used = true;
      cut = true;
    }
  return cut;
}

export function edgeName(skip: Skip): string {
  const { source, start, end } = skip.from.span;
  return `${source.text.slice(start, end)} -> ${skip.join.text}`;
}

/** Brings a skip to the join, and proves that it fits. */
function adapt(frame: Frame, scope: Scope, body: Body, stage: JoinStage, skip: Skip, main: TensorValue, joinName: string): Arrived | undefined {
  const { session } = frame;
  const from = evaluate(frame, scope, skip.from);
  if (from.kind === "poison") return undefined;
  if (from.kind !== "tensor") {
    report(session, wrongKind(skip.from.span, "a tensor", from));
    return undefined;
  }
  const sides = { skip: { edge: edgeName(skip), value: from }, join: { edge: joinName, value: main } };
  const component = (): string[] => [
    skip.label === undefined ? derivedName(frame, session.scheme === "torchvision" ? "downsample" : "project") : labelText(frame, scope, skip.label),
  ];
  let value: Value = from;
  let adaptation: SkipEdge["adaptation"] = "identity";
  switch (skip.via?.kind) {
    case undefined:
    case "ViaIdentity":
      break;
    case "ViaProject":
      if (skip.via.optional && sameType(frame, from, main)) break;
      adaptation = "project";
      value = projectSkip(frame, scope, skip.via, skip, sides, component());
      break;
    case "ViaPad":
      adaptation = "pad";
      value = padSkip(frame, sides, skip);
      break;
    case "ViaChain": {
      adaptation = "chain";
      const { chain } = skip.via;
      const [first] = chain.stages;
      const misspelt = first?.kind === "CallStage" && first.value.kind === "Reference" ? misspeltAdaptation(scope, first.value.name) : undefined;
      if (misspelt !== undefined) {
        report(session, misspelt);
        return undefined;
      }
      const start = frame.entries.length;
      const inner = openScope(scope);
      value = within(frame, skip.label === undefined ? [] : [labelText(frame, scope, skip.label)], () => {
        const end = runChain(frame, inner, { ...body, outermost: skip.label === undefined }, chain, from).value;
        if (skip.label !== undefined) collapseSole(frame, start, frame.prefix.length);
        return end;
      });
      break;
    }
    default:
      skip.via satisfies never;
  }
  if (value.kind !== "tensor") return undefined;
  const concatAxis = stage.merge.text === "concat" ? joinAxis(frame, scope, stage, main) : undefined;
  if (stage.merge.text === "concat" && concatAxis === undefined) return undefined;
  const fits = checkFit(frame, skip, value, main, joinName, adaptation, concatAxis, stage.span);
  return fits ? { skip, from, value, adaptation } : undefined;
}

/** `via projct`: names nothing, and is near one of the adaptations that are words of the language. */
function misspeltAdaptation(scope: Scope, { text, span }: Name): Diagnostic | undefined {
  const words = ["project", "identity", "pad"];
  if (lookup(scope, text) !== undefined || scope.file.visible.has(text) || isPrimitive(text) || closest(text, words) === undefined) return undefined;
  return unknownName(text, span, words, "adaptation");
}

function sameType(frame: Frame, a: TensorValue, b: TensorValue): boolean {
  if (a.type.shape.length !== b.type.shape.length) return false;
  return a.type.shape.every((dim, axis) => provedEqual(frame.session, dim, b.type.shape[axis] ?? 0));
}

function checkFit(
  frame: Frame,
  skip: Skip,
  value: TensorValue,
  main: TensorValue,
  joinName: string,
  adaptation: SkipEdge["adaptation"],
  concatAxis: number | undefined,
  joinSpan: Span,
): boolean {
  const { session } = frame;
  const arriving = { edge: edgeName(skip), value };
  const join = { edge: joinName, value: main };
  const rank = main.type.shape.length;
  if (value.type.shape.length !== rank) {
    report(session, problems.joinRanks(arriving, join, skip.span));
    return false;
  }
  for (const [axis, wanted] of main.type.shape.entries()) {
    if (axis === concatAxis) continue;
    const carried = value.type.shape[axis] ?? wanted;
    const relation: TypeRelation = { op: "==", left: carried, right: wanted };
    const code = concatAxis !== undefined ? "RN204" : axis === 1 ? "RN201" : "RN202";
    const fine = demand(session, relation, skip.span, `skip \`${arriving.edge}\` fits its join`, (witness) => {
      const advice = adviseFit(frame, skip, value, main, axis, adaptation, concatAxis);
      return problems.joinSizes({ code, skip: arriving, join, axis, witness, span: skip.span, mainSpan: joinSpan, ...advice });
    });
    if (!fine) return false;
  }
  return true;
}

function adviseFit(
  frame: Frame,
  skip: Skip,
  value: TensorValue,
  main: TensorValue,
  axis: number,
  adaptation: SkipEdge["adaptation"],
  concatAxis: number | undefined,
): Advice {
  if (concatAxis !== undefined) return divisibilityAdvice(frame.session, value, main, concatAxis);
  if (skip.via?.kind === "ViaChain") {
    const rounding = axis < 2 ? [] : roundingFix(frame, skip.via.chain, value.origins[axis], main.type.shape[axis] ?? 1);
    const fixes = axis < 2 || rounding.length > 0 ? rounding : strideFix(frame, skip.via.chain, value, main);
    return { help: [], fixes };
  }
  const projectable = adaptation === "identity" && strideFor(frame.session, value.type.shape, main.type.shape) !== undefined;
  return projectable ? { help: [], fixes: projectFix(skip, value, main) } : { help: [], fixes: [] };
}

/** undefined after a reported mistake. */
function joinAxis(frame: Frame, scope: Scope, stage: JoinStage, main: TensorValue): number | undefined {
  const given = evaluateArguments(frame, scope, stage.arguments);
  let axis: number | undefined;
  readArguments(frame, "concat", given, stage.span, (read) => {
    axis = read.axis("axis", main.type.shape.length, 1);
    return main;
  });
  return axis;
}

/** `mul` and `max` have no options. */
function withoutArguments(frame: Frame, scope: Scope, stage: JoinStage, main: TensorValue): Value {
  return readArguments(frame, stage.merge.text, evaluateArguments(frame, scope, stage.arguments), stage.span, () => main);
}

function combine(frame: Frame, scope: Scope, stage: JoinStage, main: TensorValue, arrived: readonly Arrived[]): Value {
  const values = arrived.map((one) => one.value);
  switch (stage.merge.text) {
    case "concat": {
      const axis = joinAxis(frame, scope, stage, main);
      return axis === undefined ? POISON : (emitOp(frame, "concat", [...values, main], { axis }, stage.span, "concat")?.[0] ?? POISON);
    }
    case "mul":
      return fold(frame, "multiply", withoutArguments(frame, scope, stage, main), values, stage.span);
    case "max":
      return fold(frame, "maximum", withoutArguments(frame, scope, stage, main), values, stage.span);
    case "gate":
      return gate(frame, scope, stage, main, arrived);
    default:
      return addMerge(frame, scope, stage, main, values);
  }
}

function fold(frame: Frame, op: "add" | "multiply" | "maximum", main: Value, values: readonly TensorValue[], span: Span): Value {
  return values.reduce<Value>(
    (sofar, value) => (sofar.kind === "tensor" ? (elementwise(frame, op, sofar, value, span, "join") ?? POISON) : POISON),
    main,
  );
}

/** `add(scale: s)` weighs the main path, by a number or a number for each channel; `add(drop: p)` drops it per sample while training (Huang et al. 2016). */
function addMerge(frame: Frame, scope: Scope, stage: JoinStage, main: TensorValue, values: readonly TensorValue[]): Value {
  const given = evaluateArguments(frame, scope, stage.arguments);
  const weighed = readArguments(frame, "add", given, stage.span, (read) => {
    let value: Value = main;
    read.expect("scale", "drop", "axis");
    if (read.has("scale")) {
      const written = asTensor(frame, read.any("scale"), "f32", stage.span);
      const factor = written === undefined ? undefined : scaleFactor(frame, stage, read, written, main);
      value = factor === undefined ? POISON : (elementwise(frame, "multiply", main, factor, stage.span, "scale") ?? POISON);
    }
    if (!read.has("drop")) return value;
    const drop = read.real("drop", 0);
    return value.kind === "tensor" ? dropPath(frame, value, drop, stage.span) : value;
  });
  return fold(frame, "add", weighed, values, stage.span);
}

/** Layer scale (Touvron et al. 2021): a tensor [C] is repeated along the axes other than `axis`, the channels. */
function scaleFactor(frame: Frame, stage: JoinStage, read: ArgumentReader, factor: TensorValue, main: TensorValue): TensorValue | undefined {
  const rank = main.type.shape.length;
  if (factor.type.shape.length !== 1 || rank < 2) return factor;
  const axis = read.axis("axis", rank, 1);
  const relation: TypeRelation = { op: "==", left: factor.type.shape[0] ?? 1, right: main.type.shape[axis] ?? 1 };
  const what = `the scale's size and that of axis ${axis}`;
  const fits = demand(frame.session, relation, stage.span, `add: ${what}`, (witness) =>
    relationFails(relation, what, witness, stage.span, "add", [factor, main]),
  );
  return fits ? emitOp(frame, "broadcast", [factor], { shape: main.type.shape, axes: [axis] }, stage.span, "scale")?.[0] : undefined;
}

/** Kept with probability 1 - p and scaled by 1 / (1 - p), one draw a sample. */
function dropPath(frame: Frame, value: TensorValue, p: number, span: Span): Value {
  if (p === 0 || frame.session.settings.training !== true) return value;
  const seed = emitOp(frame, "scalar", [], { name: "seed", dtype: "i32" }, span, "drop")?.[0];
  const batch = value.type.shape[0];
  if (seed === undefined || batch === undefined) return POISON;
  const draw = emitOp(frame, "random", [seed], { shape: [batch], stream: 0 }, span, "drop")?.[0];
  if (draw === undefined) return POISON;
  const kept = elementwise(frame, "greater_equal", draw, { kind: "real", value: p }, span, "drop");
  if (kept?.kind !== "tensor") return POISON;
  const mask = emitOp(frame, "cast", [kept], { dtype: "f32" }, span, "drop")?.[0];
  if (mask === undefined) return POISON;
  const scaled = elementwise(frame, "multiply", mask, { kind: "real", value: p < 1 ? 1 / (1 - p) : 0 }, span, "drop");
  if (scaled?.kind !== "tensor") return POISON;
  const wide = emitOp(frame, "broadcast", [scaled], { shape: value.type.shape, axes: [0] }, span, "drop")?.[0];
  return wide === undefined ? POISON : (elementwise(frame, "multiply", value, wide, span, "drop") ?? POISON);
}

/** Highway (Srivastava et al. 2015, eq. 3): y = t * F(x) + (1 - t) * x. */
function gate(frame: Frame, scope: Scope, stage: JoinStage, main: TensorValue, arrived: readonly Arrived[]): Value {
  const given = evaluateArguments(frame, scope, stage.arguments);
  return readArguments(frame, "gate", given, stage.span, (read) => {
    const t = gateTensor(frame, stage, read, arrived);
    const values = arrived.map((one) => one.value);
    if (t.kind !== "tensor") return POISON;
    const matched = matchShapes(frame, main, t, stage.span, "gate");
    const carried = fold(frame, "add", values[0] ?? POISON, values.slice(1), stage.span);
    if (matched === undefined || carried.kind !== "tensor") return POISON;
    const difference = elementwise(frame, "subtract", main, carried, stage.span, "gate");
    if (difference?.kind !== "tensor") return POISON;
    const moved = elementwise(frame, "multiply", matched[1], difference, stage.span, "gate");
    return moved?.kind === "tensor" ? (elementwise(frame, "add", carried, moved, stage.span, "gate") ?? POISON) : POISON;
  });
}

/** A tensor is the gate itself; of a block T it is sigmoid(T(x)), x being where the first skip starts. */
function gateTensor(frame: Frame, stage: JoinStage, read: ArgumentReader, arrived: readonly Arrived[]): Value {
  const t = read.any("gate");
  if (t.kind !== "block") return t.kind === "tensor" || t.kind === "poison" ? t : read.tensor("gate");
  const [first] = arrived;
  if (first === undefined) return POISON;
  const path = [stage.label?.text ?? derivedName(frame, "gate")];
  const result = applyBlock(frame, t, [first.from], { path }, stage.span);
  if (result.kind !== "tensor") {
    if (result.kind !== "poison") report(frame.session, wrongKind(stage.span, "a gate with one output", result));
    return POISON;
  }
  return unaryTensor(frame, "sigmoid", result, stage.span);
}
