/**
 * The record of a training run: one object an epoch, as JSON lines and as a picture.
 * Invariant: `metrics.jsonl` holds exactly the fields of `EpochMetrics`, epochs in order from 1.
 */
import { readFileSync } from "node:fs";
import { writeFileAtomic } from "../data/write.ts";
import { renderChart } from "../plot/line-chart.ts";

export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  /** Means over the epoch's training samples, each seen by the weights of its step. */
  readonly loss: number;
  readonly accuracy: number;
  /** On the held-out samples, after the epoch. */
  readonly val_loss: number;
  readonly val_accuracy: number;
  /** Of training and evaluation. */
  readonly seconds: number;
  /** Of training alone. */
  readonly images_per_second: number;
}

const TRAINING_COLOR = "#2563eb";
const HELD_OUT_COLOR = "#ea580c";

/** The epochs up to `last` of an earlier run; none if there is no readable record. */
export function readMetrics(path: string, last: number): EpochMetrics[] {
  try {
    const lines = readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as EpochMetrics).filter((metrics) => metrics.epoch <= last);
  } catch {
    return [];
  }
}

export function writeMetrics(path: string, history: readonly EpochMetrics[]): void {
  writeFileAtomic(path, history.map((metrics) => `${JSON.stringify(metrics)}\n`).join(""));
}

/** The picture of losses and accuracies over epochs. */
export function writeLossPicture(path: string, title: string, history: readonly EpochMetrics[]): void {
  const best = bestEpoch(history);
  const curve = (value: (metrics: EpochMetrics) => number): (readonly [number, number])[] =>
    history.map((metrics) => [metrics.epoch, value(metrics)] as const);
  const pair = (training: (metrics: EpochMetrics) => number, heldOut: (metrics: EpochMetrics) => number) => [
    { name: "training", color: TRAINING_COLOR, dashed: true, points: curve(training) },
    { name: "held out", color: HELD_OUT_COLOR, points: curve(heldOut) },
  ];
  const chart = renderChart({
    title,
    subtitle: best === undefined ? "" : `best held-out accuracy ${percent(best.val_accuracy)} after epoch ${best.epoch}`,
    xTitle: "epoch",
    panels: [
      {
        title: "loss",
        series: pair(
          (metrics) => metrics.loss,
          (metrics) => metrics.val_loss,
        ),
      },
      {
        title: "accuracy",
        percent: true,
        series: pair(
          (metrics) => metrics.accuracy,
          (metrics) => metrics.val_accuracy,
        ),
      },
    ],
  });
  writeFileAtomic(path, chart);
}

/** The first epoch of the highest held-out accuracy. */
export function bestEpoch(history: readonly EpochMetrics[]): EpochMetrics | undefined {
  let best: EpochMetrics | undefined;
  for (const metrics of history) if (best === undefined || metrics.val_accuracy > best.val_accuracy) best = metrics;
  return best;
}

/** One line for people. */
export function describeEpoch(metrics: EpochMetrics, epochs: number): string {
  const number = `${String(metrics.epoch).padStart(String(epochs).length)}/${epochs}`;
  return [
    `epoch ${number}`,
    `loss ${metrics.loss.toFixed(4)}`,
    `accuracy ${percent(metrics.accuracy)}`,
    `val_loss ${metrics.val_loss.toFixed(4)}`,
    `val_accuracy ${percent(metrics.val_accuracy)}`,
    `${metrics.seconds.toFixed(1)} s`,
    `${Math.round(metrics.images_per_second)} images/s`,
  ].join("  ");
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
