/**
 * Every case of operators, and the gradient of each, as one network, so that a back end compiles and runs all at once.
 * Invariant: a case's tensors are named by it and shared with no other; what must come out is the f64 interpreter's word,
 * which `operators.spec.ts` holds against known numbers and `spec/gradients` against central differences.
 */
import { buildManifest } from "../../compiler/emit/manifest.ts";
import { buildWebgpu } from "../../compiler/emit/webgpu-manifest.ts";
import { lowerGraph } from "../../compiler/fuse/lower-graph.ts";
import { wasmTarget, webgpuTarget } from "../../compiler/fuse/rules.ts";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { Graph, NamedValue } from "../../compiler/ir/graph.ts";
import { planNetwork } from "../../compiler/plan/plan-network.ts";
import { decomposeRules } from "../../compiler/rewrite/decompose.ts";
import { rewrite } from "../../compiler/rewrite/rewrite.ts";
import { simplifyRules } from "../../compiler/rewrite/simplify.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { packing } from "../../compiler/wasm/pack.ts";
import type { Inputs } from "../../runtime/inputs.ts";
import type { CompiledNetwork } from "../../runtime/load.ts";
import type { Network } from "../../runtime/network.ts";
import { toFloat32 } from "../../runtime/tensor.ts";
import { gradientCases } from "../gradients/cases.ts";
import { addGradients } from "../gradients/central-differences.ts";
import { operatorCases } from "./cases.ts";
import type { TypedTensor } from "./run-operator.ts";

/** A graph of many cases, what to run it on, and what must come out, by output name. */
export interface CaseNetwork {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, TypedTensor>;
  readonly expected: ReadonlyMap<string, ArrayLike<number>>;
  readonly cases: number;
}

/** The cases of `operators/cases.ts`. */
export function operatorNetwork(): CaseNetwork {
  const builder = createGraphBuilder(undefined);
  const inputs = new Map<string, TypedTensor>();
  const outputs: NamedValue[] = [];
  for (const [number, each] of operatorCases.entries()) {
    const name = `${number}.${each.op}`;
    const values = each.inputs.map((tensor, k) => {
      inputs.set(`${name}.x${k}`, tensor);
      return builder.emit("input", [], { name: `${name}.x${k}`, dtype: tensor.dtype ?? "f32", shape: tensor.shape });
    });
    for (const [k, value] of builder.emitAll(each.op, values, each.attributes).entries()) {
      outputs.push({ name: `${name}.y${k} (${each.name})`, value });
    }
  }
  return interpreted(builder.finish(outputs, []), inputs, operatorCases.length);
}

/** The cases of `gradients/cases.ts`: a weighted sum of each case's outputs and its gradient by every input. */
export function gradientNetwork(): CaseNetwork {
  const builder = createGraphBuilder(undefined);
  const inputs = new Map<string, TypedTensor>();
  const outputs: NamedValue[] = [];
  for (const [number, each] of gradientCases.entries()) {
    const added = addGradients(builder, `${number}.${each.op}.`, each.inputs, (_, values) => builder.emitAll(each.op, values, each.attributes));
    for (const [name, tensor] of added.bound) inputs.set(name, tensor);
    outputs.push(...added.outputs);
  }
  return interpreted(builder.finish(outputs, []), inputs, gradientCases.length);
}

/** Back ends get f32, and so does the oracle: some cases stand where a rounded input shows. */
function interpreted(graph: Graph, inputs: ReadonlyMap<string, TypedTensor>, cases: number): CaseNetwork {
  const rounded = new Map([...inputs].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.map(Math.fround) }]));
  const found = interpret(graph, { inputs: rounded, tensors: new Map(), scalars: new Map(), batch: 1 }).outputs;
  return { graph, inputs, expected: new Map([...found].map(([name, { data }]) => [name, data])), cases };
}

/** Compiles the graph for both back ends. */
export function compileCases({ graph }: CaseNetwork): CompiledNetwork {
  const infer = rewrite(graph, [...simplifyRules, ...decomposeRules]);
  const plan = planNetwork([], { infer: lowerGraph(infer, wasmTarget) }, wasmTarget, packing);
  const kernels = plan.infer?.steps.map((step) => step.kernel) ?? [];
  const wasm = emitWasm(kernels);
  const webgpu = buildWebgpu(planNetwork([], { infer: lowerGraph(infer, webgpuTarget) }, webgpuTarget));
  const manifest = buildManifest({ model: "Cases", plan, wasm, kernels, tensors: [], batch: 1, scalars: {}, guards: [], webgpu });
  return { manifest, wasm: wasm.bytes };
}

/** Runs the network; returns one line for each output that is off by more than `tolerance` of max(1, |expected|). */
export async function wrongCases(network: Pick<Network, "run">, { inputs, expected }: CaseNetwork, tolerance: number): Promise<string[]> {
  const given: Inputs = Object.fromEntries([...inputs].map(([name, tensor]) => [name, asInput(tensor)]));
  const found = await network.run(given);
  return [...expected].flatMap(([name, wanted]) => {
    const tensor = found[name];
    const data = tensor === undefined ? [] : toFloat32(tensor);
    if (data.length !== wanted.length) return [`${name}: ${data.length} values, not ${wanted.length}`];
    const allowed = tensor?.dtype === "f16" ? 2 ** -11 : tolerance;
    const off = Array.from(wanted).findIndex((value, i) => {
      const got = data[i] ?? Number.NaN;
      return !(Object.is(got, Math.fround(value)) || Math.abs(got - value) <= allowed * Math.max(1, Math.abs(value)));
    });
    return off < 0 ? [] : [`${name}[${off}] is ${data[off]}, not ${wanted[off]}`];
  });
}

function asInput({ shape, data, dtype = "f32" }: TypedTensor) {
  if (dtype === "i64") return { shape, data: BigInt64Array.from(data, BigInt) };
  if (dtype === "i32") return { shape, data: Int32Array.from(data) };
  return { shape, data: dtype === "bool" ? Uint8Array.from(data) : Float32Array.from(data) };
}
