/**
 * The wording of every lexing and parsing error (RN001 to RN006), one constructor per situation.
 * Invariant: each message names what was found; a fix is given only where it is the one plausible repair.
 */
import type { IToken } from "chevrotain";
import type { Diagnostic, Fix, Label } from "./diagnostic.ts";
import type { Span } from "./source.ts";

interface Extra {
  readonly note?: string;
  readonly labels?: readonly Label[];
  readonly help?: readonly string[];
  readonly fixes?: readonly Fix[];
}

function error(code: string, message: string, span: Span, extra: Extra): Diagnostic {
  const { labels = [], help = [], fixes = [], ...note } = extra;
  return { code, severity: "error", message, span, ...note, labels, help, fixes };
}

/** One edit that a tool may apply without asking. */
export function safeFix(title: string, span: Span, replacement: string): Fix {
  return { title, applicability: "safe", edits: [{ span, replacement }] };
}

/** One edit that needs a person's eye. */
export function likelyFix(title: string, span: Span, replacement: string): Fix {
  return { title, applicability: "maybe-incorrect", edits: [{ span, replacement }] };
}

const LOOKALIKES: ReadonlyMap<string, string> = new Map([
  ["'", "strings are written with double quotes"],
  ["`", "strings are written with double quotes"],
  ["&", "the logical operator is `&&`"],
  ["|", "the logical operator is `||`"],
  ["^", "there is no power operator; multiply instead"],
  ["@", "a stage is labelled by `label: stage`"],
]);

/** RN001: characters that begin no token. */
export function unexpectedCharacter(text: string, span: Span): Diagnostic {
  const help = LOOKALIKES.get(text.charAt(0));
  const shown = Array.from(text, showCharacter).slice(0, 8).join("");
  const plural = Array.from(text).length > 1 ? "characters" : "character";
  return error("RN001", `unexpected ${plural} \`${shown}\``, span, help === undefined ? {} : { help: [help] });
}

/** RN001: `relu @stem`, as other notations label a stage. */
export function anchoredLabel(name: string, span: Span): Diagnostic {
  const { text } = span.source;
  const stage = /(?:^|->)\s*([A-Za-z_]\w*(?:\([^()]*\))?)\s*$/.exec(text.slice(text.lastIndexOf("\n", span.start) + 1, span.start));
  const written = stage?.[1];
  const start = written === undefined ? span.start : text.lastIndexOf(written, span.start);
  const replacement = `${name}: ${written ?? ""}`;
  return error("RN001", `\`@${name}\` labels no stage`, span, {
    note: "a label stands before its stage",
    help: [`write \`${written === undefined ? `${name}: stage` : replacement}\``],
    fixes: written === undefined ? [] : [likelyFix("label the stage", { ...span, start }, replacement)],
  });
}

/** RN001: a typographic character where the language has one of its own. */
export function typographicCharacter(found: string, meant: string, span: Span): Diagnostic {
  return error("RN001", `unexpected character \`${found}\``, span, {
    note: `the language writes \`${meant}\``,
    fixes: [safeFix(`write \`${meant}\``, span, meant)],
  });
}

/** RN001: `# a comment`. */
export function hashComment(span: Span): Diagnostic {
  const end = span.start + (/^#+/.exec(span.source.text.slice(span.start, span.end))?.[0].length ?? 1);
  const marker = { ...span, end };
  return error("RN001", "a comment begins with `//`, not `#`", marker, { fixes: [safeFix("write `//`", marker, "//")] });
}

/** RN001: `'text'`. */
export function singleQuotes(span: Span): Diagnostic {
  const text = `"${span.source.text.slice(span.start + 1, span.end - 1).replaceAll('"', '\\"')}"`;
  return error("RN001", "strings are written with double quotes", span, { fixes: [safeFix(`write ${text}`, span, text)] });
}

/** RN001: `x => relu`. */
export function fatArrow(span: Span, meant: string): Diagnostic {
  return error(
    "RN001",
    `there is no \`${span.source.text.slice(span.start, span.end)}\`: ${meant === "->" ? "the data edge" : "at least"} is written \`${meant}\``,
    span,
    {
      fixes: [safeFix(`write \`${meant}\``, span, meant)],
    },
  );
}

/** RN001: a name with letters outside ASCII; `plain` is what it looks like. */
export function foreignName(text: string, plain: string | undefined, span: Span): Diagnostic {
  const [odd = ""] = Array.from(text).filter((letter) => letter.charCodeAt(0) > 127);
  const code = `U+${(odd.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  if (plain !== undefined)
    return error("RN001", `\`${odd}\` in the name \`${text}\` only looks like an ASCII letter: it is ${code}`, span, {
      note: `looks like \`${plain}\``,
      fixes: [safeFix(`write \`${plain}\` in ASCII letters`, span, plain)],
    });
  return error("RN001", `unexpected character \`${odd}\` (${code}) in the name \`${text}\``, span, {
    help: ["names are made of ASCII letters, digits and `_`; they become checkpoint names"],
  });
}

