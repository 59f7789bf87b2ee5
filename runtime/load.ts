/**
 * The runtime's front door: a compiled network and options in, a network that runs out.
 * Invariant: imports nothing from outside `runtime/`, evaluates no text, and needs of its host only WebAssembly and,
 * for weights by name, fetch or a file system.
 */
import { copyShaped } from "./copies.ts";
import { createEngine } from "./engine.ts";
import { ResnetError } from "./error.ts";
import type { Manifest, TensorSpec } from "./manifest.ts";
import { createNetwork, type Network } from "./network.ts";
import { createProfiler } from "./profile.ts";
import { badOption, deviceUnavailable, loadedOnCpu, webgpuUnavailable } from "./problems.ts";
import { seedKey } from "./random.ts";
import { createRecoveringNetwork, type RecoverableNetwork } from "./recovery.ts";
import { loadWeights, type WeightSource } from "./weight-source.ts";
import { type GpuSource, hasHardware, isDevice, openDevice } from "./webgpu/device.ts";
import { createWebgpuEngine, type Tuning } from "./webgpu/engine.ts";
import { createWebgpuNetwork } from "./webgpu/network.ts";
import type { TuningStore } from "./webgpu/tuning.ts";
import type { Tensor } from "./tensor.ts";
import { matchWeights } from "./weights.ts";

export { decodeBase64 } from "./base64.ts";
export { restoreShaders } from "./shader-lines.ts";
export { ResnetError } from "./error.ts";
export type { Inputs, InputValue } from "./inputs.ts";
export type { Manifest } from "./manifest.ts";
export type {
  GradientsResult,
  Hyperparameters,
  Network,
  OptimizerState,
  PortInfo,
  StepResult,
  Tensors,
} from "./network.ts";
export type { KernelProfile, Profile, ProgramProfile } from "./profile.ts";
export { readSafetensors, tensorsFromSafetensors, writeSafetensors } from "./safetensors.ts";
export type { Dtype, Tensor, TensorData, TensorLike } from "./tensor.ts";
export { createSchedule, type Phase, type Schedule, train, type TrainOptions } from "./train.ts";
export type { TuningStore } from "./webgpu/tuning.ts";
export type { WeightSource } from "./weight-source.ts";
export type { Weights } from "./weights.ts";

export interface LoadOptions {
  /**
   * `auto`, by default, takes a GPU if there is a real one, no software adapter, and the network was compiled for it and
   * fits, else `wasm`. `webgpu` throws RN601 where it is not to be had.
   */
  readonly device?: "auto" | "wasm" | "webgpu" | undefined;
  /** For `webgpu`: what stands for `navigator.gpu`, or a device to share, which is then not destroyed. */
  readonly gpu?: GpuSource | undefined;
  /** Bytes of a safetensors file, its URL or path, or tensors by name; without it (or null) they are drawn from `seed`. */
  readonly weights?: WeightSource | null | undefined;
  /** Whole number, 0 by default: first weights, and what is random in training. */
  readonly seed?: number | undefined;
  /** Threads to run on, at least 1; results depend on it only by rounding. One is used at present. */
  readonly threads?: number | undefined;
  /** Takes the memory for this batch now, so that a lack of it shows at once. */
  readonly batch?: number | undefined;
  /** Keeps the times that `Network.profile` gives, which costs some itself: on a GPU each kernel then runs by itself. */
  readonly profile?: boolean | undefined;
  /**
   * For `webgpu`, true by default: if the GPU is lost or out of memory, goes on with the same weights on a new device, or
   * on the CPU if that fails too or `gpu` is one device. Otherwise calls then throw RN607 or RN602.
   */
  readonly recover?: boolean | undefined;
  /** Hears of that in one line; `console.warn` by default. */
  readonly onNotice?: ((message: string) => void) | undefined;
  /**
   * For a GPU: at the first call of a program with a batch (or with `batch`, now) measures the ways to compute each kernel,
   * which takes seconds, and goes on with the fastest. What is fastest may differ from run to run, and with it the
   * rounding of results, unless `tunings` remembers it. False by default: the compiler's choice.
   */
  readonly tune?: boolean | undefined;
  /** Remembers measurements, by adapter: `{ get: (k) => localStorage.getItem(k), set: (k, v) => localStorage.setItem(k, v) }`. */
  readonly tunings?: TuningStore | undefined;
}

/** A network as the compiler hands it over. */
export interface CompiledNetwork {
  readonly manifest: Manifest;
  readonly wasm: Uint8Array;
}

const FORMAT = 1;

