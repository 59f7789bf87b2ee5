/**
 * Copies of a contraction's source into scratch: contiguous, through the prologue, with the halo's zeros.
 * Invariant: padding is zero after the prologue; a copied position holds exactly what the prologue gives there.
 */
import { invariant } from "../ir/invariant.ts";
import type { Expression, Operand, RoleStrides, Size, Store } from "../ir/kernel.ts";
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { fixed, paddedExtent, type Dimension, type Geometry } from "./bands.ts";
import type { Local } from "./encode.ts";
import { evaluateAs, evaluateStores } from "./expression.ts";
import { countLocal, type Frame, type Term } from "./frame.ts";
import type { Level } from "./level.ts";
import { bindAxes, innerLevel, loopAxis, loopLanes, outerLevel, settle } from "./nest.ts";
import { vectorVersions } from "./pointwise.ts";
import { ACCUMULATED, openScope, siteKey, type Scope } from "./scope.ts";

/** The nest that reads one element of a role and writes it to scratch. */
export interface Copier {
  readonly scope: Scope;
  readonly level: Level;
  readonly value: Expression;
  readonly prologue: Expression | undefined;
  readonly storeKey: string;
  readonly channelAxis: number;
}

/** `scratchStrides`: elements per step of each role axis [batch, group, spatial.., channel] in scratch. */
export function openCopier(
  frame: Frame,
  kernel: ContractionKernel,
  role: RoleStrides,
  prologue: Expression | undefined,
  scratchStrides: readonly Size[],
): Copier {
  const source = kernel.operands[role.operand];
  invariant(source !== undefined, "a contraction's operand is missing");
  const strides = [role.batch, role.group, ...role.spatial, role.channel];
  const view: Operand = { ...source, strides };
  const scratch: Operand = { buffer: -2, type: "f32", offset: 0, strides: scratchStrides };
  const at = strides.map((_, axis) => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } }));
  const count = kernel.operands.length;
  const value: Expression = { kind: "load", operand: count, at, fill: 0 };
  const store: Store = { operand: count + 1, at, value: prologue ?? value };
  const scope = openScope({
    frame,
    operands: [...kernel.operands, view, scratch],
    lets: kernel.lets,
    roots: prologue === undefined ? [] : [value],
    stores: [store],
    extents: strides.map(() => 2),
    accumulatorTypes: ["f32"],
  });
  const storeKey = siteKey(count + 1, at);
  const level = outerLevel(scope, new Map([[storeKey, frame.code.local("i32")]]));
  settle(scope, level, undefined, true);
  return { scope, level, value, prologue, storeKey, channelAxis: strides.length - 1 };
}

/** The level with the store's pointer replaced. */
export function writingTo(copier: Copier, level: Level, pointer: Local): Level {
  const inner = innerLevel(level, {});
  inner.pointers.set(copier.storeKey, pointer);
  return inner;
}

/** Binds axes and hoists what they decide. */
export function bindCopier(copier: Copier, level: Level, indices: ReadonlyMap<number, Local>): Level {
  const inner = bindAxes(copier.scope, level, indices);
  settle(copier.scope, inner, level.bound, true);
  return inner;
}

/** Copies channels `from ..< to` (or, where pixels are contiguous, several pixels' channels). */
export function copyChannels(copier: Copier, level: Level, from: Term, to: Term): void {
  const { scope, prologue, channelAxis } = copier;
  const versions = prologue === undefined ? vectorVersions(channelAxis, 4, 1) : vectorVersions(channelAxis, 1);
  loopLanes(scope, level, channelAxis, { from, to }, versions, false, (inner) => copyElements(copier, inner));
}

/** Copies the vectors (or the element) of a level that has all axes bound. */
export function copyElements(copier: Copier, level: Level): void {
  const { scope, prologue } = copier;
  const { code } = scope.frame;
  if (prologue === undefined) {
    evaluateStores(scope, level);
    return;
  }
  const loaded = Array.from({ length: level.lanes.unroll }, (_, vector) => {
    evaluateAs(scope, level, copier.value, "f32", vector);
    const local = code.local("v128");
    code.set(local);
    return local;
  });
  evaluateStores(scope, innerLevel(level, { axes: ACCUMULATED, accumulators: [loaded] }));
}

