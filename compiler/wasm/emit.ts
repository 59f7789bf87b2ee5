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

/** One i32 of a kernel's arguments block. `offset` in bytes; `buffer` as `WasmModule` says. */
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
  /** The distinct calls: `buffer` of an address is the position of an operand. */
  readonly calls: readonly WasmEntry[];
  /** By kernel: its call's position. */
  readonly callOf: readonly number[];
  /** By kernel: its call, `buffer` being its operand's. Made anew each time, for those who run a few kernels. */
  entries(): readonly WasmEntry[];
  /** The largest need of any entry, per thread. */
  readonly scratchBytes: number;
}

export interface WasmOptions {
  /** Imports a shared memory (of at most 65536 pages), for threads. */
  readonly sharedMemory?: boolean;
}

/** Emits a module that imports `env.memory` and calls each kernel. Scratch must be 64-byte aligned. */
export function emitWasm(kernels: readonly Kernel[], options: WasmOptions = {}): WasmModule {
  const module = new ModuleBuilder();
  const numberOf = createKernelNumbering();
  const calls: WasmEntry[] = [];
  // Operands are numbered by position, so that layers of the same sizes are one kernel, emitted once.
  const callOf = kernels.map((kernel) => {
    const number = numberOf(kernel);
    calls[number] ??= emitKernel(module, withoutBuffers(kernel));
    return number;
  });
  const bytes = module.finish(options.sharedMemory ?? false);
  return {
    bytes,
    text: () => disassemble(bytes, module.functionNames()),
    calls,
    callOf,
    entries: () => kernels.flatMap((kernel, k) => calls.slice(callOf[k], (callOf[k] ?? 0) + 1).map((call) => withBuffers(call, kernel))),
    scratchBytes: calls.reduce((most, call) => Math.max(most, call.scratchBytes), 0),
  };
}

function withBuffers(call: WasmEntry, { operands }: Kernel): WasmEntry {
  const place = (argument: KernelArgument): KernelArgument =>
    argument.kind === "address" ? { ...argument, buffer: operands[argument.buffer]?.buffer ?? argument.buffer } : argument;
  return { ...call, arguments: call.arguments.map(place) };
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
