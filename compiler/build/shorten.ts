/**
 * A deep program with its repeats cut short: what it lowers to shows what the deep one lowers to (`extend/`).
 * Invariant: only runs of calls of one instance, each fed by the one before, are cut; paths keep their numbers.
 */
import type { CallEntry, Entry, Instance, JoinEntry, Program, ValueId } from "../ir/program.ts";

/** A repeat that was cut: the calls `prefix.first`, `prefix.(first + 1)`, .. */
export interface ShortRepeat {
  readonly prefix: string;
  readonly first: number;
  readonly kept: number;
  readonly removed: number;
}

export interface Shortened {
  readonly program: Program;
  readonly repeats: readonly ShortRepeat[];
}

/** Repeats of fewer calls than this are not worth it: the short programs have to be lowered too. */
const LEAST = 24;

/** The program with `kept` calls of each long repeat; undefined if it has none, or draws random numbers. */
export function shortenRepeats(program: Program, kept: number, least = LEAST): Shortened | undefined {
  const cuts = new Map<Instance, Cut>();
  const root = shortened(program.root, kept, Math.max(least, kept + 2), cuts);
  if (root === program.root) return undefined;
  const repeats: ShortRepeat[] = [];
  const walk = (instance: Instance, path: readonly string[]): boolean => {
    for (const { prefix, ...run } of cuts.get(instance)?.runs ?? []) repeats.push({ ...run, prefix: [...path, ...prefix].join(".") });
    return instance.entries.every((entry) => {
      if (entry.kind === "op") return entry.op !== "random";
      return entry.kind !== "call" || walk(entry.instance, [...path, ...entry.path]);
    });
  };
  // Each draw has a stream of its own, which no other call of the repeat could stand for.
  if (!walk(root, [])) return undefined;
  const prefixes = new Set(repeats.map(({ prefix }) => prefix));
  return prefixes.size === repeats.length ? { program: { ...program, root }, repeats } : undefined;
}

interface Run {
  readonly prefix: readonly string[];
  readonly first: number;
  readonly kept: number;
  readonly removed: number;
}

/** An instance made shorter. */
interface Cut {
  readonly runs: readonly Run[];
}

/** The instance with its own runs cut, and those of what it calls outside of runs; itself if there are none. */
function shortened(instance: Instance, kept: number, least: number, cuts: Map<Instance, Cut>): Instance {
  const done = new Map<Instance, Instance>();
  const visit = (each: Instance): Instance => {
    const known = done.get(each);
    if (known !== undefined) return known;
    const { entries, runs, stands } = cutRuns(each, kept, least);
    const inner = entries.map((entry): Entry => {
      if (entry.kind !== "call" || runs.some((run) => isIn(run, entry))) return entry;
      const changed = visit(entry.instance);
      return changed === entry.instance ? entry : { ...entry, instance: changed };
    });
    const isSame = runs.length === 0 && inner.every((entry, k) => entry === each.entries[k]);
    const outputs = each.outputs.map((port) => ({ ...port, value: stands(port.value) }));
    const result = isSame ? each : { ...each, entries: inner, outputs };
    if (runs.length > 0) cuts.set(result, { runs });
    done.set(each, result);
    return result;
  };
  return visit(instance);
}

function isIn(run: Run, { path }: CallEntry): boolean {
  return path.slice(0, -1).join(".") === run.prefix.join(".") && path.length === run.prefix.length + 1;
}

