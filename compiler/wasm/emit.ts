/**
 * The CPU back end: kernels to one WebAssembly module.
 * Invariant: code is generic in sizes; kernels that differ only in sizes, strides and addresses share one export.
 */
import type { Kernel, Size } from "../ir/kernel.ts";

/** One i32 of a kernel's arguments block. `offset` in bytes. */
export type KernelArgument =
  | { readonly kind: "address"; readonly buffer: number; readonly offset: Size }
  | { readonly kind: "count"; readonly value: Size };

/** How one kernel is called: `export(argumentsPointer, begin, end, scratch)` for any split of 0..units. */
export interface WasmEntry {
  readonly export: string;
  readonly arguments: readonly KernelArgument[];
  readonly units: Size;
  readonly scratchBytes: number;
}

export interface WasmModule {
  readonly bytes: Uint8Array;
  /** A readable dump, close to the text format. */
  text(): string;
  readonly entries: readonly WasmEntry[];
  /** The largest need of any entry, per thread. */
  readonly scratchBytes: number;
}

/** Emits a module that imports `env.memory`; `entries[i]` calls `kernels[i]`. */
export function emitWasm(_kernels: readonly Kernel[]): WasmModule {
  throw new Error("not yet");
}
