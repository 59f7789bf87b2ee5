/** IDX, CIFAR and CSV readers on tiny files made here; the byte layouts are written out from the formats' descriptions. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as assert from "uvu/assert";
import { readCifar } from "../../tools/data/cifar.ts";
import { readCsv } from "../../tools/data/csv.ts";
import { image } from "../../tools/data/dataset.ts";
import { readIdx } from "../../tools/data/idx.ts";
import { suite } from "../harness.ts";
import { failsWith, idxFile, inFolder, put, ramp } from "./temporary.ts";

const IMAGES = 2051;
const LABELS = 2049;
const ANY = { shape: ["C", "H", "W"], classes: undefined } as const;

suite("data/idx", (test) => {
  const pair = (folder: string, images: Uint8Array, labels: Uint8Array): [string, string] => [
    put(folder, "train-images-idx3-ubyte", images),
    put(folder, "train-labels-idx1-ubyte", labels),
  ];
  test("two images of 2×3", () =>
    inFolder((folder) => {
      const set = readIdx(...pair(folder, idxFile(IMAGES, [2, 2, 3], [0, 51, 102, 153, 204, 255, 5, 4, 3, 2, 1, 0]), idxFile(LABELS, [2], [7, 3])));
      assert.is(set.count, 2);
      assert.equal(set.shape, [1, 2, 3]);
      assert.equal([...set.labels], [7, 3]);
      assert.is(set.classes, 8);
      assert.equal(image(set, 0), Float32Array.of(0, 0.2, 0.4, 0.6, 0.8, 1));
      assert.equal(image(set, 1)[2], Math.fround(3 / 255));
    }));
  test("gzipped files read the same", () =>
    inFolder((folder) => {
      const images = put(folder, "a.gz", gzipSync(idxFile(IMAGES, [1, 1, 2], [255, 0])));
      const labels = put(folder, "b.gz", gzipSync(idxFile(LABELS, [1], [1])));
      assert.equal(image(readIdx(images, labels), 0), Float32Array.of(1, 0));
    }));
  test("colour images of rank 4", () =>
    inFolder((folder) => {
      const set = readIdx(...pair(folder, idxFile(2052, [1, 3, 2, 2], ramp(12)), idxFile(LABELS, [1], [0])));
      assert.equal(set.shape, [3, 2, 2]);
      assert.is(image(set, 0)[11], Math.fround(11 / 255));
    }));
  test("truncated images", () =>
    inFolder((folder) => {
      const files = pair(folder, idxFile(IMAGES, [2, 2, 2], ramp(7)), idxFile(LABELS, [2], [0, 1]));
      failsWith(() => readIdx(...files), "RN802", files[0], "truncated", "expected 24 bytes", "found 23", "2 images of 2×2");
    }));
  test("surplus bytes", () =>
    inFolder((folder) => {
      const files = pair(folder, idxFile(IMAGES, [1, 1, 1], ramp(3)), idxFile(LABELS, [1], [0]));
      failsWith(() => readIdx(...files), "RN802", "too long", "expected 17 bytes", "found 19");
    }));
  test("a header cut off", () =>
    inFolder((folder) => {
      const files = pair(folder, idxFile(IMAGES, [1], []), idxFile(LABELS, [1], [0]));
      failsWith(() => readIdx(...files), "RN802", "expected 16 bytes", "found 8");
      failsWith(() => readIdx(put(folder, "x", Uint8Array.of(0, 0)), files[1]), "RN802", "expected 4 bytes", "found 2");
    }));
  test("wrong magic number: the labels in place of the images", () =>
    inFolder((folder) => {
      const labels = put(folder, "labels", idxFile(LABELS, [1], [0]));
      failsWith(() => readIdx(labels, labels), "RN803", labels, "2049", "2051");
    }));
  test("counts differ", () =>
    inFolder((folder) => {
      const files = pair(folder, idxFile(IMAGES, [2, 1, 1], [1, 2]), idxFile(LABELS, [3], [0, 1, 2]));
      failsWith(() => readIdx(...files), "RN804", files[0], files[1], "2 images", "3 labels");
    }));
  test("empty", () =>
    inFolder((folder) => {
      const files = pair(folder, idxFile(IMAGES, [0, 28, 28], []), idxFile(LABELS, [0], []));
      failsWith(() => readIdx(...files), "RN809", files[0]);
    }));
  test("truncated gzip, and a .gz that is none", () =>
    inFolder((folder) => {
      const labels = put(folder, "labels", idxFile(LABELS, [1], [0]));
      const whole = gzipSync(idxFile(IMAGES, [1, 28, 28], ramp(784)));
      const cut = put(folder, "images.gz", whole.subarray(0, whole.length - 20));
      failsWith(() => readIdx(cut, labels), "RN802", cut, "truncated");
      const plain = put(folder, "plain.gz", idxFile(IMAGES, [1, 1, 1], [0]));
      failsWith(() => readIdx(plain, labels), "RN802", plain, "1f 8b");
    }));
  test("no such file", () => inFolder((folder) => failsWith(() => readIdx(join(folder, "none"), "x"), "RN801", "none", "no such file")));
});

suite("data/cifar", (test) => {
  const record = (label: number, from: number): number[] => [label, ...ramp(3072, from)];
  test("records of two files follow one another", () =>
    inFolder((folder) => {
      const first = put(folder, "data_batch_1.bin", Uint8Array.from([...record(4, 0), ...record(9, 1)]));
      const second = put(folder, "data_batch_2.bin.gz", gzipSync(Uint8Array.from(record(0, 2))));
      const set = readCifar("set", [first, second]);
      assert.is(set.count, 3);
      assert.equal(set.shape, [3, 32, 32]);
      assert.equal([...set.labels], [4, 9, 0]);
      assert.equal(
        [0, 1, 2].map((index) => image(set, index)[1]),
        [1, 2, 3].map((value) => Math.fround(value / 255)),
      );
      assert.is(image(set, 2)[3071], Math.fround(((3071 + 2) % 256) / 255));
    }));
  test("not a multiple of 3073", () =>
    inFolder((folder) => {
      const path = put(folder, "data_batch_1.bin", Uint8Array.from([...record(0, 0), 1, 2, 3]));
      failsWith(() => readCifar("set", [path]), "RN803", path, "3076 bytes", "3073", "record 1 has only 3 bytes");
    }));
  test("label out of range, in the second file", () =>
    inFolder((folder) => {
      const first = put(folder, "a.bin", Uint8Array.from(record(0, 0)));
      const second = put(folder, "b.bin", Uint8Array.from([...record(1, 0), ...record(10, 0)]));
      failsWith(() => readCifar("set", [first, second]), "RN805", second, "record 1", "label 10", "0 to 9");
    }));
  test("empty", () => inFolder((folder) => failsWith(() => readCifar("set", [put(folder, "a.bin", "")]), "RN809", "a.bin")));
});

suite("data/csv", (test) => {
  const read = (folder: string, text: string, task: Parameters<typeof readCsv>[1] = ANY) => readCsv(put(folder, "t.csv", text), task);
  test("values as they are, label last", () =>
    inFolder((folder) => {
      const set = read(folder, "1,2.5,-3,1e2,7\n0,16,0,1,2\n", { shape: [1, 2, 2], classes: 10 });
      assert.equal([...set.labels], [7, 2]);
      assert.equal(image(set, 0), Float32Array.of(1, 2.5, -3, 100));
      assert.equal(image(set, 1), Float32Array.of(0, 16, 0, 1));
      assert.is(set.classes, 8);
    }));
  test("header, quotes, blank lines, CRLF and byte-order mark", () =>
    inFolder((folder) => {
      const set = read(folder, '\uFEFFa,b,label\r\n"1", 2 ,0\r\n\r\n3,4,"1"\r\n', { shape: [1, 1, 2], classes: 2 });
      assert.is(set.count, 2);
      assert.equal(image(set, 1), Float32Array.of(3, 4));
    }));
  test("a free square size is found from the number of columns", () =>
    inFolder((folder) => {
      const set = read(folder, `${ramp(9).join(",")},1\n`, { shape: [1, "H", "W"], classes: 2 });
      assert.equal(set.shape, [1, 3, 3]);
    }));
  test("labels by name are numbered in sorted order", () =>
    inFolder((folder) => {
      const set = read(folder, "1,dog\n2,cat\n3,dog\n", { shape: [1, 1, 1], classes: 2 });
      assert.equal([...set.labels], [1, 0, 1]);
      assert.equal(set.classNames, ["cat", "dog"]);
    }));
  test("bad number", () =>
    inFolder((folder) => {
      failsWith(() => read(folder, "1,2,0\n1,x7,0\n"), "RN807", "t.csv", "line 2", "column 2", '"x7"');
      failsWith(() => read(folder, "1,2,0\n1,,0\n"), "RN807", "line 2", "column 2");
      failsWith(() => read(folder, "1,nan,0\n"), "RN807", "line 1", "column 2");
    }));
  test("ragged rows", () =>
    inFolder((folder) => {
      failsWith(() => read(folder, "a,b,label\n1,2,0\n1,2,3,0\n"), "RN807", "line 3", "4 cells", "expected 3");
      failsWith(() => read(folder, "5\n"), "RN807", "line 1", "one cell");
    }));
  test("bad label", () =>
    inFolder((folder) => {
      failsWith(() => read(folder, "1,0\n2,1.5\n"), "RN807", "line 2", "1.5");
      failsWith(() => read(folder, "1,0\n2,-1\n"), "RN807", "line 2", "-1");
      failsWith(() => read(folder, "1,0\n2,\n"), "RN807", "line 2", '""');
    }));
  test("a number of columns that the model does not take", () =>
    inFolder((folder) => failsWith(() => read(folder, "1,2,3,0\n", { shape: [1, 2, 2], classes: 2 }), "RN803", "3 values", "1×2×2")));
  test("empty, or a header only", () =>
    inFolder((folder) => {
      failsWith(() => read(folder, "\n\n"), "RN809", "t.csv");
      failsWith(() => read(folder, "a,b\n"), "RN809", "t.csv");
    }));
});
