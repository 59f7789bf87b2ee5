/**
 * The CPU back end: kernels to one WebAssembly module.
 * Invariant: code is generic in sizes; kernels that differ only in sizes, strides and addresses share one export.
 */
import { workOf } from "../fuse/work.ts";
import type { Kernel, Size } from "../ir/kernel.ts";
import { createKernelNumbering, withoutBuffers } from "../ir/kernel-number.ts";
import { emitContraction } from "./contraction.ts";
import { disassemble } from "./disassemble.ts";
import { Code, ModuleBuilder } from "./encode.ts";
import { KERNEL_PARAMETERS, newFrame, type Frame } from "./frame.ts";
import { emitPointwise, emitSequential } from "./pointwise.ts";
import { emitReduction } from "./reduction.ts";

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
  /** For profiles, as `workOf` counts. */
  readonly flops: Size;
  readonly bytes: Size;
}

export interface WasmModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** A readable dump, close to the text format. */
  text(): string;
  readonly entries: readonly WasmEntry[];
  /** The largest need of any entry, per thread. */
  readonly scratchBytes: number;
}

export interface WasmOptions {
  /** Imports a shared memory (of at most 65536 pages), for threads. */
  readonly sharedMemory?: boolean;
}

/** Emits a module that imports `env.memory`; `entries[i]` calls `kernels[i]`. Scratch must be 64-byte aligned. */
export function emitWasm(kernels: readonly Kernel[], options: WasmOptions = {}): WasmModule {
  const module = new ModuleBuilder();
  const numberOf = createKernelNumbering();
  const known: WasmEntry[] = [];
  // Operands are numbered by position, so that layers of the same sizes are one kernel, emitted once.
  const entries = kernels.map((kernel) => withBuffers((known[numberOf(kernel)] ??= emitKernel(module, withoutBuffers(kernel))), kernel));
  const bytes = module.finish(options.sharedMemory ?? false);
  const scratchBytes = entries.reduce((most, entry) => Math.max(most, entry.scratchBytes), 0);
  return { bytes, text: () => disassemble(bytes, module.functionNames()), entries, scratchBytes };
}

function withBuffers(entry: WasmEntry, kernel: Kernel): WasmEntry {
  const place = (argument: KernelArgument): KernelArgument =>
    argument.kind === "address" ? { ...argument, buffer: kernel.operands[argument.buffer]?.buffer ?? argument.buffer } : argument;
  return { ...entry, arguments: entry.arguments.map(place) };
}

function emitKernel(module: ModuleBuilder, kernel: Kernel): WasmEntry {
  const frame = newFrame(module, kernel);
  const units = emitForm(frame, kernel);
  const code = new Code(frame.code.locals).append(frame.prologue).append(frame.code);
  const name = module.exported(exportName(kernel.name), KERNEL_PARAMETERS, code);
  return { export: name, arguments: frame.arguments, units, scratchBytes: Math.ceil(frame.scratchBytes / 64) * 64, ...workOf(kernel) };
}

function exportName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]+/g, "_") || "kernel";
}

function emitForm(frame: Frame, kernel: Kernel): Size {
  switch (kernel.form) {
    case "pointwise":
      return emitPointwise(frame, kernel);
    case "sequential":
      return emitSequential(frame, kernel);
    case "reduction":
      return emitReduction(frame, kernel);
    case "contraction":
      return emitContraction(frame, kernel);
  }
  kernel satisfies never;
}
