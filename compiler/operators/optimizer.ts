/**
 * One optimizer step of one parameter as one node, by PyTorch's formulas: a deep network has thousands of parameters,
 * and a dozen elementwise nodes for each would be most of its graph.
 * Invariant: outputs are the new parameter, then its new slots, all of the parameter's type.
 */
import type { SgdSpec } from "../ir/optimizer.ts";
import type { Expression } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import { axesOf, binary, choose, everyAxis, literal, unary } from "./kernel-expressions.ts";
import type { LowerContext, Operator, ReferenceTensor, TypeContext } from "./operator.ts";
import { at, inputAt } from "./row-major.ts";
import { expectFloat, expectInputs, expectRank, expectSameShape } from "./type-rules.ts";

/** Whether a step depends on how many were done before: PyTorch's first takes the gradient undampened. */
export function needsStepNumber(spec: SgdSpec): boolean {
  return spec.momentum !== 0 && spec.dampening !== 0;
}

function typeOfStep(
  context: TypeContext,
  inputs: readonly TensorType[],
  slots: number,
  scalars: readonly string[],
): readonly TensorType[] | undefined {
  const tensors = 2 + slots;
  const [parameter] = inputs;
  if (!expectInputs(context, inputs, tensors + scalars.length) || parameter === undefined) return undefined;
  if (!expectFloat(context, parameter, 0, "the parameter")) return undefined;
  for (const [position, type] of inputs.entries()) {
    const fits =
      position < tensors
        ? expectSameShape(context, parameter.shape, type.shape, position, "the gradient or slot")
        : expectRank(context, type, 0, position, scalars[position - tensors] ?? "");
    if (!fits) return undefined;
  }
  return Array.from({ length: 1 + slots }, () => parameter);
}

/** Loads: the element itself of parameter, gradient and slots; the one number of a scalar. */
function reader(context: LowerContext, tensors: number): (input: number) => Expression {
  const everywhere = everyAxis(context.outputs[0]?.length ?? 0);
  return (input) => context.load(input, input < tensors ? everywhere : []);
}

const plus = (left: Expression, right: Expression): Expression => binary("add", left, right);
const minus = (left: Expression, right: Expression): Expression => binary("subtract", left, right);
const times = (left: Expression, right: Expression | number): Expression =>
  binary("multiply", left, typeof right === "number" ? literal(right) : right);
const over = (left: Expression, right: Expression): Expression => binary("divide", left, right);

/** Gradient plus decay * parameter. */
function decayed(read: (input: number) => Expression, decay: number): Expression {
  return decay === 0 ? read(1) : plus(read(1), times(read(0), decay));
}

/** Evaluates a step element by element: of the first `tensors` inputs to so many `results`. */
function stepElements(
  inputs: readonly ReferenceTensor[],
  tensors: number,
  results: number,
  step: (own: readonly number[]) => readonly number[],
): ReferenceTensor[] {
  const { shape, data } = inputAt(inputs, 0);
  const own = inputs.slice(0, tensors);
  const found = Array.from({ length: results }, () => new Float64Array(data.length));
  for (let flat = 0; flat < data.length; flat++) {
    const values = step(own.map((tensor) => at(tensor, flat)));
    for (const [k, result] of found.entries()) result[flat] = values[k] ?? Number.NaN;
  }
  return found.map((result) => ({ shape, data: result }));
}

/** parameter, gradient, velocity (with momentum), learning rate, step number (with dampening) -> parameter, velocity. */
export const sgd_step: Operator<"sgd_step"> = {
  documentation:
    "A step of stochastic gradient descent: g' = g + decay * w; v = momentum * v + (1 - dampening) * g', but v = g' at step 1; " +
    "w -= rate * v, or rate * (g' + momentum * v) after Nesterov (PyTorch's SGD; Sutskever et al. 2013).",
  type(context, inputs, spec) {
    return typeOfStep(context, inputs, spec.momentum === 0 ? 0 : 1, needsStepNumber(spec) ? ["the rate", "the step number"] : ["the rate"]);
  },
  gradient: "none",
  lower(context, spec) {
    const { momentum, dampening, nesterov } = spec;
    const read = reader(context, momentum === 0 ? 2 : 3);
    const gradient = decayed(read, spec.weightDecay);
    const move = (rate: Expression, direction: Expression): Expression => minus(read(0), times(rate, direction));
    const axes = axesOf(context.outputs[0] ?? []);
    if (momentum === 0) return { form: "pointwise", axes, values: [move(read(2), gradient)] };
    const first = (): Expression => binary("less_equal", read(4), literal(1));
    const fresh = needsStepNumber(spec) ? times(gradient, choose(first(), literal(1), literal(1 - dampening))) : gradient;
    const velocity = plus(times(read(2), momentum), fresh);
    const direction = nesterov ? plus(gradient, times(velocity, momentum)) : velocity;
    return { form: "pointwise", axes, values: [move(read(3), direction), velocity] };
  },
  reference(inputs, spec) {
    const { momentum, dampening, nesterov, weightDecay } = spec;
    const slots = momentum === 0 ? 0 : 1;
    const rate = at(inputAt(inputs, 2 + slots), 0);
    const isFirst = !needsStepNumber(spec) || at(inputAt(inputs, 4), 0) <= 1;
    return stepElements(inputs, 2 + slots, 1 + slots, ([w = 0, g = 0, v = 0]) => {
      const slope = g + weightDecay * w;
      const next = momentum * v + (isFirst && dampening !== 0 ? 1 : 1 - dampening) * slope;
      if (momentum === 0) return [w - rate * slope];
      return [w - rate * (nesterov ? slope + momentum * next : next), next];
    });
  },
  onnx: undefined,
};

