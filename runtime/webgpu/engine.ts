/**
 * Runs programs on a device: buffers, pipelines, one submit for each call.
 * Invariant: callers wait until one call is submitted before they make the next, not for its results; error scopes are
 * opened and closed without a pause between, since a device has one stack of them; after an error nothing is left mapped.
 */
import type { WebgpuProgramSpec, WebgpuSpec } from "../manifest.ts";
import type { ProgramName } from "../memory.ts";
import { deviceLost, kernelTrapped } from "../problems.ts";
import { type Capabilities, capabilitiesOf } from "./capabilities.ts";
import type { OpenedDevice } from "./device.ts";
import { createMemory, type KeptNames } from "./memory.ts";
import { createPipelines } from "./pipelines.ts";
import type { Profiler } from "../profile.ts";
import { encodeDispatches, encodeProgram, type ResolvedProgram, resolveProgram } from "./resolve.ts";
import { createStagingPool, readStaging, type Staging, type StagingPool } from "./staging.ts";
import { createTiming } from "./timing.ts";
import { createTuner, type TuningStore } from "./tuning.ts";
import { createVariantTimer } from "./variant-timer.ts";

/** Bytes from the beginning of a program's buffer. */
export interface Transfer {
  readonly buffer: number;
  readonly bytes: number;
}

export interface Write extends Transfer {
  readonly data: ArrayBuffer;
}

/** Bytes of a kept tensor, by its position in `WebgpuSpec.persistent`. */
export interface KeptBytes {
  readonly persistent: number;
  readonly data: ArrayBuffer;
}

/** A call that the device has taken; the results come when it has got there. */
export interface Submitted {
  readonly results: Promise<readonly ArrayBuffer[]>;
}

export interface WebgpuEngine {
  /** Takes the memory and compiles the shaders of a program. Throws RN602, RN603, RN607, RN609. */
  reserve(name: ProgramName, batch: number): Promise<void>;
  /** Writes, runs all steps, reads. Throws as `reserve`; the results throw RN604 and RN607. */
  submit(name: ProgramName, batch: number, writes: readonly Write[], reads: readonly Transfer[]): Promise<Submitted>;
  /** The same, with its results. */
  execute(name: ProgramName, batch: number, writes: readonly Write[], reads: readonly Transfer[]): Promise<readonly ArrayBuffer[]>;
  /** Replaces or copies kept tensors. */
  upload(kept: readonly KeptBytes[]): void;
  download(persistent: readonly number[]): Promise<readonly ArrayBuffer[]>;
  destroy(): void;
}

/** (program, batch) pairs whose bind groups are kept. */
const KEPT_PROGRAMS = 16;

/** How variants of kernels are measured. */
export interface Tuning {
  readonly store: TuningStore;
  /** Hears why measurements could not be read or kept. */
  readonly onFailure: (message: string) => void;
}

/**
 * The engine of one network, with the memory of what is kept, which `names` names; that of programs and batches is taken as
 * they are asked for. `profiler` hears of its calls, with `tuning` kernels are measured on first need. Throws RN602, RN607,
 * RN609, and then gives the device back.
 */
