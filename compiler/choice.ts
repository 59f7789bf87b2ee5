/**
 * Which recipe and which model are meant, of those that a file declares, and at which point of a sweep.
 * Invariant: what a command asks for and the file does not have is a diagnostic that lists what it has.
 */
import type { Expression, Train } from "../grammar/ast.ts";
import type { Diagnostic } from "../grammar/diagnostic.ts";
import { parse } from "../grammar/parse.ts";
import type { Source } from "../grammar/source.ts";
import { pinAxes } from "./elaborate/sweep-pins.ts";
import { type ChosenPoint, modelBlock, readSweeps, recipeAt, type SweepAxis, sweepsOf } from "./elaborate/sweep.ts";
import type { GivenArgument } from "./elaborate/values.ts";
import type { LoadedModules, ModuleScope } from "./resolve/modules.ts";

/** What is asked for. */
export interface Choice {
  readonly entry: Source;
  readonly model?: string | undefined;
  readonly recipe?: string | undefined;
  readonly set: readonly GivenArgument[];
}

type Report = (diagnostic: Diagnostic) => void;

/** The recipe that is named, or else the first of the model; undefined where there is none. */
export function chooseTrain(request: Choice, { trains }: ModuleScope, report: Report): Train | undefined {
  const named = (train: Train): string => train.name?.text ?? train.model.text;
  if (request.recipe !== undefined) {
    const found = trains.find((train) => named(train) === request.recipe);
    if (found === undefined) report(choiceProblem("RN506", `there is no recipe \`${request.recipe}\``, trains.map(named), request.entry));
    return found;
  }
  const { model } = request;
  if (model === undefined) return trains[0];
  return trains.find((train) => train.model.text === model) ?? trains.find((train) => sweptModels(train).includes(model));
}

/** Names of the models that a recipe sweeps over. */
function sweptModels(train: Train): readonly string[] {
  const list = sweepsOf(train).find(({ name }) => name.text === "model")?.values;
  if (list?.kind !== "ListExpression") return [];
  return list.elements.flatMap((element) => {
    const callee = element.kind === "Call" ? element.callee : element;
    return callee.kind === "Reference" ? [callee.name.text] : [];
  });
}

/**
 * The recipe for one program: swept parameters have the model's defaults, names of the recipe their first value, unless
 * something else is given.
 */
export function chooseOne(file: ModuleScope, train: Train, choice: Choice, report: Report): ChosenPoint {
  const model = choice.model ?? train.model.text;
  if (sweepsOf(train).length === 0) return { train, model, set: choice.set };
  const { axes, diagnostics } = readSweeps(file, train);
  const pinned = pinAxes(file, train, axes, choice);
  for (const diagnostic of [...diagnostics, ...pinned.diagnostics]) report(diagnostic);
  const block = modelBlock(file, model);
  const isKept = ({ name, kind }: SweepAxis): boolean => {
    if (choice.set.some((argument) => argument.name === name)) return true;
    if (kind === "model") return choice.model !== undefined;
    return kind !== "parameter" || block?.parameters.find((parameter) => parameter.name.text === name)?.default === undefined;
  };
  const kept = pinned.axes.filter(isKept);
  const point = kept.flatMap(({ values }) => values.slice(0, 1));
  const chosen = recipeAt(train, kept, point);
  const isModelSwept = axes.some(({ kind }) => kind === "model");
  return { train: chosen.train, model: isModelSwept ? chosen.model : model, set: [...chosen.set, ...pinned.set] };
}

/** The model of a file that has one. */
export function soleModel(modules: LoadedModules, entry: Source, report: Report): string | undefined {
  const models = [...modules.entry.own].flatMap(([name, each]) =>
    (each.kind === "block" && each.block.model) || each.kind === "variant" ? [name] : [],
  );
  if (models.length === 1) return models[0];
  report(
    choiceProblem(
      "RN507",
      models.length === 0 ? "the file declares no model" : "the file declares several models: choose one with --model",
      models,
      entry,
    ),
  );
  return undefined;
}

export function choiceProblem(code: string, message: string, known: readonly string[], source: Source): Diagnostic {
  const help = known.length === 0 ? [] : [`known: ${known.join(", ")}`];
  return { code, severity: "error", message, span: { source, start: 0, end: 0 }, labels: [], help, fixes: [] };
}

/** The value of a setting from a text, as a recipe would have it. */
export function parseSetting(keyword: string, text: string, report: Report): Expression | undefined {
  const { module, diagnostics } = parse({ path: `--${keyword}`, text: `train Model {\n${keyword} ${text}\n}` });
  for (const diagnostic of diagnostics) report(diagnostic);
  const [item] = module.items;
  const setting = item?.kind === "Train" ? item.settings[0] : undefined;
  return setting?.kind === "TrainSetting" ? setting.values[0] : undefined;
}
