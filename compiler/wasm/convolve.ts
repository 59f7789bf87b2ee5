/**
 * Contractions with result "output" or "input" over a packed kernel operand: bands of lines, a table of pixels per
 * phase, then panel by panel tiles of 4 pixels x 8 channels with the epilogue behind each.
 * Invariant: a pixel's sum runs over taps and channels in panel order wherever the pixel lies in band or tile.
 */
import { invariant } from "../ir/invariant.ts";
import type { Size } from "../ir/kernel.ts";
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { bandOf, geometryOf, lineSpan, sourceStrides, type Band, type Dimension, type Geometry } from "./bands.ts";
import { copyLines, openLineCopier, type Copier } from "./copy.ts";
import type { Local } from "./encode.ts";
import { emitChannels } from "./epilogue.ts";
import { addressLocal, ARGUMENTS, BEGIN, countLocal, END, isZero, pushProduct, SCRATCH, sizeTerm, type Frame, type Term } from "./frame.ts";
import type { Level } from "./level.ts";
import { bindAxes, innerLevel, outerLevel, settle } from "./nest.ts";
import { PANEL } from "./pack.ts";
import { appendTables, RECORD_HEAD } from "./phase-tables.ts";
import { indexAxes, openScope, siteStride, type Scope, type Site } from "./scope.ts";
import { multiply, scale } from "./sizes.ts";
import { TILE_BYTES, tileFunction } from "./tile.ts";

/** A pixel's table entry holds the address of A, the pointers of these sites, and the indices of these axes. */
interface Pixels {
  readonly axes: readonly number[];
  readonly sites: readonly Site[];
  readonly indices: readonly number[];
  readonly bytes: number;
}

/** Locals that hold for the whole call. */
interface Fixed {
  readonly source: Local;
  readonly panels: Local;
  readonly records: Local;
  readonly phases: number;
  readonly tables: Local;
  readonly tableBytes: Local;
  readonly bandStart: Local;
  readonly lines: Term;
  readonly images: Term;
  readonly strides: readonly Local[];
  readonly imageStride: Local;
  readonly groupStride: Local;
}

/** Locals of the band being worked on. */
interface Cursor {
  readonly unit: Local;
  readonly group: Local;
  readonly image: Local;
  readonly line: Local;
}

interface Work {
  readonly frame: Frame;
  readonly geometry: Geometry;
  readonly band: Band;
  readonly scope: Scope;
  readonly pixels: Pixels;
  readonly fixed: Fixed;
  readonly cursor: Cursor;
  readonly copier: Copier | undefined;
  readonly channelAxis: number;
}

const COUNTS_OFFSET = TILE_BYTES;

/** Emits the kernel into the frame and returns its units: lines of all images and groups. */
export function emitConvolution(frame: Frame, kernel: ContractionKernel): Size {
  const geometry = geometryOf(kernel.contraction);
  const band = bandOf(geometry);
  const scope = openScope({
    frame,
    operands: kernel.operands,
    lets: kernel.lets,
    roots: [],
    stores: kernel.stores,
    extents: kernel.axes.map((axis) => axis.extent),
    accumulatorTypes: ["f32"],
  });
  const level = outerLevel(scope);
  const tableSlot = frame.arguments.push({ kind: "count", value: 0 }) - 1;
  const records = frame.code.local("i32");
  frame.prologue
    .get(ARGUMENTS)
    .get(ARGUMENTS)
    .memory("i32.load", 4 * tableSlot)
    .op("i32.add")
    .set(records);
  const fixed = fixedLocals(frame, kernel, geometry, band, scope, records);
  const local = () => frame.code.local("i32");
  const cursor: Cursor = { unit: local(), group: local(), image: local(), line: local() };
  const copier = geometry.copies ? openLineCopier(frame, kernel, geometry) : undefined;
  const channelAxis = kernel.axes.length - 1;
  const work: Work = { frame, geometry, band, scope, pixels: pixelsOf(scope, geometry), fixed: fixed, cursor, copier, channelAxis };
  settle(scope, level, undefined, true);
  emitBands(work, level);
  appendTables(frame, geometry, tableSlot);
  const [line] = geometry.dimensions;
  return multiply(multiply(geometry.groups, geometry.images ?? 1), line?.lines ?? 1);
}

