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

/** Placed intervals that follow one another by offset, at most `MOST` of them, with what a search needs to pass over them. */
interface Chunk {
  count: number;
  /** By offset, then in order of placing; bytes may be beyond 2^31. */
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** Bounds of `start` and `end`, and of `to`. */
  earliestStart: number;
  latestStart: number;
  earliestEnd: number;
  latestEnd: number;
  top: number;
  /** The most room between its members where all of them live. */
  widest: number;
}

/** In deep networks thousands of activations live at once: a search passes over a chunk of them in one step. */
const MOST = 64;

/** The offset of each interval, and the bytes that all need together. */
export function packIntervals(intervals: readonly Interval[]): {
  readonly offsets: readonly number[];
  readonly bytes: number;
} {
  const offsets: number[] = intervals.map(() => 0);
  const chunks: Chunk[] = [];
  let bytes = 0;
  for (const k of largestFirst(intervals)) {
    const own = intervals[k];
    if (own === undefined) continue;
    const size = align(own.size);
    const offset = findOffset(chunks, own, size, bytes);
    offsets[k] = offset;
    bytes = Math.max(bytes, offset + size);
    insert(chunks, own, offset, size);
  }
  return { offsets, bytes };
}

/** Positions by size, then by start: most sizes occur many times, and arrive in order of their starts. */
function largestFirst(intervals: readonly Interval[]): readonly number[] {
  const bySize = new Map<number, number[]>();
  for (const [k, { size }] of intervals.entries()) {
    const same = bySize.get(size);
    if (same === undefined) bySize.set(size, [k]);
    else same.push(k);
  }
  const startOf = (k: number): number => intervals[k]?.start ?? 0;
  return [...bySize].sort(([a], [b]) => b - a).flatMap(([, same]) => same.sort((a, b) => startOf(a) - startOf(b) || a - b));
}

/** The tightest gap between intervals that live at the same time, else behind them all. */
function findOffset(chunks: readonly Chunk[], own: Interval, size: number, bytes: number): number {
  const { start: first, end: last } = own;
  let cursor = 0;
  let best = -1;
  let tightest = Number.POSITIVE_INFINITY;
  // A gap that fits exactly ends the search: none is tighter, and most sizes occur many times.
  for (let c = 0; c < chunks.length && tightest > size; c++) {
    const chunk = chunks[c];
    if (chunk === undefined || chunk.earliestStart > last || chunk.latestEnd < first) continue;
    const { from, to, start, end } = chunk;
    const isPassed = chunk.widest < size && chunk.latestStart <= last && chunk.earliestEnd >= first;
    const count = isPassed ? 1 : chunk.count;
    for (let p = 0; p < count; p++) {
      if (!isPassed && ((start[p] ?? 0) > last || (end[p] ?? 0) < first)) continue;
      const gap = (from[p] ?? 0) - cursor;
      if (gap >= size && gap < tightest) {
        tightest = gap;
        best = cursor;
        if (gap === size) break;
      }
      const behind = isPassed ? chunk.top : (to[p] ?? 0);
      if (behind > cursor) cursor = behind;
    }
  }
  const tail = bytes - cursor;
  return best < 0 || (tail >= size && tail < tightest) ? cursor : best;
}

function insert(chunks: Chunk[], { start, end }: Interval, offset: number, size: number): void {
  let at = chunks.length - 1;
  while (at > 0 && (chunks[at]?.from[0] ?? 0) > offset) at--;
  const chunk = (chunks[Math.max(at, 0)] ??= emptyChunk());
  let position = chunk.count;
  while (position > 0 && (chunk.from[position - 1] ?? 0) > offset) position--;
  for (const list of [chunk.from, chunk.to, chunk.start, chunk.end]) list.copyWithin(position + 1, position, chunk.count);
  chunk.from[position] = offset;
  chunk.to[position] = offset + size;
  chunk.start[position] = start;
  chunk.end[position] = end;
  chunk.count++;
  if (chunk.count > MOST) chunks.splice(at + 1, 0, splitOff(chunk));
  measureChunk(chunk);
}

function emptyChunk(): Chunk {
  const lists = { from: new Float64Array(MOST + 1), to: new Float64Array(MOST + 1), start: new Int32Array(MOST + 1), end: new Int32Array(MOST + 1) };
  return { count: 0, ...lists, earliestStart: 0, latestStart: 0, earliestEnd: 0, latestEnd: 0, top: 0, widest: 0 };
}

/** The upper half of a chunk, as one of its own. */
function splitOff(chunk: Chunk): Chunk {
  const half = emptyChunk();
  const kept = MOST / 2;
  half.from.set(chunk.from.subarray(kept));
  half.to.set(chunk.to.subarray(kept));
  half.start.set(chunk.start.subarray(kept));
  half.end.set(chunk.end.subarray(kept));
  half.count = chunk.count - kept;
  chunk.count = kept;
  measureChunk(half);
  return half;
}

function measureChunk(chunk: Chunk): void {
  const { count, from, to, start, end } = chunk;
  let earliestStart = start[0] ?? 0;
  let latestStart = earliestStart;
  let earliestEnd = end[0] ?? 0;
  let latestEnd = earliestEnd;
  let top = to[0] ?? 0;
  let widest = 0;
  for (let p = 1; p < count; p++) {
    earliestStart = Math.min(earliestStart, start[p] ?? 0);
    latestStart = Math.max(latestStart, start[p] ?? 0);
    earliestEnd = Math.min(earliestEnd, end[p] ?? 0);
    latestEnd = Math.max(latestEnd, end[p] ?? 0);
    widest = Math.max(widest, (from[p] ?? 0) - top);
    top = Math.max(top, to[p] ?? 0);
  }
  chunk.earliestStart = earliestStart;
  chunk.latestStart = latestStart;
  chunk.earliestEnd = earliestEnd;
  chunk.latestEnd = latestEnd;
  chunk.top = top;
  chunk.widest = widest;
}
