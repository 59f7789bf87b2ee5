/** `resnet gradients`: loss, outputs and gradients of one batch in training mode. */
import type { Command } from "commander";
import type { GradientsResult } from "../../runtime/network.ts";
import { writeSafetensors } from "../../runtime/safetensors.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import { writeFileAtomic } from "../data/write.ts";
import { beginChoice, parseEvaluationDevice } from "./device.ts";
import { loadEvaluated } from "./load-weights.ts";
import { prepareCall } from "./model-inputs.ts";
import { collect, type ModelOptions, modelSelection } from "./options.ts";
import type { Context } from "./program.ts";

const EXAMPLES = `
Examples:
  resnet gradients resnet20.resnet --input image=io.safetensors#input --input label=io.safetensors#labels \\
      --weights weights.safetensors -o gradients.safetensors
  resnet gradients resnet20.resnet --loss 'cross_entropy(logits, label, smoothing: 0.1)' \\
      --input image=x.npy --input label=y.npy -o gradients.safetensors

The file written holds loss, output.NAME for each output, the gradient of each parameter under
its name, and input.NAME for the inputs that are not whole numbers.`;

interface GradientsOptions extends ModelOptions {
  readonly loss?: string;
  readonly recipe?: string;
  readonly input: readonly string[];
  readonly weights?: string;
  readonly output: string;
  readonly device: ReturnType<typeof parseEvaluationDevice>;
}

/** Adds options and action. */
export function gradientsCommand(command: Command, context: Context): void {
  command
    .argument("<file>", "a .resnet file or a std/... path")
    .option("--model <name>", "the model, if the file has several")
    .option("--loss <expression>", "the loss; by default the recipe's, else cross_entropy of the only output with `label`")
    .option("--recipe <name>", "the recipe, if the file has several")
    .requiredOption("--input <name=file>", ".npy, .safetensors#tensor, .png or .jpg; once for each input", collect)
    .option("--weights <file>", "weights as safetensors; without them they are drawn from seed 0")
    .requiredOption("-o, --output <file>", "the safetensors file to write")
    .option("--device <device>", "wasm, webgpu, reference or auto", parseEvaluationDevice, "auto")
    .option("--dim <sizes>", "sizes of free dims, e.g. H=224,W=224", collect)
    .option("--set <values>", "parameters of the model, e.g. classes=10", collect)
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: GradientsOptions) => {
      const { terminal } = context;
      const call = {
        file,
        mode: "training",
        ...modelSelection(options),
        ...(options.loss === undefined ? {} : { loss: options.loss }),
        ...(options.recipe === undefined ? {} : { recipe: options.recipe }),
      } as const;
      const api = await context.api();
      const device = beginChoice(api, options.device, terminal);
      const { program, inputs } = await prepareCall(api, call, options.input, terminal);
      if (options.weights === undefined) terminal.say("no --weights: the weights are random, drawn from seed 0");
      const network = await loadEvaluated(program, { device: await device(), weights: options.weights, seed: 0 });
      try {
        const result = await network.gradients(inputs);
        const tensors = gradientTensors(result);
        writeFileAtomic(options.output, writeSafetensors(tensors));
        terminal.say(`loss ${result.loss}; wrote ${options.output} (${Object.keys(tensors).length} tensors)`);
      } finally {
        await network.dispose();
      }
    });
}

/** The tensors of the output file by name. */
export function gradientTensors(result: GradientsResult): Record<string, Tensor> {
  const prefixed = (prefix: string, tensors: Readonly<Record<string, Tensor>>): [string, Tensor][] =>
    Object.entries(tensors).map(([name, tensor]) => [`${prefix}${name}`, tensor]);
  return {
    loss: { dtype: "f32", shape: [], data: Float32Array.of(result.loss) },
    ...Object.fromEntries(prefixed("output.", result.outputs)),
    ...result.gradients,
    ...Object.fromEntries(prefixed("input.", result.inputGradients)),
  };
}
