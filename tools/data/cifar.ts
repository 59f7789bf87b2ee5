/**
 * The CIFAR-10 binary format: records of a label byte and 3×32×32 bytes, one channel plane after another.
 * Invariant: files hold whole records only; labels are below the ten classes of the format.
 */
import { readBytes } from "./bytes.ts";
import { type Dataset, type ImageShape, pixelCount } from "./dataset.ts";
import { emptyData, labelOutOfRange, wrongFormat } from "./problems.ts";

const SHAPE: ImageShape = [3, 32, 32];
const RECORD_BYTES = 1 + pixelCount(SHAPE);
const CLASSES = 10;

/** Reads batch files in the order given as one set. `name` is what messages call the set. */
export function readCifar(name: string, paths: readonly string[], classNames?: readonly string[]): Dataset {
  const files = paths.map(readRecords);
  const starts: number[] = [];
  let count = 0;
  for (const file of files) {
    starts.push(count);
    count += file.length / RECORD_BYTES;
  }
  const labels = new Int32Array(count);
  files.forEach((bytes, file) => {
    const first = starts[file] ?? 0;
    for (let record = 0; record * RECORD_BYTES < bytes.length; record++) {
      const label = bytes[record * RECORD_BYTES] ?? 0;
      if (label >= CLASSES) throw labelOutOfRange(paths[file] ?? name, record, label, CLASSES, "CIFAR-10 has ten classes");
      labels[first + record] = label;
    }
  });
  return {
    name,
    count,
    shape: SHAPE,
    labels,
    classes: CLASSES,
    ...(classNames === undefined ? {} : { classNames }),
    read: (index, target, offset) => {
      let file = starts.length - 1;
      while ((starts[file] ?? 0) > index) file--;
      const bytes = files[file];
      const from = (index - (starts[file] ?? 0)) * RECORD_BYTES + 1;
      for (let i = 0; i < RECORD_BYTES - 1; i++) target[offset + i] = (bytes?.[from + i] ?? 0) / 255;
    },
  };
}

/** Class names from `batches.meta.txt`: one a line. */
export function readClassNames(path: string): string[] {
  const lines = new TextDecoder().decode(readBytes(path)).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

function readRecords(path: string): Uint8Array {
  const bytes = readBytes(path);
  if (bytes.length === 0) throw emptyData(path, "records");
  if (bytes.length % RECORD_BYTES !== 0) {
    const whole = Math.floor(bytes.length / RECORD_BYTES);
    throw wrongFormat(
      path,
      `${bytes.length} bytes are not a multiple of ${RECORD_BYTES}, the size of a CIFAR record: ` +
        `record ${whole} has only ${bytes.length % RECORD_BYTES} bytes`,
    );
  }
  return bytes;
}
