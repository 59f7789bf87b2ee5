/** Files in and out: broken ones one by one, odd but legal ones, and PyTorch's own byte for byte. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { readSafetensors, readSafetensorsHeader, readShardIndex, tensorsFromSafetensors, writeSafetensors } from "../../runtime/safetensors.ts";
import { bytesOf, type Tensor } from "../../runtime/tensor.ts";
import { suite } from "../harness.ts";
import { throwsError } from "../runtime/expect-error.ts";
import { BROKEN_FILES, fileOf } from "./broken-files.ts";

const fixtures = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/fixtures");

const EVERY_DTYPE: Readonly<Record<string, Tensor>> = {
  f64: { dtype: "f64", shape: [2], data: Float64Array.of(Math.PI, -0) },
  f32: { dtype: "f32", shape: [1, 2], data: Float32Array.of(1.5, Number.NaN) },
  f16: { dtype: "f16", shape: [3], data: Uint16Array.of(0x3c00, 0x7c00, 1) },
  bf16: { dtype: "bf16", shape: [1], data: Uint16Array.of(0x3f80) },
  i64: { dtype: "i64", shape: [], data: BigInt64Array.of(-(2n ** 63n)) },
  i32: { dtype: "i32", shape: [1], data: Int32Array.of(-(2 ** 31)) },
  i16: { dtype: "i16", shape: [1], data: Int16Array.of(-5) },
  i8: { dtype: "i8", shape: [3], data: Int8Array.of(-1, 0, 1) },
  u8: { dtype: "u8", shape: [1], data: Uint8Array.of(255) },
  bool: { dtype: "bool", shape: [2], data: Uint8Array.of(0, 1) },
  empty: { dtype: "f32", shape: [0, 3], data: new Float32Array(0) },
};

suite("safetensors: broken files", (test) => {
  for (const [name, bytes, code, parts] of BROKEN_FILES) {
    test(name, () => throwsError(() => readSafetensors(bytes, "w.safetensors"), code, "w.safetensors", ...parts));
  }
});

suite("safetensors: reading and writing", (test) => {
  test("every dtype, rank 0 and no elements come back as they were", () => {
    const bytes = writeSafetensors(EVERY_DTYPE, { format: "pt", note: 'ü "quoted"' });
    const { tensors, metadata } = readSafetensors(bytes);
    assert.equal(metadata, { format: "pt", note: 'ü "quoted"' });
    assert.equal(Object.keys(tensors).sort(), Object.keys(EVERY_DTYPE).sort());
    for (const [name, tensor] of Object.entries(EVERY_DTYPE)) {
      const back = tensors[name]!;
      assert.equal([back.dtype, back.shape, back.data.constructor.name], [tensor.dtype, tensor.shape, tensor.data.constructor.name], name);
      assert.equal([...bytesOf(back)], [...bytesOf(tensor)], name);
    }
  });

  test("a file is aligned, and depends on nothing but its content", () => {
    const bytes = writeSafetensors(EVERY_DTYPE);
    assert.is(new DataView(bytes.buffer).getBigUint64(0, true) % 8n, 0n);
    for (const { name, begin, dtype } of readSafetensorsHeader(bytes).entries) {
      const size = EVERY_DTYPE[name]!.data.BYTES_PER_ELEMENT;
      assert.is(begin % size, 0, `${name} (${dtype}) at ${begin}`);
    }
    const reversed = Object.fromEntries(Object.entries(EVERY_DTYPE).reverse());
    assert.equal(writeSafetensors(reversed), bytes);
    assert.equal(tensorsFromSafetensors(writeSafetensors({})), {});
  });

  test("unaligned offsets, any order, padding and an unaligned buffer", () => {
    const header = '{"b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}  ';
    const file = fileOf(header, 7);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    const expected = new DataView(Uint8Array.of(3, 4, 5, 6).buffer).getFloat32(0, true);
    for (const bytes of [file, shifted.subarray(1)]) {
      const tensors = tensorsFromSafetensors(bytes);
      assert.equal(Object.keys(tensors), ["b", "a"]);
      assert.equal([...tensors["b"]!.data], [expected]);
      assert.equal([...tensors["a"]!.data], [0, 1, 2]);
    }
  });

  test("a name like a member of every object is a name", () => {
    const one: Tensor = { dtype: "u8", shape: [1], data: Uint8Array.of(7) };
    const tensors = tensorsFromSafetensors(
      writeSafetensors(
        Object.fromEntries([
          ["__proto__", one],
          ["constructor", one],
        ]),
      ),
    );
    assert.equal(Object.keys(tensors).sort(), ["__proto__", "constructor"]);
  });

  test("the header alone, for range reads", () => {
    const bytes = writeSafetensors(EVERY_DTYPE);
    const { dataStart, entries } = readSafetensorsHeader(bytes);
    assert.equal(readSafetensorsHeader(bytes.subarray(0, dataStart), bytes.length).entries, entries);
    throwsError(() => readSafetensorsHeader(bytes.subarray(0, dataStart), bytes.length - 1), "RN727");
  });

  test("a shard index names its files once each", () => {
    assert.equal(readShardIndex('{"weight_map":{"a":"2.st","b":"1.st","c":"2.st"}}'), ["1.st", "2.st"]);
    throwsError(() => readShardIndex("{", "x.index.json"), "RN732", "x.index.json");
    throwsError(() => readShardIndex('{"weight_map":{"a":1}}'), "RN732", "weight_map");
  });

  if (!existsSync(fixtures)) {
    test.skip("files written by PyTorch", `no fixtures at ${fixtures}`);
    return;
  }

  test("files written by PyTorch come back byte for byte", () => {
    const files = readdirSync(fixtures, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".safetensors"));
    assert.ok(files.length >= 20, `${files.length} files`);
    for (const path of files) {
      const bytes = new Uint8Array(readFileSync(join(fixtures, path)));
      const { tensors, metadata } = readSafetensors(bytes, path);
      assert.ok(Buffer.compare(writeSafetensors(tensors, metadata), bytes) === 0, path);
    }
  });

  test("PyTorch's state dict: names, shapes, and counters of 3", () => {
    const tensors = tensorsFromSafetensors(new Uint8Array(readFileSync(join(fixtures, "cifar_resnet20_b-s1/weights.safetensors"))));
    assert.equal(tensors["conv1.weight"]!.shape, [16, 3, 3, 3]);
    assert.equal(tensors["bn1.num_batches_tracked"], { dtype: "i64", shape: [], data: BigInt64Array.of(3n) });
    assert.equal(tensors["layer2.0.downsample.0.weight"]!.shape, [32, 16, 1, 1]);
  });
});
