/** Diagnostics of ports: what arrives, what is given, and how many. One constructor per situation; codes are catalogued. */
import type { ShapeType } from "../../grammar/ast.ts";
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { type Dim, formatDim } from "../ir/dim.ts";
import { samePlace } from "./anchor.ts";
import { originLabels } from "./origins.ts";
import { formatShape, type Origin, type TensorValue } from "./values.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

export function inputRank(block: string, port: string, declared: string, got: TensorValue, span: Span, portSpan: Span): Diagnostic {
  return {
    ...plain,
    code: "RN206",
    message: `\`${block}\` takes ${declared}, but it is given ${formatShape(got.type)}`,
    span,
    note: `rank ${got.type.shape.length}: ${formatShape(got.type)}`,
    labels: [{ span: portSpan, text: `port \`${port}\` of \`${block}\`` }, ...originLabels([...got.origins], span)],
  };
}

/** RN206 at the `in` port of the model: its tensor lacks an axis that a stage needs. */
export function inputShort(
  block: string,
  declared: string,
  input: string,
  type: ShapeType,
  got: TensorValue,
  useSpan: Span,
  portSpan: Span,
): Diagnostic {
  return {
    ...plain,
    code: "RN206",
    message: `input \`${input}\` is ${formatShape(got.type)}, but \`${block}\` takes ${declared}`,
    span: type.span,
    note: `rank ${got.type.shape.length}, one axis short`,
    labels: [
      { span: useSpan, text: `needs ${declared}` },
      { span: portSpan, text: `declared by \`${block}\`` },
    ],
    help: ["tensors are [batch, channels, ...spatial]"],
    fixes: [insertAxis(type, type.dims[0]?.value.kind === "NumberLiteral")],
  };
}

/** RN206 as a warning: layers over any number of spatial axes would take this picture as a sequence. */
export function inputLacksAxis(input: string, type: ShapeType, batch: boolean): Diagnostic {
  const { source, start, end } = type.span;
  return {
    ...plain,
    severity: "warning",
    code: "RN206",
    message: `input \`${input}: ${source.text.slice(start, end)}\` looks like a picture without its ${batch ? "batch" : "channel"} axis`,
    span: type.span,
    note: "rank 3: read as [batch, channels, length]",
    help: ["a picture is [batch, channels, height, width]"],
    fixes: [insertAxis(type, batch)],
  };
}

function insertAxis(type: ShapeType, batch: boolean): Fix {
  const at = (batch ? type.dims[0]?.span : type.dims[1]?.span) ?? type.span;
  const edits = [{ span: { ...at, end: at.start }, replacement: batch ? "N, " : "1, " }];
  return { title: `insert ${batch ? "a batch axis `N`" : "an axis of one channel"}`, applicability: "maybe-incorrect", edits };
}

export function inputContradicts(
  block: string,
  port: string,
  axis: string,
  declared: Dim,
  got: Dim,
  witness: string,
  span: Span,
  portSpan: Span,
  origin: Origin | undefined,
): Diagnostic {
  return {
    ...plain,
    code: "RN210",
    message: `\`${block}\`: port \`${port}\` declares ${axis} size ${formatDim(declared)}, but ${formatDim(got)} arrives`,
    span,
    note: witness === "" ? `${formatDim(got)} ≠ ${formatDim(declared)}` : witness,
    labels: [{ span: portSpan, text: `declared here: ${formatDim(declared)}` }, ...originLabels([origin], span)],
  };
}

/** `missing`: a parameter that has no value, for which a tensor may have been meant. */
export function wrongInputCount(block: string, wanted: number, got: number, span: Span, declared: Span, missing: string | undefined): Diagnostic {
  const isStage = span.source.text.slice(0, span.start).trimEnd().endsWith("->");
  return {
    ...plain,
    code: "RN303",
    message: `\`${block}\` takes ${wanted} input${wanted === 1 ? "" : "s"}, but ${got} ${got === 1 ? "is" : "are"} given`,
    span,
    note: `${got} given`,
    labels: [{ span: declared, text: `\`${block}\` is declared here` }],
    help: [
      ...(missing === undefined ? [] : [`its parameter \`${missing}\` has no value`]),
      ...(got > wanted && isStage
        ? ["in a chain what flows is the first input, and further tensors are arguments; of several results one is taken by `let (a, b) = …`"]
        : []),
    ],
  };
}

/** RN209; `axis` is the one that differs, undefined where the ranks do. */
export function outputContradicts(
  port: string,
  declared: string,
  got: TensorValue,
  axis: number | undefined,
  witness: string,
  span: Span,
  at: Span,
  fixes: readonly Fix[],
): Diagnostic {
  const origins = axis === undefined ? got.origins : got.origins.slice(axis, axis + 1);
  return {
    ...plain,
    code: "RN209",
    message: `output \`${port}\` is declared ${declared}, but the body gives ${formatShape(got.type)}`,
    span,
    note: witness === "" ? "declared here" : witness,
    labels: [{ span: at, text: `${formatShape(got.type)} arrives here` }, ...originLabels(origins, span)],
    fixes,
  };
}

export function outputNeverAssigned(port: string, span: Span, fixes: readonly Fix[]): Diagnostic {
  return {
    ...plain,
    code: "RN404",
    message: `output \`${port}\` is never given a value`,
    span,
    note: "no chain ends here",
    help: fixes.length > 0 ? [] : [`end a chain with \`-> ${port}\``],
    fixes,
  };
}

export function assignedTwice(name: string, span: Span, first: Span): Diagnostic {
  const rounds = samePlace(span, first);
  return {
    ...plain,
    code: "RN405",
    message: rounds ? `output \`${name}\` is given a value in every round of a repeat` : `output \`${name}\` is given a value twice`,
    span,
    note: rounds ? "again in each round" : "second value",
    labels: rounds ? [] : [{ span: first, text: "first value" }],
    help: rounds ? ["end the repeat first: `repeat n { ... } -> y`"] : [],
  };
}
