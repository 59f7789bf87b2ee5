/**
 * Sweeps of a recipe: what is swept, over which values, and the recipe of each point of their product.
 * Invariant: a value keeps the place where it was written, so that whatever is wrong with it is told there.
 */
import type { Block, Expression, Sweep, Train, TrainSetting } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { walk } from "../../grammar/walk.ts";
import { OPTIMIZER_OPTIONS, SETTINGS } from "../recipe/recipe.ts";
import * as sweepProblems from "../recipe/sweep-problems.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { genericChecks } from "./generic.ts";
import { tooLarge } from "./problems.ts";
import { substitute } from "./substitute.ts";
import { newFrame, newSession } from "./session.ts";
import { readModelValues, readValues } from "./sweep-values.ts";
import type { GivenArgument } from "./values.ts";

/**
 * What the name of a sweep stands for: the model that is trained, a setting of the recipe, a parameter of the model, or
 * else a name that the recipe's settings use.
 */
export type SweepKind = "model" | "setting" | "parameter" | "name";

export type SweepMeaning =
  | { readonly kind: "model"; readonly model: string; readonly set: readonly GivenArgument[] }
  | { readonly kind: "argument"; readonly argument: GivenArgument }
  /** Takes the place of the name, or is the setting's value. */
  | { readonly kind: "expression"; readonly expression: Expression };

export interface SweepValue {
  /** As it stands in the name of a point: `0.1`, `Plain`, `sgd(lr:0.1)`. Of one axis no two are the same. */
  readonly text: string;
  /** As JSON, where it is a number, truth value, text or list of such. */
  readonly json: unknown;
  readonly span: Span;
  readonly meaning: SweepMeaning;
}

export interface SweepAxis {
  readonly name: string;
  readonly kind: SweepKind;
  readonly span: Span;
  /** Of names: the settings that use it, `optimizer`, and options in them, `optimizer.lr`; of a setting itself. */
  readonly uses: readonly string[];
  /** At least one. */
  readonly values: readonly SweepValue[];
}

/** One value of each axis, in the order of the axes. */
export type SweepPoint = readonly SweepValue[];

/** A recipe at one point of its sweep. */
export interface ChosenPoint {
  /** Without sweeps; what was swept has its value. */
  readonly train: Train;
  readonly model: string;
  /** For the model's parameters. */
  readonly set: readonly GivenArgument[];
}

/** More runs than this are no experiment but a slip. */
const MOST_POINTS = 1000;

export function sweepsOf(train: Train): readonly Sweep[] {
  return train.settings.flatMap((setting) => (setting.kind === "Sweep" && setting.name.text !== "" ? [setting] : []));
}

function settingsOf(train: Train): readonly TrainSetting[] {
  return train.settings.flatMap((setting) => (setting.kind === "TrainSetting" ? [setting] : []));
}

/**
 * The axes in source order. One whose values cannot be used has a hole as its only value, and the mistake is among the
 * diagnostics.
 */
export function readSweeps(file: ModuleScope, train: Train): { readonly axes: readonly SweepAxis[]; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const report = (diagnostic: Diagnostic): void => void diagnostics.push(diagnostic);
  const session = newSession({ shared: genericChecks(file, true), training: undefined });
  const frame = newFrame(session, train.model.text);
  const seen = new Map<string, Span>();
  const sweeps = sweepsOf(train).filter(({ name }) => {
    const first = seen.get(name.text);
    seen.set(name.text, first ?? name.span);
    if (first !== undefined)
      report(sweepProblems.sweptTwice(name.text, name.span, { span: first, text: "and here" }, "put all values into one list"));
    return first === undefined;
  });
  const overModels = sweeps.find(({ name }) => name.text === "model");
  const models = overModels === undefined ? undefined : readModelValues(frame, file, overModels, train.model.text, report);
  const trained = models?.map((value) => (value.meaning.kind === "model" ? value.meaning.model : "")) ?? [train.model.text];
  const blocks = trained.map((name) => modelBlock(file, name));
  const axes = sweeps.flatMap((sweep): SweepAxis[] => {
    const { text, span } = sweep.name;
    if (sweep === overModels) return [{ name: text, kind: "model", span, uses: [], values: models ?? [] }];
    const kind = kindOf(train, sweep, blocks);
    if (kind === undefined) {
      if (blocks.every((block) => block !== undefined)) report(noTaker(train, sweep, trained[0] ?? "", blocks[0]));
      return [];
    }
    if (kind === "setting") {
      const given = settingsOf(train).find(({ keyword }) => keyword.text === text);
      if (given !== undefined) {
        report(sweepProblems.sweptTwice(text, span, { span: given.span, text: "set here" }, "leave the setting out: the sweep gives it"));
        return [];
      }
    }
    const parameter = kind === "parameter" ? blocks[0]?.parameters.find(({ name }) => name.text === text) : undefined;
    if (kind === "parameter" && !isFree(file, sweep, models ?? [], report)) return [];
    const uses = kind === "setting" ? [text] : kind === "name" ? usesOf(train, text) : [];
    return [{ name: text, kind, span, uses, values: readValues(frame, file, sweep, { model: trained[0] ?? "", parameter }, report) }];
  });
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  const last = axes.at(-1);
  if (count > MOST_POINTS && last !== undefined) report(tooLarge(`the sweeps of this recipe make ${count} runs`, MOST_POINTS, last.span));
  diagnostics.push(...session.diagnostics);
  return { axes, diagnostics };
}

