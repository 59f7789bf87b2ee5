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
  /** By offset, then in order of placing. */
  readonly from: number[];
  readonly to: number[];
  readonly start: number[];
  readonly end: number[];
  /** Bounds of `start` and `end`, and of `to`. */
  earliestStart: number;
  latestStart: number;
  earliestEnd: number;
  latestEnd: number;
  top: number;
  /** No room between its members. */
  isSolid: boolean;
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
  let cursor = 0;
  let best = -1;
  let tightest = Number.POSITIVE_INFINITY;
  /** Whether the gap before `next` fits exactly: none is tighter, and most sizes occur many times. */
  const meet = (next: number): boolean => {
    const gap = next - cursor;
    if (gap < size || gap >= tightest) return false;
    tightest = gap;
    best = cursor;
    return gap === size;
  };
  search: for (const chunk of chunks) {
    if (chunk.earliestStart > own.end || chunk.latestEnd < own.start) continue;
    if (chunk.isSolid && chunk.latestStart <= own.end && chunk.earliestEnd >= own.start) {
      if (meet(chunk.from[0] ?? 0)) break;
      cursor = Math.max(cursor, chunk.top);
      continue;
    }
    const { from, to, start, end } = chunk;
    for (let p = 0; p < from.length; p++) {
      if ((start[p] ?? 0) > own.end || (end[p] ?? 0) < own.start) continue;
      if (meet(from[p] ?? 0)) break search;
      cursor = Math.max(cursor, to[p] ?? 0);
    }
  }
  const tail = bytes - cursor;
  return best < 0 || (tail >= size && tail < tightest) ? cursor : best;
}

function insert(chunks: Chunk[], { start, end }: Interval, offset: number, size: number): void {
  let at = chunks.findLastIndex((chunk) => (chunk.from[0] ?? 0) <= offset);
  if (at < 0) at = 0;
  const chunk = (chunks[at] ??= emptyChunk());
  let position = chunk.from.length;
  while (position > 0 && (chunk.from[position - 1] ?? 0) > offset) position--;
  chunk.from.splice(position, 0, offset);
  chunk.to.splice(position, 0, offset + size);
  chunk.start.splice(position, 0, start);
  chunk.end.splice(position, 0, end);
  if (chunk.from.length > MOST) {
    const half = emptyChunk();
    for (const list of ["from", "to", "start", "end"] as const) half[list].push(...chunk[list].splice(MOST / 2));
    measureChunk(half);
    chunks.splice(at + 1, 0, half);
  }
  measureChunk(chunk);
}

function emptyChunk(): Chunk {
  const lists = { from: [], to: [], start: [], end: [] };
  return { ...lists, earliestStart: 0, latestStart: 0, earliestEnd: 0, latestEnd: 0, top: 0, isSolid: true };
}

function measureChunk(chunk: Chunk): void {
  const { from, to, start, end } = chunk;
  chunk.earliestStart = Math.min(...start);
  chunk.latestStart = Math.max(...start);
  chunk.earliestEnd = Math.min(...end);
  chunk.latestEnd = Math.max(...end);
  chunk.isSolid = true;
  chunk.top = from[0] ?? 0;
  for (let p = 0; p < from.length; p++) {
    if ((from[p] ?? 0) > chunk.top) chunk.isSolid = false;
    chunk.top = Math.max(chunk.top, to[p] ?? 0);
  }
}
