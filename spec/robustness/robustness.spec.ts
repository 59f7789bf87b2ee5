/**
 * Whatever the text, the checker ends soon and never throws: prefixes and 10 000 mutations of the files that are shipped.
 * Mutations work on one declaration at a time, with the file's edition and imports, so that a check is short.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { check } from "../../compiler/compile.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import { checkFile } from "../../compiler/elaborate/elaborate.ts";
import type { Source } from "../../grammar/source.ts";
import { mutate, randomNumbers } from "../diagnostics/mutations.ts";
import { suite } from "../harness.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const LIMIT_MS = 2000;
const MUTATIONS = 10_000;
/** Prefixes of files shorter than this are all tried, of longer ones each 97th. */
const SHORT = 800;

const cache: ParseCache = new Map();
const read = new Map<string, Source | undefined>();

function readModule(path: string): Source | undefined {
  if (!path.startsWith("std/")) return undefined;
  if (!read.has(path)) {
    const file = join(root, "stdlib", `${path.slice(4)}.resnet`);
    read.set(path, existsSync(file) ? { path, text: readFileSync(file, "utf8") } : undefined);
  }
  return read.get(path);
}

const files: readonly Source[] = ["examples", "stdlib"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".resnet"))
    .sort()
    .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(join(root, folder, path), "utf8") })),
);

/** Each declaration of a file by itself, behind the file's first lines. */
const pieces: readonly Source[] = files.flatMap(({ path, text }) => {
  const parts = text.split(/^(?=(?:\/\/\/ [^\n]*\n)*(?:block|model|variant|train|const) )/m);
  const [head = "", ...declarations] = parts;
  return declarations.map((each) => ({ path, text: head + each }));
});

interface Tally {
  checked: number;
  errors: number;
  slowest: number;
}

/** Parses and checks; every diagnostic lies in its source. */
function survive(path: string, text: string, what: string, tally: Tally): void {
  const before = process.cpuUsage();
  try {
    const { entry, diagnostics } = loadModules({ path, text }, readModule, cache);
    const all = [...diagnostics, ...checkFile(entry).diagnostics];
    for (const { span, code } of all)
      if (!(span.start >= 0 && span.start <= span.end && span.end <= span.source.text.length)) assert.unreachable(`${code} lies outside its source`);
    if (all.some(({ severity }) => severity === "error")) tally.errors++;
  } catch (error) {
    assert.unreachable(`${path}, ${what}: ${error instanceof Error ? error.stack : error}\n${text.slice(0, 3000)}`);
  }
  const milliseconds = process.cpuUsage(before).user / 1000;
  tally.checked++;
  tally.slowest = Math.max(tally.slowest, milliseconds);
  assert.ok(milliseconds < LIMIT_MS, `${path}, ${what}: ${milliseconds.toFixed(0)} ms\n${text.slice(0, 3000)}`);
}

function show(what: string, { checked, errors, slowest }: Tally): void {
  console.log(`  ${checked} ${what}: ${errors} with errors, the slowest ${slowest.toFixed(0)} ms`);
}

/** Bytes deleted, exchanged or made from nothing, without regard to tokens. */
function mutateBytes(text: string, random: () => number): string {
  const below = (count: number): number => Math.floor(random() * count);
  const at = below(text.length);
  const other = Math.min(text.length, at + 1 + below(12));
  switch (below(3)) {
    case 0:
      return text.slice(0, at) + text.slice(other);
    case 1:
      return text.slice(0, at) + text.slice(other - 1, other) + text.slice(at + 1, other - 1) + text.slice(at, at + 1) + text.slice(other);
    default:
      return text.slice(0, at) + String.fromCodePoint(1 + below(0x2ff)) + text.slice(at);
  }
}

suite("robustness: prefixes", (test) => {
  test("of every file of the library and the examples", () => {
    const tally: Tally = { checked: 0, errors: 0, slowest: 0 };
    for (const { path, text } of files) {
      const step = text.length < SHORT ? 1 : 97;
      for (let end = 0; end <= text.length; end += step) survive(path, text.slice(0, end), `the first ${end} characters`, tally);
    }
    show("prefixes", tally);
    assert.ok(tally.checked > 1500 && tally.errors > 1000, JSON.stringify(tally));
  });
});

suite("robustness: mutations", (test) => {
  test("ten thousand, of tokens, lines and bytes", () => {
    const random = randomNumbers(20261124);
    const tally: Tally = { checked: 0, errors: 0, slowest: 0 };
    for (let i = 0; i < MUTATIONS; i++) {
      const piece = pieces[Math.floor(random() * pieces.length)];
      assert.ok(piece);
      const tokens = random() < 0.6 ? mutate(piece.text, random) : piece.text;
      survive(piece.path, random() < 0.5 ? mutateBytes(tokens, random) : tokens, `mutation ${i}`, tally);
    }
    show("mutations", tally);
    assert.ok(tally.errors > MUTATIONS / 3, JSON.stringify(tally));
  });
});

