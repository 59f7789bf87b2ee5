/**
 * The WebGPU part of a manifest: programs and shaders of a network.
 * Invariant: the same tensors as the rest of the manifest, in the same order. Memory is not laid out here: the runtime
 * does that, who knows the batch and the device.
 */
import type {
  SizeSpec,
  WebgpuBufferSpec,
  WebgpuCallSpec,
  WebgpuDispatchSpec,
  WebgpuPortSpec,
  WebgpuProgramSpec,
  WebgpuSpec,
  WebgpuVariantSpec,
} from "../../runtime/manifest.ts";
import { multiplySizes } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Buffer, NetworkPlan, Plan, PortBuffer } from "../ir/plan.ts";
import { emitWgsl, type WgslCall, type WgslDispatch, type WgslVariant } from "../wgsl/emit.ts";
import { halfMemory } from "./half-storage.ts";
import { sizeSpec } from "./manifest.ts";

/** A program's memory: what it binds, and which of it a buffer of the plan is. */
interface ProgramMemory {
  readonly plan: Plan;
  readonly specs: readonly WebgpuBufferSpec[];
  /** Positions in `specs`, by id. */
  readonly places: readonly number[];
  /** Positions in `specs` of what is stored as f16. */
  readonly halves: ReadonlySet<number>;
}

/** How inference stores weights and what flows between layers; everything is computed in f32. */
export type Storage = "f32" | "f16";

/** Emits the shaders of all programs of a network that was planned for WebGPU. */
export function buildWebgpu(plan: NetworkPlan, storage: Storage = "f32"): WebgpuSpec {
  const { prepare, infer, gradients, step } = plan;
  const kept = keptBuffers(plan);
  const whole = [prepare, infer, gradients, step].flatMap((each) => (each === undefined ? [] : [memoryOf(each, kept.positions)]));
  const { memories, persistent } = storage === "f16" ? withHalves(plan, whole, kept.bytes) : { memories: whole, persistent: kept.bytes };
  const steps = memories.flatMap((memory) => memory.plan.steps.map(({ kernel }) => ({ kernel, memory })));
  const wgsl = emitWgsl(
    steps.map(({ kernel }) => kernel),
    {
      memory: (index, id) => steps[index]?.memory.places[id] ?? -1,
      name: (index, id) => steps[index]?.memory.plan.buffers[id]?.name ?? "",
      isHalf: (index, id) => steps[index]?.memory.halves.has(steps[index]?.memory.places[id] ?? -1) === true,
    },
  );
  let done = 0;
  const programs = memories.map((memory): WebgpuProgramSpec => {
    const calls = wgsl.callOf.slice(done, (done += memory.plan.steps.length));
    return programSpec(memory, calls);
  });
  const program = (each: Plan | undefined): WebgpuProgramSpec | undefined => programs[memories.findIndex((memory) => memory.plan === each)];
  return {
    ...(storage === "f16" ? { features: ["shader-f16"] } : {}),
    shaders: wgsl.shaders,
    calls: wgsl.calls.map(callSpec),
    persistent,
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
    const { name = "", shape } = plan.buffers[buffers[0] ?? -1] ?? {};
    const described = { name, ...(shape === undefined ? {} : { shape: shape.map(sizeSpec) }) };
    const position = specs.push({ bytes: sizeSpec(multiplySizes(size, 4)), first, last, ...described }) - 1;
    for (const id of buffers) places[id] = position;
  }
  for (const { id, name } of plan.buffers) invariant(places[id] !== undefined, `buffer ${id} (${name}) has no place`);
  return { plan, specs, places, halves: new Set() };
}

/** The memories of the programs, and the bytes of what is kept, with the inference program and its weights stored as f16. */
function withHalves(
  { tensors, prepare, infer }: NetworkPlan,
  memories: readonly ProgramMemory[],
  bytes: readonly number[],
): { readonly memories: readonly ProgramMemory[]; readonly persistent: readonly number[] } {
  const own = memories.find(({ plan }) => plan === infer);
  if (infer === undefined || own === undefined) return { memories, persistent: bytes };
  const keptAt = (specs: readonly WebgpuBufferSpec[], position: number): number => {
    const spec = specs[position];
    return spec !== undefined && "persistent" in spec ? spec.persistent : -1;
  };
  const isMade = (position: number): boolean => keptAt(own.specs, position) >= tensors.length;
  const isTensor = (position: number): boolean => keptAt(own.specs, position) >= 0 && !isMade(position);
  const found = halfMemory(infer, (buffer) => own.places[buffer] ?? -1, isMade, isTensor);
  const weights = new Set([...found.weights].map((position) => keptAt(own.specs, position)));
  const halved = memories.map((memory): ProgramMemory => {
    const positions = memory.specs.map((_, position) => position);
    if (memory.plan === prepare) return { ...memory, halves: new Set(positions.filter((position) => weights.has(keptAt(memory.specs, position)))) };
    return memory === own ? { ...memory, halves: found.infer } : memory;
  });
  return { memories: halved.map(halveSpecs), persistent: bytes.map((each, k) => (weights.has(k) ? each / 2 : each)) };
}

function halveSpecs(memory: ProgramMemory): ProgramMemory {
  const halve = (size: SizeSpec): SizeSpec => (typeof size === "number" ? size / 2 : { batch: size.batch / 2 });
  const specs = memory.specs.map((spec, k) => (memory.halves.has(k) && !("persistent" in spec) ? { ...spec, bytes: halve(spec.bytes) } : spec));
  return { ...memory, specs };
}

function programSpec({ plan, specs, places }: ProgramMemory, calls: readonly number[]): WebgpuProgramSpec {
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
    steps: plan.steps.map(({ kernel }, k) => ({
      call: calls[k] ?? -1,
      buffers: kernel.operands.map(({ buffer }) => places[buffer] ?? -1),
      serves: kernel.serves.join(" "),
    })),
  };
}

/** What steps of equal kernels share. */
export function callSpec({ variants, flops, bytes }: WgslCall): WebgpuCallSpec {
  return { variants: variants.map(variantSpec), flops: sizeSpec(flops), bytes: sizeSpec(bytes) };
}

function variantSpec({ name, dispatches, scratch, requires, upTo, triedUpTo, plain }: WgslVariant): WebgpuVariantSpec {
  return {
    name,
    dispatches: dispatches.map(dispatchSpec),
    scratch: scratch.map(sizeSpec),
    ...(requires === undefined ? {} : { requires }),
    ...(upTo === undefined ? {} : { upTo }),
    ...(triedUpTo === undefined ? {} : { triedUpTo }),
    ...(plain === undefined ? {} : { plain }),
  };
}

/** Scratch buffers are numbered from -1 downwards. */
function dispatchSpec({ shader, bindings, offsets, workgroups }: WgslDispatch): WebgpuDispatchSpec {
  return {
    shader,
    bindings: bindings.map((each) => ("scratch" in each ? -1 - each.scratch : each.operand)),
    offsets: offsets.map(sizeSpec),
    workgroups: workgroups.map(({ sizes, per }) => ({ sizes: sizes.map(sizeSpec), per })),
  };
}
