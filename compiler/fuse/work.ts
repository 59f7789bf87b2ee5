/** How much a kernel computes and touches, for profiles. */
import { multiplySizes } from "./size.ts";
import type { Contraction, Expression, Kernel, Size } from "../ir/kernel.ts";
import { loadsOf } from "./expression.ts";

/**
 * Floating-point operations (of contractions and reductions; else one for each element), and bytes, each element once.
 * `widthOf` gives the bytes of an operand's elements.
 */
export function workOf(kernel: Kernel, widthOf: (operand: number) => number = () => 4): { readonly flops: Size; readonly bytes: Size } {
  const elements = product(kernel.axes.map((axis) => axis.extent));
  return { flops: flopsOf(kernel, elements), bytes: bytesOf(kernel, elements, widthOf) };
}

/** Whoever depends on the batch twice counts it once: a profile is no proof. */
function product(sizes: readonly Size[]): Size {
  return sizes.reduce<Size>((total, size) => (typeof total === "number" || typeof size === "number" ? multiplySizes(total, size) : total), 1);
}

function sum(sizes: readonly Size[]): Size {
  const batches = sizes.reduce<number>((total, size) => total + (typeof size === "number" ? 0 : size.batch), 0);
  const constant = sizes.reduce<number>((total, size) => total + (typeof size === "number" ? size : 0), 0);
  // A size has one part: the constant one is of no account beside the other.
  return batches === 0 ? constant : { batch: batches };
}

function flopsOf(kernel: Kernel, elements: Size): Size {
  switch (kernel.form) {
    case "pointwise":
    case "sequential":
      return elements;
    case "reduction":
      return product([elements, ...kernel.reduced.map((axis) => axis.extent), kernel.accumulators.length]);
    case "contraction": {
      const { batch, groups, window, inputChannels, outputChannels } = kernel.contraction;
      return product([2, batch, groups, inputChannels, outputChannels, ...window.map((axis) => axis.output * axis.taps)]);
    }
  }
  kernel satisfies never;
}

function bytesOf(kernel: Kernel, elements: Size, widthOf: (operand: number) => number): Size {
  const extents = [...kernel.axes, ...(kernel.form === "reduction" ? kernel.reduced : [])].map((axis) => axis.extent);
  const touched = new Map<number, Size>();
  for (const { operand } of kernel.stores) touched.set(operand, elements);
  const values: Expression[] = [...kernel.lets, ...kernel.stores.map((store) => store.value)];
  if (kernel.form === "reduction") values.push(...kernel.accumulators.map((each) => each.value));
  for (const { operand, at } of loadsOf(values)) {
    const strides = kernel.operands[operand]?.strides ?? [];
    const axes = new Set(at.flatMap(({ index }, d) => (strides[d] === 0 ? [] : index.terms.map((term) => term.axis))));
    touched.set(operand, product([...axes].map((axis) => extents[axis] ?? 1)));
  }
  if (kernel.form === "contraction") for (const [operand, size] of factorSizes(kernel.contraction)) touched.set(operand, size);
  return sum([...touched].map(([operand, size]) => product([widthOf(operand), size])));
}

function factorSizes({
  result,
  batch,
  groups,
  window,
  inputChannels,
  outputChannels,
  input,
  kernel,
  output,
}: Contraction): readonly (readonly [number, Size])[] {
  const factors = {
    input: [input.operand, product([batch, groups, inputChannels, ...window.map((axis) => axis.input)])],
    kernel: [kernel.operand, product([groups, inputChannels, outputChannels, ...window.map((axis) => axis.taps)])],
    output: [output.operand, product([batch, groups, outputChannels, ...window.map((axis) => axis.output)])],
  } as const;
  return (["input", "kernel", "output"] as const).filter((role) => role !== result).map((role) => factors[role]);
}
