/**
 * A network's tensors where the engine keeps them: parameters, states and optimizer slots in the persistent arena.
 * Invariant: what is read is a copy; what is written has been matched with the network's tensors before.
 */
import type { Engine } from "./engine.ts";
import type { Manifest, TensorSpec } from "./manifest.ts";
import { initialize } from "./random.ts";
import { elementCount, type Tensor, tensorFromInternal } from "./tensor.ts";
import { isInteger, writeTensor } from "./weights.ts";

export interface TensorStore {
  /** By name, in the order given. */
  read(specs: readonly TensorSpec[]): Readonly<Record<string, Tensor>>;
  write(matched: ReadonlyMap<TensorSpec, Tensor>): void;
}

/** Fills all tensors: from `initial`, the others drawn from `seed`. */
export function createTensorStore(
  manifest: Manifest,
  engine: Pick<Engine, "floats" | "integers">,
  seed: number,
  initial: ReadonlyMap<TensorSpec, Tensor>,
): TensorStore {
  const valuesOf = (spec: TensorSpec): Float32Array | Int32Array => {
    const count = elementCount(spec.shape);
    return isInteger(spec) ? engine.integers([0, spec.offset], 1, count) : engine.floats([0, spec.offset], 1, count);
  };
  const store: TensorStore = {
    read: (specs) => Object.fromEntries(specs.map((spec) => [spec.name, tensorFromInternal(spec.dtype, spec.shape, valuesOf(spec))])),
    write(matched) {
      for (const [spec, tensor] of matched) writeTensor(valuesOf(spec), spec, tensor);
    },
  };
  for (const spec of manifest.tensors) {
    if (!initial.has(spec)) initialize(valuesOf(spec), spec.initializer, spec.name, seed);
  }
  store.write(initial);
  return store;
}