/** Throws RN601 to RN603, RN606, RN607, and what reading weights can throw (RN710 to RN732). */
export async function loadNetwork(compiled: CompiledNetwork, options: LoadOptions = {}): Promise<Network> {
  const { manifest, wasm } = compiled;
  const {
    device = "auto",
    seed = 0,
    threads = 1,
    batch,
    profile = false,
    recover = true,
    onNotice = warn,
    tune = false,
    tunings = new Map<string, string>(),
  } = options;
  if (manifest.format !== FORMAT) throw badOption("manifest.format", String(FORMAT), manifest.format);
  if (device !== "auto" && device !== "wasm" && device !== "webgpu") throw deviceUnavailable(String(device));
  if (!Number.isSafeInteger(threads) || threads < 1) throw badOption("threads", "a whole number from 1", threads);
  if (typeof profile !== "boolean") throw badOption("profile", "true or false", profile);
  if (typeof recover !== "boolean") throw badOption("recover", "true or false", recover);
  if (typeof onNotice !== "function") throw badOption("onNotice", "a function", onNotice);
  if (typeof tune !== "boolean") throw badOption("tune", "true or false", tune);
  if (typeof tunings?.get !== "function" || typeof tunings.set !== "function") throw badOption("tunings", "an object with get and set", tunings);
  if (batch !== undefined && (!Number.isSafeInteger(batch) || batch < 1)) throw badOption("batch", "a whole number from 1", batch);
  seedKey(seed);
  const weights = options.weights === undefined || options.weights === null ? undefined : await loadWeights(options.weights);
  const initial = weights === undefined ? new Map() : matchWeights(manifest, weights);
  const tuning = tune ? { store: tunings, onFailure: onNotice } : undefined;
  const plan: Plan = { manifest, wasm, seed, initial, batch, profile, tuning };
  if (device === "wasm" || (device === "auto" && !(await isGpuWorthIt(manifest, options.gpu)))) return loadOnCpu(plan);
  // Recovery begins from these again, whatever the caller does with its arrays.
  const kept: Plan = { ...plan, initial: new Map([...initial].map(([spec, tensor]) => [spec, copyShaped(tensor)])) };
  const network = device === "auto" ? await loadWhereItFits(kept, options.gpu, onNotice) : await loadOnGpu(kept, options.gpu);
  if (network === undefined) return loadOnCpu(plan);
  if (!recover) return network;
  return createRecoveringNetwork(network, {
    onGpu: isDevice(options.gpu) ? undefined : () => loadOnGpu(kept, options.gpu),
    onCpu: () => loadOnCpu(kept),
    onNotice,
  });
}

/** What a network is loaded from, wherever. */
interface Plan {
  readonly manifest: Manifest;
  readonly wasm: Uint8Array;
  readonly seed: number;
  readonly initial: ReadonlyMap<TensorSpec, Tensor>;
  readonly batch: number | undefined;
  readonly profile: boolean;
  readonly tuning: Tuning | undefined;
}

function warn(message: string): void {
  console.warn(message);
}

async function isGpuWorthIt({ webgpu }: Manifest, given: GpuSource | undefined): Promise<boolean> {
  return webgpu !== undefined && (await hasHardware(given, webgpu.features));
}

/** What of a GPU the CPU can do without: no device after all, no memory, a loss, a tensor beyond its limits. */
const PASSED_OVER: ReadonlySet<string> = new Set(["RN601", "RN602", "RN607", "RN609"]);

/** The network on a GPU that was taken unasked; undefined, with a notice, where that has no room for it. */
async function loadWhereItFits(plan: Plan, gpu: GpuSource | undefined, onNotice: (message: string) => void): Promise<RecoverableNetwork | undefined> {
  try {
    return await loadOnGpu(plan, gpu);
  } catch (error) {
    if (!(error instanceof ResnetError) || !PASSED_OVER.has(error.code)) throw error;
    onNotice(loadedOnCpu(error.message));
    return undefined;
  }
}

/** The network on the CPU, its memory taken for `batch` if one is given. */
async function loadOnCpu({ manifest, wasm, seed, initial, batch, profile }: Plan): Promise<Network> {
  const profiler = profile ? createProfiler("wasm", "host") : undefined;
  const engine = await createEngine(manifest, wasm, 1, profiler);
  for (const name of ["infer", "gradients", "step"] as const) {
    if (batch !== undefined && manifest[name] !== undefined) engine.reserve(name, batch);
  }
  return createNetwork(manifest, engine, seed, initial, profiler);
}

/** The network on a GPU, its memory taken for `batch` if one is given. */
async function loadOnGpu({ manifest, seed, initial, batch, profile, tuning }: Plan, gpu: GpuSource | undefined): Promise<RecoverableNetwork> {
  const spec = manifest.webgpu;
  if (spec === undefined) throw webgpuUnavailable("the network was compiled without it", 'compile it for "webgpu" too, or use the device "wasm"');
  const opened = await openDevice(gpu);
  const missing = spec.features?.filter((feature) => !opened.device.features.has(feature)) ?? [];
  if (missing.length > 0) {
    if (opened.isOwn) opened.device.destroy();
    throw webgpuUnavailable(`the GPU lacks ${missing.join(", ")}`, 'compile the network with f32 storage, or use the device "wasm"');
  }
  const clock = opened.device.features.has("timestamp-query") ? "timestamps" : "none";
  const profiler = profile ? createProfiler("webgpu", clock) : undefined;
  const engine = await createWebgpuEngine(spec, opened, manifest.tensors, profiler, tuning);
  try {
    for (const name of ["infer", "gradients", "step"] as const) {
      if (batch !== undefined && spec[name] !== undefined) await engine.reserve(name, batch);
    }
  } catch (error) {
    engine.destroy();
    throw error;
  }
  return createWebgpuNetwork(manifest, spec, engine, seed, initial, profiler);
}
