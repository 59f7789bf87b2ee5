/** `resnet train`: the training loop on a data set, once or for every point of a sweep. */
import { join } from "node:path";
import type { Command } from "commander";
import { BEST, LAST } from "./checkpoint.ts";
import { parseDevice, TUNE_HELP } from "./device.ts";
import { CommandFailure, EXIT } from "./failure.ts";
import { bestEpoch, percent } from "./metrics.ts";
import { collect, modelSelection, parseCount, parsePositive } from "./options.ts";
import type { Context } from "./program.ts";
import { parseSchedule } from "./schedule-option.ts";
import { trainSweep } from "./sweep.ts";
import { formatCount } from "./terminal.ts";
import { openSession, trainOnce, type TrainOptions, type TrainingSession } from "./training-run.ts";

const EXAMPLES = `
Examples:
  resnet train resnet20.resnet --data data/fashion-mnist --epochs 3 --seed 0
  resnet train resnet20.resnet --data data/cifar-10 --limit 10000 --out runs/quick
  resnet train resnet20.resnet --data data/fashion-mnist --out runs/quick --resume
  resnet train resnet20.resnet --data data/fashion-mnist \\
      --optimizer 'sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4)' --schedule constant
  resnet train resnet20.resnet --data data/cifar-10 --limit 10000 --epochs 1 --profile
  resnet train digits.resnet --train-data train.csv --test-data test.csv
  resnet train mine.resnet --recipe rates --data data/fashion-mnist --seeds 3
  resnet train mine.resnet --recipe rates --data data/fashion-mnist --set lr=0.05

Data: IDX folders (MNIST family), CIFAR-10 binary batches, CSV with the label last; each also gzipped.
The folder written holds metrics.jsonl, loss.svg, last.safetensors and best.safetensors.
A recipe with sweeps is trained once for each point, each in a folder of its own (lr=0.05,width=16);
sweep.json beside them compares them. --set chooses a value of what is swept, the rest stays.`;

/** Adds options and action. */
export function trainCommand(command: Command, context: Context): void {
  command
    .argument("<file>", "a .resnet file with a train recipe")
    .option("--model <name>", "the model, if the file has several")
    .option("--recipe <name>", "the recipe, if the file has several")
    .option("--data <path>", "folder with training and test data, or one .csv")
    .option("--train-data <path>", "training data, in place of what --data has")
    .option("--test-data <path>", "held-out data, in place of what --data has")
    .option("--epochs <count>", "epochs in all; default: the recipe's", parseCount("--epochs", 1))
    .option("--seed <number>", "for weights, order and augmentation; default 0", parseCount("--seed", Number.MIN_SAFE_INTEGER))
    .option("--seeds <count>", "train with COUNT seeds, from --seed on, and give mean and deviation", parseCount("--seeds", 1))
    .option("--out <folder>", "where to write; default runs/MODEL, for a sweep runs/RECIPE")
    .option("--resume", "go on from the last checkpoint in --out; of a sweep with what is not finished")
    .option("--weights <file>", "begin with these weights")
    .option("--limit <count>", "use the first COUNT training images only", parseCount("--limit", 1))
    .option("--limit-test <count>", "use the first COUNT held-out images only", parseCount("--limit-test", 1))
    .option("--batch <count>", "images a step; default: the recipe's", parseCount("--batch", 1))
    .option("--lr <rate>", "learning rate in place of the recipe's", parsePositive("--lr"))
    .option("--loss <expression>", "in place of the recipe's")
    .option("--optimizer <expression>", "in place of the recipe's, e.g. 'adam(lr: 0.001)'")
    .option("--schedule <phases>", "in place of the recipe's, e.g. 'warmup(1) -> cosine(10)' or constant", parseSchedule)
    .option("--device <device>", "wasm, webgpu or auto", parseDevice, "auto")
    .option("--profile", "say at the end which kernels the time went to")
    .option("--tune", TUNE_HELP)
    .option("--dim <sizes>", "sizes of free dims, e.g. H=32,W=32", collect)
    .option("--set <values>", "parameters of the model, or values of a sweep, e.g. classes=10", collect)
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: TrainOptions) => {
      if (options.resume === true && options.weights !== undefined) throw new CommandFailure("train: give --weights or --resume, not both");
      context.finish(await runTraining(file, options, context));
    });
}

async function runTraining(file: string, options: TrainOptions, context: Context): Promise<number> {
  const api = await context.api();
  const session = openSession(api, file, options, context.terminal);
  const { model, set } = modelSelection(options);
  try {
    const sweep = await api.sweep({
      file,
      ...(options.recipe === undefined ? {} : { recipe: options.recipe }),
      ...(model === undefined ? {} : { model }),
      ...(set === undefined ? {} : { set }),
    });
    if (sweep !== undefined || (options.seeds ?? 1) > 1) return await trainSweep(session, sweep);
    return await trainAlone(session);
  } finally {
    session.release();
  }
}

async function trainAlone(session: TrainingSession): Promise<number> {
  const { terminal, options } = session;
  const { recipe, seed, out, resume = false } = options;
  const { outcome, plan, wasDone } = await trainOnce(session, { set: {}, recipe, seed, out, resume, point: undefined });
  if (outcome.interrupted) {
    const { epoch, batches } = outcome.state;
    terminal.say(`wrote ${join(plan.out, LAST)} (epoch ${epoch + 1}, ${formatCount(batches)} batches in)`);
    terminal.say("go on with the same command and --resume");
    return EXIT.interrupted;
  }
  const best = bestEpoch(outcome.history);
  if (wasDone) terminal.say(`nothing to do: ${plan.out} has ${plan.state.epoch} epochs already; give a higher --epochs`);
  else if (best !== undefined) terminal.print(`best val_accuracy ${percent(best.val_accuracy)} after epoch ${best.epoch}: ${join(plan.out, BEST)}`);
  return EXIT.clean;
}
