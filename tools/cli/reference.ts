/**
 * The device `reference`: the interpreter of the unfused graph in f64, in place of the compiled code.
 * Invariant: weights, inputs, seeds and checks are those of the network it stands in for; only the arithmetic differs.
 */
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";
import { checkGuards } from "../../runtime/guards.ts";
import { bindInputs, type Inputs, portElements, resolveShape, writeInput } from "../../runtime/inputs.ts";
import type { PortSpec } from "../../runtime/manifest.ts";
import { type GradientsResult, isOutPort, type Network, type Tensors } from "../../runtime/network.ts";
import { stepSeed } from "../../runtime/random.ts";
import { type Tensor, tensorFromInternal } from "../../runtime/tensor.ts";
import type { Program } from "./api.ts";
import { CommandFailure } from "./failure.ts";

/** Calls that both a network and the interpreter answer. */
export type Evaluated = Pick<Network, "run" | "gradients" | "profile" | "dispose">;

/** `network`'s calls, evaluated in f64 and rounded once to the outputs' dtypes; `seed` is the one it was loaded with. */
export function referenceNetwork(program: Program, network: Network, seed: number): Evaluated {
  const { manifest } = program;
  const evaluate = async (name: "infer" | "gradients", graph: Graph | undefined, inputs: Inputs): Promise<Tensors> => {
    const spec = manifest[name];
    if (graph === undefined || spec === undefined) throw new CommandFailure("--device reference: the program lacks what is asked of it");
    const bound = bindInputs(spec, inputs, manifest.batch);
    checkGuards(manifest, name, bound.batch);
    const given = bound.inputs.map((input): [string, ReferenceTensor] => {
      const { port } = input;
      const count = portElements(port, bound.batch);
      const values = port.dtype === "f32" || port.dtype === "f16" ? new Float32Array(count) : new Int32Array(count);
      writeInput(values, input);
      return [port.name, { shape: resolveShape(port.shape, bound.batch), data: Float64Array.from(values) }];
    });
    const tensors = Object.entries(await network.weights()).map(([name, tensor]): [string, ReferenceTensor] => [
      name,
      { shape: tensor.shape, data: Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number) },
    ]);
    const { outputs } = interpret(graph, {
      inputs: new Map(given),
      tensors: new Map(tensors),
      scalars: new Map([
        ["learning_rate", 0],
        ["step_number", 1],
        ["seed", stepSeed(seed, 1)],
      ]),
      batch: bound.batch,
    });
    return Object.fromEntries(spec.outputs.map((port) => [port.name, rounded(port, outputs)]));
  };
  const plain = (): ReturnType<Program["graphs"]>["plain"] => program.graphs().plain;
  return {
    run: (inputs) => evaluate("infer", plain().infer, inputs),
    gradients: async (inputs) => sortGradients(await evaluate("gradients", plain().training?.gradients, inputs)),
    profile: () => network.profile(),
    dispose: () => network.dispose(),
  };
}

function rounded(port: PortSpec, outputs: ReadonlyMap<string, ReferenceTensor>): Tensor {
  const found = outputs.get(port.name);
  if (found === undefined) throw new CommandFailure(`--device reference: the interpreter gives no ${port.name}`);
  const whole = port.dtype !== "f32" && port.dtype !== "f16";
  return tensorFromInternal(port.dtype, found.shape, whole ? Int32Array.from(found.data) : Float32Array.from(found.data));
}

function sortGradients(found: Tensors): GradientsResult {
  const below = (prefix: string): Tensors =>
    Object.fromEntries(Object.entries(found).flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])));
  return {
    loss: Number(found["loss"]?.data[0] ?? Number.NaN),
    outputs: Object.fromEntries(
      Object.entries(found)
        .filter(([name]) => isOutPort({ name }))
        .map(([name, tensor]) => [name.replace(/^output\./, ""), tensor]),
    ),
    gradients: below("gradient."),
    inputGradients: below("input."),
  };
}
