/**
 * Loops that address memory as one loop become one loop: an elementwise kernel over [N, H, W, C] is one over N*H*W*C.
 * Each access gets one coordinate per loop that moves it, so that kernels over different shapes become equal.
 * Invariant: the same elements are read, written and summed, in the same order along reduced axes.
 */
import type { Affine, Axis, Coordinate, Expression, Kernel, Operand, Size } from "../ir/kernel.ts";
import { axisIndex, zero } from "./affine.ts";
import { rewriteExpression, visitExpression } from "./expression.ts";
import { addSizes, multiplySizes, sameSize, sizeKey } from "./size.ts";

type Loops = Extract<Kernel, { form: "pointwise" | "reduction" }>;

/** A plain access as a function of the kernel's axes: an offset and a stride per axis. */
interface Address {
  readonly offset: Size;
  readonly strides: readonly Size[];
}

/** The kernel with fewer, longer axes; contractions and sequential kernels stay as they are. */
export function collapseAxes(kernel: Kernel): Kernel {
  if (kernel.form !== "pointwise" && kernel.form !== "reduction") return kernel;
  const count = kernel.axes.length;
  const axes: readonly Axis[] = kernel.form === "reduction" ? [...kernel.axes, ...kernel.reduced] : kernel.axes;
  const addresses = new Map<readonly Coordinate[], Address | undefined>();
  /** Axes that bounded or computed coordinates and index values depend on: they stay. */
  const fixed = new Uint8Array(axes.length);
  const note = (operand: number, at: readonly Coordinate[]): void => {
    if (addresses.has(at)) return;
    const address = addressOf(kernel.operands[operand], at, axes.length);
    addresses.set(at, address);
    if (address === undefined) for (const each of at) for (const { axis } of each.index.terms) fixed[axis] = 1;
  };
  const seen = new Set<Expression>();
  for (const e of expressionsOf(kernel)) {
    visitExpression(
      e,
      (part) => {
        if (part.kind === "load") note(part.operand, part.at);
        if (part.kind === "index") for (const { axis } of part.value.terms) fixed[axis] = 1;
      },
      seen,
    );
  }
  for (const store of kernel.stores) note(store.operand, store.at);
  const known = [...addresses.values()].filter((address) => address !== undefined);
  const runs = mergeRuns(axes, count, known, fixed);
  return rebuild(kernel, runs, addresses);
}

function expressionsOf(kernel: Loops): readonly Expression[] {
  const sums = kernel.form === "reduction" ? kernel.accumulators.map((each) => each.value) : [];
  return [...sums, ...kernel.lets, ...kernel.stores.map((store) => store.value)];
}

function addressOf(operand: Operand | undefined, at: readonly Coordinate[], axes: number): Address | undefined {
  if (operand === undefined) return undefined;
  let offset: Size = operand.offset;
  const strides: Size[] = Array.from({ length: axes }, () => 0);
  for (const [d, { index, bound, dynamic }] of at.entries()) {
    if (bound !== undefined || dynamic !== undefined) return undefined;
    const stride = operand.strides[d] ?? 0;
    const moved = addSizes(offset, multiplySizes(index.constant, stride));
    if (moved === undefined) return undefined;
    offset = moved;
    for (const { axis, coefficient } of index.terms) {
      const sum = addSizes(strides[axis] ?? 0, multiplySizes(coefficient, stride));
      if (sum === undefined) return undefined;
      strides[axis] = sum;
    }
  }
  return { offset, strides };
}

/** Neighbouring axes to be run as one, parallel and reduced ones apart. */
function mergeRuns(axes: readonly Axis[], parallel: number, addresses: readonly Address[], fixed: Uint8Array): readonly (readonly number[])[] {
  const runs: number[][] = [];
  for (const axis of axes.keys()) {
    const outer = axis - 1;
    const merges =
      axis > 0 &&
      axis !== parallel &&
      fixed[axis] === 0 &&
      fixed[outer] === 0 &&
      // The inner extent becomes a factor of the outer stride: it must be a constant, or nothing may move with it.
      addresses.every(({ strides }) => sameSize(strides[outer] ?? 0, multiplySafely(strides[axis] ?? 0, axes[axis]?.extent ?? 1) ?? -1)) &&
      multiplySafely(axes[outer]?.extent ?? 1, axes[axis]?.extent ?? 1) !== undefined;
    const last = runs.at(-1);
    if (merges && last !== undefined) last.push(axis);
    else runs.push([axis]);
  }
  return runs;
}

