/**
 * Sliding windows: the output-size formula (Dumoulin and Visin 2016, relationship 15) and f64 loops over their taps.
 * Invariant: along a spatial axis `input = output * stride + tap * dilation - padding`.
 */
import type { PoolAttributes, WindowAttributes } from "../ir/attributes.ts";
import { add, ceilDiv, type Dim, floorDiv, min, mul, sub } from "../ir/dim.ts";
import type { WindowAxis } from "../ir/kernel.ts";
import { countOf } from "./kernel-expressions.ts";
import type { TypeContext } from "./operator.ts";
import { elementCount } from "./row-major.ts";
import { expectEntries, requireAtLeast } from "./type-rules.ts";

/** One spatial axis of window attributes. */
export interface WindowDims {
  readonly kernel: Dim;
  readonly stride: Dim;
  readonly padding: Dim;
  readonly dilation: Dim;
}

/** The attributes axis by axis. */
export function windowDims(attributes: WindowAttributes): readonly WindowDims[] {
  const { kernel, stride, padding, dilation } = attributes;
  return kernel.map((size, axis) => ({
    kernel: size,
    stride: stride[axis] ?? 1,
    padding: padding[axis] ?? 0,
    dilation: dilation[axis] ?? 1,
  }));
}

/** floor((size + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1 */
export function windowOutput(size: Dim, { kernel, stride, padding, dilation }: WindowDims): Dim {
  const room = sub(sub(add(size, mul(2, padding)), mul(dilation, sub(kernel, 1))), 1);
  return add(floorDiv(room, stride), 1);
}

/** With `ceil` the last window may hang over the end, but must begin inside the input or the padding before it. */
export function poolOutput(size: Dim, dims: WindowDims, ceil: boolean): Dim {
  if (!ceil) return windowOutput(size, dims);
  const { kernel, stride, padding, dilation } = dims;
  const room = sub(sub(add(size, mul(2, padding)), mul(dilation, sub(kernel, 1))), 1);
  return min(add(ceilDiv(room, stride), 1), ceilDiv(add(size, padding), stride));
}

/** Demands lists of one length and sizes in range; `spatial` is the number of axes behind batch and channels. */
export function expectWindow(context: TypeContext, attributes: WindowAttributes, spatial: number): boolean {
  const { kernel, stride, padding, dilation } = attributes;
  if (!expectEntries(context, kernel, spatial, "kernel") || !expectEntries(context, stride, spatial, "stride")) return false;
  if (!expectEntries(context, padding, spatial, "padding") || !expectEntries(context, dilation, spatial, "dilation")) {
    return false;
  }
  for (const [axis, dims] of windowDims(attributes).entries()) {
    requireAtLeast(context, dims.kernel, 1, `kernel of spatial axis ${axis}`);
    requireAtLeast(context, dims.stride, 1, `stride of spatial axis ${axis}`);
    requireAtLeast(context, dims.padding, 0, `padding of spatial axis ${axis}`);
    requireAtLeast(context, dims.dilation, 1, `dilation of spatial axis ${axis}`);
  }
  return true;
}

/** Demands that the kernel fits the padded input along every axis, that is, that each output is at least 1. */
export function requireFit(context: TypeContext, sizes: readonly Dim[], attributes: WindowAttributes): void {
  for (const [axis, { kernel, padding, dilation }] of windowDims(attributes).entries()) {
    const padded = add(sizes[axis] ?? 1, mul(2, padding));
    requireAtLeast(context, padded, add(mul(dilation, sub(kernel, 1)), 1), `kernel fits the padded input, spatial axis ${axis}`);
  }
}

/** Output sizes of pooling over spatial sizes. */
export function poolOutputs(sizes: readonly Dim[], attributes: PoolAttributes): readonly Dim[] {
  return windowDims(attributes).map((dims, axis) => poolOutput(sizes[axis] ?? 1, dims, attributes.ceil));
}

/** The window as kernels know it; sizes are constants by then. */
export function windowAxes(attributes: WindowAttributes, input: readonly unknown[], output: readonly unknown[]): readonly WindowAxis[] {
  const size = (list: readonly unknown[], axis: number): number => {
    const value = list[axis];
    return countOf(typeof value === "number" ? value : undefined, "a spatial size");
  };
  return windowDims(attributes).map((dims, axis) => ({
    input: size(input, axis),
    output: size(output, axis),
    taps: countOf(dims.kernel),
    stride: countOf(dims.stride),
    dilation: countOf(dims.dilation),
    padding: countOf(dims.padding),
  }));
}

/** Pairs of an output position and a tap, with the input they read, as flat spatial positions; in parallel lists. */
export interface Taps {
  readonly count: number;
  readonly output: Int32Array;
  readonly input: Int32Array;
  readonly tap: Int32Array;
}

interface Pair {
  readonly output: number;
  readonly input: number;
  readonly tap: number;
}

/** Every pair whose input lies in bounds, ordered by output, then tap, row-major. */
export function tapsOf(window: readonly WindowAxis[]): Taps {
  let found: Pair[] = [{ output: 0, input: 0, tap: 0 }];
  for (const axis of window) {
    const pairs: Pair[] = [];
    for (let output = 0; output < axis.output; output++) {
      for (let tap = 0; tap < axis.taps; tap++) {
        const input = output * axis.stride + tap * axis.dilation - axis.padding;
        if (input >= 0 && input < axis.input) pairs.push({ output, input, tap });
      }
    }
    found = found.flatMap((outer) =>
      pairs.map((pair) => ({
        output: outer.output * axis.output + pair.output,
        input: outer.input * axis.input + pair.input,
        tap: outer.tap * axis.taps + pair.tap,
      })),
    );
  }
  const taps = elementCount(window.map((axis) => axis.taps));
  found.sort((a, b) => a.output * taps + a.tap - (b.output * taps + b.tap));
  return {
    count: found.length,
    output: Int32Array.from(found, ({ output }) => output),
    input: Int32Array.from(found, ({ input }) => input),
    tap: Int32Array.from(found, ({ tap }) => tap),
  };
}
