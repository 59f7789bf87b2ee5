/**
 * What the command line needs of the compiler; the one place where the two are wired together.
 * Invariant: types only, and one import on demand, so that help and usage errors load no compiler.
 */
import type * as api from "../api/index.ts";

export type CompileOptions = api.CompileOptions;

/** The `train` declaration of a file. */
export type Recipe = api.Recipe;

/** A compiled model, as far as commands use it. */
export type Program = Pick<api.Program, "model" | "recipe" | "manifest" | "summary" | "dump" | "load" | "module">;

/** Exactly what `resnet summary --json` prints. */
export type Summary = ReturnType<Program["summary"]>;
export type PortSummary = Summary["inputs"][number];

export interface Api {
  readonly check: typeof api.check;
  readonly compile: (options: CompileOptions) => Promise<Program>;
  readonly listModels: typeof api.listModels;
}

/** The compiler. */
export async function loadApi(): Promise<Api> {
  return import("../api/index.ts");
}
