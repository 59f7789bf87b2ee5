/** Joins by hand numbers: gates of tensors and blocks, layer scale, stochastic depth and the `depth` of a round. */
import * as assert from "uvu/assert";
import { check } from "../../compiler/compile.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";
import { closeTo, compileSource, runSource, scattered } from "./run-source.ts";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function errors(text: string): string[] {
  return check({ path: "test.resnet", text }, readModule)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ code, message }) => `${code} ${message}`);
}

suite("gates", (test) => {
  const x = { shape: [1, 2], data: [1, -2] };
  const t = { shape: [1, 2], data: [0, 0] };

  test("a tensor is the gate itself", async () => {
    const text = `model M {\n in x: [N, 2]\n out y: [N, 2]\n let t = x * x * 0.25\n x -> relu -> join mix: gate(t) -> y\n skip x -> mix\n}`;
    const { outputs } = await runSource(text, { inputs: { x, t }, loss: "mse(y, t)" });
    closeTo(outputs["y"], [0.25 * 1 + 0.75 * 1, 1 * 0 + 0 * -2]);
  });

  test("a block is applied to the skip's source, then sigmoid; its tensors lie under the join", async () => {
    const text = `model M {\n in x: [N, 2]\n out y: [N, 2]\n x -> h: linear(2, bias: false) -> relu -> join mix: gate(linear(2)) -> y\n skip x -> mix\n}`;
    const weights = { "h.weight": [2, 0, 0, -1], "mix.weight": [1, 0, 0, 1], "mix.bias": [0, 1] };
    const ran = await runSource(text, { inputs: { x, t }, weights, loss: "mse(y, t)" });
    assert.equal([...ran.tensors].sort(), ["h.weight", "mix.bias", "mix.weight"]);
    const g = [sigmoid(1), sigmoid(-1)] as const;
    closeTo(ran.outputs["y"], [g[0] * 2 + (1 - g[0]) * 1, g[1] * 2 + (1 - g[1]) * -2]);
    assert.ok(ran.gradients["mix.weight"]?.some((value) => Math.abs(value) > 1e-3));
  });

  test("the block sees the source, not what the skip's adaptation makes of it", async () => {
    const text = `block T {\n in x: [N, 3, S]\n out y: [N, 2, S]\n x -> conv(2, 1) -> y\n}\nmodel M {\n in x: [N, 3, 4]\n out y: [N, 2, 4]\n x -> conv(2, 3) -> join mix: gate(T) -> y\n skip x -> mix via project\n}`;
    const { tensors } = await runSource(text, {
      inputs: { x: { shape: [2, 3, 4], data: scattered(24) }, t: { shape: [2, 2, 4], data: scattered(16) } },
      loss: "mse(y, t)",
    });
    assert.ok(tensors.includes("mix.conv.weight"), tensors.join(" "));
  });

  test("a gate of another shape, or of no tensor, is refused", () => {
    const of = (gate: string): string =>
      errors(`model M {\n in x: [N, 2]\n out y\n x -> relu -> join mix: gate(${gate}) -> y\n skip x -> mix\n}`).join();
    assert.match(of("linear(3)"), /RN205/);
    assert.match(of("3"), /RN301/);
  });
});

suite("layer scale", (test) => {
  const skip = "skip x -> sum";
  test("a number, or a parameter of the channels", async () => {
    const x = { shape: [1, 2, 2], data: [1, 2, 3, 4] };
    const t = { shape: [1, 2, 2], data: [0, 0, 0, 0] };
    const half = await runSource(`model M {\n in x: [N, 2, 2]\n out y\n x -> relu -> join sum: add(scale: 0.5) -> y\n ${skip}\n}`, {
      inputs: { x, t },
      loss: "mse(y, t)",
    });
    closeTo(half.outputs["y"], [1.5, 3, 4.5, 6]);
    const text = `model M {\n in x: [N, 2, 2]\n out y\n param gamma: [2] = constant(0.1)\n x -> relu -> join sum: add(scale: gamma) -> y\n ${skip}\n}`;
    const ran = await runSource(text, { inputs: { x, t }, weights: { gamma: [1, 2] }, loss: "mse(y, t)" });
    closeTo(ran.outputs["y"], [2, 4, 9, 12]);
    // d/d gamma_c of the mean of y² is the sum over c's positions of 2 y x / 4.
    closeTo(ran.gradients["gamma"], [(2 * 1 + 4 * 2) / 2, (9 * 3 + 12 * 4) / 2]);
  });

  test("along another axis, and never of a wrong size", async () => {
    const text = (size: number, axis: string): string =>
      `model M {\n in x: [N, 3, 2]\n out y\n param gamma: [${size}] = ones\n x -> relu -> join sum: add(scale: gamma${axis}) -> y\n ${skip}\n}`;
    const x = { shape: [1, 3, 2], data: [1, 1, 1, 1, 1, 1] };
    closeTo((await runSource(text(2, ", axis: 2"), { inputs: { x }, weights: { gamma: [1, 4] } })).outputs["y"], [2, 5, 2, 5, 2, 5]);
    assert.match(errors(text(2, "")).join(), /RN205/);
  });
});

