/**
 * Runs the probe of WebGPU in a child process, since Dawn may crash or hang.
 * Invariant: never throws, ends within the limit, and loads nothing where the package `webgpu` is not installed.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AdapterFacts, ProbeAnswer } from "./gpu-probe.ts";
import { vulkanFacts } from "./vulkan.ts";

export type { AdapterFacts } from "./gpu-probe.ts";

/** What came of it. */
export type Probe =
  | { readonly kind: "not-installed" }
  | { readonly kind: "unloadable"; readonly reason: string }
  /** The probe itself ended badly: a signal's name, `timeout`, or what it printed. */
  | { readonly kind: "crashed"; readonly how: string; readonly warnings: readonly string[] }
  | { readonly kind: "no-adapter"; readonly warnings: readonly string[] }
  | { readonly kind: "adapter"; readonly first: AdapterFacts; readonly adapters: readonly AdapterFacts[] };

/** A driver that starts cold takes a few seconds; the first of a machine's day perhaps ten. */
const LIMIT_MILLISECONDS = 20_000;

const here = fileURLToPath(new URL(".", import.meta.url));

/** The bundle's program, else the checkout's source with the loader that this process runs on. */
function program(): readonly string[] {
  const bundled = join(here, "gpu-probe.js");
  return existsSync(bundled) ? [bundled] : [...process.execArgv, join(here, "gpu-probe.ts")];
}

/** Where the package `webgpu` would be loaded from; undefined where it is not installed. */
export function installedWebgpu(): string | undefined {
  try {
    const url = import.meta.resolve("webgpu");
    return existsSync(fileURLToPath(url)) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Where Dawn's binary lies, in the package with this URL. */
export function dawnFolder(url: string): string {
  return join(dirname(fileURLToPath(url)), "dist", `${process.platform}-${process.arch}`);
}

/** `all` lists every adapter; `first` only the one that a network would run on, which is quicker. */
export function probeWebgpu(wanted: "first" | "all", limit = LIMIT_MILLISECONDS): Promise<Probe> {
  const url = installedWebgpu();
  if (url === undefined) return Promise.resolve({ kind: "not-installed" });
  // On Linux, Dawn has nothing but Vulkan: where it lacks the loader there is nobody to ask.
  if (process.platform === "linux" && vulkanFacts(dawnFolder(url)).loader === undefined) return Promise.resolve({ kind: "no-adapter", warnings: [] });
  return askProgram([...program(), url, wanted], limit);
}

/** The same of any program that answers like the probe: what a child process makes of it, for tests too. */
export function askProgram(args: readonly string[], limit: number): Promise<Probe> {
  // NODEVICE_SELECT: Mesa's layer for desktops says nothing where there is none.
  const env = { ...process.env, NODEVICE_SELECT: process.env["NODEVICE_SELECT"] ?? "1" };
  const options = { env, timeout: limit, killSignal: "SIGKILL", maxBuffer: 1 << 24 } as const;
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const timedOut = error?.killed === true;
      resolve(readAnswer(stdout, stderr, timedOut ? "timeout" : (error?.signal ?? undefined)));
    });
  });
}

/** `ended`: how, if not by itself. An answer that came before a crash at the end is still an answer. */
export function readAnswer(stdout: string, stderr: string, ended: string | undefined): Probe {
  const warnings = warningsIn(stderr);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) return { kind: "crashed", how: ended ?? lastLine(stderr), warnings };
  const answer = JSON.parse(line) as ProbeAnswer;
  if (answer.unloadable !== undefined) return { kind: "unloadable", reason: answer.unloadable };
  if (answer.first === undefined) return { kind: "no-adapter", warnings };
  return { kind: "adapter", first: answer.first, adapters: answer.adapters };
}

/** Dawn's, without the places in its sources. */
function warningsIn(stderr: string): readonly string[] {
  return stderr.split("\n").flatMap((line) => {
    const found = /^(?:Warning|Error): (.*)$/.exec(line.trim())?.[1];
    return found === undefined || /artificially reduced/.test(found) ? [] : [found];
  });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
