/**
 * Blocks checked by themselves: parameters and sizes are symbols, conditions are assumed, both branches of an `if` count.
 * Invariant: each block is checked once; a block that takes blocks or lists is left to its uses.
 */
import type { Parameter } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Facts } from "../check/solve.ts";
import { symbol } from "../ir/dim.ts";
import type { Guard, Instance } from "../ir/program.ts";
import type { Relation } from "../ir/relation.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { spanKey } from "./anchor.ts";
import { blockKey, elaborateBlock } from "./apply.ts";
import { coerce, typeText } from "./arguments.ts";
import { type Effort, type Frame, report } from "./context.ts";
import { evaluate } from "./expressions.ts";
import { checkedBefore, instancesOf, solverFor } from "./memory.ts";
import { wrongArgument } from "./problems.ts";
import { rootScope } from "./scope.ts";
import { newFrame, newSession, type Shared } from "./session.ts";
import { type BlockDeclaration, dimValue, type Value } from "./values.ts";
import { versionsOf } from "./versions.ts";

/** The signature a generic check found. */
export interface CheckedBlock {
  readonly name: string;
  readonly declaration: BlockDeclaration;
  readonly instance: Instance | undefined;
  readonly guards: readonly Guard[];
  readonly inferred: readonly Relation[];
  readonly facts: Facts;
}

export interface GenericResult {
  readonly checked: CheckedBlock;
  readonly diagnostics: readonly Diagnostic[];
  readonly failed: boolean;
}

export interface GenericChecks extends Shared {
  /** undefined: the block cannot be checked by itself. */
  readonly check: (declaration: BlockDeclaration) => GenericResult | undefined;
}

/** A second of work: a file with more unknown names than that is another language, and its names are no slips. */
const MOST_COMPARISONS = 1_000_000;

/** Checks on demand, each block once; `checking` says that nothing is built besides. */
export function genericChecks(file: ModuleScope, checking: boolean, effort: Effort = { bodies: 0 }): GenericChecks {
  const results = new Map<string, GenericResult | undefined>();
  const faults = new Map<string, ReadonlyMap<string, string>>();
  const running = new Set<string>();
  const remembered = checkedBefore(file);
  const versionOf = versionsOf(file, remembered.numbering);
  // The text around a syntax error may change how a block reads.
  const isRemembered = (declaration: BlockDeclaration): boolean => checking && declaration.file === file && file.syntax.length === 0;
  /** What an earlier check of the same text found; only what found nothing wrong is kept, since no place is in it. */
  const checkOnce = (declaration: BlockDeclaration): GenericResult | undefined => {
    if (!isRemembered(declaration)) return checkBlock(checks, declaration);
    const version = versionOf(declaration.block.name.text);
    const known = remembered.blocks.get(version);
    if (known !== undefined) return { ...known, checked: { ...known.checked, declaration } };
    const result = checkBlock(checks, declaration);
    if (result !== undefined && result.diagnostics.length === 0 && result.checked.guards.length === 0) remembered.blocks.set(version, result);
    return result;
  };
  const checks: GenericChecks = {
    home: file.path,
    solver: solverFor(file),
    effort,
    checking,
    instances: (declaration) =>
      isRemembered(declaration) ? remembered.instances(versionOf(declaration.block.name.text)) : instancesOf(declaration.file),
    spelling: { left: MOST_COMPARISONS },
    check(declaration) {
      const key = blockKey(declaration);
      if (running.has(key)) return undefined;
      if (results.has(key)) return results.get(key);
      running.add(key);
      const result = checkOnce(declaration);
      running.delete(key);
      results.set(key, result);
      return result;
    },
    faultsOf(declaration) {
      const key = blockKey(declaration);
      const known = faults.get(key);
      if (known !== undefined) return known;
      if (running.has(key)) return new Map();
      const result = checks.check(declaration);
      if (result === undefined) return undefined;
      const found = new Map(result.diagnostics.map((diagnostic) => [spanKey(diagnostic.span), diagnostic.message]));
      faults.set(key, found);
      return found;
    },
  };
  return checks;
}

/** Ranks tried for a block with a rank pack: the first is what errors are reported for. */
const PACK_RANKS: readonly number[] = [2, 1, 0, 3];

function checkBlock(shared: Shared, declaration: BlockDeclaration): GenericResult | undefined {
  const parameters = symbolicParameters(declaration);
  if (parameters === undefined) return undefined;
  const usesPack = declaration.block.body.some(
    (statement) => statement.kind === "InPort" && (statement.type?.dims ?? []).some((dim) => dim.kind === "PackExpression"),
  );
  let first: GenericResult | undefined;
  for (const rank of usesPack ? PACK_RANKS : PACK_RANKS.slice(0, 1)) {
    const result = checkWithRank(shared, declaration, parameters, rank);
    if (!result.failed) return result;
    first ??= result;
    // Another number of axes can mend mistakes of shape only.
    if (!result.diagnostics.every((diagnostic) => diagnostic.severity !== "error" || diagnostic.code.startsWith("RN2"))) break;
  }
  return first;
}

function checkWithRank(shared: Shared, declaration: BlockDeclaration, parameters: ReadonlyMap<string, Value>, packRank: number): GenericResult {
  const name = declaration.block.name.text;
  const session = newSession({ shared, training: undefined, generic: true, packRank });
  session.trail.push({ declaration, span: undefined, text: () => `\`${name}\`` });
  const frame = newFrame(session, name);
  checkDefaults(frame, declaration, parameters);
  const instance = elaborateBlock(frame, declaration, parameters, undefined);
  const { guards, inferred, facts, diagnostics } = session;
  return { checked: { name, declaration, instance, guards, inferred, facts }, diagnostics, failed: session.errors > 0 };
}

/** A default has its parameter's type, whether or not a use relies on it. */
function checkDefaults(frame: Frame, { block, file }: BlockDeclaration, parameters: ReadonlyMap<string, Value>): void {
  const scope = rootScope(file, new Map());
  for (const { name, type, default: written } of block.parameters) {
    if (written !== undefined) {
      const value = evaluate(frame, scope, written);
      if (coerce(value, type) === undefined && value.kind !== "tensor")
        report(frame.session, wrongArgument(block.name.text, name.text, typeText(type), value, written.span, undefined));
    }
    const bound = parameters.get(name.text);
    if (bound !== undefined) scope.names.set(name.text, { value: bound, span: name.span, declared: "parameter" });
  }
}

function symbolicParameters(declaration: BlockDeclaration): ReadonlyMap<string, Value> | undefined {
  const values = new Map<string, Value>();
  for (const parameter of declaration.block.parameters) {
    const value = symbolicParameter(parameter);
    if (value === undefined) return undefined;
    values.set(parameter.name.text, value);
  }
  return values;
}

/** undefined: a parameter no symbol stands for (blocks, lists), whose block is checked where it is used. */
function symbolicParameter(parameter: Parameter): Value | undefined {
  if (parameter.type.kind !== "ScalarType") return undefined;
  const name = parameter.name.text;
  switch (parameter.type.name) {
    case "dim":
    case "dims":
      return dimValue(symbol(name));
    case "int":
    case "ints":
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
