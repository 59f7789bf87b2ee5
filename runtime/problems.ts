/**
 * Every message of the runtime, one constructor per code; the rest of the runtime never formats prose.
 * Codes: RN60x device and memory, RN70x inputs and calls, RN71x weights, RN72x-RN73x safetensors, RN74x training.
 */
import { ResnetError } from "./error.ts";

const LISTED = 5;

/** At most five names, then how many more. */
export function listNames(names: readonly string[]): string {
  const shown = names
    .slice(0, LISTED)
    .map((name) => `\`${name}\``)
    .join(", ");
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}

/** `[2, 3]`; free dims as their names. */
export function formatShape(shape: readonly (number | string)[]): string {
  return `[${shape.join(", ")}]`;
}

/** Bytes for people: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

// ── Device and memory ────────────────────────────────────────────────────────────────────────────────────────────

export const deviceUnavailable = (device: string): ResnetError =>
  new ResnetError("RN601", `device "${device}" is not available here; use "wasm" or "auto"`);

/** `remedy` says what to install, enable or choose instead. */
export const webgpuUnavailable = (reason: string, remedy: string): ResnetError =>
  new ResnetError("RN601", `device "webgpu" is not available here: ${reason}; ${remedy}`);

export const outOfMemory = (needed: number, batch: number | undefined): ResnetError =>
  new ResnetError(
    "RN602",
    `the network needs ${formatBytes(needed)} of memory${batch === undefined ? "" : ` for a batch of ${batch}`}, more than ` +
      `${needed > 2 ** 32 ? "the 4 GiB of a WebAssembly memory" : "this process can give"}; use a smaller batch`,
  );

/** The device refused; `batch` is undefined where the need does not depend on it. */
export const outOfDeviceMemory = (what: string, needed: number, batch: number | undefined): ResnetError =>
  new ResnetError(
    "RN602",
    `the network needs ${formatBytes(needed)} on the GPU for its ${what}${batch === undefined ? "" : ` at a batch of ${batch}`}, ` +
      `which the device cannot give; use ${batch === undefined || batch <= 1 ? "" : "a smaller batch, or "}the device "wasm"`,
  );

/** A tensor that no device of this kind can hold, however much memory is free. */
export interface OversizedTensor {
  readonly name: string;
  /** Undefined for what the compiler added. */
  readonly shape: readonly number[] | undefined;
  readonly bytes: number;
  /** Of what one shader may bind. */
  readonly limit: number;
  /** Undefined where the size does not depend on it; `fits` is then too, else the largest batch that would do, or 0. */
  readonly batch: number | undefined;
  readonly fits: number | undefined;
}

export const tensorTooLarge = ({ name, shape, bytes, limit, batch, fits }: OversizedTensor): ResnetError =>
  new ResnetError(
    "RN609",
    `tensor \`${name}\`${shape === undefined ? "" : ` of shape ${formatShape(shape)}`} takes ${formatBytes(bytes)}` +
      `${batch === undefined ? "" : ` at a batch of ${batch}`}, more than the ${formatBytes(limit)} that this GPU binds to a shader at once; ` +
      `use ${fits === undefined || fits < 1 ? "" : `a batch of at most ${fits}, or `}the device "wasm"`,
  );

export const moduleRejected = (reason: string): ResnetError =>
  new ResnetError("RN603", `the compiled network does not load: ${reason}; compile it again with the same version`);

export const kernelTrapped = (kernel: string, serves: string | undefined, reason: string): ResnetError =>
  new ResnetError("RN604", `kernel \`${kernel}\`${serves ? ` (serving ${serves})` : ""} stopped: ${reason}; this is a fault of the compiler`);

export const disposed = (): ResnetError => new ResnetError("RN605", "the network has been disposed; load it again");

export const deviceLost = (reason: string): ResnetError =>
  new ResnetError(
    "RN607",
    `the GPU was lost${reason === "" ? "" : ` (${reason})`}; load the network again from the last weights you saved, there or on "wasm"`,
  );

/** A notice, not an error: `failure` is the message of what happened, whose remedy has been applied. */
export function recoveredOn(failure: string, device: "wasm" | "webgpu", steps: number): string {
  const what = (failure.split("; ")[0] ?? failure).replace(/\s+/g, " ");
  const repeated = steps === 0 ? "" : `, after repeating ${steps} training ${steps === 1 ? "step" : "steps"}`;
  return `${what}; the network continues ${device === "webgpu" ? "on a new GPU device" : "on the CPU"}${repeated}`;
}

