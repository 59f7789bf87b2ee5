/** Diagnostics of recipes, one constructor per code. */
import type { Diagnostic, Fix, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { formatDim } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import { closest } from "../../grammar/closest.ts";
import { renameFix } from "../resolve/problems.ts";
import type { LossSpec } from "./recipe.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

export function unknownSetting(name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN501",
    message: `a recipe has no setting \`${name}\``,
    span,
    note: "unknown setting",
    help: name === "sweep" ? [SWEEP] : [`settings are ${known.join(", ")}`],
    fixes: renameFix(span, closest(name, known)),
  };
}

const SWEEP = "a recipe trains once; for several values of a parameter: `resnet train FILE --set drop=0.1 --out runs/drop-0.1` for each";

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
    fixes: renameFix(span, closest(name, known)),
  };
}

/** RN208: the output has no axis of classes; `shape` is its own. */
export function lossRank({ output, span }: LossSpec, shape: string, labels: readonly Label[]): Diagnostic {
  const message = `cross_entropy needs logits [N, classes], or [N, classes, ..positions], but \`${output}\` is ${shape}`;
  const help = ["give one row of logits a sample, for example with `global_avgpool` and `linear(classes)`"];
  return { ...plain, code: "RN208", message, span, note: "shapes do not fit", labels, help };
}

export interface LossMismatch {
  readonly loss: LossSpec;
  readonly output: TensorType;
  readonly target: TensorType;
  readonly wanted: TensorType;
  readonly witness: string;
  /** The target, where its type is declared or it is named. */
  readonly span: Span;
  readonly labels: readonly Label[];
}

/** RN208: output and target differ; broadcasting one over the other would train another thing, silently. */
export function lossShapes({ loss, output, target, wanted, witness, span, labels }: LossMismatch): Diagnostic {
  const shape = (type: TensorType): string => `[${type.shape.map(formatDim).join(", ")}]`;
  const [needed, got] = [shape(wanted), shape(target)];
  const dtype = loss.declared?.dtype ?? wanted.dtype;
  const fixes: Fix[] =
    loss.declared === undefined
      ? []
      : [
          {
            title: `give the target the shape ${needed}`,
            applicability: "maybe-incorrect",
            edits: [{ span: loss.declared.span, replacement: `${dtype}${needed}` }],
          },
        ];
  const last = output.shape.length - 1;
  const squeezable = last === target.shape.length && output.shape[last] === 1;
  return {
    ...plain,
    code: "RN208",
    message: `\`${loss.kind}\` compares \`${loss.output}\` ${shape(output)} with \`${loss.target}\` ${got}, which must be ${needed}`,
    span,
    note: witness === "" ? `${got}, not ${needed}` : witness,
    labels,
    help: squeezable ? [`or drop the last axis of \`${loss.output}\` in the model: \`squeeze(${last})\``] : [],
    fixes,
  };
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

export function noSuchOutput(name: string, span: Span, outputs: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN505",
    message: `the model has no output \`${name}\` for the loss`,
    span,
    note: "no such output",
    help: [`its outputs are ${outputs.join(", ")}`],
    fixes: renameFix(span, closest(name, outputs)),
  };
}
