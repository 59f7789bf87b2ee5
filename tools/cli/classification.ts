/**
 * Training and evaluation as this command line does them: one float input, one row of class scores a sample.
 * Invariant: what the model takes is read from the compiled program; nothing here knows names of ports beforehand.
 */
import type { Inputs } from "../../runtime/inputs.ts";
import type { Network } from "../../runtime/network.ts";
import { type Tensor, toFloat32 } from "../../runtime/tensor.ts";
import { type Batch, makeBatch, type Normalization } from "../data/batches.ts";
import type { Dataset, ImageTask } from "../data/dataset.ts";
import type { Program } from "./api.ts";
import { CommandFailure, EXIT } from "./failure.ts";

export interface Task {
  readonly input: string;
  /** Class scores [N, classes], whose accuracy counts: of several such outputs the one that the loss names first. */
  readonly output: string;
  /** The model's input without its batch axis; names stand for free sizes. */
  readonly sample: readonly (number | string)[];
  readonly classes: number | undefined;
}

/** What the program classifies. Fails if it is no classifier of single inputs. */
export function taskOf(program: Program): Task {
  const { inputs, outputs } = program.summary();
  const [input] = inputs;
  // Further outputs serve the loss: a head half way, a penalty.
  const heads = outputs.filter(({ shape }) => shape.length === 2);
  const output = firstNamed(program.recipe?.loss ?? "", heads) ?? heads[0];
  const fits = inputs.length === 1 && input?.dtype === "f32" && output !== undefined;
  if (!fits || input === undefined || output === undefined || input.shape.length < 2 || input.shape.length > 4) {
    throw new CommandFailure(
      `${program.model} is no classifier of images: expected one input f32[N, …] of 1 to 3 further axes and an output [N, classes]`,
      EXIT.errors,
    );
  }
  const classes = output.shape[1];
  return {
    input: input.name,
    output: output.name,
    sample: input.shape.slice(1),
    classes: typeof classes === "number" ? classes : undefined,
  };
}

function firstNamed<T extends { readonly name: string }>(text: string, candidates: readonly T[]): T | undefined {
  const places = candidates.map((each) => ({ each, at: text.search(new RegExp(`\\b${each.name}\\b`)) })).filter(({ at }) => at >= 0);
  return places.sort((a, b) => a.at - b.at)[0]?.each;
}

/** The task as data readers see it: channels, height, width. */
export function imageTask(task: Task): ImageTask {
  const [first = 1, second = 1, third = 1] = task.sample;
  const shapes: Readonly<Record<number, ImageTask["shape"]>> = {
    1: [1, 1, first],
    2: [first, 1, second],
    3: [first, second, third],
  };
  return { shape: shapes[task.sample.length] ?? [first, second, third], classes: task.classes };
}

/** Sizes for the names that the model's input leaves free. */
export function freeSizes(task: Task, dataset: Dataset): Record<string, number> {
  const sizes: Record<string, number> = {};
  imageTask(task).shape.forEach((size, axis) => {
    if (typeof size === "string") sizes[size] = dataset.shape[axis] ?? 1;
  });
  return sizes;
}

/** The loss's input of class numbers. Fails if the loss has none; needs a program whose sizes are fixed. */
export function labelInput(program: Program, task: Task): string {
  const inputs = program.manifest.step?.inputs ?? program.manifest.gradients?.inputs ?? [];
  const label = inputs.find((port) => port.name !== task.input && (port.dtype === "i64" || port.dtype === "i32"));
  if (label !== undefined) return label.name;
  throw new CommandFailure(
    `${program.model}: the loss has no input of class numbers; expected one like cross_entropy(${task.output}, label)`,
    EXIT.errors,
  );
}

/** A batch as the network takes it; with the labels if their input is named. */
export function networkInputs(task: Task, batch: Batch, label?: string): Inputs {
  const [count, ...image] = batch.shape;
  const sample = task.sample.length === 3 ? image : task.sample.map((size) => (typeof size === "number" ? size : -1));
  const inputs = { [task.input]: { data: batch.images, shape: [count, ...sample] } };
  return label === undefined ? inputs : { ...inputs, [label]: { data: batch.labels, shape: [count] } };
}

export interface Score {
  /** Sum over samples of the cross entropy in nats. */
  readonly loss: number;
  readonly correct: number;
}

/** Cross entropy and hits of rows of logits, in f64. */
export function scoreLogits(logits: Tensor, labels: Int32Array): Score {
  const values = toFloat32(logits);
  const classes = logits.shape[1] ?? 1;
  let loss = 0;
  let correct = 0;
  labels.forEach((label, sample) => {
    const row = values.subarray(sample * classes, (sample + 1) * classes);
    let best = 0;
    for (let c = 1; c < classes; c++) if ((row[c] ?? 0) > (row[best] ?? 0)) best = c;
    const highest = row[best] ?? 0;
    let sum = 0;
    for (const value of row) sum += Math.exp(value - highest);
    loss += highest + Math.log(sum) - (row[label] ?? Number.NaN);
    if (best === label) correct++;
  });
  return { loss, correct };
}

export interface Evaluation {
  readonly count: number;
  readonly correct: number;
  readonly accuracy: number;
  /** Mean cross entropy in nats, without label smoothing. */
  readonly loss: number;
}

export interface EvaluateOptions {
  readonly batch: number;
  readonly normalize?: Normalization | undefined;
  readonly onBatch?: (done: number) => void;
  /** Asked after each batch. */
  readonly isInterrupted?: () => boolean;
}

/** Runs the whole set in inference mode; undefined if interrupted. */
export async function evaluate(network: Network, task: Task, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation | undefined> {
  let loss = 0;
  let correct = 0;
  for (let from = 0; from < dataset.count; from += options.batch) {
    const batch = makeBatch(dataset, undefined, from, Math.min(from + options.batch, dataset.count), {
      normalize: options.normalize,
    });
    const outputs = await network.run(networkInputs(task, batch));
    const logits = outputs[task.output];
    if (logits === undefined) throw new CommandFailure(`the network gave no output ${task.output}`, EXIT.errors);
    const score = scoreLogits(logits, batch.labels);
    loss += score.loss;
    correct += score.correct;
    options.onBatch?.(from + batch.labels.length);
    await breathe();
    if (options.isInterrupted?.() === true) return undefined;
  }
  return { count: dataset.count, correct, accuracy: correct / dataset.count, loss: loss / dataset.count };
}

/** Lets signals and the progress bar have their turn between two steps of computing. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
