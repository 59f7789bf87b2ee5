/** Runs single kernels on a device, each in every variant, and compares them with the evaluation in f64. */
import { callSpec } from "../../compiler/emit/webgpu-manifest.ts";
import type { Kernel, ScalarType, Size } from "../../compiler/ir/kernel.ts";
import { emitWgsl } from "../../compiler/wgsl/emit.ts";
import type { WebgpuProgramSpec, WebgpuSpec, WebgpuVariantSpec } from "../../runtime/manifest.ts";
import { createWebgpuEngine } from "../../runtime/webgpu/engine.ts";
import { isSupported } from "../../runtime/webgpu/variants.ts";
import { evaluateKernel } from "../wasm/reference-kernel.ts";

export interface TestBuffer {
  readonly type: ScalarType;
  readonly data: Float64Array;
}

/** Before and behind each buffer; a multiple of four keeps what is aligned. */
const GUARD_WORDS = 16;
const GUARD = 0x5a5a5a5a;

/**
 * Runs a kernel whose buffers are those at their positions, once for each variant named `only` that the device can run, with
 * sizes from the uniform where it is one for software; throws for a value that is off or a stray store. Returns the variants' names.
 */
export async function checkKernel(
  device: GPUDevice,
  kernel: Kernel,
  buffers: readonly TestBuffer[],
  batch = 1,
  tolerance = 3e-6,
  only = /^/,
): Promise<readonly string[]> {
  const shifted = kernel.operands.map((operand) => ({ ...operand, offset: withGuard(operand.offset, batch) }));
  const { shaders, calls } = emitWgsl([{ ...kernel, operands: shifted }], { memory: (_, buffer) => buffer, name: (_, buffer) => `buffer.${buffer}` });
  const variants = calls.flatMap((call) => callSpec(call).variants).filter(({ name, requires }) => only.test(name) && isSupported(requires, device));
  const operands = kernel.operands.map(({ buffer }) => buffer);
  const expected = new Map(buffers.map(({ type, data }, k) => [k, type === "f32" ? Float64Array.from(Float32Array.from(data)) : data.slice()]));
  evaluateKernel(kernel, expected, batch);
  if (variants.length === 0) throw new Error(`${kernel.name}: the device runs no variant`);
  for (const variant of variants) {
    const found = await runVariant(device, shaders, variant, operands, buffers, batch);
    try {
      compare(buffers, found, expected, tolerance);
    } catch (error) {
      throw new Error(`${kernel.name}, variant \`${variant.name}\`: ${(error as Error).message}`);
    }
  }
  return variants.map(({ name }) => name);
}

/** Offsets count from behind the guard; one that grows with the batch is taken at this batch. */
function withGuard(offset: Size, batch: number): number {
  return GUARD_WORDS + (typeof offset === "number" ? offset : offset.batch * batch);
}

function compare(buffers: readonly TestBuffer[], found: readonly Int32Array[], expected: ReadonlyMap<number, Float64Array>, tolerance: number): void {
  for (const [k, { type, data }] of buffers.entries()) {
    const words = found[k] ?? new Int32Array();
    const own = words.subarray(GUARD_WORDS, GUARD_WORDS + data.length);
    const is = type === "f32" ? new Float32Array(own.buffer, own.byteOffset, own.length) : own;
    for (const [i, value] of (expected.get(k) ?? []).entries()) {
      const got = is[i] ?? Number.NaN;
      const close = Object.is(got, Math.fround(value)) || Math.abs(got - value) <= tolerance * Math.max(1, Math.abs(value));
      if (!close) throw new Error(`buffer ${k}[${i}] is ${got}, not ${value}`);
    }
    for (let i = 0; i < GUARD_WORDS; i++) {
      if (words[i] !== GUARD || words[GUARD_WORDS + data.length + i] !== GUARD) throw new Error(`a store left buffer ${k}`);
    }
  }
}

async function runVariant(
  device: GPUDevice,
  shaders: WebgpuSpec["shaders"],
  variant: WebgpuVariantSpec,
  operands: readonly number[],
  buffers: readonly TestBuffer[],
  batch: number,
): Promise<readonly Int32Array[]> {
  const writes = buffers.map(({ type, data }, buffer) => {
    const words = new Int32Array(data.length + 2 * GUARD_WORDS).fill(GUARD);
    if (type === "f32") new Float32Array(words.buffer).set(data, GUARD_WORDS);
    else words.set(data, GUARD_WORDS);
    return { buffer, bytes: words.byteLength, data: words.buffer };
  });
  const infer: WebgpuProgramSpec = {
    inputs: [],
    scalars: [],
    outputs: [],
    buffers: writes.map(({ bytes }) => ({ bytes, first: -1, last: 1, name: "" })),
    steps: [{ call: 0, buffers: operands }],
  };
  const calls = [{ variants: [variant], flops: 0, bytes: 0 }];
  const spec: WebgpuSpec = { shaders, calls, persistent: [], prepare: undefined, infer, gradients: undefined, step: undefined };
  const engine = await createWebgpuEngine(spec, { device, isOwn: false, isSoftware: variant.plain === true }, []);
  try {
    const found = await engine.execute("infer", batch, writes, writes);
    return found.map((bytes) => new Int32Array(bytes));
  } finally {
    engine.destroy();
  }
}