/** RN001: `\q` in a string. */
export function unknownEscape(text: string, span: Span): Diagnostic {
  return error("RN001", `unexpected escape \`${text}\` in a string`, span, {
    help: ['the escapes are `\\n`, `\\t`, `\\"`, `\\\\`, `\\{` and `\\}`'],
  });
}

/** RN002 */
export function unterminatedString(span: Span): Diagnostic {
  return error("RN002", 'a string that begins here has no closing `"` on its line', span, {
    note: "the line ends first",
  });
}

/** RN003 in its general form. */
export function unexpected(found: string, expected: string, span: Span, extra: Extra = {}): Diagnostic {
  return error("RN003", `expected ${expected}, found ${found}`, span, extra);
}

/** RN003 with a message of its own. */
export function malformed(message: string, span: Span, extra: Extra = {}): Diagnostic {
  return error("RN003", message, span, extra);
}

/** RN003: `skip x -> b.sum`. */
export function foreignJoin(block: string, written: string, span: Span): Diagnostic {
  return error("RN003", `a skip enters a join of its own body, and \`${written}\` lies inside \`${block}\``, span, {
    note: "in another block",
    help: [`put a join behind \`${block}\`, \`-> join sum: add\`, or give the block a second input`],
  });
}

/** RN003: `x -> f g`. */
export function missingArrow(found: string, span: Span): Diagnostic {
  return error("RN003", `expected \`->\`, \`;\` or a new line before \`${found}\``, span, {
    note: "a chain's stages are joined by `->`",
    fixes: [likelyFix("join the stages", { ...span, end: span.start }, "-> ")],
  });
}

/** RN003: `blok Basic {`, `input x: [..]`. */
export function misspeltWord(found: string, meant: string, what: "declaration" | "statement", span: Span): Diagnostic {
  return error("RN003", `there is no ${what} \`${found}\``, span, {
    note: `did you mean \`${meant}\`?`,
    fixes: [likelyFix(`write \`${meant}\``, span, meant)],
  });
}

/** RN003: `return`, `for`, a declaration inside a block. */
export function foreignStatement(word: string, help: string, span: Span): Diagnostic {
  return error("RN003", `there is no statement \`${word}\` in a block`, span, { note: "from another language", help: [help] });
}

/** RN003: `def Basic(width):`; what belongs to it is left out. */
export function foreignDeclaration(word: string, span: Span): Diagnostic {
  return error("RN003", `there is no declaration \`${word}\``, span, {
    note: "from another language",
    help: ["a block is declared by `block Name(width: dim, stride: int = 1) { … }`, with its ports, chains and skips between the braces"],
  });
}

/** RN003: `from std.residual import Basic`. */
export function pythonImport(span: Span): Diagnostic {
  return error("RN003", "there is no declaration `from`", span, {
    note: "the names come first, the path is a string",
    help: ['an import is written `import { Basic } from "std/residual"`'],
  });
}

/** RN003: `import Basic from "std/residual"`. */
export function missingImportBraces(names: Span): Diagnostic {
  const text = names.source.text.slice(names.start, names.end);
  return error("RN003", "the imported names stand in braces", names, {
    note: "`{ }` around these",
    fixes: [safeFix(`write \`{ ${text} }\``, names, `{ ${text} }`)],
  });
}

/** RN003: `block B(w: dim)` and then its statements. */
export function missingBrace(what: string, at: Span): Diagnostic {
  return error("RN003", `expected \`{\` before the ${what}'s first statement`, at, {
    note: "the body begins here",
    fixes: [safeFix("write `{`", at, " {")],
  });
}

