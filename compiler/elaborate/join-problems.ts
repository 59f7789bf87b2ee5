/** Diagnostics of joins and skips: sizes that differ, projections that cannot be, joins without skips. */
import type { Diagnostic, Edit, Fix, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { Witness } from "../check/solve.ts";
import { constantOf, type Dim, evaluate, formatDim, mul, symbolsOf } from "../ir/dim.ts";
import { closest } from "../../grammar/closest.ts";
import { renameFix } from "../resolve/problems.ts";
import { samePlace } from "./anchor.ts";
import { originLabels, originText, stepsOf } from "./origins.ts";
import { axisName } from "./problems.ts";
import { formatShape, type Origin, type TensorValue } from "./values.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

/** One end of a skip: what arrives over the edge, or what the join has. */
export interface JoinSide {
  readonly edge: string;
  readonly value: TensorValue;
}

export interface JoinMismatch {
  readonly code: "RN201" | "RN202" | "RN204";
  readonly skip: JoinSide;
  readonly join: JoinSide;
  readonly axis: number;
  readonly witness: string;
  /** The skip statement. */
  readonly span: Span;
  readonly mainSpan: Span;
  readonly help: readonly string[];
  readonly fixes: readonly Fix[];
}

/** RN201 channels, RN202 other sizes, RN204 sizes beside the axis of a concat. */
export function joinSizes({ code, skip, join, axis, witness, span, mainSpan, help, fixes }: JoinMismatch): Diagnostic {
  const rank = join.value.type.shape.length;
  const carried = formatDim(skip.value.type.shape[axis] ?? 0);
  const wanted = formatDim(join.value.type.shape[axis] ?? 0);
  const name = axisName(axis, rank);
  const [unit, joinUnit] = code === "RN201" ? [`${carried} channels`, wanted] : [`${name} ${carried}`, `${name} ${wanted}`];
  const shown = witness === "" || witness === `${carried} vs ${wanted}` ? "" : `: ${witness}`;
  const main = sizeLabel(join.value.origins[axis], axis, span);
  return {
    ...plain,
    code,
    message: `skip \`${skip.edge}\` carries ${unit}; join \`${join.edge}\` has ${joinUnit}`,
    span,
    note: `${carried} ≠ ${wanted} (axis \`${name}\`)${shown}`,
    labels: [...sizeLabel(skip.value.origins[axis], axis, span), ...(main.length > 0 ? main : [{ span: mainSpan, text: `${wanted} here` }])],
    help,
    fixes,
  };
}

/** Channels say what made them; sizes say the way they went: `75 → 38, by conv(...)`. */
function sizeLabel(origin: Origin | undefined, axis: number, primary: Span): Label[] {
  if (origin === undefined || axis < 2) return originLabels([origin], primary);
  if (samePlace(origin.span, primary)) return [];
  const way = stepsOf(origin).map((step) => formatDim(step.dim));
  const shown = way.length > 8 ? [...way.slice(0, 2), "…", ...way.slice(-5)] : way;
  return [{ span: origin.span, text: origin.by === undefined ? originText(origin) : `${shown.join(" → ")}, by ${origin.by()}` }];
}

export function joinRanks(skip: JoinSide, join: JoinSide, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN214",
    message: `skip \`${skip.edge}\` carries ${formatShape(skip.value.type)}; join \`${join.edge}\` has ${formatShape(join.value.type)}`,
    span,
    note: `rank ${skip.value.type.shape.length} ≠ rank ${join.value.type.shape.length}`,
    labels: originLabels([...skip.value.origins, ...join.value.origins], span),
    help: ["a merge never broadcasts: bring both sides to one rank first"],
  };
}

/** RN203; at the witness's sizes every stride misses. */
export function projectImpossible(skip: JoinSide, join: JoinSide, axis: number, witness: Witness, span: Span): Diagnostic {
  const name = axisName(axis, join.value.type.shape.length);
  const [from, to] = [skip.value.type.shape[axis] ?? 0, join.value.type.shape[axis] ?? 0];
  const [size, wanted] = [formatDim(from), formatDim(to)];
  const values = new Map([...symbolsOf(from), ...symbolsOf(to)].map(([id, { name: shown }]) => [id, witness.bindings.get(shown) ?? 1]));
  const at = [...witness.bindings]
    .slice(0, witness.own ?? witness.bindings.size)
    .map(([shown, value]) => `${shown} = ${value}`)
    .join(", ");
  return {
    ...plain,
    code: "RN203",
    message: `no stride takes skip \`${skip.edge}\` from ${name} ${size} to ${name} ${wanted} of join \`${join.edge}\``,
    span,
    note: at === "" ? `${size} to ${wanted}` : `${at}: ${evaluate(from, values)} to ${evaluate(to, values)}`,
    labels: [...sizeLabel(skip.value.origins[axis], axis, span), ...sizeLabel(join.value.origins[axis], axis, span)],
    help: ["a projection divides each size by one whole stride, rounding up"],
  };
}

