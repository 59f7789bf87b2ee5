/** `resnet new`: a file to start from, made of a model of the standard library. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { writeFileAtomic } from "../data/write.ts";
import { CommandFailure } from "./failure.ts";
import type { Context } from "./program.ts";

const EXAMPLES = `
Examples:
  resnet new digits --from std/models/cifar --model CifarResNet20B    writes digits.resnet
  resnet new sound --from std/models/audio                            the file's only model
  resnet list                                                         what there is to start from`;

/** Adds options and action. */
export function newCommand(command: Command, context: Context): void {
  command
    .argument("<name>", "the file to write, with or without .resnet")
    .requiredOption("--from <path>", "a path of the standard library, as `resnet list` shows it")
    .option("--model <name>", "the model, if the path has several")
    .addHelpText("after", EXAMPLES)
    .action(async (name: string, options: { readonly from: string; readonly model?: string }) => {
      if (!options.from.startsWith("std/"))
        throw new CommandFailure(`--from ${options.from}: expected a path of the standard library, such as std/models/cifar`);
      const file = name.endsWith(".resnet") ? name : `${name}.resnet`;
      if (basename(file) === ".resnet") throw new CommandFailure("new: give the file a name");
      if (existsSync(file)) throw new CommandFailure(`${file} exists; choose another name, or remove it first`);
      const { starter } = await context.api();
      const { model, text } = await starter(options.from, options.model);
      writeFileAtomic(file, text);
      context.terminal.say(`wrote ${file}: ${model}, from ${options.from}`);
      context.terminal.say(`next: resnet check ${file}, then resnet train ${file} --data PATH`);
    });
}
