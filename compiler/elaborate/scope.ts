/** Lexical scopes of names inside a block. Invariant: a name is bound once per scope; inner scopes see outer ones. */
import type { Name } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import type { Declaration, ModuleScope } from "../resolve/modules.ts";
import type { Value } from "./values.ts";

export interface Binding {
  readonly value: Value;
  readonly span: Span;
  /** For a label: the block it stands for as a later stage, and its path. */
  readonly stage?: { readonly block: Value; readonly path: readonly string[] };
  /** What bound it; a target is an input of a loss. */
  readonly declared?: "parameter" | "dim" | "port" | "label" | "local" | "tensor" | "target";
}

export interface OutTarget {
  readonly name: Name;
  assigned: { value: Value; span: Span } | undefined;
}

export interface Scope {
  readonly parent: Scope | undefined;
  readonly file: ModuleScope;
  readonly names: Map<string, Binding>;
  /** Out ports of the block; shared by its inner scopes. */
  readonly outs: ReadonlyMap<string, OutTarget>;
  /** Names that statements further down in this scope will bind, with their places. */
  readonly later: Map<string, Span>;
}

export function openScope(parent: Scope): Scope {
  return { parent, file: parent.file, names: new Map(), outs: parent.outs, later: new Map() };
}

export function rootScope(file: ModuleScope, outs: ReadonlyMap<string, OutTarget>): Scope {
  return { parent: undefined, file, names: new Map(), outs, later: new Map() };
}

export function lookup(scope: Scope, name: string): Binding | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const found = at.names.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function lookupDeclaration(scope: Scope, name: string): Declaration | undefined {
  return scope.file.visible.get(name);
}

/** A statement further down that will bind the name. */
export function lookupLater(scope: Scope, name: string): Span | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const found = at.later.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function namesInScope(scope: Scope): string[] {
  const names: string[] = [];
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) names.push(...at.names.keys(), ...at.outs.keys());
  names.push(...scope.file.visible.keys());
  return [...new Set(names)];
}
