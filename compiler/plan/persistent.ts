/**
 * The persistent arena: parameters, states, slots and prepared tensors, laid out one after another in order of arrival.
 * Invariant: a name has one place for the life of the network.
 */
import { invariant } from "../ir/invariant.ts";
import type { ScalarType, Size } from "../ir/kernel.ts";
import type { Buffer } from "../ir/plan.ts";
import { align } from "./arena.ts";

export interface PersistentArena {
  /** The buffer of this name, added if it is new. `size` in elements. */
  place(name: string, type: ScalarType, size: Size): Buffer;
  /** Bytes so far. */
  bytes(): number;
}

/** An empty arena; buffer ids count from 0 in order of arrival. */
export function createPersistentArena(): PersistentArena {
  const known = new Map<string, Buffer>();
  let end = 0;
  return {
    place(name, type, size) {
      const before = known.get(name);
      if (before !== undefined) {
        invariant(before.size === size && before.type === type, `${name} has two sizes or types`);
        return before;
      }
      invariant(typeof size === "number", `the kept tensor ${name} must not grow with the batch`);
      const buffer: Buffer = { id: known.size, name, type, size, place: { arena: "persistent", offset: end } };
      known.set(name, buffer);
      end += align(4 * size);
      return buffer;
    },
    bytes: () => end,
  };
}
