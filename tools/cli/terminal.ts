/**
 * Where commands write, and how: plain streams, colours only where a person reads them.
 * Invariant: what another program may parse goes through `print`; everything said to people beside it through `say`.
 */
import pico from "picocolors";

export type Colors = ReturnType<typeof pico.createColors>;

/** A stream to people: its colours, and how wide its terminal is; undefined where it is none. */
export interface Output {
  readonly colors: Colors;
  readonly columns?: number | undefined;
}

export interface Terminal {
  /** A line to standard output. */
  readonly print: (line: string) => void;
  /** A line to standard error. */
  readonly say: (line: string) => void;
  /** Standard error is a terminal: progress bars may move. */
  readonly interactive: boolean;
  /** For standard output. */
  readonly colors: Colors;
  /** For standard error. */
  readonly errorColors: Colors;
  /** Of standard output's and standard error's terminals, where they are terminals. */
  readonly columns?: number | undefined;
  readonly errorColumns?: number | undefined;
}

/** The process's own streams; `NO_COLOR` and `FORCE_COLOR` are obeyed. */
export function processTerminal(): Terminal {
  const wantsColor = (stream: NodeJS.WriteStream): boolean => {
    if ((process.env["NO_COLOR"] ?? "") !== "") return false;
    if ((process.env["FORCE_COLOR"] ?? "0") !== "0") return true;
    return stream.isTTY === true && process.env["TERM"] !== "dumb";
  };
  const columnsOf = (stream: NodeJS.WriteStream): number | undefined => (stream.isTTY === true && stream.columns > 0 ? stream.columns : undefined);
  return {
    columns: columnsOf(process.stdout),
    errorColumns: columnsOf(process.stderr),
    print: (line) => void process.stdout.write(`${line}\n`),
    say: (line) => void process.stderr.write(`${line}\n`),
    interactive: process.stderr.isTTY === true,
    colors: pico.createColors(wantsColor(process.stdout)),
    errorColors: pico.createColors(wantsColor(process.stderr)),
  };
}

export type Alignment = "left" | "right";

/** Rows as columns two spaces apart; the first row is the heading. Lines carry no space at their end. */
export function formatTable(rows: readonly (readonly string[])[], alignment: readonly Alignment[]): string[] {
  const widths = alignment.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    alignment
      .map((side, column) => (side === "right" ? (row[column] ?? "").padStart(widths[column] ?? 0) : (row[column] ?? "").padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** `1234567` as `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `[N, 3, 32, 32]`. */
export function formatShape(shape: string | readonly (number | string)[]): string {
  return typeof shape === "string" ? shape : `[${shape.join(", ")}]`;
}
