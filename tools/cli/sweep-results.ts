/**
 * What the runs of a sweep gave, compared: `sweep.json`, and the table at the end.
 * Invariant: numbers are those of each run's last epoch, since its best one was chosen on the held-out samples that it is
 * measured on; that one is beside them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../data/write.ts";
import type { SweepListing } from "./api.ts";
import { bestEpoch, percent } from "./metrics.ts";
import { formatCount, formatTable } from "./terminal.ts";
import type { Run } from "./training-run.ts";

export const SWEEP = "sweep.json";

/** One run; names of measures as in `metrics.jsonl`. */
export interface RunResult {
  /** `lr=0.05,width=16`; empty where only seeds vary. */
  readonly point: string;
  readonly set: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** Below the sweep's own. */
  readonly folder: string;
  readonly model?: string;
  readonly parameters?: number;
  /** Multiply-accumulates of one sample. */
  readonly macs?: number | null;
  readonly epochs?: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly val_loss?: number;
  readonly val_accuracy?: number;
  readonly best_val_accuracy?: number;
  readonly best_epoch?: number;
  /** Of training and evaluation. */
  readonly seconds?: number;
  /** Why the run came to no end, in place of measures: `[RN742] the loss is NaN …`. */
  readonly failed?: string;
}

export interface SweepReport {
  readonly sweep: SweepListing | undefined;
  readonly data: string;
  /** Of earlier calls, for other points. */
  readonly others: readonly RunResult[];
  readonly results: readonly RunResult[];
  /** Runs of this call in all. */
  readonly planned: number;
}

interface Identity {
  readonly point: string;
  readonly set: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly folder: string;
}

/** Of a run that has come to its end. */
export function resultOf({ point, set, seed, folder }: Identity, { program, outcome }: Run): RunResult {
  const { history } = outcome;
  const last = history.at(-1);
  const best = bestEpoch(history);
  const { parameters, macs } = program.summary();
  return {
    point,
    set,
    seed,
    folder,
    model: program.model,
    parameters,
    macs: macs ?? null,
    epochs: outcome.state.epoch,
    ...(last === undefined ? {} : { loss: last.loss, accuracy: last.accuracy, val_loss: last.val_loss, val_accuracy: last.val_accuracy }),
    ...(best === undefined ? {} : { best_val_accuracy: best.val_accuracy, best_epoch: best.epoch }),
    seconds: Number(history.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3)),
  };
}

/** Of a run that came to no end. */
export function failedResult({ point, set, seed, folder }: Identity, failed: string): RunResult {
  return { point, set, seed, folder, failed };
}

/** Whether it would fail in the same way again: its numbers depend on the values and the seed alone. */
export function isDiverged({ failed }: RunResult): boolean {
  return failed?.startsWith("[RN742]") === true;
}

/** The results that a folder's `sweep.json` holds; none if there is no readable one. */
export function readResults(out: string): readonly RunResult[] {
  try {
    const { results } = JSON.parse(readFileSync(join(out, SWEEP), "utf8")) as { results?: unknown };
    return Array.isArray(results) ? (results as readonly RunResult[]).filter((each) => typeof each?.folder === "string") : [];
  } catch {
    return [];
  }
}

/** Mean and sample deviation (n - 1 in the denominator) over the seeds. */
interface Spread {
  readonly mean: number;
  /** null for a single run. */
  readonly deviation: number | null;
}

/** A point over its seeds. */
export interface PointResult {
  readonly point: string;
  readonly set: Readonly<Record<string, unknown>>;
  readonly runs: readonly RunResult[];
  readonly failed: number;
  readonly measures: Readonly<Record<Measure, Spread | undefined>>;
}

const MEASURES = ["loss", "accuracy", "val_loss", "val_accuracy", "seconds"] as const;
type Measure = (typeof MEASURES)[number];

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, deviation: null };
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)) };
}

