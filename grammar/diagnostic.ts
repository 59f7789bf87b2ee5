/**
 * What the compiler tells its user: data only; `compiler/report` renders it.
 * Codes: RN0xx lexing and parsing, RN1xx names, RN2xx shapes, RN3xx parameters and types, RN4xx structure
 * (skips, joins, cycles), RN5xx recipes, RN6xx back ends, RN7xx weights, RN8xx data.
 */
import type { Span } from "./source.ts";

export type Severity = "error" | "warning" | "hint";

/** `safe`: the unique well-typed repair that adds no layer. Only safe edits are applied by `check --fix`. */
export type Applicability = "safe" | "maybe-incorrect";

export interface Label {
  readonly span: Span;
  readonly text: string;
}

export interface Edit {
  readonly span: Span;
  readonly replacement: string;
}

export interface Fix {
  readonly title: string;
  readonly applicability: Applicability;
  readonly edits: readonly Edit[];
}

export interface Diagnostic {
  readonly code: string;
  readonly severity: Severity;
  /** One sentence, no full stop, that names the node concerned. */
  readonly message: string;
  readonly span: Span;
  /** Text at the primary span's underline. */
  readonly note?: string;
  /** Secondary places: where each size came from. */
  readonly labels: readonly Label[];
  /** Advice in words; each is printed as a `help:` line. */
  readonly help: readonly string[];
  readonly fixes: readonly Fix[];
}
