/**
 * Repairs at output ports: the shape that the body gives, the axes that were to be joined, the chain that was to end there.
 * Invariant: offered for the block under check only, and only where what is written has a meaning there.
 */
import type { Block, OutPort } from "../../grammar/ast.ts";
import type { Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { type Dim, formatDim, symbolsOf } from "../ir/dim.ts";
import type { Session } from "./context.ts";
import { lookup, type Scope } from "./scope.ts";
import type { TensorValue } from "./values.ts";

function edit(title: string, span: Span, replacement: string): Fix {
  return { title, applicability: "maybe-incorrect", edits: [{ span, replacement }] };
}

/** `out y: [N, 128, H, W]` where 64 was declared. */
export function declareActual(session: Session, scope: Scope, actual: Dim, at: Span): Fix[] {
  if (session.trail.length !== 1) return [];
  const isNamed = [...symbolsOf(actual)].every(([id, { name }]) => id === name && lookup(scope, name)?.value.kind === "dim");
  const text = formatDim(actual);
  return isNamed ? [edit(`declare what the body gives: \`${text}\``, at, text)] : [];
}

/** A `linear` on feature maps acts on their last axis: what was meant is one row of features a sample. */
export function joinAxes(session: Session, declared: number, got: TensorValue): Fix[] {
  const stage = got.origins.at(-1)?.span;
  if (session.trail.length !== 1 || declared !== 2 || got.type.shape.length < 3 || stage === undefined) return [];
  const { text } = stage.source;
  if (!/^(?:(?:"[^"]*"|\w+)\s*:\s*)?linear\b/.test(text.slice(stage.start, stage.end))) return [];
  const label = /(?:->|\n)\s*((?:"[^"]*"|\w+)\s*:\s*)$/.exec(text.slice(0, stage.start))?.[1] ?? "";
  const start = stage.start - label.length;
  const at = { ...stage, start, end: start };
  return [
    edit("`linear` acts on the last axis: join the others first, `flatten`", at, "flatten -> "),
    edit("or take the mean over the positions, `global_avgpool`", at, "global_avgpool -> "),
  ];
}

/** Ends the block's last chain in the output, if nothing takes what it gives. */
export function endInOutput(session: Session, block: Block, port: OutPort): Fix[] {
  const statement = block.body.findLast(({ kind }) => kind === "ChainStatement");
  const last = statement?.kind === "ChainStatement" ? statement.chain.stages.at(-1) : undefined;
  if (session.trail.length !== 1 || last === undefined || statement === undefined) return [];
  const outs = block.body.flatMap((each) => (each.kind === "OutPort" ? [each.name.text] : []));
  const isOut = last.kind === "CallStage" && last.value.kind === "Reference" && outs.includes(last.value.name.text);
  const { span } = statement;
  return isOut ? [] : [edit(`end the last chain in \`${port.name.text}\``, { ...span, start: span.end }, ` -> ${port.name.text}`)];
}