export async function createWebgpuEngine(
  spec: WebgpuSpec,
  { device, isOwn, isSoftware }: OpenedDevice,
  names: KeptNames,
  profiler?: Profiler,
  tuning?: Tuning,
): Promise<WebgpuEngine> {
  const watch = watchLoss(device);
  const pipelines = createPipelines(spec, device, isSoftware);
  const timer = createVariantTimer(spec, device, pipelines);
  const tuner = tuning === undefined ? undefined : createTuner(spec, device, timer, tuning.store, tuning.onFailure);
  const memory = await watch
    .explain(() => createMemory(device, spec.persistent, names))
    .catch((error: unknown) => {
      if (isOwn) device.destroy();
      throw error;
    });
  const pool = createStagingPool(device);
  const resolved = new Map<string, ResolvedProgram>();
  const asked: { capabilities?: Promise<Capabilities> } = {};
  const capabilities = (): Promise<Capabilities> => (asked.capabilities ??= capabilitiesOf(device, isSoftware));

  const program = (name: ProgramName): WebgpuProgramSpec => {
    const found = spec[name];
    if (found === undefined) throw new Error(`internal error: no program ${name}`);
    return found;
  };
  const reserve = async (name: ProgramName, batch: number): Promise<ResolvedProgram> => {
    watch.check();
    const key = `${name} ${batch}`;
    const known = resolved.get(key);
    if (known !== undefined && known.generation === memory.generation()) return known;
    known?.release();
    const made = await resolveProgram(device, spec, program(name), batch, memory, pipelines, tuner, await capabilities());
    resolved.delete(key);
    for (const [oldest, each] of resolved) {
      if (resolved.size < KEPT_PROGRAMS) break;
      each.release();
      resolved.delete(oldest);
    }
    resolved.set(key, made);
    return made;
  };

  const submit = (name: ProgramName, batch: number, writes: readonly Write[], reads: readonly Transfer[]): Promise<Submitted> =>
    watch.explain(async () => {
      const ready = await reserve(name, batch);
      const staging = await pool.take(reads.map(({ bytes }) => bytes));
      const timing = profiler === undefined ? undefined : createTiming(device, spec, name, batch, ready, profiler);
      const place = ({ buffer }: Transfer): GPUBufferBinding => ready.places[buffer] ?? missing(buffer);
      device.pushErrorScope("validation");
      for (const write of writes) {
        const { buffer, offset = 0 } = place(write);
        device.queue.writeBuffer(buffer, offset, write.data);
      }
      const encoder = device.createCommandEncoder({ label: name });
      encodeProgram(encoder, ready, timing?.timestamps);
      const parts = reads.map((read) => ({ offset: 0, ...place(read), size: read.bytes }));
      const copied = copyAndSubmit(device, encoder, pool, staging, parts);
      const failure = device.popErrorScope();
      const results = watch.explain(async () => {
        const [found, error] = await Promise.all([copied, failure]);
        if (error !== null) throw kernelTrapped(name, await findFaulty(device, program(name), ready), firstLine(error.message));
        await timing?.record();
        return found;
      });
      // Whoever asks for the results hears of it; until then it is nobody's unhandled rejection.
      results.catch(() => undefined);
      return { results };
    });

  return {
    reserve: (name, batch) => watch.explain(async () => void (await reserve(name, batch))),
    submit,
    execute: async (...call) => (await submit(...call)).results,
    upload(kept) {
      for (const { persistent, data } of kept) {
        const { buffer, offset = 0 } = memory.persistent(persistent);
        device.queue.writeBuffer(buffer, offset, data);
      }
    },
    download: (kept) =>
      watch.explain(async () => {
        watch.check();
        const parts = kept.map((index) => ({ offset: 0, ...memory.persistent(index), size: spec.persistent[index] ?? 0 }));
        const staging = await pool.take(parts.map(({ size }) => size));
        return copyAndSubmit(device, device.createCommandEncoder(), pool, staging, parts);
      }),
    destroy() {
      for (const each of resolved.values()) each.release();
      memory.destroy();
      pool.destroy();
      if (isOwn) device.destroy();
    },
  };
}

/** Devices say behind it what they were doing, in many lines. */
function firstLine(message: string): string {
  return message.split("\n")[0] ?? message;
}

function missing(buffer: number): never {
  throw new Error(`internal error: there is no buffer ${buffer}`);
}

/** What the step serves whose dispatch the device refuses, by encoding each alone; undefined if none is by itself. */
async function findFaulty(device: GPUDevice, { steps }: WebgpuProgramSpec, { dispatches }: ResolvedProgram): Promise<string | undefined> {
  for (const dispatch of dispatches) {
    device.pushErrorScope("validation");
    const encoder = device.createCommandEncoder();
    encodeDispatches(encoder, [dispatch]);
    encoder.finish();
    if ((await device.popErrorScope()) !== null) return steps[dispatch.step]?.serves;
  }
  return undefined;
}

/** Submits what was encoded, with copies of some memory behind it; gives what those hold when the device got there. */
async function copyAndSubmit(
  device: GPUDevice,
  encoder: GPUCommandEncoder,
  pool: StagingPool,
  staging: Staging,
  parts: readonly Required<GPUBufferBinding>[],
): Promise<readonly ArrayBuffer[]> {
  for (const [k, { buffer, offset, size }] of parts.entries()) {
    const place = staging.places[k];
    const target = staging.buffers[place?.chunk ?? -1];
    if (place !== undefined && target !== undefined) encoder.copyBufferToBuffer(buffer, offset, target, place.offset, size);
  }
  device.queue.submit([encoder.finish()]);
  const found = await readStaging(
    staging,
    parts.map(({ size }) => size),
  );
  pool.give(staging);
  return found;
}

interface LossWatch {
  /** Throws RN607 after a loss. */
  check(): void;
  /** What `body` gives; a failure that a loss explains becomes RN607. */
  explain<T>(body: () => Promise<T>): Promise<T>;
}

function watchLoss(device: GPUDevice): LossWatch {
  const state: { lost: GPUDeviceLostInfo | undefined } = { lost: undefined };
  void device.lost.then(
    (info) => (state.lost = info),
    () => undefined,
  );
  const check = (): void => {
    if (state.lost !== undefined) throw deviceLost(state.lost.message);
  };
  return {
    check,
    async explain(body) {
      try {
        return await body();
      } catch (error) {
        // A lost device rejects what is pending before it says that it is lost.
        await new Promise((resolve) => setTimeout(resolve, 0));
        check();
        throw error;
      }
    },
  };
}
