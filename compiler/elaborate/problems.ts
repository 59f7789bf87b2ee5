/** Diagnostics of elaboration: parameters, shapes, structure. One constructor per situation; codes are catalogued. */
import type { Diagnostic, Edit, Fix, Label } from "../../grammar/diagnostic.ts";
import { cover, type Span } from "../../grammar/source.ts";
import { formatRelation, formatWitness, type Witness } from "../check/solve.ts";
import { type Dim, formatDim } from "../ir/dim.ts";
import type { Relation } from "../ir/relation.ts";
import type { TypeProblem, TypeRelation } from "../operators/operator.ts";
import { closest } from "../resolve/closest.ts";
import { renameFix } from "../resolve/problems.ts";
import { describe, formatShape, type Origin, type TensorValue, type Value } from "./values.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

/** Axis names in PyTorch's order, for messages. */
export function axisName(axis: number, rank: number): string {
  if (axis === 0) return "batch";
  if (axis === 1) return rank === 2 ? "feature" : "channel";
  if (rank === 4) return axis === 2 ? "height" : "width";
  return rank === 3 ? "length" : `spatial ${axis - 2}`;
}

export function originText(dim: Dim, what: string): string {
  return `${formatDim(dim)}, from ${what}`;
}

export function originLabels(origins: readonly (Origin | undefined)[], primary: Span): Label[] {
  const labels: Label[] = [];
  for (const origin of origins) {
    if (origin === undefined) continue;
    if (origin.span.start === primary.start && origin.span.source === primary.source) continue;
    if (labels.some((label) => label.span.start === origin.span.start && label.text === origin.text)) continue;
    labels.push({ span: origin.span, text: origin.text });
  }
  return labels;
}

export function witnessText(relation: Relation, witness: Witness): string {
  const text = formatWitness(witness);
  return text === "" ? formatRelation(relation) : text;
}

export function unproved(relation: Relation, span: Span, message: string): Diagnostic {
  return {
    ...plain,
    severity: "hint",
    code: "RN220",
    message: `cannot prove that ${formatRelation(relation)} (${message})`,
    span,
    note: "checked when the sizes are known",
    help: [`add \`where ${formatRelation(relation)}\` to the block to state it`],
  };
}

export function relationFails(
  relation: TypeRelation,
  what: string,
  witness: string,
  span: Span,
  stage: string,
  inputs: readonly TensorValue[],
): Diagnostic {
  const code = relation.op === "divides" ? "RN213" : relation.op === "==" ? "RN205" : "RN207";
  const message =
    relation.op === "divides"
      ? `${stage}: ${formatDim(relation.divisor)} does not divide ${formatDim(relation.dividend)} (${what})`
      : relation.op === "=="
        ? `${stage}: ${what} must be equal, but ${formatDim(relation.left)} is not ${formatDim(relation.right)}`
        : `${stage}: ${what}, but ${formatDim(relation.left)} ${relation.op} ${formatDim(relation.right)} is false`;
  return {
    ...plain,
    code,
    message,
    span,
    note: witness,
    labels: originLabels(inputs.flatMap((input) => [...input.origins]), span),
  };
}

export function typeProblem(problem: TypeProblem, span: Span, stage: string, inputs: readonly TensorValue[]): Diagnostic {
  const code = { rank: "RN206", dtype: "RN306", axis: "RN208", arity: "RN303", attribute: "RN301" }[problem.kind];
  const input = problem.input === undefined ? undefined : inputs[problem.input];
  return {
    ...plain,
    code,
    message: `${stage}: ${problem.message}`,
    span,
    ...(input === undefined ? {} : { note: `got ${formatShape(input.type)}` }),
    labels: input === undefined ? [] : originLabels([...input.origins], span),
  };
}

// ── Parameters and values ────────────────────────────────────────────────────────────────────────────────────

export function wrongArgument(block: string, name: string, wanted: string, got: Value, span: Span, declared: Span | undefined): Diagnostic {
  return {
    ...plain,
    code: "RN301",
    message: `\`${block}\`: argument \`${name}\` must be ${wanted}, but it is ${describe(got)}`,
    span,
    note: `expected ${wanted}`,
    labels: declared === undefined ? [] : [{ span: declared, text: `\`${name}\` is declared here` }],
  };
}

export function unknownArgument(block: string, name: string, span: Span, known: readonly string[], declared: Span | undefined): Diagnostic {
  return {
    ...plain,
    code: "RN302",
    message: `\`${block}\` has no parameter \`${name}\``,
    span,
    note: "unknown parameter",
    labels: declared === undefined ? [] : [{ span: declared, text: `\`${block}\` is declared here` }],
    help: [known.length > 0 ? `its parameters are ${known.join(", ")}` : "it takes no parameters"],
    fixes: renameFix(span, closest(name, known)),
  };
}

