/**
 * Entry points of elaboration: a model with its parameters fixed becomes a Program; a file's blocks are checked generically.
 * Invariant: `value` is undefined if and only if an error was reported.
 */
import type { Block, Constant, Parameter, Train, Variant } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { type Dim, symbolsOf } from "../ir/dim.ts";
import type { Instance, Program } from "../ir/program.ts";
import type { LossSpec } from "../recipe/recipe.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { nameSpan } from "../resolve/modules.ts";
import { recursiveBlock, unknownName } from "../resolve/problems.ts";
import { elaborateBlock } from "./apply.ts";
import { bindParameters } from "./arguments.ts";
import { type Effort, report, reportKey, type Frame, type Session } from "./context.ts";
import { spanKey, withUse } from "./anchor.ts";
import { checkNames } from "./declared-names.ts";
import { compilePattern, describePattern, describeReplacement } from "./edge-pattern.ts";
import { declaredValue, evaluate } from "./expressions.ts";
import { type CheckedBlock, genericChecks, type GenericChecks } from "./generic.ts";
import { elaborateLoss, type LossModel } from "./loss.ts";
import { noSuchModel } from "./name-problems.ts";
import * as portProblems from "./port-problems.ts";
import { checkedBefore } from "./memory.ts";
import * as problems from "./problems.ts";
import { checkRecipe, checkSweep } from "./recipes.ts";
import { rootScope, type Scope } from "./scope.ts";
import { newFrame, newSession, type Shared } from "./session.ts";
import type { SweepAxis } from "./sweep.ts";
import { readTexts } from "./set-text.ts";
import { indexSpans, type SpanIndex } from "./span-index.ts";
import type { BlockDeclaration, GivenArgument, Value } from "./values.ts";
import { versionsOf } from "./versions.ts";

export type { CheckedBlock } from "./generic.ts";

export interface ModelOptions {
  readonly training: boolean;
  readonly dims: ReadonlyMap<string, number>;
  readonly set: readonly GivenArgument[];
  readonly loss?: LossSpec;
  /** Counts what is done. */
  readonly effort?: Effort;
}

