/** Sweeps: what a name stands for, the points of the product, and the recipe and model at each of them. */
import * as assert from "uvu/assert";
import { analyze, check } from "../../compiler/compile.ts";
import { listSweep, printRecipe, recipeSignature } from "../../compiler/sweep.ts";
import { loadModules } from "../../compiler/resolve/modules.ts";
import { readModule } from "../../tools/api/files.ts";
import { setArguments } from "../../tools/api/set-values.ts";
import { suite } from "../harness.ts";

const MODELS = `model Net(width: dim = 8, drop: prob = 0, Act: block = relu, sizes: [dim] = [8, 8]) {
  in  x: f32[N, 4]
  out y: f32[N, 2]
  x -> a: linear(width) -> Act -> b: linear(sizes[0]) -> dropout(drop) -> fc: linear(2) -> y
}
variant Narrow of Net { set sizes = [2, 2] }
const rates = [0.4, 0.2]
`;

const source = (recipe: string, models = MODELS) => ({
  path: "t.resnet",
  text: `${models}train Net as r {\n  loss cross_entropy(y, label)\n${recipe}\n}\n`,
});

function listed(recipe: string, set: Readonly<Record<string, unknown>> = {}, model?: string) {
  const { value, diagnostics } = listSweep({ entry: source(recipe), read: readModule, set: setArguments(set), model });
  assert.equal(
    diagnostics.map(({ message }) => message),
    [],
  );
  return value;
}

const names = (recipe: string, set: Readonly<Record<string, unknown>> = {}, model?: string) =>
  listed(recipe, set, model)?.points.map(({ name }) => name);

function at(recipe: string, set: Readonly<Record<string, unknown>>, model?: string) {
  const request = { entry: source(recipe), read: readModule, dims: new Map(), set: setArguments(set), training: true, model };
  const { value, diagnostics } = analyze(request);
  assert.ok(value, diagnostics.map(({ message }) => message).join("\n"));
  const { types, entries } = value.inference.root;
  const shapes = entries.flatMap((entry) => (entry.kind === "call" ? [entry.instance.block] : []));
  return { ...value, layers: shapes, widths: types.map(({ shape }) => shape[1]) };
}

const errors = (recipe: string, models = MODELS): string[] =>
  check(source(recipe, models), readModule).diagnostics.map(({ code, message }) => `${code} ${message}`);

