/**
 * Constants of the file in a recipe's settings: `lr: rate`, `batch 2 * width`, `step(milestones)`.
 * Invariant: only numbers, lists and other literals take the place of what was written, at its span; the loss, which is
 * an expression over tensors, is left as it is.
 */
import type { Argument, Expression, Train } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { constantOf } from "../ir/dim.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { evaluate } from "./expressions.ts";
import { genericChecks } from "./generic.ts";
import { rootScope } from "./scope.ts";
import { newFrame, newSession } from "./session.ts";
import type { Value } from "./values.ts";

/** The recipe with its constants as literals, and what is wrong with their names. */
export function withConstants(train: Train, file: ModuleScope): { readonly train: Train; readonly diagnostics: readonly Diagnostic[] } {
  const session = newSession({ shared: genericChecks(file, true), training: undefined });
  const frame = newFrame(session, train.model.text);
  const scope = rootScope(file, new Map());
  const literal = (expression: Expression): Expression => {
    switch (expression.kind) {
      case "Reference":
      case "Member":
      case "Index":
      case "Call":
      case "Conditional":
        return literalOf(evaluate(frame, scope, expression), expression.span) ?? expression;
      case "Unary":
        return { ...expression, operand: literal(expression.operand) };
      case "Binary":
        return { ...expression, left: literal(expression.left), right: literal(expression.right) };
      case "ListExpression":
      case "TupleExpression":
        return { ...expression, elements: expression.elements.map(literal) };
      default:
        return expression;
    }
  };
  // `sgd(…)` and `flip` are words of the recipe, whatever the file declares under these names.
  const choice = (expression: Expression): Expression =>
    expression.kind === "Call" && expression.callee.kind === "Reference"
      ? { ...expression, arguments: expression.arguments.map((each): Argument => ({ ...each, value: literal(each.value) })) }
      : expression;
  const settings = train.settings.map((setting) => {
    if (setting.kind === "Sweep" || setting.keyword.text === "loss") return setting;
    const read = NUMBERS.includes(setting.keyword.text) ? literal : choice;
    return { ...setting, values: setting.values.map(read) };
  });
  return { train: { ...train, settings }, diagnostics: session.diagnostics };
}

const NUMBERS = ["batch", "epochs"];

/** A number, text, truth value or list as it could be written; undefined for what has no such form. */
export function literalOf(value: Value, span: Span): Expression | undefined {
  switch (value.kind) {
    case "dim": {
      const number = constantOf(value.dim);
      return number === undefined ? undefined : { kind: "NumberLiteral", value: number, integer: true, span };
    }
    case "real":
      return { kind: "NumberLiteral", value: value.value, integer: false, span };
    case "bool":
      return typeof value.value === "boolean" ? { kind: "BooleanLiteral", value: value.value, span } : undefined;
    case "string":
      return { kind: "StringLiteral", value: value.value, span };
    case "list":
    case "tuple": {
      const elements = value.elements.map((element) => literalOf(element, span));
      const known = elements.filter((element) => element !== undefined);
      return known.length < elements.length ? undefined : { kind: "ListExpression", elements: known, span };
    }
    default:
      return undefined;
  }
}