function pixelsOf(scope: Scope, geometry: Geometry): Pixels {
  const own = geometry.dimensions.map((dimension) => dimension.targetAxis);
  const axes = geometry.images === undefined ? own : [0, ...own];
  const sites = [...scope.sites.values()].filter((site) => axes.some((axis) => !isZero(siteStride(scope, site, axis))));
  const wanted = indexAxes(scope);
  const indices = axes.filter((axis) => (wanted & (1 << axis)) !== 0);
  return { axes, sites, indices, bytes: 4 * (1 + sites.length + indices.length) };
}

function fixedLocals(frame: Frame, kernel: ContractionKernel, geometry: Geometry, band: Band, scope: Scope, records: Local): Fixed {
  const { contraction, operands } = kernel;
  const source = operands[geometry.role.operand];
  const packed = operands[contraction.kernel.operand];
  invariant(source !== undefined && packed !== undefined, "a contraction's operand is missing");
  const phases = geometry.dimensions.reduce((product, dimension) => product * dimension.phases.length, 1);
  const entryBytes = pixelsOf(scope, geometry).bytes;
  const tableBytes = (band.lines * band.linePixels + 3) * entryBytes;
  const tablesOffset = Math.ceil((COUNTS_OFFSET + 4 * phases) / 64) * 64;
  const bandOffset = Math.ceil((tablesOffset + phases * tableBytes) / 64) * 64;
  frame.scratchBytes = bandOffset + band.bytes;
  const bytes = (size: Size) => countLocal(frame, scale(size, 4));
  return {
    source: addressLocal(frame, source.buffer, scale(source.offset, 4)),
    panels: addressLocal(frame, packed.buffer, scale(packed.offset, 4)),
    records,
    phases: countLocal(frame, phases),
    tables: countLocal(frame, tablesOffset),
    tableBytes: countLocal(frame, tableBytes),
    bandStart: countLocal(frame, bandOffset),
    lines: { local: countLocal(frame, geometry.dimensions[0]?.lines ?? 1) },
    images: { local: countLocal(frame, geometry.images ?? 1) },
    strides: geometry.dimensions.map((dimension, index) => {
      return countLocal(frame, scale(sourceStrides(geometry)[index] ?? 0, dimension.sourceStep));
    }),
    imageStride: bytes(geometry.images === undefined ? 0 : geometry.role.batch),
    groupStride: bytes(geometry.groups === 1 ? 0 : geometry.role.group),
  };
}

/** `while (unit < end) { fill a band; work through it }` */
function emitBands(work: Work, level: Level): void {
  const { frame, scope, cursor, fixed, geometry } = work;
  const { code } = frame;
  code.get(BEGIN).set(cursor.unit);
  code.block((exit) => {
    code.get(cursor.unit).get(END).op("i32.ge_s").branchIf(exit);
    code.loop((repeat) => {
      decodeUnit(work);
      const grouped = bindAxes(scope, level, new Map([[1, cursor.group]]));
      settle(scope, grouped, level.bound, true);
      forPhases(work, (phase) => code.get(phase.counts).i32(0).memory("i32.store"));
      fillBand(work, grouped);
      forPhases(work, (phase) => emitPhase(work, grouped, phase));
      code.get(cursor.unit).get(END).op("i32.lt_s").branchIf(repeat);
    });
  });
  invariant(geometry.dimensions.length === fixed.strides.length, "a stride per dimension");
}

