/**
 * A program at one batch, ready to be encoded: variants chosen, temporaries placed, bind groups and grids made.
 * Invariant: it is good as long as the memory's generation is the one that it was made in.
 */
import type { SizeSpec, WebgpuBufferSpec, WebgpuDispatchSpec, WebgpuProgramSpec, WebgpuStepSpec, WebgpuVariantSpec } from "../manifest.ts";
import { resolveSize } from "../memory.ts";
import { moduleRejected } from "../problems.ts";
import type { DeviceMemory } from "./memory.ts";
import { type Pipelines, UNIFORM_BYTES } from "./pipelines.ts";
import type { Timestamps } from "./timestamps.ts";
import { align, type Lifetime, placeLifetimes } from "./placement.ts";

interface ResolvedDispatch {
  /** Position of its step in the program. */
  readonly step: number;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  /** Where its uniform begins. */
  readonly uniform: number;
  readonly grid: readonly [number, number];
}

export interface ResolvedProgram {
  readonly generation: number;
  /** Of the program's buffers. */
  readonly places: readonly GPUBufferBinding[];
  readonly dispatches: readonly ResolvedDispatch[];
  /** Of each step, what was chosen. */
  readonly variants: readonly WebgpuVariantSpec[];
  release(): void;
}

const UNIFORM = 0x0040;
const COPY_DST = 0x0008;

/** Takes the memory, compiles the shaders. Throws RN602, RN603. */
export async function resolveProgram(
  device: GPUDevice,
  program: WebgpuProgramSpec,
  batch: number,
  memory: DeviceMemory,
  pipelines: Pipelines,
): Promise<ResolvedProgram> {
  const chosen = program.steps.map((step) => chooseVariant(step, batch, device));
  const compiled = await Promise.all(
    chosen.map(({ dispatches }, k) =>
      Promise.all(dispatches.map(({ shader, bindings }) => pipelines.of(shader, bindings.length, program.steps[k]?.serves ?? ""))),
    ),
  );
  const { places, scratch } = await placeBuffers(program.buffers, chosen, batch, memory);
  const total = chosen.reduce((count, { dispatches }) => count + dispatches.length, 0);
  const words = new Int32Array((UNIFORM_BYTES / 4) * Math.max(1, total));
  const uniform = device.createBuffer({ label: "dispatches", size: words.byteLength, usage: UNIFORM | COPY_DST });
  const dispatches: ResolvedDispatch[] = [];
  for (const [k, variant] of chosen.entries()) {
    for (const [j, dispatch] of variant.dispatches.entries()) {
      const own = compiled[k]?.[j];
      if (own === undefined) continue;
      const start = UNIFORM_BYTES * dispatches.length;
      words.set([batch, ...dispatch.offsets.map((offset) => resolveSize(offset, batch))], start / 4);
      const resources = dispatch.bindings.map((index) => {
        const resource = index < places.length ? places[index] : scratch[k]?.[index - places.length];
        if (resource === undefined) throw new Error(`internal error: there is no buffer ${index}`);
        return resource;
      });
      const entries = [{ buffer: uniform, size: UNIFORM_BYTES }, ...resources].map((resource, binding): GPUBindGroupEntry => ({ binding, resource }));
      dispatches.push({
        step: k,
        pipeline: own.pipeline,
        group: device.createBindGroup({ layout: own.layout, entries }),
        uniform: start,
        grid: grid(dispatch, batch),
      });
    }
  }
  device.queue.writeBuffer(uniform, 0, words);
  return { generation: memory.generation(), places, dispatches, variants: chosen, release: () => uniform.destroy() };
}

/** The first variant that the device and the batch allow. Throws RN603. */
function chooseVariant({ variants, serves }: WebgpuStepSpec, batch: number, device: GPUDevice): WebgpuVariantSpec {
  const allowed = variants.filter(({ requires }) => isSupported(requires, device));
  const found = allowed.find(({ upTo }) => upTo === undefined || batch <= upTo) ?? allowed.at(-1);
  if (found === undefined) throw moduleRejected(`the device can run no variant of the step that serves ${serves ?? "?"}`);
  return found;
}

/** Whether a device has what a variant asks for. */
export function isSupported(requires: WebgpuVariantSpec["requires"], { features, limits }: GPUDevice): boolean {
  const { features: wanted = [], workgroupStorage = 0, invocations = 0 } = requires ?? {};
  if (!wanted.every((feature) => features.has(feature))) return false;
  return workgroupStorage <= limits.maxComputeWorkgroupStorageSize && invocations <= limits.maxComputeInvocationsPerWorkgroup;
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
export function encodeDispatches(encoder: GPUCommandEncoder, dispatches: readonly ResolvedDispatch[]): void {
  const pass = encoder.beginComputePass();
  for (const dispatch of dispatches) encodeDispatch(pass, dispatch);
  pass.end();
}

function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, group, uniform, grid: [x, y] }: ResolvedDispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group, [uniform]);
  pass.dispatchWorkgroups(x, y);
}

/** Workgroups per dimension that every device takes. */
const MOST_WORKGROUPS = 65535;

/** Workgroups as a grid of two dimensions, nearly without surplus. */
function grid({ workgroups }: WebgpuDispatchSpec, batch: number): readonly [number, number] {
  const product = (sizes: readonly SizeSpec[]): number => sizes.reduce<number>((total, size) => total * resolveSize(size, batch), 1);
  const count = workgroups.reduce((total, { sizes, per }) => total * Math.ceil(product(sizes) / per), 1);
  const rows = Math.ceil(count / MOST_WORKGROUPS);
  return rows === 0 ? [0, 0] : [Math.ceil(count / rows), rows];
}