suite("stochastic depth", (test) => {
  const model = (body: string): string =>
    `block B(v: real) {\n in x: [N, 1]\n out y: [N, 1]\n y = x * 10 + v\n}\nmodel M {\n in x: [N, 1]\n out y: [N, 1]\n ${body}\n}`;
  const from = async (body: string): Promise<number> =>
    (await runSource(model(body), { inputs: { x: { shape: [1, 1], data: [0] } } })).outputs["y"]?.[0] ?? Number.NaN;

  test("depth goes from 0 to 1 over the rounds of a repeat", async () => {
    assert.is(await from("x -> repeat 3 { B(4 * depth) } -> y"), 24);
    assert.is(await from("x -> repeat 1 { B(7 + depth) } -> y"), 7);
    assert.is(await from("x -> repeat 3 as j { B(j) -> B(4 * depth) } -> y"), 1224);
  });

  test("the outermost loop counts the rounds of those in it", async () => {
    // Stages of 1 and 2 rounds: depths 0, 1/2, 1.
    assert.is(await from("x -> stages s of [1, 2] as i, n { repeat n { B(8 * depth) } } -> y"), 48);
    assert.is(await from("x -> stages s of [1, 2] as i, n { let m = n\n repeat m { B(8 * depth) } } -> y"), 48);
    assert.is(await from("x -> repeat 2 { repeat 2 { B(3 * depth) } } -> y"), 123);
    // A stage beside an inner loop is a position of its own: 0, 1/3, 2/3, 1.
    assert.is(await from("x -> repeat 2 { B(3 * depth) -> repeat 1 { B(3 * depth) } } -> y"), 123);
    // One after another they count by themselves.
    assert.is(await from("x -> repeat 2 { B(depth) } -> repeat 2 { B(depth) } -> y"), 101);
  });

  test("a name `depth` of the block's own wins", async () => {
    assert.is(await from("x -> stages s of [5, 6] as i, depth { B(depth) } -> y"), 56);
    assert.match(errors(model("x -> B(depth) -> y")).join(), /RN101 .*depth/);
  });

  test("a generic block with an unknown count is clean", () => {
    const text = `block D(n: int, p: prob = 0.2) {\n in x: [N, C, S]\n out y: [N, C, S]\n x -> repeat n { conv(C, 3) -> join sum: add(drop: p * depth)\n skip it -> sum } -> y\n}`;
    assert.equal(
      check({ path: "t.resnet", text }, readModule).diagnostics.map(({ message }) => message),
      [],
    );
  });

  test("while training whole samples go or are scaled; predicting keeps all", async () => {
    const text = "model M {\n in x: [N, 2]\n out y: [N, 2]\n x -> repeat 3 { relu -> join sum: add(drop: 0.5 * depth)\n skip it -> sum } -> y\n}";
    const x = { shape: [40, 2], data: Array.from({ length: 80 }, () => 1) };
    const { outputs, trainingOutputs } = await runSource(text, { inputs: { x, t: { ...x } }, loss: "mse(y, t)" });
    assert.ok(outputs["y"]?.every((value) => value === 8));
    // Rounds: always doubled; then 1 or 1 + 4/3; then 1 or 3.
    const possible = [2, 6, 14 / 3, 14];
    const seen = new Set<number>();
    for (let n = 0; n < 40; n++) {
      const [a = 0, b = 0] = trainingOutputs["y"]?.slice(2 * n, 2 * n + 2) ?? [];
      assert.is(a, b);
      const which = possible.findIndex((value) => Math.abs(value - a) < 1e-5);
      assert.ok(which >= 0, String(a));
      seen.add(which);
    }
    assert.is(seen.size, 4);
  });

  test("a path that is always dropped leaves the skip", async () => {
    const text = "model M {\n in x: [N, 2]\n out y: [N, 2]\n x -> relu -> join sum: add(drop: 1) -> y\n skip x -> sum\n}";
    const x = { shape: [1, 2], data: [1, 2] };
    const { trainingOutputs } = await runSource(text, { inputs: { x, t: x }, loss: "mse(y, t)" });
    closeTo(trainingOutputs["y"], [1, 2]);
    assert.ok(compileSource(text).manifest.infer);
  });
});
