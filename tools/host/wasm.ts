/** What this host's WebAssembly can do. Invariant: asked by validating a module of a few bytes, never by a version. */
import { availableParallelism } from "node:os";

export interface WasmFacts {
  /** 128-bit SIMD, without which no network runs. */
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  /** Memory that threads share. */
  readonly sharedMemory: boolean;
  /** Cores that this process may use. */
  readonly cores: number;
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** One function type, () -> v128, and one function of it. */
const RETURNS_V128 = [...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], ...[0x03, 0x02, 0x01, 0x00]];
/** i32.const 0, i8x16.splat. */
const SPLAT = [0x41, 0x00, 0xfd, 0x0f];
/** Of three vectors: a * b + c, rounded once or twice. */
const RELAXED_MADD = [0xfd, 0x85, 0x02];

function accepts(instructions: readonly number[]): boolean {
  const body = [0x00, ...instructions, 0x0b];
  return WebAssembly.validate(Uint8Array.from([...HEADER, ...RETURNS_V128, 0x0a, body.length + 2, 0x01, body.length, ...body]));
}

function sharesMemory(): boolean {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer;
  } catch {
    return false;
  }
}

/** Asks the host. */
export function wasmFacts(): WasmFacts {
  return {
    simd: accepts(SPLAT),
    relaxedSimd: accepts([...SPLAT, ...SPLAT, ...SPLAT, ...RELAXED_MADD]),
    sharedMemory: sharesMemory(),
    cores: availableParallelism(),
  };
}
