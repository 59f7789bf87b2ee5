/**
 * Diagnostics as text for the command line.
 * Invariant: every format carries code, place and message of every diagnostic, in the order given.
 */
import type { Diagnostic, Severity } from "../../grammar/diagnostic.ts";
import { positionAt, type Span } from "../../grammar/source.ts";
import type { Colors } from "./terminal.ts";
import { VERSION } from "./version.ts";

export const REPORT_FORMATS = ["pretty", "json", "sarif", "github"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** The whole report in a format; colours concern `pretty` alone. */
export function renderReport(diagnostics: readonly Diagnostic[], format: ReportFormat, colors: Colors): string {
  switch (format) {
    case "pretty":
      return renderPretty(diagnostics, colors);
    case "json":
      return JSON.stringify({ diagnostics: diagnostics.map(toJson) }, undefined, 2);
    case "sarif":
      return JSON.stringify(toSarif(diagnostics), undefined, 2);
    case "github":
      return diagnostics.map(toGithub).join("\n");
    default:
      return format satisfies never;
  }
}

/** `2 errors and 1 warning in 3 files`. */
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

/** With source lines, labels and help, as rustc shows them. */
export function renderPretty(diagnostics: readonly Diagnostic[], colors: Colors): string {
  return diagnostics.map((diagnostic) => prettyOne(diagnostic, colors)).join("\n\n");
}

function prettyOne(diagnostic: Diagnostic, colors: Colors): string {
  const paint = { error: colors.red, warning: colors.yellow, hint: colors.cyan }[diagnostic.severity];
  const marks = [
    { span: diagnostic.span, text: diagnostic.note ?? "", sign: "^", paint },
    ...diagnostic.labels.map((label) => ({ ...label, sign: "-", paint: colors.blue })),
  ];
  const gutter = Math.max(...marks.map(({ span }) => String(positionAt(span.source, span.start).line).length));
  const bar = colors.dim(`${" ".repeat(gutter)} |`);
  const lines = [`${paint(colors.bold(`${diagnostic.severity}[${diagnostic.code}]`))}: ${colors.bold(diagnostic.message)}`];
  let file: string | undefined;
  for (const mark of marks) {
    const { source } = mark.span;
    const { line, column } = positionAt(source, mark.span.start);
    if (source.path !== file) lines.push(`${" ".repeat(gutter)}${colors.dim("-->")} ${source.path}:${line}:${column}`, bar);
    file = source.path;
    const text = source.text.split("\n")[line - 1]?.replace(/\r$/, "") ?? "";
    const length = Math.max(1, Math.min(mark.span.end - mark.span.start, text.length - column + 1));
    const pad = text.slice(0, column - 1).replace(/[^\t]/g, " ");
    lines.push(`${colors.dim(`${String(line).padStart(gutter)} |`)} ${text}`);
    lines.push(`${bar} ${pad}${mark.paint(`${mark.sign.repeat(length)}${mark.text === "" ? "" : ` ${mark.text}`}`)}`);
  }
  for (const help of [...diagnostic.help, ...diagnostic.fixes.map((fix) => fix.title)]) {
    lines.push(`${" ".repeat(gutter)} ${colors.dim("=")} ${colors.green("help")}: ${help}`);
  }
  return lines.join("\n");
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

function placeOf(span: Span): Place {
  const start = positionAt(span.source, span.start);
  const end = positionAt(span.source, span.end);
  return { file: span.source.path, line: start.line, column: start.column, endLine: end.line, endColumn: end.column };
}

function toJson(diagnostic: Diagnostic): object {
  return {
    code: diagnostic.code,
    severity: diagnostic.severity,
    message: diagnostic.message,
    ...placeOf(diagnostic.span),
    note: diagnostic.note,
    labels: diagnostic.labels.map((label) => ({ text: label.text, ...placeOf(label.span) })),
    help: diagnostic.help,
    fixes: diagnostic.fixes.map((fix) => ({
      title: fix.title,
      applicability: fix.applicability,
      edits: fix.edits.map((edit) => ({ replacement: edit.replacement, ...placeOf(edit.span) })),
    })),
  };
}

/** https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function toGithub(diagnostic: Diagnostic): string {
  const data = (text: string): string => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = (text: string): string => data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
  const place = placeOf(diagnostic.span);
  const kind = { error: "error", warning: "warning", hint: "notice" }[diagnostic.severity];
  const where = `file=${property(place.file)},line=${place.line},col=${place.column},endLine=${place.endLine},endColumn=${place.endColumn}`;
  return `::${kind} ${where},title=${property(diagnostic.code)}::${data(diagnostic.message)}`;
}

/** SARIF 2.1.0 (OASIS), the parts that code-scanning viewers show. */
function toSarif(diagnostics: readonly Diagnostic[]): object {
  const location = (span: Span, text?: string): object => {
    const { file, line, column, endLine, endColumn } = placeOf(span);
    return {
      physicalLocation: {
        artifactLocation: { uri: encodeURI(file.replaceAll("\\", "/")) },
        region: { startLine: line, startColumn: column, endLine, endColumn },
      },
      ...(text === undefined ? {} : { message: { text } }),
    };
  };
  const codes = [...new Set(diagnostics.map((diagnostic) => diagnostic.code))].sort();
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "resnet", version: VERSION, rules: codes.map((id) => ({ id })) } },
        columnKind: "utf16CodeUnits",
        results: diagnostics.map((diagnostic) => ({
          ruleId: diagnostic.code,
          level: { error: "error", warning: "warning", hint: "note" }[diagnostic.severity],
          message: { text: diagnostic.message },
          locations: [location(diagnostic.span, diagnostic.note)],
          relatedLocations: diagnostic.labels.map((label, id) => ({ id, ...location(label.span, label.text) })),
        })),
      },
    ],
  };
}
