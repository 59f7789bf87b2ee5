/**
 * Lowered programs of deep networks from those of shallow ones: kernels, buffers and ports are sequences of named things,
 * continued as `sequence.ts` says. A buffer's name is its tensor's, or the path it serves and a count along that path.
 * Invariant: what is extended by one call was compared with what a program of one call more lowers to.
 */
import type { ShortRepeat } from "../build/shorten.ts";
import type { LogicalPort, LoweredProgram } from "../fuse/lower-graph.ts";
import type { LogicalBuffer } from "../fuse/storage.ts";
import { sizeKey } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Kernel, Operand } from "../ir/kernel.ts";
import { createKernelNumbering, type KernelNumbering } from "../ir/kernel-number.ts";
import { canNumber, createNameTable, type NameTable } from "./names.ts";
import { type ExtendedItem, extendSequence, type Item } from "./sequence.ts";

const PORTS = ["inputs", "scalars", "outputs"] as const;

/** A program as sequences of items. */
interface Named {
  readonly program: LoweredProgram;
  readonly kernels: readonly Item[];
  readonly ports: Readonly<Record<(typeof PORTS)[number], readonly Item[]>>;
  /** Buffers by the codes of their names. */
  readonly buffers: ReadonlyMap<number, LogicalBuffer>;
}

/** Those items, each with the item that it is like. */
interface Extended {
  readonly kernels: readonly ExtendedItem[];
  readonly ports: Readonly<Record<(typeof PORTS)[number], readonly ExtendedItem[]>>;
}

/**
 * The program with each repeat as long as it was. `longer` is lowered with one call more of each, and must be what `short`
 * says that it is; otherwise the result is undefined, as it is where the kernels show no regular middle.
 */
export function extendProgram(short: LoweredProgram, longer: LoweredProgram, repeats: readonly ShortRepeat[]): LoweredProgram | undefined {
  if (!canNumber(repeats)) return undefined;
  const [numberOf, table] = [createKernelNumbering(), createNameTable(repeats)];
  const named = nameParts(short, numberOf, table);
  const guess = extendParts(named, table, withOneCallMore(repeats));
  if (guess === undefined || !isProgram(named, guess, nameParts(longer, numberOf, table))) return undefined;
  const extended = extendParts(named, table, repeats);
  return extended && assemble(named, extended, table);
}

function withOneCallMore(repeats: readonly ShortRepeat[]): readonly ShortRepeat[] {
  return repeats.map((repeat) => ({ ...repeat, removed: 1 }));
}

/** Names, such as those of a network's tensors, that follow the repeats; undefined as above. */
export function extendNames(
  short: readonly string[],
  longer: readonly string[],
  repeats: readonly ShortRepeat[],
): readonly { readonly source: number; readonly name: string }[] | undefined {
  if (!canNumber(repeats)) return undefined;
  const table = createNameTable(repeats);
  const items = short.map((name): Item => ({ key: 0, names: [table.codeOf(name)] }));
  const guess = extendSequence(items, table, withOneCallMore(repeats));
  const same = guess?.length === longer.length && guess.every(({ names }, k) => names[0] === table.codeOf(longer[k] ?? ""));
  const extended = same ? extendSequence(items, table, repeats) : undefined;
  return extended?.map(({ source, names: [code = 0] }) => ({ source, name: table.textOf(code) }));
}

function extendParts({ kernels, ports }: Named, table: NameTable, repeats: readonly ShortRepeat[]): Extended | undefined {
  const found = extendSequence(kernels, table, repeats);
  const [inputs, scalars, outputs] = PORTS.map((kind) => extendSequence(ports[kind], table, repeats));
  if (found === undefined || inputs === undefined || scalars === undefined || outputs === undefined) return undefined;
  return { kernels: found, ports: { inputs, scalars, outputs } };
}

