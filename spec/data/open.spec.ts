/** Parts of a data set by their file names, and the real sets where they are present. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { type Dataset, image, takeFirst } from "../../tools/data/dataset.ts";
import { holdOut, openData } from "../../tools/data/open.ts";
import { suite } from "../harness.ts";
import { failsWith, idxFile, inFolder, put, ramp } from "./temporary.ts";

const GREY = { shape: [1, 2, 2], classes: 3 } as const;
const COLOUR = { shape: [3, 32, 32], classes: 10 } as const;
const BOTH = ["train", "test"] as const;

const putIdx = (folder: string, part: string, labels: readonly number[], side = 2): void => {
  put(folder, `${part}-images-idx3-ubyte`, idxFile(2051, [labels.length, side, side], ramp(labels.length * side * side)));
  put(folder, `${part}-labels-idx1-ubyte`, idxFile(2049, [labels.length], labels));
};

suite("data/open", (test) => {
  for (const name of ["t10k", "test", "t10k-first5000"]) {
    test(`IDX folder with ${name}`, () =>
      inFolder((folder) => {
        putIdx(folder, "train", [0, 1, 2]);
        putIdx(folder, name, [2]);
        const { train, test: held, notices } = openData({ data: folder }, GREY, BOTH);
        assert.equal([train?.count, held?.count], [3, 1]);
        assert.equal([...(held?.labels ?? [])], [2]);
        assert.equal(notices, []);
      }));
  }
  test("only the wanted part is opened", () =>
    inFolder((folder) => {
      putIdx(folder, "t10k", [1]);
      const { train, test: held } = openData({ data: folder }, GREY, ["test"]);
      assert.is(train, undefined);
      assert.is(held?.count, 1);
    }));
  test("--train-data and --test-data", () =>
    inFolder((folder) => {
      putIdx(folder, "some", [0, 1]);
      putIdx(folder, "other", [2]);
      const trainData = join(folder, "some-images-idx3-ubyte");
      const testData = join(folder, "other-images-idx3-ubyte");
      const { train, test: held } = openData({ trainData, testData }, GREY, BOTH);
      assert.equal([train?.count, held?.count], [2, 1]);
    }));
  test("CIFAR batches with class names", () =>
    inFolder((folder) => {
      const record = [3, ...ramp(3072)];
      put(folder, "data_batch_1.bin", Uint8Array.from([...record, ...record]));
      put(folder, "data_batch_2.bin", Uint8Array.from(record));
      put(folder, "test_batch.bin", Uint8Array.from(record));
      put(folder, "batches.meta.txt", "airplane\nautomobile\n\n");
      const { train, test: held } = openData({ data: folder }, COLOUR, BOTH);
      assert.equal([train?.count, held?.count], [3, 1]);
      assert.equal(train?.classNames, ["airplane", "automobile"]);
    }));
  test("CSV: named parts; names of classes are shared", () =>
    inFolder((folder) => {
      put(folder, "train.csv", "1,2,3,4,b\n1,2,3,4,a\n1,2,3,4,c\n");
      put(folder, "test.csv", "5,6,7,8,c\n");
      const { train, test: held } = openData({ data: folder }, GREY, BOTH);
      assert.equal([...(train?.labels ?? [])], [1, 0, 2]);
      assert.equal([...(held?.labels ?? [])], [2]);
    }));
  test("CSV without a test part: a hold-out that is announced, fixed and disjoint", () =>
    inFolder((folder) => {
      const path = put(
        folder,
        "digits.csv",
        ramp(50)
          .map((i) => `${i},0,0,0,${i % 3}`)
          .join("\n"),
      );
      const first = openData({ data: path }, GREY, BOTH);
      assert.equal([first.train?.count, first.test?.count], [45, 5]);
      assert.match(first.notices[0] ?? "", /held out 5 of 50 rows/);
      const ids = (set: Dataset | undefined): number[] => ramp(set?.count ?? 0).map((i) => (set === undefined ? -1 : (image(set, i)[0] ?? -1)));
      const all = [...ids(first.train), ...ids(first.test)].sort((a, b) => a - b);
      assert.equal(all, ramp(50));
      assert.equal(
        ids(first.train).map((id) => id % 3),
        [...(first.train?.labels ?? [])],
      );
      assert.equal(ids(openData({ data: folder }, GREY, ["test"]).test), ids(first.test));
    }));
  test("missing parts and unknown folders", () =>
    inFolder((folder) => {
      failsWith(() => openData({ data: folder }, GREY, BOTH), "RN808", folder, "empty");
      putIdx(folder, "train", [0]);
      failsWith(() => openData({ data: folder }, GREY, BOTH), "RN808", folder, "no test part", "t10k-images", "--test-data");
      failsWith(() => openData({}, GREY, ["test"]), "RN808", "--data PATH", "--test-data");
      failsWith(() => openData({ data: join(folder, "none") }, GREY, BOTH), "RN801", "none");
      put(folder, "test-images-idx3-ubyte", idxFile(2051, [1, 2, 2], ramp(4)));
      failsWith(() => openData({ data: folder }, GREY, BOTH), "RN808", "labels are missing", "test-labels-idx1-ubyte");
    }));
  test("several tables without telling names", () =>
    inFolder((folder) => {
      put(folder, "a.csv", "1,2,3,4,0\n");
      put(folder, "b.csv", "1,2,3,4,0\n");
      failsWith(() => openData({ data: folder }, GREY, BOTH), "RN808", "a.csv, b.csv", "--train-data");
    }));
  test("an image size that the model does not take", () =>
    inFolder((folder) => {
      putIdx(folder, "train", [0], 3);
      putIdx(folder, "t10k", [0], 3);
      failsWith(() => openData({ data: folder }, GREY, BOTH), "RN806", "1×3×3", "1×2×2");
      assert.is(openData({ data: folder }, { shape: [1, "H", "W"], classes: 3 }, BOTH).train?.count, 1);
    }));
  test("a label out of the model's range", () =>
    inFolder((folder) => {
      putIdx(folder, "train", [0, 1, 5]);
      putIdx(folder, "t10k", [0]);
      failsWith(() => openData({ data: folder }, GREY, BOTH), "RN805", "train-labels", "record 2", "label 5", "0 to 2");
    }));
});

suite("data/views", (test) => {
  const set = (count: number): Dataset => ({
    name: "numbers",
    count,
    shape: [1, 1, 1],
    labels: Int32Array.from({ length: count }, (_, i) => i),
    classes: count,
    read: (index, target, offset) => void (target[offset] = index * 10),
  });
  test("takeFirst", () => {
    const first = takeFirst(set(5), 2);
    assert.equal([first.count, ...first.labels], [2, 0, 1]);
    assert.is(takeFirst(set(5), 9).count, 5);
  });
  test("holdOut keeps images with their labels", () => {
    const { train, test: held } = holdOut(set(20));
    for (const part of [train, held]) {
      for (let i = 0; i < part.count; i++) assert.is(image(part, i)[0], 10 * (part.labels[i] ?? -1));
    }
    failsWith(() => holdOut(set(1)), "RN808", "one row");
  });
});

const data = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data");

/** Numbers read from the files with Python's gzip, struct and csv. */
suite("data/real", (test) => {
  const present = (name: string): boolean => existsSync(join(data, name));
  const bytes = (set: Dataset | undefined, index: number): number[] =>
    set === undefined ? [] : Array.from(image(set, index), (value) => Math.round(value * 255));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  if (present("fashion-mnist")) {
    test("Fashion-MNIST", () => {
      const { train, test: held } = openData({ data: join(data, "fashion-mnist") }, { shape: [1, "H", "W"], classes: 10 }, BOTH);
      assert.equal([train?.count, held?.count], [60000, 5000]);
      assert.equal([...(train?.labels.slice(0, 10) ?? [])], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
      assert.equal([...(held?.labels.slice(0, 10) ?? [])], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
      assert.is(sum(bytes(train, 2)), 28662);
      assert.equal(bytes(train, 2).slice(288, 296), [0, 97, 87, 87, 85, 88, 87, 87]);
      assert.is(sum(bytes(train, 59999)), 16684);
      assert.is(sum(bytes(held, 0)), 33456);
    });
  } else test.skip("Fashion-MNIST", "the data set is not beside the project");
  if (present("cifar-10")) {
    test("CIFAR-10", () => {
      const { train, test: held } = openData({ data: join(data, "cifar-10") }, COLOUR, BOTH);
      assert.equal([train?.count, held?.count], [10000, 2000]);
      assert.equal([...(train?.labels.slice(0, 6) ?? [])], [9, 3, 4, 3, 5, 8]);
      assert.equal([...(held?.labels.slice(0, 6) ?? [])], [1, 2, 6, 2, 4, 8]);
      const planes = [0, 1, 2].map((channel) => sum(bytes(train, 0).slice(channel * 1024, (channel + 1) * 1024)));
      assert.equal(planes, [218256, 212861, 207674]);
      assert.equal(bytes(train, 5).slice(0, 4), [161, 154, 146, 142]);
      assert.is(train?.classNames?.[9], "truck");
    });
  } else test.skip("CIFAR-10", "the data set is not beside the project");
  if (present("digits")) {
    test("UCI digits", () => {
      const { train, test: held } = openData({ data: join(data, "digits") }, { shape: [1, 8, 8], classes: 10 }, BOTH);
      assert.is((train?.count ?? 0) + (held?.count ?? 0), 3823);
      assert.is(held?.count, 382);
      const all = openData({ trainData: join(data, "digits/digits-train.csv.gz") }, { shape: [1, "H", "W"], classes: 10 }, ["train"]).train;
      assert.equal(all?.shape, [1, 8, 8]);
      assert.is(sum(Array.from(all === undefined ? [] : image(all, 0))), 303);
      assert.equal(Array.from(all === undefined ? [] : image(all, 1)).slice(0, 16), [0, 0, 10, 16, 6, 0, 0, 0, 0, 7, 16, 8, 16, 5, 0, 0]);
    });
  } else test.skip("UCI digits", "the data set is not beside the project");
});
