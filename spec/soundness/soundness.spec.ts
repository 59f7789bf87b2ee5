/**
 * What the checker says of random shape programs, against brute force, concrete elaboration and the interpreter.
 * Proved: every allowed size runs with the declared shapes. Refuted: it fails at the witness. Unproved: a hint and a guard
 * that decides it.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { buildInference } from "../../compiler/build/build.ts";
import { evaluateRelation } from "../../compiler/check/solve-relation.ts";
import { check, type CheckResult } from "../../compiler/compile.ts";
import { elaborateModel } from "../../compiler/elaborate/elaborate.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import { constantOf } from "../../compiler/ir/dim.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Relation } from "../../compiler/ir/relation.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Source } from "../../grammar/source.ts";
import { suite } from "../harness.ts";
import { drawProgram, type Program } from "./programs.ts";
import { type Draw, type Env, generator, grid } from "./sizes.ts";

/** More programs, of another seed: `RESNET_PROGRAMS=50000 RESNET_SEED=7`. */
const PROGRAMS = Number(process.env["RESNET_PROGRAMS"] ?? 800);
const SEED = Number(process.env["RESNET_SEED"] ?? 20261123);
const BATCH = 2;
const library = join(dirname(fileURLToPath(import.meta.url)), "../../stdlib");
const cache: ParseCache = new Map();

function readModule(path: string): Source | undefined {
  const file = join(library, `${path.slice(4)}.resnet`);
  return path.startsWith("std/") && existsSync(file) ? { path, text: readFileSync(file, "utf8") } : undefined;
}

function errorsOf(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.filter(({ severity }) => severity === "error");
}

/** Elaborates the program as a model with all sizes but the batch fixed, and runs it; undefined if it reports an error. */
function execute(program: Program, env: Env): readonly number[] | undefined {
  const { entry } = loadModules({ path: "drawn.resnet", text: program.source("model") }, readModule, cache);
  const dims = new Map([...env].filter(([name]) => !program.parameters.includes(name)));
  const span = entry.module.span;
  const set = program.parameters.map((name) => ({ name, nameSpan: undefined, span, value: { kind: "dim", dim: env.get(name) ?? 1 } as const }));
  const { value, diagnostics } = elaborateModel(entry, program.name, { training: false, dims, set });
  assert.is(value === undefined, errorsOf(diagnostics).length > 0, "a value exactly where no error is");
  if (value === undefined) return undefined;
  const { graph } = buildInference(value);
  const inputs = new Map([["x", filled([BATCH, ...program.input(env)], 1)]]);
  const results = interpret(graph, { inputs, tensors: kept(graph), scalars: new Map([["seed", 0]]), batch: BATCH });
  const output = results.outputs.get("y");
  assert.ok(output);
  assert.is(
    output.data.length,
    output.shape.reduce((a, b) => a * b, 1),
  );
  assert.ok(output.data.every(Number.isFinite), "every value is finite");
  assert.is(output.shape[0], BATCH);
  return output.shape.slice(1);
}

function filled(shape: readonly number[], from: number): ReferenceTensor {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7 + from) % 5) / 4 + 0.1);
  return { shape, data };
}

function kept(graph: Graph): Map<string, ReferenceTensor> {
  const tensors = new Map<string, ReferenceTensor>();
  for (const node of graph.nodes)
    if (node.op === "parameter" || node.op === "state")
      tensors.set(
        node.attributes.name,
        filled(
          node.attributes.shape.map((dim) => constantOf(dim) ?? 1),
          node.id,
        ),
      );
  return tensors;
}

/** Relations on which the check of the block rests: what it demands of its users, and its guards. */
function assumptions({ blocks }: CheckResult, { name }: Program): readonly Relation[] {
  const own = blocks.filter((block) => block.name === name);
  return own.flatMap(({ inferred, guards }) => [...inferred, ...guards.map((guard) => guard.relation)]);
}

/** What is said within the declaration of a program. */
function saidOf(program: Program, { diagnostics }: CheckResult): readonly Diagnostic[] {
  return diagnostics.filter(({ span }) => {
    const at = span.source.text.indexOf(program.text);
    return span.start >= at && span.start < at + program.text.length;
  });
}

/** Sizes named by a witness (`H = 3, W = 1: 2 vs 1`) that are the program's. */
function witnessOf({ note = "", message }: Diagnostic, program: Program): Map<string, number> {
  const found = new Map<string, number>();
  // Before "fails for" stand the names of the block that is used.
  const said = `${note} ${message}`.replace(/^.*; fails for /, "");
  for (const [, name = "", value] of said.matchAll(/\b([A-Za-z]\w*) = (-?\d+)(?=[,:)\s]|$)/g))
    if (program.ranges.has(name)) found.set(name, Number(value));
  return found;
}

interface Tally {
  proved: number;
  refuted: number;
  unproved: number;
  conditional: number;
  witnesses: number;
  executed: number;
  failed: number;
  sizes: number;
  unknown: number;
}

/** Allowed assignments of the brute force, in a fixed order. */
function allowed(program: Program, fixed?: Env): Map<string, number>[] {
  return [...grid(program.ranges, fixed)].filter((env) => program.allowed(env));
}

function text(env: Env): string {
  return [...env].map(([name, value]) => `${name} = ${value}`).join(", ");
}

