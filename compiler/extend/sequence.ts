/**
 * What a repeat leaves in a sequence, continued: items that come again with every number in their names one higher (or
 * lower, in a backward pass) are a run, and a deeper repeat has more of the same in its middle.
 * Invariant: names are compared by their codes (`names.ts`), apart from the number of the repeat at hand.
 */
import type { ShortRepeat } from "../build/shorten.ts";
import { type NameTable, numberOf, stemOf } from "./names.ts";

/** One thing among many of its kind: `key` is equal for things that differ in names alone. Names are codes of a table. */
export interface Item {
  readonly key: number;
  readonly names: readonly number[];
}

/** An item of the longer sequence: which one it is like, and its names. */
export interface ExtendedItem {
  readonly source: number;
  readonly names: readonly number[];
}

/** Items [from, to) repeat every `period` with numbers `step` higher, but for those that stay. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly period: number;
  readonly step: 1 | -1;
  /** By position in the period: by how much each of the item's names grows, `step` or 0. */
  readonly steps: readonly (readonly number[])[];
}

/** The sequence with `removed` more calls in the middle of each repeat; undefined where it shows no regular middle. */
export function extendSequence(items: readonly Item[], table: NameTable, repeats: readonly ShortRepeat[]): readonly ExtendedItem[] | undefined {
  const forms = baseForms(items);
  let found: readonly ExtendedItem[] | undefined = items.map(({ names }, source) => ({ source, names }));
  for (const [position, repeat] of repeats.entries()) found = found && extendRepeat(found, forms, table, position, repeat);
  return found;
}

function extendRepeat(
  entries: readonly ExtendedItem[],
  forms: readonly number[],
  table: NameTable,
  position: number,
  { first, kept, removed }: ShortRepeat,
): readonly ExtendedItem[] | undefined {
  const result: ExtendedItem[] = [];
  /** The last number before those that are added. */
  const cut = first + Math.floor(kept / 2) - 1;
  /** Names that move with a run by so much; the others name what is the same for all calls. */
  const add = (entry: ExtendedItem | undefined, steps: readonly number[] | undefined, by: number): void => {
    if (entry === undefined) return;
    const names: number[] = [];
    for (let k = 0; k < entry.names.length; k++) {
      const code = entry.names[k] ?? 0;
      const moves = steps?.[k] !== undefined && steps[k] !== 0;
      names.push(code + (moves ? by : table.repeatOf(code) === position && numberOf(code) > cut ? removed : 0));
    }
    result.push({ source: entry.source, names });
  };
  let done = 0;
  for (const run of findRuns(entries, formsWithout(entries, forms, table, position))) {
    for (; done < run.from; done++) add(entries[done], undefined, 0);
    const block = blockToRepeat(entries, run, run.step === 1 ? cut : cut + 1);
    if (block === undefined) return undefined;
    const end = block + run.period;
    const [before, after] = run.step === 1 ? [0, removed] : [removed, 0];
    const stepsAt = (at: number): readonly number[] | undefined => run.steps[(at - run.from) % run.period];
    for (let k = run.from; k < end; k++) add(entries[k], stepsAt(k), before);
    for (let times = 1; times <= removed; times++) for (let k = block; k < end; k++) add(entries[k], stepsAt(k), before + run.step * times);
    for (let k = end; k < run.to; k++) add(entries[k], stepsAt(k), after);
    done = run.to;
  }
  for (; done < entries.length; done++) add(entries[done], undefined, 0);
  return result;
}

/** By item: equal for items that differ in numbers alone. */
function baseForms(items: readonly Item[]): readonly number[] {
  const known = new Map<string, number>();
  return items.map(({ key, names }) => {
    const text = `${key}|${names.map(stemOf).join()}`;
    const form = known.get(text) ?? known.size;
    known.set(text, form);
    return form;
  });
}

/**
 * By entry: equal for entries that differ in numbers of one repeat alone; `forms` are those of the items they are like.
 * -1 for those that are numbered by other repeats: no run of this one holds them.
 */
