/**
 * The training loop: epochs of shuffled batches, evaluation, checkpoints, metrics.
 * Invariant: a run that was interrupted and resumed takes the same steps, with the same bits, as one that was not:
 * all that is drawn depends on (seed, epoch, position) alone and every sum is part of the checkpoint.
 */
import { join } from "node:path";
import { lossNotFinite } from "../../runtime/problems.ts";
import type { Network } from "../../runtime/network.ts";
import type { Schedule } from "../../runtime/train.ts";
import { type Augmentation, makeBatch, type Normalization } from "../data/batches.ts";
import { permutation } from "../data/counter-random.ts";
import type { Dataset } from "../data/dataset.ts";
import { LAST, saveBest, saveLast, type TrainingState } from "./checkpoint.ts";
import { breathe, evaluate, networkInputs, scoreLogits, type Task } from "./classification.ts";
import { Diverged } from "./failure.ts";
import { bestEpoch, type EpochMetrics, writeLossPicture, writeMetrics } from "./metrics.ts";
import type { Progress } from "./progress.ts";

/** Steps at once on a GPU: enough that it never waits for the host, few enough that an interrupt is soon obeyed. */
const UNDER_WAY = 4;

export interface TrainingJob {
  readonly network: Network;
  readonly task: Task;
  /** The loss's input of class numbers. */
  readonly label: string;
  readonly train: Dataset;
  readonly test: Dataset;
  /** Title of the loss picture. */
  readonly title: string;
  readonly epochs: number;
  readonly learningRate: number;
  /** Factor of the learning rate by iteration. */
  readonly schedule: Schedule;
  readonly normalize: Normalization | undefined;
  readonly augment: readonly Augmentation[];
  /** Folder for metrics, picture and checkpoints. */
  readonly out: string;
  readonly state: TrainingState;
  /** Epochs done before `state`. */
  readonly history: readonly EpochMetrics[];
  readonly progress: Progress;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  /** Asked after every step; true ends training with a checkpoint. */
  readonly isInterrupted: () => boolean;
}

export interface TrainingOutcome {
  readonly interrupted: boolean;
  readonly state: TrainingState;
  readonly history: readonly EpochMetrics[];
}

/** Trains up to `job.epochs` epochs in all. Throws RN742 at a loss that is no finite number; the last checkpoint stays. */
export async function trainNetwork(job: TrainingJob): Promise<TrainingOutcome> {
  let state = job.state;
  let history = [...job.history];
  while (state.epoch < job.epochs) {
    state = await trainEpoch(job, state);
    const whole = state.batches === batchesPerEpoch(job);
    const began = performance.now();
    const evaluation = whole && !job.isInterrupted() ? await evaluateEpoch(job, state.epoch) : undefined;
    if (evaluation === undefined) {
      await saveLast(job.out, job.network, state);
      return { interrupted: true, state, history };
    }
    if (!Number.isFinite(evaluation.loss)) throw notFinite(job, state.epoch, evaluation.loss, job.network.stepsDone - 1, job.learningRate);
    const metrics: EpochMetrics = {
      epoch: state.epoch + 1,
      loss: state.loss / state.seen,
      accuracy: state.correct / state.seen,
      val_loss: evaluation.loss,
      val_accuracy: evaluation.accuracy,
      seconds: round(state.seconds + (performance.now() - began) / 1000, 3),
      images_per_second: round(state.seen / state.seconds, 1),
    };
    history = [...history, metrics];
    state = { ...state, epoch: state.epoch + 1, batches: 0, seen: 0, loss: 0, correct: 0, seconds: 0 };
    if (bestEpoch(history) === metrics) await saveBest(job.out, job.network, metrics.epoch);
    writeMetrics(join(job.out, "metrics.jsonl"), history);
    writeLossPicture(join(job.out, "loss.svg"), job.title, history);
    await saveLast(job.out, job.network, state);
    job.onEpoch(metrics);
  }
  return { interrupted: false, state, history };
}

