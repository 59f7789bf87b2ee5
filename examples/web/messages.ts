/** What the page and its workers say to each other. Invariant: plain data, so that structured cloning carries all of it. */
import type { Phase } from "../../runtime/train.ts";

export type Device = "wasm" | "webgpu";

/** The page's choice; `auto` takes a hardware adapter if there is one, else Wasm. */
export type Choice = "auto" | Device;

/** `recipe.json`, written beside the modules when the site is built. */
export interface SiteRecipe {
  readonly mean: number;
  readonly std: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly schedule: readonly Phase[];
  readonly epochs: number;
  /** Of the embedded weights, on held-out generated digits. */
  readonly accuracy: number;
}

/** The device a worker runs on, and how it came to that. */
export interface Path {
  readonly device: Device;
  /** The adapter's name, or what Wasm runs with. */
  readonly name: string;
  /** Why this one. */
  readonly reason: string;
  /** From asking for the network to its first result: compiling included. */
  readonly milliseconds: number;
}

export type ToWorker =
  | { readonly kind: "open"; readonly choice: Choice }
  /** 28×28 values from 0 to 1. */
  | { readonly kind: "classify"; readonly id: number; readonly pixels: Float32Array }
  /** A safetensors file. */
  | { readonly kind: "weights"; readonly bytes: Uint8Array }
  | { readonly kind: "train"; readonly choice: Choice; readonly steps: number; readonly seed: number }
  | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "opened"; readonly path: Path }
  | { readonly kind: "classified"; readonly id: number; readonly probabilities: readonly number[]; readonly milliseconds: number }
  | { readonly kind: "weights set" }
  | { readonly kind: "step"; readonly step: number; readonly loss: number; readonly milliseconds: number }
  /** Accuracy on held-out digits, from 0 to 1. */
  | { readonly kind: "evaluated"; readonly step: number; readonly accuracy: number; readonly count: number }
  | { readonly kind: "ended"; readonly stopped: boolean; readonly weights: Uint8Array }
  | { readonly kind: "failed"; readonly message: string };
