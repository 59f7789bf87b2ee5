/**
 * Learning-rate schedules as pure functions, and a minimal training loop that runs anywhere.
 * Invariant: a schedule is a function of the iteration alone, so a resumed run takes the same rates.
 */
import type { Inputs } from "./inputs.ts";
import type { Hyperparameters, Network, StepResult } from "./network.ts";
import { badOption, badSchedule, describeValue, lossNotFinite } from "./problems.ts";

/**
 * One phase of a schedule. `epochs` is the epoch, counted from the start of training, at which the phase ends: in
 * `warmup(5) -> cosine(90)` the cosine runs from epoch 5 to 90. Only the last phase may leave it out where optional.
 * Each phase starts from the level at which the one before it ended (1 at first), and the last level stays.
 */
export type Phase =
  | { readonly kind: "constant"; readonly epochs?: number }
  /** Linear to the full level: iteration i of the W in it has factor (i + 1) / W (Goyal et al. 2017, section 2.2, from 1/W). */
  | { readonly kind: "warmup"; readonly epochs: number }
  /** `final + (1 - final) * (1 + cos(pi * i / W)) / 2` at iteration i of W (Loshchilov and Hutter 2016, eq. 5). */
  | { readonly kind: "cosine"; readonly epochs: number; readonly final?: number }
  /** Times `gamma` (0.1) at each milestone, or every so many epochs of this phase. Milestones count from the start of training. */
  | {
      readonly kind: "step";
      readonly milestones?: readonly number[];
      readonly every?: number;
      readonly gamma?: number;
      readonly epochs?: number;
    };

/** Iteration (0 for the first step of training) to the factor of the learning rate. */
export type Schedule = (iteration: number) => number;

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly factor: (iteration: number) => number;
}

/**
 * Chains phases; `stepsPerEpoch` turns epochs into iterations (fractions of epochs are rounded to whole iterations). An
 * empty list is constant. Throws RN743 where a phase is malformed or ends before it begins.
 */
export function createSchedule(phases: readonly Phase[], stepsPerEpoch: number): Schedule {
  if (!Number.isSafeInteger(stepsPerEpoch) || stepsPerEpoch < 1) {
    throw badSchedule(`steps per epoch must be a whole number from 1, got ${describeValue(stepsPerEpoch)}`);
  }
  const segments: Segment[] = [];
  let start = 0;
  let level = 1;
  phases.forEach((phase, index) => {
    const end = endOf(phase, index === phases.length - 1, start, stepsPerEpoch);
    const shape = shapeOf(phase, start, end, stepsPerEpoch);
    const entry = level;
    segments.push({ start, end, factor: (iteration) => entry * shape(iteration) });
    if (end !== Infinity) level = entry * (phase.kind === "warmup" ? 1 : shape(end));
    start = end;
  });
  return (iteration) => segments.find((segment) => iteration < segment.end)?.factor(iteration) ?? level;
}

function endOf(phase: Phase, isLast: boolean, start: number, stepsPerEpoch: number): number {
  const { kind, epochs } = phase;
  if (epochs === undefined) {
    if (isLast && (kind === "constant" || kind === "step")) return Infinity;
    throw badSchedule(`\`${kind}\` needs the epoch at which it ends`);
  }
  if (typeof epochs !== "number" || !Number.isFinite(epochs)) throw badSchedule(`\`${kind}\` must end at an epoch, got ${describeValue(epochs)}`);
  const end = Math.round(epochs * stepsPerEpoch);
  if (end < start)
    throw badSchedule(`\`${kind}(${epochs})\` ends before it begins, at epoch ${start / stepsPerEpoch}; epochs count from the start of training`);
  return end;
}

/** The phase's factor at an absolute iteration in [start, end]. */
function shapeOf(phase: Phase, start: number, end: number, stepsPerEpoch: number): (iteration: number) => number {
  switch (phase.kind) {
    case "constant":
      return () => 1;
    case "warmup":
      return (iteration) => (iteration - start + 1) / (end - start);
    case "cosine": {
      const final = phase.final ?? 0;
      const length = Math.max(1, end - start);
      return (iteration) => final + ((1 - final) * (1 + Math.cos((Math.PI * Math.min(iteration - start, length)) / length))) / 2;
    }
    case "step": {
      const { milestones, every, gamma = 0.1 } = phase;
      if ((milestones === undefined) === (every === undefined)) throw badSchedule("`step` needs either `milestones` or `every`");
      if (every !== undefined) {
        const interval = Math.round(every * stepsPerEpoch);
        if (!(interval >= 1)) throw badSchedule(`\`every\` must be a positive number of epochs, got ${describeValue(every)}`);
        return (iteration) => gamma ** Math.floor((iteration - start) / interval);
      }
      const marks = milestones!.map((epoch) => Math.round(epoch * stepsPerEpoch));
      return (iteration) => gamma ** marks.filter((mark) => mark <= iteration).length;
    }
    default:
      throw badSchedule(`there is no phase ${describeValue((phase as { kind?: unknown })?.kind)}`);
  }
}

