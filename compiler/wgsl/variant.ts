/** Ways to compute a kernel, before their shaders are written. */
import type { Kernel, Size } from "../ir/kernel.ts";
import type { Extent, Shader } from "./shader.ts";

/** What a device must have beyond WebGPU's defaults; names of features are those of GPUFeatureName. */
export interface Requirements {
  readonly features?: readonly string[];
  readonly workgroupStorage?: number;
  readonly invocations?: number;
}

export interface ScratchOperand {
  readonly operand: number;
  readonly scratch: number;
  readonly name: string;
}

/** One compute pass of a variant. */
export interface DispatchPlan {
  /** Added to the shader's name. Dispatches of one kernel with the same part are one shader. */
  readonly part: string;
  /** In place of the kernel: the same operands, then views of them. */
  readonly kernel?: Kernel;
  /** Operands of that kernel which stand for scratch buffers of the variant, and what the shader calls them. */
  readonly scratchOperands?: readonly ScratchOperand[];
  /** Writes the shader and returns its workgroups. */
  readonly emit: (shader: Shader) => readonly Extent[];
  /** Values of the shader's parameters, in the order in which it asked for them. */
  readonly parameters?: readonly number[];
  /** So many times the workgroups of the shader. */
  readonly times?: number;
}

export interface VariantPlan {
  /** Of the tiling; unique among a kernel's variants. */
  readonly name: string;
  readonly requires?: Requirements;
  /** The compiler's choice up to this batch; 0: only a measurement chooses it. */
  readonly upTo?: number;
  /** No measurement tries it beyond this batch. */
  readonly triedUpTo?: number;
  /** Without barriers: short to compile, the choice on an adapter of software, whatever `upTo` says. */
  readonly plain?: true;
  /** Buffers of f32 that live during the step. */
  readonly scratch: readonly { readonly elements: Size }[];
  /** In order. */
  readonly dispatches: readonly DispatchPlan[];
}
