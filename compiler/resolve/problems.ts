/** Diagnostics about names and imports, one constructor per code. */
import type { Edition, Name } from "../../grammar/ast.ts";
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { closest } from "../../grammar/closest.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

export function unknownEdition(edition: Edition, known: readonly number[]): Diagnostic {
  const latest = known.at(-1) ?? edition.year;
  return {
    ...plain,
    code: "RN007",
    message: `edition ${edition.year} is unknown to this compiler`,
    span: edition.span,
    note: `known: ${known.join(", ")}`,
    fixes: [
      { title: `write \`edition ${latest}\``, applicability: "maybe-incorrect", edits: [{ span: edition.span, replacement: `edition ${latest}` }] },
    ],
  };
}

/** "did you mean" as a fix. */
export function renameFix(span: Span, candidate: string | undefined): Fix[] {
  if (candidate === undefined) return [];
  return [{ title: `did you mean \`${candidate}\`?`, applicability: "maybe-incorrect", edits: [{ span, replacement: candidate }] }];
}

export function unknownName(name: string, span: Span, candidates: readonly string[], what = "name"): Diagnostic {
  return {
    ...plain,
    code: "RN101",
    message: `there is no ${what} \`${name}\` here`,
    span,
    note: "not found",
    help: [FOREIGN_NAMES.get(name)].filter((text) => text !== undefined),
    fixes: FOREIGN_NAMES.has(name) ? [] : renameFix(span, closest(name, candidates)),
  };
}

const LAYERS_BY_NAME = "layers are used by their own names: `conv(64, 3)`, `batchnorm`, `relu`; LANGUAGE.md lists those of `std/layers`";

/** Names that people bring along, and what stands for them. */
const FOREIGN_NAMES: ReadonlyMap<string, string> = new Map([
  ...["self", "this"].map((name) => [name, "a block has no object of its own: parameters and labels are used by name"] as const),
  ...["nn", "torch", "F", "tf", "keras", "layers", "jax", "np"].map((name) => [name, LAYERS_BY_NAME] as const),
  ...["linspace", "logspace", "arange", "geomspace"].map(
    (name) => [name, "`range(from, to, step)` gives whole numbers in equal steps; others are written out: `[0.1, 0.03, 0.01]`"] as const,
  ),
  ["None", "leave the argument out to have its default"],
  ["null", "leave the argument out to have its default"],
  ["lambda", "a function of tensors is a block; give it a name with `block Name { … }`"],
  ["print", "`resnet summary FILE` prints the shapes of all layers"],
]);

/** RN102; `what` both are, where they are not labels. */
export function duplicateName(name: string, span: Span, first: Span, what = "label"): Diagnostic {
  return {
    ...plain,
    code: "RN102",
    message: `\`${name}\` is declared twice in one scope`,
    span,
    note: "declared again",
    labels: [{ span: first, text: "first declared here" }],
    help: [
      what === "value"
        ? "a name is given its value once: write a chain, `x -> conv(64, 3) -> relu -> y`, or give each value a name of its own"
        : what === "label"
          ? "labels are paths of parameters, so each must be unique in its scope: rename one of the two"
          : "parameters, ports, sizes, labels and locals of a block share one scope: rename one of the two",
    ],
  };
}

export function cannotImport(span: Span, written: string, path: string): Diagnostic {
  return {
    ...plain,
    code: "RN103",
    message: `cannot read the module "${written}"`,
    span,
    note: "no such file",
    help: [path.startsWith("std/") ? "`resnet list` shows the standard library's files" : `looked for ${path}`],
  };
}

/** `shadowed`: where a block of the library has the same name. */
export function recursiveBlock(name: string, span: Span, trail: readonly string[], shadowed?: string): Diagnostic {
  return {
    ...plain,
    code: "RN104",
    message: `block \`${name}\` contains itself: ${trail.join(" -> ")}`,
    span,
    note: "a block cannot be a part of itself",
    help: [
      shadowed === undefined
        ? "for a stack of equal blocks write `repeat n { ... }`"
        : `here \`${name}\` is the block of this file, not that of ${shadowed}: give it another name`,
    ],
  };
}

export function recursiveConstant(name: string, span: Span): Diagnostic {
  return { ...plain, code: "RN104", message: `constant \`${name}\` is defined by itself`, span, note: "its value is still being computed" };
}

export function importCycle(span: Span, trail: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN105",
    message: `imports form a cycle: ${trail.join(" -> ")}`,
    span,
    note: "this import closes the cycle",
    help: ["move what both files need into a third one"],
  };
}

export function noSuchExport(name: Name, path: string, exported: readonly string[]): Diagnostic {
  return {
    ...plain,
    code: "RN106",
    message: `"${path}" declares no \`${name.text}\``,
    span: name.span,
    note: "not declared there",
    help: exported.length > 0 && exported.length <= 12 ? [`it declares ${exported.join(", ")}`] : [],
    fixes: renameFix(name.span, closest(name.text, exported)),
  };
}