function multiplySafely(a: Size, b: Size): Size | undefined {
  if (typeof a !== "number" && typeof b !== "number") return undefined;
  return multiplySizes(a, b);
}

function rebuild(kernel: Loops, runs: readonly (readonly number[])[], addresses: ReadonlyMap<readonly Coordinate[], Address | undefined>): Kernel {
  const count = kernel.axes.length;
  const old: readonly Axis[] = kernel.form === "reduction" ? [...kernel.axes, ...kernel.reduced] : kernel.axes;
  const parallel = runs.filter(([first = 0]) => first < count).length;
  const merged: Axis[] = runs.map((run, position) => ({
    name: position < parallel ? `i${position}` : `r${position - parallel}`,
    extent: run.reduce<Size>((extent, axis) => multiplySizes(extent, old[axis]?.extent ?? 1), 1),
  }));
  const renamed: Affine[] = old.map(() => zero);
  for (const [position, run] of runs.entries()) renamed[run.at(-1) ?? 0] = axisIndex(position);
  const operands: Operand[] = [];
  const known = new Map<string, number>();
  const operandOf = (operand: Operand, key: string): number => {
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, operands.length);
    return operands.push(operand) - 1;
  };
  const access = (operand: number, at: readonly Coordinate[], use: string): { operand: number; at: readonly Coordinate[] } => {
    const before = kernel.operands[operand] ?? { buffer: -1, type: "f32", offset: 0, strides: [] };
    const address = addresses.get(at);
    if (address === undefined) {
      const moved = at.map((each) => ({
        ...each,
        index: renameAxes(each.index, renamed),
        ...(each.dynamic === undefined ? {} : { dynamic: rewrite(each.dynamic) }),
      }));
      return { operand: operandOf(before, `${use}#${operand}`), at: moved };
    }
    const moving = runs.flatMap((run, position) => {
      const stride = address.strides[run.at(-1) ?? 0] ?? 0;
      return stride === 0 ? [] : [{ position, stride }];
    });
    const strides = moving.map((each) => each.stride);
    const key = `${use}${before.buffer}:${before.type}:${sizeKey(address.offset)}:${strides.map(sizeKey).join()}`;
    const own = operandOf({ buffer: before.buffer, type: before.type, offset: address.offset, strides }, key);
    return { operand: own, at: moving.map(({ position }) => ({ index: axisIndex(position) })) };
  };
  const memo = new Map<Expression, Expression>();
  const rewrite = (e: Expression): Expression =>
    rewriteExpression(
      e,
      (part) => {
        if (part.kind === "index") return { kind: "index", value: renameAxes(part.value, renamed) };
        return part.kind === "load" ? { ...part, ...access(part.operand, part.at, "r") } : undefined;
      },
      memo,
    );
  const sums = kernel.form === "reduction" ? kernel.accumulators.map((each) => ({ ...each, value: rewrite(each.value) })) : [];
  const lets = kernel.lets.map(rewrite);
  const stores = kernel.stores.map((store) => ({
    ...store,
    value: rewrite(store.value),
    ...access(store.operand, store.at, "w"),
  }));
  const axes = merged.slice(0, parallel);
  if (kernel.form === "pointwise") return { ...kernel, operands, axes, lets, stores };
  return { ...kernel, operands, axes, reduced: merged.slice(parallel), accumulators: sums, lets, stores };
}

/** Merged axes do not occur in the indices that are renamed. */
function renameAxes({ constant, terms }: Affine, renamed: readonly Affine[]): Affine {
  return {
    constant,
    terms: terms.map(({ axis, coefficient }) => ({ axis: renamed[axis]?.terms[0]?.axis ?? axis, coefficient })),
  };
}
