/**
 * The IDX format of the MNIST family: big-endian magic (0, 0, type, rank), sizes, then unsigned bytes.
 * Invariant: the byte count equals what the header promises, before anything is decoded.
 */
import { readBytes } from "./bytes.ts";
import { byteImages, classCount, type Dataset, type ImageShape } from "./dataset.ts";
import { countsDiffer, emptyData, wrongFormat, wrongLength } from "./problems.ts";

const UNSIGNED_BYTE = 0x08;

interface IdxArray {
  readonly sizes: readonly number[];
  /** Offset of the first value. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Reads an images file (rank 3: count, rows, columns; rank 4: count, channels, rows, columns) and its labels file. */
export function readIdx(imagesPath: string, labelsPath: string): Dataset {
  const images = readArray(imagesPath, "images", [3, 4]);
  const labels = readArray(labelsPath, "labels", [1]);
  const count = images.sizes[0] ?? 0;
  const labelCount = labels.sizes[0] ?? 0;
  if (count !== labelCount) throw countsDiffer(imagesPath, count, labelsPath, labelCount);
  if (count === 0) throw emptyData(imagesPath, "images");
  const [height = 0, width = 0] = images.sizes.slice(-2);
  const shape: ImageShape = [images.sizes.length === 4 ? (images.sizes[1] ?? 1) : 1, height, width];
  if (shape.includes(0)) throw wrongFormat(imagesPath, `the header gives images of ${shape.join("×")} pixels`);
  const values = Int32Array.from(labels.bytes.subarray(labels.start));
  return {
    name: imagesPath,
    labelsName: labelsPath,
    count,
    shape,
    labels: values,
    classes: classCount(values),
    read: byteImages(images.bytes, shape, images.start, shape[0] * height * width),
  };
}

function readArray(path: string, what: "images" | "labels", ranks: readonly number[]): IdxArray {
  const bytes = readBytes(path);
  const expected = ranks.map((rank) => (UNSIGNED_BYTE << 8) + rank);
  if (bytes.length < 4) throw wrongLength(path, 4, bytes.length, "the IDX magic number");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  if (!expected.includes(magic)) {
    throw wrongFormat(path, `magic number ${magic} where ${expected.join(" or ")} (IDX ${what} of bytes) was expected`);
  }
  const rank = magic & 0xff;
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw wrongLength(path, start, bytes.length, `an IDX header of ${rank} sizes`);
  const sizes = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const promised = start + sizes.reduce((product, size) => product * size, 1);
  if (bytes.length !== promised) {
    const record = sizes.slice(1).join("×");
    const content = what === "images" ? `a header of ${start} and ${sizes[0]} images of ${record}` : `a header of ${start} and ${sizes[0]} labels`;
    throw wrongLength(path, promised, bytes.length, content);
  }
  return { sizes, start, bytes };
}
