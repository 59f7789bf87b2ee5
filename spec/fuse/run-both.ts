/** Runs a graph by the reference interpreter and as a plan, and compares. Random tensors come from a fixed generator. */
import * as assert from "uvu/assert";
import { interpret } from "../../compiler/interpret/interpret.ts";
import { bufferView, createPlanMemory, runPlan } from "../../compiler/fuse/interpret-kernels.ts";
import { lowerGraph } from "../../compiler/fuse/lower-graph.ts";
import { type FusionRules, type Target, wasmTarget, withRules } from "../../compiler/fuse/rules.ts";
import { evaluateSize, sizeOfDim } from "../../compiler/fuse/size.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { verifyKernel } from "../../compiler/ir/verify-kernel.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { createPersistentArena } from "../../compiler/plan/persistent.ts";
import { planProgram } from "../../compiler/plan/plan-program.ts";
import { randomUniform as uniformAt } from "../../compiler/ir/random.ts";

/** A generator of numbers in [-1, 1). */
export function randomNumbers(seed: number): () => number {
  let state = 0;
  return () => 2 * uniformAt(seed, 0, ++state) - 1;
}

/** Each rule off by itself, all on, and all off. */
export const variants: readonly Target[] = [
  wasmTarget,
  ...(Object.keys(wasmTarget.rules) as (keyof FusionRules)[]).map((rule) => withRules(wasmTarget, { [rule]: !wasmTarget.rules[rule] })),
  withRules(wasmTarget, {
    epilogues: false,
    inlining: false,
    siblings: false,
    channelsLast: false,
    concatInPlace: false,
    collapsing: false,
    inPlace: false,
  }),
  { ...wasmTarget, name: "webgpu", maximumOperands: 8 },
];

/** The plan of one graph. */
export function planOf(graph: Graph, target: Target = wasmTarget): { readonly plan: Plan; readonly persistentBytes: number } {
  const persistent = createPersistentArena();
  const plan = planProgram(lowerGraph(graph, target), persistent, target);
  return { plan, persistentBytes: persistent.bytes() };
}

/** Asserts that the plan computes every output and update of the graph, with freed memory poisoned. */
export function checkPlan(graph: Graph, options: { readonly batch?: number; readonly target?: Target; readonly seed?: number } = {}): Plan {
  const { batch = 2, target = wasmTarget, seed = 1 } = options;
  const random = randomNumbers(seed);
  const inputs = new Map<string, { shape: number[]; data: Float64Array }>();
  const tensors = new Map<string, { shape: number[]; data: Float64Array }>();
  const scalars = new Map<string, number>();
  for (const node of graph.nodes) {
    if (node.op !== "input" && node.op !== "parameter" && node.op !== "state" && node.op !== "scalar") continue;
    const shape = (node.types[0]?.shape ?? []).map((dim) => evaluateSize(sizeOfDim(dim, graph.batch), batch));
    const dtype = node.types[0]?.dtype;
    const count = shape.reduce((product, size) => product * size, 1);
    const data = Float64Array.from({ length: count }, () => (dtype === "f32" ? random() : Math.floor((random() + 1) * 1.5)));
    // Variances must not be negative.
    if (node.op === "state") for (let k = 0; k < count; k++) data[k] = Math.abs(data[k] ?? 0) + 0.25;
    if (node.op === "scalar") scalars.set(node.attributes.name, dtype === "f32" ? Math.abs(data[0] ?? 0) : 3);
    else (node.op === "input" ? inputs : tensors).set(node.attributes.name, { shape, data });
  }
  const expected = interpret(graph, { inputs, tensors, scalars, batch });
  const { plan, persistentBytes } = planOf(graph, target);
  for (const { kernel } of plan.steps) verifyKernel(kernel);
  const memory = createPlanMemory(plan, persistentBytes, batch);
  const view = (id: number): Float64Array => {
    const buffer = plan.buffers[id];
    if (buffer === undefined) throw new Error(`no buffer ${id}`);
    return bufferView(buffer, memory, batch);
  };
  const kept = new Map(plan.buffers.filter((buffer) => buffer.place.arena === "persistent").map((buffer) => [buffer.name, buffer.id]));
  for (const [name, id] of kept) view(id).set(tensors.get(name)?.data ?? []);
  for (const { name, buffer } of plan.inputs) view(buffer).set(inputs.get(name)?.data ?? []);
  for (const { name, buffer } of plan.scalars) view(buffer)[0] = scalars.get(name) ?? Number.NaN;
  runPlan(plan, memory, batch, { poison: true });
  for (const { name, buffer } of plan.outputs) close(view(buffer), expected.outputs.get(name)?.data ?? new Float64Array(), `output ${name}`);
  for (const [name, { data }] of expected.updates) close(view(kept.get(name) ?? -1), data, `update of ${name}`);
  for (const [name, { data }] of tensors) {
    if (kept.has(name) && !expected.updates.has(name)) close(view(kept.get(name) ?? -1), data, `kept tensor ${name}`);
  }
  return plan;
}

function close(actual: Float64Array, expected: Float64Array, what: string): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  for (let k = 0; k < expected.length; k++) {
    const [a, e] = [actual[k] ?? Number.NaN, expected[k] ?? Number.NaN];
    const same = Object.is(a, e) || a === e || Math.abs(a - e) <= 1e-9 * Math.max(1, Math.abs(e));
    if (!same) assert.unreachable(`${what}: element ${k} is ${a}, not ${e}`);
  }
}