function nameParts(program: LoweredProgram, numberOf: KernelNumbering, table: NameTable): Named {
  const counts = new Map<string, number>();
  const names = new Map<number, number>();
  const buffers = new Map<number, LogicalBuffer>();
  const nameOf = (id: number): number => {
    const known = names.get(id);
    if (known !== undefined) return known;
    const buffer = program.buffers[id];
    invariant(buffer !== undefined, `buffer ${id} is missing`);
    const count = counts.get(buffer.name) ?? 0;
    if (buffer.kind === "temporary") counts.set(buffer.name, count + 1);
    const name = table.codeOf(buffer.kind === "temporary" ? `~${buffer.name}#${count}` : `${buffer.kind}:${buffer.name}`);
    names.set(id, name);
    buffers.set(name, buffer);
    return name;
  };
  const kernels = program.kernels.map(
    (kernel): Item => ({
      key: numberOf(kernel),
      names: [...kernel.operands.map((operand) => nameOf(operand.buffer)), ...kernel.serves.map(table.codeOf)],
    }),
  );
  const portKeys = new Map<string, number>();
  const portItem = ({ name, buffer, dtype, shape }: LogicalPort): Item => {
    const text = JSON.stringify([dtype, shape]);
    const key = portKeys.get(text) ?? portKeys.size;
    portKeys.set(text, key);
    return { key, names: [table.codeOf(name), nameOf(buffer)] };
  };
  const [inputs = [], scalars = [], outputs = []] = PORTS.map((kind) => program[kind].map(portItem));
  return { program, kernels, ports: { inputs, scalars, outputs }, buffers };
}

/** Whether the extended items are the other program's, in kind, order and names, with buffers of the same sizes. */
function isProgram(named: Named, { kernels, ports }: Extended, other: Named): boolean {
  const same = (found: readonly ExtendedItem[], own: readonly Item[], wanted: readonly Item[], ports: boolean): boolean =>
    found.length === wanted.length &&
    found.every(({ source, names }, k) => {
      const [item, goal] = [own[source], wanted[k]];
      if (item === undefined || goal === undefined || names.length !== goal.names.length) return false;
      // Keys of ports count within their own program.
      if (!ports && item.key !== goal.key) return false;
      return names.every(
        (name, position) => name === goal.names[position] && sameBuffer(named.buffers.get(item.names[position] ?? -1), other.buffers.get(name)),
      );
    });
  return same(kernels, named.kernels, other.kernels, false) && PORTS.every((kind) => same(ports[kind], named.ports[kind], other.ports[kind], true));
}

function sameBuffer(left: LogicalBuffer | undefined, right: LogicalBuffer | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  const size = (buffer: LogicalBuffer): number => (typeof buffer.size === "number" ? buffer.size : -buffer.size.batch);
  return left.kind === right.kind && left.type === right.type && size(left) === size(right) && shapeKey(left) === shapeKey(right);
}

function shapeKey({ shape }: LogicalBuffer): string | undefined {
  return shape?.map(sizeKey).join();
}

/** The program of the extended items. */
function assemble(
  { program, kernels: items, ports: portItems, buffers: known }: Named,
  { kernels, ports }: Extended,
  table: NameTable,
): LoweredProgram {
  const buffers: LogicalBuffer[] = [];
  const ids = new Map<number, number>();
  /** The buffer of this name, which is like the one of another. */
  const idOf = (name: number, like: number): number => {
    let id = ids.get(name);
    if (id !== undefined) return id;
    const model = known.get(like);
    invariant(model !== undefined, `buffer ${table.textOf(like)} is missing`);
    const text = table.textOf(name);
    const own = model.kind === "temporary" ? text.slice(1, text.lastIndexOf("#")) : text.slice(model.kind.length + 1);
    id = buffers.length;
    buffers.push({ ...model, id, name: own });
    ids.set(name, id);
    return id;
  };
  const extendedKernels = kernels.map(({ source, names }): Kernel => {
    const [kernel, item] = [program.kernels[source], items[source]];
    invariant(kernel !== undefined && item !== undefined, `kernel ${source} is missing`);
    const operands = kernel.operands.map(
      ({ type, offset, strides }, k): Operand => ({ buffer: idOf(names[k] ?? -1, item.names[k] ?? -1), type, offset, strides }),
    );
    return { ...kernel, operands, serves: names.slice(operands.length).map(table.textOf) };
  });
  const portsOf = (kind: (typeof PORTS)[number]): readonly LogicalPort[] =>
    ports[kind].map(({ source, names: [name = -1, buffer = -1] }) => {
      const [port, item] = [program[kind][source], portItems[kind][source]];
      invariant(port !== undefined && item !== undefined, `port ${source} is missing`);
      return { ...port, name: table.textOf(name), buffer: idOf(buffer, item.names[1] ?? -1) };
    });
  return { buffers, kernels: extendedKernels, inputs: portsOf("inputs"), scalars: portsOf("scalars"), outputs: portsOf("outputs") };
}
