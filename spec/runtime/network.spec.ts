/** A hand-assembled network through the whole runtime; all numbers are worked out by hand. */
import * as assert from "uvu/assert";
import { loadNetwork } from "../../runtime/load.ts";
import { stepSeed } from "../../runtime/random.ts";
import { readSafetensors } from "../../runtime/safetensors.ts";
import { suite } from "../harness.ts";
import { rejects } from "./expect-error.ts";
import { TINY, TINY_INFERENCE, TINY_TRAP, tinyWasm } from "./tiny-network.ts";

const wasm = tinyWasm();
const load = (options = {}) => loadNetwork({ manifest: TINY, wasm }, options);
const x = Float32Array.of(1, 2);
const label = [4];
const weight = { dtype: "f32", shape: [1], data: Float32Array.of(5) } as const;

suite("network: calls", (test) => {
  test("run scales by the prepared weight, for any batch in any order", async () => {
    const net = await load();
    for (const batch of [1, 3, 1, 70000, 2]) {
      const data = Float32Array.from({ length: 2 * batch }, (_, i) => i % 1000);
      const { y } = await net.run({ x: data });
      assert.equal(y!.shape, [batch, 2]);
      assert.is(y!.dtype, "f32");
      assert.ok(
        y!.data.every((value, i) => value === 3 * (i % 1000)),
        `batch ${batch}`,
      );
    }
  });

  test("describes its ports", async () => {
    const net = await load();
    assert.equal(net.inputs, [{ name: "x", dtype: "f32", shape: ["N", 2] }]);
    assert.equal(net.outputs, [{ name: "y", dtype: "f32", shape: ["N", 2] }]);
    assert.is(net.model, "Tiny");
  });

  test("accepts arrays, plain numbers, doubles, halves and data with a shape", async () => {
    const net = await load();
    const forms = [
      x,
      [1, 2],
      Float64Array.of(1, 2),
      { data: x, shape: [1, 2] },
      { data: Uint16Array.of(0x3c00, 0x4000), shape: [1, 2], dtype: "f16" as const },
      { data: Uint16Array.of(0x3f80, 0x4000), shape: [1, 2], dtype: "bf16" as const },
    ];
    for (const form of forms) assert.equal([...(await net.run({ x: form })).y!.data], [3, 6]);
  });

  test("gradients: loss ((3 - 4)^2 + (6 - 4)^2), weight -2 + 8, input 2 d w", async () => {
    const net = await load();
    const before = await net.weights();
    const result = await net.gradients({ x, label: BigInt64Array.of(4n) });
    assert.is(result.loss, 5);
    assert.equal([...result.gradients["scale.weight"]!.data], [6]);
    assert.equal([...result.inputGradients["x"]!.data], [-6, 12]);
    assert.equal([...result.outputs["y"]!.data], [3, 6]);
    assert.equal(Object.keys(result.outputs), ["y", "seen_step", "seen_seed"]);
    assert.equal(await net.weights(), before, "nothing changed");
    assert.is(net.stepsDone, 0);
  });

  test("gradients of a batch of two are means", async () => {
    const { loss, gradients } = await (await load()).gradients({ x: [1, 2, 1, 2], label: [4, 4] });
    assert.is(loss, 5);
    assert.equal([...gradients["scale.weight"]!.data], [6]);
  });

  test("step: momentum, the rate given for one step, counters, and a fresh preparation", async () => {
    const net = await load();
    await net.run({ x });
    assert.is((await net.step({ x, label })).loss, 5);
    // v = 6, w = 3 - 0.25 * 6 = 1.5
    assert.equal([...(await net.run({ x })).y!.data], [1.5, 3]);
    const second = await net.step({ x, label }, { learningRate: 0.5 });
    // d = [-2.5, -1], loss 7.25, g = 2 * (-2.5 - 2) = -9, v = 0.5 * 6 - 9 = -6, w = 1.5 + 3
    assert.is(second.loss, 7.25);
    const weights = await net.weights();
    assert.equal(Object.keys(weights), ["scale.weight", "num_batches_tracked"]);
    assert.equal([...weights["scale.weight"]!.data], [4.5]);
    assert.equal(weights["num_batches_tracked"], { dtype: "i64", shape: [], data: BigInt64Array.of(2n) });
  });

  test("scalars: the step is 1-based, the seed mixed from both", async () => {
    const net = await load({ seed: 7 });
    for (const step of [1, 2]) {
      const { outputs } = await net.gradients({ x, label });
      assert.equal([...outputs["seen_step"]!.data], [step]);
      assert.equal([...outputs["seen_seed"]!.data], [stepSeed(7, step)]);
      assert.equal((await net.step({ x, label })).outputs["seen_seed"], outputs["seen_seed"]);
    }
  });

  test("goes on from weights and optimizer state with the same bits", async () => {
    const one = await load();
    await one.step({ x, label });
    const file = await one.saveWeights({ epoch: "1" });
    const state = await one.optimizerState();
    assert.is(state.step, 1);
    assert.equal([...state.slots["scale.weight.momentum"]!.data], [6]);
    const other = await load({ weights: file });
    await other.setOptimizerState(state);
    assert.is(other.stepsDone, 1);
    await one.step({ x, label });
    await other.step({ x, label });
    assert.equal(await other.weights(), await one.weights());
    assert.equal(await other.optimizerState(), await one.optimizerState());
    assert.equal(readSafetensors(file).metadata, { epoch: "1" });
  });

  test("weights as bytes, buffer, map and file URL", async () => {
    const tensors = { "scale.weight": weight };
    const bytes = await (await load({ weights: tensors })).saveWeights();
    const url = `data:application/octet-stream;base64,${Buffer.from(bytes).toString("base64")}`;
    for (const weights of [bytes, bytes.buffer, new Map(Object.entries(tensors)), url, new URL(url)]) {
      assert.equal([...(await (await load({ weights })).run({ x })).y!.data], [5, 10]);
    }
  });

  test("setWeights renews what inference reads", async () => {
    const net = await load();
    await net.run({ x });
    await net.setWeights({ "scale.weight": weight });
    assert.equal([...(await net.run({ x })).y!.data], [5, 10]);
  });

  test("results are copies", async () => {
    const net = await load();
    const first = await net.run({ x });
    await net.run({ x: [7, 7] });
    assert.equal([...first["y"]!.data], [3, 6]);
  });
});

