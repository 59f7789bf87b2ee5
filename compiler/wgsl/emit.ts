/**
 * The WebGPU back end: kernels to compute shaders.
 * Invariant: kernels that differ only in which memory they touch, and where in it their operands begin, share shaders.
 */
import { sameSize, sizeKey } from "../fuse/size.ts";
import { workOf } from "../fuse/work.ts";
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Size } from "../ir/kernel.ts";
import { createKernelNumbering } from "../ir/kernel-number.ts";
import { contractionVariants } from "./contraction.ts";
import { emitPointwise, emitSequential } from "./loops.ts";
import { mathFunctions } from "./math.ts";
import { type Extent, type Layout, Shader, templateOf } from "./shader.ts";
import { reductionVariants } from "./reduction.ts";
import type { DispatchPlan, Requirements, ScratchOperand, VariantPlan } from "./variant.ts";

export interface WgslShader {
  /** From the first kernel that it serves; unique. */
  readonly name: string;
  /** The entry point is `main`; bindings are those of README.md. A dollar sign stands for each of `sizes`, in order. */
  readonly template: string;
  readonly sizes: readonly number[];
}

/** A storage binding: memory of one of the kernel's operands, or a scratch buffer of the variant. */
export type WgslBinding = { readonly operand: number } | { readonly scratch: number };

export interface WgslDispatch {
  readonly shader: number;
  /** Of bindings 1, 2, ... */
  readonly bindings: readonly WgslBinding[];
  /** Elements at which the operands begin that the shader uses, then its parameters: the uniform holds the batch, then these. */
  readonly offsets: readonly Size[];
  /** The product of these is the number of workgroups: each is its sizes' product over `per`, rounded up. */
  readonly workgroups: readonly Extent[];
}

/** One way to run a kernel; see `WebgpuVariantSpec` of the manifest. */
export interface WgslVariant {
  readonly name: string;
  readonly dispatches: readonly WgslDispatch[];
  /** Bytes. */
  readonly scratch: readonly Size[];
  readonly requires: Requirements | undefined;
  readonly upTo: number | undefined;
  readonly triedUpTo: number | undefined;
  readonly plain: true | undefined;
}

/** What kernels share that differ in which memory they touch alone. */
export interface WgslCall {
  readonly variants: readonly WgslVariant[];
  readonly flops: Size;
  readonly bytes: Size;
}

export interface WgslProgram {
  readonly shaders: readonly WgslShader[];
  /** Each of them once, in order of first appearance. */
  readonly calls: readonly WgslCall[];
  /** `calls[callOf[i]]` runs `kernels[i]`. */
  readonly callOf: readonly number[];
}

/** The caller's memory behind a kernel's buffers: equal numbers are one binding. */
export interface MemoryOf {
  memory(kernel: number, buffer: number): number;
  /** From the source, for the shader's text. */
  name(kernel: number, buffer: number): string;
  /** Whether its elements are stored as f16, two bytes each; none are if absent. */
  isHalf?(kernel: number, buffer: number): boolean;
}

/** i32 fields that fit into the smallest offset between uniforms, 256 bytes, beside the batch. */
const MOST_OFFSETS = 63;
/** `maxStorageBuffersPerShaderStage` of every device (WebGPU specification, limits). */
const MOST_BINDINGS = 8;

/** A dispatch of a shader whose operands begin anywhere. */
interface DispatchTemplate extends Omit<WgslDispatch, "offsets"> {
  /** Operands whose beginnings the uniform holds; undefined for one that stands for a scratch buffer, which begins where it is bound. */
  readonly used: readonly (number | undefined)[];
  readonly parameters: readonly number[];
}

interface VariantTemplate extends Omit<WgslVariant, "dispatches"> {
  readonly dispatches: readonly DispatchTemplate[];
}

interface Served {
  readonly kernel: Kernel;
  readonly layout: Layout;
  readonly paths: Set<string>;
}

/** Emits every distinct kernel once. */
export function emitWgsl(kernels: readonly Kernel[], memory: MemoryOf): WgslProgram {
  const { served, uses, callOf } = findCalls(kernels, memory);
  const emitter = new Emitter();
  const templates = new Map(served.map((each) => [each, emitter.emit(each)] as const));
  const calls = uses.map(({ served: own, kernel }): WgslCall => {
    const variants = (templates.get(own) ?? []).map((each) => ({ ...each, dispatches: each.dispatches.map((dispatch) => placed(dispatch, kernel)) }));
    return { variants, ...workOf(kernel, (operand) => (own.layout.halves[own.layout.bindings[operand] ?? -1] === true ? 2 : 4)) };
  });
  return { shaders: emitter.shaders, calls, callOf };
}

