/**
 * The inner loops of contractions as shared functions: 4 pixels by 8 channels, products added one by one.
 * Invariant: a result element is summed in one order whatever its tile; no step is unrolled, which V8 12.4 and older
 * answer with register spills.
 */
import type { FunctionBuilder, Local, WasmModule } from "./encode.ts";
import { define, less, push, set, sum, times, type Value, when, word } from "./micro-code.ts";

/** Rows of a tile. */
export const TILE = 4;
/** Bytes of a row of a tile or panel. */
export const LANE_BYTES = 32;

/** Index of a shared function of the module, built at its first use. */
export type Once = (name: string, build: () => number) => number;

const rows = [0, 1, 2, 3] as const;

function accumulators(f: FunctionBuilder, count: number): readonly Local[] {
  return Array.from({ length: count }, () => f.local("v128"));
}

/** `accumulator += a * b` */
function multiplyAdd(f: FunctionBuilder, accumulator: Local, a: Local, b: Local): void {
  f.get(accumulator).get(a).get(b).op("f32x4.mul", "f32x4.add").set(accumulator);
}

function at(list: readonly Local[], position: number): Local {
  const found = list[position];
  if (found === undefined) throw new RangeError("no such local");
  return found;
}

/** Repeats `body` `count` times, at least once, with a counter that holds the address `pointer` up to `end`. */
function until(f: FunctionBuilder, pointer: Local, end: Local, body: () => void): void {
  f.loop(() => {
    body();
    push(f, less(pointer, end)).brIf(0);
  });
}

/**
 * (pixels, panel, runs, runCount, runBytes, tile): tile[i][n] = sum over runs and c of pixel i [a + c] * panel[b + c][n].
 * `pixels` are four addresses; a run is two words, the byte offsets a and b; runBytes counts bytes of the panel.
 */
export function tileFunction(module: WasmModule): number {
  return module.addFunction("tile4x8", ["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [pixels, panel, runs, runCount, runBytes, tile] = parameters(f, 6);
    const total = accumulators(f, 8);
    const pointers = rows.map(() => f.local("i32"));
    const [low, high, splats] = [f.local("v128"), f.local("v128"), rows.map(() => f.local("v128"))];
    const [b, end, lastRun] = [f.local("i32"), f.local("i32"), define(f, sum(runs, times(runCount, 8)))];
    when(f, less(runs, lastRun), () => {
      until(f, runs, lastRun, () => {
        for (const row of rows) set(f, at(pointers, row), sum(word(pixels, 4 * row), word(runs, 0)));
        set(f, b, sum(panel, word(runs, 4)));
        set(f, end, sum(b, runBytes));
        until(f, b, end, () => {
          f.get(b).load("v128.load").set(low).get(b).load("v128.load", 16).set(high);
          for (const row of rows) {
            f.get(at(pointers, row)).load("v128.load32_splat").set(at(splats, row));
            multiplyAdd(f, at(total, 2 * row), at(splats, row), low);
            multiplyAdd(f, at(total, 2 * row + 1), at(splats, row), high);
          }
          for (const row of rows) f.addTo(at(pointers, row), 4);
          f.addTo(b, LANE_BYTES);
        });
        f.addTo(runs, 8);
      });
    });
    total.forEach((local, position) => f.get(tile).get(local).store("v128.store", 16 * position));
  });
}

/** (pixels, panel, runs, runCount, shift, tile): like `tile4x8`, but channel by channel; runs are single taps. */
export function depthwiseFunction(module: WasmModule): number {
  return module.addFunction("depthwise4x8", ["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [pixels, panel, runs, runCount, shift, tile] = parameters(f, 6);
    const total = accumulators(f, 8);
    const [low, high, value] = [f.local("v128"), f.local("v128"), f.local("v128")];
    const [a, b, lastRun] = [f.local("i32"), f.local("i32"), define(f, sum(runs, times(runCount, 8)))];
    const starts = rows.map((row) => define(f, sum(word(pixels, 4 * row), shift)));
    when(f, less(runs, lastRun), () => {
      until(f, runs, lastRun, () => {
        set(f, b, sum(panel, word(runs, 4)));
        f.get(b).load("v128.load").set(low).get(b).load("v128.load", 16).set(high);
        for (const row of rows) {
          set(f, a, sum(at(starts, row), word(runs, 0)));
          f.get(a).load("v128.load").set(value);
          multiplyAdd(f, at(total, 2 * row), value, low);
          f.get(a).load("v128.load", 16).set(value);
          multiplyAdd(f, at(total, 2 * row + 1), value, high);
        }
        f.addTo(runs, 8);
      });
    });
    total.forEach((local, position) => f.get(tile).get(local).store("v128.store", 16 * position));
  });
}

/**
 * (a, b, rowCount, rowPixels, aPixel, aRow, tile): tile[m][n] += sum over pixels of a[pixel][m] * b[pixel][n] for four m
 * and eight n. Pixels of `b` lie densely; strides of `a` are in bytes. The sum is complete before it is added.
 */
export function gradientFunction(module: WasmModule): number {
  return pixelSum(module, "gradient4x8", 8, (f, a, b, total) => {
    const [low, high] = [f.local("v128"), f.local("v128")];
    const splats = rows.map(() => f.local("v128"));
    return () => {
      f.get(b).load("v128.load").set(low).get(b).load("v128.load", 16).set(high);
      for (const row of rows) {
        f.get(a).load("v128.load32_splat", 4 * row).set(at(splats, row));
        multiplyAdd(f, at(total, 2 * row), at(splats, row), low);
        multiplyAdd(f, at(total, 2 * row + 1), at(splats, row), high);
      }
    };
  });
}

