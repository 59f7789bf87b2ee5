/**
 * The geometry of a contraction as the tile kernels see it: target positions, source positions, taps, bands of lines.
 * A target position is q * step + phase; it reads source positions q * sourceStep + shift, one shift per tap. For a
 * strided data gradient the phases are the residues of the stride, so no zeros are ever multiplied.
 * Invariant: everything here is known at compile time; the code receives it as arguments.
 */
import { invariant } from "../ir/invariant.ts";
import type { Contraction, Expression, RoleStrides, Size } from "../ir/kernel.ts";
import { panelChannels, tapsReversed } from "./pack.ts";
import { add, scale } from "./sizes.ts";

interface Tap {
  /** Position in the panel. */
  readonly position: number;
  readonly shift: number;
}

interface Phase {
  readonly phase: number;
  /** Number of q. */
  readonly count: Size;
  readonly taps: readonly Tap[];
}

/** One spatial axis; dimension 0 is cut into bands of lines. */
export interface Dimension {
  /** Axis of the kernel (of the target role), and of the source role. */
  readonly targetAxis: number;
  readonly sourceAxis: number;
  readonly source: Size;
  readonly step: number;
  readonly sourceStep: number;
  readonly phases: readonly Phase[];
  /** Number of q over all phases. */
  readonly lines: Size;
  readonly taps: number;
  readonly minShift: number;
  readonly maxShift: number;
  /** Elements between source positions. */
  readonly stride: Size;
}

export interface Geometry {
  readonly role: RoleStrides;
  readonly prologue: Expression | undefined;
  readonly deep: number;
  readonly wide: number;
  readonly groups: Size;
  /** undefined: the batch is dimension 0. */
  readonly images: Size | undefined;
  readonly dimensions: readonly Dimension[];
  /** Source lines are copied into scratch: with a halo of zeros, contiguous, through the prologue. */
  readonly copies: boolean;
}

/** Geometry of a contraction; for the kernel gradient that of its forward pass. */
export function geometryOf(contraction: Contraction): Geometry {
  const backwards = contraction.result === "input";
  const role = backwards ? contraction.output : contraction.input;
  const prologue = backwards ? contraction.outputPrologue : contraction.inputPrologue;
  const channels = panelChannels(contraction.result === "kernel" ? { ...contraction, result: "output" } : contraction);
  const dimensions = contraction.window.length === 0 ? [batchDimension(contraction, role)] : windowDimensions(contraction, role);
  const leaves = dimensions.some(leavesSource);
  return {
    role,
    prologue,
    deep: channels.deep,
    wide: channels.wide,
    groups: contraction.groups,
    images: contraction.window.length === 0 ? undefined : contraction.batch,
    dimensions,
    copies: leaves || prologue !== undefined || role.channel !== 1,
  };
}

function batchDimension(contraction: Contraction, role: RoleStrides): Dimension {
  const { batch } = contraction;
  return {
    targetAxis: 0,
    sourceAxis: 0,
    source: batch,
    step: 1,
    sourceStep: 1,
    phases: [{ phase: 0, count: batch, taps: [{ position: 0, shift: 0 }] }],
    lines: batch,
    taps: 1,
    minShift: 0,
    maxShift: 0,
    stride: role.batch,
  };
}

function windowDimensions(contraction: Contraction, role: RoleStrides): Dimension[] {
  const backwards = contraction.result === "input";
  const reversed = tapsReversed(contraction);
  return contraction.window.map((axis, index) => {
    const numbers = Array.from({ length: axis.taps }, (_, tap) => tap);
    const target = backwards ? axis.input : axis.output;
    const step = backwards ? axis.stride : 1;
    const phases = Array.from({ length: Math.min(step, target) }, (_, phase): Phase => {
      const taps = numbers.flatMap((tap): Tap[] => {
        if (!backwards) return [{ position: tap, shift: tap * axis.dilation - axis.padding }];
        const distance = phase + axis.padding - tap * axis.dilation;
        if (distance % step !== 0) return [];
        return [{ position: reversed && index === contraction.window.length - 1 ? axis.taps - 1 - tap : tap, shift: distance / step }];
      });
      return { phase, count: Math.ceil((target - phase) / step), taps };
    });
    const shifts = phases.flatMap((phase) => phase.taps.map((tap) => tap.shift));
    return {
      targetAxis: 2 + index,
      sourceAxis: 2 + index,
      source: backwards ? axis.output : axis.input,
      step,
      sourceStep: backwards ? 1 : axis.stride,
      phases,
      lines: Math.ceil(target / step),
      taps: axis.taps,
      minShift: shifts.length === 0 ? 0 : Math.min(...shifts),
      maxShift: shifts.length === 0 ? 0 : Math.max(...shifts),
      stride: role.spatial[index] ?? 0,
    };
  });
}

function leavesSource(dimension: Dimension): boolean {
  const { source } = dimension;
  if (typeof source !== "number") return false;
  return dimension.phases.some(({ count, taps }) =>
    taps.some(({ shift }) => shift < 0 || (typeof count === "number" && (count - 1) * dimension.sourceStep + shift >= source)),
  );
}

