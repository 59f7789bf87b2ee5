/**
 * What the compiler says of wrong files: each `NAME.resnet` here beside its rendering `NAME.txt`.
 * Invariant: a missing rendering is written where it can be looked at, and is a failure under CI.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { CATALOGUE } from "../../compiler/check/catalogue.ts";
import { exampleOf } from "../../compiler/report/examples.ts";
import { applyEdits } from "../../compiler/report/hunks.ts";
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import { chooseFixes } from "../../tools/cli/fix.ts";
import { suite } from "../harness.ts";
import { caseNames, diagnose, diagnoseCase, goldenPath, place, readModule, render } from "./cases.ts";
import { EXPECTED } from "./expected.ts";

interface Complaint {
  readonly name: string;
  /** Which diagnostic of the case. */
  readonly index: number;
  readonly message: string;
  readonly note: string;
  /** Each must be among the labels. */
  readonly labels: readonly string[];
  /** `applicability: text that the fixed file contains`; none where only words help. */
  readonly fix: string | undefined;
}

/** Mistakes that people really made with other tools, and what is said here. */
const COMPLAINTS: readonly Complaint[] = [
  {
    name: "skip-channels",
    index: 0,
    message: "skip `stem -> r` carries 64 channels; join `r` has 256",
    note: "64 ≠ 256 (axis `channel`)",
    labels: ["64, from `conv(64, 7, stride: 2)`", "256, from `conv(256, 1)`"],
    fix: "maybe-incorrect: skip stem -> r via project",
  },
  {
    name: "skip-channels-generic",
    index: 0,
    message: "skip `x -> r` carries C channels; join `r` has 4*w",
    note: "C ≠ 4*w (axis `channel`): C = 1, w = 1: 1 vs 4",
    labels: ["C: declared here", "4*w, from `conv(4*w, 1)`", "3: declared here", "in this use, `Widen(16)`: 3 ≠ 64 (axis `channel`)"],
    fix: "maybe-incorrect: skip x -> r via project",
  },
  {
    name: "skip-rounding",
    index: 0,
    message: "skip `x -> sum` carries length floor(T/2); join `sum` has length ceil(T/2)",
    note: "floor(T/2) ≠ ceil(T/2) (axis `length`): T = 3: 1 vs 2",
    labels: ["T → floor(T/2), by `avgpool(2)`", "T → ceil(T/2), by `conv(c, 3, stride: 2)`"],
    fix: "maybe-incorrect: skip x -> sum via avgpool(2, ceil: true) -> conv(c, 1)",
  },
  {
    name: "skip-rounding",
    index: 1,
    message: "skip `x -> sum` carries length 34; join `sum` has length 35",
    note: "34 ≠ 35 (axis `length`)",
    labels: ["69 → 34, by `avgpool(2)`", "69 → 35, by `conv(32, 3, stride: 2)`"],
    fix: "maybe-incorrect: via avgpool(2, ceil: true) -> conv(32, 1)",
  },
  {
    name: "project-stride",
    index: 0,
    message: "`project(stride: 1)` gives height 75; join `sum` has height 38",
    note: "gives 75, not 38",
    labels: ["300 → 150 → 75 → 38, by `conv(32, 3, stride: 2)`"],
    fix: "safe: skip x -> sum via project(stride: 2)",
  },
  {
    name: "unet-concat",
    index: 0,
    message: "skip `deep -> merged` carries height ceil(H/16); join `merged` has height 2*ceil(H/32)",
    note: "ceil(H/16) ≠ 2*ceil(H/32) (axis `height`): H = 1: 1 vs 2",
    labels: ["H → ceil(H/2) → ceil(H/4) → ceil(H/8) → ceil(H/16), by `Down(32)`"],
    fix: "maybe-incorrect: in  image: f32[N, 3, H, W] where H % 32 == 0, W % 32 == 0",
  },
  {
    name: "unet-concat",
    index: 1,
    message: "skip `deep -> merged` carries width 33; join `merged` has width 34",
    note: "33 ≠ 34 (axis `width`)",
    labels: ["525 → 263 → 132 → 66 → 33, by `Down(32)`", "525 → 263 → 132 → 66 → 33 → 17 → 34, by `up`"],
    fix: undefined,
  },
  {
    name: "linear-in",
    index: 0,
    message: "`linear` is told `in: 10`, but 490 arrives",
    note: "10 ≠ 490",
    labels: ["490 = 10*7*7, from `flatten`"],
    fix: "safe: -> flatten -> linear(classes) -> logits",
  },
  {
    name: "unbatched",
    index: 0,
    message: "input `image` is [3, 224, 224], but `Residual2d` takes `x: [N, C, H, W]`",
    note: "rank 3, one axis short",
    labels: ["needs `x: [N, C, H, W]`"],
    fix: "maybe-incorrect: in  image: f32[N, 3, 224, 224]",
  },
  {
    name: "unbatched",
    index: 1,
    message: "input `image` is [N, 28, 28], but `Residual2d` takes `x: [N, C, H, W]`",
    note: "rank 3, one axis short",
    labels: ["needs `x: [N, C, H, W]`"],
    fix: "maybe-incorrect: in  image: f32[N, 1, 28, 28]",
  },
  {
    name: "window-too-large",
    index: 0,
    message: "`avgpool(7)`: a window of 7 does not fit height 1",
    note: "1 vs 7",
    labels: [
      "32",
      "32 → 16, by `conv(64, 7, stride: 2)`",
      "16 → 8, by `maxpool(3, stride: 2, padding: 1)`",
      "8 → 4, by `conv(128, 3, stride: 2)`",
      "4 → 2, by `conv(256, 3, stride: 2)`",
      "2 → 1, by `conv(512, 3, stride: 2)`",
    ],
    fix: "maybe-incorrect: -> global_avgpool -> flatten -> linear(classes) -> logits",
  },
  {
    name: "loss-shapes",
    index: 0,
    message: "`mse` compares `value` [N, 1] with `target` [N], which must be [N, 1]",
    note: "[N], not [N, 1]",
    labels: ["`value` is [N, 1]"],
    fix: "maybe-incorrect: mse(value, target: f32[N, 1])",
  },
  {
    name: "groups",
    index: 0,
    message: "`conv` requires `C % groups == 0`, which does not hold here",
    note: "C = 48, groups = 32",
    labels: ["48, from `conv(48, 3)`", "required by `conv`"],
    fix: undefined,
  },
  {
    name: "groups",
    index: 1,
    message: "`conv` requires `out % groups == 0`, which does not hold here",
    note: "out = width, groups = C; fails for C = 2, width = 1: 1 vs 0",
    labels: ["C: declared here", "required by `conv`"],
    fix: "maybe-incorrect: where width % C == 0",
  },
  {
    name: "remainder",
    index: 0,
    message: "D / heads leaves a remainder",
    note: "heads = 2, D = 1: 1 vs 0",
    labels: [],
    fix: "maybe-incorrect: where D % heads == 0",
  },
  {
    name: "unproved",
    index: 1,
    message: "cannot prove that N*N % 1000003 != 250000 (`Odd` requires N * N % 1000003 != 250000)",
    note: "checked when the sizes are known",
    labels: [],
    fix: "maybe-incorrect: where N*N % 1000003 != 250000",
  },
  {
    name: "joins",
    index: 1,
    message: "join `sum` drops its main path at random, but no skip enters it: nothing would be left",
    note: "nothing to merge",
    labels: [],
    fix: undefined,
  },
];

