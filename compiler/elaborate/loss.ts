/**
 * The loss of a recipe: an expression over the model's ports and the targets that it compares them with, which gives one
 * number. It becomes an Instance of its own, with the ports and targets as its inputs.
 * Invariant: nothing broadcasts; what a loss of the library compares must agree in shape and dtype exactly (a [N, 1]
 * against a [N] would train another thing, silently).
 */
import type { Argument, Call, Expression, Reference, ShapeType } from "../../grammar/ast.ts";
import type { Diagnostic, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { walk } from "../../grammar/walk.ts";
import type { Guard, Instance, Port, Program } from "../ir/program.ts";
import type { TensorType } from "../ir/type.ts";
import * as recipeProblems from "../recipe/problems.ts";
import { labelType, LIBRARY_LOSSES, type LossSpec } from "../recipe/recipe.ts";
import { type ModuleScope, PRELUDE } from "../resolve/modules.ts";
import { addValue, demand, type Frame, report } from "./context.ts";
import { evaluate, evaluateShape, isBuiltin } from "./expressions.ts";
import * as problems from "./problems.ts";
import { lookup, lookupDeclaration, rootScope, type Scope } from "./scope.ts";
import { newFrame, newSession } from "./session.ts";
import { type BlockDeclaration, formatShape, type Origin, type TensorValue } from "./values.ts";

/** A model that was built, as the loss sees it. */
export interface LossModel {
  readonly program: Program;
  readonly frame: Frame;
  /** Names of its parameters and of the sizes of its ports. */
  readonly scope: Scope;
  readonly declaration: BlockDeclaration;
}

export interface ElaboratedLoss {
  /** undefined exactly when an error was reported. */
  readonly instance: Instance | undefined;
  readonly guards: readonly Guard[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What one loss is elaborated with. */
interface Context {
  readonly frame: Frame;
  readonly scope: Scope;
  readonly model: LossModel;
  readonly inputs: Port[];
}

/** Elaborates the loss; names that are none of the model are those of `file`, where the recipe stands. */
export function elaborateLoss(file: ModuleScope, model: LossModel, { expression }: LossSpec): ElaboratedLoss {
  const session = newSession({ shared: model.frame.session, training: true, dims: model.frame.session.settings.dims });
  session.facts = model.frame.session.facts;
  session.trail.push({ declaration: model.declaration, span: undefined, text: () => `\`${model.program.model}\`` });
  const context: Context = { frame: newFrame(session, "loss"), scope: rootScope(file, new Map()), model, inputs: [] };
  bindModel(context);
  declareTargets(context, expression);
  const isReadable = checkCalls(context, expression) && checkNames(context, expression);
  const value = isReadable ? evaluate(context.frame, context.scope, expression) : undefined;
  const done = (instance?: Instance): ElaboratedLoss => ({ instance, guards: session.guards, diagnostics: session.diagnostics });
  if (value === undefined || value.kind === "poison" || session.errors > 0) return done();
  if (value.kind !== "tensor" || value.type.shape.length > 0 || value.type.dtype !== "f32") {
    const found = value.kind === "tensor" ? typeText(value.type) : undefined;
    report(session, recipeProblems.lossNotScalar(found, expression.span), true);
    return done();
  }
  const { types, entries } = context.frame;
  const tensors = entries.find(
    (entry) => entry.kind === "parameter" || entry.kind === "state" || (entry.kind === "call" && entry.instance.holdsTensors),
  );
  if (tensors !== undefined) {
    report(session, recipeProblems.lossHoldsTensors(tensors.span), true);
    return done();
  }
  const outputs = [{ name: "loss", value: value.id }];
  return done({ block: "loss", span: expression.span, types, inputs: context.inputs, outputs, entries, order: [], holdsTensors: false });
}

/** Ports, parameters and sizes of the model, by their names. An output wins over an input of its name. */
function bindModel(context: Context): void {
  const { scope, declaration, program } = context.model;
  for (const [name, binding] of scope.names)
    if (binding.declared === "parameter" || binding.declared === "dim") context.scope.names.set(name, binding);
  const { inputs, outputs, types } = program.root;
  for (const { name, value } of [...inputs, ...outputs]) {
    const type = types[value];
    const port = portOf(declaration, name);
    if (type !== undefined && port !== undefined) bindTensor(context, name, type, port.type, port.span, "port");
  }
}

/** Makes the tensor an input of the loss. */
function bindTensor(context: Context, name: string, type: TensorType, declared: ShapeType | undefined, span: Span, kind: "port" | "target"): void {
  const id = addValue(context.frame, type);
  const origins = type.shape.map((dim, axis): Origin => ({ span: declared?.dims[axis]?.span ?? span, dim }));
  context.scope.names.set(name, { value: { kind: "tensor", id, type, origins }, span, declared: kind });
  context.inputs.push({ name, value: id });
}

function portOf({ block }: BlockDeclaration, name: string) {
  for (const statement of block.body)
    if ((statement.kind === "InPort" || statement.kind === "OutPort") && statement.name.text === name) return statement;
  return undefined;
}

/** `label: i64[N]` in a call makes a target, unless the model has an input of that name. */
function declareTargets(context: Context, expression: Expression): void {
  for (const { name, value } of argumentsIn(expression)) {
    if (name === undefined || value.kind !== "ShapeType") continue;
    const type = evaluateShape(context.frame, context.scope, value);
    const known = lookup(context.scope, name.text);
    if (type === undefined) continue;
    if (known?.declared === "port" || known?.declared === "target") {
      if (known.value.kind === "tensor") requireType(context, known.value.type, type, value.span, name.text);
      if (known.declared === "port") context.scope.names.set(name.text, { ...known, declared: "target" });
    } else bindTensor(context, name.text, type, value, value.span, "target");
  }
}

/** What is declared twice, or is an input of the model, has one type. */
function requireType({ frame }: Context, known: TensorType, declared: TensorType, span: Span, name: string): void {
  const isSame =
    known.dtype === declared.dtype &&
    known.shape.length === declared.shape.length &&
    known.shape.every(
      (size, axis) => frame.session.solver.answer(frame.session.facts, { op: "==", left: size, right: declared.shape[axis] ?? 1 }).kind === "proved",
    );
  if (!isSame) report(frame.session, recipeProblems.targetTwice(name, typeText(known), span), true);
}

function argumentsIn(expression: Expression): readonly Argument[] {
  return callsIn(expression).flatMap((call) => call.arguments);
}

function callsIn(expression: Expression): readonly Call[] {
  const calls: Call[] = [];
  walk(expression, (node) => {
    if (node.kind === "Call") calls.push(node);
  });
  return calls;
}

/** Whether a name of the loss means something: a port, target, parameter, size, declaration or builtin. */
function isKnown({ scope }: Context, name: string): boolean {
  return lookup(scope, name) !== undefined || lookupDeclaration(scope, name) !== undefined || isBuiltin(name) || scope.file.unresolved.has(name);
}

/** Calls of unknown losses are reported; those of the library have their operands compared. */
function checkCalls(context: Context, expression: Expression): boolean {
  const { session } = context.frame;
  for (const call of callsIn(expression)) {
    const { callee } = call;
    if (callee.kind === "Member" && callee.object.kind === "Reference" && !isKnown(context, callee.object.name.text))
      report(session, recipeProblems.unknownChoice("loss", callee.name.text, callee.span, LIBRARY_LOSSES), true);
    if (callee.kind !== "Reference") continue;
    const { text } = callee.name;
    if (!isKnown(context, text)) report(session, recipeProblems.unknownChoice("loss", text, callee.span, LIBRARY_LOSSES), true);
    const declaration = lookup(context.scope, text) === undefined ? lookupDeclaration(context.scope, text) : undefined;
    if (declaration?.kind === "block" && declaration.file.path === PRELUDE && LIBRARY_LOSSES.includes(text)) compareOperands(context, call, text);
  }
  return session.errors === 0;
}

/** Every other name must be known; most likely an output is meant. */
function checkNames(context: Context, expression: Expression): boolean {
  const { session } = context.frame;
  const { outputs } = context.model.program.root;
  const callees = new Set<Expression>(callsIn(expression).map((call) => call.callee));
  walk(expression, (node) => {
    if (node.kind === "ShapeType") return false;
    if (node.kind !== "Reference" || callees.has(node) || isKnown(context, node.name.text)) return undefined;
    report(
      session,
      recipeProblems.noSuchOutput(
        node.name.text,
        node.span,
        outputs.map((port) => port.name),
      ),
      true,
    );
    return undefined;
  });
  return session.errors === 0;
}

/** The output and the target of a loss of the library; a target without a type gets the one it must have. */
function compareOperands(context: Context, call: Call, kind: string): void {
  const { session } = context.frame;
  const [first, second] = call.arguments.filter(({ name, value }) => name === undefined || value.kind === "ShapeType");
  if (first === undefined || second === undefined) {
    report(session, recipeProblems.badSetting(kind, `the output and the target, as in \`${kind}(${outputName(context)}, target)\``, call.span), true);
    return;
  }
  if (first.value.kind === "Reference" && !isKnown(context, first.value.name.text)) return;
  const output = operandOf(context, first);
  if (output === undefined) return;
  const labels = labelsOf(context, first, output.type);
  const wanted: TensorType | undefined = kind === "cross_entropy" ? labelType(output.type) : { dtype: "f32", shape: output.type.shape };
  if (wanted === undefined) {
    report(session, recipeProblems.lossRank(textOf(first), call.span, formatShape(output.type), labels), true);
    return;
  }
  if (isFreeName(context, second)) bindTensor(context, second.value.name.text, wanted, undefined, second.span, "target");
  const target = operandOf(context, second);
  if (target !== undefined) compareTypes(context, kind, { first, second, output, target, wanted, labels });
}

interface Operands {
  readonly first: Argument;
  readonly second: Argument;
  readonly output: TensorValue;
  readonly target: TensorValue;
  readonly wanted: TensorType;
  readonly labels: readonly Label[];
}

function compareTypes(context: Context, kind: string, { first, second, output, target, wanted, labels }: Operands): void {
  const { session } = context.frame;
  const declared = second.value.kind === "ShapeType" ? second.value : undefined;
  const name = declared === undefined ? textOf(second) : (second.name?.text ?? "");
  const span = declared?.span ?? second.span;
  const mismatch = (witness: string): Diagnostic =>
    recipeProblems.lossShapes({
      kind,
      output: { text: textOf(first), type: output.type },
      target: { text: name, type: target.type, declared },
      wanted,
      witness,
      span,
      labels: declared === undefined ? [...labels, ...labelsOf(context, second, target.type)] : labels,
    });
  if (target.type.shape.length !== wanted.shape.length) {
    report(session, mismatch(""), true);
    return;
  }
  for (const [axis, size] of wanted.shape.entries())
    if (!demand(session, { op: "==", left: target.type.shape[axis] ?? size, right: size }, span, `size of the target \`${name}\``, mismatch)) return;
  const areIntegers = wanted.dtype === "i64" && target.type.dtype === "i32";
  if (target.type.dtype !== wanted.dtype && !areIntegers)
    report(session, problems.dtypeMismatch(span, `target \`${name}\` of \`${kind}\``, wanted.dtype, target.type.dtype, declared?.dtypeSpan), true);
}

function typeText(type: TensorType): string {
  return type.dtype === "f32" ? `f32${formatShape(type)}` : formatShape(type);
}

function outputName({ model }: Context): string {
  return model.program.root.outputs[0]?.name ?? "output";
}

function textOf({ value }: Argument): string {
  const { source, start, end } = value.span;
  return source.text.slice(start, end);
}

function isFreeName(context: Context, argument: Argument): argument is Argument & { readonly value: Reference } {
  return argument.value.kind === "Reference" && !isKnown(context, argument.value.name.text);
}

/** The operand's tensor; undefined where it is none, which its evaluation reports. */
function operandOf(context: Context, { name, value }: Argument): TensorValue | undefined {
  const found = value.kind === "ShapeType" ? lookup(context.scope, name?.text ?? "")?.value : evaluate(context.frame, context.scope, value);
  return found?.kind === "tensor" ? found : undefined;
}

/** Where a port that is an operand was declared. */
function labelsOf({ model, scope }: Context, { value }: Argument, type: TensorType): readonly Label[] {
  const name = value.kind === "Reference" ? value.name.text : undefined;
  const port = name === undefined || lookup(scope, name)?.declared !== "port" ? undefined : portOf(model.declaration, name);
  return port === undefined ? [] : [{ span: port.span, text: `\`${name}\` is ${formatShape(type)}` }];
}
