/** Conditions on the batch, which is free until a network runs. */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { checkFile } from "../../compiler/elaborate/elaborate.ts";
import { guardSpecs } from "../../compiler/emit/guards.ts";
import { add, floorDiv, max, mul, symbol } from "../../compiler/ir/dim.ts";
import { applyEdits } from "../../compiler/report/hunks.ts";
import { loadModules } from "../../compiler/resolve/modules.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Relation } from "../../compiler/ir/relation.ts";
import { checkGuards } from "../../runtime/guards.ts";
import { loadNetwork, ResnetError } from "../../runtime/load.ts";
import type { Manifest } from "../../runtime/manifest.ts";
import { analyze, buildGraphs } from "../../compiler/compile.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";
import { compileSource } from "./run-source.ts";

const source = { path: "t.resnet", text: "" };
const span = { source, start: 0, end: 0 };

/** Batches from 1 to 8 that the relation lets pass when a network runs. */
function passing(relation: Relation): number[] {
  const guards = guardSpecs([{ relation, message: "stated", span }], undefined, "N");
  assert.is(guards.length, 1);
  const manifest = JSON.parse(JSON.stringify({ guards })) as Manifest;
  return [1, 2, 3, 4, 5, 6, 7, 8].filter((batch) => {
    try {
      checkGuards(manifest, "infer", batch);
      return true;
    } catch (error) {
      assert.instance(error, ResnetError);
      return false;
    }
  });
}