export interface Result<T> {
  readonly value: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** A model built, with what its recipes are checked against. */
export interface BuiltModel extends Result<Program> {
  readonly frame?: Frame;
  /** Names of the model's parameters and of the sizes of its ports. */
  readonly scope?: Scope;
  readonly declaration?: BlockDeclaration;
}

/** A model or variant, built with the given parameters and dims. Free sizes stay symbolic. */
export function elaborateModel(file: ModuleScope, name: string, options: ModelOptions): Result<Program> {
  const { diagnostics, ...built } = build(genericChecks(file, false, options.effort), file, name, options);
  const model = options.loss === undefined ? undefined : lossModelOf(built);
  if (model === undefined || options.loss === undefined) return { value: built.value, diagnostics };
  const loss = elaborateLoss(file, model, options.loss);
  const found = [...diagnostics, ...loss.diagnostics];
  if (loss.instance === undefined) return { value: undefined, diagnostics: found };
  return { value: { ...model.program, loss: loss.instance, guards: [...model.program.guards, ...loss.guards] }, diagnostics: found };
}

/** What the loss needs of a model; undefined if the model is wrong. */
export function lossModelOf({ value: program, frame, scope, declaration }: Omit<BuiltModel, "diagnostics">): LossModel | undefined {
  if (program === undefined || frame === undefined || scope === undefined || declaration === undefined) return undefined;
  return { program, frame, scope, declaration };
}

function build(shared: Shared, file: ModuleScope, name: string, options: ModelOptions): BuiltModel {
  const declaration = file.visible.get(name);
  if (declaration === undefined || declaration.kind === "namespace" || declaration.kind === "constant") {
    const models = [...file.own].flatMap(([own, each]) => ((each.kind === "block" && each.block.model) || each.kind === "variant" ? [own] : []));
    return { value: undefined, diagnostics: [noSuchModel(name, file.module.span, models)] };
  }
  if (declaration.kind === "variant") return buildVariant(shared, declaration.variant, declaration.file, options);
  return buildModel(newSession({ shared, training: options.training, dims: options.dims }), declaration, options, [], name);
}

/** A variant's own changes and those of the variants that it is one of, the model's own last. */
interface Lineage {
  readonly base: BlockDeclaration;
  readonly steps: readonly { readonly variant: Variant; readonly home: ModuleScope }[];
}

/** undefined, and reported, where a name is none of a model, or the variants go round in a circle. */
function lineageOf(session: Session, variant: Variant, home: ModuleScope): Lineage | undefined {
  const steps: { variant: Variant; home: ModuleScope }[] = [];
  for (let at = { variant, home }; ; ) {
    steps.push(at);
    const { text, span } = at.variant.of;
    const found = at.home.visible.get(text);
    if (found?.kind === "block") return { base: found, steps };
    if (found?.kind !== "variant") {
      const models = [...at.home.visible].flatMap(([name, each]) =>
        (each.kind === "block" && each.block.model) || each.kind === "variant" ? [name] : [],
      );
      report(session, unknownName(text, span, models, "model"));
      return undefined;
    }
    if (steps.some((step) => step.variant === found.variant)) {
      report(session, recursiveBlock(text, span, [...steps.map((step) => step.variant.name.text), text]));
      return undefined;
    }
    at = { variant: found.variant, home: found.file };
  }
}

function buildVariant(shared: Shared, variant: Variant, home: ModuleScope, options: ModelOptions): BuiltModel {
  const { training, dims } = options;
  const scratch = newSession({ shared, training, dims });
  const lineage = lineageOf(scratch, variant, home);
  if (lineage === undefined) return { value: undefined, diagnostics: scratch.diagnostics };
  const { base, steps } = lineage;
  const replacements = new Map<string, Value>();
  const set: GivenArgument[] = [];
  const cuts = steps.flatMap((step) =>
    step.variant.actions.flatMap((action) => (action.kind === "CutSkip" ? action.patterns.map((pattern) => compilePattern(pattern)) : [])),
  );
  // The nearest wins: what a variant sets, the one that it is of does not set again.
  for (const step of steps) {
    const frame = newFrame(scratch, step.variant.name.text);
    const scope = rootScope(step.home, new Map());
    for (const action of step.variant.actions) {
      if (action.kind === "SetParameter" && (step.variant === variant || !set.some(({ name }) => name === action.name.text)))
        set.push({ name: action.name.text, nameSpan: action.name.span, value: evaluate(frame, scope, action.value), span: action.value.span });
      if (action.kind !== "ReplaceBlock" || replacements.has(action.from.text)) continue;
      if (!step.home.visible.has(action.from.text))
        report(scratch, unknownName(action.from.text, action.from.span, [...step.home.visible.keys()], "block"));
      replacements.set(action.from.text, evaluate(frame, scope, action.to, true));
    }
  }
  const session = newSession({ shared, training, dims, edits: { cuts, replacements, replaced: new Set(), met: new Set() } });
  for (const diagnostic of scratch.diagnostics) report(session, diagnostic, true);
  const given = set.filter((argument) => !options.set.some((other) => other.name === argument.name));
  const result = buildModel(session, base, options, given, variant.name.text);
  const patterns = cuts
    .filter((cut) => !cut.used)
    .flatMap((cut) => describePattern(cut, variant, session.edits.met, result.value !== undefined) ?? []);
  const blocks = steps
    .flatMap((step) => step.variant.actions)
    .flatMap((action) => {
      if (action.kind !== "ReplaceBlock" || result.value === undefined || session.edits.replaced.has(action.from.text)) return [];
      return [describeReplacement(action, variant)];
    });
  const unused = [...patterns, ...blocks];
  return { ...result, value: unused.length > 0 ? undefined : result.value, diagnostics: [...result.diagnostics, ...unused] };
}

function buildModel(
  session: Session,
  declaration: BlockDeclaration,
  options: ModelOptions,
  extra: readonly GivenArgument[],
  name: string,
): BuiltModel {
  const { block } = declaration;
  const frame = newFrame(session, block.name.text);
  const parameters = new Map<string, Value>();
  const span = block.name.span;
  session.trail.push({ declaration, span: undefined, text: () => `\`${name}\`` });
  bindParameters(
    frame,
    block.name.text,
    block.parameters,
    [...readTexts(frame, declaration, options.set), ...extra],
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
  let scope: Scope | undefined;
  const poisoned = [...parameters.values()].some((value) => value.kind === "poison");
  const root = poisoned ? undefined : elaborateBlock(frame, declaration, parameters, undefined, (found) => (scope = found));
  const found = { diagnostics: session.diagnostics, frame, declaration, ...(scope === undefined ? {} : { scope }) };
  if (root === undefined || session.errors > 0) return { ...found, value: undefined };
  for (const dim of options.dims.keys())
    if (!portDims(declaration).includes(dim)) report(session, problems.unknownDim(dim, portDims(declaration), span), true);
  const value: Program = { model: name, root, guards: session.guards, scheme: session.scheme, batch: batchSymbol(root) };
  return { ...found, value: session.errors > 0 ? undefined : value };
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

/**
 * Checks each block of the file by itself, with symbolic parameters, then its models and variants with their defaults,
 * then its recipes.
 */
export function checkFile(
  file: ModuleScope,
  effort?: Effort,
): { readonly blocks: readonly CheckedBlock[]; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  /** Where in `diagnostics` that of a place is. */
  const reported = new Map<string, number>();
  const broken = file.syntax.length === 0 ? undefined : brokenParts(file);
  const add = (found: readonly Diagnostic[]): void => {
    for (const diagnostic of found) {
      const key = reportKey(diagnostic);
      const at = reported.get(key);
      const known = at === undefined ? undefined : diagnostics[at];
      if (known !== undefined && at !== undefined) {
        const owner = known.code === diagnostic.code && known.code.startsWith("RN2") ? ownerOf(file, known.span) : undefined;
        if (owner !== undefined && known.message !== diagnostic.message) diagnostics[at] = withUse(known, diagnostic, owner.span);
        continue;
      }
      if (broken !== undefined && diagnostic.span.source.path === file.path && followsFromSyntax(broken, diagnostic)) continue;
      reported.set(key, diagnostics.length);
      diagnostics.push(diagnostic);
    }
  };
  const checks = genericChecks(file, true, effort);
  const blocks: CheckedBlock[] = [];
  const circular = new Set<Constant>();
  // A block's mistake over its own sizes comes before the same mistake over those of a use.
  for (const declaration of file.own.values())
    if (declaration.kind === "block")
      add((checks.check(declaration)?.diagnostics ?? []).filter(({ code, span }) => code.startsWith("RN2") && isWithin(declaration.block, span)));
  for (const declaration of file.own.values()) {
    if (declaration.kind === "block") {
      const result = checks.check(declaration);
      add(result?.diagnostics ?? []);
      // What a part that could not be read uses is not known.
      const { start, end } = declaration.block.span;
      const names = broken?.errors.beginsIn(start, end) === true ? [] : checkNames(declaration.block, file.trains);
      // Where something is wrong, a name may be unused because of that.
      const wrong = result?.failed === true || names.some(({ severity }) => severity === "error");
      add(wrong ? names.filter(({ severity }) => severity === "error") : names);
      if (result !== undefined) blocks.push(result.checked);
    }
    if (declaration.kind === "constant" && !circular.has(declaration.constant)) {
      const session = newSession({ shared: checks, training: undefined, generic: true });
      declaredValue(newFrame(session, "const"), declaration, nameSpan(declaration));
      add(session.diagnostics);
      // Each constant of a circle would complain of it.
      if (session.errors > 0)
        for (const [constant, value] of session.constants) if (value !== "open" && value.kind === "poison") circular.add(constant);
    }
  }
  const models = checkModels(checks, file, add);
  const isBroken = (name: string): boolean => {
    const declaration = file.visible.get(name);
    return declaration?.kind === "block" && checks.check(declaration)?.failed === true;
  };
  const buildAt = (model: string, set: readonly GivenArgument[]): BuiltModel | undefined =>
    isBroken(model) ? undefined : build(checks, file, model, { training: true, dims: new Map(), set });
  for (const train of file.trains) add(checkRecipe(file, train, models, buildAt));
  for (const declaration of file.own.values())
    if (declaration.kind === "block" && declaration.block.model)
      add(suspiciousInputs(declaration.block).filter((warning) => !reported.has(spanKey(warning.span))));
  const place = ({ span }: Diagnostic): number => (span.source.path === file.path ? span.start : Number.POSITIVE_INFINITY);
  return { blocks, diagnostics: diagnostics.toSorted((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b))) };
}

function isWithin(block: Block, { source, start, end }: Span): boolean {
  return block.span.source.path === source.path && block.span.start <= start && end <= block.span.end;
}

/** The block of the file in which a place lies. */
function ownerOf(file: ModuleScope, place: Span): Block | undefined {
  for (const declaration of file.own.values()) if (declaration.kind === "block" && isWithin(declaration.block, place)) return declaration.block;
  return undefined;
}

/** What is wrong with the points of one recipe that are left to choose from; `set` goes to the model at each of them. */
export function checkSweepOf(file: ModuleScope, train: Train, axes: readonly SweepAxis[], set: readonly GivenArgument[]): readonly Diagnostic[] {
  const checks = genericChecks(file, true);
  const options = { training: true, dims: new Map<string, number>() };
  return checkSweep(file, train, new Map(), (model, own) => build(checks, file, model, { ...options, set: [...own, ...set] }), axes);
}

/** Pictures without their batch or channel axis: layers over any number of spatial axes would take them as sequences. */
function suspiciousInputs(model: Block): readonly Diagnostic[] {
  return model.body.flatMap((statement): Diagnostic[] => {
    if (statement.kind !== "InPort" || statement.type === undefined || statement.type.dims.length !== 3 || statement.type.dtype !== "f32") return [];
    const names = statement.type.dims.map(({ value }) =>
      value.kind === "Reference" ? value.name.text : value.kind === "NumberLiteral" ? value.value : "",
    );
    const [first, height, width] = names;
    const noBatch = first === 1 || first === 3 || first === 4;
    const noChannel = height === "H" && width === "W";
    return noBatch || noChannel ? [portProblems.inputLacksAxis(statement.name.text, statement.type, noBatch)] : [];
  });
}

/** Models and variants with the defaults of their parameters; those that are wrong by themselves were reported. */
function checkModels(checks: GenericChecks, file: ModuleScope, add: (found: readonly Diagnostic[]) => void): ReadonlyMap<string, BuiltModel> {
  const models = new Map<string, BuiltModel>();
  const remembered = checkedBefore(file);
  const versionOf = versionsOf(file, remembered.numbering);
  const isAlone = file.trains.length === 0 && file.syntax.length === 0;
  for (const [name, declaration] of file.own) {
    if (declaration.kind === "block") {
      if (!declaration.block.model || !hasDefaults(declaration.block.parameters) || checks.check(declaration)?.failed === true) continue;
    } else if (declaration.kind !== "variant") continue;
    // A recipe is compared with its model; otherwise one that was built from this text before, and was good, is good.
    if (isAlone && remembered.models.has(versionOf(name))) continue;
    const result = build(checks, file, name, { training: true, dims: new Map(), set: [] });
    if (isAlone && result.value !== undefined && result.diagnostics.length === 0) remembered.models.add(versionOf(name));
    add(result.diagnostics);
    models.set(name, result);
  }
  return models;
}

/** What a block with a syntax error lacks may be what the parser could not read. */
const OF_MISSING_PARTS: ReadonlySet<string> = new Set(["RN101", "RN401", "RN402", "RN403", "RN404", "RN405", "RN407"]);

/** Where a file has syntax errors, and its declarations. */
interface BrokenParts {
  readonly errors: SpanIndex;
  readonly items: SpanIndex;
}

function brokenParts(file: ModuleScope): BrokenParts {
  return { errors: indexSpans(file.syntax.map(({ span }) => span)), items: indexSpans(file.module.items.map(({ span }) => span)) };
}

function followsFromSyntax({ errors, items }: BrokenParts, { code, span }: Diagnostic): boolean {
  if (errors.covers(span.start)) return true;
  const item = OF_MISSING_PARTS.has(code) ? items.lastFrom(span.start) : undefined;
  return item !== undefined && span.start <= item.end && errors.beginsIn(item.start, item.end);
}

function hasDefaults(parameters: readonly Parameter[]): boolean {
  return parameters.every((parameter) => parameter.default !== undefined);
}
