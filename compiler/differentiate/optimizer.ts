/**
 * Optimizer steps as graph nodes: one for each parameter, with its slots.
 * Invariant: slots are `state` nodes named `optimizer.SLOT.PARAMETER` that begin at zero.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { GraphUpdate, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import type { AdamSpec, OptimizerSpec } from "../ir/optimizer.ts";
import { needsStepNumber } from "../operators/optimizer.ts";
import { matchesPath } from "../resolve/path-pattern.ts";

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
  { except, ...spec }: OptimizerSpec,
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
  const spared = { ...spec, weightDecay: 0 };
  // Taken as f32 by the formulas, whatever it is counted in.
  const step = builder.typeOf(stepNumber).dtype === "f32" ? stepNumber : builder.emit("cast", [stepNumber], { dtype: "f32" });
  for (const parameter of parameters) {
    builder.withPath(parameter.name, () => {
      const own = slotsOf(spec).map((kind) => slot(kind, parameter));
      const tensors = [parameter.value, parameter.gradient, ...own, learningRate];
      const rule = except?.some(({ pattern }) => matchesPath(pattern, parameter.name)) === true ? spared : spec;
      const moved =
        rule.kind === "sgd"
          ? builder.emitAll("sgd_step", needsStepNumber(rule) ? [...tensors, step] : tensors, rule)
          : adamStep(builder, rule, parameter, own, [learningRate, step]);
      for (const [k, target] of [parameter.value, ...own].entries()) {
        const value = moved[k];
        invariant(value !== undefined, "a step gives the parameter and each slot anew");
        updates.push({ target: target.node, value });
      }
    });
  }
  return { slots, updates };
}

/** The new parameter and moments. */
function adamStep(
  builder: GraphBuilder,
  spec: AdamSpec,
  { value, gradient }: Trained,
  slots: readonly Value[],
  scalars: readonly Value[],
): readonly Value[] {
  const moments = builder.emitAll("adam_moments", [value, gradient, ...slots], spec);
  return [builder.emit("adam_step", [value, ...moments, ...scalars], spec), ...moments];
}

/** What an optimizer keeps of each parameter, under PyTorch's names. */
function slotsOf(spec: OptimizerSpec): readonly string[] {
  if (spec.kind !== "sgd") return ["exp_avg", "exp_avg_sq"];
  return spec.momentum === 0 ? [] : ["momentum"];
}
