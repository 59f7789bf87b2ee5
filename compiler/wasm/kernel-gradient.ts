/**
 * Contractions with result "kernel": for bands of pixels, tiles of 4 taps-and-channels x 8 output channels are summed
 * over the band's pixels and added to sums in scratch; at the end the epilogue stores them.
 * Invariant: bands do not depend on the unit range, so a weight's terms are added in one order whatever the split.
 */
import { invariant } from "../ir/invariant.ts";
import type { Size } from "../ir/kernel.ts";
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { fixed, geometryOf, lineSpan, paddedExtent, sourceStrides, type Geometry } from "./bands.ts";
import { bindCopier, copyChannels, copyElements, copyLines, openCopier, openLineCopier, writingTo, type Copier } from "./copy.ts";
import type { Local } from "./encode.ts";
import { emitChannels } from "./epilogue.ts";
import { addressLocal, ARGUMENTS, BEGIN, countLocal, END, SCRATCH, type Frame } from "./frame.ts";
import type { Level } from "./level.ts";
import { bindAxes, enterLanes, loopAxis, outerLevel, settle } from "./nest.ts";
import { PANEL } from "./pack.ts";
import { openScope, type Scope } from "./scope.ts";
import { add, multiply, scale } from "./sizes.ts";
import { gradientTileFunction } from "./tile.ts";

/** Window axes that the tile function's three loops can walk. */
export const MOST_DIMENSIONS = 3;
/** Scratch for source lines; the sums of a group of panels; panels of a group. */
const BAND_BYTES = 256 * 1024;
const SUMS_BYTES = 384 * 1024;
const MOST_PANELS = 8;
const BAND_PIXELS = 768;

/** Sizes that are known at compile time; bytes unless said otherwise. */
interface Layout {
  readonly bandLines: number;
  readonly bandImages: number;
  readonly imageBytes: Size;
  readonly lineBytes: number;
  readonly panelBytes: number;
  readonly panels: number;
  readonly blocks: number;
  /** Per run: offset into the band, number of elements. Runs are one tap row where taps are contiguous, else one tap. */
  readonly runs: readonly Size[];
  readonly runLength: number;
  readonly runBytes: number;
  /** Bytes between the sums of consecutive taps, per window axis. */
  readonly tapBytes: readonly number[];
  readonly panelsOffset: number;
  readonly sumsOffset: number;
  readonly scratchBytes: number;
}

