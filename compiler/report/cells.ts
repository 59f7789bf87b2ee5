/**
 * A source line as it appears on a terminal: tabs expanded, control characters made visible, wide characters counted.
 * Invariant: what is shown has no control characters, so a hostile file cannot move the cursor.
 */

const TAB = 4;

export interface ShownLine {
  readonly text: string;
  /** Terminal column (0-based) at which the UTF-16 unit with this index begins; one more entry for the line's end. */
  readonly columns: readonly number[];
}

/** Lays out one line of source text. */
export function showLine(line: string): ShownLine {
  const columns: number[] = [];
  let text = "";
  let column = 0;
  for (const character of line) {
    for (let unit = 0; unit < character.length; unit++) columns.push(column);
    const shown = character === "\t" ? " ".repeat(TAB - (column % TAB)) : visible(character);
    text += shown;
    column += character === "\t" ? shown.length : widthOf(character);
  }
  columns.push(column);
  return { text, columns };
}

/** Text of a message, made safe to print; line breaks stay. */
export function safeText(text: string): string {
  return Array.from(text, (each) => (each === "\n" ? each : visible(each))).join("");
}

function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  if (code === 127) return "\u2421";
  const hidden = (code >= 128 && code < 160) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return hidden || (code >= 0xd800 && code < 0xe000) || code === 0x2028 || code === 0x2029 ? "\ufffd" : character;
}

const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];
const NARROW: readonly (readonly [number, number])[] = [
  [0x300, 0x36f],
  [0x200b, 0x200f],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
];

function widthOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  const inside = ([from, to]: readonly [number, number]): boolean => code >= from && code <= to;
  if (NARROW.some(inside)) return 0;
  return WIDE.some(inside) ? 2 : 1;
}

/** The part of a shown line from terminal column `from` up to `to`; wide characters cut in half are left out. */
export function cutColumns(text: string, from: number, to: number): string {
  let column = 0;
  let cut = "";
  for (const character of text) {
    const width = widthOf(character);
    if (column >= from && column + width <= to) cut += character;
    column += width;
  }
  return cut;
}
