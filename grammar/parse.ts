/**
 * The front door of the grammar: text → syntax tree, comments and syntax errors.
 * Invariant: never throws and always terminates, whatever the text; a tree without diagnostics has no holes.
 */
import type { Comment, Module } from "./ast.ts";
import { buildModule } from "./build-ast.ts";
import type { Context } from "./cst.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { parseArranged } from "./fragment.ts";
import { mendHabits } from "./habits.ts";
import { arrange } from "./layout.ts";
import { lex } from "./lex.ts";
import type { Source } from "./source.ts";

export interface ParseResult {
  readonly module: Module;
  /** All comments in order, for the formatter. */
  readonly comments: readonly Comment[];
  /** RN001 to RN006 in order of their place. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Where the parser lost its way on a line, what it says of the rest of the line follows from that. */
function firstOfEachLine(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  let before: Diagnostic | undefined;
  return diagnostics.filter((each) => {
    // A slip with a repair of its own is a mistake by itself.
    if (each.code !== "RN003" || each.fixes.length > 0) return true;
    const follows = before !== undefined && !each.span.source.text.slice(before.span.start, each.span.start).includes("\n");
    if (!follows) before = each;
    return !follows;
  });
}

/** Parses a `.resnet` file. */
export function parse(source: Source): ParseResult {
  const lexed = lex(source);
  const mended = mendHabits(source, lexed.tokens);
  const layout = arrange(source, mended.tokens);
  const known = [...lexed.diagnostics, ...mended.diagnostics, ...layout.diagnostics];
  const { cst, diagnostics: syntax } = parseArranged(source, layout.tokens, "module", source.text.length, known);
  const found = [...known, ...syntax];
  const context: Context = { source, comments: lexed.comments, report: (diagnostic) => found.push(diagnostic) };
  const first = lexed.tokens[0]?.startOffset ?? source.text.length;
  const module = buildModule(context, cst, first);
  const swallowed = found.some((each) => each.code === "RN006");
  // A comment that swallows the rest of the file leaves brackets open; that is one mistake, not several.
  const told = swallowed ? found.filter((each) => each.code !== "RN004" || each.labels[0]?.text !== "the file ends here") : found;
  const diagnostics = firstOfEachLine(told.toSorted((a, b) => a.span.start - b.span.start));
  return { module, comments: lexed.comments, diagnostics };
}
