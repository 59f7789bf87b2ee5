/**
 * Buffers through which results come back to the host. A call that is under way holds its own; those that are idle are
 * taken again by later calls, so that calls in flight go round among a few.
 * Invariant: what is idle is unmapped, and nobody writes to it; none is larger than the device allows.
 */
import { allocate } from "./allocate.ts";
import { type PlacedBuffer, placeInOrder } from "./placement.ts";

/** Room for the parts of one result. */
export interface Staging {
  readonly buffers: readonly GPUBuffer[];
  /** Bytes of each buffer that are used; the rest need not cross to the host. */
  readonly chunks: readonly number[];
  /** Of each part: which buffer, and where in it. */
  readonly places: readonly PlacedBuffer[];
}

export interface StagingPool {
  /** Room for parts of so many bytes, each at most what the device binds. Throws RN602. */
  take(parts: readonly number[]): Promise<Staging>;
  /** Gives it back, unmapped. */
  give(staging: Staging): void;
  destroy(): void;
}

// GPUBufferUsage, whose constants are globals that hosts without a window may lack.
const MAP_READ = 0x0001;
const COPY_DST = 0x0008;

/** Kept when idle: as many as calls are usually in flight. */
const KEPT = 8;

/** An empty pool; it grows as it is asked. */
export function createStagingPool(device: GPUDevice): StagingPool {
  const all = new Set<GPUBuffer>();
  /** Idle ones, the smallest first. */
  const free: GPUBuffer[] = [];
  return {
    async take(parts) {
      if (parts.length === 0) return { buffers: [], chunks: [], places: [] };
      const { places, chunks } = placeInOrder(parts, device.limits.maxBufferSize);
      const found = chunks.map((bytes) => {
        const fit = free.findIndex(({ size }) => size >= bytes);
        return fit < 0 ? undefined : free.splice(fit, 1)[0];
      });
      const lacking = chunks.filter((_, k) => found[k] === undefined);
      const total = lacking.reduce((sum, bytes) => sum + bytes, 0);
      const made = [
        ...(lacking.length === 0
          ? []
          : await allocate(device, "results", total, undefined, () =>
              lacking.map((size) => device.createBuffer({ label: "staging", size, usage: MAP_READ | COPY_DST })),
            )),
      ];
      for (const each of made) all.add(each);
      const buffers = found.map((each) => {
        const buffer = each ?? made.shift();
        if (buffer === undefined) throw new Error("internal error: a buffer for results was not made");
        return buffer;
      });
      return { buffers, chunks, places };
    },
    give({ buffers }) {
      free.push(...buffers);
      free.sort((a, b) => a.size - b.size);
      for (const each of free.splice(0, Math.max(0, free.length - KEPT))) {
        all.delete(each);
        each.destroy();
      }
    },
    destroy() {
      for (const each of all) each.destroy();
    },
  };
}

/** The parts, once the work submitted before is done; then the buffers are unmapped. */
export async function readStaging({ buffers, chunks, places }: Staging, parts: readonly number[]): Promise<readonly ArrayBuffer[]> {
  await Promise.all(buffers.map((each, k) => each.mapAsync(1, 0, chunks[k])));
  const mapped = buffers.map((each, k) => each.getMappedRange(0, chunks[k]));
  const copies = parts.map((bytes, k) => {
    const { chunk = -1, offset = 0 } = places[k] ?? {};
    return mapped[chunk]?.slice(offset, offset + bytes) ?? new ArrayBuffer(bytes);
  });
  for (const each of buffers) each.unmap();
  return copies;
}
