/**
 * Decodes PNG and JPEG into channel planes of value/max.
 * Invariant: channels come out as asked: 1 (luma of ITU-R BT.601) or 3; an alpha channel is dropped; nothing is resized.
 */
import { convertIndexedToRgb, decode as decodePng } from "fast-png";
import jpeg from "jpeg-js";
import { readBytes } from "./bytes.ts";
import { unusableInput } from "./problems.ts";

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Interleaved, `max` is white. */
  readonly data: ArrayLike<number>;
  readonly max: number;
}

/** [C, H, W] floats from 0 to 1 in row-major order. */
export function readPicture(path: string, channels: number): { readonly shape: readonly [number, number, number]; readonly values: Float32Array } {
  const bytes = readBytes(path);
  const pixels = decodePicture(path, bytes);
  if (channels !== 1 && channels !== 3) {
    throw unusableInput(path, `a picture has 1 or 3 channels, but the model's input takes ${channels}`);
  }
  const plane = pixels.width * pixels.height;
  const values = new Float32Array(channels * plane);
  const grey = pixels.channels <= 2;
  for (let i = 0; i < plane; i++) {
    const at = (channel: number): number => (pixels.data[i * pixels.channels + (grey ? 0 : channel)] ?? 0) / pixels.max;
    if (channels === 3) for (let channel = 0; channel < 3; channel++) values[channel * plane + i] = at(channel);
    else values[i] = grey ? at(0) : 0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2);
  }
  return { shape: [channels, pixels.height, pixels.width], values };
}

function decodePicture(path: string, bytes: Uint8Array): Pixels {
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50;
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!isPng && !isJpeg) throw unusableInput(path, "neither a PNG nor a JPEG: its first bytes are those of neither");
  try {
    return isPng ? fromPng(bytes) : fromJpeg(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unusableInput(path, `damaged or truncated ${isPng ? "PNG" : "JPEG"}: ${reason}`);
  }
}

function fromPng(bytes: Uint8Array): Pixels {
  const png = decodePng(bytes);
  const { width, height, depth } = png;
  if (png.palette !== undefined) {
    return { width, height, channels: png.palette[0]?.length ?? 3, data: convertIndexedToRgb(png), max: 255 };
  }
  if (depth >= 8) return { width, height, channels: png.channels, data: png.data, max: 2 ** depth - 1 };
  return { width, height, channels: 1, data: unpackBits(png.data, width, height, depth), max: 2 ** depth - 1 };
}

function fromJpeg(bytes: Uint8Array): Pixels {
  const { width, height, data } = jpeg.decode(bytes, { useTArray: true, formatAsRGBA: false, tolerantDecoding: false });
  return { width, height, channels: 3, data, max: 255 };
}

/** Rows of 1-, 2- or 4-bit grey values, each row beginning on a byte, most significant bits first. */
function unpackBits(packed: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const values = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = packed[y * rowBytes + Math.floor((x * depth) / 8)] ?? 0;
      values[y * width + x] = (byte >> (8 - depth - ((x * depth) % 8))) & (2 ** depth - 1);
    }
  }
  return values;
}
