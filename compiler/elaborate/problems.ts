/** Diagnostics of elaboration: parameters, shapes, ports. One constructor per situation; codes are catalogued. */
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { formatRelation, formatWitness, type Witness } from "../check/solve.ts";
import { type Dim, constantOf, formatDim, sameDim } from "../ir/dim.ts";
import type { Relation } from "../ir/relation.ts";
import type { TensorType } from "../ir/type.ts";
import type { TypeProblem, TypeRelation } from "../operators/operator.ts";
import { closest } from "../../grammar/closest.ts";
import { renameFix } from "../resolve/problems.ts";
import { unquoteFix } from "./argument-problems.ts";
import { originLabels } from "./origins.ts";
import { describe, formatShape, type Origin, type TensorValue, type Value } from "./values.ts";
import { windowAxis, windowTooLarge } from "./window-problems.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

/** Axis names in PyTorch's order, for messages. */
export function axisName(axis: number, rank: number): string {
  if (axis === 0) return "batch";
  if (axis === 1) return rank === 2 ? "feature" : "channel";
  if (rank === 4) return axis === 2 ? "height" : "width";
  return rank === 3 ? "length" : `spatial ${axis - 2}`;
}

export function witnessText(relation: Relation, witness: Witness): string {
  const text = formatWitness(witness);
  return text === "" ? formatRelation(relation) : text;
}

/** RN220; `fixes` state the relation where it has names. */
export function unproved(relation: Relation, span: Span, message: string, fixes: readonly Fix[]): Diagnostic {
  return {
    ...plain,
    severity: "hint",
    code: "RN220",
    message: `cannot prove that ${formatRelation(relation)} (${message})`,
    span,
    note: "checked when the sizes are known",
    fixes,
  };
}

export function relationFails(
  relation: TypeRelation,
  what: string,
  witness: string,
  span: Span,
  stage: string,
  inputs: readonly TensorValue[],
  /** Where it is told, if not at `span`. */
  place: Span = span,
): Diagnostic {
  const labels = originLabels(concerned(inputs, relation), span);
  const found = { ...plain, span, note: witness, labels };
  if (relation.op === "divides") {
    const { divisor, dividend } = relation;
    return { ...found, code: "RN213", message: `${stage}: ${formatDim(divisor)} does not divide ${formatDim(dividend)} (${what})` };
  }
  const [left, right] = [formatDim(relation.left), formatDim(relation.right)];
  if (relation.op === "==") return { ...found, code: "RN205", message: `${stage}: ${what} must be equal, but ${left} is not ${right}` };
  const axis = windowAxis(what);
  if (axis === undefined)
    return {
      ...found,
      code: "RN215",
      message: `${stage}: ${what} must be ${relation.op === ">=" ? "at least" : "at most"} ${right}, but it is ${left}`,
    };
  return windowTooLarge({ relation, axis, witness, span, place, stage, input: inputs[0] });
}

/** The sizes that the relation compares, or that are factors of them; all where none is found. */
function concerned(inputs: readonly TensorValue[], relation: TypeRelation): readonly (Origin | undefined)[] {
  const sides = relation.op === "divides" ? [relation.divisor, relation.dividend] : [relation.left, relation.right];
  const origins = inputs.flatMap((input) => [...input.origins]);
  const takesPart = (dim: Dim): boolean =>
    sides.some((side) => sameDim(side, dim) || (typeof side === "number" && typeof dim === "number" && dim > 3 && side % dim === 0));
  const found = origins.filter((origin) => origin !== undefined && takesPart(origin.dim));
  return found.length > 0 ? found : origins;
}

export function typeProblem(problem: TypeProblem, span: Span, stage: string, inputs: readonly TensorValue[]): Diagnostic {
  const code = { rank: "RN206", dtype: "RN306", axis: "RN301", arity: "RN303", attribute: "RN301" }[problem.kind];
  const input = problem.input === undefined ? undefined : inputs[problem.input];
  return {
    ...plain,
    code,
    message: `${stage}: ${problem.message}`,
    span,
    ...(input === undefined ? {} : { note: `got ${formatShape(input.type)}` }),
    labels: input === undefined || problem.kind === "dtype" ? [] : originLabels([...input.origins], span),
    help: /must hold real numbers, not i/.test(problem.message)
      ? ['`embedding(count, size)` has a trained row for each index; `cast(x, "f32")` makes a real number of it']
      : [],
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
    help: instead(block, wanted, got),
    fixes: got.kind === "string" && wanted === "a block" ? unquoteFix(got.value, span) : [],
  };
}

