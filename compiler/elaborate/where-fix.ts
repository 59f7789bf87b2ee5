/**
 * A relation between sizes as a `where` of the block that is being checked: its users then owe it.
 * Invariant: offered only where every name in it is one that the block declares, and where some sizes meet it.
 */
import type { Block, Statement } from "../../grammar/ast.ts";
import type { Edit, Fix } from "../../grammar/diagnostic.ts";
import { formatRelation } from "../check/solve.ts";
import { dimsOf } from "../check/solve-relation.ts";
import { symbolsOf } from "../ir/dim.ts";
import type { Relation } from "../ir/relation.ts";
import type { Session } from "./context.ts";

/** States the relations in the outermost block; none where a size in them has no name there. */
export function whereFix(session: Session, relations: readonly Relation[]): Fix[] {
  const block = session.trail[0]?.declaration.block;
  if (block === undefined || relations.length === 0) return [];
  const names = declaredNames(block);
  for (const relation of relations) {
    const symbols = dimsOf(relation).flatMap((dim) => [...symbolsOf(dim)]);
    if (symbols.length === 0 || symbols.some(([id, { name }]) => id !== name || !names.has(name))) return [];
    if (session.solver.answer(session.facts, { op: "not", part: relation }).kind === "proved") return [];
  }
  const conditions = [...new Set(relations.map(formatRelation))].join(", ");
  const title = `state it in \`${block.name.text}\`: \`where ${conditions}\``;
  return [{ title, applicability: "maybe-incorrect", edits: [insertion(block, conditions)] }];
}

/** Parameters that are sizes, and the dims that `in` ports bind. */
function declaredNames(block: Block): ReadonlySet<string> {
  const sizes = block.parameters.filter(({ type }) => type.kind === "ScalarType" && (type.name === "dim" || type.name === "int"));
  const dims = block.body.flatMap((statement) => (statement.kind === "InPort" ? (statement.type?.dims ?? []) : []));
  return new Set([
    ...sizes.map(({ name }) => name.text),
    ...dims.flatMap(({ kind, value }) => (kind === "DimExpression" && value.kind === "Reference" ? [value.name.text] : [])),
  ]);
}

/** After the conditions that the block has, else on a line of its own after its ports. */
function insertion(block: Block, conditions: string): Edit {
  const stated = block.body.findLast((statement) => conditionsOf(statement).length > 0);
  const last = stated === undefined ? undefined : conditionsOf(stated).at(-1);
  if (last !== undefined) return { span: { ...last.span, start: last.span.end }, replacement: `, ${conditions}` };
  const port = block.body.findLast(({ kind }) => kind === "InPort" || kind === "OutPort");
  const { source, start, end } = port?.span ?? block.name.span;
  const indent = /[^\n]*$/.exec(source.text.slice(0, start))?.[0].match(/^\s*/)?.[0] ?? "  ";
  return { span: { source, start: end, end }, replacement: `\n${indent}where ${conditions}` };
}

function conditionsOf(statement: Statement): readonly { readonly span: Edit["span"] }[] {
  if (statement.kind === "Where") return statement.conditions;
  return statement.kind === "InPort" ? statement.where : [];
}
