/**
 * Runs programs: one Wasm instance over one memory, whose kernels are called step by step.
 * Invariant: what a run needs of a (program, batch) is resolved once; the argument blocks in memory are those of the
 * batch that each program ran last.
 */
import type { CallSpec, Manifest, ProgramSpec } from "./manifest.ts";
import {
  bytesNeeded,
  createMemory,
  growMemory,
  type Layout,
  layOut,
  PROGRAM_NAMES,
  type ProgramName,
  resolveArguments,
  resolvePlace,
  resolveSize,
} from "./memory.ts";
import { kernelTrapped, moduleRejected } from "./problems.ts";
import type { KernelCall, Profiler } from "./profile.ts";

/** `(argumentsPointer, begin, end, scratch)`: does units [begin, end) of the work that the arguments describe. */
export type KernelFunction = (argumentsPointer: number, begin: number, end: number, scratch: number) => void;

export interface Engine {
  /** Grows the memory for a program at a batch. Throws RN602. */
  reserve(name: ProgramName, batch: number): void;
  /** Runs all steps; memory must have been reserved. Throws RN604 if a kernel traps. */
  execute(name: ProgramName, batch: number): void;
  /** Views of `count` values at a place; good until the memory next grows. */
  floats(place: readonly [number, number], batch: number, count: number): Float32Array;
  integers(place: readonly [number, number], batch: number, count: number): Int32Array;
}

/** A program at one batch, ready to be run: what step i calls, with which arguments, over how many units. */
interface ResolvedProgram {
  readonly batch: number;
  readonly block: Uint32Array<ArrayBuffer>;
  readonly kernels: readonly KernelFunction[];
  readonly pointers: Uint32Array;
  readonly units: Uint32Array;
}

/** Batches per program whose resolution is kept: an epoch's size, its remainder, a few of the user's. */
const KEPT_BATCHES = 8;

/** Compiles and instantiates the network's Wasm; `profiler` hears of every kernel. Throws RN602, RN603. */
export async function createEngine(manifest: Manifest, wasm: Uint8Array, threads: number, profiler?: Profiler): Promise<Engine> {
  const layout = layOut(manifest, threads);
  const memory = createMemory(layout.batch);
  const kernels = await instantiate(manifest, wasm, memory);
  const cache = new Map<ProgramName, ResolvedProgram[]>();
  const inMemory = new Map<ProgramName, ResolvedProgram>();

  const resolve = (name: ProgramName, program: ProgramSpec, batch: number): ResolvedProgram => {
    const kept = cache.get(name) ?? [];
    const known = kept.find((each) => each.batch === batch);
    if (known !== undefined) return known;
    const resolved = resolveProgram(layout, manifest.calls, name, program, kernels, batch);
    cache.set(name, [resolved, ...kept].slice(0, KEPT_BATCHES));
    return resolved;
  };

  return {
    reserve(name, batch) {
      growMemory(memory, bytesNeeded(layout, programOf(manifest, name), batch), batch);
    },
    execute(name, batch) {
      const program = programOf(manifest, name);
      const resolved = resolve(name, program, batch);
      if (inMemory.get(name) !== resolved) {
        new Uint32Array(memory.buffer, layout.arguments[name], resolved.block.length).set(resolved.block);
        inMemory.set(name, resolved);
      }
      const onStep = profiler === undefined ? undefined : stepTimes(manifest, name, program, batch, profiler);
      runSteps(resolved, layout.scratch, onStep, (index, error) => {
        const { call, serves } = program.steps[index]!;
        return kernelTrapped(manifest.kernels[manifest.calls[call]!.kernel]!, serves, error instanceof Error ? error.message : String(error));
      });
    },
    floats: (place, batch, count) => new Float32Array(memory.buffer, resolvePlace(layout, place, batch), count),
    integers: (place, batch, count) => new Int32Array(memory.buffer, resolvePlace(layout, place, batch), count),
  };
}

