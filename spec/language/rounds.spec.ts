/** Rounds that come out like the one before are copied: the program is that of all rounds, the work that of what differs. */
import * as assert from "uvu/assert";
import type { Effort } from "../../compiler/elaborate/context.ts";
import { checkFile, elaborateModel } from "../../compiler/elaborate/elaborate.ts";
import type { GivenArgument } from "../../compiler/elaborate/values.ts";
import { printProgram } from "../../compiler/report/print-program.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import { loadModules, type ModuleScope, type ParseCache } from "../../compiler/resolve/modules.ts";
import { readModule } from "../../tools/api/files.ts";
import { setArguments } from "../../tools/api/set-values.ts";
import { suite } from "../harness.ts";

const cache: ParseCache = new Map();

function moduleOf(text: string): ModuleScope {
  const { entry, diagnostics } = loadModules(
    { path: "test.resnet", text: `edition 2026\nimport { Basic } from "std/residual"\n${text}` },
    readModule,
    cache,
  );
  assert.equal(renderDiagnostics(diagnostics, { color: false }), "");
  return entry;
}

function modelOf(body: string, more = ""): string {
  return `${more}
model M(rounds: int = 6) {
  in  image: f32[N, 8, 16, 16]
  out logits: f32[N, 10]
  image -> stem: conv(8, 3) -> ${body} -> global_avgpool -> linear(10) -> logits
}`;
}

function built(text: string, rounds: number, effort: Effort = { bodies: 0 }): ReturnType<typeof elaborateModel> {
  const set = setArguments({ rounds }) as readonly GivenArgument[];
  return elaborateModel(moduleOf(text), "M", { training: true, dims: new Map(), set, effort });
}

/** The model's program as text, or its mistakes. */
function programOf(text: string, rounds: number): string {
  const { value, diagnostics } = built(text, rounds);
  return value === undefined ? diagnostics.map(({ code, span }) => `${code} ${span.start}`).join("\n") : printProgram(value);
}

function bodiesOf(text: string, rounds: number): number {
  const effort = { bodies: 0 };
  assert.ok(built(text, rounds, effort).value !== undefined, text);
  return effort.bodies;
}

/** Whole bodies of `repeat rounds as j`. */
const ALIKE: readonly string[] = [
  "Basic(8)",
  "Basic(8, stride: j == 0 ? 2 : 1)",
  "conv(j < 2 ? 8 : 12, 3) -> batchnorm -> relu",
  "conv(8, 3) -> join sum: add\n skip it -> sum",
  "conv(8, 3) -> join sum: add\n skip stem -> sum",
  "param scale: f32[] = ones\n it * scale -> conv(8, 3)",
  "repeat 2 as k { conv(8 + 8*k, 3) } -> conv(8, 1) -> join sum: add\n skip it -> sum",
  "if j > 0 { it -> conv([8, 12, 16, 16, 16, 16, 16, 16][min(j, 2)], 1) } else { it -> relu }",
  "a: conv(8, 1) -> relu -> a -> batchnorm",
];

/** Bodies in which every round is of its own, or that only some rounds may have. */
const APART: readonly string[] = [
  "conv(8 + j, 3)",
  "conv(8, 3) -> join sum: add(drop: 0.5*depth)\n skip it -> sum",
  "let k = 8 + 4*j\n it -> conv(k, 1)",
  "let rounds = j % 2\n it -> conv(8 + 4*rounds, 1)",
  "it -> conv(8, 1) -> join r: concat(channel)\n skip it -> r",
  '"c{j}": conv(8, 1)',
];

suite("rounds of a repeat", (test) => {
  test("a copied round is what its elaboration gives", () => {
    for (const body of [...ALIKE, ...APART]) {
      // A round that binds the index to a name is of its own.
      const [own, each] = ["", "let apart = j\n"].map((first) => programOf(modelOf(`layer: repeat rounds as j { ${first}${body} }`), 6));
      assert.ok(own?.startsWith("model"), `${body}: ${own}`);
      assert.is(own, each, body);
    }
  });

  test("the bodies gone through do not grow with the rounds", () => {
    for (const body of ALIKE) {
      const text = modelOf(`layer: repeat rounds as j { ${body} }`);
      assert.is(bodiesOf(text, 24), bodiesOf(text, 3000), body);
    }
    for (const body of APART) {
      const text = modelOf(`layer: repeat rounds as j { ${body} }`);
      assert.ok(bodiesOf(text, 24) - bodiesOf(text, 12) >= 12, body);
    }
  });

  test("a file's check does not grow with them either, nor a block's by itself", () => {
    const effortOf = (count: number): number => {
      const effort = { bodies: 0 };
      const block = `block Deep(width: dim) {\n in x: [N, width, H, W]\n out y: [N, width, H, W]\n x -> repeat ${count} { Basic(width) } -> y\n}`;
      const text = modelOf(`repeat ${count} { Basic(8) } -> Deep(8)`, block).replace("(rounds: int = 6)", "");
      assert.equal(renderDiagnostics(checkFile(moduleOf(text), effort).diagnostics, { color: false }), "");
      return effort.bodies;
    };
    // What is remembered of the library's blocks from check to check.
    effortOf(10);
    assert.is(effortOf(20), effortOf(4000));
  });

  test("paths, parameters and shared labels are those of each round", () => {
    const text = programOf(
      modelOf("shared: conv(8, 3) -> layer: repeat rounds as j { relu -> shared -> own: conv(8, 1) -> join sum: add\n skip it -> sum }"),
      5,
    );
    for (let round = 0; round < 5; round++) {
      assert.ok(text.includes(`at "layer.${round}.own"`), `own ${round}`);
      assert.ok(text.includes(`join layer.${round}.sum`), `sum ${round}`);
    }
    assert.is(text.split('at "shared"').length - 1, 6);
  });

  test("what holds of one round alone is found in the round that it holds of", () => {
    const mistakes = (body: string): string => programOf(modelOf(`repeat rounds as j { ${body} }`), 6);
    assert.ok(mistakes("it -> conv(8 / (4 - j), 1)").startsWith("RN"), "a division by zero in the fifth round");
    assert.ok(mistakes("it -> conv([8, 8, 8, 8, 8][j], 1)").startsWith("RN"), "a list that ends in the sixth");
    assert.ok(mistakes("it -> conv(j == 5 ? 6 : 8, 1) -> join sum: add\n skip it -> sum").startsWith("RN"), "a skip that does not fit in the sixth");
    const twice = `block B {\n in x: [N, 8, H, W]\n out y: [N, 8, H, W]\n x -> repeat 5 { conv(8, 1) -> y }\n}`;
    assert.ok(programOf(modelOf("B", twice), 1).startsWith("RN"), "an output given in every round");
  });

  test("rounds that a variant cuts are themselves", () => {
    const text = `${modelOf("layer: repeat rounds as j { c: conv(8, 3) -> join sum: add\n skip it -> sum }")}
variant V of M { cut skip layer.3.sum }`;
    const { value } = elaborateModel(moduleOf(text), "V", { training: true, dims: new Map(), set: [] });
    const joins = value?.root.entries.flatMap((entry) => (entry.kind === "join" ? [entry.skips.length] : []));
    assert.equal(joins, [1, 1, 1, 0, 1, 1]);
  });
});
