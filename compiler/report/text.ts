/**
 * Diagnostics as text for people, in the form that rustc made familiar.
 * Invariant: every part of a diagnostic is printed; output depends on nothing but the diagnostics and the colour choice.
 */
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import type { Source } from "../../grammar/source.ts";
import { safeText, showLine } from "./cells.ts";
import { cutLine, excerpt, gutterWidth, type Mark, type Page } from "./excerpt.ts";
import { editHunks, type Hunk } from "./hunks.ts";
import { indexLines, type Lines } from "./lines.ts";
import { type Paint, painter } from "./style.ts";

export interface TextOptions {
  /** With ANSI colours. */
  readonly color: boolean;
  /** Columns of the terminal; where there is none, lines of source text stay as they are unless nobody could read them. */
  readonly width?: number | undefined;
}

/** Columns of source text on a line where no terminal says how many there are. */
const LONGEST = 240;
/** A narrower terminal breaks the lines itself. */
const NARROWEST = 40;

/** Renders diagnostics in the given order, a blank line between two; the empty string for none. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: TextOptions): string {
  const lines = indexLines();
  const paint = painter(options.color);
  return diagnostics.map((each) => `${renderOne(each, lines, paint, options.width).join("\n")}\n`).join("\n");
}

function renderOne(diagnostic: Diagnostic, lines: Lines, paint: Paint, columns: number | undefined): readonly string[] {
  const { code, severity, span } = diagnostic;
  const primary: Mark = { span, text: diagnostic.note ?? "", primary: true };
  const marks = [primary, ...diagnostic.labels.map((label): Mark => ({ ...label, primary: false }))];
  const bySource = new Map<Source, Mark[]>();
  for (const mark of marks) {
    const known = bySource.get(mark.span.source);
    if (known === undefined) bySource.set(mark.span.source, [mark]);
    else known.push(mark);
  }
  const gutter = gutterWidth(marks, lines);
  const width = columns === undefined ? LONGEST : Math.max(NARROWEST, columns) - gutter - " | ".length;
  const page: Page = { lines, gutter, paint, width, wraps: columns !== undefined };
  const out = [paint(severity, `${severity}[${code}]`) + paint("title", `: ${safeText(diagnostic.message)}`)];
  for (const [source, group] of bySource) {
    const { start } = lines.range(group[0]?.span ?? span);
    const arrow = source === span.source ? "-->" : ":::";
    out.push(`${" ".repeat(gutter)}${paint("gutter", arrow)} ${safeText(source.path)}:${start.line}:${start.column}`);
    out.push(...excerpt(source, group, page, severity));
  }
  for (const help of diagnostic.help) out.push(`${paint("help", "help")}: ${safeText(help)}`);
  for (const fix of diagnostic.fixes) out.push(...renderFix(fix, span.source, page));
  return out;
}

function renderFix(fix: Fix, source: Source, page: Page): readonly string[] {
  const { lines, gutter, paint, width } = page;
  const out = [`${paint("help", `help (${fix.applicability})`)}: ${safeText(fix.title)}`];
  const empty = paint("gutter", `${" ".repeat(gutter)} |`);
  const hunks = editHunks(fix.edits, lines);
  hunks.forEach((hunk, i) => {
    const elsewhere = hunk.source !== source || hunks.some((each) => each.source !== hunk.source);
    if (elsewhere && hunks[i - 1]?.source !== hunk.source) {
      out.push(`${" ".repeat(gutter)}${paint("gutter", ":::")} ${safeText(hunk.source.path)}:${hunk.firstLine}`);
    }
    out.push(i > 0 && hunks[i - 1]?.source === hunk.source ? paint("gutter", "...") : empty);
    const row = (line: number, sign: "-" | "+", text: string): void => {
      const shown = showLine(text);
      const column = shown.columns[editColumn(hunk, line, text, lines)] ?? 0;
      const cut = cutLine(shown.text, { start: column, end: column + 1 }, width).text;
      const role = sign === "+" ? "added" : "removed";
      out.push(`${paint("gutter", String(line).padStart(gutter))} ${paint(role, `${sign} ${cut}`.trimEnd())}`);
    };
    for (const [k, text] of hunk.before.entries()) row(hunk.firstLine + k, "-", text);
    for (const [k, text] of hunk.after.entries()) row(hunk.firstLine + k, "+", text);
  });
  return out;
}

/** Where a changed line differs: at its first edit, which is what must be seen of a long one. */
function editColumn({ edits, source }: Hunk, line: number, text: string, lines: Lines): number {
  const place = edits.map(({ span }) => lines.position(source, span.start)).find((each) => each.line === line);
  return Math.min(text.length, (place?.column ?? 1) - 1);
}
