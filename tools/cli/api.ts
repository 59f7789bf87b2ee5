/**
 * What the command line needs of the compiler; the one place where the two are wired together.
 * Invariant: types only, and imports on demand, so that help and usage errors load no compiler.
 */
import type * as checks from "../api/check.ts";
import type * as api from "../api/index.ts";
import type * as host from "../host/choose-device.ts";

export type { PortSummary, Summary } from "../../compiler/report/summary.ts";
export type { CompileOptions, Recipe, SweepListing } from "../api/index.ts";

/** A compiled model, as far as commands use it. */
export type Program = Pick<api.Program, "model" | "recipe" | "manifest" | "summary" | "dump" | "load" | "module" | "graphs"> &
  Partial<Pick<api.Program, "assumed">>;

export interface Api {
  readonly check: typeof checks.checkReadable;
  readonly compile: (options: api.CompileOptions) => Promise<Program>;
  readonly listModels: typeof api.listModels;
  readonly signatures: typeof api.signatures;
  readonly recipes: typeof api.recipes;
  readonly starter: typeof api.starter;
  readonly sweep: typeof api.sweep;
  readonly chooseDevice: typeof host.chooseDevice;
}

/** The compiler; a check loads its front half alone. */
export async function loadApi(): Promise<Api> {
  return {
    check: async (paths) => (await import("../api/check.ts")).checkReadable(paths),
    signatures: async (paths) => (await import("../api/check.ts")).signatures(paths),
    recipes: async (paths) => (await import("../api/check.ts")).recipes(paths),
    compile: async (options) => (await import("../api/index.ts")).compile(options),
    listModels: async () => (await import("../api/index.ts")).listModels(),
    chooseDevice: async (wanted) => (await import("../host/choose-device.ts")).chooseDevice(wanted),
    sweep: async (options) => (await import("../api/index.ts")).sweep(options),
    starter: async (from, model) => (await import("../api/index.ts")).starter(from, model),
  };
}
