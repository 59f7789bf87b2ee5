/**
 * Lines of a source, found once per report: places of spans and the text of lines.
 * Invariant: agrees with `positionAt`; an empty span at the very end is moved back onto the last line with text.
 */
import { lineStarts, type Position, type Source, type Span } from "../../grammar/source.ts";

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

export interface Lines {
  /** Line and column of an offset, both 1-based. */
  position(source: Source, offset: number): Position;
  /** Where a span lies, for showing it. */
  range(span: Span): Range;
  /** A line's text without its line break. */
  text(source: Source, line: number): string;
  /** Offset at which a line begins. */
  offset(source: Source, line: number): number;
}

/** A view of sources by line; keeps what it has computed as long as it lives. */
export function indexLines(): Lines {
  const starts = new Map<Source, readonly number[]>();
  const startsOf = (source: Source): readonly number[] => {
    const known = starts.get(source);
    if (known !== undefined) return known;
    const found = lineStarts(source.text);
    starts.set(source, found);
    return found;
  };
  const position = (source: Source, offset: number): Position => {
    const lines = startsOf(source);
    const at = Math.max(lines[0] ?? 0, Math.min(offset, source.text.length));
    let low = 0;
    let high = lines.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((lines[middle] ?? 0) <= at) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: at - (lines[low] ?? 0) + 1 };
  };
  const offset = (source: Source, line: number): number => startsOf(source)[line - 1] ?? source.text.length;
  const text = (source: Source, line: number): string => source.text.slice(offset(source, line), offset(source, line + 1)).replace(/\r\n?$|\n$/, "");
  const range = ({ source, start, end }: Span): Range => {
    const atEnd = start >= source.text.length;
    const from = atEnd ? source.text.trimEnd().length : Math.max(0, start);
    return { start: position(source, from), end: position(source, Math.max(from, atEnd ? from : end)) };
  };
  return { position, range, text, offset };
}
