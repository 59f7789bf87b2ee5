/**
 * The points of a recipe's sweep, for who trains them one after another.
 * Invariant: every point was checked, so that none fails for what the source says after others were trained.
 */
import type { Train } from "../grammar/ast.ts";
import type { Diagnostic } from "../grammar/diagnostic.ts";
import { type Choice, chooseTrain } from "./choice.ts";
import { checkSweepOf } from "./elaborate/elaborate.ts";
import { pinAxes } from "./elaborate/sweep-pins.ts";
import { pointName, pointsOf, readSweeps, type SweepAxis, type SweepKind, sweepsOf } from "./elaborate/sweep.ts";
import { loadModules, type ModuleReader, type ModuleScope } from "./resolve/modules.ts";

/** What is swept. */
export interface SweptName {
  readonly name: string;
  /** `model`, a setting of the recipe, a parameter of the model, or a name that the settings use. */
  readonly kind: SweepKind;
  /** Numbers, truth values, texts and lists; anything else as it is written. */
  readonly values: readonly unknown[];
  /** Where settings use it: `optimizer`, and `optimizer.lr` for that option of it. */
  readonly uses: readonly string[];
}

/** A point of a sweep. */
export interface PointOfSweep {
  /** `drop=0.1,lr=0.05` */
  readonly name: string;
  /** Gives this point to whatever takes parameters: `compile({ set })`, `--set`. */
  readonly set: Readonly<Record<string, unknown>>;
}

export interface SweepListing {
  readonly recipe: string;
  readonly swept: readonly SweptName[];
  /** The product of the values; the last name varies fastest. */
  readonly points: readonly PointOfSweep[];
}

/** What a recipe sweeps, as far as that can be read; whatever is wrong with it is the check's to say. */
export interface RecipeSignature {
  readonly file: string;
  readonly name: string;
  readonly model: string;
  readonly swept: readonly SweptName[];
  /** The product of the counts of values: 1 without a sweep. */
  readonly points: number;
}

export function recipeSignature(file: ModuleScope, train: Train): RecipeSignature {
  const { axes } = readSweeps(file, train);
  const name = train.name?.text ?? train.model.text;
  return {
    file: file.path,
    name,
    model: train.model.text,
    swept: sweptNames(axes),
    points: axes.reduce((count, { values }) => count * values.length, 1),
  };
}

/** As the recipe would read, and how many runs it is. */
export function printRecipe({ name, model, swept, points }: RecipeSignature): string {
  const takers: Readonly<Record<SweepKind, (uses: readonly string[]) => string>> = {
    model: () => "the model",
    setting: () => "the setting",
    parameter: () => `a parameter of ${model}`,
    name: (uses) => `used by ${uses.filter((use) => !uses.some((other) => other.startsWith(`${use}.`))).join(", ")}`,
  };
  return [
    `train ${model}${name === model ? "" : ` as ${name}`}`,
    ...swept.map(({ name: own, kind, values, uses }) => `  sweep ${own} in [${values.map(valueText).join(", ")}]    (${takers[kind](uses)})`),
    `  ${points} ${points === 1 ? "run" : "runs"}`,
  ].join("\n");
}

function valueText(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(valueText).join(", ")}]` : String(value);
}

function sweptNames(axes: readonly SweepAxis[]): readonly SweptName[] {
  return axes.map(({ name, kind, values, uses }) => ({ name, kind, uses, values: values.map(({ json }) => json) }));
}

/** `value` is undefined where the recipe sweeps nothing, and where errors are among the diagnostics. */
export function listSweep(request: Choice & { readonly read: ModuleReader }): {
  readonly value: SweepListing | undefined;
  readonly diagnostics: readonly Diagnostic[];
} {
  const { entry, diagnostics: found } = loadModules(request.entry, request.read);
  const diagnostics = [...found];
  const failed = (): boolean => diagnostics.some(({ severity }) => severity === "error");
  const none = () => ({ value: undefined, diagnostics });
  if (failed()) return none();
  const train = chooseTrain(request, entry, (diagnostic) => void diagnostics.push(diagnostic));
  if (train === undefined || sweepsOf(train).length === 0) return none();
  const { axes, set, diagnostics: pinning } = pinAxes(entry, train, readSweeps(entry, train).axes, request);
  diagnostics.push(...pinning, ...checkSweepOf(entry, train, axes, set));
  if (failed()) return none();
  const value: SweepListing = {
    recipe: train.name?.text ?? train.model.text,
    swept: sweptNames(axes),
    points: pointsOf(axes).map((point) => ({
      name: pointName(axes, point),
      set: Object.fromEntries(axes.map(({ name }, i) => [name, point[i]?.json])),
    })),
  };
  return { value, diagnostics };
}
