/**
 * The prose keeps its word: every ```resnet block of README.md and LANGUAGE.md is checked, every operator, layer,
 * initialiser and code that exists is named, and links lead somewhere.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { check } from "../compiler/compile.ts";
import { INITIALIZERS } from "../compiler/elaborate/expressions.ts";
import { PRIMITIVE_NAMES } from "../compiler/elaborate/primitives.ts";
import { renderDiagnostics } from "../compiler/report/text.ts";
import { parse } from "../grammar/parse.ts";
import type { Source } from "../grammar/source.ts";
import { suite } from "./harness.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENTS = ["README.md", "LANGUAGE.md"];

interface Fence {
  readonly place: string;
  readonly info: string;
  readonly text: string;
}

function fences(document: string): Fence[] {
  const lines = readFileSync(root + document, "utf8").split("\n");
  const found: Fence[] = [];
  let open: { readonly line: number; readonly info: string } | undefined;
  for (const [i, line] of lines.entries()) {
    if (!line.startsWith("```")) continue;
    if (open === undefined) open = { line: i, info: line.slice(3).trim() };
    else {
      found.push({ place: `${document}:${open.line + 1}`, info: open.info, text: lines.slice(open.line + 1, i).join("\n") });
      open = undefined;
    }
  }
  assert.is(open, undefined, `${document}: a code block is not closed`);
  return found;
}

function read(path: string): Source | undefined {
  if (!path.startsWith("std/")) return undefined;
  const file = `${root}stdlib/${path.slice(4)}.resnet`;
  return existsSync(file) ? { path, text: readFileSync(file, "utf8") } : undefined;
}

/** What people see of errors and warnings; hints are advice. */
function problemsOf({ place, text }: Fence) {
  return check({ path: place, text }, read).diagnostics.filter(({ severity }) => severity !== "hint");
}

const blocks = DOCUMENTS.flatMap(fences).filter(({ info }) => info.split(" ")[0]?.startsWith("resnet"));
const language = readFileSync(`${root}LANGUAGE.md`, "utf8");

suite("documentation", (test) => {
  test("there are examples, of both kinds", () => {
    assert.ok(blocks.length >= 12, `${blocks.length} blocks`);
    assert.ok(blocks.some(({ info }) => info.startsWith("resnet-error")));
    assert.ok(blocks.some(({ place }) => place.startsWith("README.md")));
    assert.equal(
      blocks.filter(({ info }) => !/^resnet$|^resnet-error RN\d{3}$/.test(info)).map(({ place }) => place),
      [],
    );
  });

  for (const block of blocks) {
    const [, code] = block.info.split(" ");
    test(`${block.place} ${code === undefined ? "is clean" : `reports ${code}`}`, () => {
      const problems = problemsOf(block);
      const shown = problems.map((each) => renderDiagnostics([each], { color: false })).join("\n");
      assert.equal([...new Set(problems.map((each) => each.code))], code === undefined ? [] : [code], shown);
    });
  }

  test("every operator and initialiser has its line", () => {
    const missing = [...PRIMITIVE_NAMES, ...INITIALIZERS].filter((name) => !new RegExp(`\`[^\`]*\\b${name}\\b[^\`]*\``).test(language));
    assert.equal(missing, []);
  });

  test("every layer of the prelude has its line", () => {
    const { module } = parse({ path: "std/layers", text: readFileSync(`${root}stdlib/layers.resnet`, "utf8") });
    const section = language.slice(language.indexOf("## The standard library"), language.indexOf("## Recipes"));
    const names = module.items.flatMap((item) => (item.kind === "Block" ? [item.name.text] : []));
    assert.ok(names.length > 10);
    assert.equal(
      names.filter((name) => !new RegExp(`\\b${name}\\b`).test(section)),
      [],
    );
  });

  test("every code of the compiler lies in a documented range", () => {
    const codes = new Set(
      ["grammar", "compiler"].flatMap((folder) =>
        readdirSync(root + folder, { recursive: true, encoding: "utf8" })
          .filter((path) => path.endsWith(".ts"))
          .flatMap((path) => [...readFileSync(`${root}${folder}/${path}`, "utf8").matchAll(/"RN(\d{3})"/g)].map((found) => Number(found[1]))),
      ),
    );
    const ranges = [...language.matchAll(/^\| RN(\d{3})(?:–RN(\d{3}))? /gm)].map(
      (found) => [Number(found[1]), Number(found[2] ?? found[1])] as const,
    );
    assert.ok(codes.size > 30);
    assert.equal([...codes].filter((code) => !ranges.some(([low, high]) => low <= code && code <= high)).sort(), []);
  });

  test("links within the project lead somewhere", () => {
    for (const document of DOCUMENTS) {
      const text = readFileSync(root + document, "utf8");
      const anchors = new Set(
        [...text.matchAll(/^#+ (.+)$/gm)].map((found) =>
          (found[1] ?? "")
            .toLowerCase()
            .replace(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
        ),
      );
      const broken = [...text.matchAll(/\]\(([^)]+)\)/g)]
        .map((found) => found[1] ?? "")
        .filter((to) => !/^https?:/.test(to))
        .filter((to) => (to.startsWith("#") ? !anchors.has(to.slice(1)) : !existsSync(root + to.replace(/#.*/, ""))));
      assert.equal(broken, [], document);
    }
  });
});
