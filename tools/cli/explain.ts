/** `resnet explain`: what a diagnostic's code means, with a file that is given it and one that is not. */
import type { Command } from "commander";
import { CATALOGUE, type CatalogueEntry } from "../../compiler/check/catalogue.ts";
import { exampleOf, mended } from "../../compiler/report/examples.ts";
import { RUNTIME_CATALOGUE } from "../../compiler/report/runtime-catalogue.ts";
import { CommandFailure } from "./failure.ts";
import type { Context } from "./program.ts";
import { formatTable } from "./terminal.ts";

const EXAMPLES = `
Examples:
  resnet explain RN201
  resnet explain 201
  resnet explain                                      every code with its title`;

const WIDTH = 88;

/** Adds options and action. */
export function explainCommand(command: Command, context: Context): void {
  command
    .argument("[code]", "a code as reports show it, e.g. RN201; without it, the list of all")
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", EXAMPLES)
    .action((code: string | undefined, options: { readonly json?: boolean }) => {
      const { terminal } = context;
      const entries = [...CATALOGUE, ...RUNTIME_CATALOGUE];
      if (code === undefined) {
        if (options.json === true) terminal.print(JSON.stringify(entries.map(asJson), undefined, 2));
        else
          for (const line of formatTable(
            entries.map((each) => [each.code, each.title]),
            ["left", "left"],
          ))
            terminal.print(line);
        return;
      }
      const wanted = /^(?:RN)?(\d{1,3})$/i.exec(code)?.[1];
      const entry = wanted === undefined ? undefined : entries.find((each) => each.code === `RN${wanted.padStart(3, "0")}`);
      if (entry === undefined) throw new CommandFailure(`there is no code ${code}; codes look like RN201, and \`resnet explain\` lists them`);
      if (options.json === true) terminal.print(JSON.stringify(asJson(entry), undefined, 2));
      else for (const line of describeEntry(entry, (text) => terminal.colors.bold(text))) terminal.print(line);
    });
}

function asJson(entry: CatalogueEntry): object {
  const example = exampleOf(entry.code);
  return { ...entry, ...(example === undefined ? {} : { bad: example.bad, good: mended(example) }) };
}

/** Title, meaning, and the example before and after. */
export function describeEntry(entry: CatalogueEntry, heading: (text: string) => string): string[] {
  const example = exampleOf(entry.code);
  const indented = (text: string): string[] =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => (line === "" ? "" : `  ${line}`));
  return [
    heading(`${entry.code}: ${entry.title}`),
    "",
    ...wrapped(entry.text),
    ...(example === undefined ? [] : ["", heading("Wrong:"), "", ...indented(example.bad), "", heading("Right:"), "", ...indented(mended(example))]),
  ];
}

/** Lines of whole words. */
function wrapped(text: string): string[] {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
