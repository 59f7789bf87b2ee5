/** `resnet demo`: the built-in example, also `npm start`. */
import { join } from "node:path";
import type { Command } from "commander";
import { heldOutOf, runDemo } from "../demo/demo.ts";
import { writeDigits } from "../demo/write-digits.ts";
import { parseCount } from "./options.ts";
import type { Context } from "./program.ts";
import { formatCount } from "./terminal.ts";

const EXAMPLES = `
Examples:
  resnet demo
  resnet demo --seed 7 --epochs 1 --pictures 3000
  resnet demo --write-data data/digits                only the pictures, as data for resnet train`;

const DEFAULT_PICTURES = 12_000;

interface Options {
  readonly seed: number;
  readonly out: string;
  readonly pictures: number;
  readonly epochs?: number;
  readonly writeData?: string;
}

/** Adds options and action. */
export function demoCommand(command: Command, context: Context): void {
  command
    .option("--seed <number>", "for pictures, weights and order", parseCount("--seed", Number.MIN_SAFE_INTEGER), 0)
    .option("--epochs <count>", "epochs; default: the recipe's", parseCount("--epochs", 1))
    .option("--pictures <count>", "pictures to train on; a sixth as many are held out", parseCount("--pictures", 100), DEFAULT_PICTURES)
    .option("--out <folder>", "where to write", join("runs", "demo"))
    .option("--write-data <folder>", "write the pictures as IDX files for resnet train, and do nothing else")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { seed, out, pictures, epochs, writeData } = options;
      if (writeData !== undefined) {
        const heldOut = heldOutOf(pictures);
        writeDigits(writeData, seed, pictures, heldOut);
        context.terminal.say(`wrote ${formatCount(pictures)} digits to train on and ${formatCount(heldOut)} held out into ${writeData}`);
        return;
      }
      context.finish(await runDemo(await context.api(), context.terminal, { seed, out, pictures, epochs }));
    });
}
