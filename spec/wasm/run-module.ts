/**
 * Runs kernels through the Wasm back end on buffers given as numbers.
 * Invariant: buffers are separated by guard words, and a write outside of a buffer fails the run.
 */
import * as assert from "uvu/assert";
import type { Kernel, ScalarType } from "../../compiler/ir/kernel.ts";
import { emitWasm, type WasmModule } from "../../compiler/wasm/emit.ts";
import { evaluateKernel, sizeValue, type Memory } from "./reference-kernel.ts";

const GUARD = 0x7fb5a5a5;
const GUARD_WORDS = 16;

type KernelExport = (argumentsPointer: number, begin: number, end: number, scratch: number) => void;

export interface Buffers {
  readonly types: ReadonlyMap<number, ScalarType>;
  readonly data: Memory;
}

/** Runs each kernel in order; `splits` cuts the unit range into that many parts. Returns all buffers afterwards. */
export function runWasm(module: WasmModule, buffers: Buffers, batch: number, splits = 1): Memory {
  const addresses = new Map<number, number>();
  let top = 4096;
  const reserve = (bytes: number): number => {
    const at = top;
    top = Math.ceil((top + bytes + GUARD_WORDS * 4) / 64) * 64;
    return at;
  };
  for (const [id, data] of buffers.data) addresses.set(id, reserve(data.length * 4));
  const blocks = module.entries().map((entry) => reserve(entry.arguments.length * 4));
  const scratch = reserve(module.scratchBytes);
  const memory = new WebAssembly.Memory({ initial: Math.ceil((top + 65536) / 65536) });
  const words = new Int32Array(memory.buffer);
  const floats = new Float32Array(memory.buffer);
  words.fill(GUARD);
  for (const [id, data] of buffers.data) {
    const view = buffers.types.get(id) === "i32" ? words : floats;
    view.set(data, (addresses.get(id) ?? 0) / 4);
  }
  module.entries().forEach((entry, index) => {
    entry.arguments.forEach((argument, slot) => {
      const value =
        argument.kind === "address" ? (addresses.get(argument.buffer) ?? NaN) + sizeValue(argument.offset, batch) : sizeValue(argument.value, batch);
      assert.ok(Number.isInteger(value), `argument ${slot} is a whole number`);
      words[(blocks[index] ?? 0) / 4 + slot] = value;
    });
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes), { env: { memory } });
  module.entries().forEach((entry, index) => {
    const call = instance.exports[entry.export] as KernelExport;
    const units = sizeValue(entry.units, batch);
    for (let part = 0; part < splits; part++) {
      const [begin, end] = [Math.floor((units * part) / splits), Math.floor((units * (part + 1)) / splits)];
      call(blocks[index] ?? 0, begin, end, scratch);
    }
  });
  const end = scratch + module.scratchBytes;
  for (let word = 0; word < GUARD_WORDS; word++) assert.is(words[end / 4 + word], GUARD, "scratch is not overrun");
  const results: Memory = new Map();
  for (const [id, data] of buffers.data) {
    const from = (addresses.get(id) ?? 0) / 4;
    const view = buffers.types.get(id) === "i32" ? words : floats;
    results.set(id, Float64Array.from(view.subarray(from, from + data.length)));
    for (let word = 0; word < GUARD_WORDS; word++) assert.is(words[from + data.length + word], GUARD, `buffer ${id} is not overrun`);
  }
  return results;
}

/** Greatest |a - b| / (|expected| + scale); equal NaNs and infinities count as 0. */
export function relativeError(actual: Float64Array, expected: Float64Array, scale: number): number {
  let worst = 0;
  expected.forEach((value, index) => {
    const got = actual[index] ?? NaN;
    if (Object.is(got, value) || got === value) return;
    const error = Math.abs(got - value) / (Math.abs(value) + scale);
    worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
  });
  return worst;
}

/** Runs kernels in Wasm (whole, and split in three) and in the evaluator, and compares every buffer. */
export function checkKernels(kernels: readonly Kernel[], buffers: Buffers, batch: number, tolerance: number, label: string): void {
  const module = emitWasm(kernels);
  const expected: Memory = new Map([...buffers.data].map(([id, data]) => [id, Float64Array.from(data)]));
  for (const kernel of kernels) evaluateKernel(kernel, expected, batch);
  const actual = runWasm(module, buffers, batch);
  for (const [id, data] of expected) {
    const error = relativeError(actual.get(id) ?? new Float64Array(), data, 1);
    assert.ok(error <= tolerance, `${label}: buffer ${id} is off by ${error}`);
  }
  const split = runWasm(module, buffers, batch, 3);
  for (const [id, data] of actual) {
    const same = data.every((value, index) => Object.is(value, split.get(id)?.[index]));
    assert.ok(same, `${label}: buffer ${id} depends on the split`);
  }
}

/** Deterministic numbers in [-1, 1), exactly representable in f32. */
export function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 23 - 1;
  };
}
