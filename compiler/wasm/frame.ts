/**
 * One kernel function under construction: its parameters, its arguments block and the locals loaded from it.
 * Invariant: a size other than 0 and 1 is an argument, never a constant of the code, and every use has its own slot.
 */
import type { Kernel, Size } from "../ir/kernel.ts";
import type { KernelArgument } from "./emit.ts";
import { Code, Locals, type Local, type ModuleBuilder } from "./encode.ts";

/** An i32 known to the code as a constant or held in a local. */
export type Term = { readonly constant: number } | { readonly local: Local };

export const ARGUMENTS: Local = 0;
export const BEGIN: Local = 1;
export const END: Local = 2;
export const SCRATCH: Local = 3;
export const KERNEL_PARAMETERS = ["i32", "i32", "i32", "i32"] as const;

/** What every emitter of a kernel form gets. */
export interface Frame {
  readonly module: ModuleBuilder;
  readonly kernel: Kernel;
  /** Runs first: loads of arguments. */
  readonly prologue: Code;
  readonly code: Code;
  readonly arguments: KernelArgument[];
  /** Bytes of scratch asked for. */
  scratchBytes: number;
}

export function newFrame(module: ModuleBuilder, kernel: Kernel): Frame {
  const locals = new Locals(KERNEL_PARAMETERS);
  return { module, kernel, prologue: new Code(locals), code: new Code(locals), arguments: [], scratchBytes: 0 };
}

function loadSlot(frame: Frame, argument: KernelArgument): Local {
  const slot = frame.arguments.push(argument) - 1;
  const local = frame.code.local("i32");
  frame.prologue
    .get(ARGUMENTS)
    .memory("i32.load", 4 * slot)
    .set(local);
  return local;
}

/** The byte address of a buffer plus `offset` bytes. */
export function addressLocal(frame: Frame, buffer: number, offset: Size): Local {
  return loadSlot(frame, { kind: "address", buffer, offset });
}

/** A size as an argument whatever its value. */
export function countLocal(frame: Frame, value: Size): Local {
  return loadSlot(frame, { kind: "count", value });
}

/** A size: 0 and 1 stay constants, so that broadcast and contiguous accesses get code of their own. */
export function sizeTerm(frame: Frame, value: Size): Term {
  return value === 0 || value === 1 ? { constant: value } : { local: countLocal(frame, value) };
}

/** A stride in bytes, of a size in 4-byte elements: 0 and one element stay constants. */
export function strideTerm(frame: Frame, elements: Size): Term {
  if (elements === 0 || elements === 1) return { constant: 4 * elements };
  return { local: countLocal(frame, typeof elements === "number" ? elements * 4 : { batch: elements.batch * 4 }) };
}

export function isZero(term: Term): boolean {
  return "constant" in term && term.constant === 0;
}

export function push(code: Code, term: Term): Code {
  return "constant" in term ? code.i32(term.constant) : code.get(term.local);
}

/** Pushes `local * term`. */
export function pushProduct(code: Code, local: Local, term: Term): Code {
  if ("constant" in term && term.constant === 1) return code.get(local);
  if ("constant" in term && term.constant === 4) return code.get(local).i32(2).op("i32.shl");
  return push(code.get(local), term).op("i32.mul");
}

/** `term * factor` in a term; the product is computed in the prologue. */
export function scaled(frame: Frame, term: Term, factor: number): Term {
  if (factor === 1) return term;
  if ("constant" in term) return { constant: term.constant * factor };
  const local = frame.code.local("i32");
  frame.prologue.get(term.local).i32(factor).op("i32.mul").set(local);
  return { local };
}
