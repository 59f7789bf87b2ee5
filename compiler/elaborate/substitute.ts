/**
 * Expressions with other expressions in place of names.
 * Invariant: what takes a name's place keeps its own span, so that what is wrong with it is told where it was written.
 */
import type { Argument, Expression, ShapeDim } from "../../grammar/ast.ts";

/** The expression with each reference to one of the names replaced; names of arguments are none. */
export function substitute(expression: Expression, names: ReadonlyMap<string, Expression>): Expression {
  const inner = (each: Expression): Expression => substitute(each, names);
  switch (expression.kind) {
    case "NumberLiteral":
    case "StringLiteral":
    case "BooleanLiteral":
    case "Hole":
      return expression;
    case "Reference":
      return names.get(expression.name.text) ?? expression;
    case "Member":
      return { ...expression, object: inner(expression.object) };
    case "Call":
      return {
        ...expression,
        callee: inner(expression.callee),
        arguments: expression.arguments.map((each): Argument => ({ ...each, value: inner(each.value) })),
      };
    case "Index":
      return { ...expression, object: inner(expression.object), index: inner(expression.index) };
    case "Unary":
      return { ...expression, operand: inner(expression.operand) };
    case "Binary":
      return { ...expression, left: inner(expression.left), right: inner(expression.right) };
    case "Conditional":
      return { ...expression, condition: inner(expression.condition), then: inner(expression.then), else: inner(expression.else) };
    case "ListExpression":
    case "TupleExpression":
      return { ...expression, elements: expression.elements.map(inner) };
    case "ShapeType":
      return { ...expression, dims: expression.dims.map((each): ShapeDim => ({ ...each, value: inner(each.value) })) };
    case "Spread":
      return { ...expression, value: inner(expression.value) };
    default:
      return expression satisfies never;
  }
}
