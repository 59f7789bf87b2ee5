/**
 * What is remembered from one check to the next: elaborated blocks of unchanged files and answers of the solver.
 * Invariant: a file's scope is one object as long as its text and what it imports are the same, so nothing here goes stale.
 */
import { PRELUDE, type ModuleScope } from "../resolve/modules.ts";
import type { SharedInstance } from "./context.ts";
import { rememberingSolver, type Solver } from "./solver.ts";

/** Then the oldest are forgotten, all together: an editor may run for days. */
const MOST_INSTANCES = 5000;

const instances = new WeakMap<ModuleScope, Map<string, SharedInstance>>();
const solvers = new WeakMap<ModuleScope, Solver>();

/** The shared elaborations of a file's blocks. */
export function instancesOf(file: ModuleScope): Map<string, SharedInstance> {
  const known = instances.get(file);
  if (known !== undefined && known.size < MOST_INSTANCES) return known;
  const fresh = new Map<string, SharedInstance>();
  instances.set(file, fresh);
  return fresh;
}

/** A solver that remembers as long as the prelude that the file uses is kept. */
export function solverFor(file: ModuleScope): Solver {
  const prelude = file.path === PRELUDE ? file : [...file.visible.values()].find((each) => each.kind === "block" && each.file.path === PRELUDE)?.file;
  const key = prelude ?? file;
  const known = solvers.get(key);
  if (known !== undefined && !known.isFull()) return known;
  const fresh = rememberingSolver();
  solvers.set(key, fresh);
  return fresh;
}
