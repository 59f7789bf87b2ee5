/** Ways to compute a kernel, before their shaders are written. */
import type { Kernel, Size } from "../ir/kernel.ts";
import type { Extent, Shader } from "./shader.ts";

/** What a device must have beyond WebGPU's defaults; names of features are those of GPUFeatureName. */
export interface Requirements {
  readonly features?: readonly string[];
  readonly workgroupStorage?: number;
  readonly invocations?: number;
}

export interface VariantPlan {
  /** Of the tiling; unique among a kernel's variants. */
  readonly name: string;
  readonly requires?: Requirements;
  /** The compiler's choice up to this batch. */
  readonly upTo?: number;
  /** Buffers of f32 that live during the step. */
  readonly scratch: readonly { readonly elements: Size }[];
  /** In order; each writes its shader and returns its workgroups. */
  readonly dispatches: readonly {
    /** Added to the shader's name. */
    readonly role: string;
    /** In place of the kernel: the same operands, then views of them. */
    readonly kernel?: Kernel;
    readonly emit: (shader: Shader) => readonly Extent[];
  }[];
}
