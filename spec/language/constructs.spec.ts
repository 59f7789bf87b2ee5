/** Constructs of the language, each compiled, run on Wasm against the reference interpreter, and against numbers by hand. */
import * as assert from "uvu/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { analyze, check } from "../../compiler/compile.ts";
import { compile } from "../../tools/api/index.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";
import { closeTo, compileSource, runSource, scattered } from "./run-source.ts";

const scale = "block Scale(by: real = 2) {\n in x: [..S]\n out y: [..S]\n y = x * by\n}\n";
const add = "block Add(by: real = 1) {\n in x: [..S]\n out y: [..S]\n y = x + by\n}\n";

function errors(text: string): string[] {
  return check({ path: "test.resnet", text }, readModule)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ code, message }) => `${code} ${message}`);
}

/** Output of a model with input x [N, 1] = 3. */
async function of(body: string, before = ""): Promise<number> {
  const text = `${scale}${add}${before}\nmodel M {\n in x: [N, 1]\n out y: [N, 1]\n ${body}\n}`;
  return (await runSource(text, { inputs: { x: { shape: [1, 1], data: [3] } } })).outputs["y"]?.[0] ?? Number.NaN;
}

suite("dtypes at ports", (test) => {
  test("i32, i64 and bool in and out", async () => {
    const text = `model M {\n in i: i32[N, 2]\n in j: i64[N, 2]\n in b: bool[N, 2]\n out s: i32[N, 2]\n out k: i64[N, 2]\n out c: bool[N, 2]\n out r: [N, 2]\n s = i * 2 + 1\n k = j - 1\n c = !b && i > 0\n r = where(b, cast(j, "f32"), 0.5)\n}`;
    const inputs = {
      i: { shape: [1, 2], data: [3, -4], dtype: "i32" },
      j: { shape: [1, 2], data: [7, 8], dtype: "i64" },
      b: { shape: [1, 2], data: [0, 1], dtype: "bool" },
    } as const;
    const { outputs } = await runSource(text, { inputs });
    assert.equal(
      [outputs["s"], outputs["k"], outputs["c"], outputs["r"]],
      [
        [7, -7],
        [6, 7],
        [1, 0],
        [0.5, 8],
      ],
    );
  });

  test("f16 is how values and states are stored; sums are f32", async () => {
    const text = `model M {\n in x: f16[N, 2]\n out y: f16[N, 2]\n out z: [N, 2]\n state m: f16[2] = ones\n let w = cast(x, "f32") + broadcast(cast(m, "f32"), shape: [N, 2], axes: [1])\n y = cast(w, "f16")\n z = w\n}`;
    const { outputs, shapes } = await runSource(text, { inputs: { x: { shape: [1, 2], data: [0.5, 1024] } } });
    assert.equal(shapes["y"], [1, 2]);
    closeTo(outputs["z"], [1.5, 1025]);
    const { manifest } = compileSource(text);
    assert.equal([manifest.infer?.inputs[0]?.dtype, manifest.tensors[0]?.dtype], ["f16", "f16"]);
  });

  test("operands of different dtypes are refused", () => {
    assert.match(errors("model M {\n in x: [N, 2]\n in i: i32[N, 2]\n out y\n y = x + i\n}").join(), /RN306/);
  });
});

