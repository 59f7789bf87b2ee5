/** Diagnostics about the names of a block: used too early, never, or as what they are not. */
import type { CallStage } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { closest } from "../../grammar/closest.ts";
import type { Span } from "../../grammar/source.ts";
import { describe, type Value } from "./values.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

/** RN101: `train` of a block. */
export function notAModel(name: string, span: Span, declared: Span): Diagnostic {
  return {
    ...plain,
    code: "RN101",
    message: `there is no model \`${name}\`: it is declared as a block`,
    span,
    note: "a recipe trains a model",
    labels: [{ span: declared, text: `\`${name}\` is declared here` }],
    help: ["declare it by `model` instead of `block`"],
  };
}

/** RN101: a model asked for from outside (`--model`), so that nothing in the file is to be changed. */
export function noSuchModel(name: string, { source }: Span, models: readonly string[]): Diagnostic {
  const meant = closest(name, models);
  const known = models.length === 0 ? "it declares no model" : `its models are ${models.join(", ")}`;
  return {
    ...plain,
    code: "RN101",
    message: `${source.path} has no model \`${name}\``,
    span: { source, start: 0, end: 0 },
    help: meant === undefined ? [known] : [`did you mean \`${meant}\`?`, known],
  };
}

/** RN101: a chain that ends in a name of nothing; `before` is the stage whose result was to have it. */
export function namesNothing(name: string, span: Span, before: CallStage | undefined, outs: readonly string[]): Diagnostic {
  const { source } = span;
  const written = before === undefined ? "stage" : source.text.slice(before.value.span.start, before.value.span.end);
  const labelled = before?.label;
  const help = labelled === undefined ? `the name of a result stands before its stage: \`${name}: ${written}\`` : `its name is \`${labelled.text}\``;
  const edits = [
    { span: { source, start: before?.span.start ?? span.start, end: before?.span.start ?? span.start }, replacement: `${name}: ` },
    { span: { source, start: before?.span.end ?? span.start, end: span.end }, replacement: "" },
  ];
  const isSimple = before !== undefined && labelled === undefined;
  return {
    ...plain,
    code: "RN101",
    message: `there is no block or output \`${name}\` here`,
    span,
    note: "not found",
    help: isSimple ? [`the outputs are ${outs.join(", ")}`] : [help, `the outputs are ${outs.join(", ")}`],
    fixes: isSimple ? [{ title: help, applicability: "maybe-incorrect", edits }] : [],
  };
}

/** RN404: a block that nothing leaves. */
export function noOutput(block: string, model: boolean, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN404",
    message: `${model ? "model" : "block"} \`${block}\` has no output`,
    span,
    note: "no `out` port in its body",
    help: ["declare one, `out y: [N, C, H, W]`, and end a chain with `-> y`"],
  };
}

/** RN410 */
export function neverUsed(what: string, name: string, span: Span): Diagnostic {
  return { ...plain, severity: "warning", code: "RN410", message: `${what} \`${name}\` is never used`, span, note: "nothing in the block names it" };
}

/** RN410: a chain that ends nowhere. */
export function unusedResult(span: Span): Diagnostic {
  return {
    ...plain,
    severity: "warning",
    code: "RN410",
    message: "the result of this chain is never used",
    span,
    note: "the chain ends here",
    help: ["end it with an `out` port, or label its last stage and use the label"],
  };
}

/** Methods of tensors elsewhere, and what does it here. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ...["view", "reshape"].map((name) => [name, "`reshape(x, [N, C*H*W])`, with the sizes written out"] as const),
  ["flatten", "`x -> flatten`"],
  ["size", "the names that the `in` port's pattern binds: `in x: [N, C, H, W]`"],
  ["shape", "the names that the `in` port's pattern binds: `in x: [N, C, H, W]`"],
  ...["permute", "transpose"].map((name) => [name, "`transpose(x, [0, 2, 1])`"] as const),
  ...["mean", "sum", "max", "min", "std", "var"].map((name) => [name, `\`${name}(x, axes: [2, 3])\``] as const),
]);

/** RN305: `x.view(-1)`. */
export function noMembers(span: Span, name: string, object: Value): Diagnostic {
  const instead = METHODS.get(name);
  return {
    ...plain,
    code: "RN305",
    message: `${describe(object)} has no member \`${name}\``,
    span,
    note: "only imported modules have members",
    help:
      object.kind === "tensor"
        ? [instead === undefined ? `operators are functions, \`${name}(x)\`, and layers stages, \`x -> ${name}\`` : `write ${instead}`]
        : [],
  };
}

export function usedBeforeComputed(name: string, span: Span, later: Span): Diagnostic {
  const { text } = span.source;
  const skip = /\bskip\s[^\n]*$/.test(text.slice(text.lastIndexOf("\n", span.start) + 1, span.start));
  return {
    ...plain,
    code: "RN401",
    message: `the data flow has a cycle: \`${name}\` is used here, but it is computed further on`,
    span,
    note: "flows backwards",
    labels: [{ span: later, text: `\`${name}\` is computed here` }],
    help: [
      skip
        ? "edges run forward only: let the skip start before the join that it enters"
        : "edges run forward only: move this behind the chain that computes it",
    ],
  };
}
