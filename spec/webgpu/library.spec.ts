/**
 * The models of the library through Dawn's validation, which needs no adapter. `WEBGPU_MODELS=all` takes them all.
 * Invariant: everything runs in child processes that are ended after a time.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { listModels } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";
import { type Answer, answerOf, findAdapter } from "./adapter.ts";
import type { LibraryModel, Validated } from "./library.ts";

const CHILD = fileURLToPath(new URL("network-child.ts", import.meta.url));
const LIMIT_SECONDS = 290;

async function validate(chosen: readonly LibraryModel[]): Promise<Validated> {
  const options = { env: { ...process.env }, timeout: LIMIT_SECONDS * 1000, killSignal: "SIGKILL" } as const;
  const names = chosen.map(({ path, name }) => `${path}:${name}`);
  const answer = await new Promise<Answer>((resolve) => {
    execFile(process.execPath, ["--import", "tsx", CHILD, "library", ...names], options, (error, stdout, stderr) => {
      resolve(answerOf(stdout, `the child ended without an answer: ${error?.signal ?? error?.message ?? ""}\n${stderr.slice(-2000)}`));
    });
  });
  assert.ok(answer.ok, answer.reason);
  return answer as unknown as Validated & Answer;
}

/** Of each file its first, smallest model, and what has other kinds of block; ImageNet's DenseNets have 2000 kernels each. */
const SAMPLE = [
  ...["AudioResNet", "CifarResNet20A", "CifarResNet20B", "CifarPlain20", "SqueezeResNet20", "DenseNetBC40_12", "PreactResNet29"],
  ...["ResNet18", "ResNet50", "ResNeXt50_32x4d", "RoR3_20", "TransformerTiny"],
];
/** Models of one child, so that each has time on a busy machine. */
const AT_ONCE = 4;
const runsAll = process.env["WEBGPU_MODELS"] === "all";
const models = await listModels();
const { reason, isInstalled } = findAdapter();

suite("webgpu library", (test) => {
  const accepts = (title: string, chosen: typeof models): void => {
    const name = `Dawn accepts ${title}: every variant of every kernel, inference, gradients and a step`;
    if (!isInstalled) test.skip(name, reason);
    else
      test(name, async () => {
        const { sizes, steps, distinct, shaders, tooLarge } = await validate(chosen);
        for (const { path, name } of chosen) {
          const { H, W } = sizes[name] ?? {};
          const size = /^(ResNe|Wide|DenseNet\d+$)/.test(name) ? 224 : /audio|transformer/.test(path) ? undefined : 32;
          assert.equal([H, W], [size, size], name);
        }
        for (const each of tooLarge) assert.is(sizes[each.split(" ")[0] ?? ""]?.["H"], 224, `${each} is too large`);
        assert.ok(steps > 100 * (chosen.length - tooLarge.length) && distinct > 50, `${steps} steps, ${distinct} of ${shaders} shaders`);
        if (runsAll) console.log(`  ${title}: ${distinct} different of ${shaders} shaders, ${steps} steps; too large: ${tooLarge.join(", ")}`);
      });
  };
  if (!runsAll) {
    const chosen = models.filter(({ name }) => SAMPLE.includes(name));
    accepts(`${chosen.length} of ${models.length} models of the library (WEBGPU_MODELS=all: the others)`, chosen);
    test("the sample is of every file of the library", () => {
      assert.is(chosen.length, SAMPLE.length);
      assert.is(new Set(chosen.map(({ path }) => path)).size, new Set(models.map(({ path }) => path)).size);
    });
  } else
    for (const path of new Set(models.map((each) => each.path))) {
      const own = models.filter((each) => each.path === path);
      for (let first = 0; first < own.length; first += AT_ONCE) {
        const chosen = own.slice(first, first + AT_ONCE);
        accepts(`${chosen.map(({ name }) => name).join(", ")} of ${path}`, chosen);
      }
    }
});
