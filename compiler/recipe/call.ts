/**
 * The pieces that settings are made of: numbers, and words with options, as in `sgd(lr: 0.1)`.
 * Invariant: an option is known, is given once and is of its kind, or it is reported at its place and left out.
 */
import type { Argument, Expression } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import * as problems from "./problems.ts";

export type Report = (diagnostic: Diagnostic) => void;

/** Constants and arithmetic on them; recipes have no symbols. */
export function numberOf(expression: Expression): number | undefined {
  switch (expression.kind) {
    case "NumberLiteral":
      return expression.value;
    case "Unary": {
      const value = numberOf(expression.operand);
      return value === undefined || expression.operator !== "-" ? undefined : -value;
    }
    case "Binary": {
      const left = numberOf(expression.left);
      const right = numberOf(expression.right);
      if (left === undefined || right === undefined) return undefined;
      switch (expression.operator) {
        case "+":
          return left + right;
        case "-":
          return left - right;
        case "*":
          return left * right;
        case "/":
          return left / right;
        default:
          return undefined;
      }
    }
    default:
      return undefined;
  }
}

/** `flip`, `crop(4)`, `sgd(lr: 0.1)`. */
export interface NamedCall {
  readonly name: string;
  readonly span: Span;
  readonly arguments: readonly Argument[];
}

/** undefined for what is neither a word nor a call of one. */
export function asCall(expression: Expression): NamedCall | undefined {
  if (expression.kind === "Reference") return { name: expression.name.text, span: expression.span, arguments: [] };
  if (expression.kind !== "Call" || expression.callee.kind !== "Reference") return undefined;
  return { name: expression.callee.name.text, span: expression.callee.span, arguments: expression.arguments };
}

/** The word and its options if it is one of the known; otherwise it is reported, whatever stands there. */
export function readChoice(what: string, expression: Expression, known: readonly string[], report: Report): NamedCall | undefined {
  const call = asCall(expression);
  if (call !== undefined && known.includes(call.name)) return call;
  if (expression.kind === "Hole") return undefined;
  const callee = expression.kind === "Call" ? expression.callee : expression;
  if (callee.kind === "StringLiteral") report(problems.quotedChoice(what, callee.value, callee.span, known));
  else if (callee.kind === "Member") report(problems.unknownChoice(what, callee.name.text, callee.span, known));
  else report(problems.unknownChoice(what, call?.name ?? "", call?.span ?? expression.span, known));
  return undefined;
}

/** Options by name, the positional ones in the order of `known`. */
export function readOptions(call: NamedCall, known: readonly string[], report: Report): ReadonlyMap<string, Argument> {
  const options = new Map<string, Argument>();
  for (const [position, argument] of call.arguments.entries()) {
    const name = argument.name?.text ?? known[position] ?? "";
    const span = argument.name?.span ?? argument.span;
    if (argument.value.kind === "Hole") continue;
    if (!known.includes(name)) report(problems.unknownChoice(`${call.name} option`, name, span, known));
    else if (options.has(name)) report(problems.repeatedSetting(name, span));
    else options.set(name, argument);
  }
  return options;
}

/** The number of an option, if it is given and fits; `wanted` words what does. */
export function readNumber(
  call: NamedCall,
  options: ReadonlyMap<string, Argument>,
  name: string,
  { fits, wanted }: { readonly fits: (value: number) => boolean; readonly wanted: string },
  report: Report,
): number | undefined {
  const value = options.get(name)?.value;
  if (value === undefined) return undefined;
  const number = numberOf(value);
  if (number !== undefined && fits(number)) return number;
  report(problems.badSetting(`${call.name}: ${name}`, wanted, value.span));
  return undefined;
}
