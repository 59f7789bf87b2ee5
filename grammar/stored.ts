/**
 * Syntax trees as text, so that the standard library is parsed when the package is built and not at each start.
 * Invariant: `restore(source, store(source, parse(source)))` is what `parse(source)` gives, and undefined for any other text.
 */
import type { ParseResult } from "./parse.ts";
import type { Source } from "./source.ts";

interface Stored extends ParseResult {
  readonly text: string;
}

/** In place of the source in each span. */
const HERE = 0;

/** The text of a file and its tree, as JSON. */
export function store(source: Source, parsed: ParseResult): string {
  const stored: Stored = { text: source.text, ...parsed };
  return JSON.stringify(stored, (_key, value: unknown) => (value === source ? HERE : value));
}

/** undefined: the stored tree is of another text. */
export function restore(source: Source, stored: string): ParseResult | undefined {
  const { text, ...parsed } = JSON.parse(stored) as Stored;
  if (text !== source.text) return undefined;
  place(parsed, source);
  return parsed;
}

/** Puts the source back into the spans; recursion is as deep as a tree, which the layout bounds. */
function place(value: object, source: Source): void {
  const fields = value as Record<string, unknown>;
  for (const name in fields) {
    const field = fields[name];
    if (typeof field === "object" && field !== null) place(field, source);
    else if (field === HERE && name === "source") fields[name] = source;
  }
}
