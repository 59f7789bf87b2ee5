/**
 * Models of the library through all of Dawn's validation, without running anything: every shader of every variant, and the
 * memory, bind groups and dispatches of inference, gradients and a training step.
 * Invariant: a kernel that several models have, by its text without comments, is compiled once.
 */
import { analyze, buildGraphs, generateWebgpu } from "../../compiler/compile.ts";
import type { WebgpuProgramSpec, WebgpuSpec } from "../../runtime/manifest.ts";
import { ResnetError } from "../../runtime/error.ts";
import { createWebgpuEngine } from "../../runtime/webgpu/engine.ts";
import { createPipelines } from "../../runtime/webgpu/pipelines.ts";
import { isSupported } from "../../runtime/webgpu/variants.ts";
import { readModule, readSource } from "../../tools/api/files.ts";
import { compile } from "../../tools/api/index.ts";

export interface LibraryModel {
  readonly path: string;
  readonly name: string;
}

export interface Validated {
  /** Of all models, and of those the different ones. */
  readonly shaders: number;
  readonly distinct: number;
  /** Steps of programs that were placed, bound and submitted. */
  readonly steps: number;
  /** Model and program of what a null device, which holds 512 MiB, cannot place; of these the kernels alone are validated. */
  readonly tooLarge: readonly string[];
  /** Input sizes by model, from the doc comments. */
  readonly sizes: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const PROGRAMS = ["infer", "gradients", "step"] as const;
const BATCH = 1;
const OUT_OF_MEMORY = "RN602";
/** Pipelines asked for at once. */
const AT_ONCE = 64;

/** Throws for the first model that the device, a null one, refuses. */
export async function validateModels(device: GPUDevice, models: readonly LibraryModel[]): Promise<Validated> {
  const { shared, compiled } = sharePipelines(device);
  const found = { shaders: 0, steps: 0, tooLarge: [] as string[], sizes: {} as Record<string, Readonly<Record<string, number>>> };
  for (const { path, name } of models) {
    const { assumed } = await compile({ file: path, model: name, mode: "training", usualSizes: true });
    found.sizes[name] = assumed;
    const spec = specOf(path, name, assumed);
    found.shaders += await compileVariants(spec, shared, name);
    for (const program of PROGRAMS) {
      const { steps } = programOf(spec, program, name);
      if (await isAccepted(spec, program, shared)) found.steps += steps.length;
      else found.tooLarge.push(`${name} ${program}`);
    }
  }
  return { ...found, distinct: compiled() };
}

/** Places, binds and submits a program; false where it needs more memory than there is. Throws for what the device refuses. */
async function isAccepted(spec: WebgpuSpec, program: (typeof PROGRAMS)[number], device: GPUDevice): Promise<boolean> {
  try {
    const engine = await createWebgpuEngine(spec, { device, isOwn: false, isSoftware: false }, []);
    try {
      await engine.execute(program, BATCH, [], []);
    } finally {
      engine.destroy();
    }
    return true;
  } catch (error) {
    if (error instanceof ResnetError && error.code === OUT_OF_MEMORY) return false;
    throw error;
  }
}

function programOf(spec: WebgpuSpec, program: (typeof PROGRAMS)[number], model: string): WebgpuProgramSpec {
  const found = spec[program];
  if (found === undefined || found.steps.length === 0) throw new Error(`${model} has no program ${program}`);
  return found;
}

function specOf(path: string, model: string, sizes: Readonly<Record<string, number>>): WebgpuSpec {
  const dims = new Map(Object.entries(sizes));
  const analysis = analyze({ entry: readSource(path), read: readModule, model, dims, set: [], training: true }).value;
  if (analysis === undefined) throw new Error(`${model} has errors`);
  return generateWebgpu(analysis, () => {
    const graphs = buildGraphs(analysis).value;
    if (graphs === undefined) throw new Error(`${model} has no graphs`);
    return graphs;
  });
}

/** Every variant that the device can run, not only those of one batch, with sizes as numbers and from the uniform. Returns how many shaders there are. */
async function compileVariants(spec: WebgpuSpec, device: GPUDevice, model: string): Promise<number> {
  const steps = [spec.prepare, spec.infer, spec.gradients, spec.step].flatMap((program) => program?.steps ?? []);
  const wanted = steps.flatMap(({ call, serves = "" }) =>
    (spec.calls[call]?.variants ?? []).flatMap(({ dispatches, requires }) =>
      isSupported(requires, device) ? dispatches.map((each) => ({ ...each, serves })) : [],
    ),
  );
  for (const sized of [false, true]) {
    const pipelines = createPipelines(spec, device, sized);
    for (let first = 0; first < wanted.length; first += AT_ONCE)
      await Promise.all(
        wanted.slice(first, first + AT_ONCE).map(({ shader, bindings, serves }) => pipelines.of(shader, bindings.length, `${model}: ${serves}`)),
      );
  }
  return spec.shaders.length;
}

/** The device, which compiles each text once for each number of bindings. */
function sharePipelines(device: GPUDevice): { readonly shared: GPUDevice; compiled(): number } {
  const bindings = new WeakMap<object, number>();
  const texts = new WeakMap<object, string>();
  const made = new Map<string, Promise<GPUComputePipeline>>();
  const own: Partial<GPUDevice> = {
    createBindGroupLayout(descriptor) {
      const layout = device.createBindGroupLayout(descriptor);
      bindings.set(layout, [...descriptor.entries].length);
      return layout;
    },
    createPipelineLayout(descriptor) {
      const layout = device.createPipelineLayout(descriptor);
      for (const group of descriptor.bindGroupLayouts) if (group) bindings.set(layout, bindings.get(group) ?? 0);
      return layout;
    },
    createShaderModule({ code }) {
      // A stand-in until its pipeline is asked for.
      const stand = {} as GPUShaderModule;
      texts.set(stand, code);
      return stand;
    },
    createComputePipelineAsync(descriptor) {
      const code = texts.get(descriptor.compute.module) ?? "";
      const key = `${bindings.get(descriptor.layout as GPUPipelineLayout)} ${code.replaceAll(/^\s*\/\/.*$/gm, "")}`;
      const known =
        made.get(key) ??
        device.createComputePipelineAsync({ ...descriptor, compute: { ...descriptor.compute, module: device.createShaderModule({ code }) } });
      made.set(key, known);
      return known;
    },
  };
  const shared = new Proxy(device, {
    get(target, name) {
      const replaced = Reflect.get(own, name);
      if (replaced !== undefined) return replaced;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { shared, compiled: () => made.size };
}
