/**
 * A program at one batch, ready to be encoded: variants chosen, temporaries placed, bind groups and grids made.
 * Invariant: it is good as long as the memory's generation is the one that it was made in.
 */
import type { SizeSpec, WebgpuBufferSpec, WebgpuProgramSpec, WebgpuSpec, WebgpuVariantSpec } from "../manifest.ts";
import { resolveSize } from "../memory.ts";
import type { Capabilities } from "./capabilities.ts";
import { encodeDispatch, type PlacedVariant, type ReadyDispatch, readyDispatches } from "./dispatches.ts";
import { tensorTooLarge } from "../problems.ts";
import type { DeviceMemory } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
import { align, type Lifetime, placeLifetimes } from "./placement.ts";
import type { Timestamps } from "./timestamps.ts";
import type { Tuner } from "./tuning.ts";
import { callOf, defaultVariant } from "./variants.ts";

export interface ResolvedProgram {
  readonly generation: number;
  /** Of the program's buffers. */
  readonly places: readonly GPUBufferBinding[];
  readonly dispatches: readonly ReadyDispatch[];
  /** Of each step, what was chosen. */
  readonly variants: readonly WebgpuVariantSpec[];
  release(): void;
}

/** Takes the memory, compiles the shaders; a tuner chooses the variants, else the compiler. Throws RN602, RN603, RN609. */
export async function resolveProgram(
  device: GPUDevice,
  spec: Pick<WebgpuSpec, "calls">,
  program: WebgpuProgramSpec,
  batch: number,
  memory: DeviceMemory,
  pipelines: Pipelines,
  tuner: Tuner | undefined,
  capabilities: Capabilities = device,
): Promise<ResolvedProgram> {
  requireFit(program, batch, memory.limit);
  const chosen = await tuner?.choose(program, batch, capabilities);
  const variants = chosen ?? program.steps.map((step) => defaultVariant(callOf(spec, step), batch, capabilities, step.serves));
  await Promise.all(
    variants.flatMap(({ dispatches }, k) =>
      dispatches.map(({ shader, bindings }) => pipelines.of(shader, bindings.length, program.steps[k]?.serves ?? "")),
    ),
  );
  const { places, scratch } = await placeBuffers(program.buffers, variants, batch, memory);
  const generation = memory.generation();
  const placed = variants.map((variant, step): PlacedVariant => {
    const buffers = program.steps[step]?.buffers ?? [];
    const resource = (binding: number): GPUBufferBinding => {
      const found = binding < 0 ? scratch[step]?.[-1 - binding] : places[buffers[binding] ?? -1];
      if (found === undefined) throw new Error(`internal error: step ${step} has no buffer ${binding}`);
      return found;
    };
    return { step, variant, resource };
  });
  const { dispatches, release } = await readyDispatches(device, batch, placed, pipelines);
  return { generation, places, dispatches, variants, release };
}

/** Throws RN609, with the batch that would fit, for the first tensor that is larger than `limit`. */
function requireFit({ buffers }: WebgpuProgramSpec, batch: number, limit: number): void {
  const own = buffers.flatMap((each) => ("persistent" in each ? [] : [each]));
  const tooLarge = own.find(({ bytes }) => resolveSize(bytes, batch) > limit);
  if (tooLarge === undefined) return;
  const { name, shape, bytes } = tooLarge;
  const isFixed = (size: SizeSpec): boolean => typeof size === "number";
  // A smaller batch is no remedy where another tensor is too large for any.
  const fits = Math.min(
    ...own.map((each) => (typeof each.bytes === "number" ? (each.bytes > limit ? 0 : batch) : Math.floor(limit / each.bytes.batch))),
  );
  throw tensorTooLarge({
    name,
    shape: shape?.map((size) => resolveSize(size, batch)),
    bytes: resolveSize(bytes, batch),
    limit,
    ...(isFixed(bytes) ? { batch: undefined, fits: undefined } : { batch, fits }),
  });
}

/** The program's buffers, and each step's scratch, as they are bound. */
async function placeBuffers(
  buffers: readonly WebgpuBufferSpec[],
  chosen: readonly WebgpuVariantSpec[],
  batch: number,
  memory: DeviceMemory,
): Promise<{ readonly places: readonly GPUBufferBinding[]; readonly scratch: readonly (readonly GPUBufferBinding[])[] }> {
  const lifetimes: Lifetime[] = [];
  const bytesOf = (size: SizeSpec): number => resolveSize(size, batch);
  const own = buffers.map((each) =>
    "persistent" in each ? undefined : lifetimes.push({ bytes: bytesOf(each.bytes), first: each.first, last: each.last }) - 1,
  );
  const extra = chosen.map(({ scratch }, step) => scratch.map((bytes) => lifetimes.push({ bytes: bytesOf(bytes), first: step, last: step }) - 1));
  const { places, chunks } = placeLifetimes(lifetimes, memory.limit);
  const held = await memory.reserve(chunks, batch);
  const binding = (index: number): GPUBufferBinding => {
    const place = places[index];
    const buffer = held[place?.chunk ?? -1];
    if (place === undefined || buffer === undefined) throw new Error(`internal error: nothing is placed at ${index}`);
    return { buffer, offset: place.offset, size: align(lifetimes[index]?.bytes ?? 0) };
  };
  return {
    places: buffers.map((each, k) => ("persistent" in each ? memory.persistent(each.persistent) : binding(own[k] ?? -1))),
    scratch: extra.map((indices) => indices.map(binding)),
  };
}

/** All dispatches in one pass; with timestamps, which only passes have, each in its own. */
export function encodeProgram(encoder: GPUCommandEncoder, { dispatches }: ResolvedProgram, timestamps?: Timestamps): void {
  if (timestamps !== undefined) {
    for (const [k, dispatch] of dispatches.entries()) {
      const pass = encoder.beginComputePass({ timestampWrites: timestamps.writes(k) });
      encodeDispatch(pass, dispatch);
      pass.end();
    }
    timestamps.resolve(encoder);
    return;
  }
  encodeDispatches(encoder, dispatches);
}

/** Dispatches in one pass. */
export function encodeDispatches(encoder: GPUCommandEncoder, dispatches: readonly ReadyDispatch[]): void {
  const pass = encoder.beginComputePass();
  for (const dispatch of dispatches) encodeDispatch(pass, dispatch);
  pass.end();
}
