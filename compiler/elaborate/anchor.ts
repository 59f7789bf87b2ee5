/**
 * Where a mistake belongs: in the block whose own check finds it, else at the use that brought it about.
 * Invariant: a mistake that only some sizes or arguments cause is placed at a use in the user's files, never in `std/`.
 */
import type { Diagnostic, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { Session } from "./context.ts";
import type { BlockDeclaration, GivenArgument } from "./values.ts";

/** A block being elaborated, and the use that asked for it (none for the model or the block under check). */
export interface Use {
  readonly declaration: BlockDeclaration;
  readonly span: Span | undefined;
  /** The use in words: `` `conv(64, 3)` ``. */
  readonly text: () => string;
  /** Its arguments, as far as blocks among them may stand in it again. */
  readonly given?: readonly GivenArgument[];
}

/** The place of a mistake, and the uses between it and where it was found, innermost first. */
export interface Anchor {
  readonly span: Span;
  readonly crossed: readonly Use[];
  /** The use in which a block was found wrong that cannot be checked by itself. */
  readonly within: Use | undefined;
  /** The use in which a block was found wrong that is wrong by itself. */
  readonly again: Use | undefined;
}

/** One key for a place. */
export function spanKey({ source, start, end }: Span): string {
  return `${source.path} ${start} ${end}`;
}

/** Whether two spans are one place. */
export function samePlace(a: Span, b: Span): boolean {
  return a.start === b.start && a.end === b.end && a.source.path === b.source.path;
}

function contains(outer: Span, inner: Span): boolean {
  return outer.start <= inner.start && inner.end <= outer.end && outer.source.path === inner.source.path;
}

/** Walks from the innermost block outward until a block owns the mistake. */
export function anchorOf(session: Session, span: Span): Anchor {
  const crossed: Use[] = [];
  let at = span;
  for (let level = session.trail.length - 1; level > 0; level--) {
    const use = session.trail[level];
    if (use?.span === undefined) break;
    // A use's own text, arguments included, is written in the block around it.
    if (contains(use.span, at)) continue;
    const owned = ownership(session, use.declaration, at);
    if (owned !== "no") return { span: at, crossed, within: owned === "opaque" ? use : undefined, again: owned === "yes" ? use : undefined };
    crossed.push(use);
    at = use.span;
  }
  return { span: at, crossed, within: undefined, again: undefined };
}

function ownership(session: Session, declaration: BlockDeclaration, at: Span): "yes" | "no" | "opaque" {
  if (isStandard(session, declaration.file.path)) return "no";
  const faults = session.faultsOf(declaration);
  if (faults === undefined) return "opaque";
  return faults.has(spanKey(at)) ? "yes" : "no";
}

function isStandard(session: Session, path: string): boolean {
  return path.startsWith("std/") && path !== session.home;
}

/** The diagnostic at its anchor, with a label where it was found. */
export function placeDiagnostic(session: Session, diagnostic: Diagnostic): Diagnostic {
  const { span, crossed, within, again } = anchorOf(session, diagnostic.span);
  if (again?.span !== undefined && crossed.length === 0) {
    // Sizes at a use say more than those of the block by itself; the same words say nothing new.
    const known = session.faultsOf(again.declaration)?.get(spanKey(span));
    return known === diagnostic.message || !diagnostic.code.startsWith("RN2")
      ? diagnostic
      : { ...diagnostic, labels: [...diagnostic.labels, useLabel(again.span, again)] };
  }
  if (crossed.length === 0 && within === undefined) return diagnostic;
  const place = innerPlaces(session, diagnostic.span, crossed);
  if (within?.span !== undefined) place.push(useLabel(within.span, within));
  const others = diagnostic.labels.filter((label) => !isStandard(session, label.span.source.path) && !samePlace(label.span, span));
  const fixes = diagnostic.fixes.filter((fix) => fix.edits.every((edit) => !isStandard(session, edit.span.source.path)));
  return { ...diagnostic, span, labels: [...others, ...place], fixes };
}

function useLabel(span: Span, { text }: Use): Label {
  return { span, text: `in this use, ${text()}` };
}

/**
 * A block's own mistake, with the sizes that it has at a use: `again` is the same mistake as it shows there, its last label
 * the use. What `first` says of the block by itself stays.
 */
export function withUse(first: Diagnostic, again: Diagnostic, block: Span): Diagnostic {
  const outside = again.labels.filter(({ span }) => !contains(block, span) && !first.labels.some((label) => samePlace(label.span, span)));
  const use = outside.at(-1);
  if (use === undefined || first.labels.some(({ span }) => !contains(block, span))) return first;
  const shown = again.note === undefined ? use.text : `${use.text}: ${again.note}`;
  return { ...first, labels: [...first.labels, ...outside.slice(0, -1), { ...use, text: shown }] };
}

/** The places in the blocks between, those of the user's files where there are any. */
function innerPlaces(session: Session, found: Span, crossed: readonly Use[]): Label[] {
  const spans = [found, ...crossed.flatMap((use) => use.span ?? [])];
  const places = crossed.map((use, i) => ({ span: spans[i] ?? found, text: `in ${use.text()}` }));
  const own = places.filter((place) => !isStandard(session, place.span.source.path));
  return own.length > 0 ? own.toReversed() : places.slice(-1);
}

/** What a message should name: the use in the user's file where there is one, else `what`. */
export function subjectOf(session: Session, span: Span, what: string): string {
  return anchorOf(session, span).crossed.at(-1)?.text() ?? what;
}
