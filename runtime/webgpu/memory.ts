/**
 * A network's memory on a device: kept tensors, and temporaries that programs share.
 * Invariant: the kept ones never move; when temporaries move, the generation counts up and what was bound is void.
 */
import { tensorTooLarge } from "../problems.ts";
import { allocate } from "./allocate.ts";
import { align, placeInOrder, roundDown } from "./placement.ts";

export interface DeviceMemory {
  /** A kept tensor, to be bound. */
  persistent(index: number): GPUBufferBinding;
  /** Device buffers of at least so many bytes, each within the limit; what they held is lost. Throws RN602. */
  reserve(chunks: readonly number[], batch: number): Promise<readonly GPUBuffer[]>;
  /** Counts the times that temporaries moved. */
  generation(): number;
  /** The largest buffer that can be bound. */
  readonly limit: number;
  destroy(): void;
}

/** What the kept tensors are called, by position; those that the compiler added have no name. */
export type KeptNames = readonly { readonly name: string; readonly shape: readonly number[] }[];

// GPUBufferUsage, whose constants are globals that hosts without a window may lack.
const COPY_SRC = 0x0004;
const COPY_DST = 0x0008;
const STORAGE = 0x0080;

/** Takes the memory of what is kept. Throws RN602, RN609. */
export async function createMemory(device: GPUDevice, persistent: readonly number[], names: KeptNames): Promise<DeviceMemory> {
  const limit = roundDown(Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize));
  const create = (label: string, bytes: number): GPUBuffer =>
    device.createBuffer({ label, size: align(bytes), usage: STORAGE | COPY_SRC | COPY_DST });
  const tooLarge = persistent.findIndex((bytes) => bytes > limit);
  if (tooLarge >= 0) {
    const { name = "prepared weights", shape } = names[tooLarge] ?? {};
    throw tensorTooLarge({ name, shape, bytes: persistent[tooLarge] ?? 0, limit, batch: undefined, fits: undefined });
  }
  const kept = placeInOrder(persistent, limit);
  const total = kept.chunks.reduce((sum, bytes) => sum + bytes, 0);
  const keptBuffers = await allocate(device, "weights", total, undefined, () => kept.chunks.map((bytes) => create("weights", bytes)));
  const temporaries: GPUBuffer[] = [];
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
        const grown = await allocate(device, "tensors", bytes, batch, () => [create("tensors", bytes)]);
        held?.destroy();
        temporaries.splice(k, 1, ...grown);
        state.generation++;
      }
      return temporaries;
    },
    destroy() {
      for (const buffer of [...keptBuffers, ...temporaries]) buffer.destroy();
    },
  };
}
