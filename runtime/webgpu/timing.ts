/**
 * Tells a profiler what one call of a program took: the whole by the host's clock, its steps by the device's timestamps.
 * Invariant: a step's time is the sum over its dispatches; on a device without timestamps only the whole is known.
 */
import type { WebgpuSpec } from "../manifest.ts";
import { type ProgramName, resolveSize } from "../memory.ts";
import type { Profiler } from "../profile.ts";
import type { ResolvedProgram } from "./resolve.ts";
import { createTimestamps, type Timestamps } from "./timestamps.ts";

export interface Timing {
  /** To be encoded with the program; undefined where the device has none. */
  readonly timestamps: Timestamps | undefined;
  /** Once the results are there. */
  record(): Promise<void>;
}

/** Begins the time of a call; `ready` is what is about to be encoded. */
export function createTiming(
  device: GPUDevice,
  spec: WebgpuSpec,
  name: ProgramName,
  batch: number,
  ready: ResolvedProgram,
  profiler: Profiler,
): Timing {
  const isTimed = device.features.has("timestamp-query") && ready.dispatches.length > 0;
  const timestamps = isTimed ? createTimestamps(device, ready.dispatches.length) : undefined;
  const begin = performance.now();
  return {
    timestamps,
    async record() {
      profiler.program(name, performance.now() - begin);
      if (timestamps === undefined) return;
      const passes = await timestamps.read();
      const steps = new Map<number, number>();
      for (const [k, { step }] of ready.dispatches.entries()) steps.set(step, (steps.get(step) ?? 0) + (passes[k] ?? 0));
      for (const [step, milliseconds] of steps) {
        const { serves = "", call: position = -1 } = spec[name]?.steps[step] ?? {};
        const { flops, bytes } = spec.calls[position] ?? { flops: 0, bytes: 0 };
        const variant = ready.variants[step];
        const shader = spec.shaders[variant?.dispatches[0]?.shader ?? -1];
        const call = { kernel: shader?.name ?? `#${step}`, serves, flops: resolveSize(flops, batch), bytes: resolveSize(bytes, batch) };
        profiler.kernel(name, call, milliseconds);
      }
    },
  };
}
