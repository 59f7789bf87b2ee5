/**
 * Every residual block and layer of the library in a small model: Wasm against the f64 reference interpreter, on
 * outputs and gradients, then training steps. Invariant: a block of the library that no model uses fails.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { check as checkSource } from "../../compiler/compile.ts";
import { parse } from "../../grammar/parse.ts";
import { readModule } from "../../tools/api/files.ts";
import { check } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";
import { compare } from "./against-reference.ts";

const file = fileURLToPath(new URL("blocks.resnet", import.meta.url));
const library = fileURLToPath(new URL("../../stdlib/", import.meta.url));
const TOLERANCE = 1e-4;
const SLOPE_TOLERANCE = 1e-5;

function blocksOf(path: string): { readonly name: string; readonly model: boolean; readonly doc: string }[] {
  const { module } = parse({ path, text: readFileSync(path, "utf8") });
  return module.items.flatMap((item) => (item.kind === "Block" ? [{ name: item.name.text, model: item.model, doc: item.doc ?? "" }] : []));
}

/** Source with its comments left out. */
function code(path: string): string {
  return readFileSync(path, "utf8").replace(/\/\/.*$/gm, "");
}

suite("library blocks", (test) => {
  test("the models check clean", async () => {
    const { diagnostics } = await check([file]);
    assert.equal(
      diagnostics.map((each) => `${each.code} ${each.message}`),
      [],
    );
  });

  for (const { name } of blocksOf(file)) {
    test(`${name}: outputs, gradients, steps`, async () => {
      const { deviations, slopes, losses, weightsAfter } = await compare(file, name);
      assert.equal(
        [...slopes].filter(([, value]) => !(value <= SLOPE_TOLERANCE)),
        [],
      );
      assert.ok(slopes.size > 0);
      assert.equal(
        [...deviations].filter(([, value]) => !(value <= TOLERANCE)),
        [],
      );
      assert.ok(deviations.has("loss") && [...deviations.keys()].some((key) => key.startsWith("gradient") || key.startsWith("input")));
      assert.ok(losses.every(Number.isFinite), losses.join(" "));
      assert.equal(
        Object.entries(weightsAfter)
          .filter(([, tensor]) => [...tensor.data].some((value) => !Number.isFinite(Number(value))))
          .map(([key]) => key),
        [],
      );
    });
  }

  test("a block may stand in itself as an argument, and in no other way", () => {
    const codes = (body: string, use: string): string[] => {
      const text = `block A(Inner: block) {\n in x: [..S]\n out y: [..S]\n x -> ${body} -> y\n}\nmodel M {\n in x: f32[N, 4]\n out y\n x -> ${use} -> y\n}`;
      return checkSource({ path: "a.resnet", text }, readModule).diagnostics.map((each) => each.code);
    };
    assert.equal(codes("relu -> Inner", "A(A(A(gelu)))"), []);
    assert.equal(codes("A(Inner)", "A(relu)"), ["RN104"]);
    assert.equal(codes("Inner(A)", "A(A)"), ["RN104"]);
  });

  test("every residual block has its place in the language reference", () => {
    const language = readFileSync(fileURLToPath(new URL("../../LANGUAGE.md", import.meta.url)), "utf8");
    const section = language.slice(language.indexOf("## The standard library"), language.indexOf("## Recipes"));
    const missing = blocksOf(`${library}residual.resnet`).filter(({ name }) => !section.includes(`\`${name}(`) && !section.includes(`, \`${name}`));
    assert.equal(
      missing.map(({ name }) => name),
      [],
    );
  });

  test("every residual block cites its source and is used: here, by a model of the library, or by another block", () => {
    const residual = `${library}residual.resnet`;
    const blocks = blocksOf(residual);
    assert.ok(blocks.length >= 25, `${blocks.length} blocks`);
    assert.equal(
      blocks.filter(({ doc }) => doc === "").map(({ name }) => name),
      [],
    );
    const cites = /\(?[A-Z][\w-]+(?:\s+and\s+[A-Z]\w+|\s+et\s+al\.)?\s+(?:19|20)\d\d/;
    assert.equal(
      blocks.filter(({ doc }) => !cites.test(doc)).map(({ name }) => name),
      [],
    );
    const models = ["audio", "cifar", "densenet", "preact", "resnet", "ror", "transformer"].map((name) => code(`${library}models/${name}.resnet`));
    const users = [code(file), code(residual), ...models].join("\n");
    const unused = blocks.filter(({ name }) => [...users.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length < 2);
    assert.equal(
      unused.map(({ name }) => name),
      [],
    );
  });
});