export function missingArgument(block: string, name: string, wanted: string, span: Span, declared: Span | undefined): Diagnostic {
  return {
    ...plain,
    code: "RN303",
    message: `\`${block}\` needs a value for \`${name}\` (${wanted})`,
    span,
    note: `\`${name}\` is missing`,
    labels: declared === undefined ? [] : [{ span: declared, text: `\`${name}\` has no default` }],
  };
}

export function surplusArgument(block: string, most: number, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN304",
    message: `\`${block}\` takes ${most === 0 ? "no" : `at most ${most}`} positional argument${most === 1 ? "" : "s"}`,
    span,
    note: "one too many",
  };
}

export function repeatedArgument(block: string, name: string, span: Span): Diagnostic {
  return { ...plain, code: "RN304", message: `\`${block}\`: \`${name}\` is given twice`, span, note: "given again" };
}

export function wrongKind(span: Span, wanted: string, got: Value): Diagnostic {
  return { ...plain, code: "RN305", message: `expected ${wanted}, found ${describe(got)}`, span, note: `not ${wanted}` };
}

export function badOperands(span: Span, operator: string, left: Value, right: Value): Diagnostic {
  return {
    ...plain,
    code: "RN305",
    message: `\`${operator}\` cannot combine ${describe(left)} and ${describe(right)}`,
    span,
    note: "operands do not fit",
  };
}

export function undecided(span: Span, condition: string): Diagnostic {
  return {
    ...plain,
    code: "RN307",
    message: `the condition ${condition} depends on a size that is not fixed`,
    span,
    note: "true for some sizes only",
    help: ["fix the size with `--dim`, or state a `where` that decides it"],
  };
}

export function notConstant(span: Span, what: string, got: Value): Diagnostic {
  return { ...plain, code: "RN308", message: `${what} must be a known number, but it is ${describe(got)}`, span, note: "not known here" };
}

export function dtypeMismatch(span: Span, what: string, expected: string, got: string): Diagnostic {
  return { ...plain, code: "RN306", message: `${what}: expected dtype ${expected}, found ${got}`, span, note: `${got}, not ${expected}` };
}

// ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────

export function usedBeforeComputed(name: string, span: Span, later: Span): Diagnostic {
  return {
    ...plain,
    code: "RN401",
    message: `the data flow has a cycle: \`${name}\` is used here, but it is computed further on`,
    span,
    note: "flows backwards",
    labels: [{ span: later, text: `\`${name}\` is computed here` }],
    help: ["edges run forward only: let the skip start before the join it enters"],
  };
}

// ── Ports ────────────────────────────────────────────────────────────────────────────────────────────────────

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

export function wrongInputCount(block: string, wanted: number, got: number, span: Span, declared: Span): Diagnostic {
  return {
    ...plain,
    code: "RN303",
    message: `\`${block}\` takes ${wanted} input${wanted === 1 ? "" : "s"}, but ${got} ${got === 1 ? "is" : "are"} given`,
    span,
    note: `${got} given`,
    labels: [{ span: declared, text: `\`${block}\` is declared here` }],
  };
}

export function outputContradicts(port: string, declared: string, got: TensorValue, witness: string, span: Span, at: Span): Diagnostic {
  return {
    ...plain,
    code: "RN209",
    message: `output \`${port}\` is declared ${declared}, but the body gives ${formatShape(got.type)}`,
    span,
    note: witness === "" ? "declared here" : witness,
    labels: [{ span: at, text: `${formatShape(got.type)} arrives here` }, ...originLabels([...got.origins], span)],
  };
}

export function outputNeverAssigned(port: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN404",
    message: `output \`${port}\` is never given a value`,
    span,
    note: "no chain ends here",
    help: [`end a chain with \`-> ${port}\``],
  };
}

export function assignedTwice(name: string, span: Span, first: Span): Diagnostic {
  return {
    ...plain,
    code: "RN405",
    message: `output \`${name}\` is given a value twice`,
    span,
    note: "second value",
    labels: [{ span: first, text: "first value" }],
  };
}

export function whereFails(block: string, condition: string, witness: string, span: Span, conditionSpan: Span): Diagnostic {
  return {
    ...plain,
    code: "RN211",
    message: `\`${block}\` requires \`${condition}\`, which does not hold here`,
    span,
    note: witness === "" ? "required condition is false" : witness,
    labels: [{ span: conditionSpan, text: `required by \`${block}\`` }],
  };
}

export function inexactDivision(dividend: Dim, divisor: Dim, witness: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN212",
    message: `${formatDim(dividend)} / ${formatDim(divisor)} leaves a remainder`,
    span,
    note: witness,
    help: [`write \`floor(${formatDim(dividend)}/${formatDim(divisor)})\`, or state \`where ${formatDim(dividend)} % ${formatDim(divisor)} == 0\``],
  };
}

// ── Joins and skips ──────────────────────────────────────────────────────────────────────────────────────────

