/** Networks of several programs: prepared and packed weights, updates in place, structure of kernels. */
import * as assert from "uvu/assert";
import { bufferView, createPlanMemory, runPlan } from "../../compiler/fuse/interpret-kernels.ts";
import { type LoweredProgram, lowerGraph } from "../../compiler/fuse/lower-graph.ts";
import { wasmTarget } from "../../compiler/fuse/rules.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import type { NetworkPlan, PersistentTensor, Plan } from "../../compiler/ir/plan.ts";
import { printNetworkPlan } from "../../compiler/ir/print-plan.ts";
import type { PackRule } from "../../compiler/plan/pack-weights.ts";
import { planNetwork } from "../../compiler/plan/plan-network.ts";
import { decompose } from "../../compiler/rewrite/decompose.ts";
import { foldBatchNorm } from "../../compiler/rewrite/fold-batch-norm.ts";
import { splitPrepared } from "../../compiler/rewrite/prepare.ts";
import { simplify } from "../../compiler/rewrite/simplify.ts";
import { suite } from "../harness.ts";
import { denseNetwork, N, residualNetwork, residualTraining, trainingGraph } from "../fuse/networks.ts";
import { planOf, randomNumbers } from "../fuse/run-both.ts";

function keptTensors(graph: Graph): readonly PersistentTensor[] {
  return graph.nodes.flatMap((node) => {
    if (node.op !== "parameter" && node.op !== "state") return [];
    const shape = node.attributes.shape.map(Number);
    return [{ name: node.attributes.name, kind: node.op === "parameter" ? "param" : "state", dtype: "f32", shape } as const];
  });
}

/** Packs weights by copying them: taps outermost, then input, then output channels. */
const copyWeights: PackRule = (kernel) => {
  if (kernel.form !== "contraction") return undefined;
  const { kernel: role, inputChannels, outputChannels, window, groups, result } = kernel.contraction;
  const source = kernel.operands[role.operand];
  if (source === undefined || result === "kernel" || groups !== 1) return undefined;
  const extents = [...window.map((axis) => axis.taps), inputChannels, outputChannels];
  const strides = extents.map((_, k) => extents.slice(k + 1).reduce((product, extent) => product * extent, 1));
  const at = extents.map((_, axis) => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } }));
  const packed = { buffer: -1, type: "f32", offset: 0, strides } as const;
  const pack: Kernel = {
    form: "pointwise",
    name: "pack",
    serves: kernel.serves,
    operands: [{ ...source, strides: [...role.taps, role.input, role.output] }, packed],
    axes: extents.map((extent, axis) => ({ name: `i${axis}`, extent })),
    lets: [],
    stores: [{ operand: 1, at, value: { kind: "load", operand: 0, at, fill: 0 } }],
  };
  const moved = { ...role, taps: strides.slice(0, -2), input: outputChannels, output: 1 };
  return {
    pack,
    packedSize: extents.reduce((product, extent) => product * extent, 1),
    contraction: {
      ...kernel,
      operands: kernel.operands.map((operand, k) => (k === role.operand ? packed : operand)),
      contraction: { ...kernel.contraction, kernel: moved },
    },
  };
};

function lower(graph: Graph): LoweredProgram {
  return lowerGraph(graph, wasmTarget);
}

function inferencePlan(): { readonly graph: Graph; readonly network: NetworkPlan } {
  const graph = residualNetwork(N);
  const { prepare, main } = splitPrepared(simplify(decompose(foldBatchNorm(simplify(graph)))));
  return {
    graph,
    network: planNetwork(keptTensors(graph), { prepare: prepare && lower(prepare), infer: lower(main) }, wasmTarget, copyWeights),
  };
}

function view(plan: Plan, id: number, memory: ReturnType<typeof createPlanMemory>, batch: number): Float64Array {
  const buffer = plan.buffers[id];
  if (buffer === undefined) throw new Error(`no buffer ${id}`);
  return bufferView(buffer, memory, batch);
}

suite("network plans", (test) => {
  test("a residual block in inference is one kernel per convolution", () => {
    const { network } = inferencePlan();
    const steps = network.infer?.steps.map(({ kernel }) => kernel.form) ?? [];
    assert.is(steps.filter((form) => form === "contraction").length, 7);
    assert.is(steps.filter((form) => form === "reduction").length, 2);
    assert.is(steps.filter((form) => form === "pointwise").length, 1, "the image is turned");
  });
  test("folded and packed weights give the reference's result", () => {
    const { graph, network } = inferencePlan();
    const { prepare, infer } = network;
    assert.ok(prepare !== undefined && infer !== undefined);
    const random = randomNumbers(3);
    const batch = 2;
    const persistent = new Float64Array(network.persistentBytes / 4).fill(Number.NaN);
    const tensors = new Map<string, { shape: readonly number[]; data: Float64Array }>();
    for (const { name, shape, buffer } of network.tensors) {
      const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.abs(random()) + 0.1);
      tensors.set(name, { shape, data });
      persistent.set(data, buffer.place.offset / 4);
    }
    const image = { shape: [2, 3, 9, 8], data: Float64Array.from({ length: 432 }, random) };
    runPlan(prepare, createPlanMemory(prepare, 0, 1, persistent), 1, { poison: true });
    const memory = createPlanMemory(infer, 0, batch, persistent);
    view(infer, infer.inputs[0]?.buffer ?? -1, memory, batch).set(image.data);
    runPlan(infer, memory, batch, { poison: true });
    const logits = view(infer, infer.outputs[0]?.buffer ?? -1, memory, batch);
    const expected = interpret(graph, { inputs: new Map([["image", image]]), tensors, scalars: new Map(), batch });
    const reference = expected.outputs.get("logits")?.data ?? new Float64Array();
    assert.is(logits.length, reference.length);
    for (const [k, value] of reference.entries()) assert.ok(Math.abs((logits[k] ?? Number.NaN) - value) < 1e-8 * Math.max(1, Math.abs(value)));
  });
  test("packs of unchanged weights run in the prepare program only, one for each weight", () => {
    const { network } = inferencePlan();
    const packs = (plan: Plan | undefined): number => plan?.steps.filter(({ kernel }) => kernel.name === "pack").length ?? 0;
    assert.is(packs(network.prepare), 7);
    assert.is(packs(network.infer), 0);
  });
  test("a training step packs in the step and updates weights in place", () => {
    const sgd = { kind: "sgd", momentum: 0.9, weightDecay: 1e-4, nesterov: false, dampening: 0 } as const;
    const graph = trainingGraph(residualTraining(1), sgd);
    const { step, prepare } = planNetwork(keptTensors(graph), { step: lower(graph) }, wasmTarget, copyWeights);
    assert.is(prepare, undefined);
    assert.ok(step !== undefined);
    const names = step.steps.map(({ kernel }) => kernel.name);
    assert.is(names.filter((name) => name === "update").length, 0, "no update goes through a temporary");
    assert.ok(names.filter((name) => name === "pack").length >= 6);
  });
  test("a pre-activation before its only convolution is applied as the convolution reads", () => {
    const { plan } = planOf(denseNetwork(true));
    const applied = plan.steps.filter(({ kernel }) => kernel.form === "contraction" && kernel.contraction.inputPrologue !== undefined);
    // The first norm reads the stem, whose result nothing else but the concat reads; all three feed one convolution each.
    assert.is(applied.length, 3);
  });
  test("plans print deterministically", () => {
    const text = printNetworkPlan(inferencePlan().network, { kernels: true });
    assert.is(printNetworkPlan(inferencePlan().network, { kernels: true }), text);
    assert.ok(text.includes("contraction convolution"));
  });
});
