/**
 * How far long work has come: a moving bar on a terminal, a plain line now and then elsewhere.
 * Invariant: writes to standard error only; `done` leaves nothing of the bar behind.
 */
import { SingleBar } from "cli-progress";
import type { Terminal } from "./terminal.ts";

export interface Progress {
  /** Begins a piece of work of `total` parts. */
  readonly begin: (title: string, total: number) => void;
  /** `note` is shown beside the bar, e.g. the loss. */
  readonly update: (done: number, note: string) => void;
  readonly done: () => void;
}

const LINE_EVERY_MS = 10_000;

/** A bar or lines, as the terminal allows. */
export function createProgress(terminal: Terminal): Progress {
  return terminal.interactive ? barProgress(terminal) : lineProgress(terminal);
}

function barProgress(terminal: Terminal): Progress {
  const { cyan, dim } = terminal.errorColors;
  let bar: SingleBar | undefined;
  return {
    begin: (title, total) => {
      bar = new SingleBar({
        format: `${title}  ${cyan("{bar}")} {percentage} %  {note}  ${dim("{eta_formatted} left")}`,
        barCompleteChar: "█",
        barIncompleteChar: "░",
        barsize: 28,
        hideCursor: true,
        clearOnComplete: true,
        gracefulExit: false,
        etaBuffer: 50,
      });
      bar.start(total, 0, { note: "" });
    },
    update: (done, note) => bar?.update(done, { note }),
    done: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}

function lineProgress(terminal: Terminal): Progress {
  let heading = "";
  let parts = 0;
  let last = 0;
  return {
    begin: (title, total) => {
      heading = title;
      parts = total;
      last = performance.now();
    },
    update: (done, note) => {
      if (performance.now() - last < LINE_EVERY_MS) return;
      last = performance.now();
      terminal.say(`${heading}  ${done}/${parts}  ${note}`);
    },
    done: () => {},
  };
}
