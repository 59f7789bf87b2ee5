/** What is stored as f16 in an inference program, by its manifest and shaders; that it computes right is in spec/webgpu. */
import * as assert from "uvu/assert";
import type { SizeSpec, WebgpuSpec } from "../../runtime/manifest.ts";
import { type CompileOptions, compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";

async function webgpuOf(options: Omit<CompileOptions, "mode" | "usualSizes">): Promise<WebgpuSpec> {
  const { manifest } = await compile({ ...options, mode: "inference", usualSizes: true, devices: ["webgpu"] });
  assert.ok(manifest.webgpu !== undefined);
  return manifest.webgpu;
}

function perSample(sizes: readonly SizeSpec[]): number {
  return sizes.reduce<number>((total, size) => total + (typeof size === "number" ? 0 : size.batch), 0);
}

/** Bindings by the part of their name before its number, and their types. */
function bindings({ shaders }: WebgpuSpec): readonly (readonly [shader: string, name: string, type: string])[] {
  return shaders.flatMap(({ name: shader, template }) =>
    [...template.matchAll(/read_write> (\w+)_b\d+: array<(.+)>;/g)].map(([, name = "", type = ""]) => [shader, name, type] as const),
  );
}

const CIFAR = { file: "std/models/cifar", model: "CifarResNet20B" } as const;

suite("f16 storage", (test) => {
  test("activations take half the memory, weights are halves, and the device must know them", async () => {
    const [whole, halved] = [await webgpuOf(CIFAR), await webgpuOf({ ...CIFAR, storage: "f16" })];
    assert.equal([whole.features, halved.features], [undefined, ["shader-f16"]]);
    const temporary = ({ infer }: WebgpuSpec): number => perSample((infer?.buffers ?? []).flatMap((each) => ("bytes" in each ? [each.bytes] : [])));
    const ports = 4 * (3 * 32 * 32 + 10);
    const ratio = (temporary(halved) - ports) / (temporary(whole) - ports);
    assert.ok(Math.abs(ratio - 0.5) < 0.01, `${ratio} of the memory`);
    const traffic = ({ infer, calls }: WebgpuSpec): number => perSample(infer?.steps.map(({ call }) => calls[call]?.bytes ?? 0) ?? []);
    assert.ok(traffic(halved) < 0.52 * traffic(whole), `${traffic(halved)} of ${traffic(whole)} bytes`);
    const weights = bindings(halved).filter(([, name]) => name === "weights");
    assert.ok(weights.length > 20);
    for (const [shader, , type] of weights) assert.match(type, /^(vec4<)?f16>?$/, shader);
  });

  test("ports, biases and sums stay f32", async () => {
    const halved = await webgpuOf({ ...CIFAR, storage: "f16" });
    const found = bindings(halved);
    for (const [shader, name, type] of found) if (/partial|bias/.test(name)) assert.match(type, /f32/, `${name} of ${shader}`);
    const last = found.filter(([shader, name]) => shader.startsWith("matmul") && name === "result").map(([, , type]) => type);
    assert.ok(last.length > 0 && last.every((type) => type === "f32"), last.join());
    for (const { name, template } of halved.shaders) assert.not.match(template, /var sums.*f16|_tile: array<vec4<f16>>/, name);
    for (const { name, template } of (await webgpuOf(CIFAR)).shaders) assert.not.match(template, /f16/, name);
  });

  test("storage is f32 or f16, and f32 in training", async () => {
    const refused = async (options: object): Promise<string> =>
      compile({ ...CIFAR, mode: "inference", ...options } as CompileOptions).then(
        () => "taken",
        (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
      );
    assert.match(await refused({ storage: "f8" }), /RN606.*`storage` must be "f32" or "f16"/);
    assert.match(await refused({ storage: "f16", mode: "training" }), /RN606.*must be "f32" for training/);
  });
});
