/** `resnet list`: the models of the standard library. */
import type { Command } from "commander";
import type { Context } from "./program.ts";
import { formatTable } from "./terminal.ts";

const EXAMPLES = `
Examples:
  resnet list
  resnet list --json                                  with the paper of each model
  resnet summary std/models/resnet --model ResNet50   a path as listed is a FILE argument`;

/** Adds options and action. */
export function listCommand(command: Command, context: Context): void {
  command
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { readonly json?: boolean }) => {
      const { listModels } = await context.api();
      const models = await listModels();
      if (options.json === true) {
        context.terminal.print(JSON.stringify(models, undefined, 2));
        return;
      }
      const rows = models.map((model) => [model.name, model.path, model.reference ?? ""]);
      for (const line of formatTable([["model", "path", "reference"], ...rows], ["left", "left", "left"])) context.terminal.print(line);
    });
}
