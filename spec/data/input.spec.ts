/** Inputs of one forward pass from files: npy, safetensors, pictures. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { encode } from "fast-png";
import jpeg from "jpeg-js";
import * as assert from "uvu/assert";
import { writeSafetensors } from "../../runtime/safetensors.ts";
import { normalizeTensor, readInput } from "../../tools/data/input.ts";
import { readNpy } from "../../tools/data/npy.ts";
import { readPicture } from "../../tools/data/picture.ts";
import { suite } from "../harness.ts";
import { failsWith, inFolder, put } from "./temporary.ts";

/** As NumPy Enhancement Proposal 1 lays it down, version 1.0. */
function npy(descriptor: string, shape: string, data: ArrayBufferView, fortran = false): Uint8Array {
  const header = `{'descr': '${descriptor}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), length, Buffer.from(padded, "latin1"), raw]);
}

const IMAGE = { name: "image", dtype: "f32", shape: ["N", 1, 2, 2] } as const;
const LABEL = { name: "label", dtype: "i64", shape: ["N"] } as const;

suite("data/npy", (test) => {
  test("floats of three widths, both byte orders", () =>
    inFolder((folder) => {
      const swapped = Buffer.from(Float32Array.of(1.5, -2).buffer).swap32();
      assert.equal(readNpy(put(folder, "a", npy("<f4", "(2, 1)", Float32Array.of(1.5, -2)))), {
        shape: [2, 1],
        values: Float32Array.of(1.5, -2),
      });
      assert.equal(readNpy(put(folder, "b", npy("<f8", "(2,)", Float64Array.of(1.5, -2)))).values, Float32Array.of(1.5, -2));
      assert.equal(readNpy(put(folder, "c", npy("<f2", "(2,)", Uint16Array.of(0x3e00, 0xc000)))).values, Float32Array.of(1.5, -2));
      assert.equal(readNpy(put(folder, "d", npy(">f4", "(2,)", swapped))).values, Float32Array.of(1.5, -2));
    }));
  test("integers, booleans, scalars", () =>
    inFolder((folder) => {
      assert.equal(readNpy(put(folder, "a", npy("<i8", "(3,)", BigInt64Array.of(1n, -2n, 3n)))).values, Int32Array.of(1, -2, 3));
      assert.equal(readNpy(put(folder, "b", npy("|u1", "(2,)", Uint8Array.of(255, 0)))).values, Int32Array.of(255, 0));
      assert.equal(readNpy(put(folder, "c", npy("|b1", "()", Uint8Array.of(1)))), {
        shape: [],
        values: Int32Array.of(1),
      });
    }));
  test("column-major order is put right", () =>
    inFolder((folder) => {
      const path = put(folder, "a", npy("<f4", "(2, 3)", Float32Array.of(1, 4, 2, 5, 3, 6), true));
      assert.equal(readNpy(path).values, Float32Array.of(1, 2, 3, 4, 5, 6));
    }));
  test("what cannot be read", () =>
    inFolder((folder) => {
      const whole = npy("<f4", "(4,)", Float32Array.of(1, 2, 3, 4));
      failsWith(() => readNpy(put(folder, "a", whole.subarray(0, whole.length - 3))), "RN802", "truncated", `expected ${whole.length}`);
      failsWith(() => readNpy(put(folder, "b", "PK zip archive")), "RN803", "NUMPY");
      failsWith(() => readNpy(put(folder, "c", npy("<c8", "(1,)", Float64Array.of(1)))), "RN803", "c8");
      failsWith(() => readNpy(put(folder, "d", npy("<i8", "(1,)", BigInt64Array.of(2n ** 40n)))), "RN810", "1099511627776", "32 bits");
      failsWith(() => readNpy(put(folder, "e", whole.subarray(0, 20))), "RN802", "header");
    }));
});

suite("data/input", (test) => {
  test("a sample without batch axis gets one; bytes become floats", () =>
    inFolder((folder) => {
      const input = readInput(put(folder, "x.npy", npy("|u1", "(1, 2, 2)", Uint8Array.of(0, 1, 2, 255))), IMAGE);
      assert.equal([input.dtype, input.shape, input.data], ["f32", [1, 1, 2, 2], Float32Array.of(0, 1, 2, 255)]);
    }));
  test("labels stay whole numbers, also where stored as floats", () =>
    inFolder((folder) => {
      assert.equal(readInput(put(folder, "y.npy", npy("<f4", "(2,)", Float32Array.of(3, 1))), LABEL).data, Int32Array.of(3, 1));
      failsWith(() => readInput(put(folder, "z.npy", npy("<f4", "(2,)", Float32Array.of(3, 0.5))), LABEL), "RN810", "value 1 is 0.5", "label");
    }));
  test("a tensor of a safetensors file, by name or the only one", () =>
    inFolder((folder) => {
      const tensor = { dtype: "f32", shape: [1, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4) } as const;
      const labels = { dtype: "i64", shape: [1], data: BigInt64Array.of(7n) } as const;
      const both = put(folder, "both.safetensors", writeSafetensors({ input: tensor, labels }));
      assert.equal(readInput(`${both}#input`, IMAGE).data, tensor.data);
      assert.equal(readInput(`${both}#labels`, LABEL).data, labels.data);
      assert.equal(readInput(put(folder, "one.safetensors", writeSafetensors({ x: tensor })), IMAGE).data, tensor.data);
      failsWith(() => readInput(both, IMAGE), "RN810", "#NAME", "input", "labels");
      failsWith(() => readInput(`${both}#other`, IMAGE), "RN810", "no tensor other");
    }));
  test("unknown kinds and missing files", () =>
    inFolder((folder) => {
      failsWith(() => readInput(put(folder, "x.txt", "1"), IMAGE), "RN803", ".npy");
      failsWith(() => readInput(join(folder, "none.npy"), IMAGE), "RN801", "none.npy");
      failsWith(() => readInput("cat.png", LABEL), "RN810", "[N, C, H, W]");
    }));
  test("normalisation by channel", () => {
    const tensor = { dtype: "f32", shape: [1, 2, 1, 2], data: Float32Array.of(1, 2, 3, 4) } as const;
    assert.equal(normalizeTensor(tensor, { mean: [1, 2], std: [0.5, 2] }).data, Float32Array.of(0, 2, 0.5, 1));
    assert.equal(normalizeTensor(tensor, { mean: [1], std: [1] }).data, Float32Array.of(0, 1, 2, 3));
  });
});

