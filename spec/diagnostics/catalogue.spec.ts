/** The catalogue of codes against the sources and the cases. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { CATALOGUE, explain } from "../../compiler/check/catalogue.ts";
import { suite } from "../harness.ts";
import { root } from "./cases.ts";
import { EXPECTED } from "./expected.ts";

/** Given by commands for their own arguments, not by checking a file. */
const OF_COMMANDS: readonly string[] = ["RN309", "RN506", "RN507", "RN508"];

function codesIn(folder: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const path of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".ts") || path.endsWith("catalogue.ts")) continue;
    for (const [, code] of readFileSync(join(root, folder, path), "utf8").matchAll(/"(RN\d{3})"/g)) if (code !== undefined) found.add(code);
  }
  return found;
}

suite("catalogue", (test) => {
  const codes = CATALOGUE.map((entry) => entry.code);
  const used = [...new Set([...codesIn("grammar"), ...codesIn("compiler")])].sort();

  test("holds every code that occurs, once and in order", () => {
    assert.equal(codes, used);
  });

  test("each code has a case", () => {
    const shown = new Set(Object.values(EXPECTED).flatMap((places) => places.map((place) => /RN\d+/.exec(place)?.[0])));
    assert.equal(
      used.filter((code) => !shown.has(code)),
      OF_COMMANDS,
    );
  });

  test("each entry says something, in one paragraph", () => {
    for (const { code, title, text } of CATALOGUE) {
      assert.ok(title.length > 5 && !title.endsWith("."), code);
      assert.ok(text.length > 40 && text.endsWith(".") && !text.includes("\n"), code);
    }
  });

  test("explain finds by code", () => {
    assert.is(explain("rn201")?.code, "RN201");
    assert.is(explain("RN999"), undefined);
  });
});
