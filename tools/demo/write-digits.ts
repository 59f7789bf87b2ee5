/** Generated digits as a data set on disk, in the MNIST family's format, so that `resnet train` has data without a download. */
import { join } from "node:path";
import { writeFileAtomic } from "../data/write.ts";
import { DIGIT_SIZE, generateDigits } from "./digits.ts";

/** Magic numbers of IDX files of bytes with three axes and with one (LeCun et al., the MNIST database). */
const IMAGES = 0x803;
const LABELS = 0x801;

/** Writes `train-…` with the first `pictures` digits of a seed and `t10k-…` with those that follow. */
export function writeDigits(folder: string, seed: number, pictures: number, heldOut: number): void {
  for (const [name, count, first] of [
    ["train", pictures, 0],
    ["t10k", heldOut, pictures],
  ] as const) {
    const { images, labels } = generateDigits(count, seed, first);
    writeFileAtomic(join(folder, `${name}-images-idx3-ubyte`), idx(IMAGES, [count, DIGIT_SIZE, DIGIT_SIZE], images));
    writeFileAtomic(join(folder, `${name}-labels-idx1-ubyte`), idx(LABELS, [count], labels));
  }
}

/** Big-endian header, then the bytes. */
function idx(magic: number, sizes: readonly number[], bytes: Uint8Array): Uint8Array {
  const file = new Uint8Array(4 + 4 * sizes.length + bytes.length);
  const header = new DataView(file.buffer);
  [magic, ...sizes].forEach((value, i) => {
    header.setUint32(4 * i, value);
  });
  file.set(bytes, 4 + 4 * sizes.length);
  return file;
}
