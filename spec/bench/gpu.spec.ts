/** The GPU benchmark's arithmetic and its refusals; that it runs on a device is for `npm run bench -- --device webgpu --quick`. */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { benchGpu } from "../../tools/bench/gpu/bench.ts";
import { describeReport, type Report } from "../../tools/bench/gpu/report.ts";
import { FULL, QUICK } from "../../tools/bench/gpu/sizes.ts";
import { check, compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";

const LAYERS = "tools/bench/gpu/layers.resnet";

const REPORT: Report = {
  adapter: { vendor: "acme", architecture: "x", description: "card", isFallback: false },
  node: "20.0.0",
  isTuned: false,
  peak: 10_000,
  sizes: { ...QUICK, products: [64, 128], convolutions: QUICK.convolutions.slice(0, 1), inference: [1], training: [2] },
  products: [
    { milliseconds: 0.5, gflops: 1000 },
    { milliseconds: 1, gflops: 4000 },
  ],
  convolutions: [{ milliseconds: 2, gflops: 3000 }],
  inference: [{ call: 8, kernels: 6, profile: [] }],
  training: [{ call: 9, kernels: undefined, profile: [] }],
  pytorch: { device: "card", version: "2", products: [0.25, 1], convolutions: [1], inference: [4], training: [6] },
};

suite("bench/gpu", (test) => {
  test("shares of the peak and of the best product, and ratios to PyTorch", () => {
    const text = describeReport(REPORT).join("\n");
    assert.match(text, /product 64x64x64 +0\.500 +1000\.0 +10\.0 % +0\.250 +2\.00\n/);
    assert.match(text, /product 128x128x128 +1\.000 +4000\.0 +40\.0 % +1\.000 +1\.00\n/);
    assert.match(text, /conv 3x3 16>16 at 16x16, batch 2 +2\.000 +3000\.0 +30\.0 % +75\.0 % +1\.000 +2\.00\n/);
    assert.match(text, /ResNet-50 32x32, batch 1 +8\.00 +6\.00 +4\.00 +2\.00 +1\.50\n/);
    assert.match(text, /ResNet-20 training step, batch 2 +9\.00 +6\.00 +1\.50/);
  });
  test("says where PyTorch is missing and where the device is in software", () => {
    const text = describeReport({
      ...REPORT,
      adapter: { ...REPORT.adapter, isFallback: true },
      pytorch: { missing: "No module named 'torch'" },
    }).join("\n");
    assert.match(text, /in software: its speed says nothing/);
    assert.match(text, /no PyTorch beside it: No module named 'torch'/);
    assert.not.match(text, /NaN|undefined/);
  });
  test("wrong options are refused before a device is asked for", async () => {
    for (const args of [["--seconds", "0"], ["--peak", "fast"], ["--fast"], ["--device"]]) {
      let said = "";
      assert.is(await benchGpu(args, (text) => void (said += text)), 2, args.join(" "));
      assert.match(said, /usage: npm run bench/);
    }
  });
  test("its layers compile at every size, and PyTorch is asked for the same names", async () => {
    assert.equal((await check([LAYERS])).diagnostics, []);
    for (const { inputs, outputs, size, taps, stride } of [...FULL.convolutions, ...QUICK.convolutions]) {
      const dims = { C: inputs, H: size, W: size };
      const program = await compile({ file: LAYERS, model: "Convolution", dims, set: { outputs, taps, stride }, mode: "inference" });
      const side = Math.floor((size - 1) / stride) + 1;
      assert.is(program.summary().macs, inputs * outputs * taps ** 2 * side ** 2);
    }
    const asked = readFileSync("tools/bench/gpu/pytorch.py", "utf8");
    const shape = FULL.convolutions[0];
    for (const name of [...Object.keys(FULL), ...Object.keys(shape ?? {})])
      assert.ok(asked.includes(`["${name}"]`), `pytorch.py does not read ${name}`);
  });
});
