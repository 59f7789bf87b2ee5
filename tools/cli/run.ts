/** `resnet run`: one forward pass in inference mode. */
import type { Command } from "commander";
import { writeSafetensors } from "../../runtime/safetensors.ts";
import { type Tensor, toFloat32 } from "../../runtime/tensor.ts";
import { writeFileAtomic } from "../data/write.ts";
import { beginChoice, parseEvaluationDevice, TUNE_HELP } from "./device.ts";
import { CommandFailure } from "./failure.ts";
import { loadEvaluated } from "./load-weights.ts";
import { prepareCall } from "./model-inputs.ts";
import { collect, type ModelOptions, modelSelection } from "./options.ts";
import { sayProfile } from "./profile.ts";
import type { Context } from "./program.ts";
import type { Evaluated } from "./reference.ts";
import { formatShape } from "./terminal.ts";

const SHOWN_VALUES = 5;
const SHOWN_SAMPLES = 8;
/** Whichever comes first. */
const PROFILED_CALLS = 100;
const PROFILED_MILLISECONDS = 1000;

const EXAMPLES = `
Examples:
  resnet run resnet20.resnet --input image=batch.npy --weights best.safetensors -o logits.safetensors
  resnet run resnet20.resnet --input image=io.safetensors#input --weights weights.safetensors
  resnet run resnet50.resnet --input image=cat.png --weights resnet50.safetensors     prints the highest values
  resnet run resnet50.resnet --input image=cat.png --profile                          and which kernels take how long`;

interface RunOptions extends ModelOptions {
  readonly input: readonly string[];
  readonly weights?: string;
  readonly output?: string;
  readonly device: ReturnType<typeof parseEvaluationDevice>;
  readonly recipe?: string;
  readonly profile?: boolean;
  readonly tune?: boolean;
}

/** Adds options and action. */
export function runCommand(command: Command, context: Context): void {
  command
    .argument("<file>", "a .resnet file or a std/... path")
    .option("--model <name>", "the model, if the file has several")
    .requiredOption("--input <name=file>", ".npy, .safetensors#tensor, .png or .jpg; once for each input", collect)
    .option("--weights <file>", "weights as safetensors; without them they are drawn from seed 0")
    .option("-o, --output <file>", "write the outputs there, as safetensors under their names")
    .option("--device <device>", "wasm, webgpu, reference or auto", parseEvaluationDevice, "auto")
    .option("--recipe <name>", "the recipe whose normalisation is applied to pictures, if the file has several")
    .option("--profile", "run again for about a second, and say which kernels the time goes to")
    .option("--tune", TUNE_HELP)
    .option("--dim <sizes>", "sizes of free dims, e.g. H=224,W=224", collect)
    .option("--set <values>", "parameters of the model, e.g. classes=10", collect)
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: RunOptions) => {
      const { terminal } = context;
      const recipe = options.recipe === undefined ? {} : { recipe: options.recipe };
      const call = { file, mode: "inference", ...recipe, ...modelSelection(options) } as const;
      const api = await context.api();
      const device = beginChoice(api, options.device, terminal);
      const { program, inputs } = await prepareCall(api, call, options.input, terminal);
      if (options.weights === undefined) terminal.say("no --weights: the weights are random, drawn from seed 0");
      const profile = options.profile === true;
      if (profile && options.device === "reference")
        throw new CommandFailure("--profile: the reference interpreter has no kernels; use wasm or webgpu");
      const tune = options.tune === true;
      const network = await loadEvaluated(program, { device: await device(), weights: options.weights, seed: 0, profile, tune });
      try {
        const outputs = await network.run(inputs);
        if (options.output === undefined) for (const line of describeOutputs(outputs)) terminal.print(line);
        else {
          writeFileAtomic(options.output, writeSafetensors(outputs));
          terminal.say(
            `wrote ${options.output}: ${Object.entries(outputs)
              .map(([name, tensor]) => `${name} ${formatShape(tensor.shape)}`)
              .join(", ")}`,
          );
        }
        if (profile) await profileRuns(network, inputs, terminal);
      } finally {
        await network.dispose();
      }
    });
}

/** Times of calls after the first, which pays for compiling and for the weights' preparation. */
async function profileRuns(network: Evaluated, inputs: Parameters<Evaluated["run"]>[0], terminal: Context["terminal"]): Promise<void> {
  await network.profile();
  const begin = performance.now();
  for (let call = 0; call < PROFILED_CALLS && performance.now() - begin < PROFILED_MILLISECONDS; call++) await network.run(inputs);
  await sayProfile(network, terminal);
}

/** The highest values of each sample of each output, with their places. */
export function describeOutputs(outputs: Readonly<Record<string, Tensor>>): string[] {
  return Object.entries(outputs).flatMap(([name, tensor]) => {
    const values = toFloat32(tensor);
    const samples = tensor.shape[0] ?? 1;
    const size = samples === 0 ? 0 : values.length / samples;
    const lines = [`${name} ${formatShape(tensor.shape)}: the highest values of each sample`];
    for (let sample = 0; sample < Math.min(samples, SHOWN_SAMPLES); sample++) {
      const part = values.subarray(sample * size, (sample + 1) * size);
      const order = Array.from(part.keys()).sort((a, b) => (part[b] ?? 0) - (part[a] ?? 0));
      const shown = order.slice(0, SHOWN_VALUES).map((index) => `[${index}] ${(part[index] ?? 0).toPrecision(6)}`);
      lines.push(`  ${sample}: ${shown.join("   ")}`);
    }
    if (samples > SHOWN_SAMPLES) lines.push(`  … ${samples - SHOWN_SAMPLES} more samples; -o OUT.safetensors writes them all`);
    return lines;
  });
}
