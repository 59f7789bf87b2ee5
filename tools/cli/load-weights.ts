/**
 * Loads networks with weights from a file the user named.
 * Invariant: whatever is wrong with the weights, the message begins with that file's path.
 */
import { ResnetError } from "../../runtime/error.ts";
import type { LoadOptions } from "../../runtime/load.ts";
import type { Network } from "../../runtime/network.ts";
import type { Program } from "./api.ts";
import type { Evaluated } from "./reference.ts";

/** Weights that do not fit the network (RN710 to RN719); other codes name the file themselves. */
const MISFIT = /^RN71[0-35-9]$/;

/** `program.load`, with the file named in errors. */
export async function loadProgram(
  program: Program,
  options: Omit<LoadOptions, "weights"> & { readonly weights: string | undefined },
): Promise<Network> {
  return namingFile(options.weights, () => program.load(options));
}

/** The same for a command that only evaluates: `reference` interprets the graph in f64 on the loaded weights. */
export async function loadEvaluated(
  program: Program,
  options: {
    readonly device: NonNullable<LoadOptions["device"]> | "reference";
    readonly weights: string | undefined;
    readonly seed: number;
    readonly profile?: boolean;
    readonly tune?: boolean;
  },
): Promise<Evaluated> {
  const { device, weights, seed, profile = false, tune = false } = options;
  if (device !== "reference") return loadProgram(program, { device, weights, seed, profile, tune });
  const { referenceNetwork } = await import("./reference.ts");
  return referenceNetwork(program, await loadProgram(program, { device: "wasm", weights, seed }), seed);
}

/** Runs `body`; an error about weights gets the file's path in front. */
export async function namingFile<T>(path: string | undefined, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof ResnetError) || path === undefined || !MISFIT.test(error.code)) throw error;
    throw new ResnetError(error.code, `${path}: ${error.message}`);
  }
}
