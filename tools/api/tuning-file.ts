/**
 * Measurements of kernels in a JSON file, so that the next process need not measure again.
 * Invariant: a file that is missing, or is none of ours, is as an empty one; it is replaced whole or not at all.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { TuningStore } from "../../runtime/load.ts";
import { writeFileAtomic } from "../data/write.ts";

const NAME = join("resnet-lang", "tunings.json");

/** The file in the user's cache folder: XDG_CACHE_HOME, else where the system keeps caches. */
export function defaultTuningFile(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  const { XDG_CACHE_HOME: cache, LOCALAPPDATA: local } = env;
  if (cache !== undefined && cache !== "") return join(cache, NAME);
  if (platform === "win32" && local !== undefined && local !== "") return join(local, NAME);
  return join(homedir(), platform === "darwin" ? "Library/Caches" : ".cache", NAME);
}

/** A store over a file. Its `set` throws RN811 where the file cannot be written. */
export function fileTunings(path: string = defaultTuningFile()): TuningStore {
  return {
    get: (key) => readEntries(path)[key],
    set: (key, value) => writeFileAtomic(path, `${JSON.stringify({ ...readEntries(path), [key]: value }, undefined, 1)}\n`),
  };
}

function readEntries(path: string): Record<string, string> {
  if (!existsSync(path)) return {};
  try {
    const found: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return {};
  }
}
