/**
 * Names as numbers: what stands around the number of a repeat's call, and that number, which is all that differs between
 * the calls. Invariant: equal names have equal codes, and a code plus one is the name at the next call.
 */
import type { ShortRepeat } from "../build/shorten.ts";
import { invariant } from "../ir/invariant.ts";

export interface NameTable {
  codeOf(name: string): number;
  textOf(code: number): string;
  /** The repeat, by position, whose call the name is numbered by; -1 if there is none. */
  repeatOf(code: number): number;
}

/** Codes of one text around a number: one for no number, then one for each. */
const SPAN = 2 ** 16;

/** Whether the calls of all repeats can be told apart by codes. */
export function canNumber(repeats: readonly ShortRepeat[]): boolean {
  return repeats.every(({ first, kept, removed }) => first + kept + removed < SPAN - 1);
}

/** What the codes of one text around a number share. */
export function stemOf(code: number): number {
  return Math.floor(code / SPAN);
}

/** The number of the call; -1 if there is none. */
export function numberOf(code: number): number {
  return (code % SPAN) - 1;
}

/** A name apart from its number; -1 if it has none. */
interface Parsed {
  readonly before: string;
  readonly number: number;
  readonly after: string;
}

/** An empty table for the names of a network with these repeats. */
export function createNameTable(repeats: readonly ShortRepeat[]): NameTable {
  /** Paths within others come after the longer ones, which say more. */
  const order = [...repeats.keys()].sort((a, b) => (repeats[b]?.prefix.length ?? 0) - (repeats[a]?.prefix.length ?? 0));
  const stems: { readonly before: string; readonly after: string; readonly repeat: number }[] = [];
  const known = new Map<string, number>();
  const codes = new Map<string, number>();
  const texts = new Map<number, string>();
  const parse = (name: string): Parsed & { readonly repeat: number } => {
    for (const repeat of order) {
      const parsed = parseName(name, repeats[repeat]?.prefix ?? "");
      if (parsed !== undefined && parsed.number < SPAN - 1) return { ...parsed, repeat };
    }
    return { before: name, number: -1, after: "", repeat: -1 };
  };
  return {
    codeOf(name) {
      const before = codes.get(name);
      if (before !== undefined) return before;
      const { number, ...stem } = parse(name);
      const key = `${stem.repeat} ${stem.before}#${stem.after}`;
      let position = known.get(key);
      if (position === undefined) known.set(key, (position = stems.push(stem) - 1));
      const code = position * SPAN + number + 1;
      codes.set(name, code);
      return code;
    },
    textOf(code) {
      let text = texts.get(code);
      if (text === undefined) {
        const stem = stems[stemOf(code)];
        invariant(stem !== undefined, `no name has the code ${code}`);
        text = stem.repeat < 0 ? stem.before : `${stem.before}${numberOf(code)}${stem.after}`;
        texts.set(code, text);
      }
      return text;
    },
    repeatOf: (code) => stems[stemOf(code)]?.repeat ?? -1,
  };
}

/** Splits `..prefix.12.rest` at the number. */
function parseName(name: string, prefix: string): Parsed | undefined {
  for (let at = name.indexOf(prefix); at >= 0 && at < name.length; at = name.indexOf(prefix, at + 1)) {
    const start = at + prefix.length + (prefix === "" ? 0 : 1);
    if (at > 0 && !/[.~: ]/.test(name[at - 1] ?? "")) continue;
    if (prefix !== "" && name[start - 1] !== ".") continue;
    let end = start;
    while (end < name.length && /\d/.test(name[end] ?? "")) end++;
    if (end === start || (end < name.length && !/[.#]/.test(name[end] ?? ""))) continue;
    return { before: name.slice(0, start), number: Number(name.slice(start, end)), after: name.slice(end) };
  }
  return undefined;
}
