/**
 * Contractions: which of the kernels below serves one.
 * Invariant: what no tile kernel takes is computed as a plain reduction, so every contraction has code.
 */
import type { Size } from "../ir/kernel.ts";
import { asReduction, type ContractionKernel } from "../fuse/as-reduction.ts";
import { emitConvolution } from "./convolve.ts";
import type { Frame } from "./frame.ts";
import { emitKernelGradient, MOST_DIMENSIONS } from "./kernel-gradient.ts";
import { isDepthwise, PANEL } from "./pack.ts";
import { emitReduction } from "./reduction.ts";

/** Emits the kernel into the frame and returns its units. */
export function emitContraction(frame: Frame, kernel: ContractionKernel): Size {
  const { result, packedPanel, window } = kernel.contraction;
  if (result !== "kernel" && packedPanel === PANEL) return emitConvolution(frame, kernel);
  const tiled = result === "kernel" && window.length <= MOST_DIMENSIONS && !isDepthwise(kernel.contraction);
  if (tiled) return emitKernelGradient(frame, kernel);
  return emitReduction(frame, asReduction(kernel));
}
