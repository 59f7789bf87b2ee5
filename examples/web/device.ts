/** Chooses between WebGPU and Wasm. Invariant: never throws; whatever it takes, it says why. */
import type { Choice, Device } from "./messages.ts";

export interface Plan {
  readonly device: Device;
  readonly name: string;
  readonly reason: string;
}

/** What the loader ends up on for a choice. */
export async function planFor(choice: Choice): Promise<Plan> {
  if (choice === "wasm") return wasm("you chose it");
  const { gpu } = navigator as { gpu?: GPU };
  if (gpu === undefined) return wasm("this browser has no WebGPU");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (adapter === null) return wasm("WebGPU is here, but it found no adapter");
  const name = adapterName(adapter.info);
  if (choice === "webgpu") return { device: "webgpu", name, reason: "you chose it" };
  if (isSoftware(adapter)) return wasm(`the WebGPU adapter, ${name}, is a software one and slower`);
  return { device: "webgpu", name, reason: "a graphics adapter is here" };
}

/** The plan after WebGPU failed. */
export function afterFailure(error: unknown): Plan {
  return wasm(`WebGPU failed: ${error instanceof Error ? error.message : String(error)}`);
}

function wasm(reason: string): Plan {
  return { device: "wasm", name: "SIMD, in a worker", reason };
}

function isSoftware(adapter: GPUAdapter): boolean {
  const { info } = adapter;
  const fallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter;
  return fallback === true || /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${info.architecture} ${info.description} ${info.device}`);
}

/** Browsers tell more or less of these; the vendor and the architecture are there nearly always. */
function adapterName({ description, vendor, architecture, device }: GPUAdapterInfo): string {
  if (description !== "") return description;
  const parts = [vendor, architecture, device].filter((part) => part !== "");
  return parts.length > 0 ? parts.join(" ") : "an adapter without a name";
}
