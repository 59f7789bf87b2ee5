/** The choice of variants by measurement, with a timer that says what it is told, and the file that remembers choices. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { WebgpuCallSpec, WebgpuProgramSpec, WebgpuSpec, WebgpuStepSpec, WebgpuVariantSpec } from "../../runtime/manifest.ts";
import { createTuner, type TuningStore, type VariantTimer } from "../../runtime/webgpu/tuning.ts";
import { defaultTuningFile, fileTunings } from "../../tools/api/tuning-file.ts";
import { suite } from "../harness.ts";

/** Shaders by layer: those of equal shapes differ in comments and in names of buffers alone. */
function shaderOf(layer: string, size: number, tiling: string): WebgpuSpec["shaders"][number] {
  return {
    name: `${layer}_${tiling}`,
    sizes: [size],
    template: `// ${layer}\n// serves ${layer}\nvar<storage, read_write> ${layer}_b0: array<f32>;\n// ${tiling} of a size\nfn main() { ${tiling === "a" ? "" : "_ = "}${layer}_b0[$]; }`,
  };
}

type Limits = Partial<Pick<WebgpuVariantSpec, "upTo" | "triedUpTo" | "requires">>;

interface Layer {
  readonly name: string;
  readonly size: number;
  readonly variants: Readonly<Record<string, Limits>>;
}

function network(layers: readonly Layer[]): { readonly spec: WebgpuSpec; readonly program: WebgpuProgramSpec } {
  const shaders: WebgpuSpec["shaders"][number][] = [];
  const calls = layers.map(({ name: layer, size, variants }): WebgpuCallSpec => {
    const all = Object.entries(variants).map(([name, limits]): WebgpuVariantSpec => {
      const shader = shaders.push(shaderOf(layer, size, name)) - 1;
      return { name, dispatches: [{ shader, bindings: [0], offsets: [], workgroups: [{ sizes: [size], per: 1 }] }], scratch: [], ...limits };
    });
    return { variants: all, flops: 0, bytes: 0 };
  });
  const steps = layers.map(({ name: serves }, call): WebgpuStepSpec => ({ call, buffers: [0], serves }));
  const program: WebgpuProgramSpec = { inputs: [], scalars: [], outputs: [], buffers: [{ bytes: 4, first: 0, last: steps.length, name: "" }], steps };
  return { spec: { shaders, calls, persistent: [], prepare: undefined, infer: program, gradients: undefined, step: undefined }, program };
}

function deviceNamed(description: string, features: readonly string[] = []): GPUDevice {
  const limits = { maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256 };
  return { adapterInfo: { vendor: "v", architecture: "a", device: "d", description }, features: new Set(features), limits } as unknown as GPUDevice;
}

/** Says these times; `timed` counts what it was asked. */
function timerOf(times: Readonly<Record<string, number>>): VariantTimer & { readonly timed: string[] } {
  const timed: string[] = [];
  return {
    timed,
    async time({ name }) {
      timed.push(name);
      const found = times[name];
      if (found === undefined) throw new Error("no memory");
      return found;
    },
    release: () => undefined,
  };
}

const never = (message: string): never => {
  throw new Error(message);
};

const plain = { a: { upTo: 4 }, b: {}, c: { upTo: 0 } } as const;

/** Names of what is chosen. */
async function choose(
  net: ReturnType<typeof network>,
  timer: VariantTimer,
  store: TuningStore,
  { device = deviceNamed("gpu"), batch = 2, onFailure = never as (message: string) => void } = {},
): Promise<string[]> {
  const chosen = await createTuner(net.spec, device, timer, store, onFailure).choose(net.program, batch, device);
  return chosen.map(({ name }) => name);
}

