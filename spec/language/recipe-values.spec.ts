/** Values from elsewhere: constants in recipes, blocks and initialisers given with `set`. */
import * as assert from "uvu/assert";
import { analyze, check } from "../../compiler/compile.ts";
import type { GivenArgument } from "../../compiler/elaborate/values.ts";
import { readModule } from "../../tools/api/files.ts";
import { setArguments } from "../../tools/api/set-values.ts";
import { suite } from "../harness.ts";

const MODEL =
  "model M(Act: block = relu, start: init = zeros) {\n in x: f32[N, 8]\n out y: f32[N, 4]\n param b: [4] = start\n x -> Act -> fc: linear(4) -> z: identity\n y = z + broadcast(b, like: z, axes: [1])\n}\n";

function built(set: Readonly<Record<string, unknown>>, text = MODEL) {
  const { value, diagnostics } = analyze({
    entry: { path: "t.resnet", text },
    read: readModule,
    dims: new Map(),
    set: setArguments(set) as readonly GivenArgument[],
    training: false,
  });
  return { value, complaints: diagnostics.map(({ code, message }) => `${code} ${message}`) };
}

suite("recipes read constants", (test) => {
  const recipe = (settings: string, constants = ""): ReturnType<typeof check> =>
    check({ path: "t.resnet", text: `${constants}\n${MODEL}train M { loss cross_entropy(y, label)\n${settings}\n}` }, readModule);

  test("numbers, lists, texts and arithmetic on them", () => {
    const constants = 'const rate = 0.4 / 8\nconst width = 16\nconst ends = [2, 2 * 3]\nconst kept = ["*.bias"]\nconst means = [0.5]\nconst flip = 3';
    const { recipes, diagnostics } = recipe(
      "optimizer sgd(lr: rate, momentum: 1 - 0.1, weight_decay: rate / 10, except: kept)\nschedule step(ends, gamma: 0.1)\nbatch 2 * width\nepochs ends[1]\nnormalize(mean: means, std: [sqrt(0.25)])\naugment flip",
      constants,
    );
    assert.equal(
      diagnostics.map(({ code, message }) => `${code} ${message}`),
      [],
    );
    const [found] = recipes;
    assert.ok(found);
    assert.equal([found.learningRate, found.batch, found.epochs], [0.05, 32, 6]);
    assert.equal(found.schedule, [{ kind: "step", milestones: [2, 6], gamma: 0.1 }]);
    assert.equal(found.normalize, { mean: [0.5], std: [0.5] });
    assert.equal(found.augment, [{ kind: "flip" }]);
    assert.equal(found.optimizer?.kind === "sgd" && found.optimizer.except?.map(({ pattern }) => pattern), ["*.bias"]);
    assert.ok(found.optimizer?.kind === "sgd" && Math.abs(found.optimizer.weightDecay - 0.005) < 1e-12);
  });

  test("a name that is none, and values of the wrong kind, are said where they stand", () => {
    const codes = (settings: string, constants = ""): string[] => recipe(settings, constants).diagnostics.map(({ code }) => code);
    assert.equal(codes("optimizer sgd(lr: raet)", "const rate = 0.1"), ["RN101"]);
    assert.equal(codes("batch size", 'const size = "big"'), ["RN503"]);
    assert.equal(codes("batch size", "const size = 2.5"), ["RN503"]);
    assert.equal(codes("epochs a", "const a = b\nconst b = a").includes("RN104"), true);
  });

  test("label smoothing is a probability", () => {
    const { diagnostics } = check({ path: "t.resnet", text: `${MODEL}train M { loss cross_entropy(y, label, smoothing: 1.5) }` }, readModule);
    assert.equal(
      diagnostics.map(({ code, message }) => `${code} ${message}`),
      ["RN301 `cross_entropy`: argument `smoothing` must be a probability between 0 and 1, but it is the real number 1.5"],
    );
  });
});

