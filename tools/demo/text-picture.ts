/**
 * Small grey pictures as text, side by side.
 * Invariant: every line of a picture has the same number of columns; two pixel rows share a line of half blocks.
 */

/** Grey bytes, row by row. */
export interface Picture {
  readonly pixels: Uint8Array;
  readonly size: number;
  readonly caption: string;
}

/** Pixels above this count as ink. */
const INK = 80;
const GAP = "  ";

/** Columns cut off at the left and right, where pictures have only margin. */
const MARGIN = 2;

/** Pictures beside one another with their captions below, `columns` in a row. */
export function drawPictures(pictures: readonly Picture[], columns: number): string[] {
  const lines: string[] = [];
  for (let first = 0; first < pictures.length; first += columns) {
    const row = pictures.slice(first, first + columns);
    const drawn = row.map(drawPicture);
    const height = Math.max(...drawn.map((picture) => picture.length));
    for (let y = 0; y < height; y++)
      lines.push(
        drawn
          .map((picture) => picture[y] ?? "")
          .join(GAP)
          .trimEnd(),
      );
    const captions = row.map((picture) => centred(picture.caption, picture.size - 2 * MARGIN));
    lines.push(captions.join(GAP).trimEnd(), "");
  }
  return lines;
}

function drawPicture({ pixels, size }: Picture): string[] {
  const inked = (x: number, y: number): boolean => (pixels[y * size + x] ?? 0) > INK;
  return Array.from({ length: Math.ceil(size / 2) }, (_, line) => {
    let text = "";
    for (let x = MARGIN; x < size - MARGIN; x++) {
      const upper = inked(x, 2 * line);
      const lower = 2 * line + 1 < size && inked(x, 2 * line + 1);
      text += upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
    }
    return text;
  });
}

function centred(text: string, width: number): string {
  const before = Math.max(0, Math.floor((width - text.length) / 2));
  return (" ".repeat(before) + text).padEnd(width);
}
