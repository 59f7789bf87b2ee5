/**
 * The compiled network as the runtime takes it: plans and Wasm entries become a manifest.
 * Invariant: the order of tensors is the checkpoint's, slots last; equal kernels have one index.
 */
import type { GuardSpec, Manifest, PortSpec, ProgramSpec, SizeSpec, StepSpec, TensorSpec, WebgpuSpec } from "../../runtime/manifest.ts";
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Size } from "../ir/kernel.ts";
import type { Buffer, NetworkPlan, Place, Plan, PortBuffer } from "../ir/plan.ts";
import type { KernelArgument, WasmEntry, WasmModule } from "../wasm/emit.ts";

const ARENAS: Readonly<Record<Place["arena"], number>> = { persistent: 0, fixed: 1, batch: 2 };

export interface ManifestRequest {
  readonly model: string;
  readonly plan: NetworkPlan;
  readonly wasm: WasmModule;
  /** In the order in which `wasm` was emitted. */
  readonly kernels: readonly Kernel[];
  readonly tensors: readonly TensorSpec[];
  readonly batch: number | undefined;
  readonly scalars: Readonly<Record<string, number>>;
  readonly guards: readonly GuardSpec[];
  readonly webgpu?: WebgpuSpec | undefined;
}

export function buildManifest(request: ManifestRequest): Manifest {
  const { plan, wasm } = request;
  const entryOf = new Map<Kernel, WasmEntry>();
  for (const [i, kernel] of request.kernels.entries()) {
    const entry = wasm.entries[i];
    invariant(entry !== undefined, `kernel ${kernel.name} was not emitted`);
    entryOf.set(kernel, entry);
  }
  const names = [...new Set(wasm.entries.map((entry) => entry.export))];
  const index = new Map(names.map((name, i) => [name, i]));
  const program = (each: Plan | undefined): ProgramSpec | undefined => (each === undefined ? undefined : programSpec(each, entryOf, index));
  return {
    format: 1,
    model: request.model,
    kernels: names,
    persistentBytes: plan.persistentBytes,
    scratchBytes: wasm.scratchBytes,
    batch: request.batch,
    tensors: request.tensors,
    prepare: program(plan.prepare),
    infer: program(plan.infer),
    gradients: program(plan.gradients),
    step: program(plan.step),
    scalars: request.scalars,
    guards: request.guards,
    ...(request.webgpu === undefined ? {} : { webgpu: request.webgpu }),
  };
}

/** A count as the runtime takes it. */
export function sizeSpec(size: Size): SizeSpec {
  return typeof size === "number" ? size : { batch: size.batch };
}

/** A plan's buffers by id, and its ports and arenas as the runtime takes them. */
export function describePlan(plan: Plan): Omit<ProgramSpec, "steps"> & { readonly bufferAt: (id: number) => Buffer } {
  const bufferAt = (id: number): Buffer => {
    const buffer = plan.buffers[id];
    if (buffer === undefined) invariant(false, `buffer ${id} has no place`);
    return buffer;
  };
  const port = (each: PortBuffer): PortSpec => {
    const { place } = bufferAt(each.buffer);
    return { name: each.name, dtype: each.dtype, shape: each.shape.map(sizeSpec), place: [ARENAS[place.arena], place.offset] };
  };
  return {
    inputs: plan.inputs.map(port),
    scalars: plan.scalars.map(port),
    outputs: plan.outputs.map(port),
    fixedBytes: plan.fixedBytes,
    batchBytes: plan.batchBytes,
    bufferAt,
  };
}

function programSpec(plan: Plan, entryOf: ReadonlyMap<Kernel, WasmEntry>, index: ReadonlyMap<string, number>): ProgramSpec {
  const { bufferAt, ...described } = describePlan(plan);
  const steps = plan.steps.map(({ kernel }): StepSpec => {
    const entry = entryOf.get(kernel);
    const kernelIndex = entry === undefined ? undefined : index.get(entry.export);
    invariant(entry !== undefined && kernelIndex !== undefined, `kernel ${kernel.name} was not emitted`);
    return {
      kernel: kernelIndex,
      arguments: entry.arguments.map((argument) => argumentSpec(argument, bufferAt)),
      units: sizeSpec(entry.units),
      serves: kernel.serves.join(" "),
      flops: sizeSpec(entry.flops),
      bytes: sizeSpec(entry.bytes),
    };
  });
  return { ...described, steps };
}

function argumentSpec(argument: KernelArgument, bufferAt: (id: number) => Buffer): StepSpec["arguments"][number] {
  if (argument.kind === "count") return sizeSpec(argument.value);
  return addressSpec(bufferAt(argument.buffer), argument.offset);
}

/** A buffer's address, `offset` bytes into it. */
export function addressSpec({ place }: Buffer, offset: Size): readonly [number, number] | readonly [number, number, number] {
  const arena = ARENAS[place.arena];
  if (typeof offset !== "number") {
    invariant(place.arena === "batch" || offset.batch === 0, "a batch offset into a buffer of fixed size");
    return [arena, place.offset + offset.batch];
  }
  if (place.arena !== "batch") return [arena, place.offset + offset];
  return offset === 0 ? [arena, place.offset] : [arena, place.offset, offset];
}
