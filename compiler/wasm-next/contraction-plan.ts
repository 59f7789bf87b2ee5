/**
 * How a contraction is cut: result pixels into phases, boxes and tiles, channels into chunks; as words for the drivers.
 * Invariant: everything a driver knows of sizes stands in these words, so that kernels of one structure share their code.
 */
import { invariant } from "../ir/invariant.ts";
import type { Contraction, Kernel, RoleStrides, Size, WindowAxis } from "../ir/kernel.ts";
import type { KernelArgument } from "./frame.ts";
import { multiplySizes } from "./loops.ts";
import { layout } from "./micro-code.ts";
import { isDepthwise, PANEL, panelsOf } from "./pack.ts";

type ContractionKernel = Extract<Kernel, { form: "contraction" }>;

/** The three spatial axes every contraction is widened to. */
export const spatialNames = ["D", "H", "W"] as const;
export type SpatialName = (typeof spatialNames)[number];

/** Byte offsets of the words of a plan; see `planWords`. */
export const planFields = layout(
  "source", "panels", "images", "blocks", "chunkBlocks", "chunks", "lanes", "across", "takeW",
  "sourceImage", "sourceGroup", "sourceChannel", "sourceD", "sourceH", "sourceW",
  "panelImage", "panelGroup", "panelBlock", "panelD", "panelH", "panelW", "panelChannel",
  "inPlace", "merged", "depthwise", "pixelBytes",
  "unitsD", "unitsH", "unitsW", "boxD", "boxH", "boxW", "extentD", "extentH", "extentW", "phasesD", "phasesH", "phasesW",
  "tableD", "tableH", "tableW", "resultStepD", "resultStepH", "resultStepW", "perResultD", "perResultH", "perResultW",
  "perTapD", "perTapH", "perTapW", "tapStepD", "tapStepH", "tapStepW",
  "runTable", "pixelTable", "tiles", "band", "sums", "rowsAtOnce",
);

/** Byte offsets of the words of one phase of a spatial axis. */
export const phaseFields = layout("start", "count", "first", "tap", "taps");
const phaseBytes = 20;
export { phaseBytes };

/**
 * One spatial axis of the result, by phases: result start + resultStep * j reads, for tap t of the phase, position
 * first + perResult * j + perTap * t of the source with tap number tap + tapStep * t of the panels.
 */
