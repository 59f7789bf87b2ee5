/**
 * What `resnet doctor` looks at, and what each finding means.
 * Invariant: pure; only what everything needs is `missing`, what some need is `optional`.
 */
import { diagnose, installWebgpu, type Machine } from "./diagnose.ts";
import type { Probe } from "./probe.ts";
import { installCommand } from "./vulkan.ts";
import type { WasmFacts } from "./wasm.ts";

export type CheckStatus = "ok" | "missing" | "optional" | "info";

export interface Check {
  /** A stable word for programs. */
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do, where something is to be done. */
  readonly remedy?: string;
  /** The command that does it, where there is one. */
  readonly command?: string;
}

export interface HostFacts {
  /** As `process.versions.node`. */
  readonly node: string;
  readonly wasm: WasmFacts;
  readonly machine: Machine;
  readonly probe: Probe;
  /** Parts of this package that are not where they belong. */
  readonly missingParts: readonly string[];
  /** Where runs are written, and why that is not possible, if it is not. */
  readonly runs: { readonly folder: string; readonly refusal: string | undefined };
  readonly chromium: string | undefined;
}

export const LEAST_NODE = 20;

/** In the order in which things are needed. */
export function checks(facts: HostFacts): readonly Check[] {
  return [nodeCheck(facts), partsCheck(facts), wasmCheck(facts), runsCheck(facts), ...webgpuChecks(facts), chromiumCheck(facts)];
}

function nodeCheck({ node }: HostFacts): Check {
  const found = `Node ${node}`;
  if (Number(node.split(".")[0]) >= LEAST_NODE) return { name: "node", status: "ok", found };
  return {
    name: "node",
    status: "missing",
    found: `${found}, older than ${LEAST_NODE}`,
    remedy: `install Node ${LEAST_NODE} or later, from nodejs.org or with a version manager`,
    command: "npm install -g n && n lts",
  };
}

function partsCheck({ missingParts }: HostFacts): Check {
  if (missingParts.length === 0) return { name: "package", status: "ok", found: "the standard library and the runtime's text" };
  return {
    name: "package",
    status: "missing",
    found: `this package lacks ${missingParts.join(" and ")}`,
    remedy: "build it, in the folder of the checkout",
    command: "npm run build",
  };
}

function wasmCheck({ wasm }: HostFacts): Check {
  const { simd, sharedMemory, cores } = wasm;
  if (!simd)
    return {
      name: "wasm",
      status: "missing",
      found: "WebAssembly without SIMD",
      remedy: "use a host that has it: Node from 16.4 on, without --no-wasm-simd",
    };
  const threads = sharedMemory ? "memory that threads share" : "no memory that threads share";
  return { name: "wasm", status: "ok", found: `WebAssembly with SIMD; ${cores} ${cores === 1 ? "core" : "cores"}, ${threads}` };
}

function runsCheck({ runs: { folder, refusal } }: HostFacts): Check {
  if (refusal === undefined) return { name: "runs", status: "ok", found: `training may write to ${folder}` };
  return {
    name: "runs",
    status: "missing",
    found: `training cannot write to ${folder}: ${refusal}`,
    remedy: "go to a folder of yours, or give `resnet train` another with --out",
  };
}

function webgpuChecks({ probe, machine }: HostFacts): readonly Check[] {
  if (probe.kind === "not-installed") {
    return [
      {
        name: "webgpu",
        status: "optional",
        found: "the package `webgpu` is not installed; without it everything runs on WebAssembly",
        remedy: "install it to run on a GPU",
        command: installWebgpu(machine),
      },
    ];
  }
  const diagnosis = diagnose(probe, machine);
  const installed: Check = { name: "webgpu", status: "ok", found: "the package `webgpu` is installed" };
  if (probe.kind === "unloadable") return diagnosis === undefined ? [installed] : [optional("webgpu", diagnosis)];
  const loader = machine.vulkan?.loader;
  const vulkan: readonly Check[] = loader === undefined ? [] : [{ name: "vulkan", status: "ok", found: `the Vulkan loader is ${loader}` }];
  if (diagnosis === undefined && probe.kind === "adapter") return [installed, ...vulkan, { name: "gpu", status: "ok", found: probe.first.name }];
  if (diagnosis === undefined) return [installed, ...vulkan];
  const name = diagnosis.reason.includes("Vulkan loader") ? "vulkan" : "gpu";
  return [installed, ...(name === "vulkan" ? [] : vulkan), optional(name, diagnosis)];
}

function optional(name: string, { reason, remedy, command }: { readonly reason: string; readonly remedy: string; readonly command?: string }): Check {
  return { name, status: "optional", found: `${reason}; everything runs on WebAssembly`, remedy, ...(command === undefined ? {} : { command }) };
}

function chromiumCheck({ chromium, machine }: HostFacts): Check {
  if (chromium !== undefined) return { name: "chromium", status: "info", found: `${chromium}; only this project's own browser tests use it` };
  const command = installCommand("chromium", machine.distribution, machine.isRoot);
  return {
    name: "chromium",
    status: "info",
    found: "no Chromium; only this project's own browser tests need one",
    ...(command === undefined ? {} : { command }),
  };
}
