/**
 * What the suite of troubles runs in a process of its own: devices that are small, lost, out of memory, and programs that
 * they refuse. Invariant: as of `child.ts`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create } from "webgpu";
import { type LoadOptions, loadNetwork } from "../../runtime/load.ts";
import type { Manifest, WebgpuSpec } from "../../runtime/manifest.ts";
import { createSchedule } from "../../runtime/train.ts";
import { compile, type Network, type Program } from "../../tools/api/index.ts";
import { freshState } from "../../tools/cli/checkpoint.ts";
import { labelInput, taskOf } from "../../tools/cli/classification.ts";
import { trainNetwork } from "../../tools/cli/training-loop.ts";
import { byteImages, type Dataset } from "../../tools/data/dataset.ts";
import { DIGIT_SIZE, generateDigits } from "../../tools/demo/digits.ts";
import { deviation } from "../fixtures/deviation.ts";
import { alteredGpu, lowerLimits, refuseBuffer, watchBuffers } from "./altered-gpu.ts";

const gpu = create([]) as GPU;
// A GPU that is collected takes its devices with it.
(globalThis as { heldGpu?: GPU }).heldGpu = gpu;

const DEEP = "spec/webgpu/deep.resnet";
const PIXELS = DIGIT_SIZE ** 2;
const root = fileURLToPath(new URL("../..", import.meta.url));
const compiled = (file: string): Promise<Program> => compile({ file: `${root}${file}`, mode: "training", devices: ["webgpu"] });

/** Of `deep.resnet`. */
const WIDTH = 256;
const batchOf = (count: number, k: number) => ({
  x: { data: Float32Array.from({ length: count * WIDTH }, (_, i) => Math.sin(0.37 * i + k)), shape: [count, WIDTH] },
  label: Int32Array.from({ length: count }, (_, i) => (i + k) % 4),
});

/** Messages of what a promise is rejected with. */
async function refusal(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => "nothing was refused",
    (error: { code?: string; message: string }) => `${error.code ?? ""}: ${error.message}`,
  );
}

/** Two of the network's weights, or the activations of 512 samples and a few bytes. */
const SMALL = { maxStorageBufferBindingSize: 512 * 1024 + 40, maxBufferSize: 640 * 1024 };
const STEPS = 3;
const BATCH = 500;

/** A network whose tensors together exceed what one buffer may hold, and then some that do so alone. */
async function limits(): Promise<unknown> {
  const program = await compiled(DEEP);
  const train = async (network: Network): Promise<Record<string, ArrayLike<number | bigint>>> => {
    const losses: number[] = [];
    for (let k = 0; k < STEPS; k++) losses.push((await network.step(batchOf(BATCH, k), { learningRate: 0.05 })).loss);
    const { logits } = await network.run({ x: batchOf(BATCH, 9).x });
    const weights = Object.entries(await network.weights()).map(([name, { data }]) => [name, data]);
    return { losses, logits: logits?.data ?? [], ...Object.fromEntries(weights) };
  };
  const sizes: ReadonlyMap<string, readonly number[]>[] = [];
  const small = alteredGpu(gpu, (device) => {
    lowerLimits(device, SMALL);
    sizes.push(watchBuffers(device));
  });
  const notices: string[] = [];
  const network = await program.load({ device: "webgpu", gpu: small.gpu, onNotice: (message) => notices.push(message) });
  const [onGpu, onCpu] = [await train(network), await train(await program.load({ device: "wasm" }))];
  const deviations = Object.entries(onCpu).map(([name, expected]) => [name, deviation(onGpu[name] ?? [], expected)] as const);
  const tooLarge = await refusal(network.step(batchOf(2 * BATCH, 0)));
  const fits = Number(/a batch of at most (\d+)/.exec(tooLarge)?.[1] ?? 0);
  const atMost = await refusal(network.step(batchOf(fits, 0)));
  const beyond = await refusal(network.step(batchOf(fits + 1, 0)));
  const tiny = alteredGpu(gpu, (device) => lowerLimits(device, { ...SMALL, maxStorageBufferBindingSize: 256 * 1024 - 4 }));
  const weights = await refusal(program.load({ device: "webgpu", gpu: tiny.gpu }));
  const lost = await Promise.race([tiny.devices[0]?.lost.then(({ reason }) => reason), new Promise((resolve) => setTimeout(resolve, 2000, "kept"))]);
  const { device } = network;
  await network.dispose();
  return {
    buffers: Object.fromEntries(sizes[0] ?? []),
    deviations: Object.fromEntries(deviations),
    ...{ tooLarge, fits, atMost, beyond, weights, lost, device, notices },
  };
}

