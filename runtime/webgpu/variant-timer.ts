/**
 * Times variants on a device, on memory of their own: a kernel may write what the next call reads.
 * Invariant: by timestamps where the device has them, else by the host's clock around enough runs to drown its own time.
 */
import type { WebgpuProgramSpec, WebgpuSpec, WebgpuStepSpec, WebgpuVariantSpec } from "../manifest.ts";
import { resolveSize } from "../memory.ts";
import { encodeDispatch, type ReadyDispatch, readyDispatches } from "./dispatches.ts";
import type { Pipelines } from "./pipelines.ts";
import { align } from "./placement.ts";
import { createTimestamps } from "./timestamps.ts";
import type { VariantTimer } from "./tuning.ts";

/** Milliseconds that a measurement lasts: browsers round timestamps to 0.1 ms, and a submit takes about as long by the host's clock. */
const LEAST_BY_TIMESTAMPS = 2;
const LEAST_BY_HOST = 10;
const MOST_RUNS = 512;
/** Of these the least counts. */
const ROUNDS = 3;
/** A first run, too short to be exact, that takes so many times the best is not measured again. */
const HOPELESS = 3;

const STORAGE = 0x0080;

/** Times variants of a network's programs. */
export function createVariantTimer(spec: WebgpuSpec, device: GPUDevice, pipelines: Pipelines): VariantTimer {
  const pool = createPool(device);
  const isStamped = device.features.has("timestamp-query");
  const least = isStamped ? LEAST_BY_TIMESTAMPS : LEAST_BY_HOST;
  const elapsed = (dispatches: readonly ReadyDispatch[], runs: number): Promise<number> =>
    isStamped ? byTimestamps(device, dispatches, runs) : byHost(device, dispatches, runs);
  return {
    async time(variant, step, program, batch, best) {
      const sizes = bindingSizes(spec, program, step, variant, batch);
      const buffers = await pool.take([...sizes.values()]);
      const resources = new Map([...sizes].map(([binding, size], k) => [binding, { buffer: buffers[k] as GPUBuffer, size }]));
      const resource = (binding: number): GPUBufferBinding => {
        const found = resources.get(binding);
        if (found === undefined) throw new Error(`internal error: there is no buffer ${binding}`);
        return found;
      };
      const { dispatches, release } = await readyDispatches(device, batch, [{ step: 0, variant, resource }], pipelines);
      try {
        // Some drivers compile at the first run.
        await elapsed(dispatches, 1);
        let runs = 1;
        let whole = await elapsed(dispatches, runs);
        if (whole > HOPELESS * best + 0.2) return whole;
        while (whole < least && runs < MOST_RUNS) {
          runs = Math.min(MOST_RUNS, Math.max(2 * runs, Math.ceil((1.2 * least * runs) / Math.max(whole, least / MOST_RUNS))));
          whole = await elapsed(dispatches, runs);
        }
        for (let round = 1; round < ROUNDS; round++) whole = Math.min(whole, await elapsed(dispatches, runs));
        return whole / runs;
      } finally {
        release();
      }
    },
    release: () => pool.destroy(),
  };
}

/** Bytes of what a variant binds, by position. */
function bindingSizes(
  spec: WebgpuSpec,
  program: WebgpuProgramSpec,
  { buffers }: WebgpuStepSpec,
  { dispatches, scratch }: WebgpuVariantSpec,
  batch: number,
): ReadonlyMap<number, number> {
  const sizes = new Map<number, number>();
  for (const binding of dispatches.flatMap(({ bindings }) => bindings)) {
    const buffer = program.buffers[buffers[binding] ?? -1];
    const kept = buffer !== undefined && "persistent" in buffer ? spec.persistent[buffer.persistent] : buffer?.bytes;
    const own = binding < 0 ? scratch[-1 - binding] : kept;
    sizes.set(binding, align(own === undefined ? 0 : resolveSize(own, batch)));
  }
  return sizes;
}

interface Pool {
  /** Buffers of at least these sizes, all different. Throws where the device has no memory for them. */
  take(sizes: readonly number[]): Promise<readonly GPUBuffer[]>;
  destroy(): void;
}

/** Buffers that grow with what is asked of them, the largest for the largest. */
function createPool(device: GPUDevice): Pool {
  const held: GPUBuffer[] = [];
  return {
    async take(sizes) {
      const order = sizes.map((_, k) => k).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
      const taken: GPUBuffer[] = [];
      for (const [place, k] of order.entries()) {
        const size = sizes[k] ?? 0;
        let buffer = held[place];
        if (buffer === undefined || buffer.size < size) {
          buffer?.destroy();
          device.pushErrorScope("out-of-memory");
          buffer = device.createBuffer({ label: "measurement", size, usage: STORAGE });
          const error = await device.popErrorScope();
          if (error !== null) throw new Error(error.message);
          held[place] = buffer;
        }
        taken[k] = buffer;
      }
      return taken;
    },
    destroy() {
      for (const buffer of held.splice(0, held.length)) buffer.destroy();
    },
  };
}

function encodeRuns(pass: GPUComputePassEncoder, dispatches: readonly ReadyDispatch[], runs: number): void {
  for (let run = 0; run < runs; run++) for (const dispatch of dispatches) encodeDispatch(pass, dispatch);
  pass.end();
}

async function byTimestamps(device: GPUDevice, dispatches: readonly ReadyDispatch[], runs: number): Promise<number> {
  const timestamps = createTimestamps(device, 1);
  const encoder = device.createCommandEncoder({ label: "measurement" });
  encodeRuns(encoder.beginComputePass({ timestampWrites: timestamps.writes(0) }), dispatches, runs);
  timestamps.resolve(encoder);
  device.queue.submit([encoder.finish()]);
  const [milliseconds = Number.NaN] = await timestamps.read();
  return milliseconds;
}

async function byHost(device: GPUDevice, dispatches: readonly ReadyDispatch[], runs: number): Promise<number> {
  const encoder = device.createCommandEncoder({ label: "measurement" });
  encodeRuns(encoder.beginComputePass(), dispatches, runs);
  const begin = performance.now();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  return performance.now() - begin;
}