/** A notice: `failure` is the message of why the GPU that was found is not used. */
export function loadedOnCpu(failure: string): string {
  return `${(failure.split("; ")[0] ?? failure).replace(/\s+/g, " ")}; the network runs on the CPU`;
}

export const notProfiled = (): ResnetError => new ResnetError("RN608", "the network keeps no profile; load it with `profile: true`");

export const badOption = (option: string, expected: string, got: unknown): ResnetError =>
  new ResnetError("RN606", `option \`${option}\` must be ${expected}, got ${describeValue(got)}`);

// ── Inputs and calls ─────────────────────────────────────────────────────────────────────────────────────────────

export const missingInput = (name: string, expected: string, given: readonly string[]): ResnetError =>
  new ResnetError("RN701", `input \`${name}\` ${expected} is missing; ${given.length === 0 ? "no inputs were given" : `given: ${listNames(given)}`}`);

export const unexpectedInput = (name: string, known: readonly string[]): ResnetError =>
  new ResnetError("RN702", `there is no input \`${name}\`; the inputs are ${listNames(known)}`);

export const wrongInputShape = (name: string, expected: string, got: string): ResnetError =>
  new ResnetError("RN703", `input \`${name}\` must have shape ${expected}, got ${got}`);

export const wrongInputDtype = (name: string, expected: string, got: string): ResnetError =>
  new ResnetError("RN704", `input \`${name}\` must be ${expected}, got ${got}`);

export const unrepresentable = (what: string, index: number, value: unknown, range: string): ResnetError =>
  new ResnetError("RN705", `${what}: element ${index} is ${String(value)}, not ${range}`);

export const batchesDiffer = (first: string, firstBatch: number, second: string, secondBatch: number): ResnetError =>
  new ResnetError("RN706", `inputs disagree about the batch: \`${first}\` has N = ${firstBatch}, \`${second}\` has N = ${secondBatch}`);

export const notCompiled = (program: string): ResnetError =>
  new ResnetError(
    "RN707",
    program === "infer"
      ? 'the network was compiled without an inference program; compile it with mode "inference"'
      : `\`${program}\` is not in this network: it was built without --train (mode "training")`,
  );

export const wrongFixedBatch = (expected: number, got: number): ResnetError =>
  new ResnetError("RN708", `this network is compiled for batches of ${expected}, got ${got}`);

export const guardFails = (condition: string, batch: number): ResnetError =>
  new ResnetError("RN709", `a batch of ${batch} does not fit this network: ${condition}`);

// ── Weights ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** `findings` are ready lines. */
export const weightsMismatch = (code: string, title: string, findings: readonly string[], diagnosis: string | undefined): ResnetError =>
  new ResnetError(code, [title, ...findings, ...(diagnosis ? [diagnosis] : [])].join("\n  "));

export const unreadableWeights = (source: string, reason: string): ResnetError =>
  new ResnetError("RN714", `cannot read weights from ${source}: ${reason}`);

export const badTensor = (name: string, reason: string): ResnetError => new ResnetError("RN715", `tensor \`${name}\`: ${reason}`);

// ── safetensors ──────────────────────────────────────────────────────────────────────────────────────────────────

export const brokenFile = (code: string, source: string | undefined, reason: string): ResnetError =>
  new ResnetError(code, `${source ?? "the safetensors file"}: ${reason}`);

// ── Training ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const unknownHyperparameter = (name: string, known: readonly string[]): ResnetError =>
  new ResnetError("RN740", `there is no hyper-parameter \`${name}\`; ${known.length ? `there are ${listNames(known)}` : "this optimizer has none"}`);

export const optimizerStateMismatch = (reason: string): ResnetError => new ResnetError("RN741", `the optimizer state does not fit: ${reason}`);

export const lossNotFinite = (loss: number, step: number, learningRate: number | undefined): ResnetError =>
  new ResnetError(
    "RN742",
    `the loss is ${loss} at step ${step}${learningRate === undefined ? "" : ` (learning rate ${learningRate})`}; ` +
      "lower the learning rate, add a warm-up, or look for broken values in the data, and go on from the last checkpoint",
  );

export const badSchedule = (reason: string): ResnetError => new ResnetError("RN743", `schedule: ${reason}`);

/** A value as a message shows it: short, by kind. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  const constructor = Object.getPrototypeOf(value)?.constructor?.name;
  return constructor ? `a value of type ${constructor}` : `a value of type ${typeof value}`;
}
