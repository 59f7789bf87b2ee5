/**
 * Diagnostics as a SARIF 2.1.0 log (OASIS Standard, 27 March 2020), for code scanning.
 * Invariant: every related location is linked from the message, since some viewers show only those.
 */
import type { Diagnostic, Fix, Severity } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { explain } from "../check/catalogue.ts";
import { indexLines, type Lines } from "./lines.ts";

const LEVELS: Readonly<Record<Severity, "error" | "warning" | "note">> = {
  error: "error",
  warning: "warning",
  hint: "note",
};

/** What the hundreds of a code stand for. */
const FAMILIES: Readonly<Record<string, string>> = {
  "0": "syntax",
  "1": "names and imports",
  "2": "shapes",
  "3": "parameters and types",
  "4": "structure: skips, joins and cycles",
  "5": "training recipes",
  "6": "back ends",
  "7": "weights",
  "8": "data",
};

interface Region {
  readonly startLine: number;
  readonly startColumn: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly charOffset: number;
  readonly charLength: number;
}

interface PhysicalLocation {
  readonly artifactLocation: { readonly uri: string };
  readonly region: Region;
}

export interface SarifLog {
  readonly $schema: string;
  readonly version: "2.1.0";
  readonly runs: readonly SarifRun[];
}

export interface SarifRun {
  readonly tool: {
    readonly driver: { readonly name: "resnet"; readonly version?: string; readonly rules: readonly Rule[] };
  };
  /** How the check went as a whole. */
  readonly invocations: readonly Invocation[];
  readonly columnKind: "utf16CodeUnits";
  readonly results: readonly SarifResult[];
}

interface Invocation {
  readonly executionSuccessful: boolean;
  readonly toolExecutionNotifications?: readonly {
    readonly level: "error";
    readonly message: { readonly text: string };
    readonly locations: readonly { readonly physicalLocation: { readonly artifactLocation: { readonly uri: string } } }[];
  }[];
}

/** A file that could not be read, and why. */
export interface UnreadFile {
  readonly path: string;
  readonly message: string;
}

interface Rule {
  readonly id: string;
  readonly shortDescription: { readonly text: string };
  readonly fullDescription?: { readonly text: string };
  readonly defaultConfiguration: { readonly level: "error" | "warning" | "note" };
}

export interface SarifResult {
  readonly ruleId: string;
  readonly ruleIndex: number;
  readonly level: "error" | "warning" | "note";
  readonly message: { readonly text: string };
  readonly locations: readonly { readonly physicalLocation: PhysicalLocation }[];
  readonly relatedLocations?: readonly {
    readonly id: number;
    readonly message: { readonly text: string };
    readonly physicalLocation: PhysicalLocation;
  }[];
  readonly fixes?: readonly SarifFix[];
}

interface SarifFix {
  readonly description: { readonly text: string };
  readonly artifactChanges: readonly {
    readonly artifactLocation: { readonly uri: string };
    readonly replacements: readonly {
      readonly deletedRegion: Region;
      readonly insertedContent: { readonly text: string };
    }[];
  }[];
}

/** The log as data; `version` is the tool's own, if it is to be told. What could not be read is in it too (§3.20.21). */
export function toSarif(diagnostics: readonly Diagnostic[], version?: string, unread: readonly UnreadFile[] = []): SarifLog {
  const lines = indexLines();
  const codes = [...new Set(diagnostics.map((each) => each.code))].sort();
  const rules = codes.map((id): Rule => {
    const severity = diagnostics.find((each) => each.code === id)?.severity ?? "error";
    const family = FAMILIES[id.charAt(2)] ?? "other";
    const entry = explain(id);
    const described = entry === undefined ? {} : { fullDescription: { text: entry.text } };
    return { id, shortDescription: { text: `${id}: ${entry?.title ?? family}` }, ...described, defaultConfiguration: { level: LEVELS[severity] } };
  });
  const told = version === undefined ? {} : { version };
  const results = diagnostics.map((each) => result(each, codes.indexOf(each.code), lines));
  const driver = { name: "resnet", ...told, rules } as const;
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{ tool: { driver }, invocations: [invocation(unread)], columnKind: "utf16CodeUnits", results }],
  };
}

function invocation(unread: readonly UnreadFile[]): Invocation {
  if (unread.length === 0) return { executionSuccessful: true };
  const notifications = unread.map(({ path, message }) => ({
    level: "error" as const,
    message: { text: escapeMessage(message) },
    locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(path) } } }],
  }));
  return { executionSuccessful: false, toolExecutionNotifications: notifications };
}

/** The log as a JSON document with a final line break. */
export function renderSarif(diagnostics: readonly Diagnostic[], version?: string, unread: readonly UnreadFile[] = []): string {
  return `${JSON.stringify(toSarif(diagnostics, version, unread), null, 2)}\n`;
}

function result(diagnostic: Diagnostic, ruleIndex: number, lines: Lines): SarifResult {
  const related = diagnostic.labels.map(({ span, text }, i) => ({
    id: i + 1,
    message: { text: escapeMessage(text) },
    physicalLocation: location(span, lines),
  }));
  const links = related.map(({ id, message }) => `[${message.text}](${id})`);
  const note = diagnostic.note === undefined ? "" : `: ${escapeMessage(diagnostic.note)}`;
  const origins = links.length === 0 ? "" : ` (${links.join("; ")})`;
  const help = diagnostic.help.map((text) => `\nhelp: ${escapeMessage(text)}`).join("");
  return {
    ...{ ruleId: diagnostic.code, ruleIndex, level: LEVELS[diagnostic.severity] },
    message: { text: escapeMessage(diagnostic.message) + note + origins + help },
    locations: [{ physicalLocation: location(diagnostic.span, lines) }],
    ...(related.length > 0 ? { relatedLocations: related } : {}),
    ...(diagnostic.fixes.length > 0 ? { fixes: diagnostic.fixes.map((each) => fix(each, lines)) } : {}),
  };
}

function fix({ title, applicability, edits }: Fix, lines: Lines): SarifFix {
  const sources = [...new Set(edits.map((each) => each.span.source))];
  return {
    description: { text: escapeMessage(`${title} (${applicability})`) },
    artifactChanges: sources.map((source) => ({
      artifactLocation: { uri: uriOf(source.path) },
      replacements: edits
        .filter((each) => each.span.source === source)
        .map(({ span, replacement }) => ({
          deletedRegion: region(span, lines),
          insertedContent: { text: replacement },
        })),
    })),
  };
}

function location(span: Span, lines: Lines): PhysicalLocation {
  return { artifactLocation: { uri: uriOf(span.source.path) }, region: region(span, lines) };
}

function region({ source, start, end }: Span, lines: Lines): Region {
  const from = lines.position(source, start);
  const to = lines.position(source, end);
  return {
    ...{ startLine: from.line, startColumn: from.column, endLine: to.line, endColumn: to.column },
    ...{ charOffset: start, charLength: end - start },
  };
}

/** SARIF 2.1.0 §3.11.6: brackets begin links in message text. */
function escapeMessage(text: string): string {
  return text.replace(/[\\[\]]/g, "\\$&");
}

function uriOf(path: string): string {
  const slashed = path.replaceAll("\\", "/");
  const encoded = slashed.split("/").map(encodeURIComponent).join("/");
  if (/^[A-Za-z]:\//.test(slashed)) return `file:///${slashed.slice(0, 2)}${encoded.slice(encoded.indexOf("/"))}`;
  return slashed.startsWith("/") ? `file://${encoded}` : encoded;
}
