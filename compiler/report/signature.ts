/**
 * What the checker knows of a block: its ports with their shapes, its conditions, and those it inferred.
 * Invariant: a shape that the source states is shown as stated, for the check proved it; one that it leaves out is shown
 * as inferred, with `inferred` set.
 */
import type { Block, InPort, OutPort, Parameter, Statement } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { formatRelation } from "../check/solve-relation.ts";
import type { CheckedBlock } from "../elaborate/elaborate.ts";
import { formatDim } from "../ir/dim.ts";
import type { Instance } from "../ir/program.ts";

export interface PortSignature {
  readonly name: string;
  readonly dtype: string;
  /** `[N, C, ..S]`; undefined where nothing states it and the block is checked at its uses only. */
  readonly shape: string | undefined;
  /** The source does not state the shape. */
  readonly inferred: boolean;
}

export interface BlockSignature {
  readonly file: string;
  readonly name: string;
  readonly kind: "block" | "model";
  readonly parameters: readonly { readonly name: string; readonly type: string; readonly default: string | undefined }[];
  readonly inputs: readonly PortSignature[];
  readonly outputs: readonly PortSignature[];
  /** Conditions as written. */
  readonly where: readonly string[];
  /** Conditions that its layers need and the source does not state. */
  readonly inferred: readonly string[];
  /** Relations neither proved nor refuted: checked when the sizes are known. */
  readonly unproved: readonly string[];
  /** Checked by itself; false for blocks with parameters that no symbol stands for, and for blocks with errors. */
  readonly checked: boolean;
}

/** The signature of a declaration; `checked` is what the generic check found of it, if it could be made. */
export function signatureOf(block: Block, checked: CheckedBlock | undefined): BlockSignature {
  const instance = checked?.instance;
  const ports = (kind: "InPort" | "OutPort"): PortSignature[] =>
    block.body.flatMap((statement) => (statement.kind === kind ? [portSignature(statement, instance)] : []));
  return {
    file: block.span.source.path,
    name: block.name.text,
    kind: block.model ? "model" : "block",
    parameters: block.parameters.map(parameterSignature),
    inputs: ports("InPort"),
    outputs: ports("OutPort"),
    where: block.body.flatMap(conditions).map(({ span }) => textOf(span)),
    inferred: unique((checked?.inferred ?? []).map(formatRelation)),
    unproved: unique((checked?.guards ?? []).map((guard) => formatRelation(guard.relation))),
    checked: instance !== undefined,
  };
}

/** As a declaration would read, a line a port. */
export function printSignature(signature: BlockSignature): string {
  const parameters = signature.parameters.map((each) => `${each.name}: ${each.type}${each.default === undefined ? "" : ` = ${each.default}`}`);
  const port = (direction: string, { name, dtype, shape, inferred }: PortSignature): string =>
    `  ${direction} ${name}: ${shape === undefined ? "as its use has it" : `${dtype}${shape}${inferred ? "    (inferred)" : ""}`}`;
  const listed = (title: string, texts: readonly string[]): string[] => (texts.length === 0 ? [] : [`  ${title} ${texts.join(", ")}`]);
  return [
    `${signature.kind} ${signature.name}${parameters.length === 0 ? "" : `(${parameters.join(", ")})`}`,
    ...signature.inputs.map((each) => port("in ", each)),
    ...signature.outputs.map((each) => port("out", each)),
    ...listed("where", signature.where),
    ...listed("inferred where", signature.inferred),
    ...listed("checked when loaded:", signature.unproved),
    ...(signature.checked ? [] : [signature.kind === "model" ? "  checked with the values of its parameters" : "  checked where it is used"]),
  ].join("\n");
}

function portSignature(port: InPort | OutPort, instance: Instance | undefined): PortSignature {
  const found = [...(instance?.inputs ?? []), ...(instance?.outputs ?? [])].find((each) => each.name === port.name.text);
  const type = found === undefined ? undefined : instance?.types[found.value];
  const shape = port.type === undefined ? (type === undefined ? undefined : `[${type.shape.map(formatDim).join(", ")}]`) : shapeText(port.type.span);
  return { name: port.name.text, dtype: type?.dtype ?? port.type?.dtype ?? "f32", shape, inferred: port.type === undefined };
}

function parameterSignature(parameter: Parameter): BlockSignature["parameters"][number] {
  const { name, type, default: written } = parameter;
  return { name: name.text, type: textOf(type.span), default: written === undefined ? undefined : textOf(written.span) };
}

function conditions(statement: Statement): readonly { readonly span: Span }[] {
  if (statement.kind === "Where") return statement.conditions;
  return statement.kind === "InPort" ? statement.where : [];
}

/** Without the dtype before it. */
function shapeText(span: Span): string {
  const text = textOf(span);
  return text.slice(Math.max(0, text.indexOf("[")));
}

function textOf({ source, start, end }: Span): string {
  return source.text.slice(start, end).replaceAll(/\s+/g, " ");
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
