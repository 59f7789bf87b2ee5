/** Shaders as templates: with sizes as numbers, and with sizes that each dispatch gives. */
import * as assert from "uvu/assert";
import type { WebgpuShaderSpec } from "../../runtime/manifest.ts";
import { fixedText, sizedTexts } from "../../runtime/webgpu/shader-text.ts";
import { callOf, defaultVariant } from "../../runtime/webgpu/variants.ts";
import { compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";

function shader(layer: string, ...sizes: number[]): WebgpuShaderSpec {
  const head = `// ${layer}\nstruct Call { batch: i32, base0: i32 }\nvar<storage, read_write> ${layer}_b0: array<f32>;`;
  return { name: layer, template: `${head}\nfn main() { ${layer}_b0[$ + $] = f32($); }`, sizes };
}

const CAPABILITIES = { features: new Set<string>(), limits: { maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256 } };

suite("sizes of shaders", (test) => {
  test("numbers stand where they stood", () => {
    assert.match(fixedText(shader("conv1", 12, 7, 12)), /^\/\/ conv1\n[^]*conv1_b0\[12 \+ 7\] = f32\(12\);/);
  });

  test("one text for shaders that differ in sizes and names; sizes that are always equal are one field", () => {
    const texts = sizedTexts([shader("conv1", 12, 7, 12), shader("conv2", 5, 5, 5)]);
    assert.is(texts[0]?.code, texts[1]?.code);
    assert.match(texts[0]?.code ?? "", /struct Call \{ batch: i32, base0: i32, size0: i32, size1: i32 \}/);
    assert.match(texts[0]?.code ?? "", /binding0\[call\.size0 \+ call\.size1\] = f32\(call\.size0\);/);
    assert.equal(
      texts.map(({ sizes }) => sizes),
      [
        [12, 7],
        [5, 5],
      ],
    );
  });

  test("numbers where the uniform is too short", () => {
    const many = Array.from({ length: 63 }, (_, k) => k + 2);
    const long = { name: "long", template: `struct Call { batch: i32, base0: i32 }\n${many.map(() => "_ = $;").join("\n")}`, sizes: many };
    const [text] = sizedTexts([long]);
    assert.equal(text, { code: fixedText(long), sizes: [] });
    assert.is(sizedTexts([{ ...long, template: long.template.replace("_ = $;\n", ""), sizes: many.slice(1) }])[0]?.sizes.length, 62);
  });

  test("layers of DenseNet that differ in channels alone share shaders on an adapter of software", async () => {
    const options = { file: "std/models/densenet", model: "DenseNetBC40_12", usualSizes: true, mode: "training", devices: ["webgpu"] } as const;
    const webgpu = (await compile(options)).manifest.webgpu;
    assert.ok(webgpu !== undefined);
    const texts = sizedTexts(webgpu.shaders);
    const steps = [webgpu.prepare, webgpu.infer, webgpu.gradients, webgpu.step].flatMap((program) => program?.steps ?? []);
    const codes = steps.flatMap((step) => {
      const { dispatches } = defaultVariant(callOf(webgpu, step), 8, { ...CAPABILITIES, isSoftware: true });
      return dispatches.map((dispatch) => ({ shader: dispatch.shader, code: texts[dispatch.shader]?.code ?? "" }));
    });
    for (const { code } of codes) assert.not.match(code, /workgroupBarrier|var<workgroup>/);
    const [distinct, shaders] = [new Set(codes.map(({ code }) => code)).size, new Set(codes.map((each) => each.shader)).size];
    assert.ok(distinct <= 80 && shaders > 300, `${distinct} texts of ${shaders} shaders`);
  });

  test("a device that is none of software never runs a plain variant unless a measurement says so", async () => {
    const options = { file: "std/models/cifar", model: "CifarResNet20B", usualSizes: true, mode: "training", devices: ["webgpu"] } as const;
    const webgpu = (await compile(options)).manifest.webgpu;
    assert.ok(webgpu !== undefined);
    const steps = [webgpu.infer, webgpu.gradients, webgpu.step].flatMap((program) => program?.steps ?? []);
    const plain = steps.map((step) => callOf(webgpu, step)).filter(({ variants }) => variants.some((each) => each.plain === true));
    assert.ok(plain.length > 60, `${plain.length} of ${steps.length}`);
    for (const call of plain) for (const batch of [1, 8, 4096]) assert.is(defaultVariant(call, batch, CAPABILITIES).plain, undefined);
  });
});
