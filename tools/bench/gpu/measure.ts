/**
 * Times of networks on a GPU: kernels by the device's timestamps, whole calls by the host's clock.
 * Invariant: nothing counts before a warm-up that compiles and prepares; data are the same in every run.
 */
import { fileURLToPath } from "node:url";
import type { Inputs } from "../../../runtime/inputs.ts";
import type { TuningStore } from "../../../runtime/load.ts";
import type { KernelProfile } from "../../../runtime/profile.ts";
import { compile, type Network, type Program } from "../../api/index.ts";
import type { ConvolutionShape } from "./sizes.ts";

const LAYERS = fileURLToPath(new URL("layers.resnet", import.meta.url));
const MOST_CALLS = 500;

/** How long to measure. */
export interface Effort {
  /** For each measurement. */
  readonly seconds: number;
  /** Calls before it, and the least in it. */
  readonly warmUp: number;
  readonly calls: number;
  /** Where measurements of kernels are remembered; without it the compiler's choices run. */
  readonly tunings?: TuningStore;
}

export interface Measured {
  /** Milliseconds of a call by the host's clock, transfers included: the median. */
  readonly call: number;
  /** Milliseconds of a call in kernels, by timestamps; undefined where the device has none. */
  readonly kernels: number | undefined;
  /** The slowest first; times of `calls` calls. */
  readonly profile: readonly KernelProfile[];
}

/** A single layer: the time of its one kernel of multiplications. */
export interface MeasuredLayer {
  /** Milliseconds; by timestamps, else of the whole call. */
  readonly milliseconds: number;
  readonly gflops: number;
}

/** The product of two square matrices. */
export async function measureProduct(side: number, effort: Effort): Promise<MeasuredLayer> {
  const program = await compile({ file: LAYERS, model: "Product", dims: { K: side }, set: { outputs: side }, mode: "inference" });
  return measureLayer(program, { x: { data: numbers(side * side), shape: [side, side] } }, 2 * side ** 3, effort);
}

/** A convolution with "same" padding. */
export async function measureConvolution(shape: ConvolutionShape, effort: Effort): Promise<MeasuredLayer> {
  const { batch, inputs, outputs, size, taps, stride } = shape;
  const dims = { C: inputs, H: size, W: size };
  const program = await compile({ file: LAYERS, model: "Convolution", dims, set: { outputs, taps, stride }, mode: "inference" });
  const output = Math.floor((size + 2 * Math.floor(taps / 2) - taps) / stride) + 1;
  const x = { data: numbers(batch * inputs * size * size), shape: [batch, inputs, size, size] };
  return measureLayer(program, { x }, 2 * batch * inputs * outputs * taps ** 2 * output ** 2, effort);
}

async function measureLayer(program: Program, inputs: Inputs, flops: number, effort: Effort): Promise<MeasuredLayer> {
  const { call, profile } = await measure(program, (network) => network.run(inputs), "infer", effort);
  const heaviest = profile.reduce<KernelProfile | undefined>((best, each) => (each.flops > (best?.flops ?? 0) ? each : best), undefined);
  const milliseconds = heaviest === undefined ? call : heaviest.milliseconds / heaviest.calls;
  return { milliseconds, gflops: flops / milliseconds / 1e6 };
}

/** ResNet-50's forward pass in inference mode. */
export async function measureInference(batch: number, side: number, effort: Effort): Promise<Measured> {
  const program = await compile({ file: "std/models/resnet", model: "ResNet50", dims: { H: side, W: side }, mode: "inference" });
  const image = { data: numbers(batch * 3 * side * side), shape: [batch, 3, side, side] };
  return measure(program, (network) => network.run({ image }), "infer", effort);
}

/** A step of CIFAR ResNet-20: forward, backward, SGD with momentum. */
export async function measureTraining(batch: number, effort: Effort): Promise<Measured> {
  const optimizer = "sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4)";
  const program = await compile({ file: "std/models/cifar", model: "CifarResNet20B", dims: { H: 32, W: 32 }, mode: "training", optimizer });
  const image = { data: numbers(batch * 3 * 32 * 32), shape: [batch, 3, 32, 32] };
  const label = Int32Array.from({ length: batch }, (_, k) => k % 10);
  return measure(program, (network) => network.step({ image, label }, { learningRate: 1e-4 }), "step", effort);
}

/** The call on a network as users load it, then on one that keeps a profile, which is slower. */
async function measure(program: Program, call: (network: Network) => Promise<unknown>, name: "infer" | "step", effort: Effort): Promise<Measured> {
  const { tunings } = effort;
  const tuned = tunings === undefined ? {} : { tune: true, tunings };
  const plain = await program.load({ device: "webgpu", ...tuned });
  const times = await repeat(plain, call, effort);
  await plain.dispose();
  const profiled = await program.load({ device: "webgpu", profile: true, ...tuned });
  for (let k = 0; k < effort.warmUp; k++) await call(profiled);
  await profiled.profile();
  const count = (await repeat(profiled, call, { ...effort, warmUp: 0 })).length;
  const { clock, kernels } = await profiled.profile();
  await profiled.dispose();
  const profile = kernels.filter((each) => each.program === name);
  const total = profile.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return { call: times[Math.floor(times.length / 2)] ?? Number.NaN, kernels: clock === "none" ? undefined : total / count, profile };
}

/** Milliseconds of calls one after another, in order of size. */
async function repeat(network: Network, call: (network: Network) => Promise<unknown>, { seconds, warmUp, calls }: Effort): Promise<number[]> {
  for (let k = 0; k < warmUp; k++) await call(network);
  const times: number[] = [];
  const begin = performance.now();
  while (times.length < calls || (times.length < MOST_CALLS && performance.now() - begin < 1000 * seconds)) {
    const before = performance.now();
    await call(network);
    times.push(performance.now() - before);
  }
  return times.sort((a, b) => a - b);
}

/** Without pattern enough, and exact in f32. */
function numbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, k) => ((k * 7919) % 1021) / 512 - 1);
}
