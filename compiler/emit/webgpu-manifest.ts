/**
 * The WebGPU part of a manifest: plans and shaders of a network.
 * Invariant: the same tensors as the rest of the manifest, in the same order; memory is laid out anew.
 */
import type { WebgpuProgramSpec, WebgpuSpec, WebgpuStepSpec } from "../../runtime/manifest.ts";
import { invariant } from "../ir/invariant.ts";
import type { NetworkPlan, Plan } from "../ir/plan.ts";
import { scale } from "../wasm/sizes.ts";
import { emitWgsl, type WgslEntry } from "../wgsl/emit.ts";
import { addressSpec, describePlan, sizeSpec } from "./manifest.ts";

/** Emits the shaders of all programs of a network that was planned for WebGPU. */
export function buildWebgpu(plan: NetworkPlan): WebgpuSpec {
  const { prepare, infer, gradients, step } = plan;
  const plans = [prepare, infer, gradients, step].flatMap((each) => (each === undefined ? [] : [each]));
  const steps = plans.flatMap((each) => each.steps.map(({ kernel }) => ({ kernel, buffers: each.buffers })));
  const wgsl = emitWgsl(
    steps.map(({ kernel }) => kernel),
    (index, id) => {
      const buffer = steps[index]?.buffers[id];
      invariant(buffer !== undefined && buffer.id === id, `buffer ${id} has no place`);
      return buffer.place.arena;
    },
  );
  let done = 0;
  const programs = plans.map((each): WebgpuProgramSpec => {
    const entries = wgsl.entries.slice(done, done + each.steps.length);
    done += each.steps.length;
    return programSpec(each, entries);
  });
  const program = (each: Plan | undefined): WebgpuProgramSpec | undefined => (each === undefined ? undefined : programs[plans.indexOf(each)]);
  return {
    shaders: wgsl.shaders,
    persistentBytes: plan.persistentBytes,
    offsets: plan.tensors.map(({ buffer }) => buffer.place.offset),
    prepare: program(prepare),
    infer: program(infer),
    gradients: program(gradients),
    step: program(step),
  };
}

function programSpec(plan: Plan, entries: readonly WgslEntry[]): WebgpuProgramSpec {
  const { bufferAt, ...described } = describePlan(plan);
  const steps = plan.steps.map(({ kernel }, k): WebgpuStepSpec => {
    const entry = entries[k];
    invariant(entry !== undefined, `kernel ${kernel.name} was not emitted`);
    return {
      shader: entry.shader,
      addresses: entry.addresses.map(({ buffer, offset }) => addressSpec(bufferAt(buffer), scale(offset, 4))),
      workgroups: entry.workgroups.map(({ sizes, per }) => ({ sizes: sizes.map(sizeSpec), per })),
      serves: kernel.serves.join(" "),
    };
  });
  return { ...described, steps };
}