suite("sweeps: points", (test) => {
  test("a recipe without sweeps has no points", () => assert.is(listed("batch 4"), undefined));

  test("the product, the last name fastest; values as they are written, or as a list gives them", () => {
    assert.equal(names("sweep width in [8, 16]\n sweep drop in [0, 0.1]"), [
      "width=8,drop=0",
      "width=8,drop=0.1",
      "width=16,drop=0",
      "width=16,drop=0.1",
    ]);
    assert.equal(names("optimizer sgd(lr: lr)\n sweep lr in rates"), ["lr=0.4", "lr=0.2"]);
    assert.equal(names("sweep width in range(8, 33, 8)"), ["width=8", "width=16", "width=24", "width=32"]);
    assert.equal(names("sweep sizes in [[2, 3], [4, 4]]"), ["sizes=[2,3]", "sizes=[4,4]"]);
    assert.equal(names("sweep Act in [relu, leaky_relu( 0.2 )]"), ["Act=relu", "Act=leaky_relu(0.2)"]);
    assert.equal(names("sweep model in [Net, Narrow, Net(width: 4)]"), ["model=Net", "model=Narrow", "model=Net(width:4)"]);
    assert.equal(names("sweep optimizer in [sgd(lr: 0.1), adam]"), ["optimizer=sgd(lr:0.1)", "optimizer=adam"]);
  });

  test("what a name stands for, and where it is used", () => {
    const swept = listed(`optimizer sgd(lr: lr, weight_decay: lr / 10)\n schedule warmup(1) -> tail
      sweep lr in [0.1]\n sweep tail in [constant, cosine(3)]\n sweep batch in [4]\n sweep width in [4]\n sweep model in [Net, Narrow]`)?.swept;
    assert.equal(
      swept?.map(({ name, kind, uses }) => [name, kind, uses]),
      [
        ["lr", "name", ["optimizer", "optimizer.lr", "optimizer.weight_decay"]],
        ["tail", "name", ["schedule"]],
        ["batch", "setting", ["batch"]],
        ["width", "parameter", []],
        ["model", "model", []],
      ],
    );
    assert.equal(swept?.[1]?.values, ["constant", "cosine(3)"]);
  });

  test("values given from outside choose, and others take the place of the list", () => {
    const recipe =
      "optimizer sgd(lr: lr)\n sweep lr in [0.1, 0.05]\n sweep Act in [relu, leaky_relu(0.2)]\n sweep model in [Net, Narrow, Net(width: 4), Net(width: 2)]";
    assert.is(names(recipe)?.length, 16);
    assert.equal(names(recipe, { lr: 0.05, Act: "leaky_relu(0.2)", model: "Narrow" }), ["lr=0.05,Act=leaky_relu(0.2),model=Narrow"]);
    assert.equal(names(recipe, { lr: 1, Act: "gelu" }, "Narrow"), ["lr=1,Act=gelu,model=Narrow"]);
    assert.is(names(recipe, { lr: 1 }, "Net")?.length, 2);
    assert.equal(names(recipe, { lr: 1, Act: "relu", model: "Net(width:2)" }), ["lr=1,Act=relu,model=Net(width:2)"]);
  });

  test("a recipe's signature: what it sweeps, and how many runs that is", () => {
    const { entry } = loadModules(
      source("optimizer sgd(lr: lr)\n sweep lr in rates\n sweep sizes in [[2, 3], [4, 4]]\n sweep batch in [4]"),
      readModule,
    );
    const [train] = entry.trains;
    assert.ok(train);
    assert.equal(printRecipe(recipeSignature(entry, train)).split("\n"), [
      "train Net as r",
      "  sweep lr in [0.4, 0.2]    (used by optimizer.lr)",
      "  sweep sizes in [[2, 3], [4, 4]]    (a parameter of Net)",
      "  sweep batch in [4]    (the setting)",
      "  4 runs",
    ]);
  });

  test("the recipe is found by a model that it sweeps", () => {
    assert.equal(names("sweep model in [Net, Narrow]", {}, "Narrow"), ["model=Narrow"]);
  });
});

suite("sweeps: a point", (test) => {
  const recipe = `optimizer how(lr: lr)\n schedule warmup(1) -> tail\n loss_free
    sweep how in [sgd, adam]\n sweep lr in [0.1, 0.05]\n sweep tail in [cosine(3), step([2], gamma: 0.5)]\n sweep batch in [16, 32]`.replace(
    "\n loss_free",
    "",
  );

  test("every point that is listed compiles to what it says", () => {
    for (const { set } of listed(recipe)?.points ?? []) {
      const { recipe: found, learningRate, optimizer } = at(recipe, set);
      assert.equal([learningRate, found?.batch, optimizer?.kind], [set["lr"], set["batch"], set["how"]]);
      assert.equal(found?.schedule[1]?.kind, set["tail"] === "cosine(3)" ? "cosine" : "step");
    }
  });

  test("parameters, blocks, lists and models", () => {
    const swept = "sweep width in [3, 5]\n sweep Act in [gelu, leaky_relu(0.2)]";
    assert.ok(at(swept, { width: 5, Act: "leaky_relu(0.2)" }).layers.includes("leaky_relu"));
    assert.ok(at(swept, { width: 5 }).widths.includes(5));
    assert.ok(at("sweep sizes in [[2, 3], [5, 4]]", { sizes: [5, 4] }).widths.includes(5));
    const models = "sweep model in [Net, Narrow, Net(width: 7)]";
    assert.is(at(models, { model: "Narrow" }).model, "Narrow");
    assert.ok(at(models, { model: "Narrow" }).widths.includes(2));
    assert.ok(at(models, { model: "Net(width:7)" }).widths.includes(7));
    assert.is(at(models, {}, "Narrow").model, "Narrow");
  });

  test("without a choice: defaults of the model, the first value of a name, and of a parameter that has no default", () => {
    const { model, learningRate, widths } = at("optimizer sgd(lr: lr)\n sweep lr in [0.3, 0.2]\n sweep width in [3]\n sweep model in [Narrow]", {});
    assert.equal([model, learningRate], ["Net", 0.3]);
    assert.ok(widths.includes(8) && !widths.includes(3));
    const needy = MODELS.replace("width: dim = 8", "width: dim");
    const { value } = analyze({ entry: source("sweep width in [3, 4]", needy), read: readModule, dims: new Map(), set: [], training: false });
    assert.ok(value?.inference.root.types.some(({ shape }) => shape[1] === 3));
  });

  test("a swept name reaches the loss, and wins over a constant of the file", () => {
    const text = (loss: string): string => `${MODELS}const share = 9\ntrain Net as r {\n loss ${loss}\n sweep share in [0, 0.5]\n}`;
    const entry = { path: "t.resnet", text: text("cross_entropy(y, label: i64[N], smoothing: share)") };
    const { value, diagnostics } = analyze({ entry, read: readModule, dims: new Map(), set: setArguments({ share: 0.5 }), training: true });
    assert.equal(diagnostics, []);
    assert.match(
      JSON.stringify(value?.trained?.loss?.entries, (key, each: unknown) => (key.endsWith("pan") ? undefined : each)),
      /"smoothing":0.5|0\.5/,
    );
    assert.equal(check(entry, readModule).diagnostics, []);
  });
});

