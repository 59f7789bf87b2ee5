/**
 * Broken files never make the checker throw or hang: prefixes of every `.resnet` file and seeded mutations of them.
 * `RESNET_ROBUSTNESS=full` runs every prefix and 10 000 mutations (minutes); otherwise a fixed sample (seconds).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { checkFile } from "../../compiler/elaborate/elaborate.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import { suite } from "../harness.ts";
import { diagnose, readModule, render, root } from "./cases.ts";
import { mutate, randomNumbers } from "./mutations.ts";

const full = process.env["RESNET_ROBUSTNESS"] === "full";
const LIMIT_MS = 2000;

interface File {
  readonly path: string;
  readonly text: string;
}

const files: readonly File[] = ["examples", "stdlib"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".resnet"))
    .sort()
    .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(join(root, folder, path), "utf8") })),
);

const cache: ParseCache = new Map();

/** Checks the text; the processor time must stay bounded. */
function survive(path: string, text: string, what: string): void {
  const before = process.cpuUsage();
  try {
    checkFile(loadModules({ path, text }, readModule, cache).entry);
  } catch (error) {
    assert.unreachable(`${path}, ${what}: ${error instanceof Error ? error.stack : error}\n${text.slice(0, 2000)}`);
  }
  const milliseconds = process.cpuUsage(before).user / 1000;
  assert.ok(milliseconds < LIMIT_MS, `${path}, ${what}: ${milliseconds.toFixed(0)} ms\n${text.slice(0, 2000)}`);
}

suite("robustness of the checker", (test) => {
  test("every file of the library and the examples is clean", () => {
    for (const { path, text } of files) {
      const problems = diagnose({ path, text }).filter((diagnostic) => diagnostic.severity !== "hint");
      assert.is(render(problems), "", path);
    }
  });

  test("prefixes", () => {
    const step = full ? 1 : 599;
    let count = 0;
    for (const { path, text } of files)
      for (let end = 1; end <= text.length; end += step, count++) survive(path, text.slice(0, end), `the first ${end} characters`);
    assert.ok(count > 50, `${count} prefixes`);
  });

  test("mutations", () => {
    const random = randomNumbers(20260501);
    for (let i = 0; i < (full ? 10_000 : 80); i++) {
      const file = files[Math.floor(random() * files.length)];
      assert.ok(file);
      survive(file.path, mutate(file.text, random), `mutation ${i}`);
    }
  });

  const nested = (open: string, inner: string, close: string, depth: number): string => `${open.repeat(depth)}${inner}${close.repeat(depth)}`;
  const inBlock = (body: string): string => `edition 2026\nblock B(n: int = 2) {\n  in  x: [N, C, H, W]\n  out y\n  ${body}\n}\n`;
  const extremes: readonly (readonly [string, string])[] = [
    ["a repeat without end", inBlock("x -> repeat 1000000000 { relu } -> y")],
    ["repeats within repeats", inBlock(`x -> ${nested("repeat 10 { ", "relu", " }", 12)} -> y`)],
    ["nested parentheses", inBlock(`let a = ${nested("(", "n", ")", 5000)}\n  x -> y`)],
    ["a long sum", inBlock(`let a = ${Array.from({ length: 5000 }, () => "n").join(" + ")}\n  x -> conv(a, 1) -> y`)],
    ["a long chain", inBlock(`x -> ${Array.from({ length: 3000 }, () => "relu").join(" -> ")} -> y`)],
    ["nested conditions", inBlock(`x -> ${nested("if n > 3 { ", "relu", " } else { gelu }", 60)} -> y`)],
    ["nested choices", inBlock(`let a = ${nested("(n > 3 ? ", "n", " : 4)", 60)}\n  x -> conv(a, 1) -> y`)],
    [
      "repeated squaring",
      inBlock(`let a0 = n + N + C\n${Array.from({ length: 30 }, (_, i) => `  let a${i + 1} = a${i} * a${i}\n`).join("")}  x -> conv(a30, 1) -> y`),
    ],
    ["a list repeated", inBlock("x -> stages s of [1] * 1000000000 as i, w { relu } -> y")],
    ["huge sizes", inBlock("x -> conv(9007199254740991, 9007199254740991) -> conv(9007199254740991, 3) -> flatten -> y")],
    [
      "blocks within blocks",
      `edition 2026\n${Array.from({ length: 400 }, (_, i) => `block B${i}() {\n  in  x: [..S]\n  out y\n  x -> ${i === 399 ? "relu" : `B${i + 1}`} -> y\n}\n`).join("")}`,
    ],
    [
      "blocks that double",
      `edition 2026\n${Array.from({ length: 40 }, (_, i) => `block B${i}() {\n  in  x: [..S]\n  out y\n  x -> ${i === 39 ? "relu" : `B${i + 1} -> B${i + 1}`} -> y\n}\n`).join("")}`,
    ],
    [
      "many errors",
      `edition 2026\n${Array.from({ length: 300 }, (_, i) => `block B${i}() {\n  in  x: [N, C, H, W]\n  out y\n  x -> conv(8, 3) -> join s: add -> nothing -> y\n  skip x -> s\n}\n`).join("")}`,
    ],
  ];
  for (const [what, text] of extremes) test(what, () => survive("extreme.resnet", text, what));

  test("a file of 500 lines is checked quickly", () => {
    const block = (i: number): string =>
      `block B${i}(width: dim, stride: dim = 1) {\n  in  x: [N, C, H, W]\n  out y: [N, width, ceil(H/stride), ceil(W/stride)]\n  x -> conv1: conv(width, 3, stride) -> bn1: batchnorm -> relu\n    -> conv2: conv(width, ${3 + 2 * (i % 3)}) -> bn2: batchnorm\n    -> join sum: add -> relu -> y\n  skip x -> sum via project?\n}\n\n`;
    const text = `edition 2026\n\n${Array.from({ length: 56 }, (_, i) => block(i)).join("")}`;
    assert.ok(text.split("\n").length >= 500);
    const times = Array.from({ length: 5 }, () => {
      const { entry, diagnostics } = loadModules({ path: "long.resnet", text }, readModule, cache);
      assert.equal(diagnostics, []);
      const before = process.cpuUsage();
      assert.equal(checkFile(entry).diagnostics, []);
      return process.cpuUsage(before).user / 1000;
    });
    // Measured at 65 to 85 ms on two busy cores; the bound allows for worse.
    assert.ok(Math.min(...times) < 300, times.map((time) => time.toFixed(0)).join(", "));
  });
});
