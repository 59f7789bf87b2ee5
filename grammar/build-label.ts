/**
 * CST → AST for labels and for the patterns after `as`.
 * Invariant: a label's parts, put together, are its text; a hole's expression has its true place in the file.
 */
import type { CstNode } from "chevrotain";
import type { Expression, Label, LabelPart, Pattern } from "./ast.ts";
import { buildExpression, stringContent, resolveEscapes } from "./build-expression.ts";
import { type Context, nameOf, nodeSpan, nodes, token, tokenSpan } from "./cst.ts";
import { parseFragment } from "./fragment.ts";
import { malformed } from "./problems.ts";

/** A name or a tuple of patterns. */
export function buildPattern(context: Context, cst: CstNode): Pattern {
  const span = nodeSpan(context, cst, 0);
  const word = token(cst, "Identifier");
  if (word !== undefined) return { kind: "NamePattern", name: nameOf(context, word, span.start), span };
  return { kind: "TuplePattern", elements: nodes(cst, "pattern").map((each) => buildPattern(context, each)), span };
}

/** A label; a string's `{expr}` holes are parsed in place. */
export function buildLabel(context: Context, cst: CstNode | undefined): Label | undefined {
  const word = token(cst, "Identifier");
  if (word !== undefined) {
    const text = word.image;
    return { kind: "Label", text, parts: [{ kind: "LabelText", text }], span: tokenSpan(context, word) };
  }
  const text = token(cst, "String");
  if (text === undefined) return undefined;
  const span = tokenSpan(context, text);
  const content = stringContent(text.image);
  return { kind: "Label", text: content, parts: labelParts(context, content, span.start + 1), span };
}

function labelParts(context: Context, content: string, start: number): readonly LabelPart[] {
  const parts: LabelPart[] = [];
  const addText = (from: number, to: number): void => {
    if (to > from) parts.push({ kind: "LabelText", text: resolveEscapes(context, content.slice(from, to), start + from) });
  };
  let from = 0;
  for (let i = 0; i < content.length; i++) {
    if (content[i] === "\\") i++;
    else if (content[i] === "{" || content[i] === "}") {
      const close = content[i] === "{" ? content.indexOf("}", i) : -1;
      if (close < 0) {
        const place = { source: context.source, start: start + i, end: start + i + 1 };
        const help = ["a brace that is meant as itself is written `\\{` or `\\}`"];
        context.report(malformed(`unmatched \`${content[i]}\` in a label`, place, { help }));
        continue;
      }
      addText(from, i);
      parts.push({ kind: "LabelHole", value: labelHole(context, start + i + 1, start + close) });
      from = close + 1;
      i = close;
    }
  }
  addText(from, content.length);
  return parts;
}

function labelHole(context: Context, start: number, end: number): Expression {
  const { cst, diagnostics } = parseFragment(context.source, start, end);
  for (const each of diagnostics) context.report(each);
  return buildExpression(context, cst, start);
}
