/** `resnet train` of recipes that sweep: folders, resuming, choosing, what diverged, the comparison. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { compile, sweep } from "../../tools/api/index.ts";
import type { Api } from "../../tools/cli/api.ts";
import { idxFile, inFolder, put } from "../data/temporary.ts";
import { suite } from "../harness.ts";
import { call } from "./call.ts";
import { fakeApi } from "./fake-network.ts";

const SOURCE = `edition 2026
model Net(width: dim = 4) {
  in  image: f32[N, 1, 2, 2]
  out logits: f32[N, 3]
  image -> flatten -> hidden: linear(width) -> relu -> join sum: add -> fc: linear(3) -> logits
  skip hidden -> sum
}
variant Cut of Net { cut skip sum }
train Net as rates {
  optimizer sgd(lr: lr, momentum: 0.9)
  batch     8
  epochs    2
  sweep lr in [0.1, 1e30]
  sweep width in [4, 2]
}
train Net as cuts { epochs 1; sweep model in [Net, Cut, Net(width: 2)] }
train Net as plain { epochs 1 }
`;

/** Images of 2×2 whose brightest pixel tells the class. */
function putFiles(folder: string): string {
  for (const [name, count] of [
    ["train", 48],
    ["t10k", 12],
  ] as const) {
    const labels = Array.from({ length: count }, (_, i) => (i * 7) % 3);
    const pixels = labels.flatMap((label, i) => [0, 1, 2, 3].map((pixel) => (pixel === label ? 180 : 60) + ((i * 31 + pixel * 17) % 70)));
    put(folder, `${name}-images-idx3-ubyte`, idxFile(2051, [count, 2, 2], pixels));
    put(folder, `${name}-labels-idx1-ubyte`, idxFile(2049, [count], labels));
  }
  put(folder, "net.resnet", SOURCE);
  return join(folder, "net.resnet");
}

/** The real compiler on the CPU, without looking for other devices. */
const api = (): Api => ({ ...fakeApi(), compile, sweep });

const trains = (folder: string, ...more: readonly string[]) =>
  call(api(), "train", join(folder, "net.resnet"), "--data", folder, "--out", join(folder, "runs"), "--device", "wasm", ...more);

const bytesOf = (...path: string[]): string => readFileSync(join(...path)).toString("base64");
const reportOf = (folder: string) => JSON.parse(readFileSync(join(folder, "runs", "sweep.json"), "utf8"));
const foldersIn = (folder: string): string[] => reportOf(folder).results.map((result: { folder: string }) => result.folder);

