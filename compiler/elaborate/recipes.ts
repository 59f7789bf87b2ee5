/**
 * Recipes against their models.
 * Invariant: a recipe of a model that is itself wrong is only read, not compared.
 */
import type { Train } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { readRecipe } from "../recipe/recipe.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { unknownName } from "../resolve/problems.ts";
import { type BuiltModel, lossModelOf } from "./elaborate.ts";
import { elaborateLoss } from "./loss.ts";
import { notAModel } from "./name-problems.ts";
import { spanKey } from "./anchor.ts";
import { withConstants } from "./recipe-constants.ts";
import { type BuildAt, checkPoints } from "./sweep-check.ts";
import { readSweeps, type SweepAxis, sweepsOf } from "./sweep.ts";

/** Diagnostics of one `train` declaration; `models` are those of its file that were built with their defaults. */
export function checkRecipe(file: ModuleScope, train: Train, models: ReadonlyMap<string, BuiltModel>, buildAt: BuildAt): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const declaration = file.visible.get(train.model.text);
  if (declaration?.kind !== "block" && declaration?.kind !== "variant") {
    const names = [...file.visible].flatMap(([name, each]) => (each.kind === "variant" || (each.kind === "block" && each.block.model) ? [name] : []));
    if (train.model.text !== "") found.push(unknownName(train.model.text, train.model.span, names, "model"));
  }
  if (declaration?.kind === "block" && !declaration.block.model)
    found.push(notAModel(train.model.text, train.model.span, declaration.block.name.span));
  if (sweepsOf(train).length > 0) return [...found, ...checkSweep(file, train, models, buildAt)];
  const inlined = withConstants(train, file);
  found.push(...inlined.diagnostics);
  const recipe = readRecipe(inlined.train, (diagnostic) => found.push(diagnostic));
  const built = models.get(train.model.text);
  const model = built && lossModelOf(built);
  if (recipe.loss !== undefined && model !== undefined) found.push(...elaborateLoss(file, model, recipe.loss).diagnostics);
  return found;
}

/** What is wrong with the sweeps, and with the recipe at their points; of axes that are chosen from, at those that are left. */
export function checkSweep(
  file: ModuleScope,
  train: Train,
  models: ReadonlyMap<string, BuiltModel>,
  buildAt: BuildAt,
  chosen?: readonly SweepAxis[],
): readonly Diagnostic[] {
  const { axes, diagnostics } = readSweeps(file, train);
  if (diagnostics.some(({ code }) => code === "RN409")) return diagnostics;
  const points = checkPoints(file, train, chosen ?? axes, models, buildAt);
  // What only follows from values that could not be read is at their place.
  const holes = new Set(axes.flatMap(({ values }) => values.flatMap(({ text, span }) => (text === "" ? [spanKey(span)] : []))));
  return [...diagnostics, ...points.filter(({ span }) => !holes.has(spanKey(span)))];
}
