/**
 * All programs of a network over one persistent arena.
 * Invariant: tensors keep their order; prepared and packed tensors follow them.
 */
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { Target } from "../fuse/rules.ts";
import type { NetworkPlan, PersistentTensor } from "../ir/plan.ts";
import { createPersistentArena } from "./persistent.ts";
import { type PackRule, packWeights } from "./pack-weights.ts";
import { planProgram } from "./plan-program.ts";

/** The programs of a network, lowered for a target. */
export interface NetworkPrograms {
  /** Updates the states `prepared.PATH.K`; run after weights change. */
  readonly prepare?: LoweredProgram | undefined;
  readonly infer?: LoweredProgram | undefined;
  readonly gradients?: LoweredProgram | undefined;
  readonly step?: LoweredProgram | undefined;
}

/**
 * Plans every program; `kept` are the tensors in checkpoint order. `packing` is the back end's rule for weights; without
 * it contractions read them as they lie.
 */
export function planNetwork(kept: readonly PersistentTensor[], programs: NetworkPrograms, target: Target, packing?: PackRule): NetworkPlan {
  const persistent = createPersistentArena();
  const tensors = kept.map((tensor) => {
    const size = tensor.shape.reduce((product, extent) => product * extent, 1);
    const type = tensor.dtype === "f32" || tensor.dtype === "f16" ? "f32" : "i32";
    return { ...tensor, buffer: persistent.place(tensor.name, type, size) };
  });
  const [prepare, infer] = packWeights(programs.prepare, programs.infer, packing);
  const [, gradients] = packWeights(undefined, programs.gradients, packing, true);
  const [, step] = packWeights(undefined, programs.step, packing, true);
  const plan = (program: LoweredProgram | undefined) => program && planProgram(program, persistent, target);
  const plans = { prepare: plan(prepare), infer: plan(infer), gradients: plan(gradients), step: plan(step) };
  return { persistentBytes: persistent.bytes(), tensors, ...plans };
}