/** unit = (group * images + image) * lines + line */
function decodeUnit(work: Work): void {
  const { frame, cursor, fixed, geometry } = work;
  const { code } = frame;
  const rest = code.local("i32");
  const push = (term: Term) => ("constant" in term ? code.i32(term.constant) : code.get(term.local));
  code.get(cursor.unit);
  push(fixed.lines).op("i32.div_u").set(rest);
  code.get(cursor.unit).get(rest);
  push(fixed.lines).op("i32.mul").op("i32.sub").set(cursor.line);
  if (geometry.groups === 1) {
    code.i32(0).set(cursor.group).get(rest).set(cursor.image);
    return;
  }
  code.get(rest);
  push(fixed.images).op("i32.div_u").set(cursor.group);
  code.get(rest).get(cursor.group);
  push(fixed.images).op("i32.mul").op("i32.sub").set(cursor.image);
}

interface PhaseLocals {
  readonly record: Local;
  readonly counts: Local;
  readonly table: Local;
}

/** A loop over the phases, with the addresses of each one's record, pixel count and table. */
function forPhases(work: Work, body: (phase: PhaseLocals) => void): void {
  const { frame, fixed, geometry } = work;
  const { code } = frame;
  const [record, counts, table, end] = [code.local("i32"), code.local("i32"), code.local("i32"), code.local("i32")];
  code.get(fixed.records).set(record);
  code.get(SCRATCH).i32(COUNTS_OFFSET).op("i32.add").tee(counts).get(fixed.phases).i32(2).op("i32.shl").op("i32.add").set(end);
  code.get(SCRATCH).get(fixed.tables).op("i32.add").set(table);
  code.loop((repeat) => {
    body({ record, counts, table });
    code
      .get(record)
      .i32(4 * (RECORD_HEAD + 2 * geometry.dimensions.length))
      .op("i32.add")
      .set(record);
    code.get(table).get(fixed.tableBytes).op("i32.add").set(table);
    code.get(counts).i32(4).op("i32.add").tee(counts).get(end).op("i32.lt_u").branchIf(repeat);
  });
}

/** Takes segments (lines of one image) while the band has room, copying sources and listing pixels. */
function fillBand(work: Work, level: Level): void {
  const { frame, cursor, band, geometry, fixed } = work;
  const { code } = frame;
  const local = () => code.local("i32");
  const [taken, used, count, size, base, first] = [local(), local(), local(), local(), local(), local()];
  const segmentLines = countLocal(frame, band.segmentLines);
  const bandLines = countLocal(frame, band.lines);
  const copying = work.copier === undefined ? undefined : copyTerms(frame, geometry, band);
  const limit = (push: () => void) => {
    const other = local();
    push();
    code.tee(other).get(count).get(other).get(count).op("i32.lt_s").op("select").set(count);
  };
  code.i32(0).set(taken).i32(0).set(used);
  code.block((full) => {
    code.loop((repeat) => {
      code.get(segmentLines).set(count);
      limit(() => code.get(END).get(cursor.unit).op("i32.sub"));
      limit(() => pushTerm(work, fixed.lines).get(cursor.line).op("i32.sub"));
      limit(() => code.get(bandLines).get(taken).op("i32.sub"));
      if (copying !== undefined && work.copier !== undefined) {
        const { lineBytes, sourceStep, span, capacity, shift } = copying;
        const lines = local();
        code.get(count).i32(1).op("i32.sub").get(sourceStep).op("i32.mul").get(span).op("i32.add").tee(lines);
        code.get(lineBytes).op("i32.mul").set(size);
        code.get(taken).i32(0).op("i32.gt_s").get(used).get(size).op("i32.add").get(capacity).op("i32.gt_s").op("i32.and").branchIf(full);
        code.get(SCRATCH).get(fixed.bandStart).op("i32.add").get(used).op("i32.add").set(base);
        code.get(cursor.line).get(sourceStep).op("i32.mul").get(shift).op("i32.add").set(first);
        copyLines(work.copier, geometry, { image: cursor.image, group: cursor.group, first, count: lines, destination: base }, lineBytes);
        code.get(used).get(size).op("i32.add").set(used);
      } else {
        code.get(fixed.source).get(cursor.image).get(fixed.imageStride).op("i32.mul").op("i32.add");
        code.get(cursor.group).get(fixed.groupStride).op("i32.mul").op("i32.add");
        code
          .get(cursor.line)
          .get(fixed.strides[0] ?? 0)
          .op("i32.mul")
          .op("i32.add")
          .set(base);
      }
      forPhases(work, (phase) => listPixels(work, level, phase, base, count));
      code.get(taken).get(count).op("i32.add").set(taken);
      code.get(cursor.unit).get(count).op("i32.add").set(cursor.unit);
      code.get(cursor.line).get(count).op("i32.add").set(cursor.line);
      code.get(cursor.line);
      pushTerm(work, fixed.lines)
        .op("i32.ge_s")
        .if(() => {
          code.i32(0).set(cursor.line).get(cursor.image).i32(1).op("i32.add").set(cursor.image);
        });
      // A group's last image ends the band: the next group has panels of its own.
      code.get(cursor.image);
      pushTerm(work, fixed.images).op("i32.ge_s").branchIf(full);
      code.get(cursor.unit).get(END).op("i32.lt_s").get(taken).get(bandLines).op("i32.lt_s").op("i32.and").branchIf(repeat);
    });
  });
}

