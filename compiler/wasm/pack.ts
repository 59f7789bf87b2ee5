/**
 * Packing of a contraction's kernel operand (weights, or the right side of a matrix product) into 8-wide panels:
 *   result "output": [group][block of 8 output channels][tap..][input channel][8]
 *   result "input":  [group][block of 8 input channels][tap..][output channel][8]; the last tap axis runs backwards where
 *   its stride is 1, so that consecutive taps meet consecutive pixels.
 * A block's missing channels are 0. Depthwise kernels become [tap..][group]: contiguous along the groups.
 * Invariant: the packed contraction computes what the given one does; the pack kernel fills the whole packed buffer.
 */
import { invariant } from "../ir/invariant.ts";
import type { Affine, Axis, Contraction, Coordinate, Expression, Kernel, Operand, Size } from "../ir/kernel.ts";
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { children } from "./scope.ts";
import { multiply } from "./sizes.ts";

/** Channels of a panel: two vectors. */
export const PANEL = 8;

/** The buffer that stands for the packed operand until the planner gives it a number. */
export const PACKED_BUFFER = -1;

export interface Packing {
  /** Pointwise movement: its load has the source's operand, its store has operand `buffer: -1` (the packed buffer). */
  readonly pack: Kernel;
  /** Elements of the packed buffer. */
  readonly packedSize: Size;
  /** The contraction over the packed operand; that operand has `buffer: -1`. */
  readonly contraction: Kernel;
}

/** How to pack a contraction's kernel operand, or `undefined` where the kernel reads its operands as they are. */
export function packing(kernel: Kernel): Packing | undefined {
  if (kernel.form !== "contraction" || kernel.contraction.result === "kernel") return undefined;
  if (kernel.contraction.packedPanel !== undefined) return undefined;
  return isDepthwise(kernel.contraction) ? packDepthwise(kernel) : packPanels(kernel);
}

/** One input and one output channel per group. */
export function isDepthwise(contraction: Contraction): boolean {
  return contraction.groups !== 1 && contraction.inputChannels === 1 && contraction.outputChannels === 1;
}

/** Channels across a panel and channels summed over. */
export function panelChannels(contraction: Contraction): { readonly wide: number; readonly deep: number } {
  const { inputChannels, outputChannels } = contraction;
  return contraction.result === "output" ? { wide: outputChannels, deep: inputChannels } : { wide: inputChannels, deep: outputChannels };
}

/** Whether taps of the last window axis lie backwards in the panels. */
export function tapsReversed(contraction: Contraction): boolean {
  return contraction.result === "input" && contraction.window.at(-1)?.stride === 1;
}

function plain(axis: number): Affine {
  return { constant: 0, terms: [{ axis, coefficient: 1 }] };
}

/** Strides of a dense row-major tensor with the batch, if any, in the first extent. */
function denseStrides(extents: readonly number[]): number[] {
  return extents.map((_, i) => extents.slice(i + 1).reduce((product, extent) => product * extent, 1));
}

function sourceOperand(kernel: ContractionKernel, strides: readonly Size[]): Operand {
  const operand = kernel.operands[kernel.contraction.kernel.operand];
  invariant(operand !== undefined, "the kernel operand is missing");
  return { ...operand, strides };
}

/** The operands with the packed one in the source's place, or after all others where the source is read elsewhere too. */
function replaceOperand(kernel: ContractionKernel): { readonly operands: readonly Operand[]; readonly index: number } {
  const { contraction, operands } = kernel;
  const index = contraction.kernel.operand;
  const packed: Operand = { buffer: PACKED_BUFFER, type: "f32", offset: 0, strides: [1] };
  const factor = contraction.result === "output" ? contraction.input : contraction.output;
  if (factor.operand === index || readsOperand(kernel, index)) return { operands: [...operands, packed], index: operands.length };
  return { operands: operands.map((operand, i) => (i === index ? packed : operand)), index };
}

function readsOperand(kernel: ContractionKernel, index: number): boolean {
  const { inputPrologue, outputPrologue } = kernel.contraction;
  const reads = (expression: Expression | undefined): boolean =>
    expression !== undefined && ((expression.kind === "load" && expression.operand === index) || children(expression).some(reads));
  const stored = kernel.stores.some((store) => store.operand === index || reads(store.value));
  return stored || kernel.lets.some(reads) || reads(inputPrologue) || reads(outputPrologue);
}

