/**
 * What a block's text says of its own names, whatever their sizes: given twice, never used, no output at all.
 * Invariant: a name that occurs anywhere in the block counts as used, so that a warning is never a false alarm.
 */
import type { Block, Chain, Train } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { walk } from "../../grammar/walk.ts";
import { duplicateName } from "../resolve/problems.ts";
import { noOutput, neverUsed, unusedResult } from "./name-problems.ts";

/** Errors and warnings about the names of one block; `trains` are its file's recipes, whose losses may use parameters of a model. */
export function checkNames(block: Block, trains: readonly Train[]): readonly Diagnostic[] {
  const twice = repeatedNames(block);
  const outs = block.body.filter((statement) => statement.kind === "OutPort");
  if (outs.length === 0) return [...twice, noOutput(block.name.text, block.model, block.name.span)];
  return [...twice, ...unusedNames(block, block.model ? trains : [])];
}

/** Parameters and ports share one scope; labels and locals are noted where they are bound. */
function repeatedNames(block: Block): readonly Diagnostic[] {
  const seen = new Map<string, Span>();
  const ports = block.body.flatMap((statement) => (statement.kind === "InPort" || statement.kind === "OutPort" ? [statement.name] : []));
  return [...block.parameters.map(({ name }) => name), ...ports].flatMap((name): Diagnostic[] => {
    const first = seen.get(name.text);
    if (first === undefined) seen.set(name.text, name.span);
    return first === undefined || name.text === "" ? [] : [duplicateName(name.text, name.span, first, "parameter or port")];
  });
}

function unusedNames(block: Block, trains: readonly Train[]): readonly Diagnostic[] {
  const used = usedNames(block);
  for (const train of trains)
    walk(train, (node) => {
      if (node.kind === "Reference") used.add(node.name.text);
    });
  const unused = (name: { readonly text: string; readonly span: Span }, what: string): Diagnostic[] =>
    used.has(name.text) || name.text === "" || name.text.startsWith("_") ? [] : [neverUsed(what, name.text, name.span)];
  const outs = new Set(block.body.flatMap((statement) => (statement.kind === "OutPort" ? [statement.name.text] : [])));
  return [
    ...block.parameters.flatMap(({ name }) => unused(name, "parameter")),
    ...block.body.flatMap((statement): readonly Diagnostic[] => {
      switch (statement.kind) {
        case "InPort":
          return unused(statement.name, "input");
        case "ParamDeclaration":
          return unused(statement.name, "`param`");
        case "Let":
          // Of several results some may be of no interest.
          return statement.names.some(({ text }) => used.has(text)) ? [] : statement.names.slice(0, 1).flatMap((name) => unused(name, "`let`"));
        case "ChainStatement":
          return unusedChain(statement.chain, used, outs);
        default:
          return [];
      }
    }),
  ];
}

/** A chain of the block itself must end in an output, or in a label that something else names. */
function unusedChain({ stages }: Chain, used: ReadonlySet<string>, outs: ReadonlySet<string>): readonly Diagnostic[] {
  const last = stages.at(-1);
  if (last === undefined || stages.length < 2 || last.span.start === last.span.end) return [];
  const label = last.kind === "IfStage" ? undefined : last.label?.text;
  if (label !== undefined && used.has(label)) return [];
  if (last.kind === "CallStage" && last.value.kind === "Reference" && outs.has(last.value.name.text)) return [];
  // In the branches of a stage an output may be given its value.
  if (last.kind !== "CallStage" && last.kind !== "JoinStage") return [];
  return [unusedResult(last.span)];
}

/** Every name that an expression, a skip or an update mentions. */
function usedNames(block: Block): Set<string> {
  const used = new Set<string>();
  walk(block, (node) => {
    if (node.kind === "Reference") used.add(node.name.text);
    if (node.kind === "Update") used.add(node.name.text);
    if (node.kind === "Names") for (const name of node.order) used.add(name.text);
    if (node.kind === "Skip") used.add(node.join.text);
  });
  return used;
}
