/** Programs whose check was once too kind or too strict. */
import * as assert from "uvu/assert";
import { check } from "../../compiler/compile.ts";
import { readModule } from "../diagnostics/cases.ts";
import { suite } from "../harness.ts";

function codes(body: string, parameters = "n: int, g: dim, s: dim, w: dim", input = "[N, C, H, W]"): string[] {
  const text = `edition 2026\nblock B(${parameters}) {\n  in  x: ${input}\n${body}\n}\n`;
  // Parameters that a case does not need are warned of, which says nothing of sizes.
  return check({ path: "case.resnet", text }, readModule).diagnostics.flatMap(({ severity, code }) =>
    code === "RN410" ? [] : [`${severity} ${code}`],
  );
}

suite("soundness: single cases", (test) => {
  test("what holds in one branch is not taken to hold in the other", () => {
    const grouped = "x -> conv(C, 3, groups: g) -> y";
    const found = codes(`  out y: [N, C, H, W]\n  if C % g == 0 { ${grouped} } else { ${grouped} }`);
    assert.ok(
      found.some((each) => each.startsWith("error")),
      found.join(),
    );
    assert.equal(codes(`  out y: [N, C, H, W]\n  if C % g == 0 { ${grouped} } else { x -> conv(C, 3) -> y }`), []);
  });

  test("after a branch each size is the one or the other", () => {
    const out = (channels: string): string => `  out y: [N, ${channels}, H, W]\n`;
    const stage = "  x -> if s == 1 { conv(4, 3) } else { conv(8, 3) } -> y";
    const statement = "  if s == 1 { x -> conv(4, 3) -> y } else { x -> conv(8, 3) -> y }";
    const local = "  if s == 1 { let k = 4 } else { let k = 8 }\n  x -> conv(k, 3) -> y";
    for (const body of [stage, statement, local]) {
      assert.equal(codes(out("4") + body), ["error RN209"], body);
      assert.equal(codes(out("8") + body), ["error RN209"], body);
      assert.equal(codes(out("s == 1 ? 4 : 8") + body), [], body);
      assert.equal(codes(`${out("4")}  where s == 1\n${body}`), [], body);
    }
    const either = "  x -> if s == 1 || s == 3 && n == 2 { conv(4, 3) } else { conv(8, 3) } -> y";
    assert.equal(codes(out("s == 1 || s == 3 && n == 2 ? 4 : 8") + either), []);
    assert.equal(codes(`${out("4")}  where s % 2 == 1, s <= 3, n == 2\n${either}`), []);
    assert.equal(codes(`${out("4")}  where s % 2 == 1, s <= 3\n${either}`), ["error RN209"]);
  });

  test("a choice is evaluated under its condition", () => {
    assert.equal(codes("  out y: [N, n % 2 == 0 ? n / 2 : n, H, W]\n  where n >= 1\n  x -> conv(n % 2 == 0 ? n / 2 : n, 3) -> y"), []);
    assert.equal(codes("  out y\n  where n >= 1\n  x -> conv(n % 2 == 0 ? n : n / 2, 3) -> y"), ["error RN212"]);
  });

  test("what is unknown of a real number neither proves nor refutes, and conditions of two places differ", () => {
    const parameters = "p: real, q: real";
    assert.equal(codes("  out y: [N, 4, H, W]\n  let k = p > 0 ? 4 : 8\n  x -> conv(k, 3) -> y", parameters), ["hint RN220"]);
    const nested = "  out y: [N, C, H, W]\n  if p > 0 { if q > 0 { x -> relu -> y } else { x -> conv(C + 1, 3) -> y } } else { x -> y }";
    assert.equal(codes(nested, parameters), ["hint RN220"]);
  });

  test("a repeat that may have no round keeps the size it began with", () => {
    const wrong = codes("  out y: [N, w, H, W]\n  x -> repeat n - 1 { conv(w, 3) } -> y");
    assert.equal(wrong, ["error RN209"]);
    assert.equal(codes("  out y: [N, w, H, W]\n  x -> repeat n { conv(w, 3) } -> y"), []);
    assert.equal(codes("  out y: [N, w, H, W]\n  where n >= 2\n  x -> repeat n - 1 { conv(w, 3) } -> y"), []);
    assert.equal(codes("  out y: [N, n > 1 ? w : C, H, W]\n  x -> repeat n - 1 { conv(w, 3) } -> y"), []);
  });

  test("a size that a repeat leaves unknown refutes nothing, and other sizes stay known", () => {
    assert.equal(
      codes("  out y: [N, C, floor(H/4), floor(W/4)]\n  x -> repeat n { maxpool(2) } -> y").every((each) => each === "hint RN220"),
      true,
    );
    assert.equal(
      codes("  out y: [N, C]\n  x -> repeat n { maxpool(2) } -> conv(C, 3) -> join j: add -> global_avgpool -> y\n  skip x -> j via conv(C, 1)").some(
        (each) => each.startsWith("error"),
      ),
      false,
    );
    assert.equal(codes("  out y: [N, C]\n  x -> repeat n { maxpool(2) } -> global_avgpool -> y"), []);
  });

  test("a projection's stride may be a factor of the join's, or unproved", () => {
    const body = (first: string): string => `  out y\n  x -> ${first} -> a: relu -> conv(C, 1, s) -> join j: add -> y\n  skip a -> j via pad`;
    assert.equal(codes(body("maxpool(3, 3, padding: 1)")), []);
    const found = codes(body("maxpool(2)").replace("out y\n", "out y\n  where H % 4 == 0\n"));
    assert.equal(
      found.filter((each) => each.startsWith("error")),
      [],
    );
  });

  test("no stride fits only where none does, for stated sizes", () => {
    const body = (first: string, last: string): string =>
      `  out y\n  x -> ${first} -> a: relu -> ${last} -> join j: add -> y\n  skip a -> j via project?`;
    assert.equal(codes(body("upsample(s)", "conv(2, 1, s)")), []);
    assert.equal(codes(body("conv_transposed(2, 3, s, padding: 1)", "conv(2, 1, s)")), []);
    const shrinking = `block B(k: dim) {\n  in  x: [N, C, H, W]\n${body("relu", "conv(2, k)")}\n}\n`;
    const found = check({ path: "case.resnet", text: shrinking }, readModule).diagnostics;
    assert.equal(
      found.map(({ code, note }) => [code, note]),
      [["RN203", "H = 4, k = 4, W = 4: 4 to 3"]],
    );
  });

  test("constants that need one another are an error, shared ones cost nothing", () => {
    const ring = "edition 2026\nconst a = b\nconst b = a + 1\n";
    assert.ok(check({ path: "ring.resnet", text: ring }, readModule).diagnostics.some(({ code }) => code === "RN104"));
    const doubled = Array.from({ length: 60 }, (_, i) => `const c${i + 1} = c${i} + c${i}\n`).join("");
    const started = process.cpuUsage();
    check({ path: "doubled.resnet", text: `edition 2026\nconst c0 = 1\n${doubled}` }, readModule);
    assert.ok(process.cpuUsage(started).user < 2e6);
  });
});
