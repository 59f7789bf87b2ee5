/**
 * Recovery on devices that fail on command: whatever fails and when, each answer and the weights have the bits of an
 * undisturbed network's.
 */
import * as assert from "uvu/assert";
import type { Inputs } from "../../runtime/inputs.ts";
import { loadNetwork } from "../../runtime/load.ts";
import type { Network } from "../../runtime/network.ts";
import { deviceLost, outOfDeviceMemory } from "../../runtime/problems.ts";
import { createRecoveringNetwork, type RecoverableNetwork } from "../../runtime/recovery.ts";
import { suite } from "../harness.ts";
import { rejects } from "./expect-error.ts";
import { TINY, tinyWasm } from "./tiny-network.ts";

type Call = "run" | "step" | "snapshot" | "setWeights";

/** Which call of a device fails, counted from 1, and how: a loss takes all later ones with it, a lack of memory does not. */
interface Fault {
  readonly call: Call;
  readonly nth: number;
  readonly kind: "lost" | "out-of-memory";
}

const plain = (): Promise<Network> => loadNetwork({ manifest: TINY, wasm: tinyWasm() });

/** The tiny network as if it were on a GPU: calls answer later, in order. */
async function fakeGpu(fault?: Fault): Promise<RecoverableNetwork> {
  const inner = await plain();
  const counts: Record<Call, number> = { run: 0, step: 0, snapshot: 0, setWeights: 0 };
  const state = { isLost: false, tail: Promise.resolve() as Promise<unknown> };
  const later = <T>(call: Call, body: () => Promise<T>): Promise<T> => {
    const result = state.tail.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      const isHit = fault?.call === call && fault.nth === ++counts[call];
      if (isHit && fault.kind === "out-of-memory") throw outOfDeviceMemory("tensors", 4096, 1);
      state.isLost ||= isHit;
      if (state.isLost) throw deviceLost("on command");
      return body();
    });
    state.tail = result.catch(() => undefined);
    return result;
  };
  return {
    ...inner,
    device: "webgpu",
    get stepsDone() {
      return inner.stepsDone;
    },
    run: (inputs) => later("run", () => inner.run(inputs)),
    step: (inputs, hyper) => later("step", () => inner.step(inputs, hyper)),
    setWeights: (weights) => later("setWeights", () => inner.setWeights(weights)),
    snapshot: () => later("snapshot", async () => ({ weights: await inner.weights(), optimizer: await inner.optimizerState() })),
    async dispose() {
      await state.tail;
      await inner.dispose();
    },
  };
}

interface Setting {
  readonly network: Network;
  readonly notices: readonly string[];
}

/** A recovering network whose devices fail one after the other as told; the CPU is there in the end. */
async function recovering(
  faults: readonly (Fault | undefined)[],
  options: { readonly every?: number; readonly hasGpu?: boolean } = {},
): Promise<Setting> {
  const { every = 4, hasGpu = true } = options;
  const [first, ...others] = faults;
  const left = [...others];
  const notices: string[] = [];
  const network = createRecoveringNetwork(await fakeGpu(first), {
    onGpu: hasGpu ? () => fakeGpu(left.shift()) : undefined,
    onCpu: plain,
    onNotice: (message) => notices.push(message),
    every,
  });
  return { network, notices };
}

const STEPS = 11;
const batch = (k: number): Inputs => ({ x: [Math.sin(k), Math.cos(3 * k), 0.25, k % 3], label: [k % 2, 1] });
const hyper = (k: number): { learningRate: number } => ({ learningRate: 0.01 / (k + 1) });
/** Numbers as text that tells all bits apart. */
const textOf = (value: unknown): string => JSON.stringify(value, (_, each) => (ArrayBuffer.isView(each) ? String(each) : each));

/** What a training with evaluations in between answers, and where it ends. */
async function train(network: Network, isWaiting: boolean): Promise<string> {
  const answers: Promise<unknown>[] = [];
  for (let k = 0; k < STEPS; k++) {
    answers.push(network.step(batch(k), hyper(k)));
    if (k % 3 === 1) answers.push(network.run({ x: [k, 1] }));
    if (isWaiting) await answers.at(-1);
  }
  const found = await Promise.all(answers);
  return textOf([found, await network.weights(), await network.optimizerState(), network.stepsDone]);
}

const lost = (call: Call, nth: number): Fault => ({ call, nth, kind: "lost" });
const full = (call: Call, nth: number): Fault => ({ call, nth, kind: "out-of-memory" });

