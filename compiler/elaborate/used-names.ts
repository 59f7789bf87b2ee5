/**
 * Names of unlabelled uses: the block's own, numbered where it is taken in its body.
 * Invariant: the index agrees with the paths of `frame.entries`, which are only ever appended to or shortened by
 * `freeComponent`; a name costs the same however many stages came before.
 */
import type { Entry } from "../ir/program.ts";
import type { Frame } from "./context.ts";

/** Path components of a block's calls, by the body that they stand in. */
export interface UsedNames {
  /** How many entries are counted. */
  counted: number;
  readonly bodies: Map<string, Map<string, number>>;
  /** By body and block: every lower number is taken. */
  readonly next: Map<string, number>;
}

export function noNames(): UsedNames {
  return { counted: 0, bodies: new Map(), next: new Map() };
}

/** A stable name for an unlabelled use: the block's, numbered from the second on. */
export function derivedName(frame: Frame, block: string): string {
  const { used, entries, prefix } = frame;
  for (; used.counted < entries.length; used.counted++) {
    const entry = entries[used.counted];
    if (entry?.kind === "call") count(used, entry.path);
  }
  const body = bodyKey(prefix, prefix.length);
  const taken = used.bodies.get(body);
  if (taken?.has(block) !== true) return block;
  const key = `${body}\0${block}`;
  let number = used.next.get(key) ?? 2;
  while (taken.has(`${block}_${number}`)) number++;
  used.next.set(key, number);
  return `${block}_${number}`;
}

/** The entry at `index` gives up the last component of its path. */
export function freeComponent(frame: Frame, index: number): void {
  const { used, entries } = frame;
  const entry: Entry | undefined = entries[index];
  if (entry?.kind !== "call") return;
  const depth = entry.path.length - 1;
  entries[index] = { ...entry, path: entry.path.slice(0, depth) };
  const component = entry.path[depth];
  const taken = used.bodies.get(bodyKey(entry.path, depth));
  if (index >= used.counted || component === undefined || taken === undefined) return;
  const uses = (taken.get(component) ?? 1) - 1;
  if (uses > 0) taken.set(component, uses);
  else taken.delete(component);
  used.next.clear();
}

function count(used: UsedNames, path: readonly string[]): void {
  for (const [depth, component] of path.entries()) {
    const body = bodyKey(path, depth);
    const taken = used.bodies.get(body) ?? new Map<string, number>();
    taken.set(component, (taken.get(component) ?? 0) + 1);
    used.bodies.set(body, taken);
  }
}

function bodyKey(path: readonly string[], depth: number): string {
  return path.slice(0, depth).join("\0");
}
