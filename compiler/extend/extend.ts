/**
 * Lowered programs of deep networks from those of shallow ones: kernels, buffers and ports are sequences of named things,
 * continued as `sequence.ts` says. A buffer's name is its tensor's, or the path it serves and a count along that path.
 * Invariant: what is extended by one call was compared with what a program of one call more lowers to.
 */
import type { ShortRepeat } from "../build/shorten.ts";
import type { LogicalPort, LoweredProgram } from "../fuse/lower-graph.ts";
import type { LogicalBuffer } from "../fuse/storage.ts";
import { invariant } from "../ir/invariant.ts";
import type { Kernel } from "../ir/kernel.ts";
import { createKernelNumbering, type KernelNumbering } from "../ir/kernel-number.ts";
import { type ExtendedItem, extendSequence, type Item } from "./sequence.ts";

const PORTS = ["inputs", "scalars", "outputs"] as const;

/** A program as sequences of items. */
interface Named {
  readonly program: LoweredProgram;
  readonly kernels: readonly Item[];
  readonly ports: Readonly<Record<(typeof PORTS)[number], readonly Item[]>>;
  /** Buffers by name. */
  readonly buffers: ReadonlyMap<string, LogicalBuffer>;
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
  const numberOf = createKernelNumbering();
  const named = nameParts(short, numberOf);
  const guess = extendParts(
    named,
    repeats.map((repeat) => ({ ...repeat, removed: 1 })),
  );
  if (guess === undefined || !isProgram(named, guess, nameParts(longer, numberOf))) return undefined;
  const extended = extendParts(named, repeats);
  return extended && assemble(named, extended);
}

/** Names, such as those of a network's tensors, that follow the repeats; undefined as above. */
export function extendNames(
  short: readonly string[],
  longer: readonly string[],
  repeats: readonly ShortRepeat[],
): readonly ExtendedItem[] | undefined {
  const items = short.map((name): Item => ({ key: 0, names: [name] }));
  const guess = extendAll(
    items,
    repeats.map((repeat) => ({ ...repeat, removed: 1 })),
  );
  const same = guess?.length === longer.length && guess.every(({ names }, k) => names[0] === longer[k]);
  return same ? extendAll(items, repeats) : undefined;
}

function extendAll(items: readonly Item[], repeats: readonly ShortRepeat[]): readonly ExtendedItem[] | undefined {
  let found: readonly ExtendedItem[] | undefined = items.map(({ names }, source) => ({ source, names }));
  for (const repeat of repeats) {
    if (found === undefined) return undefined;
    found = extendSequence(
      found.map(({ source, names }) => ({ key: items[source]?.key ?? -1, names, source })),
      repeat,
    );
  }
  return found;
}

function extendParts({ kernels, ports }: Named, repeats: readonly ShortRepeat[]): Extended | undefined {
  const found = extendAll(kernels, repeats);
  const [inputs, scalars, outputs] = PORTS.map((kind) => extendAll(ports[kind], repeats));
  if (found === undefined || inputs === undefined || scalars === undefined || outputs === undefined) return undefined;
  return { kernels: found, ports: { inputs, scalars, outputs } };
}

function nameParts(program: LoweredProgram, numberOf: KernelNumbering): Named {
  const counts = new Map<string, number>();
  const names = new Map<number, string>();
  const buffers = new Map<string, LogicalBuffer>();
  const nameOf = (id: number): string => {
    const known = names.get(id);
    if (known !== undefined) return known;
    const buffer = program.buffers[id];
    invariant(buffer !== undefined, `buffer ${id} is missing`);
    const count = counts.get(buffer.name) ?? 0;
    if (buffer.kind === "temporary") counts.set(buffer.name, count + 1);
    const name = buffer.kind === "temporary" ? `~${buffer.name}#${count}` : `${buffer.kind}:${buffer.name}`;
    names.set(id, name);
    buffers.set(name, buffer);
    return name;
  };
  const kernels = program.kernels.map(
    (kernel): Item => ({
      key: numberOf(kernel),
      names: [...kernel.operands.map((operand) => nameOf(operand.buffer)), ...kernel.serves],
    }),
  );
  const portKeys = new Map<string, number>();
  const portItem = ({ name, buffer, dtype, shape }: LogicalPort): Item => {
    const text = JSON.stringify([dtype, shape]);
    const key = portKeys.get(text) ?? portKeys.size;
    portKeys.set(text, key);
    return { key, names: [name, nameOf(buffer)] };
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
        (name, position) => name === goal.names[position] && sameBuffer(named.buffers.get(item.names[position] ?? ""), other.buffers.get(name)),
      );
    });
  return same(kernels, named.kernels, other.kernels, false) && PORTS.every((kind) => same(ports[kind], named.ports[kind], other.ports[kind], true));
}

function sameBuffer(left: LogicalBuffer | undefined, right: LogicalBuffer | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  const size = (buffer: LogicalBuffer): number => (typeof buffer.size === "number" ? buffer.size : -buffer.size.batch);
  return left.kind === right.kind && left.type === right.type && size(left) === size(right);
}

/** The program of the extended items. */
function assemble({ program, kernels: items, ports: portItems, buffers: known }: Named, { kernels, ports }: Extended): LoweredProgram {
  const buffers: LogicalBuffer[] = [];
  const ids = new Map<string, number>();
  /** The buffer of this name, which is like the one of another. */
  const idOf = (name: string, like: string): number => {
    let id = ids.get(name);
    if (id !== undefined) return id;
    const model = known.get(like);
    invariant(model !== undefined, `buffer ${like} is missing`);
    id = buffers.length;
    const own = model.kind === "temporary" ? name.slice(1, name.lastIndexOf("#")) : name.slice(model.kind.length + 1);
    buffers.push({ ...model, id, name: own });
    ids.set(name, id);
    return id;
  };
  const extendedKernels = kernels.map(({ source, names }): Kernel => {
    const [kernel, item] = [program.kernels[source], items[source]];
    invariant(kernel !== undefined && item !== undefined, `kernel ${source} is missing`);
    const operands = kernel.operands.map((operand, k) => ({ ...operand, buffer: idOf(names[k] ?? "", item.names[k] ?? "") }));
    return { ...kernel, operands, serves: names.slice(kernel.operands.length) };
  });
  const portsOf = (kind: (typeof PORTS)[number]): readonly LogicalPort[] =>
    ports[kind].map(({ source, names: [name = "", buffer = ""] }) => {
      const [port, item] = [program[kind][source], portItems[kind][source]];
      invariant(port !== undefined && item !== undefined, `port ${source} is missing`);
      return { ...port, name, buffer: idOf(buffer, item.names[1] ?? "") };
    });
  return { buffers, kernels: extendedKernels, inputs: portsOf("inputs"), scalars: portsOf("scalars"), outputs: portsOf("outputs") };
}
