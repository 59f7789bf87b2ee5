/** `resnet demo`: the built-in example, also `npm start`. */
import { join } from "node:path";
import type { Command } from "commander";
import { runDemo } from "../demo/demo.ts";
import { parseCount } from "./options.ts";
import type { Context } from "./program.ts";

const EXAMPLES = `
Examples:
  resnet demo
  resnet demo --seed 7 --epochs 1 --pictures 3000`;

const DEFAULT_PICTURES = 12_000;

interface Options {
  readonly seed: number;
  readonly out: string;
  readonly pictures: number;
  readonly epochs?: number;
}

/** Adds options and action. */
export function demoCommand(command: Command, context: Context): void {
  command
    .option("--seed <number>", "for pictures, weights and order", parseCount("--seed", Number.MIN_SAFE_INTEGER), 0)
    .option("--epochs <count>", "epochs; default: the recipe's", parseCount("--epochs", 1))
    .option("--pictures <count>", "pictures to train on; a sixth as many are held out", parseCount("--pictures", 100), DEFAULT_PICTURES)
    .option("--out <folder>", "where to write", join("runs", "demo"))
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { seed, out, pictures, epochs } = options;
      context.finish(await runDemo(await context.api(), context.terminal, { seed, out, pictures, epochs }));
    });
}
