/**
 * Draws handwritten-looking digits: pen strokes under random variation, 28×28 grey bytes, white on black.
 * Invariant: image `index` is a function of (seed, index) alone; every ten consecutive images hold each digit once.
 * Pure: no files, no clock, so that tests and web pages can use it.
 */
import { type Draws, drawsOf, STREAM } from "../data/counter-random.ts";
import { GLYPHS, type Point, type Stroke } from "./glyphs.ts";

/** Width and height of an image. */
export const DIGIT_SIZE = 28;

export interface Digits {
  readonly count: number;
  /** `count` images of 28×28 bytes, row by row; 0 is background. */
  readonly images: Uint8Array;
  /** 0 to 9. */
  readonly labels: Uint8Array;
}

/** Images `first` to `first + count - 1` of the endless sequence that belongs to a seed. */
export function generateDigits(count: number, seed: number, first = 0): Digits {
  const pixels = DIGIT_SIZE * DIGIT_SIZE;
  const images = new Uint8Array(count * pixels);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = digitAt(seed, first + i);
    images.set(drawDigit(labels[i] ?? 0, seed, first + i), i * pixels);
  }
  return { count, images, labels };
}

/** The digit shown by image `index`: each block of ten is a shuffled 0 to 9. */
export function digitAt(seed: number, index: number): number {
  const draws = drawsOf(seed, STREAM.digits, 1, Math.floor(index / 10));
  const order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let last = 9; last > 0; last--) {
    const other = draws.below(last + 1);
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order[index % 10] ?? 0;
}

/** One 28×28 image of a digit. */
export function drawDigit(digit: number, seed: number, index: number): Uint8Array {
  const draws = drawsOf(seed, STREAM.digits, 0, index);
  const variants = GLYPHS[digit] ?? [];
  const glyph = variants[draws.below(variants.length)] ?? [];
  const warp = randomWarp(draws);
  const radius = draws.uniform(0.75, 1.75);
  const taper = draws.uniform(-0.3, 0.3);
  const coverage = new Float32Array(DIGIT_SIZE * DIGIT_SIZE);
  for (const stroke of glyph) {
    const path = smoothPath(wobble(stroke, draws)).map(warp);
    inkPath(coverage, path, radius, taper);
  }
  return developed(coverage, draws);
}

/**
 * From the unit square (y down) to pixels: uneven scale, rotation, slant, shift, and a slow bend of both axes.
 * The slant leans right on average, as most hands do.
 */
function randomWarp(draws: Draws): (point: Point) => Point {
  const angle = draws.normal() * 0.13;
  const slant = 0.08 + draws.normal() * 0.16;
  const width = draws.uniform(10.5, 19);
  const height = draws.uniform(16, 21.5);
  const centre = DIGIT_SIZE / 2 - 0.5;
  const shiftX = draws.uniform(-2.2, 2.2);
  const shiftY = draws.uniform(-2.2, 2.2);
  const bendX = draws.normal() * 0.045;
  const bendY = draws.normal() * 0.045;
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  return ([unitX, unitY]) => {
    const u = unitX - 0.5 + bendX * Math.sin(Math.PI * 2 * unitY);
    const v = unitY - 0.5 + bendY * Math.sin(Math.PI * 2 * unitX);
    const x = (u - slant * v) * width;
    const y = v * height;
    return [centre + shiftX + cosine * x - sine * y, centre + shiftY + sine * x + cosine * y];
  };
}

/** Moves each control point a little. */
function wobble(stroke: Stroke, draws: Draws): Stroke {
  return stroke.map(([x, y]) => [x + draws.normal() * 0.028, y + draws.normal() * 0.028]);
}

/** A Catmull-Rom curve through the control points (Catmull and Rom, 1974); a doubled point makes a corner. */
function smoothPath(points: Stroke): Point[] {
  const pieces = 6;
  const at = (i: number): Point => points[Math.min(Math.max(i, 0), points.length - 1)] ?? [0, 0];
  const path: Point[] = [at(0)];
  for (let i = 0; i + 1 < points.length; i++) {
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let piece = 1; piece <= pieces; piece++) {
      const t = piece / pieces;
      const blend = (axis: 0 | 1): number =>
        b[axis] +
        0.5 * t * (c[axis] - a[axis] + t * (2 * a[axis] - 5 * b[axis] + 4 * c[axis] - d[axis] + t * (3 * (b[axis] - c[axis]) + d[axis] - a[axis])));
      path.push([blend(0), blend(1)]);
    }
  }
  return path;
}

/** Raises coverage (28×28, 0 to 1) along a path in pixels to what a round pen leaves there; `taper` thins or widens the pen towards the end. */
export function inkPath(coverage: Float32Array, path: readonly Point[], radius: number, taper: number): void {
  const edge = 0.7;
  for (let i = 0; i + 1 < path.length; i++) {
    const [fromX, fromY] = path[i] ?? [0, 0];
    const [toX, toY] = path[i + 1] ?? [0, 0];
    const pen = radius * (1 + taper * (i / path.length - 0.5));
    const reach = pen + edge;
    const [stepX, stepY] = [toX - fromX, toY - fromY];
    const lengthSquared = stepX * stepX + stepY * stepY + 1e-9;
    const left = Math.max(0, Math.floor(Math.min(fromX, toX) - reach));
    const right = Math.min(DIGIT_SIZE - 1, Math.ceil(Math.max(fromX, toX) + reach));
    const top = Math.max(0, Math.floor(Math.min(fromY, toY) - reach));
    const bottom = Math.min(DIGIT_SIZE - 1, Math.ceil(Math.max(fromY, toY) + reach));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const along = Math.min(1, Math.max(0, ((x - fromX) * stepX + (y - fromY) * stepY) / lengthSquared));
        const distance = Math.hypot(x - fromX - along * stepX, y - fromY - along * stepY);
        const ink = Math.min(1, Math.max(0, (reach - distance) / (2 * edge)));
        const pixel = y * DIGIT_SIZE + x;
        if (ink > (coverage[pixel] ?? 0)) coverage[pixel] = ink;
      }
    }
  }
}

/** Ink strength, a light blur and sensor noise, as bytes. */
function developed(coverage: Float32Array, draws: Draws): Uint8Array {
  const ink = draws.uniform(0.72, 1);
  const blur = draws.uniform(0, 0.5);
  const noise = draws.uniform(0, 0.05);
  const result = new Uint8Array(coverage.length);
  const at = (x: number, y: number): number => (x < 0 || y < 0 || x >= DIGIT_SIZE || y >= DIGIT_SIZE ? 0 : (coverage[y * DIGIT_SIZE + x] ?? 0));
  for (let y = 0; y < DIGIT_SIZE; y++) {
    for (let x = 0; x < DIGIT_SIZE; x++) {
      const around = (at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1)) / 4;
      const smooth = (1 - blur) * at(x, y) + blur * around;
      // Two draws stand in for a normal deviate: a triangular one is enough for noise and four times as fast.
      const grain = (draws.uniform(-1, 1) + draws.uniform(-1, 1)) * noise;
      result[y * DIGIT_SIZE + x] = Math.round(255 * Math.min(1, Math.max(0, smooth * ink + grain)));
    }
  }
  return result;
}
