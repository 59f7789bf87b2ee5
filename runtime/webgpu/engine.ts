/**
 * Runs programs on a device: buffers, pipelines, one submit for each call.
 * Invariant: callers wait for one call before they make the next; after an error nothing is left mapped.
 */
import type { SizeSpec, WebgpuProgramSpec, WebgpuSpec, WebgpuStepSpec } from "../manifest.ts";
import { type ProgramName, resolveSize } from "../memory.ts";
import { deviceLost, kernelTrapped, moduleRejected, outOfDeviceMemory } from "../problems.ts";
import type { OpenedDevice } from "./device.ts";

/** Bytes at a place [arena, byte offset] (times the batch in the batch arena). */
export interface Transfer {
  readonly place: readonly [number, number];
  readonly bytes: number;
}

export interface Write extends Transfer {
  readonly data: ArrayBuffer;
}

export interface WebgpuEngine {
  /** Takes the memory and compiles the shaders of a program. Throws RN602, RN603, RN607. */
  reserve(name: ProgramName, batch: number): Promise<void>;
  /** Writes, runs all steps, reads. Throws as `reserve`, and RN604. */
  execute(name: ProgramName, batch: number, writes: readonly Write[], reads: readonly Transfer[]): Promise<readonly ArrayBuffer[]>;
  /** Replaces or copies the persistent arena. */
  upload(bytes: ArrayBuffer): void;
  download(): Promise<ArrayBuffer>;
  destroy(): void;
}

/** Between the uniforms of two steps: the alignment that every device has. */
const STEP_BYTES = 256;
/** (program, batch) pairs whose uniforms are kept. */
const KEPT_UNIFORMS = 16;
const ARENA_LABELS = ["weights", "temporaries of fixed size", "tensors"];

interface Pipelines {
  readonly layout: GPUBindGroupLayout;
  /** Those of a program, compiled together on first need. */
  of(program: WebgpuProgramSpec): Promise<readonly GPUComputePipeline[]>;
}

