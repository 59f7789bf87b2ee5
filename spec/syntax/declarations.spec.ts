/** Files and declarations: editions, imports, constants, blocks, variants, recipes, documentation. */
import * as assert from "uvu/assert";
import { applyEdits } from "../../compiler/report/hunks.ts";
import { suite } from "../harness.ts";
import { errorsOf, parseText, printItem } from "./print.ts";

function items(text: string): string[] {
  const { module, diagnostics } = parseText(text);
  assert.equal(
    diagnostics.map((each) => each.message),
    [],
  );
  return module.items.map(printItem);
}

suite("syntax: declarations", (test) => {
  test("edition and imports", () => {
    const { module } = parseText('edition 2026\nimport { A, B as C, } from "std/x"\nimport "std/y" as y');
    assert.is(module.edition?.year, 2026);
    assert.is(module.imports.length, 2);
    const [named, whole] = module.imports;
    assert.equal(
      named?.names.map((each) => [each.name.text, each.local.text]),
      [
        ["A", "A"],
        ["B", "C"],
      ],
    );
    assert.is(named?.path, "std/x");
    assert.is(named?.alias, undefined);
    assert.is(whole?.alias?.text, "y");
    assert.is(whole?.path, "std/y");
    assert.equal(whole?.names, []);
  });

  test("an edition after something else", () => {
    assert.equal(errorsOf("const a = 1\nedition 2026"), ["RN003 edition 2026"]);
    assert.equal(errorsOf("edition 2026\nedition 2026"), ["RN003 edition 2026"]);
  });

  test("constants", () => assert.equal(items("const a = 3 const b = -2 * a"), ["const a = 3", "const b = ((-2) * a)"]));

  test("blocks and models", () => {
    assert.equal(items("block A { }\nmodel M() { x -> y }"), ["block A() {}", "model M() { x -> y }"]);
  });

  test("every parameter type", () => {
    const text = "block A(a: dim, b: int = 1, c: real, d: prob, e: bool, f: init, g: block, h: string, i: [(dim, int)], j: [[real]],) {}";
    const expected = "block A(a: dim, b: int = 1, c: real, d: prob, e: bool, f: init, g: block, h: string, i: [(dim, int)], j: [[real]]) {}";
    assert.equal(items(text), [expected]);
  });

  test("a parameter's mistakes", () => {
    assert.equal(errorsOf("block A(n = 3) {}"), ["RN003 n"]);
    assert.equal(errorsOf("block A(n int) {}"), ["RN003 n"]);
    assert.equal(errorsOf("block A(n: integer) {}"), ["RN003 integer"]);
  });

  test("variant", () => {
    const text = "variant V of M { cut skip *.sum, layer1.**.sum, root; set classes = 10\nreplace relu with gelu }";
    assert.equal(items(text), ["variant V of M { cut *.sum & layer1.**.sum & root; set classes = 10; replace relu with gelu }"]);
    assert.equal(items("variant V of M { cut skip layer1.0.*\nset a = b ? 1 : 2 set b = 3 }"), [
      "variant V of M { cut layer1.0.*; set a = (b ? 1 : 2); set b = 3 }",
    ]);
    assert.equal(errorsOf("variant V of M { cut skip a..b }"), ["RN003 .."]);
    assert.equal(errorsOf("variant V of M { cut skip a b }"), ["RN003 a b"]);
  });

  test("train", () => {
    const text = `train M as quick {
      loss cross_entropy(logits, label: i64[N], smoothing: 0.1)
      schedule warmup(5)
        -> cosine(90)
      normalize(mean: [0.2860], std: [0.3530])
      batch 128 epochs 3; in 4 train 5
    }
    train M {}`;
    assert.equal(items(text), [
      "train M as quick { loss cross_entropy(logits, label: i64<N>, smoothing: 0.1r); schedule warmup(5) -> cosine(90); " +
        "normalize normalize(mean: [0.286r], std: [0.353r]); batch 128; epochs 3; in 4; train 5 }",
      "train M as - {  }",
    ]);
    assert.equal(errorsOf("train M {\n  shuffle\n  batch 3\n}"), ["RN003 shuffle"]);
  });

  test("sweeps", () => {
    const text = `train M {
      sweep width in [16, 32] sweep deep in
        [true]
      batch 4; sweep in in in
      sweep sweep in rates
    }`;
    assert.equal(items(text), ["train M as - { sweep width in [16, 32]; sweep deep in [true]; batch 4; sweep in in in; sweep sweep in rates }"]);
    assert.equal(items("train M { optimizer sgd(lr: sweep) sweep(a: 1) sweep lr in [0.1] }"), [
      "train M as - { optimizer sgd(lr: sweep); sweep sweep(a: 1); sweep lr in [0.1r] }",
    ]);
  });

  test("settings written as assignments and lists are mended", () => {
    const mended = (line: string): string => {
      const text = `train M {\n${line}\n}`;
      const { diagnostics } = parseText(text);
      assert.ok(diagnostics.every(({ fixes }) => fixes[0]?.applicability === "safe"));
      return applyEdits(
        text,
        diagnostics.flatMap(({ fixes }) => fixes[0]?.edits ?? []),
      ).split("\n")[1] as string;
    };
    assert.is(mended("epochs = 3"), "epochs 3");
    assert.is(mended("epochs=3"), "epochs 3");
    assert.is(mended("batch: 32"), "batch 32");
    assert.is(mended("optimizer = sgd(lr=0.1)"), "optimizer sgd(lr: 0.1)");
    assert.is(mended("augment crop(4), flip"), "augment crop(4) -> flip");
    assert.equal(errorsOf("train M {\n epochs =\n batch 3\n}"), ["RN003 epochs"]);
    assert.equal(errorsOf("train M {\n batch 3,\n}"), ["RN003"]);
  });

  test("a sweep's mistakes are said once, and mended where there is one way", () => {
    const mended = (line: string): string[] =>
      parseText(`train M {\n${line}\n}`).diagnostics.flatMap(({ message, fixes }) => [message, ...fixes.map(({ applicability }) => applicability)]);
    assert.equal(mended("sweep lr = [0.1]"), ["expected `in` after `sweep lr`, found `=`", "safe"]);
    assert.equal(mended("sweep lr: [0.1]"), ["expected `in` after `sweep lr`, found `:`", "safe"]);
    assert.equal(mended("sweep lr over [0.1]"), ["expected `in` after `sweep lr`, found `over`", "safe"]);
    assert.equal(mended("sweep lr [0.1]"), ["expected `in` after `sweep lr`, found nothing", "safe"]);
    assert.equal(mended("sweep lr in 0.1, 0.05"), ["the values of `sweep lr` stand in brackets", "safe"]);
    assert.equal(mended("sweep in [0.1]"), ["`sweep` needs the name of what is swept before `in`"]);
    assert.is(mended("sweep lr\nbatch 4").length, 1);
    assert.is(mended("sweep lr in\nbatch 4").length, 1);
    assert.equal(mended("sweep\nbatch 4"), ["setting `sweep` needs a value"]);
    assert.equal(mended("sweep depth in 1..4"), ["there is no `..` between numbers", "maybe-incorrect"]);
    assert.equal(mended("sweep tail in [warmup(1) -> cosine(9), constant]\nbatch 4"), ["a value of a sweep is one expression, no chain"]);
  });

  test("keywords as names of declarations", () => {
    assert.equal(items("block block(in: int) {}\nmodel train() {}\ntrain train as as { batch 1 }\nvariant of of of {}"), [
      "block block(in: int) {}",
      "model train() {}",
      "train train as as { batch 1 }",
      "variant of of of {  }",
    ]);
  });

  test("documentation of declarations", () => {
    assert.equal(items("/// One.\n///\n/// Two.\nblock A {}\n// plain\nconst a = 1 /// trailing\nconst b = 2"), [
      "/// One.||Two. block A() {}",
      "const a = 1",
      "const b = 2",
    ]);
  });

  test("documentation of the file", () => {
    assert.is(parseText("// About\n// this file.\n\n/// Of A.\nblock A {}").module.doc, "About\nthis file.");
    assert.is(parseText("/// Of A.\nblock A {}").module.doc, undefined);
    assert.is(parseText("/// About.\nedition 2026\nblock A {}").module.doc, "About.");
    assert.is(parseText("block A {}\n/// late").module.doc, undefined);
  });

  test("comments come with their places", () => {
    const text = "// a\nblock A { /* b */ }\n/// c";
    const { comments } = parseText(text);
    assert.equal(
      comments.map((each) => [each.text, each.doc, text.slice(each.span.start, each.span.end)]),
      [
        [" a", false, "// a"],
        [" b ", false, "/* b */"],
        [" c", true, "/// c"],
      ],
    );
  });
});
