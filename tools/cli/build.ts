/** `resnet build`: the standalone module, or a print of one stage of the compiler. */
import { basename } from "node:path";
import type { Command } from "commander";
import { readSafetensors } from "../../runtime/safetensors.ts";
import { matchWeights } from "../../runtime/weights.ts";
import { readRaw } from "../data/bytes.ts";
import { writeFileAtomic } from "../data/write.ts";
import type { Program } from "./api.ts";
import { CommandFailure } from "./failure.ts";
import { namingFile } from "./load-weights.ts";
import { collect, type ModelOptions, modelSelection, parseChoice } from "./options.ts";
import type { Context } from "./program.ts";
import { sayAssumed } from "./summary.ts";
import { formatCount } from "./terminal.ts";

const STAGES = ["ast", "program", "graph", "kernels", "plan", "wat", "wgsl"] as const;

const STORAGES = ["f32", "f16"] as const;

const EXAMPLES = `
Examples:
  resnet build resnet20.resnet -o resnet20.js
  resnet build resnet20.resnet -o resnet20.js --weights best.safetensors            weights inside the module
  resnet build resnet20.resnet -o resnet20.js --weights best.safetensors --beside   weights in resnet20.safetensors
  resnet build resnet20.resnet -o resnet20.js --weights-url https://example.org/resnet20.safetensors
  resnet build resnet20.resnet -o trainer.js --train
  resnet build resnet20.resnet --dump=graph`;

interface BuildOptions extends ModelOptions {
  readonly output?: string;
  readonly train?: boolean;
  readonly recipe?: string;
  readonly loss?: string;
  readonly optimizer?: string;
  readonly weights?: string;
  readonly weightsUrl?: string;
  readonly beside?: boolean;
  readonly device: ReturnType<typeof parseDevices>;
  readonly storage: (typeof STORAGES)[number];
  readonly dump?: (typeof STAGES)[number];
}

/** Adds options and action. */
export function buildCommand(command: Command, context: Context): void {
  command
    .argument("<file>", "a .resnet file or a std/... path")
    .option("--model <name>", "the model, if the file has several")
    .option("-o, --output <file>", "the module to write; its types go beside it as .d.ts")
    .option("--train", "include the training programs")
    .option("--recipe <name>", "with --train: the recipe, if the file has several")
    .option("--loss <expression>", "with --train: in place of the recipe's")
    .option("--optimizer <expression>", "with --train: in place of the recipe's")
    .option("--dim <sizes>", "sizes of free dims, e.g. H=224,W=224", collect)
    .option("--set <values>", "parameters of the model, e.g. classes=10", collect)
    .option("--weights <file>", "weights to embed, as safetensors")
    .option("--beside", "put the weights beside the module, not into it")
    .option("--weights-url <url>", "load the weights from there when the module is loaded")
    .option("--device <devices>", "devices to build for: wasm, or wasm,webgpu", parseDevices, ["wasm"])
    .option("--storage <type>", "on WebGPU: f32, or f16 for weights and what flows between layers", parseChoice("--storage", STORAGES), "f32")
    .option("--dump <stage>", `print a stage of the compiler: ${STAGES.join(", ")}`, parseChoice("--dump", STAGES))
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: BuildOptions) => {
      const { output, dump } = options;
      if (output === undefined && dump === undefined) throw new CommandFailure("build: give -o OUT.js, or --dump=STAGE");
      if (options.storage === "f16" && options.train === true)
        throw new CommandFailure("--storage f16: for inference; training computes and stores in f32");
      if (output !== undefined && !/\.m?js$/.test(output)) throw new CommandFailure(`-o ${output}: expected a name that ends in .js`);
      const { compile } = await context.api();
      const program = await compile({
        file,
        mode: options.train === true ? "training" : "inference",
        usualSizes: true,
        ...modelSelection(options),
        ...(options.recipe === undefined ? {} : { recipe: options.recipe }),
        ...(options.loss === undefined ? {} : { loss: options.loss }),
        ...(options.optimizer === undefined ? {} : { optimizer: options.optimizer }),
        devices: options.device,
        storage: options.storage,
      });
      sayAssumed(context.terminal, program.assumed ?? {});
      if (dump !== undefined) context.terminal.print(program.dump(dump).trimEnd());
      if (output !== undefined) await writeModule(program, output, options, context);
    });
}

async function writeModule(program: Program, output: string, options: BuildOptions, context: Context): Promise<void> {
  if (options.weights !== undefined && options.weightsUrl !== undefined) throw new CommandFailure("build: give --weights or --weights-url, not both");
  if (options.beside === true && options.weights === undefined) throw new CommandFailure("build: --beside needs --weights FILE");
  const weights = options.weights === undefined ? undefined : readRaw(options.weights);
  // A module with weights that do not fit would fail at its user's; it fails here.
  if (weights !== undefined) {
    await namingFile(options.weights, () => matchWeights(program.manifest, readSafetensors(weights, options.weights).tensors));
  }
  const besidePath = output.replace(/\.m?js$/, ".safetensors");
  const url = options.beside === true ? `./${encodeURIComponent(basename(besidePath))}` : options.weightsUrl;
  const { javascript, declarations } = program.module({
    ...(weights === undefined || options.beside === true ? {} : { weights }),
    ...(url === undefined ? {} : { weightsUrl: url }),
  });
  const files: [string, string | Uint8Array][] = [
    [output.endsWith(".mjs") ? output.replace(/mjs$/, "d.mts") : output.replace(/js$/, "d.ts"), declarations],
    [output, javascript],
  ];
  if (weights !== undefined && options.beside === true) files.unshift([besidePath, weights]);
  for (const [path, content] of files) {
    // Built again in seconds: waiting for the disk took a tenth of a second of them.
    writeFileAtomic(path, content, false);
    context.terminal.say(`wrote ${path} (${formatCount(typeof content === "string" ? Buffer.byteLength(content) : content.length)} bytes)`);
  }
}

/** Wasm is in every module. */
function parseDevices(text: string): readonly ("wasm" | "webgpu")[] {
  return text.split(",").map((part) => {
    const device = part.trim();
    if (device !== "wasm" && device !== "webgpu")
      throw new CommandFailure(`--device ${text}: expected wasm or wasm,webgpu, not ${JSON.stringify(device)}`);
    return device;
  });
}
