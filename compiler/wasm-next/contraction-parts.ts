/**
 * What the kernels of all three results share: words in the arguments block, the epilogue's frame, the source's prologue.
 * Invariant: each part has a frame of its own and adds to the one arguments block.
 */
import type { Axis, Contraction, Kernel } from "../ir/kernel.ts";
import { emitPrologue, innerFrame } from "./contraction-element.ts";
import { fieldsOf } from "./contraction-fields.ts";
import type { ContractionPlan } from "./contraction-plan.ts";
import type { Local } from "./encode.ts";
import type { Frame, KernelArgument, Place } from "./frame.ts";
import { define, sum, times } from "./micro-code.ts";
import { PANEL } from "./pack.ts";

export type ContractionKernel = Extract<Kernel, { form: "contraction" }>;

/** Appends words to the arguments block and returns a local with their address. */
export function addWords(frame: Frame, words: readonly KernelArgument[]): Local {
  const first = frame.arguments.length;
  frame.arguments.push(...words);
  return define(frame.f, sum(frame.f.param(0), 4 * first));
}

/** The stores of a kernel in a frame of their own, outside of all loops. */
export function beginEpilogue(frame: Frame, kernel: ContractionKernel): { readonly frame: Frame; readonly place: Place } {
  const inner = innerFrame(frame, kernel.axes, kernel.stores);
  const accesses = [...new Set(kernel.stores.flatMap((store) => inner.registerStore(store)))];
  return { frame: inner, place: inner.start(accesses) };
}

/** Code that applies the prologue of the source to the band, if there is one. */
export function beginPrologue(frame: Frame, kernel: ContractionKernel, role: "input" | "output", plan: ContractionPlan, words: Local): (() => void) | undefined {
  const { contraction } = kernel;
  const prologue = role === "input" ? contraction.inputPrologue : contraction.outputPrologue;
  if (prologue === undefined) return undefined;
  const { rowsArePixels, depthwise } = plan;
  const axes = roleAxes(contraction, role);
  const inner = innerFrame(frame, axes, []);
  const place = inner.start(inner.registerLoads(prologue));
  const { f, scratch } = frame;
  const { p, s } = fieldsOf(words, scratch);
  const spatial = (position: number): number | undefined => {
    if (rowsArePixels) return position === 2 ? 0 : undefined;
    return position < 3 - plan.rank ? undefined : position - 1 + plan.rank;
  };
  return () => {
    const fixed: { axis: number; index: Local }[] = [];
    if (!rowsArePixels) fixed.push({ axis: 0, index: define(f, s("image")) });
    if (!depthwise) fixed.push({ axis: 1, index: define(f, s("group")) });
    emitPrologue(inner, place, prologue, {
      axes,
      fixed,
      spatial: (["D", "H", "W"] as const).map((axis, position) => ({
        axis: spatial(position),
        from: s(`from${axis}`),
        span: s(`span${axis}`),
        extent: p(`extent${axis}`),
        bytes: s(`step${axis}`),
      })),
      channel: { axis: depthwise ? 1 : axes.length - 1, start: depthwise ? times(s("block0"), PANEL) : 0, count: s("channels") },
      band: s("origin"),
    });
  };
}

/** The axes of a role: [batch, group, spatial.., channel]. */
export function roleAxes({ batch, groups, window, inputChannels, outputChannels }: Contraction, role: "input" | "output"): Axis[] {
  const spatial = window.map((axis, k): Axis => ({ name: `s${k}`, extent: axis[role] }));
  const channel = role === "input" ? inputChannels : outputChannels;
  return [{ name: "b", extent: batch }, { name: "g", extent: groups }, ...spatial, { name: "c", extent: channel }];
}
