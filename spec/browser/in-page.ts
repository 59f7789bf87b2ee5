/**
 * What the browser suites run inside a page, in its window or in a worker: a built module against PyTorch's numbers, and
 * training on generated digits. Bundled and served; talks to the test through return values and messages alone.
 * Invariant: uses the module's public interface only; plain data goes in and out.
 */
import type { Network } from "../../runtime/network.ts";
import { tensorsFromSafetensors } from "../../runtime/safetensors.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import { DIGIT_SIZE, generateDigits } from "../../tools/demo/digits.ts";
import { deviation } from "../fixtures/deviation.ts";

interface Common {
  /** A module written by the build. */
  readonly module: string;
  readonly device: "wasm" | "webgpu";
}

export interface FixtureRequest extends Common {
  readonly task: "fixture";
  /** Folder of PyTorch's files, with a slash at the end. */
  readonly folder: string;
  readonly input: string;
}

export interface DigitsRequest extends Common {
  readonly task: "digits";
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly heldOut: number;
}

export type Request = FixtureRequest | DigitsRequest;

/** Numbers by name: deviations, or counts. */
export type Findings = Readonly<Record<string, number>>;

const RATE = 0.02;
const STEPS = 5;

type Loader = { readonly load: (options: object) => Promise<Network> };

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

function worst(actual: (name: string) => Tensor | undefined, expected: Readonly<Record<string, Tensor>>): number {
  return Math.max(0, ...Object.entries(expected).map(([name, { data }]) => deviation(actual(name)?.data ?? [], data)));
}

async function runFixture({ module, device, folder, input }: FixtureRequest): Promise<Findings> {
  const { load } = (await import(module)) as Loader;
  const read = async (file: string) => tensorsFromSafetensors(await fetchBytes(folder + file));
  const io = await read("io.safetensors");
  const expected = JSON.parse(new TextDecoder().decode(await fetchBytes(`${folder}expected.json`))) as { losses: readonly number[] };
  const network = await load({ device, weights: await fetchBytes(`${folder}weights.safetensors`) });
  if (network.device !== device) throw new Error(`asked for ${device}, got ${network.device}`);
  const evaluated = await network.run({ [input]: io["input"] as Tensor });
  const call = { [input]: io["input"] as Tensor, label: io["labels"] as Tensor };
  const found = await network.gradients(call);
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) losses.push((await network.step(call, { learningRate: RATE })).loss);
  const weights = await network.weights();
  const after = await network.run({ [input]: io["input"] as Tensor });
  await network.dispose();
  return {
    evaluated: deviation(evaluated["logits"]?.data ?? [], io["eval_logits"]?.data ?? []),
    trained: deviation(found.outputs["logits"]?.data ?? [], io["train_logits"]?.data ?? []),
    loss: deviation([found.loss], io["loss"]?.data ?? []),
    gradients: worst((name) => (name === "input" ? found.inputGradients[input] : found.gradients[name]), await read("grads.safetensors")),
    losses: Math.max(...losses.map((loss, k) => deviation([loss], [expected.losses[k] ?? Number.NaN]))),
    weights: worst((name) => weights[name], await read("step5.safetensors")),
    after: deviation(after["logits"]?.data ?? [], io["eval_logits_after_5"]?.data ?? []),
  };
}

function normalized(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (value) => (value / 255 - 0.13) / 0.31);
}

/** Trains on fresh digits with a cosine schedule behind five steps of warm-up; counts the held-out digits it then knows. */
async function trainDigits({ module, device, steps, batch, learningRate, seed, heldOut }: DigitsRequest): Promise<Findings> {
  const { load } = (await import(module)) as Loader;
  const network = await load({ device, seed });
  if (network.device !== device) throw new Error(`asked for ${device}, got ${network.device}`);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { images, labels } = generateDigits(batch, seed, step * batch);
    const rate = learningRate * Math.min(1, (step + 1) / 5) * ((1 + Math.cos((Math.PI * step) / steps)) / 2);
    losses.push((await network.step({ image: normalized(images), label: Int32Array.from(labels) }, { learningRate: rate })).loss);
  }
  const { images, labels } = generateDigits(heldOut, seed, 10_000_000);
  let correct = 0;
  for (let first = 0; first < heldOut; first += batch) {
    const last = Math.min(heldOut, first + batch);
    const { logits } = await network.run({ image: normalized(images.subarray(first * DIGIT_SIZE ** 2, last * DIGIT_SIZE ** 2)) });
    const values = Array.from(logits?.data ?? [], Number);
    const classes = values.length / (last - first);
    for (let i = first; i < last; i++) {
      const row = values.slice((i - first) * classes, (i - first + 1) * classes);
      if (row.indexOf(Math.max(...row)) === labels[i]) correct++;
    }
  }
  await network.dispose();
  return { correct, first: losses[0] ?? Number.NaN, last: losses.at(-1) ?? Number.NaN };
}

/** Answers one request. */
export function perform(request: Request): Promise<Findings> {
  return request.task === "fixture" ? runFixture(request) : trainDigits(request);
}

/** What a test finds in the window's global scope. */
export interface InPage {
  readonly inWindow: (request: Request) => Promise<Findings>;
  readonly inWorker: (request: Request) => Promise<Findings>;
}

function inWorker(request: Request): Promise<Findings> {
  const worker = new Worker(import.meta.url, { type: "module" });
  return new Promise<Findings>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<{ findings?: Findings; failure?: string }>) => {
      if (data.findings === undefined) reject(new Error(data.failure));
      else resolve(data.findings);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(request);
  }).finally(() => worker.terminate());
}

if (typeof document === "undefined") {
  globalThis.addEventListener("message", (event) => {
    const answer = (message: object): void => (globalThis as unknown as { postMessage: (message: object) => void }).postMessage(message);
    perform((event as MessageEvent<Request>).data).then(
      (findings) => answer({ findings }),
      (error: Error) => answer({ failure: error.message }),
    );
  });
} else (globalThis as { inPage?: InPage }).inPage = { inWindow: perform, inWorker };
