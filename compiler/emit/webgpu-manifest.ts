/**
 * The WebGPU part of a manifest: programs and shaders of a network.
 * Invariant: the same tensors as the rest of the manifest, in the same order. Memory is not laid out here: the runtime
 * does that, who knows the batch and the device.
 */
import type {
  SizeSpec,
  WebgpuBufferSpec,
  WebgpuDispatchSpec,
  WebgpuPortSpec,
  WebgpuProgramSpec,
  WebgpuSpec,
  WebgpuVariantSpec,
} from "../../runtime/manifest.ts";
import { multiplySizes } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Buffer, NetworkPlan, Plan, PortBuffer } from "../ir/plan.ts";
import { emitWgsl, type WgslDispatch, type WgslStep, type WgslVariant } from "../wgsl/emit.ts";
import { sizeSpec } from "./manifest.ts";

/** A program's memory: what it binds, and which of it a buffer of the plan is. */
interface ProgramMemory {
  readonly plan: Plan;
  readonly specs: readonly WebgpuBufferSpec[];
  /** Positions in `specs`, by id. */
  readonly places: readonly number[];
}

/** Emits the shaders of all programs of a network that was planned for WebGPU. */
export function buildWebgpu(plan: NetworkPlan): WebgpuSpec {
  const { prepare, infer, gradients, step } = plan;
  const kept = keptBuffers(plan);
  const memories = [prepare, infer, gradients, step].flatMap((each) => (each === undefined ? [] : [memoryOf(each, kept.positions)]));
  const steps = memories.flatMap((memory) => memory.plan.steps.map(({ kernel }) => ({ kernel, memory })));
  const wgsl = emitWgsl(
    steps.map(({ kernel }) => kernel),
    {
      memory: (index, id) => steps[index]?.memory.places[id] ?? -1,
      name: (index, id) => steps[index]?.memory.plan.buffers[id]?.name ?? "",
    },
  );
  let done = 0;
  const programs = memories.map((memory): WebgpuProgramSpec => {
    const own = wgsl.steps.slice(done, (done += memory.plan.steps.length));
    return programSpec(memory, own);
  });
  const program = (each: Plan | undefined): WebgpuProgramSpec | undefined => programs[memories.findIndex((memory) => memory.plan === each)];
  return {
    shaders: wgsl.shaders,
    persistent: kept.bytes,
    prepare: program(prepare),
    infer: program(infer),
    gradients: program(gradients),
    step: program(step),
  };
}

/** Kept buffers in order, the network's tensors first; they are known by their offsets in the persistent arena. */
function keptBuffers({ tensors, prepare, infer, gradients, step }: NetworkPlan): {
  readonly bytes: number[];
  readonly positions: Map<number, number>;
} {
  const bytes: number[] = [];
  const positions = new Map<number, number>();
  const add = ({ size, place }: Buffer): void => {
    if (place.arena !== "persistent" || positions.has(place.offset)) return;
    invariant(typeof size === "number", "a kept tensor does not grow with the batch");
    positions.set(place.offset, bytes.push(4 * size) - 1);
  };
  for (const tensor of tensors) add(tensor.buffer);
  invariant(bytes.length === tensors.length, "two tensors share a place");
  for (const plan of [prepare, infer, gradients, step]) for (const buffer of plan?.buffers ?? []) add(buffer);
  return { bytes, positions };
}

function memoryOf(plan: Plan, kept: ReadonlyMap<number, number>): ProgramMemory {
  const specs: WebgpuBufferSpec[] = [];
  const places: number[] = [];
  const known = new Map<number, number>();
  for (const { id, place } of plan.buffers) {
    if (place.arena !== "persistent") continue;
    const persistent = kept.get(place.offset);
    invariant(persistent !== undefined, `buffer ${id} is not kept`);
    const position = known.get(persistent) ?? specs.push({ persistent }) - 1;
    known.set(persistent, position);
    places[id] = position;
  }
  for (const { size, first, last, buffers } of plan.slots) {
    const position = specs.push({ bytes: sizeSpec(multiplySizes(size, 4)), first, last }) - 1;
    for (const id of buffers) places[id] = position;
  }
  for (const { id, name } of plan.buffers) invariant(places[id] !== undefined, `buffer ${id} (${name}) has no place`);
  return { plan, specs, places };
}

function programSpec({ plan, specs, places }: ProgramMemory, steps: readonly WgslStep[]): WebgpuProgramSpec {
  const port = ({ name, dtype, shape, buffer }: PortBuffer): WebgpuPortSpec => ({
    name,
    dtype,
    shape: shape.map(sizeSpec),
    buffer: places[buffer] ?? -1,
  });
  return {
    inputs: plan.inputs.map(port),
    scalars: plan.scalars.map(port),
    outputs: plan.outputs.map(port),
    buffers: specs,
    steps: steps.map(({ variants, flops, bytes }, k) => ({
      variants: variants.map((each) => variantSpec(each, specs.length)),
      flops: sizeSpec(flops),
      bytes: sizeSpec(bytes),
      serves: plan.steps[k]?.kernel.serves.join(" ") ?? "",
    })),
  };
}

/** `buffers`: of the program, behind which the variant's own are numbered. */
export function variantSpec({ name, dispatches, scratch, requires, upTo, triedUpTo }: WgslVariant, buffers: number): WebgpuVariantSpec {
  return {
    name,
    dispatches: dispatches.map((each) => dispatchSpec(each, buffers)),
    scratch: scratch.map(sizeSpec),
    ...(requires === undefined ? {} : { requires }),
    ...(upTo === undefined ? {} : { upTo }),
    ...(triedUpTo === undefined ? {} : { triedUpTo }),
  };
}

function dispatchSpec({ shader, bindings, offsets, workgroups }: WgslDispatch, buffers: number): WebgpuDispatchSpec {
  return {
    shader,
    bindings: bindings.map((each) => ("scratch" in each ? buffers + each.scratch : each.memory)),
    offsets: offsets.map((offset): SizeSpec => sizeSpec(offset)),
    workgroups: workgroups.map(({ sizes, per }) => ({ sizes: sizes.map(sizeSpec), per })),
  };
}