function formsWithout(entries: readonly ExtendedItem[], forms: readonly number[], table: NameTable, position: number): Int32Array {
  const result = new Int32Array(entries.length);
  /** A form and a number of another repeat are a form of their own, and so on. */
  const finer = new Map<string, number>();
  for (let k = 0; k < entries.length; k++) {
    const { source = 0, names = [] } = entries[k] ?? {};
    let form = forms[source] ?? 0;
    const isOwn = names.some((code) => table.repeatOf(code) === position);
    for (const code of names) {
      const repeat = table.repeatOf(code);
      if (repeat < 0 || repeat === position) continue;
      if (!isOwn) {
        form = -1;
        break;
      }
      const key = `${form} ${code}`;
      const next = finer.get(key) ?? forms.length + finer.size;
      finer.set(key, next);
      form = next;
    }
    result[k] = form;
  }
  return result;
}

function findRuns(entries: readonly ExtendedItem[], forms: Int32Array): readonly Run[] {
  const next = nextOfForm(forms);
  const runs: Run[] = [];
  for (let at = 0; at < entries.length; ) {
    const run = runAt(entries, forms, next, at);
    if (run !== undefined) runs.push(run);
    at = run?.to ?? at + 1;
  }
  return runs;
}

/** By position: where the next item of the same form is; -1 if there is none. */
function nextOfForm(forms: Int32Array): Int32Array {
  const next = new Int32Array(forms.length).fill(-1);
  const last = new Map<number, number>();
  for (let k = forms.length - 1; k >= 0; k--) {
    const form = forms[k] ?? -1;
    if (form < 0) continue;
    next[k] = last.get(form) ?? -1;
    last.set(form, k);
  }
  return next;
}

function runAt(entries: readonly ExtendedItem[], forms: Int32Array, next: Int32Array, from: number): Run | undefined {
  const second = next[from] ?? -1;
  if (second < 0) return undefined;
  const step = stepsBetween(entries[from], entries[second]).find((each) => each !== 0);
  if (step !== 1 && step !== -1) return undefined;
  const period = second - from;
  const steps: (readonly number[])[] = [];
  let same = from;
  for (; same + period < entries.length && forms[same] === forms[same + period] && forms[same] !== -1; same++) {
    const [left, right] = [entries[same], entries[same + period]];
    const wanted = steps[(same - from) % period];
    if (wanted !== undefined) {
      if (!differBy(left, right, wanted)) break;
      continue;
    }
    const own = stepsBetween(left, right);
    if (own.some((each) => each !== 0 && each !== step)) break;
    steps.push(own);
  }
  // Three of a kind: two may be the ends of a repeat.
  return same - from < 2 * period ? undefined : { from, to: same + period, period, step, steps };
}

/** By how much the number of each name differs, in items of one form. */
function stepsBetween(left: ExtendedItem | undefined, right: ExtendedItem | undefined): readonly number[] {
  return (left?.names ?? []).map((code, k) => (right?.names[k] ?? Number.NaN) - code);
}

function differBy(left: ExtendedItem | undefined, right: ExtendedItem | undefined, steps: readonly number[]): boolean {
  for (let k = 0; k < steps.length; k++) if ((right?.names[k] ?? 0) - (left?.names[k] ?? 0) !== steps[k]) return false;
  return true;
}

/** Where the block of one period begins whose highest number, of those that move, is the wanted one. */
function blockToRepeat(entries: readonly ExtendedItem[], { from, to, period, steps }: Run, wanted: number): number | undefined {
  for (let start = from; start + period <= to; start += period) {
    let highest = -1;
    for (let k = start; k < start + period; k++)
      for (const [position, code] of (entries[k]?.names ?? []).entries())
        if (steps[(k - from) % period]?.[position] !== 0) highest = Math.max(highest, numberOf(code));
    if (highest === wanted) return start;
  }
  return undefined;
}
