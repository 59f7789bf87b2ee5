/**
 * Diagnostics as text for people, in the form that rustc made familiar.
 * Invariant: every part of a diagnostic is printed; output depends on nothing but the diagnostics and the colour choice.
 */
import type { Diagnostic, Edit, Fix } from "../../grammar/diagnostic.ts";
import type { Source } from "../../grammar/source.ts";
import { cutColumns, safeText, showLine } from "./cells.ts";
import { excerpt, gutterWidth, type Mark } from "./excerpt.ts";
import { editHunks } from "./hunks.ts";
import { indexLines, type Lines } from "./lines.ts";
import { painter, type Paint } from "./style.ts";

export interface TextOptions {
  /** With ANSI colours. */
  readonly color: boolean;
}

/** Renders diagnostics in the given order, a blank line between two; the empty string for none. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: TextOptions): string {
  const lines = indexLines();
  const paint = painter(options.color);
  return diagnostics.map((each) => `${renderOne(each, lines, paint).join("\n")}\n`).join("\n");
}

function renderOne(diagnostic: Diagnostic, lines: Lines, paint: Paint): readonly string[] {
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
  const out = [paint(severity, `${severity}[${code}]`) + paint("title", `: ${safeText(diagnostic.message)}`)];
  for (const [source, group] of bySource) {
    const { start } = lines.range(group[0]?.span ?? span);
    const arrow = source === span.source ? "-->" : ":::";
    out.push(`${" ".repeat(gutter)}${paint("gutter", arrow)} ${safeText(source.path)}:${start.line}:${start.column}`);
    out.push(...excerpt(source, group, lines, gutter, paint, severity));
  }
  for (const help of diagnostic.help) out.push(`${paint("help", "help")}: ${safeText(help)}`);
  for (const fix of diagnostic.fixes) out.push(...renderFix(fix, span.source, gutter, lines, paint));
  return out;
}

function renderFix(fix: Fix, source: Source, gutter: number, lines: Lines, paint: Paint): readonly string[] {
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
      const shown = shorten(text, hunk.edits, hunk.source, lines);
      const role = sign === "+" ? "added" : "removed";
      out.push(`${paint("gutter", String(line).padStart(gutter))} ${paint(role, `${sign} ${shown}`.trimEnd())}`);
    };
    for (const [k, text] of hunk.before.entries()) row(hunk.firstLine + k, "-", text);
    for (const [k, text] of hunk.after.entries()) row(hunk.firstLine + k, "+", text);
  });
  return out;
}

function shorten(text: string, edits: readonly Edit[], source: Source, lines: Lines): string {
  const shown = showLine(text);
  const width = shown.columns[text.length] ?? 0;
  if (width <= 120) return shown.text;
  const first = edits[0];
  const column = first === undefined ? 0 : lines.position(source, first.span.start).column - 1;
  const from = Math.max(0, Math.min((shown.columns[column] ?? width) - 24, width - 120));
  const cut = cutColumns(shown.text, from, from + 120);
  return `${from > 0 ? "…" : ""}${cut}${from + 120 < width ? "…" : ""}`;
}
