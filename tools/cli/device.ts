/** The `--device` option. Invariant: a device that is not there is refused by name, never replaced in silence. */
import type { LoadOptions } from "../../runtime/load.ts";
import { CommandFailure } from "./failure.ts";

const DEVICES: Readonly<Record<string, NonNullable<LoadOptions["device"]>>> = { auto: "auto", wasm: "wasm", webgpu: "webgpu" };
const KNOWN = ["auto", "wasm", "webgpu", "reference"];

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
