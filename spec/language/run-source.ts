/**
 * Compiles a model from text, runs it on Wasm and in the f64 reference interpreter, and compares the two.
 * Invariant: both get the same weights, inputs and seed; what is returned comes from Wasm.
 */
import * as assert from "uvu/assert";
import { analyze, buildGraphs, generate } from "../../compiler/compile.ts";
import type { GivenArgument } from "../../compiler/elaborate/values.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import { loadNetwork } from "../../runtime/load.ts";
import type { Network } from "../../runtime/network.ts";
import { stepSeed } from "../../runtime/random.ts";
import { toFloat32 } from "../../runtime/tensor.ts";
import { readModule } from "../../tools/api/files.ts";
import { setArguments } from "../../tools/api/set-values.ts";

/** Numbers of an input and their shape; a float input unless `dtype` says otherwise. */
export interface Given {
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly dtype?: "f32" | "i32" | "i64" | "bool";
}

export interface RunOptions {
  readonly model?: string;
  readonly dims?: Readonly<Record<string, number>>;
  readonly set?: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, Given>>;
  /** Values of tensors by name; others are drawn from the seed. */
  readonly weights?: Readonly<Record<string, readonly number[]>>;
  /** A loss: gradients are computed and compared too; its target must be among the inputs. */
  readonly loss?: string;
}

export interface Ran {
  /** Outputs in inference mode, as numbers. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** With a loss: by parameter name and `input.NAME`. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  readonly trainingOutputs: Readonly<Record<string, readonly number[]>>;
  readonly loss: number | undefined;
  readonly tensors: readonly string[];
}

const TOLERANCE = 1e-5;

/** The model compiled, or the diagnostics as one text. */
export function compileSource(text: string, options: Omit<RunOptions, "inputs"> = {}) {
  const analyzed = analyze({
    entry: { path: "test.resnet", text: `edition 2026\n${text}` },
    read: readModule,
    model: options.model,
    dims: new Map(Object.entries(options.dims ?? {})),
    set: setArguments(options.set ?? {}) as readonly GivenArgument[],
    training: options.loss !== undefined,
    loss: options.loss,
  });
  assert.ok(analyzed.value, renderDiagnostics(analyzed.diagnostics, { color: false }));
  const graphs = buildGraphs(analyzed.value);
  assert.ok(graphs.value, renderDiagnostics(graphs.diagnostics, { color: false }));
  const { value } = graphs;
  const code = generate(analyzed.value, () => value);
  return { analysis: analyzed.value, graphs: graphs.value, manifest: code.manifest, wasm: code.wasm.bytes };
}

/** Runs `text`'s model; fails where Wasm and the reference interpreter differ. */
export async function runSource(text: string, options: RunOptions): Promise<Ran> {
  const { graphs, manifest, wasm } = compileSource(text, options);
  const network = await loadNetwork({ manifest, wasm }, { seed: 1 });
  await place(network, options.weights ?? {});
  const weights = await network.weights();
  const tensors = new Map(Object.entries(weights).map(([name, tensor]) => [name, { shape: tensor.shape, data: numbers(tensor) }]));
  const inputs = new Map(Object.entries(options.inputs).map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]));
  const scalars = new Map([
    ["seed", stepSeed(1, 1)],
    ["learning_rate", 0],
    ["step_number", 1],
  ]);
  const batch = options.inputs[graphs.infer.nodes.flatMap((node) => (node.op === "input" ? [node.attributes.name] : []))[0] ?? ""]?.shape[0] ?? 1;
  const bindings = { inputs, tensors, scalars, batch };
  const given = Object.fromEntries(Object.entries(options.inputs).map(([name, value]) => [name, typed(value)]));
  const wanted = new Set(graphs.plain.infer.nodes.flatMap((node) => (node.op === "input" ? [node.attributes.name] : [])));
  const ran = await network.run(Object.fromEntries(Object.entries(given).filter(([name]) => wanted.has(name))));
  const expected = interpret(graphs.plain.infer, bindings).outputs;
  for (const [name, tensor] of expected) close(`output ${name}`, numbers(ran[name]), tensor);
  let loss: number | undefined;
  const found = { gradients: {} as Record<string, readonly number[]>, trainingOutputs: {} as Record<string, readonly number[]> };
  const training = graphs.plain.training?.gradients;
  if (training !== undefined) {
    const result = await network.gradients(given);
    loss = result.loss;
    for (const [name, tensor] of interpret(training, bindings).outputs) {
      const input = name.startsWith("input.") ? result.inputGradients[name.slice(6)] : undefined;
      const actual = name.startsWith("gradient.") ? result.gradients[name.slice(9)] : (input ?? result.outputs[name]);
      if (name === "loss") close("loss", Float64Array.of(result.loss), tensor);
      else close(name, numbers(actual), tensor);
    }
    for (const [name, tensor] of Object.entries(result.gradients)) found.gradients[name] = [...numbers(tensor)];
    for (const [name, tensor] of Object.entries(result.inputGradients)) found.gradients[`input.${name}`] = [...numbers(tensor)];
    for (const [name, tensor] of Object.entries(result.outputs)) found.trainingOutputs[name] = [...numbers(tensor)];
  }
  await network.dispose();
  return {
    outputs: Object.fromEntries(Object.entries(ran).map(([name, tensor]) => [name, [...numbers(tensor)]])),
    shapes: Object.fromEntries(Object.entries(ran).map(([name, tensor]) => [name, tensor.shape])),
    ...found,
    loss,
    tensors: Object.keys(weights),
  };
}