export interface JoinSide {
  readonly edge: string;
  readonly value: TensorValue;
}

export function joinSizes(
  code: "RN201" | "RN202" | "RN204",
  skip: JoinSide,
  join: JoinSide,
  axis: number,
  witness: string,
  span: Span,
  mainSpan: Span,
  fixes: readonly Fix[],
): Diagnostic {
  const rank = join.value.type.shape.length;
  const carried = skip.value.type.shape[axis] ?? 0;
  const wanted = join.value.type.shape[axis] ?? 0;
  const name = axisName(axis, rank);
  const unit = code === "RN201" ? `${formatDim(carried)} channels` : `${name} ${formatDim(carried)}`;
  const joinUnit = code === "RN201" ? formatDim(wanted) : `${name} ${formatDim(wanted)}`;
  return {
    ...plain,
    code,
    message: `skip \`${skip.edge}\` carries ${unit}; join \`${join.edge}\` has ${joinUnit}`,
    span,
    note: `${formatDim(carried)} ≠ ${formatDim(wanted)} (axis \`${name}\`)${witness === "" ? "" : `: ${witness}`}`,
    labels: [
      ...originLabels([skip.value.origins[axis]], span),
      ...originLabels([join.value.origins[axis] ?? { span: mainSpan, text: formatDim(wanted) }], span),
    ],
    fixes,
  };
}

export function joinRanks(skip: JoinSide, join: JoinSide, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN214",
    message: `skip \`${skip.edge}\` carries ${formatShape(skip.value.type)}; join \`${join.edge}\` has ${formatShape(join.value.type)}`,
    span,
    note: `rank ${skip.value.type.shape.length} ≠ rank ${join.value.type.shape.length}`,
    labels: [...originLabels([...skip.value.origins], span), ...originLabels([...join.value.origins], span)],
    help: ["a merge never broadcasts: bring both sides to one rank first"],
  };
}

export function projectImpossible(skip: JoinSide, join: JoinSide, axis: number, span: Span): Diagnostic {
  const rank = join.value.type.shape.length;
  return {
    ...plain,
    code: "RN203",
    message: `no stride takes skip \`${skip.edge}\` from ${axisName(axis, rank)} ${formatDim(skip.value.type.shape[axis] ?? 0)} to ${formatDim(join.value.type.shape[axis] ?? 0)} of join \`${join.edge}\``,
    span,
    note: "a projection divides each size by a whole stride, rounding up",
    labels: [...originLabels([skip.value.origins[axis]], span), ...originLabels([join.value.origins[axis]], span)],
  };
}

export function projectStride(given: Dim, needed: Dim, gives: Dim, wanted: Dim, origins: readonly (Origin | undefined)[], span: Span, edits: readonly Edit[]): Diagnostic {
  return {
    ...plain,
    code: "RN203",
    message: `\`project(stride: ${formatDim(given)})\` gives size ${formatDim(gives)}; the join has ${formatDim(wanted)}`,
    span,
    note: `gives ${formatDim(gives)}, not ${formatDim(wanted)}`,
    labels: originLabels(origins, span),
    fixes: edits.length === 0 ? [] : [{ title: `stride: ${formatDim(needed)}`, applicability: "safe", edits }],
  };
}

export function noSuchJoin(name: string, span: Span, joins: readonly string[]): Diagnostic {
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

export function joinWithoutSkip(name: string, dropped: boolean, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN402",
    message: dropped
      ? `join \`${name}\` drops its main path at random, but no skip enters it: nothing would be left`
      : `no skip enters join \`${name}\``,
    span,
    note: "nothing to merge",
    help: [`add \`skip x -> ${name}\``],
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

export function notAStage(span: Span, got: Value): Diagnostic {
  return {
    ...plain,
    code: "RN305",
    message: `${describe(got)} cannot be a stage of a chain`,
    span,
    note: "not a block or operator",
    help: ["a stage is a block, an operator, a join, or at the end an `out` port"],
  };
}

export function noInput(span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN407",
    message: "nothing flows into this chain",
    span,
    note: "starts with a stage",
    help: ["begin the chain with a value: `x -> ...`; only the body of a repeat, stages or if starts from `it`"],
  };
}

export function repeatChangesShape(span: Span, first: string, second: string): Diagnostic {
  return {
    ...plain,
    code: "RN215",
    message: `the sizes after this repeat cannot be given for every count: one round takes ${first} to ${second}`,
    span,
    note: "not a constant change per round",
    severity: "hint",
  };
}

export function unknownDim(name: string, known: readonly string[], span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN309",
    message: `the model has no dim \`${name}\` to fix`,
    span,
    help: [known.length > 0 ? `its free dims are ${known.join(", ")}` : "all its dims are fixed"],
  };
}

export function spanOf(first: Span, last: Span): Span {
  return cover(first, last);
}
