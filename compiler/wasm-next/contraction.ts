/**
 * Contractions with result "output" or "input" over packed panels: per unit a band of the source, then for each block of
 * eight channels all tiles of the box and the epilogue over them.
 * Invariant: every result element belongs to one unit, and is summed in an order that does not depend on the units.
 */
import { invariant } from "../ir/invariant.ts";
import type { Size } from "../ir/kernel.ts";
import { type ContractionPlan, planContraction } from "./contraction-plan.ts";
import { driversOf } from "./contraction-drive.ts";
import { fieldsOf } from "./contraction-fields.ts";
import { type BoxAxis, emitBox, enterAxis } from "./contraction-element.ts";
import { emitKernelGradient } from "./contraction-kernel-gradient.ts";
import { addWords, beginEpilogue, beginPrologue, type ContractionKernel } from "./contraction-parts.ts";
import type { Local, WasmModule } from "./encode.ts";
import { Frame, type KernelArgument, kernelParameters, type Place } from "./frame.ts";
import type { SharedFunctions } from "./functions.ts";
import { define, forRange, less, push, set, smaller, minus, sum, times, when } from "./micro-code.ts";
import { PANEL } from "./pack.ts";

/** A function of the module and how it is called; `index` is that of the function. */
export interface ContractionEntry {
  readonly index: number;
  readonly arguments: readonly KernelArgument[];
  readonly units: Size;
  readonly scratchBytes: number;
}

/** Adds a contraction kernel to a module. Results "output" and "input" must be packed (see `packing`). */
export function emitContraction(module: WasmModule, kernel: ContractionKernel, shared: SharedFunctions): ContractionEntry {
  // Built first, so that a kernel function that turns out to exist adds nothing.
  driversOf(module);
  let units: Size = 1;
  let scratchBytes = 0;
  let slots: readonly KernelArgument[] = [];
  const name = kernel.name.replaceAll(/[^A-Za-z0-9_.]+/g, "_") || "contraction";
  const index = module.addFunction(name, kernelParameters, [], (f) => {
    const frame = new Frame(f, module, shared, kernel);
    units = kernel.contraction.result === "kernel" ? emitKernelGradient(frame, kernel) : emitPacked(frame, kernel);
    ({ scratchBytes, arguments: slots } = frame);
  }, { export: true, unique: true });
  return { index, arguments: slots, units, scratchBytes };
}

function emitPacked(frame: Frame, kernel: ContractionKernel): Size {
  invariant(kernel.contraction.packedPanel === PANEL, "the kernel operand of a contraction is not packed");
  const plan = planContraction(kernel);
  frame.scratchBytes = Math.max(frame.scratchBytes, plan.scratchBytes);
  const words = addWords(frame, plan.words);
  const epilogue = beginEpilogue(frame, kernel);
  const prologue = beginPrologue(frame, kernel, kernel.contraction.result === "output" ? "input" : "output", plan, words);
  const { f } = frame;
  const drivers = driversOf(frame.module);
  const { s } = fieldsOf(words, frame.scratch);
  const unit = define(f, frame.begin);
  const take = f.local("i32");
  when(f, less(unit, frame.end), () => f.loop(() => {
    f.get(words).get(frame.scratch).get(unit).get(frame.end).call(drivers.locate).set(take);
    when(f, s("pixels"), () => {
      f.get(words).get(frame.scratch).call(drivers.band);
      prologue?.();
      f.get(words).get(frame.scratch).call(drivers.runs);
      f.get(words).get(frame.scratch).call(drivers.pixels);
      forRange(f, s("block0"), s("blockEnd"), 1, (block) => {
        f.get(words).get(frame.scratch).get(block).call(drivers.tiles);
        emitEpilogue(epilogue, kernel, plan, words, block);
      });
    });
    set(f, unit, sum(unit, take));
    push(f, less(unit, frame.end)).brIf(0);
  }));
  return plan.units;
}

function emitEpilogue(
  { frame, place }: { readonly frame: Frame; readonly place: Place },
  kernel: ContractionKernel,
  { rowsArePixels, depthwise, rank }: ContractionPlan,
  words: Local,
  block: Local,
): void {
  const { f, scratch } = frame;
  const { p, s } = fieldsOf(words, scratch);
  const spatial = (position: number): number | undefined => (rowsArePixels || position < 3 - rank ? undefined : position - 1 + rank);
  const first = define(f, times(block, PANEL));
  let fixed = place;
  const fix = (axis: number | undefined, index: Local): void => {
    fixed = enterAxis(frame, fixed, axis, index);
  };
  if (!rowsArePixels) fix(0, define(f, s("image")));
  if (!depthwise) fix(1, define(f, s("group")));
  fix(spatial(0), define(f, s("resultD")));
  const rows: BoxAxis = { axis: spatial(1), start: s("resultH"), step: p("resultStepH"), count: s("countH") };
  const pixels: BoxAxis = { axis: rowsArePixels ? 0 : spatial(2), start: s("resultW"), step: p("resultStepW"), count: s("countW") };
  const lanes = { axis: depthwise ? 1 : kernel.axes.length - 1, start: first, count: smaller(f, minus(p("lanes"), first), PANEL) };
  emitBox(frame, fixed, { rows, pixels, lanes, tile: sum(scratch, p("tiles")) });
}
