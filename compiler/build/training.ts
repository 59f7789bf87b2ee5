/** Training: loss and gradients of a program as one graph, and the two programs that come of it. */
import { differentiate } from "../differentiate/differentiate.ts";
import { applyOptimizer, type Trained } from "../differentiate/optimizer.ts";
import type { OptimizerSpec } from "../ir/optimizer.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { Instance, Program } from "../ir/program.ts";
import { type Built, buildLoss, buildProgram } from "./build.ts";

/** Before rewriting. */
export interface TrainingGraph {
  /** Outputs `loss`, the out ports, `gradient.NAME`, `input.NAME`; updates the states, as only a step keeps. */
  readonly gradients: Graph;
}

/** Differentiates the program's loss with respect to its parameters and its real inputs. */
export function buildTraining(program: Program, loss: Instance): TrainingGraph {
  const built = buildProgram(program);
  const { builder } = built;
  const value = buildLoss(built, loss);
  const parameters = built.tensors.filter((tensor) => tensor.kind === "param");
  const inputs = built.inputs.filter((input) => builder.typeOf(input.value).dtype === "f32");
  const wanted = [
    ...parameters.map(({ name, value }) => ({ name: `${GRADIENT}${name}`, value })),
    ...inputs.map(({ name, value }) => ({ name: `${INPUT}${name}`, value })),
  ];
  const found = differentiate(
    builder,
    value,
    wanted.map((each) => each.value),
  );
  // A tensor the loss does not depend on has gradient zero, as torch.autograd.grad(allow_unused) users expect.
  const gradients = wanted.map(({ name, value }, i) => ({ name, value: found[i] ?? zeroLike(built, value) }));
  const outputs = [{ name: "loss", value }, ...built.outputs, ...gradients];
  return { gradients: builder.finish(outputs, built.updates) };
}

/** Of the names of outputs. */
const [GRADIENT, INPUT] = ["gradient.", "input."];

export interface TrainingPrograms {
  /** Outputs as in the training graph; updates nothing. */
  readonly gradients: Graph;
  /** Outputs `loss` and the out ports; updates states, parameters and slots. */
  readonly step: Graph | undefined;
}

/** The programs of a training graph that was rewritten into a builder: its gradients, and a step that goes on from them. */
export function finishTraining(
  { gradients: graph }: TrainingGraph,
  builder: GraphBuilder,
  renamed: (value: Value) => Value,
  optimizer: OptimizerSpec | undefined,
): TrainingPrograms {
  const outputs = graph.outputs.map(({ name, value }) => ({ name, value: renamed(value) }));
  const gradients = builder.finish(outputs, []);
  if (optimizer === undefined) return { gradients, step: undefined };
  const learningRate = builder.emit("scalar", [], { name: "learning_rate", dtype: "f32" });
  const stepNumber = builder.emit("scalar", [], { name: "step_number", dtype: "f32" });
  const gradientOf = new Map(outputs.map(({ name, value }) => [name, value]));
  const trained = graph.nodes.flatMap((node): Trained[] => {
    const gradient = node.op === "parameter" ? gradientOf.get(`${GRADIENT}${node.attributes.name}`) : undefined;
    if (node.op !== "parameter" || gradient === undefined) return [];
    return [{ name: node.attributes.name, value: renamed({ node: node.id, output: 0 }), gradient }];
  });
  const { updates } = builder.withPath("optimizer", () => applyOptimizer(builder, optimizer, trained, learningRate, stepNumber));
  const results = outputs.filter(({ name }) => !name.startsWith(GRADIENT) && !name.startsWith(INPUT));
  const states = graph.updates.map(({ target, value }) => ({ target: renamed({ node: target, output: 0 }).node, value: renamed(value) }));
  return { gradients, step: builder.finish(results, [...states, ...updates]) };
}

function zeroLike({ builder }: Built, value: Value): Value {
  return builder.emit("constant", [], { value: 0, dtype: "f32", shape: builder.typeOf(value).shape });
}
