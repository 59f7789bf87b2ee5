/** The wording of RN001 for characters that cannot be seen, or that only look like those of the language. */
import type { Diagnostic, Edit } from "./diagnostic.ts";

export interface OddCharacters {
  readonly kind: "control" | "invisible" | "line" | "space" | "surrogate" | "turning" | "wide";
  /** What to write at each place, in their order. */
  readonly edits: readonly Edit[];
}

/** Unicode's names of those that people meet. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x00, "null"],
  [0x07, "bell"],
  [0x08, "backspace"],
  [0x1a, "end of file of DOS"],
  [0x1b, "escape"],
  [0x7f, "delete"],
  [0x85, "next line"],
  [0xad, "soft hyphen"],
  [0x34f, "combining grapheme joiner"],
  [0x61c, "Arabic letter mark"],
  [0x180e, "Mongolian vowel separator"],
  [0x2002, "en space"],
  [0x2003, "em space"],
  [0x2009, "thin space"],
  [0x200a, "hair space"],
  [0x200b, "zero width space"],
  [0x200c, "zero width non-joiner"],
  [0x200d, "zero width joiner"],
  [0x200e, "left-to-right mark"],
  [0x200f, "right-to-left mark"],
  [0x2028, "line separator"],
  [0x2029, "paragraph separator"],
  [0x202a, "left-to-right embedding"],
  [0x202b, "right-to-left embedding"],
  [0x202c, "pop directional formatting"],
  [0x202d, "left-to-right override"],
  [0x202e, "right-to-left override"],
  [0x202f, "narrow no-break space"],
  [0x205f, "medium mathematical space"],
  [0x2060, "word joiner"],
  [0x2066, "left-to-right isolate"],
  [0x2067, "right-to-left isolate"],
  [0x2068, "first strong isolate"],
  [0x2069, "pop directional isolate"],
  [0x3000, "ideographic space"],
  [0x3164, "Hangul filler"],
  [0xfe0e, "text variation selector"],
  [0xfe0f, "emoji variation selector"],
  [0xfeff, "zero width no-break space, or byte order mark"],
]);

/** `U+200B (zero width space)`. */
export function codePoint(text: string): string {
  const code = text.codePointAt(0) ?? 0;
  const name = NAMES.get(code);
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}${name === undefined ? "" : ` (${name})`}`;
}

/** One of them, as it is called in a message. */
const CALLED: Readonly<Record<OddCharacters["kind"], string>> = {
  control: "a control character",
  invisible: "an invisible character",
  line: "a line break that other tools do not see",
  space: "a space that is none of the language",
  surrogate: "half of a character, a lone surrogate",
  turning: "a character that turns the text around it",
  wide: "a full-width character",
};

const MENDED: Readonly<Record<OddCharacters["kind"], string>> = {
  control: "delete",
  invisible: "delete",
  line: "make a new line of",
  space: "make a plain space of",
  surrogate: "delete",
  turning: "delete",
  wide: "make an ASCII character of",
};

const HELP: Readonly<Partial<Record<OddCharacters["kind"], string>>> = {
  surrogate: "the text was cut in the middle of a character, or was not read as UTF-8",
  turning: "what is shown need not be what is read: an editor may show this line in another order",
};

/** Places shown besides the first. */
const MOST_SHOWN = 3;

/** RN001: all places of one kind. */
export function oddCharacters({ kind, edits }: OddCharacters): Diagnostic {
  const shown = edits.map(({ span }) => codePoint(span.source.text.slice(span.start, span.end)));
  const [first, ...others] = edits;
  const written = kind === "wide" && first !== undefined ? `, \`${first.replacement}\` in ASCII` : "";
  const more = others.length > MOST_SHOWN ? [`there are ${edits.length} in this file`] : [];
  const help = HELP[kind];
  return {
    code: "RN001",
    severity: "error",
    message: `this file has ${CALLED[kind]}, ${shown[0] ?? ""}${written}, here`,
    span: first?.span ?? { source: { path: "", text: "" }, start: 0, end: 0 },
    note: others.length === 0 ? "this one" : `this one, and ${others.length} more`,
    labels: others.slice(0, MOST_SHOWN).map(({ span }, i) => ({ span, text: shown[i + 1] ?? "" })),
    help: [...more, ...(help === undefined ? [] : [help])],
    fixes: [{ title: `${MENDED[kind]} ${edits.length === 1 ? "it" : `all ${edits.length}`}`, applicability: "safe", edits }],
  };
}
