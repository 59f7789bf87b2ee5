/**
 * Turns samples into the arrays a network takes: normalisation, augmentation, batches.
 * Invariant: a batch is a function of (data, seed, epoch, positions) alone, whatever was drawn before it.
 */
import { drawsOf, STREAM } from "./counter-random.ts";
import { type Dataset, pixelCount } from "./dataset.ts";
import { wrongFormat } from "./problems.ts";

/** Per-channel (value - mean) / std; a single number serves all channels. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** `crop`: zero-padded shift by up to `padding` (4) pixels each way. `flip`: mirrored rows with probability `p` (0.5). */
export interface Augmentation {
  readonly kind: string;
  readonly [parameter: string]: number | string;
}

export interface BatchOptions {
  readonly normalize?: Normalization | undefined;
  /** Left out in evaluation. */
  readonly augment?: { readonly steps: readonly Augmentation[]; readonly seed: number; readonly epoch: number } | undefined;
}

export interface Batch {
  /** N·C·H·W values. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly labels: Int32Array;
}

/** The samples at positions `order[from..to)`, prepared for the network. */
export function makeBatch(dataset: Dataset, order: Int32Array | undefined, from: number, to: number, options: BatchOptions): Batch {
  const size = pixelCount(dataset.shape);
  const images = new Float32Array((to - from) * size);
  const labels = new Int32Array(to - from);
  const plain = options.augment === undefined ? undefined : new Float32Array(size);
  for (let position = from; position < to; position++) {
    const index = order === undefined ? position : (order[position] ?? 0);
    const offset = (position - from) * size;
    labels[position - from] = dataset.labels[index] ?? 0;
    if (plain === undefined || options.augment === undefined) {
      dataset.read(index, images, offset);
      normalizeInPlace(dataset, images, offset, options.normalize);
      continue;
    }
    dataset.read(index, plain, 0);
    normalizeInPlace(dataset, plain, 0, options.normalize);
    const { steps, seed, epoch } = options.augment;
    images.set(augmentImage(plain, dataset.shape, steps, seed, epoch, index), offset);
  }
  return { images, shape: [to - from, ...dataset.shape], labels };
}

/** Applies the steps to one image; draws depend on (seed, epoch, sample) alone. Padding is zero, after normalisation. */
export function augmentImage(
  pixels: Float32Array,
  shape: readonly [number, number, number],
  steps: readonly Augmentation[],
  seed: number,
  epoch: number,
  sample: number,
): Float32Array {
  const draws = drawsOf(seed, STREAM.augmentation, epoch, sample);
  let current = pixels;
  for (const step of steps) {
    if (step.kind === "crop") {
      const padding = Number(step["padding"] ?? 4);
      const down = draws.below(2 * padding + 1) - padding;
      const right = draws.below(2 * padding + 1) - padding;
      current = moved(current, shape, (x) => x + right, down);
    } else if (step.kind === "flip") {
      const flip = draws.uniform(0, 1) < Number(step["p"] ?? 0.5);
      if (flip) current = moved(current, shape, (x) => shape[2] - 1 - x, 0);
    } else {
      throw wrongFormat("recipe", `unknown augmentation ${step.kind}; known are crop and flip`);
    }
  }
  return current;
}

/** Pixel (y, x) of the result is pixel (y + down, sourceColumn(x)) of the source, zero outside. */
function moved(
  pixels: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  sourceColumn: (x: number) => number,
  down: number,
): Float32Array {
  const result = new Float32Array(pixels.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < height; y++) {
      const row = y + down;
      if (row < 0 || row >= height) continue;
      for (let x = 0; x < width; x++) {
        const column = sourceColumn(x);
        if (column < 0 || column >= width) continue;
        result[(channel * height + y) * width + x] = pixels[(channel * height + row) * width + column] ?? 0;
      }
    }
  }
  return result;
}

function normalizeInPlace(dataset: Dataset, target: Float32Array, offset: number, normalize: Normalization | undefined): void {
  if (normalize === undefined) return;
  const [channels, height, width] = dataset.shape;
  const plane = height * width;
  for (let channel = 0; channel < channels; channel++) {
    const mean = normalize.mean[normalize.mean.length === 1 ? 0 : channel] ?? 0;
    const std = normalize.std[normalize.std.length === 1 ? 0 : channel] ?? 1;
    const start = offset + channel * plane;
    for (let i = start; i < start + plane; i++) target[i] = ((target[i] ?? 0) - mean) / std;
  }
}

/** Throws unless the recipe gives one mean and deviation, or one a channel. */
export function requireNormalizeFits(normalize: Normalization | undefined, dataset: Dataset): void {
  const given = normalize?.mean.length ?? 1;
  if (given === 1 || given === dataset.shape[0]) return;
  throw wrongFormat(dataset.name, `images have ${dataset.shape[0]} channels, but the recipe's normalize gives ${given} means`);
}
