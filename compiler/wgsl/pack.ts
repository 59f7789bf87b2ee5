/**
 * Weights of convolutions with several taps, turned from [out, in, taps..] to [taps.., in, out]: then the four output
 * channels that an invocation reads together lie side by side, along columns forwards and along the depth backwards.
 * Invariant: the packed weights are read by strides, like any others.
 */
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { loadsOf } from "../fuse/expression.ts";
import { rowMajorStrides } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Axis, Coordinate, Kernel, Operand } from "../ir/kernel.ts";
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
  const packed: Operand = { buffer: PACKED, type: "f32", offset: 0, strides };
  const source = kernel.operands[contraction.kernel.operand];
  invariant(source !== undefined, "a contraction has weights");
  const { group, input, output } = contraction.kernel;
  const at = axes.map((_, axis): Coordinate => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } }));
  const { operands, index } = withOperand(kernel, packed);
  const role = { operand: index, group: strides[0] ?? 0, taps: strides.slice(1, 1 + taps.length), input: outputChannels, output: 1 };
  return {
    packedSize: extents.reduce((product, extent) => product * extent, 1),
    pack: {
      form: "pointwise",
      name: "pack",
      serves: kernel.serves,
      operands: [{ ...source, strides: [group, ...contraction.kernel.taps, input, output] }, packed],
      axes,
      lets: [],
      stores: [{ operand: 1, at, value: { kind: "load", operand: 0, at, fill: 0 } }],
    },
    contraction: { ...kernel, operands, contraction: { ...contraction, kernel: role } },
  };
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
