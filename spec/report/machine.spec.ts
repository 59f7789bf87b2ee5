/** Diagnostics for machines: JSON, GitHub commands, SARIF. */
import * as assert from "uvu/assert";
import { renderGithub } from "../../compiler/report/github.ts";
import { renderJson, toJson } from "../../compiler/report/json.ts";
import { renderSarif, toSarif } from "../../compiler/report/sarif.ts";
import { suite } from "../harness.ts";
import { at, diagnostic, fix, label, NET, skipMismatch } from "./diagnostics.ts";

suite("report: json", (test) => {
  test("every part with its place", () => {
    const [first] = toJson([skipMismatch()]);
    const { start, end } = at(NET, "skip x -> r");
    assert.is(first?.code, "RN201");
    assert.is(first?.severity, "error");
    assert.is(first?.file, "nets/net.resnet");
    assert.equal([first?.line, first?.column, first?.endLine, first?.endColumn], [5, 3, 5, 14]);
    assert.equal([first?.offset, first?.endOffset], [start, end]);
    assert.is(first?.note, "64 ≠ 256 (axis `channel`)");
    assert.equal(
      first?.labels.map((each) => [each.line, each.column, each.text]),
      [
        [2, 14, "C = 64"],
        [4, 13, "256 = 4*w"],
        [9, 27, "w = 64"],
      ],
    );
    assert.equal(first?.help, ["the join adds its inputs, which must agree in every axis"]);
    const [repair] = first?.fixes ?? [];
    assert.is(repair?.applicability, "maybe-incorrect");
    assert.equal(repair?.edits[0], {
      ...{ file: "nets/net.resnet", line: 5, column: 14, endLine: 5, endColumn: 14, offset: end, endOffset: end },
      replacement: " via project",
    });
  });

  test("one document, and a note that is missing is null", () => {
    const rendered = renderJson([diagnostic(at(NET, "Net"), "m")]);
    assert.is(JSON.parse(rendered)[0].note, null);
    assert.ok(rendered.endsWith("]\n"));
    assert.is(renderJson([]), "[]\n");
  });
});

suite("report: github", (test) => {
  test("one command per diagnostic", () => {
    const small = { path: "a,b:c%.resnet", text: "x -> y\n" };
    const error = diagnostic(at(small, "->"), "50% of\nit", {
      note: "note",
      help: ["do::it"],
      labels: [label(at(small, "y"), "to")],
    });
    const hint = diagnostic(at(small, "x"), "m", { severity: "hint", code: "RN105" });
    assert.is(
      renderGithub([error, hint]),
      "::error file=a%2Cb%3Ac%25.resnet,line=1,col=3,endLine=1,endColumn=5,title=RN201::" +
        "50%25 of%0Ait%0Anote%0Aa,b:c%25.resnet:1:6: to%0Ahelp: do::it\n" +
        "::notice file=a%2Cb%3Ac%25.resnet,line=1,col=1,endLine=1,endColumn=2,title=RN105::m\n",
    );
  });

  test("warnings, and nothing for nothing", () => {
    assert.match(renderGithub([diagnostic(at(NET, "Net"), "m", { severity: "warning" })]), /^::warning file=/);
    assert.is(renderGithub([]), "");
  });
});

suite("report: sarif", (test) => {
  test("the log's frame", () => {
    const log = JSON.parse(renderSarif([], "1.2.3"));
    assert.equal(log, {
      $schema: "https://json.schemastore.org/sarif-2.1.0.json",
      version: "2.1.0",
      runs: [
        {
          tool: { driver: { name: "resnet", version: "1.2.3", rules: [] } },
          invocations: [{ executionSuccessful: true }],
          columnKind: "utf16CodeUnits",
          results: [],
        },
      ],
    });
  });

  test("rules are listed once and results point at them", () => {
    const one = diagnostic(at(NET, "Net"), "m", { code: "RN400", severity: "warning" });
    const [run] = toSarif([one, skipMismatch(), one]).runs;
    assert.equal(
      run?.tool.driver.rules.map((each) => [each.id, each.defaultConfiguration.level]),
      [
        ["RN201", "error"],
        ["RN400", "warning"],
      ],
    );
    assert.equal(
      run?.results.map((each) => [each.ruleId, each.ruleIndex, each.level]),
      [
        ["RN400", 1, "warning"],
        ["RN201", 0, "error"],
        ["RN400", 1, "warning"],
      ],
    );
  });

  test("origins are linked from the message", () => {
    const result = toSarif([skipMismatch()]).runs[0]?.results[0];
    assert.match(result?.message.text ?? "", "([C = 64](1); [256 = 4*w](2); [w = 64](3))");
    assert.equal(
      result?.relatedLocations?.map((each) => [each.id, each.physicalLocation.region.startLine]),
      [
        [1, 2],
        [2, 4],
        [3, 9],
      ],
    );
    assert.equal(result?.locations[0]?.physicalLocation, {
      artifactLocation: { uri: "nets/net.resnet" },
      region: {
        startLine: 5,
        startColumn: 3,
        endLine: 5,
        endColumn: 14,
        charOffset: at(NET, "skip").start,
        charLength: 11,
      },
    });
  });

  test("fixes name the text they replace", () => {
    const repair = fix("shorter", "safe", [at(NET, "conv(64, 7)"), "conv(64)"]);
    const result = toSarif([diagnostic(at(NET, "Net"), "m", { fixes: [repair] })]).runs[0]?.results[0];
    assert.equal(result?.fixes, [
      {
        description: { text: "shorter (safe)" },
        artifactChanges: [
          {
            artifactLocation: { uri: "nets/net.resnet" },
            replacements: [
              {
                deletedRegion: {
                  startLine: 9,
                  startColumn: 12,
                  endLine: 9,
                  endColumn: 23,
                  charOffset: at(NET, "conv(64, 7)").start,
                  charLength: 11,
                },
                insertedContent: { text: "conv(64)" },
              },
            ],
          },
        ],
      },
    ]);
  });

  test("brackets in texts are no links, and paths are URIs", () => {
    const uri = (path: string): string | undefined => {
      const span = { source: { path, text: "x" }, start: 0, end: 1 };
      return toSarif([diagnostic(span, "m")]).runs[0]?.results[0]?.locations[0]?.physicalLocation.artifactLocation.uri;
    };
    assert.is(toSarif([diagnostic(at(NET, "Net"), "got [N, C]")]).runs[0]?.results[0]?.message.text, "got \\[N, C\\]");
    assert.is(uri("a b/é#.resnet"), "a%20b/%C3%A9%23.resnet");
    assert.is(uri("/tmp/a.resnet"), "file:///tmp/a.resnet");
    assert.is(uri("C:\\nets\\a.resnet"), "file:///C:/nets/a.resnet");
  });
});
