/**
 * Contractions with result "kernel": a unit is a chunk of output channels, whose sums lie in scratch while all boxes of
 * the output pass by; then the epilogue stores them.
 * Invariant: the boxes pass in one order, so that the bits do not depend on how units are shared out.
 */
import type { Size } from "../ir/kernel.ts";
import { type BoxAxis, emitBox, emitPrologue, enterAxis, innerFrame } from "./contraction-element.ts";
import { driversOf } from "./contraction-drive.ts";
import { fieldsOf } from "./contraction-fields.ts";
import { addWords, beginEpilogue, beginPrologue, type ContractionKernel, roleAxes } from "./contraction-parts.ts";
import { type ContractionPlan, planKernelGradient } from "./contraction-plan.ts";
import type { Local } from "./encode.ts";
import type { Frame, Place } from "./frame.ts";
import { define, forRange, less, minus, push, quotient, set, smaller, sum, times, when } from "./micro-code.ts";
import { LANE_BYTES } from "./micro.ts";
import { PANEL } from "./pack.ts";

/** Emits the body of a weight gradient; returns its units. */
export function emitKernelGradient(frame: Frame, kernel: ContractionKernel): Size {
  const plan = planKernelGradient(kernel);
  frame.scratchBytes = Math.max(frame.scratchBytes, plan.scratchBytes);
  const { f, scratch } = frame;
  const drivers = driversOf(frame.module);
  const words = addWords(frame, plan.words);
  const epilogue = beginEpilogue(frame, kernel);
  const source = beginPrologue(frame, kernel, "input", plan, words);
  const gradient = beginGradientPrologue(frame, kernel, plan, words);
  const { p } = fieldsOf(words, scratch);
  const boxes = define(f, times(times(p("images"), p("unitsD")), times(p("unitsH"), p("unitsW"))));
  const [box, end] = [f.local("i32"), f.local("i32")];
  forRange(f, frame.begin, frame.end, 1, (unit) => {
    set(f, box, times(unit, boxes));
    set(f, end, sum(box, boxes));
    push(f, sum(scratch, p("sums")));
    push(f, quotient(times(p("chunkBlocks"), p("panelBlock")), 4)).call(drivers.zero);
    when(f, less(box, end), () => f.loop(() => {
      push(f, box);
      f.get(words).get(scratch).get(box).get(end).call(drivers.locate);
      f.op("i32.add").set(box);
      f.get(words).get(scratch).call(drivers.band);
      source?.();
      for (const driver of [drivers.runs, drivers.pack]) f.get(words).get(scratch).call(driver);
      gradient?.();
      f.get(words).get(scratch).call(drivers.products);
      push(f, less(box, end)).brIf(0);
    }));
    emitSums(epilogue, kernel, plan, words);
  });
  return plan.units;
}

/** The epilogue over the sums of the unit's chunk. */
function emitSums(
  { frame, place }: { readonly frame: Frame; readonly place: Place },
  kernel: ContractionKernel,
  { depthwise, rank }: ContractionPlan,
  words: Local,
): void {
  const { f, scratch } = frame;
  const { p, s, phase } = fieldsOf(words, scratch);
  const taps = (position: number): number | undefined => (position < 3 - rank ? undefined : position - 2 + rank);
  const last = kernel.axes.length - 1;
  const outer = depthwise ? place : enterAxis(frame, place, 0, define(f, s("group")));
  const across = define(f, kernel.contraction.inputChannels === 1 ? 1 : p("across"));
  const runBytes = define(f, depthwise ? LANE_BYTES : times(quotient(sum(s("runBytes"), 4 * LANE_BYTES - 1), 4 * LANE_BYTES), 4 * LANE_BYTES));
  const tile = f.local("i32");
  forRange(f, s("block0"), s("blockEnd"), 1, (block) => {
    set(f, tile, sum(scratch, p("sums"), times(minus(block, s("block0")), p("panelBlock"))));
    const first = define(f, times(block, PANEL));
    const lanes = { axis: depthwise ? 0 : last, start: first, count: smaller(f, minus(p("lanes"), first), PANEL) };
    forRange(f, 0, phase("D", "taps"), 1, (d) => {
      const deep = enterAxis(frame, outer, taps(0), d);
      forRange(f, 0, phase("H", "taps"), 1, (h) => {
        const high = enterAxis(frame, deep, taps(1), h);
        const width = define(f, 1);
        when(f, p("merged"), () => set(f, width, phase("W", "taps")));
        forRange(f, 0, phase("W", "taps"), width, (w) => {
          const rows: BoxAxis = { axis: taps(2), start: w, step: 1, count: width };
          const pixels: BoxAxis = { axis: last - 1, start: 0, step: 1, count: across };
          emitBox(frame, high, { rows, pixels, lanes, tile });
          set(f, tile, sum(tile, runBytes));
        });
      });
    });
  });
}

/** Code that applies the prologue of the output operand to its packed box, if there is one. */
function beginGradientPrologue(frame: Frame, kernel: ContractionKernel, plan: ContractionPlan, words: Local): (() => void) | undefined {
  const { contraction } = kernel;
  const prologue = contraction.outputPrologue;
  if (prologue === undefined) return undefined;
  const { rowsArePixels, depthwise, rank } = plan;
  const axes = roleAxes(contraction, "output");
  const inner = innerFrame(frame, axes, []);
  const place = inner.start(inner.registerLoads(prologue));
  const { f, scratch } = frame;
  const { p, s } = fieldsOf(words, scratch);
  const spatial = (position: number): number | undefined => {
    if (rowsArePixels) return position === 2 ? 0 : undefined;
    return position < 3 - rank ? undefined : position - 1 + rank;
  };
  return () => {
    const fixed: { axis: number; index: Local }[] = [];
    if (!rowsArePixels) fixed.push({ axis: 0, index: define(f, s("image")) });
    if (!depthwise) fixed.push({ axis: 1, index: define(f, s("group")) });
    const band = define(f, sum(scratch, p("tiles")));
    forRange(f, s("block0"), s("blockEnd"), 1, (block) => {
      const first = define(f, times(block, PANEL));
      emitPrologue(inner, place, prologue, {
        axes,
        fixed,
        spatial: (["D", "H", "W"] as const).map((axis, position) => ({
          axis: spatial(position),
          from: s(`index${axis}`),
          span: s(`count${axis}`),
          extent: sum(s(`index${axis}`), s(`count${axis}`)),
          bytes: axis === "W" ? LANE_BYTES : axis === "H" ? times(s("countW"), LANE_BYTES) : 0,
        })),
        channel: { axis: depthwise ? 1 : axes.length - 1, start: first, count: smaller(f, minus(p("lanes"), first), PANEL) },
        band,
      });
      set(f, band, sum(band, times(s("pixels"), LANE_BYTES)));
    });
  };
}
