/**
 * The drivers around the tile kernels, shared by all contractions: which box a unit is, its band of the source, its runs.
 * Invariant: drivers read sizes from the words of a plan and leave what they find in the words of a state in scratch.
 */
import type { FunctionBuilder, Local, WasmModule } from "./encode.ts";
import { copyFunction, gatherFunction, LANE_BYTES, tileFunction, depthwiseFunction, zeroFunction } from "./micro.ts";
import {
  below, both, define, equal, forRange, larger, less, minus, push, quotient, remainder, set, setWord, smaller, sum, times,
  type Value, when,
} from "./micro-code.ts";
import { packFunction, productsFunction } from "./contraction-gradient-drive.ts";
import { fieldsOf, type StateField, stateFields } from "./contraction-fields.ts";
import { phaseBytes, type SpatialName, spatialNames } from "./contraction-plan.ts";

function put(f: FunctionBuilder, state: Value, name: StateField, value: Value): void {
  setWord(f, state, stateFields[name], value);
}

/** The shared functions of contractions, by index. */
export interface Drivers {
  /** (plan, state, unit, end) -> units taken. Decodes a unit into a box and its band. */
  readonly locate: number;
  /** (plan, state). Copies the band of the box from the source, with zeros outside; nothing if it is read in place. */
  readonly band: number;
  /** (plan, state). Lists the runs of the box. */
  readonly runs: number;
  /** (plan, state). Lists the addresses of the pixels of the box. */
  readonly pixels: number;
  /** (plan, state, block). Computes all tiles of a block of the box. */
  readonly tiles: number;
  /** (plan, state). Packs the box of the output operand of a weight gradient into its blocks of eight channels. */
  readonly pack: number;
  /** (plan, state). Adds the products of the box to the sums of its chunk. */
  readonly products: number;
  /** (to, count). Zeroes floats. */
  readonly zero: number;
}

const known = new WeakMap<WasmModule, Drivers>();

/** The drivers of a module, built at their first use. */
export function driversOf(module: WasmModule): Drivers {
  const found = known.get(module);
  if (found !== undefined) return found;
  const [zero, copy] = [zeroFunction(module), copyFunction(module)];
  const gather = gatherFunction(module, copy);
  const drivers = {
    locate: locateFunction(module),
    band: bandFunction(module, zero, gather),
    runs: runsFunction(module),
    pixels: pixelsFunction(module),
    tiles: tilesFunction(module, tileFunction(module), depthwiseFunction(module)),
    pack: packFunction(module),
    products: productsFunction(module),
    zero,
  };
  known.set(module, drivers);
  return drivers;
}

function locateFunction(module: WasmModule): number {
  return module.addFunction("contraction_locate", ["i32", "i32", "i32", "i32"], ["i32"], (f) => {
    const [plan, state, unit, end] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    const { p, s, phase } = fieldsOf(plan, state);
    const rest = define(f, unit);
    const digit = (size: Value): Local => {
      const value = define(f, remainder(rest, size));
      set(f, rest, quotient(rest, size));
      return value;
    };
    const unitW = digit(p("unitsW"));
    const [unitH, unitD, image] = [digit(p("unitsH")), digit(p("unitsD")), digit(p("images"))];
    const [phaseW, phaseH, phaseD] = [digit(p("phasesW")), digit(p("phasesH")), digit(p("phasesD"))];
    const chunk = digit(p("chunks"));
    const take = smaller(f, smaller(f, minus(end, unit), minus(p("unitsW"), unitW)), p("takeW"));
    put(f, state, "image", image);
    put(f, state, "group", rest);
    put(f, state, "block0", times(chunk, p("chunkBlocks")));
    put(f, state, "blockEnd", smaller(f, sum(s("block0"), p("chunkBlocks")), p("blocks")));
    put(f, state, "panels", sum(p("panels"), times(rest, p("panelGroup"))));
    const units = { D: unitD, H: unitH, W: unitW };
    const phases = { D: phaseD, H: phaseH, W: phaseW };
    for (const axis of spatialNames) {
      put(f, state, `phase${axis}`, sum(plan, p(`table${axis}`), times(phases[axis], phaseBytes)));
      put(f, state, `index${axis}`, times(units[axis], p(`box${axis}`)));
      const box: Value = axis === "W" ? times(take, p("boxW")) : p(`box${axis}`);
      const left = larger(f, minus(phase(axis, "count"), s(`index${axis}`)), 0);
      put(f, state, `count${axis}`, smaller(f, left, box));
      put(f, state, `result${axis}`, sum(phase(axis, "start"), times(s(`index${axis}`), p(`resultStep${axis}`))));
    }
    put(f, state, "pixels", times(times(s("countD"), s("countH")), s("countW")));
    locateBand(f, plan, state);
    f.get(take);
  });
}

