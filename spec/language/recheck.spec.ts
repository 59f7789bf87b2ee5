/** A check after an edit goes through what the edit reaches, and says what a check from nothing says. */
import * as assert from "uvu/assert";
import { check } from "../../compiler/compile.ts";
import { checkFile } from "../../compiler/elaborate/elaborate.ts";
import { printSignature, signatureOf } from "../../compiler/report/signature.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";

const PATH = "edited.resnet";

const TEXT = `edition 2026
import { Basic } from "std/residual"

const WIDTH = 8
const WIDTHS = [WIDTH, 16]

block Inner(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, H, W]
  x -> conv(width, 3) -> relu -> y
}

/// Names a label like another block, which names one like this.
block Left(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, H, W]
  x -> Right: Inner(width) -> batchnorm -> y
}

block Right(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, H, W]
  x -> Left: conv(width, 1) -> join sum: add -> y
  skip x -> sum via project?
}

block Twice(Part: block, width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, H, W]
  x -> Part(width) -> Part(width) -> y
}

model Net(classes: dim = 10) {
  in  image: f32[N, 3, 32, 32]
  out logits: f32[N, classes]
  image -> conv(WIDTH, 3) -> stages layer of WIDTHS as i, width { Twice(Left, width) -> Right(width) }
    -> repeat 3 { Basic(16) } -> global_avgpool -> linear(classes) -> logits
}

variant Plain of Net { cut skip *.sum }
`;

/** An edit, applied to the text above. */
const EDITS: readonly (readonly [from: string, to: string])[] = [
  ["conv(width, 3) -> relu", "conv(width, 5) -> relu"],
  ["conv(width, 3) -> relu", "conv(width + 1, 3) -> relu"],
  ["x -> conv(width, 3) -> relu -> y", "x -> conv(width, 3) -> relu -> y // same"],
  ["const WIDTH = 8", "const WIDTH = 12"],
  ["const WIDTH = 8", "const WIDTH = 1.5"],
  ["[WIDTH, 16]", "[WIDTH, 24]"],
  ["Left: conv(width, 1)", "Left: conv(width, 1, stride: 2)"],
  ["skip x -> sum via project?", "skip x -> sum"],
  ["Right: Inner(width)", "Right: Basic(width)"],
  ["block Inner(width: dim)", "block Inner(width: dim, more: dim = 2)"],
  ["block Inner(", "block Outer("],
  ["x -> Part(width) -> Part(width) -> y", "x -> Part(width) -> y"],
  ["x -> Part(width) -> Part(width) -> y", "x -> Part(width, 7) -> y"],
  ["cut skip *.sum", "cut skip *.other"],
  ["Basic(16)", "Basic(20)"],
  ["linear(classes) -> logits", "linear(classes + 1) -> logits"],
  ['import { Basic } from "std/residual"\n', ""],
  [
    "/// Names a label",
    "block projection(channels: dim, stride: dim = 1) {\n  in x: [N, C, H, W]\n  out y: [N, channels, H, W]\n  x -> y\n}\n/// Names",
  ],
  ["x -> conv(width, 3) -> relu -> y\n}", "x -> conv(width, 3) -> relu -> y\n"],
  ["out y: [N, width, H, W]\n  x -> Right", "out y: [N, width + 0*H, H, W]\n  x -> Right"],
];

function told(text: string, cache: ParseCache): string {
  const { diagnostics, blocks } = check({ path: PATH, text }, readModule, cache);
  const signatures = blocks.map((each) => printSignature(signatureOf(each.declaration.block, each)));
  return [renderDiagnostics(diagnostics, { color: false }), ...signatures].join("\n");
}

suite("checks after edits", (test) => {
  test("what is said is what a check from nothing says, edit by edit and back", () => {
    const cache: ParseCache = new Map();
    const first = told(TEXT, cache);
    // Everything moves, nothing changes.
    const below = `// moved\n\n${TEXT}`;
    const moved = told(below, new Map());
    let wrong = 0;
    for (const [from, to] of EDITS) {
      const text = TEXT.replace(from, to);
      assert.is.not(text, TEXT, from);
      const fresh = told(text, new Map());
      assert.is(told(text, cache), fresh, `${from} => ${to}`);
      if (fresh.includes("error[")) wrong++;
      assert.is(told(below, cache), moved, `moved after ${from}`);
      assert.is(told(TEXT, cache), first, `back from ${from}`);
    }
    assert.ok(wrong >= 8, `${wrong} of the edits are mistakes`);
  });

  test("two edits at once", () => {
    const cache: ParseCache = new Map();
    for (const [k, [from, to]] of EDITS.entries()) {
      if (k % 2 === 1) continue;
      const [other, then] = EDITS[(k + 5) % EDITS.length] ?? ["", ""];
      const text = TEXT.replace(from, to).replace(other, then);
      assert.is(told(text, cache), told(text, new Map()), `${from} and ${other}`);
    }
  });

  test("an edit costs the bodies that it reaches", () => {
    const cache: ParseCache = new Map();
    const bodiesAfter = (text: string): number => {
      const effort = { bodies: 0 };
      checkFile(loadModules({ path: PATH, text }, readModule, cache).entry, effort);
      return effort.bodies;
    };
    // A cut looks at every path: what a variant of cuts builds is not shared.
    const text = TEXT.slice(0, TEXT.indexOf("variant"));
    const whole = bodiesAfter(text);
    assert.is(bodiesAfter(text), 0);
    assert.is(bodiesAfter(`// moved\n${text}`), 0);
    const leaf = bodiesAfter(text.replace("Left: conv(width, 1)", "Left: conv(width, 3)"));
    assert.ok(leaf > 0 && leaf < whole / 2, `${leaf} of ${whole}`);
  });
});
