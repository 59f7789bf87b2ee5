/**
 * What every reader returns: labelled images, decoded one at a time from the bytes held in memory.
 * Invariant: `labels.length === count`, every label is ≥ 0 and `read` writes exactly C·H·W floats.
 */
import { labelOutOfRange, wrongImageSize } from "./problems.ts";

/** Channels, height, width. */
export type ImageShape = readonly [number, number, number];

export interface Dataset {
  /** The file or folder the images come from, as the user wrote it. */
  readonly name: string;
  readonly count: number;
  readonly shape: ImageShape;
  readonly labels: Int32Array;
  /** Where the labels come from, if not from `name`. */
  readonly labelsName?: string;
  /** Highest label + 1, or the number of class names. */
  readonly classes: number;
  readonly classNames?: readonly string[];
  /** Writes image `index` in C, H, W order: pixels as value/255, CSV columns as they are. */
  readonly read: (index: number, target: Float32Array, offset: number) => void;
}

/** What the model asks of its data; a name stands for a size that the model leaves free. */
export interface ImageTask {
  readonly shape: readonly [number | string, number | string, number | string];
  /** Width of the logits, if known. */
  readonly classes: number | undefined;
}

/** One image as a fresh array of C·H·W floats. */
export function image(dataset: Dataset, index: number): Float32Array {
  const pixels = new Float32Array(pixelCount(dataset.shape));
  dataset.read(index, pixels, 0);
  return pixels;
}

/** A set of byte images, one after another in C, H, W order, beginning at `start` and `stride` bytes apart. */
export function byteImages(
  bytes: Uint8Array,
  shape: ImageShape,
  start: number,
  stride: number,
): (index: number, target: Float32Array, offset: number) => void {
  const size = pixelCount(shape);
  return (index, target, offset) => {
    const from = start + index * stride;
    for (let i = 0; i < size; i++) target[offset + i] = (bytes[from + i] ?? 0) / 255;
  };
}

export function pixelCount(shape: ImageShape): number {
  return shape[0] * shape[1] * shape[2];
}

/** The images at `indices`, in that order. */
export function select(dataset: Dataset, indices: Int32Array): Dataset {
  return {
    ...dataset,
    count: indices.length,
    labels: indices.map((index) => dataset.labels[index] ?? 0),
    read: (index, target, offset) => dataset.read(indices[index] ?? 0, target, offset),
  };
}

/** The first `limit` images; all of them if there are fewer. */
export function takeFirst(dataset: Dataset, limit: number): Dataset {
  if (limit >= dataset.count) return dataset;
  return { ...dataset, count: limit, labels: dataset.labels.slice(0, limit) };
}

/** Throws unless the model takes these images and has an output for each label. */
export function requireFits(dataset: Dataset, task: ImageTask): void {
  if (task.shape.some((size, axis) => typeof size === "number" && size !== dataset.shape[axis])) {
    throw wrongImageSize(dataset.name, dataset.shape, task.shape);
  }
  if (task.classes === undefined) return;
  for (let i = 0; i < dataset.count; i++) {
    const label = dataset.labels[i] ?? 0;
    if (label >= task.classes) {
      throw labelOutOfRange(dataset.labelsName ?? dataset.name, i, label, task.classes, `the model has ${task.classes} classes`);
    }
  }
}

/** Highest label + 1. */
export function classCount(labels: Int32Array): number {
  let highest = -1;
  for (const label of labels) if (label > highest) highest = label;
  return highest + 1;
}
