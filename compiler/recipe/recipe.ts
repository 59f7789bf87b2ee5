/**
 * `train` declarations: loss, optimizer, schedule, batch, as data.
 * Invariant: pure; every mistake is a diagnostic RN5xx at the setting's place.
 */
import type { Expression, Train, TrainSetting } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import type { DecayException, OptimizerSpec } from "../ir/optimizer.ts";
import type { TensorType } from "../ir/type.ts";
import { asCall, numberOf, readChoice, readNumber, readOptions, type Report } from "./call.ts";
import * as problems from "./problems.ts";
import { type PhaseSpec, readSchedule } from "./schedule.ts";

/** A loss as written; `elaborate/loss.ts` gives it its meaning. */
export interface LossSpec {
  readonly expression: Expression;
  /** As written, for reports. */
  readonly text: string;
}

export interface RecipeSpec {
  readonly name: string;
  readonly model: string;
  readonly loss: LossSpec | undefined;
  readonly optimizer: OptimizerSpec | undefined;
  readonly learningRate: number;
  readonly schedule: readonly PhaseSpec[];
  readonly batch: number;
  readonly epochs: number | undefined;
  readonly normalize: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
  readonly augment: readonly { readonly kind: string; readonly [hyper: string]: number | string }[];
}

/** Losses of `std/layers` that compare an output with a target. */
export const LIBRARY_LOSSES: readonly string[] = ["cross_entropy", "binary_cross_entropy", "mse", "l1", "huber"];
export const SETTINGS: readonly string[] = ["loss", "optimizer", "schedule", "batch", "epochs", "normalize", "augment"];
/** Settings whose values follow one another. */
const CHAINS = ["schedule", "augment"];
const OPTIMIZERS = ["sgd", "adam", "adamw"];
/** Of each optimizer, in the order of positional ones. */
export const OPTIMIZER_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  sgd: ["lr", "momentum", "weight_decay", "nesterov", "dampening", "except"],
  adam: ["lr", "betas", "eps", "weight_decay", "beta1", "beta2", "except"],
  adamw: ["lr", "betas", "eps", "weight_decay", "beta1", "beta2", "except"],
};

/** Reads a `train` declaration. */
export function readRecipe(train: Train, report: Report): RecipeSpec {
  const found = new Map<string, TrainSetting>();
  let unknown: Span | undefined;
  for (const setting of train.settings) {
    if (setting.kind === "Sweep") continue;
    const { text, span } = setting.keyword;
    if (!SETTINGS.includes(text)) {
      // What follows an unknown setting on its line is part of it.
      if (unknown === undefined || span.source.text.slice(unknown.start, span.start).includes("\n"))
        report(problems.unknownSetting(text, span, SETTINGS));
      unknown = span;
    } else if (found.has(text)) report(problems.repeatedSetting(text, span));
    else found.set(text, setting);
    const more = CHAINS.includes(text) ? undefined : setting.values[1];
    if (more !== undefined && SETTINGS.includes(text)) report(problems.badSetting(text, "one value", more.span));
  }
  const value = (name: string): Expression | undefined => found.get(name)?.values[0];
  const loss = value("loss");
  const optimizer = value("optimizer");
  const chosen = optimizer === undefined ? undefined : readOptimizer(optimizer, report);
  const normalize = value("normalize");
  return {
    name: train.name?.text ?? train.model.text,
    model: train.model.text,
    loss: loss === undefined ? undefined : readLoss(loss),
    optimizer: chosen?.spec,
    learningRate: chosen?.learningRate ?? 0.1,
    schedule: readSchedule(found.get("schedule")?.values ?? [], report),
    batch: integer(value("batch"), 64, "batch", report),
    epochs: value("epochs") === undefined ? undefined : integer(value("epochs"), 1, "epochs", report),
    normalize: normalize === undefined ? undefined : readNormalize(normalize, report),
    augment: (found.get("augment")?.values ?? []).flatMap((each) => readAugment(each, report)),
  };
}

function integer(expression: Expression | undefined, fallback: number, name: string, report: Report): number {
  if (expression === undefined) return fallback;
  const value = numberOf(expression);
  if (value !== undefined && Number.isInteger(value) && value > 0) return value;
  report(problems.badSetting(name, "a positive integer", expression.span));
  return fallback;
}

/** Labels of logits: `[N]` for `[N, classes]`, `[N, H, W]` for `[N, classes, H, W]`, as in PyTorch; undefined without classes. */
export function labelType({ shape }: TensorType): TensorType | undefined {
  return shape.length < 2 ? undefined : { dtype: "i64", shape: shape.filter((_, axis) => axis !== 1) };
}

/** `cross_entropy(logits, label: i64[N], smoothing: 0.1)`, `mse(y, target) + 0.01 * penalty` */
export function readLoss(expression: Expression): LossSpec {
  const { source, start, end } = expression.span;
  return { expression, text: source.text.slice(start, end) };
}