/** A text that serves a kernel, and the first kernel whose operands begin where this one's do. */
interface TextUse {
  readonly served: Served;
  readonly kernel: Kernel;
}

/** The distinct texts and, of each, the distinct beginnings of operands. */
function findCalls(
  kernels: readonly Kernel[],
  memory: MemoryOf,
): { readonly served: readonly Served[]; readonly uses: readonly TextUse[]; readonly callOf: readonly number[] } {
  const numberOf = createKernelNumbering();
  const served = new Map<string, Served>();
  const uses: TextUse[] = [];
  const known = new Map<string, number>();
  /** By number and layout, which say all: deep networks have tens of thousands of kernels, and few of these. */
  const byNumber = new Map<string, number>();
  const callOf = kernels.map((kernel, index) => {
    const places = kernel.operands.map((operand) => memory.memory(index, operand.buffer));
    const distinct = [...new Set(places)];
    const bindings = places.map((place) => distinct.indexOf(place));
    const halves = distinct.map((place) => memory.isHalf?.(index, kernel.operands[places.indexOf(place)]?.buffer ?? -1) ?? false);
    const quick = `${numberOf(kernel)} ${bindings.join()} ${halves.join()}`;
    let call = byNumber.get(quick);
    if (call === undefined) {
      const aligned = kernel.operands.map(({ offset }) => (typeof offset === "number" ? offset : offset.batch) % 4 === 0);
      const text = JSON.stringify([withoutPlaces(kernel), bindings, aligned, halves], exactNumber);
      let own = served.get(text);
      if (own === undefined) {
        const names = distinct.map((place, k) => {
          const position = places.indexOf(place);
          return bindingName(roleOf(kernel, position) ?? memory.name(index, kernel.operands[position]?.buffer ?? -1), k);
        });
        own = { kernel, layout: { bindings, names, aligned, halves }, paths: new Set() };
        served.set(text, own);
      }
      const key = `${kernel.operands.map(({ offset }) => sizeKey(offset)).join()} ${text}`;
      call = known.get(key) ?? uses.push({ served: own, kernel }) - 1;
      known.set(key, call);
      byNumber.set(quick, call);
    }
    const paths = uses[call]?.served.paths;
    for (const path of kernel.serves) paths?.add(path);
    return call;
  });
  return { served: [...served.values()], uses, callOf };
}

/** The dispatch for operands that begin where the kernel's do. */
function placed({ shader, bindings, used, parameters, workgroups }: DispatchTemplate, kernel: Kernel): WgslDispatch {
  const offsetOf = (position: number | undefined): Size => {
    if (position === undefined) return 0;
    const operand = kernel.operands[position];
    invariant(operand !== undefined, `kernel ${kernel.name}: there is no operand ${position}`);
    return operand.offset;
  };
  return { shader, bindings, offsets: [...used.map(offsetOf), ...parameters], workgroups };
}

/** What the text depends on, beside the layout. */
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

/** What a kernel does with an operand, where that says more than its source. */
function roleOf(kernel: Kernel, position: number): string | undefined {
  if (kernel.form === "contraction") {
    const { result, input, kernel: weights, output } = kernel.contraction;
    if (result !== "input" && position === input.operand) return "input";
    if (result !== "output" && position === output.operand) return "output_gradient";
    if (result !== "kernel" && position === weights.operand) return "weights";
  }
  return kernel.stores.some((store) => store.operand === position) ? "result" : undefined;
}

/** The last parts of a source path, and the binding's number: unique, and no word of WGSL. */
function bindingName(source: string, binding: number): string {
  const parts = source.split(/[^A-Za-z0-9]+/).filter((part) => part !== "");
  const stem = parts
    .slice(-2)
    .join("_")
    .replace(/^(?=\d)/, "at_");
  return `${stem === "" ? "tensor" : stem}_b${binding}`;
}

const SHOWN_PATHS = 6;

class Emitter {
  readonly shaders: WgslShader[] = [];
  private readonly names = new Map<string, number>();

  emit({ kernel, layout, paths }: Served): readonly VariantTemplate[] {
    const written = new Map<string, Omit<DispatchTemplate, "parameters">>();
    return variantsOf(kernel).map(({ dispatches, scratch, name, requires, upTo, triedUpTo, plain }) => ({
      ...{ name, requires, upTo, triedUpTo, plain },
      scratch: scratch.map(({ elements }) => bytesOf(elements)),
      dispatches: dispatches.map((plan): DispatchTemplate => {
        const known = written.get(plan.part) ?? this.write(kernel, layout, plan, [...paths]);
        written.set(plan.part, known);
        const { parameters = [], times = 1 } = plan;
        invariant(known.used.length + parameters.length <= MOST_OFFSETS, `kernel ${kernel.name} has too many operands`);
        return { ...known, parameters, workgroups: times === 1 ? known.workgroups : [...known.workgroups, { sizes: [times], per: 1 }] };
      }),
    }));
  }

