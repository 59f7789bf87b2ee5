/**
 * `npx tsx tools/bench/check.ts`: what `resnet check` costs on a file of 500 lines, start-up apart from the work.
 * Times are processor time of this process (`process.cpuUsage`), since the machine may be shared; wall time is beside it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyze, check } from "../../compiler/compile.ts";
import { invariant } from "../../compiler/ir/invariant.ts";
import type { ParseCache } from "../../compiler/resolve/modules.ts";
import { parse } from "../../grammar/parse.ts";
import type { Source } from "../../grammar/source.ts";
import { readModule } from "../api/files.ts";
import { longFile } from "./long-file.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

interface Cost {
  readonly cpu: number;
  readonly wall: number;
}

/** Milliseconds of processor and of wall time. */
function measure(work: () => void): Cost {
  const cpu = process.cpuUsage();
  const wall = performance.now();
  work();
  const spent = process.cpuUsage(cpu);
  return { cpu: (spent.user + spent.system) / 1000, wall: performance.now() - wall };
}

/** Least and middle of several, by processor time. */
function least(costs: readonly Cost[]): Cost & { readonly median: number } {
  const sorted = costs.toSorted((a, b) => a.cpu - b.cpu);
  const [first] = sorted;
  invariant(first !== undefined, "nothing was measured");
  return { ...first, median: sorted[Math.floor(sorted.length / 2)]?.cpu ?? first.cpu };
}

function show(what: string, { cpu, wall, median }: Cost & { readonly median?: number }, goal?: number): void {
  const judged = goal === undefined ? "" : `  goal ${goal} ms${cpu <= goal ? "" : ": MISSED"}`;
  const middle = median === undefined ? "" : ` (median ${median.toFixed(0)})`;
  console.log(`${what.padEnd(62)} cpu ${cpu.toFixed(0).padStart(5)} ms${middle}  wall ${wall.toFixed(0).padStart(5)} ms${judged}`);
}

function checked(source: Source, cache: ParseCache = new Map()): void {
  const errors = check(source, readModule, cache).diagnostics.filter(({ severity }) => severity === "error");
  invariant(errors.length === 0, errors[0]?.message ?? "");
}

/** A net of `count` equal rounds in one `repeat`. */
function deepFile(count: number): Source {
  const text = `edition 2026
model Deep {
  in  image: f32[N, 3, 32, 32]
  out logits: [N, 10]
  image -> conv(16, 3)
    -> repeat ${count} { conv(16, 3) -> batchnorm -> relu -> join sum: add
      skip it -> sum
    }
    -> global_avgpool -> linear(10) -> logits
}
`;
  return { path: "deep.resnet", text };
}

function deepElaboration(model: string): void {
  const entry = readModule("std/models/cifar");
  invariant(entry !== undefined, "std/models/cifar is missing");
  const { value, diagnostics } = analyze({ entry, read: readModule, model, dims: new Map(), set: [], training: true });
  invariant(value !== undefined, diagnostics[0]?.message ?? "");
}

function startUp(): void {
  const cli = join(root, "dist/cli.js");
  if (!existsSync(cli)) {
    console.log("dist/cli.js is not built: start-up is not measured");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "resnet-bench-"));
  const short = join(folder, "short.resnet");
  const long = join(folder, "long.resnet");
  writeFileSync(short, "edition 2026\n");
  writeFileSync(long, longFile());
  const run = (script: string, ...args: readonly string[]): Cost => {
    const started = performance.now();
    const timed = spawnSync(
      "/usr/bin/env",
      ["bash", "-c", 'TIMEFORMAT="%U %S"; time "$0" "$@" >/dev/null 2>/dev/null', process.execPath, script, ...args],
      { encoding: "utf8" },
    );
    const wall = performance.now() - started;
    const [user = 0, system = 0] = timed.stderr.trim().split(" ").map(Number);
    return { cpu: 1000 * (user + system), wall };
  };
  const empty = join(folder, "empty.mjs");
  writeFileSync(empty, "");
  const rounds = Array.from({ length: 7 }, () => ({
    node: run(empty),
    version: run(cli, "--version"),
    start: run(cli, "check", short),
    check: run(cli, "check", long),
  }));
  const of = (what: keyof (typeof rounds)[number]): ReturnType<typeof least> => least(rounds.map((round) => round[what]));
  const [start, cold] = [of("start"), of("check")];
  show("node with an empty script", of("node"));
  show("resnet --version", of("version"));
  show("resnet check, an empty file (start-up)", start);
  show("resnet check, 500 lines (start-up and work, cold)", cold);
  show("the work after start-up, cold", { cpu: cold.cpu - start.cpu, wall: cold.wall - start.wall, median: cold.median - start.median }, 100);
  rmSync(folder, { recursive: true });
}

function main(): void {
  startUp();
  const text = longFile();
  const source: Source = { path: "long.resnet", text };
  const edited = (k: number): Source => ({ path: source.path, text: text.replace("conv(32, 3)\n", `conv(${32 + 8 * k}, 3)\n`) });
  const rest = (k: number): Source => ({ path: source.path, text: text.replace("2*growth, 1)", `${6 + k}*growth, 1)`) });
  console.log(`${text.split("\n").length} lines`);
  show(
    "parse, first",
    measure(() => void parse(source)),
  );
  show(
    "check in this process, first (code not compiled yet)",
    measure(() => checked(source)),
  );
  const fresh = Array.from({ length: 7 }, () => measure(() => checked(source)));
  show("check, nothing cached, warm", least(fresh), 100);
  show("parse, warm", least(Array.from({ length: 7 }, () => measure(() => void parse(source)))));
  const cache: ParseCache = new Map();
  checked(source, cache);
  show("check again, nothing changed", least(Array.from({ length: 5 }, () => measure(() => checked(source, cache)))), 50);
  show("check after a line of the model changed", least(Array.from({ length: 7 }, (_, k) => measure(() => checked(edited(k + 1), cache)))), 50);
  show("check after a line of a block changed", least(Array.from({ length: 7 }, (_, k) => measure(() => checked(rest(k + 1), cache)))), 50);
  for (const count of [60, 600, 2400]) {
    const costs = Array.from({ length: 3 }, () => measure(() => checked(deepFile(count))));
    show(`check of a model with repeat ${count}`, least(costs));
  }
  for (const model of ["CifarResNet20A", "CifarResNet110A", "CifarResNet1202A"])
    show(
      `elaborate ${model} twice (inference, training)`,
      measure(() => deepElaboration(model)),
    );
}

main();