const TRAINED = 160;
const HELD_OUT = 64;
const EPOCH_BATCH = 8;

function digits(count: number, first: number): Dataset {
  const { images, labels } = generateDigits(count, 3, first);
  const shape = [1, DIGIT_SIZE, DIGIT_SIZE] as const;
  return { name: "digits", count, shape, labels: Int32Array.from(labels), classes: 10, read: byteImages(images, shape, 0, PIXELS) };
}

interface EpochRun {
  readonly metrics: unknown;
  /** Of the last checkpoint. */
  readonly hash: string;
  readonly notices: readonly string[];
  readonly device: string;
  /** The most steps that had been given and not answered. */
  readonly underWay: number;
}

const MIDDLE = TRAINED / EPOCH_BATCH / 2;

interface EpochOptions {
  readonly gpu: GPU;
  /** Hears how many batches are done. */
  readonly onUpdate?: (done: number) => void;
  /** Batches done from which steps go in flight; before, each is waited for. */
  readonly inFlightFrom?: number;
}

/** An epoch through the loop of `resnet train`. */
async function trainEpoch(program: Program, { gpu: from, onUpdate = () => undefined, inFlightFrom = 0 }: EpochOptions): Promise<EpochRun> {
  const options: LoadOptions = { device: "webgpu", gpu: from };
  const state = { done: 0 };
  const notices: string[] = [];
  const network = await program.load({ ...options, seed: 1, onNotice: (message) => notices.push(message) });
  const out = await mkdtemp(join(tmpdir(), "resnet-spec-"));
  const task = taskOf(program);
  const steps = { now: 0, most: 0 };
  const counted: Network = {
    ...network,
    // The loop asks; one that says `wasm` is waited for step by step.
    get device() {
      return state.done < inFlightFrom ? "wasm" : "webgpu";
    },
    get stepsDone() {
      return network.stepsDone;
    },
    async step(inputs, hyper) {
      steps.most = Math.max(steps.most, ++steps.now);
      return network.step(inputs, hyper).finally(() => steps.now--);
    },
  };
  try {
    const { history } = await trainNetwork({
      network: counted,
      task,
      label: labelInput(program, task),
      train: digits(TRAINED, 0),
      test: digits(HELD_OUT, TRAINED),
      title: "digits",
      epochs: 1,
      learningRate: 0.1,
      schedule: createSchedule([], TRAINED / EPOCH_BATCH),
      normalize: program.recipe?.normalize,
      augment: [],
      out,
      state: freshState({ model: program.model, seed: 1, batch: EPOCH_BATCH, samples: TRAINED }),
      history: [],
      progress: { begin: () => undefined, update: (done) => onUpdate((state.done = done)), done: () => undefined },
      onEpoch: () => undefined,
      isInterrupted: () => false,
    });
    const hash = createHash("sha256");
    for (const name of ["last.safetensors", "best.safetensors"]) hash.update(readFileSync(join(out, name)));
    const slots = Object.values((await network.optimizerState()).slots).map(({ data }) => String(data));
    const metrics = history.map(({ loss, accuracy, val_loss, val_accuracy }) => [loss, accuracy, val_loss, val_accuracy]);
    return { metrics, hash: hash.update(slots.join()).digest("hex"), notices, device: network.device, underWay: steps.most };
  } finally {
    await network.dispose();
    await rm(out, { recursive: true, force: true });
  }
}