  /** Writes the shader of a dispatch. */
  private write(original: Kernel, layout: Layout, { part, kernel = original, scratchOperands = [], emit }: DispatchPlan, paths: readonly string[]) {
    const scratchOf = new Map(scratchOperands.map((each) => [each.operand, each]));
    const sources = sourcesOf(kernel, original, scratchOf);
    const shader = new Shader(kernel, layoutOf(sources, layout, scratchOf));
    const workgroups = emit(shader);
    const title = [original.name, part].filter((each) => each !== "").join("_");
    const own = shader.boundOperands().map((operand) => {
      const source = sources[operand];
      return source === undefined ? { scratch: scratchOf.get(operand)?.scratch ?? 0 } : { operand: source };
    });
    const bindings: readonly WgslBinding[] = [...own, ...shader.boundScratch().map((index) => ({ scratch: index }))];
    const used = shader.usedOperands().map((operand) => sources[operand]);
    invariant(bindings.length <= MOST_BINDINGS, `kernel ${title} binds ${bindings.length} buffers`);
    return { shader: this.add(shader, title, paths), bindings, used, workgroups };
  }

  private add(shader: Shader, title: string, paths: readonly string[]): number {
    const shown = paths.slice(0, SHOWN_PATHS).join(", ");
    const more = paths.length > SHOWN_PATHS ? ` and ${paths.length - SHOWN_PATHS} more` : "";
    const comment = [`// ${title}`, ...(paths.length === 0 ? [] : [`// serves ${shown}${more}`])].map((line) => line.replaceAll(/[\r\n$]+/g, " "));
    const bindings = shader.bindings();
    const enabled = [...shader.extensions].map((each) => `enable ${each};`);
    const parts = [...comment, ...enabled, ...bindings, ...shader.declarations, ...mathFunctions(shader.functions), shader.text(), ""];
    return this.shaders.push({ name: this.uniqueName(title), ...templateOf(parts.join("\n")) }) - 1;
  }

  private uniqueName(name: string): string {
    const plain = name.replaceAll(/[^A-Za-z0-9_]+/g, "_") || "kernel";
    const count = this.names.get(plain) ?? 0;
    this.names.set(plain, count + 1);
    return count === 0 ? plain : `${plain}_${count}`;
  }
}

/** For each operand of a kernel rewritten from another, the one that it is a view of; undefined for scratch buffers. */
function sourcesOf(own: Kernel, original: Kernel, scratchOf: ReadonlyMap<number, ScratchOperand>): readonly (number | undefined)[] {
  return own.operands.map((operand, k) => {
    if (scratchOf.has(k)) return undefined;
    if (k < original.operands.length) return k;
    const found = original.operands.findIndex(({ buffer, offset }) => buffer === operand.buffer && sameSize(offset, operand.offset));
    invariant(found >= 0, `kernel ${original.name}: operand ${k} is a view of nothing`);
    return found;
  });
}

/** Scratch buffers follow the kernel's memory. */
function layoutOf(
  sources: readonly (number | undefined)[],
  { bindings, names, aligned, halves }: Layout,
  scratchOf: ReadonlyMap<number, ScratchOperand>,
): Layout {
  const own = [...scratchOf.values()];
  const places = sources.map((source, k) =>
    source === undefined ? names.length + own.findIndex(({ operand }) => operand === k) : (bindings[source] ?? 0),
  );
  return {
    bindings: places,
    names: [...names, ...own.map(({ name }) => name)],
    aligned: sources.map((source) => source === undefined || (aligned[source] ?? false)),
    halves,
  };
}

function bytesOf(elements: Size): Size {
  return typeof elements === "number" ? 4 * elements : { batch: 4 * elements.batch };
}

function variantsOf(kernel: Kernel): readonly VariantPlan[] {
  const only = (emit: DispatchPlan["emit"]): readonly VariantPlan[] => [{ name: "", scratch: [], dispatches: [{ part: "", emit }] }];
  switch (kernel.form) {
    case "pointwise":
      return only((shader) => emitPointwise(shader, kernel));
    case "sequential":
      return only((shader) => emitSequential(shader, kernel));
    case "reduction":
      return reductionVariants("", {}, kernel);
    case "contraction":
      return contractionVariants(kernel);
  }
  kernel satisfies never;
}
