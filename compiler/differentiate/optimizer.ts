/**
 * Optimizer steps as graph nodes, by PyTorch's formulas.
 * Invariant: slots are `state` nodes named `optimizer.SLOT.PARAMETER` that begin at zero.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { GraphUpdate, Value } from "../ir/graph.ts";
import { map, minus, over, plus, times } from "../operators/gradient-arithmetic.ts";

/** Stochastic gradient descent with momentum (PyTorch's SGD). */
export interface SgdSpec {
  readonly kind: "sgd";
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly dampening: number;
}

/** Adam (Kingma and Ba 2015), or AdamW (Loshchilov and Hutter 2019), whose decay does not pass through the moments. */
export interface AdamSpec {
  readonly kind: "adam" | "adamw";
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

export type OptimizerSpec = SgdSpec | AdamSpec;

/** A parameter to be stepped, with its gradient. */
export interface Trained {
  readonly name: string;
  readonly value: Value;
  readonly gradient: Value;
}

export interface OptimizerStep {
  /** The slots, in the order of the parameters. */
  readonly slots: readonly { readonly name: string; readonly value: Value }[];
  /** New values of slots and parameters. */
  readonly updates: readonly GraphUpdate[];
}

/** Adds one step of every parameter; `learningRate` and `stepNumber` (from 1) are f32 tensors of shape []. */
export function applyOptimizer(
  builder: GraphBuilder,
  spec: OptimizerSpec,
  parameters: readonly Trained[],
  learningRate: Value,
  stepNumber: Value,
): OptimizerStep {
  const slots: { name: string; value: Value }[] = [];
  const updates: GraphUpdate[] = [];
  const slot = (kind: string, parameter: Trained): Value => {
    const name = `optimizer.${kind}.${parameter.name}`;
    const { dtype, shape } = builder.typeOf(parameter.value);
    const value = builder.emit("state", [], { name, dtype, shape, initializer: { kind: "constant", value: 0 } });
    slots.push({ name, value });
    return value;
  };
  const update = (target: Value, value: Value): void => {
    updates.push({ target: target.node, value });
  };
  const context: StepContext = { builder, learningRate, stepNumber, slot, update };
  for (const parameter of parameters) {
    builder.withPath(parameter.name, () => {
      if (spec.kind === "sgd") stepSgd(context, spec, parameter);
      else stepAdam(context, spec, parameter);
    });
  }
  return { slots, updates };
}

interface StepContext {
  readonly builder: GraphBuilder;
  readonly learningRate: Value;
  readonly stepNumber: Value;
  readonly slot: (kind: string, parameter: Trained) => Value;
  readonly update: (target: Value, value: Value) => void;
}

/** g' = g + decay * w; v = momentum * v + (1 - dampening) * g', but v = g' at step 1; w -= lr * (v, or g' + momentum * v). */
function stepSgd(context: StepContext, spec: SgdSpec, parameter: Trained): void {
  const { builder } = context;
  const gradient = decayed(context, spec.weightDecay, parameter);
  let direction = gradient;
  if (spec.momentum !== 0) {
    const velocity = context.slot("momentum", parameter);
    const next = plus(builder, times(builder, velocity, spec.momentum), fresh(context, spec, gradient));
    context.update(velocity, next);
    direction = spec.nesterov ? plus(builder, gradient, times(builder, next, spec.momentum)) : next;
  }
  const rate = builder.broadcastTo(context.learningRate, builder.typeOf(direction).shape);
  context.update(parameter.value, minus(builder, parameter.value, times(builder, rate, direction)));
}

/** PyTorch's first step takes the gradient undampened. */
function fresh(context: StepContext, spec: SgdSpec, gradient: Value): Value {
  if (spec.dampening === 0) return gradient;
  const { builder, stepNumber } = context;
  const one = builder.emit("constant", [], { value: 1, ...builder.typeOf(stepNumber) });
  const later = builder.emit("constant", [], { value: 1 - spec.dampening, ...builder.typeOf(stepNumber) });
  const first = builder.emit("binary", [stepNumber, one], { op: "less_equal" });
  return builder.emitBinary("multiply", gradient, builder.emit("select", [first, one, later], {}));
}

function decayed({ builder }: StepContext, decay: number, { value, gradient }: Trained): Value {
  return decay === 0 ? gradient : plus(builder, gradient, times(builder, value, decay));
}

/**
 * m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g²; w -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).
 * Adam adds decay * w to g; AdamW first scales w by 1 - lr * decay.
 */
function stepAdam(context: StepContext, spec: AdamSpec, parameter: Trained): void {
  const { builder, learningRate } = context;
  const { shape } = builder.typeOf(parameter.value);
  const gradient = spec.kind === "adam" ? decayed(context, spec.weightDecay, parameter) : parameter.gradient;
  const mean = context.slot("exp_avg", parameter);
  const square = context.slot("exp_avg_sq", parameter);
  const nextMean = plus(builder, times(builder, mean, spec.beta1), times(builder, gradient, 1 - spec.beta1));
  const fresh = times(builder, map(builder, "square", gradient), 1 - spec.beta2);
  const nextSquare = plus(builder, times(builder, square, spec.beta2), fresh);
  context.update(mean, nextMean);
  context.update(square, nextSquare);
  const rate = over(builder, learningRate, bias(context, spec.beta1));
  const scale = map(builder, "sqrt", bias(context, spec.beta2));
  const deviation = over(builder, map(builder, "sqrt", nextSquare), builder.broadcastTo(scale, shape));
  const step = over(builder, nextMean, plus(builder, deviation, spec.eps));
  let start = parameter.value;
  if (spec.kind === "adamw" && spec.weightDecay !== 0) {
    const decay = times(builder, learningRate, spec.weightDecay);
    start = minus(builder, start, times(builder, builder.broadcastTo(decay, shape), start));
  }
  const moved = times(builder, builder.broadcastTo(rate, shape), step);
  context.update(parameter.value, minus(builder, start, moved));
}

/** 1 - beta^t, as -expm1(t * log(beta)): in f32 the difference itself would lose what beta2 = 0.999 leaves of it. */
function bias({ builder, stepNumber }: StepContext, beta: number): Value {
  const t = builder.typeOf(stepNumber).dtype === "f32" ? stepNumber : builder.emit("cast", [stepNumber], { dtype: "f32" });
  if (beta === 0) return builder.emit("constant", [], { value: 1, ...builder.typeOf(t) });
  return map(builder, "negate", map(builder, "expm1", times(builder, t, Math.log(beta))));
}