async function place(network: Network, given: Readonly<Record<string, readonly number[]>>): Promise<void> {
  const weights = await network.weights();
  const changed = Object.entries(given).map(([name, values]) => {
    const tensor = weights[name];
    assert.ok(tensor, `no tensor ${name} among ${Object.keys(weights).join(", ")}`);
    return [name, { dtype: "f32", shape: tensor.shape, data: Float32Array.from(values) }] as const;
  });
  await network.setWeights({ ...weights, ...Object.fromEntries(changed) });
}

function typed({ shape, data, dtype = "f32" }: Given) {
  if (dtype === "i64") return { shape, data: BigInt64Array.from(data, BigInt) };
  if (dtype === "i32") return { shape, data: Int32Array.from(data) };
  return { shape, data: dtype === "bool" ? Uint8Array.from(data) : Float32Array.from(data) };
}

function numbers(tensor: Parameters<typeof toFloat32>[0] | undefined): Float64Array {
  return Float64Array.from(tensor === undefined ? [] : toFloat32(tensor));
}

function close(what: string, actual: Float64Array, { data }: ReferenceTensor): void {
  closeTo([...actual], [...data], what);
}

/** Equal counts, and each value within 1e-5 of the greatest. */
export function closeTo(actual: readonly number[] | undefined, expected: readonly number[], what = "values"): void {
  assert.is(actual?.length, expected.length, `${what}: counts`);
  const scale = Math.max(1, ...expected.filter(Number.isFinite).map(Math.abs));
  expected.forEach((value, i) => {
    const got = actual?.[i] ?? Number.NaN;
    if (value === got || (Number.isNaN(value) && Number.isNaN(got))) return;
    if (Math.abs(got - value) <= TOLERANCE * scale) return;
    assert.unreachable(`${what}[${i}]: ${got}, not ${value}\n${JSON.stringify(actual)}\n${JSON.stringify(expected)}`);
  });
}

/** `count` scattered numbers between -1 and 1. */
export function scattered(count: number, phase = 0): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround(Math.sin(1 + (i + phase) * 12.9898 + Math.sin((i + phase) * 78.233))));
}

/** 0, 1, 2, … */
export function counting(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
