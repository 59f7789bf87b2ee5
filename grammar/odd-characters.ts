/**
 * Characters that a reader cannot see, or cannot tell from those of the language: each kind is one RN001 a file, with an
 * edit for all of its places.
 * Invariant: the text for the lexer has none of them, so nothing follows from them, and each place in it has its place in
 * the source.
 */
import type { Comment } from "./ast.ts";
import type { Diagnostic, Edit } from "./diagnostic.ts";
import { type OddCharacters, oddCharacters } from "./odd-problems.ts";
import type { Source, Span } from "./source.ts";

export type OddKind = OddCharacters["kind"];

/** What all files are searched for; no file that is well has any, so this is all that it costs them. */
const ANY =
  /\u034f|\u17b4|\u17b5|[\u180b-\u180f]|[\ufe00-\ufe0f]|[\0-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufeff\uff01-\uff5e\uffa0\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\uddef]/g;

/** Turns what follows the other way round, also in a comment or a string: code may not be what it seems (CVE-2021-42574). */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const SPACE = /[\u1680\u2000-\u200a\u202f\u205f\u3000]/;
const LINE = /[\x85\u2028\u2029]/;
const WIDE = /[\uff01-\uff5e]/;
const CONTROL = /[\0-\x1f\x7f-\x9f]/;
const SURROGATE = /^[\ud800-\udfff]$/;

interface Place {
  readonly kind: OddKind;
  readonly start: number;
  readonly end: number;
  readonly plain: string;
}

export interface CleanText {
  /** What the lexer reads. */
  readonly text: string;
  /** The offset in the source of an offset in that text. */
  readonly offset: (at: number) => number;
  /** What was odd outside the comments, and what turns the text within them. */
  readonly complaints: (comments: readonly Comment[]) => readonly Diagnostic[];
}

/** undefined for a text that has no such character. */
export function cleanText(source: Source): CleanText | undefined {
  const places = [...source.text.matchAll(ANY)].flatMap(({ 0: text, index }): Place[] => {
    // A byte order mark is no part of the text.
    if (index === 0 && text === "\ufeff") return [];
    const kind = kindOf(text);
    return [{ kind, start: index, end: index + text.length, plain: plainText(kind, text) }];
  });
  if (places.length === 0) return undefined;
  const parts: string[] = [];
  /** Where in the clean text something was left out, and how much was left out up to there. */
  const cuts: { readonly at: number; readonly removed: number }[] = [];
  let from = 0;
  let length = 0;
  let removed = 0;
  for (const { start, end, plain } of places) {
    parts.push(source.text.slice(from, start), plain);
    length += start - from + plain.length;
    from = end;
    if (plain.length === end - start) continue;
    removed += end - start - plain.length;
    cuts.push({ at: length, removed });
  }
  parts.push(source.text.slice(from));
  const offset = (at: number): number => at + (cuts[lastUpTo(cuts, at)]?.removed ?? 0);
  return { text: parts.join(""), offset, complaints: (comments) => complaintsOf(source, places, comments) };
}

function kindOf(text: string): OddKind {
  if (LINE.test(text)) return "line";
  if (SPACE.test(text)) return "space";
  if (WIDE.test(text)) return "wide";
  if (SURROGATE.test(text)) return "surrogate";
  if (CONTROL.test(text)) return "control";
  return TURNING.test(text) ? "turning" : "invisible";
}

function plainText(kind: OddKind, text: string): string {
  switch (kind) {
    case "line":
      return "\n";
    case "space":
      return " ";
    case "wide":
      return String.fromCharCode(text.charCodeAt(0) - 0xfee0);
    case "control":
    case "invisible":
    case "surrogate":
    case "turning":
      return "";
    default:
      return kind satisfies never;
  }
}

function lastUpTo(cuts: readonly { readonly at: number }[], at: number): number {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cuts[middle]?.at ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function complaintsOf(source: Source, places: readonly Place[], comments: readonly Comment[]): readonly Diagnostic[] {
  const kinds = new Map<OddKind, Edit[]>();
  const ends = comments.map(({ span }) => commentEnd(span));
  let next = 0;
  for (const { kind, start, end, plain } of places) {
    while ((ends[next] ?? Number.POSITIVE_INFINITY) <= start) next++;
    const isComment = (comments[next]?.span.start ?? Number.POSITIVE_INFINITY) <= start;
    // A comment is in any language, and scripts and emoji need some of them.
    if (isComment && kind !== "turning") continue;
    const span: Span = { source, start, end };
    const edits = kinds.get(kind) ?? [];
    kinds.set(kind, edits);
    edits.push({ span, replacement: plain });
  }
  return [...kinds].map(([kind, edits]) => oddCharacters({ kind, edits }));
}

/** A comment to the end of its line has what was left out there as well. */
function commentEnd({ source, start, end }: Span): number {
  if (source.text.startsWith("/*", start)) return end;
  const rest = source.text.slice(end).search(/[\r\n\x85\u2028\u2029]/);
  return rest < 0 ? source.text.length : end + rest;
}
