/**
 * Runs every `*.spec.ts` below this folder (or those whose path contains an argument) in one process.
 * The last line is always `N passed, N failed, N skipped`.
 */
import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { execute, takeSuites, type Tally } from "./harness.ts";

const LIMIT_SECONDS = 300;
const root = dirname(fileURLToPath(import.meta.url));

function specFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return specFiles(path);
      return entry.name.endsWith(".spec.ts") ? [path] : [];
    });
}

const filters = process.argv.slice(2);
const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
for (const file of specFiles(root)) {
  const name = relative(root, file);
  if (filters.length > 0 && !filters.some((filter) => name.includes(filter))) continue;
  const started = performance.now();
  const before = tally.passed;
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    tally.failed++;
    console.log(`FAIL ${name} does not load\n${error instanceof Error ? error.stack : error}`);
    continue;
  }
  const suites = takeSuites();
  if (suites.length === 0) {
    tally.failed++;
    console.log(`FAIL ${name} registers no suite`);
  }
  for (const each of suites) await execute(each, tally, LIMIT_SECONDS);
  console.log(`${name}: ${tally.passed - before} passed (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}
process.exitCode = tally.failed > 0 ? 1 : 0;
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