/** What was probably meant by an argument of the wrong kind. */
function instead(block: string, wanted: string, got: Value): readonly string[] {
  if (got.kind === "string" && wanted === "a block") return [`blocks are named without quotes: \`${got.value}\``];
  if (block === "reshape" && got.kind === "string") return [`a pattern of axes is for \`rearrange(x, "n c h w -> n (c h w)")\``];
  const given = got.kind === "list" ? got.elements : [got];
  const isSize = given.some((each) => each.kind === "dim" && constantOf(each.dim) === undefined);
  if (/^(sum|mean|max|min|prod|var|std|logsumexp)$/.test(block) && isSize)
    return [`an axis is its position, \`axes: [1]\`; by names it is \`${block}(x, "n p c -> n c")\``];
  return [];
}

export function unknownArgument(
  block: string,
  name: string,
  span: Span,
  known: readonly string[],
  declared: Span | undefined,
  /** What is meant if nothing is near. */
  meant?: string,
): Diagnostic {
  return {
    ...plain,
    code: "RN302",
    message: `\`${block}\` has no parameter \`${name}\``,
    span,
    note: "unknown parameter",
    labels: declared === undefined ? [] : [{ span: declared, text: `\`${block}\` is declared here` }],
    help: [known.length > 0 ? `its parameters are ${known.join(", ")}` : "it takes no parameters"],
    fixes: renameFix(span, closest(name, known) ?? known.find((each) => each.length >= 4 && name.split("_").includes(each)) ?? meant),
  };
}

export function missingArgument(block: string, name: string, wanted: string, span: Span, declared: Span | undefined): Diagnostic {
  return {
    ...plain,
    code: "RN303",
    message: `\`${block}\` needs a value for \`${name}\`: ${wanted}`,
    span,
    note: `\`${name}\` is missing`,
    labels: declared === undefined ? [] : [{ span: declared, text: `\`${name}\` has no default` }],
  };
}

/** `inputs`: how many of the positional ones are the tensors that it is applied to. */
export function surplusArgument(block: string, most: number, given: number, span: Span, inputs = 0): Diagnostic {
  const own = Math.max(0, most - inputs);
  const beside = inputs === 0 ? "" : inputs === 1 ? " besides its input" : " besides its inputs";
  return {
    ...plain,
    code: "RN304",
    message: `\`${block}\` takes ${own === 0 ? "no" : `at most ${own}`} positional argument${own === 1 ? "" : "s"}${beside}`,
    span,
    note: given === most + 1 ? "one too many" : `${given - most} too many, from here on`,
  };
}

export function repeatedArgument(block: string, name: string, span: Span): Diagnostic {
  return { ...plain, code: "RN304", message: `\`${block}\`: \`${name}\` is given twice`, span, note: "given again" };
}

export function wrongKind(span: Span, wanted: string, got: Value): Diagnostic {
  return { ...plain, code: "RN305", message: `expected ${wanted}, found ${describe(got)}`, span, note: `not ${wanted}` };
}