function packPanels(kernel: ContractionKernel): Packing {
  const { contraction } = kernel;
  const { wide, deep } = panelChannels(contraction);
  const forward = contraction.result === "output";
  const blocks = Math.ceil(wide / PANEL);
  const { taps, window } = { taps: contraction.kernel.taps, window: contraction.window };
  const wideStride = forward ? contraction.kernel.output : contraction.kernel.input;
  const deepStride = forward ? contraction.kernel.input : contraction.kernel.output;
  // Axes: group, block, tap.., deep channel, lane.
  const axes: Axis[] = [
    { name: "group", extent: contraction.groups },
    { name: "block", extent: blocks },
    ...window.map((axis, i) => ({ name: `tap${i}`, extent: axis.taps })),
    { name: "channel", extent: deep },
    { name: "lane", extent: PANEL },
  ];
  const lane = axes.length - 1;
  const reversed = tapsReversed(contraction);
  const channel: Affine = {
    constant: 0,
    terms: [
      { axis: 1, coefficient: PANEL },
      { axis: lane, coefficient: 1 },
    ],
  };
  const from: Coordinate[] = [
    { index: plain(0) },
    ...window.map((axis, i): Coordinate => {
      const backwards = reversed && i === window.length - 1;
      return { index: backwards ? { constant: axis.taps - 1, terms: [{ axis: 2 + i, coefficient: -1 }] } : plain(2 + i) };
    }),
    { index: plain(lane - 1) },
    wide % PANEL === 0 ? { index: channel } : { index: channel, bound: { extent: wide, divisor: 1 } },
  ];
  const extents = [blocks, ...window.map((axis) => axis.taps), deep, PANEL];
  const perGroup = extents.reduce((product, extent) => product * extent, 1);
  const packed: Operand = { buffer: PACKED_BUFFER, type: "f32", offset: 0, strides: [perGroup, ...denseStrides(extents)] };
  const { operands, index } = replaceOperand(kernel);
  return {
    packedSize: multiply(contraction.groups, perGroup),
    pack: {
      form: "pointwise",
      name: "pack",
      serves: kernel.serves,
      operands: [sourceOperand(kernel, [contraction.kernel.group, ...taps, deepStride, wideStride]), packed],
      axes,
      lets: [],
      stores: [{ operand: 1, at: axes.map((_, axis) => ({ index: plain(axis) })), value: { kind: "load", operand: 0, at: from, fill: 0 } }],
    },
    contraction: {
      ...kernel,
      operands,
      contraction: { ...contraction, kernel: { ...contraction.kernel, operand: index }, packedPanel: PANEL },
    },
  };
}

function packDepthwise(kernel: ContractionKernel): Packing | undefined {
  const { contraction } = kernel;
  const { groups, window } = contraction;
  if (typeof groups !== "number") return undefined;
  if (contraction.kernel.group === 1) return undefined;
  const extents = [...window.map((axis) => axis.taps), groups];
  const axes: Axis[] = [...window.map((axis, i) => ({ name: `tap${i}`, extent: axis.taps })), { name: "group", extent: groups }];
  const at = axes.map((_, axis): Coordinate => ({ index: plain(axis) }));
  const strides = denseStrides(extents);
  const packed: Operand = { buffer: PACKED_BUFFER, type: "f32", offset: 0, strides };
  const { operands, index } = replaceOperand(kernel);
  const role = { operand: index, group: 1, taps: strides.slice(0, -1), input: 0, output: 0 };
  return {
    packedSize: extents.reduce((product, extent) => product * extent, 1),
    pack: {
      form: "pointwise",
      name: "pack_depthwise",
      serves: kernel.serves,
      operands: [sourceOperand(kernel, [...contraction.kernel.taps, contraction.kernel.group]), packed],
      axes,
      lets: [],
      stores: [{ operand: 1, at, value: { kind: "load", operand: 0, at, fill: 0 } }],
    },
    contraction: { ...kernel, operands, contraction: { ...contraction, kernel: role } },
  };
}
