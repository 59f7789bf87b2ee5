/**
 * Diagnostics as JSON, for scripts and editors: one array, places as lines and columns and as offsets.
 * Invariant: lines and columns are 1-based, columns and offsets in UTF-16 units, ends exclusive.
 */
import type { Applicability, Diagnostic, Severity } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { indexLines, type Lines } from "./lines.ts";

export interface JsonPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly offset: number;
  readonly endOffset: number;
}

export interface JsonDiagnostic extends JsonPlace {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly note: string | null;
  readonly labels: readonly (JsonPlace & { readonly text: string })[];
  readonly help: readonly string[];
  readonly fixes: readonly {
    readonly title: string;
    readonly applicability: Applicability;
    readonly edits: readonly (JsonPlace & { readonly replacement: string })[];
  }[];
}

/** The diagnostics as plain data, in the given order. */
export function toJson(diagnostics: readonly Diagnostic[]): readonly JsonDiagnostic[] {
  const lines = indexLines();
  return diagnostics.map((each) => ({
    code: each.code,
    severity: each.severity,
    message: each.message,
    ...place(each.span, lines),
    note: each.note ?? null,
    labels: each.labels.map(({ span, text }) => ({ ...place(span, lines), text })),
    help: each.help,
    fixes: each.fixes.map(({ title, applicability, edits }) => ({
      title,
      applicability,
      edits: edits.map(({ span, replacement }) => ({ ...place(span, lines), replacement })),
    })),
  }));
}

/** The JSON document: an array, indented by two spaces, with a final line break. */
export function renderJson(diagnostics: readonly Diagnostic[]): string {
  return `${JSON.stringify(toJson(diagnostics), null, 2)}\n`;
}

function place({ source, start, end }: Span, lines: Lines): JsonPlace {
  const from = lines.position(source, start);
  const to = lines.position(source, end);
  return {
    ...{ file: source.path, line: from.line, column: from.column, endLine: to.line, endColumn: to.column },
    ...{ offset: start, endOffset: end },
  };
}