suite("guards", (test) => {
  const text = "model M {\n in x: [N, 3]\n out y: [N, 3]\n where N % 2 == 0, N <= 6\n y = relu(x)\n}";

  test("a model's condition on the batch is checked at each call, before anything runs", async () => {
    const { manifest, wasm } = compileSource(text, { loss: "mse(y, t)" });
    const network = await loadNetwork({ manifest: JSON.parse(JSON.stringify(manifest)) as Manifest, wasm });
    const input = (batch: number): Float32Array => new Float32Array(3 * batch);
    const failure = async (run: Promise<unknown>): Promise<string> => {
      try {
        await run;
      } catch (error) {
        assert.instance(error, ResnetError);
        return `${(error as ResnetError).code} ${(error as ResnetError).message}`;
      }
      return "none";
    };
    assert.equal((await network.run({ x: input(4) }))["y"]?.shape, [4, 3]);
    assert.match(await failure(network.run({ x: input(3) })), /RN709 a batch of 3 .*N % 2 == 0/);
    assert.match(await failure(network.run({ x: input(8) })), /RN709 a batch of 8 .*N <= 6/);
    assert.match(await failure(network.step({ x: input(3), t: input(3) })), /RN709/);
    assert.is(network.stepsDone, 0);
    assert.match(await failure(network.gradients({ x: input(5), t: input(5) })), /RN709/);
    assert.is(await failure(network.step({ x: input(2), t: input(2) })), "none");
    await network.dispose();
  });

  test("a batch fixed when compiling settles the condition then", () => {
    assert.equal(compileSource(text, { dims: { N: 4 } }).manifest.guards, []);
    const { diagnostics } = analyze({ entry: { path: "t.resnet", text }, read: readModule, dims: new Map([["N", 3]]), set: [], training: false });
    assert.equal(
      diagnostics.map(({ code }) => code),
      ["RN211"],
    );
  });

  test("what a block demands of the batch the model must state, and it is asked when run", () => {
    const uses = (where: string): string =>
      `block Even {\n in x: [N, 3]\n out y: [N, 3]\n where N % 2 == 0\n y = relu(x)\n}\nmodel M {\n in x: [N, 3]\n out y: [N, 3]\n ${where}\n x -> Even -> y\n}`;
    const codes = (text: string): string[] =>
      analyze({ entry: { path: "t.resnet", text }, read: readModule, dims: new Map(), set: [], training: false }).diagnostics.map(({ code }) => code);
    assert.equal(codes(uses("")), ["RN211"]);
    const { guards } = compileSource(uses("where N % 4 == 0")).manifest;
    assert.equal(
      guards.map(({ text }) => text),
      ["`M` requires N % 4 == 0"],
    );
  });

  test("a relation that is not proved is a hint; the condition that it offers proves it; unstated or stated, it is asked when run", async () => {
    const unproved = readFileSync(new URL("../diagnostics/unproved.resnet", import.meta.url), "utf8").replace("edition 2026\n", "");
    const check = (text: string): readonly Diagnostic[] => {
      const { entry } = loadModules({ path: "t.resnet", text }, readModule);
      return checkFile(entry).diagnostics.filter(({ span }) => text.slice(0, span.start).includes("block Odd"));
    };
    const [hint, ...others] = check(unproved);
    assert.equal([hint?.code, hint?.severity, others.length], ["RN220", "hint", 0]);
    const stated = applyEdits(unproved, hint?.fixes[0]?.edits ?? []);
    assert.match(stated, /model Unstated\(\) \{\n {2}in {2}x: f32\[N, 3\]\n {2}out y\n {2}where N\*N % 1000003 != 250000\n/);
    assert.equal(check(stated), []);
    for (const text of [unproved, stated]) {
      const { manifest, wasm } = compileSource(text, { model: "Unstated" });
      const network = await loadNetwork({ manifest, wasm });
      assert.equal((await network.run({ x: new Float32Array(6) }))["y"]?.shape, [2, 2]);
      try {
        await network.run({ x: new Float32Array(1500) });
        assert.unreachable("a batch of 500 breaks the condition");
      } catch (error) {
        assert.instance(error, ResnetError);
        const by = text === stated ? "Unstated" : "Odd";
        assert.match((error as Error).message, new RegExp(`a batch of 500 .*\`${by}\` requires N ?\\* ?N % 1000003 != 250000`));
      }
      await network.dispose();
    }
  });

  test("where a relation is left open, the message names the block it is in", () => {
    const text = "block Part {\n in x: [N, C]\n out y: [N, C + 7]\n y = pad(x, axis: 1, after: C * C % 1000003 != 250000 ? 7 : 8)\n}";
    const { entry } = loadModules({ path: "t.resnet", text }, readModule);
    assert.equal(
      checkFile(entry).blocks[0]?.guards.map(({ message }) => message),
      ["size of output `y`, in `Part`"],
    );
  });

  test("a condition of one mode is asked in that mode only", () => {
    const guard = { relation: { op: ">=", left: symbol("N"), right: 2 }, message: "stated", span } as const;
    const guards = guardSpecs([], [guard], "N");
    assert.equal(
      guards.map(({ mode }) => mode),
      ["training"],
    );
    const manifest = { guards } as unknown as Manifest;
    assert.not.throws(() => checkGuards(manifest, "infer", 1));
    assert.throws(() => checkGuards(manifest, "step", 1), /N >= 2 \(stated\)/);
    assert.equal(
      guardSpecs([guard], [guard], "N").map(({ mode }) => mode),
      [undefined],
    );
    assert.equal(
      guardSpecs([guard], [], "N").map(({ mode }) => mode),
      ["inference"],
    );
    assert.equal(guardSpecs([guard], undefined, "M"), []);
  });

  test("relations are evaluated exactly", () => {
    const N = symbol("N");
    assert.equal(passing({ op: "divides", divisor: 3, dividend: add(N, 1) }), [2, 5, 8]);
    assert.equal(passing({ op: "==", left: mul(2, floorDiv(N, 2)), right: N }), [2, 4, 6, 8]);
    assert.equal(
      passing({
        op: "or",
        parts: [
          { op: "<", left: N, right: 2 },
          { op: ">", left: N, right: 7 },
        ],
      }),
      [1, 8],
    );
    assert.equal(
      passing({
        op: "and",
        parts: [
          { op: ">=", left: N, right: 3 },
          { op: "not", part: { op: "==", left: N, right: 4 } },
        ],
      }),
      [3, 5, 6, 7, 8],
    );
    assert.equal(passing({ op: "==", left: max(N, 5), right: 5 }), [1, 2, 3, 4, 5]);
    assert.equal(passing({ op: "!=", left: mul(N, N), right: 9 }), [1, 2, 4, 5, 6, 7, 8]);
  });

  test("a size that is no multiple of the batch is an error, not a crash", () => {
    const pairs = 'model Pairs {\n in x: [N, 3]\n out y: [N/2, 6]\n where N % 2 == 0\n y = rearrange(x, "(n a) c -> n (a c)", a: 2)\n}';
    const request = { entry: { path: "t.resnet", text: pairs }, read: readModule, set: [], training: false };
    const free = analyze({ ...request, dims: new Map() }).value;
    assert.ok(free);
    assert.equal(
      buildGraphs(free).diagnostics.map(({ code, message }) => `${code} ${message}`),
      ["RN309 `Pairs` has the size floor(N/2), which is no multiple of the batch"],
    );
    assert.equal(compileSource(pairs, { dims: { N: 4 } }).manifest.infer?.outputs[0]?.shape, [2, 6]);
  });
});