/** What to copy: source lines `first ..< first + count` of image and group, to consecutive lines of scratch. */
export interface Lines {
  readonly image: Local;
  readonly group: Local;
  readonly first: Local;
  readonly count: Local;
  readonly destination: Local;
}

/** A copier of whole padded lines, see `copyLines`. */
export function openLineCopier(frame: Frame, kernel: ContractionKernel, geometry: Geometry): Copier {
  const { role, dimensions, deep } = geometry;
  const spatial: Size[] = role.spatial.map(() => 0);
  if (dimensions.length > 1) spatial[spatial.length - 1] = deep;
  return openCopier(frame, kernel, role, geometry.prologue, [0, 0, ...spatial, 1]);
}

/** Emits the copy of lines, each `lineBytes` long in scratch; lines and positions outside of the source are zero. */
export function copyLines(copier: Copier, geometry: Geometry, lines: Lines, lineBytes: Local): void {
  const { frame } = copier.scope;
  const { code } = frame;
  const [dimension] = geometry.dimensions;
  invariant(dimension !== undefined, "a contraction has a first dimension");
  const [line, end, target] = [code.local("i32"), code.local("i32"), code.local("i32")];
  const source = countLocal(frame, dimension.source);
  const level = bindCopier(copier, copier.level, new Map(imageAndGroup(geometry, lines)));
  if (geometry.dimensions.length === 1 && copier.prologue === undefined && isContiguous(geometry, dimension)) {
    copySpan(copier, level, lines, lineBytes, source);
    return;
  }
  code.get(lines.first).tee(line).get(lines.count).op("i32.add").set(end);
  code.get(lines.destination).set(target);
  code.loop((repeat) => {
    code.get(line).get(source).op("i32.lt_u");
    code.if(
      () => copyInner(copier, geometry, bindCopier(copier, level, new Map([[dimension.sourceAxis, line]])), 1, target),
      () => code.get(target).i32(0).get(lineBytes).op("memory.fill"),
    );
    code.get(target).get(lineBytes).op("i32.add").set(target);
    code.get(line).i32(1).op("i32.add").tee(line).get(end).op("i32.lt_s").branchIf(repeat);
  });
}

function isContiguous(geometry: Geometry, dimension: Dimension): boolean {
  return dimension.stride === geometry.deep && geometry.role.channel === 1;
}

/** Lines that follow each other in the source too: zeros, one block copy, zeros. */
function copySpan(copier: Copier, level: Level, lines: Lines, lineBytes: Local, source: Local): void {
  const { code } = copier.scope.frame;
  const [end, from, to, pointer] = [code.local("i32"), code.local("i32"), code.local("i32"), code.local("i32")];
  const site = [...copier.scope.sites.values()].find((each) => each.key !== copier.storeKey);
  invariant(site !== undefined, "a copier reads one operand");
  const clamp = (value: Local, low: () => void, high: () => void): void => {
    const bound = code.local("i32");
    low();
    code.tee(bound).get(value).get(bound).get(value).op("i32.gt_s").op("select").set(value);
    high();
    code.tee(bound).get(value).get(bound).get(value).op("i32.lt_s").op("select").set(value);
  };
  code.get(lines.first).tee(from).get(lines.count).op("i32.add").tee(end).set(to);
  clamp(
    from,
    () => code.i32(0),
    () => code.get(end),
  );
  clamp(
    to,
    () => code.get(from),
    () => code.get(source),
  );
  clamp(
    to,
    () => code.get(from),
    () => code.get(end),
  );
  const bytes = (a: Local, b: Local) => code.get(a).get(b).op("i32.sub").get(lineBytes).op("i32.mul");
  code.get(lines.destination).i32(0);
  bytes(from, lines.first).op("memory.fill");
  bytes(from, lines.first).get(lines.destination).op("i32.add").set(pointer);
  // Without lines to copy the source's address may lie outside of the memory, which traps.
  code
    .get(to)
    .get(from)
    .op("i32.gt_s")
    .if(() => {
      code
        .get(pointer)
        .get(level.pointers.get(site.key) ?? 0)
        .get(from)
        .get(lineBytes)
        .op("i32.mul")
        .op("i32.add");
      bytes(to, from).op("memory.copy");
    });
  code.get(pointer);
  bytes(to, from).op("i32.add").i32(0);
  bytes(end, to).op("memory.fill");
}

