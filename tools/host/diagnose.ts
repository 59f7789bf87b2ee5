/**
 * Why there is no GPU to run on, and what to do about it.
 * Invariant: pure; the first cause alone is named, since those behind it cannot be seen yet.
 */
import type { AdapterFacts, Probe } from "./probe.ts";
import { type Distribution, installCommand, type VulkanFacts } from "./vulkan.ts";

/** What the causes depend on, beside the probe. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly distribution: Distribution;
  readonly isRoot: boolean;
  /** Whether this program was installed with `npm install -g`, so that its optional package must be too. */
  readonly isGlobal: boolean;
  /** Undefined where Vulkan is not what Dawn uses. */
  readonly vulkan: VulkanFacts | undefined;
}

export interface Diagnosis {
  /** A clause without a full stop. */
  readonly reason: string;
  /** A clause that says what to do. */
  readonly remedy: string;
  /** To be typed as it stands; where one command is the remedy. */
  readonly command?: string;
}

/** Undefined where the GPU that a network would run on is a real one. */
export function diagnose(probe: Probe, machine: Machine): Diagnosis | undefined {
  switch (probe.kind) {
    case "not-installed":
      return byCommand("the package `webgpu` is not installed", installWebgpu(machine));
    case "unloadable":
      return unloadable(probe.reason, machine);
    case "crashed":
      return {
        reason:
          probe.how === "timeout"
            ? "the GPU's driver gave no answer in time"
            : `asking the GPU's driver ended with ${probe.how === "" ? "no answer" : probe.how}`,
        remedy: "update or reinstall the graphics driver",
      };
    case "no-adapter":
      return withoutAdapter(probe.warnings, machine);
    case "adapter":
      return ofAdapter(probe.first, machine);
    default:
      return probe satisfies never;
  }
}

/** The command that adds the optional package. */
export function installWebgpu({ isGlobal }: Pick<Machine, "isGlobal">): string {
  return `npm install ${isGlobal ? "-g " : ""}webgpu`;
}

function byCommand(reason: string, command: string): Diagnosis {
  return { reason, remedy: `install it with \`${command}\``, command };
}

function unloadable(reason: string, machine: Machine): Diagnosis {
  const said = `the package \`webgpu\` does not load (${reason})`;
  if (/GLIBC|ld-musl|ld-linux/.test(reason)) return { reason: said, remedy: "it needs glibc 2.34 or later, as Debian 12 and Ubuntu 22.04 have" };
  const command = installWebgpu(machine);
  return { reason: said, remedy: `install it anew for this system with \`${command}\``, command };
}

function withoutAdapter(warnings: readonly string[], machine: Machine): Diagnosis {
  const { vulkan, distribution, isRoot } = machine;
  const last = warnings.at(-1);
  if (vulkan === undefined) return { reason: "no adapter was found", remedy: "update the graphics driver" };
  if (vulkan.loader === undefined || warnings.some((line) => line.includes("Couldn't load Vulkan"))) {
    const command = installCommand("loader", distribution, isRoot);
    const reason = "there is no Vulkan loader (libvulkan.so.1)";
    return command === undefined ? { reason, remedy: "install your system's Vulkan loader" } : byCommand(reason, command);
  }
  if (vulkan.drivers.length > 0) {
    return {
      reason: `no adapter was found${last === undefined ? "" : ` (${last})`}`,
      remedy: "update the graphics driver; VK_LOADER_DEBUG=all shows what the Vulkan loader tries",
    };
  }
  return withoutDriver("there is no Vulkan driver", machine);
}

/** By the cards that are there. */
function withoutDriver(reason: string, { vulkan, distribution, isRoot }: Machine): Diagnosis {
  const cards = vulkan?.cards ?? [];
  if (cards.includes("nvidia")) {
    return {
      reason: `${reason} for the NVIDIA card`,
      remedy: "install NVIDIA's driver with its graphics libraries; a container gets them with NVIDIA_DRIVER_CAPABILITIES=all",
    };
  }
  if (cards.includes("amd") || cards.includes("intel")) {
    const command = installCommand("mesa", distribution, isRoot);
    if (command !== undefined) return byCommand(`${reason} for the ${cards.includes("amd") ? "AMD" : "Intel"} card`, command);
  }
  const none = cards.length === 0 ? "the system knows of no graphics card" : reason;
  return { reason: none, remedy: "add a graphics card with its Vulkan driver" };
}

function ofAdapter(adapter: AdapterFacts, machine: Machine): Diagnosis | undefined {
  const { name, refusal } = adapter;
  if (refusal !== undefined) return { reason: `the adapter ${name} gives no device (${refusal})`, remedy: "update the graphics driver" };
  if (!adapter.software) return undefined;
  const reason = `the only adapter, ${name}, is a software one, slower than Wasm`;
  if (machine.vulkan === undefined) return { reason, remedy: "install the graphics card's driver" };
  return { ...withoutDriver("there is no Vulkan driver", machine), reason };
}
