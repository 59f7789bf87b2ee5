/**
 * All programs of a network over one persistent arena.
 * Invariant: tensors keep their order; prepared and packed tensors follow them.
 */
import { type LoweredProgram, lowerGraph } from "../fuse/lower-graph.ts";
import type { Target } from "../fuse/rules.ts";
import type { Graph } from "../ir/graph.ts";
import type { NetworkPlan, PersistentTensor } from "../ir/plan.ts";
import { createPersistentArena } from "./persistent.ts";
import { type PackRule, packWeights } from "./pack-weights.ts";
import { planProgram } from "./plan-program.ts";

/** The programs of a network, after rewriting and decomposition. */
export interface NetworkPrograms {
  /** Kept tensors in checkpoint order. */
  readonly tensors: readonly PersistentTensor[];
  /** Updates the states `prepared.K`; run after weights change. */
  readonly prepare?: Graph | undefined;
  readonly infer?: Graph | undefined;
  readonly gradients?: Graph | undefined;
  readonly step?: Graph | undefined;
}

/** Plans every program. `packing` is the back end's rule for weights; without it contractions read them as they lie. */
export function planNetwork(network: NetworkPrograms, target: Target, packing?: PackRule): NetworkPlan {
  const persistent = createPersistentArena();
  const tensors = network.tensors.map((tensor) => {
    const size = tensor.shape.reduce((product, extent) => product * extent, 1);
    const type = tensor.dtype === "f32" || tensor.dtype === "f16" ? "f32" : "i32";
    return { ...tensor, buffer: persistent.place(tensor.name, type, size) };
  });
  const lower = (graph: Graph | undefined): LoweredProgram | undefined => graph && lowerGraph(graph, target);
  const [prepare, infer] = packWeights(lower(network.prepare), lower(network.infer), packing);
  const [, gradients] = packWeights(undefined, lower(network.gradients), packing, true);
  const [, step] = packWeights(undefined, lower(network.step), packing, true);
  const plan = (program: LoweredProgram | undefined) => program && planProgram(program, persistent, target);
  const plans = { prepare: plan(prepare), infer: plan(infer), gradients: plan(gradients), step: plan(step) };
  return { persistentBytes: persistent.bytes(), tensors, ...plans };
}
