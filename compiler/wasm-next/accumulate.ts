/**
 * Accumulator arithmetic on four lanes: starting values, steps, merging of partial results, combination of lanes.
 * Invariant: sums are kept in blocks of `blockTerms` terms and added up block by block, so that rounding errors stay small.
 */
import type { Accumulator, ScalarType } from "../ir/kernel.ts";
import type { FunctionBuilder, Local } from "./encode.ts";

/** Terms added one by one before the partial sum joins the total. */
export const blockTerms = 128;

/** Loads and stores of one accumulator's vectors; `position` is that of a `position` accumulator. */
export interface Cell {
  readonly value: { readonly get: () => void; readonly set: () => void };
  readonly position: { readonly get: () => void; readonly set: () => void } | undefined;
  /** What rounding took from the total of a float sum; only totals have it. */
  readonly lost?: { readonly get: () => void; readonly set: () => void } | undefined;
}

export interface AccumulatorShape {
  readonly combine: Accumulator["combine"];
  readonly type: ScalarType;
  readonly position: boolean;
}

/** Pushes the neutral value. */
export function pushStart(f: FunctionBuilder, { combine, type }: AccumulatorShape): void {
  if (type === "f32") {
    const start = { sum: 0, prod: 1, max: Number.NEGATIVE_INFINITY, min: Number.POSITIVE_INFINITY } as const;
    f.v128(start[combine]);
  } else {
    const start = { sum: 0, prod: 1, max: 0x80000000 | 0, min: 0x7fffffff } as const;
    f.v128i(start[combine]);
  }
}

/** Pops two vectors, pushes their combination. */
export function combineOp(f: FunctionBuilder, { combine, type }: AccumulatorShape): void {
  const names = {
    sum: ["f32x4.add", "i32x4.add"],
    prod: ["f32x4.mul", "i32x4.mul"],
    max: ["f32x4.max", "i32x4.max_s"],
    min: ["f32x4.min", "i32x4.min_s"],
  } as const;
  f.op(names[combine][type === "f32" ? 0 : 1]);
}

/** Takes `value` (and, with a position, where it was found) into a cell. */
export function accumulate(f: FunctionBuilder, shape: AccumulatorShape, cell: Cell, value: Local, position: Local | undefined): void {
  if (!shape.position || position === undefined || cell.position === undefined) {
    cell.value.get();
    f.get(value);
    combineOp(f, shape);
    cell.value.set();
    return;
  }
  const better = f.local("v128");
  f.get(value);
  cell.value.get();
  f.op(shape.type === "f32" ? "f32x4.gt" : "i32x4.gt_s").set(better);
  f.get(position);
  cell.position.get();
  f.get(better).op("v128.bitselect");
  cell.position.set();
  f.get(value);
  cell.value.get();
  f.get(better).op("v128.bitselect");
  cell.value.set();
}

/** Merges another partial result, found anywhere: of equal values the one at the lower position stays. */
export function merge(f: FunctionBuilder, shape: AccumulatorShape, cell: Cell, value: Local, position: Local | undefined): void {
  if (!shape.position || position === undefined || cell.position === undefined) {
    accumulate(f, shape, cell, value, undefined);
    return;
  }
  const better = f.local("v128");
  f.get(value);
  cell.value.get();
  f.op(shape.type === "f32" ? "f32x4.gt" : "i32x4.gt_s").get(value);
  cell.value.get();
  f.op(shape.type === "f32" ? "f32x4.eq" : "i32x4.eq").get(position);
  cell.position.get();
  f.op("i32x4.lt_s", "v128.and", "v128.or").set(better);
  f.get(position);
  cell.position.get();
  f.get(better).op("v128.bitselect");
  cell.position.set();
  f.get(value);
  cell.value.get();
  f.get(better).op("v128.bitselect");
  cell.value.set();
}

/** Adds a block's sum to a total; the rounding error, which two-sum gives exactly (Knuth), is kept in `lost`. */
export function addBlock(f: FunctionBuilder, shape: AccumulatorShape, total: Cell, block: Local): void {
  const { lost, value } = total;
  if (lost === undefined) {
    merge(f, shape, total, block, undefined);
    return;
  }
  const [before, sum, part] = [f.local("v128"), f.local("v128"), f.local("v128")];
  value.get();
  f.tee(before).get(block).op("f32x4.add").tee(sum).get(before).op("f32x4.sub").set(part);
  f.get(before).get(sum).get(part).op("f32x4.sub", "f32x4.sub").get(block).get(part).op("f32x4.sub", "f32x4.add");
  lost.get();
  f.op("f32x4.add");
  lost.set();
  f.get(sum);
  value.set();
}

/** Gives a total back what rounding took; infinite sums lost something undefined, and stay. */
export function settleTotal(f: FunctionBuilder, { lost, value }: Cell): void {
  if (lost === undefined) return;
  const rest = f.local("v128");
  value.get();
  lost.get();
  f.tee(rest).get(rest).get(rest).op("f32x4.eq", "v128.and", "f32x4.add");
  value.set();
}

/** Whether blocks of this accumulator are added with compensation. */
export function compensates({ combine, type }: AccumulatorShape): boolean {
  return combine === "sum" && type === "f32";
}

/** Combines the four lanes of a cell, which leaves the result in all of them. */
export function combineLanes(f: FunctionBuilder, shape: AccumulatorShape, cell: Cell): void {
  for (const [a, b, c, d] of [
    [2, 3, 0, 1],
    [1, 0, 3, 2],
  ] as const) {
    const value = f.local("v128");
    cell.value.get();
    f.set(value).get(value).get(value).shuffleLanes(a, b, c, d).set(value);
    let position: Local | undefined;
    if (cell.position !== undefined) {
      position = f.local("v128");
      cell.position.get();
      f.set(position).get(position).get(position).shuffleLanes(a, b, c, d).set(position);
    }
    merge(f, shape, cell, value, position);
  }
}

/** A cell in locals. */
export function localCell(f: FunctionBuilder, shape: AccumulatorShape, total = false): Cell {
  const part = (): Cell["value"] => {
    const local = f.local("v128");
    return { get: () => f.get(local), set: () => f.set(local) };
  };
  return { value: part(), position: shape.position ? part() : undefined, lost: total && compensates(shape) ? part() : undefined };
}

/** Gives a cell its starting value. */
export function reset(f: FunctionBuilder, shape: AccumulatorShape, cell: Cell): void {
  pushStart(f, shape);
  cell.value.set();
  if (cell.lost !== undefined) f.v128(0);
  cell.lost?.set();
  if (cell.position === undefined) return;
  f.v128i(0);
  cell.position.set();
}