/** The block of a model, or of the model that a variant is one of; undefined where there is none. */
export function modelBlock(file: ModuleScope, name: string): Block | undefined {
  return lineage(file, name)?.block;
}

function lineage(file: ModuleScope, name: string): { readonly block: Block; readonly set: ReadonlyMap<string, Span> } | undefined {
  const set = new Map<string, Span>();
  let found = file.visible.get(name);
  for (let steps = 0; found?.kind === "variant" && steps < 100; steps++) {
    for (const action of found.variant.actions)
      if (action.kind === "SetParameter" && !set.has(action.name.text)) set.set(action.name.text, action.span);
    found = found.file.visible.get(found.variant.of.text);
  }
  return found?.kind === "block" ? { block: found.block, set } : undefined;
}

/** undefined: nothing takes the values. */
function kindOf(train: Train, { name }: Sweep, blocks: readonly (Block | undefined)[]): SweepKind | undefined {
  const isUsed = settingsOf(train).some((setting) => mentions(setting, name.text));
  if (SETTINGS.includes(name.text)) return isUsed ? "name" : "setting";
  if (blocks.some((block) => block?.parameters.some((parameter) => parameter.name.text === name.text) === true)) return "parameter";
  return isUsed ? "name" : undefined;
}

/** Whether an expression of the setting names it. */
function mentions(setting: TrainSetting, name: string): boolean {
  let found = false;
  for (const value of setting.values)
    walk(value, (node) => {
      // `normalize(…)` and `augment flip` are words of the recipe.
      if (node.kind === "Reference" && node.name.text === name && node.span.start !== setting.span.start) found = true;
    });
  return found;
}

function usesOf(train: Train, name: string): readonly string[] {
  return settingsOf(train)
    .filter((setting) => mentions(setting, name))
    .flatMap((setting) => {
      const options = setting.values.flatMap((value) =>
        value.kind !== "Call"
          ? []
          : value.arguments.flatMap((argument, position) => {
              const option = argument.name?.text ?? (position === 0 && setting.keyword.text === "optimizer" ? "lr" : undefined);
              return option !== undefined && mentions({ ...setting, values: [argument.value] }, name) ? [`${setting.keyword.text}.${option}`] : [];
            }),
      );
      return [setting.keyword.text, ...options];
    });
}

function noTaker(train: Train, { name }: Sweep, model: string, block: Block | undefined): Diagnostic {
  let given: Span | undefined;
  for (const setting of settingsOf(train))
    walk(setting, (node) => {
      if (node.kind === "Argument" && node.name?.text === name.text) given ??= node.value.span;
    });
  const option = OPTION_WORDS.get(name.text) ?? name.text;
  const has = ([, options]: readonly [string, readonly string[]]): boolean => options.includes(option);
  const optimizer = Object.entries(OPTIMIZER_OPTIONS).find(has)?.[0];
  return sweepProblems.nothingToSweep(name.text, name.span, {
    model,
    parameters: (block?.parameters ?? []).map((parameter) => parameter.name.text),
    settings: SETTINGS,
    option: given,
    missing: missingOption(train, option, name.text),
    example: optimizer === undefined ? undefined : `optimizer ${optimizer}(${option}: ${name.text})`,
  });
}

/** Words that people have for options of an optimizer. */
const OPTION_WORDS: ReadonlyMap<string, string> = new Map([
  ["learning_rate", "lr"],
  ["rate", "lr"],
  ["decay", "weight_decay"],
]);

