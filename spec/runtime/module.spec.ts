/** Emitted modules as their users meet them: imported by a bare Node that forbids evaluating text, and type checked. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { encodeBase64 } from "../../compiler/emit/base64.ts";
import { emitModule } from "../../compiler/emit/module.ts";
import { decodeBase64 } from "../../runtime/base64.ts";
import { writeSafetensors } from "../../runtime/safetensors.ts";
import { bundleRuntime } from "../../tools/build/bundle-runtime.ts";
import { suite } from "../harness.ts";
import { TINY, TINY_INFERENCE, tinyWasm } from "./tiny-network.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const run = promisify(execFile);
const runtimeText = bundleRuntime();
const weights = writeSafetensors({ "scale.weight": { dtype: "f32", shape: [1], data: Float32Array.of(5) } });
const parts = async (manifest = TINY) => ({
  manifest,
  wasm: tinyWasm(),
  runtimeText: await runtimeText,
  banner: "Tiny, by hand\nsecond */ line",
});

/** Runs `body` in a fresh folder with these files. */
async function inFolder<T>(files: Readonly<Record<string, string | Uint8Array>>, body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "resnet-module-"));
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What a script prints as JSON, in a Node without `eval`. */
async function print(folder: string, script: string): Promise<unknown> {
  const options = ["--disallow-code-generation-from-strings", "--input-type=module", "--eval", script];
  const { stdout } = await run(process.execPath, options, { cwd: folder });
  return JSON.parse(stdout);
}

