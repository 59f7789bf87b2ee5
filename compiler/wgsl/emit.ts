/**
 * The WebGPU back end: kernels to compute shaders.
 * Invariant: kernels that differ only in where their operands begin, inside the same arenas, share one shader.
 */
import { asReduction } from "../wasm/as-reduction.ts";
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Operand, Size } from "../ir/kernel.ts";
import type { Place } from "../ir/plan.ts";
import { emitContraction, isTiled } from "./contraction.ts";
import { emitPointwise, emitReduction, emitSequential } from "./loops.ts";
import { mathFunctions } from "./math.ts";
import { type Extent, Shader } from "./shader.ts";

export interface WgslShader {
  /** From the first kernel that it serves; unique. */
  readonly name: string;
  /** The entry point is `main`; bindings are those of README.md. */
  readonly code: string;
}

/** Where an operand begins: a buffer and elements into it. */
export interface WgslAddress {
  readonly buffer: number;
  readonly offset: Size;
}

/** One dispatch. The uniform holds the batch, then the element at which each address begins in its arena. */
export interface WgslEntry {
  readonly shader: number;
  readonly addresses: readonly WgslAddress[];
  /** The product of these is the number of workgroups: each is its sizes' product over `per`, rounded up. */
  readonly workgroups: readonly Extent[];
}

export interface WgslProgram {
  readonly shaders: readonly WgslShader[];
  /** `entries[i]` runs `kernels[i]`. */
  readonly entries: readonly WgslEntry[];
}

/** i32 fields that fit into the smallest offset between uniforms, 256 bytes, beside the batch. */
const MOST_ADDRESSES = 63;

interface Emitted {
  readonly shader: number;
  readonly workgroups: readonly Extent[];
}

/** Emits every distinct kernel once. `arenaOf` says where a buffer lies; buffers are named by the ids of the plan. */
export function emitWgsl(kernels: readonly Kernel[], arenaOf: (kernel: number, buffer: number) => Place["arena"]): WgslProgram {
  const served = new Map<string, { readonly kernel: Kernel; readonly arenas: readonly Place["arena"][]; readonly paths: Set<string> }>();
  const prepared = kernels.map((given, index) => {
    const kernel = given.form === "contraction" && !isTiled(given) ? asReduction(given) : given;
    const arenas = kernel.operands.map((operand) => arenaOf(index, operand.buffer));
    const key = JSON.stringify([withoutPlaces(kernel), arenas], exactNumber);
    const known = served.get(key) ?? { kernel, arenas, paths: new Set<string>() };
    for (const path of kernel.serves) known.paths.add(path);
    served.set(key, known);
    return { key, kernel };
  });
  const shaders: WgslShader[] = [];
  const names = new Map<string, number>();
  const emitted = new Map<string, Emitted>();
  for (const [key, { kernel, arenas, paths }] of served) {
    const { code, workgroups } = emitShader(kernel, arenas, [...paths]);
    emitted.set(key, { shader: shaders.length, workgroups });
    shaders.push({ name: uniqueName(kernel.name, names), code });
  }
  const entries = prepared.map(({ key, kernel }): WgslEntry => {
    const found = emitted.get(key);
    invariant(found !== undefined, `kernel ${kernel.name} was not emitted`);
    invariant(kernel.operands.length <= MOST_ADDRESSES, `kernel ${kernel.name} has too many operands`);
    return { ...found, addresses: kernel.operands.map(({ buffer, offset }) => ({ buffer, offset })) };
  });
  return { shaders, entries };
}

/** What the text depends on. */
function withoutPlaces(kernel: Kernel): Kernel {
  return {
    ...kernel,
    name: "",
    serves: [],
    operands: kernel.operands.map((operand) => ({ ...operand, buffer: 0, offset: 0 })),
  };
}

/** JSON has no infinities, NaN or -0, which fills and constants may be. */
function exactNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? `${Object.is(value, -0) ? "-" : ""}${value}` : value;
}

function uniqueName(name: string, used: Map<string, number>): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_]+/g, "_") || "kernel";
  const count = used.get(plain) ?? 0;
  used.set(plain, count + 1);
  return count === 0 ? plain : `${plain}_${count}`;
}

const SHOWN_PATHS = 6;

function emitShader(
  kernel: Kernel,
  arenas: readonly Place["arena"][],
  paths: readonly string[],
): { readonly code: string; readonly workgroups: readonly Extent[] } {
  const operands = kernel.operands.map((operand, buffer): Operand => ({ ...operand, buffer }));
  const numbered: Kernel = { ...kernel, operands };
  const shader = new Shader(numbered, (operand) => arenas[operand.buffer] ?? "fixed");
  const workgroups = emitForm(shader, numbered);
  const shown = paths.slice(0, SHOWN_PATHS).join(", ");
  const more = paths.length > SHOWN_PATHS ? ` and ${paths.length - SHOWN_PATHS} more` : "";
  const comment = [`// ${kernel.name}`, ...(paths.length === 0 ? [] : [`// serves ${shown}${more}`])].map((line) => line.replaceAll(/[\r\n]+/g, " "));
  const parts = [...comment, ...shader.bindings(), ...shader.declarations, ...mathFunctions(shader.functions), shader.text(), ""];
  return { code: parts.join("\n"), workgroups };
}

function emitForm(shader: Shader, kernel: Kernel): readonly Extent[] {
  switch (kernel.form) {
    case "pointwise":
      return emitPointwise(shader, kernel);
    case "sequential":
      return emitSequential(shader, kernel);
    case "reduction":
      return emitReduction(shader, kernel);
    case "contraction":
      return emitContraction(shader, kernel);
  }
  kernel satisfies never;
}
