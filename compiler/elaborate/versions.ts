/**
 * Versions of declarations: what a block's check by itself depends on, as one number.
 * Invariant: equal versions read the same, in a file of the same path with the same names in scope, and so does all of
 * their own file that they name, directly or through others; so the check of the one is the check of the other.
 */
import { walk } from "../../grammar/walk.ts";
import { type Declaration, type ModuleScope, nameSpan } from "../resolve/modules.ts";

/** Numbers for texts, and for the scopes of files. */
export interface Numbering {
  readonly texts: Map<string, number>;
  readonly files: WeakMap<ModuleScope, number>;
  next: number;
}

export function newNumbering(): Numbering {
  return { texts: new Map(), files: new WeakMap(), next: 0 };
}

/** The versions of a file's own declarations, by name; counted when first asked for. */
export function versionsOf(file: ModuleScope, numbering: Numbering): (name: string) => number {
  const known = new Map<string, number>();
  const named = new Map<string, readonly string[]>();
  const numberOf = (text: string): number => {
    const number = numbering.texts.get(text) ?? numbering.next++;
    numbering.texts.set(text, number);
    return number;
  };
  const ownNames = (name: string): readonly string[] => {
    const before = named.get(name);
    const declaration = before === undefined ? file.own.get(name) : undefined;
    const found = before ?? (declaration === undefined ? [] : [...namesWithin(declaration)].filter((each) => file.own.has(each)));
    named.set(name, found);
    return found;
  };
  let surroundings: number | undefined;
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    surroundings ??= numberOf(namesInScope(file, numbering));
    const reached = new Set([name]);
    for (const each of reached) for (const next of ownNames(each)) reached.add(next);
    const texts = [...reached].map((each) => numberOf(textOf(file.own.get(each))));
    const version = numberOf(`${surroundings}: ${texts.join()}`);
    known.set(name, version);
    return version;
  };
}

/** The file's path, the names declared in it, and where the others come from. */
function namesInScope(file: ModuleScope, numbering: Numbering): string {
  const idOf = (scope: ModuleScope): number => {
    const id = numbering.files.get(scope) ?? numbering.next++;
    numbering.files.set(scope, id);
    return id;
  };
  const names = [...file.visible].map(([name, declaration]) =>
    declaration.file === file ? name : `${name}=${declaration.kind} ${idOf(declaration.file)} ${ownName(declaration)}`,
  );
  return `${file.path} ${names.join()} ${[...file.unresolved].join()}`;
}

function ownName(declaration: Declaration): string {
  return declaration.kind === "namespace" ? "" : textOfName(declaration);
}

function textOfName(declaration: Declaration): string {
  const { source, start, end } = nameSpan(declaration);
  return source.text.slice(start, end);
}

function nodeOf(declaration: Declaration | undefined) {
  switch (declaration?.kind) {
    case "block":
      return declaration.block;
    case "variant":
      return declaration.variant;
    case "constant":
      return declaration.constant;
    case "namespace":
    case undefined:
      return undefined;
    default:
      return declaration satisfies never;
  }
}

/** Every name that occurs, and the block that skips use without naming it. */
function namesWithin(declaration: Declaration): ReadonlySet<string> {
  const names = new Set<string>(["projection"]);
  const node = nodeOf(declaration);
  if (node !== undefined)
    walk(node, (each) => {
      if (each.kind === "Name") names.add(each.text);
    });
  return names;
}

function textOf(declaration: Declaration | undefined): string {
  const node = nodeOf(declaration);
  return node === undefined ? "" : node.span.source.text.slice(node.span.start, node.span.end);
}
