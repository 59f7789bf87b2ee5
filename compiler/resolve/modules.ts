/**
 * Loads a module and what it imports, and gives each file its scope of declarations.
 * Invariant: pure; text comes from the reader; each file is parsed once; import cycles are reported, never followed.
 */
import type { Block, Constant, Item, Module, Train, Variant } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { type ParseResult, parse } from "../../grammar/parse.ts";
import type { Source, Span } from "../../grammar/source.ts";
import * as problems from "./problems.ts";

export const EDITIONS: readonly number[] = [2026];

/** Always in scope, unless a file declares the name itself. */
export const PRELUDE = "std/layers";

/** A module's text, with its syntax where that was stored (`grammar/stored.ts`). */
export interface ReadModule {
  readonly path: string;
  readonly text: string;
  readonly syntax?: () => ParseResult | undefined;
}

/** Gives the text of a module by its resolved path, or undefined if there is none. */
export type ModuleReader = (path: string) => ReadModule | undefined;

export type Declaration =
  | { readonly kind: "block"; readonly block: Block; readonly file: ModuleScope }
  | { readonly kind: "variant"; readonly variant: Variant; readonly file: ModuleScope }
  | { readonly kind: "constant"; readonly constant: Constant; readonly file: ModuleScope }
  | { readonly kind: "namespace"; readonly file: ModuleScope };

export interface ModuleScope {
  readonly path: string;
  readonly module: Module;
  /** Declared here. */
  readonly own: ReadonlyMap<string, Declaration>;
  /** Declared here or imported; the prelude comes last. */
  readonly visible: ReadonlyMap<string, Declaration>;
  readonly trains: readonly Train[];
  /** Imported names of files that could not be read or lack them; their uses are not reported again. */
  readonly unresolved: ReadonlySet<string>;
  /** Mistakes of its text; what they hide is not reported as missing. */
  readonly syntax: readonly Diagnostic[];
}

export interface LoadedModules {
  readonly entry: ModuleScope;
  readonly files: ReadonlyMap<string, ModuleScope>;
  readonly diagnostics: readonly Diagnostic[];
}

interface Loader {
  readonly read: ModuleReader;
  readonly files: Map<string, ModuleScope>;
  readonly loading: string[];
  readonly diagnostics: Diagnostic[];
  readonly parsed: ParseCache;
}

/** Parsed modules by path and text, kept by an editor between checks. */
export type ParseCache = Map<string, ParsedModule>;

interface ParsedModule {
  readonly text: string;
  readonly result: ParseResult;
  /** The module's scope with those it was made of, unless something was wrong: the same as long as they are the same. */
  readonly scope?: { readonly own: ModuleScope; readonly imported: ReadonlyMap<string, ModuleScope> };
}

/** Parses `entry` and everything it imports. */
export function loadModules(entry: Source, read: ModuleReader, cache: ParseCache = new Map()): LoadedModules {
  const loader: Loader = { read, files: new Map(), loading: [], diagnostics: [], parsed: cache };
  return { entry: loadFile(loader, entry), files: loader.files, diagnostics: loader.diagnostics };
}

