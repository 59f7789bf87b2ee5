/**
 * Comma-separated tables: one sample a row, numbers first, the label last; an optional header line.
 * Invariant: all rows have the same number of cells and every value is a finite number, or the read fails with its line.
 */
import { readBytes } from "./bytes.ts";
import { type Dataset, type ImageShape, type ImageTask, pixelCount } from "./dataset.ts";
import { badRow, emptyData, wrongFormat } from "./problems.ts";

interface Table {
  /** Row-major, `columns` values a row. */
  readonly values: Float32Array;
  readonly columns: number;
  readonly labels: readonly string[];
  /** Line (1-based) of each row. */
  readonly lines: Int32Array;
}

/**
 * Reads a table as images of the task's shape; free sizes are filled from the number of columns where that is unique.
 * Labels are whole numbers, or names: these are numbered in sorted order, or as in `classNames` if given.
 */
export function readCsv(path: string, task: ImageTask, classNames?: readonly string[]): Dataset {
  const table = readTable(path);
  const { labels, names } = numberLabels(path, table, classNames);
  const shape = fitShape(path, table.columns, task);
  const size = pixelCount(shape);
  let highest = -1;
  for (const label of labels) highest = Math.max(highest, label);
  return {
    name: path,
    count: labels.length,
    shape,
    labels,
    classes: names?.length ?? highest + 1,
    ...(names === undefined ? {} : { classNames: names }),
    read: (index, target, offset) => target.set(table.values.subarray(index * size, (index + 1) * size), offset),
  };
}

function readTable(path: string): Table {
  const text = new TextDecoder().decode(readBytes(path)).replace(/^\uFEFF/, "");
  const lines = text.split(/\r?\n/);
  let values = new Float32Array(0);
  const labels: string[] = [];
  const lineOf: number[] = [];
  let columns = 0;
  let first = true;
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const cells = line.split(",").map(unquote);
    const header = first && isHeader(cells);
    if (first) columns = cells.length - 1;
    first = false;
    if (columns < 1) throw badRow(path, index + 1, "one cell only; expected values and a label, separated by commas");
    if (cells.length !== columns + 1) {
      throw badRow(path, index + 1, `${cells.length} cells; expected ${columns + 1} as in the first line`);
    }
    if (header) continue;
    if (values.length === 0) values = new Float32Array((lines.length - index) * columns);
    const base = labels.length * columns;
    for (let column = 0; column < columns; column++) {
      const cell = cells[column] ?? "";
      const value = cell === "" ? Number.NaN : Number(cell);
      if (!Number.isFinite(value)) throw badRow(path, index + 1, `column ${column + 1}: ${quote(cell)} is not a number`);
      values[base + column] = value;
    }
    labels.push(cells[columns] ?? "");
    lineOf.push(index + 1);
  }
  if (labels.length === 0) throw emptyData(path, "rows");
  return { values, columns, labels, lines: Int32Array.from(lineOf) };
}

/** A header has no number among its value columns; one with some is a row with a bad cell. */
function isHeader(cells: readonly string[]): boolean {
  return cells.length > 1 && cells.slice(0, -1).every((cell) => cell === "" || !Number.isFinite(Number(cell)));
}

function numberLabels(
  path: string,
  table: Table,
  known: readonly string[] | undefined,
): { labels: Int32Array; names: readonly string[] | undefined } {
  const numeric = known === undefined && /^[+-]?\d/.test(table.labels[0] ?? "");
  if (numeric) {
    const labels = table.labels.map((cell, row) => {
      const label = Number(cell);
      if (cell !== "" && Number.isInteger(label) && label >= 0) return label;
      throw badRow(path, table.lines[row] ?? 0, `label ${quote(cell)} is not a whole number from 0`);
    });
    return { labels: Int32Array.from(labels), names: undefined };
  }
  const names = known ?? [...new Set(table.labels)].sort();
  const numbers = new Map(names.map((name, number) => [name, number]));
  const labels = table.labels.map((cell, row) => {
    const label = numbers.get(cell);
    if (label !== undefined && cell !== "") return label;
    throw badRow(path, table.lines[row] ?? 0, `label ${quote(cell)}; expected one of ${names.slice(0, 10).join(", ")}`);
  });
  return { labels: Int32Array.from(labels), names };
}

function fitShape(path: string, columns: number, task: ImageTask): ImageShape {
  const known = task.shape.filter((size) => typeof size === "number").reduce((product, size) => product * size, 1);
  const free = task.shape.filter((size) => typeof size === "string").length;
  const rest = columns / known;
  const side = free === 2 ? Math.sqrt(rest) : rest;
  if (free > 2 || !Number.isInteger(side) || (free === 0 && rest !== 1)) {
    throw wrongFormat(path, `rows have ${columns} values and a label; the model's input takes ${task.shape.join("×")} values`);
  }
  const [channels, height, width] = task.shape.map((size) => (typeof size === "number" ? size : side));
  return [channels ?? 1, height ?? 1, width ?? 1];
}

function unquote(cell: string): string {
  const trimmed = cell.trim();
  return trimmed.length > 1 && trimmed.startsWith('"') && trimmed.endsWith('"') ? trimmed.slice(1, -1) : trimmed;
}

function quote(cell: string): string {
  return JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}…` : cell);
}
