/**
 * Parses and checks literally every prefix of every example and library file: `npx tsx spec/robustness/every-prefix.ts
 * [seconds] [part/parts]`. Too long for each run of the suite, which tries a sample of them (`robustness.spec.ts`).
 * Ends with the count, the slowest, and status 1 if one threw or took longer than its bound.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkFile } from "../../compiler/elaborate/elaborate.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import type { Source } from "../../grammar/source.ts";

const LIMIT_MS = 2000;
const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const seconds = Number(process.argv[2] ?? 3600);
const [part = 0, parts = 1] = (process.argv[3] ?? "0/1").split("/").map(Number);
const cache: ParseCache = new Map();

function readModule(path: string): Source | undefined {
  const file = join(root, "stdlib", `${path.slice(4)}.resnet`);
  return path.startsWith("std/") && existsSync(file) ? { path, text: readFileSync(file, "utf8") } : undefined;
}

const texts: readonly Source[] = [
  ...["examples", "stdlib"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".resnet"))
      .sort()
      .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(join(root, folder, path), "utf8") })),
  ),
  ...["README.md", "LANGUAGE.md"].flatMap((path) =>
    [...readFileSync(join(root, path), "utf8").matchAll(/^```resnet[^\n]*\n([\s\S]*?)^```/gm)].map(([, text = ""], i) => ({
      path: `${path}#${i}`,
      text,
    })),
  ),
];

const started = performance.now();
const total = texts.reduce((sum, { text }) => sum + text.length + 1, 0);
let [done, slowest, failures, turn] = [0, 0, 0, 0];
// Interleaved over all texts, so that a run that is cut short has seen some of each.
for (let end = 0, open = true; open; end++) {
  open = false;
  for (const { path, text } of texts) {
    if (end > text.length) continue;
    open = true;
    if (turn++ % parts !== part) continue;
    if (performance.now() - started > seconds * 1000) continue;
    const before = process.cpuUsage();
    try {
      checkFile(loadModules({ path, text: text.slice(0, end) }, readModule, cache).entry);
    } catch (error) {
      failures++;
      console.log(`${path}, the first ${end} characters: ${error instanceof Error ? error.stack : error}`);
    }
    const milliseconds = process.cpuUsage(before).user / 1000;
    if (milliseconds > LIMIT_MS) {
      failures++;
      console.log(`${path}, the first ${end} characters: ${milliseconds.toFixed(0)} ms`);
    }
    slowest = Math.max(slowest, milliseconds);
    done++;
  }
}
console.log(`${done} of ${total} prefixes, ${failures} failed, the slowest ${slowest.toFixed(0)} ms`);
process.exitCode = failures > 0 ? 1 : 0;
