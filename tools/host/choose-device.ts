/**
 * Which device a command or a call runs on.
 * Invariant: `auto` never fails and says why it took what it took; `webgpu` is never replaced.
 */
import { webgpuUnavailable } from "../../runtime/problems.ts";
import { isSoftwareAdapter } from "../../runtime/webgpu/device.ts";
import { diagnose, type Machine } from "./diagnose.ts";
import { thisMachine } from "./machine.ts";
import { type Probe, probeWebgpu } from "./probe.ts";

export type WantedDevice = "auto" | "wasm" | "webgpu";

export interface DeviceChoice {
  readonly device: "wasm" | "webgpu";
  /** The adapter's name, or why there is none; a clause for people. Undefined where there is nothing to say. */
  readonly why?: string;
}

/** Throws RN601 where `webgpu` is wanted and not there. Where WebGPU is the host's own, as in Deno, that is asked. */
export async function chooseDevice(wanted: WantedDevice): Promise<DeviceChoice> {
  if (wanted === "wasm") return { device: "wasm" };
  const host = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  return host === undefined ? decide(wanted, await probeWebgpu("first"), thisMachine()) : askHost(wanted, host);
}

/** What follows from what was found. Throws RN601. */
export function decide(wanted: "auto" | "webgpu", probe: Probe, machine: Machine): DeviceChoice {
  const diagnosis = diagnose(probe, machine);
  const name = probe.kind === "adapter" && probe.first.refusal === undefined ? probe.first.name : undefined;
  if (name !== undefined && diagnosis === undefined) return { device: "webgpu", why: name };
  const { reason = "no adapter was found", remedy = "", command } = diagnosis ?? {};
  if (wanted === "auto") return { device: "wasm", why: `${reason}${command === undefined ? "" : ` (\`${command}\` adds it)`}` };
  if (name !== undefined) return { device: "webgpu", why: `${name}, a software adapter, slower than Wasm` };
  throw webgpuUnavailable(reason, `${remedy}, or use the device "wasm"; \`resnet doctor\` looks into it`);
}

/** The choice as the one line that a command says of it. */
export function describeChoice({ device, why }: DeviceChoice): string | undefined {
  return why === undefined ? undefined : `running on ${device === "wasm" ? "Wasm" : "WebGPU"}: ${why}`;
}

async function askHost(wanted: "auto" | "webgpu", host: GPU): Promise<DeviceChoice> {
  const adapter = await host.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (wanted === "webgpu" || (adapter !== null && !isSoftwareAdapter(adapter.info))) return { device: "webgpu" };
  return { device: "wasm", why: adapter === null ? "no adapter was found" : "the only adapter is a software one" };
}