suite("network: errors", (test) => {
  test("inputs", async () => {
    const net = await load();
    await rejects(net.run({}), "RN701", "`x`", "f32[N, 2]", "no inputs were given");
    await rejects(net.run(undefined as never), "RN701");
    await rejects(net.step({ x }), "RN701", "`label`", "i64[N]", "given: `x`");
    await rejects(net.run({ x, z: x }), "RN702", "`z`", "`x`");
    await rejects(net.run({ x: Float32Array.of(1, 2, 3) }), "RN703", "[N, 2]", "3 values", "multiple of 2");
    await rejects(net.run({ x: [] }), "RN703", "0 values");
    await rejects(net.run({ x: { data: x, shape: [2, 1] } }), "RN703", "[N, 2], got [2, 1]");
    await rejects(net.run({ x: { data: x, shape: [2] } }), "RN703", "got [2]");
    await rejects(net.run({ x: { data: x, shape: [2, 2] } }), "RN703", "2 values instead of 4");
    await rejects(net.run({ x: { data: x } as never }), "RN703", "no `shape`");
    await rejects(net.run({ x: "x" as never }), "RN703", '"x"');
    await rejects(net.run({ x: Int32Array.of(1, 2) }), "RN704", "f32 (Float32Array)", "i32 (Int32Array)");
    await rejects(net.run({ x: new Uint8ClampedArray(2) as never }), "RN704", "Uint8ClampedArray");
    await rejects(net.run({ x: [[1, 2]] as never }), "RN704", "nested");
    await rejects(net.run({ x: [1, "2"] as never }), "RN704", '"2" at 1');
    await rejects(net.step({ x, label: Float32Array.of(4) }), "RN704", "i64");
    await rejects(net.step({ x, label: [1.5] }), "RN705", "`label`", "element 0 is 1.5");
    await rejects(net.step({ x, label: BigInt64Array.of(1n << 40n) }), "RN705", "32 bits");
    await rejects(net.step({ x, label: [1, 2] }), "RN706", "`x` has N = 1, `label` has N = 2");
    assert.is(net.stepsDone, 0, "no failed step counts");
    assert.equal([...(await net.run({ x })).y!.data], [3, 6], "and it still runs");
  });

  test("a fixed batch", async () => {
    const fixed = { ...TINY_INFERENCE, batch: 4 };
    const net = await loadNetwork({ manifest: fixed, wasm });
    await rejects(net.run({ x }), "RN708", "batches of 4, got 1");
    assert.is((await net.run({ x: new Float32Array(8) })).y!.data.length, 8);
  });

  test("training without --train", async () => {
    const net = await loadNetwork({ manifest: TINY_INFERENCE, wasm });
    await rejects(net.step({ x, label }), "RN707", "built without --train");
    await rejects(net.gradients({ x, label }), "RN707", "`gradients`");
  });

  test("hyper-parameters", async () => {
    const net = await load();
    await rejects(net.step({ x, label }, { learnRate: 1 }), "RN740", "`learnRate`", "`learning_rate`");
    await rejects(net.step({ x, label }, { learningRate: Number.NaN }), "RN606", "learningRate");
  });

  test("optimizer state", async () => {
    const net = await load();
    await rejects(net.setOptimizerState({ step: -1, slots: {} }), "RN741");
    await rejects(net.setOptimizerState({ step: 1, slots: {} }), "RN710", "optimizer state", "`scale.weight.momentum`");
    assert.is(net.stepsDone, 0);
  });

  test("options", async () => {
    await rejects(load({ device: "webgpu" }), "RN601", "webgpu");
    await rejects(load({ seed: 0.5 }), "RN606", "`seed`", "0.5");
    await rejects(load({ threads: 0 }), "RN606", "`threads`");
    await rejects(load({ batch: -1 }), "RN606", "`batch`");
    await rejects(load({ weights: 5 }), "RN606", "`weights`");
    await rejects(load({ weights: "/nowhere/at all.safetensors" }), "RN714", "/nowhere/at all.safetensors");
    await rejects(load({ weights: new Uint8Array(3) }), "RN720", "the weights");
  });

  test("too large a batch says what it needs, and the network lives on", async () => {
    const net = await load();
    const large = { ...TINY_INFERENCE, infer: { ...TINY_INFERENCE.infer!, batchBytes: 2 ** 31 } };
    const wide = await loadNetwork({ manifest: large, wasm });
    await rejects(wide.run({ x: new Float32Array(6) }), "RN602", "6.0 GiB", "batch of 3", "smaller batch");
    await rejects(loadNetwork({ manifest: large, wasm }, { batch: 3 }), "RN602", "batch of 3");
    assert.equal([...(await net.run({ x })).y!.data], [3, 6]);
  });

  test("a broken module, a missing kernel, a trap", async () => {
    await rejects(loadNetwork({ manifest: TINY, wasm: wasm.slice(0, 40) }), "RN603");
    await rejects(loadNetwork({ manifest: { ...TINY, kernels: [...TINY.kernels, "other"] }, wasm }), "RN603", "`other`");
    const net = await loadNetwork({ manifest: TINY_TRAP, wasm });
    await rejects(net.run({ x }), "RN604", "`trap`", "layer1.0.conv1");
  });

  test("dispose", async () => {
    const net = await load();
    await net.dispose();
    await net.dispose();
    await rejects(net.run({ x }), "RN605");
    await rejects(net.weights(), "RN605");
    await rejects(net.setWeights({ "scale.weight": weight }), "RN605");
  });
});
