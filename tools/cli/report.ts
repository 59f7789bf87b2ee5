/**
 * Chooses the form of a report on diagnostics; `compiler/report` renders them.
 * Invariant: every format but `pretty` is one document that a program can read.
 */
import { renderGithub } from "../../compiler/report/github.ts";
import { renderJson } from "../../compiler/report/json.ts";
import { renderSarif } from "../../compiler/report/sarif.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import type { Diagnostic, Severity } from "../../grammar/diagnostic.ts";
import type { Unreadable } from "../api/check.ts";
import type { Output } from "./terminal.ts";
import { VERSION } from "./version.ts";

export const REPORT_FORMATS = ["pretty", "json", "sarif", "github"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** The whole report, without a line break at its end; where it is shown concerns `pretty` alone. */
export function renderReport(
  diagnostics: readonly Diagnostic[],
  format: ReportFormat,
  output: Output,
  unreadable: readonly Unreadable[] = [],
): string {
  switch (format) {
    case "pretty":
      return renderPretty(diagnostics, output);
    case "json":
      return renderJson(diagnostics).trimEnd();
    case "sarif":
      return renderSarif(
        diagnostics,
        VERSION,
        unreadable.map(({ path, error }) => ({ path, message: error.message })),
      ).trimEnd();
    case "github":
      return renderGithub(diagnostics).trimEnd();
    default:
      return format satisfies never;
  }
}

/** For people, as `check` and compile errors show it. */
export function renderPretty(diagnostics: readonly Diagnostic[], output: Output): string {
  return renderDiagnostics(diagnostics, { color: output.colors.isColorSupported, width: output.columns }).trimEnd();
}

/** `2 errors, 1 warning in 3 files`. */
export function summarize(diagnostics: readonly Diagnostic[], files: number): string {
  const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
  const count = (severity: Severity): number => diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
  const found = [
    [count("error"), "error"],
    [count("warning"), "warning"],
    [count("hint"), "hint"],
  ] as const;
  const listed = found.filter(([number]) => number > 0).map(([number, word]) => plural(number, word));
  return `${listed.length === 0 ? "no errors" : listed.join(", ")} in ${plural(files, "file")}`;
}