/** RN003: `conv(8) as c1`; `stage` is the stage's beginning, `written` the words after it. */
export function namedAfter(name: string, stage: Span, written: Span): Diagnostic {
  const { text } = written.source;
  const before = text.slice(0, written.start).trimEnd().length;
  const edits = [
    { span: { ...stage, end: stage.start }, replacement: `${name}: ` },
    { span: { ...written, start: before }, replacement: "" },
  ];
  return error("RN003", `the name of a stage stands before it: \`${name}: ${text.slice(stage.start, before)}\``, written, {
    note: "a label after its stage",
    fixes: [{ title: "put the label before the stage", applicability: "safe", edits }],
  });
}

/** RN003: `repeat 3 j {`. */
export function missingAs(index: string, span: Span): Diagnostic {
  return error("RN003", `expected \`as\` before the index \`${index}\``, span, {
    note: `written \`as ${index}\``,
    fixes: [safeFix(`write \`as ${index}\``, span, `as ${index}`)],
  });
}

/** RN003: `conv(w, 3, padding=1)`, `-> c1 = conv(8)`. */
export function equalForColon(what: string, name: string, span: Span, edit: Span): Diagnostic {
  return error("RN003", `${what} is written with \`:\`, not \`=\``, span, { note: `\`${name}: …\``, fixes: [safeFix("write `:`", edit, ": ")] });
}

/** RN003: `where C = w`. */
export function equalForComparison(span: Span): Diagnostic {
  return error("RN003", "a comparison is written with `==`, not `=`", span, {
    note: "one `=` gives a name its value",
    fixes: [safeFix("write `==`", span, "==")],
  });
}

/** RN003: `w ** 2`. */
export function powerOperator(span: Span, fix: { readonly span: Span; readonly text: string } | undefined): Diagnostic {
  return error("RN003", "there is no operator `**`", span, {
    help: ["write a power as a product: `w * w`; over tensors `square(x)` or `power(x, y)`"],
    fixes: fix === undefined ? [] : [safeFix(`write \`${fix.text}\``, fix.span, fix.text)],
  });
}

/** RN003: `and`, `or`, `not`. */
export function wordForOperator(word: string, sign: string, span: Span, next: IToken | undefined): Diagnostic {
  const end = sign === "!" && next !== undefined ? next.startOffset : span.end;
  return error("RN003", `\`${word}\` is written \`${sign}\``, span, { fixes: [safeFix(`write \`${sign}\``, { ...span, end }, sign)] });
}

/** RN003: `conv(w 3)`. */
export function missingComma(found: string, span: Span, at: Span): Diagnostic {
  if (found === "except") {
    const help = ['parameters without weight decay are an option: `weight_decay: 1e-4, except: ["*.bias", "*.bn*.weight"]`'];
    return error("RN003", `expected \`,\` before \`${found}\``, span, { help });
  }
  return error("RN003", `expected \`,\` before \`${found}\``, span, { fixes: [likelyFix("write `,`", at, ",")] });
}

/** RN003: `( .. ]`. */
export function wrongCloser(found: string, needed: string, span: Span, opener: Span): Diagnostic {
  return error("RN003", `expected \`${needed}\`, found \`${found}\``, span, {
    labels: [{ span: opener, text: "to close this" }],
    fixes: [likelyFix(`write \`${needed}\``, span, needed)],
  });
}

/** RN003: a closer without an opener. */
export function strayCloser(found: string, span: Span, opener: Span | undefined): Diagnostic {
  const labels = opener === undefined ? [] : [{ span: opener, text: "this is what is open here" }];
  return error("RN003", `unexpected \`${found}\`: it closes nothing`, span, {
    labels,
    fixes: [likelyFix(`delete the \`${found}\``, span, "")],
  });
}

/** RN004; `before` is where the file ends or the next thing begins. */
export function unclosed(opener: Span, closer: string, before: Label, outer: readonly Span[]): Diagnostic {
  const text = opener.source.text.slice(opener.start, opener.end);
  const { text: all } = opener.source;
  const line = all.slice(opener.end, all.indexOf("\n", opener.end) + 1 || undefined);
  // `H//2` has hidden the closer in a comment.
  const divided = text !== "{" && /[\w)]\/\/[^\n]*[)\]]/.test(line);
  return error("RN004", `\`${text}\` is never closed`, opener, {
    ...(divided
      ? { help: ["`//` begins a comment, which hides the rest of this line; a division is rounded by `floor(a / b)` or `ceil(a / b)`"] }
      : {}),
    note: `needs a \`${closer}\``,
    labels: [before, ...outer.map((span) => ({ span, text: "this one is open too" }))],
  });
}

