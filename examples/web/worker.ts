/**
 * One network in a worker: the page stays responsive whatever it computes. The same script serves both workers of the
 * page, one that classifies with the built module `digits.js`, one that trains with `trainer.js`.
 * Invariant: messages are answered in order; a stop takes effect after the running step; nothing is thrown at the host.
 */
import type { Network } from "../../runtime/network.ts";
import { createSchedule } from "../../runtime/train.ts";
import { DIGIT_SIZE, generateDigits } from "../../tools/demo/digits.ts";
import { afterFailure, type Plan, planFor } from "./device.ts";
import type { Choice, FromWorker, Path, SiteRecipe, ToWorker } from "./messages.ts";

/** What a worker's global scope has, and a window's types lack. */
interface Scope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  addEventListener(kind: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
}

interface BuiltModule {
  readonly load: (options: { readonly device: "wasm" | "webgpu"; readonly seed?: number }) => Promise<Network>;
}

type TrainMessage = Extract<ToWorker, { kind: "train" }>;

const scope = globalThis as unknown as Scope;
const PIXELS = DIGIT_SIZE * DIGIT_SIZE;
/** Held-out digits come from far behind those trained on. */
const HELD_OUT_FIRST = 10_000_000;
const HELD_OUT = 500;
const HELD_OUT_BATCH = 125;
const EVALUATIONS = 12;

const worker: { network: Network | undefined; isStopped: boolean; tail: Promise<void> } = {
  network: undefined,
  isStopped: false,
  tail: Promise.resolve(),
};

async function readRecipe(): Promise<SiteRecipe> {
  const response = await fetch(new URL("./recipe.json", import.meta.url));
  if (!response.ok) throw new Error(`recipe.json: ${response.status} ${response.statusText}`);
  return (await response.json()) as SiteRecipe;
}
const recipe = readRecipe();
// Whoever awaits it sees the failure; before that it must not count as unhandled.
recipe.catch(() => undefined);

/** Loads a built module on the device of the choice, or on Wasm if WebGPU fails; warmed up by one picture. */
async function open(name: "digits" | "trainer", choice: Choice, seed: number): Promise<{ network: Network; path: Path }> {
  const { load } = (await import(new URL(`./${name}.js`, import.meta.url).href)) as BuiltModule;
  const start = async (plan: Plan): Promise<{ network: Network; path: Path }> => {
    const began = performance.now();
    const network = await load({ device: plan.device, seed });
    await network.run({ image: new Float32Array(PIXELS) });
    return { network, path: { ...plan, milliseconds: performance.now() - began } };
  };
  const plan = await planFor(choice);
  if (plan.device === "wasm") return start(plan);
  return start(plan).catch((error: unknown) => start(afterFailure(error)));
}

async function normalized(pixels: ArrayLike<number>, scale: number): Promise<Float32Array> {
  const { mean, std } = await recipe;
  return Float32Array.from(pixels, (value) => (value * scale - mean) / std);
}

async function logitsOf(network: Network, image: Float32Array): Promise<Float32Array> {
  const { logits } = await network.run({ image });
  if (!(logits?.data instanceof Float32Array)) throw new Error("the module has no logits");
  return logits.data;
}

async function classify(network: Network, id: number, pixels: Float32Array): Promise<void> {
  const image = await normalized(pixels, 1);
  const began = performance.now();
  const logits = await logitsOf(network, image);
  const milliseconds = performance.now() - began;
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (value) => Math.exp(value - highest));
  const sum = weights.reduce((total, value) => total + value, 0);
  scope.postMessage({ kind: "classified", id, probabilities: weights.map((value) => value / sum), milliseconds });
}

async function trainFor({ choice, steps, seed }: TrainMessage): Promise<void> {
  const { batch, learningRate, schedule, epochs } = await recipe;
  const { network, path } = await open("trainer", choice, seed);
  scope.postMessage({ kind: "opened", path });
  // The recipe's schedule, stretched or squeezed to the steps asked for.
  const rate = createSchedule(schedule, Math.max(1, Math.round(steps / epochs)));
  const interval = Math.max(1, Math.round(steps / EVALUATIONS));
  const evaluateAt = async (step: number): Promise<void> => {
    scope.postMessage({ kind: "evaluated", step, accuracy: await accuracyOf(network, seed), count: HELD_OUT });
  };
  await evaluateAt(0);
  for (let step = 0; step < steps && !worker.isStopped; step++) {
    const { images, labels } = generateDigits(batch, seed, step * batch);
    const image = await normalized(images, 1 / 255);
    const began = performance.now();
    const { loss } = await network.step({ image, label: Int32Array.from(labels) }, { learningRate: learningRate * rate(step) });
    scope.postMessage({ kind: "step", step: step + 1, loss, milliseconds: performance.now() - began });
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss} at step ${step + 1}`);
    if ((step + 1) % interval === 0 && step + 1 < steps) await evaluateAt(step + 1);
    await nextTask();
  }
  await evaluateAt(network.stepsDone);
  const weights = await network.saveWeights();
  await network.dispose();
  scope.postMessage({ kind: "ended", stopped: worker.isStopped, weights }, [weights.buffer]);
}

async function accuracyOf(network: Network, seed: number): Promise<number> {
  const { images, labels } = generateDigits(HELD_OUT, seed, HELD_OUT_FIRST);
  let correct = 0;
  for (let first = 0; first < HELD_OUT; first += HELD_OUT_BATCH) {
    const logits = await logitsOf(network, await normalized(images.subarray(first * PIXELS, (first + HELD_OUT_BATCH) * PIXELS), 1 / 255));
    const classes = logits.length / HELD_OUT_BATCH;
    for (let i = 0; i < HELD_OUT_BATCH; i++) {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      if (row.indexOf(Math.max(...row)) === labels[first + i]) correct++;
    }
  }
  return correct / HELD_OUT;
}

/** Lets messages in; timers would wait 4 ms each. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

async function answer(message: Exclude<ToWorker, { kind: "stop" }>): Promise<void> {
  if (message.kind === "train") return trainFor(message);
  if (message.kind === "open") {
    await worker.network?.dispose();
    worker.network = undefined;
    const { network, path } = await open("digits", message.choice, 0);
    worker.network = network;
    return scope.postMessage({ kind: "opened", path });
  }
  if (worker.network === undefined) throw new Error("no network is open");
  if (message.kind === "classify") return classify(worker.network, message.id, message.pixels);
  await worker.network.setWeights(message.bytes);
  return scope.postMessage({ kind: "weights set" });
}

scope.addEventListener("message", ({ data }) => {
  if (data.kind === "stop") {
    worker.isStopped = true;
    return;
  }
  worker.tail = worker.tail
    .then(() => answer(data))
    .catch((error: unknown) => scope.postMessage({ kind: "failed", message: error instanceof Error ? error.message : String(error) }));
});
