/**
 * What is remembered from one check to the next: elaborated blocks of unchanged files and answers of the solver.
 * Invariant: a file's scope is one object as long as its text and what it imports are the same, so nothing here goes stale.
 */
import { PRELUDE, type ModuleScope } from "../resolve/modules.ts";
import type { SharedInstance } from "./context.ts";
import type { GenericResult } from "./generic.ts";
import { rememberingSolver, type Solver } from "./solver.ts";
import { newNumbering, type Numbering } from "./versions.ts";

/** Then the oldest are forgotten, all together: an editor may run for days. */
const MOST_INSTANCES = 5000;

const instances = new WeakMap<ModuleScope, Map<string, SharedInstance>>();
const solvers = new WeakMap<ModuleScope, Solver>();
const checked = new WeakMap<ModuleScope, CheckedBefore>();

/** The shared elaborations of a file's blocks. */
export function instancesOf(file: ModuleScope): Map<string, SharedInstance> {
  const known = instances.get(file);
  if (known !== undefined && known.size < MOST_INSTANCES) return known;
  const fresh = new Map<string, SharedInstance>();
  instances.set(file, fresh);
  return fresh;
}

/** Declarations that were checked and found good, by their versions. */
export interface CheckedBefore {
  readonly numbering: Numbering;
  readonly blocks: Map<number, GenericResult>;
  /** Models and variants built with their defaults. */
  readonly models: Set<number>;
  /** The shared elaborations of a block's uses. */
  readonly instances: (version: number) => Map<string, SharedInstance>;
}

/** What is remembered of checks of files with this prelude, as long as it is kept. */
export function checkedBefore(file: ModuleScope): CheckedBefore {
  const key = preludeOf(file) ?? file;
  const known = checked.get(key);
  if (known !== undefined && known.numbering.texts.size < MOST_INSTANCES) return known;
  const uses = new Map<number, Map<string, SharedInstance>>();
  const instancesFor = (version: number): Map<string, SharedInstance> => {
    const found = uses.get(version) ?? new Map<string, SharedInstance>();
    uses.set(version, found);
    return found;
  };
  const fresh: CheckedBefore = { numbering: newNumbering(), blocks: new Map(), models: new Set(), instances: instancesFor };
  checked.set(key, fresh);
  return fresh;
}

/** The library's layers, which every file sees. */
export function preludeOf(file: ModuleScope): ModuleScope | undefined {
  if (file.path === PRELUDE) return file;
  return [...file.visible.values()].find((each) => each.kind === "block" && each.file.path === PRELUDE)?.file;
}

/** A solver that remembers as long as the prelude that the file uses is kept. */
export function solverFor(file: ModuleScope): Solver {
  const key = preludeOf(file) ?? file;
  const known = solvers.get(key);
  if (known !== undefined && !known.isFull()) return known;
  const fresh = rememberingSolver();
  solvers.set(key, fresh);
  return fresh;
}
