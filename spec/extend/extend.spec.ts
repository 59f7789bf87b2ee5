/** Deep networks lowered from shallow ones: the same plans as from the whole graph, or nothing at all. */
import * as assert from "uvu/assert";
import { shortenRepeats } from "../../compiler/build/shorten.ts";
import { type Analysis, analyze, buildGraphs, type Graphs } from "../../compiler/compile.ts";
import { extendNames, extendProgram } from "../../compiler/extend/extend.ts";
import { createNameTable } from "../../compiler/extend/names.ts";
import { extendSequence } from "../../compiler/extend/sequence.ts";
import { type LoweredProgram, lowerGraph } from "../../compiler/fuse/lower-graph.ts";
import { type Target, wasmTarget, webgpuTarget } from "../../compiler/fuse/rules.ts";
import type { GivenArgument } from "../../compiler/elaborate/values.ts";
import { createPersistentArena } from "../../compiler/plan/persistent.ts";
import { planProgram } from "../../compiler/plan/plan-program.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import { readModule } from "../../tools/api/files.ts";
import { setArguments } from "../../tools/api/set-values.ts";
import { suite } from "../harness.ts";

const PROGRAMS = ["prepare", "infer", "gradients", "step"] as const;
type Programs = Partial<Record<(typeof PROGRAMS)[number], LoweredProgram>>;

/** Calls of the repeats in these tests; fewer than a deep network's. */
const CALLS = 10;

function analysisOf(text: string, set: Readonly<Record<string, unknown>> = {}): Analysis {
  const analyzed = analyze({
    entry: { path: "test.resnet", text: `edition 2026\n${text}` },
    read: readModule,
    model: "M",
    dims: new Map([
      ["H", 8],
      ["W", 8],
    ]),
    set: setArguments(set) as readonly GivenArgument[],
    training: true,
  });
  assert.ok(analyzed.value, renderDiagnostics(analyzed.diagnostics, { color: false }));
  return analyzed.value;
}

function graphsOf(analysis: Analysis): Graphs {
  const { value } = buildGraphs(analysis);
  assert.ok(value);
  return value;
}

function lowered(graphs: Graphs, target: Target): Programs {
  return Object.fromEntries(PROGRAMS.map((name) => [name, graphs[name] && lowerGraph(graphs[name], target)]));
}

function cut(analysis: Analysis, kept: number): Analysis {
  const [inference, trained] = [shortenRepeats(analysis.inference, kept, CALLS), analysis.trained && shortenRepeats(analysis.trained, kept, CALLS)];
  assert.ok(inference !== undefined && trained !== undefined);
  return { ...analysis, inference: inference.program, trained: trained.program };
}

/** The plan with its buffers numbered as its ports and steps use them. */
function planText(program: LoweredProgram, target: Target): string {
  const { buffers, ...plan } = planProgram(program, createPersistentArena(), target);
  const used = new Set([...plan.inputs, ...plan.scalars].map((port) => port.buffer));
  for (const { kernel } of plan.steps) for (const { buffer } of kernel.operands) used.add(buffer);
  for (const { buffer } of plan.outputs) used.add(buffer);
  const numbers = new Map([...used].map((id, number) => [id, number]));
  const numbered = (key: string, value: unknown): unknown =>
    key === "buffer"
      ? numbers.get(Number(value))
      : key === "frees" || key === "buffers"
        ? (value as readonly number[]).map((id) => numbers.get(id))
        : value;
  return JSON.stringify({ all: [...used].map((id) => ({ ...buffers[id], id: 0 })), plan }, numbered);
}

const EDGES = `
  in  image: f32[N, 3, H, W]
  out logits: f32[N, 10]`;

const NETWORKS: Readonly<Record<string, string>> = {
  "residual blocks in three stages": `import { Basic } from "std/residual"
model M {${EDGES}
  image -> conv1: conv(8, 3) -> bn1: batchnorm -> relu
    -> stages layer of [8, 12, 16] as i, width { repeat ${CALLS + 1} as j { Basic(width, stride: i > 0 && j == 0 ? 2 : 1) } }
    -> global_avgpool -> fc: linear(10) -> logits
}`,
  "pre-activation bottlenecks": `import { PreactBottleneck } from "std/residual"
model M {${EDGES}
  image -> conv1: conv(8, 3) -> stages layer of [4, 6] as i, width { repeat ${CALLS + 2} as j { PreactBottleneck(width, stride: i > 0 && j == 0 ? 2 : 1) } }
    -> bn: batchnorm -> relu -> global_avgpool -> fc: linear(10) -> logits
}`,
  "a skip over the whole repeat, and one weight for all": `
block Step {
  in x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> c: conv(C, 3) -> tanh -> join r: add(scale: 0.5) -> y
  skip x -> r
}
model M {${EDGES}
  image -> conv1: conv(6, 3) -> stem: relu -> repeat ${CALLS} as j { Step } -> join root: add -> global_avgpool -> fc: linear(10) -> logits
  skip stem -> root
}`,
};

