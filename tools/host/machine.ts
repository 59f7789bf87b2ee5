/** Gathers what `diagnose` and `checks` go by. Invariant: asks the system, changes nothing, starts no process. */
import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Machine } from "./diagnose.ts";
import { dawnFolder, installedWebgpu } from "./probe.ts";
import { distribution, vulkanFacts } from "./vulkan.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** This machine. */
export function thisMachine(): Machine {
  const webgpu = installedWebgpu();
  return {
    platform: process.platform,
    distribution: process.platform === "linux" ? distribution() : "other",
    isRoot: process.platform !== "win32" && userInfo().uid === 0,
    isGlobal: isGlobal(here, process.execPath),
    vulkan: process.platform === "linux" ? vulkanFacts(webgpu === undefined ? undefined : dawnFolder(webgpu)) : undefined,
  };
}

/** Whether a file lies where `npm install -g` puts packages: beside Node, below its prefix. */
export function isGlobal(file: string, node: string): boolean {
  const prefix = process.platform === "win32" ? dirname(node) : join(dirname(node), "..", "lib");
  return file.startsWith(join(prefix, "node_modules"));
}

/** A browser of Chromium's family on the search path. */
export function findChromium(path = process.env["PATH"] ?? ""): string | undefined {
  return path
    .split(delimiter)
    .flatMap((folder) => BROWSERS.map((name) => join(folder, name)))
    .find((file) => existsSync(file));
}
