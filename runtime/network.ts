/**
 * A compiled network with its weights, as users call it.
 * Invariant: only `step`, `setWeights` and `setOptimizerState` change what it holds; each checks its arguments first, and
 * prepared weights are renewed before the next inference.
 */
import type { BoundInputs, Inputs } from "./inputs.ts";
import { bindInputs, portElements, portShape, resolveShape, writeInput } from "./inputs.ts";
import type { Engine } from "./engine.ts";
import { checkGuards } from "./guards.ts";
import type { Manifest, PortSpec, PortTypeSpec, ProgramSpec, TensorDtype, TensorSpec } from "./manifest.ts";
import type { ProgramName } from "./memory.ts";
import { badOption, disposed, notCompiled, notProfiled, optimizerStateMismatch, unknownHyperparameter } from "./problems.ts";
import type { Profile, Profiler } from "./profile.ts";
import { stepSeed } from "./random.ts";
import { writeSafetensors } from "./safetensors.ts";
import { type Tensor, tensorFromInternal, type TensorLike } from "./tensor.ts";
import { createTensorStore, type TensorStore } from "./tensor-store.ts";
import { loadWeights, type WeightSource } from "./weight-source.ts";
import { checkpointTensors, isInteger, matchTensors, matchWeights } from "./weights.ts";

export type Tensors = Readonly<Record<string, Tensor>>;

export interface GradientsResult {
  /** Mean over the batch, as the loss states. */
  readonly loss: number;
  readonly outputs: Tensors;
  /** By parameter name, in checkpoint order; without weight decay. */
  readonly gradients: Tensors;
  /** By input name, for float inputs. */
  readonly inputGradients: Tensors;
}

export interface StepResult {
  /** Before the update. */
  readonly loss: number;
  readonly outputs: Tensors;
}

/** Everything beyond the weights that a training run needs to go on with the same bits. */
export interface OptimizerState {
  /** Steps done. */
  readonly step: number;
  /** Momentum and the like, by slot name. */
  readonly slots: Readonly<Record<string, TensorLike>>;
}

/** Hyper-parameters of the optimizer for one step, `learningRate` or `learning_rate`; the others keep the recipe's value. */
export type Hyperparameters = Readonly<Record<string, number>>;

export interface PortInfo {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** `["N", 3, 32, 32]`: N is the batch. */
  readonly shape: readonly (number | string)[];
}

