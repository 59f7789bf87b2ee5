/**
 * `train` declarations: loss, optimizer, schedule, batch, as data.
 * Invariant: pure; every mistake is a diagnostic RN5xx at the setting's place.
 */
import type { Argument, Expression, Train, TrainSetting } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { DecayException, OptimizerSpec } from "../ir/optimizer.ts";
import type { TensorType } from "../ir/type.ts";
import * as problems from "./problems.ts";

/** A loss as written; `elaborate/loss.ts` gives it its meaning. */
export interface LossSpec {
  readonly expression: Expression;
  /** As written, for reports. */
  readonly text: string;
}

/** A phase of the learning rate; `epochs` is where it ends, counted from the start of training. */
export type PhaseSpec =
  | { readonly kind: "constant"; readonly epochs?: number }
  | { readonly kind: "warmup"; readonly epochs: number }
  | { readonly kind: "cosine"; readonly epochs: number; readonly final?: number }
  | { readonly kind: "step"; readonly milestones: readonly number[]; readonly gamma: number };

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
const OPTIMIZERS = ["sgd", "adam", "adamw"];
const SCHEDULES = ["constant", "warmup", "cosine", "step"];

type Report = (diagnostic: Diagnostic) => void;

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
    schedule: (found.get("schedule")?.values ?? []).flatMap((phase) => readPhase(phase, report)),
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

/** Constants and arithmetic on them; recipes have no symbols. */
export function numberOf(expression: Expression): number | undefined {
  switch (expression.kind) {
    case "NumberLiteral":
      return expression.value;
    case "Unary": {
      const value = numberOf(expression.operand);
      return value === undefined || expression.operator !== "-" ? undefined : -value;
    }
    case "Binary": {
      const left = numberOf(expression.left);
      const right = numberOf(expression.right);
      if (left === undefined || right === undefined) return undefined;
      switch (expression.operator) {
        case "+":
          return left + right;
        case "-":
          return left - right;
        case "*":
          return left * right;
        case "/":
          return left / right;
        default:
          return undefined;
      }
    }
    default:
      return undefined;
  }
}

interface NamedCall {
  readonly name: string;
  readonly span: Span;
  readonly arguments: readonly Argument[];
}

function asCall(expression: Expression): NamedCall | undefined {
  if (expression.kind === "Reference") return { name: expression.name.text, span: expression.span, arguments: [] };
  if (expression.kind !== "Call" || expression.callee.kind !== "Reference") return undefined;
  return { name: expression.callee.name.text, span: expression.callee.span, arguments: expression.arguments };
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
  const call = asCall(expression);
  if (call === undefined || !OPTIMIZERS.includes(call.name)) {
    report(problems.unknownChoice("optimizer", call?.name ?? "", call?.span ?? expression.span, OPTIMIZERS));
    return undefined;
  }
  const known =
    call.name === "sgd"
      ? ["lr", "momentum", "weight_decay", "nesterov", "dampening", "except"]
      : ["lr", "betas", "eps", "weight_decay", "beta1", "beta2", "except"];
  const hyper = new Map<string, number>();
  let except: readonly DecayException[] = [];
  for (const [position, argument] of call.arguments.entries()) {
    const name = argument.name?.text ?? known[position] ?? "";
    const { value } = argument;
    if (!known.includes(name)) {
      report(problems.unknownChoice(`${call.name} option`, name, argument.name?.span ?? argument.span, known));
      continue;
    }
    if (name === "except") {
      except = readExceptions(value, report);
      continue;
    }
    const list = value.kind === "TupleExpression" || value.kind === "ListExpression" ? value.elements.map(numberOf) : undefined;
    const number = value.kind === "BooleanLiteral" ? Number(value.value) : numberOf(value);
    if (name === "betas" && list?.length === 2 && list[0] !== undefined && list[1] !== undefined) {
      hyper.set("beta1", list[0]);
      hyper.set("beta2", list[1]);
    } else if (number !== undefined && number >= 0) hyper.set(name, number);
    else report(problems.badSetting(`${call.name}: ${name}`, "a number of at least 0", value.span));
  }
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

/** `warmup(5) -> cosine(90)`, `step([30, 60], gamma: 0.1)`, `constant`. */
export function readPhase(expression: Expression, report: Report): PhaseSpec[] {
  const call = asCall(expression);
  if (call === undefined || !SCHEDULES.includes(call.name)) {
    report(problems.unknownChoice("schedule", call?.name ?? "", call?.span ?? expression.span, SCHEDULES));
    return [];
  }
  const number = (name: string, position: number): number | undefined => {
    const argument = call.arguments.find((each) => each.name?.text === name) ?? call.arguments.filter((each) => each.name === undefined)[position];
    return argument === undefined ? undefined : numberOf(argument.value);
  };
  const epochs = number("epochs", 0);
  switch (call.name) {
    case "constant":
      return [epochs === undefined ? { kind: "constant" } : { kind: "constant", epochs }];
    case "step": {
      const list = call.arguments.find((each) => each.value.kind === "ListExpression")?.value;
      const milestones = list?.kind === "ListExpression" ? list.elements.map(numberOf) : [];
      if (milestones.length === 0 || milestones.some((each) => each === undefined)) {
        report(problems.badSetting("step", "a list of epochs, as in `step([30, 60], gamma: 0.1)`", expression.span));
        return [];
      }
      return [{ kind: "step", milestones: milestones.flatMap((each) => (each === undefined ? [] : [each])), gamma: number("gamma", 0) ?? 0.1 }];
    }
    default: {
      if (epochs === undefined || epochs <= 0) {
        report(problems.badSetting(call.name, `a number of epochs, as in \`${call.name}(5)\``, expression.span));
        return [];
      }
      if (call.name === "warmup") return [{ kind: "warmup", epochs }];
      const final = number("final", 1);
      return [final === undefined ? { kind: "cosine", epochs } : { kind: "cosine", epochs, final }];
    }
  }
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

function readAugment(expression: Expression, report: Report): RecipeSpec["augment"] {
  const call = asCall(expression);
  const kinds = ["crop", "flip"];
  if (call === undefined || !kinds.includes(call.name)) {
    report(problems.unknownChoice("augment", call?.name ?? "", call?.span ?? expression.span, kinds));
    return [];
  }
  const hyper: Record<string, number> = {};
  for (const argument of call.arguments) {
    const number = numberOf(argument.value);
    if (number === undefined) report(problems.badSetting(call.name, "numbers", argument.span));
    else hyper[argument.name?.text ?? (call.name === "crop" ? "padding" : "p")] = number;
  }
  return [{ ...hyper, kind: call.name }];
}
