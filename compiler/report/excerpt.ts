/**
 * Source excerpts with underlines: one file's marked lines, in line order, each with its marks below it.
 * Invariant: every mark is shown, at least one column wide, on a line cut to `WIDTH` around the marks.
 */
import type { Source, Span } from "../../grammar/source.ts";
import { cutColumns, safeText, showLine } from "./cells.ts";
import type { Lines } from "./lines.ts";
import type { Paint, Role } from "./style.ts";

/** Terminal columns of source text shown of a long line. */
const WIDTH = 120;
/** Columns kept before the first mark of a long line. */
const LEAD = 24;

/** A place to underline, with its words. */
export interface Mark {
  readonly span: Span;
  readonly text: string;
  readonly primary: boolean;
}

interface LineMark {
  readonly line: number;
  /** Columns of the source text, 0-based UTF-16 units; `end` exclusive. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly primary: boolean;
}

interface Placed {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly primary: boolean;
}

/** Number of digits that the line numbers of these marks need. */
export function gutterWidth(marks: readonly Mark[], lines: Lines): number {
  const last = marks.map(({ span }) => {
    const { start, end } = lines.range(span);
    return Math.max(start.line, end.line);
  });
  return String(Math.max(1, ...last)).length;
}

/** The lines of one file that carry marks, with the marks. */
export function excerpt(source: Source, marks: readonly Mark[], lines: Lines, gutter: number, paint: Paint, role: Role): readonly string[] {
  const byLine = new Map<number, LineMark[]>();
  for (const each of marks.flatMap((mark) => lineMarks(mark, lines))) {
    const known = byLine.get(each.line);
    if (known === undefined) byLine.set(each.line, [each]);
    else known.push(each);
  }
  const empty = paint("gutter", `${" ".repeat(gutter)} |`);
  const out = [empty];
  let previous: number | undefined;
  const numbers = [...byLine.keys()].sort((a, b) => a - b);
  const showPlain = (line: number): void => {
    const text = cutColumns(showLine(lines.text(source, line)).text, 0, WIDTH);
    out.push(`${paint("gutter", `${String(line).padStart(gutter)} |`)} ${text}`.trimEnd());
  };
  for (const line of numbers) {
    if (previous !== undefined && line === previous + 2) showPlain(previous + 1);
    else if (previous !== undefined && line > previous + 2) out.push(paint("gutter", "..."));
    const shown = placeLine(lines.text(source, line), byLine.get(line) ?? []);
    out.push(`${paint("gutter", `${String(line).padStart(gutter)} |`)} ${shown.text}`.trimEnd());
    for (const row of markRows(shown.marks, paint, role)) out.push(`${empty} ${row}`);
    previous = line;
  }
  return out;
}

/** A span over several lines marks its first line to the end and its last line up to where it stops. */
function lineMarks(mark: Mark, lines: Lines): readonly LineMark[] {
  const { start, end } = lines.range(mark.span);
  const { primary, text } = mark;
  const from = start.column - 1;
  if (start.line === end.line) {
    return [{ line: start.line, start: from, end: Math.max(end.column - 1, from + 1), text, primary }];
  }
  const first = lines.text(mark.span.source, start.line).trimEnd().length;
  const head = { line: start.line, start: from, end: Math.max(first, from + 1), text: "", primary };
  // A span that ends right behind a line break ends, for the reader, on the line before.
  const lastLine = end.column === 1 ? end.line - 1 : end.line;
  if (lastLine === start.line) return [{ ...head, text }];
  const last = lines.text(mark.span.source, lastLine);
  const indent = last.length - last.trimStart().length;
  const stop = end.column === 1 ? last.trimEnd().length : end.column - 1;
  return [head, { line: lastLine, start: Math.min(indent, stop), end: Math.max(stop, indent + 1), text, primary }];
}

function placeLine(line: string, marks: readonly LineMark[]): { readonly text: string; readonly marks: readonly Placed[] } {
  const shown = showLine(line);
  const width = shown.columns[line.length] ?? 0;
  const columnOf = (unit: number): number => shown.columns[unit] ?? width + Math.max(0, unit - line.length);
  const placed = marks.map((mark): Placed => {
    const start = columnOf(mark.start);
    return { start, end: Math.max(columnOf(mark.end), start + 1), text: mark.text, primary: mark.primary };
  });
  if (width <= WIDTH) return { text: shown.text, marks: placed };
  const focus = placed.find((each) => each.primary) ?? placed[0];
  const from = Math.max(0, Math.min((focus?.start ?? 0) - LEAD, width - WIDTH));
  const to = Math.min(width, from + WIDTH);
  const before = from > 0 ? "…" : "";
  const after = to < width ? "…" : "";
  const shift = from - before.length;
  const limit = to - shift + after.length;
  const clipped = placed.map((each): Placed => {
    const start = Math.max(0, Math.min(each.start - shift, limit - 1));
    return { ...each, start, end: Math.max(start + 1, Math.min(each.end - shift, limit)) };
  });
  return { text: before + cutColumns(shown.text, from, to) + after, marks: clipped };
}

/** The underlines of one line, the text of the last mark beside them and the other texts hanging below. */
function markRows(marks: readonly Placed[], paint: Paint, role: Role): readonly string[] {
  const sorted = marks.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const canvas: { mark: string; role: Role }[] = [];
  for (const each of [...sorted.filter((one) => !one.primary), ...sorted.filter((one) => one.primary)]) {
    for (let column = each.start; column < each.end; column++) {
      canvas[column] = { mark: each.primary ? "^" : "-", role: each.primary ? role : "secondary" };
    }
  }
  const end = Math.max(...sorted.map((each) => each.end));
  const inline = sorted.findLast((each) => each.end === end && each.text !== "" && each.start === sorted.at(-1)?.start);
  const underline = paintRow(canvas, end, paint);
  const words = inline === undefined ? "" : ` ${paint(roleOf(inline, role), oneLine(inline.text))}`;
  const hanging = sorted.filter((each) => each !== inline && each.text !== "");
  const rows = [underline + words];
  if (hanging.length > 0) rows.push(hangRow(hanging, undefined, paint, role));
  for (let i = hanging.length - 1; i >= 0; i--) rows.push(hangRow(hanging.slice(0, i), hanging[i], paint, role));
  return rows;
}

function hangRow(bars: readonly Placed[], last: Placed | undefined, paint: Paint, role: Role): string {
  let row = "";
  let column = 0;
  const put = (at: number, text: string, textRole: Role): void => {
    if (at < column) return;
    row += " ".repeat(at - column) + paint(textRole, text);
    column = at + text.length;
  };
  for (const bar of bars) if (last === undefined || bar.start < last.start) put(bar.start, "|", roleOf(bar, role));
  if (last !== undefined) put(last.start, oneLine(last.text), roleOf(last, role));
  return row;
}

function roleOf(mark: Placed, role: Role): Role {
  return mark.primary ? role : "secondary";
}

function oneLine(text: string): string {
  return safeText(text).replaceAll("\n", " ");
}

function paintRow(cells: readonly { mark: string; role: Role }[], end: number, paint: Paint): string {
  let row = "";
  let run = "";
  let runRole: Role | undefined;
  const flush = (): void => {
    row += runRole === undefined ? run : paint(runRole, run);
    run = "";
  };
  for (let column = 0; column < end; column++) {
    const cell = cells[column];
    if (cell?.role !== runRole) flush();
    runRole = cell?.role;
    run += cell?.mark ?? " ";
  }
  flush();
  return row;
}
