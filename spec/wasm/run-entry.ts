/**
 * Runs emitted kernels on small buffers and compares them with the f64 evaluation.
 * Invariant: buffers are surrounded by guard words, so that a stray store fails the comparison.
 */
import * as assert from "uvu/assert";
import type { Kernel, ScalarType } from "../../compiler/ir/kernel.ts";
import { type WasmModule, emitWasm } from "../../compiler/wasm/emit.ts";
import { evaluateKernel, sizeAt } from "./evaluate-kernel.ts";

export interface TestBuffer {
  readonly type: ScalarType;
  readonly data: Float64Array;
}

const guardWords = 16;
const guardValue = 0x5a5a5a5a;

/** Runs entry `index`, its units cut into `parts` ranges run from the last to the first. Returns the buffers' bits. */
export function runEntry(emitted: WasmModule, index: number, buffers: readonly TestBuffer[], batch: number, parts = 1): readonly Int32Array[] {
  const entry = emitted.entries()[index];
  if (entry === undefined) throw new Error("no such entry");
  const words =
    buffers.reduce((sum, { data }) => sum + data.length + guardWords, guardWords) + entry.arguments.length + emitted.scratchBytes / 4 + 64;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * words) / 65536) });
  const all = new Int32Array(memory.buffer).fill(guardValue);
  let next = guardWords;
  const starts = buffers.map(({ type, data }) => {
    const start = next;
    if (type === "f32") new Float32Array(memory.buffer).set(data, start);
    else all.set(data, start);
    next += data.length + guardWords;
    return start;
  });
  const block = next;
  for (const [slot, argument] of entry.arguments.entries()) {
    all[block + slot] =
      argument.kind === "count" ? sizeAt(argument.value, batch) : 4 * (starts[argument.buffer] ?? 0) + sizeAt(argument.offset, batch);
  }
  const scratch = 16 * Math.ceil((block + entry.arguments.length) / 4);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(emitted.bytes), { env: { memory } });
  const run = instance.exports[entry.export] as (block: number, begin: number, end: number, scratch: number) => void;
  const units = sizeAt(entry.units, batch);
  for (let part = parts - 1; part >= 0; part--) {
    run(4 * block, Math.floor((units * part) / parts), Math.floor((units * (part + 1)) / parts), scratch);
  }
  for (const [buffer, start] of starts.entries()) {
    const after = start + (buffers[buffer]?.data.length ?? 0);
    for (let k = 0; k < guardWords; k++) assert.is(all[after + k], guardValue, "a store left its buffer");
  }
  return buffers.map(({ data }, buffer) => all.slice(starts[buffer], (starts[buffer] ?? 0) + data.length));
}

/** Emits a kernel, runs it whole and in parts, and compares with the evaluation in f64. */
export function checkKernel(kernel: Kernel, buffers: readonly TestBuffer[], batch = 1, tolerance = 2e-6): void {
  const emitted = emitWasm([kernel]);
  const got = runEntry(emitted, 0, buffers, batch);
  for (const parts of [2, 3, 7]) {
    assert.equal(runEntry(emitted, 0, buffers, batch, parts), got, `bits differ when run in ${parts} parts`);
  }
  const expected = new Map(
    buffers.map(({ type, data }, index) => [index, type === "f32" ? Float64Array.from(Float32Array.from(data)) : data.slice()]),
  );
  evaluateKernel(kernel, expected, batch);
  for (const [index, { type }] of buffers.entries()) {
    const want = expected.get(index) ?? new Float64Array();
    const bits = got[index] ?? new Int32Array();
    const is = type === "f32" ? new Float32Array(bits.buffer) : bits;
    for (const [k, value] of want.entries()) {
      const found = is[k] ?? Number.NaN;
      const close = Object.is(found, Math.fround(value)) || Math.abs(found - value) <= tolerance * Math.max(1, Math.abs(value));
      assert.ok(close, `buffer ${index}[${k}] is ${found}, not ${value} (${kernel.name})`);
    }
  }
}

/** A reproducible stream of numbers in [0, 1). */
export function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
