/**
 * What has no case is not tested: every operator, every scalar function and every kind of syntax node must have one.
 * Invariant: lists come from the compiler's own closed tables, so a new entry without a case fails here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { operators } from "../compiler/operators/table.ts";
import { binaryFunctions, unaryFunctions } from "../compiler/operators/scalar-functions.ts";
import { parse } from "../grammar/parse.ts";
import { nodeKinds, walk } from "../grammar/walk.ts";
import { gradientCases } from "./gradients/cases.ts";
import { suite } from "./harness.ts";
import { operatorCases } from "./operators/cases.ts";
import { SAMPLES } from "./syntax/samples.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function textsBelow(folder: string, ending: string): { readonly path: string; readonly text: string }[] {
  return readdirSync(root + folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .sort()
    .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(`${root}${folder}/${path}`, "utf8") }));
}

/** Operators that the suites beside the tables build by hand: ports, kept tensors, random numbers. */
function builtByHand(): Set<string> {
  const texts = ["spec/operators", "spec/gradients"].flatMap((folder) => textsBelow(folder, ".spec.ts")).map(({ text }) => text);
  return new Set(texts.flatMap((text) => [...text.matchAll(/\b(?:emit|emitAll|runOperator)\(\s*"(\w+)"/g)].map((found) => found[1] ?? "")));
}

suite("coverage", (test) => {
  test("every operator has a case of known numbers or gradients", () => {
    const covered = new Set<string>([...operatorCases.map(({ op }) => op), ...gradientCases.map(({ op }) => op), ...builtByHand()]);
    const missing = Object.keys(operators).filter((op) => !covered.has(op));
    assert.equal(missing, []);
  });

  test("every scalar function has its numbers", () => {
    const tested = (op: "unary" | "binary"): Set<string> =>
      new Set(operatorCases.flatMap((each) => ((each.op === "unary" || each.op === "binary") && each.op === op ? [each.attributes.op] : [])));
    assert.equal(
      Object.keys(unaryFunctions).filter((name) => !tested("unary").has(name)),
      [],
    );
    assert.equal(
      Object.keys(binaryFunctions).filter((name) => !tested("binary").has(name)),
      [],
    );
  });

  test("every kind of syntax node occurs in a source that parses cleanly", () => {
    const files = ["stdlib", "examples", "spec"].flatMap((folder) => textsBelow(folder, ".resnet"));
    const sources = [...files, ...SAMPLES.map((text, i) => ({ path: `sample ${i}`, text }))];
    const found = new Set<string>();
    let clean = 0;
    for (const source of sources) {
      const { module, diagnostics } = parse(source);
      if (diagnostics.length > 0) continue;
      clean++;
      walk(module, (node) => void found.add(node.kind));
    }
    assert.ok(clean > 5, `${clean} clean sources`);
    assert.equal(
      nodeKinds.filter((kind) => kind !== "Hole" && !found.has(kind)),
      [],
    );
    assert.not(found.has("Hole"), "a hole without a diagnostic");
  });

  test("a hole stands where an expression is missing", () => {
    const { module, diagnostics } = parse({ path: "hole", text: "const width =\n" });
    const found = new Set<string>();
    walk(module, (node) => void found.add(node.kind));
    assert.ok(diagnostics.length > 0);
    assert.ok(found.has("Hole"));
  });
});
