/**
 * Parts that occur more than once become lets, in order of evaluation.
 * Invariant: with several stores every load is a let, so that no store can overwrite what a later one reads in place.
 */
import type { Expression } from "../ir/kernel.ts";
import { childrenOf, mapChildren } from "./expression.ts";

/** The values with shared parts replaced by lets; `loadsFirst` makes every load a let. Equal parts must be one object. */
export function shareParts(
  values: readonly Expression[],
  loadsFirst: boolean,
): { readonly lets: readonly Expression[]; readonly values: readonly Expression[] } {
  const uses = new Map<Expression, number>();
  const order: Expression[] = [];
  const count = (e: Expression): void => {
    const before = uses.get(e) ?? 0;
    uses.set(e, before + 1);
    if (before > 0) return;
    for (const child of childrenOf(e)) count(child);
    order.push(e);
  };
  for (const value of values) count(value);
  const lets: Expression[] = [];
  const replaced = new Map<Expression, Expression>();
  const replace = (e: Expression): Expression => replaced.get(e) ?? e;
  for (const e of order) {
    const rebuilt = mapChildren(e, replace);
    const worth = ((uses.get(e) ?? 0) > 1 && !isTrivial(e)) || (loadsFirst && e.kind === "load");
    if (worth) replaced.set(e, { kind: "let", index: lets.push(rebuilt) - 1 });
    else if (rebuilt !== e) replaced.set(e, rebuilt);
  }
  return { lets, values: values.map(replace) };
}

function isTrivial(e: Expression): boolean {
  return e.kind === "constant" || e.kind === "size" || e.kind === "index" || e.kind === "accumulator" || e.kind === "let";
}