/** Where the recipe's optimizer would name an option that it leaves out. */
function missingOption(train: Train, option: string, name: string): { readonly span: Span; readonly replacement: string } | undefined {
  const value = settingsOf(train).find(({ keyword }) => keyword.text === "optimizer")?.values[0];
  const callee = value?.kind === "Call" ? value.callee : value;
  if (value === undefined || callee?.kind !== "Reference" || OPTIMIZER_OPTIONS[callee.name.text]?.includes(option) !== true) return undefined;
  const written = value.kind === "Call" ? value.arguments : [];
  const last = written.at(-1);
  if (value.kind === "Reference") return { span: { ...value.span, start: value.span.end }, replacement: `(${option}: ${name})` };
  if (last === undefined) return { span: { ...value.span, start: callee.span.end }, replacement: `(${option}: ${name})` };
  const end = last.span.end;
  return { span: { ...value.span, start: end, end }, replacement: `, ${option}: ${name}` };
}

/** A parameter that is swept must be one of every swept model, and none may give it a value of its own. */
function isFree(file: ModuleScope, { name }: Sweep, models: readonly SweepValue[], report: (diagnostic: Diagnostic) => void): boolean {
  const problems = models.flatMap(({ meaning, span }): Diagnostic[] => {
    const known = meaning.kind === "model" ? lineage(file, meaning.model) : undefined;
    if (meaning.kind !== "model" || known === undefined) return [];
    if (!known.block.parameters.some((parameter) => parameter.name.text === name.text))
      return [sweepProblems.modelLacksParameter(name.text, name.span, meaning.model, span)];
    const given = meaning.set.find((argument) => argument.name === name.text)?.span ?? known.set.get(name.text);
    if (given === undefined) return [];
    const help = "sweep the models that leave it open in a recipe of their own";
    return [sweepProblems.sweptTwice(name.text, name.span, { span: given, text: `\`${meaning.model}\` sets it here` }, help)];
  });
  problems.forEach(report);
  return problems.length === 0;
}

/** The product of the axes; the last varies fastest. A recipe without sweeps has one point. */
export function pointsOf(axes: readonly SweepAxis[]): readonly SweepPoint[] {
  return axes.reduce<readonly SweepPoint[]>((points, { values }) => points.flatMap((point) => values.map((value) => [...point, value])), [[]]);
}

/** `drop=0.1,lr=0.05` */
export function pointName(axes: readonly SweepAxis[], point: SweepPoint): string {
  return axes.map(({ name }, i) => `${name}=${point[i]?.text ?? ""}`).join(",");
}

/** The recipe at a point. */
export function recipeAt(train: Train, axes: readonly SweepAxis[], point: SweepPoint): ChosenPoint {
  const names = new Map<string, Expression>();
  const added: TrainSetting[] = [];
  const set: GivenArgument[] = [];
  let model = train.model.text;
  for (const [i, { name, kind, span }] of axes.entries()) {
    const value = point[i];
    if (value === undefined) continue;
    const { meaning } = value;
    if (meaning.kind === "model") {
      model = meaning.model;
      set.push(...meaning.set);
    } else if (meaning.kind === "argument") set.push(meaning.argument);
    else if (kind === "setting")
      added.push({ kind: "TrainSetting", keyword: { kind: "Name", text: name, span }, values: [meaning.expression], span: value.span });
    else names.set(name, meaning.expression);
  }
  const settings = settingsOf(train).map((setting) => ({ ...setting, values: setting.values.map((value) => inSetting(setting, value, names)) }));
  return { train: { ...train, settings: [...settings, ...added] }, model, set };
}

/** `normalize(…)` is stored as a call of its own keyword, which is no name. */
function inSetting({ keyword }: TrainSetting, value: Expression, names: ReadonlyMap<string, Expression>): Expression {
  const replaced = substitute(value, names);
  return replaced.kind === "Call" && value.kind === "Call" && value.callee.span.start === keyword.span.start
    ? { ...replaced, callee: value.callee }
    : replaced;
}

/** The recipe at the first point of its sweep; what is wrong with it is the check's to say. */
export function firstRecipe(file: ModuleScope, train: Train): Train {
  if (sweepsOf(train).length === 0) return train;
  const { axes } = readSweeps(file, train);
  return recipeAt(
    train,
    axes,
    axes.flatMap(({ values }) => values.slice(0, 1)),
  ).train;
}
