/** Diagnostics of operators over named axes and of those that split and join axes. */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";

const plain = { code: "RN301", severity: "error", labels: [], help: [], fixes: [] } as const;

/** `mistake` goes on after the pattern's text: "names `h` twice". */
export function badPattern(what: string, pattern: string, mistake: string, span: Span): Diagnostic {
  return { ...plain, message: `${what}: "${pattern.trim()}" ${mistake}`, span, note: "in this pattern" };
}

/** `mistake` stands by itself after the operator's name. */
export function badMovement(what: string, mistake: string, span: Span): Diagnostic {
  return { ...plain, message: `${what}: ${mistake}`, span, note: "here" };
}
