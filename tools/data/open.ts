/**
 * Finds the training and test parts of a data set by the usual file names, and reads them.
 * Invariant: a part is never guessed in silence: a split made here, or an ambiguity, is reported.
 */
import { basename, dirname, join } from "node:path";
import { fileNames, kindOf } from "./bytes.ts";
import { readCifar, readClassNames } from "./cifar.ts";
import { permutation } from "./counter-random.ts";
import { readCsv } from "./csv.ts";
import { type Dataset, type ImageTask, requireFits, select } from "./dataset.ts";
import { readIdx } from "./idx.ts";
import { missingPart } from "./problems.ts";

export type PartName = "train" | "test";

export interface DataOptions {
  /** Folder (or single CSV file) with both parts. */
  readonly data?: string | undefined;
  /** Folder or file of one part; takes the place of what `data` has. */
  readonly trainData?: string | undefined;
  readonly testData?: string | undefined;
}

export interface OpenedData {
  readonly train: Dataset | undefined;
  readonly test: Dataset | undefined;
  /** What the user must know, e.g. a hold-out split; one sentence each. */
  readonly notices: readonly string[];
}

/** One of ten samples is held out when a table comes without a test part. */
const HOLD_OUT_SHARE = 10;
/** Fixed, so that training with any seed and a later evaluation hold out the same samples. */
const HOLD_OUT_SEED = 0x5eed;

const PART_PATTERN: Readonly<Record<PartName, RegExp>> = {
  train: /(^|[-_.])train(ing)?([-_.]|$)/i,
  test: /(^|[-_.])(t10k|test|val|valid|validation)([-_.]|$)/i,
};

/** Reads the parts in `wanted` and checks that the model takes them. */
export function openData(options: DataOptions, task: ImageTask, wanted: readonly PartName[]): OpenedData {
  const notices: string[] = [];
  let train: Dataset | undefined;
  let test: Dataset | undefined;
  const classNames = (): readonly string[] | undefined => train?.classNames;
  if (options.trainData !== undefined) train = openPart(options.trainData, "train", task, undefined);
  if (options.testData !== undefined) test = openPart(options.testData, "test", task, classNames());
  const needed = wanted.filter((part) => (part === "train" ? train : test) === undefined);
  if (needed.length > 0) {
    if (options.data === undefined) throw missingPart(`no ${needed.join(" and ")} data: give --data PATH or --${needed[0]}-data PATH`);
    const opened = openBoth(options.data, needed, task, classNames());
    train ??= opened.train;
    test ??= opened.test;
    notices.push(...opened.notices);
  }
  for (const part of [train, test]) if (part !== undefined) requireFits(part, task);
  return { train, test, notices };
}

function openBoth(path: string, wanted: readonly PartName[], task: ImageTask, classNames: readonly string[] | undefined): OpenedData {
  const tables = tablesOf(path);
  if (tables !== undefined) return openTables(path, tables, wanted, task, classNames);
  const train = wanted.includes("train") ? openPart(path, "train", task, classNames) : undefined;
  const test = wanted.includes("test") ? openPart(path, "test", task, classNames) : undefined;
  return { train, test, notices: [] };
}

/** The CSV files of a folder without files of the other formats, or a single one. */
function tablesOf(path: string): readonly string[] | undefined {
  if (kindOf(path) === "file") return isTable(path) ? [path] : undefined;
  const names = fileNames(path);
  if (names.some((name) => isIdxImages(name) || isCifarBatch(name))) return undefined;
  const tables = names.filter(isTable).map((name) => join(path, name));
  return tables.length > 0 ? tables : undefined;
}

function openTables(
  path: string,
  tables: readonly string[],
  wanted: readonly PartName[],
  task: ImageTask,
  classNames: readonly string[] | undefined,
): OpenedData {
  const named = (part: PartName): string | undefined => tables.find((table) => PART_PATTERN[part].test(basename(table)));
  const single = tables.length === 1;
  const testTable = single ? undefined : named("test");
  const trainTable = single ? tables[0] : named("train");
  if (trainTable === undefined || (!single && testTable === undefined)) {
    throw missingPart(
      `${path}: which table is the ${trainTable === undefined ? "training" : "test"} part? Found ${listed(tables.map((table) => basename(table)))}; ` +
        `name them train.csv and test.csv, or give --train-data and --test-data`,
    );
  }
  const all = readCsv(trainTable, task, classNames);
  if (testTable !== undefined) {
    const test = wanted.includes("test") ? readCsv(testTable, task, all.classNames) : undefined;
    return { train: all, test, notices: [] };
  }
  if (!wanted.includes("test")) return { train: all, test: undefined, notices: [] };
  const { train, test } = holdOut(all);
  const notice =
    `${trainTable} has no test part: held out ${test.count} of ${all.count} rows ` + `(a fixed random choice, the same for every seed and for eval)`;
  return { train, test, notices: [notice] };
}

