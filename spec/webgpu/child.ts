/**
 * What the WebGPU suite runs in a process of its own: Dawn may crash or hang, which only another process can bound.
 * Invariant: prints one line of JSON, `{"ok": true}` with findings or `{"ok": false, "reason"}`, and ends by itself.
 */
import { createHash } from "node:crypto";
import { create } from "webgpu";
import { compile, type Network } from "../../tools/api/index.ts";
import { contractionCases, drawnContractionCases, formCases, type KernelCase, operationCases } from "./kernels.ts";
import { checkKernel } from "./run-kernels.ts";

function openGpu(backend: string | undefined): GPU {
  const gpu = create(backend === undefined ? [] : [`backend=${backend}`]);
  // A GPU that is collected takes its devices with it.
  (globalThis as { heldGpu?: GPU }).heldGpu = gpu;
  return gpu;
}

async function probe(): Promise<unknown> {
  const adapter = await openGpu(undefined).requestAdapter();
  if (adapter === null) return { ok: false, reason: "no WebGPU adapter" };
  return { ok: true, adapter: `${adapter.info.vendor} ${adapter.info.description}` };
}

async function kernels(cases: readonly KernelCase[]): Promise<unknown> {
  const adapter = await openGpu(undefined).requestAdapter();
  const device = await adapter?.requestDevice();
  if (device === undefined) return { ok: false, reason: "no device" };
  const variants = new Set<string>();
  for (const { kernel, buffers, batch, tolerance, only } of cases) {
    for (const name of await checkKernel(device, kernel, buffers, batch, tolerance, only)) variants.add(name);
  }
  device.destroy();
  return { ok: true, count: cases.length, variants: [...variants].sort() };
}

/** Calls on a device that goes away: RN607, and again for the next call. */
async function loss(): Promise<unknown> {
  const adapter = await openGpu(undefined).requestAdapter();
  const device = await adapter?.requestDevice();
  if (device === undefined) return { ok: false, reason: "no device" };
  const program = await compile({
    file: "std/models/cifar",
    model: "CifarResNet20B",
    dims: { H: 32, W: 32 },
    mode: "inference",
  });
  const network = await program.load({ device: "webgpu", gpu: device, recover: false });
  device.destroy();
  const image = new Float32Array(3 * 32 * 32);
  const codes: unknown[] = [];
  for (let call = 0; call < 2; call++) await network.run({ image }).catch((error: { code?: string }) => codes.push(error.code));
  return { ok: true, codes };
}

/** The GPU, and the devices that it has given. */
function rememberDevices(gpu: GPU): { readonly gpu: GPU; readonly devices: readonly GPUDevice[] } {
  const devices: GPUDevice[] = [];
  const requestAdapter: GPU["requestAdapter"] = async (options) => {
    const adapter = await gpu.requestAdapter(options);
    if (adapter === null) return null;
    const { features, limits } = adapter;
    const requestDevice: GPUAdapter["requestDevice"] = async (wanted) => {
      const device = await adapter.requestDevice(wanted);
      devices.push(device);
      return device;
    };
    return { features, limits, requestDevice } as GPUAdapter;
  };
  return { gpu: { requestAdapter } as GPU, devices };
}

const EPOCH = 9;

/** A training whose device is destroyed, none or some of its steps in flight, beside an undisturbed one. */
async function recovery(): Promise<unknown> {
  const program = await compile({
    file: "std/models/cifar",
    model: "CifarResNet20B",
    dims: { H: 32, W: 32 },
    mode: "training",
    optimizer: "sgd(lr: 0.02, momentum: 0.9)",
  });
  const images = (k: number): Float32Array => Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(0.37 * i + k));
  const train = async (network: Network, destroy: (step: number) => void): Promise<string> => {
    const losses: Promise<number>[] = [];
    for (let k = 0; k < EPOCH; k++) {
      losses.push(network.step({ image: images(k), label: [k % 10, (k + 3) % 10] }).then(({ loss }) => loss));
      if (k % 4 === 1) await Promise.all(losses);
      destroy(k);
    }
    const found = await Promise.all(losses);
    const bytes = await network.saveWeights();
    const { step, slots } = await network.optimizerState();
    const momenta = Object.values(slots).map(({ data }) => String(data));
    return createHash("sha256")
      .update(bytes)
      .update(JSON.stringify([found, step, momenta]))
      .digest("hex");
  };
  const gpu = openGpu(undefined);
  const undisturbed = await program.load({ device: "webgpu", gpu });
  const expected = await train(undisturbed, () => undefined);
  await undisturbed.dispose();
  const runs = [];
  for (const steps of [[5], [2, 7]]) {
    const { gpu: watched, devices } = rememberDevices(gpu);
    const notices: string[] = [];
    const network = await program.load({ device: "webgpu", gpu: watched, onNotice: (message) => notices.push(message) });
    const found = await train(network, (k) => {
      if (steps.includes(k)) devices.at(-1)?.destroy();
    });
    runs.push({ steps, isEqual: found === expected, device: network.device, devices: devices.length, notices });
    await network.dispose();
  }
  // A device that the caller shares cannot be had again.
  const device = await (await gpu.requestAdapter())?.requestDevice();
  if (device === undefined) return { ok: false, reason: "no device" };
  const notices: string[] = [];
  const shared = await program.load({ device: "webgpu", gpu: device, onNotice: (message) => notices.push(message) });
  for (let k = 0; k < 3; k++) {
    await shared.step({ image: images(k), label: [1, 2] });
    if (k === 1) device.destroy();
  }
  return { ok: true, runs, shared: { device: shared.device, steps: shared.stepsDone, notices } };
}

/** The same call with a profile by timestamps, with one on a device that has none, and without: what differs. */
async function profile(): Promise<unknown> {
  const gpu = openGpu(undefined);
  const adapter = await gpu.requestAdapter();
  // Without timestamps, but with what chooses other kernels, so that the bits are comparable.
  const bare = await adapter?.requestDevice({ requiredFeatures: (["subgroups"] as const).filter((name) => adapter.features.has(name)) });
  if (bare === undefined) return { ok: false, reason: "no device" };
  const program = await compile({ file: "std/models/cifar", model: "CifarResNet20B", dims: { H: 32, W: 32 }, mode: "inference" });
  const image = Float32Array.from({ length: 3 * 32 * 32 }, (_, k) => Math.sin(k));
  const results: (readonly number[])[] = [];
  const profiles = [];
  for (const options of [{ gpu }, { gpu, profile: true }, { gpu: bare, profile: true }]) {
    const network = await program.load({ device: "webgpu", ...options });
    for (let call = 0; call < 2; call++) results.push(Array.from((await network.run({ image }))["logits"]?.data as Float32Array));
    if ("profile" in options) profiles.push(await network.profile());
    await network.dispose();
  }
  bare.destroy();
  return { ok: true, profiles, agree: results.every((each) => String(each) === String(results[0])), width: results[0]?.length };
}

const MODES: Readonly<Record<string, () => Promise<unknown>>> = {
  probe,
  operations: () => kernels(operationCases()),
  forms: () => kernels(formCases()),
  contractions: () => kernels(contractionCases()),
  drawn: () => kernels(drawnContractionCases(Number(process.argv[3] ?? 1), Number(process.argv[4] ?? 9))),
  loss,
  recovery,
  profile,
};

const mode = MODES[process.argv[2] ?? ""];
const result =
  mode === undefined ? { ok: false, reason: "no such mode" } : await mode().catch((error: Error) => ({ ok: false, reason: error.message }));
process.stdout.write(`${JSON.stringify(result)}\n`);