function pushTerm(work: Work, term: Term) {
  const { code } = work.frame;
  return "constant" in term ? code.i32(term.constant) : code.get(term.local);
}

function copyTerms(frame: Frame, geometry: Geometry, band: Band) {
  const [line] = geometry.dimensions;
  invariant(line !== undefined, "a contraction has a first dimension");
  return {
    lineBytes: countLocal(frame, band.lineBytes),
    sourceStep: countLocal(frame, line.sourceStep),
    span: countLocal(frame, lineSpan(line)),
    capacity: countLocal(frame, band.bytes),
    shift: countLocal(frame, line.minShift),
  };
}

/** Appends the pixels of `count` lines from the cursor's to the phase's table. */
function listPixels(work: Work, level: Level, phase: PhaseLocals, base: Local, count: Local): void {
  const { frame, pixels, cursor, geometry, scope } = work;
  const { code } = frame;
  const entry = code.local("i32");
  code.get(phase.counts).memory("i32.load").i32(pixels.bytes).op("i32.mul").get(phase.table).op("i32.add").set(entry);
  const images = geometry.images === undefined ? level : bindAxes(scope, level, new Map([[0, cursor.image]]));
  const start = new Map(pixels.sites.map((site) => [site.key, images.pointers.get(site.key) ?? 0] as const));
  listDimension(work, { phase, entry, indices: new Map([[0, cursor.image]]) }, 0, base, start, count);
  code.get(phase.counts).get(entry).get(phase.table).op("i32.sub").i32(pixels.bytes).op("i32.div_u").memory("i32.store");
}

interface Listing {
  readonly phase: PhaseLocals;
  readonly entry: Local;
  readonly indices: ReadonlyMap<number, Local>;
}