/**
 * Steps from where `state` is to the epoch's end, or to an interrupt. On a GPU some steps are under way at once: the next is
 * given while the losses of those before it are still on their way. All have answered when this ends.
 */
async function trainEpoch(job: TrainingJob, start: TrainingState): Promise<TrainingState> {
  const { network, progress } = job;
  const total = batchesPerEpoch(job);
  const stepOf = createSteps(job, start);
  const underWay: Promise<StepOutcome>[] = [];
  let state = start;
  let last = performance.now();
  progress.begin(`epoch ${start.epoch + 1}/${job.epochs}`, total);
  try {
    for (let next = start.batches; state.batches < total; ) {
      const most = network.device === "webgpu" ? UNDER_WAY : 1;
      while (next < total && underWay.length < most && !job.isInterrupted()) {
        const step = stepOf(next++);
        // A failure is told by the await below; one of a later step may come before its turn, and is nobody's until then.
        step.catch(() => undefined);
        underWay.push(step);
      }
      const oldest = underWay.shift();
      if (oldest === undefined) break;
      const outcome = await oldest;
      const now = performance.now();
      state = {
        ...state,
        batches: state.batches + 1,
        seen: state.seen + outcome.count,
        loss: state.loss + outcome.loss * outcome.count,
        correct: state.correct + outcome.correct,
        seconds: state.seconds + (now - last) / 1000,
      };
      last = now;
      progress.update(state.batches, `loss ${(state.loss / state.seen).toFixed(4)}  ${Math.round(state.seen / state.seconds)} images/s`);
      await breathe();
    }
  } finally {
    await Promise.allSettled(underWay);
    progress.done();
  }
  return state;
}

interface StepOutcome {
  readonly count: number;
  readonly loss: number;
  readonly correct: number;
}

/** Takes the step with this batch of the epoch. Throws where its loss is no finite number. */
function createSteps(job: TrainingJob, { setup, epoch }: TrainingState): (position: number) => Promise<StepOutcome> {
  const { network, task, train, normalize } = job;
  const total = batchesPerEpoch(job);
  const order = permutation(train.count, setup.seed, epoch);
  const augment = job.augment.length === 0 ? undefined : { steps: job.augment, seed: setup.seed, epoch };
  return async (position) => {
    const from = position * setup.batch;
    const batch = makeBatch(train, order, from, Math.min(from + setup.batch, train.count), { normalize, augment });
    const iteration = epoch * total + position;
    const learningRate = job.learningRate * job.schedule(iteration);
    const { loss, outputs } = await network.step(networkInputs(task, batch, job.label), { learningRate });
    if (!Number.isFinite(loss)) throw notFinite(job, epoch, loss, iteration, learningRate);
    const logits = outputs[task.output];
    return { count: batch.labels.length, loss, correct: logits === undefined ? 0 : scoreLogits(logits, batch.labels).correct };
  };
}

async function evaluateEpoch(job: TrainingJob, epoch: number) {
  job.progress.begin(`epoch ${epoch + 1}/${job.epochs} held out`, job.test.count);
  try {
    return await evaluate(job.network, job.task, job.test, {
      batch: job.state.setup.batch,
      normalize: job.normalize,
      onBatch: (done) => job.progress.update(done, ""),
      isInterrupted: job.isInterrupted,
    });
  } finally {
    job.progress.done();
  }
}

function batchesPerEpoch(job: TrainingJob): number {
  return Math.ceil(job.train.count / job.state.setup.batch);
}

/** The weights in memory are spoilt by then; those of the last checkpoint are not. */
function notFinite(job: TrainingJob, epochsDone: number, loss: number, iteration: number, learningRate: number): Error {
  const cause = lossNotFinite(loss, iteration + 1, learningRate);
  const written = epochsDone > 0 || job.state.batches > 0;
  const kept = written ? `; ${join(job.out, LAST)} still holds the last good state` : "";
  return new Diverged(`[${cause.code}] ${cause.message}${kept}`);
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