suite("sweeps: what is wrong", (test) => {
  test("every point is checked against its model, and told at the value", () => {
    const guarded = MODELS.replace("  x -> a", "  where width % 2 == 0\n  x -> a");
    const { diagnostics } = check(source("sweep width in [2, 3, 4]\n sweep batch in [1, 2]", guarded), readModule);
    assert.equal(
      diagnostics.map(({ code, note, span }) => [code, note, span.source.text.slice(span.start, span.end)]),
      [["RN211", "width = 3 fails", "3"]],
    );
    const parity = MODELS.replace("  x -> a", "  where (width + sizes[0]) % 2 == 0\n  x -> a");
    const both = check(source("sweep width in [2, 3]\n sweep sizes in [[4], [5]]", parity), readModule).diagnostics;
    assert.equal(
      both.map(({ code, help }) => [code, help.at(-1)]),
      [["RN211", "1 more of the sweep's points fails there"]],
    );
  });

  test("a mistake that no value causes is told once, in its place", () => {
    assert.equal(errors("schedule cosinus(3)\n sweep width in [2, 4]\n sweep batch in [2, 4]"), ["RN504 there is no schedule `cosinus`"]);
    assert.equal(errors("optimizer sgd(lr: raet)\n sweep width in [2, 4]"), ["RN101 there is no name `raet` here"]);
  });

  test("what is given from outside is checked at every point, and told where it was given", () => {
    const told = (set: Readonly<Record<string, unknown>>): string[] =>
      listSweep({ entry: source("sweep width in [2, 4]\n sweep Act in [relu, gelu]"), read: readModule, set: setArguments(set) }).diagnostics.map(
        ({ message, span }) => `${span.source.path} ${message}`,
      );
    assert.equal(told({ width: 3, Act: "tanh", drop: 0.5 }), []);
    assert.equal(told({ widht: 3 }), ["--set `Net` has no parameter `widht`"]);
    assert.equal(told({ Act: "tanhh" }), ["--set there is no name `tanhh` here"]);
    assert.equal(told({ width: -1 }), ["--set `Net`: argument `width` must be a dim (a positive integer), but it is the integer -1"]);
    assert.equal(told({ drop: 2 }), ["--set `Net`: argument `drop` must be a probability between 0 and 1, but it is the integer 2"]);
  });

  test("a list that cannot be read has no consequences", () => {
    assert.equal(errors("optimizer sgd(lr: lr)\n batch b\n sweep lr in [raet]\n sweep b in []"), [
      "RN101 there is no name `raet` here",
      "RN510 `sweep b` has no values",
    ]);
  });

  test("values of a setting are read as the setting's", () => {
    assert.equal(errors("sweep batch in [32, 0]"), ["RN503 `batch` takes a positive integer"]);
    assert.equal(errors("sweep optimizer in [sgd(lr: 0.1), sdg]"), ["RN504 there is no optimizer `sdg`"]);
    assert.equal(errors("sweep optimizer in [sgd(lr: 0.1), sgd(lr:0.1)]"), ["RN510 `sweep optimizer` has the value sgd(lr:0.1) twice"]);
  });

  test("a model that is wrong by itself is reported once", () => {
    const broken = MODELS.replace("linear(2) -> y", "linear(3) -> y");
    assert.is(errors("sweep width in [2, 4]\n sweep drop in [0, 0.5]", broken).length, 1);
  });
});
