/** Order, augmentation and normalisation of batches: functions of seed, epoch and sample alone; atomic writes. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { augmentImage, makeBatch } from "../../tools/data/batches.ts";
import { drawsOf, permutation, STREAM } from "../../tools/data/counter-random.ts";
import type { Dataset } from "../../tools/data/dataset.ts";
import { writeFileAtomic } from "../../tools/data/write.ts";
import { suite } from "../harness.ts";
import { failsWith, inFolder, ramp } from "./temporary.ts";

const CROP = [{ kind: "crop", padding: 2 }] as const;
const FLIP = [{ kind: "flip" }] as const;

/** Image i has the pixels 10 i, 10 i + 1, … and the label i. */
const numbers: Dataset = {
  name: "numbers",
  count: 6,
  shape: [1, 2, 3],
  labels: Int32Array.of(0, 1, 2, 3, 4, 5),
  classes: 6,
  read: (index, target, offset) => target.set(ramp(6, 10 * index), offset),
};

suite("data/order", (test) => {
  test("a permutation has each number once", () => {
    assert.equal(
      [...permutation(1000, 3, 5)].sort((a, b) => a - b),
      Array.from({ length: 1000 }, (_, i) => i),
    );
    assert.equal([...permutation(1, 0, 0)], [0]);
    assert.equal([...permutation(0, 0, 0)], []);
  });
  test("it depends on seed and epoch, and on nothing else", () => {
    const text = (seed: number, epoch: number): string => permutation(50, seed, epoch).join();
    assert.is(text(1, 2), text(1, 2));
    assert.is(new Set([text(1, 2), text(1, 3), text(2, 2), text(2, 1)]).size, 4);
  });
  test("all orders of four are about equally frequent", () => {
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 2400; epoch++) {
      const key = permutation(4, 9, epoch).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.is(counts.size, 24);
    // 100 expected each, standard deviation 9.8.
    for (const count of counts.values()) assert.ok(count > 50 && count < 150, String(count));
  });
  test("draws: uniform and normal moments", () => {
    const draws = drawsOf(7, STREAM.augmentation, 0, 0);
    const uniform = Array.from({ length: 20000 }, () => draws.uniform(0, 1));
    const normal = Array.from({ length: 20000 }, () => draws.normal());
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(Math.abs(mean(uniform) - 0.5) < 0.01);
    assert.ok(Math.abs(mean(uniform.map((value) => (value - 0.5) ** 2)) - 1 / 12) < 0.003);
    assert.ok(Math.abs(mean(normal)) < 0.03);
    assert.ok(Math.abs(mean(normal.map((value) => value * value)) - 1) < 0.05);
  });
});

suite("data/batches", (test) => {
  test("images and labels in the order asked", () => {
    const batch = makeBatch(numbers, Int32Array.of(5, 0, 3), 1, 3, {});
    assert.equal(batch.shape, [2, 1, 2, 3]);
    assert.equal([...batch.labels], [0, 3]);
    assert.equal([...batch.images], [...ramp(6), ...ramp(6, 30)]);
  });
  test("normalisation", () => {
    const batch = makeBatch(numbers, undefined, 1, 2, { normalize: { mean: [10], std: [5] } });
    assert.equal(
      [...batch.images],
      ramp(6).map((value) => Math.fround(value / 5)),
    );
  });
  test("augmented samples are the same in any batch of the epoch", () => {
    const augment = { steps: [...CROP, ...FLIP], seed: 4, epoch: 2 };
    const whole = makeBatch(numbers, undefined, 0, 6, { augment }).images;
    const alone = makeBatch(numbers, Int32Array.of(4), 0, 1, { augment }).images;
    assert.equal([...alone], [...whole.slice(24, 30)]);
    const other = makeBatch(numbers, undefined, 0, 6, { augment: { ...augment, epoch: 3 } }).images;
    assert.not.equal([...other], [...whole]);
  });
  test("a crop is a shift by at most the padding, with zeros from outside; all shifts occur", () => {
    const pixels = Float32Array.from(ramp(12, 1));
    const shifts = new Set<string>();
    for (let sample = 0; sample < 400; sample++) {
      const moved = augmentImage(pixels, [1, 3, 4], CROP, 0, 0, sample);
      const fits: string[] = [];
      for (let down = -2; down <= 2; down++) {
        for (let right = -2; right <= 2; right++) {
          const expected = Array.from({ length: 12 }, (_, i) => {
            const [y, x] = [Math.floor(i / 4) + down, (i % 4) + right];
            return y < 0 || y > 2 || x < 0 || x > 3 ? 0 : (pixels[y * 4 + x] ?? 0);
          });
          if (expected.every((value, i) => value === moved[i])) fits.push(`${down},${right}`);
        }
      }
      assert.is(fits.length, 1);
      shifts.add(fits[0] ?? "");
    }
    assert.is(shifts.size, 25);
  });
  test("a flip mirrors each row, about half of the time, and never or always where told", () => {
    const pixels = Float32Array.from(ramp(4, 1));
    const flipped = (steps: readonly { kind: string; p?: number }[], sample: number): boolean => {
      const [first] = augmentImage(pixels, [1, 2, 2], steps as never, 1, 0, sample);
      return first === 2;
    };
    const count = ramp(200).filter((sample) => flipped(FLIP, sample)).length;
    assert.ok(count > 70 && count < 130, String(count));
    assert.ok(ramp(50).every((sample) => flipped([{ kind: "flip", p: 1 }], sample)));
    assert.not.ok(ramp(50).some((sample) => flipped([{ kind: "flip", p: 0 }], sample)));
    assert.equal([...augmentImage(pixels, [1, 2, 2], [{ kind: "flip", p: 1 }], 1, 0, 0)], [2, 1, 4, 3]);
  });
  test("an unknown augmentation", () =>
    failsWith(() => augmentImage(new Float32Array(1), [1, 1, 1], [{ kind: "mixup" }], 0, 0, 0), "RN803", "mixup"));
});

suite("data/write", (test) => {
  test("makes folders, replaces the file, leaves nothing beside it", () =>
    inFolder((folder) => {
      const path = join(folder, "a/b/c.txt");
      writeFileAtomic(path, "one");
      writeFileAtomic(path, Uint8Array.of(50));
      assert.is(readFileSync(path, "utf8"), "2");
      assert.equal(readdirSync(join(folder, "a/b")), ["c.txt"]);
    }));
  test("a write that fails leaves the old file and says why", () =>
    inFolder((folder) => {
      const path = join(folder, "c.txt");
      mkdirSync(path);
      failsWith(() => writeFileAtomic(path, "new"), "RN811", "c.txt", "cannot be written");
      assert.equal(readdirSync(folder), ["c.txt"]);
      writeFileAtomic(join(folder, "file"), "x");
      failsWith(() => writeFileAtomic(join(folder, "file/inner"), "x"), "RN811", "inner");
      assert.ok(existsSync(join(folder, "file")));
    }));
});
