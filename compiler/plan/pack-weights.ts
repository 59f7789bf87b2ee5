/**
 * Packed weights: contractions read them from buffers that a movement kernel fills.
 * Invariant: equal packs of one version of a tensor share a buffer; weights that a program does not change are packed
 * by `prepare` where there is one, else before their first use.
 */
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { LogicalBuffer } from "../fuse/storage.ts";
import type { Kernel, Size } from "../ir/kernel.ts";
import { createKernelNumbering, withoutBuffers } from "../ir/kernel-number.ts";

/** Where a contraction's kernel operand comes from: a tensor of the network, what `prepare` made of some, or this very call. */
export type WeightSource = "tensor" | "prepared" | "call";

/** How a back end wants a contraction's kernel operand packed; undefined: as it is. */
export type PackRule = (
  kernel: Kernel,
  source: WeightSource,
) =>
  | {
      /** Fills the packed buffer, its operand with buffer -1, from the source's operand. */
      readonly pack: Kernel;
      readonly packedSize: Size;
      /** Reads the packed buffer by its operand with buffer -1. */
      readonly contraction: Kernel;
    }
  | undefined;

const empty: LoweredProgram = { buffers: [], kernels: [], inputs: [], scalars: [], outputs: [] };

/**
 * The programs with packs added. With `each` the weights may differ from call to call, so that all packs run in `main`;
 * otherwise those of kept tensors run in `prepare`, which is made if there is none.
 */
export function packWeights(
  prepare: LoweredProgram | undefined,
  main: LoweredProgram | undefined,
  packing: PackRule | undefined,
  each = false,
): readonly [prepare: LoweredProgram | undefined, main: LoweredProgram | undefined] {
  if (packing === undefined || main === undefined) return [prepare, main];
  const buffers: LogicalBuffer[] = [...main.buffers];
  const kernels: Kernel[] = [];
  const known = new Map<string, number>();
  const versions = new Int32Array(main.buffers.length);
  const written = new Uint8Array(main.buffers.length);
  for (const { stores, operands } of main.kernels) for (const { operand } of stores) written[operands[operand]?.buffer ?? -1] = 1;
  const made = new Set(
    prepare?.kernels.flatMap(({ stores, operands }) => stores.map(({ operand }) => prepare.buffers[operands[operand]?.buffer ?? -1]?.name)),
  );
  const numberOf = createKernelNumbering();
  /** By number of the contraction and source, for operands' buffers by position. */
  const templates = new Map<string, ReturnType<PackRule>>();
  const sourceOf = (kernel: Kernel & { readonly form: "contraction" }): WeightSource => {
    const buffer = buffers[kernel.operands[kernel.contraction.kernel.operand]?.buffer ?? -1];
    if (each || buffer === undefined || buffer.kind !== "persistent" || written[buffer.id] === 1) return "call";
    return made.has(buffer.name) ? "prepared" : "tensor";
  };
  const packs: { readonly pack: Kernel; readonly source: LogicalBuffer; readonly packed: LogicalBuffer }[] = [];
  let count = 0;
  for (const kernel of main.kernels) {
    const from = kernel.form === "contraction" ? sourceOf(kernel) : "call";
    const template = kernel.form === "contraction" ? `${numberOf(kernel)} ${from}` : "";
    if (kernel.form === "contraction" && !templates.has(template)) templates.set(template, packing(withoutBuffers(kernel), from));
    const packed = templates.get(template);
    if (packed === undefined || kernel.form !== "contraction") {
      kernels.push(kernel);
      noteWrites(kernel, versions);
      continue;
    }
    const source = kernel.operands[kernel.contraction.kernel.operand]?.buffer ?? -1;
    const key = `${source} ${versions[source] ?? 0} ${numberOf(packed.pack)}`;
    let buffer = known.get(key);
    if (buffer === undefined) {
      const kept = from !== "call";
      const kind = kept ? "persistent" : "temporary";
      const own: LogicalBuffer = {
        id: buffers.length,
        name: `packed.${count++}`,
        type: "f32",
        size: packed.packedSize,
        kind,
      };
      buffer = buffers.push(own) - 1;
      known.set(key, buffer);
      const weights = buffers[source];
      if (kept && weights !== undefined) packs.push({ pack: { ...packed.pack, serves: kernel.serves }, source: weights, packed: own });
      else kernels.push(placed(packed.pack, kernel, buffer));
    }
    kernels.push(placed(packed.contraction, kernel, buffer));
    noteWrites(kernel, versions);
  }
  return [packs.length === 0 ? prepare : withPacks(prepare ?? empty, packs), { ...main, buffers, kernels }];
}

function noteWrites(kernel: Kernel, versions: Int32Array): void {
  for (const { operand } of kernel.stores) {
    const buffer = kernel.operands[operand]?.buffer ?? -1;
    versions[buffer] = (versions[buffer] ?? 0) + 1;
  }
}

/** A template's kernel in place of the given one: its operands by position are that one's, the open one is at `buffer`. */
function placed(template: Kernel, kernel: Kernel, buffer: number): Kernel {
  const bufferOf = (position: number): number => (position === -1 ? buffer : (kernel.operands[position]?.buffer ?? -1));
  const operands = template.operands.map((operand) => ({ ...operand, buffer: bufferOf(operand.buffer) }));
  return { ...template, serves: kernel.serves, operands };
}

/** Packs appended to another program, whose buffers have other ids: kept tensors meet by name. */
function withPacks(
  program: LoweredProgram,
  packs: readonly { readonly pack: Kernel; readonly source: LogicalBuffer; readonly packed: LogicalBuffer }[],
): LoweredProgram {
  const buffers = [...program.buffers];
  const known = new Map(buffers.flatMap((buffer) => (buffer.kind === "persistent" ? [[buffer.name, buffer.id] as const] : [])));
  const find = (wanted: LogicalBuffer): number => {
    const id = known.get(wanted.name) ?? buffers.push({ ...wanted, id: buffers.length }) - 1;
    known.set(wanted.name, id);
    return id;
  };
  const added = packs.map(({ pack, source, packed }) => {
    const [from, to] = [find(source), find(packed)];
    return {
      ...pack,
      operands: pack.operands.map((operand) => ({ ...operand, buffer: operand.buffer === -1 ? to : from })),
    };
  });
  return { ...program, buffers, kernels: [...program.kernels, ...added] };
}
