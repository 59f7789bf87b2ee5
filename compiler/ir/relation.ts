/** Relations between dims, as the checker proves, refutes or leaves to a guard. */
import type { Dim } from "./dim.ts";

export type Relation =
  | { readonly op: "==" | "!=" | "<" | "<=" | ">" | ">="; readonly left: Dim; readonly right: Dim }
  | { readonly op: "divides"; readonly divisor: Dim; readonly dividend: Dim }
  | { readonly op: "and" | "or"; readonly parts: readonly Relation[] }
  | { readonly op: "not"; readonly part: Relation };
