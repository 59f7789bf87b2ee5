/**
 * Where values come from and go to: what a chain may begin with, what a body's result is, conditions wherever they are
 * written, sizes of tensors. Numbers are computed by hand; every program also runs in the reference interpreter.
 */
import * as assert from "uvu/assert";
import { check } from "../../compiler/compile.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";
import { closeTo, counting, runSource, scattered } from "./run-source.ts";

function errors(text: string): string[] {
  return check({ path: "test.resnet", text }, readModule)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ code, message }) => `${code} ${message}`);
}

/** Output y of a model with x [N, 2] = [3, -4]. */
async function of(body: string, before = ""): Promise<readonly number[] | undefined> {
  const text = `${before}\nmodel M {\n in x: [N, 2]\n out y\n ${body}\n}`;
  return (await runSource(text, { inputs: { x: { shape: [1, 2], data: [3, -4] } } })).outputs["y"];
}

suite("where a chain begins", (test) => {
  test("a call over an expression of tensors is a value", async () => {
    assert.equal(await of("let a = x * 2\n relu(x + a) -> square -> y"), [81, 0]);
    assert.equal(await of("concat([x, -x], axis: 1) -> relu -> y"), [3, 0, 0, 4]);
    assert.equal(await of('cast(iota([2], 0), "f32") -> i: { it * 10 }\n y = x + broadcast(i, like: x, axes: [1])'), [3, 6]);
    assert.equal(await of("relu(-x) -> sum(axes: [1]) -> y"), [4]);
  });

  test("a call without tensors is still a stage", () => {
    assert.match(errors("block B {\n in x: [N, C, H, W]\n out y\n conv(4, 3) -> y\n}").join(), /RN407/);
  });
});

suite("the result of a body", (test) => {
  test("the last chain flows on, also one that begins with an expression over `it`", async () => {
    assert.equal(await of("x -> double: { it * 2 } -> y"), [6, -8]);
    assert.equal(await of("x -> { sum(it, axes: [1]) } -> y"), [-1]);
    assert.equal(await of("x -> repeat 3 as j { it + j } -> y"), [6, -1]);
    assert.equal(await of("x -> { it -> a: relu\n a - it } -> y"), [0, 4]);
  });

  test("a chain into an `out` port is no result", async () => {
    const text = "model M {\n in x: [N, 2]\n out y\n out z\n x -> { it -> square -> z } -> relu -> y\n}";
    const { outputs } = await runSource(text, { inputs: { x: { shape: [1, 2], data: [3, -4] } } });
    assert.equal(
      [outputs["y"], outputs["z"]],
      [
        [3, 0],
        [9, 16],
      ],
    );
  });
});

suite("conditions and sizes", (test) => {
  const exchange =
    "block Exchange {\n in high: [N, C, H]\n in low: [N, C, H/2]\n out y: [N, C, H]\n where H % 2 == 0\n high -> join sum: add -> y\n skip low -> sum via resize(scale: 2)\n}";

  test("a condition holds for the ports before it", async () => {
    assert.equal(errors(exchange), []);
    const text = `${exchange}\nmodel M {\n in a: [N, 1, 4]\n in b: [N, 1, 2]\n out y\n y = Exchange(a, b)\n}`;
    const inputs = { a: { shape: [1, 1, 4], data: [1, 2, 3, 4] }, b: { shape: [1, 1, 2], data: [10, 20] } };
    assert.equal((await runSource(text, { inputs })).outputs["y"], [11, 12, 23, 24]);
    const odd = `${exchange}\nmodel M {\n in a: [N, 1, 5]\n in b: [N, 1, 2]\n out y\n y = Exchange(a, b)\n}`;
    assert.match(errors(odd).join(), /RN211 `Exchange` requires `H % 2 == 0`/);
  });

  test("a later port may compute with a pack, and with sizes that one after it binds", async () => {
    const pools =
      "block Halves {\n in x: [N, 2*C, ..S]\n in low: [N, C, ..ceil(S/2)]\n out y: [N, C, ..ceil(S/2)]\n let (a, b) = split(x, 2, axis: 1)\n a -> maxpool(3, stride: 2, padding: 1) -> join s: add -> y\n skip low -> s\n}";
    assert.equal(errors(pools), []);
    const text = `${pools}\nmodel M {\n in x: [N, 2, 3]\n in low: [N, 1, 2]\n out y\n y = Halves(x, low)\n}`;
    const inputs = { x: { shape: [1, 2, 3], data: [1, 2, 3, 0, 0, 0] }, low: { shape: [1, 1, 2], data: [10, 20] } };
    assert.equal((await runSource(text, { inputs })).outputs["y"], [12, 23]);
  });

  test("`shape` and `rank` of a tensor, `range` with bounds", async () => {
    const text =
      "model M {\n in x: [N, 2, 7, 7]\n out y\n x -> maxpool(2) -> z: relu\n let (n, c, h, w) = shape(z)\n y = reshape(z, [n, c, h * w]) - broadcast(mean(z, axes: range(2, rank(z))), shape: [n, c, h * w], axes: [0, 1])\n}";
    const { outputs, shapes } = await runSource(text, { inputs: { x: { shape: [1, 2, 7, 7], data: counting(98) } } });
    assert.equal(shapes["y"], [1, 2, 9]);
    // Greatest of each 2×2 window: 8 + 14 r + 2 c, whose mean is 24.
    closeTo(outputs["y"]?.slice(0, 9), [-16, -14, -12, -2, 0, 2, 12, 14, 16]);
  });

  test("arguments of functions over sizes are counted and named", () => {
    const found = errors(
      "block B {\n in x: [N, C]\n out y: [N, C]\n let a = range(1, 2, 3, 4)\n let b = sqrt()\n let c = length(3)\n let d = range(5, begin: 2)\n let e = shape(4)\n y = x\n}",
    );
    assert.equal(
      found.map((each) => each.slice(0, 5)),
      ["RN304", "RN303", "RN305", "RN302", "RN305"],
    );
  });
});

