/**
 * From anything thrown to an exit code and the lines a person sees.
 * Invariant: 1 = the input was read and is wrong, 2 = wrong usage or unreadable input; never a bare stack trace.
 */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { ResnetError } from "../../runtime/error.ts";

/** Exit codes, the same in every command; 130 is the shell's convention for an interrupt. */
export const EXIT = { clean: 0, errors: 1, usage: 2, interrupted: 130 } as const;

/** A command was called wrongly, or cannot do what is asked; the message is for people. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.usage) {
    super(message);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}

/** A training run whose loss is no finite number: the end of that run, but of a sweep only a result. */
export class Diverged extends CommandFailure {
  constructor(message: string) {
    super(message, EXIT.errors);
    this.name = "Diverged";
  }
}

export interface Failure {
  readonly exitCode: number;
  /** Without the word "error". */
  readonly message: string;
  /** Of the compiler; printed in place of the message. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Codes for input that cannot be read at all: files (RN8xx), weights files (RN714, RN72x, RN73x), options (RN606). */
const UNREADABLE = /^RN(8\d\d|714|72\d|73\d|606)$/;

/** Sorts an error; whatever is not meant for people becomes one line that says how to see more. */
export function describeFailure(error: unknown, debug: boolean): Failure {
  if (error instanceof CommandFailure) return { exitCode: error.exitCode, message: error.message, diagnostics: [] };
  const diagnostics = diagnosticsOf(error);
  if (diagnostics.length > 0) return { exitCode: EXIT.errors, message: messageOf(error), diagnostics };
  const code = codeOf(error);
  if (code !== undefined) {
    return {
      exitCode: UNREADABLE.test(code) ? EXIT.usage : EXIT.errors,
      message: `[${code}] ${messageOf(error)}`,
      diagnostics: [],
    };
  }
  const detail = debug && error instanceof Error ? `\n${error.stack}` : " (set RESNET_DEBUG=1 to see where)";
  return {
    exitCode: EXIT.errors,
    message: `internal error: ${messageOf(error).split("\n")[0]}${detail}`,
    diagnostics: [],
  };
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof ResnetError) return error.code;
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^RN\d{3}$/.test(code) ? code : undefined;
}

function diagnosticsOf(error: unknown): readonly Diagnostic[] {
  const found: unknown = error instanceof Error && "diagnostics" in error ? error.diagnostics : undefined;
  return Array.isArray(found) ? (found as readonly Diagnostic[]) : [];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
