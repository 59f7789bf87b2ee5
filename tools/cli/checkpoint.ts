/**
 * Checkpoints of a training run: `last.safetensors`, its optimizer state beside it, `best.safetensors`.
 * Invariant: weights and optimizer state carry the same step number, and a pair that does not is refused.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Network } from "../../runtime/network.ts";
import { readSafetensors, writeSafetensors } from "../../runtime/safetensors.ts";
import { readRaw } from "../data/bytes.ts";
import { unusableInput } from "../data/problems.ts";
import { writeFileAtomic } from "../data/write.ts";
import { CommandFailure } from "./failure.ts";

export const LAST = "last.safetensors";
export const LAST_OPTIMIZER = "last.optimizer.safetensors";
export const BEST = "best.safetensors";

/** What must be the same for a resumed run to go on with the same bits. */
export interface RunSetup {
  readonly model: string;
  readonly seed: number;
  readonly batch: number;
  /** Training images. */
  readonly samples: number;
}

/** How far a run has come. */
export interface TrainingState {
  readonly setup: RunSetup;
  /** Epochs finished, with their evaluation. */
  readonly epoch: number;
  /** Batches done of the epoch under way, and the sums over them. */
  readonly batches: number;
  readonly seen: number;
  readonly loss: number;
  readonly correct: number;
  readonly seconds: number;
}

/** The state before the first step. */
export function freshState(setup: RunSetup): TrainingState {
  return { setup, epoch: 0, batches: 0, seen: 0, loss: 0, correct: 0, seconds: 0 };
}

/** Writes the pair; the optimizer first, so that a crash between the two leaves weights that load. */
export async function saveLast(folder: string, network: Network, state: TrainingState): Promise<void> {
  const { step, slots } = await network.optimizerState();
  const metadata = { step: String(step), training: JSON.stringify(state) };
  writeFileAtomic(join(folder, LAST_OPTIMIZER), writeSafetensors(slots, metadata));
  writeFileAtomic(join(folder, LAST), await network.saveWeights({ step: String(step), epoch: String(state.epoch) }));
}

/** Writes the weights of the best epoch so far. */
export async function saveBest(folder: string, network: Network, epoch: number): Promise<void> {
  writeFileAtomic(join(folder, BEST), await network.saveWeights({ epoch: String(epoch) }));
}

/** How far the run in a folder has come, without loading its weights. */
export function readState(folder: string): TrainingState {
  return readOptimizer(folder).state;
}

/** Puts weights, optimizer state and step count of a folder's last checkpoint into the network. */
export async function restoreLast(folder: string, network: Network): Promise<void> {
  const path = join(folder, LAST);
  const weights = readSafetensors(readRaw(path), path);
  const optimizer = readOptimizer(folder);
  if (weights.metadata["step"] !== String(optimizer.step)) {
    throw unusableInput(
      path,
      `holds step ${weights.metadata["step"] ?? "unknown"}, but ${LAST_OPTIMIZER} beside it step ${optimizer.step}; ` +
        "they are not of one run; its weights can still be used with --weights",
    );
  }
  await network.setWeights(weights.tensors);
  await network.setOptimizerState({ step: optimizer.step, slots: optimizer.tensors });
}

function readOptimizer(folder: string) {
  const path = join(folder, LAST_OPTIMIZER);
  if (!existsSync(path) || !existsSync(join(folder, LAST))) {
    throw new CommandFailure(`--resume: ${folder} has no checkpoint (${LAST} and ${LAST_OPTIMIZER}); start without --resume, or give --out`);
  }
  const { tensors, metadata } = readSafetensors(readRaw(path), path);
  const step = Number(metadata["step"]);
  const state = parseState(metadata["training"]);
  if (!Number.isSafeInteger(step) || state === undefined) throw unusableInput(path, "is not the optimizer state of a training run of this program");
  return { tensors, step, state };
}

function parseState(text: string | undefined): TrainingState | undefined {
  try {
    const state = JSON.parse(text ?? "") as Partial<TrainingState>;
    const numbers = [state.epoch, state.batches, state.seen, state.loss, state.correct, state.seconds];
    return numbers.every((value) => typeof value === "number") && typeof state.setup === "object" ? (state as TrainingState) : undefined;
  } catch {
    return undefined;
  }
}