interface Sweep {
  readonly extent: Size;
  readonly resultStep: number;
  readonly perResult: number;
  readonly perTap: number;
  readonly tapStep: number;
  readonly phases: readonly { readonly start: number; readonly count: Size; readonly first: number; readonly tap: number; readonly taps: number }[];
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function forwardSweep({ input, output, taps, stride, dilation, padding }: WindowAxis): Sweep {
  const phases = [{ start: 0, count: output, first: -padding, tap: 0, taps }];
  return { extent: input, resultStep: 1, perResult: stride, perTap: dilation, tapStep: 1, phases };
}

/** Positions of one remainder by the stride meet the same taps; panels hold the taps in reverse order. */
function backwardSweep({ input, output, taps, stride, dilation, padding }: WindowAxis): Sweep {
  const divisor = greatestDivisor(dilation, stride);
  const [tapStep, perTap] = [stride / divisor, dilation / divisor];
  const phases = Array.from({ length: Math.min(stride, input) }, (_, start) => {
    const count = Math.ceil((input - start) / stride);
    const matches = Array.from({ length: taps }, (_each, tap) => tap).filter((tap) => (start + padding - tap * dilation) % stride === 0);
    const last = matches.at(-1);
    if (last === undefined) return { start, count, first: 0, tap: 0, taps: 0 };
    return { start, count, first: (start + padding - last * dilation) / stride, tap: taps - 1 - last, taps: matches.length };
  });
  return { extent: output, resultStep: stride, perResult: 1, perTap, tapStep, phases };
}

/** Positions of a free size: rows of a matrix. */
function rowSweep(rows: Size): Sweep {
  return { extent: rows, resultStep: 1, perResult: 1, perTap: 1, tapStep: 1, phases: [{ start: 0, count: rows, first: 0, tap: 0, taps: 1 }] };
}

const single: WindowAxis = { input: 1, output: 1, taps: 1, stride: 1, dilation: 1, padding: 0 };

/** What `planContraction` found. */
export interface ContractionPlan {
  readonly words: readonly KernelArgument[];
  readonly units: Size;
  readonly scratchBytes: number;
  /** The batch takes the place of the last spatial axis. */
  readonly rowsArePixels: boolean;
  readonly depthwise: boolean;
  readonly rank: number;
}

interface Geometry {
  readonly sweeps: readonly [Sweep, Sweep, Sweep];
  readonly strides: readonly [Size, Size, Size];
  readonly images: Size;
  readonly rowsArePixels: boolean;
}

/** The contraction over exactly three spatial axes; without a window the rows are the pixels of one image. */
function geometryOf(contraction: Contraction, role: RoleStrides): Geometry {
  const { result, window, batch } = contraction;
  const sweep = result === "input" ? backwardSweep : forwardSweep;
  const one = sweep(single);
  if (window.every(({ input, output, taps }) => input === 1 && output === 1 && taps === 1)) {
    return { sweeps: [one, one, rowSweep(batch)], strides: [0, 0, role.batch], images: 1, rowsArePixels: true };
  }
  invariant(contraction.window.length <= 3, "windows have at most three axes");
  const missing = 3 - window.length;
  const at = (k: number): Sweep => (k < missing ? one : sweep(window[k - missing] ?? single));
  return { sweeps: [at(0), at(1), at(2)], strides: spatialStrides(contraction, role), images: batch, rowsArePixels: false };
}

function spatialStrides({ window }: Contraction, { spatial }: RoleStrides): readonly [Size, Size, Size] {
  const stride = (k: number): Size => spatial[k + window.length - 3] ?? 0;
  return [stride(0), stride(1), stride(2)];
}

/** Whether no tap of any pixel lies outside of the source. */
function alwaysInside({ extent, perResult, perTap, phases }: Sweep): boolean {
  return phases.every(({ count, first, taps }) => {
    if (typeof count !== "number" || typeof extent !== "number") return true;
    return taps === 0 || count <= 0 || (first >= 0 && first + (count - 1) * perResult + (taps - 1) * perTap < extent);
  });
}

const bandLimit = 192 * 1024;
const pixelLimit = 512;
const rowLimit = 64;
const panelLimit = 512 * 1024;
const sumLimit = 384 * 1024;
const mostDepthwiseBlocks = 16;
/** Products that the weight gradient sums in registers. */
const pixelsAtOnce = 128;
/** Scratch begins with the state of the drivers. */
const stateBytes = 256;

interface Boxes {
  readonly sizes: readonly [number, number, number];
  readonly takeW: number;
  readonly bandBytes: number;
  readonly pixels: number;
}

/** Positions that a box of `count` pixels reads. */
function reach({ perResult, perTap, phases }: Sweep, count: number): number {
  const taps = phases.reduce((most, phase) => Math.max(most, phase.taps), 1);
  return (count - 1) * perResult + (taps - 1) * perTap + 1;
}

function mostOf({ phases }: Sweep): Size {
  return phases[0]?.count ?? 1;
}

function chooseBoxes([depth, height, width]: Geometry["sweeps"], pixelBytes: number, rows: boolean): Boxes {
  const bytes = (h: number, w: number) => reach(depth, 1) * reach(height, h) * reach(width, w) * pixelBytes;
  const [countH, countW] = [mostOf(height), mostOf(width)];
  if (typeof countW !== "number" || typeof countH !== "number") {
    const takeW = Math.max(8, Math.min(rowLimit, Math.floor(bandLimit / pixelBytes)));
    return { sizes: [1, 1, 1], takeW, bandBytes: bytes(1, takeW), pixels: takeW };
  }
  let w = even(countW, rows ? rowLimit : pixelLimit);
  let h = even(countH, Math.max(1, Math.floor(pixelLimit / w)));
  while (bytes(h, w) > bandLimit && h * w > 4) {
    if (h > 1) h = even(countH, h - 1);
    else w = even(countW, w - 1);
  }
  return { sizes: [1, h, w], takeW: 1, bandBytes: bytes(h, w), pixels: h * w };
}

/** The size of equal parts of at most `limit`. */
function even(count: number, limit: number): number {
  return Math.ceil(count / Math.ceil(count / Math.min(limit, count)));
}

function unitsAlong(sweep: Sweep, box: number): Size {
  const count = mostOf(sweep);
  return typeof count === "number" ? Math.ceil(count / box) : count;
}

/** Blocks per chunk: panels that stay in cache, and a few units even for one small image. */
function chooseChunk(blocks: number, panelBytes: number, units: Size, depthwise: boolean): number {
  const fits = Math.max(1, Math.min(depthwise ? mostDepthwiseBlocks : blocks, Math.floor(panelLimit / panelBytes)));
  const wanted = typeof units === "number" ? Math.ceil(4 / Math.max(1, units)) : 1;
  return even(blocks, Math.min(fits, Math.max(2, Math.ceil(blocks / wanted))));
}

/** Cuts the contraction of a kernel with result "output" or "input". */
export function planContraction(kernel: ContractionKernel): ContractionPlan {
  const { contraction } = kernel;
  const forward = contraction.result === "output";
  const role = forward ? contraction.input : contraction.output;
  const prologue = forward ? contraction.inputPrologue : contraction.outputPrologue;
  const { depthwise, blocks, taps, across, lanes } = panelsOf(contraction);
  const geometry = geometryOf(contraction, role);
  const { sweeps, strides } = geometry;
  const channelStride = depthwise ? role.group : role.channel;
  const dense = channelStride === 1 || (across === 1 && !depthwise);
  const inPlace = sweeps.every(alwaysInside) && prologue === undefined && dense && (!depthwise || lanes % PANEL === 0);
  const boxes = chooseBoxes(sweeps, (depthwise ? Math.min(mostDepthwiseBlocks, blocks) * PANEL : across) * 4, geometry.rowsArePixels);
  const spatialUnits = countUnits(contraction, geometry, boxes, depthwise);
  const chunkBlocks = chooseChunk(blocks, taps * across * PANEL * 4, spatialUnits, depthwise);
  const merged = !depthwise && mergesTaps(sweeps[2], inPlace ? strides[2] : across, across);
  const [, tapsH = 1, tapsW = 1] = windowTaps(contraction);
  const tapBytes = across * PANEL * 4;
  const runTable = stateBytes;
  const pixelTable = runTable + 8 * mostRuns(sweeps);
  const tiles = align(pixelTable + 4 * (boxes.pixels + 4));
  const band = align(tiles + 32 * (boxes.pixels + 4));
  const words = planWords(kernel, role.operand, geometry, boxes, {
    blocks, chunkBlocks, chunks: Math.ceil(blocks / chunkBlocks), lanes, across: depthwise ? 0 : across,
    sourceImage: geometry.rowsArePixels ? 0 : bytesOf(role.batch), sourceGroup: depthwise ? 0 : bytesOf(role.group),
    sourceChannel: bytesOf(channelStride), panelImage: 0, panelChannel: 0,
    panelGroup: depthwise ? 0 : blocks * taps * tapBytes, panelBlock: taps * tapBytes,
    panelD: tapsH * tapsW * tapBytes, panelH: tapsW * tapBytes, panelW: tapBytes,
    inPlace: inPlace ? 1 : 0, merged: merged ? 1 : 0, depthwise: depthwise ? 1 : 0,
    pixelBytes: (depthwise ? chunkBlocks * PANEL : across) * 4, runTable, pixelTable, tiles, band, sums: 0, rowsAtOnce: 0,
  });
  const units = multiplyAll([spatialUnits, Math.ceil(blocks / chunkBlocks)]);
  const scratchBytes = align(band + (inPlace ? 0 : boxes.bandBytes) + 64);
  return { words, units, scratchBytes, rowsArePixels: geometry.rowsArePixels, depthwise, rank: contraction.window.length };
}

/**
 * Cuts a contraction with result "kernel": a unit is a chunk of output blocks, and walks all boxes of the output. The
 * `panel` words are the strides of the output operand; its boxes are packed at `tiles`.
 */
export function planKernelGradient(kernel: ContractionKernel): ContractionPlan {
  const { contraction } = kernel;
  const { input: role, output } = contraction;
  const depthwise = isDepthwise(contraction);
  const groups = depthwise && typeof contraction.groups === "number" ? contraction.groups : 1;
  const lanes = depthwise ? groups : contraction.outputChannels;
  const blocks = Math.ceil(lanes / PANEL);
  const across = contraction.inputChannels;
  const geometry = geometryOf(contraction, role);
  const { sweeps, strides, rowsArePixels } = geometry;
  const channelStride = depthwise ? role.group : role.channel;
  const mergedInPlace = mergesTaps(sweeps[2], strides[2], across);
  const width = (mergedInPlace ? (sweeps[2].phases[0]?.taps ?? 1) : 1) * across;
  const whole = depthwise ? lanes % PANEL === 0 : width % 4 === 0;
  const inPlace = sweeps.every(alwaysInside) && contraction.inputPrologue === undefined && channelStride === 1 && whole;
  const merged = !depthwise && mergesTaps(sweeps[2], inPlace ? strides[2] : across, across);
  const boxes = chooseBoxes(sweeps, (depthwise ? Math.min(mostDepthwiseBlocks, blocks) * PANEL : across) * 4, rowsArePixels);
  const [tapsD = 1, tapsH = 1, tapsW = 1] = windowTaps(contraction);
  const runs = tapsD * tapsH * (merged ? 1 : tapsW);
  const sumBytes = runs * (depthwise ? 1 : 4 * Math.ceil(((merged ? tapsW : 1) * across) / 4)) * PANEL * 4;
  const fits = Math.max(1, Math.min(8, Math.floor(sumLimit / sumBytes)));
  const units = depthwise ? 1 : contraction.groups;
  const wanted = typeof units === "number" ? Math.ceil(4 / units) : 1;
  const chunkBlocks = even(blocks, Math.min(fits, Math.max(1, Math.ceil(blocks / wanted))));
  const tiles = align(stateBytes + 8 * mostRuns(sweeps));
  const sums = align(tiles + 32 * boxes.pixels * chunkBlocks);
  const band = align(sums + sumBytes * chunkBlocks);
  const [gradD, gradH, gradW] = rowsArePixels ? [0, 0, output.batch] : spatialStrides(contraction, output);
  const words = planWords(kernel, role.operand, geometry, boxes, {
    blocks, chunkBlocks, chunks: Math.ceil(blocks / chunkBlocks), lanes, across: depthwise ? 0 : across,
    sourceImage: rowsArePixels ? 0 : bytesOf(role.batch), sourceGroup: depthwise ? 0 : bytesOf(role.group),
    sourceChannel: bytesOf(channelStride), panelImage: rowsArePixels ? 0 : bytesOf(output.batch),
    panelChannel: bytesOf(depthwise ? output.group : output.channel), panelGroup: depthwise ? 0 : bytesOf(output.group),
    panelBlock: sumBytes, panelD: bytesOf(gradD), panelH: bytesOf(gradH), panelW: bytesOf(gradW),
    inPlace: inPlace ? 1 : 0, merged: merged ? 1 : 0, depthwise: depthwise ? 1 : 0,
    pixelBytes: (depthwise ? chunkBlocks * PANEL : across) * 4, runTable: stateBytes, pixelTable: 0, tiles, band, sums,
    rowsAtOnce: Math.max(1, Math.round(pixelsAtOnce / (boxes.sizes[2] * boxes.takeW))),
  });
  const scratchBytes = align(band + (inPlace ? 0 : boxes.bandBytes) + 64);
  const total = multiplyAll([units, Math.ceil(blocks / chunkBlocks)]);
  return { words, units: total, scratchBytes, rowsArePixels, depthwise, rank: contraction.window.length };
}

/** Whether the taps along the last axis read one stretch of memory. */
function mergesTaps({ perTap, tapStep, phases }: Sweep, pixelStride: Size, across: number): boolean {
  return (perTap === 1 && tapStep === 1 && pixelStride === across) || phases.every(({ taps }) => taps <= 1);
}

function mostRuns(sweeps: Geometry["sweeps"]): number {
  return sweeps.reduce((product, sweep) => product * sweep.phases.reduce((most, phase) => Math.max(most, phase.taps), 0), 1);
}

function countUnits({ groups }: Contraction, { sweeps, images }: Geometry, boxes: Boxes, depthwise: boolean): Size {
  const along = sweeps.map((sweep, k) => unitsAlong(sweep, boxes.sizes[k] ?? 1));
  const phases = sweeps.reduce((product, sweep) => product * sweep.phases.length, 1);
  return multiplyAll([images, depthwise ? 1 : groups, phases, ...along]);
}

type OwnNames =
  | "blocks" | "chunkBlocks" | "chunks" | "lanes" | "across" | "sourceImage" | "sourceGroup" | "sourceChannel" | "panelImage"
  | "panelGroup" | "panelBlock" | "panelD" | "panelH" | "panelW" | "panelChannel" | "inPlace" | "merged" | "depthwise"
  | "pixelBytes" | "runTable" | "pixelTable" | "tiles" | "band" | "sums" | "rowsAtOnce";

/** All words: addresses, sizes by name and the phases of each axis. */
function planWords(kernel: ContractionKernel, source: number, geometry: Geometry, boxes: Boxes, own: Record<OwnNames, Size>): KernelArgument[] {
  const { sweeps, strides } = geometry;
  const along = sweeps.map((sweep, k) => unitsAlong(sweep, boxes.sizes[k] ?? 1));
  const numbers: Record<Exclude<keyof typeof planFields, "source" | "panels">, Size> = {
    ...own, images: geometry.images, takeW: boxes.takeW,
    sourceD: bytesOf(strides[0]), sourceH: bytesOf(strides[1]), sourceW: bytesOf(strides[2]),
    unitsD: along[0] ?? 1, unitsH: along[1] ?? 1, unitsW: along[2] ?? 1,
    boxD: boxes.sizes[0], boxH: boxes.sizes[1], boxW: boxes.sizes[2],
    ...perAxis("extent", sweeps, (sweep) => sweep.extent), ...perAxis("phases", sweeps, (sweep) => sweep.phases.length),
    ...tableOffsets(sweeps), ...perAxis("resultStep", sweeps, (sweep) => sweep.resultStep),
    ...perAxis("perResult", sweeps, (sweep) => sweep.perResult), ...perAxis("perTap", sweeps, (sweep) => sweep.perTap),
    ...perAxis("tapStep", sweeps, (sweep) => sweep.tapStep),
  };
  const { result, kernel: panels, output } = kernel.contraction;
  const words = [operandAddress(kernel, source), operandAddress(kernel, result === "kernel" ? output.operand : panels.operand)];
  const names = Object.keys(planFields) as (keyof typeof planFields)[];
  for (const name of names) if (name !== "source" && name !== "panels") words.push({ kind: "count", value: numbers[name] });
  for (const { phases } of sweeps) {
    for (const phase of phases) {
      for (const value of [phase.start, phase.count, phase.first, phase.tap, phase.taps]) words.push({ kind: "count", value });
    }
  }
  return words;
}

function windowTaps({ window }: Contraction): readonly number[] {
  return [...new Array<number>(3 - window.length).fill(1), ...window.map(({ taps }) => taps)];
}

function operandAddress(kernel: Kernel, index: number): KernelArgument {
  const operand = kernel.operands[index];
  invariant(operand !== undefined, "a contraction names an operand");
  return { kind: "address", buffer: operand.buffer, offset: operand.offset };
}

function bytesOf(size: Size): Size {
  return typeof size === "number" ? 4 * size : { batch: 4 * size.batch };
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

function multiplyAll(sizes: readonly Size[]): Size {
  return sizes.reduce<Size>((product, size) => {
    const next = multiplySizes(product, size);
    invariant(next !== undefined, "the units of a contraction are linear in the batch");
    return next;
  }, 1);
}

type AxisWords<Name extends string> = Record<`${Name}${SpatialName}`, Size>;

function perAxis<Name extends string>(name: Name, sweeps: Geometry["sweeps"], value: (sweep: Sweep) => Size): AxisWords<Name> {
  const [depth, height, width] = sweeps;
  return { [`${name}D`]: value(depth), [`${name}H`]: value(height), [`${name}W`]: value(width) } as AxisWords<Name>;
}

/** Byte offsets of the phases of each axis, which follow the named words. */
function tableOffsets([depth, height]: Geometry["sweeps"]): AxisWords<"table"> {
  const tableD = 4 * Object.keys(planFields).length;
  const tableH = tableD + phaseBytes * depth.phases.length;
  return { tableD, tableH, tableW: tableH + phaseBytes * height.phases.length };
}
