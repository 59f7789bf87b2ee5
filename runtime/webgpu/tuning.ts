/**
 * Which variant of a step is the fastest on a device: measured once for each distinct kernel, and remembered.
 * Invariant: a measurement decides which variant runs, never whether one does: where it fails the compiler's choice stays.
 */
import type { WebgpuCallSpec, WebgpuProgramSpec, WebgpuShaderSpec, WebgpuSpec, WebgpuStepSpec, WebgpuVariantSpec } from "../manifest.ts";
import type { Capabilities } from "./capabilities.ts";
import { fixedText, withoutNames } from "./shader-text.ts";
import { callOf, defaultVariant, supportedVariants } from "./variants.ts";

/** Where choices are kept between runs: texts by name, as `localStorage` or a Map keep them. */
export interface TuningStore {
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  set(key: string, value: string): unknown;
}

/** What a variant takes in a step. */
export interface VariantTimer {
  /** Milliseconds of one run; may stop early, with any larger number, where it is sure to be over `best`. */
  time(variant: WebgpuVariantSpec, step: WebgpuStepSpec, program: WebgpuProgramSpec, batch: number, best: number): Promise<number>;
  /** Gives back what it took for a program. */
  release(): void;
}

export interface Tuner {
  /** A variant for each step of the program. Throws RN603. */
  choose(program: WebgpuProgramSpec, batch: number, capabilities: Capabilities): Promise<readonly WebgpuVariantSpec[]>;
}

/** Choices that a store's entry keeps: the newest. */
const MOST_KEPT = 20_000;

/** A tuner of one network on one device. `onFailure` hears why choices could not be read or kept; they are good for this run. */
export function createTuner(
  spec: WebgpuSpec,
  device: GPUDevice,
  timer: VariantTimer,
  store: TuningStore,
  onFailure: (message: string) => void,
): Tuner {
  const entry = storeKey(device);
  const codes = new Map<number, string>();
  const keys = new Map<WebgpuCallSpec, string>();
  const known = new Map<string, string>();
  const state = { isRead: false };

  const read = async (): Promise<Map<string, string>> => {
    try {
      return readChoices(await store.get(entry));
    } catch (error) {
      onFailure(`no measurements of kernels could be read: ${(error as Error).message}`);
      return new Map();
    }
  };
  const keep = async (made: ReadonlyMap<string, string>): Promise<void> => {
    // Another process may have kept some meanwhile.
    const all = new Map([...(await read()), ...made]);
    try {
      await store.set(entry, JSON.stringify(Object.fromEntries([...all].slice(-MOST_KEPT))));
    } catch (error) {
      onFailure(`the measurements of kernels could not be kept: ${(error as Error).message}`);
    }
  };
  const fastest = async (
    program: WebgpuProgramSpec,
    step: WebgpuStepSpec,
    tried: readonly WebgpuVariantSpec[],
    batch: number,
  ): Promise<WebgpuVariantSpec | undefined> => {
    let best: WebgpuVariantSpec | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const variant of tried) {
      const milliseconds = await timer.time(variant, step, program, batch, least);
      if (milliseconds >= least) continue;
      [best, least] = [variant, milliseconds];
    }
    return best;
  };

  return {
    async choose(program, batch, capabilities) {
      if (!state.isRead) for (const [key, name] of await read()) known.set(key, name);
      state.isRead = true;
      const made = new Map<string, string>();
      const chosen: WebgpuVariantSpec[] = [];
      for (const step of program.steps) {
        const call = callOf(spec, step);
        const first = defaultVariant(call, batch, capabilities, step.serves);
        const tried = [first, ...supportedVariants(call, capabilities).filter((each) => each !== first && isWorthTrying(each, batch))];
        const key = `${kernelKey(spec, call, keys, codes)} ${batchRange(batch)}`;
        const name = known.get(key);
        const remembered = tried.find((each) => each.name === name);
        if (tried.length === 1 || remembered !== undefined) {
          chosen.push(remembered ?? first);
          continue;
        }
        const found = await fastest(program, step, tried, batch).catch(() => undefined);
        chosen.push(found ?? first);
        if (found === undefined) continue;
        known.set(key, found.name);
        made.set(key, found.name);
      }
      timer.release();
      if (made.size > 0) await keep(made);
      return chosen;
    },
  };
}

function isWorthTrying({ triedUpTo }: WebgpuVariantSpec, batch: number): boolean {
  return triedUpTo === undefined || batch <= triedUpTo;
}

/** Batches that share a choice: those up to the same power of two. */
function batchRange(batch: number): number {
  return 2 ** Math.ceil(Math.log2(batch));
}

/** The name of a store's entry: an adapter and its driver. */
function storeKey({ adapterInfo }: GPUDevice): string {
  const { vendor = "", architecture = "", device = "", description = "" } = (adapterInfo as GPUAdapterInfo | undefined) ?? {};
  return `resnet-lang tunings of ${[vendor, architecture, device, description].join(" | ")}`;
}

/** What was kept, as far as it can be understood. */
function readChoices(text: string | null | undefined): Map<string, string> {
  const choices = new Map<string, string>();
  if (text === null || text === undefined) return choices;
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== "object" || found === null) return choices;
    for (const [key, name] of Object.entries(found)) if (typeof name === "string") choices.set(key, name);
  } catch {
    // Half a file, or another's: measured anew.
  }
  return choices;
}

/** Tells kernels apart by the texts that are measured, so that a compiler that writes others measures them. */
function kernelKey({ shaders }: WebgpuSpec, call: WebgpuCallSpec, keys: Map<WebgpuCallSpec, string>, codes: Map<number, string>): string {
  const before = keys.get(call);
  if (before !== undefined) return before;
  const codeOf = (shader: number): string => {
    const known = codes.get(shader) ?? nameless(shaders[shader]);
    codes.set(shader, known);
    return known;
  };
  const parts = call.variants.flatMap(({ name, dispatches }) => [
    name,
    ...dispatches.flatMap(({ shader, workgroups }) => [codeOf(shader), JSON.stringify(workgroups)]),
  ]);
  const key = hash(parts.join("\n"));
  keys.set(call, key);
  return key;
}

function nameless(shader: WebgpuShaderSpec | undefined): string {
  return shader === undefined ? "" : withoutNames(fixedText(shader));
}

/** 64 bits as hexadecimal digits: FNV-1a (Fowler, Noll, Vo) from two beginnings. */
function hash(text: string): string {
  let [high, low] = [0x811c9dc5, 0x9e3779b9];
  for (let i = 0; i < text.length; i++) {
    high = Math.imul(high ^ text.charCodeAt(i), 0x01000193);
    low = Math.imul(low ^ text.charCodeAt(i), 0x01000193);
  }
  return [high, low].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}
