/** Lexing: numbers, strings, comments and characters that the language does not have. */
import * as assert from "uvu/assert";
import { applyEdits } from "../../compiler/report/hunks.ts";
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
  });

  test("typographic characters are read as what they stand for", () => {
    const text = "block A { x → f(a ≥ b, c ≤ d, e ≠ f, g × h, i − j, “k”) → y }";
    const plain = 'block A { x -> f(a >= b, c <= d, e != f, g * h, i - j, "k") -> y }';
    assert.equal(parseText(text).module.items.map(printItem), parseText(plain).module.items.map(printItem));
    const fixes = parseText(text).diagnostics.map((each) => each.fixes[0]?.edits[0]?.replacement);
    assert.equal(fixes, ["->", ">=", "<=", "!=", "*", "-", '"', "->"]);
  });

  test("what cannot be seen is one error a kind, named, with an edit for all of its places", () => {
    const plain = "block A(w: dim) {\n  in  x: [N, C, H, W]\n  out y\n  x -> conv(w, 3) -> y\n}\n";
    const cases: readonly (readonly [string, string, string])[] = [
      ["U+200B (zero width space)", "invisible", plain.replace("conv", "con\u200bv").replace("out", "\u200bout")],
      ["U+FEFF (zero width no-break space, or byte order mark)", "invisible", plain.replace("3)", "\ufeff3)")],
      ["U+00AD (soft hyphen)", "invisible", plain.replace("dim", "d\u00adim")],
      ["U+E0041", "invisible", plain.replace("dim", "d\u{e0041}im")],
      ["U+FE0F (emoji variation selector)", "invisible", plain.replace("-> y", "-\ufe0f> y")],
      ["U+202E (right-to-left override)", "turns the text", plain.replace("x ->", "x\u202e ->").replace("conv", "\u2066conv")],
      ["U+0007 (bell)", "control character", plain.replace("(w, 3", "(w,\u0007 3")],
      ["U+001B (escape)", "control character", plain.replace("(w, 3", "(w,\u001b 3")],
      ["U+D800", "lone surrogate", plain.replace("(w, 3", "(w,\ud800 3")],
      ["U+3000 (ideographic space)", "space", plain.replaceAll("x ->", "x\u3000->")],
      ["U+2003 (em space)", "space", plain.replaceAll(", ", ",\u2003")],
      ["U+2028 (line separator)", "line break", plain.replaceAll("\n", "\u2028")],
      ["U+FF08, `(` in ASCII", "full-width", plain.replace("(w, 3)", "（w，３）")],
    ];
    for (const [name, kind, text] of cases) {
      const { module, diagnostics } = parseText(text);
      assert.equal(
        diagnostics.map(({ code }) => code),
        ["RN001"],
        name,
      );
      const [only] = diagnostics;
      assert.ok(only);
      assert.ok(only.message.includes(name) && only.message.includes(kind), only.message);
      assert.equal(module.items.map(printItem), parseText(plain).module.items.map(printItem), name);
      const [fix] = only.fixes;
      assert.is(fix?.applicability, "safe");
      const fixed = applyEdits(text, fix?.edits ?? []);
      assert.is(fixed.replaceAll(/[ \n]/g, ""), plain.replaceAll(/[ \n]/g, ""), name);
      assert.equal(errorsOf(fixed), []);
    }
  });

  test("places after what cannot be seen are those of the text", () => {
    assert.equal(errorsOf("const a\u200b = \u200b@ 1\nconst \u{e0041}b = 0x1"), ["RN001 \u200b", "RN001 @", "RN005 0x1"]);
    const text = "/* \u200b */ block\u200b Aé {\n}\n";
    const [, name] = parseText(text).diagnostics;
    assert.is(text.slice(name?.span.start, name?.span.end), "Aé");
  });

  test("a comment may hold what its language needs, but nothing that turns the text", () => {
    assert.equal(errorsOf("// 👩\u200d👩\ufe0f می\u200cخواهم, ａ（b）\u3000\u00ad\nconst a = 1 /* \u2028 */"), []);
    assert.equal(errorsOf("// \u202e\nconst a = 1 /* \u2066 */"), ["RN001 \u202e"]);
    assert.equal(errorsOf('block A {\n  x -> "a\u200bb": relu -> y\n}'), ["RN001 \u200b"]);
  });

  test("letters that only look like those of ASCII are read as what they look like", () => {
    const text = "const сost = 1\nconst b = соst";
    assert.equal(parseText(text).module.items.map(printItem), ["const cost = 1", "const b = cost"]);
    assert.equal(messagesOf(text), [
      "RN001 1:7 `с` in the name `сost` only looks like an ASCII letter: it is U+0441",
      "RN001 2:11 `с` in the name `соst` only looks like an ASCII letter: it is U+0441",
    ]);
    assert.equal(
      parseText(text).diagnostics.map(({ fixes }) => fixes[0]?.edits[0]?.replacement),
      ["cost", "cost"],
    );
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
