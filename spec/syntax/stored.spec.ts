/** Stored syntax trees. Invariant: a restored tree differs in nothing from a parsed one. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { type ParseResult, parse } from "../../grammar/parse.ts";
import type { Source } from "../../grammar/source.ts";
import { restore, store } from "../../grammar/stored.ts";
import { suite } from "../harness.ts";

const library = fileURLToPath(new URL("../../stdlib", import.meta.url));
const files = readdirSync(library, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".resnet"));

/** The tree as text, each span's source as its path; fields that are undefined are left out of JSON. */
function shown(parsed: ParseResult | undefined, source: Source): string {
  return JSON.stringify(parsed, (_key, value: unknown) => (value === source ? `at ${source.path}` : value));
}

suite("stored syntax", (test) => {
  for (const file of files)
    test(`${file} is restored as it was parsed`, () => {
      const source: Source = { path: `std/${file}`, text: readFileSync(`${library}/${file}`, "utf8") };
      const parsed = parse(source);
      const again: Source = { ...source };
      const restored = restore(again, store(source, parsed));
      assert.ok(parsed.module.items.length > 0);
      assert.is(shown(restored, again), shown(parsed, source));
    });

  test("spans of a restored tree share its source", () => {
    const source: Source = { path: "a.resnet", text: "edition 2026\nconst A = 0\nblock B { in source: [N] out y: [N] y = source * 0 }\n" };
    const again: Source = { ...source };
    const restored = restore(again, store(source, parse(source)));
    assert.is(restored?.module.span.source, again);
    assert.ok(restored?.module.items.every((item) => item.span.source === again));
  });

  test("the tree of another text is not taken", () => {
    const source: Source = { path: "a.resnet", text: "edition 2026\n" };
    assert.is(restore({ ...source, text: "edition 2026\n\n" }, store(source, parse(source))), undefined);
  });
});
