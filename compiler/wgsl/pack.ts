/**
 * Weights of convolutions with several taps, turned from [out, in, taps..] to [taps.., in, out]: then the four output
 * channels that an invocation reads together lie side by side, along columns forwards and along the depth backwards.
 * Invariant: the packed weights are read by strides, like any others.
 */
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { loadsOf } from "../fuse/expression.ts";
import { rowMajorStrides } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Axis, Contraction, Coordinate, Kernel, Operand, Size } from "../ir/kernel.ts";
import type { WeightSource } from "../plan/pack-weights.ts";
import { isTiled } from "./contraction.ts";

export interface Packing {
  /** Fills the packed buffer, -1. */
  readonly pack: Kernel;
  /** In elements. */
  readonly packedSize: number;
  /** Reads it. */
  readonly contraction: Kernel;
}

/** The packed buffer, until it has a number. */
const PACKED = -1;

/** The rule for the plan; undefined where weights are read as they lie. */
export function packing(kernel: Kernel): Packing | undefined {
  if (kernel.form !== "contraction" || kernel.contraction.result === "kernel" || !isTiled(kernel)) return undefined;
  const { contraction } = kernel;
  const { groups, window, inputChannels, outputChannels } = contraction;
  const taps = window.map((axis) => axis.taps);
  const strided = contraction.kernel.input !== 1 && contraction.kernel.output !== 1;
  if (typeof groups !== "number" || !strided || taps.every((count) => count === 1)) return undefined;
  const extents = [groups, ...taps, inputChannels, outputChannels];
  const axes: Axis[] = extents.map((extent, axis) => ({ name: `i${axis}`, extent }));
  const strides = rowMajorStrides(extents).map((stride) => (typeof stride === "number" ? stride : 0));
  const { group, input, output } = contraction.kernel;
  const role = { group: strides[0] ?? 0, taps: strides.slice(1, 1 + taps.length), input: outputChannels, output: 1 };
  return {
    packedSize: extents.reduce((product, extent) => product * extent, 1),
    ...copy(kernel, axes, [group, ...contraction.kernel.taps, input, output], strides, role),
  };
}

/** The kernel that moves weights from their strides to others, and the contraction that reads them there. */
function copy(
  kernel: ContractionKernel,
  axes: readonly Axis[],
  from: readonly Size[],
  to: readonly number[],
  role: Omit<Contraction["kernel"], "operand">,
): Pick<Packing, "pack" | "contraction"> {
  const { contraction } = kernel;
  const packed: Operand = { buffer: PACKED, type: "f32", offset: 0, strides: to };
  const source = kernel.operands[contraction.kernel.operand];
  invariant(source !== undefined, "a contraction has weights");
  const at = axes.map((_, axis): Coordinate => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } }));
  const { operands, index } = withOperand(kernel, packed);
  return {
    pack: {
      form: "pointwise",
      name: "pack",
      serves: kernel.serves,
      operands: [{ ...source, strides: from }, packed],
      axes,
      lets: [],
      stores: [{ operand: 1, at, value: { kind: "load", operand: 0, at, fill: 0 } }],
    },
    contraction: { ...kernel, operands, contraction: { ...contraction, kernel: { ...role, operand: index } } },
  };
}

/**
 * The rule where weights are stored as f16: tensors of the network, which are f32, are also copied as they lie where
 * `packing` would leave them.
 */
export function packingForHalves(kernel: Kernel, source: WeightSource): Packing | undefined {
  const turned = packing(kernel);
  if (turned !== undefined || source !== "tensor" || kernel.form !== "contraction" || kernel.contraction.result === "kernel") return turned;
  const { contraction } = kernel;
  const { groups, window, inputChannels, outputChannels } = contraction;
  const { group, taps, input, output } = contraction.kernel;
  if (!isTiled(kernel)) return undefined;
  const moves = [[groups, group], ...window.map((axis, k) => [axis.taps, taps[k]]), [inputChannels, input], [outputChannels, output]] as const;
  const axes: Axis[] = [];
  const strides: number[] = [];
  let packedSize = 1;
  for (const [axis, [extent, stride]] of moves.entries()) {
    if (typeof extent !== "number" || typeof stride !== "number") return undefined;
    axes.push({ name: `i${axis}`, extent });
    strides.push(stride);
    packedSize += (extent - 1) * stride;
  }
  if (packedSize !== axes.reduce((product, { extent }) => product * (typeof extent === "number" ? extent : 0), 1)) return undefined;
  return { packedSize, ...copy(kernel, axes, strides, strides, contraction.kernel) };
}

/** Operands with the packed one in place of the weights, or behind all where the kernel reads those in other ways too. */
function withOperand(kernel: ContractionKernel, packed: Operand): { readonly operands: readonly Operand[]; readonly index: number } {
  const { contraction, operands, lets, stores } = kernel;
  const index = contraction.kernel.operand;
  const prologues = [contraction.inputPrologue, contraction.outputPrologue].filter((each) => each !== undefined);
  const loads = loadsOf([...lets, ...stores.map((store) => store.value), ...prologues]);
  const factor = contraction.result === "output" ? contraction.input : contraction.output;
  const isShared = factor.operand === index || loads.some((load) => load.operand === index);
  return isShared
    ? { operands: [...operands, packed], index: operands.length }
    : { operands: operands.map((each, k) => (k === index ? packed : each)), index };
}
