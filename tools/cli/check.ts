/** `resnet check`: diagnostics of files and folders, in four formats; safe fixes; signatures. */
import type { Command } from "commander";
import { CommandFailure, EXIT } from "./failure.ts";
import { parseChoice } from "./options.ts";
import type { Context } from "./program.ts";
import { REPORT_FORMATS, renderReport, type ReportFormat, summarize } from "./report.ts";

const EXAMPLES = `
Examples:
  resnet check resnet20.resnet
  resnet check examples/ --format json
  resnet check . --format sarif > resnet.sarif
  resnet check . --format github                      annotations in a GitHub workflow
  resnet check src/ --fix                             makes the fixes that are safe
  resnet check resnet20.resnet --signatures           ports, shapes and conditions of each block
  resnet explain RN201                                what a code means`;

interface CheckOptions {
  readonly format: ReportFormat;
  readonly fix?: boolean;
  readonly signatures?: boolean;
}

/** Adds options and action. */
export function checkCommand(command: Command, context: Context): void {
  command
    .argument("<path...>", "files, or folders searched for .resnet files")
    .option("--format <format>", `one of ${REPORT_FORMATS.join(", ")}`, parseChoice("--format", REPORT_FORMATS), "pretty")
    .option("--fix", "write the fixes that are safe into the files, then check again")
    .option("--signatures", "with pretty or json: the ports, shapes and conditions of each block, runs of each recipe")
    .addHelpText("after", EXAMPLES)
    .action(async (paths: string[], options: CheckOptions) => {
      const { format } = options;
      if (options.signatures === true && format !== "pretty" && format !== "json")
        throw new CommandFailure(`check: --signatures has no ${format} format; use pretty or json`);
      const api = await context.api();
      const { terminal } = context;
      const { diagnostics, files, unreadable } =
        options.fix === true ? await (await import("./fix.ts")).checkAndFix(api, paths, terminal) : await api.check(paths);
      const report = renderReport(diagnostics, format, terminal, unreadable);
      if (options.signatures !== true) {
        if (report !== "") terminal.print(report);
      } else {
        for (const { error } of unreadable) throw error;
        const signatures = await api.signatures(paths);
        const recipes = await api.recipes(paths);
        if (format === "json") {
          terminal.print(JSON.stringify({ diagnostics: JSON.parse(report) as unknown, signatures, recipes }, undefined, 2));
        } else {
          const { printSignature } = await import("../../compiler/report/signature.ts");
          const { printRecipe } = await import("../../compiler/sweep.ts");
          terminal.print([...signatures.map(printSignature), ...recipes.map(printRecipe)].join("\n\n"));
          if (report !== "") terminal.print(`\n${report}`);
        }
      }
      const failed = diagnostics.some((diagnostic) => diagnostic.severity === "error");
      for (const { error } of unreadable) terminal.say(`${terminal.errorColors.red("error")}: [${error.code}] ${error.message}`);
      const wrong = failed || unreadable.length > 0;
      const line = summarize(diagnostics, files);
      if (files > 0 || unreadable.length === 0) terminal.say(wrong ? terminal.errorColors.red(line) : terminal.errorColors.green(line));
      context.finish(unreadable.length > 0 ? EXIT.usage : failed ? EXIT.errors : EXIT.clean);
    });
}