/** Where an error names no witness it may lie further out, and so may what a witness needs besides. */
function wide({ ranges }: Program, others: boolean): ReadonlyMap<string, readonly number[]> {
  const further = (name: string): number => (name === "H" || name === "W" ? 24 : others && name !== "n" ? 12 : 0);
  return new Map([...ranges].map(([name, values]) => [name, further(name) === 0 ? values : Array.from({ length: further(name) }, (_, i) => i + 1)]));
}

/** Allowed assignments with a witness's sizes, further out where there are none near by. */
function completionsOf(program: Program, witness: Env): readonly Env[] {
  const near = allowed(program, witness);
  if (near.length > 0) return near;
  for (const env of grid(wide(program, true), witness)) if (program.allowed(env)) near.push(env);
  return near;
}

/** Elaboration and execution agree with the judge at these sizes. */
function compare(program: Program, env: Env, tally: Tally, about: string): void {
  const expected = program.judge(env);
  const found = execute(program, env);
  if (expected === undefined) tally.failed++;
  else tally.executed++;
  assert.equal(found, expected === undefined ? undefined : [...expected], `${about}\nat ${text(env)}`);
}

function judgeRefuted(program: Program, said: readonly Diagnostic[], tally: Tally, about: string): void {
  const sizes = allowed(program);
  let broken = sizes.some((env) => program.judge(env, true) === undefined);
  for (const error of errorsOf(said)) {
    const witness = witnessOf(error, program);
    if (witness.size === 0) continue;
    const completions = completionsOf(program, witness);
    if (completions.length === 0) continue;
    tally.witnesses++;
    broken = true;
    const failing = completions.find((env) => program.judge(env, true) === undefined);
    assert.ok(failing, `${about}\n${error.code}: the program runs at the witness ${text(witness)}`);
    if (program.judge(failing) === undefined) compare(program, failing, tally, about);
  }
  broken ||= [...grid(wide(program, false))].some((env) => program.allowed(env) && program.judge(env, true) === undefined);
  assert.ok(broken || sizes.length === 0, `${about}\nfalse alarm: every allowed size works`);
}

function judgeAccepted(program: Program, result: CheckResult, draw: Draw, tally: Tally, about: string): void {
  const relations = assumptions(result, program);
  const sizes = allowed(program);
  const good: Map<string, number>[] = [];
  for (const env of sizes) {
    tally.sizes++;
    const values = relations.map((relation) => evaluateRelation(relation, env));
    if (values.includes(false)) continue;
    if (values.includes(undefined)) {
      tally.unknown++;
      continue;
    }
    good.push(env);
    assert.ok(program.judge(env) !== undefined, `${about}\naccepted, but it cannot run at ${text(env)}`);
  }
  if (relations.length > 0 && good.length < sizes.length) tally.conditional++;
  for (let sample = 0; sample < 2 && good.length > 0; sample++) compare(program, good[draw(good.length)] ?? new Map(), tally, about);
  const other = sizes[draw(Math.max(1, sizes.length))];
  if (other !== undefined) compare(program, other, tally, about);
}

function judge(program: Program, result: CheckResult, draw: Draw, tally: Tally, about: string): void {
  const said = saidOf(program, result);
  const verdict = errorsOf(said).length > 0 ? "refuted" : said.length > 0 ? "unproved" : "proved";
  tally[verdict]++;
  if (verdict === "refuted") judgeRefuted(program, said, tally, about);
  else judgeAccepted(program, result, draw, tally, about);
}

suite("soundness: random shape programs", (test) => {
  test("no proved relation fails, no refuted one holds, guards decide the rest", () => {
    const draw = generator(SEED);
    const tally: Tally = { proved: 0, refuted: 0, unproved: 0, conditional: 0, witnesses: 0, executed: 0, failed: 0, sizes: 0, unknown: 0 };
    const kinds = new Set<string>();
    for (let turn = 0; turn < PROGRAMS; turn++) {
      const program = drawProgram(draw);
      for (const kind of program.kinds) kinds.add(kind);
      // A model must decide its conditions (RN307).
      const source = program.source(draw(3) === 0 && !program.kinds.has("if") ? "model" : "block");
      const result = check({ path: "drawn.resnet", text: source }, readModule, cache);
      const said = result.diagnostics.map(({ severity, code, message, note }) => `${severity} ${code}: ${message} (${note ?? ""})`).join("\n");
      const about = `program ${turn}\n${source}${said}`;
      for (const { severity, code } of result.diagnostics) if (severity === "hint") assert.is(code, "RN220", about);
      for (const each of program.inner) judge(each, result, draw, tally, about);
      // What follows from a reported error stays silent.
      if (program.inner.every((each) => errorsOf(saidOf(each, result)).length === 0)) judge(program, result, draw, tally, about);
    }
    console.log(
      `  ${PROGRAMS} programs: ${Object.entries(tally)
        .map(([what, count]) => `${what} ${count}`)
        .join(", ")}; ${kinds.size} kinds of stages`,
    );
    assert.ok(tally.proved >= 0.3 * PROGRAMS && tally.refuted >= 0.3 * PROGRAMS, JSON.stringify(tally));
    assert.ok(tally.unproved >= 0.015 * PROGRAMS && tally.unproved <= PROGRAMS / 8, JSON.stringify(tally));
    assert.ok(tally.witnesses >= 0.25 * PROGRAMS && tally.executed >= 0.6 * PROGRAMS && tally.failed >= 0.25 * PROGRAMS, JSON.stringify(tally));
  });
});
