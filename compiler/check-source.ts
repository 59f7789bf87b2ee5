/**
 * The front half of the pipeline: source → checked file. What `resnet check` and an editor load, without code generation.
 * Invariant: pure and synchronous; user mistakes are diagnostics.
 */
import type { Diagnostic } from "../grammar/diagnostic.ts";
import type { Source } from "../grammar/source.ts";
import { type CheckedBlock, checkFile } from "./elaborate/elaborate.ts";
import { firstRecipe } from "./elaborate/sweep.ts";
import { withConstants } from "./elaborate/recipe-constants.ts";
import { type RecipeSpec, readRecipe } from "./recipe/recipe.ts";
import { type LoadedModules, loadModules, type ModuleReader, type ParseCache } from "./resolve/modules.ts";

/** Result of checking one file and what it imports. */
export interface CheckResult {
  readonly modules: LoadedModules;
  readonly blocks: readonly CheckedBlock[];
  readonly recipes: readonly RecipeSpec[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Parses, resolves and checks a file; `cache` keeps parsed modules between calls. */
export function check(entry: Source, read: ModuleReader, cache?: ParseCache): CheckResult {
  const modules = loadModules(entry, read, cache);
  const diagnostics = [...modules.diagnostics];
  const checked = checkFile(modules.entry);
  diagnostics.push(...checked.diagnostics);
  // What is wrong with them was said by the check of the file.
  const recipes = modules.entry.trains.map((train) =>
    readRecipe(withConstants(firstRecipe(modules.entry, train), modules.entry).train, () => undefined),
  );
  return { modules, blocks: checked.blocks, recipes, diagnostics };
}