function listDimension(work: Work, listing: Listing, position: number, source: Local, pointers: ReadonlyMap<string, Local>, count: Local): void {
  const { frame, geometry, scope, pixels, cursor, fixed } = work;
  const { code } = frame;
  const dimension = geometry.dimensions[position];
  if (dimension === undefined) {
    writeEntry(work, listing, source, pointers);
    return;
  }
  const local = () => code.local("i32");
  const [q, end, index, here] = [local(), local(), local(), local()];
  const word = 4 * (RECORD_HEAD + 2 * position);
  const step = sizeTerm(frame, dimension.step);
  code.get(listing.phase.record).memory("i32.load", word).set(end);
  if (position === 0) {
    const last = local();
    code.get(cursor.line).tee(q).get(count).op("i32.add").tee(last).get(end).get(last).get(end).op("i32.lt_s").op("select").set(end);
  } else {
    code.i32(0).set(q);
  }
  pushProduct(code, q, step)
    .get(listing.phase.record)
    .memory("i32.load", word + 4)
    .op("i32.add")
    .set(index);
  code.get(source).set(here);
  const moving = pixels.sites.filter((site) => !isZero(siteStride(scope, site, dimension.targetAxis)));
  const inner = new Map(pointers);
  for (const site of moving) {
    const pointer = local();
    code.get(pointers.get(site.key) ?? 0);
    pushProduct(code, index, siteStride(scope, site, dimension.targetAxis))
      .op("i32.add")
      .set(pointer);
    inner.set(site.key, pointer);
  }
  const advances = moving.map((site) => ({ site, by: stepStride(work, siteStride(scope, site, dimension.targetAxis), dimension) }));
  code.block((exit) => {
    code.get(q).get(end).op("i32.ge_s").branchIf(exit);
    code.loop((repeat) => {
      const indices = new Map([...listing.indices, [dimension.targetAxis, index] as const]);
      listDimension(work, { ...listing, indices }, position + 1, here, inner, count);
      code
        .get(here)
        .get(fixed.strides[position] ?? 0)
        .op("i32.add")
        .set(here);
      for (const { site, by } of advances) {
        const pointer = inner.get(site.key) ?? 0;
        pushTerm(work, by).get(pointer).op("i32.add").set(pointer);
      }
      pushTerm(work, step).get(index).op("i32.add").set(index);
      code.get(q).i32(1).op("i32.add").tee(q).get(end).op("i32.lt_s").branchIf(repeat);
    });
  });
}

function stepStride(work: Work, stride: Term, dimension: Dimension): Term {
  if (dimension.step === 1) return stride;
  const { frame } = work;
  const local = frame.code.local("i32");
  const factor = countLocal(frame, dimension.step);
  if ("constant" in stride) frame.prologue.i32(stride.constant);
  else frame.prologue.get(stride.local);
  frame.prologue.get(factor).op("i32.mul").set(local);
  return { local };
}

function writeEntry(work: Work, listing: Listing, source: Local, pointers: ReadonlyMap<string, Local>): void {
  const { frame, pixels } = work;
  const { code } = frame;
  code.get(listing.entry).get(source).memory("i32.store");
  pixels.sites.forEach((site, index) =>
    code
      .get(listing.entry)
      .get(pointers.get(site.key) ?? 0)
      .memory("i32.store", 4 * (1 + index)),
  );
  pixels.indices.forEach((axis, index) => {
    code
      .get(listing.entry)
      .get(listing.indices.get(axis) ?? 0)
      .memory("i32.store", 4 * (1 + pixels.sites.length + index));
  });
  code.get(listing.entry).i32(pixels.bytes).op("i32.add").set(listing.entry);
}

