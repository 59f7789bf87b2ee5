/** The `--device` option. Invariant: a device that this version lacks is refused by name, never replaced in silence. */
import type { LoadOptions } from "../../runtime/load.ts";
import { CommandFailure } from "./failure.ts";

const DEVICES: Readonly<Record<string, NonNullable<LoadOptions["device"]>>> = { auto: "auto", wasm: "wasm" };
const KNOWN = ["auto", "wasm", "webgpu", "reference"];

/** Reads the option. */
export function parseDevice(text: string): NonNullable<LoadOptions["device"]> {
  const device = Object.hasOwn(DEVICES, text) ? DEVICES[text] : undefined;
  if (device !== undefined) return device;
  if (KNOWN.includes(text))
    throw new CommandFailure(`--device ${text}: this version runs on wasm only; use wasm or auto`);
  throw new CommandFailure(`--device ${text}: expected one of ${KNOWN.join(", ")}`);
}
