/**
 * A source line as it appears on a terminal: tabs expanded, what cannot be seen written out, wide characters counted.
 * Invariant: what is shown has no control characters and none that turn or hide text, so a hostile file cannot move the
 * cursor or make a line read as another.
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
  for (const cluster of clusters(line)) {
    for (let unit = 0; unit < cluster.length; unit++) columns.push(column);
    const shown = cluster === "\t" ? " ".repeat(TAB - (column % TAB)) : visible(cluster);
    text += shown;
    column += shown === cluster ? widthOf(cluster) : textWidth(shown);
  }
  columns.push(column);
  return { text, columns };
}

/** Text of a message, made safe to print; line breaks stay. */
export function safeText(text: string): string {
  return PLAIN.test(text) ? text : clusters(text).map(visible).join("").replaceAll("\u240d\n", "\n");
}

/** Columns that a text takes that was made safe. */
export function textWidth(text: string): number {
  return clusters(text).reduce((width, cluster) => width + widthOf(cluster), 0);
}

const PLAIN = /^[\n\x20-\x7e]*$/;
const ASCII = /^[\0-\x7f]*$/;

/** What a reader takes for one character: a letter with its accents, an emoji made of several. */
function clusters(text: string): readonly string[] {
  if (ASCII.test(text)) return text.split("");
  const found = new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text);
  return Array.from(found, ({ segment }) => segment).flatMap((segment) => (segment === "\r\n" ? ["\r", "\n"] : [segment]));
}

/** Controls above ASCII, marks that turn the text, spaces and letters of no width, halves of characters. */
const HIDDEN =
  /\u034f|\u17b4|\u17b5|[\u180b-\u180f]|[\ufe00-\ufe0f]|[\x80-\x9f\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/u;
const EMOJI = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;

/** An emoji keeps its joiners and selectors, every other cluster shows what it hides. */
function visible(cluster: string): string {
  const code = cluster.codePointAt(0) ?? 0;
  if (cluster === "\n") return cluster;
  if (code < 32) return String.fromCodePoint(0x2400 + code) + visibleRest(cluster, 1);
  if (code === 127) return `\u2421${visibleRest(cluster, 1)}`;
  if (EMOJI.test(cluster) || !HIDDEN.test(cluster)) return cluster;
  return Array.from(cluster, (each) => (HIDDEN.test(each) ? escaped(each) : each)).join("");
}

function visibleRest(cluster: string, from: number): string {
  return cluster.length > from ? visible(cluster.slice(from)) : "";
}

/** `‹U+200B›`. */
function escaped(character: string): string {
  return `‹U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}›`;
}

/** Unicode's East Asian Width W and F (UAX #11), emoji apart. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];
/** Shown as pictures by themselves, or because a selector says so. */
const PICTURE = /\p{Emoji_Presentation}|\p{Emoji}\ufe0f|\p{Regional_Indicator}{2}/u;
/** Accents, and the vowels and finals that stand in a Hangul syllable. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7ff]$/u;

/** Columns of one cluster: those of its characters, or of the one picture that they make. */
function widthOf(cluster: string): number {
  if (cluster.length === 1 && cluster.charCodeAt(0) < 0x300) return 1;
  if (PICTURE.test(cluster)) return 2;
  let width = 0;
  for (const character of cluster) {
    const code = character.codePointAt(0) ?? 0;
    if (NO_WIDTH.test(character)) continue;
    width += WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
  }
  return width;
}

/** The part of a shown line from terminal column `from` up to `to`; wide characters cut in half are left out. */
export function cutColumns(text: string, from: number, to: number): string {
  let column = 0;
  let cut = "";
  for (const cluster of clusters(text)) {
    const width = widthOf(cluster);
    if (column >= from && column + width <= to) cut += cluster;
    column += width;
  }
  return cut;
}
