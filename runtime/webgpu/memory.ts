/**
 * A network's memory on a device: kept tensors, and temporaries that programs share.
 * Invariant: the kept ones never move; when temporaries move, the generation counts up and what was bound is void.
 */
import { outOfDeviceMemory } from "../problems.ts";
import { align, placeInOrder } from "./placement.ts";

export interface DeviceMemory {
  /** A kept tensor, to be bound. */
  persistent(index: number): GPUBufferBinding;
  /** Device buffers of at least so many bytes; what they held is lost. Throws RN602. */
  reserve(chunks: readonly number[], batch: number): Promise<readonly GPUBuffer[]>;
  /** Counts the times that temporaries moved. */
  generation(): number;
  /** The largest buffer that can be bound. */
  readonly limit: number;
  /** A buffer of at least so many bytes that nobody else reads from now, and the same given back, unmapped. */
  takeStaging(bytes: number): GPUBuffer;
  giveStaging(buffer: GPUBuffer): void;
  destroy(): void;
}

// GPUBufferUsage, whose constants are globals that hosts without a window may lack.
const MAP_READ = 0x0001;
const COPY_SRC = 0x0004;
const COPY_DST = 0x0008;
const STORAGE = 0x0080;

/** Buffers for reading that are kept when idle: as many as calls are usually in flight. */
const KEPT_STAGING = 8;

/** Takes the memory of what is kept. Throws RN602. */
export function createMemory(device: GPUDevice, persistent: readonly number[]): DeviceMemory {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const create = (label: string, bytes: number): GPUBuffer =>
    device.createBuffer({ label, size: align(bytes), usage: STORAGE | COPY_SRC | COPY_DST });
  const largest = Math.max(0, ...persistent);
  if (largest > limit) throw outOfDeviceMemory("weights", largest, limit, 1);
  const kept = placeInOrder(persistent, limit);
  const keptBuffers = kept.chunks.map((bytes) => create("weights", bytes));
  const temporaries: GPUBuffer[] = [];
  const staging = new Set<GPUBuffer>();
  const free: GPUBuffer[] = [];
  const state = { generation: 0 };
  return {
    limit,
    generation: () => state.generation,
    persistent(index) {
      const place = kept.places[index];
      const buffer = keptBuffers[place?.chunk ?? -1];
      if (place === undefined || buffer === undefined) throw new Error(`internal error: nothing is kept at ${index}`);
      return { buffer, offset: place.offset, size: align(persistent[index] ?? 0) };
    },
    async reserve(chunks, batch) {
      for (const [k, bytes] of chunks.entries()) {
        const held = temporaries[k];
        if (held !== undefined && held.size >= bytes) continue;
        if (bytes > limit) throw outOfDeviceMemory("tensors", bytes, limit, batch);
        device.pushErrorScope("out-of-memory");
        const grown = create("tensors", bytes);
        const error = await device.popErrorScope();
        if (error !== null) throw outOfDeviceMemory("tensors", bytes, undefined, batch);
        held?.destroy();
        temporaries[k] = grown;
        state.generation++;
      }
      return temporaries;
    },
    takeStaging(bytes) {
      const fit = free.findIndex(({ size }) => size >= bytes);
      const [found] = fit < 0 ? [] : free.splice(fit, 1);
      if (found !== undefined) return found;
      const made = device.createBuffer({ label: "staging", size: Math.ceil(bytes / 4) * 4, usage: MAP_READ | COPY_DST });
      staging.add(made);
      return made;
    },
    giveStaging(buffer) {
      free.push(buffer);
      free.sort((a, b) => a.size - b.size);
      while (free.length > KEPT_STAGING) {
        const [smallest] = free.splice(0, 1);
        if (smallest !== undefined) staging.delete(smallest);
        smallest?.destroy();
      }
    },
    destroy() {
      for (const buffer of [...keptBuffers, ...temporaries, ...staging]) buffer.destroy();
    },
  };
}
