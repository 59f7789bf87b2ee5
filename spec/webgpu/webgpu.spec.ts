/**
 * The WebGPU back end in Node, where the package `webgpu` and an adapter are: kernels against the evaluation in f64, a lost
 * device, a profile.
 * Invariant: everything runs in child processes that are ended after a time.
 */
import * as assert from "uvu/assert";
import type { Profile } from "../../runtime/load.ts";
import type { WebgpuVariantSpec } from "../../runtime/manifest.ts";
import { compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";
import { findAdapter } from "./adapter.ts";
import { succeed } from "./run-child.ts";

/** Few: software adapters take seconds to compile each variant. More, of another seed: `RESNET_DRAWN_CONTRACTIONS=30 RESNET_SEED=7`. */
const DRAWN = Number(process.env["RESNET_DRAWN_CONTRACTIONS"] ?? 6);
const DRAWN_SEED = Number(process.env["RESNET_SEED"] ?? 1);

interface SharedRun {
  readonly device: string;
  readonly steps: number;
  readonly notices: readonly string[];
}

interface RecoveredRun extends Omit<SharedRun, "steps"> {
  readonly steps: readonly number[];
  readonly isEqual: boolean;
  readonly devices: number;
}

const { environment: usable, reason } = findAdapter();

suite("webgpu", (test) => {
  const onDevice = (name: string, body: (env: NodeJS.ProcessEnv) => Promise<void>): void => {
    if (usable === undefined) test.skip(name, reason);
    else test(name, () => body(usable));
  };

  test("ResNet-50 infers in 60 dispatches at most; WGSL is in a manifest only where it was asked for", async () => {
    const options = {
      file: "std/models/resnet",
      model: "ResNet50",
      dims: { H: 224, W: 224 },
      mode: "inference",
    } as const;
    const { manifest } = await compile({ ...options, devices: ["wasm", "webgpu"] });
    const { infer, calls = [] } = manifest.webgpu ?? {};
    // What the compiler chooses: variants that only a measurement does are to be had for any batch.
    const chosen = (call: number): WebgpuVariantSpec | undefined =>
      calls[call]?.variants.find(({ requires, upTo }) => requires === undefined && upTo !== 0);
    const dispatches = (infer?.steps ?? []).reduce((count, { call }) => count + (chosen(call)?.dispatches.length ?? 0), 0);
    assert.ok(dispatches > 50, `${dispatches} dispatches`);
    assert.ok(dispatches <= 60, `${dispatches} dispatches`);
    assert.is((await compile(options)).manifest.webgpu, undefined);
  });

  onDevice("every operation, on f32 and i32", async (env) => {
    const { count } = await succeed("operations", env);
    assert.ok(Number(count) > 50, `${count} kernels`);
  });
  onDevice("bounds, gathers, scatters, folded grids, reductions", async (env) => {
    assert.is((await succeed("forms", env))["count"], 7);
  });
  onDevice("contractions with remainders, groups, strides, prologues, in every variant", async (env) => {
    const { count, variants } = await succeed("contractions", env);
    assert.is(count, 14);
    const names = (variants as readonly string[]).join(" ");
    for (const name of ["32x32", "64x64", "128x64", "32x32_split", "64x64_split", "winograd2", "winograd4"])
      assert.ok(names.includes(name), `${name} is not among ${names}`);
  });
  onDevice("drawn contractions, in every variant", async (env) => {
    assert.is((await succeed("drawn", env, [`${DRAWN_SEED}`, `${DRAWN}`]))["count"], DRAWN);
  });
  onDevice("without recovery a lost device is RN607 for this call and the next", async (env) => {
    assert.equal((await succeed("loss", env))["codes"], ["RN607", "RN607"]);
  });
  onDevice("a device destroyed in the middle of a training: a new one, and the bits of an undisturbed run", async (env) => {
    const { runs, shared } = await succeed("recovery", env);
    for (const { steps, isEqual, device, devices, notices } of runs as readonly RecoveredRun[]) {
      assert.ok(isEqual, `destroyed behind steps ${steps}: other bits`);
      assert.equal([device, devices, notices.length], ["webgpu", 1 + steps.length, steps.length], notices.join("\n"));
      for (const notice of notices) assert.match(notice, /lost.*on a new GPU device/);
    }
    const { device, steps, notices } = shared as SharedRun;
    assert.equal([device, steps, notices.length], ["wasm", 3, 1]);
    assert.match(notices[0]!, /lost.*on the CPU/);
  });
  onDevice("a profile: each kernel by timestamps, or the calls alone where the device has none; the same results", async (env) => {
    const { profiles, agree, width } = await succeed("profile", env);
    assert.equal([agree, width], [true, 10]);
    const [timed, untimed] = profiles as readonly Profile[];
    assert.equal([untimed?.clock, untimed?.kernels, untimed?.programs.find(({ program }) => program === "infer")?.calls], ["none", [], 2]);
    // An adapter without timestamps has nothing further to show.
    if (timed?.clock !== "timestamps") return;
    const inference = timed.kernels.filter(({ program }) => program === "infer");
    const served = new Set(inference.flatMap(({ serves }) => serves));
    for (const path of ["layer1.0.bn1", "layer3.2.bn2", "fc"]) assert.ok(served.has(path), `${path} is served by no kernel`);
    for (const { kernel, calls } of inference) assert.is(calls % 2, 0, `${kernel} ran ${calls} times in two equal calls`);
    const wall = timed.programs.find(({ program }) => program === "infer")?.milliseconds ?? 0;
    const inside = inference.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    assert.ok(inside > 0 && inside <= wall, `${inside} ms in kernels of ${wall} ms`);
    // Two calls of 40.8 million multiplications with their additions: the layers of He et al. 2015, section 4.2, n = 3.
    const flops = inference.filter(({ kernel }) => kernel.startsWith("conv")).reduce((sum, each) => sum + each.flops, 0);
    assert.ok(Math.abs(flops / (2 * 2 * 40.8e6) - 1) < 0.03, `${flops} operations in convolutions`);
  });
});