/** RN003: the bound that keeps every later pass within its stack. */
export function tooDeep(span: Span, limit: number): Diagnostic {
  return error("RN003", `expected at most ${limit} levels of nesting`, span, {
    note: "the rest of this declaration is not read",
    help: ["give parts of it names with `let`, or blocks of their own"],
  });
}

/** RN003: `epochs = 3`; `after` is where the keyword ends. */
export function settingWithSign(name: string, sign: string, span: Span, after: number): Diagnostic {
  const apart = /^\s/.test(span.source.text.slice(span.end));
  return error("RN003", `a setting's value stands right after its name, without \`${sign}\``, span, {
    note: `\`${name} …\``,
    fixes: [safeFix(`leave \`${sign}\` out`, { ...span, start: after }, apart ? "" : " ")],
  });
}

/** RN003: `augment crop(4), flip`. */
export function settingWithComma(name: string, span: Span): Diagnostic {
  return error("RN003", "values that follow one another are joined by `->`, not `,`", span, {
    note: `\`${name} a -> b\``,
    fixes: [safeFix("write `->`", span, " ->")],
  });
}

/** RN003: `sweep depth in 1..4`. */
export function sweepOverRange(span: Span, from: Span, to: Span): Diagnostic {
  const { text } = span.source;
  const [first, last] = [text.slice(from.start, from.end), text.slice(to.start, to.end)];
  const end = /^\d+$/.test(last) ? String(Number(last) + 1) : `${last} + 1`;
  return error("RN003", "there is no `..` between numbers", span, {
    note: "a range is a function",
    help: ["`range(from, to, step)` gives `from`, `from + step`, … below `to`; other values are written out, `[0.1, 0.03, 0.01]`"],
    fixes: [likelyFix(`write \`range(${first}, ${end})\``, { ...span, start: from.start, end: to.end }, `range(${first}, ${end})`)],
  });
}

/** RN003: `sweep schedule in [warmup(1) -> cosine(9)]`. */
export function chainInSweep(span: Span): Diagnostic {
  return error("RN003", "a value of a sweep is one expression, no chain", span, {
    note: "a chain",
    help: ["sweep a part of it by a name: `schedule warmup(1) -> tail` with `sweep tail in [cosine(9), constant]`"],
  });
}

/** How a sweep is written. */
export const SWEEP_FORM = "a sweep reads `sweep width in [16, 32]`";

/** RN003: `sweep lr = [...]`, `sweep lr over [...]`; `span` is the word, or where it is missing. */
export function sweepWithoutIn(name: string, word: string | undefined, span: Span): Diagnostic {
  const found = word === undefined ? "nothing" : `\`${word}\``;
  return error("RN003", `expected \`in\` after \`sweep ${name}\`, found ${found}`, span, {
    note: "the values come after `in`",
    help: [SWEEP_FORM],
    fixes: [safeFix("write `in`", span, word === undefined || word === ":" ? " in" : "in")],
  });
}

/** RN003: `sweep lr in 0.1, 0.05`. */
export function sweepWithoutBrackets(name: string, span: Span): Diagnostic {
  const list = `[${span.source.text.slice(span.start, span.end)}]`;
  return error("RN003", `the values of \`sweep ${name}\` stand in brackets`, span, {
    note: "a list is written `[a, b]`",
    fixes: [safeFix(`write \`${list}\``, span, list)],
  });
}

/** RN005 */
export function malformedNumber(text: string, why: string, span: Span): Diagnostic {
  return error("RN005", `\`${text.length > 40 ? `${text.slice(0, 40)}…` : text}\` ${why}`, span, {});
}

/** RN006 */
export function unterminatedComment(span: Span): Diagnostic {
  return error("RN006", "a comment that begins here has no closing `*/`", span, {
    note: "the rest of the file is read as this comment",
  });
}

function showCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const control = code < 32 || (code >= 127 && code < 160) || (code >= 0xd800 && code < 0xe000) || code === 0x2028;
  return control ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : character;
}
