/**
 * Pipelines of a network's shaders, compiled on first need, those of a program together.
 * Invariant: a shader is compiled once; its layout is that of `WebgpuSpec`: a uniform, then so many storage buffers.
 */
import type { WebgpuSpec } from "../manifest.ts";
import { moduleRejected } from "../problems.ts";

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export interface Pipelines {
  /** `bindings`: storage buffers of the shader; `serves` is for the error. Throws RN603. */
  of(shader: number, bindings: number, serves: string): Promise<Pipeline>;
}

/** Bytes of a dispatch's uniform: the alignment that every device has. */
export const UNIFORM_BYTES = 256;

export function createPipelines(spec: WebgpuSpec, device: GPUDevice): Pipelines {
  const visibility = 4; // GPUShaderStage.COMPUTE, a global that hosts without a window may lack
  const layouts = new Map<number, GPUBindGroupLayout>();
  const made = new Map<number, Promise<Pipeline>>();
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
  const compile = async (index: number, bindings: number, serves: string): Promise<Pipeline> => {
    const shader = spec.shaders[index];
    if (shader === undefined) throw moduleRejected(`a step asks for shader ${index} of ${spec.shaders.length}`);
    const layout = layoutOf(bindings);
    // What is wrong with the text is told to the scope; the pipeline would only say that it is.
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: shader.name, code: shader.code });
    const refused = device.popErrorScope();
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: shader.name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { pipeline, layout };
    } catch (error) {
      const cause = (await firstError(module)) ?? (await refused.catch(() => null))?.message ?? (error as Error).message;
      throw moduleRejected(`shader \`${shader.name}\`${serves === "" ? "" : ` (serving ${serves})`}: ${cause.split("\n")[0]}`);
    }
  };
  return {
    of(shader, bindings, serves) {
      const known = made.get(shader) ?? compile(shader, bindings, serves);
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
