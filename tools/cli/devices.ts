/** `resnet devices`: what this machine can run networks on, with limits and features. */
import type { Command } from "commander";
import { formatBytes } from "../../runtime/problems.ts";
import { type DeviceChoice, decide } from "../host/choose-device.ts";
import { diagnose, type Machine } from "../host/diagnose.ts";
import { thisMachine } from "../host/machine.ts";
import { type AdapterFacts, type Probe, probeWebgpu } from "../host/probe.ts";
import { type WasmFacts, wasmFacts } from "../host/wasm.ts";
import type { Context } from "./program.ts";
import { formatCount, formatTable } from "./terminal.ts";

const EXAMPLES = `
Examples:
  resnet devices
  resnet devices --json                               all limits and features, as one document
  resnet doctor                                       what is missing, and the command that adds it
  resnet train resnet20.resnet --data data/fashion-mnist --device webgpu`;

/** What decides which networks run and how fast; --json has all. */
const SHOWN_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;
/** Those that kernels or profiles use. */
const USED_FEATURES = ["shader-f16", "subgroups", "timestamp-query"];

/** Adds options and action. */
export function devicesCommand(command: Command, context: Context): void {
  command
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { readonly json?: boolean }) => {
      const { terminal } = context;
      const machine = thisMachine();
      const found = describeDevices(wasmFacts(), await probeWebgpu("all"), machine);
      if (options.json === true) terminal.print(JSON.stringify(found, undefined, 2));
      else for (const line of devicesText(found, terminal.colors.bold)) terminal.print(line);
    });
}

export interface DevicesReport {
  /** What `--device auto` takes, and why. */
  readonly auto: DeviceChoice;
  readonly wasm: WasmFacts & { readonly available: boolean };
  readonly webgpu: {
    /** Whether `--device webgpu` runs. */
    readonly available: boolean;
    /** Why it does not, or why `auto` passes it over; null where neither is so. */
    readonly reason: string | null;
    readonly remedy: string | null;
    readonly adapters: readonly AdapterFacts[];
  };
}

/** The document that `--json` prints. */
export function describeDevices(wasm: WasmFacts, probe: Probe, machine: Machine): DevicesReport {
  const diagnosis = diagnose(probe, machine);
  return {
    auto: decide("auto", probe, machine),
    wasm: { available: wasm.simd, ...wasm },
    webgpu: {
      available: probe.kind === "adapter" && probe.first.refusal === undefined,
      reason: diagnosis?.reason ?? null,
      remedy: diagnosis?.remedy ?? null,
      adapters: probe.kind === "adapter" ? probe.adapters : [],
    },
  };
}

/** The same for people. */
export function devicesText({ auto, wasm, webgpu }: DevicesReport, heading: (text: string) => string): string[] {
  const simd = wasm.simd ? `SIMD${wasm.relaxedSimd ? ", relaxed SIMD" : ""}` : "no SIMD, which networks need";
  const cores = `${wasm.cores} ${wasm.cores === 1 ? "core" : "cores"}`;
  return [
    `${heading("wasm")}    ${simd}; ${cores}; ${wasm.sharedMemory ? "threads can share memory" : "threads cannot share memory"}`,
    ...(webgpu.adapters.length === 0
      ? [`${heading("webgpu")}  not available: ${webgpu.reason ?? "no adapter was found"}; ${webgpu.remedy ?? ""}`]
      : webgpu.adapters.flatMap((adapter) => adapterText(adapter, heading))),
    `${heading("auto")}    ${auto.device}: ${auto.why ?? "a graphics adapter is here"}`,
  ];
}

function adapterText(adapter: AdapterFacts, heading: (text: string) => string): string[] {
  const { name, vendor, architecture, backend, description, software, refusal, features, limits } = adapter;
  const kind = [vendor, architecture, backend].filter((part) => part !== undefined && part !== "").join(", ");
  const used = features.filter((feature) => USED_FEATURES.includes(feature));
  const rows = SHOWN_LIMITS.flatMap((limit) => {
    const value = limits[limit];
    return value === undefined ? [] : [[limit, /Size$/.test(limit) ? formatBytes(value) : formatCount(value)]];
  });
  return [
    `${heading("webgpu")}  ${name}${software ? ", computed by the CPU (a fallback adapter)" : ""}${refusal === undefined ? "" : `; it gives no device: ${refusal}`}`,
    ...[`${kind}${description === "" ? "" : `; ${description}`}`, `features used: ${used.join(", ") || "none"}; ${features.length} in all`],
    ...formatTable(rows, ["left", "right"]),
  ].map((line, k) => (k === 0 ? line : `        ${line}`));
}