/** The same epoch undisturbed (in flight and step by step), with a device destroyed in its middle, and out of memory. */
async function epoch(): Promise<unknown> {
  const program = await compiled("examples/digits/digits.resnet");
  const counted = { submits: 0, atFirst: 0 };
  const counting = alteredGpu(gpu, ({ queue }) => {
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      counted.submits++;
      submit(buffers);
    };
  });
  const onUpdate = (done: number): void => void (done === 1 && (counted.atFirst = counted.submits));
  const undisturbed = { ...(await trainEpoch(program, { gpu: counting.gpu, onUpdate })), ...counted };
  const waiting = await trainEpoch(program, { gpu, inFlightFrom: Number.POSITIVE_INFINITY });
  const watched = alteredGpu(gpu, () => undefined);
  const destroyed = await trainEpoch(program, { gpu: watched.gpu, onUpdate: (done) => done === MIDDLE && watched.devices.at(-1)?.destroy() });
  // Where steps begin to go in flight, in the middle, the second finds no room for its results.
  const full = alteredGpu(gpu, (device, k) => k === 0 && refuseBuffer(device, "staging", 2));
  const refused = await trainEpoch(program, { gpu: full.gpu, inFlightFrom: MIDDLE });
  return { ok: true, undisturbed, waiting, destroyed, refused };
}

/** Memory that is refused, one sort after the other: what calls then say without recovery. */
async function memory(): Promise<unknown> {
  const program = await compiled(DEEP);
  const found: Record<string, string> = {};
  for (const label of ["weights", "tensors", "staging"]) {
    const refusing = alteredGpu(gpu, (device) => refuseBuffer(device, label, 1));
    const load = async (): Promise<void> => {
      const network = await program.load({ device: "webgpu", gpu: refusing.gpu, recover: false });
      await network.run({ x: batchOf(1, 0).x }).finally(() => network.dispose());
    };
    found[label] = await refusal(load());
  }
  return found;
}

/** Programs that the device refuses: when a shader is compiled, when a step is encoded. */
async function faults(): Promise<unknown> {
  const program = await compiled(DEEP);
  const { manifest, wasm } = program;
  const spec = manifest.webgpu;
  const infer = spec?.infer;
  if (spec === undefined || infer === undefined) throw new Error("the program has no WebGPU part");
  const position = infer.steps.findIndex(({ serves }) => serves?.split(" ").includes("repeat.3.fc"));
  const call = spec.calls[infer.steps[position]?.call ?? -1];
  const shaders = new Set(call?.variants.flatMap(({ dispatches }) => dispatches.map((each) => each.shader)));
  const run = async (webgpu: WebgpuSpec): Promise<string> => {
    const altered: Manifest = { ...manifest, webgpu };
    const network = await loadNetwork({ manifest: altered, wasm }, { device: "webgpu", gpu, onNotice: (message) => process.stderr.write(message) });
    const found = await refusal(network.run({ x: batchOf(1, 0).x }));
    await network.dispose();
    return found;
  };
  const broken = spec.shaders.map((each, k) =>
    shaders.has(k) ? { ...each, template: each.template.replace("fn main(", "fn main(unknown: nothing, ") } : each,
  );
  // One buffer bound twice to be written, which WebGPU forbids within a dispatch.
  const steps = infer.steps.map((step, k) => (k === position ? { ...step, buffers: step.buffers.map(() => step.buffers[0] ?? 0) } : step));
  return {
    names: [...shaders].map((each) => spec.shaders[each]?.name),
    serves: infer.steps[position]?.serves,
    compile: await run({ ...spec, shaders: broken }),
    encode: await run({ ...spec, infer: { ...infer, steps } }),
    sound: await run(spec),
  };
}

/** All that needs few kernels, in one process. */
async function small(): Promise<unknown> {
  return { ok: true, limits: await limits(), memory: await memory(), faults: await faults() };
}

const MODES: Readonly<Record<string, () => Promise<unknown>>> = { small, epoch };
const mode = MODES[process.argv[2] ?? ""];
const result =
  mode === undefined ? { ok: false, reason: "no such mode" } : await mode().catch((error: Error) => ({ ok: false, reason: error.stack ?? "" }));
process.stdout.write(`${JSON.stringify(result)}\n`);