function imageAndGroup(geometry: Geometry, lines: Lines): readonly (readonly [number, Local])[] {
  const group = [1, lines.group] as const;
  return geometry.images === undefined ? [group] : [[0, lines.image], group];
}

/** Copies what one index of dimension `position - 1` holds. */
function copyInner(copier: Copier, geometry: Geometry, level: Level, position: number, target: Local): void {
  const { frame } = copier.scope;
  const { code } = frame;
  const dimension = geometry.dimensions[position];
  if (dimension === undefined) {
    copyChannels(copier, writingTo(copier, level, target), { constant: 0 }, { local: countLocal(frame, geometry.deep) });
    return;
  }
  const rest = geometry.dimensions.slice(position + 1).reduce((product, each) => product * paddedExtent(each), 1);
  const bytes = rest * geometry.deep * 4;
  if (position === geometry.dimensions.length - 1) {
    copyRow(copier, geometry, level, dimension, target);
    return;
  }
  const [index, here, end] = [code.local("i32"), code.local("i32"), code.local("i32")];
  const size = countLocal(frame, bytes);
  const source = countLocal(frame, dimension.source);
  const shift = countLocal(frame, dimension.minShift);
  code.get(target).set(here);
  code
    .get(shift)
    .tee(index)
    .get(countLocal(frame, paddedExtent(dimension)))
    .op("i32.add")
    .set(end);
  code.loop((repeat) => {
    code.get(index).get(source).op("i32.lt_u");
    code.if(
      () => copyInner(copier, geometry, bindCopier(copier, level, new Map([[dimension.sourceAxis, index]])), position + 1, here),
      () => code.get(here).i32(0).get(size).op("memory.fill"),
    );
    code.get(here).get(size).op("i32.add").set(here);
    code.get(index).i32(1).op("i32.add").tee(index).get(end).op("i32.lt_s").branchIf(repeat);
  });
}

/** The innermost dimension: zeros, a stretch of the source, zeros. */
function copyRow(copier: Copier, geometry: Geometry, level: Level, dimension: Dimension, target: Local): void {
  const { frame } = copier.scope;
  const { code } = frame;
  const { deep } = geometry;
  const extent = paddedExtent(dimension);
  const left = Math.min(extent, Math.max(0, -dimension.minShift));
  const start = Math.max(0, dimension.minShift);
  const count = Math.max(0, Math.min(fixed(dimension.source) - start, extent - left));
  const fill = (from: number, positions: number): void => {
    const size = countLocal(frame, positions * deep * 4);
    const offset = countLocal(frame, from * deep * 4);
    code.get(size).if(() => code.get(target).get(offset).op("i32.add").i32(0).get(size).op("memory.fill"));
  };
  fill(0, left);
  fill(left + count, extent - left - count);
  const pointer = code.local("i32");
  code
    .get(target)
    .get(countLocal(frame, (left - start) * deep * 4))
    .op("i32.add")
    .set(pointer);
  const inner = writingTo(copier, level, pointer);
  const bounds = (unit: number) => ({
    from: { local: countLocal(frame, start * unit) },
    to: { local: countLocal(frame, (start + count) * unit) },
  });
  if (copier.prologue === undefined && isContiguous(geometry, dimension)) {
    const { from, to } = bounds(deep);
    copyChannels(copier, inner, from, to);
    return;
  }
  const channels = countLocal(frame, deep);
  loopAxis(copier.scope, inner, dimension.sourceAxis, bounds(1), true, (pixel) => {
    copyChannels(copier, pixel, { constant: 0 }, { local: channels });
  });
}
