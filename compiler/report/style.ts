/**
 * Colours of a report, as a table from the roles of text to ANSI codes.
 * Invariant: without colour every role leaves its text as it is.
 */
export type Role = "error" | "warning" | "hint" | "title" | "gutter" | "secondary" | "help" | "added" | "removed";

export type Paint = (role: Role, text: string) => string;

const CODES: Readonly<Record<Role, string>> = {
  error: "1;31",
  warning: "1;33",
  hint: "1;36",
  title: "1",
  gutter: "1;34",
  secondary: "1;34",
  help: "1;36",
  added: "32",
  removed: "31",
};

/** How to paint, with ANSI codes or not at all. */
export function painter(color: boolean): Paint {
  if (!color) return (_, text) => text;
  return (role, text) => (text === "" ? "" : `\u001b[${CODES[role]}m${text}\u001b[0m`);
}