suite("cli/sweep", (test) => {
  test("every point is trained as it would be alone, and what diverged is a result", () =>
    inFolder(async (folder) => {
      putFiles(folder);
      const { exitCode, out, err } = await trains(folder, "--recipe", "rates");
      assert.is(exitCode, 0, err);
      assert.match(err, /^4 runs \(lr 2 × width 2\), in /);
      for (const name of ["last.safetensors", "last.optimizer.safetensors", "best.safetensors", "metrics.jsonl", "loss.svg"])
        assert.ok(existsSync(join(folder, "runs", "lr=0.1,width=2", name)), name);
      const alone = await call(
        api(),
        ...["train", join(folder, "net.resnet"), "--data", folder, "--out", join(folder, "alone"), "--device", "wasm"],
        ...["--recipe", "plain", "--set", "width=2", "--optimizer", "sgd(lr: 0.1, momentum: 0.9)", "--batch", "8", "--epochs", "2"],
      );
      assert.is(alone.exitCode, 0, alone.err);
      assert.is(bytesOf(folder, "runs", "lr=0.1,width=2", "last.safetensors"), bytesOf(folder, "alone", "last.safetensors"));
      const report = reportOf(folder);
      assert.equal([report.recipe, report.finished, report.results.length], ["rates", true, 4]);
      assert.equal(
        report.swept.map((each: { name: string; values: unknown }) => [each.name, each.values]),
        [
          ["lr", [0.1, 1e30]],
          ["width", [4, 2]],
        ],
      );
      const [first, second, third, fourth] = report.points;
      assert.ok(first.val_accuracy.mean >= second.val_accuracy.mean);
      assert.equal([third.failed, fourth.failed, third.val_accuracy], [1, 1, null]);
      const small = report.results.find((each: { folder: string }) => each.folder === "lr=0.1,width=2");
      // 4 × 2 + 2 of the hidden layer, 2 × 3 + 3 of the last.
      assert.equal([small.parameters, small.macs, small.epochs, small.set], [19, 14, 2, { lr: 0.1, width: 2 }]);
      const metrics = readFileSync(join(folder, "runs", "lr=0.1,width=2", "metrics.jsonl"), "utf8")
        .trimEnd()
        .split("\n");
      assert.is(JSON.parse(metrics.at(-1) ?? "").val_loss, small.val_loss);
      assert.match(err, /\npoint +parameters +MACs +loss +val_loss +val_accuracy +seconds\nlr=0\.1,width=\d /);
      assert.match(err, /lr=1e\+30,width=4 .* diverged/);
      assert.match(out, /\nbest val_accuracy [\d.]+ % with lr=0\.1,width=\d: .*last\.safetensors$/);
      assert.match(err, /to use it: resnet eval .* --recipe rates --set lr=0\.1,width=\d --weights /);
    }));

  test("interrupted and resumed: the same bytes, nothing trained twice", () =>
    inFolder(async (folder) => {
      putFiles(folder);
      const whole = await trains(folder, "--recipe", "cuts");
      assert.is(whole.exitCode, 0, whole.err);
      const points = ["model=Net", "model=Cut", "model=Net(width_2)"];
      assert.equal(foldersIn(folder), points);
      const before = points.map((point) => bytesOf(folder, "runs", point, "last.safetensors"));
      assert.equal(new Set(before).size, 3);
      rmSync(join(folder, "runs"), { recursive: true });
      const stopping: Api = {
        ...api(),
        compile: async (options) => {
          const program = await compile(options);
          const load: typeof program.load = async (loadOptions) => {
            const network = await program.load(loadOptions);
            const step: typeof network.step = (...args) => {
              if (options.set?.["model"] === "Cut") process.emit("SIGINT");
              return network.step(...args);
            };
            return new Proxy(network, { get: (target, name) => (name === "step" ? step : bound(target, name)) });
          };
          return new Proxy(program, { get: (target, name) => (name === "load" ? load : bound(target, name)) });
        },
      };
      const args = ["train", join(folder, "net.resnet"), "--data", folder, "--out", join(folder, "runs"), "--device", "wasm", "--recipe", "cuts"];
      const cut = await call(stopping, ...args, "--batch", "8");
      assert.is(cut.exitCode, 130, cut.err);
      assert.match(cut.err, "stopped with 1 of 3 runs finished");
      assert.equal([reportOf(folder).finished, foldersIn(folder)], [false, ["model=Net"]]);
      assert.not.ok(existsSync(join(folder, "runs", points[2] ?? "")));
      const resumed = await trains(folder, "--recipe", "cuts", "--batch", "8", "--resume");
      assert.is(resumed.exitCode, 0, resumed.err);
      assert.match(
        resumed.err,
        /\[1\/3\] model=Net\nfinished before\n\[2\/3\] model=Cut, under a minute left\n.*\nresuming in epoch 1 after 1 batches/,
      );
      assert.equal(foldersIn(folder), points);
      rmSync(join(folder, "runs", "model=Cut"), { recursive: true });
      const again = bytesOf(folder, "runs", "model=Net(width_2)", "last.safetensors");
      await trains(folder, "--recipe", "cuts", "--batch", "8", "--resume");
      assert.is(bytesOf(folder, "runs", "model=Net(width_2)", "last.safetensors"), again);
    }));

  test("--set and --model choose, results of other points stay; --seeds repeats", () =>
    inFolder(async (folder) => {
      putFiles(folder);
      const seeds = await trains(folder, "--recipe", "cuts", "--model", "Cut", "--seeds", "2", "--seed", "5");
      assert.is(seeds.exitCode, 0, seeds.err);
      assert.equal(foldersIn(folder), ["model=Cut,seed=5", "model=Cut,seed=6"]);
      const [point] = reportOf(folder).points;
      const [one, two] = reportOf(folder).results.map((result: { val_loss: number }) => result.val_loss);
      assert.equal([point.runs, point.val_loss.mean], [2, (one + two) / 2]);
      assert.ok(Math.abs(point.val_loss.deviation - Math.abs(one - two) / Math.SQRT2) < 1e-12);
      assert.match(seeds.err, /model=Cut +2 .* ± /);
      const chosen = await trains(folder, "--recipe", "cuts", "--set", "model=Net(width: 2)");
      assert.is(chosen.exitCode, 0, chosen.err);
      assert.equal(foldersIn(folder), ["model=Cut,seed=5", "model=Cut,seed=6", "model=Net(width_2)"]);
      const plain = await trains(folder, "--recipe", "plain", "--seeds", "2");
      assert.is(plain.exitCode, 0, plain.err);
      assert.equal(foldersIn(folder), ["seed=0", "seed=1"]);
    }));

  test("an option in place of what is swept, and a sweep with a mistake, train nothing", () =>
    inFolder(async (folder) => {
      const file = putFiles(folder);
      for (const [option, value] of [
        ["--lr", "0.1"],
        ["--optimizer", "adam"],
      ] as const) {
        const refused = await trains(folder, "--recipe", "rates", option, value);
        assert.is(refused.exitCode, 2);
        assert.match(refused.err, `${option} would take the place of what the recipe sweeps, so that every value of lr`);
      }
      const outside = await trains(folder, "--recipe", "rates", "--set", "width=0");
      assert.is(outside.exitCode, 1);
      assert.match(outside.err, /error\[RN301\]: `Net`: argument `width` must be a dim/);
      const classes = SOURCE.replace("(width: dim = 4)", "(width: dim = 4, classes: dim = 3)").replace("f32[N, 3]", "f32[N, classes]");
      put(folder, "net.resnet", classes.replace("linear(3)", "linear(classes)").replace("width in [4, 2]", "classes in [3, 2]"));
      const few = await trains(folder, "--recipe", "rates");
      assert.is(few.exitCode, 2);
      assert.match(few.err, /lr=0\.1,classes=2:\nerror: \[RN805\] .* label 2; expected 0 to 1/);
      assert.not.ok(existsSync(join(folder, "runs")), file);
      put(folder, "net.resnet", SOURCE.replace("[4, 2]", "[4, 0]"));
      const wrong = await trains(folder, "--recipe", "rates");
      assert.is(wrong.exitCode, 1);
      assert.match(wrong.err, /error\[RN301\]: `Net`: argument `width` must be a dim/);
      assert.not.ok(existsSync(join(folder, "runs")), file);
    }));
});

/** Methods keep their object; `Proxy` would give them the proxy. */
function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name);
  return typeof value === "function" ? value.bind(target) : value;
}
