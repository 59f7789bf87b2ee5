/**
 * What variants of kernels may count on: the device's features and limits, and how it numbers subgroups.
 * Invariant: WGSL leaves it open which invocations make a subgroup. Kernels take neighbours to, so a device that has it
 * otherwise counts as one without subgroups.
 */

export interface Capabilities {
  readonly features: { has(feature: string): boolean };
  readonly limits: Pick<GPUSupportedLimits, "maxComputeWorkgroupStorageSize" | "maxComputeInvocationsPerWorkgroup">;
  /** Whether the CPU stands in for a GPU. */
  readonly isSoftware?: boolean;
}

const LANES = 256;
const SUBGROUPS = "subgroups";

const PROBE = `enable subgroups;
@group(0) @binding(0) var<storage, read_write> strays: array<u32>;
@compute @workgroup_size(${LANES})
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) own: u32,
  @builtin(subgroup_size) size: u32,
) {
  let first = subgroupMin(lane);
  strays[lane] = select(0u, 1u, lane != first + own || first % size != 0u);
}
`;

// GPUBufferUsage, whose constants are globals that hosts without a window may lack.
const MAP_READ = 0x0001;
const COPY_SRC = 0x0004;
const COPY_DST = 0x0008;
const STORAGE = 0x0080;

/** Asks the device, if it has subgroups. */
export async function capabilitiesOf(device: GPUDevice, isSoftware: boolean): Promise<Capabilities> {
  const { features, limits } = device;
  // Software runs the variants without barriers, which have no use for subgroups: the probe would only cost its compilation.
  if (!isSoftware && features.has(SUBGROUPS) && (await areSubgroupsNeighbours(device).catch(() => false))) return { features, limits, isSoftware };
  return { features: { has: (feature) => feature !== SUBGROUPS && features.has(feature) }, limits, isSoftware };
}

async function areSubgroupsNeighbours(device: GPUDevice): Promise<boolean> {
  const bytes = 4 * LANES;
  const strays = device.createBuffer({ label: "subgroups", size: bytes, usage: STORAGE | COPY_SRC });
  const staging = device.createBuffer({ label: "subgroups to read", size: bytes, usage: MAP_READ | COPY_DST });
  try {
    const module = device.createShaderModule({ label: "subgroups", code: PROBE });
    const pipeline = await device.createComputePipelineAsync({ label: "subgroups", layout: "auto", compute: { module, entryPoint: "main" } });
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: strays } }] });
    const encoder = device.createCommandEncoder({ label: "subgroups" });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(strays, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    return new Uint32Array(staging.getMappedRange()).every((stray) => stray === 0);
  } finally {
    strays.destroy();
    staging.destroy();
  }
}