/** Points over their seeds, the best first: by held-out accuracy, then held-out loss; what failed comes last. */
export function pointResults(results: readonly RunResult[]): readonly PointResult[] {
  const points = new Map<string, RunResult[]>();
  for (const result of results) points.set(result.point, [...(points.get(result.point) ?? []), result]);
  const measured = [...points].map(([point, runs]): PointResult => {
    const spread = (measure: Measure): Spread | undefined => spreadOf(runs.flatMap((run) => run[measure] ?? []));
    return {
      point,
      set: runs[0]?.set ?? {},
      runs,
      failed: runs.filter((run) => run.failed !== undefined).length,
      measures: {
        loss: spread("loss"),
        accuracy: spread("accuracy"),
        val_loss: spread("val_loss"),
        val_accuracy: spread("val_accuracy"),
        seconds: spread("seconds"),
      },
    };
  });
  const by = ({ measures: { val_accuracy, val_loss }, failed, runs }: PointResult): readonly number[] => [
    failed === runs.length ? 1 : 0,
    -(val_accuracy?.mean ?? 0),
    val_loss?.mean ?? 0,
  ];
  return measured.sort((a, b) => {
    const [left, right] = [by(a), by(b)];
    return left.map((value, i) => value - (right[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
  });
}

/** Writes `sweep.json`: what is swept, every run, and the points over their seeds, best first. */
export function writeSweep(out: string, { sweep, data, others, results, planned }: SweepReport): void {
  const all = [...others, ...results];
  const document = {
    recipe: sweep?.recipe ?? null,
    data,
    swept: (sweep?.swept ?? []).map(({ name, kind, values }) => ({ name, kind, values })),
    finished: results.length === planned,
    points: pointResults(all).map(({ point, set, runs, failed, measures }) => ({
      point,
      set,
      runs: runs.length,
      failed,
      ...Object.fromEntries(MEASURES.map((measure) => [measure, measures[measure] ?? null])),
    })),
    results: all,
  };
  writeFileAtomic(join(out, SWEEP), `${JSON.stringify(document, undefined, 2)}\n`);
}

/** `91.20 ± 0.31 %` */
export function describeAccuracy(value: Spread | undefined): string {
  if (value === undefined) return "-";
  return value.deviation === null ? percent(value.mean) : `${(value.mean * 100).toFixed(2)} ± ${percent(value.deviation)}`;
}

/** The table of a finished sweep: a line a point, the best first. */
export function describeSweep({ results }: SweepReport): readonly string[] {
  const points = pointResults(results);
  const seeds = Math.max(...points.map(({ runs }) => runs.length));
  const spread = (value: Spread | undefined, show: (number: number) => string): string => {
    if (value === undefined) return "-";
    return value.deviation === null ? show(value.mean) : `${show(value.mean)} ± ${show(value.deviation)}`;
  };
  const rows = points.map(({ point, runs, failed, measures }) => {
    const sample = runs.find((run) => run.parameters !== undefined);
    return [
      point === "" ? (sample?.model ?? "") : point,
      ...(seeds > 1 ? [String(runs.length)] : []),
      sample?.parameters === undefined ? "-" : formatCount(sample.parameters),
      typeof sample?.macs === "number" ? formatCount(sample.macs) : "-",
      spread(measures.loss, (value) => value.toFixed(4)),
      spread(measures.val_loss, (value) => value.toFixed(4)),
      describeAccuracy(measures.val_accuracy),
      spread(measures.seconds, (value) => value.toFixed(1)),
      failed === 0 ? "" : `${failed === runs.length ? "" : `${failed} `}${runs.some(isDiverged) ? "diverged" : "failed"}`,
    ];
  });
  const heading = ["point", ...(seeds > 1 ? ["runs"] : []), "parameters", "MACs", "loss", "val_loss", "val_accuracy", "seconds", ""];
  return formatTable(
    [heading, ...rows],
    heading.map((_, i) => (i === 0 || i === heading.length - 1 ? "left" : "right")),
  );
}