suite("recovery", (test) => {
  const undisturbed = async (): Promise<string> => train(await plain(), true);

  test("a loss at any step, waited for or in flight, changes no bit", async () => {
    const expected = await undisturbed();
    for (let nth = 1; nth <= STEPS; nth++) {
      for (const isWaiting of [true, false]) {
        const { network, notices } = await recovering([lost("step", nth)]);
        assert.is(await train(network, isWaiting), expected, `step ${nth}, ${isWaiting ? "waiting" : "in flight"}`);
        assert.is(notices.length, 1);
        assert.match(notices[0]!, "lost (on command)");
        assert.match(notices[0]!, "on a new GPU device");
        assert.is(network.device, "webgpu");
      }
    }
  });

  test("a loss during inference or a snapshot", async () => {
    const expected = await undisturbed();
    for (const fault of [lost("run", 1), lost("run", 3), lost("snapshot", 1), lost("snapshot", 2), full("snapshot", 1)]) {
      for (const isWaiting of [true, false]) {
        const { network, notices } = await recovering([fault], { every: 3 });
        assert.is(await train(network, isWaiting), expected, textOf(fault));
        await network.dispose();
        assert.ok(notices.length <= 1, notices.join("\n"));
      }
    }
  });

  test("no step is repeated that a snapshot holds", async () => {
    const { network, notices } = await recovering([lost("step", 10)], { every: 4 });
    assert.is(await train(network, true), await undisturbed());
    // Snapshots behind steps 4 and 8: step 9 is repeated, step 10 answered for the first time.
    assert.match(notices[0]!, "after repeating 2 training steps");
  });

  test("a second loss while steps are repeated goes on to the CPU; one after that begins again", async () => {
    const expected = await undisturbed();
    const again = await recovering([lost("step", 6), lost("step", 2)], { every: 100 });
    assert.is(await train(again.network, false), expected);
    assert.equal([again.network.device, again.notices.length], ["wasm", 1]);
    const twice = await recovering([lost("step", 3), lost("step", 7)], { every: 100 });
    assert.is(await train(twice.network, true), expected);
    assert.equal([twice.network.device, twice.notices.length], ["webgpu", 2]);
    const restored = await recovering([lost("step", 6), lost("setWeights", 1)], { every: 2 });
    assert.is(await train(restored.network, true), expected);
    assert.equal([restored.network.device, restored.notices.length], ["wasm", 1]);
  });

  test("out of memory: a new device once, then the CPU", async () => {
    const expected = await undisturbed();
    const { network, notices } = await recovering([full("step", 5), full("step", 2)], { every: 100 });
    assert.is(await train(network, true), expected);
    assert.is(network.device, "wasm");
    assert.is(notices.length, 1);
    assert.match(notices[0]!, /4\.0 KiB.*on the CPU/);
  });

  test("with a device of the caller's the CPU is next", async () => {
    const { network, notices } = await recovering([lost("step", 5)], { hasGpu: false });
    assert.is(await train(network, true), await undisturbed());
    assert.equal([network.device, notices.length], ["wasm", 1]);
  });

  test("what is refused is the caller's to hear, and no reason to recover", async () => {
    const { network, notices } = await recovering([undefined]);
    await rejects(network.step({ x: [1, 2] }), "RN701", "label");
    await rejects(network.run({ x: [1, 2], z: [1] }), "RN702", "z");
    await rejects(network.step(batch(0), { speed: 1 }), "RN740", "speed");
    await rejects(network.setWeights({}), "RN710");
    await rejects(network.setOptimizerState({ step: -1, slots: {} }), "RN741");
    assert.is(await train(network, true), await undisturbed());
    assert.equal([network.stepsDone, notices], [STEPS, []]);
  });

  test("what was refused before a loss is not repeated, and is refused again after it", async () => {
    const { network, notices } = await recovering([lost("step", 3)]);
    await rejects(network.run({ x: [1, 2, 3] }), "RN703");
    const [first, refused, second] = await Promise.allSettled([network.step(batch(0)), network.step({ x: [1, 2] }), network.step(batch(1))]);
    assert.equal([first.status, refused.status, second.status, notices.length], ["fulfilled", "rejected", "fulfilled", 1]);
    assert.is(network.stepsDone, 2);
  });

  test("arrays that the caller overwrites after a call were read before", async () => {
    const reference = await plain();
    const { network } = await recovering([lost("step", 4)], { every: 100 });
    const weights = { "scale.weight": { dtype: "f32", shape: [1], data: Float32Array.of(1.5) } } as const;
    await reference.setWeights(weights);
    await network.setWeights(weights);
    weights["scale.weight"].data.fill(Number.NaN);
    const x = new Float32Array(4);
    const label = Buffer.alloc(2);
    for (let k = 0; k < 6; k++) {
      const filled = Array.from(x, (_, i) => Math.sin(k + i));
      x.set(filled);
      label.fill(k);
      const answer = network.step({ x: { data: x, shape: [2, 2] }, label: BigInt64Array.from([BigInt(k), BigInt(k)]) });
      x.fill(Number.NaN);
      assert.is(textOf(await answer), textOf(await reference.step({ x: filled, label: [k, k] })), `step ${k}`);
    }
    assert.is(textOf(await network.weights()), textOf(await reference.weights()));
  });

  test("weights and optimizer state that were set are there after a loss", async () => {
    const source = await plain();
    for (let k = 0; k < 3; k++) await source.step(batch(k));
    const [weights, optimizer] = [await source.saveWeights(), await source.optimizerState()];
    const { network } = await recovering([lost("step", 3)], { every: 100 });
    await network.step(batch(7));
    await network.setWeights(weights);
    await network.setOptimizerState(optimizer);
    for (let k = 3; k < 6; k++) assert.is(textOf(await network.step(batch(k))), textOf(await source.step(batch(k))), `step ${k}`);
    assert.is(network.stepsDone, 6);
  });

  test("dispose waits for what is under way, a recovery too; later calls are RN605", async () => {
    const { network, notices } = await recovering([lost("step", 1)]);
    const answer = network.step(batch(0));
    await network.dispose();
    assert.is(textOf(await answer), textOf(await (await plain()).step(batch(0))));
    assert.is(notices.length, 1);
    await rejects(network.step(batch(1)), "RN605");
    await network.dispose();
  });

  test("where the CPU fails too, this call and the next say why", async () => {
    const network = createRecoveringNetwork(await fakeGpu(lost("step", 1)), {
      onGpu: undefined,
      onCpu: () => Promise.reject(outOfDeviceMemory("tensors", 4096, 1)),
      onNotice: () => assert.unreachable("nothing went on"),
    });
    await rejects(network.step(batch(0)), "RN602", "4.0 KiB");
    await rejects(network.step(batch(1)), "RN602", "4.0 KiB");
    await network.dispose();
  });
});
