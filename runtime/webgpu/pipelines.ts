/**
 * Pipelines of a network's shaders, compiled on first need, those of a program together.
 * Invariant: a text is compiled once; its layout is that of `WebgpuSpec`: a uniform, then so many storage buffers.
 */
import type { WebgpuSpec } from "../manifest.ts";
import { moduleRejected } from "../problems.ts";
import { fixedText, type ShaderText, sizedTexts } from "./shader-text.ts";

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** What the uniform must hold behind a dispatch's offsets. */
  readonly sizes: readonly number[];
}

export interface Pipelines {
  /** `bindings`: storage buffers of the shader; `serves` is for the error. Throws RN603. */
  of(shader: number, bindings: number, serves: string): Promise<Pipeline>;
}

/** Bytes of a dispatch's uniform: the alignment that every device has. */
export const UNIFORM_BYTES = 256;

/** `sized`: shaders take their sizes from the uniform, so that few are compiled: for adapters of software. */
export function createPipelines(spec: WebgpuSpec, device: GPUDevice, sized: boolean): Pipelines {
  const visibility = 4; // GPUShaderStage.COMPUTE, a global that hosts without a window may lack
  const layouts = new Map<number, GPUBindGroupLayout>();
  const made = new Map<number, Promise<Pipeline>>();
  const compiled = new Map<string, Promise<GPUComputePipeline>>();
  const texts: { sized?: readonly ShaderText[] } = {};
  const layoutOf = (bindings: number): GPUBindGroupLayout => {
    const known = layouts.get(bindings);
    if (known !== undefined) return known;
    const uniform: GPUBindGroupLayoutEntry = {
      binding: 0,
      visibility,
      buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: UNIFORM_BYTES },
    };
    const storage = Array.from(
      { length: bindings },
      (_, k): GPUBindGroupLayoutEntry => ({ binding: k + 1, visibility, buffer: { type: "storage" } }),
    );
    const layout = device.createBindGroupLayout({ entries: [uniform, ...storage] });
    layouts.set(bindings, layout);
    return layout;
  };
  const compile = async (name: string, code: string, layout: GPUBindGroupLayout, serves: string): Promise<GPUComputePipeline> => {
    // What is wrong with the text is told to the scope; the pipeline would only say that it is.
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: name, code });
    const refused = device.popErrorScope();
    try {
      return await device.createComputePipelineAsync({
        label: name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
    } catch (error) {
      const cause = (await firstError(module)) ?? (await refused.catch(() => null))?.message ?? (error as Error).message;
      throw moduleRejected(`shader \`${name}\`${serves === "" ? "" : ` (serving ${serves})`}: ${cause.split("\n")[0]}`);
    }
  };
  const make = async (index: number, bindings: number, serves: string): Promise<Pipeline> => {
    const shader = spec.shaders[index];
    if (shader === undefined) throw moduleRejected(`a step asks for shader ${index} of ${spec.shaders.length}`);
    if (sized) texts.sized ??= sizedTexts(spec.shaders);
    const { code, sizes } = texts.sized?.[index] ?? { code: fixedText(shader), sizes: [] };
    const layout = layoutOf(bindings);
    const key = `${bindings} ${code}`;
    const known = compiled.get(key) ?? compile(shader.name, code, layout, serves);
    compiled.set(key, known);
    return { pipeline: await known, layout, sizes };
  };
  return {
    of(shader, bindings, serves) {
      const known = made.get(shader) ?? make(shader, bindings, serves);
      made.set(shader, known);
      return known;
    },
  };
}

/** The first of the compiler's errors, with its line; undefined where it has none or the device is gone. */
async function firstError(module: GPUShaderModule): Promise<string | undefined> {
  const { messages } = await module.getCompilationInfo().catch(() => ({ messages: [] }));
  const found = messages.find(({ type }) => type === "error");
  return found === undefined ? undefined : `line ${found.lineNum}: ${found.message}`;
}
