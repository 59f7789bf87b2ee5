/**
 * Packing of a contraction's kernel operand (weights, or the right side of a matrix product) into 8-wide panels.
 * Invariant: the packed contraction computes what the given one does; the pack kernel fills the whole packed buffer.
 */
import type { Kernel, Size } from "../ir/kernel.ts";

export interface Packing {
  /** Pointwise movement: its load has the source's operand, its store has operand `buffer: -1` (the packed buffer). */
  readonly pack: Kernel;
  /** Elements of the packed buffer. */
  readonly packedSize: Size;
  /** The contraction over the packed operand; that operand has `buffer: -1`. */
  readonly contraction: Kernel;
}

/** How to pack a contraction's kernel operand, or `undefined` where the kernel reads its operands as they are. */
export function packing(_kernel: Kernel): Packing | undefined {
  return undefined;
}