/** The positions of the source that the box reads, and where its first pixel finds them. */
function locateBand(f: FunctionBuilder, plan: Local, state: Local): void {
  const { p, s, phase } = fieldsOf(plan, state);
  for (const axis of spatialNames) {
    put(f, state, `from${axis}`, sum(phase(axis, "first"), times(s(`index${axis}`), p(`perResult${axis}`))));
    const pixels = times(minus(s(`count${axis}`), 1), p(`perResult${axis}`));
    const taps = times(minus(phase(axis, "taps"), 1), p(`perTap${axis}`));
    put(f, state, `span${axis}`, sum(pixels, taps, 1));
    when(f, equal(phase(axis, "taps"), 0), () => put(f, state, `span${axis}`, 0));
  }
  const chunkShift = define(f, 0);
  put(f, state, "channels", p("across"));
  when(f, p("depthwise"), () => {
    put(f, state, "channels", smaller(f, times(minus(s("blockEnd"), s("block0")), 8), minus(p("lanes"), times(s("block0"), 8))));
    set(f, chunkShift, times(times(s("block0"), 8), p("sourceChannel")));
  });
  put(f, state, "source", sum(p("source"), times(s("image"), p("sourceImage")), times(s("group"), p("sourceGroup")), chunkShift));
  when(f, p("inPlace"), () => {
    for (const axis of spatialNames) put(f, state, `step${axis}`, p(`source${axis}`));
    put(f, state, "origin", sum(s("source"), ...spatialNames.map((axis) => times(s(`from${axis}`), p(`source${axis}`)))));
  }, () => {
    put(f, state, "stepW", p("pixelBytes"));
    put(f, state, "stepH", times(s("stepW"), s("spanW")));
    put(f, state, "stepD", times(s("stepH"), s("spanH")));
    put(f, state, "origin", sum(state, p("band")));
  });
}

function bandFunction(module: WasmModule, zero: number, gather: number): number {
  return module.addFunction("contraction_band", ["i32", "i32"], [], (f) => {
    const [plan, state] = [f.param(0), f.param(1)];
    const { p, s } = fieldsOf(plan, state);
    when(f, p("inPlace"), () => f.op("return"));
    when(f, equal(s("pixels"), 0), () => f.op("return"));
    const [target, from] = [define(f, s("origin")), f.local("i32")];
    const [rowBytes, pixelBytes, span] = [define(f, s("stepH")), define(f, p("pixelBytes")), define(f, s("spanW"))];
    const low = smaller(f, larger(f, minus(0, s("fromW")), 0), span);
    const high = larger(f, smaller(f, minus(p("extentW"), s("fromW")), span), low);
    const zeroes = (to: Value, pixels: Value): void => {
      push(f, to);
      push(f, quotient(times(pixels, pixelBytes), 4)).call(zero);
    };
    forRange(f, 0, s("spanD"), 1, (d) => {
      forRange(f, 0, s("spanH"), 1, (h) => {
        const [positionD, positionH] = [define(f, sum(d, s("fromD"))), define(f, sum(h, s("fromH")))];
        const inside = both(below(positionD, p("extentD")), below(positionH, p("extentH")));
        when(f, both(inside, less(low, high)), () => {
          zeroes(target, low);
          const row = sum(s("source"), times(positionD, p("sourceD")), times(positionH, p("sourceH")));
          set(f, from, sum(row, times(sum(low, s("fromW")), p("sourceW"))));
          const values = [sum(target, times(low, pixelBytes)), from, minus(high, low), s("channels"), pixelBytes, p("sourceW"), p("sourceChannel")];
          for (const value of values) push(f, value);
          f.call(gather);
          zeroes(sum(target, times(high, pixelBytes)), minus(span, high));
        }, () => zeroes(target, span));
        set(f, target, sum(target, rowBytes));
      });
    });
  });
}

