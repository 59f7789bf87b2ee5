/**
 * Where temporaries lie: offsets in a few large device buffers, greedy by size, each into the tightest gap that is free
 * for its whole life.
 * Invariant: what is alive at the same step does not overlap; offsets are multiples of 256 bytes, which every device
 * takes for a binding; no device buffer is larger than the limit.
 */

export interface Lifetime {
  readonly bytes: number;
  /** First and last step, both included. */
  readonly first: number;
  readonly last: number;
}

export interface PlacedBuffer {
  /** Position among the device buffers. */
  readonly chunk: number;
  readonly offset: number;
}

export interface Placement {
  /** By position of what was given. */
  readonly places: readonly PlacedBuffer[];
  /** Bytes of each device buffer. */
  readonly chunks: readonly number[];
}

const ALIGNMENT = 256;

/** Bytes as they are bound. */
export function align(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
}

/** The most that can be bound within so many bytes. */
export function roundDown(bytes: number): number {
  return Math.floor(bytes / ALIGNMENT) * ALIGNMENT;
}

/** One after another, for what stays: a new device buffer where the last is full. */
export function placeInOrder(sizes: readonly number[], limit: number): Placement {
  const chunks: number[] = [0];
  const places = sizes.map((bytes): PlacedBuffer => {
    const filled = chunks.at(-1) ?? 0;
    if (filled > 0 && filled + align(bytes) > limit) chunks.push(0);
    const chunk = chunks.length - 1;
    const offset = chunks[chunk] ?? 0;
    chunks[chunk] = offset + align(bytes);
    return { chunk, offset };
  });
  return { places, chunks };
}

/** Shares memory between what is alive at different steps. What exceeds the limit gets a buffer of its own. */
export function placeLifetimes(lifetimes: readonly Lifetime[], limit: number): Placement {
  const order = lifetimes.map((_, k) => k).sort((a, b) => (lifetimes[b]?.bytes ?? 0) - (lifetimes[a]?.bytes ?? 0) || a - b);
  const places: PlacedBuffer[] = [];
  const placed: (Lifetime & PlacedBuffer)[][] = [];
  for (const k of order) {
    const own = lifetimes[k];
    if (own === undefined) continue;
    const bytes = align(own.bytes);
    let chunk = 0;
    let offset: number | undefined;
    for (; chunk < placed.length && offset === undefined; chunk++) offset = findGap(placed[chunk] ?? [], own, bytes, limit);
    if (offset !== undefined) chunk--;
    const place = { chunk, offset: offset ?? 0 };
    places[k] = place;
    const inside = placed[chunk] ?? [];
    placed[chunk] = [...inside, { ...own, ...place, bytes }].sort((a, b) => a.offset - b.offset);
  }
  return { places, chunks: placed.map((inside) => Math.max(...inside.map(({ offset, bytes }) => offset + bytes))) };
}

/** The offset of the tightest gap between those alive at the same time, or behind them. */
function findGap(inside: readonly (Lifetime & PlacedBuffer)[], own: Lifetime, bytes: number, limit: number): number | undefined {
  let cursor = 0;
  let best: number | undefined;
  let tightest = Number.POSITIVE_INFINITY;
  for (const other of inside) {
    if (other.first > own.last || other.last < own.first) continue;
    const gap = other.offset - cursor;
    if (gap >= bytes && gap < tightest) [best, tightest] = [cursor, gap];
    cursor = Math.max(cursor, other.offset + other.bytes);
  }
  return best ?? (cursor + bytes <= limit ? cursor : undefined);
}
