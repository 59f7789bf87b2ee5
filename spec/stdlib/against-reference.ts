/** Runs a compiled model on Wasm and in the f64 reference interpreter, from equal weights, inputs and seeds. */
import type { Graph } from "../../compiler/ir/graph.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";
import { stepSeed } from "../../runtime/random.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import { compile, type Network } from "../../tools/api/index.ts";
import { slopeDeviations } from "./slopes.ts";

export const BATCH = 3;

export interface Comparison {
  /** Greatest deviation by what deviates: `output y`, `loss`, `gradient NAME`, `input x`. */
  readonly deviations: ReadonlyMap<string, number>;
  /** Gradients in f64 against central differences, in parts of the slope. */
  readonly slopes: ReadonlyMap<string, number>;
  /** Losses of two training steps. */
  readonly losses: readonly number[];
  readonly weightsAfter: Readonly<Record<string, Tensor>>;
}

/** How a model is trained where not by the mean squared error of its output `y`. */
export interface Training {
  /** The recipe's, or what is derived, where there is none. */
  readonly loss?: string;
  readonly dims?: Readonly<Record<string, number>>;
}

/** Inference, gradients of the loss for fixed inputs and targets, and two steps. */
export async function compare(file: string, model: string, training: Training = { loss: "mse(y, target)" }): Promise<Comparison> {
  const program = await compile({ file, model, mode: "training", optimizer: "sgd(lr: 0.05, momentum: 0.9)", ...training });
  const { plain } = program.graphs();
  const network = await program.load({ seed: 1 });
  const weights = await disturbed(network);
  const gradients = plain.training?.gradients;
  if (gradients === undefined) throw new Error(`${model} has no training graph`);
  const inputs = drawInputs(gradients);
  const given = Object.fromEntries([...inputs].map(([name, tensor]) => [name, asInput(gradients, name, tensor)]));
  const scalars = new Map([
    ["seed", stepSeed(1, 1)],
    ["learning_rate", 0],
    ["step_number", 1],
  ]);
  const bindings = { inputs, tensors: weights, scalars, batch: BATCH };

  const deviations = new Map<string, number>();
  const wanted = new Set(plain.infer.nodes.flatMap((node) => (node.op === "input" ? [node.attributes.name] : [])));
  const inferred = await network.run(Object.fromEntries(Object.entries(given).filter(([name]) => wanted.has(name))));
  for (const [name, { data }] of interpret(plain.infer, bindings).outputs) deviations.set(`output ${name}`, deviation(inferred[name]?.data, data));
  const found = await network.gradients(given);
  for (const [name, { data }] of interpret(gradients, bindings).outputs) {
    if (name.startsWith("gradient.")) deviations.set(`gradient ${name.slice(9)}`, deviation(found.gradients[name.slice(9)]?.data, data));
    else if (name.startsWith("input.")) deviations.set(`input ${name.slice(6)}`, deviation(found.inputGradients[name.slice(6)]?.data, data));
    else if (name === "loss") deviations.set("loss", deviation([found.loss], data));
    else deviations.set(`training output ${name}`, deviation(found.outputs[name]?.data, data));
  }
  const losses = [(await network.step(given)).loss, (await network.step(given)).loss];
  const weightsAfter = await network.weights();
  await network.dispose();
  return { deviations, slopes: slopeDeviations(gradients, bindings), losses, weightsAfter };
}

/** Zeros and ones would hide mistakes: every float weight is moved a little. Returns what the network then holds. */
async function disturbed(network: Network): Promise<Map<string, ReferenceTensor>> {
  const moved = Object.entries(await network.weights()).map(([name, tensor], k) => {
    if (tensor.dtype !== "f32") return [name, tensor] as const;
    const data = Float32Array.from(
      tensor.data as Float32Array,
      (value, i) => value + 0.1 * wave(i + 31 * k) + (name.endsWith("running_var") ? 0.2 : 0),
    );
    return [name, { ...tensor, data }] as const;
  });
  await network.setWeights(Object.fromEntries(moved));
  return new Map(moved.map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data as ArrayLike<number | bigint>, Number) }]));
}

function drawInputs(graph: Graph): Map<string, ReferenceTensor> {
  const inputs = new Map<string, ReferenceTensor>();
  for (const node of graph.nodes) {
    if (node.op !== "input") continue;
    const type = node.types[0];
    const shape = (type?.shape ?? []).map((dim) => (typeof dim === "number" ? dim : BATCH));
    const count = shape.reduce((product, size) => product * size, 1);
    const integral = type?.dtype === "i64" || type?.dtype === "i32";
    const data = Float64Array.from({ length: count }, (_, i) => (integral ? (i * 5) % 3 : Math.fround(wave(i + 7 * inputs.size))));
    inputs.set(node.attributes.name, { shape, data });
  }
  return inputs;
}

function asInput(graph: Graph, name: string, { shape, data }: ReferenceTensor): Tensor {
  const node = graph.nodes.find((each) => each.op === "input" && each.attributes.name === name);
  if (node?.types[0]?.dtype === "i64") return { dtype: "i64", shape, data: BigInt64Array.from(data, BigInt) };
  return { dtype: "f32", shape, data: Float32Array.from(data) };
}

/** Scattered numbers between -1 and 1. */
function wave(i: number): number {
  return Math.sin(1 + i * 12.9898 + Math.sin(i * 78.233));
}

/** max |a - b| / max(|b|, 1e-3); infinite where the counts differ or a value is no number. */
function deviation(actual: ArrayLike<number | bigint> | undefined, expected: ArrayLike<number>): number {
  if (actual?.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 1e-3;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(Number(actual[i]) - (expected[i] ?? Number.NaN));
    if (Number.isNaN(distance)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(expected[i] ?? 0));
  }
  return difference / largest;
}
