/**
 * One run of `resnet train`: compile, plan, load, train.
 * Invariant: options win over the recipe; a resumed run keeps its own seed and batch unless told otherwise, which it refuses.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createSchedule, type Phase } from "../../runtime/train.ts";
import type { DeviceChoice } from "../host/choose-device.ts";
import { type OpenedData, openData } from "../data/open.ts";
import { type ImageTask, takeFirst } from "../data/dataset.ts";
import type { Api, Program, Recipe } from "./api.ts";
import { freshState, LAST, readState, restoreLast, type RunSetup, type TrainingState } from "./checkpoint.ts";
import { labelInput } from "./classification.ts";
import { openClassifier, type OpenedClassifier } from "./classifier-program.ts";
import { beginChoice, type parseDevice } from "./device.ts";
import { CommandFailure } from "./failure.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { loadProgram, namingFile } from "./load-weights.ts";
import { describeEpoch, readMetrics } from "./metrics.ts";
import { type ModelOptions, modelSelection } from "./options.ts";
import { sayProfile } from "./profile.ts";
import { createProgress } from "./progress.ts";
import { formatCount, type Terminal } from "./terminal.ts";
import { type TrainingJob, type TrainingOutcome, trainNetwork } from "./training-loop.ts";

/** Where neither an option nor the recipe says. */
const DEFAULTS = { batch: 128, epochs: 10, seed: 0 } as const;

/** Options of the command, as read. */
export interface TrainOptions extends ModelOptions {
  readonly recipe?: string;
  readonly data?: string;
  readonly trainData?: string;
  readonly testData?: string;
  readonly epochs?: number;
  readonly seed?: number;
  readonly seeds?: number;
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

/** What the runs of one command share. */
export interface TrainingSession {
  readonly api: Api;
  readonly file: string;
  readonly options: TrainOptions;
  readonly terminal: Terminal;
  /** Waits for the choice of the device, the first time; says it once. */
  readonly device: () => Promise<DeviceChoice["device"]>;
  /** Listens from the first question on. */
  readonly isInterrupted: () => boolean;
  readonly readData: typeof openData;
  /** Gives the signals back. */
  readonly release: () => void;
}

/** What is particular to one run. */
export interface RunRequest {
  /** Parameters, over those of the options. */
  readonly set: Readonly<Record<string, unknown>>;
  readonly recipe: string | undefined;
  readonly seed: number | undefined;
  /** undefined: `runs/MODEL`. */
  readonly out: string | undefined;
  readonly resume: boolean;
  /** The point of a sweep, for titles. */
  readonly point: string | undefined;
}

/** What came of a run. */
export interface Run {
  readonly program: Program;
  readonly plan: RunPlan;
  readonly outcome: TrainingOutcome;
  /** There was nothing left to train. */
  readonly wasDone: boolean;
}

/** Begins to look for the device, reads data once for all runs. */
export function openSession(api: Api, file: string, options: TrainOptions, terminal: Terminal): TrainingSession {
  const choice = beginChoice(api, options.device, terminal);
  const read = new Map<string, OpenedData>();
  let device: ReturnType<typeof choice> | undefined;
  let interrupt: ReturnType<typeof listenForInterrupt> | undefined;
  return {
    api,
    file,
    options,
    terminal,
    device: () => (device ??= choice()),
    isInterrupted: () => (interrupt ??= listenForInterrupt(terminal)).isInterrupted(),
    readData: (data, task: ImageTask, wanted) => {
      const key = JSON.stringify(task);
      const known = read.get(key);
      if (known !== undefined) return { ...known, notices: [] };
      const opened = openData(data, task, wanted);
      read.set(key, opened);
      return opened;
    },
    release: () => interrupt?.release(),
  };
}

/** Compiles the model of a run as far as its data ask for; throws where it does not take them. */
export async function openRun({ api, file, options, terminal, readData }: TrainingSession, request: RunRequest): Promise<OpenedClassifier> {
  const given = <K extends "loss" | "optimizer">(name: K) => (options[name] === undefined ? {} : { [name]: options[name] });
  const selection = modelSelection(options);
  const set = { ...selection.set, ...request.set };
  return openClassifier(
    api,
    {
      file,
      mode: "training",
      ...selection,
      ...(Object.keys(set).length === 0 ? {} : { set }),
      ...(request.recipe === undefined ? {} : { recipe: request.recipe }),
      ...given("loss"),
      ...given("optimizer"),
    },
    options,
    ["train", "test"],
    terminal,
    readData,
  );
}

/** Trains until the last epoch or an interrupt. Throws Diverged where the loss is no finite number. */
export async function trainOnce(session: TrainingSession, request: RunRequest): Promise<Run> {
  const { options, terminal, isInterrupted } = session;
  const opened = await openRun(session, request);
  const { program } = opened;
  const plan = planRun(opened, options, request);
  if (plan.state.epoch >= plan.epochs)
    return { program, plan, outcome: { interrupted: false, state: plan.state, history: plan.history }, wasDone: true };
  const label = labelInput(program, plan.task);
  isInterrupted();
  const network = await loadProgram(program, {
    device: await session.device(),
    seed: plan.state.setup.seed,
    weights: options.weights,
    profile: options.profile === true,
    tune: options.tune === true,
    onNotice: (message) => terminal.say(`note: ${message}`),
  });
  try {
    if (request.resume) await namingFile(join(plan.out, LAST), () => restoreLast(plan.out, network));
    announce(program, plan, terminal);
    const outcome = await trainNetwork({
      ...plan,
      label,
      network,
      progress: createProgress(terminal),
      onEpoch: (metrics) => terminal.print(describeEpoch(metrics, plan.epochs)),
      isInterrupted,
    });
    if (options.profile === true) await sayProfile(network, terminal);
    return { program, plan, outcome, wasDone: false };
  } finally {
    await network.dispose();
  }
}

/** A run but for its network. */
export type RunPlan = Omit<TrainingJob, "network" | "label" | "progress" | "onEpoch" | "isInterrupted">;

/** Options over the recipe over the defaults; on resuming, the checkpoint's own seed and batch. */
function planRun({ program, task, train: allTrain, test: allTest }: OpenedClassifier, options: TrainOptions, request: RunRequest): RunPlan {
  if (allTrain === undefined || allTest === undefined) throw new CommandFailure("train: needs training and held-out data");
  const train = takeFirst(allTrain, options.limit ?? allTrain.count);
  const test = takeFirst(allTest, options.limitTest ?? allTest.count);
  const { recipe } = program;
  const out = request.out ?? join("runs", program.model);
  const resumed = request.resume ? readState(out) : undefined;
  const setup: RunSetup = {
    model: program.model,
    seed: request.seed ?? resumed?.setup.seed ?? DEFAULTS.seed,
    batch: options.batch ?? resumed?.setup.batch ?? recipe?.batch ?? DEFAULTS.batch,
    samples: train.count,
  };
  if (resumed !== undefined) requireSameSetup(out, resumed.setup, setup);
  const state: TrainingState = resumed ?? freshState(setup);
  return {
    task,
    train,
    test,
    title: `${program.model}${request.point === undefined ? "" : ` (${request.point})`} on ${options.data ?? options.trainData ?? ""}`,
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
