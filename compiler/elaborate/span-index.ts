/** Spans of one text by where they begin. Invariant: a question costs the logarithm of their number. */
import type { Span } from "../../grammar/source.ts";

export interface SpanIndex {
  /** Whether one of them begins in this range, its end included. */
  readonly beginsIn: (from: number, to: number) => boolean;
  /** Whether one of them holds the character at this place. */
  readonly covers: (at: number) => boolean;
  /** The last that begins at this place or before. */
  readonly lastFrom: (at: number) => Span | undefined;
}

export function indexSpans(spans: readonly Span[]): SpanIndex {
  const sorted = spans.toSorted((a, b) => a.start - b.start);
  let end = -1;
  // The furthest end of a span and all before it.
  const ends = sorted.map((span) => (end = Math.max(end, span.end)));
  return {
    beginsIn(from, to) {
      const first = sorted[firstAfter(sorted, from - 1)];
      return first !== undefined && first.start <= to;
    },
    covers: (at) => (ends[firstAfter(sorted, at) - 1] ?? -1) > at,
    lastFrom: (at) => sorted[firstAfter(sorted, at) - 1],
  };
}

/** Index of the first that begins after this place. */
function firstAfter(sorted: readonly Span[], at: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.start ?? Number.POSITIVE_INFINITY) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