function cutRuns(
  instance: Instance,
  kept: number,
  least: number,
): { readonly entries: readonly Entry[]; readonly runs: readonly Run[]; readonly stands: (value: ValueId) => ValueId } {
  const replaced = new Map<ValueId, ValueId>();
  const stands = (value: ValueId): ValueId => replaced.get(value) ?? value;
  const runs: Run[] = [];
  const entries: Entry[] = [];
  const { entries: all } = instance;
  for (let k = 0; k < all.length; ) {
    const entry = all[k];
    if (entry === undefined) break;
    const calls = runFrom(all, k);
    const [first] = calls;
    if (first === undefined || calls.length < least || !isAlone(instance, calls, k)) {
      entries.push(renamed(entry, stands));
      k++;
      continue;
    }
    for (const call of calls.slice(0, kept)) entries.push(renamed(call, stands));
    const [last, standIn] = [calls.at(-1), calls[kept - 1]];
    for (const [position, value] of (last?.outputs ?? []).entries()) replaced.set(value, standIn?.outputs[position] ?? value);
    runs.push({ prefix: first.path.slice(0, -1), first: Number(first.path.at(-1)), kept, removed: calls.length - kept });
    k += calls.length;
  }
  return { entries, runs, stands };
}

/** The longest run of numbered calls of one instance from here on, each fed by the one before. */
function runFrom(entries: readonly Entry[], start: number): readonly CallEntry[] {
  const first = entries[start];
  if (first?.kind !== "call" || !/^\d+$/.test(first.path.at(-1) ?? "")) return [];
  const prefix = first.path.slice(0, -1).join(".");
  const calls = [first];
  for (let k = start + 1; k < entries.length; k++) {
    const [before, entry] = [calls.at(-1), entries[k]];
    if (before === undefined || entry?.kind !== "call" || entry.instance !== first.instance) break;
    if (entry.path.slice(0, -1).join(".") !== prefix || Number(entry.path.at(-1)) !== Number(before.path.at(-1)) + 1) break;
    if (!isFed(calls, entry)) break;
    calls.push(entry);
  }
  return calls;
}

/** Each input is the one before's, or the output of it that the second call took there too. */
function isFed(calls: readonly CallEntry[], next: CallEntry): boolean {
  const [first, second] = calls;
  const last = calls.at(-1);
  return next.inputs.every((value, position) => {
    if (value === last?.inputs[position]) return second === undefined || second.inputs[position] === first?.inputs[position];
    const output = last?.outputs.indexOf(value) ?? -1;
    return output >= 0 && (second === undefined || second.inputs[position] === first?.outputs[output]);
  });
}

/** Whether nothing else reads what the calls give but the last one's results, or is numbered among them. */
function isAlone(instance: Instance, calls: readonly CallEntry[], start: number): boolean {
  const inner = new Set(calls.slice(0, -1).flatMap((call) => call.outputs));
  const prefix = calls[0]?.path.slice(0, -1).join(".");
  const end = Number(calls.at(-1)?.path.at(-1));
  return (
    instance.outputs.every((port) => !inner.has(port.value)) &&
    instance.entries.every((entry, k) => {
      if (k >= start && k < start + calls.length) return true;
      if (entry.kind === "call" && entry.path.slice(0, -1).join(".") === prefix && Number(entry.path.at(-1)) > end) return false;
      return readsOf(entry).every((value) => !inner.has(value));
    })
  );
}

function readsOf(entry: Entry): readonly ValueId[] {
  switch (entry.kind) {
    case "op":
    case "call":
      return entry.inputs;
    case "update":
      return [entry.value];
    case "join":
      return [entry.main, ...entry.skips.flatMap((skip) => [skip.from, skip.arrives])];
    case "parameter":
    case "state":
      return [];
    default:
      return entry satisfies never;
  }
}

function renamed(entry: Entry, stands: (value: ValueId) => ValueId): Entry {
  if (readsOf(entry).every((value) => stands(value) === value)) return entry;
  switch (entry.kind) {
    case "op":
    case "call":
      return { ...entry, inputs: entry.inputs.map(stands) };
    case "update":
      return { ...entry, value: stands(entry.value) };
    case "join":
      return renamedJoin(entry, stands);
    case "parameter":
    case "state":
      return entry;
    default:
      return entry satisfies never;
  }
}

function renamedJoin(entry: JoinEntry, stands: (value: ValueId) => ValueId): JoinEntry {
  const skips = entry.skips.map((skip) => ({ ...skip, from: stands(skip.from), arrives: stands(skip.arrives) }));
  return { ...entry, main: stands(entry.main), skips };
}