/** A dimension's extent whose size the code must know to lay out scratch. */
export function fixed(size: Size): number {
  invariant(typeof size === "number", "only the first dimension may grow with the batch");
  return size;
}

/** Source positions along an inner dimension that scratch holds, halo included. */
export function paddedExtent(dimension: Dimension): number {
  return (fixed(dimension.lines) - 1) * dimension.sourceStep + dimension.maxShift - dimension.minShift + 1;
}

/** Source lines that one line of dimension 0 needs. */
export function lineSpan(dimension: Dimension): number {
  return dimension.maxShift - dimension.minShift + 1;
}

/** Bytes between source positions per dimension: in scratch where lines are copied, else in the operand. */
export function sourceStrides(geometry: Geometry): Size[] {
  if (!geometry.copies) return geometry.dimensions.map((dimension) => scale(dimension.stride, 4));
  const strides: number[] = [];
  let bytes = geometry.deep * 4;
  for (let index = geometry.dimensions.length - 1; index >= 0; index--) {
    strides[index] = bytes;
    const dimension = geometry.dimensions[index];
    if (index > 0 && dimension !== undefined) bytes *= paddedExtent(dimension);
  }
  return strides;
}

/** A stretch of consecutive elements of A that meets consecutive rows of the panel. Offsets in bytes. */
export interface Run {
  readonly a: Size;
  readonly panel: number;
  readonly length: number;
}

/** A choice of phases, one per dimension, with its runs in panel order. */
export interface PhaseRuns {
  readonly phases: readonly Phase[];
  readonly runs: readonly Run[];
}

/** All combinations of phases. Offsets of A count from the pixel's own source position (minus the halo, when copied). */
export function phaseRuns(geometry: Geometry): PhaseRuns[] {
  const { dimensions, deep, copies } = geometry;
  const strides = sourceStrides(geometry);
  const combinations = dimensions.reduce<readonly (readonly Phase[])[]>(
    (known, dimension) => known.flatMap((each) => dimension.phases.map((phase) => [...each, phase])),
    [[]],
  );
  return combinations.map((phases) => {
    let taps: { readonly a: Size; readonly position: number }[] = [{ a: 0, position: 0 }];
    phases.forEach((phase, index) => {
      const dimension = dimensions[index];
      if (dimension === undefined) return;
      taps = taps.flatMap((known) =>
        phase.taps.map(({ position, shift }) => ({
          a: add(known.a, scale(strides[index] ?? 0, copies ? shift - dimension.minShift : shift)),
          position: known.position * dimension.taps + position,
        })),
      );
    });
    const runs = taps.map(({ a, position }) => ({ a, panel: position * deep * 32, length: deep }));
    return { phases, runs: mergeRuns(runs.toSorted((one, other) => one.panel - other.panel)) };
  });
}

function mergeRuns(runs: readonly Run[]): Run[] {
  const merged: Run[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    const follows =
      last !== undefined && typeof last.a === "number" && last.a + last.length * 4 === run.a && last.panel + last.length * 32 === run.panel;
    if (follows) merged[merged.length - 1] = { ...last, length: last.length + run.length };
    else merged.push(run);
  }
  return merged;
}

/** Scratch for copied lines: within a core's second-level cache, leaving room for the panel. */
const BAND_BYTES = 192 * 1024;
/** Pixels of a band: enough to use a panel many times once it is in the first-level cache. */
const BAND_PIXELS = 768;

export interface Band {
  /** Lines of one image taken at once, and of all images of a band. */
  readonly segmentLines: number;
  readonly lines: number;
  /** Per line, over all phases of the inner dimensions (the largest). */
  readonly linePixels: number;
  readonly lineBytes: number;
  /** For copied lines; 0 otherwise. */
  readonly bytes: number;
}

/** Sizes of bands: a segment's source lines fit `limit` bytes where more than one line can. */
export function bandOf(geometry: Geometry, limit: number = BAND_BYTES): Band {
  const [line, ...inner] = geometry.dimensions;
  invariant(line !== undefined, "a contraction has a first dimension");
  const linePixels = inner.reduce((product, dimension) => product * fixed(dimension.lines), 1);
  const positions = inner.reduce((product, dimension) => product * paddedExtent(dimension), 1);
  const lineBytes = positions * geometry.deep * 4;
  const total = typeof line.lines === "number" ? line.lines : Infinity;
  const byPixels = Math.max(1, Math.floor(BAND_PIXELS / linePixels));
  const source = geometry.copies ? lineBytes : linePixels * geometry.deep * 4;
  const byBytes = Math.floor((limit / source - lineSpan(line)) / line.sourceStep) + 1;
  const lines = Math.max(1, Math.min(byPixels, geometry.copies ? byPixels : byBytes));
  const segmentLines = Math.max(1, Math.min(byPixels, byBytes, total));
  const segmentBytes = ((segmentLines - 1) * line.sourceStep + lineSpan(line)) * lineBytes;
  const bytes = geometry.copies ? Math.max(segmentBytes, Math.min(limit, segmentBytes * Math.ceil(lines / segmentLines))) : 0;
  return { segmentLines, lines, linePixels, lineBytes, bytes };
}
