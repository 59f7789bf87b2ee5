/**
 * Weights on their way in and out of a network.
 * Invariant: a set of weights is checked as a whole before a single value is written.
 */
import type { Manifest, TensorSpec } from "./manifest.ts";
import { formatShape, listNames, weightsMismatch } from "./problems.ts";
import { checkTensor, dtypeKind, type Tensor, type TensorLike, writeFloat32, writeInt32 } from "./tensor.ts";
import { diagnoseWeights, type Shapes } from "./weight-diagnosis.ts";

/** Tensor name to tensor, in PyTorch's names and layouts. */
export type Weights = Readonly<Record<string, TensorLike>> | ReadonlyMap<string, TensorLike>;

/** Whether a tensor is held inside as i32; all others are f32. */
export function isInteger(spec: Pick<TensorSpec, "dtype">): boolean {
  return spec.dtype === "i64" || spec.dtype === "i32" || spec.dtype === "bool";
}

/** What a checkpoint holds: parameters and states, in the network's order. */
export function checkpointTensors(manifest: Manifest): readonly TensorSpec[] {
  return manifest.tensors.filter((spec) => spec.kind !== "slot");
}

/**
 * Pairs each tensor of the network with its new values. Throws RN710 (missing), RN711 (surplus), RN712 (shape), RN713
 * (dtype), RN715 (not a tensor), RN705 (a whole number beyond 32 bits). Files from before batch-norm counters existed fit: if all counters
 * (`num_batches_tracked`) are missing, these keep their values.
 */
export function matchWeights(manifest: Manifest, weights: Weights): ReadonlyMap<TensorSpec, Tensor> {
  return matchTensors(`the weights do not fit \`${manifest.model}\``, checkpointTensors(manifest), weights);
}

/** As `matchWeights`, for any list of tensors; `title` opens the message. */
export function matchTensors(title: string, wanted: readonly TensorSpec[], weights: Weights): ReadonlyMap<TensorSpec, Tensor> {
  const entries = weights instanceof Map ? [...weights.entries()] : Object.entries(weights as Readonly<Record<string, TensorLike>>);
  const given = new Map(entries.map(([name, tensor]) => [name, checkTensor(name, tensor)]));
  const isCounter = (spec: TensorSpec): boolean => spec.kind === "state" && spec.name.endsWith("num_batches_tracked");
  const skipsCounters = ![...given.keys()].some((name) => name.endsWith("num_batches_tracked"));
  const required = wanted.filter((spec) => !(skipsCounters && isCounter(spec)));
  const matched = new Map<TensorSpec, Tensor>();
  const missing: string[] = [];
  const misshapen: string[] = [];
  const mistyped: string[] = [];
  for (const spec of required) {
    const tensor = given.get(spec.name);
    if (tensor === undefined) {
      missing.push(spec.name);
    } else if (formatShape(tensor.shape) !== formatShape(spec.shape)) {
      misshapen.push(`\`${spec.name}\` must have shape ${formatShape(spec.shape)}, got ${formatShape(tensor.shape)}`);
    } else if (!fits(spec, tensor)) {
      mistyped.push(`\`${spec.name}\` must be ${spec.dtype}, got ${tensor.dtype}`);
    } else {
      if (isInteger(spec)) writeInt32(new Int32Array(tensor.data.length), tensor.data, `tensor \`${spec.name}\``);
      matched.set(spec, tensor);
    }
  }
  const known = new Set(wanted.map((spec) => spec.name));
  const surplus = [...given.keys()].filter((name) => !known.has(name));
  const findings: (readonly [string, string])[] = [];
  if (missing.length > 0) findings.push(["RN710", `missing: ${listNames(missing)}`]);
  if (surplus.length > 0) findings.push(["RN711", `not in the network: ${listNames(surplus)}`]);
  if (misshapen.length > 0) findings.push(["RN712", firstLines(misshapen)]);
  if (mistyped.length > 0) findings.push(["RN713", firstLines(mistyped)]);
  if (findings.length > 0) {
    const lines = findings.map(([, line]) => line);
    throw weightsMismatch(findings[0]![0], title, lines, diagnoseWeights(shapesOf(required), shapesOf(given)));
  }
  return matched;
}

function firstLines(lines: readonly string[]): string {
  const rest = lines.length > 5 ? [`and ${lines.length - 5} more`] : [];
  return [...lines.slice(0, 5), ...rest].join("\n  ");
}

function shapesOf(tensors: Iterable<{ readonly name: string; readonly shape: readonly number[] }> | ReadonlyMap<string, Tensor>): Shapes {
  if (tensors instanceof Map) return new Map([...(tensors as ReadonlyMap<string, Tensor>)].map(([name, tensor]) => [name, tensor.shape]));
  return new Map([...(tensors as Iterable<TensorSpec>)].map((spec) => [spec.name, spec.shape]));
}

/** Reals become reals, whole numbers and truth values become one another; nothing else is converted unasked. */
function fits(spec: TensorSpec, tensor: Tensor): boolean {
  return (dtypeKind(tensor.dtype) === "float") !== isInteger(spec);
}

/** Writes a matched tensor's values where the network holds them. */
export function writeTensor(target: Float32Array | Int32Array, spec: TensorSpec, tensor: Tensor): void {
  if (target instanceof Float32Array) writeFloat32(target, tensor);
  else writeInt32(target, tensor.data, `tensor \`${spec.name}\``);
}
