/**
 * Diagnostics as GitHub workflow commands, which annotate the lines of a pull request.
 * Invariant: one line per diagnostic; nothing in a message can end its command or begin another.
 */
import type { Diagnostic, Severity } from "../../grammar/diagnostic.ts";
import { indexLines, type Lines } from "./lines.ts";

const COMMANDS: Readonly<Record<Severity, string>> = { error: "error", warning: "warning", hint: "notice" };

/** One `::error file=..,line=..,col=..,endLine=..,endColumn=..,title=RN201::message` per diagnostic. */
export function renderGithub(diagnostics: readonly Diagnostic[]): string {
  const lines = indexLines();
  return diagnostics.map((each) => `${command(each, lines)}\n`).join("");
}

function command(diagnostic: Diagnostic, lines: Lines): string {
  const { start, end } = lines.range(diagnostic.span);
  const properties = {
    file: diagnostic.span.source.path,
    line: start.line,
    col: start.column,
    endLine: end.line,
    endColumn: Math.max(end.column, start.line === end.line ? start.column : 1),
    title: diagnostic.code,
  };
  const listed = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(String(value))}`);
  const details = diagnostic.labels.map(({ span, text }) => {
    const at = lines.range(span).start;
    return `${span.source.path}:${at.line}:${at.column}: ${text}`;
  });
  const note = diagnostic.note === undefined ? [] : [diagnostic.note];
  const advice = [...diagnostic.help, ...diagnostic.fixes.map((fix) => fix.title)].map((text) => `help: ${text}`);
  const message = [diagnostic.message, ...note, ...details, ...advice].join("\n");
  return `::${COMMANDS[diagnostic.severity]} ${listed.join(",")}::${escapeData(message)}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
