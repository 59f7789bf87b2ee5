/**
 * Finds the adapter that WebGPU suites run on in Node, so that `npm test` needs nothing set: what VK_ICD_FILENAMES names,
 * else the lavapipe that `.ci/setup.sh` fetched, else the system's own drivers, else the SwiftShader inside Chromium.
 * Invariant: asked in child processes that are ended after a time, once a run; a child gets what it needs as environment.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What one of the child's modes prints as its last line. */
export interface Answer {
  readonly ok: boolean;
  readonly reason?: string;
  readonly [finding: string]: unknown;
}

export interface FoundAdapter {
  /** For child processes; undefined where there is no adapter. */
  readonly environment: NodeJS.ProcessEnv | undefined;
  /** Vendor and description; empty where there is none. */
  readonly description: string;
  /** Why there is none, and what would help. */
  readonly reason: string;
  /** Whether the package `webgpu` is there, which validates shaders even without an adapter. */
  readonly isInstalled: boolean;
}

const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const PROBE_SECONDS = 60;
const root = fileURLToPath(new URL("../..", import.meta.url));
const LAVAPIPE = join(root, ".cache/lavapipe/lavapipe.json");
const CHROMIUM_FOLDERS = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/usr/lib64/chromium-browser", "/opt/google/chrome"];
const SWIFTSHADER = "vk_swiftshader_icd.json";
const REMEDY = "`.ci/setup.sh` fetches a software one; VK_ICD_FILENAMES may name another";

/** Arguments for `node` that run one mode of a child. */
export function childArguments(mode: string, child = CHILD): string[] {
  return ["--import", "tsx", child, mode];
}

/** The answer in what a child printed. */
export function answerOf(stdout: string, otherwise: string): Answer {
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return line.startsWith("{") ? (JSON.parse(line) as Answer) : { ok: false, reason: otherwise };
}

/** Where the libraries of the unpacked lavapipe lie: a folder named by the machine, such as x86_64-linux-gnu. */
function lavapipeLibraries(): string[] {
  const lib = join(dirname(LAVAPIPE), "root/usr/lib");
  if (!existsSync(lib)) return [];
  return readdirSync(lib, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(lib, entry.name)] : []));
}

/** The environments to try, best first. */
function candidates(): NodeJS.ProcessEnv[] {
  // NODEVICE_SELECT: Mesa's layer is quiet where there is no desktop. Chromium brings a Vulkan loader of its own.
  const loaders = CHROMIUM_FOLDERS.filter((folder) => existsSync(join(folder, "libvulkan.so.1")));
  const withDrivers = (icd: string | undefined, libraries: readonly string[]): NodeJS.ProcessEnv => ({
    ...process.env,
    NODEVICE_SELECT: "1",
    ...(icd === undefined ? {} : { VK_ICD_FILENAMES: icd }),
    ...(process.platform === "linux"
      ? { LD_LIBRARY_PATH: [process.env["LD_LIBRARY_PATH"], ...libraries, ...loaders].filter(Boolean).join(":") }
      : {}),
  });
  const own = withDrivers(undefined, []);
  if (process.env["VK_ICD_FILENAMES"] !== undefined || process.env["VK_DRIVER_FILES"] !== undefined) return [own];
  const swiftshader = CHROMIUM_FOLDERS.map((folder) => join(folder, SWIFTSHADER)).filter(existsSync);
  return [...(existsSync(LAVAPIPE) ? [withDrivers(LAVAPIPE, lavapipeLibraries())] : []), own, ...swiftshader.map((icd) => withDrivers(icd, []))];
}

function probe(env: NodeJS.ProcessEnv): Answer {
  const options = { env, encoding: "utf8", timeout: PROBE_SECONDS * 1000, killSignal: "SIGKILL" } as const;
  const { stdout, stderr, signal } = spawnSync(process.execPath, childArguments("probe"), options);
  const missing = /Cannot find package '(\w+)'/.exec(stderr)?.[1];
  return answerOf(
    stdout,
    missing === undefined ? `the probe ended with ${signal ?? stderr.trim().slice(-200)}` : `the package ${missing} is not installed`,
  );
}

function search(): FoundAdapter {
  let reason = "";
  for (const environment of candidates()) {
    const answer = probe(environment);
    if (answer.ok) return { environment, description: String(answer["adapter"]), reason: "", isInstalled: true };
    reason = answer.reason ?? "no answer";
    if (reason.includes("not installed")) return { environment: undefined, description: "", reason, isInstalled: false };
  }
  return { environment: undefined, description: "", reason: `${reason}; ${REMEDY}`, isInstalled: true };
}

const found: { adapter?: FoundAdapter } = {};

/** The adapter, looked for at the first call. */
export function findAdapter(): FoundAdapter {
  found.adapter ??= search();
  return found.adapter;
}
