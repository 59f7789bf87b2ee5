/** Calls the command line in this process and keeps what it prints. */
import pico from "picocolors";
import type { Api } from "../../tools/cli/api.ts";
import { runCommandLine } from "../../tools/cli/program.ts";
import type { Terminal } from "../../tools/cli/terminal.ts";

export interface Called {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** A terminal without colours that collects its lines. */
export function recordingTerminal(): { readonly terminal: Terminal; readonly out: string[]; readonly err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const colors = pico.createColors(false);
  const terminal = {
    print: (line: string) => void out.push(line),
    say: (line: string) => void err.push(line),
    interactive: false,
    colors,
    errorColors: colors,
  };
  return { terminal, out, err };
}

/** `resnet ARGS...` with a compiler of the caller's. */
export async function call(api: Api, ...args: readonly string[]): Promise<Called> {
  const { terminal, out, err } = recordingTerminal();
  const exitCode = await runCommandLine(args, terminal, async () => api);
  return { exitCode, out: out.join("\n"), err: err.join("\n") };
}
