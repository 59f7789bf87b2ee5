/**
 * The compiled network as the runtime takes it: plans and Wasm entries become a manifest.
 * Invariant: the order of tensors is the checkpoint's, slots last; equal kernels have one index.
 */
import type {
  ArgumentSpec,
  CallSpec,
  GuardSpec,
  Manifest,
  PortSpec,
  ProgramSpec,
  SizeSpec,
  StepSpec,
  TensorSpec,
  WebgpuSpec,
} from "../../runtime/manifest.ts";
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
  const { plan, wasm, kernels } = request;
  const names = [...new Set(wasm.calls.map((call) => call.export))];
  const index = new Map(names.map((name, i) => [name, i]));
  const callOf = new Map(kernels.map((kernel, k) => [kernel, wasm.callOf[k] ?? -1]));
  const program = (each: Plan | undefined): ProgramSpec | undefined => each && programSpec(each, wasm.calls, callOf);
  return {
    format: 1,
    model: request.model,
    kernels: names,
    calls: wasm.calls.map((call) => callSpec(call, index.get(call.export) ?? -1)),
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

function callSpec(call: WasmEntry, kernel: number): CallSpec {
  const argument = (each: KernelArgument): ArgumentSpec => (each.kind === "count" ? sizeSpec(each.value) : [each.buffer, sizeSpec(each.offset)]);
  const [units, flops, bytes] = [sizeSpec(call.units), sizeSpec(call.flops), sizeSpec(call.bytes)];
  return { kernel, arguments: call.arguments.map(argument), units, flops, bytes };
}

function programSpec(plan: Plan, calls: readonly WasmEntry[], callOf: ReadonlyMap<Kernel, number>): ProgramSpec {
  const { bufferAt, ...described } = describePlan(plan);
  const growing = calls.map(operandsOffByBatch);
  const steps = plan.steps.map(({ kernel }): StepSpec => {
    const call = callOf.get(kernel) ?? -1;
    invariant(calls[call] !== undefined, `kernel ${kernel.name} was not emitted`);
    const operands: number[] = [];
    for (const { buffer } of kernel.operands) {
      const { place } = bufferAt(buffer);
      operands.push(ARENAS[place.arena], place.offset);
    }
    for (const operand of growing[call] ?? []) invariant(operands[2 * operand] === ARENAS.batch, "a batch offset into a buffer of fixed size");
    return { call, operands, serves: kernel.serves.join(" ") };
  });
  return { ...described, steps };
}

/** Operands that are read from an offset which grows with the batch. */
function operandsOffByBatch({ arguments: all }: WasmEntry): readonly number[] {
  return all.flatMap((each) => (each.kind === "address" && typeof each.offset !== "number" && each.offset.batch !== 0 ? [each.buffer] : []));
}
