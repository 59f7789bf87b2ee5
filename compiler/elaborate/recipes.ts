/**
 * Recipes against their models: the loss' output and target must agree in shape and dtype, exactly.
 * Invariant: a recipe of a model that is itself wrong is only read, not compared.
 */
import type { Train } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import * as recipeProblems from "../recipe/problems.ts";
import { labelType, type LossSpec, readRecipe } from "../recipe/recipe.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { unknownName } from "../resolve/problems.ts";
import { demand } from "./context.ts";
import type { BuiltModel } from "./elaborate.ts";
import { evaluateShape } from "./expressions.ts";
import { notAModel } from "./name-problems.ts";
import * as problems from "./problems.ts";
import { newFrame, newSession } from "./session.ts";
import { formatShape } from "./values.ts";

/** Diagnostics of one `train` declaration; `models` are those of its file that were built. */
export function checkRecipe(file: ModuleScope, train: Train, models: ReadonlyMap<string, BuiltModel>): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const declaration = file.visible.get(train.model.text);
  if (declaration?.kind !== "block" && declaration?.kind !== "variant") {
    const names = [...file.visible].flatMap(([name, each]) => (each.kind === "variant" || (each.kind === "block" && each.block.model) ? [name] : []));
    if (train.model.text !== "") found.push(unknownName(train.model.text, train.model.span, names, "model"));
  }
  if (declaration?.kind === "block" && !declaration.block.model)
    found.push(notAModel(train.model.text, train.model.span, declaration.block.name.span));
  const recipe = readRecipe(train, (diagnostic) => found.push(diagnostic));
  const built = models.get(train.model.text);
  if (recipe.loss !== undefined && built !== undefined) found.push(...checkLoss(recipe.loss, built));
  return found;
}

function checkLoss(loss: LossSpec, built: BuiltModel): readonly Diagnostic[] {
  const { value: program, frame, scope, declaration } = built;
  if (program === undefined || frame === undefined || scope === undefined || declaration === undefined) return [];
  const { root } = program;
  const output = root.outputs.find((port) => port.name === loss.output);
  const type = output === undefined ? undefined : root.types[output.value];
  if (type === undefined)
    return [
      recipeProblems.noSuchOutput(
        loss.output,
        loss.outputSpan ?? loss.span,
        root.outputs.map((port) => port.name),
      ),
    ];
  const outPort = declaration.block.body.find((statement) => statement.kind === "OutPort" && statement.name.text === loss.output);
  const origin = outPort === undefined ? [] : [{ span: outPort.span, text: `\`${loss.output}\` is ${formatShape(type)}` }];
  const wanted = loss.kind === "cross_entropy" ? labelType(type) : { dtype: "f32" as const, shape: type.shape };
  if (wanted === undefined) return [recipeProblems.lossRank(loss, formatShape(type), origin)];
  const session = newSession({ shared: frame.session, training: true });
  session.facts = frame.session.facts;
  session.trail.push({ declaration, span: undefined, text: () => `\`${program.model}\`` });
  const input = root.inputs.find((port) => port.name === loss.target);
  const inPort = declaration.block.body.find((statement) => statement.kind === "InPort" && statement.name.text === loss.target);
  const target = loss.declared !== undefined ? evaluateShape(newFrame(session, "loss"), scope, loss.declared) : input && root.types[input.value];
  if (target === undefined) return session.diagnostics;
  const span = loss.declared?.span ?? loss.targetSpan ?? loss.span;
  const labels =
    loss.declared === undefined && inPort !== undefined
      ? [...origin, { span: inPort.span, text: `\`${loss.target}\` is ${formatShape(target)}` }]
      : origin;
  const mismatch = (witness: string): Diagnostic => recipeProblems.lossShapes({ loss, output: type, target, wanted, witness, span, labels });
  if (target.shape.length !== wanted.shape.length) return [mismatch("")];
  for (const [axis, size] of wanted.shape.entries())
    if (!demand(session, { op: "==", left: target.shape[axis] ?? size, right: size }, span, `size of the target \`${loss.target}\``, mismatch))
      return session.diagnostics;
  const integers = wanted.dtype === "i64" && target.dtype === "i32";
  if (target.dtype !== wanted.dtype && !integers)
    return [...session.diagnostics, problems.dtypeMismatch(span, `target \`${loss.target}\` of \`${loss.kind}\``, wanted.dtype, target.dtype)];
  return session.diagnostics;
}
