/**
 * `resnet train`: the training loop on a data set, with metrics, picture and checkpoints.
 * Invariant: options win over the recipe; a resumed run keeps its own seed and batch unless told otherwise, which it refuses.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { createSchedule, type Phase } from "../../runtime/train.ts";
import { takeFirst } from "../data/dataset.ts";
import type { Program, Recipe } from "./api.ts";
import { BEST, freshState, LAST, readState, restoreLast, type RunSetup, type TrainingState } from "./checkpoint.ts";
import { labelInput } from "./classification.ts";
import { openClassifier, type OpenedClassifier } from "./classifier-program.ts";
import { beginChoice, parseDevice, TUNE_HELP } from "./device.ts";
import { CommandFailure, EXIT } from "./failure.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { loadProgram, namingFile } from "./load-weights.ts";
import { bestEpoch, describeEpoch, percent, readMetrics } from "./metrics.ts";
import { collect, type ModelOptions, modelSelection, parseCount, parsePositive } from "./options.ts";
import { sayProfile } from "./profile.ts";
import type { Context } from "./program.ts";
import { createProgress } from "./progress.ts";
import { parseSchedule } from "./schedule-option.ts";
import { formatCount, type Terminal } from "./terminal.ts";
import { type TrainingJob, trainNetwork } from "./training-loop.ts";

/** Where neither an option nor the recipe says. */
const DEFAULTS = { batch: 128, epochs: 10, seed: 0 } as const;

const EXAMPLES = `
Examples:
  resnet train resnet20.resnet --data data/fashion-mnist --epochs 3 --seed 0
  resnet train resnet20.resnet --data data/cifar-10 --limit 10000 --out runs/quick
  resnet train resnet20.resnet --data data/fashion-mnist --out runs/quick --resume
  resnet train resnet20.resnet --data data/fashion-mnist \\
      --optimizer 'sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4)' --schedule constant
  resnet train resnet20.resnet --data data/cifar-10 --limit 10000 --epochs 1 --profile
  resnet train digits.resnet --train-data train.csv --test-data test.csv

Data: IDX folders (MNIST family), CIFAR-10 binary batches, CSV with the label last; each also gzipped.
The folder written holds metrics.jsonl, loss.svg, last.safetensors and best.safetensors.`;

interface TrainOptions extends ModelOptions {
  readonly recipe?: string;
  readonly data?: string;
  readonly trainData?: string;
  readonly testData?: string;
  readonly epochs?: number;
  readonly seed?: number;
  readonly out?: string;
  readonly resume?: boolean;
  readonly weights?: string;
  readonly limit?: number;
  readonly limitTest?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly loss?: string;
  readonly optimizer?: string;
  readonly schedule?: readonly Phase[];
  readonly device: ReturnType<typeof parseDevice>;
  readonly profile?: boolean;
  readonly tune?: boolean;
}

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
    .option("--out <folder>", "where to write; default runs/MODEL")
    .option("--resume", "go on from the last checkpoint in --out")
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
    .option("--set <values>", "parameters of the model, e.g. classes=10", collect)
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: TrainOptions) => {
      if (options.resume === true && options.weights !== undefined) throw new CommandFailure("train: give --weights or --resume, not both");
      context.finish(await runTraining(file, options, context));
    });
}

async function runTraining(file: string, options: TrainOptions, context: Context): Promise<number> {
  const { terminal } = context;
  const given = <K extends "recipe" | "loss" | "optimizer">(name: K) => (options[name] === undefined ? {} : { [name]: options[name] });
  const api = await context.api();
  const device = beginChoice(api, options.device, terminal);
  const opened = await openClassifier(
    api,
    { file, mode: "training", ...modelSelection(options), ...given("recipe"), ...given("loss"), ...given("optimizer") },
    options,
    ["train", "test"],
    terminal,
  );
  const plan = planRun(opened, options);
  const interrupt = listenForInterrupt(terminal);
  const network = await loadProgram(opened.program, {
    device: await device(),
    seed: plan.state.setup.seed,
    weights: options.weights,
    profile: options.profile === true,
    tune: options.tune === true,
    onNotice: (message) => terminal.say(`note: ${message}`),
  });
  try {
    if (options.resume === true) await namingFile(join(plan.out, LAST), () => restoreLast(plan.out, network));
    announce(opened.program, plan, terminal);
    const outcome = await trainNetwork({
      ...plan,
      network,
      progress: createProgress(terminal),
      onEpoch: (metrics) => terminal.print(describeEpoch(metrics, plan.epochs)),
      isInterrupted: interrupt.isInterrupted,
    });
    if (options.profile === true) await sayProfile(network, terminal);
    if (outcome.interrupted) {
      const { epoch, batches } = outcome.state;
      terminal.say(`wrote ${join(plan.out, LAST)} (epoch ${epoch + 1}, ${formatCount(batches)} batches in)`);
      terminal.say("go on with the same command and --resume");
      return EXIT.interrupted;
    }
    const best = bestEpoch(outcome.history);
    if (outcome.state === plan.state) terminal.say(`nothing to do: ${plan.out} has ${plan.state.epoch} epochs already; give a higher --epochs`);
    else if (best !== undefined) terminal.print(`best val_accuracy ${percent(best.val_accuracy)} after epoch ${best.epoch}: ${join(plan.out, BEST)}`);
    return EXIT.clean;
  } finally {
    interrupt.release();
    await network.dispose();
  }
}

