/** Training graphs: loss and gradients of a built program, and one optimizer step. */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { differentiate } from "../differentiate/differentiate.ts";
import { applyOptimizer, type OptimizerSpec } from "../differentiate/optimizer.ts";
import type { Graph, NamedValue } from "../ir/graph.ts";
import type { Program } from "../ir/program.ts";
import type { LossSpec } from "../recipe/recipe.ts";
import { type Built, type BuiltTensor, buildProgram } from "./build.ts";
import { buildLoss } from "./loss.ts";

export interface TrainingGraphs {
  /** Outputs `loss`, the out ports, `gradient.NAME`, `input.NAME`; updates nothing. */
  readonly gradients: Graph;
  /** Outputs `loss` and the out ports; updates states, parameters and slots. */
  readonly step: Graph | undefined;
  readonly tensors: readonly BuiltTensor[];
  /** Names, shapes of the optimizer's slots, in order. */
  readonly slots: readonly NamedValue[];
}

export function buildTraining(
  program: Program,
  loss: LossSpec,
  optimizer: OptimizerSpec | undefined,
  report: (diagnostic: Diagnostic) => void,
): TrainingGraphs | undefined {
  const forGradients = withGradients(program, loss, true, report);
  if (forGradients === undefined) return undefined;
  const { built } = forGradients;
  const outputs = [forGradients.loss, ...built.outputs, ...forGradients.gradients, ...forGradients.inputGradients];
  const gradients = built.builder.finish(outputs, []);
  const forStep = optimizer === undefined ? undefined : withGradients(program, loss, false, report);
  if (optimizer === undefined || forStep === undefined) return { gradients, step: undefined, tensors: built.tensors, slots: [] };
  const { builder } = forStep.built;
  const learningRate = builder.emit("scalar", [], { name: "learning_rate", dtype: "f32" });
  const stepNumber = builder.emit("scalar", [], { name: "step_number", dtype: "f32" });
  const trained = forStep.built.tensors.flatMap((tensor) => {
    const gradient = forStep.gradients.find((each) => each.name === `gradient.${tensor.name}`);
    return tensor.kind === "param" && gradient !== undefined ? [{ name: tensor.name, value: tensor.value, gradient: gradient.value }] : [];
  });
  const { slots, updates } = builder.withPath("optimizer", () => applyOptimizer(builder, optimizer, trained, learningRate, stepNumber));
  const step = builder.finish([forStep.loss, ...forStep.built.outputs], [...forStep.built.updates, ...updates]);
  return { gradients, step, tensors: built.tensors, slots };
}

interface WithGradients {
  readonly built: Built;
  readonly loss: NamedValue;
  readonly gradients: readonly NamedValue[];
  readonly inputGradients: readonly NamedValue[];
}

function withGradients(program: Program, spec: LossSpec, ofInputs: boolean, report: (diagnostic: Diagnostic) => void): WithGradients | undefined {
  const built = buildProgram(program);
  const { builder } = built;
  const loss = buildLoss(built, spec, report);
  if (loss === undefined) return undefined;
  const parameters = built.tensors.filter((tensor) => tensor.kind === "param");
  const inputs = ofInputs ? built.inputs.filter((input) => builder.typeOf(input.value).dtype === "f32") : [];
  const wanted = [...parameters.map((tensor) => tensor.value), ...inputs.map((input) => input.value)];
  const found = differentiate(builder, loss.value, wanted);
  const named = (prefix: string, names: readonly string[], offset: number): NamedValue[] =>
    names.map((name, i) => {
      // A tensor the loss does not depend on has gradient zero, as torch.autograd.grad(allow_unused) users expect.
      const value = found[offset + i] ?? zeroLike(built, wanted[offset + i]);
      return { name: `${prefix}.${name}`, value };
    });
  return {
    built,
    loss: { name: "loss", value: loss.value },
    gradients: named("gradient", parameters.map((tensor) => tensor.name), 0),
    inputGradients: named("input", inputs.map((input) => input.name), parameters.length),
  };
}

function zeroLike(built: Built, value: { node: number; output: number } | undefined): { node: number; output: number } {
  const { builder } = built;
  const shape = value === undefined ? [] : builder.typeOf(value).shape;
  return builder.emit("constant", [], { value: 0, dtype: "f32", shape });
}
