/**
 * Offsets in an arena: greedy by size, each into the tightest gap that is free for its whole life.
 * Invariant: offsets are multiples of `alignment`; what lives at the same time does not overlap.
 */

/** Of every offset and size, in bytes: a cache line, and a vector of any width. */
export const alignment = 64;

export interface Interval {
  /** Bytes. */
  readonly size: number;
  /** First and last step, both included. */
  readonly start: number;
  readonly end: number;
}

/** Rounds up to the alignment. */
export function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/** The offset of each interval, and the bytes that all need together. */
export function packIntervals(intervals: readonly Interval[]): {
  readonly offsets: readonly number[];
  readonly bytes: number;
} {
  const count = intervals.length;
  const order = intervals.map((_, k) => k);
  order.sort((a, b) => {
    const [left, right] = [intervals[a], intervals[b]];
    return (right?.size ?? 0) - (left?.size ?? 0) || (left?.start ?? 0) - (right?.start ?? 0) || a - b;
  });
  const offsets: number[] = intervals.map(() => 0);
  /** Placed intervals by offset. */
  const from = new Float64Array(count);
  const to = new Float64Array(count);
  const start = new Int32Array(count);
  const end = new Int32Array(count);
  let placed = 0;
  let bytes = 0;
  for (const k of order) {
    const own = intervals[k];
    if (own === undefined) continue;
    const size = align(own.size);
    let cursor = 0;
    let best = -1;
    let tightest = Number.POSITIVE_INFINITY;
    for (let p = 0; p < placed; p++) {
      if ((start[p] ?? 0) > own.end || (end[p] ?? 0) < own.start) continue;
      const gap = (from[p] ?? 0) - cursor;
      if (gap >= size && gap < tightest) {
        tightest = gap;
        best = cursor;
        // No gap is tighter than one that fits exactly; in deep networks most have the size of many others.
        if (gap === size) break;
      }
      cursor = Math.max(cursor, to[p] ?? 0);
    }
    const tail = bytes - cursor;
    const offset = best < 0 || (tail >= size && tail < tightest) ? cursor : best;
    offsets[k] = offset;
    bytes = Math.max(bytes, offset + size);
    let at = placed++;
    for (; at > 0 && (from[at - 1] ?? 0) > offset; at--) {
      from[at] = from[at - 1] ?? 0;
      to[at] = to[at - 1] ?? 0;
      start[at] = start[at - 1] ?? 0;
      end[at] = end[at - 1] ?? 0;
    }
    from[at] = offset;
    to[at] = offset + size;
    start[at] = own.start;
    end[at] = own.end;
  }
  return { offsets, bytes };
}
