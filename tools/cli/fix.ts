/**
 * `resnet check --fix`: the safe fixes of a report, written into the files.
 * Invariant: only fixes graded `safe`, each whole or not at all; never a file of the standard library; a file that
 * changed since it was checked is left alone.
 */
import { readFileSync } from "node:fs";
import type { Diagnostic, Edit, Fix } from "../../grammar/diagnostic.ts";
import type { Source } from "../../grammar/source.ts";
import { applyEdits } from "../../compiler/report/hunks.ts";
import { indexLines } from "../../compiler/report/lines.ts";
import { writeFileAtomic } from "../data/write.ts";
import type { Api } from "./api.ts";
import type { Terminal } from "./terminal.ts";

/** A fix may bring to light what it hid; more rounds than this would be one fix undoing another. */
const MOST_ROUNDS = 10;

/** A fix that goes into the files. */
export interface ChosenFix {
  readonly diagnostic: Diagnostic;
  readonly fix: Fix;
}

/** Fixes, checks again, until nothing safe is left; returns the last check. */
export async function checkAndFix(api: Pick<Api, "check">, paths: readonly string[], terminal: Terminal): Promise<Awaited<ReturnType<Api["check"]>>> {
  let checked = await api.check(paths);
  let made = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const chosen = chooseFixes(checked.diagnostics);
    if (chosen.length === 0) break;
    writeFixes(chosen, terminal);
    made += chosen.length;
    checked = await api.check(paths);
  }
  terminal.say(made === 0 ? "no safe fixes to make" : `made ${made} ${made === 1 ? "fix" : "fixes"}`);
  return checked;
}

/** The first safe fix of each diagnostic; one that overlaps with an earlier one waits for the next round. */
export function chooseFixes(diagnostics: readonly Diagnostic[]): ChosenFix[] {
  const taken: Edit[] = [];
  return diagnostics.flatMap((diagnostic): ChosenFix[] => {
    const fix = diagnostic.fixes.find((each) => each.applicability === "safe" && each.edits.length > 0);
    if (fix === undefined || fix.edits.some(({ span }) => !isUserFile(span.source.path))) return [];
    if (fix.edits.some((edit) => taken.some((other) => collide(edit, other)))) return [];
    taken.push(...fix.edits);
    return [{ diagnostic, fix }];
  });
}

function isUserFile(path: string): boolean {
  return path.endsWith(".resnet") && !path.startsWith("std/");
}

/** Insertions at one place collide as well: their order would be a guess. */
function collide(a: Edit, b: Edit): boolean {
  if (a.span.source.path !== b.span.source.path) return false;
  if (a.span.start === b.span.start) return true;
  return a.span.start < b.span.end && b.span.start < a.span.end;
}

function writeFixes(chosen: readonly ChosenFix[], terminal: Terminal): void {
  const sources = new Map<string, Source>();
  for (const { fix } of chosen) for (const { span } of fix.edits) sources.set(span.source.path, span.source);
  const lines = indexLines();
  for (const { diagnostic, fix } of chosen) {
    const { line, column } = lines.position(diagnostic.span.source, diagnostic.span.start);
    terminal.say(`${diagnostic.span.source.path}:${line}:${column}: ${diagnostic.code}: ${fix.title}`);
  }
  for (const [path, source] of sources) {
    if (readFileSync(path, "utf8") !== source.text) {
      terminal.say(`${path}: changed meanwhile, left as it is`);
      continue;
    }
    const edits = chosen.flatMap(({ fix }) => fix.edits.filter(({ span }) => span.source.path === path));
    writeFileAtomic(path, applyEdits(source.text, edits));
  }
}