/** A program that the caller has found to be there. */
function programOf(manifest: Manifest, name: ProgramName): ProgramSpec {
  const program = manifest[name];
  if (program === undefined) throw new Error(`internal error: no program ${name}`);
  return program;
}

/**
 * One thread's pass over the steps. Kernels take ranges of units and a scratch area, so that threads can share a step:
 * each runs a part of [0, units) with a scratch of its own, and all wait for one another before the next step.
 */
function runSteps(
  program: ResolvedProgram,
  scratch: number,
  onStep: ((index: number) => void) | undefined,
  trapped: (index: number, error: unknown) => Error,
): void {
  const { kernels, pointers, units } = program;
  let index = 0;
  try {
    for (; index < kernels.length; index++) {
      kernels[index]!(pointers[index]!, 0, units[index]!, scratch);
      onStep?.(index);
    }
  } catch (error) {
    throw trapped(index, error);
  }
}

/** To be called after each step: gives the profiler the time since the call before. */
function stepTimes(manifest: Manifest, name: ProgramName, program: ProgramSpec, batch: number, profiler: Profiler): (index: number) => void {
  const calls = program.steps.map(({ call, serves = "" }): KernelCall => {
    const { kernel, flops = 0, bytes = 0 } = manifest.calls[call]!;
    return { kernel: manifest.kernels[kernel]!, serves, flops: resolveSize(flops, batch), bytes: resolveSize(bytes, batch) };
  });
  let before = performance.now();
  return (index) => {
    const now = performance.now();
    const call = calls[index];
    if (call !== undefined) profiler.kernel(name, call, now - before);
    before = performance.now();
  };
}

function resolveProgram(
  layout: Layout,
  calls: readonly CallSpec[],
  name: ProgramName,
  program: ProgramSpec,
  kernels: readonly KernelFunction[],
  batch: number,
): ResolvedProgram {
  const pointers = new Uint32Array(program.steps.length);
  const units = new Uint32Array(program.steps.length);
  let pointer = layout.arguments[name];
  program.steps.forEach((step, index) => {
    const call = calls[step.call]!;
    pointers[index] = pointer;
    units[index] = resolveSize(call.units, batch);
    pointer += 4 * call.arguments.length;
  });
  return {
    batch,
    block: resolveArguments(layout, calls, program, batch),
    kernels: program.steps.map(({ call }) => kernels[calls[call]!.kernel]!),
    pointers,
    units,
  };
}

async function instantiate(manifest: Manifest, wasm: Uint8Array, memory: WebAssembly.Memory): Promise<readonly KernelFunction[]> {
  let module: WebAssembly.Module;
  let instance: WebAssembly.Instance;
  try {
    module = await WebAssembly.compile(wasm as Uint8Array<ArrayBuffer>);
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const wanted of WebAssembly.Module.imports(module)) {
      if (wanted.kind !== "memory") throw new Error(`it imports ${wanted.kind} ${wanted.module}.${wanted.name}`);
      imports[wanted.module] = { ...imports[wanted.module], [wanted.name]: memory };
    }
    instance = await WebAssembly.instantiate(module, imports);
  } catch (error) {
    throw moduleRejected((error as Error).message);
  }
  const kernels = manifest.kernels.map((name) => {
    const kernel = instance.exports[name];
    if (typeof kernel !== "function") throw moduleRejected(`kernel \`${name}\` is missing`);
    return kernel as KernelFunction;
  });
  const stray = manifest.calls.find((call) => kernels[call.kernel] === undefined);
  if (stray !== undefined) throw moduleRejected(`a step calls kernel ${stray.kernel} of ${kernels.length}`);
  const steps = PROGRAM_NAMES.flatMap((name) => manifest[name]?.steps ?? []);
  const lost = steps.find((step) => manifest.calls[step.call] === undefined);
  if (lost !== undefined) throw moduleRejected(`a step makes call ${lost.call} of ${manifest.calls.length}`);
  return kernels;
}