suite("deep networks from shallow ones", (test) => {
  for (const [name, text] of Object.entries(NETWORKS))
    for (const target of name === "pre-activation bottlenecks" ? [wasmTarget, webgpuTarget] : [wasmTarget])
      test(`${name}: the plans of the whole graph (${target.name})`, () => {
        const analysis = analysisOf(text);
        const repeats = shortenRepeats(analysis.inference, 6, CALLS)?.repeats ?? [];
        assert.ok(repeats.length > 0);
        const [short, longer, whole] = [cut(analysis, 6), cut(analysis, 7), analysis].map((each) => lowered(graphsOf(each), target));
        let compared = 0;
        for (const program of PROGRAMS) {
          const [own, next, all] = [short?.[program], longer?.[program], whole?.[program]];
          if (own === undefined || next === undefined || all === undefined) continue;
          const extended = extendProgram(own, next, repeats);
          assert.ok(extended, program);
          assert.ok(planText(extended, target) === planText(all, target), `${program} has another plan`);
          compared++;
        }
        assert.ok(compared >= 3, `${compared} programs`);
      });

  test("a longer program that is not what the short one says stops it", () => {
    const analysis = analysisOf(NETWORKS["residual blocks in three stages"] ?? "");
    const repeats = shortenRepeats(analysis.inference, 6, CALLS)?.repeats ?? [];
    const [short, longer] = [cut(analysis, 6), cut(analysis, 7)].map((each) => lowered(graphsOf(each), wasmTarget).infer);
    assert.ok(short !== undefined && longer !== undefined);
    const [first, second, ...rest] = longer.kernels;
    assert.ok(first !== undefined && second !== undefined);
    assert.is(extendProgram(short, { ...longer, kernels: [second, first, ...rest] }, repeats), undefined);
    assert.is(extendProgram(short, { ...longer, kernels: longer.kernels.slice(1) }, repeats), undefined);
  });

  test("random draws, blocks that change with depth and values from inside are not cut", () => {
    const withBody = (body: string): Analysis =>
      analysisOf(`import { Basic } from "std/residual"
model M {${EDGES}
  image -> conv1: conv(4, 3) -> ${body} -> global_avgpool -> fc: linear(10) -> logits
}`);
    const short = (body: string) => shortenRepeats(withBody(body).trained ?? withBody(body).inference, 6, CALLS);
    assert.ok(short(`repeat ${CALLS} { Basic(4) }`) !== undefined);
    assert.is(short(`repeat ${CALLS} { dropout(0.5) }`), undefined);
    assert.is(short(`repeat ${CALLS} as j { conv(4 + j, 3) }`), undefined);
    assert.is(short(`repeat ${CALLS - 1} { Basic(4) }`), undefined);
  });
});

suite("sequences with repeats", (test) => {
  const repeat = { prefix: "r", first: 0, kept: 4, removed: 3 };
  const extended = (...names: string[]): string[] | undefined => {
    const table = createNameTable([repeat]);
    const items = names.map((name) => ({ key: 0, names: name.split(" ").map(table.codeOf) }));
    return extendSequence(items, table, [repeat])?.map((item) => item.names.map(table.textOf).join(" "));
  };

  test("upwards, downwards, and what stays", () => {
    const found = extended("a", "r.0 r.0.x", "r.1 r.0.x", "r.2 r.0.x", "r.3 r.0.x", "b r.3", "r.3.d", "r.2.d", "r.1.d", "r.0.d");
    assert.equal(found, ["a", ...[0, 1, 2, 3, 4, 5, 6].map((k) => `r.${k} r.0.x`), "b r.6", ...[6, 5, 4, 3, 2, 1, 0].map((k) => `r.${k}.d`)]);
  });

  test("a repeat's path is a whole path: `r.1` is not `par.1`, nor `r.1x`", () => {
    assert.equal(extended("par.3", "r.3x", "q.r.3"), ["par.3", "r.3x", "q.r.6"]);
  });

  test("names that follow no rule are refused", () => {
    assert.is(extendNames(["r.0", "r.1", "r.2", "r.3"], ["r.0", "r.1", "r.2", "r.4", "r.3"], [repeat]), undefined);
    const names = extendNames(["r.0", "r.1", "r.2", "r.3"], ["r.0", "r.1", "r.2", "r.3", "r.4"], [repeat]);
    assert.equal(
      names?.map(({ name }) => name),
      [0, 1, 2, 3, 4, 5, 6].map((k) => `r.${k}`),
    );
  });
});