/** All panels over all pixels of one phase. */
function emitPhase(work: Work, level: Level, phase: PhaseLocals): void {
  const { frame, pixels, fixed, geometry, cursor } = work;
  const { code } = frame;
  const local = () => code.local("i32");
  const [tableEnd, runs, runsEnd, panel, channel] = [local(), local(), local(), local(), local()];
  const taps = geometry.dimensions.reduce((product, dimension) => product * dimension.taps, 1);
  const panelBytes = countLocal(frame, taps * geometry.deep * 4 * PANEL);
  const panelCount = countLocal(frame, Math.ceil(geometry.wide / PANEL));
  const wide = countLocal(frame, geometry.wide);
  code.block((empty) => {
    code.get(phase.counts).memory("i32.load").i32(pixels.bytes).op("i32.mul").get(phase.table).op("i32.add").tee(tableEnd);
    code.get(phase.table).op("i32.eq").branchIf(empty);
    // The last tile repeats the last pixel's source; nothing is stored for the repetitions.
    for (let extra = 0; extra < 3; extra++) {
      code
        .get(tableEnd)
        .get(tableEnd)
        .i32(pixels.bytes)
        .op("i32.sub")
        .memory("i32.load")
        .memory("i32.store", extra * pixels.bytes);
    }
    code.get(fixed.records).get(phase.record).memory("i32.load").op("i32.add").set(runs);
    code.get(fixed.records).get(phase.record).memory("i32.load", 4).op("i32.add").set(runsEnd);
    code.get(fixed.panels);
    if (geometry.groups !== 1) code.get(cursor.group).get(panelCount).op("i32.mul").get(panelBytes).op("i32.mul").op("i32.add");
    code.set(panel).i32(0).set(channel);
    code.loop((repeat) => {
      emitTiles(work, level, { phase, tableEnd, runs, runsEnd, panel, channel, wide });
      code.get(panel).get(panelBytes).op("i32.add").set(panel);
      code.get(channel).i32(PANEL).op("i32.add").tee(channel).get(wide).op("i32.lt_s").branchIf(repeat);
    });
  });
}

interface PanelLocals {
  readonly phase: PhaseLocals;
  readonly tableEnd: Local;
  readonly runs: Local;
  readonly runsEnd: Local;
  readonly panel: Local;
  readonly channel: Local;
  readonly wide: Local;
}

/** One panel over the table: tiles of 4 pixels, then the epilogue of each pixel. */
function emitTiles(work: Work, level: Level, at: PanelLocals): void {
  const { frame, pixels } = work;
  const { code } = frame;
  const [entry, last, pixel, sums] = [code.local("i32"), code.local("i32"), code.local("i32"), code.local("i32")];
  code.get(at.phase.table).set(entry);
  code.loop((repeat) => {
    for (let row = 0; row < 4; row++) code.get(entry).memory("i32.load", row * pixels.bytes);
    code.get(at.panel).get(at.runs).get(at.runsEnd).get(SCRATCH).op("call", tileFunction(frame.module));
    code
      .get(entry)
      .tee(pixel)
      .i32(4 * pixels.bytes)
      .op("i32.add")
      .tee(entry);
    code.get(at.tableEnd).get(entry).get(at.tableEnd).op("i32.lt_u").op("select").set(last);
    code.get(SCRATCH).set(sums);
    code.loop((nextPixel) => {
      emitPixel(work, level, at, pixel, sums);
      code
        .get(sums)
        .i32(4 * PANEL)
        .op("i32.add")
        .set(sums);
      code.get(pixel).i32(pixels.bytes).op("i32.add").tee(pixel).get(last).op("i32.lt_u").branchIf(nextPixel);
    });
    code.get(entry).get(at.tableEnd).op("i32.lt_u").branchIf(repeat);
  });
}

function emitPixel(work: Work, level: Level, at: PanelLocals, pixel: Local, sums: Local): void {
  const { frame, scope, pixels, geometry, channelAxis } = work;
  const { code } = frame;
  const load = (word: number): Local => {
    const local = code.local("i32");
    code
      .get(pixel)
      .memory("i32.load", 4 * word)
      .set(local);
    return local;
  };
  const indices = new Map(level.indices);
  pixels.indices.forEach((axis, index) => indices.set(axis, { local: load(1 + pixels.sites.length + index) }));
  const axes = pixels.axes.reduce((set, axis) => set | (1 << axis), 0);
  const inner = innerLevel(level, { axes, indices });
  pixels.sites.forEach((site, index) => inner.pointers.set(site.key, load(1 + index)));
  settle(scope, inner, level.bound, true);
  const extent = { local: at.wide };
  emitChannels(scope, inner, { axis: channelAxis, extent, whole: geometry.wide % PANEL === 0, first: at.channel, sums });
}
