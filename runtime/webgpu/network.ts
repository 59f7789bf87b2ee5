/**
 * A compiled network on a GPU, as users call it.
 * Invariant: calls take effect in the order in which they were made, and may be made before earlier ones have answered;
 * weights live on the device, and a copy of the host is good only inside the call that fetched it.
 */
import { checkGuards } from "../guards.ts";
import { type BoundInputs, bindInputs, type Inputs, portElements, resolveShape, writeInput } from "../inputs.ts";
import type { Manifest, PortTypeSpec, TensorSpec, WebgpuPortSpec, WebgpuProgramSpec, WebgpuSpec } from "../manifest.ts";
import type { ProgramName } from "../memory.ts";
import { describeNetwork, type GradientsResult, type Hyperparameters, scalarValues, sortOutputs } from "../network.ts";
import { disposed, notCompiled, notProfiled, optimizerStateMismatch } from "../problems.ts";
import type { Profiler } from "../profile.ts";
import type { RecoverableNetwork } from "../recovery.ts";
import { writeSafetensors } from "../safetensors.ts";
import { elementCount, type Tensor, tensorFromInternal } from "../tensor.ts";
import { createTensorStore, type TensorStore } from "../tensor-store.ts";
import { loadWeights } from "../weight-source.ts";
import { checkpointTensors, isInteger, matchTensors, matchWeights } from "../weights.ts";
import type { Submitted, Transfer, WebgpuEngine, Write } from "./engine.ts";

/** The network's tensors in the host's memory, at their offsets in the manifest. */
interface Mirror {
  readonly bytes: ArrayBuffer;
  readonly store: TensorStore;
}

/** A network over a WebGPU engine; tensors without a value in `initial` are drawn from `seed`. */
export function createWebgpuNetwork(
  manifest: Manifest,
  spec: WebgpuSpec,
  engine: WebgpuEngine,
  seed: number,
  initial: ReadonlyMap<TensorSpec, Tensor>,
  profiler?: Profiler,
): RecoverableNetwork {
  const mirror = createMirror(manifest, seed, initial);
  const kept = manifest.tensors.map(({ offset }, persistent) => ({ persistent, offset, bytes: spec.persistent[persistent] ?? 0 }));
  const upload = (): void =>
    engine.upload(kept.map(({ persistent, offset, bytes }) => ({ persistent, data: mirror.bytes.slice(offset, offset + bytes) })));
  upload();
  const slots = manifest.tensors.filter((each) => each.kind === "slot");
  const state = {
    live: true,
    stepsDone: 0,
    isPrepared: false,
    tail: Promise.resolve() as Promise<unknown>,
    answered: Promise.resolve() as Promise<unknown>,
  };

  const enqueue = <T>(task: () => Promise<T>): Promise<T> => {
    const result = state.tail.then(() => {
      if (!state.live) throw disposed();
      return task();
    });
    state.tail = result.catch(() => undefined);
    return result;
  };
  const program = (name: ProgramName): WebgpuProgramSpec => {
    const found = spec[name];
    if (found === undefined) throw notCompiled(name);
    return found;
  };
  /** Inputs are copied before the call returns; scalars are those of the moment when it runs. */
  const call = async (name: ProgramName, inputs: Inputs, hyper: Hyperparameters): Promise<ReadonlyMap<WebgpuPortSpec, Tensor>> => {
    if (!state.live) throw disposed();
    const bound = bindInputs(program(name), inputs, manifest.batch);
    checkGuards(manifest, name, bound.batch);
    const writes = bound.inputs.map((input): Write => {
      const view = emptyPort(input.port, bound.batch);
      writeInput(view, input);
      return { buffer: input.port.buffer, bytes: view.byteLength, data: view.buffer };
    });
    const submitted = await enqueue(async () => {
      const scalar = scalarValues(manifest, hyper, state.stepsDone + 1, seed);
      if (name === "infer" && !state.isPrepared) {
        if (spec.prepare !== undefined) await engine.execute("prepare", 1, [], []);
        state.isPrepared = true;
      }
      const submission = await submitProgram(engine, name, program(name), bound, writes, scalar);
      if (name === "step") {
        state.stepsDone++;
        state.isPrepared = false;
      }
      state.answered = Promise.allSettled([state.answered, submission.results]);
      // The time of a call is its own only if no other call is under way.
      if (profiler !== undefined) await submission.results;
      return submission;
    });
    return outputsOf(program(name), bound.batch, await submitted.results);
  };
  const refresh = async (): Promise<void> => {
    const found = await engine.download(kept.map(({ persistent }) => persistent));
    for (const [k, { offset }] of kept.entries()) new Uint8Array(mirror.bytes).set(new Uint8Array(found[k] ?? new ArrayBuffer(0)), offset);
  };
  const train = async (name: "gradients" | "step", inputs: Inputs, hyper: Hyperparameters): Promise<GradientsResult> => {
    const found = await call(name, inputs, hyper);
    return sortOutputs(program(name), (port) => tensorOf(found, port));
  };

  return {
    ...describeNetwork(manifest, "webgpu"),
    get stepsDone() {
      return state.stepsDone;
    },
    async run(inputs) {
      const found = await call("infer", inputs, {});
      return Object.fromEntries(program("infer").outputs.map((port) => [port.name, tensorOf(found, port)]));
    },
    async gradients(inputs) {
      return train("gradients", inputs, {});
    },
    async step(inputs, hyper = {}) {
      const { loss, outputs } = await train("step", inputs, hyper);
      return { loss, outputs };
    },
    async weights() {
      return enqueue(async () => {
        await refresh();
        return mirror.store.read(checkpointTensors(manifest));
      });
    },
    async snapshot() {
      return enqueue(async () => {
        const step = state.stepsDone;
        await refresh();
        return { weights: mirror.store.read(checkpointTensors(manifest)), optimizer: { step, slots: mirror.store.read(slots) } };
      });
    },
    async saveWeights(metadata) {
      return writeSafetensors(await this.weights(), metadata);
    },
    async setWeights(weights) {
      // It takes its place before it reads, so that calls made meanwhile come behind it.
      await enqueue(async () => {
        const matched = matchWeights(manifest, await loadWeights(weights));
        await refresh();
        mirror.store.write(matched);
        upload();
        state.isPrepared = false;
      });
    },
    async optimizerState() {
      return enqueue(async () => {
        await refresh();
        return { step: state.stepsDone, slots: mirror.store.read(slots) };
      });
    },
    async setOptimizerState(given) {
      if (!Number.isSafeInteger(given?.step) || given.step < 0) throw optimizerStateMismatch("`step` must be the number of steps done");
      const matched = matchTensors(`the optimizer state does not fit \`${manifest.model}\``, slots, given.slots ?? {});
      await enqueue(async () => {
        await refresh();
        mirror.store.write(matched);
        upload();
        state.stepsDone = given.step;
      });
    },
    async profile() {
      return enqueue(async () => {
        if (profiler === undefined) throw notProfiled();
        return profiler.take();
      });
    },
    async dispose() {
      await state.tail;
      await state.answered;
      if (state.live) engine.destroy();
      state.live = false;
    },
  };
}

