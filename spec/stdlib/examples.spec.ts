/** The examples of `resnet explain` keep their word: bad gives exactly its code, mended is clean, no code is left out. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { CATALOGUE } from "../../compiler/check/catalogue.ts";
import { check } from "../../compiler/compile.ts";
import { type Example, exampleOf, mended } from "../../compiler/report/examples.ts";
import { RUNTIME_CATALOGUE } from "../../compiler/report/runtime-catalogue.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import type { ParseCache } from "../../compiler/resolve/modules.ts";
import type { Source } from "../../grammar/source.ts";
import { withCatalogue } from "../../tools/build/write-catalogue.ts";
import { suite } from "../harness.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const parsed: ParseCache = new Map();

function diagnosticsOf(text: string, { others = {} }: Example) {
  const read = (path: string): Source | undefined => {
    if (path === "example.resnet") return { path, text };
    const other = others[path];
    if (other !== undefined) return { path, text: other };
    const file = `${root}stdlib/${path.slice(4)}.resnet`;
    return path.startsWith("std/") && existsSync(file) ? { path, text: readFileSync(file, "utf8") } : undefined;
  };
  return check({ path: "example.resnet", text }, read, parsed).diagnostics;
}

suite("examples of codes", (test) => {
  test("every code has an example", () => {
    assert.equal(
      CATALOGUE.filter(({ code }) => exampleOf(code) === undefined).map(({ code }) => code),
      [],
    );
  });

  for (const { code } of CATALOGUE) {
    const example = exampleOf(code);
    if (example === undefined || example.command === true) continue;
    test(`${code}: bad and good`, () => {
      const found = diagnosticsOf(example.bad, example);
      const shown = renderDiagnostics(found, { color: false });
      assert.equal([...new Set(found.map((each) => each.code))], [code], shown);
      const good = mended(example);
      assert.is.not(good, example.bad, "the change is in the text");
      const left = diagnosticsOf(good, example);
      assert.equal(left, [], renderDiagnostics(left, { color: false }));
    });
  }
});

suite("catalogue of the language reference", (test) => {
  test("is what `npx tsx tools/build/write-catalogue.ts` writes", () => {
    const document = readFileSync(`${root}LANGUAGE.md`, "utf8");
    assert.ok(withCatalogue(document) === document, "LANGUAGE.md is stale: run the script");
  });

  test("holds every code of the compiler, the runtime and the tools, once and in order", () => {
    const used = new Set(
      ["grammar", "compiler", "runtime", "tools"].flatMap((folder) =>
        readdirSync(root + folder, { recursive: true, encoding: "utf8" })
          .filter((path) => path.endsWith(".ts") && !path.endsWith("catalogue.ts"))
          .flatMap((path) => [...readFileSync(`${root}${folder}/${path}`, "utf8").matchAll(/"(RN\d{3})"/g)].map(([, code]) => code ?? "")),
      ),
    );
    assert.equal(
      [...CATALOGUE, ...RUNTIME_CATALOGUE].map(({ code }) => code),
      [...used].sort(),
    );
  });
});
