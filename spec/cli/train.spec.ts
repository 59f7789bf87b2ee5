/** `resnet train` and `resnet eval` on a small softmax regression: files, resuming, interrupts, broken losses. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readSafetensors } from "../../runtime/safetensors.ts";
import { scoreLogits } from "../../tools/cli/classification.ts";
import { bestEpoch, type EpochMetrics } from "../../tools/cli/metrics.ts";
import { drawsOf, STREAM } from "../../tools/data/counter-random.ts";
import { idxFile, inFolder, put } from "../data/temporary.ts";
import { suite } from "../harness.ts";
import { call } from "./call.ts";
import { fakeApi } from "./fake-network.ts";

const TRAIN = 60;
const TEST = 20;

/** Images of 2×2 whose brightest pixel tells the class, with noise. */
function putData(folder: string): string {
  const part = (name: string, count: number, seed: number): void => {
    const draws = drawsOf(seed, STREAM.augmentation, 0, 0);
    const labels = Array.from({ length: count }, () => draws.below(3));
    const pixels = labels.flatMap((label) => [0, 1, 2, 3].map((pixel) => (pixel === label ? 180 : 60) + draws.below(75)));
    put(folder, `${name}-images-idx3-ubyte`, idxFile(2051, [count, 2, 2], pixels));
    put(folder, `${name}-labels-idx1-ubyte`, idxFile(2049, [count], labels));
  };
  part("train", TRAIN, 1);
  part("t10k", TEST, 2);
  return folder;
}

const metricsOf = (out: string): EpochMetrics[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const bytesOf = (...path: string[]): number[] => [...readFileSync(join(...path))];

suite("cli/train", (test) => {
  test("--profile says at the end where the time went", () =>
    inFolder(async (folder) => {
      const args = ["train", "a.resnet", "--data", putData(folder), "--out", join(folder, "run"), "--epochs", "1"];
      const { exitCode, err } = await call(fakeApi(), ...args, "--profile");
      assert.is(exitCode, 0, err);
      assert.match(err, /program +kernel +calls +ms +share +GFLOP\/s +GB\/s +nodes\nstep +fc_1 +8 +16\.00 +100\.0 % +3\.0 +4\.0 +fc\n/);
      assert.match(err, /program +calls +ms +ms a call +in kernels\nstep +8 +32\.00 +4\.00 +50\.0 %/);
      assert.not.match((await call(fakeApi(), ...args)).err, /share/);
    }));
  test("writes metrics, picture and checkpoints, and learns", () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      const { exitCode, out: text, err } = await call(fakeApi(), "train", "a.resnet", "--data", putData(folder), "--out", out);
      assert.is(exitCode, 0, err);
      const metrics = metricsOf(out);
      const names = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second"];
      assert.equal(
        metrics.map((each) => each.epoch),
        [1, 2, 3],
      );
      for (const each of metrics) assert.equal(Object.keys(each), names);
      assert.ok((metrics[2]?.loss ?? 9) < (metrics[0]?.loss ?? 0));
      assert.ok((metrics[2]?.val_accuracy ?? 0) > 0.9, text);
      assert.match(text, /epoch 3\/3 {2}loss \d\.\d{4} {2}accuracy [\d.]+ %/);
      const svg = readFileSync(join(out, "loss.svg"), "utf8");
      assert.match(svg, /^<svg [^]*<\/svg>\n$/);
      for (const name of ["last.safetensors", "best.safetensors"]) {
        assert.equal(readSafetensors(readFileSync(join(out, name))).tensors["weight"]?.shape, [3, 4]);
      }
      assert.is(readSafetensors(readFileSync(join(out, "last.safetensors"))).metadata["step"], String(3 * Math.ceil(TRAIN / 8)));
      const again = join(folder, "again");
      await call(fakeApi(), "train", "a.resnet", "--data", folder, "--out", again);
      assert.equal(bytesOf(again, "last.safetensors"), bytesOf(out, "last.safetensors"));
      const other = join(folder, "other");
      await call(fakeApi(), "train", "a.resnet", "--data", folder, "--out", other, "--seed", "1");
      assert.not.equal(bytesOf(other, "last.safetensors"), bytesOf(out, "last.safetensors"));
    }));
  test("interrupted at any step and resumed: the same bytes as in one go", () =>
    inFolder(async (folder) => {
      const args = ["train", "a.resnet", "--data", putData(folder), "--out"];
      const whole = join(folder, "whole");
      await call(fakeApi(), ...args, whole);
      for (const at of [1, 5, 8, 13]) {
        const out = join(folder, `cut${at}`);
        const stop = fakeApi({ onStep: (step) => void (step === at && process.emit("SIGINT")) });
        const cut = await call(stop, ...args, out);
        assert.is(cut.exitCode, 130);
        assert.match(cut.err, "--resume");
        assert.is(readSafetensors(readFileSync(join(out, "last.safetensors"))).metadata["step"], String(at));
        const resumed = await call(fakeApi(), ...args, out, "--resume");
        assert.is(resumed.exitCode, 0, resumed.err);
        for (const name of ["last.safetensors", "best.safetensors"]) assert.equal(bytesOf(out, name), bytesOf(whole, name), `${name}, cut at ${at}`);
        const bare = (metrics: EpochMetrics[]) =>
          metrics.map(({ epoch, loss, accuracy, val_loss, val_accuracy }) => [epoch, loss, accuracy, val_loss, val_accuracy]);
        assert.equal(bare(metricsOf(out)), bare(metricsOf(whole)));
      }
    }));
  test("more epochs later: the resumed run keeps its seed and batch, and refuses others", () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      const args = ["train", "a.resnet", "--data", putData(folder), "--out", out];
      await call(fakeApi(), ...args, "--epochs", "1", "--seed", "7", "--batch", "10");
      const done = await call(fakeApi(), ...args, "--epochs", "1", "--resume");
      assert.equal([done.exitCode, done.out], [0, ""]);
      assert.match(done.err, "1 epochs already");
      const more = await call(fakeApi(), ...args, "--epochs", "2", "--resume");
      assert.is(more.exitCode, 0);
      assert.match(more.err, "batch 10, 2 epochs, seed 7");
      assert.is(metricsOf(out).length, 2);
      for (const [option, value, was] of [
        ["--seed", "8", "7"],
        ["--batch", "4", "10"],
        ["--limit", "30", "60"],
      ] as const) {
        const refused = await call(fakeApi(), ...args, "--resume", option, value);
        assert.is(refused.exitCode, 2);
        assert.match(refused.err, `give ${option} ${was}`);
      }
    }));
  test("nothing to resume; a pair of checkpoints that does not belong together", () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      const args = ["train", "a.resnet", "--data", putData(folder), "--out", out];
      const none = await call(fakeApi(), ...args, "--resume");
      assert.is(none.exitCode, 2);
      assert.match(none.err, "has no checkpoint");
      await call(fakeApi(), ...args, "--epochs", "1");
      const old = readFileSync(join(out, "last.safetensors"));
      await call(fakeApi(), ...args, "--epochs", "2");
      put(out, "last.safetensors", old);
      const torn = await call(fakeApi(), ...args, "--resume");
      assert.is(torn.exitCode, 2);
      assert.match(torn.err, /holds step 8, but .* step 16/);
    }));
  test("a loss that is no number stops with the last good epoch kept", () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      const { exitCode, err } = await call(fakeApi({ brokenStep: 12 }), "train", "a.resnet", "--data", putData(folder), "--out", out);
      assert.is(exitCode, 1);
      assert.match(err, /\[RN742\] the loss is NaN at step 12/);
      assert.match(err, "still holds the last good state");
      assert.is(readSafetensors(readFileSync(join(out, "last.safetensors"))).metadata["step"], "8");
      assert.is(metricsOf(out).length, 1);
    }));
  test("--limit, --limit-test, --schedule, --lr", () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      const steps: number[] = [];
      const api = fakeApi({ onStep: (step) => void steps.push(step) });
      const options = ["--limit", "20", "--limit-test", "5", "--epochs", "2", "--batch", "6", "--schedule", "constant", "--lr", "0.1"];
      const { exitCode, err } = await call(api, "train", "a.resnet", "--data", putData(folder), "--out", out, ...options);
      assert.is(exitCode, 0, err);
      assert.is(steps.length, 2 * 4);
      assert.match(err, "20 training and 5 held-out images of 1×2×2");
      assert.ok(metricsOf(out).every((each) => Number.isInteger(Math.round(each.val_accuracy * 5 * 1e6) / 1e6)));
    }));
  test("free sizes come from the data; data that do not fit write nothing", () =>
    inFolder(async (folder) => {
      const free = fakeApi({ free: true });
      const out = join(folder, "run");
      const { exitCode, err } = await call(free, "train", "a.resnet", "--data", putData(folder), "--out", out, "--epochs", "1");
      assert.is(exitCode, 0, err);
      assert.equal(free.calls[1]?.dims, { H: 2, W: 2 });
      put(
        folder,
        "train-labels-idx1-ubyte",
        idxFile(
          2049,
          [TRAIN],
          Array.from({ length: TRAIN }, (_, i) => (i === 9 ? 3 : 0)),
        ),
      );
      const bad = await call(fakeApi(), "train", "a.resnet", "--data", folder, "--out", join(folder, "bad"));
      assert.equal([bad.exitCode, bad.out], [2, ""]);
      assert.match(bad.err, "record 9 has label 3; expected 0 to 2");
      assert.not.ok(existsSync(join(folder, "bad")));
    }));
});