suite("recipes of other hands", (test) => {
  const told = (settings: string): string[] =>
    check({ path: "t.resnet", text: `${MODEL}train M {\n${settings}\n}` }, readModule).diagnostics.flatMap(({ message, help, fixes }) => [
      message,
      ...(fixes.length > 0 ? fixes.map(({ edits }) => `→ ${edits[0]?.replacement}`) : help.slice(-1)),
    ]);

  test("words of other libraries lead to ours", () => {
    for (const [theirs, ours] of [
      ["batch_size 32", "batch"],
      ["lr_scheduler cosine(3)", "schedule"],
      ["num_epochs 3", "epochs"],
      ["criterion mse(y, t)", "loss"],
      ["schedule CosineAnnealingLR(10)", "cosine"],
      ["schedule StepLR([3])", "step"],
      ["optimizer AdamW(lr: 0.1)", "adamw"],
      ["optimizer torch.optim.SGD(lr: 0.1)", "sgd"],
      ['optimizer "adam"', "adam"],
      ["augment RandomHorizontalFlip", "flip"],
      ["loss CrossEntropyLoss(y, label)", "cross_entropy"],
      ["loss F.mse_loss(y, t)", "mse"],
      ["loss cross_entropy(y, label, label_smoothing: 0.1)", "smoothing"],
    ] as const)
      assert.is(told(theirs)[1], `→ ${ours}`, theirs);
    for (const [theirs, ours] of [
      ["lr 0.1", "`optimizer sgd(lr: 0.1)`"],
      ["seed 3", "`resnet train FILE --seed 3`"],
      ["device cuda", "--device webgpu"],
      ["metrics accuracy", "recorded always"],
    ] as const)
      assert.ok(told(theirs)[1]?.includes(ours), theirs);
  });

  test("what a setting would have ignored is said", () => {
    assert.equal(told("schedule cosine(9, finl: 0.1)")[0], "there is no cosine option `finl`");
    assert.equal(told('schedule cosine(9, final: "low")')[0], "`cosine: final` takes a number from 0 to 1");
    assert.equal(told("schedule warmup(5, 3)")[0], "this is no warmup option");
    assert.equal(told("schedule warmup(5) -> cosine(3)")[0], "`cosine(3)` ends before it begins, at epoch 5");
    assert.equal(told("schedule step([3]) -> cosine(9)")[0], "`step` has no end, so nothing can come after it");
    assert.equal(told("optimizer sgd(lr: 0.1, lr: 0.2)")[0], "`lr` is set twice");
    assert.equal(told("optimizer adam(betas: 0.9)")[0], "`adam: betas` takes two numbers, as in `betas: (0.9, 0.999)`");
    assert.equal(told("optimizer sgd(nesterov: true)")[0], "`sgd: nesterov` takes a momentum above 0 and no dampening beside it");
    assert.equal(told("augment flip(p: 2)")[0], "`flip: p` takes a probability");
    assert.equal(told("batch 3 -> 4")[0], "`batch` takes one value");
    assert.equal(told("schedule warmup(5) -> constant(9) -> cosine(90, final: 0.01)\naugment crop(2) -> flip(p: 0.3)"), []);
  });

  test("a sweep that nothing uses says where its values could go", () => {
    assert.equal(told("optimizer sgd(lr: 0.1)\nsweep lr in [0.1, 1]")[1], "→ lr");
    assert.equal(told("optimizer sgd(momentum: 0.9)\nsweep lr in [0.1, 1]")[1], "→ , lr: lr");
    assert.equal(told("optimizer adam\nsweep learning_rate in [0.1, 1]")[1], "→ (lr: learning_rate)");
    assert.equal(told("sweep strat in [zeros, ones]")[1], "→ start");
    assert.match(told("sweep seed in [0, 1]")[1] ?? "", /--seeds 3/);
    assert.equal(told('sweep Act in ["gelu"]')[1], "→ gelu");
    assert.match(told("sweep lr in linspace(0, 1)\noptimizer sgd(lr: lr)")[1] ?? "", /range\(from, to, step\)/);
  });
});

suite("blocks and initialisers given with set", (test) => {
  test("mean what they would as arguments in the model's file", () => {
    const used = (set: Readonly<Record<string, unknown>>): string[] =>
      (built(set).value?.inference.root.entries ?? []).flatMap((entry) => (entry.kind === "call" ? [entry.instance.block] : []));
    assert.equal(used({}), ["linear", "identity"]);
    const operators = (set: Readonly<Record<string, unknown>>): string[] =>
      (built(set).value?.inference.root.entries ?? []).flatMap((entry) => (entry.kind === "op" ? [JSON.stringify(entry.attributes)] : []));
    assert.ok(operators({})[0]?.includes("relu") && operators({ Act: "gelu" })[0]?.includes("gelu"));
    assert.equal(used({ Act: "gelu" }), ["linear", "identity"]);
    assert.equal(used({ Act: "leaky_relu(0.2)" }), ["leaky_relu", "linear", "identity"]);
    const entries = built({ start: "constant(0.5)" }).value?.inference.root.entries ?? [];
    assert.equal(
      entries.flatMap((entry) => (entry.kind === "parameter" ? [entry.initializer] : [])),
      [{ kind: "constant", value: 0.5 }],
    );
  });

  test("an unknown name, broken text and other kinds are refused", () => {
    assert.equal(built({ Act: "geluu" }).complaints, ["RN101 there is no name `geluu` here"]);
    assert.equal(built({ Act: "conv(" }).complaints, ["RN004 `(` is never closed"]);
    assert.equal(built({ Act: 3 }).complaints, ["RN301 `M`: argument `Act` must be a block, but it is the integer 3"]);
  });
});
