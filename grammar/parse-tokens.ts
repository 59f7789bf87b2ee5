/** Runs the parser over arranged tokens. Invariant: the one parser is left without input and state. */
import type { CstNode, IToken } from "chevrotain";
import { ResnetParser } from "./parser.ts";

export interface ParserError {
  readonly message: string;
  readonly token: IToken;
  readonly previous: IToken | undefined;
  readonly rule: string;
}

export interface Parsed {
  readonly cst: CstNode | undefined;
  readonly errors: readonly ParserError[];
}

const parser = new ResnetParser(true);

/** Parses arranged tokens as a file, or as one expression (the hole of a label). */
export function parseTokens(tokens: IToken[], rule: "module" | "expression"): Parsed {
  parser.input = tokens;
  const cst: CstNode | undefined = parser[rule]();
  const errors = parser.errors.map((error) => ({
    message: error.message,
    token: error.token,
    previous: "previousToken" in error ? (error.previousToken as IToken) : undefined,
    rule: error.context.ruleStack.at(-1) ?? "",
  }));
  parser.input = [];
  return { cst, errors };
}
