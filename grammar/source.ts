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

/** Line and column (1-based, columns in UTF-16 units) of an offset; a byte order mark is in no column, as in editors. */
export function positionAt(source: Source, offset: number): Position {
  const before = source.text.slice(0, Math.min(offset, source.text.length));
  const lineStart = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let i = 0; i < lineStart; i++) if (before.charCodeAt(i) === 10) line++;
  const mark = lineStart === 0 && before.charCodeAt(0) === 0xfeff ? 1 : 0;
  return { line, column: before.length - lineStart - mark + 1 };
}

/** The smallest span that covers both; they must lie in one source. */
export function cover(first: Span, last: Span): Span {
  return { source: first.source, start: Math.min(first.start, last.start), end: Math.max(first.end, last.end) };
}
