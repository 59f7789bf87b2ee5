/** Dispatches of variants, bound and ready to be encoded. */
import type { SizeSpec, WebgpuDispatchSpec, WebgpuVariantSpec } from "../manifest.ts";
import { resolveSize } from "../memory.ts";
import { type Pipelines, UNIFORM_BYTES } from "./pipelines.ts";

export interface ReadyDispatch {
  /** Position of its step in the program. */
  readonly step: number;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  /** Where its uniform begins. */
  readonly uniform: number;
  readonly grid: readonly [number, number];
}

/** A variant to be run, and what its bindings are: by position, the program's buffers and then its own. */
export interface PlacedVariant {
  readonly step: number;
  readonly variant: WebgpuVariantSpec;
  readonly resource: (binding: number) => GPUBufferBinding;
}

export interface ReadyDispatches {
  readonly dispatches: readonly ReadyDispatch[];
  /** Destroys what was made for them. */
  release(): void;
}

const UNIFORM = 0x0040;
const COPY_DST = 0x0008;

/** Makes bind groups and grids; the pipelines must have been compiled. */
export async function readyDispatches(
  device: GPUDevice,
  batch: number,
  placed: readonly PlacedVariant[],
  pipelines: Pipelines,
): Promise<ReadyDispatches> {
  const total = placed.reduce((count, { variant }) => count + variant.dispatches.length, 0);
  const words = new Int32Array((UNIFORM_BYTES / 4) * Math.max(1, total));
  const compiled = await Promise.all(
    placed.map(({ variant }) => Promise.all(variant.dispatches.map(({ shader, bindings }) => pipelines.of(shader, bindings.length, "")))),
  );
  const uniform = device.createBuffer({ label: "dispatches", size: words.byteLength, usage: UNIFORM | COPY_DST });
  const dispatches: ReadyDispatch[] = [];
  for (const [k, { step, variant, resource }] of placed.entries()) {
    for (const [j, dispatch] of variant.dispatches.entries()) {
      const own = compiled[k]?.[j];
      if (own === undefined) continue;
      const start = UNIFORM_BYTES * dispatches.length;
      words.set([batch, ...dispatch.offsets.map((offset) => resolveSize(offset, batch)), ...own.sizes], start / 4);
      const resources = [{ buffer: uniform, size: UNIFORM_BYTES }, ...dispatch.bindings.map(resource)];
      const entries = resources.map((each, binding): GPUBindGroupEntry => ({ binding, resource: each }));
      dispatches.push({
        step,
        pipeline: own.pipeline,
        group: device.createBindGroup({ layout: own.layout, entries }),
        uniform: start,
        grid: gridOf(dispatch, batch, device.limits.maxComputeWorkgroupsPerDimension),
      });
    }
  }
  device.queue.writeBuffer(uniform, 0, words);
  return { dispatches, release: () => uniform.destroy() };
}

export function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, group, uniform, grid: [x, y] }: ReadyDispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group, [uniform]);
  pass.dispatchWorkgroups(x, y);
}

/** Workgroups as a grid of two dimensions of at most so many each, nearly without surplus. */
export function gridOf({ workgroups }: Pick<WebgpuDispatchSpec, "workgroups">, batch: number, most: number): readonly [number, number] {
  const product = (sizes: readonly SizeSpec[]): number => sizes.reduce<number>((total, size) => total * resolveSize(size, batch), 1);
  const count = workgroups.reduce((total, { sizes, per }) => total * Math.ceil(product(sizes) / per), 1);
  const rows = Math.ceil(count / most);
  return rows === 0 ? [0, 0] : [Math.ceil(count / rows), rows];
}