suite("emitted modules", (test) => {
  test("base64 by RFC 4648, section 10, and there and back at every remainder", () => {
    for (const [plain, encoded] of [
      ["", ""],
      ["f", "Zg=="],
      ["fo", "Zm8="],
      ["foo", "Zm9v"],
      ["foob", "Zm9vYg=="],
      ["foobar", "Zm9vYmFy"],
    ] as const) {
      assert.is(encodeBase64(new TextEncoder().encode(plain)), encoded);
      assert.is(new TextDecoder().decode(decodeBase64(encoded)), plain);
    }
    for (const length of [255, 256, 257, 30000, 24576, 24577]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * i + length) & 255);
      const encoded = encodeBase64(bytes);
      assert.is(encoded, Buffer.from(bytes).toString("base64"));
      assert.equal(decodeBase64(encoded), bytes);
    }
  });

  test("runs, trains and saves on its own", async () => {
    const { javascript } = emitModule(await parts());
    const script = `
      import { load, manifest, train, createSchedule, ResnetError } from "./tiny.mjs";
      const net = await load({ seed: 1 });
      const { y } = await net.run({ x: [1, 2] });
      const first = await net.gradients({ x: [1, 2], label: [4] });
      const schedule = createSchedule([{ kind: "cosine", epochs: 20 }], 1);
      await train(net, [{ x: [1, 2], label: [4] }], { epochs: 20, learningRate: 0.05, schedule });
      const error = await net.run({ x: [1] }).catch((error) => error);
      const bytes = await net.saveWeights();
      const again = await load({ weights: bytes });
      const same = String((await again.weights())["scale.weight"].data) === String((await net.weights())["scale.weight"].data);
      console.log(JSON.stringify([[...y.data], first.loss, net.stepsDone, error instanceof ResnetError, error.code, same, manifest.model]));`;
    const printed = await inFolder({ "tiny.mjs": javascript }, (folder) => print(folder, script));
    assert.equal(printed, [[3, 6], 5, 20, true, "RN703", true, "Tiny"]);
  });

  test("weights: embedded, beside it, given, or drawn", async () => {
    const embedded = emitModule({ ...(await parts(TINY_INFERENCE)), weights }).javascript;
    const beside = emitModule({ ...(await parts(TINY_INFERENCE)), weightsUrl: "./tiny <1>.safetensors" }).javascript;
    const files = { "embedded.mjs": embedded, "beside.mjs": beside, "tiny <1>.safetensors": weights };
    const script = `
      const results = [];
      for (const name of ["./embedded.mjs", "./beside.mjs"]) {
        const { load } = await import(name);
        for (const weights of [undefined, null, "tiny <1>.safetensors", { "scale.weight": { shape: [1], data: [7] } }]) {
          const net = await load({ weights });
          results.push((await net.run({ x: [1, 2] })).y.data[0]);
        }
      }
      console.log(JSON.stringify(results));`;
    assert.equal(await inFolder(files, (folder) => print(folder, script)), [5, 3, 5, 7, 5, 3, 5, 7]);
  });

  test("sharded weights by path, and a missing file", async () => {
    const counter = writeSafetensors({ num_batches_tracked: { dtype: "i64", shape: [], data: BigInt64Array.of(9n) } });
    const index = JSON.stringify({
      weight_map: { "scale.weight": "a.safetensors", num_batches_tracked: "b.safetensors" },
    });
    const files = {
      "tiny.mjs": emitModule(await parts()).javascript,
      "a.safetensors": weights,
      "b.safetensors": counter,
      "m.safetensors.index.json": index,
    };
    const script = `
      import { load } from "./tiny.mjs";
      const tensors = await (await load({ weights: "./m.safetensors.index.json" })).weights();
      const error = await load({ weights: "gone.safetensors" }).catch((error) => error);
      console.log(JSON.stringify([String(tensors["num_batches_tracked"].data), tensors["scale.weight"].data[0], error.code]));`;
    assert.equal(await inFolder(files, (folder) => print(folder, script)), ["9", 5, "RN714"]);
  });

  test("the same bytes each time; no imports, no evaluation, no Node global, no script end", async () => {
    const one = emitModule({ ...(await parts({ ...TINY, model: "</script>" })), weights });
    const two = emitModule({ ...(await parts({ ...TINY, model: "</script>" })), weights });
    assert.equal(one, two);
    assert.not.match(one.javascript, /^\s*import[\s{*"']/m);
    assert.not.match(one.javascript, /\beval\b|new Function|\bBuffer\b|\brequire\b|__dirname|<\/script/);
    assert.ok(one.javascript.startsWith("// Tiny, by hand\n// second */ line\n"));
    assert.is(await bundleRuntime(), await runtimeText);
  });

  test("declarations stand alone and type the network's ports", async () => {
    const training = emitModule({ ...(await parts()), weights });
    const inference = emitModule(await parts(TINY_INFERENCE));
    assert.match(training.declarations, "/** f32[N, 2] */\n  readonly x: FloatInput;");
    assert.match(training.declarations, "readonly learningRate?: number | undefined;");
    const user = `
      import { load, train, createSchedule, type GradientsResult } from "./training.js";
      import { load as loadInference } from "./inference.js";
      const net = await load({ seed: 1, weights: null });
      const y: Float32Array = (await net.run({ x: new Float32Array(2) })).y.data;
      const result: GradientsResult = await net.gradients({ x: { data: [1, 2], shape: [1, 2] }, label: new BigInt64Array(1) });
      await net.step({ x: y, label: [1] }, { learningRate: 0.1 });
      await train(net, [{ x: y, label: [1] }], { learningRate: 0.1, schedule: createSchedule([{ kind: "warmup", epochs: 5 }], 10) });
      const dx: Float32Array = result.inputGradients.x.data;
      const other = await loadInference({ device: "wasm", weights: new URL("http://localhost/") });
      // @ts-expect-error there is no input z
      await other.run({ z: dx });
      // @ts-expect-error whole numbers are no image
      await other.run({ x: new Int32Array(2) });
      // @ts-expect-error built without training
      await other.step({ x: dx, label: [1] });`;
    const files = {
      "training.d.ts": training.declarations,
      "inference.d.ts": inference.declarations,
      "user.ts": user,
      "package.json": '{"type":"module"}',
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          module: "NodeNext",
          target: "ES2023",
          lib: ["ES2023", "DOM"],
          types: [],
          noEmit: true,
        },
        files: ["user.ts"],
      }),
    };
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const output = await inFolder(files, (folder) =>
      run(process.execPath, [compiler, "-p", folder]).then(
        () => "",
        (error: { stdout: string }) => error.stdout,
      ),
    );
    assert.is(output, "");
  });
});