/** `std/x` stays; other paths are relative to the importing file. */
export function resolvePath(from: string, path: string): string {
  if (path.startsWith("std/")) return path;
  const withExtension = path.endsWith(".resnet") ? path : `${path}.resnet`;
  if (path.startsWith("/")) return withExtension;
  const parts = from.split("/").slice(0, -1);
  for (const part of withExtension.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  const joined = parts.join("/");
  return from.startsWith("/") && !joined.startsWith("/") ? `/${joined}` : joined;
}

function parseCached(loader: Loader, source: ReadModule): ParseResult {
  const known = loader.parsed.get(source.path);
  if (known !== undefined && known.text === source.text) return known.result;
  const result = source.syntax?.() ?? parse(source);
  loader.parsed.set(source.path, { text: source.text, result });
  return result;
}

function loadFile(loader: Loader, source: ReadModule): ModuleScope {
  const { module, diagnostics } = parseCached(loader, source);
  loader.diagnostics.push(...diagnostics);
  if (module.edition !== undefined && !EDITIONS.includes(module.edition.year))
    loader.diagnostics.push(problems.unknownEdition(module.edition, EDITIONS));
  const own = new Map<string, Declaration>();
  const visible = new Map<string, Declaration>();
  const trains: Train[] = [];
  const unresolved = new Set<string>();
  const scope: ModuleScope = { path: source.path, module, own, visible, trains, unresolved, syntax: diagnostics };
  loader.files.set(source.path, scope);
  loader.loading.push(source.path);
  for (const item of module.items) declare(loader, scope, own, trains, item);
  if (source.path !== PRELUDE) {
    const prelude = importFile(loader, PRELUDE, module.span);
    for (const [name, declaration] of prelude?.own ?? []) visible.set(name, declaration);
  }
  const importedAt = new Map<string, Span>();
  for (const entry of module.imports) {
    if (entry.path === "") continue;
    const file = importFile(loader, resolvePath(source.path, entry.path), entry.pathSpan, entry.path);
    if (file === undefined) {
      for (const name of [...entry.names.map(({ local }) => local), ...(entry.alias === undefined ? [] : [entry.alias])]) unresolved.add(name.text);
      continue;
    }
    if (entry.alias !== undefined) {
      reportTwice(loader, importedAt, entry.alias.text, entry.alias.span);
      visible.set(entry.alias.text, { kind: "namespace", file });
    }
    for (const { name, local } of entry.names) {
      const found = file.own.get(name.text);
      if (found === undefined) {
        loader.diagnostics.push(problems.noSuchExport(name, entry.path, [...file.own.keys()]));
        unresolved.add(local.text);
      } else {
        reportTwice(loader, importedAt, local.text, local.span);
        visible.set(local.text, found);
      }
    }
  }
  for (const [name, declaration] of own) {
    const first = importedAt.get(name);
    if (first !== undefined) loader.diagnostics.push(problems.duplicateName(name, nameSpan(declaration), first));
    visible.set(name, declaration);
  }
  loader.loading.pop();
  return scope;
}

function reportTwice(loader: Loader, seen: Map<string, Span>, name: string, span: Span): void {
  const first = seen.get(name);
  if (first === undefined) seen.set(name, span);
  else loader.diagnostics.push(problems.duplicateName(name, span, first));
}

function declare(loader: Loader, file: ModuleScope, own: Map<string, Declaration>, trains: Train[], item: Item): void {
  if (item.kind === "Train") {
    trains.push(item);
    return;
  }
  const first = own.get(item.name.text);
  if (first !== undefined) {
    loader.diagnostics.push(problems.duplicateName(item.name.text, item.name.span, nameSpan(first)));
    return;
  }
  switch (item.kind) {
    case "Block":
      own.set(item.name.text, { kind: "block", block: item, file });
      return;
    case "Variant":
      own.set(item.name.text, { kind: "variant", variant: item, file });
      return;
    case "Constant":
      own.set(item.name.text, { kind: "constant", constant: item, file });
      return;
    default:
      item satisfies never;
  }
}

function importFile(loader: Loader, path: string, span: Span, written = path): ModuleScope | undefined {
  const cycleStart = loader.loading.indexOf(path);
  if (cycleStart >= 0) {
    loader.diagnostics.push(problems.importCycle(span, [...loader.loading.slice(cycleStart), path]));
    return undefined;
  }
  const known = loader.files.get(path);
  if (known !== undefined) return known;
  const source = loader.read(path);
  if (source === undefined) {
    loader.diagnostics.push(problems.cannotImport(span, written, path));
    return undefined;
  }
  const kept = keptScope(loader, source, span);
  if (kept !== undefined) return kept;
  const before = loader.diagnostics.length;
  const scope = loadFile(loader, source);
  const parsed = loader.parsed.get(path);
  if (parsed !== undefined && loader.diagnostics.length === before)
    loader.parsed.set(path, { ...parsed, scope: { own: scope, imported: importedBy(loader, scope) } });
  return scope;
}

/** The scope that an earlier load made of the same text and the same imports. */
function keptScope(loader: Loader, source: Source, span: Span): ModuleScope | undefined {
  const parsed = loader.parsed.get(source.path);
  if (parsed?.scope === undefined || parsed.text !== source.text) return undefined;
  loader.loading.push(source.path);
  const same = [...parsed.scope.imported].every(([path, scope]) => importFile(loader, path, span) === scope);
  loader.loading.pop();
  if (!same) return undefined;
  loader.files.set(source.path, parsed.scope.own);
  return parsed.scope.own;
}

function importedBy(loader: Loader, scope: ModuleScope): ReadonlyMap<string, ModuleScope> {
  const paths = [...(scope.path === PRELUDE ? [] : [PRELUDE]), ...scope.module.imports.map((each) => resolvePath(scope.path, each.path))];
  return new Map(
    paths.flatMap((path) => {
      const file = loader.files.get(path);
      return file === undefined ? [] : [[path, file] as const];
    }),
  );
}

/** Where a declaration's name is written. */
export function nameSpan(declaration: Declaration): Span {
  switch (declaration.kind) {
    case "block":
      return declaration.block.name.span;
    case "variant":
      return declaration.variant.name.span;
    case "constant":
      return declaration.constant.name.span;
    case "namespace":
      return declaration.file.module.span;
    default:
      return declaration satisfies never;
  }
}
