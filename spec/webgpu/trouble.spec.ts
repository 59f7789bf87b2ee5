/**
 * WebGPU in trouble: devices that are small, lost or full, programs that they refuse. What can be gone on from changes no
 * bit; what cannot is an error that names the tensor, the node and the remedy.
 */
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { type Answer, findAdapter } from "./adapter.ts";
import { succeed } from "./run-child.ts";

const CHILD = fileURLToPath(new URL("trouble-child.ts", import.meta.url));
const KIB = 1024;
/** Of the altered device, in multiples of what bindings begin at. */
const LIMIT = 512 * KIB;

interface Small {
  readonly limits: {
    readonly buffers: Readonly<Record<string, readonly number[]>>;
    readonly deviations: Readonly<Record<string, number>>;
    readonly tooLarge: string;
    readonly fits: number;
    readonly atMost: string;
    readonly beyond: string;
    readonly weights: string;
    readonly lost: string;
    readonly device: string;
    readonly notices: readonly string[];
  };
  readonly memory: Readonly<Record<"weights" | "tensors" | "staging", string>>;
  readonly faults: {
    readonly names: readonly string[];
    readonly serves: string;
    readonly compile: string;
    readonly encode: string;
    readonly sound: string;
  };
}

interface EpochRun {
  readonly metrics: readonly (readonly number[])[];
  readonly hash: string;
  readonly notices: readonly string[];
  readonly device: string;
  readonly underWay: number;
}

const { environment, reason } = findAdapter();

suite("webgpu/trouble", (test) => {
  if (environment === undefined) {
    test.skip("devices that are small, lost or full", reason);
    return;
  }
  const asked: { small?: Promise<Answer> } = {};
  const small = async (): Promise<Small> => {
    asked.small ??= succeed("small", environment, [], CHILD);
    return (await asked.small) as unknown as Small;
  };

  test("tensors that together exceed what one buffer may hold: many buffers, and Wasm's numbers", async () => {
    const { buffers, deviations } = (await small()).limits;
    const count = (label: string): number => buffers[label]?.length ?? 0;
    assert.ok(count("weights") >= 8 && count("tensors") >= 8, `${count("weights")} buffers of weights, ${count("tensors")} of tensors`);
    for (const label of ["weights", "tensors"]) for (const bytes of buffers[label] ?? []) assert.ok(bytes <= LIMIT, `${label}: ${bytes} bytes`);
    // Results may fill what a buffer may hold, which is more than what a shader may bind.
    for (const bytes of buffers["staging"] ?? []) assert.ok(bytes <= 640 * KIB, `staging: ${bytes} bytes`);
    assert.ok(count("staging") > 4, "results came through one buffer");
    const names = Object.keys(deviations);
    assert.ok(names.length === 2 + 18, `${names.length} tensors compared`);
    for (const name of names) assert.ok((deviations[name] ?? 1) < 1e-5, `${name}: deviation ${deviations[name]}`);
  });

  test("a tensor that exceeds it alone is RN609 with its name, shape and size, and the batch that fits", async () => {
    const { tooLarge, fits, atMost, beyond, weights, lost, device, notices } = (await small()).limits;
    assert.is(
      tooLarge,
      "RN609: tensor `x` of shape [1000, 256] takes 1000.0 KiB at a batch of 1000, more than the 512.0 KiB that this GPU binds " +
        'to a shader at once; use a batch of at most 512, or the device "wasm"',
    );
    assert.equal([fits, atMost], [LIMIT / (256 * 4), "nothing was refused"]);
    assert.match(beyond, /^RN609: .*\[513, 256\]/);
    assert.is(
      weights,
      "RN609: tensor `repeat.0.fc.weight` of shape [256, 256] takes 256.0 KiB, more than the 255.8 KiB that this GPU binds to a " +
        'shader at once; use the device "wasm"',
    );
    // The device of a network that was not to be had is given back; one that refused a batch goes on, there.
    assert.equal([lost, device, notices], ["destroyed", "webgpu", []]);
  });

  test("memory that is refused for weights, tensors or results is RN602 and says for what", async () => {
    const { weights, tensors, staging } = (await small()).memory;
    assert.match(weights, /^RN602: the network needs 4\.0 MiB on the GPU for its weights, which the device cannot give; use the device "wasm"$/);
    assert.match(tensors, /^RN602: the network needs \d\.\d KiB on the GPU for its tensors at a batch of 1, which the device cannot give/);
    assert.match(staging, /^RN602: the network needs 256 bytes on the GPU for its results, which the device cannot give/);
  });

  test("a shader that the device refuses, and a dispatch, are errors with the node's name", async () => {
    const { names, serves, compile, encode, sound } = (await small()).faults;
    assert.ok(names.length > 0 && serves.includes("repeat.3.fc"), serves);
    assert.match(
      compile,
      /^RN603: the compiled network does not load: shader `matmul_relu_\w+` \(serving repeat\.\d\.fc repeat\.\d\): line \d+: unresolved type 'nothing'; compile it again[^\n]*$/,
    );
    assert.match(encode, /^RN604: kernel `infer` \(serving repeat\.3\.fc repeat\.3\) stopped: Writable storage buffer binding aliasing[^\n]*$/);
    assert.is(sound, "nothing was refused");
  });

  test("an epoch of examples/digits by the loop of `resnet train`: steps in flight, a device destroyed in its middle, results without memory", async () => {
    const answer = await succeed("epoch", environment, [], CHILD);
    const { undisturbed, waiting, destroyed, refused } = answer as unknown as Record<"waiting" | "destroyed" | "refused", EpochRun> & {
      readonly undisturbed: EpochRun & { readonly submits: number; readonly atFirst: number };
    };
    const [metrics = []] = undisturbed.metrics;
    assert.ok(metrics.length === 4 && metrics.every(Number.isFinite), String(metrics));
    for (const [name, run] of Object.entries({ waiting, destroyed, refused })) {
      assert.equal(run.metrics, undisturbed.metrics, `${name}: other metrics`);
      assert.is(run.hash, undisturbed.hash, `${name}: other bits in weights or momenta`);
      assert.is(run.device, "webgpu");
    }
    assert.equal([undisturbed.notices, waiting.notices], [[], []]);
    assert.equal([undisturbed.underWay, waiting.underWay], [4, 1]);
    // Once how the device numbers subgroups. When the first step has answered the next are submitted: one submit each. Then
    // eight batches held out, the weights' preparation, and copies of weights and optimizer state.
    const { atFirst, submits } = undisturbed;
    assert.ok(atFirst >= 2 && atFirst <= 1 + 4, `${atFirst} submits when the first step had answered`);
    assert.ok(submits >= 20 + 8 + 1 && submits <= 20 + 8 + 1 + 6, `${submits} submits`);
    assert.is(destroyed.notices.length, 1);
    assert.match(destroyed.notices[0] ?? "", /^the GPU was lost.*continues on a new GPU device, after repeating \d+ training steps$/);
    assert.is(refused.notices.length, 1);
    assert.match(refused.notices[0] ?? "", /on the GPU for its results, which the device cannot give; the network continues on a new GPU device/);
  });
});
