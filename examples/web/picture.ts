/**
 * Turns what a person draws or drops into the 28×28 picture that the network was trained on: white ink on black,
 * about 20 pixels high, in the middle.
 * Invariant: values from 0 to 1; a picture without ink is undefined.
 */
import { DIGIT_SIZE, inkPath } from "../../tools/demo/digits.ts";
import type { Point } from "../../tools/demo/glyphs.ts";

/** As high and wide as the generator draws digits. */
const BOX = 20;
/** The middle of the generator's pens. */
const PEN = 1.25;
/** No blow-up of a dot to a whole digit. */
const MOST_SCALE = 4 * DIGIT_SIZE;
/** Above this a pixel counts as ink when the digit's place is looked for. */
const INK = 0.3;

export type Strokes = readonly (readonly Point[])[];

/** Strokes in the unit square, drawn again with the generator's pen at the generator's size. */
export function pictureOfStrokes(strokes: Strokes): Float32Array | undefined {
  const points = strokes.flat();
  if (points.length === 0) return undefined;
  const [left, right] = range(points.map(([x]) => x));
  const [top, bottom] = range(points.map(([, y]) => y));
  const scale = Math.min(MOST_SCALE, BOX / Math.max(right - left, bottom - top, 1e-6));
  const middle = DIGIT_SIZE / 2 - 0.5;
  const place = ([x, y]: Point): Point => [middle + (x - (left + right) / 2) * scale, middle + (y - (top + bottom) / 2) * scale];
  const coverage = new Float32Array(DIGIT_SIZE * DIGIT_SIZE);
  for (const stroke of strokes) {
    const path = stroke.map(place);
    inkPath(coverage, path.length === 1 ? [...path, ...path] : path, PEN, 0);
  }
  return coverage;
}

/** Grey values of a picture of any size: inverted if its border is light, cut to its ink, scaled and centred. */
export function pictureOfGrey(grey: Float32Array, width: number, height: number): Float32Array | undefined {
  const value = borderMean(grey, width, height) > 0.5 ? grey.map((each) => 1 - each) : grey;
  const inked = [...value.keys()].filter((i) => (value[i] ?? 0) > INK);
  if (inked.length === 0) return undefined;
  const [left, right] = range(inked.map((i) => i % width));
  const [top, bottom] = range(inked.map((i) => Math.floor(i / width)));
  const scale = Math.max(right - left + 1, bottom - top + 1) / BOX;
  const result = new Float32Array(DIGIT_SIZE * DIGIT_SIZE);
  const middle = (DIGIT_SIZE - 1) / 2;
  for (let y = 0; y < DIGIT_SIZE; y++) {
    for (let x = 0; x < DIGIT_SIZE; x++) {
      const sourceX = (left + right) / 2 + (x - middle) * scale;
      const sourceY = (top + bottom) / 2 + (y - middle) * scale;
      result[y * DIGIT_SIZE + x] = areaMean(value, width, height, sourceX, sourceY, Math.max(1, scale));
    }
  }
  return result;
}

/** The grey values of an image file, at most 400 pixels wide and high. Rejects if it is no image. */
export async function greyOfFile(file: Blob): Promise<{ readonly grey: Float32Array; readonly width: number; readonly height: number }> {
  const bitmap = await createImageBitmap(file);
  const shrink = Math.min(1, 400 / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * shrink));
  const height = Math.max(1, Math.round(bitmap.height * shrink));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("the browser gives no canvas");
  context.fillStyle = "white"; // behind transparent pictures
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  // Luma of ITU-R BT.601.
  const grey = Float32Array.from(
    { length: width * height },
    (_, i) => (0.299 * (data[4 * i] ?? 0) + 0.587 * (data[4 * i + 1] ?? 0) + 0.114 * (data[4 * i + 2] ?? 0)) / 255,
  );
  return { grey, width, height };
}

function range(values: readonly number[]): readonly [number, number] {
  return values.reduce<readonly [number, number]>(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

function borderMean(grey: Float32Array, width: number, height: number): number {
  let sum = 0;
  let count = 0;
  for (const [i, value] of grey.entries()) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x > 0 && y > 0 && x < width - 1 && y < height - 1) continue;
    sum += value;
    count++;
  }
  return sum / count;
}

/** Mean over a square of side `side` around a point; outside the picture there is no ink. */
function areaMean(value: Float32Array, width: number, height: number, x: number, y: number, side: number): number {
  const reach = Math.max(0, Math.floor(side / 2));
  let sum = 0;
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const [column, row] = [Math.round(x) + dx, Math.round(y) + dy];
      if (column >= 0 && row >= 0 && column < width && row < height) sum += value[row * width + column] ?? 0;
    }
  }
  return sum / (2 * reach + 1) ** 2;
}