/** The engine of one network. Its memory is taken call by call, as programs and batches ask for it. */
export function createWebgpuEngine(spec: WebgpuSpec, { device, isOwn }: OpenedDevice): WebgpuEngine {
  const watch = watchLoss(device);
  const pipelines = createPipelines(spec, device);
  const memory = createMemory(device, spec);
  const uniforms = new Map<string, GPUBuffer>();

  const program = (name: ProgramName): WebgpuProgramSpec => {
    const found = spec[name];
    if (found === undefined) throw new Error(`internal error: no program ${name}`);
    return found;
  };
  const uniformOf = (name: ProgramName, batch: number): GPUBuffer => {
    const key = `${name} ${batch}`;
    const known = uniforms.get(key);
    if (known !== undefined) return known;
    const made = createUniform(device, program(name), batch);
    for (const [oldest, buffer] of uniforms) {
      if (uniforms.size < KEPT_UNIFORMS) break;
      buffer.destroy();
      uniforms.delete(oldest);
    }
    uniforms.set(key, made);
    return made;
  };
  const reserve = async (name: ProgramName, batch: number): Promise<readonly GPUComputePipeline[]> => {
    watch.check();
    const { fixedBytes, batchBytes } = program(name);
    await memory.reserve([spec.persistentBytes, fixedBytes, batchBytes * batch], batch);
    return pipelines.of(program(name));
  };

  return {
    reserve: (name, batch) => watch.explain(async () => void (await reserve(name, batch))),
    execute: (name, batch, writes, reads) =>
      watch.explain(async () => {
        const compiled = await reserve(name, batch);
        const buffers = memory.buffers();
        const offset = ([arena, bytes]: Transfer["place"]): number => bytes * (arena === 2 ? batch : 1);
        device.pushErrorScope("validation");
        for (const { place, data } of writes) device.queue.writeBuffer(bufferOf(buffers, place[0]), offset(place), data);
        const encoder = device.createCommandEncoder({ label: name });
        const group = device.createBindGroup({
          layout: pipelines.layout,
          entries: bindings(buffers, uniformOf(name, batch)),
        });
        encodeSteps(encoder, program(name), compiled, group, batch);
        const total = reads.reduce((sum, { bytes }) => sum + bytes, 0);
        const staging = total === 0 ? undefined : memory.staging(total);
        let at = 0;
        for (const { place, bytes } of reads) {
          if (staging !== undefined) encoder.copyBufferToBuffer(bufferOf(buffers, place[0]), offset(place), staging, at, bytes);
          at += bytes;
        }
        device.queue.submit([encoder.finish()]);
        const failure = device.popErrorScope();
        const [copied, error] = await Promise.all([staging === undefined ? new ArrayBuffer(0) : readBack(staging, total), failure]);
        if (error !== null) throw kernelTrapped(name, undefined, error.message);
        let from = 0;
        return reads.map(({ bytes }) => copied.slice(from, (from += bytes)));
      }),
    upload(bytes) {
      device.queue.writeBuffer(bufferOf(memory.buffers(), 0), 0, bytes);
    },
    download: () =>
      watch.explain(async () => {
        watch.check();
        const bytes = Math.max(4, spec.persistentBytes);
        const staging = memory.staging(bytes);
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(bufferOf(memory.buffers(), 0), 0, staging, 0, bytes);
        device.queue.submit([encoder.finish()]);
        return readBack(staging, bytes);
      }),
    destroy() {
      for (const buffer of uniforms.values()) buffer.destroy();
      memory.destroy();
      if (isOwn) device.destroy();
    },
  };
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

function createPipelines(spec: WebgpuSpec, device: GPUDevice): Pipelines {
  const visibility = 4; // GPUShaderStage.COMPUTE, a global that hosts without a window may lack
  const storage = [0, 1, 2].map((binding): GPUBindGroupLayoutEntry => ({ binding, visibility, buffer: { type: "storage" } }));
  const uniform: GPUBindGroupLayoutEntry = {
    binding: 3,
    visibility,
    buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: STEP_BYTES },
  };
  const layout = device.createBindGroupLayout({ entries: [...storage, uniform] });
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const made = new Map<number, Promise<GPUComputePipeline>>();
  const compile = async (index: number, serves: string): Promise<GPUComputePipeline> => {
    const shader = spec.shaders[index];
    if (shader === undefined) throw moduleRejected(`a step asks for shader ${index} of ${spec.shaders.length}`);
    try {
      const module = device.createShaderModule({ label: shader.name, code: shader.code });
      return await device.createComputePipelineAsync({
        label: shader.name,
        layout: pipelineLayout,
        compute: { module, entryPoint: "main" },
      });
    } catch (error) {
      throw moduleRejected(`shader \`${shader.name}\`${serves === "" ? "" : ` (serving ${serves})`}: ${(error as Error).message}`);
    }
  };
  return {
    layout,
    of: (program) =>
      Promise.all(
        program.steps.map(({ shader, serves }) => {
          const known = made.get(shader) ?? compile(shader, serves ?? "");
          made.set(shader, known);
          return known;
        }),
      ),
  };
}

interface DeviceMemory {
  /** Grows the arenas to so many bytes. What they held is lost, but for the first. Throws RN602. */
  reserve(bytes: readonly number[], batch: number): Promise<void>;
  buffers(): readonly (GPUBuffer | undefined)[];
  /** A buffer of at least so many bytes, to be mapped for reading. */
  staging(bytes: number): GPUBuffer;
  destroy(): void;
}

// GPUBufferUsage, whose constants are globals that hosts without a window may lack.
const MAP_READ = 0x0001;
const COPY_SRC = 0x0004;
const COPY_DST = 0x0008;
const UNIFORM = 0x0040;
const STORAGE = 0x0080;