function nested(open: string, inner: string, close: string, depth: number): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

function inBlock(body: string, parameters = "n: int = 2"): string {
  return `edition 2026\nblock B(${parameters}) {\n  in  x: [N, C, H, W]\n  out y\n  ${body}\n}\n`;
}

const ADVERSARIAL: readonly (readonly [string, string])[] = [
  ["brackets 100 000 deep", inBlock(`let a = ${nested("(", "n", ")", 100_000)}\n  x -> y`)],
  ["bodies 2 000 deep", inBlock(`x -> ${nested("{ ", "relu", " }", 2000)} -> y`)],
  ["a repeat of a thousand million", inBlock("x -> repeat 1000000000 { relu } -> y")],
  ["repeats within repeats", inBlock(`x -> ${nested("repeat 1000 { ", "relu", " }", 9)} -> y`)],
  ["a symbolic repeat within symbolic repeats", inBlock(`x -> ${nested("repeat n { ", "conv(C, 3) -> maxpool(2)", " }", 6)} -> y`)],
  ["a line of a million characters", inBlock(`let a = ${Array.from({ length: 100_000 }, () => "n + H").join(" + ")}\n  x -> y`)],
  [
    "sizes of a million, and beyond every number",
    `edition 2026\nmodel M() {\n  in  x: f32[N, 1000000, 1000000, 1000000]\n  out y\n  x -> conv(1000000, 1000001, 1000000) -> conv(999999999999999, 3) -> flatten -> linear(1e300) -> y\n}\n`,
  ],
  [
    "a million dims",
    `edition 2026\nmodel M() {\n  in  x: f32[${Array.from({ length: 20_000 }, (_, i) => `D${i}`).join(", ")}]\n  out y\n  x -> flatten -> y\n}\n`,
  ],
  [
    "products of products",
    inBlock(
      `let a0 = n + N + C + H\n${Array.from({ length: 40 }, (_, i) => `  let a${i + 1} = a${i} * a${i} + floor(a${i}/(a${i} + 1))\n`).join("")}  x -> conv(a40, 1) -> y`,
    ),
  ],
  ["remainders of remainders", inBlock(`x -> conv(${nested("(", "H", " % 7919 + 1) * 3", 30)}, 3) -> join j: add -> y\n  skip x -> j`)],
  [
    "conditions that fork",
    inBlock(
      Array.from({ length: 40 }, (_, i) => `let b${i} = n % ${i + 2} == 0 ? H + ${i} : W`).join("\n  ") +
        `\n  x -> conv(${Array.from({ length: 40 }, (_, i) => `b${i}`).join(" + ")}, 1) -> y`,
    ),
  ],
  [
    "a block in itself",
    "edition 2026\nblock A(B: block = A) {\n  in x: [..S]\n  out y\n  x -> A(B) -> B(A) -> y\n}\nblock C() {\n  in x: [..S]\n  out y\n  x -> A(C) -> y\n}\n",
  ],
  [
    "constants in a ring",
    "edition 2026\nconst a = b\nconst b = c + 1\nconst c = a * 2\nblock B(n: int = a) {\n  in x: [N, a]\n  out y: [N, b]\n  x -> linear(c) -> y\n}\n",
  ],
  ["nothing but NUL", "\u0000".repeat(50_000)],
];

suite("robustness: adversarial texts", (test) => {
  for (const [what, text] of ADVERSARIAL)
    test(what, () => {
      const tally: Tally = { checked: 0, errors: 0, slowest: 0 };
      survive("adversarial.resnet", text, what, tally);
      assert.is(tally.checked, 1);
    });

  test("files that import one another, and themselves", () => {
    const count = 60;
    const ring = (path: string): Source | undefined => {
      const k = /^\/ring(\d+)\.resnet$/.exec(path)?.[1];
      if (k === undefined) return readModule(path);
      const imports = Array.from({ length: 4 }, (_, i) => `import { B${(Number(k) + i) % count} } from "./ring${(Number(k) + i) % count}"\n`).join(
        "",
      );
      return { path, text: `edition 2026\n${imports}block B${k}() {\n  in x: [..S]\n  out y\n  x -> B${(Number(k) + 1) % count} -> y\n}\n` };
    };
    const entry = ring("/ring0.resnet");
    assert.ok(entry);
    const before = process.cpuUsage();
    const { diagnostics } = check(entry, ring);
    assert.ok(
      diagnostics.some(({ code }) => code === "RN105"),
      diagnostics.map((each) => each.code).join(),
    );
    assert.ok(process.cpuUsage(before).user / 1000 < LIMIT_MS);
  });
});