export interface StrideMismatch {
  readonly given: Dim;
  /** The one stride that fits, if there is one. */
  readonly needed: number | undefined;
  readonly gives: Dim;
  readonly axis: number;
  readonly sides: { readonly skip: JoinSide; readonly join: JoinSide };
  /** Sizes for which the written stride misses; empty for numbers. */
  readonly witness: string;
  /** The written stride. */
  readonly span: Span;
}

/** RN203 where a stride was written: the right one is a safe fix. */
export function projectStride({ given, needed, gives, axis, sides, witness, span }: StrideMismatch): Diagnostic {
  const { skip, join } = sides;
  const name = axisName(axis, join.value.type.shape.length);
  const wanted = formatDim(join.value.type.shape[axis] ?? 0);
  const edits: Edit[] = needed === undefined ? [] : [{ span, replacement: String(needed) }];
  return {
    ...plain,
    code: "RN203",
    message: `\`project(stride: ${formatDim(given)})\` gives ${name} ${formatDim(gives)}; join \`${join.edge}\` has ${name} ${wanted}`,
    span,
    note: `gives ${formatDim(gives)}, not ${wanted}${witness}`,
    labels: [...sizeLabel(skip.value.origins[axis], axis, span), ...sizeLabel(join.value.origins[axis], axis, span)],
    help: needed === undefined ? ["no whole stride fits: `pad` or pool one of the two paths"] : [],
    fixes: needed === undefined ? [] : [{ title: `write \`stride: ${needed}\``, applicability: "safe", edits }],
  };
}

/** RN403; `other` is what has the name instead: a stage or an output. */
export function noSuchJoin(
  name: string,
  span: Span,
  joins: readonly string[],
  other: { readonly what: string; readonly span: Span } | undefined,
): Diagnostic {
  if (other !== undefined)
    return {
      ...plain,
      code: "RN403",
      message: `a skip enters a join, and \`${name}\` is ${other.what}`,
      span,
      note: "not a join",
      labels: [{ span: other.span, text: `\`${name}\` is declared here` }],
      help: [
        `put a join where the two paths meet, \`-> join sum: add\`, and let the skip enter it${joins.length > 0 ? `; joins here: ${joins.join(", ")}` : ""}`,
      ],
      fixes: joins.length === 1 && joins[0] !== undefined ? renameFix(span, joins[0]) : [],
    };
  return {
    ...plain,
    code: "RN403",
    message: `there is no join \`${name}\` in this body for the skip to enter`,
    span,
    note: "no such join",
    help: [joins.length > 0 ? `joins here: ${joins.join(", ")}` : `add \`-> join ${name}: add\` to a chain`],
    fixes: renameFix(span, closest(name, joins)),
  };
}

/** `from`: a value that a skip could start from. */
export function joinWithoutSkip(name: string, dropped: boolean, from: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN402",
    message: dropped
      ? `join \`${name}\` drops its main path at random, but no skip enters it: nothing would be left`
      : `no skip enters join \`${name}\``,
    span,
    note: "nothing to merge",
    help: [`add \`skip ${from} -> ${name}\``],
  };
}

export function unknownMerge(name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN406",
    message: `there is no merge \`${name}\``,
    span,
    note: "unknown merge",
    help: [`merges are ${known.join(", ")}`],
    fixes: renameFix(span, closest(name, known)),
  };
}

/** How many weights a 1×1 convolution between these channels holds: `16 384`. */
export function projectionWeights(from: Dim, to: Dim): string {
  const weights = mul(from, to);
  const constant = constantOf(weights);
  return constant === undefined ? formatDim(weights) : String(constant).replace(/\B(?=(\d{3})+$)/g, " ");
}
