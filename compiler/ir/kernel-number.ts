/**
 * Equal kernels are one kernel: numbers for kernels that differ only in what they serve and which buffers they touch.
 * Invariant: numbers count from 0 in order of first appearance. Kernels of one template share axes, expressions and
 * strides, so that their identities answer for most; the others are compared as text.
 */
import type { Kernel, Operand } from "./kernel.ts";

/** Numbers kernels. */
export type KernelNumbering = (kernel: Kernel) => number;

/** A numbering without kernels. */
export function createKernelNumbering(): KernelNumbering {
  /** Kernels of one template share their stores: those met so far, each of another template or with other strides. */
  const byStores = new Map<Kernel["stores"], { readonly kernel: Kernel; readonly number: number }[]>();
  const byText = new Map<string, number>();
  return (kernel) => {
    let alike = byStores.get(kernel.stores);
    if (alike === undefined) byStores.set(kernel.stores, (alike = []));
    for (const known of alike) if (sharesParts(known.kernel, kernel)) return known.number;
    const text = JSON.stringify(withoutBuffers(kernel), exactNumber);
    const number = byText.get(text) ?? byText.size;
    byText.set(text, number);
    alike.push({ kernel, number });
    return number;
  };
}

/** Whether both are made of the same parts, object by object; the stores are known to be. */
function sharesParts(left: Kernel, right: Kernel): boolean {
  if (left.name !== right.name || left.axes !== right.axes || left.lets !== right.lets) return false;
  if (left.operands.length !== right.operands.length) return false;
  for (let k = 0; k < left.operands.length; k++) {
    const own = left.operands[k];
    const other = right.operands[k];
    if (own?.strides !== other?.strides || own?.offset !== other?.offset || own?.type !== other?.type) return false;
  }
  switch (left.form) {
    case "pointwise":
    case "sequential":
      return left.form === right.form;
    case "reduction":
      return right.form === left.form && left.reduced === right.reduced && left.accumulators === right.accumulators;
    case "contraction":
      return right.form === left.form && left.contraction === right.contraction;
    default:
      return left satisfies never;
  }
}

/** The kernel that serves nothing, its operands' buffers numbered by position. */
export function withoutBuffers(kernel: Kernel): Kernel {
  return { ...kernel, serves: [], operands: kernel.operands.map((operand, buffer): Operand => ({ ...operand, buffer })) };
}

/** JSON has no infinities, NaN or -0, which fills and constants may be. */
function exactNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? `${Object.is(value, -0) ? "-" : ""}${value}` : value;
}