function createMirror(manifest: Manifest, seed: number, initial: ReadonlyMap<TensorSpec, Tensor>): Mirror {
  const end = Math.max(0, ...manifest.tensors.map(({ offset, shape }) => offset + 4 * elementCount(shape)));
  const bytes = new ArrayBuffer(end);
  const store = createTensorStore(
    manifest,
    {
      floats: ([, offset], _batch, count) => new Float32Array(bytes, offset, count),
      integers: ([, offset], _batch, count) => new Int32Array(bytes, offset, count),
    },
    seed,
    initial,
  );
  return { bytes, store };
}

function submitProgram(
  engine: WebgpuEngine,
  name: ProgramName,
  program: WebgpuProgramSpec,
  { batch }: BoundInputs<WebgpuPortSpec>,
  inputs: readonly Write[],
  scalar: (name: string) => number,
): Promise<Submitted> {
  const scalars = program.scalars.map((port): Write => {
    const view = emptyPort(port, batch).fill(scalar(port.name));
    return { buffer: port.buffer, bytes: view.byteLength, data: view.buffer as ArrayBuffer };
  });
  const reads = program.outputs.map((port): Transfer => ({ buffer: port.buffer, bytes: 4 * portElements(port, batch) }));
  return engine.submit(name, batch, [...scalars, ...inputs], reads);
}

function outputsOf({ outputs }: WebgpuProgramSpec, batch: number, found: readonly ArrayBuffer[]): ReadonlyMap<WebgpuPortSpec, Tensor> {
  return new Map(
    outputs.map((port, k) => {
      const data = found[k] ?? new ArrayBuffer(0);
      const values = isInteger(port) ? new Int32Array(data) : new Float32Array(data);
      return [port, tensorFromInternal(port.dtype, resolveShape(port.shape, batch), values)];
    }),
  );
}

function emptyPort(port: PortTypeSpec, batch: number): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const count = portElements(port, batch);
  return isInteger(port) ? new Int32Array(count) : new Float32Array(count);
}

function tensorOf(found: ReadonlyMap<WebgpuPortSpec, Tensor>, port: WebgpuPortSpec): Tensor {
  const tensor = found.get(port);
  if (tensor === undefined) throw new Error(`internal error: output ${port.name} was not read`);
  return tensor;
}
