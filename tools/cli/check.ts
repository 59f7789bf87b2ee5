/** `resnet check`: diagnostics of files and folders, in four formats. */
import type { Command } from "commander";
import { EXIT } from "./failure.ts";
import { parseChoice } from "./options.ts";
import type { Context } from "./program.ts";
import { REPORT_FORMATS, renderReport, type ReportFormat, summarize } from "./report.ts";

const EXAMPLES = `
Examples:
  resnet check resnet20.resnet
  resnet check examples/ --format json
  resnet check . --format sarif > resnet.sarif
  resnet check . --format github                      annotations in a GitHub workflow`;

/** Adds options and action. */
export function checkCommand(command: Command, context: Context): void {
  command
    .argument("<path...>", "files, or folders searched for .resnet files")
    .option(
      "--format <format>",
      `one of ${REPORT_FORMATS.join(", ")}`,
      parseChoice("--format", REPORT_FORMATS),
      "pretty",
    )
    .addHelpText("after", EXAMPLES)
    .action(async (paths: string[], options: { readonly format: ReportFormat }) => {
      const { check } = await context.api();
      const { diagnostics, files } = await check(paths);
      const { terminal } = context;
      const text = renderReport(diagnostics, options.format, terminal.colors);
      if (text !== "") terminal.print(text);
      const failed = diagnostics.some((diagnostic) => diagnostic.severity === "error");
      const line = summarize(diagnostics, files);
      terminal.say(failed ? terminal.errorColors.red(line) : terminal.errorColors.green(line));
      context.finish(failed ? EXIT.errors : EXIT.clean);
    });
}
