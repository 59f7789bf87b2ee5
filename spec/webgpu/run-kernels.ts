/** Runs single kernels on a device, and compares them with the evaluation in f64. */
import type { Kernel, ScalarType, Size } from "../../compiler/ir/kernel.ts";
import { emitWgsl } from "../../compiler/wgsl/emit.ts";
import type { WebgpuSpec } from "../../runtime/manifest.ts";
import { createWebgpuEngine } from "../../runtime/webgpu/engine.ts";
import { evaluateKernel } from "../wasm/reference-kernel.ts";

export interface TestBuffer {
  readonly type: ScalarType;
  readonly data: Float64Array;
}

const GUARD_WORDS = 16;
const GUARD = 0x5a5a5a5a;

/** Runs a kernel whose buffers are those at their positions; throws for a value that is off or a stray store. */
export async function checkKernel(device: GPUDevice, kernel: Kernel, buffers: readonly TestBuffer[], batch = 1, tolerance = 3e-6): Promise<void> {
  const starts: number[] = [];
  const total = buffers.reduce((next, { data }, k) => {
    starts[k] = next;
    return next + data.length + GUARD_WORDS;
  }, GUARD_WORDS);
  const words = new Int32Array(total).fill(GUARD);
  for (const [k, { type, data }] of buffers.entries()) {
    if (type === "f32") new Float32Array(words.buffer).set(data, starts[k]);
    else words.set(data, starts[k]);
  }
  const [bits] = await runKernel(device, kernel, words, (buffer) => starts[buffer] ?? 0, batch);
  const found = new Int32Array(bits ?? new ArrayBuffer(0));
  const expected = new Map(buffers.map(({ type, data }, k) => [k, type === "f32" ? Float64Array.from(Float32Array.from(data)) : data.slice()]));
  evaluateKernel(kernel, expected, batch);
  for (const [k, { type, data }] of buffers.entries()) {
    const start = starts[k] ?? 0;
    const is = type === "f32" ? new Float32Array(found.buffer, 4 * start, data.length) : found.subarray(start, start + data.length);
    for (const [i, value] of (expected.get(k) ?? []).entries()) {
      const got = is[i] ?? Number.NaN;
      const close = Object.is(got, Math.fround(value)) || Math.abs(got - value) <= tolerance * Math.max(1, Math.abs(value));
      if (!close) throw new Error(`${kernel.name}: buffer ${k}[${i}] is ${got}, not ${value}`);
    }
    for (let i = 0; i < GUARD_WORDS; i++) if (found[start + data.length + i] !== GUARD) throw new Error(`${kernel.name}: a store left buffer ${k}`);
  }
}

async function runKernel(
  device: GPUDevice,
  kernel: Kernel,
  words: Int32Array<ArrayBuffer>,
  startOf: (buffer: number) => number,
  batch: number,
): Promise<readonly ArrayBuffer[]> {
  const { shaders, entries } = emitWgsl([kernel], () => "fixed");
  const at = (size: Size): number => (typeof size === "number" ? size : size.batch * batch);
  const steps = entries.map(({ shader, addresses, workgroups }) => ({
    shader,
    addresses: addresses.map(({ buffer, offset }) => [1, 4 * (startOf(buffer) + at(offset))] as const),
    workgroups,
  }));
  const infer = { inputs: [], scalars: [], outputs: [], steps, fixedBytes: words.byteLength, batchBytes: 0 };
  const spec: WebgpuSpec = {
    shaders,
    persistentBytes: 0,
    offsets: [],
    prepare: undefined,
    infer,
    gradients: undefined,
    step: undefined,
  };
  const engine = createWebgpuEngine(spec, { device, isOwn: false });
  const all = { place: [1, 0], bytes: words.byteLength } as const;
  try {
    return await engine.execute("infer", batch, [{ ...all, data: words.buffer }], [all]);
  } finally {
    engine.destroy();
  }
}
