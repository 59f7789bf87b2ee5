/** Diagnostics of arguments that people bring along from elsewhere: blocks with arguments for names, texts for blocks, channels for eps. */
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { GivenArgument } from "./values.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

/** RN304: `Stage(Block: Basic(64))`, whose body applies `Block(width)`. */
export function argumentsTwice(callee: string, earlier: readonly GivenArgument[], again: GivenArgument): Diagnostic {
  const [first] = earlier;
  const text = earlier.map(({ span }) => span.source.text.slice(span.start, span.end)).join(", ");
  return {
    ...plain,
    code: "RN304",
    message: `\`${callee}\` has \`${text}\` from where it was passed, and is given arguments again`,
    span: again.span,
    note: "given here as well",
    labels: first === undefined ? [] : [{ span: first.span, text: `\`${callee}(${text})\` was passed, not \`${callee}\` alone` }],
    help: ["a parameter of type `block` takes a block by its name where the body gives the arguments"],
    fixes: withoutArguments(callee, earlier),
  };
}

/** Deletes the brackets around all arguments of a call, if there is nothing else between them. */
function withoutArguments(callee: string, given: readonly GivenArgument[]): Fix[] {
  const [first, last] = [given[0], given.at(-1)];
  if (first === undefined || last === undefined) return [];
  const { source } = first.span;
  const from = (first.nameSpan ?? first.span).start;
  const open = /\(\s*$/.exec(source.text.slice(0, from));
  const close = /^\s*,?\s*\)/.exec(source.text.slice(last.span.end));
  if (open === null || close === null) return [];
  const edits = [{ span: { source, start: open.index, end: last.span.end + close[0].length }, replacement: "" }];
  return [{ title: `write \`${callee}\` without arguments`, applicability: "maybe-incorrect", edits }];
}

/** RN301: `batchnorm(64)`, as where a layer is told its channels. */
export function channelsForSmallNumber(
  callee: string,
  name: string,
  given: readonly GivenArgument[],
  argument: GivenArgument,
  declared: Span,
): Diagnostic {
  const { source, start, end } = argument.span;
  const written = source.text.slice(start, end);
  return {
    ...plain,
    code: "RN301",
    message: `\`${callee}(${written})\`: the first argument is \`${name}\`, a small number; the channels follow from what arrives`,
    span: argument.span,
    note: `\`${name}\` would be ${written}`,
    labels: [{ span: declared, text: `\`${name}\` is declared here` }],
    help: given.length === 1 ? [] : [`leave it out, or write \`${name}: ${written}\` if that is meant`],
    fixes: given.length === 1 ? withoutArguments(callee, given) : [],
  };
}

/** `"relu"` for a block: its name without the quotes. */
export function unquoteFix(text: string, span: Span): Fix[] {
  if (!/^[A-Za-z_]\w*$/.test(text) || !/^["']/.test(span.source.text.slice(span.start, span.end))) return [];
  return [{ title: `write \`${text}\` without quotes`, applicability: "maybe-incorrect", edits: [{ span, replacement: text }] }];
}