/** 1 - beta^t, as -expm1(t * log(beta)): in f32 the difference itself would lose what beta2 = 0.999 leaves of it. */
function bias(step: Expression, beta: number): Expression {
  return beta === 0 ? literal(1) : unary("negate", unary("expm1", times(step, Math.log(beta))));
}

/** parameter, gradient, mean, square -> mean, square. Apart from the step: together they touch more buffers than a GPU binds. */
export const adam_moments: Operator<"adam_moments"> = {
  documentation:
    "The moments of Adam: m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g² (Kingma and Ba 2015, algorithm 1). " +
    "Adam adds decay * w to g; AdamW does not (Loshchilov and Hutter 2019).",
  type: (context, inputs) => typeOfStep(context, inputs, 2, [])?.slice(1),
  gradient: "none",
  lower(context, { kind, beta1, beta2, weightDecay }) {
    const read = reader(context, 4);
    const gradient = kind === "adam" ? decayed(read, weightDecay) : read(1);
    const mean = plus(times(read(2), beta1), times(gradient, 1 - beta1));
    const square = plus(times(read(3), beta2), times(unary("square", gradient), 1 - beta2));
    return { form: "pointwise", axes: axesOf(context.outputs[0] ?? []), values: [mean, square] };
  },
  reference(inputs, { kind, beta1, beta2, weightDecay }) {
    return stepElements(inputs, 4, 2, ([w = 0, g = 0, m = 0, v = 0]) => {
      const slope = kind === "adam" ? g + weightDecay * w : g;
      return [beta1 * m + (1 - beta1) * slope, beta2 * v + (1 - beta2) * slope * slope];
    });
  },
  onnx: undefined,
};

/** parameter, new mean, new square, learning rate, step number -> parameter. */
export const adam_step: Operator<"adam_step"> = {
  documentation:
    "A step of Adam along its new moments: w -= rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps) (Kingma and Ba 2015, " +
    "algorithm 1, with PyTorch's order of operations). AdamW first scales w by 1 - rate * decay (Loshchilov and Hutter 2019).",
  type: (context, inputs) => typeOfStep(context, inputs, 1, ["the rate", "the step number"])?.slice(1),
  gradient: "none",
  lower(context, { kind, beta1, beta2, eps, weightDecay }) {
    const read = reader(context, 3);
    const [rate, step] = [read(3), read(4)];
    const deviation = over(unary("sqrt", read(2)), unary("sqrt", bias(step, beta2)));
    const direction = over(read(1), plus(deviation, literal(eps)));
    const isShrunk = kind === "adamw" && weightDecay !== 0;
    const start = isShrunk ? minus(read(0), times(times(rate, weightDecay), read(0))) : read(0);
    const moved = minus(start, times(over(rate, bias(step, beta1)), direction));
    return { form: "pointwise", axes: axesOf(context.outputs[0] ?? []), values: [moved] };
  },
  reference(inputs, { kind, beta1, beta2, eps, weightDecay }) {
    const [rate, step] = [at(inputAt(inputs, 3), 0), at(inputAt(inputs, 4), 0)];
    return stepElements(inputs, 3, 1, ([w = 0, m = 0, v = 0]) => {
      const start = kind === "adamw" ? w - rate * weightDecay * w : w;
      const deviation = Math.sqrt(v / (1 - beta2 ** step));
      return [start - ((rate / (1 - beta1 ** step)) * m) / (deviation + eps)];
    });
  },
  onnx: undefined,
};
