/**
 * What `variants.spec.ts` runs in a process of its own, see `child.ts`.
 * Invariant: prints one line of JSON, `{"ok": true}` with findings or `{"ok": false, "reason"}`, and ends by itself.
 */
import { fileURLToPath } from "node:url";
import { create } from "webgpu";
import { compile, type Network, type Program } from "../../tools/api/index.ts";

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

const MODES: Readonly<Record<string, () => Promise<unknown>>> = { tune };

const mode = MODES[process.argv[2] ?? ""];
const result =
  mode === undefined ? { ok: false, reason: "no such mode" } : await mode().catch((error: Error) => ({ ok: false, reason: error.message }));
process.stdout.write(`${JSON.stringify(result)}\n`);
