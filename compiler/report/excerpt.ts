/**
 * Source excerpts with underlines: one file's marked lines, in line order, each with its marks below it.
 * Invariant: every mark is shown, at least one column wide; a line longer than the page is cut around its primary mark.
 */
import type { Source, Span } from "../../grammar/source.ts";
import { cutColumns, safeText, showLine, textWidth } from "./cells.ts";
import type { Lines } from "./lines.ts";
import type { Paint, Role } from "./style.ts";

/** Columns kept before the mark of a long line, if the page has room for them. */
const LEAD = 24;
/** Words beside or below a mark are wrapped if they have at least this much room. */
const NARROWEST = 24;

/** What excerpts are set on. */
export interface Page {
  readonly lines: Lines;
  /** Columns of the line numbers. */
  readonly gutter: number;
  readonly paint: Paint;
  /** Columns of source text on a line, at least 16. */
  readonly width: number;
  /** Words may not reach beyond `width` either. */
  readonly wraps: boolean;
}

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
export function excerpt(source: Source, marks: readonly Mark[], page: Page, role: Role): readonly string[] {
  const { lines, gutter, paint } = page;
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
    const text = cutLine(showLine(lines.text(source, line)).text, undefined, page.width).text;
    out.push(`${paint("gutter", `${String(line).padStart(gutter)} |`)} ${text}`.trimEnd());
  };
  for (const line of numbers) {
    if (previous !== undefined && line === previous + 2) showPlain(previous + 1);
    else if (previous !== undefined && line > previous + 2) out.push(paint("gutter", "..."));
    const shown = placeLine(lines.text(source, line), byLine.get(line) ?? [], page.width);
    out.push(`${paint("gutter", `${String(line).padStart(gutter)} |`)} ${shown.text}`.trimEnd());
    for (const row of markRows(shown.marks, page, role)) out.push(`${empty} ${row}`);
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

function placeLine(line: string, marks: readonly LineMark[], limit: number): { readonly text: string; readonly marks: readonly Placed[] } {
  const shown = showLine(line);
  const width = shown.columns[line.length] ?? 0;
  const columnOf = (unit: number): number => shown.columns[unit] ?? width + Math.max(0, unit - line.length);
  const placed = marks.map((mark): Placed => {
    const start = columnOf(mark.start);
    return { start, end: Math.max(columnOf(mark.end), start + 1), text: mark.text, primary: mark.primary };
  });
  if (width <= limit) return { text: shown.text, marks: placed };
  const { text, from, to } = cutLine(shown.text, placed.find((each) => each.primary) ?? placed[0], limit);
  const shift = from - (from > 0 ? 1 : 0);
  const right = to - shift + (to < width ? 1 : 0);
  const clipped = placed.map((each): Placed => {
    const start = Math.max(0, Math.min(each.start - shift, right - 1));
    return { ...each, start, end: Math.max(start + 1, Math.min(each.end - shift, right)) };
  });
  return { text, marks: clipped };
}

/** As much of a shown line as has room, around a mark or from its beginning; `…` stands for what is left out. */
export function cutLine(
  text: string,
  focus: { readonly start: number; readonly end: number } | undefined,
  limit: number,
): { readonly text: string; readonly from: number; readonly to: number } {
  const width = textWidth(text);
  if (width <= limit) return { text, from: 0, to: width };
  const { start, end } = focus ?? { start: 0, end: 0 };
  // Both ellipses have their column; before the mark stays what the mark itself leaves free.
  const room = limit - 2;
  const lead = Math.max(0, Math.min(LEAD, Math.floor(limit / 3), room - (end - start)));
  const from = start - lead <= 1 ? 0 : Math.min(start - lead, width - (limit - 1));
  const to = Math.min(width, from + limit - (from > 0 ? 1 : 0));
  const after = to < width;
  const cut = cutColumns(text, from, after ? to - 1 : to);
  return { text: `${from > 0 ? "…" : ""}${cut}${after ? "…" : ""}`, from, to: after ? to - 1 : to };
}

/** The underlines of one line, the text of the last mark beside them and the other texts hanging below. */
function markRows(marks: readonly Placed[], page: Page, role: Role): readonly string[] {
  const { paint } = page;
  const sorted = marks.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const canvas: { mark: string; role: Role }[] = [];
  for (const each of [...sorted.filter((one) => !one.primary), ...sorted.filter((one) => one.primary)]) {
    for (let column = each.start; column < each.end; column++) {
      canvas[column] = { mark: each.primary ? "^" : "-", role: each.primary ? role : "secondary" };
    }
  }
  const end = Math.max(...sorted.map((each) => each.end));
  const last = sorted.findLast((each) => each.end === end && each.text !== "" && each.start === sorted.at(-1)?.start);
  const beside = last === undefined ? [] : wrapWords(oneLine(last.text), end + 1, page);
  // Words that have room below their mark, but not beside it, hang as the others do.
  const inline =
    beside.length <= 1 || (last !== undefined && wrapWords(oneLine(last.text), last.start, page).length === beside.length) ? last : undefined;
  const rows =
    inline === undefined ? [paintRow(canvas, end, paint)] : besideRows(paintRow(canvas, end, paint), beside, end + 1, roleOf(inline, role), paint);
  const hanging = sorted.filter((each) => each !== inline && each.text !== "");
  if (hanging.length > 0) rows.push(hangRow(hanging, undefined, "", paint, role));
  for (let i = hanging.length - 1; i >= 0; i--) {
    const mark = hanging[i];
    if (mark === undefined) continue;
    for (const line of wrapWords(oneLine(mark.text), mark.start, page)) rows.push(hangRow(hanging.slice(0, i), mark, line, paint, role));
  }
  return rows;
}

function besideRows(underline: string, words: readonly string[], column: number, role: Role, paint: Paint): string[] {
  const [first = "", ...more] = words;
  return [`${underline}${first === "" ? "" : ` ${paint(role, first)}`}`, ...more.map((line) => " ".repeat(column) + paint(role, line))];
}

/** The words from a column on, in lines that the page has room for; in one line where it has hardly any. */
function wrapWords(text: string, column: number, { width, wraps }: Page): readonly string[] {
  const room = width - column;
  if (!wraps || room < NARROWEST || textWidth(text) <= room) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line === "" || textWidth(longer) <= room) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

function hangRow(bars: readonly Placed[], last: Placed | undefined, words: string, paint: Paint, role: Role): string {
  let row = "";
  let column = 0;
  const put = (at: number, text: string, textRole: Role): void => {
    if (at < column) return;
    row += " ".repeat(at - column) + paint(textRole, text);
    column = at + text.length;
  };
  for (const bar of bars) if (last === undefined || bar.start < last.start) put(bar.start, "|", roleOf(bar, role));
  if (last !== undefined) put(last.start, words, roleOf(last, role));
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