/** `sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4, nesterov: true)`, `adam(...)`, `adamw(...)`; PyTorch's defaults. */
export function readOptimizer(expression: Expression, report: Report): { spec: OptimizerSpec; learningRate: number } | undefined {
  const call = readChoice("optimizer", expression, OPTIMIZERS, report);
  if (call === undefined) return undefined;
  const hyper = new Map<string, number>();
  let except: readonly DecayException[] = [];
  const options = readOptions(call, OPTIMIZER_OPTIONS[call.name] ?? [], report);
  for (const [name, { value }] of options) {
    if (name === "except") {
      except = readExceptions(value, report);
      continue;
    }
    const list = value.kind === "TupleExpression" || value.kind === "ListExpression" ? value.elements.map(numberOf) : undefined;
    const number = value.kind === "BooleanLiteral" ? Number(value.value) : numberOf(value);
    if (name === "betas" && list?.length === 2 && list[0] !== undefined && list[1] !== undefined) {
      hyper.set("beta1", list[0]);
      hyper.set("beta2", list[1]);
    } else if (name === "betas") report(problems.badSetting(`${call.name}: betas`, "two numbers, as in `betas: (0.9, 0.999)`", value.span));
    else if (number !== undefined && number >= 0) hyper.set(name, number);
    else report(problems.badSetting(`${call.name}: ${name}`, name === "nesterov" ? "true or false" : "a number of at least 0", value.span));
  }
  const nesterov = options.get("nesterov");
  if (nesterov !== undefined && hyper.get("nesterov") === 1 && (!(hyper.get("momentum") ?? 0) || (hyper.get("dampening") ?? 0) > 0))
    report(problems.badSetting("sgd: nesterov", "a momentum above 0 and no dampening beside it", nesterov.span));
  const get = (name: string, fallback: number): number => hyper.get(name) ?? fallback;
  const exempt = except.length === 0 ? {} : { except };
  if (call.name === "sgd") {
    const spec: OptimizerSpec = {
      kind: "sgd",
      momentum: get("momentum", 0),
      weightDecay: get("weight_decay", 0),
      nesterov: get("nesterov", 0) !== 0,
      dampening: get("dampening", 0),
      ...exempt,
    };
    return { spec, learningRate: get("lr", 0.1) };
  }
  const kind = call.name === "adam" ? "adam" : "adamw";
  const weightDecay = get("weight_decay", kind === "adamw" ? 0.01 : 0);
  const spec: OptimizerSpec = { kind, beta1: get("beta1", 0.9), beta2: get("beta2", 0.999), eps: get("eps", 1e-8), weightDecay, ...exempt };
  return { spec, learningRate: get("lr", 1e-3) };
}

/** `except: ["*.bias", "*.bn*.weight"]`: patterns over the names of parameters. */
function readExceptions(value: Expression, report: Report): readonly DecayException[] {
  const elements = value.kind === "ListExpression" ? value.elements : [value];
  return elements.flatMap((element) => {
    if (element.kind === "StringLiteral" && element.value !== "") return [{ pattern: element.value, span: element.span }];
    report(problems.badSetting("except", 'patterns over names of parameters, as in `except: ["*.bias", "*.bn*.weight"]`', element.span));
    return [];
  });
}

function readNormalize(expression: Expression, report: Report): RecipeSpec["normalize"] {
  const call = asCall(expression);
  const list = (name: string): number[] | undefined => {
    const value = call?.arguments.find((argument) => argument.name?.text === name)?.value;
    const numbers = value?.kind === "ListExpression" ? value.elements.map(numberOf) : value === undefined ? [] : [numberOf(value)];
    const known = numbers.flatMap((number) => (number === undefined ? [] : [number]));
    return known.length > 0 && known.length === numbers.length ? known : undefined;
  };
  const mean = list("mean");
  const std = list("std");
  if (mean !== undefined && std !== undefined && mean.length === std.length && std.every((each) => each > 0)) return { mean, std };
  report(problems.badSetting("normalize", "`mean` and `std` (positive), a number per channel", expression.span));
  return undefined;
}

const AUGMENTATIONS: Readonly<Record<string, { readonly option: string; readonly fits: (value: number) => boolean; readonly wanted: string }>> = {
  crop: { option: "padding", fits: (value) => Number.isInteger(value) && value >= 0, wanted: "a number of pixels" },
  flip: { option: "p", fits: (value) => value >= 0 && value <= 1, wanted: "a probability" },
};

function readAugment(expression: Expression, report: Report): RecipeSpec["augment"] {
  const call = readChoice("augment", expression, Object.keys(AUGMENTATIONS), report);
  const known = call && AUGMENTATIONS[call.name];
  if (call === undefined || known === undefined) return [];
  const value = readNumber(call, readOptions(call, [known.option], report), known.option, known, report);
  return [{ ...(value === undefined ? {} : { [known.option]: value }), kind: call.name }];
}
