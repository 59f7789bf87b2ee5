import type { Kernel, Size } from "../ir/kernel.ts";
import type { Frame } from "./frame.ts";

export function emitKernelGradient(_frame: Frame, _kernel: Extract<Kernel, { form: "contraction" }>): Size {
  throw new Error("not yet");
}
