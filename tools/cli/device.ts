/** The `--device` option. Invariant: a device that is not there is refused by name, never replaced in silence. */
import type { LoadOptions } from "../../runtime/load.ts";
import { type DeviceChoice, describeChoice } from "../host/choose-device.ts";
import type { Api } from "./api.ts";
import { CommandFailure } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

const DEVICES: Readonly<Record<string, NonNullable<LoadOptions["device"]>>> = { auto: "auto", wasm: "wasm", webgpu: "webgpu" };
const KNOWN = ["auto", "wasm", "webgpu", "reference"];

/** Of `--tune`. */
export const TUNE_HELP = "on a GPU: measure the ways to compute each kernel first, for seconds; remembered for the next time";

/** Reads the option of the commands that the interpreter can answer too, which is `reference`. */
export function parseEvaluationDevice(text: string): ReturnType<typeof parseDevice> | "reference" {
  return text === "reference" ? text : parseDevice(text);
}

/** Reads the option. */
export function parseDevice(text: string): NonNullable<LoadOptions["device"]> {
  const device = Object.hasOwn(DEVICES, text) ? DEVICES[text] : undefined;
  if (device !== undefined) return device;
  if (text === "reference") throw new CommandFailure("--device reference: only run and gradients have it; use wasm, webgpu or auto");
  throw new CommandFailure(`--device ${text}: expected one of ${KNOWN.join(", ")}`);
}

/**
 * Begins to look for the device at once, in a process of its own, while the compiler works here. What it gives waits for
 * the answer, says the choice in one line where there is something to say, and throws RN601 where `webgpu` is not there.
 */
export function beginChoice<T extends NonNullable<LoadOptions["device"]> | "reference">(
  api: Api,
  wanted: T,
  terminal: Terminal,
): () => Promise<DeviceChoice["device"] | Extract<T, "reference">> {
  if (wanted === "reference") return async () => wanted as Extract<T, "reference">;
  const choice = api.chooseDevice(wanted as Exclude<T, "reference">);
  // Until it is asked for, it is nobody's unhandled rejection.
  choice.catch(() => undefined);
  return async () => {
    const chosen = await choice;
    const line = describeChoice(chosen);
    if (line !== undefined) terminal.say(line);
    return chosen.device;
  };
}
