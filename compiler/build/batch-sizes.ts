/**
 * Sizes that code for any batch cannot have: `N / 2`, `N * N`. One program serves every batch because each size is a
 * constant or a multiple of it. Invariant: sizes as numbers (`real(N - 1)`) are free to be anything.
 */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { type Dim, formatDim } from "../ir/dim.ts";
import type { Instance, Program } from "../ir/program.ts";

/** The first such size as an error; undefined if there is none. */
export function unevenBatch(program: Program): Diagnostic | undefined {
  const { batch } = program;
  const found = batch === undefined ? undefined : findUneven(program.root, batch, new Set());
  if (found === undefined) return undefined;
  return {
    code: "RN309",
    severity: "error",
    message: `\`${program.model}\` has the size ${formatDim(found.dim)}, which is no multiple of the batch`,
    span: found.span,
    note: "made here",
    labels: [],
    help: [
      "with a free batch every size is a constant or a multiple of it",
      `fix the batch, for example --dim ${program.root.inputs.length > 0 ? batchName(program) : "N"}=8`,
    ],
    fixes: [],
  };
}

function batchName(program: Program): string {
  const [first] = program.root.inputs;
  const dim = first === undefined ? undefined : program.root.types[first.value]?.shape[0];
  return dim === undefined ? "N" : formatDim(dim);
}

function findUneven(instance: Instance, batch: string, seen: Set<Instance>): { readonly dim: Dim; readonly span: Span } | undefined {
  if (seen.has(instance)) return undefined;
  seen.add(instance);
  for (const entry of instance.entries) {
    const inner = entry.kind === "call" ? findUneven(entry.instance, batch, seen) : undefined;
    if (inner !== undefined) return inner;
    if (entry.kind !== "op") continue;
    for (const output of entry.outputs) {
      const dim = instance.types[output]?.shape.find((size) => !isMultiple(size, batch));
      if (dim !== undefined) return { dim, span: entry.span };
    }
  }
  return undefined;
}

function isMultiple(dim: Dim, batch: string): boolean {
  if (typeof dim === "number") return true;
  const [term, more] = dim.terms;
  const [factor, other] = term?.factors ?? [];
  return dim.constant === 0 && more === undefined && other === undefined && factor?.kind === "symbol" && factor.id === batch;
}