/** RN305: `(w, n)` for an element that is one value, or of another number of them. */
export function patternMismatch(span: Span, wanted: number, got: Value): Diagnostic {
  const name = /^\(\s*(\w+)/.exec(span.source.text.slice(span.start, span.end))?.[1] ?? "x";
  const isOne = got.kind !== "tuple" && got.kind !== "list" && got.kind !== "pack";
  return {
    ...plain,
    code: "RN305",
    message: `the pattern takes ${wanted} values, but an element of the list is ${describe(got)}`,
    span,
    note: `${wanted} names`,
    help: isOne ? [`for one value write a name, \`${name}\`, or give each element ${wanted} values, \`(a, b)\``] : [],
  };
}

/** RN305: `x[0]` of a tensor. */
export function indexedTensor(span: Span, tensor: Value): Diagnostic {
  return {
    ...wrongKind(span, "a list", tensor),
    help: ["a part of a tensor is `slice(x, axis: 0, start: i, size: 1)`; `squeeze(…, 0)` drops its axis"],
  };
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
  const isSize = got.kind === "dim";
  return {
    ...plain,
    code: "RN308",
    message: `${what} must be a known number, but it is ${describe(got)}`,
    span,
    note: "not known here",
    help: isSize ? ["make it a parameter, or fix the size: a number in the `in` port, or `--dim`"] : [],
  };
}

/** `written`: the dtype in the source, if it may be written otherwise. */
export function dtypeMismatch(span: Span, what: string, expected: string, got: string, written?: Span): Diagnostic {
  const title = `write \`${expected}\``;
  const fixes: Fix[] = written === undefined ? [] : [{ title, applicability: "maybe-incorrect", edits: [{ span: written, replacement: expected }] }];
  return { fixes, ...dtypeFound(span, what, expected, got) };
}

function dtypeFound(span: Span, what: string, expected: string, got: string): Omit<Diagnostic, "fixes"> {
  const { severity, labels, help } = plain;
  return {
    severity,
    labels,
    help,
    code: "RN306",
    message: `${what}: expected dtype ${expected}, found ${got}`,
    span,
    note: `${got}, not ${expected}`,
  };
}

// ── Conditions, stages, limits ───────────────────────────────────────────────────────────────────────────────

/** RN211: a block's `where` is false for this use; `values` are the sizes it names. */
export function whereFails(
  block: string,
  condition: string,
  values: readonly { readonly name: string; readonly dim: Dim }[],
  witness: string,
  span: Span,
  conditionSpan: Span,
  origins: readonly (Origin | undefined)[],
  fixes: readonly Fix[],
): Diagnostic {
  // `C = C` says nothing: a name that stands for itself has its value in the witness.
  const sizes = values
    .filter(({ name, dim }) => name !== formatDim(dim))
    .map(({ name, dim }) => `${name} = ${formatDim(dim)}`)
    .join(", ");
  const symbolic = values.some(({ dim }) => typeof dim !== "number");
  const written = span.start === conditionSpan.start && span.source === conditionSpan.source;
  return {
    ...plain,
    code: "RN211",
    message: written
      ? `\`${block}\` requires \`${condition}\`, which never holds`
      : `\`${block}\` requires \`${condition}\`, which does not hold here`,
    span,
    note: [sizes, symbolic && witness !== "" ? `fails for ${witness}` : ""].filter((part) => part !== "").join("; ") || "required condition is false",
    labels: [...originLabels(origins, span), ...(written ? [] : [{ span: conditionSpan, text: `required by \`${block}\`` }])],
    fixes,
  };
}

export interface ArgumentContradiction {
  readonly block: string;
  readonly argument: string;
  readonly given: Dim;
  readonly arrives: Dim;
  readonly origin: Origin | undefined;
  /** The argument with its name. */
  readonly span: Span;
  readonly declared: Span;
  readonly safe: boolean;
  /** What to delete. */
  readonly deletion: Span;
}

/** RN205: an argument states a size that the tensor itself contradicts. */
export function argumentContradicts(found: ArgumentContradiction): Diagnostic {
  const { block, argument, given, arrives, origin, span, declared, safe, deletion } = found;
  return {
    ...plain,
    code: "RN205",
    message: `\`${block}\` is told \`${argument}: ${formatDim(given)}\`, but ${formatDim(arrives)} arrives`,
    span,
    note: `${formatDim(given)} ≠ ${formatDim(arrives)}`,
    labels: [...originLabels([origin], span), { span: declared, text: `\`${argument}\` may be left out` }],
    fixes: [
      {
        title: `delete \`${argument}: ${formatDim(given)}\`: the size follows from what arrives`,
        applicability: safe ? "safe" : "maybe-incorrect",
        edits: [{ span: deletion, replacement: "" }],
      },
    ],
  };
}

export interface SharedShapes {
  readonly label: string;
  readonly tensor: string;
  /** In the first use, and in this one. */
  readonly shapes: readonly [readonly Dim[], readonly Dim[]];
  readonly note: string;
  readonly span: Span;
  readonly first: Span;
  /** What flows into this use, and into the first. */
  readonly arrives: TensorType | undefined;
  readonly arrived: TensorType | undefined;
}

/** RN205: one label used with inputs for which its tensors would differ. */
export function sharedShapes({ label, tensor, shapes, note, span, first, arrives, arrived }: SharedShapes): Diagnostic {
  const [before, now] = shapes.map((shape) => `[${shape.map(formatDim).join(", ")}]`);
  const text = (type: TensorType | undefined): string => (type === undefined ? "" : ` for ${formatShape(type)}`);
  return {
    ...plain,
    code: "RN205",
    message: `\`${label}\` is used twice with one \`${tensor}\`, which would be ${now}${text(arrives)} here and ${before} in its first use`,
    span,
    note,
    labels: [{ span: first, text: `\`${tensor}\` is ${before}${text(arrived)}` }],
    help: ["a label's block has one set of weights; for weights of its own write the block again, without the label"],
  };
}

/** RN212; `fixes` state that there is no remainder. */
export function inexactDivision(dividend: Dim, divisor: Dim, witness: string, span: Span, fixes: readonly Fix[]): Diagnostic {
  return {
    ...plain,
    code: "RN212",
    message: `${formatDim(dividend)} / ${formatDim(divisor)} leaves a remainder`,
    span,
    note: witness,
    help: [`${fixes.length > 0 ? "or round" : "round"}: \`floor(${formatDim(dividend)}/${formatDim(divisor)})\`, \`ceil(…)\``],
    fixes,
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

/** RN409: more rounds, elements or levels than any network has; stops what would not end. */
export function tooLarge(what: string, limit: number, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN409",
    message: `${what}: more than ${limit}`,
    span,
    note: `at most ${limit}`,
    help: ["this is a limit of the compiler"],
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
