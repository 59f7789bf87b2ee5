/** Ctrl-C and SIGTERM as a question that long work asks. Invariant: the second signal ends the process at once. */
import { EXIT } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** The progress bar hides it. */
const SHOW_CURSOR = "\u001b[?25h";

export interface Interrupt {
  readonly isInterrupted: () => boolean;
  /** Gives the signals back. */
  readonly release: () => void;
}

/** Listens until released. */
export function listenForInterrupt(terminal: Terminal): Interrupt {
  let interrupted = false;
  const onSignal = (): void => {
    if (interrupted) {
      if (terminal.interactive) process.stderr.write(SHOW_CURSOR);
      process.exit(EXIT.interrupted);
    }
    interrupted = true;
    terminal.say("\ninterrupted: finishing the current step and writing a checkpoint (again to stop at once)");
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    isInterrupted: () => interrupted,
    release: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
