/**
 * Opens a data set and compiles the model for it: the model says which images it takes, the data which free sizes have.
 * Invariant: data that the model does not take fails here, before anything is trained or written.
 */
import { requireNormalizeFits } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { type DataOptions, openData, type PartName } from "../data/open.ts";
import type { Api, CompileOptions, Program } from "./api.ts";
import { freeSizes, imageTask, type Task, taskOf } from "./classification.ts";
import type { Terminal } from "./terminal.ts";

export interface OpenedClassifier {
  readonly program: Program;
  readonly task: Task;
  /** Undefined if not wanted. */
  readonly train: Dataset | undefined;
  readonly test: Dataset | undefined;
}

/** Compiles, reads the wanted parts, and compiles again if the data decide free sizes. Prints what the reader noticed. */
export async function openClassifier(
  api: Api,
  compile: CompileOptions,
  data: DataOptions,
  wanted: readonly PartName[],
  terminal: Terminal,
  readData: typeof openData = openData,
): Promise<OpenedClassifier> {
  const program = await api.compile(compile);
  const task = taskOf(program);
  const { train, test, notices } = readData(data, imageTask(task), wanted);
  for (const notice of notices) terminal.say(`note: ${notice}`);
  const sample = train ?? test;
  if (sample !== undefined) requireNormalizeFits(program.recipe?.normalize, sample);
  const dims = sample === undefined ? {} : freeSizes(task, sample);
  if (Object.keys(dims).length === 0) return { program, task, train, test };
  const fixed = await api.compile({ ...compile, dims: { ...dims, ...compile.dims } });
  return { program: fixed, task: taskOf(fixed), train, test };
}
