/**
 * The only file that touches the test runner's bookkeeping: suites register themselves here and `worker.ts` executes them.
 * Invariant: a suite that registers no case, or is never executed, fails the run; skips are counted and printed.
 */
export interface Registrar {
  (name: string, body: () => void | Promise<void>): void;
  /** A case that cannot run here; the reason is printed and counted. */
  skip(name: string, reason: string): void;
}

interface Case {
  readonly name: string;
  readonly body: (() => void | Promise<void>) | undefined;
  readonly reason: string;
}

export interface Suite {
  readonly name: string;
  readonly cases: readonly Case[];
}

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const registered: Suite[] = [];

/** Declares a suite; `define` runs at once and registers its cases. */
export function suite(name: string, define: (test: Registrar) => void): void {
  const cases: Case[] = [];
  const test = ((caseName: string, body: () => void | Promise<void>) => {
    cases.push({ name: caseName, body, reason: "" });
  }) as Registrar;
  test.skip = (caseName, reason) => cases.push({ name: caseName, body: undefined, reason });
  define(test);
  registered.push({ name, cases });
}

/** Takes the suites registered since the last call. */
export function takeSuites(): Suite[] {
  return registered.splice(0, registered.length);
}

/** Runs a suite, printing failures and skips; each case is bounded in time. */
export async function execute(target: Suite, tally: Tally, limitSeconds: number, print: (line: string) => void): Promise<void> {
  if (target.cases.length === 0) {
    tally.failed++;
    print(`FAIL ${target.name}: the suite has no case`);
  }
  for (const each of target.cases) {
    if (each.body === undefined) {
      tally.skipped++;
      print(`SKIP ${target.name} > ${each.name}: ${each.reason}`);
      continue;
    }
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no result within ${limitSeconds} s`)), limitSeconds * 1000);
    });
    try {
      await Promise.race([Promise.resolve(each.body()), limit]);
      tally.passed++;
    } catch (error) {
      tally.failed++;
      print(`FAIL ${target.name} > ${each.name}\n${describe(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const details = (error as { details?: string }).details;
  return [error.stack ?? error.message, details].filter(Boolean).join("\n");
}