/** A fixed random split: the samples held out depend on the number of samples alone. */
export function holdOut(all: Dataset): { readonly train: Dataset; readonly test: Dataset } {
  const heldOut = Math.max(1, Math.floor(all.count / HOLD_OUT_SHARE));
  if (all.count < 2) throw missingPart(`${all.name}: one row only; training needs at least one and testing another`);
  const order = permutation(all.count, HOLD_OUT_SEED, 0);
  const test = order.slice(0, heldOut).sort();
  const train = order.slice(heldOut).sort();
  return { train: select(all, train), test: select(all, test) };
}

/** Reads one part from a folder that has it, or from its file. */
export function openPart(path: string, part: PartName, task: ImageTask, classNames: readonly string[] | undefined): Dataset {
  if (kindOf(path) === "file") return openFile(path, part, task, classNames);
  const names = fileNames(path);
  const images = preferUnpacked(names.filter(isIdxImages));
  if (images.length > 0) return openIdxPart(path, part, names, images);
  const batches = preferUnpacked(names.filter(isCifarBatch));
  if (batches.length > 0) return openCifarPart(path, part, names, batches);
  const tables = names.filter(isTable);
  const table = tables.length === 1 ? tables[0] : tables.find((name) => PART_PATTERN[part].test(name));
  if (table !== undefined) return readCsv(join(path, table), task, classNames);
  throw missingPart(
    `${path}: no data set found; looked for IDX files (train-images-idx3-ubyte[.gz]), CIFAR batches (data_batch_1.bin[.gz]) ` +
      `and tables (.csv[.gz])${names.length > 0 ? `, found ${listed(names)}` : ", the folder is empty"}`,
  );
}

function openFile(path: string, part: PartName, task: ImageTask, classNames: readonly string[] | undefined): Dataset {
  if (isTable(path)) return readCsv(path, task, classNames);
  if (/\.bin(\.gz)?$/i.test(path)) return readCifar(path, [path]);
  if (isIdxImages(basename(path))) return readIdx(path, labelsBeside(path, fileNames(dirname(path)), part));
  throw missingPart(`${path}: not a data file known here; expected IDX images, a CIFAR .bin or a .csv (each also .gz)`);
}

function openIdxPart(folder: string, part: PartName, names: readonly string[], images: readonly string[]): Dataset {
  const fitting = images.filter((name) => PART_PATTERN[part].test(name));
  const lone = images.length === 1 && !PART_PATTERN[part === "train" ? "test" : "train"].test(images[0] ?? "");
  const chosen = lone ? images : fitting;
  const name = chosen[0];
  if (name === undefined) {
    const usual = part === "train" ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte";
    throw missingPart(`${folder}: no ${part} part: expected ${usual}[.gz]; found ${listed(images)}; or give --${part}-data PATH`);
  }
  if (chosen.length > 1) throw missingPart(`${folder}: several ${part} parts: ${listed(chosen)}; choose one with --${part}-data PATH`);
  const path = join(folder, name);
  return readIdx(path, labelsBeside(path, names, part));
}

function labelsBeside(imagesPath: string, names: readonly string[], part: PartName): string {
  const plain = basename(imagesPath).replace(/\.gz$/i, "");
  const expected = plain.replace(/images/i, "labels").replace(/idx[34]/i, "idx1");
  const found = preferUnpacked(names.filter((name) => name.replace(/\.gz$/i, "") === expected))[0];
  if (found !== undefined) return join(dirname(imagesPath), found);
  throw missingPart(`${imagesPath}: its labels are missing: expected ${expected}[.gz] beside it (${part} part)`);
}

function openCifarPart(folder: string, part: PartName, names: readonly string[], batches: readonly string[]): Dataset {
  const pattern = part === "train" ? /^data_batch/i : /^test_batch/i;
  const files = batches.filter((name) => pattern.test(name));
  if (files.length === 0) {
    const usual = part === "train" ? "data_batch_1.bin" : "test_batch.bin";
    throw missingPart(`${folder}: no ${part} part: expected ${usual}[.gz]; found ${listed(batches)}; or give --${part}-data PATH`);
  }
  const meta = names.find((name) => name === "batches.meta.txt");
  const classNames = meta === undefined ? undefined : readClassNames(join(folder, meta));
  return readCifar(
    `${folder} (${part} batches)`,
    files.map((name) => join(folder, name)),
    classNames,
  );
}

/** Where a file lies both packed and unpacked, the unpacked one. */
function preferUnpacked(names: readonly string[]): string[] {
  return names.filter((name) => !name.endsWith(".gz") || !names.includes(name.slice(0, -3)));
}

function isIdxImages(name: string): boolean {
  return /images/i.test(name) && /(idx\d|ubyte)/i.test(name);
}

function isCifarBatch(name: string): boolean {
  return /^(data|test)_batch.*\.bin(\.gz)?$/i.test(name);
}

function isTable(name: string): boolean {
  return /\.csv(\.gz)?$/i.test(name);
}

function listed(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", ");
}
