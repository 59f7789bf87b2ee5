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
import { withConstants } from "./recipe-constants.ts";

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
  const inlined = withConstants(train, file);
  found.push(...inlined.diagnostics);
  const recipe = readRecipe(inlined.train, (diagnostic) => found.push(diagnostic));
  const built = models.get(train.model.text);
  const model = built && lossModelOf(built);
  if (recipe.loss !== undefined && model !== undefined) found.push(...elaborateLoss(file, model, recipe.loss).diagnostics);
  return found;
}
