/**
 * What `variants.spec.ts` runs in a process of its own, see `child.ts`.
 * Invariant: prints one line of JSON, `{"ok": true}` with findings or `{"ok": false, "reason"}`, and ends by itself.
 */
import { fileURLToPath } from "node:url";
import { create } from "webgpu";
import { compile, type Network, type Program } from "../../tools/api/index.ts";
import { capabilitiesOf } from "../../runtime/webgpu/capabilities.ts";
import { fixedText } from "../../runtime/webgpu/shader-text.ts";
import { deviation, fixtureBytes, fixtureTensors } from "../fixtures/fixture-files.ts";
import { foldedCases, formCases } from "./kernels.ts";
import { checkKernel } from "./run-kernels.ts";

const TINY = fileURLToPath(new URL("tiny.resnet", import.meta.url));

function openGpu(): GPU {
  const gpu = create(["disable-dawn-features=timestamp_quantization"]) as GPU;
  // A GPU that is collected takes its devices with it.
  (globalThis as { heldGpu?: GPU }).heldGpu = gpu;
  return gpu;
}

async function deviceWith(gpu: GPU, features: readonly GPUFeatureName[]): Promise<GPUDevice> {
  const adapter = await gpu.requestAdapter();
  const device = await adapter?.requestDevice({ requiredFeatures: features.filter((each) => adapter.features.has(each)) });
  if (device === undefined) throw new Error("no device");
  return device;
}

/** Counts the compute passes that a device encodes. */
function countPasses(device: GPUDevice): { readonly passes: number } {
  const counter = { passes: 0 };
  const make = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = make(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (options) => {
      counter.passes++;
      return begin(options);
    };
    return encoder;
  };
  return counter;
}

async function outputs(program: Program, gpu: GPUDevice, further: Parameters<Program["load"]>[0]): Promise<readonly number[]> {
  const network: Network = await program.load({ device: "webgpu", gpu, recover: false, ...further });
  const x = Float32Array.from({ length: 3 * 8 * 36 }, (_, k) => Math.sin(0.37 * k));
  const { y } = await network.run({ x });
  await network.dispose();
  return Array.from(y?.data ?? [], Number);
}

/** With and without measurements, by timestamps and by the host's clock, and again from what is remembered. */
async function tune(): Promise<unknown> {
  const gpu = openGpu();
  const program = await compile({ file: TINY, mode: "inference" });
  const plain = await outputs(program, await deviceWith(gpu, []), {});
  const found = [];
  for (const features of [["timestamp-query"], []] as const) {
    const tunings = new Map<string, string>();
    const runs = [];
    for (let run = 0; run < 2; run++) {
      const device = await deviceWith(gpu, features);
      const counter = countPasses(device);
      const values = await outputs(program, device, { tune: true, tunings });
      runs.push({ passes: counter.passes, values });
      device.destroy();
    }
    const [first, second] = runs;
    const deviation = Math.max(...plain.map((value, k) => Math.abs(value - (first?.values[k] ?? Number.NaN))));
    const isSame = JSON.stringify(first?.values) === JSON.stringify(second?.values);
    const chosen = [...tunings.values()].flatMap((text) => Object.values(JSON.parse(text) as Record<string, string>));
    found.push({ passes: runs.map(({ passes }) => passes), deviation, isSame, chosen });
  }
  return { ok: true, found, scale: Math.max(...plain.map(Math.abs)) };
}

interface Stored {
  readonly file: string;
  readonly model: string;
  readonly input: string;
  readonly dims: Readonly<Record<string, number>>;
  readonly fixture: string;
}

const STORED: readonly Stored[] = [
  { file: "std/models/cifar", model: "CifarResNet20B", input: "image", dims: { H: 32, W: 32 }, fixture: "cifar_resnet20_b-s1" },
];

