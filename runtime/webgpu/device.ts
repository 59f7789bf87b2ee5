/**
 * Gets a device from what the host has.
 * Invariant: no limit is asked for beyond the adapter's; a missing GPU is an error that says what to do.
 */
import { webgpuUnavailable } from "../problems.ts";

/** What the host offers: `navigator.gpu`, a GPU of the same shape, or a device that the caller keeps. */
export type GpuSource = GPU | GPUDevice;

export interface OpenedDevice {
  readonly device: GPUDevice;
  /** Whether it was made here, and is to be destroyed here. */
  readonly isOwn: boolean;
  /** Whether the CPU stands in for a GPU: then shaders are chosen by how soon they are compiled. */
  readonly isSoftware: boolean;
}

/** Taken where the adapter has them: for variants of kernels, and for profiles. */
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const satisfies readonly GPUFeatureName[];

/** Taken as high as the adapter has them; by default a device has the least that WebGPU asks for. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxStorageBuffersPerShaderStage",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

const PREFERENCE: GPURequestAdapterOptions = { powerPreference: "high-performance" };

function hostGpu(given: GPU | undefined): GPU | undefined {
  return given ?? (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
}

/** Whether the CPU stands in for a GPU: what WebGPU calls a fallback adapter, or one that is known by its name. */
export function isSoftwareAdapter(info: GPUAdapterInfo | undefined): boolean {
  const { isFallbackAdapter = false, architecture = "", description = "", device = "" } = (info ?? {}) as Partial<GPUAdapterInfo>;
  return isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${architecture} ${description} ${device}`);
}

/** Whether the caller gives one device, rather than where to get one. */
export function isDevice(given: GpuSource | undefined): given is GPUDevice {
  return given !== undefined && "createComputePipelineAsync" in given;
}

/** Whether `openDevice` would come to a GPU that is none of software and has these features. Never throws. */
export async function hasHardware(given: GpuSource | undefined, features: readonly string[] = []): Promise<boolean> {
  if (isDevice(given)) return features.every((feature) => given.features.has(feature));
  const adapter = await hostGpu(given)
    ?.requestAdapter(PREFERENCE)
    .catch(() => null);
  if (adapter === undefined || adapter === null || isSoftwareAdapter(adapter.info)) return false;
  return features.every((feature) => adapter.features.has(feature));
}

/** Throws RN601. */
export async function openDevice(given: GpuSource | undefined): Promise<OpenedDevice> {
  if (isDevice(given)) return { device: given, isOwn: false, isSoftware: isSoftwareAdapter(given.adapterInfo) };
  const host = hostGpu(given);
  if (host === undefined) {
    throw webgpuUnavailable("this host has no navigator.gpu", 'use a browser with WebGPU, or the device "wasm"');
  }
  const adapter = await host.requestAdapter(PREFERENCE);
  if (adapter === null) {
    throw webgpuUnavailable("no adapter was found", 'install or enable a Vulkan, Metal or Direct3D 12 driver, or use the device "wasm"');
  }
  try {
    const device = await adapter.requestDevice({
      requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
    });
    return { device, isOwn: true, isSoftware: isSoftwareAdapter(device.adapterInfo) };
  } catch (error) {
    throw webgpuUnavailable(`the adapter gives no device (${(error as Error).message})`, 'use the device "wasm"');
  }
}
