/**
 * Whole networks on WebGPU: every case of the operators and of their gradients, all of PyTorch's fixtures with every
 * optimizer, and, where WEBGPU_NETWORKS=all asks for it, agreement with Wasm of networks of a hundred layers.
 * Invariant: everything runs in child processes that are ended after a time.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { FIXTURES, optimizersOf } from "../fixtures/check-fixture.ts";
import { hasFixture } from "../fixtures/fixture-files.ts";
import { suite } from "../harness.ts";
import { type Answer, answerOf, findAdapter } from "./adapter.ts";

const CHILD = fileURLToPath(new URL("network-child.ts", import.meta.url));
const LIMIT_SECONDS = 290;

async function succeed(env: NodeJS.ProcessEnv, ...mode: readonly string[]): Promise<Answer> {
  const options = { env, timeout: LIMIT_SECONDS * 1000, killSignal: "SIGKILL" } as const;
  const answer = await new Promise<Answer>((resolve) => {
    execFile(process.execPath, ["--import", "tsx", CHILD, ...mode], options, (error, stdout, stderr) => {
      resolve(answerOf(stdout, `ended without an answer: ${error?.signal ?? error?.message ?? ""}\n${stderr.slice(-2000)}`));
    });
  });
  assert.ok(answer.ok, `${mode.join(" ")}: ${answer.reason}`);
  return answer;
}

const SLOW = "software adapters take minutes to compile and run it; WEBGPU_NETWORKS=all runs it";
const runsAll = process.env["WEBGPU_NETWORKS"] === "all";
const { environment, reason } = findAdapter();

suite("webgpu networks", (test) => {
  const onDevice = (name: string, body: (env: NodeJS.ProcessEnv) => Promise<void>): void => {
    if (environment === undefined) test.skip(name, reason);
    else test(name, () => body(environment));
  };
  const whenAsked: typeof onDevice = (name, body) => (runsAll ? onDevice(name, body) : test.skip(name, SLOW));

  onDevice("every case of the operators", async (env) => {
    const { count } = await succeed(env, "operators");
    assert.ok(Number(count) >= 100, `${count} cases`);
  });
  onDevice("every gradient of the operators", async (env) => {
    const { count } = await succeed(env, "operator-gradients");
    assert.ok(Number(count) >= 80, `${count} cases`);
  });

  for (const each of FIXTURES) {
    const { fixture } = each;
    const optimizers = ["sgd", ...optimizersOf(each).map((optimizer) => optimizer.name)];
    const name = `${fixture}: outputs, gradients, five steps as PyTorch; under ${optimizers.join(", ")}`;
    if (!hasFixture(fixture)) {
      test.skip(name, "the fixtures are not beside the project");
      continue;
    }
    onDevice(name, async (env) => assert.equal((await succeed(env, fixture))["checked"], optimizers));
  }

  for (const [mode, model] of [
    ["resnet50", "ResNet-50"],
    ["densenet121", "DenseNet-121"],
  ] as const)
    whenAsked(`${model} at 64x64 agrees with Wasm: outputs and loss, and gradients without ReLUs`, async (env) => {
      const found = await succeed(env, mode);
      assert.ok(Number(found["tensors"]) >= 160, `${found["tensors"]} gradients`);
      for (const what of ["evaluated", "trained", "loss", "gradients"]) assert.ok(Number(found[what]) <= 1e-4, `${what}: ${found[what]}`);
      console.log(`  ${model}: evaluated ${found["evaluated"]}, trained ${found["trained"]}, loss ${found["loss"]}, gradients ${found["gradients"]}`);
    });
});
