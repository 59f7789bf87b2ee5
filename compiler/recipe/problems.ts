/** Diagnostics of recipes, one constructor per code. */
import type { ShapeType } from "../../grammar/ast.ts";
import type { Diagnostic, Fix, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { formatDim } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import { closest } from "../../grammar/closest.ts";
import { renameFix } from "../resolve/problems.ts";
import { adviceOn, meantBy } from "./words.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

export function unknownSetting(name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN501",
    message: `a recipe has no setting \`${name}\``,
    span,
    note: "unknown setting",
    help: [adviceOn(name) ?? `settings are ${known.join(", ")}`],
    fixes: adviceOn(name) === undefined ? renameFix(span, meantBy(name, known)) : [],
  };
}

export function repeatedSetting(name: string, span: Span): Diagnostic {
  return { ...plain, code: "RN502", message: `\`${name}\` is set twice`, span, note: "set again" };
}

export function badSetting(name: string, wanted: string, span: Span): Diagnostic {
  return { ...plain, code: "RN503", message: `\`${name}\` takes ${wanted}`, span, note: `expected ${wanted}` };
}

export function unknownChoice(what: string, name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN504",
    message: name === "" ? `this is no ${what}` : `there is no ${what} \`${name}\``,
    span,
    note: `unknown ${what}`,
    help: [`known: ${known.join(", ")}`],
    fixes: renameFix(span, meantBy(name, known)),
  };
}

/** RN504: `optimizer "sgd"`. */
export function quotedChoice(what: string, name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN504",
    message: `${article(what)} is named without quotes`,
    span,
    note: "a string",
    help: [`known: ${known.join(", ")}`],
    fixes: renameFix(span, known.includes(name) ? name : meantBy(name, known)),
  };
}

function article(what: string): string {
  return `${/^[aeiou]/.test(what) ? "an" : "a"} ${what}`;
}

/** RN503: `warmup(5) -> cosine(3)`. */
export function phaseOutOfOrder(phase: string, end: number, reached: number, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN503",
    message: `\`${phase}(${end})\` ends before it begins, at epoch ${reached}`,
    span,
    note: `must end after epoch ${reached}`,
    help: ["each phase names the epoch at which it ends, counted from the start of training: `warmup(5) -> cosine(90)`"],
  };
}

/** RN503: `constant -> cosine(9)`. */
export function phaseWithoutEnd(phase: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN503",
    message: `\`${phase}\` has no end, so nothing can come after it`,
    span,
    note: "must be the last phase",
    help: phase === "constant" ? ["give the epoch at which it ends: `constant(5) -> cosine(90)`"] : [],
  };
}

/** RN208: the output has no axis of classes; `shape` is its own. */
export function lossRank(output: string, span: Span, shape: string, labels: readonly Label[]): Diagnostic {
  const message = `cross_entropy needs logits [N, classes], or [N, classes, ..positions], but \`${output}\` is ${shape}`;
  const help = ["give one row of logits a sample, for example with `global_avgpool` and `linear(classes)`"];
  return { ...plain, code: "RN208", message, span, note: "shapes do not fit", labels, help };
}

export interface LossMismatch {
  readonly kind: string;
  /** As written. */
  readonly output: { readonly text: string; readonly type: TensorType };
  readonly target: { readonly text: string; readonly type: TensorType; readonly declared: ShapeType | undefined };
  readonly wanted: TensorType;
  readonly witness: string;
  /** The target, where its type is declared or it is named. */
  readonly span: Span;
  readonly labels: readonly Label[];
}

/** RN208: output and target differ; broadcasting one over the other would train another thing, silently. */
export function lossShapes({ kind, output, target, wanted, witness, span, labels }: LossMismatch): Diagnostic {
  const shape = (type: TensorType): string => `[${type.shape.map(formatDim).join(", ")}]`;
  const [needed, got] = [shape(wanted), shape(target.type)];
  const { declared } = target;
  const fixes: Fix[] =
    declared === undefined
      ? []
      : [
          {
            title: `give the target the shape ${needed}`,
            applicability: "maybe-incorrect",
            edits: [{ span: declared.span, replacement: `${declared.dtype}${needed}` }],
          },
        ];
  const last = output.type.shape.length - 1;
  // [N, 10, 1, 1] has one row of logits a sample, as [N, 10].
  const unit = wanted.shape.length > target.type.shape.length && wanted.shape.slice(target.type.shape.length).every((size) => size === 1) && last > 1;
  const squeezable = last === target.type.shape.length && output.type.shape[last] === 1;
  return {
    ...plain,
    code: "RN208",
    message: `\`${kind}\` compares \`${output.text}\` ${shape(output.type)} with \`${target.text}\` ${got}, which must be ${needed}`,
    span,
    note: witness === "" ? `${got}, not ${needed}` : witness,
    labels,
    help: unit
      ? [`or drop the axes of size 1 of \`${output.text}\` in the model: \`flatten\``]
      : squeezable
        ? [`or drop the last axis of \`${output.text}\` in the model: \`squeeze(${last})\``]
        : [],
    fixes,
  };
}

/** RN503: `found` is the type of what the expression gives, if that is a tensor. */
export function lossNotScalar(found: string | undefined, span: Span): Diagnostic {
  const message = `\`loss\` takes one number for the whole batch${found === undefined ? ", made of the model's outputs" : `, but this is ${found}`}`;
  return {
    ...plain,
    code: "RN503",
    message,
    span,
    note: "expected a single f32",
    help: found === undefined ? ["for example `cross_entropy(logits, label: i64[N])`"] : ["`mean(…)` makes one number of a tensor"],
  };
}

/** RN503: a parameter of the loss would have no place in the checkpoint. */
export function lossHoldsTensors(span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN503",
    message: "a loss has no parameters of its own",
    span,
    note: "holds `param` or `state`",
    help: ["apply this block in the model, and give its result an `out` port that the loss names"],
  };
}

/** RN503: a target whose type is known already. */
export function targetTwice(name: string, known: string, span: Span): Diagnostic {
  return { ...plain, code: "RN503", message: `\`${name}\` is ${known} already`, span, note: `not ${known}` };
}

/** RN408: weight decay would leave nothing out that the recipe names. */
export function unmatchedException(pattern: string, model: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN408",
    message: `\`${pattern}\` matches no parameter of \`${model}\``,
    span,
    note: "nothing to leave out",
    help: [
      "patterns are over names of parameters: `*.bias` is every bias, `*.bn*.weight` those of all `bn1`, `bn2`, …; `resnet summary --json` lists the names",
    ],
  };
}

const DECLARE_TARGET = "a target that is no input of the model is declared where it is used: `name: i64[N]`";

export function noSuchOutput(name: string, span: Span, outputs: readonly string[]): Diagnostic {
  const meant = closest(name, outputs);
  return {
    ...plain,
    code: "RN505",
    message: `the model has no output \`${name}\` for the loss`,
    span,
    note: "no such output",
    help: [`its outputs are ${outputs.join(", ")}`, ...(meant === undefined ? [DECLARE_TARGET] : [])],
    fixes: renameFix(span, meant),
  };
}
