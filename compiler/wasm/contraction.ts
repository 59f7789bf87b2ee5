/**
 * Contractions: which of the kernels below serves one.
 * Invariant: what no tile kernel takes is computed as a plain reduction, so every contraction has code.
 */
import type { Size } from "../ir/kernel.ts";
import { asReduction, type ContractionKernel } from "./as-reduction.ts";
import type { Frame } from "./frame.ts";
import { emitReduction } from "./reduction.ts";

/** Emits the kernel into the frame and returns its units. */
export function emitContraction(frame: Frame, kernel: ContractionKernel): Size {
  return emitReduction(frame, asReduction(kernel));
}
