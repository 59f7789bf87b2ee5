/**
 * Packing of a contraction's kernel operand (weights, or the right side of a matrix product) into 8-wide panels.
 * Invariant: the packed contraction computes what the given one does; the pack kernel fills the whole packed buffer.
 */
import type { Affine, Axis, Contraction, Coordinate, Expression, Kernel, Operand, Size } from "../ir/kernel.ts";

type ContractionKernel = Extract<Kernel, { form: "contraction" }>;

/** Lanes of a panel: two vectors of f32. */
export const PANEL = 8;

export interface Packing {
  /** Pointwise movement: its load has the source's operand, its store has operand `buffer: -1` (the packed buffer). */
  readonly pack: Kernel;
  /** Elements of the packed buffer. */
  readonly packedSize: Size;
  /** The contraction over the packed operand; that operand has `buffer: -1`. */
  readonly contraction: Kernel;
}

/** Panels of a contraction: [group][block][taps..][across][8], or depthwise [block of 8 groups][taps..][8]. */
export interface Panels {
  readonly depthwise: boolean;
  /** Blocks per group (depthwise: of groups). */
  readonly blocks: number;
  readonly taps: number;
  /** Channels summed over. */
  readonly across: number;
  /** Result channels of a group (depthwise: groups). */
  readonly lanes: number;
}

/** One input and one output channel per group: vectors then lie across the groups. */
export function isDepthwise(contraction: Contraction): boolean {
  const { groups, inputChannels, outputChannels, window } = contraction;
  return typeof groups === "number" && groups > 1 && inputChannels === 1 && outputChannels === 1 && window.length > 0;
}

/** The shape of the panels for a result "output" or "input". */
export function panelsOf(contraction: Contraction): Panels {
  const depthwise = isDepthwise(contraction);
  const forward = contraction.result === "output";
  const channels = forward ? contraction.outputChannels : contraction.inputChannels;
  const lanes = depthwise && typeof contraction.groups === "number" ? contraction.groups : channels;
  const across = forward ? contraction.inputChannels : contraction.outputChannels;
  const taps = contraction.window.reduce((product, axis) => product * axis.taps, 1);
  return { depthwise, blocks: Math.ceil(lanes / PANEL), taps, across, lanes };
}

/**
 * How to pack a contraction's kernel operand, or `undefined` where the kernel reads its operands as they are (result
 * "kernel"). For the data gradient the taps lie in reverse order, so that they ascend with the positions they read.
 */
export function packing(kernel: Kernel): Packing | undefined {
  if (kernel.form !== "contraction") return undefined;
  const { contraction } = kernel;
  const source = kernel.operands[contraction.kernel.operand];
  if (contraction.result === "kernel" || contraction.packedPanel !== undefined || source === undefined) return undefined;
  const panels = panelsOf(contraction);
  const perGroup = panels.blocks * panels.taps * panels.across * PANEL;
  const { groups } = contraction;
  const packedSize = panels.depthwise ? perGroup : typeof groups === "number" ? groups * perGroup : { batch: groups.batch * perGroup };
  return { pack: packKernel(kernel, source, panels, perGroup), packedSize, contraction: withPacked(kernel, perGroup) };
}

function packKernel(kernel: ContractionKernel, source: Operand, panels: Panels, perGroup: number): Kernel {
  const { contraction } = kernel;
  const forward = contraction.result === "output";
  const axes: Axis[] = [];
  const packedStrides: number[] = [];
  const axis = (name: string, extent: Size, stride: number): number => {
    packedStrides.push(stride);
    return axes.push({ name, extent }) - 1;
  };
  const group = panels.depthwise ? undefined : axis("g", contraction.groups, perGroup);
  const block = axis("block", panels.blocks, perGroup / panels.blocks);
  let stride = panels.across * PANEL * panels.taps;
  const taps: Coordinate[] = contraction.window.map((window, position) => {
    stride /= window.taps;
    const term = { axis: axis(`k${position}`, window.taps, stride), coefficient: forward ? 1 : -1 };
    return { index: { constant: forward ? 0 : window.taps - 1, terms: [term] } };
  });
  const across = axis("c", panels.across, PANEL);
  const lane = axis("lane", PANEL, 1);
  const laneIndex: Affine = { constant: 0, terms: [{ axis: block, coefficient: PANEL }, { axis: lane, coefficient: 1 }] };
  const bounded: Coordinate = { index: laneIndex, bound: { extent: panels.lanes, divisor: 1 } };
  const { kernel: strides } = contraction;
  const [acrossStride, laneStride] = forward ? [strides.input, strides.output] : [strides.output, strides.input];
  const operands: Operand[] = [
    { ...source, strides: [...(group === undefined ? [] : [strides.group]), ...strides.taps, acrossStride, group === undefined ? strides.group : laneStride] },
    { buffer: -1, type: "f32", offset: 0, strides: packedStrides },
  ];
  const at = [...(group === undefined ? [] : [alone(group)]), ...taps, alone(across), bounded];
  const value: Expression = { kind: "load", operand: 0, at, fill: 0 };
  const stores = [{ operand: 1, at: axes.map((_, position) => alone(position)), value }];
  return { form: "pointwise", name: "pack", serves: kernel.serves, operands, axes, lets: [], stores };
}

function alone(axis: number): Coordinate {
  return { index: { constant: 0, terms: [{ axis, coefficient: 1 }] } };
}

/** The packed operand is a new one: the source may be read by the epilogue too. */
function withPacked(kernel: ContractionKernel, perGroup: number): Kernel {
  const { contraction } = kernel;
  const packed: Operand = { buffer: -1, type: "f32", offset: 0, strides: [perGroup, 1] };
  const old = contraction.kernel.operand;
  const elsewhere = JSON.stringify([kernel.lets, kernel.stores, contraction.inputPrologue, contraction.outputPrologue]).includes(`"operand":${old},`);
  const operands = elsewhere ? [...kernel.operands, packed] : kernel.operands.map((operand, k) => (k === old ? packed : operand));
  const operand = elsewhere ? operands.length - 1 : old;
  return { ...kernel, operands, contraction: { ...contraction, kernel: { ...contraction.kernel, operand }, packedPanel: PANEL } };
}
