/**
 * The plan: which kernels run in which order on which memory.
 * Invariant: buffers that live at the same time do not overlap; sizes are bytes, `fixed` or per unit of batch.
 */
import type { Kernel, Size, ScalarType } from "./kernel.ts";
import type { Dtype } from "./type.ts";

/** Where a buffer lies. Offsets are bytes, multiples of 64. In the `batch` arena the address is base + batch * offset. */
export interface Place {
  /** persistent: parameters, states, optimizer slots, prepared weights. fixed / batch: temporaries of one program. */
  readonly arena: "persistent" | "fixed" | "batch";
  readonly offset: number;
}

export interface Buffer {
  readonly id: number;
  readonly name: string;
  readonly type: ScalarType;
  /** In elements. */
  readonly size: Size;
  /** Of the tensor that it was made for; absent for packed weights. */
  readonly shape?: readonly Size[];
  readonly place: Place;
}

/** Memory that buffers take turns in: alive from step `first` to step `last`; -1 and the number of steps are the ends. */
export interface PlanSlot {
  /** In elements. */
  readonly size: Size;
  readonly first: number;
  readonly last: number;
  /** Ids. */
  readonly buffers: readonly number[];
}

export interface PlanStep {
  /** Buffers in `kernel.operands[].buffer` are ids of `Plan.buffers`. */
  readonly kernel: Kernel;
  /** Ids of buffers whose memory nothing uses after this step. */
  readonly frees: readonly number[];
}

/** A tensor that crosses the border, stored row-major in PyTorch's axis order. */
export interface PortBuffer {
  readonly name: string;
  readonly buffer: number;
  /** What crosses the border; inside, a tensor is held as its buffer's type. */
  readonly dtype: Dtype;
  readonly shape: readonly Size[];
}

/** What a tensor is kept for: trained, carried along, or an optimizer's slot. */
export type TensorKind = "param" | "state" | "slot";

/** A tensor kept between calls. */
export interface PersistentTensor {
  readonly name: string;
  readonly kind: TensorKind;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface Plan {
  readonly buffers: readonly Buffer[];
  /** Every temporary that a step or a port uses is in one of them. */
  readonly slots: readonly PlanSlot[];
  readonly steps: readonly PlanStep[];
  readonly inputs: readonly PortBuffer[];
  readonly scalars: readonly PortBuffer[];
  readonly outputs: readonly PortBuffer[];
  /** Bytes; the batch arena's is per unit of batch. */
  readonly fixedBytes: number;
  readonly batchBytes: number;
}

/** All programs of a network share the persistent arena. */
export interface NetworkPlan {
  readonly persistentBytes: number;
  /** Parameters, then states, in checkpoint order, then optimizer slots: persistent buffers by tensor name. */
  readonly tensors: readonly (PersistentTensor & { readonly buffer: Buffer })[];
  /** Run once after weights change, before `infer`: folded and packed weights. */
  readonly prepare: Plan | undefined;
  readonly infer: Plan | undefined;
  readonly gradients: Plan | undefined;
  readonly step: Plan | undefined;
}