suite("ports and weights", (test) => {
  test("several inputs and outputs, tuples between blocks", async () => {
    const text = `block Both {\n in a: [N, 2]\n in b: [N, 2]\n out sum: [N, 2]\n out difference: [N, 2]\n sum = a + b\n difference = a - b\n}\nmodel M {\n in a: [N, 2]\n in b: [N, 2]\n out y: [N, 2]\n out z: [N, 2]\n let (s, d) = Both(a, b)\n y = s * d\n (a, b) -> Both -> Both -> both: Both\n let (p, q) = both\n z = p\n}`;
    const inputs = { a: { shape: [1, 2], data: [3, 1] }, b: { shape: [1, 2], data: [2, 5] } };
    const { outputs } = await runSource(text, { inputs });
    assert.equal(outputs["y"], [5, -24]);
    // Twice Both doubles, the third sums.
    assert.equal(outputs["z"], [10, 12]);
  });

  test("a label's block is called like any other, with its tensors", async () => {
    const text =
      "block Part {\n in x: [N, 2]\n out y: [N, 2]\n x -> fc: linear(2, bias: false) -> y\n}\nmodel M {\n in a: [N, 2]\n in b: [N, 2]\n out y: [N, 2]\n a -> part: Part -> p: identity\n y = p * part(b)\n}";
    const inputs = { a: { shape: [1, 2], data: [1, 2] }, b: { shape: [1, 2], data: [3, 4] } };
    const ran = await runSource(text, { inputs, weights: { "part.fc.weight": [2, 0, 0, 3] } });
    assert.equal(ran.tensors, ["part.fc.weight"]);
    assert.equal(ran.outputs["y"], [2 * 6, 6 * 12]);
    assert.match(errors(text.replace("part(b)", "part(b, 3)")).join(), /RN305/);
  });

  test("a labelled block used twice holds one set of tensors, whose gradients add up", async () => {
    const text = "model M {\n in x: [N, 2]\n out y: [N, 2]\n x -> f: linear(2, bias: false) -> f -> y\n}";
    const inputs = { x: { shape: [1, 2], data: [1, 2] }, t: { shape: [1, 2], data: [0, 0] } };
    const ran = await runSource(text, { inputs, weights: { "f.weight": [2, 0, 0, 3] }, loss: "mse(y, t)" });
    assert.equal(ran.tensors, ["f.weight"]);
    assert.equal(ran.outputs["y"], [4, 18]);
    // dy = y; dW = W' dy h0' + dy h1' with h0 = x, h1 = W x = [2, 6], W' dy = [8, 54].
    closeTo(ran.gradients["f.weight"], [8 * 1 + 4 * 2, 8 * 2 + 4 * 6, 54 * 1 + 18 * 2, 54 * 2 + 18 * 6]);
  });

  test("param, state and update", async () => {
    const text =
      "model M {\n in x: [N, 1]\n out y: [N, 1]\n param w: [1] = constant(3)\n state seen: [1] = zeros\n y = x * broadcast(w, like: x, axes: [1])\n if training { update seen = seen + mean(x, axes: [0]) }\n}";
    const { outputs, gradients, tensors } = await runSource(text, {
      inputs: { x: { shape: [2, 1], data: [1, 2] }, t: { shape: [2, 1], data: [0, 0] } },
      loss: "mse(y, t)",
    });
    assert.equal([outputs["y"], gradients["w"], tensors], [[3, 6], [15], ["w", "seen"]]);
  });
});

