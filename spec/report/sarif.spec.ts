/** SARIF output against a JSON schema of the 2.1.0 standard's objects, for every diagnostic of the catalogued cases. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv, type ErrorObject } from "ajv";
import * as assert from "uvu/assert";
import { renderSarif, type SarifLog } from "../../compiler/report/sarif.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { caseNames, diagnoseCase } from "../diagnostics/cases.ts";
import { suite } from "../harness.ts";
import { at, diagnostic, fix, label, NET, skipMismatch } from "./diagnostics.ts";

const folder = dirname(fileURLToPath(import.meta.url));
const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });
ajv.addFormat("uri", (text: string) => URL.canParse(text));
// RFC 3986: no spaces, brackets or other characters that a URI has to encode; a percent sign begins an encoded byte.
ajv.addFormat("uri-reference", /^(?:[A-Za-z0-9\-._~:/?#@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/);
const validate = ajv.compile(JSON.parse(readFileSync(join(folder, "sarif-2.1.0.subset.json"), "utf8")));

function problems(log: unknown): readonly string[] {
  return validate(log) ? [] : (validate.errors ?? []).map((each: ErrorObject) => `${each.instancePath} ${each.message}`);
}

function render(diagnostics: readonly Diagnostic[]): SarifLog {
  return JSON.parse(renderSarif(diagnostics, "0.1.0"));
}

suite("report: sarif against the schema", (test) => {
  test("every diagnostic of every case", () => {
    const all = caseNames.flatMap((name) => [...diagnoseCase(name)]);
    const log = render(all);
    assert.equal(problems(log), []);
    assert.is(log.runs[0]?.results.length, all.length);
    assert.ok(new Set(all.map((each) => each.code)).size > 30, "many codes");
    const results = log.runs[0]?.results ?? [];
    assert.ok(results.some((each) => each.fixes !== undefined) && results.some((each) => each.relatedLocations !== undefined));
  });

  test("no diagnostic, odd paths, empty spans, characters outside the first plane", () => {
    assert.equal(problems(render([])), []);
    const odd = ["a b/é#?%.resnet", "/tmp/[x].resnet", "C:\\nets\\a^b.resnet", "", "日本/語.resnet", 'a|b<c>"d".resnet'];
    for (const path of odd) {
      const source = { path, text: "x\r\n😀 -> y\n" };
      const span = { source, start: source.text.length, end: source.text.length };
      const one = diagnostic(span, "m [a](1)", { labels: [label(at(source, "😀"), "\\ [")], fixes: [fix("t", "safe", [span, "\ud83d\ude00"])] });
      assert.equal(problems(render([one, skipMismatch()])), [], path);
    }
    const empty = { source: { path: "e.resnet", text: "" }, start: 0, end: 0 };
    assert.equal(problems(render([diagnostic(empty, "nothing")])), []);
  });

  test("what could not be read is a notification", () => {
    const log: SarifLog = JSON.parse(renderSarif([skipMismatch()], "0.1.0", [{ path: "a b.resnet", message: "cannot read [a]" }]));
    assert.equal(problems(log), []);
    const [only] = log.runs[0]?.invocations ?? [];
    assert.is(only?.executionSuccessful, false);
    assert.is(only?.toolExecutionNotifications?.[0]?.message.text, "cannot read \\[a\\]");
  });

  test("regions agree with the text: lines and columns, and offsets", () => {
    const text = NET.text;
    const region = render([skipMismatch()]).runs[0]?.results[0]?.locations[0]?.physicalLocation.region;
    assert.ok(region);
    const line = text.split("\n")[region.startLine - 1] ?? "";
    const byLine = line.slice(region.startColumn - 1, region.endColumn - 1);
    assert.is(byLine, text.slice(region.charOffset, region.charOffset + region.charLength));
  });

  test("the schema refuses what the standard does not have", () => {
    const broken = (change: (log: { runs: { results: Record<string, unknown>[]; tool: unknown }[]; version: string }) => void): readonly string[] => {
      const log = JSON.parse(renderSarif([skipMismatch()]));
      change(log);
      return problems(log);
    };
    assert.ok(broken((log) => void (log.version = "2.0.0")).length > 0);
    assert.ok(broken((log) => void ((log.runs[0] ?? { tool: 0 }).tool = {})).length > 0);
    assert.ok(broken((log) => void ((log.runs[0]?.results[0] ?? {})["level"] = "hint")).length > 0);
    assert.ok(broken((log) => void ((log.runs[0]?.results[0] ?? {})["note"] = "x")).length > 0);
    assert.ok(broken((log) => void delete log.runs[0]?.results[0]?.["message"]).length > 0);
    const backwards = { physicalLocation: { artifactLocation: { uri: "a b" }, region: { startLine: 0 } } };
    assert.ok(broken((log) => void ((log.runs[0]?.results[0] ?? {})["locations"] = [backwards])).length >= 2);
  });
});
