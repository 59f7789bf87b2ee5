/**
 * Static types of expressions and accumulators.
 * Invariant: a condition counts as i32 unless it is stored to or accumulated as something else.
 */
import type { Expression, Kernel, ScalarType } from "../ir/kernel.ts";
import type { AccumulatorShape } from "./accumulate.ts";

export type ReductionKernel = Extract<Kernel, { form: "reduction" }>;

const conditions: readonly string[] = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "and", "or"];

/** The type of an expression outside an epilogue. */
export function typeOf(kernel: Kernel, expression: Expression): ScalarType {
  switch (expression.kind) {
    case "load":
      return kernel.operands[expression.operand]?.type ?? "f32";
    case "constant":
    case "size":
      return expression.type;
    case "index":
      return "i32";
    case "unary":
      return expression.op === "not" ? "i32" : typeOf(kernel, expression.x);
    case "binary":
      return conditions.includes(expression.op) ? "i32" : typeOf(kernel, expression.left);
    case "select":
      return typeOf(kernel, expression.then);
    case "cast":
      return expression.to;
    case "let": {
      const shared = kernel.lets[expression.index];
      return shared === undefined ? "f32" : typeOf(kernel, shared);
    }
    default:
      return "f32";
  }
}

/** What each accumulator of a reduction computes with. */
export function shapeOfAccumulators(kernel: ReductionKernel): readonly AccumulatorShape[] {
  return kernel.accumulators.map(({ combine, value, position }) => ({
    combine,
    type: typeOf(kernel, value),
    position: position === true,
  }));
}
