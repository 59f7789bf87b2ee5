/**
 * Writes the catalogue of codes into LANGUAGE.md, between its two marks: `npx tsx tools/build/write-catalogue.ts`.
 * Invariant: what is between the marks is made of the catalogue and the examples alone; a test keeps it fresh.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CATALOGUE } from "../../compiler/check/catalogue.ts";
import { exampleOf, mended } from "../../compiler/report/examples.ts";
import { RUNTIME_CATALOGUE } from "../../compiler/report/runtime-catalogue.ts";
import { writeFileAtomic } from "../data/write.ts";

const BEGIN = "<!-- catalogue: written by tools/build/write-catalogue.ts; do not edit -->";
const END = "<!-- end of the catalogue -->";

/** Reported without being errors, so not in blocks that are marked as such. */
const HINTS: readonly string[] = ["RN220"];

/** The section, marks included. */
export function catalogueSection(): string {
  const checked = CATALOGUE.flatMap(({ code, title, text }) => {
    const example = exampleOf(code);
    if (example === undefined) return [`### ${code}: ${title}`, text];
    const [from, to] = example.change;
    const mark = example.command === true ? "sh" : example.others === undefined && !HINTS.includes(code) ? `resnet-error ${code}` : "text";
    const shown = [`\`\`\`${mark}`, example.bad.trimEnd(), "```"].join("\n");
    const short = !from.includes("\n") && !to.includes("\n") && to !== "" && !from.includes("`");
    const good = [`\`\`\`${mark === "sh" || mark === "text" ? mark : "resnet"}`, mended(example).trimEnd(), "```"].join("\n");
    return [`### ${code}: ${title}`, text, shown, ...(short ? [`Right: \`${to.trim()}\` in place of \`${from.trim()}\`.`] : ["Right:", good])];
  });
  const running = RUNTIME_CATALOGUE.map(({ code, title, text }) => `- **${code}**, ${title}. ${text}`);
  return [BEGIN, ...checked, "### While running", running.join("\n"), END].join("\n\n");
}

/** The document with its section renewed; undefined if it has no marks. */
export function withCatalogue(document: string): string | undefined {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) return undefined;
  return document.slice(0, begin) + catalogueSection() + document.slice(end + END.length);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = fileURLToPath(new URL("../../LANGUAGE.md", import.meta.url));
  const renewed = withCatalogue(readFileSync(path, "utf8"));
  if (renewed === undefined) throw new Error(`${path} has no marks for the catalogue`);
  writeFileAtomic(path, renewed);
}