suite("data/picture", (test) => {
  const png = (folder: string, options: Parameters<typeof encode>[0]): string => put(folder, "p.png", encode(options));
  test("grey PNG: planes and bit depths", () =>
    inFolder((folder) => {
      const eight = png(folder, { width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 51) });
      assert.equal(readPicture(eight, 1), { shape: [1, 1, 2], values: Float32Array.of(0, 0.2) });
      assert.equal(readPicture(eight, 3).values, Float32Array.of(0, 0.2, 0, 0.2, 0, 0.2));
      const sixteen = png(folder, { width: 1, height: 1, channels: 1, depth: 16, data: Uint16Array.of(13107) });
      assert.equal(readPicture(sixteen, 1).values, Float32Array.of(0.2));
      const one = png(folder, {
        width: 3,
        height: 2,
        channels: 1,
        depth: 1,
        data: Uint8Array.of(0b10100000, 0b01000000),
      });
      assert.equal(readPicture(one, 1).values, Float32Array.of(1, 0, 1, 0, 1, 0));
    }));
  test("colour PNG: channel planes, alpha dropped, luma", () =>
    inFolder((folder) => {
      const path = png(folder, {
        width: 2,
        height: 1,
        channels: 4,
        data: Uint8Array.of(255, 0, 51, 255, 0, 255, 102, 0),
      });
      assert.equal(readPicture(path, 3), { shape: [3, 1, 2], values: Float32Array.of(1, 0, 0, 1, 0.2, 0.4) });
      const luma = readPicture(path, 1).values;
      assert.ok(Math.abs((luma[0] ?? 0) - (0.299 + 0.114 * 0.2)) < 1e-6);
    }));
  test("JPEG of one colour", () =>
    inFolder((folder) => {
      const data = Uint8Array.from({ length: 16 * 16 * 4 }, (_, i) => [200, 100, 50, 255][i % 4] ?? 0);
      const path = put(folder, "p.jpg", jpeg.encode({ width: 16, height: 16, data }, 95).data);
      const { shape, values } = readPicture(path, 3);
      assert.equal(shape, [3, 16, 16]);
      [200, 100, 50].forEach((value, channel) => assert.ok(Math.abs((values[channel * 256] ?? 0) * 255 - value) < 4));
    }));
  test("damaged files and wrong channels", () =>
    inFolder((folder) => {
      const whole = encode({ width: 8, height: 8, channels: 1, data: new Uint8Array(64) });
      failsWith(() => readPicture(put(folder, "a.png", whole.subarray(0, 40)), 1), "RN810", "a.png", "PNG");
      failsWith(() => readPicture(put(folder, "b.png", "GIF89a"), 1), "RN810", "neither");
      failsWith(() => readPicture(put(folder, "c.png", whole), 4), "RN810", "takes 4");
    }));
  const pictures = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data/pictures");
  if (existsSync(pictures)) {
    const planes = (name: string): Float32Array => {
      const bytes = gunzipSync(readFileSync(join(pictures, name)));
      return Float32Array.from({ length: bytes.length }, (_, i) => (bytes[(i % 50176) * 3 + Math.floor(i / 50176)] ?? 0) / 255);
    };
    const worst = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? 0))), 0);
    test("a real PNG equals its pixels; a real JPEG nearly", () => {
      assert.is(worst(readPicture(join(pictures, "chelsea-224.png"), 3).values, planes("chelsea-224.rgb.gz")), 0);
      assert.ok(worst(readPicture(join(pictures, "chelsea-224.jpg"), 3).values, planes("chelsea-224.jpg.rgb.gz")) < 4 / 255);
      failsWith(() => readPicture(join(pictures, "truncated.jpg"), 3), "RN810", "truncated.jpg", "JPEG");
    });
  } else test.skip("a real PNG equals its pixels; a real JPEG nearly", "the pictures are not beside the project");
});
