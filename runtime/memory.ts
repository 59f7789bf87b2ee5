/**
 * How a network lies in its one WebAssembly memory:
 *   [reserved | argument blocks | persistent | scratch per thread | fixed arena | batch arena]
 * Invariant: all bases are constants of the manifest and the thread count; only the batch arena, the last, grows.
 */
import type { CallSpec, Manifest, ProgramSpec, SizeSpec } from "./manifest.ts";
import { outOfMemory } from "./problems.ts";

export type ProgramName = "prepare" | "infer" | "gradients" | "step";

export const PROGRAM_NAMES: readonly ProgramName[] = ["prepare", "infer", "gradients", "step"];

const PAGE_BYTES = 65536;
export const MAX_PAGES = 65536;
const ALIGNMENT = 64;
/** Address 0 stays unused, so that a stray null does no harm. */
const RESERVED_BYTES = 64;

/** Base addresses in bytes. */
export interface Layout {
  /** Of the argument blocks of each program. */
  readonly arguments: Readonly<Record<ProgramName, number>>;
  readonly persistent: number;
  /** Of the first thread's scratch; the others' follow at `scratchStride`. */
  readonly scratch: number;
  readonly scratchStride: number;
  readonly fixed: number;
  readonly batch: number;
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

const argumentCount = (calls: readonly CallSpec[], program: ProgramSpec | undefined): number =>
  program === undefined ? 0 : program.steps.reduce((count, { call }) => count + (calls[call]?.arguments.length ?? 0), 0);

/** A count for a given batch. */
export function resolveSize(size: SizeSpec, batch: number): number {
  return typeof size === "number" ? size : size.batch * batch;
}

/** Lays out a network for so many threads. */
export function layOut(manifest: Manifest, threads: number): Layout {
  let next = RESERVED_BYTES;
  const take = (bytes: number): number => {
    const base = next;
    next = align(base + bytes);
    return base;
  };
  const blocks = {
    prepare: take(4 * argumentCount(manifest.calls, manifest.prepare)),
    infer: take(4 * argumentCount(manifest.calls, manifest.infer)),
    gradients: take(4 * argumentCount(manifest.calls, manifest.gradients)),
    step: take(4 * argumentCount(manifest.calls, manifest.step)),
  };
  const persistent = take(manifest.persistentBytes);
  const scratchStride = align(manifest.scratchBytes);
  const scratch = take(scratchStride * threads);
  const fixed = take(Math.max(0, ...PROGRAM_NAMES.map((name) => manifest[name]?.fixedBytes ?? 0)));
  return { arguments: blocks, persistent, scratch, scratchStride, fixed, batch: next };
}

/** The address of [arena, offset] for a given batch. */
export function resolvePlace(layout: Layout, [arena, offset]: readonly [number, number], batch: number): number {
  if (arena === 0) return layout.persistent + offset;
  return arena === 1 ? layout.fixed + offset : layout.batch + offset * batch;
}

/** All argument blocks of a program one after another, as they are to lie from `layout.arguments[..]` on. */
export function resolveArguments(layout: Layout, calls: readonly CallSpec[], program: ProgramSpec, batch: number): Uint32Array<ArrayBuffer> {
  const block = new Uint32Array(argumentCount(calls, program));
  let next = 0;
  for (const { call, operands } of program.steps)
    for (const argument of calls[call]?.arguments ?? []) {
      if (typeof argument === "number" || "batch" in argument) block[next++] = resolveSize(argument, batch);
      else {
        const [operand, extra] = argument;
        const place = [operands[2 * operand] ?? 0, operands[2 * operand + 1] ?? 0] as const;
        block[next++] = resolvePlace(layout, place, batch) + resolveSize(extra, batch);
      }
    }
  return block;
}

/** Bytes that a program needs in all at a batch. */
export function bytesNeeded(layout: Layout, program: ProgramSpec, batch: number): number {
  return layout.batch + program.batchBytes * batch;
}

/** A memory of at least so many bytes, able to grow to 4 GiB. Throws RN602. */
export function createMemory(bytes: number): WebAssembly.Memory {
  const initial = Math.ceil(bytes / PAGE_BYTES);
  if (initial > MAX_PAGES) throw outOfMemory(bytes, undefined);
  try {
    return new WebAssembly.Memory({ initial, maximum: MAX_PAGES });
  } catch {
    throw outOfMemory(bytes, undefined);
  }
}

/** Grows a memory to at least so many bytes; views of its old buffer die. Throws RN602 and leaves it as it was. */
export function growMemory(memory: WebAssembly.Memory, bytes: number, batch: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES);
  if (missing <= 0) return;
  if (bytes > MAX_PAGES * PAGE_BYTES) throw outOfMemory(bytes, batch);
  try {
    memory.grow(missing);
  } catch {
    throw outOfMemory(bytes, batch);
  }
}
