/** Profiles: what is counted, for which calls, and what the command line makes of it. */
import * as assert from "uvu/assert";
import { loadNetwork } from "../../runtime/load.ts";
import type { Manifest } from "../../runtime/manifest.ts";
import { compile } from "../../tools/api/index.ts";
import { describeProfile } from "../../tools/cli/profile.ts";
import { suite } from "../harness.ts";
import { rejects } from "./expect-error.ts";
import { TINY, tinyWasm } from "./tiny-network.ts";

const X = { x: [1, 2, 3, 4] };
const BATCH = { ...X, label: [1, 2] };

/** Each call does 2 operations a sample on 16 bytes. */
const MEASURED: Manifest = {
  ...TINY,
  calls: TINY.calls.map((call) => ({ ...call, flops: { batch: 2 }, bytes: { batch: 16 } })),
};

suite("runtime/profile", (test) => {
  test("counts calls, work and nodes since it was last asked", async () => {
    const net = await loadNetwork({ manifest: MEASURED, wasm: tinyWasm() }, { profile: true });
    assert.equal((await net.profile()).kernels, []);
    for (let call = 0; call < 3; call++) await net.run(X);
    const { device, clock, programs, kernels } = await net.profile();
    assert.equal([device, clock], ["wasm", "host"]);
    assert.equal(
      programs.map(({ program, calls }) => [program, calls]),
      [
        ["prepare", 1],
        ["infer", 3],
      ],
    );
    const scale = kernels.find(({ kernel }) => kernel === "scale");
    assert.equal([scale?.program, scale?.calls, scale?.flops, scale?.bytes, scale?.serves], ["infer", 3, 12, 96, ["scale"]]);
    for (const { milliseconds } of [...programs, ...kernels]) assert.ok(milliseconds >= 0 && milliseconds < 1e4);
    for (const { program, milliseconds } of programs) {
      const inside = kernels.filter((each) => each.program === program).reduce((sum, each) => sum + each.milliseconds, 0);
      assert.ok(inside <= milliseconds, `${program}: ${inside} of ${milliseconds}`);
    }
    assert.equal(await net.profile(), { device: "wasm", clock: "host", programs: [], kernels: [] });
    await net.step(BATCH);
    await net.gradients(BATCH);
    const second = await net.profile();
    assert.equal(second.programs.map(({ program, calls }) => `${program} ${calls}`).sort(), ["gradients 1", "step 1"]);
    await net.dispose();
    await rejects(net.profile(), "RN605");
  });
  test("changes no result, and is refused where it is not kept", async () => {
    const plain = await loadNetwork({ manifest: TINY, wasm: tinyWasm() }, {});
    const profiled = await loadNetwork({ manifest: TINY, wasm: tinyWasm() }, { profile: true });
    for (let step = 0; step < 3; step++) assert.equal(await profiled.step(BATCH), await plain.step(BATCH));
    assert.equal(await profiled.weights(), await plain.weights());
    await rejects(plain.profile(), "RN608");
    await rejects(loadNetwork({ manifest: TINY, wasm: tinyWasm() }, { profile: "yes" as unknown as boolean }), "RN606");
  });
  test("the compiler counts the work of convolutions as the summary does", async () => {
    const dims = { H: 32, W: 32 };
    const program = await compile({ file: "std/models/cifar", model: "CifarResNet20B", dims, mode: "inference" });
    const net = await program.load({ profile: true });
    await net.run({ image: new Float32Array(2 * 3 * 32 * 32) });
    const { kernels } = await net.profile();
    const layers = program.summary().layers.filter(({ operator }) => /^conv/.test(operator));
    const expected = layers.reduce((sum, { macs }) => sum + 2 * 2 * (macs ?? Number.NaN), 0);
    const found = kernels.filter(({ program: of, kernel }) => of === "infer" && kernel.startsWith("conv"));
    const flops = found.reduce((sum, each) => sum + each.flops, 0);
    assert.ok(expected > 0 && Math.abs(flops / expected - 1) < 0.02, `${flops} of ${expected}`);
    await net.dispose();
  });
  test("a table: the slowest first, the rest in one line, rates only where there is a time", () => {
    const kernel = (name: string, milliseconds: number) => ({
      program: "step" as const,
      kernel: name,
      calls: 2,
      milliseconds,
      flops: 4e6,
      bytes: 2e6,
      serves: ["a", "b", "c", "d", "e"],
    });
    const many = Array.from({ length: 45 }, (_, k) => kernel(`k${k}`, k < 44 ? 2 : 0));
    const programs = [{ program: "step" as const, calls: 2, milliseconds: 176 }];
    const lines = describeProfile({ device: "webgpu", clock: "timestamps", programs, kernels: many });
    assert.match(lines[2] ?? "", /^step +k0 +2 +2\.00 +2\.3 % +2\.0 +1\.0 +a b c and 2 more$/);
    assert.match(lines[42] ?? "", /5 more +8\.00 +9\.1 %/);
    assert.match(lines.at(-1) ?? "", /step +2 +176\.00 +88\.00 +50\.0 %/);
    const none = describeProfile({ device: "webgpu", clock: "none", programs, kernels: [] });
    assert.match(none[0] ?? "", /no timestamps/);
    assert.match(none.at(-1) ?? "", /step +2 +176\.00 +88\.00/);
    assert.not.match(describeProfile({ device: "wasm", clock: "host", programs: [], kernels: [kernel("fast", 0)] }).join("\n"), /Infinity|NaN/);
  });
});
