/**
 * One process of a test run: is sent the path of a spec, answers with what came of it, and waits for the next.
 * Invariant: a spec that does not load or registers no suite is a failure; each case is bounded in time.
 */
import { pathToFileURL } from "node:url";
import { execute, takeSuites, type Tally } from "./harness.ts";

export interface Report {
  readonly tally: Tally;
  readonly seconds: number;
}

/** A failure or a skip, told at once, or what came of the whole file. */
export type Message = { readonly line: string } | { readonly report: Report };

const LIMIT_SECONDS = 300;

async function run(file: string): Promise<Report> {
  const started = performance.now();
  const print = (line: string): void => tell({ line });
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const fail = (line: string): void => {
    tally.failed++;
    print(line);
  };
  try {
    await import(pathToFileURL(file).href);
    const suites = takeSuites();
    if (suites.length === 0) fail(`FAIL ${file} registers no suite`);
    for (const each of suites) await execute(each, tally, LIMIT_SECONDS, print);
  } catch (error) {
    fail(`FAIL ${file} does not load\n${error instanceof Error ? error.stack : error}`);
  }
  return { tally, seconds: (performance.now() - started) / 1000 };
}

function tell(message: Message): void {
  // A run that was ended meanwhile hears no more.
  process.send?.(message, undefined, undefined, () => {});
}

process.on("message", (file: string) => void run(file).then((report) => tell({ report })));
// Without the run that started it there is nothing to do.
process.on("disconnect", () => process.exit());