suite("tuning", (test) => {
  test("the fastest variant is chosen, once for layers of equal shapes", async () => {
    const net = network([
      { name: "conv1", size: 8, variants: plain },
      { name: "conv2", size: 8, variants: plain },
      { name: "conv3", size: 9, variants: plain },
    ]);
    const timer = timerOf({ a: 3, b: 2, c: 1 });
    assert.equal(await choose(net, timer, new Map()), ["c", "c", "c"]);
    assert.equal(timer.timed.sort(), ["a", "a", "b", "b", "c", "c"]);
  });

  test("what was measured is remembered for the adapter, for batches up to the same power of two, and for this code", async () => {
    const net = network([{ name: "conv1", size: 8, variants: plain }]);
    const store = new Map<string, string>();
    assert.equal(await choose(net, timerOf({ a: 3, b: 2, c: 4 }), store, { batch: 3 }), ["b"]);
    const silent = timerOf({});
    assert.equal(await choose(net, silent, store, { batch: 4 }), ["b"]);
    assert.equal(silent.timed, []);
    const other = timerOf({ a: 1, b: 2, c: 4 });
    assert.equal(await choose(net, other, store, { batch: 5 }), ["a"]);
    assert.equal(await choose(net, other, store, { device: deviceNamed("another"), batch: 4 }), ["a"]);
    assert.equal(await choose(network([{ name: "conv1", size: 9, variants: plain }]), other, store, { batch: 4 }), ["a"]);
    assert.is(other.timed.length, 9);
    assert.is(store.size, 2);
    assert.equal(await choose(net, silent, store, { batch: 4 }), ["b"], "what came later has replaced nothing");
  });

  test("only what the device has and the batch is worth is measured", async () => {
    const variants = { s: { upTo: 0, requires: { features: ["subgroups"] } }, a: { upTo: 1, triedUpTo: 8 }, b: {} } as const;
    const net = network([{ name: "conv1", size: 8, variants }]);
    const asked = async (batch: number, features: readonly string[]): Promise<string[]> => {
      const timer = timerOf({ a: 1, b: 2, s: 3 });
      await choose(net, timer, new Map(), { batch, device: deviceNamed("gpu", features) });
      return timer.timed.sort();
    };
    assert.equal(await asked(8, []), ["a", "b"]);
    assert.equal(await asked(9, []), []);
    assert.equal(await asked(9, ["subgroups"]), ["b", "s"]);
  });

  test("a measurement that fails leaves the compiler's choice, and is not remembered", async () => {
    const net = network([{ name: "conv1", size: 8, variants: plain }]);
    const store = new Map<string, string>();
    assert.equal(await choose(net, timerOf({ a: 3 }), store, { batch: 2 }), ["a"]);
    assert.equal(await choose(net, timerOf({ a: 3 }), store, { batch: 5 }), ["b"]);
    assert.is(store.size, 0);
  });

  test("a store with other contents is as an empty one; one that fails is said, and costs nothing else", async () => {
    const net = network([{ name: "conv1", size: 8, variants: plain }]);
    const times = { a: 3, b: 2, c: 4 };
    for (const text of ["{", "null", "[1]", '{"x":1}', '"text"']) {
      const kept = new Map<string, string>();
      const store: TuningStore = { get: (key) => kept.get(key) ?? text, set: (key, value) => kept.set(key, value) };
      assert.equal(await choose(net, timerOf(times), store), ["b"], text);
      assert.is(kept.size, 1, text);
    }
    const said: string[] = [];
    const full: TuningStore = {
      get: () => never("cannot be read"),
      set: () => Promise.reject(new Error("the disk is full")),
    };
    assert.equal(await choose(net, timerOf(times), full, { onFailure: (message) => said.push(message) }), ["b"]);
    assert.match(said.join("\n"), /cannot be read[^]*the disk is full/);
  });

  test("the file in the user's cache folder keeps entries of several adapters, and survives garbage", () => {
    assert.is(defaultTuningFile({ XDG_CACHE_HOME: "/c" }, "linux"), "/c/resnet-lang/tunings.json");
    assert.match(defaultTuningFile({}, "darwin"), /Library\/Caches\/resnet-lang\/tunings\.json$/);
    const folder = mkdtempSync(join(tmpdir(), "resnet-tunings-"));
    try {
      const path = join(folder, "deep", "tunings.json");
      assert.is(fileTunings(path).get("one"), undefined);
      fileTunings(path).set("one", "1");
      fileTunings(path).set("two", "2");
      assert.equal([fileTunings(path).get("one"), fileTunings(path).get("two")], ["1", "2"]);
      writeFileSync(path, readFileSync(path, "utf8").slice(0, 10));
      assert.is(fileTunings(path).get("one"), undefined);
      fileTunings(path).set("one", "3");
      assert.is(fileTunings(path).get("one"), "3");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
