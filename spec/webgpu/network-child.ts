/**
 * Whole networks on WebGPU, in a process of their own (see `child.ts`): the operators' cases, PyTorch's fixtures, agreement
 * with Wasm, and the shaders of the whole library.
 * Invariant: prints one line of JSON, `{"ok": true}` with findings or `{"ok": false, "reason"}`, and ends by itself.
 */
import { fileURLToPath } from "node:url";
import { create } from "webgpu";
import type { Inputs } from "../../runtime/inputs.ts";
import { loadNetwork } from "../../runtime/load.ts";
import { compile, type Network } from "../../tools/api/index.ts";
import { checkFixture, checkOptimizer, FIXTURES, type FixtureCase, type Load, optimizersOf } from "../fixtures/check-fixture.ts";
import { deviation } from "../fixtures/fixture-files.ts";
import { type CaseNetwork, compileCases, gradientNetwork, operatorNetwork, wrongCases } from "../operators/case-network.ts";
import { scattered } from "../operators/run-operator.ts";
import { validateModels } from "./library.ts";

const SMOOTH = fileURLToPath(new URL("smooth.resnet", import.meta.url));

/** A GPU that is collected takes its devices with it. */
const held: GPU[] = [];

function openGpu(...options: string[]): GPU {
  const gpu = create(options);
  held.push(gpu);
  return gpu;
}

async function cases(each: CaseNetwork, tolerance: number): Promise<unknown> {
  const network = await loadNetwork(compileCases(each), { device: "webgpu", gpu: openGpu() });
  const wrong = await wrongCases(network, each, tolerance);
  await network.dispose();
  return { ok: wrong.length === 0, reason: wrong.join("\n"), count: each.cases };
}

const onGpu: Load = (program, weights) => program.load({ device: "webgpu", gpu: openGpu(), weights });

/** What the fixture's files say: of outputs, gradients and five steps, then of further optimizers. */
async function fixture(each: FixtureCase): Promise<unknown> {
  await checkFixture(each, onGpu);
  const optimizers = optimizersOf(each);
  for (const optimizer of optimizers) await checkOptimizer(each, optimizer, onGpu);
  return { ok: true, checked: ["sgd", ...optimizers.map(({ name }) => name)] };
}

interface Measured {
  readonly evaluated: ArrayLike<number | bigint>;
  readonly trained: ArrayLike<number | bigint>;
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, ArrayLike<number | bigint>>;
}

/** The model at 64x64 with a batch of four and drawn weights, on both back ends. */
async function onBoth(file: string, model: string): Promise<{ readonly wasm: Measured; readonly gpu: Measured }> {
  const program = await compile({ file, model, dims: { H: 64, W: 64 }, mode: "training", set: { classes: 10 } });
  const batch = 4;
  const image = { shape: [batch, 3, 64, 64], data: Float32Array.from(scattered([batch, 3, 64, 64], 3).data, (value) => 2 * value) };
  const call: Inputs = { image, label: { shape: [batch], data: BigInt64Array.of(1n, 7n, 3n, 9n) } };
  const measure = async (network: Network): Promise<Measured> => {
    const { logits } = await network.run({ image });
    const { loss, outputs, gradients } = await network.gradients(call);
    await network.dispose();
    const named = Object.entries(gradients).map(([name, { data }]) => [name, data] as const);
    return { evaluated: logits?.data ?? [], trained: outputs["logits"]?.data ?? [], loss, gradients: new Map(named) };
  };
  return {
    wasm: await measure(await program.load({ device: "wasm", seed: 5 })),
    gpu: await measure(await program.load({ device: "webgpu", gpu: openGpu(), seed: 5 })),
  };
}

/**
 * Greatest deviation of WebGPU from Wasm: outputs in both modes and the loss of the model as it is; the gradients of its
 * variant with SiLU for ReLU.
 * Why: of the millions of inputs of ReLUs some lie within rounding of zero; the branch one takes there moves a gradient of
 * the 2x2 maps of the last stages by up to 0.2 of its greatest value, on any two back ends (PyTorch's f32 and f64 too).
 */
async function agreement(file: string, model: string): Promise<unknown> {
  const { wasm, gpu } = await onBoth(file, model);
  const smooth = await onBoth(SMOOTH, `Smooth${model}`);
  const gradients = [...smooth.wasm.gradients].map(([name, data]) => deviation(smooth.gpu.gradients.get(name) ?? [], data));
  return {
    ok: true,
    evaluated: deviation(gpu.evaluated, wasm.evaluated),
    trained: deviation(gpu.trained, wasm.trained),
    loss: deviation([gpu.loss], [wasm.loss]),
    gradients: Math.max(...gradients),
    tensors: gradients.length,
  };
}

/** Models of the library, named behind the mode as PATH:NAME, through Dawn's validation. */
async function library(): Promise<unknown> {
  const adapter = await openGpu("backend=null").requestAdapter();
  if (adapter === null) return { ok: false, reason: "the null backend has no adapter" };
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = adapter.limits;
  // What variants ask for; all else as little as a device may have, such as eight storage buffers.
  const requiredLimits = { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup };
  const requiredFeatures = (["subgroups", "shader-f16"] as const).filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  const models = process.argv.slice(3).map((each) => {
    const [path = "", name = ""] = each.split(":");
    return { path, name };
  });
  const found = await validateModels(device, models);
  device.destroy();
  return { ok: true, ...found };
}

const MODES: Readonly<Record<string, () => Promise<unknown>>> = {
  operators: () => cases(operatorNetwork(), 1e-6),
  "operator-gradients": () => cases(gradientNetwork(), 3e-6),
  resnet50: () => agreement("std/models/resnet", "ResNet50"),
  densenet121: () => agreement("std/models/densenet", "DenseNet121"),
  library,
  ...Object.fromEntries(FIXTURES.map((each) => [each.fixture, () => fixture(each)])),
};

const mode = MODES[process.argv[2] ?? ""];
const result =
  mode === undefined
    ? { ok: false, reason: "no such mode" }
    : await mode().catch((error: Error) => ({ ok: false, reason: `${error.message}\n${error.stack ?? ""}` }));
process.stdout.write(`${JSON.stringify(result)}\n`);
