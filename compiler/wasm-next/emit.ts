/**
 * The CPU back end: kernels to one WebAssembly module.
 * Invariant: code is generic in sizes; kernels that differ only in sizes, strides and addresses share one export.
 */
import type { Kernel, Size } from "../ir/kernel.ts";
import { emitContraction } from "./contraction.ts";
import { createModule, type WasmModule } from "./encode.ts";
import { Frame, type KernelArgument, kernelParameters } from "./frame.ts";
import { createSharedFunctions, type SharedFunctions } from "./functions.ts";
import { emitPointwise, emitSequential } from "./pointwise.ts";
import { emitReduction } from "./reduction.ts";

export type { KernelArgument } from "./frame.ts";

/** How one kernel is called: `export(argumentsPointer, begin, end, scratch)` for any split of 0..units. */
export interface WasmEntry {
  readonly export: string;
  /** The arguments block, an i32 each: byte address of a buffer plus `offset` elements, or a number. */
  readonly arguments: readonly KernelArgument[];
  readonly units: Size;
  /** Per thread. */
  readonly scratchBytes: number;
}

export interface EmittedWasm {
  /** A module that imports `env.memory`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** A readable listing, close to the text format. */
  text(): string;
  /** `entries[i]` calls `kernels[i]`. */
  readonly entries: readonly WasmEntry[];
  /** The largest need of any entry, per thread. */
  readonly scratchBytes: number;
}

/** Emits all kernels; with `sharedMemory` the memory is imported as a shared one of at most 65536 pages. */
export function emitWasm(kernels: readonly Kernel[], { sharedMemory = false }: { readonly sharedMemory?: boolean } = {}): EmittedWasm {
  const module = createModule();
  const shared = createSharedFunctions(module);
  const entries = kernels.map((kernel) => emitKernel(module, kernel, shared));
  return {
    bytes: module.finish(sharedMemory),
    text: () => module.text(),
    entries,
    scratchBytes: entries.reduce((most, { scratchBytes }) => Math.max(most, scratchBytes), 0),
  };
}

function emitKernel(module: WasmModule, kernel: Kernel, shared: SharedFunctions): WasmEntry {
  if (kernel.form === "contraction") {
    const { index, arguments: slots, units, scratchBytes } = emitContraction(module, kernel, shared);
    return { export: module.nameOf(index), arguments: slots, units, scratchBytes };
  }
  let units: Size = 1;
  let scratchBytes = 0;
  let slots: readonly KernelArgument[] = [];
  const index = module.addFunction(
    exportName(kernel.name),
    kernelParameters,
    [],
    (f) => {
      const frame = new Frame(f, module, shared, kernel);
      if (kernel.form === "reduction") units = emitReduction(frame, kernel);
      else units = kernel.form === "pointwise" ? emitPointwise(frame) : emitSequential(frame);
      ({ scratchBytes, arguments: slots } = frame);
    },
    { export: true, unique: true },
  );
  return { export: module.nameOf(index), arguments: slots, units, scratchBytes };
}

/** The kernel's name in the characters that read well in stack traces. */
function exportName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_.]+/g, "_") || "kernel";
}
