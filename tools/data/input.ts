/**
 * Reads the value of one network input from a file: `.npy`, `.safetensors` or `.safetensors#tensor`, PNG, JPEG.
 * Invariant: what is returned has the port's rank and kind of number; sizes are left to the network to check.
 */
import { readSafetensors } from "../../runtime/safetensors.ts";
import { dtypeKind, type Tensor, toFloat32 } from "../../runtime/tensor.ts";
import type { Normalization } from "./batches.ts";
import { readRaw } from "./bytes.ts";
import { readNpy } from "./npy.ts";
import { readPicture } from "./picture.ts";
import { unusableInput, wrongFormat } from "./problems.ts";

/** The input to fill; names stand for free sizes, the batch first. */
export interface InputPort {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface InputTensor extends Tensor {
  /** Whether it came from a picture, whose pixels a recipe's normalisation concerns. */
  readonly picture: boolean;
}

/** Reads `path`, which may name a tensor behind `#`. A sample without batch axis gets one. */
export function readInput(path: string, port: InputPort): InputTensor {
  const [file = "", tensorName] = splitFragment(path);
  if (/\.(png|jpe?g)$/i.test(file)) {
    const channels = port.shape.length === 4 ? port.shape[1] : undefined;
    if (channels === undefined) throw unusableInput(file, `a picture fits an input [N, C, H, W]; ${port.name} takes [${port.shape.join(", ")}]`);
    const { shape, values } = readPicture(file, typeof channels === "number" ? channels : 3);
    return { dtype: "f32", shape: [1, ...shape], data: values, picture: true };
  }
  if (/\.npy$/i.test(file)) {
    const { shape, values } = readNpy(file);
    return {
      ...asPortTakes(path, { dtype: values instanceof Float32Array ? "f32" : "i32", shape, data: values }, port),
      picture: false,
    };
  }
  if (/\.safetensors$/i.test(file)) return { ...asPortTakes(path, readTensor(file, tensorName), port), picture: false };
  throw wrongFormat(file, "unknown kind of input; expected .npy, .safetensors#tensor, .png, .jpg or .jpeg");
}

/** Per-channel (value - mean) / std over [N, C, ...]. */
export function normalizeTensor(tensor: Tensor, normalize: Normalization): Tensor {
  const values = toFloat32(tensor).slice();
  const channels = tensor.shape[1] ?? 1;
  const plane = tensor.shape.slice(2).reduce((product, size) => product * size, 1);
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / plane) % channels;
    const mean = normalize.mean[normalize.mean.length === 1 ? 0 : channel] ?? 0;
    const std = normalize.std[normalize.std.length === 1 ? 0 : channel] ?? 1;
    values[i] = ((values[i] ?? 0) - mean) / std;
  }
  return { dtype: "f32", shape: tensor.shape, data: values };
}

function splitFragment(path: string): [string, string | undefined] {
  const at = path.search(/\.safetensors#/i);
  if (at < 0) return [path, undefined];
  const hash = at + ".safetensors".length;
  return [path.slice(0, hash), path.slice(hash + 1)];
}

function readTensor(file: string, name: string | undefined): Tensor {
  const { tensors } = readSafetensors(readRaw(file), file);
  const names = Object.keys(tensors);
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  const listed = names.length > 8 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ");
  if (chosen === undefined) throw unusableInput(file, `holds ${names.length} tensors; choose one with ${file}#NAME: ${listed}`);
  const tensor = Object.hasOwn(tensors, chosen) ? tensors[chosen] : undefined;
  if (tensor === undefined) throw unusableInput(file, `has no tensor ${chosen}; it has ${listed}`);
  return tensor;
}

function asPortTakes(path: string, tensor: Tensor, port: InputPort): Tensor {
  const shape = tensor.shape.length === port.shape.length - 1 ? [1, ...tensor.shape] : tensor.shape;
  if (port.dtype === "f32" || port.dtype === "f16") return { dtype: "f32", shape, data: toFloat32(tensor) };
  if (dtypeKind(tensor.dtype) !== "float") return { ...tensor, shape };
  const values = toFloat32(tensor);
  const odd = values.findIndex((value) => !Number.isInteger(value));
  if (odd >= 0) throw unusableInput(path, `value ${odd} is ${values[odd]}, but ${port.name} takes whole numbers (${port.dtype})`);
  return { dtype: "i32", shape, data: Int32Array.from(values) };
}