/** Networks stored in f16 beside PyTorch's numbers in f32; and the answer of a device without `shader-f16`. */
async function storage(): Promise<unknown> {
  const gpu = openGpu();
  const found = [];
  for (const { file, model, input, dims, fixture } of STORED) {
    const program = await compile({ file, model, dims, mode: "inference", storage: "f16" });
    const io = fixtureTensors(fixture, "io.safetensors");
    const [x, expected] = [io["input"], io["eval_logits"]];
    if (x === undefined || expected === undefined) return { ok: false, reason: "the fixture lacks input or logits" };
    const device = await deviceWith(gpu, ["shader-f16"]);
    if (!device.features.has("shader-f16")) return { ok: true, found: undefined };
    const network = await program.load({ device: "webgpu", gpu: device, recover: false, weights: fixtureBytes(fixture, "weights.safetensors") });
    const { logits } = await network.run({ [input]: x });
    const weights = await network.weights();
    const kept = Object.entries(fixtureTensors(fixture, "weights.safetensors")).every(
      ([name, { data }]) => deviation(weights[name]?.data ?? [], data) === 0,
    );
    await network.dispose();
    device.destroy();
    const best = (values: ArrayLike<number | bigint>): string => {
      const [rows = 1, classes = 1] = expected.shape;
      const row = (k: number): number[] => Array.from({ length: classes }, (_, c) => Number(values[k * classes + c]));
      return Array.from({ length: rows }, (_, k) => row(k).indexOf(Math.max(...row(k)))).join();
    };
    found.push({
      model,
      deviation: deviation(logits?.data ?? [], expected.data),
      isSameClass: best(logits?.data ?? []) === best(expected.data),
      kept,
    });
  }
  const program = await compile({ file: TINY, mode: "inference", storage: "f16" });
  const bare = await deviceWith(gpu, []);
  const refusal = await program.load({ device: "webgpu", gpu: bare }).then(
    () => "none",
    (error: Error) => error.message,
  );
  const auto = await program.load({ device: "auto", gpu: bare });
  return { ok: true, found, refusal, auto: auto.device };
}

/** Every shader of a network stored in f16 through Dawn's validation. Returns how many. */
async function validate(): Promise<unknown> {
  const gpu = create(["backend=null"]) as GPU;
  (globalThis as { heldGpu?: GPU }).heldGpu = gpu;
  const device = await deviceWith(gpu, ["shader-f16", "subgroups"]);
  const { manifest } = await compile({ ...RESNET50, mode: "inference", devices: ["webgpu"], storage: "f16" });
  const shaders = manifest.webgpu?.shaders ?? [];
  for (const shader of shaders) {
    const [name, code] = [shader.name, fixedText(shader)];
    const module = device.createShaderModule({ code });
    await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } }).catch((error: Error) => {
      throw new Error(`${name}: ${error.message}\n${code}`);
    });
  }
  return { ok: true, count: shaders.length, halves: shaders.filter(({ template }) => template.includes("enable f16;")).length };
}

const RESNET50 = { file: "std/models/resnet", model: "ResNet50", dims: { H: 64, W: 64 } } as const;

/** The device as one that takes so few workgroups in a dimension that every grid is folded. */
function withFewWorkgroups(device: GPUDevice, most: number): GPUDevice {
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const sizes = { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxStorageBufferBindingSize, maxBufferSize };
  const limits = { ...sizes, maxComputeWorkgroupsPerDimension: most };
  return new Proxy(device, {
    get(target, key) {
      if (key === "limits") return limits;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Reductions and contractions with grids folded into two dimensions, with subgroups and without. */
async function folded(): Promise<unknown> {
  const gpu = openGpu();
  const cases = [...formCases().filter(({ kernel }) => kernel.form === "reduction"), ...foldedCases()];
  const found = [];
  for (const features of [[], ["subgroups"]] as const) {
    const device = await deviceWith(gpu, features);
    const variants = new Set<string>();
    for (const { kernel, buffers, batch, tolerance } of cases)
      for (const name of await checkKernel(withFewWorkgroups(device, 3), kernel, buffers, batch, tolerance)) variants.add(name);
    const { features: known } = await capabilitiesOf(device, false);
    found.push({ subgroups: device.features.has("subgroups"), areNeighbours: known.has("subgroups"), variants: [...variants].sort() });
    device.destroy();
  }
  return { ok: true, found };
}

const MODES: Readonly<Record<string, () => Promise<unknown>>> = { tune, storage, validate, folded };

const mode = MODES[process.argv[2] ?? ""];
const result =
  mode === undefined ? { ok: false, reason: "no such mode" } : await mode().catch((error: Error) => ({ ok: false, reason: error.message }));
process.stdout.write(`${JSON.stringify(result)}\n`);
