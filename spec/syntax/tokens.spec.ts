/** Lexing: numbers, strings, comments and characters that the language does not have. */
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { errorsOf, messagesOf, parseText, printItem } from "./print.ts";

suite("syntax: tokens", (test) => {
  test("malformed numbers, one error each", () => {
    for (const number of ["12abc", "1__0", "1_", "0x10", "1e", "1.2.3", "1.5x", "9007199254740993", "1e999", "1e-999"]) {
      assert.equal(errorsOf(`const a = ${number}\nconst b = 1`), [`RN005 ${number}`], number);
    }
  });

  test("numbers at the edge are good", () => {
    for (const number of ["9007199254740991", "1e308", "5e-324", "0", "0.0", "0e5", "007"]) {
      assert.equal(errorsOf(`const a = ${number}`), [], number);
    }
  });

  test("a range of dots after a number", () => assert.equal(errorsOf("const a = [1, ..S]"), []));

  test("an unterminated string ends with its line", () => {
    const text = 'const a = "abc\nconst b = "d\\"\nconst c = "e"';
    assert.equal(errorsOf(text), ['RN002 "abc', 'RN002 "d\\"']);
    assert.equal(parseText(text).module.items.map(printItem), ['const a = "abc"', 'const b = "d\\""', 'const c = "e"']);
  });

  test("unknown escapes", () => assert.equal(errorsOf(String.raw`const a = "x\qy"`), [String.raw`RN001 \q`]));

  test("an unterminated comment is one error", () => {
    assert.equal(messagesOf("block A {\n  x -> y\n  /* more\n}\n"), ["RN006 3:3 a comment that begins here has no closing `*/`"]);
    assert.equal(errorsOf("/*/"), ["RN006 /*"]);
  });

  test("unexpected characters do not stop the lexer", () => {
    assert.equal(errorsOf("const a = 1 @ #\nconst b = 2 $$$\nconst c = 3"), ["RN001 @", "RN001 #", "RN001 $$$"]);
    assert.equal(messagesOf("const a = \u0007 1"), ["RN001 1:11 unexpected character `U+0007`"]);
  });

  test("typographic characters are read as what they stand for", () => {
    const text = "block A { x → f(a ≥ b, c ≤ d, e ≠ f, g × h, i − j, “k”) → y }";
    const plain = 'block A { x -> f(a >= b, c <= d, e != f, g * h, i - j, "k") -> y }';
    assert.equal(parseText(text).module.items.map(printItem), parseText(plain).module.items.map(printItem));
    const fixes = parseText(text).diagnostics.map((each) => each.fixes[0]?.edits[0]?.replacement);
    assert.equal(fixes, ["->", ">=", "<=", "!=", "*", "-", '"', "->"]);
  });

  test("a foreign name is one error and still a name", () => {
    const text = "const größe = 1\nconst b = größe";
    assert.equal(errorsOf(text), ["RN001 größe", "RN001 größe"]);
    assert.equal(parseText(text).module.items.map(printItem), ["const größe = 1", "const b = größe"]);
  });

  test("carriage returns, form feeds and a byte order mark are white space", () => {
    assert.equal(errorsOf("\uFEFFconst a = 1\r\n\f\r\nblock A {\r\n  x -> y\r\n  z -> w\r\n}\r\n"), []);
  });
});
