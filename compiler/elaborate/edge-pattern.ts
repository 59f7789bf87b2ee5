/** Patterns over edge names, as variants use them: dot-separated, `*` one component, `**` any number. */
import type { EdgePattern, Variant, VariantAction } from "../../grammar/ast.ts";
import { closest } from "../../grammar/closest.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { renameFix } from "../resolve/problems.ts";
import type { CutPattern } from "./context.ts";

interface SpannedPattern extends CutPattern {
  readonly pattern: EdgePattern;
}

/** A leading `*` alone stands for any path before the last component: `*.sum` cuts the skips of every block's `sum`. */
export function compilePattern(pattern: EdgePattern): SpannedPattern {
  const parts = pattern.text.split(".");
  return {
    text: pattern.text,
    pattern,
    used: false,
    matches: (path) => matches(parts[0] === "*" ? ["**", ...parts.slice(1)] : parts, path.split(".")),
  };
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return path.length === 0;
  if (head === "**") return path.some((_, i) => matches(rest, path.slice(i))) || matches(rest, []);
  const [first, ...others] = path;
  if (first === undefined) return false;
  return componentMatches(head, first) && matches(rest, others);
}

function componentMatches(pattern: string, component: string): boolean {
  if (pattern === "*") return true;
  if (!pattern.includes("*")) return pattern === component;
  const pieces = pattern.split("*");
  const last = pieces.at(-1) ?? "";
  let at = 0;
  for (const [i, piece] of pieces.entries()) {
    const found = i === 0 ? (component.startsWith(piece) ? 0 : -1) : component.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return component.endsWith(last);
}

/** The warning for a pattern that matched no edge; nothing if the variant failed for other reasons. */
export function describePattern(cut: CutPattern, variant: Variant, met: ReadonlySet<string>, built: boolean): Diagnostic | undefined {
  if (!built || !("pattern" in cut)) return undefined;
  const { pattern } = cut as SpannedPattern;
  return {
    code: "RN408",
    severity: "error",
    message: `\`${pattern.text}\` matches no skip of \`${variant.of.text}\``,
    span: pattern.span,
    note: "nothing to cut",
    labels: [],
    help: [met.size === 0 ? `\`${variant.of.text}\` has no skips` : skipsOf(met)],
    fixes: renameFix(pattern.span, closestPattern(pattern.text, met)),
  };
}

const SHOWN = 6;

function skipsOf(met: ReadonlySet<string>): string {
  const paths = [...met].slice(0, SHOWN).map((path) => `\`${path}\``);
  return `its skips enter ${paths.join(", ")}${met.size > SHOWN ? ` and ${met.size - SHOWN} more` : ""}; \`*.sum\` is every join \`sum\``;
}

/** The pattern with its last component as a join or skip is really called. */
function closestPattern(text: string, met: ReadonlySet<string>): string | undefined {
  const parts = text.split(".");
  const last = parts.pop() ?? "";
  const names = [...new Set([...met].map((path) => path.split(".").at(-1) ?? ""))];
  if (names.includes(last)) return undefined;
  const name = closest(last, names);
  return name === undefined ? undefined : [...parts, name].join(".");
}

/** The same for `replace`: a block that the model never has as a stage. */
export function describeReplacement(action: Extract<VariantAction, { kind: "ReplaceBlock" }>, variant: Variant): Diagnostic {
  return {
    code: "RN408",
    severity: "error",
    message: `\`${variant.of.text}\` nowhere uses \`${action.from.text}\``,
    span: action.from.span,
    note: "nothing to replace",
    labels: [],
    help: ["`replace` is over the blocks that the model, or a block in it, has as stages"],
    fixes: [],
  };
}
