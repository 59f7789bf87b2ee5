/**
 * What the command line needs of the compiler; the one place where the two are wired together.
 * Invariant: commands see these types only; `loadApi` is imported on demand, so that help and usage errors stay fast.
 */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { LoadOptions } from "../../runtime/load.ts";
import type { Manifest } from "../../runtime/manifest.ts";
import type { Network } from "../../runtime/network.ts";
import type { Phase } from "../../runtime/train.ts";
import type { Augmentation, Normalization } from "../data/batches.ts";

export interface CompileOptions {
  readonly file: string;
  readonly model?: string;
  readonly recipe?: string;
  readonly dims?: Readonly<Record<string, number>>;
  readonly set?: Readonly<Record<string, unknown>>;
  readonly mode: "inference" | "training";
  readonly loss?: string;
  readonly optimizer?: string;
}

/** The `train` declaration of a file. */
export interface Recipe {
  readonly name: string;
  readonly loss: string;
  readonly optimizer: { readonly kind: string; readonly [hyper: string]: number | boolean | string };
  readonly learningRate: number;
  readonly schedule: readonly Phase[];
  readonly batch: number;
  readonly epochs: number | undefined;
  readonly normalize?: Normalization;
  readonly augment?: readonly Augmentation[];
}

export interface PortSummary {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface LayerSummary {
  readonly path: string;
  readonly operator: string;
  readonly output: string | readonly (number | string)[];
  readonly parameters: number;
  readonly macs: number;
  readonly activation_bytes: number;
}

/** Exactly what `resnet summary --json` prints. */
export interface Summary {
  readonly model: string;
  readonly inputs: readonly PortSummary[];
  readonly outputs: readonly PortSummary[];
  readonly parameters: number;
  readonly macs: number;
  readonly activation_bytes: number;
  readonly layers: readonly LayerSummary[];
}

export interface Program {
  readonly model: string;
  summary(): Summary;
  readonly recipe: Recipe | undefined;
  readonly manifest: Manifest;
  dump(stage: string): string;
  load(options: LoadOptions): Promise<Network>;
  module(options: { readonly weights?: Uint8Array; readonly weightsUrl?: string }): { readonly javascript: string; readonly declarations: string };
}

export interface ModelEntry {
  readonly name: string;
  readonly path: string;
  readonly reference: string | undefined;
  readonly source: string;
}

export interface Api {
  readonly check: (paths: readonly string[]) => Promise<{ readonly diagnostics: readonly Diagnostic[]; readonly files: number }>;
  readonly compile: (options: CompileOptions) => Promise<Program>;
  readonly listModels: () => Promise<readonly ModelEntry[]>;
}

/** The compiler. */
export async function loadApi(): Promise<Api> {
  return import("../api/index.ts");
}
