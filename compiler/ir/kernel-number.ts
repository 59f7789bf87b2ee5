/**
 * Equal kernels are one kernel: numbers for kernels that differ only in what they serve and which buffers they touch.
 * Invariant: numbers count from 0 in order of first appearance. Kernels of one template share axes, expressions and
 * strides, so that their identities answer for most; the others are compared as text.
 */
import type { Kernel, Operand, Size } from "./kernel.ts";

/** Numbers kernels. */
export type KernelNumbering = (kernel: Kernel) => number;

/** A numbering without kernels. */
export function createKernelNumbering(): KernelNumbering {
  const parts = new Map<object, number>();
  const byParts = new Map<string, number>();
  const byText = new Map<string, number>();
  const partId = (part: object): number => {
    const known = parts.get(part) ?? parts.size;
    if (known === parts.size) parts.set(part, known);
    return known;
  };
  return (kernel) => {
    let key = `${kernel.form} ${kernel.name} ${partId(kernel.axes)} ${partId(kernel.lets)} ${partId(kernel.stores)}`;
    if (kernel.form === "reduction") key += ` ${partId(kernel.reduced)} ${partId(kernel.accumulators)}`;
    if (kernel.form === "contraction") key += ` ${partId(kernel.contraction)}`;
    for (const { type, offset, strides } of kernel.operands) key += ` ${type}${sizeText(offset)}:${partId(strides)}`;
    const known = byParts.get(key);
    if (known !== undefined) return known;
    const text = JSON.stringify(withoutBuffers(kernel), exactNumber);
    const number = byText.get(text) ?? byText.size;
    byText.set(text, number);
    byParts.set(key, number);
    return number;
  };
}

/** The kernel that serves nothing, its operands' buffers numbered by position. */
export function withoutBuffers(kernel: Kernel): Kernel {
  return { ...kernel, serves: [], operands: kernel.operands.map((operand, buffer): Operand => ({ ...operand, buffer })) };
}

function sizeText(size: Size): string {
  return typeof size === "number" ? `${size}` : `${size.batch}B`;
}

/** JSON has no infinities, NaN or -0, which fills and constants may be. */
function exactNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? `${Object.is(value, -0) ? "-" : ""}${value}` : value;
}
