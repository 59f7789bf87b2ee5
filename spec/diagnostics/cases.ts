/** Loads and checks the cases of this folder, rendered as `resnet check` prints them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkFile } from "../../compiler/elaborate/elaborate.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { positionAt, type Source } from "../../grammar/source.ts";

const folder = dirname(fileURLToPath(import.meta.url));
export const root = join(folder, "..", "..");

/** The names of all cases. */
export const caseNames: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith(".resnet"))
  .map((name) => name.slice(0, -".resnet".length))
  .sort();

/** Where a case's expected rendering is kept. */
export function goldenPath(name: string): string {
  return join(folder, `${name}.txt`);
}

/** Text of `std/...` and of the other cases. */
export function readModule(path: string): Source | undefined {
  const file = path.startsWith("std/") ? join(root, "stdlib", `${path.slice(4)}.resnet`) : join(folder, path);
  return existsSync(file) ? { path, text: readFileSync(file, "utf8") } : undefined;
}

/** Syntax of the library, which every case uses. */
const parsed: ParseCache = new Map();
const diagnosed = new Map<string, readonly Diagnostic[]>();

/** Everything that is said of a source. */
export function diagnose(source: Source): readonly Diagnostic[] {
  const { entry, diagnostics } = loadModules(source, readModule, parsed);
  return [...diagnostics, ...checkFile(entry).diagnostics];
}

/** The diagnostics of a case. */
export function diagnoseCase(name: string): readonly Diagnostic[] {
  const known = diagnosed.get(name);
  if (known !== undefined) return known;
  const source = readModule(`${name}.resnet`);
  const found = source === undefined ? [] : diagnose(source);
  diagnosed.set(name, found);
  return found;
}

/** `RN201 18:3`, with the file where it is another, and the severity where it is no error. */
export function place(name: string, diagnostic: Diagnostic): string {
  const { span, code, severity } = diagnostic;
  const { line, column } = positionAt(span.source, span.start);
  const file = span.source.path === `${name}.resnet` ? "" : `${span.source.path}:`;
  return `${severity === "error" ? "" : `${severity} `}${code} ${file}${line}:${column}`;
}

/** As printed, without colour; labels in `std/` without their lines, which move as the library grows. */
export function render(diagnostics: readonly Diagnostic[]): string {
  return diagnostics
    .map((diagnostic) => {
      const inLibrary = diagnostic.labels.filter((label) => label.span.source.path.startsWith("std/"));
      const labels = diagnostic.labels.filter((label) => !inLibrary.includes(label));
      const text = renderDiagnostics([{ ...diagnostic, labels }], { color: false });
      return text + inLibrary.map((label) => `(${label.span.source.path}: ${label.text})\n`).join("");
    })
    .join("\n");
}