suite("cli/eval", (test) => {
  test("agrees with the last epoch of training; --json is the document alone", () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      await call(fakeApi(), "train", "a.resnet", "--data", putData(folder), "--out", out);
      const args = ["eval", "a.resnet", "--weights", join(out, "last.safetensors"), "--data", folder];
      const { exitCode, out: text } = await call(fakeApi(), ...args, "--json", "--batch", "7");
      const report = JSON.parse(text);
      const last = metricsOf(out).at(-1);
      assert.equal([exitCode, report.count, report.accuracy], [0, TEST, last?.val_accuracy]);
      assert.ok(Math.abs(report.loss - (last?.val_loss ?? 0)) < 1e-9);
      assert.match((await call(fakeApi(), ...args)).out, /^accuracy [\d.]+ % \(\d+ of 20\) {2}loss \d\.\d{4}/);
    }));
  test("scores of hand-computed logits", () => {
    const logits = { dtype: "f32", shape: [2, 2], data: Float32Array.of(0, 0, 3, 1000) } as const;
    const { loss, correct } = scoreLogits(logits, Int32Array.of(1, 1));
    assert.is(correct, 1);
    assert.ok(Math.abs(loss - Math.log(2)) < 1e-12);
    assert.ok(Math.abs(scoreLogits(logits, Int32Array.of(0, 0)).loss - (Math.log(2) + 997)) < 1e-9);
  });
  test("the best epoch is the first of the highest accuracy", () => {
    const epoch = (number: number, val_accuracy: number): EpochMetrics => ({
      epoch: number,
      loss: 1,
      accuracy: 0,
      val_loss: 1,
      val_accuracy,
      seconds: 1,
      images_per_second: 1,
    });
    assert.is(bestEpoch([epoch(1, 0.5), epoch(2, 0.9), epoch(3, 0.9)])?.epoch, 2);
    assert.is(bestEpoch([]), undefined);
  });
});
