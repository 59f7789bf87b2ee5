/**
 * Packed weights: contractions read them from buffers that a movement kernel fills.
 * Invariant: equal packs of one version of a tensor share a buffer; weights that a program does not change are packed
 * by `prepare` where there is one, else before their first use.
 */
import type { LoweredProgram } from "../fuse/lower-graph.ts";
import type { LogicalBuffer } from "../fuse/storage.ts";
import type { Kernel, Size } from "../ir/kernel.ts";

/** How a back end wants a contraction's kernel operand packed; undefined: as it is. */
export type PackRule = (kernel: Kernel) =>
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
  const versions = new Map<number, number>();
  const written = new Set(main.kernels.flatMap((kernel) => kernel.stores.map((store) => kernel.operands[store.operand]?.buffer ?? -1)));
  const packs: { readonly pack: Kernel; readonly source: LogicalBuffer; readonly packed: LogicalBuffer }[] = [];
  let count = 0;
  for (const kernel of main.kernels) {
    const packed = kernel.form === "contraction" ? packing(kernel) : undefined;
    if (packed === undefined || kernel.form !== "contraction") {
      kernels.push(kernel);
      noteWrites(kernel, versions);
      continue;
    }
    const source = kernel.operands[kernel.contraction.kernel.operand]?.buffer ?? -1;
    const key = JSON.stringify([source, versions.get(source) ?? 0, { ...packed.pack, name: "", serves: [] }]);
    let buffer = known.get(key);
    if (buffer === undefined) {
      const kept = !each && buffers[source]?.kind === "persistent" && !written.has(source);
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
      const from = buffers[source];
      if (kept && from !== undefined) packs.push({ pack: packed.pack, source: from, packed: own });
      else kernels.push(pointed(packed.pack, buffer));
    }
    kernels.push(pointed(packed.contraction, buffer));
    noteWrites(kernel, versions);
  }
  return [packs.length === 0 ? prepare : withPacks(prepare ?? empty, packs), { ...main, buffers, kernels }];
}

function noteWrites(kernel: Kernel, versions: Map<number, number>): void {
  for (const { operand } of kernel.stores) {
    const buffer = kernel.operands[operand]?.buffer ?? -1;
    versions.set(buffer, (versions.get(buffer) ?? 0) + 1);
  }
}

/** The kernel with its open operand at a buffer. */
function pointed<K extends Kernel>(kernel: K, buffer: number): K {
  return {
    ...kernel,
    operands: kernel.operands.map((operand) => (operand.buffer === -1 ? { ...operand, buffer } : operand)),
  };
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
