/** Where sources, the standard library and the runtime's text lie, beside the bundle or in the checkout. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReadModule } from "../../compiler/resolve/modules.ts";
import type { ParseResult } from "../../grammar/parse.ts";
import type { Source } from "../../grammar/source.ts";
import { restore } from "../../grammar/stored.ts";
import { ResnetError } from "../../runtime/load.ts";
import { decodeText } from "./decode.ts";

/** Extension of a stored syntax tree, in place of `resnet`. */
export const STORED_SYNTAX = "tree.json";

const here = fileURLToPath(new URL(".", import.meta.url));

/** `dist/` beside a bundle, else the checkout's root. */
function firstThatExists(candidates: readonly string[]): string | undefined {
  return candidates.find((path) => existsSync(path));
}

function libraryFolder(): string {
  const found = firstThatExists([join(here, "stdlib"), join(here, "../../stdlib")]);
  if (found === undefined) throw new ResnetError("RN801", "the standard library is missing: run `npm run build`");
  return found;
}

/** `std/models/resnet` is `models/resnet.resnet` of the library. */
function filePath(path: string): string {
  return path.startsWith("std/") ? `${join(libraryFolder(), path.slice(4))}.resnet` : path;
}

/** A file of the library is known by its `std/` path however it was named, so that it is one module. */
function moduleName(path: string): string {
  if (!path.endsWith(".resnet")) return path;
  if (path.startsWith("std/")) return path.slice(0, -".resnet".length);
  const below = relative(libraryFolder(), resolve(path));
  return below.startsWith("..") || isAbsolute(below) ? path : `std/${below.slice(0, -".resnet".length).replaceAll("\\", "/")}`;
}

/** For imports: undefined if there is no such file. Throws RN801 for one that is no text. */
export function readModule(written: string): ReadModule | undefined {
  const path = moduleName(written);
  const text = textIfThere(filePath(path));
  if (text === undefined) return undefined;
  return path.startsWith("std/") ? { path, text, syntax: () => storedSyntax({ path, text }) } : { path, text };
}

/** The build writes it beside the library's file; a checkout has none. */
function storedSyntax(source: Source): ParseResult | undefined {
  const stored = textIfThere(filePath(source.path).replace(/resnet$/, STORED_SYNTAX));
  return stored === undefined ? undefined : restore(source, stored);
}

function textIfThere(file: string): string | undefined {
  const bytes = bytesIfThere(file);
  if (bytes === undefined) return undefined;
  const decoded = decodeText(bytes);
  if ("problem" in decoded) throw new ResnetError("RN801", `cannot read ${file}: ${decoded.problem}`);
  return decoded.text;
}

function bytesIfThere(file: string): Uint8Array | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") throw new ResnetError("RN801", `cannot read ${file}: no permission`);
    return undefined;
  }
}

/** For files named by the user. Throws RN801, also for what is no text. */
export function readSource(path: string): ReadModule {
  const source = readModule(path);
  if (source !== undefined) return source;
  const hint = path.startsWith("std/") ? "; `resnet list` shows what there is" : "";
  throw new ResnetError("RN801", `cannot read ${path}: no such file${hint}`);
}

/** Files, and folders for the `.resnet` files in them, each once. Throws RN801 for what does not exist. */
export function sourceFiles(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => libraryFiles(path) ?? (path.startsWith("std/") ? [path] : filesBelow(path))))];
}

/** The files of a folder of the library, `std`, `std/models`; undefined if the path is no such folder. */
export function libraryFiles(path: string): readonly string[] | undefined {
  if (path !== "std" && !path.startsWith("std/")) return undefined;
  const folder = join(libraryFolder(), path.slice("std/".length));
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? filesBelow(folder).map(moduleName) : undefined;
}

function filesBelow(path: string): string[] {
  const found = stat(path);
  if (!found.isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.name === "node_modules" || entry.name.startsWith(".")) return [];
      const below = join(path, entry.name);
      if (entry.isDirectory()) return filesBelow(below);
      return entry.name.endsWith(".resnet") ? [below] : [];
    });
}

function stat(path: string): ReturnType<typeof statSync> & { isDirectory(): boolean } {
  try {
    return statSync(path);
  } catch {
    throw new ResnetError("RN801", `cannot read ${path}: no such file or folder`);
  }
}

/** The bundled runtime that modules inline. */
export function runtimeText(): string {
  const found = firstThatExists([join(here, "runtime.bundle.txt"), join(here, "../../dist/runtime.bundle.txt")]);
  if (found === undefined) throw new ResnetError("RN801", "the bundled runtime is missing: run `npm run build`");
  return readFileSync(found, "utf8");
}
