/**
 * `resnet train` of a recipe that sweeps, or with several seeds: every point one after another, each in its own folder.
 * Invariant: a point's run is that of a single training with its values given by `--set`; what is finished is never
 * trained again on resuming, and what diverged is a result like others.
 */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { ResnetError } from "../../runtime/error.ts";
import type { SweepListing } from "./api.ts";
import { LAST, LAST_OPTIMIZER } from "./checkpoint.ts";
import { CommandFailure, Diverged, EXIT } from "./failure.ts";
import { modelSelection } from "./options.ts";
import {
  describeAccuracy,
  describeSweep,
  failedResult,
  isDiverged,
  pointResults,
  readResults,
  type RunResult,
  resultOf,
  type SweepReport,
  writeSweep,
} from "./sweep-results.ts";
import { openRun, type Run, trainOnce, type TrainingSession, type TrainOptions } from "./training-run.ts";

/** One run of a sweep. */
interface PlannedRun {
  readonly point: string;
  readonly set: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** Below the sweep's own. */
  readonly folder: string;
}

/** Trains what is left of the sweep; without one, the recipe with several seeds. Returns the exit code. */
export async function trainSweep(session: TrainingSession, sweep: SweepListing | undefined): Promise<number> {
  const { options, terminal } = session;
  requireSwept(sweep, options);
  const recipe = sweep?.recipe ?? options.recipe;
  const out = options.out ?? join("runs", recipe ?? basename(session.file, ".resnet"));
  const runs = planRuns(sweep, options);
  const isPart = options.resume === true || isPinned(sweep, options);
  const folders = new Set(runs.map(({ folder }) => folder));
  const before = isPart ? readResults(out) : [];
  const others = before.filter(({ folder }) => !folders.has(folder));
  const results: RunResult[] = [];
  const report = (): SweepReport => ({ sweep, data: options.data ?? options.trainData ?? "", others, results, planned: runs.length });
  terminal.say(`${runs.length} runs (${factors(sweep, options)}), in ${out}`);
  await requireData(session, recipe, runs, out);
  for (const [index, run] of runs.entries()) {
    const title = `[${index + 1}/${runs.length}] ${run.folder}${timeLeft(results, runs.length - index)}`;
    const known = options.resume === true ? before.find((each) => each.folder === run.folder && isDiverged(each)) : undefined;
    if (known !== undefined) {
      terminal.say(`${title}: diverged before`);
      results.push(known);
      continue;
    }
    if (session.isInterrupted()) return stopped(session, out, report());
    terminal.say(title);
    const trained = await trainPoint(session, recipe, join(out, run.folder), run);
    if ("failed" in trained) {
      terminal.say(`${terminal.errorColors.yellow("failed")}: ${trained.failed}`);
      results.push(failedResult(run, trained.failed));
    } else if (trained.outcome.interrupted) return stopped(session, out, report());
    else {
      if (trained.wasDone) terminal.say("finished before");
      results.push(resultOf(run, trained));
    }
    writeSweep(out, report());
  }
  writeSweep(out, report());
  return conclude(session, recipe, out, report());
}

/** Every model must take the data before the first is trained: a night may lie between the first run and the last. */
async function requireData(session: TrainingSession, recipe: string | undefined, runs: readonly PlannedRun[], out: string): Promise<void> {
  const seen = new Set<string>();
  for (const { point, set, seed, folder } of runs) {
    if (seen.has(point)) continue;
    seen.add(point);
    try {
      await openRun(session, { set, recipe, seed, out: join(out, folder), resume: false, point });
    } catch (error) {
      session.terminal.say(`${point}:`);
      throw error;
    }
  }
}

/** `lr 3 × width 2 × seed 3` */
function factors(sweep: SweepListing | undefined, { seeds = 1 }: TrainOptions): string {
  const swept = (sweep?.swept ?? []).map(({ name, values }) => `${name} ${values.length}`);
  return [...swept, ...(seeds > 1 ? [`seed ${seeds}`] : [])].join(" × ");
}

/** A model too large for this machine ends its own run; the others may fit. */
const NO_MEMORY: readonly string[] = ["RN602", "RN609"];

/** `, about 3 min left`, from what finished so far. */
function timeLeft(results: readonly RunResult[], runs: number): string {
  const times = results.flatMap(({ seconds }) => seconds ?? []);
  if (times.length === 0) return "";
  const left = (times.reduce((sum, each) => sum + each, 0) / times.length) * runs;
  if (left < 60) return ", under a minute left";
  return left < 5400 ? `, about ${Math.round(left / 60)} min left` : `, about ${(left / 3600).toFixed(1)} h left`;
}

