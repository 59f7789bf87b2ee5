/** Runs one mode of a child that talks to Dawn, ended after a time. */
import { execFile } from "node:child_process";
import * as assert from "uvu/assert";
import { type Answer, answerOf, childArguments } from "./adapter.ts";

const LIMIT_SECONDS = 280;
const MOST_OUTPUT = 64 * 1024 * 1024;

/** The child's answer, or why there is none. */
export function runChild(mode: string, env: NodeJS.ProcessEnv, further: readonly string[] = [], child?: string): Promise<Answer> {
  const options = { env, timeout: LIMIT_SECONDS * 1000, killSignal: "SIGKILL", maxBuffer: MOST_OUTPUT } as const;
  return new Promise((resolve) => {
    execFile(process.execPath, [...childArguments(mode, child), ...further], options, (error, stdout, stderr) => {
      resolve(answerOf(stdout, `${mode} ended without an answer: ${error?.signal ?? error?.message ?? ""}\n${stderr.slice(-2000)}`));
    });
  });
}

/** The answer of a child that must succeed. */
export async function succeed(mode: string, env: NodeJS.ProcessEnv, further: readonly string[] = [], child?: string): Promise<Answer> {
  const answer = await runChild(mode, env, further, child);
  assert.ok(answer.ok, `${mode}: ${answer.reason}`);
  return answer;
}
