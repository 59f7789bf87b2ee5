/** Slips brought from other languages: one diagnostic each, its fix mends the text, and nothing around it is hidden. */
import * as assert from "uvu/assert";
import { applyEdits } from "../../compiler/report/hunks.ts";
import { suite } from "../harness.ts";
import { errorsOf, parseText } from "./print.ts";

/** A line of a block's body, what is reported, and the line as mended; undefined where only words help. */
const STATEMENTS: readonly (readonly [string, string, string | undefined])[] = [
  ["x -> conv(w, 3, padding=1) -> y", "RN003 =", "x -> conv(w, 3, padding: 1) -> y"],
  ["x -> conv(w, 3, padding = 1) -> y", "RN003 =", "x -> conv(w, 3, padding: 1) -> y"],
  ["x -> c1 = conv(w, 3) -> y", "RN003 =", "x -> c1: conv(w, 3) -> y"],
  ["x -> conv(w, 3) as c1 -> relu as r -> y", "RN003 as c1,RN003 as r", "x -> c1: conv(w, 3) -> r: relu -> y"],
  ["where C = w, H > 2", "RN003 =", "where C == w, H > 2"],
  ["in z: [N, C] where C = 3", "RN003 =", "in z: [N, C] where C == 3"],
  ["where H > 3 and W > 3", "RN003 and", "where H > 3 && W > 3"],
  ["where H > 3 or not W > 3", "RN003 or,RN003 not", undefined],
  ["where not H > 3", "RN003 not", "where !H > 3"],
  ["let a = w**2", "RN003 **", "let a = w * w"],
  ["let a = w ** 3 + 1", "RN003 **", undefined],
  ["x => relu => y", "RN001 =>,RN001 =>", undefined],
  ["where H => 32", "RN001 =>", "where H >= 32"],
  ["let a = 'text'", "RN001 'text'", 'let a = "text"'],
  ["x -> relu -> y  # to the end", "RN001 #", "x -> relu -> y  // to the end"],
  ["x -> conv(w 3) -> y", "RN003 3", "x -> conv(w, 3) -> y"],
  ["in z: [N C, H]", "RN003 C", "in z: [N, C, H]"],
  ["x -> repeat 3 j { relu } -> y", "RN003 j", "x -> repeat 3 as j { relu } -> y"],
  ["x -> repeat (n + 1) j { relu } -> y", "RN003 j", "x -> repeat (n + 1) as j { relu } -> y"],
  ["input z: [N, C]", "RN003 input", "in z: [N, C]"],
  ["output z", "RN003 output", "out z"],
  ["skp x -> r", "RN003 skp", "skip x -> r"],
  ["shortcut x -> r via project?", "RN003 shortcut", "skip x -> r via project?"],
  ["parm w: [C] = ones", "RN003 parm", "param w: [C] = ones"],
  ["var a = 3", "RN003 var", "let a = 3"],
  ["return relu(x)", "RN003 return", undefined],
  ["for i in range(3) { x -> relu -> y }", "RN003 for", undefined],
  ["while true { x -> relu }", "RN003 while", undefined],
  ["block Inner { in a: [..S] }", "RN003 block", undefined],
  ["in z: float32[N]", "RN003 float32", "in z: f32[N]"],
  ["x -> relu -> + x -> y", "RN003 +", undefined],
];

/** Whole files. */
const FILES: readonly (readonly [string, string, string | undefined])[] = [
  ["blok A() { x -> y }", "RN003 blok", "block A() { x -> y }"],
  ["fn A(n: int) {\n  x -> y\n}", "RN003 fn", "block A(n: int) {\n  x -> y\n}"],
  ["network A {\n  x -> y\n}", "RN003 network", "model A {\n  x -> y\n}"],
  ["let a = 3", "RN003 let", "const a = 3"],
  ["def A(n, m=1):\n    y = f(n)\n    return y\n\nblock B {}", "RN003 def", undefined],
  ["class A(nn.Module):\n    pass\nblock B {}", "RN003 class", undefined],
  ["block A(n: int)\n  in x: [N]\n  x -> y\n}\nblock B {}", "RN003", "block A(n: int) {\n  in x: [N]\n  x -> y\n}\nblock B {}"],
  ['import A from "x"', "RN003 A", 'import { A } from "x"'],
  ['import A, B as C from "x"\nblock B {}', "RN003 A, B as C", 'import { A, B as C } from "x"\nblock B {}'],
  ["from std.x import A\nblock B {}", "RN003 from", undefined],
  ["block A(n: int m: int) {}", "RN003 m", "block A(n: int, m: int) {}"],
  ["block A(n: str, f: float, w: dimm) {}", "RN003 str,RN003 float,RN003 dimm", undefined],
  ["block A { out y: [N, H//2, W]\n x -> y }", "RN004 [", undefined],
];

/** Nothing is wrong with these, whatever they look like. */
const FINE: readonly string[] = [
  "and -> or -> not -> y",
  "x -> return: relu -> y",
  "return -> y",
  "input -> conv(8) -> output: relu",
  "let a = not(x)",
  "y = f(n == 3 ? a : b)",
  "x -> conv(w,\n    3,\n    stride: 2) -> y",
  "x -> stages layer of [1, 2] as i, w { f(w) } -> y",
  "x -> repeat n { f } -> y",
  "(a, b) = f(x)",
  "let (a, b) = f(x)",
  'x -> "b{i + 1}": f -> y',
];

function check(text: string, expected: string, mended: string | undefined): void {
  const { diagnostics } = parseText(text);
  assert.equal(errorsOf(text).join(), expected, text);
  if (mended === undefined) return;
  const edits = diagnostics.flatMap(({ fixes }) => fixes[0]?.edits ?? []);
  assert.is(applyEdits(text, edits), mended);
  assert.equal(errorsOf(mended), [], mended);
}

suite("syntax: slips of other languages", (test) => {
  for (const [line, expected, mended] of STATEMENTS)
    test(line, () => {
      const around = (inner: string): string => `block A(w: dim) {\n  in x: [N, C, H, W]\n  ${inner}\n}\nblock B {}\n`;
      check(around(line), expected, mended === undefined ? undefined : around(mended));
      assert.equal(parseText(around(line)).module.items.length, 2);
    });
  for (const [text, expected, mended] of FILES) test(text, () => check(text, expected, mended));
  for (const line of FINE) test(`fine: ${line}`, () => assert.equal(errorsOf(`block A(n: int) {\n  ${line}\n}`), []));
});