suite("declarations", (test) => {
  test("constants, also of lists and other constants", async () => {
    assert.is(await of("x -> repeat length(steps) as j { Scale(real(steps[j])) } -> y", "const two = 2\nconst steps = [two, two + 1, 5]"), 90);
  });

  test("imports by name, under another name, and by alias; a cycle is refused", async () => {
    const folder = mkdtempSync(join(tmpdir(), "resnet-"));
    try {
      writeFileSync(join(folder, "parts.resnet"), `const five = 5\n${scale}${add}`);
      const main = join(folder, "main.resnet");
      writeFileSync(
        main,
        'edition 2026\nimport { Scale as Times } from "./parts"\nimport "./parts.resnet" as parts\nmodel M {\n in x: [N, 1]\n out y: [N, 1]\n x -> Times(parts.five) -> parts.Add -> y\n}',
      );
      const network = await (await compile({ file: main, mode: "inference" })).load();
      assert.equal([...((await network.run({ x: [3] }))["y"]?.data ?? [])].map(Number), [16]);
      await network.dispose();
      writeFileSync(join(folder, "parts.resnet"), `import "./main" as main\n${scale}`);
      const codes = check({ path: main, text: 'import "./parts" as parts\n' }, readModule).diagnostics.map(({ code }) => code);
      assert.ok(codes.includes("RN105") || codes.includes("RN106"), codes.join());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("an unknown edition is said clearly", () => {
    assert.match(errors("edition 1999\nmodel M {\n in x: [N, 1]\n out y: [N, 1]\n y = x\n}").join(), /RN007 .*1999/);
  });

  test("blocks as parameters, with arguments given and still to be given", async () => {
    const stage =
      "block Stage(Inner: block, times: int = 2) {\n in x: [..S]\n out y: [..S]\n x -> repeat times { Inner } -> y\n}\nblock Twice(Inner: block) {\n in x: [..S]\n out y: [..S]\n x -> Inner(by: 5) -> Inner -> y\n}";
    assert.is(await of("x -> Stage(Scale) -> y", stage), 12);
    assert.is(await of("x -> Stage(Inner: Scale(3), times: 1) -> Stage(relu) -> y", stage), 9);
    assert.is(await of("x -> Twice(Add) -> y", stage), 9);
    assert.is(await of("let f = Scale(by: 4)\n x -> f -> Stage(f, times: 1) -> y", stage), 48);
    assert.is(await of("x -> Stage(Stage(Add, 3), 2) -> y", stage), 9);
  });

  test("lists and tuples as parameters, also of tuples and blocks", async () => {
    const all =
      "block All(parts: [(block, int)], shift: (real, real)) {\n in x: [..S]\n out y: [..S]\n x -> stages s of parts as i, (part, times) { repeat times { part } } -> Add(shift[0]) -> Scale(shift[1]) -> y\n}";
    assert.is(await of("x -> All([(Scale, 2), (Add(10), 3)], (0.5, 2)) -> y", all), 85);
    assert.match(errors(`${scale}${add}${all}\nmodel M {\n in x: [N, 1]\n out y\n x -> All([(Scale, 2.5)], (1, 1)) -> y\n}`).join(), /RN301/);
  });

  test("parameters from outside: numbers, truth values, lists, tuples", async () => {
    const text = `${scale}model M(widths: [(int, real)] = [(1, 1)], on: bool = false, p: prob = 0) {\n in x: [N, 1]\n out y: [N, 1]\n x -> stages s of widths as i, (n, v) { repeat n { Scale(v) } } -> if on { Scale(-1) } -> y\n}`;
    const { outputs } = await runSource(text, {
      set: {
        widths: [
          [2, 3],
          [1, 0.5],
        ],
        on: true,
      },
      inputs: { x: { shape: [1, 1], data: [2] } },
    });
    assert.equal(outputs["y"], [-9]);
    const bad = analyze({
      entry: { path: "t.resnet", text },
      read: readModule,
      dims: new Map(),
      set: [{ name: "p", nameSpan: undefined, span: { source: { path: "", text: "" }, start: 0, end: 0 }, value: { kind: "real", value: 2 } }],
      training: false,
    });
    assert.equal(
      bad.diagnostics.map(({ code }) => code),
      ["RN301"],
    );
  });
});

suite("control", (test) => {
  test("static if with else if, as a statement and as a stage", async () => {
    const choose = (n: number): string =>
      `block Pick(n: int) {\n in x: [..S]\n out y: [..S]\n if n == 0 { y = x } else if n == 1 { y = x * 10 } else { x -> Add(n) -> y }\n}\nconst n = ${n}`;
    assert.equal(
      [await of("x -> Pick(n) -> y", choose(0)), await of("x -> Pick(n) -> y", choose(1)), await of("x -> Pick(n) -> y", choose(4))],
      [3, 30, 7],
    );
    const stage = "x -> repeat 3 as j { if j == 0 { Add } else if j == 1 { Scale(10) } else { Add(100) } } -> y";
    assert.is(await of(stage), 140);
  });

  test("nested repeats and stages see the indices around them", async () => {
    assert.is(await of("x -> stages s of [1, 2] as i, n { repeat n as j { Add(real(10 * i + j)) } } -> y"), 3 + 0 + 10 + 11);
  });

  test("lists: range, spread, repetition, negative indices", async () => {
    assert.is(await of("let l = [..range(3), 10] + [2] * 2\n x -> repeat length(l) as j { Add(real(l[j])) } -> Scale(real(l[-3])) -> y"), 200);
  });
});

suite("variants", (test) => {
  const base = `${scale}${add}block Body(by: real = 2) {\n in x: [..S]\n out y: [..S]\n x -> Scale(by) -> join sum: add -> y\n skip x -> sum\n}\nmodel Net(by: real = 2) {\n in x: [N, 1]\n out y: [N, 1]\n x -> first: Body(by) -> blocks: repeat 2 { Body(by) } -> join root: add -> y\n skip long: x -> root\n}\n`;
  const run = async (actions: string): Promise<number> =>
    (await runSource(`${base}variant V of Net { ${actions} }`, { model: "V", inputs: { x: { shape: [1, 1], data: [1] } } })).outputs["y"]?.[0] ??
    Number.NaN;

  test("cut by path, by label and by pattern", async () => {
    assert.is(await run("set by = 2"), 28);
    assert.is(await run("cut skip root"), 27);
    assert.is(await run("cut skip long"), 27);
    assert.is(await run("cut skip first.sum"), 2 * 9 + 1);
    assert.is(await run("cut skip *.sum"), 9);
    assert.is(await run("cut skip blocks.*.sum, root"), 12);
    assert.is(await run("cut skip **"), 8);
  });

  test("set and replace, with arguments", async () => {
    assert.is(await run("set by = 1"), 9);
    assert.is(await run("replace Scale with Add"), 23);
    assert.is(await run("replace Body with Scale"), 9);
  });

  test("a variant of a variant changes what that one changed", async () => {
    const from = async (text: string): Promise<number> =>
      (await runSource(`${base}${text}`, { model: "V", inputs: { x: { shape: [1, 1], data: [1] } } })).outputs["y"]?.[0] ?? Number.NaN;
    assert.is(await from("variant A of Net { cut skip root }\nvariant V of A { cut skip *.sum }"), 8);
    assert.is(await from("variant A of Net { set by = 1; replace Scale with Add }\nvariant V of A { set by = 2 }"), 23);
    assert.match(errors(`${base}variant A of B { set by = 1 }\nvariant B of A { set by = 1 }`).join(), /RN104/);
    assert.match(errors(`${base}variant A of Net { cut skip nowhere }\nvariant V of A { set by = 1 }`).join(), /RN408/);
  });

  test("what matches nothing is an error", () => {
    assert.match(errors(`${base}variant V of Net { cut skip nowhere.* }`).join(), /RN408/);
    assert.match(errors(`${base}variant V of Net { set depth = 3 }`).join(), /RN302/);
    assert.match(errors(`${base}variant V of Net { replace Missing with relu }`).join(), /RN101/);
    assert.match(
      errors(`${base}block Unused {\n in x: [..S]\n out y: [..S]\n y = x\n}\nvariant V of Net { replace Unused with relu }`).join(),
      /RN408/,
    );
  });
});

suite("convolutions", (test) => {
  test("transposed convolution by the definition, with padding and output padding", async () => {
    const text = (more: string): string =>
      `model M {\n in x: [N, 1, 3]\n out y\n param w: [1, 1, 3] = ones\n y = convolution_transposed(x, w, ${more})\n}`;
    const inputs = { x: { shape: [1, 1, 3], data: [1, 2, 3] } };
    const weights = { w: [1, 10, 100] };
    // Each x[i] adds x[i] * w at 2 i.
    closeTo((await runSource(text("stride: 2"), { inputs, weights })).outputs["y"], [1, 10, 102, 20, 203, 30, 300]);
    closeTo((await runSource(text("stride: 2, padding: 1, output_padding: 1"), { inputs, weights })).outputs["y"], [10, 102, 20, 203, 30, 300]);
    closeTo((await runSource(text("stride: 1, dilation: 2"), { inputs, weights })).outputs["y"], [1, 2, 13, 20, 130, 200, 300]);
  });

  for (const [rank, shape] of [
    [1, "7"],
    [2, "5, 4"],
    [3, "3, 4, 3"],
  ] as const)
    test(`${rank}-D: plain, strided, grouped, transposed, with gradients`, async () => {
      const spatial = shape.split(", ").map(Number);
      const text = `model M {\n in x: [N, 4, ${shape}]\n out y\n x -> a: conv(4, 3, stride: 2, groups: 2, bias: true) -> b: conv_transposed(2, 2, stride: 2, groups: 2) -> c: conv(3, 3, padding: 2, dilation: 2) -> y\n}`;
      const count = spatial.reduce((a, b) => a * b, 1);
      const out = spatial.map((size) => 2 * Math.ceil(size / 2) + 4);
      // The padding is multiplied by the dilation: out = in + 2*4 - 4.
      const t = { shape: [2, 3, ...out], data: scattered(6 * out.reduce((a, b) => a * b, 1)) };
      const { shapes } = await runSource(text, { inputs: { x: { shape: [2, 4, ...spatial], data: scattered(8 * count) }, t }, loss: "mse(y, t)" });
      assert.equal(shapes["y"], [2, 3, ...out]);
    });

  test("an embedding gathers rows, and its gradient adds up where they repeat", async () => {
    const text = "model M {\n in i: i64[N, 2]\n out y: [N, 2, 2]\n i -> e: embedding(3, 2) -> y\n}";
    const inputs = { i: { shape: [1, 2], data: [2, 2], dtype: "i64" }, t: { shape: [1, 2, 2], data: [0, 0, 0, 0] } } as const;
    const { outputs, gradients } = await runSource(text, { inputs, weights: { "e.weight": [1, 2, 3, 4, 5, 6] }, loss: "mse(y, t)" });
    assert.equal(
      [outputs["y"], gradients["e.weight"]],
      [
        [5, 6, 5, 6],
        [0, 0, 0, 0, 5, 6],
      ],
    );
  });
});
