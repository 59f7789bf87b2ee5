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
    try {
      const module = device.createShaderModule({ label: shader.name, code: shader.code });
      const pipeline = await device.createComputePipelineAsync({
        label: shader.name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { pipeline, layout };
    } catch (error) {
      throw moduleRejected(`shader \`${shader.name}\`${serves === "" ? "" : ` (serving ${serves})`}: ${(error as Error).message}`);
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
