/** Expressions: literals, precedence, calls, shapes. */
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { errorsOf, expressionOf } from "./print.ts";

const CASES: readonly (readonly [string, string, string])[] = [
  ["integer", "64", "64"],
  ["underscores", "1_000_000", "1000000"],
  ["float", "0.25", "0.25r"],
  ["exponent", "1e-4", "0.0001r"],
  ["exponent with sign and fraction", "2.5E+3", "2500r"],
  ["string with escapes", String.raw`"a\n\t\"\\\{x"`, String.raw`"a\n\t\"\\{x"`],
  ["booleans", "[true, false]", "[true, false]"],
  ["product before sum", "a + b * c", "(a + (b * c))"],
  ["left associative difference", "a - b - c", "((a - b) - c)"],
  ["left associative division", "a / b / c % d", "(((a / b) / c) % d)"],
  ["sum before comparison", "a + 1 < b * 2", "((a + 1) < (b * 2))"],
  ["comparison before and", "a == b && c != d", "((a == b) && (c != d))"],
  ["and before or", "a || b && c || d", "((a || (b && c)) || d)"],
  ["parentheses", "(a + b) * c", "((a + b) * c)"],
  ["unary binds tighter than product", "-a * !b", "((-a) * (!b))"],
  ["repeated unary", "- - a", "(-(-a))"],
  ["minus after an operator", "a - -b", "(a - (-b))"],
  ["unary below postfix", "-f(x)[0]", "(-f(x)@[0])"],
  ["conditional", "i > 0 && j == 0 ? 2 : 1", "(((i > 0) && (j == 0)) ? 2 : 1)"],
  ["conditional nests to the right", "a ? b : c ? d : e", "(a ? b : (c ? d : e))"],
  ["conditional inside a conditional", "a ? b ? c : d : e", "(a ? (b ? c : d) : e)"],
  ["conditional as an argument", "f(c ? 2 : 1, s: c ? a : b)", "f((c ? 2 : 1), s: (c ? a : b))"],
  ["named arguments", "conv(64, 7, stride: 2)", "conv(64, 7, stride: 2)"],
  ["keywords as argument names", "f(in: 1, state: 2, names: 3, if: 4, skip: 5, true: 6)", "f(in: 1, state: 2, names: 3, if: 4, skip: 5, true: 6)"],
  ["keywords as names", "add + depth + batch + state + where(in, out, repeat)", "((((add + depth) + batch) + state) + where(in, out, repeat))"],
  ["trailing comma", "f(a, b,)", "f(a, b)"],
  ["calls of calls", "f(1)(2)", "f(1)(2)"],
  ["member and index", "layers.Basic(w)[i].x", "layers.Basic(w)@[i].x"],
  ["list and tuples", "[(64, 3), (128, 4)]", "[<64, 3>, <128, 4>]"],
  ["one element tuple", "(a,)", "<a>"],
  ["empty list", "[]", "[]"],
  ["spread", "[0, ..rest(S), 1]", "[0, ..rest(S), 1]"],
  ["shape", "f32[N, 3, ..ceil(S/2)]", "f32<N, 3, ..ceil((S / 2))>"],
  ["scalar shape", "f16[]", "f16<>"],
  ["shape as an argument", "cross_entropy(logits, label: i64[N])", "cross_entropy(logits, label: i64<N>)"],
  ["the other dtypes", "[i32[1], bool[2]]", "[i32<1>, bool<2>]"],
  ["dtype name alone is a name", "cast(x, i64)", "cast(x, i64)"],
  ["newlines inside parentheses", "f(a,\n  b\n  + c)", "f(a, (b + c))"],
  ["operator at a line's end or start", "a +\n b\n * c", "(a + (b * c))"],
  ["other comparisons", "[a >= b, c > d, e <= f]", "[(a >= b), (c > d), (e <= f)]"],
];

suite("syntax: expressions", (test) => {
  for (const [name, text, expected] of CASES) test(name, () => assert.is(expressionOf(text), expected));

  test("an index holds one expression", () => {
    assert.equal(errorsOf("const a = x[1, 2]"), ["RN003 [1, 2]"]);
    assert.equal(errorsOf("const a = x[]"), ["RN003 []"]);
  });

  test("empty parentheses are no value", () => assert.equal(errorsOf("const a = ()"), ["RN003 ()"]));

  test("a missing operand is one error, and the rest is read", () => {
    assert.equal(errorsOf("const a = f(1, * 2, 3)"), ["RN003 *"]);
    assert.equal(errorsOf("const a = f(1,, 3)"), ["RN003 ,"]);
    assert.equal(errorsOf("const a = b + / c"), ["RN003 /"]);
  });

  test("a conditional needs both cases", () => assert.equal(errorsOf("const a = (b ? c)\nconst d = 1"), ["RN003 )"]));
});
