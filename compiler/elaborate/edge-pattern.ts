/** Patterns over edge names, as variants use them, and what is said of those that match nothing. */
import type { EdgePattern, Variant, VariantAction } from "../../grammar/ast.ts";
import { closest } from "../../grammar/closest.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { matchesPath } from "../resolve/path-pattern.ts";
import { renameFix } from "../resolve/problems.ts";
import type { CutPattern } from "./context.ts";

interface SpannedPattern extends CutPattern {
  readonly pattern: EdgePattern;
}

export function compilePattern(pattern: EdgePattern): SpannedPattern {
  return { text: pattern.text, pattern, used: false, matches: (path) => matchesPath(pattern.text, path) };
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
