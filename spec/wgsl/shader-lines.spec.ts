/** Shaders in written modules: each line once, and the same texts when the module is loaded. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as assert from "uvu/assert";
import { packShaders } from "../../compiler/emit/shader-lines.ts";
import { restoreShaders } from "../../runtime/shader-lines.ts";
import { fixedText } from "../../runtime/webgpu/shader-text.ts";
import { compile, emitModule } from "../../tools/api/index.ts";
import { bundleRuntime } from "../../tools/build/bundle-runtime.ts";
import { suite } from "../harness.ts";

suite("shader lines", (test) => {
  test("a module for WebGPU gives back the shaders to the letter, in less than half of their length", async () => {
    const program = await compile({ file: "std/models/cifar", model: "CifarResNet20B", mode: "inference", usualSizes: true, devices: ["webgpu"] });
    const { manifest, wasm } = program;
    const packed = packShaders(manifest);
    assert.ok(packed !== undefined);
    // As texts: to compare objects of this size one by one takes seconds.
    assert.is(JSON.stringify(restoreShaders(packed).webgpu?.shaders), JSON.stringify(manifest.webgpu?.shaders));
    const lengthOf = (value: unknown): number => JSON.stringify(value).length;
    const codes = manifest.webgpu?.shaders.map(fixedText) ?? [];
    assert.ok(codes.length > 20);
    assert.ok(lengthOf([packed.webgpu.lines, packed.webgpu.shaders]) < lengthOf(codes) / 2);
    const { javascript } = emitModule({ manifest, wasm, runtimeText: await bundleRuntime(), banner: "test" });
    const folder = mkdtempSync(join(tmpdir(), "resnet-shaders-"));
    try {
      writeFileSync(join(folder, "network.mjs"), javascript);
      const module = (await import(pathToFileURL(join(folder, "network.mjs")).href)) as { manifest: typeof manifest };
      assert.is(JSON.stringify(module.manifest.webgpu?.shaders), JSON.stringify(manifest.webgpu?.shaders));
      assert.is(JSON.stringify(module.manifest.webgpu?.infer), JSON.stringify(manifest.webgpu?.infer));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("a module without WebGPU carries none", async () => {
    const { manifest } = await compile({ file: "std/models/cifar", model: "CifarResNet20B", mode: "inference", usualSizes: true });
    assert.is(packShaders(manifest), undefined);
  });
});
