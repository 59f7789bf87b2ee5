/**
 * Every point of a sweep against its model: what fails is told at the values that make it fail.
 * Invariant: a mistake that no value causes is told once, where it is; a model is built once for equal parameters.
 */
import type { Train } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { readRecipe, type RecipeSpec } from "../recipe/recipe.ts";
import { atValue } from "../recipe/sweep-problems.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { spanKey } from "./anchor.ts";
import { type BuiltModel, lossModelOf } from "./elaborate.ts";
import { elaborateLoss } from "./loss.ts";
import { withConstants } from "./recipe-constants.ts";
import { modelBlock, pointsOf, recipeAt, type SweepAxis, type SweepPoint, type SweepValue } from "./sweep.ts";
import type { GivenArgument } from "./values.ts";

/** Builds a model with parameters given; undefined if it is wrong whatever they are. */
export type BuildAt = (model: string, set: readonly GivenArgument[]) => BuiltModel | undefined;

/** A mistake and the points that make it. */
interface Failure {
  /** By index of the point; what is said may differ in its numbers. */
  readonly at: Map<number, Diagnostic>;
  /** The model itself fails there, which its defaults do not. */
  readonly isOfModel: boolean;
}

/** Diagnostics of the recipe at all points; `models` are those that were built with their defaults already. */
export function checkPoints(
  file: ModuleScope,
  train: Train,
  axes: readonly SweepAxis[],
  models: ReadonlyMap<string, BuiltModel>,
  buildAt: BuildAt,
): readonly Diagnostic[] {
  const points = pointsOf(axes);
  const failures = new Map<string, Failure>();
  const note = (found: readonly Diagnostic[], point: number, isOfModel: boolean): void => {
    for (const diagnostic of found) {
      if (diagnostic.severity !== "error") continue;
      const key = `${diagnostic.code} ${spanKey(diagnostic.span)}`;
      const known = failures.get(key);
      if (known === undefined) failures.set(key, { at: new Map([[point, diagnostic]]), isOfModel });
      else if (!known.at.has(point)) known.at.set(point, diagnostic);
    }
  };
  const recipes = new Map<string, { readonly recipe: RecipeSpec; readonly found: readonly Diagnostic[] }>();
  const built = new Map<string, BuiltModel | undefined>();
  const losses = new Map<string, readonly Diagnostic[]>();
  /** undefined: a parameter has no default. */
  const defaults = new Map<string, BuiltModel | undefined>(models);
  const byDefault = (name: string): BuiltModel | undefined =>
    remember(defaults, name, () => {
      const parameters = modelBlock(file, name)?.parameters;
      return parameters?.every((parameter) => parameter.default !== undefined) === true ? buildAt(name, []) : undefined;
    });
  const trained = new Set<string>();
  for (const [index, point] of points.entries()) {
    const chosen = recipeAt(train, axes, point);
    const recipeKey = keyOf(axes, point, (value) => value.meaning.kind === "expression");
    const { recipe, found } = remember(recipes, recipeKey, () => readAt(chosen.train, file));
    note(found, index, false);
    const modelKey = keyOf(axes, point, (value) => value.meaning.kind !== "expression");
    const model = remember(built, modelKey, () => {
      trained.add(chosen.model);
      const itself = byDefault(chosen.model);
      if (itself === undefined || itself.value !== undefined) return buildAt(chosen.model, chosen.set);
      // A model of the file that is wrong by itself was reported.
      return models.has(chosen.model) ? undefined : itself;
    });
    note(model?.diagnostics ?? [], index, true);
    const lossModel = model && lossModelOf(model);
    const { loss } = recipe;
    if (loss === undefined || lossModel === undefined) continue;
    note(
      remember(losses, `${modelKey} ${recipeKey}`, () => elaborateLoss(file, lossModel, loss).diagnostics),
      index,
      false,
    );
  }
  const areGood = [...trained].every((name) => byDefault(name)?.value !== undefined);
  return [...failures.values()].flatMap((failure) => toldOf(failure, axes, points, failure.isOfModel && areGood));
}

function readAt(train: Train, file: ModuleScope): { readonly recipe: RecipeSpec; readonly found: readonly Diagnostic[] } {
  const inlined = withConstants(train, file);
  const found = [...inlined.diagnostics];
  const recipe = readRecipe(inlined.train, (diagnostic) => found.push(diagnostic));
  return { recipe, found };
}

function remember<T>(known: Map<string, T>, key: string, make: () => T): T {
  if (known.has(key)) return known.get(key) as T;
  const made = make();
  known.set(key, made);
  return made;
}

function keyOf(axes: readonly SweepAxis[], point: SweepPoint, counts: (value: SweepValue) => boolean): string {
  return JSON.stringify(point.map((value, i) => (counts(value) ? `${axes[i]?.name}=${value.text}` : "")));
}

/**
 * The failure in place, if all points fail and `isByValues` does not say that values are the cause; else at each value
 * that fails whatever the others are, or at the first combination that does.
 */
function toldOf({ at, isOfModel }: Failure, axes: readonly SweepAxis[], points: readonly SweepPoint[], isByValues: boolean): readonly Diagnostic[] {
  const [first] = at.values();
  if (first === undefined) return [];
  const isAtValue = axes.some(({ values }) => values.some(({ span }) => contains(span, first.span)));
  // What was given from outside is wrong where it was given.
  if (isAtValue || first.span.source.path === "--set" || (at.size === points.length && !isByValues)) return [first];
  const left = new Set(at.keys());
  const told: Diagnostic[] = [];
  const relevant = axes
    .map(({ name, values }, axis) => ({ name, axis, values }))
    .filter(({ values }) => !isOfModel || values.some(({ meaning }) => meaning.kind !== "expression"));
  const guilty = relevant
    .flatMap(({ name, axis, values }) =>
      values.map((value) => ({ name, text: value.text, span: value.span, own: points.flatMap((point, i) => (point[axis] === value ? [i] : [])) })),
    )
    .filter(({ own }) => own.every((i) => at.has(i)))
    .sort((a, b) => b.own.length - a.own.length);
  for (const { own, ...value } of guilty) {
    if (!own.some((i) => left.has(i))) continue;
    for (const i of own) left.delete(i);
    told.push(atValue(at.get(own[0] ?? 0) ?? first, [value], 0));
  }
  const [index] = left;
  const point = index === undefined ? undefined : points[index];
  if (point !== undefined)
    told.push(
      atValue(
        at.get(index ?? 0) ?? first,
        relevant.flatMap(({ name, axis }) => {
          const value = point[axis];
          return value === undefined ? [] : [{ name, text: value.text, span: value.span }];
        }),
        left.size - 1,
      ),
    );
  return told;
}

function contains(outer: Diagnostic["span"], inner: Diagnostic["span"]): boolean {
  return outer.source.path === inner.source.path && outer.start <= inner.start && inner.end <= outer.end;
}
