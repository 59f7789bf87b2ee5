/** `resnet eval`: accuracy and loss of given weights on held-out data. */
import type { Command } from "commander";
import { takeFirst } from "../data/dataset.ts";
import { evaluate } from "./classification.ts";
import { openClassifier } from "./classifier-program.ts";
import { beginChoice, parseDevice } from "./device.ts";
import { CommandFailure } from "./failure.ts";
import { loadProgram } from "./load-weights.ts";
import { percent } from "./metrics.ts";
import { collect, type ModelOptions, modelSelection, parseCount } from "./options.ts";
import type { Context } from "./program.ts";
import { createProgress } from "./progress.ts";
import { formatCount } from "./terminal.ts";

const DEFAULT_BATCH = 128;

const EXAMPLES = `
Examples:
  resnet eval resnet20.resnet --weights runs/ResNet20/best.safetensors --data data/fashion-mnist
  resnet eval resnet20.resnet --weights best.safetensors --test-data t10k-images-idx3-ubyte.gz --json

The loss is the mean cross entropy in nats, without label smoothing.`;

interface EvalOptions extends ModelOptions {
  readonly recipe?: string;
  readonly weights: string;
  readonly data?: string;
  readonly testData?: string;
  readonly limitTest?: number;
  readonly batch: number;
  readonly device: ReturnType<typeof parseDevice>;
  readonly json?: boolean;
}

/** Adds options and action. */
export function evalCommand(command: Command, context: Context): void {
  command
    .argument("<file>", "a .resnet file or a std/... path")
    .option("--model <name>", "the model, if the file has several")
    .option("--recipe <name>", "the recipe whose normalisation holds, if the file has several")
    .requiredOption("--weights <file>", "weights as safetensors")
    .option("--data <path>", "folder with the test data, or one .csv (of which the held-out rows are used)")
    .option("--test-data <path>", "held-out data, in place of what --data has")
    .option("--limit-test <count>", "use the first COUNT images only", parseCount("--limit-test", 1))
    .option("--batch <count>", "images a pass", parseCount("--batch", 1), DEFAULT_BATCH)
    .option("--device <device>", "wasm, webgpu or auto", parseDevice, "auto")
    .option("--dim <sizes>", "sizes of free dims, e.g. H=32,W=32", collect)
    .option("--set <values>", "parameters of the model, e.g. classes=10", collect)
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: EvalOptions) => runEvaluation(file, options, context));
}

async function runEvaluation(file: string, options: EvalOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const recipe = options.recipe === undefined ? {} : { recipe: options.recipe };
  const compile = { file, mode: "inference", ...recipe, ...modelSelection(options) } as const;
  const api = await context.api();
  const device = beginChoice(api, options.device, terminal);
  const { program, task, test: all } = await openClassifier(api, compile, options, ["test"], terminal);
  if (all === undefined) throw new CommandFailure("eval: needs held-out data");
  const test = takeFirst(all, options.limitTest ?? all.count);
  const network = await loadProgram(program, { device: await device(), weights: options.weights });
  const progress = createProgress(terminal);
  const began = performance.now();
  progress.begin(`${program.model} on ${test.name}`, test.count);
  try {
    const onBatch = (done: number): void => progress.update(done, "");
    const result = await evaluate(network, task, test, {
      batch: options.batch,
      normalize: program.recipe?.normalize,
      onBatch,
    });
    if (result === undefined) return;
    const seconds = (performance.now() - began) / 1000;
    progress.done();
    const { count, correct, accuracy, loss } = result;
    if (options.json === true) {
      const report = {
        model: program.model,
        data: test.name,
        weights: options.weights,
        count,
        correct,
        accuracy,
        loss,
        seconds: Number(seconds.toFixed(3)),
      };
      terminal.print(JSON.stringify(report, undefined, 2));
    } else {
      terminal.print(
        `accuracy ${percent(accuracy)} (${formatCount(correct)} of ${formatCount(count)})  loss ${loss.toFixed(4)}  ${seconds.toFixed(1)} s`,
      );
    }
  } finally {
    progress.done();
    await network.dispose();
  }
}