export interface Network {
  readonly model: string;
  readonly device: "wasm" | "webgpu";
  /** Of `run`; of the training programs if there is no inference program. */
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  /** Training steps done, in this process and before the state it goes on from. */
  readonly stepsDone: number;
  /** Forward pass in inference mode. Throws RN604, RN701 to RN709 and RN602, as all calls with inputs do. */
  run(inputs: Inputs): Promise<Tensors>;
  /** Forward and backward pass in training mode; changes neither weights nor running statistics. */
  gradients(inputs: Inputs): Promise<GradientsResult>;
  /** One training step. Throws RN740 for an unknown hyper-parameter. */
  step(inputs: Inputs, hyper?: Hyperparameters): Promise<StepResult>;
  /** Copies of parameters and states, in checkpoint order. */
  weights(): Promise<Tensors>;
  /** The weights as the bytes of a safetensors file. */
  saveWeights(metadata?: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>>;
  /** Replaces all weights, and leaves the optimizer's state. Throws RN710 to RN715, RN72x. */
  setWeights(weights: WeightSource): Promise<void>;
  optimizerState(): Promise<OptimizerState & { readonly slots: Tensors }>;
  /** Throws RN741, and RN710 to RN713 for the slots. */
  setOptimizerState(state: OptimizerState): Promise<void>;
  /** Where the time went since loading, or since the last profile. Throws RN608 unless loaded with `profile: true`. */
  profile(): Promise<Profile>;
  /** Frees the memory; later calls throw RN605. */
  dispose(): Promise<void>;
}

/** A network over an engine; tensors without a value in `initial` are drawn from `seed`. */
export function createNetwork(
  manifest: Manifest,
  engine: Engine,
  seed: number,
  initial: ReadonlyMap<TensorSpec, Tensor>,
  profiler?: Profiler,
): Network {
  let live: Live | undefined = { engine, store: createTensorStore(manifest, engine, seed, initial) };
  let stepsDone = 0;
  let isPrepared = false;

  const use = (): Live => {
    if (live === undefined) throw disposed();
    return live;
  };
  const train = (name: "gradients" | "step", inputs: Inputs, hyper: Hyperparameters): GradientsResult => {
    const { engine } = use();
    const program = compiledProgram(manifest, name);
    const bound = bindInputs(program, inputs, manifest.batch);
    checkGuards(manifest, name, bound.batch);
    return timed(profiler, name, () => {
      execute(engine, name, program, bound, scalarValues(manifest, hyper, stepsDone + 1, seed));
      return sortOutputs(program, (port) => readPort(engine, port, bound.batch));
    });
  };
  const slots = manifest.tensors.filter((spec) => spec.kind === "slot");

  return {
    ...describeNetwork(manifest, "wasm"),
    get stepsDone() {
      return stepsDone;
    },
    async run(inputs) {
      const { engine } = use();
      const program = compiledProgram(manifest, "infer");
      const bound = bindInputs(program, inputs, manifest.batch);
      checkGuards(manifest, "infer", bound.batch);
      if (!isPrepared) timed(profiler, "prepare", () => prepare(engine, manifest));
      isPrepared = true;
      return timed(profiler, "infer", () => {
        execute(engine, "infer", program, bound, scalarValues(manifest, {}, stepsDone + 1, seed));
        return Object.fromEntries(program.outputs.map((port) => [port.name, readPort(engine, port, bound.batch)]));
      });
    },
    async gradients(inputs) {
      return train("gradients", inputs, {});
    },
    async step(inputs, hyper = {}) {
      const { loss, outputs } = train("step", inputs, hyper);
      stepsDone++;
      isPrepared = false;
      return { loss, outputs };
    },
    async weights() {
      return use().store.read(checkpointTensors(manifest));
    },
    async saveWeights(metadata) {
      return writeSafetensors(use().store.read(checkpointTensors(manifest)), metadata);
    },
    async setWeights(weights) {
      const matched = matchWeights(manifest, await loadWeights(weights));
      use().store.write(matched);
      isPrepared = false;
    },
    async optimizerState() {
      return { step: stepsDone, slots: use().store.read(slots) };
    },
    async setOptimizerState(state) {
      if (!Number.isSafeInteger(state?.step) || state.step < 0) {
        throw optimizerStateMismatch("`step` must be the number of steps done");
      }
      const title = `the optimizer state does not fit \`${manifest.model}\``;
      use().store.write(matchTensors(title, slots, state.slots ?? {}));
      stepsDone = state.step;
    },
    async profile() {
      use();
      if (profiler === undefined) throw notProfiled();
      return profiler.take();
    },
    async dispose() {
      live = undefined;
    },
  };
}

function timed<T>(profiler: Profiler | undefined, name: ProgramName, body: () => T): T {
  if (profiler === undefined) return body();
  const before = performance.now();
  const result = body();
  profiler.program(name, performance.now() - before);
  return result;
}

/** What holds memory, dropped together. */
interface Live {
  readonly engine: Engine;
  readonly store: TensorStore;
}

/** What a network says of itself. */
export function describeNetwork(manifest: Manifest, device: Network["device"]): Pick<Network, "model" | "device" | "inputs" | "outputs"> {
  const program = manifest.infer ?? manifest.gradients ?? manifest.step;
  const outputs = (program?.outputs ?? []).filter((port) => program === manifest.infer || isOutPort(port));
  return {
    model: manifest.model,
    device,
    inputs: (program?.inputs ?? []).map(describePort),
    outputs: outputs.map(describePort),
  };
}

/** Takes memory, writes scalars and inputs, runs; the caller then reads the outputs. */
function execute(engine: Engine, name: ProgramName, program: ProgramSpec, bound: BoundInputs, scalar: (name: string) => number): void {
  engine.reserve(name, bound.batch);
  for (const port of program.scalars) viewPort(engine, port, bound.batch).fill(scalar(port.name));
  for (const input of bound.inputs) writeInput(viewPort(engine, input.port, bound.batch), input);
  engine.execute(name, bound.batch);
}

/** Folds and packs weights for inference. */
function prepare(engine: Engine, manifest: Manifest): void {
  if (manifest.prepare === undefined) return;
  engine.reserve("prepare", 1);
  engine.execute("prepare", 1);
}

function compiledProgram(manifest: Manifest, name: ProgramName): ProgramSpec {
  const program = manifest[name];
  if (program === undefined) throw notCompiled(name);
  return program;
}

function viewPort(engine: Engine, port: PortSpec, batch: number): Float32Array | Int32Array {
  const count = portElements(port, batch);
  return isInteger(port) ? engine.integers(port.place, batch, count) : engine.floats(port.place, batch, count);
}

function readPort(engine: Engine, port: PortSpec, batch: number): Tensor {
  return tensorFromInternal(port.dtype, resolveShape(port.shape, batch), viewPort(engine, port, batch));
}

function describePort(port: PortTypeSpec): PortInfo {
  return { name: port.name.replace(OUTPUT, ""), dtype: port.dtype, shape: portShape(port) };
}

const GRADIENT = /^gradient\./;
const INPUT = /^input\./;
const OUTPUT = /^output\./;

/** Outputs of a training program that are the model's own. */
export function isOutPort(port: Pick<PortTypeSpec, "name">): boolean {
  return port.name !== "loss" && !GRADIENT.test(port.name) && !INPUT.test(port.name);
}

/** Tells apart what a training program returns, by the naming that the manifest lays down. */
export function sortOutputs<P extends PortTypeSpec>(program: { readonly outputs: readonly P[] }, read: (port: P) => Tensor): GradientsResult {
  const named = (pattern: RegExp): Tensors =>
    Object.fromEntries(program.outputs.filter((port) => pattern.test(port.name)).map((port) => [port.name.replace(pattern, ""), read(port)]));
  const loss = program.outputs.find((port) => port.name === "loss");
  return {
    loss: loss === undefined ? Number.NaN : Number(read(loss).data[0]),
    outputs: Object.fromEntries(program.outputs.filter(isOutPort).map((port) => [port.name.replace(OUTPUT, ""), read(port)])),
    gradients: named(GRADIENT),
    inputGradients: named(INPUT),
  };
}

/** Values of scalars by name: the runtime's own, then those given, then the recipe's. Throws RN740, RN606. */
export function scalarValues(manifest: Manifest, hyper: Hyperparameters, step: number, seed: number): (name: string) => number {
  const given = new Map<string, number>();
  for (const [key, value] of Object.entries(hyper)) {
    if (value === undefined) continue;
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (!Object.hasOwn(manifest.scalars, name)) throw unknownHyperparameter(key, Object.keys(manifest.scalars));
    if (typeof value !== "number" || !Number.isFinite(value)) throw badOption(key, "a finite number", value);
    given.set(name, value);
  }
  return (name) => {
    if (name === "step_number") return step;
    if (name === "seed") return stepSeed(seed, step);
    const value = given.get(name) ?? manifest.scalars[name];
    if (value === undefined) throw unknownHyperparameter(name, Object.keys(manifest.scalars));
    return value;
  };
}