type RunPlan = Omit<TrainingJob, "network" | "progress" | "onEpoch" | "isInterrupted">;

/** Options over the recipe over the defaults; on resuming, the checkpoint's own seed and batch. */
function planRun({ program, task, train: allTrain, test: allTest }: OpenedClassifier, options: TrainOptions): RunPlan {
  if (allTrain === undefined || allTest === undefined) throw new CommandFailure("train: needs training and held-out data");
  const train = takeFirst(allTrain, options.limit ?? allTrain.count);
  const test = takeFirst(allTest, options.limitTest ?? allTest.count);
  const { recipe } = program;
  const out = options.out ?? join("runs", program.model);
  const resumed = options.resume === true ? readState(out) : undefined;
  const setup: RunSetup = {
    model: program.model,
    seed: options.seed ?? resumed?.setup.seed ?? DEFAULTS.seed,
    batch: options.batch ?? resumed?.setup.batch ?? recipe?.batch ?? DEFAULTS.batch,
    samples: train.count,
  };
  if (resumed !== undefined) requireSameSetup(out, resumed.setup, setup);
  const state: TrainingState = resumed ?? freshState(setup);
  return {
    task,
    label: labelInput(program, task),
    train,
    test,
    title: `${program.model} on ${options.data ?? options.trainData ?? ""}`,
    epochs: options.epochs ?? recipe?.epochs ?? scheduledEpochs(recipe) ?? DEFAULTS.epochs,
    learningRate: options.lr ?? program.manifest.scalars["learning_rate"] ?? recipe?.learningRate ?? 0.1,
    schedule: createSchedule(options.schedule ?? recipe?.schedule ?? [], Math.ceil(train.count / setup.batch)),
    normalize: recipe?.normalize,
    augment: recipe?.augment ?? [],
    out,
    state,
    history: resumed === undefined ? [] : readMetrics(join(out, "metrics.jsonl"), state.epoch),
  };
}

function requireSameSetup(out: string, before: RunSetup, now: RunSetup): void {
  const options = { model: "--model", seed: "--seed", batch: "--batch", samples: "--limit" } as const;
  for (const key of ["model", "seed", "batch", "samples"] as const) {
    if (before[key] === now[key]) continue;
    throw new CommandFailure(`--resume: the run in ${out} has ${key} ${before[key]}, but this call ${now[key]}; give ${options[key]} ${before[key]}`);
  }
}

/** The epoch at which the last phase of the recipe's schedule ends. */
function scheduledEpochs(recipe: Recipe | undefined): number | undefined {
  const last: Phase | undefined = recipe?.schedule.at(-1);
  return last?.epochs === undefined ? undefined : Math.ceil(last.epochs);
}

function announce(program: Program, plan: RunPlan, terminal: Terminal): void {
  const { setup, epoch, batches } = plan.state;
  const { train, test } = plan;
  terminal.say(
    `${program.model}: ${formatCount(program.summary().parameters)} parameters; ${formatCount(train.count)} training and ` +
      `${formatCount(test.count)} held-out images of ${train.shape.join("×")}; batch ${setup.batch}, ${plan.epochs} epochs, seed ${setup.seed}`,
  );
  if (epoch > 0 || batches > 0) terminal.say(`resuming in epoch ${epoch + 1} after ${formatCount(batches)} batches`);
  else if (existsSync(join(plan.out, LAST))) terminal.say(`note: ${plan.out} holds an earlier run, which this one replaces`);
}
