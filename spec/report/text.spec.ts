/** Diagnostics as text: the whole form once, then each difficulty of places and texts by itself. */
import * as assert from "uvu/assert";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Source } from "../../grammar/source.ts";
import { suite } from "../harness.ts";
import { at, diagnostic, fix, label, NET, skipMismatch } from "./diagnostics.ts";

function lines(...all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}

function plain(...all: readonly Diagnostic[]): string {
  return renderDiagnostics(all, { color: false });
}

function source(text: string, path = "a.resnet"): Source {
  return { path, text };
}

suite("report: text", (test) => {
  test("the whole form", () => {
    assert.is(
      plain(skipMismatch()),
      lines(
        "error[RN201]: skip `x -> r` carries 64 channels; join `r` has 256",
        " --> nets/net.resnet:5:3",
        "  |",
        "2 |   in  x: [N, C, H, W]",
        "  |              - C = 64",
        "3 |   x -> conv(w, 1)",
        "4 |     -> conv(4*w, 1) -> bn -> join r: add -> y",
        "  |             --- 256 = 4*w",
        "5 |   skip x -> r",
        "  |   ^^^^^^^^^^^ 64 ≠ 256 (axis `channel`)",
        "...",
        "9 |   image -> conv(64, 7) -> Bottleneck(64) -> logits",
        "  |                           -------------- w = 64",
        "help: the join adds its inputs, which must agree in every axis",
        "help (maybe-incorrect): project the skip (adds 16 384 weights)",
        "  |",
        "5 -   skip x -> r",
        "5 +   skip x -> r via project",
      ),
    );
  });

  test("nothing to say", () => assert.is(plain(), ""));

  test("several diagnostics, a blank line between", () => {
    const small = source("a b\n");
    const first = diagnostic(at(small, "a"), "first", { severity: "warning", code: "RN400" });
    const second = diagnostic(at(small, "b"), "second", { severity: "hint", code: "RN401" });
    assert.is(
      plain(first, second),
      lines(
        ...["warning[RN400]: first", " --> a.resnet:1:1", "  |", "1 | a b", "  | ^", ""],
        ...["hint[RN401]: second", " --> a.resnet:1:3", "  |", "1 | a b", "  |   ^"],
      ),
    );
  });

  test("several labels on one line hang below", () => {
    const one = source("x -> conv(4*w, 1) -> join r: add\n");
    const labels = [label(at(one, "4*w"), "256 = 4*w"), label(at(one, "x"), "64 = C"), label(at(one, "add"), "the merge")];
    assert.is(
      plain(diagnostic(at(one, "join r"), "sizes", { note: "here", labels })),
      lines(
        "error[RN201]: sizes",
        " --> a.resnet:1:22",
        "  |",
        "1 | x -> conv(4*w, 1) -> join r: add",
        "  | -         ---        ^^^^^^  --- the merge",
        "  | |         |          |",
        "  | |         |          here",
        "  | |         256 = 4*w",
        "  | 64 = C",
      ),
    );
  });

  test("labels that overlap the primary span", () => {
    const one = source("f(a, b)\n");
    assert.is(
      plain(diagnostic(at(one, "f(a, b)"), "call", { note: "whole", labels: [label(at(one, "b"), "part")] })),
      lines("error[RN201]: call", " --> a.resnet:1:1", "  |", "1 | f(a, b)", "  | ^^^^^^^", "  | |    |", "  | |    part", "  | whole"),
    );
  });

  test("other files are shown with their own place", () => {
    const other = source("block B() {\n  in z: [N]\n}\n", "std/b.resnet");
    const labels = [label(at(other, "z"), "declared here"), label(at(NET, "Net"), "used here")];
    assert.is(
      plain(diagnostic(at(NET, "image"), "place", { labels })),
      lines(
        "error[RN201]: place",
        " --> nets/net.resnet:9:3",
        "  |",
        "8 | model Net() {",
        "  |       --- used here",
        "9 |   image -> conv(64, 7) -> Bottleneck(64) -> logits",
        "  |   ^^^^^",
        " ::: std/b.resnet:2:6",
        "  |",
        "2 |   in z: [N]",
        "  |      - declared here",
      ),
    );
  });

  test("the gutter is as wide as the largest line number", () => {
    const long = source(`${"\n".repeat(8)}a\nb\n`);
    assert.is(
      plain(diagnostic(at(long, "a"), "wide", { labels: [label(at(long, "b"), "next")] })),
      lines("error[RN201]: wide", "  --> a.resnet:9:1", "   |", " 9 | a", "   | ^", "10 | b", "   | - next"),
    );
  });

  test("tabs and wide characters keep the underline in place", () => {
    const tabs = source("\tx\t-> y\n// 日本 -> z\n");
    assert.is(
      plain(diagnostic(at(tabs, "->"), "tabs", { labels: [label(at(tabs, "->", 1), "here")] })),
      lines("error[RN201]: tabs", " --> a.resnet:1:4", "  |", "1 |     x   -> y", "  |         ^^", "2 | // 日本 -> z", "  |         -- here"),
    );
  });

  test("the underline stands below its text whatever the text before it is made of", () => {
    // Each with the columns that a terminal gives it: UAX #11 for East Asian text, UTS #51 for emoji.
    const widths: readonly (readonly [string, number])[] = [
      ...([
        ["日本語", 6],
        ["ｶﾅ", 2],
        ["한국", 4],
        ["\u1112\u1161\u11ab", 2],
        ["ＡＢ", 4],
        ["é", 1],
        ["e\u0301", 1],
        ["नि", 2],
      ] as const),
      ...([
        ["👍", 2],
        ["👍🏽", 2],
        ["👩‍👩‍👧", 2],
        ["🇩🇪", 2],
        ["❤️", 2],
        ["✓", 1],
        ["⌚", 2],
        ["→", 1],
        ["∀", 1],
      ] as const),
    ];
    for (const [text, width] of widths) {
      const one = source(`${text} here\n`);
      const rendered = plain(diagnostic(at(one, "here"), "m")).split("\n");
      assert.is(rendered[3], `1 | ${text} here`);
      assert.is(rendered[4], `  | ${" ".repeat(width + 1)}^^^^`, text);
      assert.is(plain(diagnostic(at(one, text), "m")).split("\n")[4], `  | ${"^".repeat(width)}`, text);
    }
    const tabs = source("ab\tx\t日\ty\n");
    assert.is(
      plain(diagnostic(at(tabs, "y"), "m"))
        .split("\n")
        .slice(3, 5)
        .join("\n"),
      "1 | ab  x   日  y\n  |             ^",
    );
  });

  test("what cannot be seen is written out, in the source and in words", () => {
    const odd = source("con\u200bv \u202ex\u2066 \ufeff\u00ad\ud800 // 👩\u200d👩\n");
    assert.is(
      plain(diagnostic(at(odd, "\u200b"), "found \u202e in `\u200b`", { note: "here", labels: [label(at(odd, "\ud800"), "half")] })),
      lines(
        ...["error[RN201]: found ‹U+202E› in `‹U+200B›`", " --> a.resnet:1:4", "  |"],
        ...["1 | con‹U+200B›v ‹U+202E›x‹U+2066› ‹U+FEFF›‹U+00AD›‹U+D800› // 👩\u200d👩"],
        ...["  |    ^^^^^^^^                                    -------- half", "  |    |", "  |    here"],
      ),
    );
  });

  test("control characters are made visible", () => {
    const evil = source("a\u001b[2J b\u0000\n");
    assert.is(
      plain(diagnostic(at(evil, "b"), "found \u001b[31mred")),
      lines("error[RN201]: found ␛[31mred", " --> a.resnet:1:7", "  |", "1 | a␛[2J b␀", "  |       ^"),
    );
  });

  test("a line is cut around its primary mark to what the terminal shows, and nowhere else below 240 columns", () => {
    const wide = source(`${"x".repeat(100)} here ${"y".repeat(100)}\n`);
    const shown = (width: number | undefined, span = at(wide, "here"), labels: Diagnostic["labels"] = []): string[] =>
      renderDiagnostics([diagnostic(span, "long", { note: "this", labels })], { color: false, width }).split("\n");
    assert.is(shown(undefined)[3], `1 | ${wide.text.trimEnd()}`);
    assert.is(shown(undefined)[4], `  | ${" ".repeat(101)}^^^^ this`);
    for (const width of [40, 60, 80, 120]) {
      const [, , , text = "", marks = ""] = shown(width);
      assert.is(text.length, width, text);
      assert.is(marks.indexOf("^^^^"), text.indexOf("here"), `${text}\n${marks}`);
      assert.is(text.charAt(4), "…");
      assert.is(text.at(-1), "…");
    }
    // A terminal that is too narrow to show anything breaks the lines itself.
    assert.is(shown(7)[3], shown(40)[3]);
    const start = shown(60, { ...at(wide, "x"), end: 3 });
    assert.equal(start.slice(3, 5), [`1 | ${"x".repeat(55)}…`, "  | ^^^ this"]);
    const end = shown(60, { source: wide, start: 203, end: 206 });
    assert.equal(end.slice(3, 5), [`1 | …${"y".repeat(55)}`, `  | ${" ".repeat(53)}^^^ this`]);
    const all = shown(60, { source: wide, start: 0, end: 206 });
    assert.equal(all.slice(3, 5), [`1 | ${"x".repeat(55)}…`, `  | ${"^".repeat(56)} this`]);
    // What lies beyond the edges is marked at them.
    const both = shown(60, at(wide, "here"), [label({ source: wide, start: 0, end: 3 }, "first")]);
    assert.equal(both.slice(4, 8), ["  | -                  ^^^^ this", "  | |", "  | first", ""]);
    const endless = source(`${"z".repeat(1000)} here\n`);
    const cut = plain(diagnostic(at(endless, "here"), "endless")).split("\n");
    assert.is(cut[3]?.length, 4 + 240);
    assert.is(cut[4]?.indexOf("^^^^"), cut[3]?.indexOf("here"));
  });

  test("on a terminal, words wrap beside or below their mark, and a fix shows what it changes", () => {
    const one = source(`x -> conv(4*w, 1) -> ${"relu -> ".repeat(8)}join r: add\n`);
    const words = "256 channels arrive here, from the convolution that the first branch ends with";
    const at40 = renderDiagnostics([diagnostic(at(one, "conv(4*w, 1)"), "m", { note: words })], { color: false, width: 60 });
    assert.is(
      at40,
      lines(
        ...["error[RN201]: m", " --> a.resnet:1:6", "  |", "1 | x -> conv(4*w, 1) -> relu -> relu -> relu -> relu -> re…"],
        ...[
          "  |      ^^^^^^^^^^^^",
          "  |      |",
          "  |      256 channels arrive here, from the convolution that",
          "  |      the first branch ends with",
        ],
      ),
    );
    assert.ok(plain(diagnostic(at(one, "conv(4*w, 1)"), "m", { note: words })).includes(`^ ${words}\n`));
    const mend = fix("scale", "safe", [at(one, "add"), "add(scale: 0.1)"]);
    const fixed = renderDiagnostics([diagnostic(at(one, "x"), "m", { fixes: [mend] })], { color: false, width: 60 }).split("\n");
    assert.ok(fixed.some((line) => line.startsWith("1 - …") && line.endsWith("join r: add")));
    assert.ok(fixed.some((line) => line.startsWith("1 + …") && line.endsWith("join r: add(scale: 0.1)")));
  });

  test("a span over several lines", () => {
    const many = source("x -> repeat 3 {\n  relu\n  gelu\n} -> y\n");
    const span = { source: many, start: 5, end: many.text.indexOf("}") + 1 };
    assert.is(
      plain(diagnostic(span, "many", { note: "this repeat" })),
      lines(
        ...["error[RN201]: many", " --> a.resnet:1:6", "  |", "1 | x -> repeat 3 {", "  |      ^^^^^^^^^^"],
        ...["...", "4 | } -> y", "  | ^ this repeat"],
      ),
    );
    const lineBreak = { source: many, start: 12, end: 16 };
    assert.is(
      plain(diagnostic(lineBreak, "to the end", { note: "here" })),
      lines("error[RN201]: to the end", " --> a.resnet:1:13", "  |", "1 | x -> repeat 3 {", "  |             ^^^ here"),
    );
  });

  test("places at the end of a file", () => {
    const ended = source("block A {\n  x\n\n\n");
    const end = { source: ended, start: ended.text.length, end: ended.text.length };
    const expected = lines("error[RN201]: end", " --> a.resnet:2:4", "  |", "2 |   x", "  |    ^ here");
    assert.is(plain(diagnostic(end, "end", { note: "here" })), expected);
    assert.is(plain(diagnostic({ ...end, start: 900, end: 950 }, "end", { note: "here" })), expected);
    const empty = source("");
    assert.is(
      plain(diagnostic({ source: empty, start: 0, end: 0 }, "empty")),
      lines("error[RN201]: empty", " --> a.resnet:1:1", "  |", "1 |", "  | ^"),
    );
  });

  test("line breaks of other systems, and a last line without one", () => {
    for (const [text, name] of [
      ["a\r\nb c\r\n", "dos"],
      ["a\rb c\r", "mac"],
      ["a\nb c", "none at the end"],
      ["a\r\nb c\rd\n", "mixed"],
    ] as const) {
      const one = source(text);
      assert.is(
        plain(diagnostic(at(one, "c"), name, { fixes: [fix("t", "safe", [at(one, "c"), "cc"])] })),
        lines(...[`error[RN201]: ${name}`, " --> a.resnet:2:3", "  |", "2 | b c", "  |   ^"], ...["help (safe): t", "  |", "2 - b c", "2 + b cc"]),
      );
    }
  });

  test("fixes: several edits, several lines, deletions, other files", () => {
    const text = source("a\nb\nc\nd\ne\nf\n");
    const other = source("z\n", "z.resnet");
    const edits = fix("all of it", "safe", [at(text, "b\n"), ""], [at(text, "f"), "f\n  g"], [at(other, "z"), "zz"]);
    assert.is(
      plain(diagnostic(at(text, "a"), "fixes", { fixes: [edits] })),
      lines(
        ...["error[RN201]: fixes", " --> a.resnet:1:1", "  |", "1 | a", "  | ^", "help (safe): all of it"],
        ...[" ::: a.resnet:2", "  |", "2 - b", "...", "7 +   g", " ::: z.resnet:1", "  |", "1 - z", "1 + zz"],
      ),
    );
  });

  test("colours are ANSI codes around the same text", () => {
    const colored = renderDiagnostics([skipMismatch()], { color: true });
    assert.match(colored, "\u001b[1;31merror[RN201]\u001b[0m\u001b[1m: skip");
    assert.match(colored, "\u001b[1;31m^^^^^^^^^^^\u001b[0m \u001b[1;31m64");
    assert.match(colored, "\u001b[32m+   skip x -> r via project\u001b[0m");
    assert.is(colored.replace(/\u001b\[[0-9;]*m/g, ""), plain(skipMismatch()));
  });
});
