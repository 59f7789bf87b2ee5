/**
 * Checks of files and folders.
 * Invariant: apart from `index.ts`, so that a check loads no code generation.
 */
import { check as checkSource } from "../../compiler/check-source.ts";
import { type RecipeSignature, recipeSignature } from "../../compiler/sweep.ts";
import { type BlockSignature, signatureOf } from "../../compiler/report/signature.ts";
import { loadModules, type ParseCache } from "../../compiler/resolve/modules.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { ResnetError } from "../../runtime/error.ts";
import { readModule, readSource, sourceFiles } from "./files.ts";

/** A path that could not be read, and the error that says why (RN801). */
export interface Unreadable {
  readonly path: string;
  readonly error: ResnetError;
}

export interface Checked {
  readonly diagnostics: Diagnostic[];
  /** Files that were checked. */
  readonly files: number;
}

/** Checks files, and folders for the `.resnet` files in them. Throws RN801 for what cannot be read. */
export async function check(paths: readonly string[]): Promise<Checked> {
  const { unreadable, ...checked } = await checkReadable(paths);
  const [first] = unreadable;
  if (first !== undefined) throw first.error;
  return checked;
}

/** As `check`, of all that can be read: one file that cannot hides nothing of the others. */
export async function checkReadable(paths: readonly string[]): Promise<Checked & { readonly unreadable: readonly Unreadable[] }> {
  const cache: ParseCache = new Map();
  const seen = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  const unreadable: Unreadable[] = [];
  const attempt = <T>(path: string, read: () => readonly T[]): readonly T[] => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ResnetError) || error.code !== "RN801") throw error;
      unreadable.push({ path, error });
      return [];
    }
  };
  const files = [...new Set(paths.flatMap((path) => attempt(path, () => sourceFiles([path]))))];
  for (const file of files)
    for (const diagnostic of attempt(file, () => checkSource(readSource(file), readModule, cache).diagnostics)) {
      const key = `${diagnostic.code} ${diagnostic.span.source.path} ${diagnostic.span.start} ${diagnostic.message}`;
      if (seen.has(key)) continue;
      seen.add(key);
      diagnostics.push(diagnostic);
    }
  const failed = new Set(unreadable.map(({ path }) => path));
  return { diagnostics, files: files.filter((file) => !failed.has(file)).length, unreadable };
}

/** What the checker knows of each block and model of the files. Throws RN801 for what cannot be read. */
export async function signatures(paths: readonly string[]): Promise<BlockSignature[]> {
  const cache: ParseCache = new Map();
  return sourceFiles(paths).flatMap((file) => {
    const { modules, blocks } = checkSource(readSource(file), readModule, cache);
    return [...modules.entry.own.values()].flatMap((declaration) => {
      if (declaration.kind !== "block") return [];
      return [
        signatureOf(
          declaration.block,
          blocks.find((checked) => checked.declaration.block === declaration.block),
        ),
      ];
    });
  });
}

/** What the recipes of the files sweep, and into how many runs. Throws RN801 for what cannot be read. */
export async function recipes(paths: readonly string[]): Promise<RecipeSignature[]> {
  const cache: ParseCache = new Map();
  return sourceFiles(paths).flatMap((file) => {
    const { entry } = loadModules(readSource(file), readModule, cache);
    return entry.trains.map((train) => recipeSignature(entry, train));
  });
}
