/**
 * Entry points of elaboration: a model with its parameters fixed becomes a Program; a file's blocks are checked generically.
 * Invariant: `value` is undefined if and only if an error was reported.
 */
import type { Parameter, Variant } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Facts } from "../check/solve.ts";
import { type Dim, symbol, symbolsOf } from "../ir/dim.ts";
import type { Instance, Program } from "../ir/program.ts";
import type { Declaration, ModuleScope } from "../resolve/modules.ts";
import { nameSpan } from "../resolve/modules.ts";
import { unknownName } from "../resolve/problems.ts";
import { blockKey, elaborateBlock } from "./apply.ts";
import { bindParameters } from "./arguments.ts";
import type { Frame, Session, VariantEdits } from "./context.ts";
import { report } from "./context.ts";
import { declaredValue, evaluate } from "./expressions.ts";
import * as problems from "./problems.ts";
import { rootScope } from "./scope.ts";
import { compilePattern, describePattern } from "./edge-pattern.ts";
import { dimValue, type GivenArgument, type Value } from "./values.ts";

export interface ModelOptions {
  readonly training: boolean;
  readonly dims: ReadonlyMap<string, number>;
  readonly set: readonly GivenArgument[];
}

export interface Result<T> {
  readonly value: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

type BlockDeclaration = Extract<Declaration, { kind: "block" }>;

const NO_EDITS: VariantEdits = { cuts: [], replacements: new Map() };
const NO_FACTS: Facts = { relations: [] };

function newSession(options: { training: boolean | undefined; dims: ReadonlyMap<string, number>; generic: boolean; packRank: number; edits: VariantEdits; reported?: Set<string> }): Session {
  return {
    settings: { training: options.training, dims: options.dims },
    generic: options.generic,
    facts: NO_FACTS,
    diagnostics: [],
    reported: options.reported ?? new Set(),
    guards: [],
    inferred: [],
    memo: new Map(),
    trail: [],
    scheme: "torchvision",
    packRank: options.packRank,
    fresh: 0,
    edits: options.edits,
  };
}

function newFrame(session: Session, block: string): Frame {
  return { session, block, types: [], entries: [], path: [], prefix: [] };
}

/** A model or variant, built with the given parameters and dims. Free sizes stay symbolic. */
export function elaborateModel(file: ModuleScope, name: string, options: ModelOptions): Result<Program> {
  const declaration = file.visible.get(name);
  const session = newSession({ training: options.training, dims: options.dims, generic: false, packRank: 2, edits: NO_EDITS });
  if (declaration === undefined || declaration.kind === "namespace" || declaration.kind === "constant") {
    const models = [...file.own].flatMap(([own, each]) => (each.kind === "block" && each.block.model) || each.kind === "variant" ? [own] : []);
    session.diagnostics.push(unknownName(name, file.module.span, models, "model"));
    return { value: undefined, diagnostics: session.diagnostics };
  }
  if (declaration.kind === "variant") return elaborateVariant(declaration.variant, declaration.file, options);
  return buildModel(session, declaration, options, [], name);
}

function elaborateVariant(variant: Variant, home: ModuleScope, options: ModelOptions): Result<Program> {
  const base = home.visible.get(variant.of.text);
  const scratch = newSession({ training: options.training, dims: options.dims, generic: false, packRank: 2, edits: NO_EDITS });
  if (base === undefined || base.kind !== "block") {
    report(scratch, unknownName(variant.of.text, variant.of.span, [...home.visible.keys()], "model"));
    return { value: undefined, diagnostics: scratch.diagnostics };
  }
  const frame = newFrame(scratch, variant.name.text);
  const scope = rootScope(home, new Map());
  const replacements = new Map<string, Value>();
  const set: GivenArgument[] = [];
  const cuts = variant.actions.flatMap((action) => (action.kind === "CutSkip" ? action.patterns.map((pattern) => compilePattern(pattern)) : []));
  for (const action of variant.actions) {
    if (action.kind === "SetParameter")
      set.push({ name: action.name.text, nameSpan: action.name.span, value: evaluate(frame, scope, action.value), span: action.value.span });
    if (action.kind === "ReplaceBlock") {
      const target = home.visible.get(action.from.text);
      if (target === undefined) report(scratch, unknownName(action.from.text, action.from.span, [...home.visible.keys()], "block"));
      replacements.set(action.from.text, evaluate(frame, scope, action.to, true));
    }
  }
  const session = newSession({ training: options.training, dims: options.dims, generic: false, packRank: 2, edits: { cuts, replacements } });
  session.diagnostics.push(...scratch.diagnostics);
  const given = set.filter((argument) => !options.set.some((other) => other.name === argument.name));
  const result = buildModel(session, base, options, given, variant.name.text);
  const unused = cuts.filter((cut) => !cut.used).map((cut) => describePattern(cut, variant, result.value !== undefined));
  const diagnostics = [...result.diagnostics, ...unused.filter((diagnostic) => diagnostic !== undefined)];
  return { value: result.value, diagnostics };
}

function buildModel(session: Session, declaration: BlockDeclaration, options: ModelOptions, extra: readonly GivenArgument[], name: string): Result<Program> {
  const { block } = declaration;
  const frame = newFrame(session, block.name.text);
  const parameters = new Map<string, Value>();
  const span = block.name.span;
  session.trail.push(blockKey(declaration));
  bindParameters(
    frame,
    name,
    block.parameters,
    [...options.set, ...extra],
    span,
    span,
    (parameter, value) => parameters.set(parameter.name.text, value),
    (parameter) => {
      if (parameter.default === undefined) return undefined;
      const scope = rootScope(declaration.file, new Map());
      for (const [known, value] of parameters) scope.names.set(known, { value, span });
      return evaluate(frame, scope, parameter.default);
    },
  );
  const root = [...parameters.values()].some((value) => value.kind === "poison") ? undefined : elaborateBlock(frame, declaration, parameters, undefined);
  const errors = session.diagnostics.some((diagnostic) => diagnostic.severity === "error");
  if (root === undefined || errors) return { value: undefined, diagnostics: session.diagnostics };
  for (const dim of options.dims.keys())
    if (!declaresDim(declaration, dim)) session.diagnostics.push(problems.unknownDim(dim, portDims(declaration), span));
  const value: Program = { model: name, root, guards: session.guards, scheme: session.scheme, batch: batchSymbol(root) };
  return { value: session.diagnostics.some((diagnostic) => diagnostic.severity === "error") ? undefined : value, diagnostics: session.diagnostics };
}

/** The symbol that leads the first input's shape. */
function batchSymbol(root: Instance): string | undefined {
  const first = root.inputs[0];
  const dim: Dim | undefined = first === undefined ? undefined : root.types[first.value]?.shape[0];
  if (dim === undefined) return undefined;
  const symbols = [...symbolsOf(dim).keys()];
  return symbols.length === 1 ? symbols[0] : undefined;
}

function portDims(declaration: BlockDeclaration): string[] {
  const names = declaration.block.body.flatMap((statement) =>
    statement.kind === "InPort" ? (statement.type?.dims ?? []).flatMap((dim) => (dim.value.kind === "Reference" ? [dim.value.name.text] : [])) : [],
  );
  return [...new Set(names)];
}

function declaresDim(declaration: BlockDeclaration, name: string): boolean {
  return portDims(declaration).includes(name);
}

/** The signature a generic check found. */
export interface CheckedBlock {
  readonly name: string;
  readonly declaration: BlockDeclaration;
  readonly instance: Instance | undefined;
  readonly guards: Session["guards"];
  readonly inferred: Session["inferred"];
  readonly facts: Facts;
}

/** Checks each block of the file by itself, with symbolic parameters, then its models and variants with their defaults. */
export function checkFile(file: ModuleScope): { readonly blocks: readonly CheckedBlock[]; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const reported = new Set<string>();
  const blocks: CheckedBlock[] = [];
  for (const declaration of file.own.values()) {
    if (declaration.kind === "block") {
      const checked = checkGenerically(declaration, reported, diagnostics);
      if (checked !== undefined) blocks.push(checked);
    }
    if (declaration.kind === "constant") {
      const session = newSession({ training: undefined, dims: new Map(), generic: true, packRank: 2, edits: NO_EDITS, reported });
      declaredValue(newFrame(session, "const"), declaration, nameSpan(declaration));
      diagnostics.push(...session.diagnostics);
    }
  }
  if (diagnostics.some((diagnostic) => diagnostic.severity === "error")) return { blocks, diagnostics };
  for (const [name, declaration] of file.own) {
    const model = declaration.kind === "variant" || (declaration.kind === "block" && declaration.block.model && hasDefaults(declaration.block.parameters));
    if (!model) continue;
    const result = elaborateModel(file, name, { training: true, dims: new Map(), set: [] });
    for (const diagnostic of result.diagnostics) {
      const { source, start, end } = diagnostic.span;
      const key = `${diagnostic.code} ${source.path} ${start} ${end}`;
      if (reported.has(key)) continue;
      reported.add(key);
      diagnostics.push(diagnostic);
    }
  }
  return { blocks, diagnostics };
}

function hasDefaults(parameters: readonly Parameter[]): boolean {
  return parameters.every((parameter) => parameter.default !== undefined);
}

/** Ranks tried for a block with a rank pack: the first is what errors are reported for. */
const PACK_RANKS: readonly number[] = [2, 1, 0, 3];

function checkGenerically(declaration: BlockDeclaration, reported: Set<string>, diagnostics: Diagnostic[]): CheckedBlock | undefined {
  const attempts: { session: Session; checked: CheckedBlock | undefined }[] = [];
  const usesPack = declaration.block.body.some(
    (statement) => statement.kind === "InPort" && (statement.type?.dims ?? []).some((dim) => dim.kind === "PackExpression"),
  );
  for (const rank of usesPack ? PACK_RANKS : PACK_RANKS.slice(0, 1)) {
    const session = newSession({ training: undefined, dims: new Map(), generic: true, packRank: rank, edits: NO_EDITS, reported: new Set(reported) });
    const frame = newFrame(session, declaration.block.name.text);
    const parameters = new Map(declaration.block.parameters.map((parameter) => [parameter.name.text, symbolicParameter(parameter)]));
    session.trail.push(blockKey(declaration));
    const instance = [...parameters.values()].some((value) => value === undefined)
      ? undefined
      : elaborateBlock(frame, declaration, definite(parameters), undefined);
    const opaque = [...parameters.values()].some((value) => value === undefined);
    const checked: CheckedBlock = { name: declaration.block.name.text, declaration, instance, guards: session.guards, inferred: session.inferred, facts: session.facts };
    attempts.push({ session, checked: opaque ? undefined : checked });
    if (!session.diagnostics.some((diagnostic) => diagnostic.severity === "error")) break;
  }
  const clean = attempts.find(({ session }) => !session.diagnostics.some((diagnostic) => diagnostic.severity === "error")) ?? attempts[0];
  if (clean === undefined) return undefined;
  for (const key of clean.session.reported) reported.add(key);
  diagnostics.push(...clean.session.diagnostics);
  return clean.checked;
}

function definite(parameters: ReadonlyMap<string, Value | undefined>): Map<string, Value> {
  const result = new Map<string, Value>();
  for (const [name, value] of parameters) if (value !== undefined) result.set(name, value);
  return result;
}

/** undefined: a parameter no symbol stands for (blocks, lists), whose block is checked where it is used. */
function symbolicParameter(parameter: Parameter): Value | undefined {
  if (parameter.type.kind !== "ScalarType") return undefined;
  const name = parameter.name.text;
  switch (parameter.type.name) {
    case "dim":
      return dimValue(symbol(name));
    case "int":
      return dimValue(symbol(name, { least: integerLeast(parameter) }));
    case "real":
    case "prob":
      return { kind: "real", value: Number.NaN };
    case "bool":
      return { kind: "bool", value: { op: "==", left: symbol(name, { id: `?${name}`, least: 0 }), right: 1 } };
    case "init":
      return { kind: "init", name: "zeros", given: [] };
    case "string":
    case "block":
      return undefined;
    default:
      return parameter.type.name satisfies never;
  }
}

/** Strides, kernels and counts default to 1 or more; an int that defaults to 0 (a padding) may be 0. */
function integerLeast(parameter: Parameter): number {
  const written = parameter.default;
  if (written?.kind === "NumberLiteral") return Math.min(1, written.value);
  return written === undefined ? 1 : 0;
}
