/**
 * Ways to compute the same on a device: chosen by measurement.
 * Invariant: everything runs in child processes that are ended after a time.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { hasFixture } from "../fixtures/fixture-files.ts";
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

interface Stored {
  readonly model: string;
  readonly deviation: number;
  readonly isSameClass: boolean;
  readonly kept: boolean;
}

const STORED = ["cifar_resnet20_b-s1"];

const { environment, reason, isInstalled } = findAdapter();

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

  onDevice("grids folded into two dimensions, and reductions with and without subgroups", async (env) => {
    const { found } = await ask("folded", env);
    const [plain, withSubgroups] = found as readonly { subgroups: boolean; areNeighbours: boolean; variants: readonly string[] }[];
    for (const name of ["", "32x32", "64x64", "128x64"]) assert.ok(plain?.variants.includes(name), `${name} is not among ${plain?.variants}`);
    assert.equal([plain?.subgroups, plain?.variants.includes("subgroups")], [false, false]);
    // Whatever has no subgroups, or numbers them otherwise, has nothing further to show.
    if (withSubgroups?.subgroups === true && withSubgroups.areNeighbours) assert.ok(withSubgroups.variants.includes("subgroups"));
  });

  if (isInstalled) {
    test("Dawn accepts every shader of ResNet-50 stored in f16", async () => {
      const { count, halves } = await ask("validate", process.env);
      assert.ok(Number(count) > 150, `${count} shaders`);
      assert.ok(Number(halves) > 0.9 * Number(count), `${halves} of ${count} with f16`);
    });
  } else test.skip("Dawn accepts every shader of ResNet-50 stored in f16", reason);

  if (STORED.every(hasFixture)) {
    onDevice("stored in f16 networks give PyTorch's f32 logits within 1e-2 and the same classes, and keep their f32 weights", async (env) => {
      const { found, refusal, auto } = await ask("storage", env);
      // An adapter without the feature has nothing to show.
      if (found === undefined) return;
      assert.is((found as readonly Stored[]).length, STORED.length);
      for (const { model, deviation, isSameClass, kept } of found as readonly Stored[]) {
        // More than nothing: f32 would be off by 1e-6.
        assert.ok(deviation > 1e-5 && deviation <= 1e-2, `${model}: off by ${deviation}`);
        assert.equal([isSameClass, kept], [true, true], model);
      }
      assert.match(String(refusal), /lacks shader-f16; compile the network with f32 storage/);
      assert.is(auto, "wasm");
    });
  } else test.skip("networks stored in f16", "the fixtures are not beside the project");
});
