/** Steps in flight: the loop of `resnet train` on a network that answers later, as a GPU does. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Network } from "../../runtime/network.ts";
import { readSafetensors } from "../../runtime/safetensors.ts";
import type { Api } from "../../tools/cli/api.ts";
import { idxFile, inFolder, put } from "../data/temporary.ts";
import { suite } from "../harness.ts";
import { call } from "./call.ts";
import { fakeApi, type FakeOptions } from "./fake-network.ts";

const TRAIN = 60;
const BATCH = 8;
const STEPS = Math.ceil(TRAIN / BATCH);

function putData(folder: string): string {
  for (const [name, count] of [
    ["train", TRAIN],
    ["t10k", 12],
  ] as const) {
    const labels = Array.from({ length: count }, (_, k) => (k * 7) % 3);
    const pixels = labels.flatMap((label, k) => [0, 1, 2, 3].map((pixel) => (pixel === label ? 180 : 60) + ((k * 13 + pixel) % 70)));
    put(folder, `${name}-images-idx3-ubyte`, idxFile(2051, [count, 2, 2], pixels));
    put(folder, `${name}-labels-idx1-ubyte`, idxFile(2049, [count], labels));
  }
  return folder;
}

interface Flight {
  /** Steps given and not answered: now, and at most. */
  now: number;
  most: number;
  /** Calls other than steps that came while some were. */
  readonly early: string[];
}

/** The network as if it were on a GPU: a step is taken at once and answered two turns of the event loop later. */
function later(network: Network, flight: Flight): Network {
  const alone = <T>(name: string, body: () => Promise<T>): Promise<T> => {
    if (flight.now > 0) flight.early.push(name);
    return body();
  };
  return {
    ...network,
    device: "webgpu",
    get stepsDone() {
      return network.stepsDone;
    },
    async step(inputs, hyper) {
      flight.most = Math.max(flight.most, ++flight.now);
      const answer = await network.step(inputs, hyper);
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
      flight.now--;
      return answer;
    },
    run: (inputs) => alone("run", () => network.run(inputs)),
    saveWeights: (metadata) => alone("saveWeights", () => network.saveWeights(metadata)),
    optimizerState: () => alone("optimizerState", () => network.optimizerState()),
    dispose: () => alone("dispose", () => network.dispose()),
  };
}

function laterApi(flight: Flight, options: FakeOptions = {}): Api {
  const api = fakeApi(options);
  return {
    ...api,
    compile: async (request) => {
      const program = await api.compile(request);
      return { ...program, load: async (loading) => later(await program.load(loading), flight) };
    },
  };
}

const flight = (): Flight => ({ now: 0, most: 0, early: [] });
const bytesOf = (...path: string[]): number[] => [...readFileSync(join(...path))];
const metricsOf = (out: string): unknown[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { seconds: _seconds, images_per_second: _rate, ...rest } = JSON.parse(line) as Record<string, number>;
      return rest;
    });

suite("cli/in-flight", (test) => {
  test("four steps at once on a GPU, one on the CPU; the same bytes and metrics; nothing else while some are under way", () =>
    inFolder(async (folder) => {
      const args = ["train", "a.resnet", "--data", putData(folder), "--out"];
      const [plain, gpu] = [join(folder, "plain"), join(folder, "gpu")];
      await call(fakeApi(), ...args, plain);
      const found = flight();
      const { exitCode, err } = await call(laterApi(found), ...args, gpu);
      assert.is(exitCode, 0, err);
      assert.equal([found.most, found.now, found.early], [4, 0, []]);
      for (const name of ["last.safetensors", "last.optimizer.safetensors", "best.safetensors"]) {
        // The optimizer's file holds times beside the state.
        if (name.includes("optimizer"))
          assert.equal(readSafetensors(readFileSync(join(gpu, name))).tensors, readSafetensors(readFileSync(join(plain, name))).tensors);
        else assert.equal(bytesOf(gpu, name), bytesOf(plain, name), name);
      }
      assert.equal(metricsOf(gpu), metricsOf(plain));
    }));

  test("an interrupt waits for the steps under way, writes them, and the resumed run ends with the same bytes", () =>
    inFolder(async (folder) => {
      const args = ["train", "a.resnet", "--data", putData(folder), "--out"];
      const whole = join(folder, "whole");
      await call(fakeApi(), ...args, whole);
      for (const at of [1, 3, STEPS, STEPS + 2]) {
        const [out, found] = [join(folder, `cut${at}`), flight()];
        const cut = await call(laterApi(found, { onStep: (step) => void (step === at && process.emit("SIGINT")) }), ...args, out);
        assert.equal([cut.exitCode, found.early], [130, []], `cut at ${at}: ${cut.err}`);
        const written = Number(readSafetensors(readFileSync(join(out, "last.safetensors"))).metadata["step"]);
        assert.ok(written >= at && written < at + 4, `cut at ${at}, written ${written}`);
        const resumed = await call(laterApi(flight()), ...args, out, "--resume");
        assert.is(resumed.exitCode, 0, resumed.err);
        assert.equal(bytesOf(out, "last.safetensors"), bytesOf(whole, "last.safetensors"), `cut at ${at}`);
        assert.equal(metricsOf(out), metricsOf(whole));
      }
    }));

  test("a loss that is no number is told with its own step, though later ones are under way", () =>
    inFolder(async (folder) => {
      const [out, found] = [join(folder, "run"), flight()];
      const { exitCode, err } = await call(laterApi(found, { brokenStep: 2 }), "train", "a.resnet", "--data", putData(folder), "--out", out);
      assert.equal([exitCode, found.now, found.early], [1, 0, []]);
      assert.match(err, /\[RN742\] the loss is NaN at step 2 /);
      assert.not.ok(existsSync(join(out, "last.safetensors")));
    }));

  test("steps that fail out of turn are told in turn, and none goes unheard", () =>
    inFolder(async (folder) => {
      const unheard: unknown[] = [];
      const listen = (error: unknown): void => void unheard.push(error);
      process.on("unhandledRejection", listen);
      const api = fakeApi();
      const failing: Api = {
        ...api,
        compile: async (request) => {
          const program = await api.compile(request);
          const load = async (): Promise<Network> => {
            const network = await program.load();
            const state = { count: 0 };
            return {
              ...network,
              device: "webgpu",
              step: async (inputs, hyper) => {
                const own = ++state.count;
                // The third fails first.
                if (own === 3) throw new Error("the third step");
                await new Promise((resolve) => setTimeout(resolve, 20));
                if (own === 2) throw new Error("the second step");
                return network.step(inputs, hyper);
              },
            };
          };
          return { ...program, load };
        },
      };
      const { exitCode, err } = await call(failing, "train", "a.resnet", "--data", putData(folder), "--out", join(folder, "run"));
      await new Promise((resolve) => setTimeout(resolve, 40));
      process.off("unhandledRejection", listen);
      assert.is(exitCode, 1);
      assert.match(err, "the second step");
      assert.equal(unheard, []);
    }));
});
