/**
 * Edits applied to text, and the lines that they change.
 * Invariant: edits of one fix do not overlap; where they would, the later one is left out.
 */
import type { Edit } from "../../grammar/diagnostic.ts";
import type { Source } from "../../grammar/source.ts";
import type { Lines } from "./lines.ts";

/** Changed lines of one file that lie together. */
export interface Hunk {
  readonly source: Source;
  /** Number of the first changed line, 1-based. */
  readonly firstLine: number;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly edits: readonly Edit[];
}

/** A part of a text, from offset `from` up to `to`, with those edits made. */
export function applyEdits(text: string, edits: readonly Edit[], from = 0, to: number = text.length): string {
  let out = "";
  let at = from;
  for (const { span, replacement } of edits.toSorted((a, b) => a.span.start - b.span.start)) {
    if (span.start < at || span.end > to) continue;
    out += text.slice(at, span.start) + replacement;
    at = span.end;
  }
  return out + text.slice(at, to);
}

/** Groups a fix's edits into hunks, in the order of files and lines. */
export function editHunks(edits: readonly Edit[], lines: Lines): readonly Hunk[] {
  const sources = [...new Set(edits.map((each) => each.span.source))];
  return sources.flatMap((source) => {
    const own = edits.filter((each) => each.span.source === source).toSorted((a, b) => a.span.start - b.span.start);
    const groups: { first: number; last: number; edits: Edit[] }[] = [];
    for (const edit of own) {
      const first = lines.position(source, edit.span.start).line;
      const last = lines.position(source, edit.span.end).line;
      const open = groups.at(-1);
      if (open !== undefined && first <= open.last + 1) {
        open.edits.push(edit);
        open.last = Math.max(open.last, last);
      } else groups.push({ first, last, edits: [edit] });
    }
    return groups.map((group) => hunk(source, group.first, group.last, group.edits, lines));
  });
}

function hunk(source: Source, first: number, last: number, edits: readonly Edit[], lines: Lines): Hunk {
  const from = lines.offset(source, first);
  const to = lines.offset(source, last + 1);
  const split = (text: string): string[] => (text === "" ? [] : text.replace(/\r\n?$|\n$/, "").split(/\r\n?|\n/));
  const before = split(source.text.slice(from, to));
  const after = split(applyEdits(source.text, edits, from, to));
  let same = 0;
  while (same < before.length && same < after.length && before[same] === after[same]) same++;
  let tail = 0;
  const most = Math.min(before.length, after.length) - same;
  while (tail < most && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  return {
    source,
    firstLine: first + same,
    before: before.slice(same, before.length - tail),
    after: after.slice(same, after.length - tail),
    edits,
  };
}
