/** Relations between dims, as the checker proves, refutes or leaves to a guard. */
import type { Comparison } from "./comparison.ts";
import type { Dim } from "./dim.ts";

/** A statement about sizes; `divides` is what `dividend % divisor == 0` says. */
export type Relation =
  | { readonly op: Comparison; readonly left: Dim; readonly right: Dim }
  | { readonly op: "divides"; readonly divisor: Dim; readonly dividend: Dim }
  | { readonly op: "and" | "or"; readonly parts: readonly Relation[] }
  | { readonly op: "not"; readonly part: Relation };
