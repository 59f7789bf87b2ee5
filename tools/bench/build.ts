/**
 * What `resnet build --train` costs on deep networks, as a command of its own: least wall time, processor time and peak
 * memory of several runs. Usage: npx tsx tools/bench/build.ts [--runs N] [--device wasm,webgpu] [MODEL ..] [-- CLI ..]; by
 * default ResNet-1202 and pre-activation ResNet-1001 for Wasm. Each CLI is a `cli.js` to compare with, run by turns.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { listModels } from "../api/index.ts";

const DEFAULT = ["CifarResNet1202A", "PreactResNet1001"];
const own = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli.js");

/** Printed by the child as it ends: microseconds of processor time, and KiB. */
const TELL = "data:text/javascript,process.on('exit',()=>{const u=process.resourceUsage();console.error(u.userCPUTime+u.systemCPUTime,u.maxRSS)})";

interface Cost {
  /** Seconds. */
  readonly wall: number;
  readonly cpu: number;
  /** MiB. */
  readonly peak: number;
  /** Bytes of the module. */
  readonly size: number;
}

const divider = process.argv.indexOf("--");
const { values, positionals } = parseArgs({
  args: process.argv.slice(2, divider < 0 ? undefined : divider),
  options: { runs: { type: "string", default: "5" }, device: { type: "string", default: "wasm" } },
  allowPositionals: true,
});
const programs = [own, ...(divider < 0 ? [] : process.argv.slice(divider + 1))];
const models = await listModels();
const folder = mkdtempSync(join(tmpdir(), "resnet-bench-"));
const out = join(folder, "network.js");

function build(program: string, path: string, model: string): Cost {
  const started = performance.now();
  const args = ["--import", TELL, program, "build", path, "--model", model, "--train", "--device", values.device, "-o", out];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const wall = (performance.now() - started) / 1e3;
  if (status !== 0) throw new Error(stderr);
  const [cpu = 0, peak = 0] = (stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  return { wall, cpu: cpu / 1e6, peak: peak / 1024, size: statSync(out).size };
}

try {
  for (const name of positionals.length > 0 ? positionals : DEFAULT) {
    const found = models.find((model) => model.name === name);
    if (found === undefined) throw new Error(`the library has no model ${name}`);
    const costs = programs.map((): Cost[] => []);
    for (let run = 0; run < Number(values.runs); run++)
      for (const [k, program] of programs.entries()) costs[k]?.push(build(program, found.path, name));
    for (const [k, program] of programs.entries()) {
      const least = (of: (cost: Cost) => number): number => Math.min(...(costs[k] ?? []).map(of));
      const [wall, cpu, peak] = [least((cost) => cost.wall), least((cost) => cost.cpu), least((cost) => cost.peak)];
      const size = (least((cost) => cost.size) / 1e6).toFixed(1);
      const which = programs.length > 1 ? ` (${k === 0 ? "this" : program})` : "";
      console.log(
        `${name} for ${values.device}${which}: wall ${wall.toFixed(2)} s, cpu ${cpu.toFixed(2)} s, peak ${peak.toFixed(0)} MiB, module ${size} MB`,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
