/** Comparisons, of sizes and of numbers. */

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** The truth of a comparison of two numbers. */
export function compare(op: Comparison, left: number, right: number): boolean {
  switch (op) {
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    default:
      return op satisfies never;
  }
}
