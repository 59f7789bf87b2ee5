/**
 * Values that all terms of a reduction share get their names before its loops.
 * Why: a GPU compiler moves no load out of a loop where the memory is bound for writing, as all memory is here.
 */
import { childrenOf } from "../fuse/expression.ts";
import type { Expression } from "../ir/kernel.ts";
import { evaluate, type Point } from "./expression.ts";

interface Facts {
  readonly varies: boolean;
  readonly reads: boolean;
}

/** Names the largest parts of `terms` that read memory and vary with no axis from `first` on; `point` has the axes before it. */
export function nameInvariants(point: Point, terms: readonly Expression[], first: number): void {
  const { lets } = point.shader.kernel;
  const memo = new Map<Expression, Facts>();
  const partsOf = (e: Expression): readonly Expression[] => (e.kind === "let" ? lets.slice(e.index, e.index + 1) : childrenOf(e));
  const factsOf = (e: Expression): Facts => {
    const known = memo.get(e);
    if (known !== undefined) return known;
    const indices = e.kind === "load" ? e.at.map((each) => each.index) : e.kind === "index" ? [e.value] : [];
    const moves = indices.some((index) => index.terms.some(({ axis }) => axis >= first));
    const parts = partsOf(e).map(factsOf);
    const facts = { varies: moves || parts.some((part) => part.varies), reads: e.kind === "load" || parts.some((part) => part.reads) };
    memo.set(e, facts);
    return facts;
  };
  const seen = new Set<Expression>();
  const visit = (e: Expression): void => {
    if (seen.has(e)) return;
    seen.add(e);
    const { varies, reads } = factsOf(e);
    if (!varies && reads) evaluate(point, e);
    else if (varies && e.kind !== "load") partsOf(e).forEach(visit);
  };
  terms.forEach(visit);
}