function createMemory(device: GPUDevice, spec: WebgpuSpec): DeviceMemory {
  const arenas: (GPUBuffer | undefined)[] = [undefined, undefined, undefined];
  let staging: GPUBuffer | undefined;
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const create = (arena: number, bytes: number): GPUBuffer =>
    device.createBuffer({
      label: ARENA_LABELS[arena] ?? "",
      size: Math.max(STEP_BYTES, Math.ceil(bytes / 4) * 4),
      usage: STORAGE | COPY_SRC | COPY_DST,
    });
  if (spec.persistentBytes > limit) throw outOfDeviceMemory("weights", spec.persistentBytes, limit, 1);
  arenas[0] = create(0, spec.persistentBytes);
  return {
    async reserve(wanted, batch) {
      for (const [arena, bytes] of wanted.entries()) {
        const held = arenas[arena];
        if (held !== undefined && held.size >= bytes) continue;
        const what = ARENA_LABELS[arena] ?? "";
        if (bytes > limit) throw outOfDeviceMemory(what, bytes, limit, batch);
        device.pushErrorScope("out-of-memory");
        const grown = create(arena, bytes);
        const error = await device.popErrorScope();
        if (error !== null) throw outOfDeviceMemory(what, bytes, undefined, batch);
        held?.destroy();
        arenas[arena] = grown;
      }
    },
    buffers: () => arenas,
    staging(bytes) {
      if (staging === undefined || staging.size < bytes) {
        staging?.destroy();
        staging = device.createBuffer({ label: "staging", size: Math.ceil(bytes / 4) * 4, usage: MAP_READ | COPY_DST });
      }
      return staging;
    },
    destroy() {
      for (const buffer of [...arenas, staging]) buffer?.destroy();
    },
  };
}

function bufferOf(buffers: readonly (GPUBuffer | undefined)[], arena: number): GPUBuffer {
  const found = buffers[arena];
  if (found === undefined) throw new Error(`internal error: arena ${arena} has no memory`);
  return found;
}

function bindings(buffers: readonly (GPUBuffer | undefined)[], uniform: GPUBuffer): GPUBindGroupEntry[] {
  const storage = [0, 1, 2].map((binding): GPUBindGroupEntry => ({ binding, resource: { buffer: bufferOf(buffers, binding) } }));
  return [...storage, { binding: 3, resource: { buffer: uniform, size: STEP_BYTES } }];
}

/** The batch and the positions of each step's operands, in elements. */
function createUniform(device: GPUDevice, program: WebgpuProgramSpec, batch: number): GPUBuffer {
  const words = new Int32Array((STEP_BYTES / 4) * Math.max(1, program.steps.length));
  for (const [k, { addresses }] of program.steps.entries()) {
    const start = (STEP_BYTES / 4) * k;
    words[start] = batch;
    for (const [j, [arena, offset, extra = 0]] of addresses.entries()) {
      words[start + 1 + j] = (offset * (arena === 2 ? batch : 1) + extra) / 4;
    }
  }
  const buffer = device.createBuffer({ label: "steps", size: words.byteLength, usage: UNIFORM | COPY_DST });
  device.queue.writeBuffer(buffer, 0, words);
  return buffer;
}

function encodeSteps(
  encoder: GPUCommandEncoder,
  program: WebgpuProgramSpec,
  pipelines: readonly GPUComputePipeline[],
  group: GPUBindGroup,
  batch: number,
): void {
  const pass = encoder.beginComputePass();
  for (const [k, step] of program.steps.entries()) {
    const pipeline = pipelines[k];
    if (pipeline === undefined) continue;
    const [x, y] = grid(step, batch);
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, [STEP_BYTES * k]);
    pass.dispatchWorkgroups(x, y);
  }
  pass.end();
}

/** Workgroups per dimension that every device takes. */
const MOST_WORKGROUPS = 65535;

/** Workgroups as a grid of two dimensions, nearly without surplus. */
function grid({ workgroups }: WebgpuStepSpec, batch: number): readonly [number, number] {
  const product = (sizes: readonly SizeSpec[]): number => sizes.reduce<number>((total, size) => total * resolveSize(size, batch), 1);
  const count = workgroups.reduce((total, { sizes, per }) => total * Math.ceil(product(sizes) / per), 1);
  const rows = Math.ceil(count / MOST_WORKGROUPS);
  return rows === 0 ? [0, 0] : [Math.ceil(count / rows), rows];
}

/** The first bytes of a staging buffer, when the work submitted before is done. */
async function readBack(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  await staging.mapAsync(1, 0, Math.ceil(bytes / 4) * 4);
  const copy = staging.getMappedRange(0, Math.ceil(bytes / 4) * 4).slice(0, bytes);
  staging.unmap();
  return copy;
}
