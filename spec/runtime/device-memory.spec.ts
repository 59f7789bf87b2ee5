/** Memory on a device that only counts: what is too large, what is refused, and buffers for results that go round. */
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import type { WebgpuProgramSpec } from "../../runtime/manifest.ts";
import { createMemory } from "../../runtime/webgpu/memory.ts";
import type { Pipelines } from "../../runtime/webgpu/pipelines.ts";
import { resolveProgram } from "../../runtime/webgpu/resolve.ts";
import { createStagingPool } from "../../runtime/webgpu/staging.ts";
import { compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";
import { rejects } from "./expect-error.ts";

const TINY = fileURLToPath(new URL("../webgpu/tiny.resnet", import.meta.url));

interface Counted {
  readonly label: string;
  readonly size: number;
  isDestroyed: boolean;
}

/** With limits in bytes; the buffer of this number (from 0) finds no memory. */
function countingDevice(binding: number, buffer: number, refused = -1): { readonly device: GPUDevice; readonly made: Counted[] } {
  const made: Counted[] = [];
  const state = { isRefused: false };
  const device = {
    limits: { maxStorageBufferBindingSize: binding, maxBufferSize: buffer },
    createBuffer({ label = "", size }: GPUBufferDescriptor) {
      state.isRefused ||= made.length === refused;
      const own = { label, size, isDestroyed: false, destroy: () => void (own.isDestroyed = true) };
      made.push(own);
      return own;
    },
    pushErrorScope: () => void (state.isRefused = false),
    popErrorScope: async () => (state.isRefused ? { message: "full" } : null),
  };
  return { device: device as unknown as GPUDevice, made };
}

/** A GPU of hardware whose devices are `device`. */
function gpuOf(device: GPUDevice): { readonly gpu: GPU; readonly destroyed: () => number } {
  const state = { destroyed: 0 };
  const whole = Object.assign(device, {
    features: new Set<string>(),
    lost: new Promise(() => undefined),
    destroy: () => void state.destroyed++,
  });
  const adapter = { info: { architecture: "test" }, features: new Set<string>(), limits: device.limits, requestDevice: async () => whole };
  return { gpu: { requestAdapter: async () => adapter } as unknown as GPU, destroyed: () => state.destroyed };
}

const NAMES = [
  { name: "fc.weight", shape: [64, 64] },
  { name: "fc.bias", shape: [64] },
];
const program = (...buffers: WebgpuProgramSpec["buffers"]): WebgpuProgramSpec => ({ inputs: [], scalars: [], outputs: [], buffers, steps: [] });
const nobody: Pipelines = { of: () => Promise.reject(new Error("no shader is asked for")) };

suite("device memory", (test) => {
  test("kept tensors: in chunks below the limit; one beyond it is RN609, refused memory RN602 with nothing left", async () => {
    const { device, made } = countingDevice(20_000, 1 << 20);
    await createMemory(device, [64 * 64 * 4, 64 * 4, 16_000], NAMES);
    assert.equal(
      made.map(({ size }) => size),
      [16_640, 16_128],
    );
    const parts = ["`fc.weight` of shape [64, 64]", "16.0 KiB", "more than the 15.5 KiB", 'use the device "wasm"'];
    await rejects(createMemory(countingDevice(16_000, 1 << 20).device, [64 * 64 * 4, 64 * 4], NAMES), "RN609", ...parts);
    await rejects(createMemory(countingDevice(1 << 20, 16_000).device, [64 * 64 * 4, 64 * 4], NAMES), "RN609", ...parts);
    await rejects(createMemory(countingDevice(2048, 4096).device, [64, 4096], NAMES.slice(0, 1)), "RN609", "`prepared weights` takes 4.0 KiB");
    const full = countingDevice(20_000, 1 << 20, 1);
    await rejects(createMemory(full.device, [64 * 64 * 4, 64 * 4, 16_000], NAMES), "RN602", "32.0 KiB", "for its weights");
    assert.ok(full.made.every(({ isDestroyed }) => isDestroyed));
  });

  test("a program's tensors: RN609 with the batch that fits all of them, if one does", async () => {
    const { device } = countingDevice(4096, 1 << 20);
    const memory = await createMemory(device, [], []);
    const row = { bytes: { batch: 100 }, first: 0, last: 1, name: "conv1", shape: [{ batch: 1 }, 5, 5] } as const;
    const wider = { ...row, bytes: { batch: 400 }, name: "conv2", shape: [{ batch: 4 }, 25] } as const;
    const fixed = { bytes: 8192, first: 0, last: 1, name: "table", shape: [2048] } as const;
    const resolve = (batch: number, ...buffers: WebgpuProgramSpec["buffers"]) =>
      resolveProgram(device, { calls: [] }, program(...buffers), batch, memory, nobody, undefined);
    await rejects(resolve(41, row), "RN609", "`conv1` of shape [41, 5, 5]", "4.0 KiB at a batch of 41", "a batch of at most 40, or");
    await rejects(resolve(50, row, wider), "RN609", "`conv1`", "a batch of at most 10, or");
    await rejects(resolve(30, row, wider), "RN609", "`conv2` of shape [120, 25]", "a batch of at most 10, or");
    await rejects(resolve(1, fixed), "RN609", "`table` of shape [2048] takes 8.0 KiB, more", 'use the device "wasm"');
    // No batch helps where another tensor is too large for any.
    await rejects(resolve(41, row, fixed), "RN609", "`conv1`", /at once; use the device "wasm"$/);
  });

  test("buffers for results: taken again when idle, several where one may not hold all, RN602 when refused", async () => {
    const { device, made } = countingDevice(4096, 2000);
    const pool = createStagingPool(device);
    const [first, second] = [await pool.take([8, 8]), await pool.take([8, 8])];
    assert.is(made.length, 2);
    assert.equal(
      first.places.map(({ chunk, offset }) => [chunk, offset]),
      [
        [0, 0],
        [0, 256],
      ],
    );
    pool.give(first);
    const third = await pool.take([8, 8]);
    assert.equal([third.buffers[0] === first.buffers[0], made.length], [true, 2]);
    const long = await pool.take([1500, 1500, 4]);
    assert.equal([long.buffers.length, long.places.map(({ chunk }) => chunk)], [2, [0, 1, 1]]);
    assert.ok(made.every(({ size }) => size <= 2000));
    assert.equal(await pool.take([]), { buffers: [], chunks: [], places: [] });
    for (const each of [second, third, long]) pool.give(each);
    // No more are kept than calls are in flight.
    const many = await Promise.all(Array.from({ length: 12 }, () => pool.take([8])));
    for (const each of many) pool.give(each);
    assert.is(made.filter(({ isDestroyed }) => !isDestroyed).length, 8);
    pool.destroy();
    assert.ok(made.every(({ isDestroyed }) => isDestroyed));
    await rejects(createStagingPool(countingDevice(4096, 2000, 0).device).take([8]), "RN602", "for its results", "256 bytes");
  });

  test("a GPU that was found unasked and has no room is passed over for the CPU, in one line; one that was asked for is an error", async () => {
    const program = await compile({ file: TINY, mode: "inference", devices: ["wasm", "webgpu"] });
    for (const [tight, reason] of [
      [() => countingDevice(1024, 1 << 20), /takes \d[^;]* more than the 1.0 KiB[^;]*; the network runs on the CPU$/],
      [() => countingDevice(1 << 20, 1 << 20, 0), /on the GPU for its weights[^;]*; the network runs on the CPU$/],
    ] as const) {
      const { gpu, destroyed } = gpuOf(tight().device);
      const notices: string[] = [];
      const network = await program.load({ device: "auto", gpu, onNotice: (message) => notices.push(message) });
      assert.equal([network.device, notices.length, destroyed()], ["wasm", 1, 1]);
      assert.match(notices[0] ?? "", reason);
      assert.is((await network.run({ x: new Float32Array(8 * 36) }))["y"]?.data.length, 8);
      await network.dispose();
      await program.load({ device: "webgpu", gpu: gpuOf(tight().device).gpu }).then(
        () => assert.unreachable("the GPU has no room"),
        (error: { code?: string }) => assert.match(error.code ?? "", /^RN60[29]$/),
      );
    }
  });
});