function pixelsFunction(module: WasmModule): number {
  return module.addFunction("contraction_pixels", ["i32", "i32"], [], (f) => {
    const [plan, state] = [f.param(0), f.param(1)];
    const { p, s } = fieldsOf(plan, state);
    const target = define(f, sum(state, p("pixelTable")));
    const steps = { H: define(f, times(p("perResultH"), s("stepH"))), W: define(f, times(p("perResultW"), s("stepW"))) };
    const address = define(f, s("origin"));
    forRange(f, 0, s("countH"), 1, (h) => {
      set(f, address, sum(s("origin"), times(h, steps.H)));
      forRange(f, 0, s("countW"), 1, () => {
        setWord(f, target, 0, address);
        f.addTo(target, 4);
        set(f, address, sum(address, steps.W));
      });
    });
    // The last tile's missing pixels repeat one that exists.
    for (const position of [0, 1, 2]) setWord(f, target, 4 * position, s("origin"));
  });
}

function runsFunction(module: WasmModule): number {
  return module.addFunction("contraction_runs", ["i32", "i32"], [], (f) => listRuns(f, f.param(0), f.param(1)));
}

function listRuns(f: FunctionBuilder, plan: Local, state: Local): void {
  const { p, s, phase } = fieldsOf(plan, state);
  const table = define(f, sum(state, p("runTable")));
  const start = define(f, table);
  const bytes = define(f, times(p("across"), LANE_BYTES));
  const runsW = define(f, phase("W", "taps"));
  put(f, state, "runBytes", bytes);
  when(f, p("merged"), () => {
    put(f, state, "runBytes", times(bytes, runsW));
    set(f, runsW, smaller(f, runsW, 1));
  });
  const sourceStep = (axis: SpatialName, tap: Local): Value => times(times(tap, p(`perTap${axis}`)), s(`step${axis}`));
  const panelStep = (axis: SpatialName, tap: Local): Value =>
    times(sum(phase(axis, "tap"), times(tap, p(`tapStep${axis}`))), p(`panel${axis}`));
  forRange(f, 0, phase("D", "taps"), 1, (d) => {
    forRange(f, 0, phase("H", "taps"), 1, (h) => {
      forRange(f, 0, runsW, 1, (w) => {
        setWord(f, table, 0, sum(sourceStep("D", d), sourceStep("H", h), sourceStep("W", w)));
        setWord(f, table, 4, sum(panelStep("D", d), panelStep("H", h), panelStep("W", w)));
        f.addTo(table, 8);
      });
    });
  });
  put(f, state, "runs", quotient(minus(table, start), 8));
}

function tilesFunction(module: WasmModule, tile: number, depthwise: number): number {
  return module.addFunction("contraction_tiles", ["i32", "i32", "i32"], [], (f) => {
    const [plan, state, block] = [f.param(0), f.param(1), f.param(2)];
    const { p, s } = fieldsOf(plan, state);
    const pixels = define(f, sum(state, p("pixelTable")));
    const end = define(f, sum(pixels, times(s("pixels"), 4)));
    const target = define(f, sum(state, p("tiles")));
    const panel = define(f, sum(s("panels"), times(block, p("panelBlock"))));
    const [runs, count, bytes] = [define(f, sum(state, p("runTable"))), define(f, s("runs")), define(f, s("runBytes"))];
    const shift = define(f, times(minus(block, s("block0")), LANE_BYTES));
    const each = (last: Local, callee: number): void => {
      when(f, less(pixels, end), () => f.loop(() => {
        f.get(pixels).get(panel).get(runs).get(count).get(last).get(target).call(callee);
        f.addTo(pixels, 16).addTo(target, 4 * LANE_BYTES);
        push(f, less(pixels, end)).brIf(0);
      }));
    };
    when(f, p("depthwise"), () => each(shift, depthwise), () => each(bytes, tile));
  });
}
