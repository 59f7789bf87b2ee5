/**
 * What a repeat leaves in a sequence, continued: items that come again with every number in their names one higher (or
 * lower, in a backward pass) are a run, and a deeper repeat has more of the same in its middle.
 * Invariant: names are compared as text apart from the one number behind the repeat's path.
 */
import type { ShortRepeat } from "../build/shorten.ts";

/** One thing among many of its kind: `key` is equal for things that differ in names alone. */
export interface Item {
  readonly key: number;
  readonly names: readonly string[];
}

/** An item of the longer sequence: which one it is like, and its names. */
export interface ExtendedItem {
  readonly source: number;
  readonly names: readonly string[];
}

/** A name apart from its number; -1 if it has none. */
interface Parsed {
  readonly before: string;
  readonly number: number;
  readonly after: string;
}

interface Entry {
  readonly source: number;
  /** Equal for items that differ in numbers alone. */
  readonly form: number;
  readonly names: readonly Parsed[];
}

/** Items [from, to) repeat every `period` with numbers `step` higher, but for those that stay. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly period: number;
  readonly step: 1 | -1;
  /** By position in the period: which of the item's names move. */
  readonly moves: readonly ((name: number) => boolean)[];
}

/** The sequence with `removed` more calls in the middle of the repeat; undefined where it shows no regular middle. */
export function extendSequence(items: readonly (Item & { readonly source?: number })[], repeat: ShortRepeat): readonly ExtendedItem[] | undefined {
  const entries = parseItems(items, repeat.prefix);
  const runs = findRuns(entries);
  /** The last number before those that are added. */
  const cut = repeat.first + Math.floor(repeat.kept / 2) - 1;
  const { removed } = repeat;
  const result: ExtendedItem[] = [];
  const outside = (number: number): number => (number > cut ? number + removed : number);
  /** Names that move with a run by so much; the others name what is the same for all calls. */
  const add = (entry: Entry | undefined, moves: (name: number) => boolean, by: number): void => {
    if (entry === undefined) return;
    const names = entry.names.map((name, k) => nameAt(name, moves(k) ? name.number + by : outside(name.number)));
    result.push({ source: entry.source, names });
  };
  const none = (): boolean => false;
  let position = 0;
  for (const run of runs) {
    for (const entry of entries.slice(position, run.from)) add(entry, none, 0);
    const block = blockToRepeat(entries, run, run.step === 1 ? cut : cut + 1);
    if (block === undefined) return undefined;
    const end = block + run.period;
    const [before, after] = run.step === 1 ? [0, removed] : [removed, 0];
    const moves = (at: number) => run.moves[(at - run.from) % run.period] ?? none;
    for (let k = run.from; k < end; k++) add(entries[k], moves(k), before);
    for (let times = 1; times <= removed; times++) for (let k = block; k < end; k++) add(entries[k], moves(k), before + run.step * times);
    for (let k = end; k < run.to; k++) add(entries[k], moves(k), after);
    position = run.to;
  }
  for (const entry of entries.slice(position)) add(entry, none, 0);
  return result;
}

function nameAt({ before, number, after }: Parsed, moved: number): string {
  return number < 0 ? before : `${before}${moved}${after}`;
}

function parseItems(items: readonly (Item & { readonly source?: number })[], prefix: string): readonly Entry[] {
  const parsed = new Map<string, Parsed>();
  const forms = new Map<string, number>();
  const parse = (name: string): Parsed => {
    let known = parsed.get(name);
    if (known === undefined) parsed.set(name, (known = parseName(name, prefix)));
    return known;
  };
  return items.map(({ key, names, source }, position) => {
    const own = names.map(parse);
    let text = `${key}`;
    for (const { before, number, after } of own) text += number < 0 ? `|${before}` : `|${before}#${after}`;
    const form = forms.get(text) ?? forms.size;
    forms.set(text, form);
    return { source: source ?? position, form, names: own };
  });
}

/** Splits `..prefix.12.rest` at the number. */
function parseName(name: string, prefix: string): Parsed {
  const whole = { before: name, number: -1, after: "" };
  for (let at = name.indexOf(prefix); at >= 0; at = name.indexOf(prefix, at + 1)) {
    const start = at + prefix.length + (prefix === "" ? 0 : 1);
    if (at > 0 && !/[.~: ]/.test(name[at - 1] ?? "")) continue;
    if (prefix !== "" && name[start - 1] !== ".") continue;
    let end = start;
    while (end < name.length && /\d/.test(name[end] ?? "")) end++;
    if (end === start || (end < name.length && !/[.#]/.test(name[end] ?? ""))) continue;
    return { before: name.slice(0, start), number: Number(name.slice(start, end)), after: name.slice(end) };
  }
  return whole;
}

function findRuns(entries: readonly Entry[]): readonly Run[] {
  const next = nextOfForm(entries);
  const runs: Run[] = [];
  for (let at = 0; at < entries.length; ) {
    const run = runAt(entries, next, at);
    if (run !== undefined) runs.push(run);
    at = run?.to ?? at + 1;
  }
  return runs;
}

/** By position: where the next item of the same form is; -1 if there is none. */
function nextOfForm(entries: readonly Entry[]): Int32Array {
  const next = new Int32Array(entries.length).fill(-1);
  const last = new Map<number, number>();
  for (let k = entries.length - 1; k >= 0; k--) {
    const form = entries[k]?.form ?? -1;
    next[k] = last.get(form) ?? -1;
    last.set(form, k);
  }
  return next;
}

function runAt(entries: readonly Entry[], next: Int32Array, from: number): Run | undefined {
  const second = next[from] ?? -1;
  if (second < 0) return undefined;
  const step = stepsBetween(entries[from], entries[second]).find((each) => each !== 0);
  if (step !== 1 && step !== -1) return undefined;
  const period = second - from;
  /** By position in the period: by how much each name's number grows. */
  const steps: (readonly number[])[] = [];
  let same = from;
  for (; same + period < entries.length; same++) {
    const found = stepsBetween(entries[same], entries[same + period]);
    const wanted = (steps[(same - from) % period] ??= found);
    if (found.some((each, k) => each !== wanted[k] || (each !== 0 && each !== step))) break;
  }
  // Three of a kind: two may be the ends of a repeat.
  if (same - from < 2 * period) return undefined;
  const moves = steps.map(
    (own) =>
      (name: number): boolean =>
        own[name] === step,
  );
  return { from, to: same + period, period, step, moves };
}

/** By how much the number of each name differs; what no run has for items of different forms. */
function stepsBetween(left: Entry | undefined, right: Entry | undefined): readonly number[] {
  if (left === undefined || right === undefined || left.form !== right.form) return [Number.NaN];
  return left.names.map(({ number }, k) => (right.names[k]?.number ?? Number.NaN) - number);
}

/** Where the block of one period begins whose highest number, of those that move, is the wanted one. */
function blockToRepeat(entries: readonly Entry[], { from, to, period, moves }: Run, wanted: number): number | undefined {
  for (let start = from; start + period <= to; start += period) {
    let highest = -1;
    for (let k = start; k < start + period; k++)
      for (const [position, { number }] of (entries[k]?.names ?? []).entries())
        if (moves[(k - from) % period]?.(position) === true) highest = Math.max(highest, number);
    if (highest === wanted) return start;
  }
  return undefined;
}
