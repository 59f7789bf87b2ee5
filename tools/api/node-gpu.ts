/**
 * WebGPU in Node: the optional package `webgpu` (Dawn), loaded on demand.
 * Invariant: a GPU that was made is never collected, since its devices do not outlive it.
 */
import { webgpuUnavailable } from "../../runtime/problems.ts";

const HELD = Symbol.for("resnet-lang.gpu");

/** The host's own `navigator.gpu`, else Dawn's. Throws RN601 with the command that adds what is missing. */
export async function nodeGpu(): Promise<GPU> {
  const host = globalThis as { navigator?: { gpu?: GPU }; [HELD]?: GPU };
  const known = host.navigator?.gpu ?? host[HELD];
  if (known !== undefined) return known;
  const found = await import("webgpu").catch((error: Error) => error);
  if (found instanceof Error) {
    throw webgpuUnavailable(
      `the package \`webgpu\` does not load (${found.message.split("\n")[0]})`,
      'install it with `npm install webgpu`, or use the device "wasm"',
    );
  }
  // Browsers round timestamps to 0.1 ms, against attacks by pages; here the program is the user's own.
  const gpu = found.create(["disable-dawn-features=timestamp_quantization"]) as GPU;
  host[HELD] = gpu;
  return gpu;
}
