/** Patterns over dotted paths of edges and tensors: `*` one component (or part of one), `**` any number, also none. */

/** Whether a path fits. A leading `*` alone stands for any path before the rest: `*.sum` is every block's `sum`. */
export function matchesPath(pattern: string, path: string): boolean {
  const parts = pattern.split(".");
  return matches(parts[0] === "*" ? ["**", ...parts.slice(1)] : parts, path.split("."));
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
