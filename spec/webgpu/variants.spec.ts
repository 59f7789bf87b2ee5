/**
 * Ways to compute the same on a device: chosen by measurement.
 * Invariant: everything runs in child processes that are ended after a time.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { type Answer, answerOf, findAdapter } from "./adapter.ts";

const CHILD = fileURLToPath(new URL("variants-child.ts", import.meta.url));
const LIMIT_SECONDS = 200;

/** What a mode of the child found. Throws where it failed. */
function ask(mode: string, env: NodeJS.ProcessEnv): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: LIMIT_SECONDS * 1000, killSignal: "SIGKILL", maxBuffer: 1 << 24 } as const;
    execFile(process.execPath, ["--import", "tsx", CHILD, mode], options, (error, stdout, stderr) => {
      const answer = answerOf(stdout, `${mode} ended without an answer: ${error?.signal ?? error?.message ?? ""}\n${stderr.slice(-2000)}`);
      if (answer.ok) resolve(answer);
      else reject(new Error(`${mode}: ${answer.reason}`));
    });
  });
}

interface Tuned {
  readonly passes: readonly number[];
  readonly deviation: number;
  readonly isSame: boolean;
  readonly chosen: readonly string[];
}

const { environment, reason } = findAdapter();

suite("webgpu variants", (test) => {
  const onDevice = (name: string, body: (env: NodeJS.ProcessEnv) => Promise<void>): void => {
    if (environment === undefined) test.skip(name, reason);
    else test(name, () => body(environment));
  };

  onDevice("kernels are measured once, by timestamps or by the host's clock, and results are those of the compiler's choice", async (env) => {
    const { found, scale } = await ask("tune", env);
    assert.is((found as readonly Tuned[]).length, 2);
    for (const { passes, deviation, isSame, chosen } of found as readonly Tuned[]) {
      const [first = 0, second = 0] = passes;
      assert.ok(first >= second + 8, `${first} passes with measurements, ${second} from what is remembered`);
      assert.ok(second <= 2, `${second} passes of a call and its preparation`);
      assert.ok(isSame);
      assert.ok(deviation <= 1e-6 * Number(scale), `off by ${deviation}`);
      assert.is(chosen.length, 2);
    }
  });
});