interface Work {
  readonly frame: Frame;
  readonly kernel: ContractionKernel;
  readonly geometry: Geometry;
  readonly layout: Layout;
  readonly source: Local;
  readonly inputs: Copier | undefined;
  readonly outputs: Copier;
  readonly table: Local;
  /** Group, first panel, number of panels. */
  readonly group: Local;
  readonly block: Local;
  readonly count: Local;
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

function layoutOf(geometry: Geometry): Layout {
  const { dimensions, deep, wide, copies } = geometry;
  const [line, ...inner] = dimensions;
  invariant(line !== undefined, "a contraction has a first dimension");
  const linePixels = inner.reduce((product, dimension) => product * fixed(dimension.lines), 1);
  const lineBytes = inner.reduce((product, dimension) => product * paddedExtent(dimension), 1) * deep * 4;
  const reach = (lines: number) => ((lines - 1) * line.sourceStep + lineSpan(line)) * lineBytes;
  const byPixels = Math.max(1, Math.floor(BAND_PIXELS / linePixels));
  const byBytes = Math.floor((BAND_BYTES / lineBytes - lineSpan(line)) / line.sourceStep) + 1;
  const total = typeof line.lines === "number" ? line.lines : Infinity;
  const bandLines = Math.max(1, Math.min(byPixels, byBytes, total));
  const several = bandLines === total && dimensions.length < MOST_DIMENSIONS && geometry.images !== undefined;
  const roomForImages = Math.min(Math.floor(byPixels / bandLines), Math.floor(BAND_BYTES / reach(bandLines)));
  const bandImages = several ? Math.max(1, roomForImages) : 1;
  const strides = sourceStrides(geometry);
  const last = dimensions.at(-1) ?? line;
  const shifts = last.phases[0]?.taps.map((tap) => tap.shift) ?? [0];
  const joined = strides.at(-1) === deep * 4 && shifts.every((shift, i) => shift === (shifts[0] ?? 0) + i);
  const runLength = joined ? deep * last.taps : deep;
  const runBytes = Math.ceil(runLength / 4) * 4 * 4 * PANEL;
  const separate = joined ? dimensions.slice(0, -1) : dimensions;
  let runs: Size[] = [joined ? scale(strides.at(-1) ?? 0, copies ? 0 : (shifts[0] ?? 0)) : 0];
  separate.forEach((dimension, index) => {
    const taps = dimension.phases[0]?.taps ?? [];
    runs = runs.flatMap((run) => taps.map(({ shift }) => add(run, scale(strides[index] ?? 0, copies ? shift - dimension.minShift : shift))));
  });
  const tapBytes = separate.map((_, i) => separate.slice(i + 1).reduce((product, each) => product * each.taps, runBytes));
  const blocks = Math.ceil(wide / PANEL);
  const sumsBytes = runs.length * runBytes;
  const panels = Math.max(1, Math.min(blocks, MOST_PANELS, Math.floor(SUMS_BYTES / sumsBytes)));
  const panelBytes = bandLines * bandImages * linePixels * 4 * PANEL;
  // Tiles of 4 may read 3 elements behind the last run.
  const panelsOffset = align(copies ? reach(bandLines) * bandImages + 16 : 0);
  const sumsOffset = align(panelsOffset + panels * panelBytes);
  return {
    bandLines,
    bandImages,
    imageBytes: copies ? reach(bandLines) : scale(geometry.role.batch, 4),
    lineBytes,
    panelBytes,
    panels,
    blocks,
    runs,
    runLength,
    runBytes,
    tapBytes: joined ? [...tapBytes, deep * 4 * PANEL] : tapBytes,
    panelsOffset,
    sumsOffset,
    scratchBytes: sumsOffset + panels * sumsBytes,
  };
}

/** Emits the kernel into the frame and returns its units: panels of output channels of all groups. */
export function emitKernelGradient(frame: Frame, kernel: ContractionKernel): Size {
  const { contraction, operands } = kernel;
  const forward = geometryOf(contraction);
  const geometry: Geometry = { ...forward, copies: forward.copies || forward.deep % 4 !== 0 };
  const layout = layoutOf(geometry);
  frame.scratchBytes = layout.scratchBytes;
  const scope = openScope({
    frame,
    operands,
    lets: kernel.lets,
    roots: [],
    stores: kernel.stores,
    extents: kernel.axes.map((axis) => axis.extent),
    accumulatorTypes: ["f32"],
  });
  const { code } = frame;
  const tableSlot = frame.arguments.push({ kind: "count", value: 0 }) - 1;
  const source = operands[geometry.role.operand];
  invariant(source !== undefined, "a contraction's operand is missing");
  const outputRank = 3 + contraction.output.spatial.length;
  const outputStrides = Array.from({ length: outputRank }, (_, axis) => (axis === outputRank - 1 ? 1 : 0));
  const work: Work = {
    frame,
    kernel,
    geometry,
    layout,
    source: addressLocal(frame, source.buffer, scale(source.offset, 4)),
    inputs: geometry.copies ? openLineCopier(frame, kernel, geometry) : undefined,
    outputs: openCopier(frame, kernel, contraction.output, contraction.outputPrologue, outputStrides),
    table: code.local("i32"),
    group: code.local("i32"),
    block: code.local("i32"),
    count: code.local("i32"),
  };
  frame.prologue
    .get(ARGUMENTS)
    .get(ARGUMENTS)
    .memory("i32.load", 4 * tableSlot)
    .op("i32.add")
    .set(work.table);
  const level = outerLevel(scope);
  settle(scope, level, undefined, true);
  emitPanelGroups(work, scope, level);
  frame.arguments[tableSlot] = { kind: "count", value: 4 * frame.arguments.length };
  for (const run of layout.runs) frame.arguments.push({ kind: "count", value: run });
  return multiply(geometry.groups, layout.blocks);
}

/** `while (unit < end)`: sums of up to `panels` panels of one group over all pixels, then their epilogue. */
function emitPanelGroups(work: Work, scope: Scope, level: Level): void {
  const { frame, layout, group, block, count } = work;
  const { code } = frame;
  const unit = code.local("i32");
  const blocks = countLocal(frame, layout.blocks);
  const most = countLocal(frame, layout.panels);
  const sums = code.local("i32");
  const sumsBytes = countLocal(frame, layout.runs.length * layout.runBytes);
  code.get(SCRATCH).get(countLocal(frame, layout.sumsOffset)).op("i32.add").set(sums);
  code.get(BEGIN).set(unit);
  code.block((exit) => {
    code.get(unit).get(END).op("i32.ge_s").branchIf(exit);
    code.loop((repeat) => {
      code.get(unit).get(blocks).op("i32.div_u").set(group);
      code.get(unit).get(blocks).op("i32.rem_u").set(block);
      code.get(most).set(count);
      takeLess(work, count, () => code.get(END).get(unit).op("i32.sub"));
      takeLess(work, count, () => code.get(blocks).get(block).op("i32.sub"));
      code.get(sums).i32(0).get(count).get(sumsBytes).op("i32.mul").op("memory.fill");
      emitBands(work, sums);
      emitResults(work, scope, level, sums, sumsBytes);
      code.get(unit).get(count).op("i32.add").tee(unit).get(END).op("i32.lt_s").branchIf(repeat);
    });
  });
}

/** `value = min(value, what push leaves)` */
function takeLess(work: Work, value: Local, push: () => void): void {
  const { code } = work.frame;
  const other = code.local("i32");
  push();
  code.tee(other).get(value).get(other).get(value).op("i32.lt_s").op("select").set(value);
}

/** `for (start = 0; start < total; start += count) body`, with `count = min(step, total - start)`. */
function forSteps(work: Work, total: Size, stepSize: number, body: (start: Local, count: Local) => void): void {
  const { frame } = work;
  const { code } = frame;
  const [start, count] = [code.local("i32"), code.local("i32")];
  const [end, step] = [countLocal(frame, total), countLocal(frame, stepSize)];
  code.i32(0).set(start);
  code.loop((repeat) => {
    code.get(step).set(count);
    takeLess(work, count, () => code.get(end).get(start).op("i32.sub"));
    body(start, count);
    code.get(start).get(step).op("i32.add").tee(start).get(end).op("i32.lt_s").branchIf(repeat);
  });
}

interface BandLocals {
  readonly image: Local;
  readonly images: Local;
  readonly line: Local;
  readonly lines: Local;
}

function emitBands(work: Work, sums: Local): void {
  const { geometry, layout } = work;
  const [line] = geometry.dimensions;
  forSteps(work, geometry.images ?? 1, layout.bandImages, (image, images) => {
    forSteps(work, line?.lines ?? 1, layout.bandLines, (start, lines) => {
      const band = { image, images, line: start, lines };
      const base = takeInputs(work, band);
      takeOutputs(work, band);
      emitTiles(work, band, base, sums);
    });
  });
}

/** The address of the band's first source position: in scratch after a copy, else in the operand. */
function takeInputs(work: Work, band: BandLocals): Local {
  const { frame, geometry, layout, inputs, group, source } = work;
  const { code } = frame;
  const [line] = geometry.dimensions;
  invariant(line !== undefined, "a contraction has a first dimension");
  const base = code.local("i32");
  const sourceStep = countLocal(frame, line.sourceStep);
  if (inputs === undefined) {
    code.get(source).get(band.image).get(countLocal(frame, layout.imageBytes)).op("i32.mul").op("i32.add");
    code
      .get(group)
      .get(countLocal(frame, geometry.groups === 1 ? 0 : scale(geometry.role.group, 4)))
      .op("i32.mul")
      .op("i32.add");
    code
      .get(band.line)
      .get(sourceStep)
      .op("i32.mul")
      .get(countLocal(frame, scale(line.stride, 4)))
      .op("i32.mul")
      .op("i32.add")
      .set(base);
    return base;
  }
  const local = () => code.local("i32");
  const [first, count, image, end, destination] = [local(), local(), local(), local(), local()];
  const lineBytes = countLocal(frame, layout.lineBytes);
  code.get(SCRATCH).tee(base).set(destination);
  code.get(band.line).get(sourceStep).op("i32.mul").get(countLocal(frame, line.minShift)).op("i32.add").set(first);
  code
    .get(band.lines)
    .i32(1)
    .op("i32.sub")
    .get(sourceStep)
    .op("i32.mul")
    .get(countLocal(frame, lineSpan(line)))
    .op("i32.add")
    .set(count);
  code.get(band.image).tee(image).get(band.images).op("i32.add").set(end);
  code.loop((repeat) => {
    copyLines(inputs, geometry, { image, group, first, count, destination }, lineBytes);
    code.get(destination).get(countLocal(frame, layout.imageBytes)).op("i32.add").set(destination);
    code.get(image).i32(1).op("i32.add").tee(image).get(end).op("i32.lt_s").branchIf(repeat);
  });
  return base;
}

/** Copies the output's side of the band into panels: [panel][image][line][inner..][8], missing channels zero. */
function takeOutputs(work: Work, band: BandLocals): void {
  const { frame, geometry, layout, outputs, block, count, group } = work;
  const { code } = frame;
  const local = () => code.local("i32");
  const [panel, target, channel, end, last] = [local(), local(), local(), local(), local()];
  const wide = countLocal(frame, geometry.wide);
  const panelBytes = countLocal(frame, layout.panelBytes);
  const level = bindCopier(outputs, outputs.level, new Map([[1, group]]));
  code.get(SCRATCH).get(countLocal(frame, layout.panelsOffset)).op("i32.add").set(panel);
  code.get(block).i32(3).op("i32.shl").set(channel);
  code.get(block).get(count).op("i32.add").i32(3).op("i32.shl").set(end);
  code.loop((repeat) => {
    code.get(panel).set(target);
    if (geometry.wide % PANEL !== 0) {
      code.get(channel).i32(PANEL).op("i32.add").set(last);
      takeLess(work, last, () => code.get(wide));
      code.get(last).get(channel).op("i32.sub").i32(PANEL).op("i32.lt_s");
      code.if(() => code.get(panel).i32(0).get(panelBytes).op("memory.fill"));
    }
    const pixel = (inner: Level) => {
      const shifted = code.local("i32");
      code.get(target).get(channel).i32(2).op("i32.shl").op("i32.sub").set(shifted);
      const there = writingTo(outputs, inner, shifted);
      if (geometry.wide % PANEL === 0) {
        copyElements(outputs, enterLanes(outputs.scope, there, channel, { axis: outputs.channelAxis, width: 4, unroll: PANEL / 4 }));
      } else {
        copyChannels(outputs, there, { local: channel }, { local: last });
      }
      code
        .get(target)
        .i32(4 * PANEL)
        .op("i32.add")
        .set(target);
    };
    forImages(work, level, band, (inner) => forOutputs(work, inner, band, 0, pixel));
    code.get(panel).get(panelBytes).op("i32.add").set(panel);
    code.get(channel).i32(PANEL).op("i32.add").tee(channel).get(end).op("i32.lt_s").branchIf(repeat);
  });
}

function forImages(work: Work, level: Level, band: BandLocals, body: (inner: Level) => void): void {
  if (work.geometry.images === undefined) {
    body(level);
    return;
  }
  const end = work.frame.code.local("i32");
  work.frame.code.get(band.image).get(band.images).op("i32.add").set(end);
  loopAxis(work.outputs.scope, level, 0, { from: { local: band.image }, to: { local: end } }, true, body);
}

function forOutputs(work: Work, level: Level, band: BandLocals, position: number, body: (inner: Level) => void): void {
  const { frame, geometry, outputs } = work;
  const dimension = geometry.dimensions[position];
  if (dimension === undefined) {
    body(level);
    return;
  }
  const end = frame.code.local("i32");
  if (position === 0) frame.code.get(band.line).get(band.lines).op("i32.add").set(end);
  else frame.code.get(countLocal(frame, dimension.lines)).set(end);
  const from = position === 0 ? { local: band.line } : { constant: 0 };
  loopAxis(outputs.scope, level, dimension.sourceAxis, { from, to: { local: end } }, true, (inner) => {
    forOutputs(work, inner, band, position + 1, body);
  });
}

/** Steps and counts of the tile function's loops, innermost first: bytes per step, number of steps. */
function walk(work: Work, band: BandLocals): readonly { readonly step: Local; readonly count: Local }[] {
  const { frame, geometry, layout } = work;
  const strides = sourceStrides(geometry);
  const levels = geometry.dimensions.map((dimension, index) => ({
    step: countLocal(frame, scale(strides[index] ?? 0, dimension.sourceStep)),
    count: index === 0 ? band.lines : countLocal(frame, dimension.lines),
  }));
  levels.reverse();
  if (levels.length < MOST_DIMENSIONS) levels.push({ step: countLocal(frame, layout.imageBytes), count: band.images });
  while (levels.length < MOST_DIMENSIONS) levels.push({ step: countLocal(frame, 0), count: countLocal(frame, 1) });
  return levels;
}

/** All tiles of the band: sums of panels and runs follow each other as the tiles are visited. */
function emitTiles(work: Work, band: BandLocals, base: Local, sums: Local): void {
  const { frame, layout, count, table } = work;
  const { code } = frame;
  const local = () => code.local("i32");
  const [columns, rows, planes] = walk(work, band);
  invariant(columns !== undefined && rows !== undefined && planes !== undefined, "the tile function has three loops");
  const [rowSkip, planeSkip, panel, panelEnd, target, run, a, aEnd] = [local(), local(), local(), local(), local(), local(), local(), local()];
  const panelBytes = countLocal(frame, layout.panelBytes);
  const runWidth = countLocal(frame, layout.runLength * 4);
  const runsEnd = local();
  code.get(rows.step).get(columns.count).get(columns.step).op("i32.mul").op("i32.sub").set(rowSkip);
  code.get(planes.step).get(rows.count).get(rows.step).op("i32.mul").op("i32.sub").set(planeSkip);
  code
    .get(table)
    .get(countLocal(frame, layout.runs.length * 4))
    .op("i32.add")
    .set(runsEnd);
  code.get(SCRATCH).get(countLocal(frame, layout.panelsOffset)).op("i32.add").tee(panel);
  code.get(count).get(panelBytes).op("i32.mul").op("i32.add").set(panelEnd);
  code.get(sums).set(target);
  code.loop((nextPanel) => {
    code.get(table).set(run);
    code.loop((nextRun) => {
      code.get(base).get(run).memory("i32.load").op("i32.add").tee(a).get(runWidth).op("i32.add").set(aEnd);
      code.loop((nextTile) => {
        code.get(a).get(panel).get(target).get(columns.step).get(columns.count).get(rowSkip).get(rows.count).get(planeSkip).get(planes.count);
        code.op("call", gradientTileFunction(frame.module));
        code
          .get(target)
          .i32(16 * PANEL)
          .op("i32.add")
          .set(target);
        code.get(a).i32(16).op("i32.add").tee(a).get(aEnd).op("i32.lt_u").branchIf(nextTile);
      });
      code.get(run).i32(4).op("i32.add").tee(run).get(runsEnd).op("i32.lt_u").branchIf(nextRun);
    });
    code.get(panel).get(panelBytes).op("i32.add").tee(panel).get(panelEnd).op("i32.lt_u").branchIf(nextPanel);
  });
}

/** The epilogue of every weight of the group of panels. */
function emitResults(work: Work, scope: Scope, level: Level, sums: Local, sumsBytes: Local): void {
  const { frame, kernel, geometry, layout, block, count, group } = work;
  const { code } = frame;
  const grouped = bindAxes(scope, level, new Map([[0, group]]));
  settle(scope, grouped, level.bound, true);
  const [channel, end, address] = [code.local("i32"), code.local("i32"), code.local("i32")];
  const wide = { local: countLocal(frame, geometry.wide) };
  const taps = kernel.contraction.window.length;
  code.get(sums).set(address);
  code.get(block).i32(3).op("i32.shl").set(channel);
  code.get(block).get(count).op("i32.add").i32(3).op("i32.shl").set(end);
  const nested = (inner: Level, position: number, here: Local): void => {
    if (position > taps) {
      emitChannels(scope, inner, { axis: 2 + taps, extent: wide, whole: geometry.wide % PANEL === 0, first: channel, sums: here });
      return;
    }
    const axis = 1 + position;
    const bytes = countLocal(frame, position === taps ? 4 * PANEL : (layout.tapBytes[position] ?? 0));
    const to = { local: countLocal(frame, kernel.axes[axis]?.extent ?? 1) };
    loopAxis(scope, inner, axis, { from: { constant: 0 }, to }, true, (next) => {
      const index = next.indices.get(axis);
      const there = code.local("i32");
      invariant(index !== undefined && "local" in index, "a loop binds its axis");
      code.get(index.local).get(bytes).op("i32.mul").get(here).op("i32.add").set(there);
      nested(next, position + 1, there);
    });
  };
  code.loop((repeat) => {
    nested(grouped, 0, address);
    code.get(address).get(sumsBytes).op("i32.add").set(address);
    code.get(channel).i32(PANEL).op("i32.add").tee(channel).get(end).op("i32.lt_s").branchIf(repeat);
  });
}