async function trainPoint(
  session: TrainingSession,
  recipe: string | undefined,
  out: string,
  { point, set, seed }: PlannedRun,
): Promise<Run | { readonly failed: string }> {
  const resume = session.options.resume === true && existsSync(join(out, LAST)) && existsSync(join(out, LAST_OPTIMIZER));
  try {
    return await trainOnce(session, { set, recipe, seed, out, resume, point: point === "" ? undefined : point });
  } catch (error) {
    if (error instanceof Diverged) return { failed: error.message };
    if (error instanceof ResnetError && NO_MEMORY.includes(error.code)) return { failed: `[${error.code}] ${error.message}` };
    throw error;
  }
}

function stopped({ terminal }: TrainingSession, out: string, report: SweepReport): number {
  writeSweep(out, report);
  terminal.say(`stopped with ${report.results.length} of ${report.planned} runs finished, in ${out}`);
  terminal.say("go on with the same command and --resume");
  return EXIT.interrupted;
}

/** The table, and how to use the best run. */
function conclude({ terminal, file }: TrainingSession, recipe: string | undefined, out: string, report: SweepReport): number {
  terminal.say("");
  for (const line of describeSweep(report)) terminal.say(line);
  const [best] = pointResults(report.results);
  const run = best?.runs.find(({ failed }) => failed === undefined);
  if (best === undefined || run === undefined) {
    terminal.say(`every run failed${report.results.every(isDiverged) ? ": lower the learning rate, or warm up" : ""}`);
    return EXIT.errors;
  }
  const weights = join(out, run.folder, LAST);
  terminal.print(
    `best val_accuracy ${describeAccuracy(best.measures.val_accuracy)} with ${best.point === "" ? (run.model ?? "") : best.point}: ${weights}`,
  );
  const set = Object.entries(best.set).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const chosen = [...(recipe === undefined ? [] : [`--recipe ${recipe}`]), ...(set.length === 0 ? [] : [`--set ${quoted(set.join(","))}`])];
  terminal.say(`to use it: resnet eval ${quoted(file)} ${[...chosen, `--weights ${quoted(weights)}`].join(" ")} --data …`);
  return EXIT.clean;
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w./=,:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The points, each with every seed. Names of folders differ in any file system. */
function planRuns(sweep: SweepListing | undefined, options: TrainOptions): readonly PlannedRun[] {
  const first = options.seed ?? 0;
  const given = modelSelection(options).set ?? {};
  const seeds = Array.from({ length: options.seeds ?? 1 }, (_, i) => first + i);
  const taken = new Set<string>();
  return (sweep?.points ?? [{ name: "", set: {} }]).flatMap(({ name, set }) =>
    seeds.map((seed): PlannedRun => {
      const parts = [...(name === "" ? [] : [name]), ...(seeds.length > 1 ? [`seed=${seed}`] : [])];
      return { point: name, set: { ...given, ...set }, seed, folder: distinctName(folderName(parts.join(",")), taken) };
    }),
  );
}

const LONGEST_NAME = 120;

/** What every file system takes, and no shell needs more than quotes for. */
function folderName(text: string): string {
  const plain = text.replaceAll(/[^\w.,=()[\]+-]/g, "_");
  return plain.length <= LONGEST_NAME ? plain : `${plain.slice(0, LONGEST_NAME)}_`;
}

function distinctName(name: string, taken: Set<string>): string {
  let own = name;
  for (let number = 2; taken.has(own.toLowerCase()); number++) own = `${name}_${number}`;
  taken.add(own.toLowerCase());
  return own;
}

function isPinned(sweep: SweepListing | undefined, options: TrainOptions): boolean {
  const { set = {}, model } = modelSelection(options);
  return (sweep?.swept ?? []).some(({ name, kind }) => Object.hasOwn(set, name) || (kind === "model" && model !== undefined));
}

/** An option that takes the place of what is swept would make all runs the same. */
function requireSwept(sweep: SweepListing | undefined, options: TrainOptions): void {
  for (const { name, uses } of sweep?.swept ?? []) {
    const settings = uses.filter((use) => !use.includes("."));
    const ways = settings.map((setting) => replacingOption(setting, uses, options));
    const [option] = ways;
    if (option === undefined || ways.includes(undefined)) continue;
    throw new CommandFailure(
      `--${option} would take the place of what the recipe sweeps, so that every value of ${name} would train the same; ` +
        `leave it out, or choose a value with --set ${name}=…`,
    );
  }
}

const REPLACING = ["loss", "optimizer", "schedule", "batch", "epochs"] as const;

/** The option that is given in place of a setting, or of all in it that is swept. */
function replacingOption(setting: string, uses: readonly string[], options: TrainOptions): string | undefined {
  const whole = REPLACING.find((option) => option === setting && options[option] !== undefined);
  if (whole !== undefined || setting !== "optimizer" || options.lr === undefined) return whole;
  const swept = uses.filter((use) => use.startsWith("optimizer."));
  return swept.length > 0 && swept.every((use) => use === "optimizer.lr") ? "lr" : undefined;
}