/** The case's text with the fix applied. */
function fixed(name: string, fix: Fix): string {
  return applyEdits(readModule(`${name}.resnet`)?.text ?? "", fix.edits);
}

function recheck(name: string, fix: Fix): readonly Diagnostic[] {
  return diagnose({ path: `${name}.resnet`, text: fixed(name, fix) });
}

/** What `check --fix` makes of a text, round by round. */
function fixAll(text: string): string {
  let now = text;
  for (let round = 0; round < 10; round++) {
    const chosen = chooseFixes(diagnose({ path: "t.resnet", text: now }));
    if (chosen.length === 0) break;
    now = applyEdits(
      now,
      chosen.flatMap(({ fix }) => fix.edits),
    );
  }
  return now;
}

suite("diagnostics", (test) => {
  test("each case is expected", () => {
    assert.equal(Object.keys(EXPECTED).sort(), caseNames);
  });

  for (const name of caseNames) {
    test(name, () => {
      const diagnostics = diagnoseCase(name);
      assert.equal(
        diagnostics.map((diagnostic) => place(name, diagnostic)),
        EXPECTED[name],
      );
      const text = render(diagnostics);
      assert.not.match(text, /\bat .*\.ts:\d+|Error:|undefined|NaN/);
      const path = goldenPath(name);
      if (!existsSync(path)) {
        assert.not(process.env["CI"], `${name}.txt is missing`);
        writeFileSync(path, text);
      }
      assert.fixture(text, readFileSync(path, "utf8"));
    });
  }

  for (const { name, index, message, note, labels, fix } of COMPLAINTS) {
    test(`${name}, ${index + 1}: as people need it`, () => {
      const diagnostic = diagnoseCase(name)[index];
      assert.ok(diagnostic);
      assert.is(diagnostic.message, message);
      assert.is(diagnostic.note, note);
      const texts = diagnostic.labels.map((label) => label.text);
      for (const label of labels) assert.ok(texts.includes(label), `${label} is not among ${texts.join(" | ")}`);
      const [first] = diagnostic.fixes;
      if (fix === undefined) assert.is(first, undefined);
      else {
        assert.ok(first);
        const [applicability = "", ...text] = fix.split(": ");
        assert.is(first.applicability, applicability);
        assert.ok(fixed(name, first).includes(text.join(": ")), fixed(name, first));
      }
    });
  }

  test("fixes of shape errors leave one error less", () => {
    for (const { name, index, fix } of COMPLAINTS) {
      if (fix === undefined) continue;
      const before = diagnoseCase(name);
      const first = before[index]?.fixes[0];
      assert.ok(first);
      assert.is(recheck(name, first).length, before.length - 1, `${name}: ${first.title}`);
    }
  });

  test("each fix mends its mistake, and a safe one makes no other", () => {
    const counts = { safe: 0, "maybe-incorrect": 0 };
    for (const name of caseNames) {
      const before = diagnoseCase(name);
      for (const diagnostic of before)
        for (const fix of diagnostic.fixes) {
          counts[fix.applicability]++;
          const after = recheck(name, fix);
          const left = after.filter(({ code, message }) => code === diagnostic.code && message === diagnostic.message).length;
          const had = before.filter(({ code, message }) => code === diagnostic.code && message === diagnostic.message).length;
          assert.ok(left < had, `${name}: ${fix.title}`);
          if (fix.applicability === "safe") assert.ok(after.length < before.length, `${name}: ${fix.title}`);
        }
    }
    assert.ok(counts.safe >= 3 && counts["maybe-incorrect"] >= 20, JSON.stringify(counts));
  });

  test("fixing twice changes nothing more, in every case and every wrong example of the catalogue", () => {
    const texts = [
      ...caseNames.map((name) => readModule(`${name}.resnet`)?.text ?? ""),
      ...CATALOGUE.flatMap(({ code }) => exampleOf(code)?.bad ?? []),
    ];
    let fixedTexts = 0;
    for (const text of texts) {
      const once = fixAll(text);
      if (once !== text) fixedTexts++;
      assert.is(fixAll(once), once);
      assert.equal(chooseFixes(diagnose({ path: "t.resnet", text: once })), []);
    }
    assert.ok(fixedTexts >= 5, `${fixedTexts} texts with safe fixes`);
  });

  test("an error in a block's body at a use is placed at the use", () => {
    const [first] = diagnoseCase("window-too-large");
    assert.is(first?.span.source.path, "window-too-large.resnet");
    const inner = first?.labels.find((label) => label.span.source.path === "std/layers");
    assert.is(inner?.text, "in `avgpool(7)`");
  });

  test("a broken block is reported once, at the block, whoever uses it", () => {
    assert.is(diagnoseCase("skip-channels-generic").length, 1);
  });
});
