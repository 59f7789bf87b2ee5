/**
 * Runs every `*.spec.ts` below this folder (or those whose path contains an argument), a file at a time in each of two
 * processes. The last line is always `N passed, N failed, N skipped`.
 * Invariant: the suites that drive a browser or a GPU follow one another, since each of them takes a core by itself.
 */
import { type ChildProcess, fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Tally } from "./harness.ts";
import type { Message, Report } from "./worker.ts";

const root = dirname(fileURLToPath(import.meta.url));
const DEAR = ["browser", "webgpu"];

function specFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return specFiles(path);
      return entry.name.endsWith(".spec.ts") ? [path] : [];
    });
}

/** Has a worker run the file; undefined if the worker died of it. */
function runFile(worker: ChildProcess, file: string): Promise<Report | undefined> {
  return new Promise((resolve) => {
    const onExit = (): void => resolve(undefined);
    worker.once("exit", onExit);
    const onMessage = (message: Message): void => {
      if ("line" in message) {
        console.log(message.line);
        return;
      }
      worker.off("exit", onExit).off("message", onMessage);
      resolve(message.report);
    };
    worker.on("message", onMessage);
    worker.send(file);
  });
}

/** Takes files until there are none, from its own list first. */
async function work(lists: readonly string[][], tally: Tally): Promise<void> {
  const start = (): ChildProcess => fork(join(root, "worker.ts"));
  let worker: ChildProcess | undefined;
  for (let file = next(lists); file !== undefined; file = next(lists)) {
    worker ??= start();
    const name = relative(root, file);
    const report = await runFile(worker, file);
    if (report === undefined) {
      tally.failed++;
      console.log(`FAIL ${name}: its process ended`);
      worker = undefined;
      continue;
    }
    tally.passed += report.tally.passed;
    tally.failed += report.tally.failed;
    tally.skipped += report.tally.skipped;
    console.log(`${name}: ${report.tally.passed} passed (${report.seconds.toFixed(1)} s)`);
  }
  worker?.kill();
}

function next(lists: readonly string[][]): string | undefined {
  return lists.find((list) => list.length > 0)?.shift();
}

const filters = process.argv.slice(2);
const files = specFiles(root).filter((file) => filters.length === 0 || filters.some((filter) => relative(root, file).includes(filter)));
const isDear = (file: string): boolean => DEAR.some((folder) => file.startsWith(join(root, folder)));
const [dear, others] = [files.filter(isDear), files.filter((file) => !isDear(file))];
const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
const workers = [work([dear, others], tally)];
// With one core, or for a file or two, a second process costs more than it saves.
if (availableParallelism() > 1 && files.length > 2) workers.push(work([others, dear], tally));
await Promise.all(workers);
process.exitCode = tally.failed > 0 ? 1 : 0;
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