export type Batches = Iterable<Inputs> | AsyncIterable<Inputs>;

export interface StepReport extends StepResult {
  /** Steps done, counted over all epochs. */
  readonly step: number;
  /** 0 for the first. */
  readonly epoch: number;
  readonly learningRate: number | undefined;
}

export interface EpochReport {
  readonly epoch: number;
  /** Mean of the steps' losses. */
  readonly loss: number;
  readonly steps: number;
}

export interface TrainOptions {
  /** 1 by default. */
  readonly epochs?: number;
  /** Peak rate, which the schedule's factor multiplies; without it the recipe's. */
  readonly learningRate?: number;
  /** Needs `learningRate`. */
  readonly schedule?: Schedule;
  readonly hyper?: Hyperparameters;
  /**
   * Steps given before the first of them has answered, 1 by default. On a GPU a few keep it from waiting for the losses to
   * come back; losses and weights are the same.
   */
  readonly underWay?: number;
  /** Awaited after every step, in order; a promise gives the page time to draw. */
  readonly onStep?: (report: StepReport) => void | Promise<void>;
  readonly onEpoch?: (report: EpochReport) => void | Promise<void>;
  /** Ends training after the steps that are under way. */
  readonly signal?: AbortSignal;
}

type Trained = Pick<Network, "step" | "stepsDone">;

/**
 * Trains on batches: an iterable (which must start anew for each epoch) or a function of the epoch, say to shuffle.
 * Iterations go on from the network's own step count. Returns the last epoch's report; throws RN742 at a loss that is
 * no finite number, RN743 without batches.
 */
export async function train(network: Trained, batches: Batches | ((epoch: number) => Batches), options: TrainOptions = {}): Promise<EpochReport> {
  const { epochs = 1, learningRate, schedule, underWay = 1, signal } = options;
  if (!Number.isSafeInteger(underWay) || underWay < 1) throw badOption("underWay", "a whole number from 1", underWay);
  if (schedule !== undefined && learningRate === undefined) throw badSchedule("a schedule needs `learningRate`, the rate at factor 1");
  let step = network.stepsDone;
  let report: EpochReport = { epoch: 0, loss: Number.NaN, steps: 0 };
  for (let epoch = 0; epoch < epochs && !signal?.aborted; epoch++) {
    let total = 0;
    let steps = 0;
    for await (const { loss, ...found } of stepsOf(network, typeof batches === "function" ? batches(epoch) : batches, step, options)) {
      step++;
      steps++;
      total += loss;
      if (!Number.isFinite(loss)) throw lossNotFinite(loss, step, found.learningRate);
      await options.onStep?.({ loss, ...found, step, epoch });
    }
    if (steps === 0) throw badSchedule(`epoch ${epoch} has no batches`);
    report = { epoch, loss: total / steps, steps };
    await options.onEpoch?.(report);
  }
  return report;
}

/** The answers of an epoch's steps in order, the next ones given before; all have answered when this ends, however it ends. */
async function* stepsOf(
  network: Trained,
  batches: Batches,
  first: number,
  { learningRate, schedule, hyper = {}, underWay = 1, signal }: TrainOptions,
): AsyncGenerator<StepResult & { readonly learningRate: number | undefined }> {
  const open: { readonly answer: Promise<StepResult>; readonly rate: number | undefined }[] = [];
  let given = first;
  const hear = async (): Promise<StepResult & { readonly learningRate: number | undefined }> => {
    const oldest = open.shift();
    if (oldest === undefined) throw new Error("internal error: no step is under way");
    return { ...(await oldest.answer), learningRate: oldest.rate };
  };
  try {
    for await (const inputs of batches) {
      const rate = learningRate === undefined ? undefined : learningRate * (schedule?.(given) ?? 1);
      const answer = network.step(inputs, rate === undefined ? hyper : { ...hyper, learningRate: rate });
      // Told when its turn comes; a failure before that is nobody's yet.
      answer.catch(() => undefined);
      given++;
      open.push({ answer, rate });
      if (open.length >= underWay) yield await hear();
      if (signal?.aborted) break;
    }
    while (open.length > 0) yield await hear();
  } finally {
    await Promise.allSettled(open.map(({ answer }) => answer));
  }
}
