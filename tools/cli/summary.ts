/** `resnet summary`: what a model consists of, layer by layer. */
import type { Command } from "commander";
import type { Summary } from "./api.ts";
import { collect, type ModelOptions, modelSelection } from "./options.ts";
import type { Context } from "./program.ts";
import { formatCount, formatShape, formatTable } from "./terminal.ts";

const EXAMPLES = `
Examples:
  resnet summary resnet20.resnet
  resnet summary std/models/resnet --model ResNet50 --dim N=1,H=224,W=224
  resnet summary resnet20.resnet --set classes=100 --json`;

/** Adds options and action. */
export function summaryCommand(command: Command, context: Context): void {
  command
    .argument("<file>", "a .resnet file or a std/... path")
    .option("--model <name>", "the model, if the file has several")
    .option("--dim <sizes>", "sizes of free dims, e.g. N=1,H=224,W=224", collect)
    .option("--set <values>", "parameters of the model, e.g. classes=10", collect)
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: ModelOptions & { readonly json?: boolean }) => {
      const { compile } = await context.api();
      const program = await compile({ file, mode: "inference", usualSizes: true, ...modelSelection(options) });
      sayAssumed(context.terminal, program.assumed ?? {});
      const summary = program.summary();
      if (options.json === true) context.terminal.print(JSON.stringify(summary, undefined, 2));
      else for (const line of describeSummary(summary)) context.terminal.print(line);
    });
}

/** Sizes that nobody gave, so that no number is taken for one that was asked for. */
export function sayAssumed(terminal: Context["terminal"], assumed: Readonly<Record<string, number>>): void {
  const sizes = Object.entries(assumed).map(([name, size]) => `${name}=${size}`);
  if (sizes.length > 0) terminal.say(`sizes ${sizes.join(", ")}, the model's usual ones; --dim ${sizes.join(",")} changes them`);
}

/** The summary as lines for people. */
export function describeSummary(summary: Summary): string[] {
  const ports = (list: Summary["inputs"]): string => list.map((port) => `${port.name}: ${port.dtype}${formatShape(port.shape)}`).join(", ");
  const heading = ["layer", "operator", "output", "parameters", "MACs", "activation bytes"];
  const rows = summary.layers.map((layer) => [
    layer.path,
    layer.operator,
    formatShape(layer.output),
    formatCount(layer.parameters),
    countOrFree(layer.macs),
    countOrFree(layer.activation_bytes),
  ]);
  return [
    `${summary.model}(${ports(summary.inputs)}) -> ${ports(summary.outputs)}`,
    "",
    ...formatTable([heading, ...rows], ["left", "left", "left", "right", "right", "right"]),
    "",
    `parameters        ${formatCount(summary.parameters)}`,
    `MACs              ${countOrFree(summary.macs)} a sample`,
    `activation bytes  ${countOrFree(summary.activation_bytes)} a sample`,
  ];
}

/** Counts that depend on a free size are not known. */
function countOrFree(count: number | undefined): string {
  return count === undefined ? "?" : formatCount(count);
}
