/**
 * The order of the house: who may import whom, no cycles, file sizes, and that every spec file registers a suite.
 * Invariant: imports are read from the source text; a folder of the compiler that has no place in the order fails.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "./harness.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The pipeline: a folder imports from itself and from folders before it. `compile.ts`, last, sees all. */
const COMPILER_ORDER = [
  ...["ir", "operators", "check", "resolve", "graph", "differentiate", "recipe", "elaborate", "build", "interpret"],
  ...["rewrite", "fuse", "extend", "plan", "wasm", "wgsl", "emit", "interop", "report"],
];

/** What may be imported from outside the project, by top folder. */
const PACKAGES: Readonly<Record<string, (name: string) => boolean>> = {
  grammar: (name) => name === "chevrotain",
  compiler: () => false,
  runtime: () => false,
  tools: () => true,
};

/** The top folders a folder imports from; `runtime`'s is narrower still, see below. */
const TOP_ORDER: Readonly<Record<string, readonly string[]>> = {
  grammar: ["grammar"],
  compiler: ["grammar", "compiler", "runtime"],
  runtime: ["runtime"],
  tools: ["grammar", "compiler", "runtime", "tools"],
};

/** Where files need one another by nature. */
const MUTUALLY_RECURSIVE: Readonly<Record<string, string>> = {
  "compiler/elaborate": "statements hold chains, chains hold bodies of statements, expressions apply blocks, blocks hold statements",
};

const MOST_LINES = 500;

/** Longer than the limit because they are lists, not logic. */
const TABLES: Readonly<Record<string, string>> = {
  "grammar/ast.ts": "one interface per kind of node",
  "spec/operators/cases.ts": "one case per line",
};

interface Import {
  readonly from: string;
  /** A file of the project, or a package's name. */
  readonly to: string;
  readonly kind: "value" | "type" | "dynamic";
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts"))
    .sort();
}

function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[\w$*\s{},]+?\s+from\s+)?"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;

function importsOf(file: string): Import[] {
  const text = textOf(file);
  const resolved = (path: string): string => (path.startsWith(".") ? normalize(join(dirname(file), path)).replaceAll("\\", "/") : path);
  return [
    ...[...text.matchAll(STATIC)].map(
      (found): Import => ({ from: file, to: resolved(found[2] ?? ""), kind: found[1] === undefined ? "value" : "type" }),
    ),
    ...[...text.matchAll(DYNAMIC)].map((found): Import => ({ from: file, to: resolved(found[1] ?? ""), kind: "dynamic" })),
  ];
}

function topOf(path: string): string {
  return path.split("/")[0] ?? "";
}

const folders = Object.keys(TOP_ORDER);
const files = folders.flatMap(sourcesBelow);
const imports = files.flatMap(importsOf);
const inside = imports.filter(({ to }) => folders.includes(topOf(to)));
const outside = imports.filter(({ to }) => !folders.includes(topOf(to)));
const show = ({ from, to }: Import): string => `${from} imports ${to}`;

function position(file: string): number {
  const [, folder = "", more] = file.split("/");
  return more === undefined ? COMPILER_ORDER.length : COMPILER_ORDER.indexOf(folder);
}

/** Groups of files that reach one another by value imports (Tarjan 1972). */
function cycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    const own = index.size;
    index.set(file, own);
    low.set(file, own);
    stack.push(file);
    for (const next of edges.get(file) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file) ?? own, low.get(next) ?? own));
    }
    if (low.get(file) !== own) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || (edges.get(file) ?? []).includes(file)) found.push(group.sort());
  };
  for (const file of edges.keys()) if (!index.has(file)) visit(file);
  return found;
}

suite("layering", (test) => {
  test("imports are found, of every kind", () => {
    assert.ok(files.length > 100, `${files.length} files`);
    for (const kind of ["value", "type", "dynamic"] as const)
      assert.ok(
        imports.some((each) => each.kind === kind),
        kind,
      );
    const missing = inside.filter(({ to }) => !files.includes(to));
    assert.equal(missing.map(show), []);
  });

  test("grammar ← compiler ← tools → runtime", () => {
    const wrong = inside.filter(({ from, to }) => !(TOP_ORDER[topOf(from)] ?? []).includes(topOf(to)));
    assert.equal(wrong.map(show), []);
    const leaving = outside.filter(({ to }) => to.startsWith("spec/") || to.startsWith(".."));
    assert.equal(leaving.map(show), []);
  });

  test("of the runtime the compiler takes the manifest's types alone, where modules are written", () => {
    const taken = inside.filter(({ from, to }) => topOf(from) === "compiler" && topOf(to) === "runtime");
    const allowed = ({ from, to, kind }: Import): boolean =>
      kind === "type" && to === "runtime/manifest.ts" && (from === "compiler/compile.ts" || from.startsWith("compiler/emit/"));
    assert.equal(taken.filter((each) => !allowed(each)).map(show), []);
  });

  test("only tools use packages; the grammar uses chevrotain; the runtime asks for Node's modules only when it runs there", () => {
    const wrong = outside.filter(({ from, to, kind }) => {
      if (topOf(from) === "runtime" && kind === "dynamic") return !to.startsWith("node:");
      return !(PACKAGES[topOf(from)]?.(to) ?? false);
    });
    assert.equal(wrong.map(show), []);
  });

  test("every folder of the compiler has a place in the order", () => {
    const within = files.filter((file) => topOf(file) === "compiler");
    assert.equal([...new Set(within.filter((file) => position(file) < 0).map((file) => dirname(file)))], []);
  });

  test("inside the compiler a folder imports from folders before it", () => {
    const wrong = inside.filter(
      ({ from, to }) => topOf(from) === "compiler" && topOf(to) === "compiler" && position(from) >= 0 && position(to) > position(from),
    );
    assert.equal(wrong.map(show), []);
  });

  test("no file reaches itself by value imports", () => {
    const edges = new Map(files.map((file) => [file, inside.filter(({ from, kind }) => from === file && kind === "value").map(({ to }) => to)]));
    const unexpected = cycles(edges).filter(
      (group) => !Object.keys(MUTUALLY_RECURSIVE).some((folder) => group.every((file) => dirname(file) === folder)),
    );
    assert.equal(
      unexpected.map((group) => group.join(" ")),
      [],
    );
  });

  test(`no file is longer than ${MOST_LINES} lines, tables excepted`, () => {
    const all = [...files, ...sourcesBelow("spec")];
    const long = all.filter((file) => TABLES[file] === undefined && textOf(file).trimEnd().split("\n").length > MOST_LINES);
    assert.equal(long, []);
    assert.equal(
      Object.keys(TABLES).filter((file) => !all.includes(file)),
      [],
      "a table that is no more",
    );
  });

  test("every spec file registers a suite, and no other file touches the runner", () => {
    const specs = sourcesBelow("spec");
    const silent = specs.filter((file) => file.endsWith(".spec.ts") && !/^suite\(|^\s+suite\(/m.test(textOf(file)));
    assert.equal(silent, []);
    const direct = specs.flatMap(importsOf).filter(({ to }) => to === "uvu" || to === "uvu/run");
    assert.equal(direct.map(show), []);
    const misnamed = specs.filter(
      (file) => !file.endsWith(".spec.ts") && file !== "spec/harness.ts" && file !== "spec/layering.spec.ts" && /^suite\(/m.test(textOf(file)),
    );
    assert.equal(misnamed, [], "a suite that the runner does not find");
  });
});
