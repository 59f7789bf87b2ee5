/** How contractions read and store, by the WGSL of whole networks: four elements at a time wherever channels come in fours. */
import * as assert from "uvu/assert";
import { fixedText } from "../../runtime/webgpu/shader-text.ts";
import { compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";

interface ShaderText {
  readonly serves: string;
  readonly code: string;
}

/** The shaders through whose workgroup memory tiles of factors go. */
async function tiledShaders(): Promise<readonly ShaderText[]> {
  const { manifest } = await compile({
    file: "std/models/resnet",
    model: "ResNet50",
    dims: { H: 64, W: 64 },
    mode: "inference",
    devices: ["webgpu"],
  });
  const shaders = manifest.webgpu?.shaders ?? [];
  return shaders
    .filter(({ template }) => template.includes("left_tile"))
    .map(fixedText)
    .map((code) => ({ code, serves: /^\/\/ serves (.*)$/m.exec(code)?.[1] ?? "" }));
}

/** Bindings of single elements. */
function scalarBindings(code: string): string[] {
  return [...code.matchAll(/var<storage, read_write> (\w+): array<(?:f32|i32|u32)>/g)].map(([, name = ""]) => name);
}

suite("wgsl vectors", (test) => {
  const found: { shaders?: Promise<readonly ShaderText[]> } = {};
  const shadersOnce = (): Promise<readonly ShaderText[]> => (found.shaders ??= tiledShaders());

  test("every convolution of ResNet-50's bottlenecks reads both factors, and stores, by fours", async () => {
    const shaders = await shadersOnce();
    const ofBlocks = shaders.filter(({ serves }) => /layer\d/.test(serves));
    const served = ofBlocks.map(({ serves }) => serves).join(" ");
    for (const path of ["layer1.0.downsample.1", "layer1.0.bn1", "layer2.1.bn2", "layer4.2.bn3"]) assert.ok(served.includes(path), path);
    for (const { serves, code } of ofBlocks) assert.equal(scalarBindings(code), [], serves);
    for (const { serves, code } of ofBlocks) {
      // A load of a tile is one vector, or one vector unless it is padding; never a component.
      assert.not.match(code, /quad_\d+\.[xyzw] = /, serves);
    }
  });

  test("only the image, of three channels, is read by elements", async () => {
    const shaders = await shadersOnce();
    const byElements = shaders.filter(({ code }) => scalarBindings(code).length > 0);
    assert.ok(byElements.length > 0);
    for (const { serves, code } of byElements) assert.equal([serves, scalarBindings(code)], ["bn1", ["input_b0"]]);
  });

  test("an axis of one position costs no division", async () => {
    const pointwise = (await shadersOnce()).filter(({ serves }) => serves.startsWith("layer1.0.bn3"));
    assert.ok(pointwise.length > 0);
    for (const { code } of pointwise) {
      const loop = /for \(var start[^]*?workgroupBarrier/.exec(code)?.[0] ?? "";
      assert.ok(loop.includes("left_tile["));
      assert.not.match(loop, /[/%]/);
    }
  });
});