suite("names and declarations", (test) => {
  test("a block of the name of a size does not stand for it", () => {
    const text = "block H {\n in x: [N, C, H, W]\n out y: [N, C, H, W]\n x -> relu -> y\n}\nblock W {\n in x: [N, H]\n out y: [N, H]\n y = x\n}";
    assert.equal(errors(text), []);
  });

  test("a constant in a pattern is an assertion, imported or not", () => {
    const text = "const F = 3\nblock B {\n in x: [N, F]\n out y: [N, 3]\n y = x\n}\nmodel M {\n in x: [N, 4]\n out y\n x -> B -> y\n}";
    assert.match(errors(text).join(), /RN210/);
  });

  test("a default has its parameter's type; parameters and ports have names of their own", () => {
    const block = (head: string, port = "x"): string => `block B${head} {\n in x: [N, C]\n in ${port}: [N, C]\n out y\n y = x\n}`;
    assert.match(errors(block('(n: int = "a")', "z")).join(), /RN301 .*`n` must be an integer/);
    assert.match(errors(block("(n: int, n: int)", "z")).join(), /RN102 `n`/);
    assert.match(errors(block("")).join(), /RN102 `x`/);
  });

  test("options of merges, and dtypes of casts, are those that exist", () => {
    const model = (join: string, last = "y"): string =>
      `block B {\n in x: [N, C]\n out y\n x -> linear(C) -> join s: ${join} -> ${last}\n skip x -> s\n}`;
    assert.match(errors(model("add(scal: 2)")).join(), /RN302/);
    assert.match(errors(model("mul(3)")).join(), /RN304/);
    assert.equal(errors(model("concat(5)")).length, 1);
    assert.match(errors('block B {\n in x: [N, C]\n out y\n y = cast(x, "f64")\n}').join(), /RN301 cast: the dtypes are/);
  });
});

suite("words of other notations", (test) => {
  const shown = (text: string): string =>
    check({ path: "test.resnet", text }, readModule)
      .diagnostics.map(({ message, help, fixes }) => [message, ...help, ...fixes.map(({ title }) => title)].join(" | "))
      .join("\n");
  const model = "model M {\n in x: [N, 4]\n out y: [N, 2]\n x -> fc: linear(2) -> y\n}\n";

  test("each leads to ours, and nothing else is said", () => {
    assert.match(shown(model.replace("fc: linear(2)", "linear(2) @fc")), /^`@fc` labels no stage \| write `fc: linear\(2\)` \| label the stage$/);
    assert.match(shown(`${model}train M { optim sgd(lr: 0.1) }`), /did you mean `optimizer`/);
    assert.match(shown(`${model}train M { optimizer sgd(lr: 0.1, decay: 1e-4) }`), /did you mean `weight_decay`/);
    assert.match(
      shown(`${model}train M {\n optimizer sgd(weight_decay: 1e-4 except [bias, bn.*])\n}`),
      /^expected `,` before `except` \| parameters without weight decay/,
    );
    assert.match(
      shown(`${model}train M { sweep(drop: [0, 0.1]) }`),
      /^a recipe has no setting `sweep` \| a sweep reads `sweep width in \[16, 32\]`$/,
    );
    for (const [theirs, ours] of [
      ["BatchNorm2d", "batchnorm"],
      ["LeakyReLU(0.1)", "leaky_relu"],
      ["dense(2)", "linear"],
      ["Conv2d(4, 3)", "conv"],
      ["swish", "silu"],
    ])
      assert.match(shown(model.replace("linear(2)", theirs ?? "")), new RegExp(`did you mean \`${ours}\``));
  });
});

suite("sizes for each axis", (test) => {
  test("a convolution of 1×3 with strides 1 and 2 is the sum by hand", async () => {
    const text = "model M {\n in x: [N, 1, 2, 5]\n out y\n x -> c: conv(1, [1, 3], stride: [1, 2]) -> y\n}";
    const { outputs, shapes } = await runSource(text, {
      inputs: { x: { shape: [1, 1, 2, 5], data: [1, 2, 3, 4, 5, 10, 20, 30, 40, 50] } },
      weights: { "c.weight": [1, 10, 100] },
    });
    assert.equal(shapes["y"], [1, 1, 2, 3]);
    assert.equal(outputs["y"], [210, 432, 54, 2100, 4320, 540]);
  });

  test("pooling and the transposed convolution take them too, and wrong counts are errors", async () => {
    const body = "x -> maxpool([2, 1]) -> u: conv_transposed(2, [1, 2], stride: [1, 2]) -> avgpool([1, 3], stride: 1, padding: [0, 1]) -> y";
    const { shapes } = await runSource(`model M {\n in x: [N, 3, 4, 5]\n out y\n ${body}\n}`, {
      inputs: { x: { shape: [2, 3, 4, 5], data: scattered(120) }, t: { shape: [2, 2, 2, 10], data: scattered(80) } },
      loss: "mse(y, t)",
    });
    assert.equal(shapes["y"], [2, 2, 2, 10]);
    const model = (stage: string): string => `model M {\n in x: [N, 3, 4, 5]\n out y\n x -> ${stage} -> y\n}`;
    assert.match(errors(model("conv(4, [1, 3, 3])")).join(), /RN305 expected one number, or a list of 2/);
    assert.match(errors(model("conv(4, [1, 0])")).join(), /RN301 .*the list \[1, 0\]/);
    assert.match(errors(model("maxpool([9, 1])")).join(), /RN207 .*a window of 9 does not fit height 4/);
  });
});
