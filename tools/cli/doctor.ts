/** `resnet doctor`: what this machine lacks for the work, and the command that adds it. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { libraryFiles, runtimeText } from "../api/files.ts";
import { type Check, checks, type HostFacts } from "../host/checks.ts";
import { findChromium, thisMachine } from "../host/machine.ts";
import { probeWebgpu } from "../host/probe.ts";
import { wasmFacts } from "../host/wasm.ts";
import { EXIT } from "./failure.ts";
import type { Context } from "./program.ts";

const EXAMPLES = `
Examples:
  resnet doctor
  resnet doctor --json                                the same as one document
  resnet devices                                      what there is, with limits and features

Exit code 1 if something is missing that every command needs; what is optional costs nothing.`;

const RUNS = "runs";

/** Adds options and action. */
export function doctorCommand(command: Command, context: Context): void {
  command
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { readonly json?: boolean }) => {
      const { terminal } = context;
      const found = checks(await gatherFacts());
      const failed = found.filter(({ status }) => status === "missing").length;
      if (options.json === true) terminal.print(JSON.stringify({ ok: failed === 0, checks: found }, undefined, 2));
      else {
        const { green, red, yellow, dim } = terminal.colors;
        const colors = { ok: green, missing: red, optional: yellow, info: dim };
        for (const line of doctorText(found, (status, text) => colors[status](text))) terminal.print(line);
        terminal.say(failed === 0 ? terminal.errorColors.green("all that is needed is here") : terminal.errorColors.red(`${failed} missing`));
      }
      context.finish(failed === 0 ? EXIT.clean : EXIT.errors);
    });
}

/** A line each, and under it what to do. */
export function doctorText(found: readonly Check[], paint: (status: Check["status"], text: string) => string): string[] {
  const width = Math.max(...found.map(({ status }) => status.length));
  return found.flatMap(({ status, found: text, remedy, command }) => [
    `${paint(status, status.padEnd(width))}  ${text}`,
    ...(remedy === undefined || (command !== undefined && remedy.includes(command)) ? [] : [`${" ".repeat(width + 2)}${remedy}`]),
    ...(command === undefined ? [] : [`${" ".repeat(width + 2)}$ ${command}`]),
  ]);
}

async function gatherFacts(): Promise<HostFacts> {
  const folder = resolve(RUNS);
  return {
    node: process.versions.node,
    wasm: wasmFacts(),
    machine: thisMachine(),
    probe: await probeWebgpu("first"),
    missingParts: [
      ...(isThere(() => (libraryFiles("std/models")?.length ?? 0) > 0) ? [] : ["its standard library"]),
      ...(isThere(() => runtimeText() !== "") ? [] : ["the bundled runtime"]),
    ],
    runs: { folder, refusal: writeRefusal(folder) },
    chromium: findChromium(),
  };
}

function isThere(body: () => boolean): boolean {
  try {
    return body();
  } catch {
    return false;
  }
}

/** Why nothing could be written into a folder that may not be there yet; undefined if it could. Writes nothing. */
export function writeRefusal(folder: string): string | undefined {
  let nearest = folder;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  if (!statSync(nearest).isDirectory()) return `${nearest} is no folder`;
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `${nearest} may not be written (${(error as NodeJS.ErrnoException).code ?? "unknown"})`;
  }
}
