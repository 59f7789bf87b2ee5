/**
 * Source text and places in it.
 * Invariant: a Span is a pair of UTF-16 offsets into one Source; lines and columns are derived, 1-based, never stored.
 */

export interface Source {
  /** Path as the user wrote it, or `std/...` for a file of the standard library. */
  readonly path: string;
  readonly text: string;
}

export interface Span {
  readonly source: Source;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where the lines of a text begin: after `\n`, `\r\n`, and a `\r` by itself; a byte order mark is in no line. */
export function lineStarts(text: string): number[] {
  const starts = [text.charCodeAt(0) === 0xfeff ? 1 : 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10 || (code === 13 && text.charCodeAt(at + 1) !== 10)) starts.push(at + 1);
  }
  return starts;
}

/** Line and column (1-based, columns in UTF-16 units) of an offset; a byte order mark is in no column, as in editors. */
export function positionAt(source: Source, offset: number): Position {
  const at = Math.min(offset, source.text.length);
  const starts = lineStarts(source.text).filter((start) => start <= at);
  return { line: Math.max(1, starts.length), column: at - (starts.at(-1) ?? at) + 1 };
}

/** The smallest span that covers both; they must lie in one source. */
export function cover(first: Span, last: Span): Span {
  return { source: first.source, start: Math.min(first.start, last.start), end: Math.max(first.end, last.end) };
}
