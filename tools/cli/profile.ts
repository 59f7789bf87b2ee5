/** The option `--profile`: where the time of a run went, as a table. */
import type { Network } from "../../runtime/network.ts";
import type { KernelProfile, Profile } from "../../runtime/profile.ts";
import { formatTable, type Terminal } from "./terminal.ts";

/** Kernels beyond these are one line together. */
const SHOWN_KERNELS = 40;
const SHOWN_PATHS = 3;

/** Says the profile of what the network has done since the last one. */
export async function sayProfile(network: Pick<Network, "profile">, terminal: Terminal): Promise<void> {
  for (const line of describeProfile(await network.profile())) terminal.say(line);
}

/** The tables for people: kernels, slowest first, then programs. */
export function describeProfile(profile: Profile): string[] {
  return [...describeKernels(profile), ...(profile.kernels.length === 0 ? [] : [""]), ...describePrograms(profile)];
}

const CLOCKS: Readonly<Record<Profile["clock"], string>> = {
  host: "times of kernels by the host's clock",
  timestamps: "times of kernels by the device's timestamps, each kernel in a pass of its own",
  none: "this device has no timestamps (feature timestamp-query), so kernels cannot be told apart",
};

function describeKernels({ kernels, clock, device }: Profile): string[] {
  const heading = [`profile on ${device}: ${CLOCKS[clock]}`];
  if (kernels.length === 0) return clock === "none" ? heading : [...heading, "nothing ran"];
  const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const row = ({ program, kernel, calls, milliseconds, flops, bytes, serves }: KernelProfile): string[] => [
    program,
    kernel,
    String(calls),
    milliseconds.toFixed(2),
    share(milliseconds, total),
    rate(flops, milliseconds),
    rate(bytes, milliseconds),
    paths(serves),
  ];
  const rest = kernels.slice(SHOWN_KERNELS);
  const restTime = rest.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const rows = [
    ["program", "kernel", "calls", "ms", "share", "GFLOP/s", "GB/s", "nodes"],
    ...kernels.slice(0, SHOWN_KERNELS).map(row),
    ...(rest.length === 0 ? [] : [["", `${rest.length} more`, "", restTime.toFixed(2), share(restTime, total), "", "", ""]]),
  ];
  return [...heading, ...formatTable(rows, ["left", "left", "right", "right", "right", "right", "right", "left"])];
}

function describePrograms({ programs, kernels, clock }: Profile): string[] {
  const rows = programs.map(({ program, calls, milliseconds }) => {
    const inside = kernels.reduce((sum, each) => (each.program === program ? sum + each.milliseconds : sum), 0);
    return [program, String(calls), milliseconds.toFixed(2), (milliseconds / calls).toFixed(2), clock === "none" ? "" : share(inside, milliseconds)];
  });
  if (rows.length === 0) return [];
  return formatTable(
    [["program", "calls", "ms", "ms a call", clock === "none" ? "" : "in kernels"], ...rows],
    ["left", "right", "right", "right", "right"],
  );
}

function share(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "";
}

/** Billions a second; nothing where the clock was too coarse to see a time. */
function rate(amount: number, milliseconds: number): string {
  return milliseconds > 0 && amount > 0 ? (amount / milliseconds / 1e6).toFixed(1) : "";
}

function paths(serves: readonly string[]): string {
  const more = serves.length - SHOWN_PATHS;
  return `${serves.slice(0, SHOWN_PATHS).join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}
