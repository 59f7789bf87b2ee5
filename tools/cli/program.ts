/**
 * The command table, and the one place that turns what commands throw into messages and exit codes.
 * Invariant: a command's module is loaded only when that command is called, the compiler only when it is used.
 */
import { Command, CommanderError } from "commander";
import { type Api, loadApi } from "./api.ts";
import { describeFailure, EXIT } from "./failure.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** What a command may use. */
export interface Context {
  readonly api: () => Promise<Api>;
  readonly terminal: Terminal;
  /** Keeps the exit code of the command that ran. */
  readonly finish: (exitCode: number) => void;
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Adds options, examples and the action. */
  readonly load: () => Promise<(command: Command, context: Context) => void>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: "check",
    summary: "parse and check files or folders",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  {
    name: "explain",
    summary: "what a diagnostic's code means, with examples",
    load: async () => (await import("./explain.ts")).explainCommand,
  },
  {
    name: "summary",
    summary: "layers, shapes, parameters, MACs of a model",
    load: async () => (await import("./summary.ts")).summaryCommand,
  },
  {
    name: "list",
    summary: "the models of the standard library",
    load: async () => (await import("./list.ts")).listCommand,
  },
  {
    name: "new",
    summary: "write a file to start from",
    load: async () => (await import("./new.ts")).newCommand,
  },
  {
    name: "build",
    summary: "write a standalone JavaScript module",
    load: async () => (await import("./build.ts")).buildCommand,
  },
  {
    name: "run",
    summary: "one forward pass in inference mode",
    load: async () => (await import("./run.ts")).runCommand,
  },
  {
    name: "gradients",
    summary: "loss and gradients of one batch",
    load: async () => (await import("./gradients.ts")).gradientsCommand,
  },
  { name: "train", summary: "train on a data set", load: async () => (await import("./train.ts")).trainCommand },
  {
    name: "eval",
    summary: "accuracy and loss on held-out data",
    load: async () => (await import("./eval.ts")).evalCommand,
  },
  {
    name: "devices",
    summary: "what networks can run on here, with limits and features",
    load: async () => (await import("./devices.ts")).devicesCommand,
  },
  {
    name: "doctor",
    summary: "what is missing here, and the command that adds it",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
  {
    name: "demo",
    summary: "train on generated digits, build a module and run it",
    load: async () => (await import("./demo.ts")).demoCommand,
  },
];

const EXAMPLES = `
Examples:
  resnet check src/                                   check all .resnet files of a folder
  resnet summary std/models/resnet --model ResNet50 --dim N=1,H=224,W=224
  resnet train resnet20.resnet --data data/fashion-mnist --epochs 3
  resnet build resnet20.resnet -o resnet20.js --weights runs/ResNet20/best.safetensors
  resnet COMMAND --help                               options and examples of a command

Exit codes: 0 clean, 1 errors found, 2 wrong usage or unreadable input.`;

/** Runs one command; never throws, never ends the process. Returns the exit code. */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal = processTerminal(),
  api: () => Promise<Api> = loadApi,
): Promise<number> {
  let exitCode: number = EXIT.clean;
  const context: Context = { api, terminal, finish: (code) => (exitCode = code) };
  const program = new Command("resnet")
    .description("A language for residual neural networks and its compiler.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .addHelpText("after", EXAMPLES);
  quiet(program, terminal);
  const called = args.find((argument) => !argument.startsWith("-"));
  try {
    for (const entry of COMMANDS) {
      const command = program.command(entry.name).description(entry.summary).helpOption("-h, --help", "show this help");
      quiet(command, terminal);
      if (entry.name === called) (await entry.load())(command, context);
    }
    if (args.length === 0) {
      terminal.say(program.helpInformation().trimEnd() + EXAMPLES);
      return EXIT.usage;
    }
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    return await report(error, terminal);
  }
}

/** Commander throws in place of ending the process, and writes through the terminal. */
function quiet(command: Command, terminal: Terminal): void {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.say(text.trimEnd()),
      outputError: (text, write) => write(`${terminal.errorColors.red("error")}: ${text.replace(/^error: /, "")}`),
    });
}

async function report(error: unknown, terminal: Terminal): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.clean;
    const called = terminal.errorColors.dim("run `resnet --help` or `resnet COMMAND --help` for usage");
    terminal.say(called);
    return EXIT.usage;
  }
  const failure = describeFailure(error, (process.env["RESNET_DEBUG"] ?? "") !== "");
  if (failure.diagnostics.length > 0) {
    const { renderPretty } = await import("./report.ts");
    terminal.say(renderPretty(failure.diagnostics, { colors: terminal.errorColors, columns: terminal.errorColumns }));
  } else {
    terminal.say(`${terminal.errorColors.red("error")}: ${failure.message}`);
  }
  return failure.exitCode;
}