/** Like `gradient4x8`, but channel by channel: tile[n] += sum over pixels of a[pixel][n] * b[pixel][n]. */
export function depthwiseGradientFunction(module: WasmModule): number {
  return pixelSum(module, "depthwise_gradient8", 2, (f, a, b, total) => {
    const [x, y] = [f.local("v128"), f.local("v128")];
    return () => {
      for (const half of [0, 1] as const) {
        f.get(a).load("v128.load", 16 * half).set(x).get(b).load("v128.load", 16 * half).set(y);
        multiplyAdd(f, at(total, half), x, y);
      }
    };
  });
}

type Step = (f: FunctionBuilder, a: Local, b: Local, total: readonly Local[]) => () => void;

function pixelSum(module: WasmModule, name: string, vectors: number, step: Step): number {
  return module.addFunction(name, ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [row, b, rowCount, rowPixels, aPixel, aRow, tile] = parameters(f, 7);
    const total = accumulators(f, vectors);
    const a = f.local("i32");
    const body = step(f, a, b, total);
    const rowBytes = define(f, times(rowPixels, LANE_BYTES));
    const last = define(f, sum(b, times(rowBytes, rowCount)));
    const end = f.local("i32");
    when(f, less(b, last), () => {
      until(f, b, last, () => {
        set(f, a, row);
        set(f, end, sum(b, rowBytes));
        until(f, b, end, () => {
          body();
          f.addLocal(a, aPixel).addTo(b, LANE_BYTES);
        });
        f.addLocal(row, aRow);
      });
    });
    total.forEach((local, position) => {
      f.get(tile).get(tile).load("v128.load", 16 * position).get(local).op("f32x4.add").store("v128.store", 16 * position);
    });
  });
}

type Parameters = readonly [Local, Local, Local, Local, Local, Local, Local];

/** The parameters of a function with at most seven; the missing ones repeat the last. */
function parameters(f: FunctionBuilder, count: number): Parameters {
  const get = (position: number): Local => f.param(Math.min(position, count - 1));
  return [get(0), get(1), get(2), get(3), get(4), get(5), get(6)];
}

/** (to, count): zeroes floats. */
export function zeroFunction(module: WasmModule): number {
  return module.addFunction("zero_floats", ["i32", "i32"], [], (f) => {
    const to = f.param(0);
    const end = define(f, sum(to, times(f.param(1), 4)));
    chunks(f, to, end, 16, () => f.get(to).v128(0).store("v128.store"), []);
    chunks(f, to, end, 4, () => f.get(to).f32(0).store("f32.store"), []);
  });
}

/** (to, from, count): copies floats. */
export function copyFunction(module: WasmModule): number {
  return module.addFunction("copy_floats", ["i32", "i32", "i32"], [], (f) => {
    const [to, from] = [f.param(0), f.param(1)];
    const end = define(f, sum(to, times(f.param(2), 4)));
    chunks(f, to, end, 16, () => f.get(to).get(from).load("v128.load").store("v128.store"), [from]);
    chunks(f, to, end, 4, () => f.get(to).get(from).load("f32.load").store("f32.store"), [from]);
  });
}

function chunks(f: FunctionBuilder, to: Local, end: Local, bytes: number, body: () => void, others: readonly Local[]): void {
  const fits: Value = { op: "i32.le_u", a: sum(to, bytes), b: end };
  when(f, fits, () => {
    f.loop(() => {
      body();
      for (const local of [to, ...others]) f.addTo(local, bytes);
      push(f, fits).brIf(0);
    });
  });
}

/**
 * (to, from, pixels, channels, toPixel, fromPixel, fromChannel): gathers pixels of `channels` floats, dense channels at
 * `to`; strides in bytes. `copy` is the index of `copy_floats`.
 */
export function gatherFunction(module: WasmModule, copy: number): number {
  return module.addFunction("gather_pixels", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [to, from, pixels, channels, toPixel, fromPixel, fromChannel] = parameters(f, 7);
    const end = define(f, sum(to, times(pixels, toPixel)));
    const each = (body: () => void) =>
      when(f, less(to, end), () => until(f, to, end, () => {
        body();
        f.addLocal(to, toPixel).addLocal(from, fromPixel);
      }));
    const bytes = define(f, times(channels, 4));
    const dense: Value = { op: "i32.and", a: { op: "i32.eq", a: toPixel, b: fromPixel }, b: { op: "i32.eq", a: toPixel, b: bytes } };
    when(f, { op: "i32.eq", a: fromChannel, b: 4 }, () => {
      when(f, dense,
        () => f.get(to).get(from).get(pixels).get(channels).op("i32.mul").call(copy),
        () => each(() => f.get(to).get(from).get(channels).call(copy)));
    }, () => {
      const [target, source, last] = [f.local("i32"), f.local("i32"), f.local("i32")];
      each(() => {
        set(f, target, to);
        set(f, source, from);
        set(f, last, sum(to, bytes));
        until(f, target, last, () => {
          f.get(target).get(source).load("f32.load").store("f32.store");
          f.addTo(target, 4).addLocal(source, fromChannel);
        });
      });
    });
  });
}
