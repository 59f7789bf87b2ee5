/** Diagnostics of recipes, one constructor per code. */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { closest } from "../resolve/closest.ts";
import { renameFix } from "../resolve/problems.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

export function unknownSetting(name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN501",
    message: `a recipe has no setting \`${name}\``,
    span,
    note: "unknown setting",
    help: [`settings are ${known.join(", ")}`],
    fixes: renameFix(span, closest(name, known)),
  };
}

export function repeatedSetting(name: string, span: Span): Diagnostic {
  return { ...plain, code: "RN502", message: `\`${name}\` is set twice`, span, note: "set again" };
}

export function badSetting(name: string, wanted: string, span: Span): Diagnostic {
  return { ...plain, code: "RN503", message: `\`${name}\` takes ${wanted}`, span, note: `expected ${wanted}` };
}

export function unknownChoice(what: string, name: string, span: Span, known: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN504",
    message: name === "" ? `this is no ${what}` : `there is no ${what} \`${name}\``,
    span,
    note: `unknown ${what}`,
    help: [`known: ${known.join(", ")}`],
    fixes: renameFix(span, closest(name, known)),
  };
}

export function lossShapes(message: string, span: Span, help: readonly string[]): Diagnostic {
  return { ...plain, code: "RN208", message, span, note: "shapes do not fit", help };
}

export function noSuchOutput(name: string, span: Span, outputs: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN505",
    message: `the model has no output \`${name}\` for the loss`,
    span,
    note: "no such output",
    help: [`its outputs are ${outputs.join(", ")}`],
    fixes: renameFix(span, closest(name, outputs)),
  };
}
