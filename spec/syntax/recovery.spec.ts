/** What is left of a file with mistakes: each mistake is told once, and everything around it is in the tree. */
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { errorsOf, messagesOf, parseText, printItem } from "./print.ts";

function tree(text: string): string[] {
  return parseText(text).module.items.map(printItem);
}

suite("syntax: recovery", (test) => {
  test("an unclosed brace costs one error and no later declaration", () => {
    const text = `block A() {
  in x: [N]
  x -> relu -> y

/// B's own.
block B(n: int) {
  in x: [N]
}
model M() { x -> y }
const c = 3
variant V of M { cut skip * }
train M { batch 3 }
`;
    assert.equal(messagesOf(text), ["RN004 1:11 `{` is never closed"]);
    const label = parseText(text).diagnostics[0]?.labels[0];
    assert.is(label?.text, "the next declaration begins here");
    assert.is(text.slice(label?.span.start, label?.span.end), "block");
    assert.equal(tree(text), [
      "block A() { in x: f32~<N>; x -> relu -> y }",
      "/// B's own. block B(n: int) { in x: f32~<N> }",
      "model M() { x -> y }",
      "const c = 3",
      "variant V of M { cut * }",
      "train M as - { batch 3 }",
    ]);
  });

  test("the unclosed brace is found by the indentation", () => {
    const text = "block A() {\n  x -> repeat 3 {\n    relu\n  a -> b\n}\nblock B() {}\n";
    assert.equal(messagesOf(text), ["RN004 2:17 `{` is never closed"]);
    assert.equal(tree(text), ["block A() { x -> repeat 3 as - { relu; a -> b } }", "block B() {}"]);
  });

  test("an unclosed brace at the end of the file", () => {
    const text = "block A() {\n  x -> repeat 3 {\n    relu\n";
    const { diagnostics } = parseText(text);
    assert.equal(messagesOf(text), ["RN004 2:17 `{` is never closed"]);
    assert.equal(
      diagnostics[0]?.labels.map((each) => [each.text, each.span.start]),
      [
        ["the file ends here", text.length],
        ["this one is open too", 10],
      ],
    );
  });

  test("two unclosed braces in two declarations are two errors", () => {
    assert.equal(messagesOf("block A() {\n  x -> y\nblock B() {\n  x -> y\nblock C() {}\n"), [
      "RN004 1:11 `{` is never closed",
      "RN004 3:11 `{` is never closed",
    ]);
  });

  test("an unclosed parenthesis before the next statement", () => {
    assert.equal(errorsOf("block A() {\n  x -> conv(64,\n  skip x -> r\n  y -> z\n}"), ["RN004 ("]);
    const text = "block A() {\n  x -> conv(64, 3\n  y -> relu\n  z = f(y)\n}";
    assert.equal(messagesOf(text), ["RN004 2:12 `(` is never closed"]);
    assert.equal(tree(text), ["block A() { x -> conv(64, 3); y -> relu; assign z = f(y) }"]);
  });

  test("an unclosed parenthesis before an arrow, a brace, or the end", () => {
    assert.equal(tree("block A() { x -> conv(64, 3 -> relu -> y }"), ["block A() { x -> conv(64, 3) -> relu -> y }"]);
    assert.equal(tree("block A(n: int { x -> y }"), ["block A(n: int) { x -> y }"]);
    assert.equal(tree("const a = [1, (2\nconst b = 3"), ["const a = [1, 2]", "const b = 3"]);
    for (const text of ["block A() { x -> conv(64, 3 -> relu -> y }", "block A(n: int { x -> y }"]) {
      assert.equal(errorsOf(text), ["RN004 ("], text);
    }
  });

  test("brackets that do not match", () => {
    assert.equal(messagesOf("const a = f(1, 2]\nconst b = 3"), ["RN003 1:17 expected `)`, found `]`"]);
    assert.equal(messagesOf("const a = [f(1, 2], 3]\nconst b = 3"), ["RN003 1:18 expected `)`, found `]`"]);
    assert.equal(messagesOf("const a = [f(1, 2]\nconst b = 3"), ["RN004 1:13 `(` is never closed"]);
    assert.equal(tree("const a = [f(1, 2], 3]"), ["const a = [f(1, 2), 3]"]);
    assert.equal(errorsOf("block A() { x -> f) -> y }"), ["RN003 )"]);
    assert.equal(errorsOf("block A() { x -> y } }\nblock B() {}"), ["RN003 }"]);
  });

  test("a block closed too early is one error", () => {
    const text = "block A() {\n  x -> y }\n  skip x -> s\n}\nblock B() {}";
    assert.equal(errorsOf(text), ["RN003 skip"]);
    assert.match(parseText(text).diagnostics[0]?.help[0] ?? "", "earlier `}`");
    assert.equal(tree(text), ["block A() { x -> y }", "block B() {}"]);
  });

  test("an error stays in its statement", () => {
    const text = `block A() {
  in x [N, C]
  x -> conv(64) ->
  skip x -> r
  let = 5
  let b 5
  x -> relu gelu -> y
  let c = 3 4
  skip -> x
  skip x r
  param w = ones
  names
  y -> z
}`;
    assert.equal(messagesOf(text), [
      "RN003 2:8 expected `:` between `x` and its type",
      "RN003 3:19 expected a stage after `->`, found the end of the statement",
      "RN003 5:7 expected a name or names in parentheses after `let`, found `=`",
      "RN003 6:9 expected `=`, found `5`",
      "RN003 7:13 expected `->`, `;` or a new line before `gelu`",
      "RN003 8:13 expected an operator, `->`, `;` or a new line, found `4`",
      "RN003 10:10 expected `->`, found `r`",
      "RN003 11:11 expected a shape such as `[N, C, H, W]`, found `=`",
      "RN003 12:8 expected a naming scheme such as `torchvision`, found the end of the statement",
    ]);
    const { module } = parseText(text);
    const [block] = module.items;
    assert.is(block?.kind === "Block" && block.body.length, 12);
    assert.match(tree(text)[0] ?? "", "y -> z }");
  });

  test("unknown declarations are skipped up to the next", () => {
    const text = "blok A() { x -> y }\nblock B() {}\nfoo\nbar\nconst a = 1";
    assert.equal(errorsOf(text), ["RN003 blok", "RN003 foo"]);
    assert.equal(tree(text), ["block A() { x -> y }", "block B() {}", "const a = 1"]);
    const foreign = "zzzz A() { x -> y }\nblock B() {}\nfoo\nbar\nconst a = 1";
    assert.equal(errorsOf(foreign), ["RN003 zzzz", "RN003 foo"]);
    assert.equal(tree(foreign), ["block B() {}", "const a = 1"]);
  });

  test("mistakes in headers", () => {
    assert.equal(tree("block (n: int) { x -> y }"), ["block (n: int) { x -> y }"]);
    assert.equal(tree("variant V M { set a = 1 }\nconst a = 1").at(-1), "const a = 1");
    assert.equal(tree('import { A, B from "x"\nconst a = 1'), ["const a = 1"]);
    assert.equal(errorsOf('import { A, B from "x"\nconst a = 1'), ["RN004 {"]);
    assert.equal(errorsOf("import foo\nconst a = 1"), ["RN003 foo"]);
  });

  test("mistakes in variants and recipes stay in their line", () => {
    const variant = "variant V of M {\n  cut *.sum\n  set = 3\n  foo bar\n  replace a b\n  set c = 4\n}";
    assert.equal(errorsOf(variant).length, 4);
    assert.match(tree(variant)[0] ?? "", "set c = 4 }");
    const train = "train M {\n  loss f(,)\n  optimizer sgd(lr: )\n  schedule a ->\n  batch 3\n}";
    assert.equal(errorsOf(train).length, 3);
    assert.match(tree(train)[0] ?? "", "; batch 3 }");
  });

  test("nesting has a bound, and what follows is still read", () => {
    for (const deep of ["(".repeat(500), "[".repeat(500), "-".repeat(9000), "a?b:".repeat(2000), `a${"+a".repeat(9000)}`]) {
      const text = `const a = ${deep}\nconst b = 1`;
      assert.is(errorsOf(text).length, 1, deep.slice(0, 10));
      assert.is(tree(text).at(-1), "const b = 1");
    }
    assert.is(errorsOf(`block A {${"repeat 3 {".repeat(500)}\nblock B {}`).length, 1);
    assert.is(errorsOf(`block A { ${"if a { } else ".repeat(500)}{ } }\nblock B {}`).length, 1);
    assert.equal(errorsOf(`const a = ${"(".repeat(35)}1${")".repeat(35)}`), []);
    assert.equal(errorsOf(`block A { x${" -> f".repeat(3000)} }`), []);
  });
});
