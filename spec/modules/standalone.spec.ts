/** A written module, alone in an empty folder, gives to the bit what the program gives in process. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { writeSafetensors } from "../../runtime/safetensors.ts";
import { bundleRuntime } from "../../tools/build/bundle-runtime.ts";
import { loadApi } from "../../tools/cli/api.ts";
import { compile, emitModule, type Network, type Program } from "../../tools/api/index.ts";
import { call } from "../cli/call.ts";
import { suite } from "../harness.ts";

const SCRIPT = `
import { readFileSync, writeFileSync } from "node:fs";
import { load } from "./network.js";
const input = new Float32Array(readFileSync("input.bin").buffer.slice(0));
const network = await load({ seed: 5 });
const { logits } = await network.run({ image: input });
writeFileSync("run.bin", new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
const label = new Int32Array([1, 2]);
const losses = [];
for (let i = 0; i < 3; i++) losses.push((await network.step({ image: input, label }, { learningRate: 0.1 })).loss);
writeFileSync("losses.json", JSON.stringify(losses));
`;

function samples(): Float32Array {
  return Float32Array.from({ length: 2 * 28 * 28 }, (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011));
}

async function inProcess(network: Network): Promise<{ logits: readonly number[]; losses: readonly number[] }> {
  const image = samples();
  const logits = Array.from((await network.run({ image }))["logits"]?.data ?? [], Number);
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) losses.push((await network.step({ image, label: new Int32Array([1, 2]) }, { learningRate: 0.1 })).loss);
  return { logits, losses };
}

async function write(program: Program): Promise<string> {
  const runtimeText = await bundleRuntime();
  return emitModule({ manifest: program.manifest, wasm: program.wasm, runtimeText, banner: "test" }).javascript;
}

suite("standalone modules", (test) => {
  test("run alone, without code from strings, and agree to the bit", async () => {
    const program = await compile({ file: "examples/digits/digits.resnet", mode: "training" });
    const folder = mkdtempSync(join(tmpdir(), "resnet-module-"));
    try {
      writeFileSync(join(folder, "network.js"), await write(program));
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      writeFileSync(join(folder, "main.js"), SCRIPT);
      writeFileSync(join(folder, "input.bin"), new Uint8Array(samples().buffer));
      execFileSync(process.execPath, ["--disallow-code-generation-from-strings", "main.js"], { cwd: folder, timeout: 60_000 });
      const expected = await inProcess(await program.load({ seed: 5 }));
      const bytes = readFileSync(join(folder, "run.bin"));
      const logits = Array.from(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)));
      assert.is(expected.logits.length, 20);
      assert.equal(logits, expected.logits);
      assert.equal(JSON.parse(readFileSync(join(folder, "losses.json"), "utf8")), expected.losses);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("refuse a batch that breaks a condition no proof could settle, as the command does on every device", async () => {
    const [file, model] = ["spec/diagnostics/unproved.resnet", "Unstated"];
    const complaint = "a batch of 500 does not fit this network: N*N % 1000003 != 250000 (`Odd` requires N * N % 1000003 != 250000)";
    const folder = mkdtempSync(join(tmpdir(), "resnet-module-"));
    try {
      const program = await compile({ file, model, mode: "inference" });
      writeFileSync(join(folder, "network.mjs"), await write(program));
      writeFileSync(
        join(folder, "main.mjs"),
        `import { load } from "./network.mjs";
const network = await load();
for (const batch of [2, 500]) await network.run({ x: new Float32Array(3 * batch) }).then(({ y }) => console.log(y.shape.join("x")), (error) => console.log(error.code, error.message));`,
      );
      const printed = execFileSync(process.execPath, ["main.mjs"], { cwd: folder, timeout: 60_000, encoding: "utf8" });
      assert.is(printed, `2x2\nRN709 ${complaint}\n`);
      const input = join(folder, "x.safetensors");
      writeFileSync(input, writeSafetensors({ x: { dtype: "f32", shape: [500, 3], data: new Float32Array(1500) } }));
      for (const device of ["wasm", "reference"]) {
        const args = ["run", file, "--model", model, "--input", `x=${input}#x`, "--device", device, "-o", join(folder, "y.safetensors")];
        const { exitCode, err } = await call(await loadApi(), ...args);
        assert.is(exitCode, 1, device);
        assert.ok(err.includes(`[RN709] ${complaint}`), err);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("are the same bytes when written twice", async () => {
    const first = await compile({ file: "examples/digits/digits.resnet", mode: "training" });
    const second = await compile({ file: "examples/digits/digits.resnet", mode: "training" });
    assert.is(await write(first), await write(second));
  });
});
