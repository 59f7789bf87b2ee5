/**
 * Using a block: its arguments and inputs are bound, its body elaborated once per distinct use, the result shared.
 * Invariant: an Instance depends on the block, its argument values, its input types and the session's settings only.
 */
import type { Block, InPort } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { formatDim, symbol } from "../ir/dim.ts";
import { assume, type Facts } from "../check/solve.ts";
import type { Instance } from "../ir/program.ts";
import type { TensorType } from "../ir/type.ts";
import { PRELUDE } from "../resolve/modules.ts";
import { recursiveBlock } from "../resolve/problems.ts";
import { spanKey, type Use } from "./anchor.ts";
import { bindParameters } from "./arguments.ts";
import { elaborateStatements } from "./body.ts";
import { addValue, type Frame, report, type Session } from "./context.ts";
import { evaluate } from "./expressions.ts";
import { inheritOrigins } from "./origins.ts";
import { type Arrivals, bindPorts, bindSizes, finishOutputs } from "./ports.ts";
import { preludeOf } from "./memory.ts";
import * as portProblems from "./port-problems.ts";
import * as problems from "./problems.ts";
import { requireAll } from "./requirements.ts";
import { type OutTarget, rootScope, type Scope } from "./scope.ts";
import { newFrame } from "./session.ts";
import { derivedName } from "./used-names.ts";
import { type BlockDeclaration, type BlockValue, type GivenArgument, listText, POISON, type TensorValue, type Value, valueKey } from "./values.ts";

/** Far beyond any network; keeps elaboration within the stack. */
const MOST_NESTED = 100;

/** The place a use has among its block's stages. */
export interface UsePath {
  readonly path: readonly string[];
}

/**
 * Applies a block to tensors. With several outputs the result is a tuple; poison after a reported error.
 * `path` undefined: an expression's call, named after the block when parameters are collected.
 */
export function applyBlock(frame: Frame, block: BlockValue, inputs: readonly Value[], use: UsePath | undefined, span: Span): Value {
  const { session } = frame;
  if (inputs.some((input) => input.kind === "poison")) return POISON;
  const tensors = inputs.filter((input) => input.kind === "tensor");
  const { block: declared } = block.declaration;
  const name = declared.name.text;
  const open = session.trail.findLastIndex((use) => blockKey(use.declaration) === blockKey(block.declaration));
  if (open >= 0 && !holdsBlock(session.trail[open]?.given ?? [], valueKey(block))) {
    const shadowed = preludeOf(block.declaration.file)?.own.has(name) === true && block.declaration.file.path !== PRELUDE ? PRELUDE : undefined;
    report(session, recursiveBlock(name, span, [...session.trail.slice(open).map((use) => use.declaration.block.name.text), name], shadowed));
    return POISON;
  }
  if (session.trail.length >= MOST_NESTED) {
    report(session, problems.tooLarge(`blocks within blocks, \`${name}\` being the innermost`, MOST_NESTED, span));
    return POISON;
  }
  const ports = declared.body.filter((statement): statement is InPort => statement.kind === "InPort");
  if (ports.length !== tensors.length) {
    const positional = block.given.filter((argument) => argument.name === undefined).length;
    const missing = declared.parameters
      .slice(positional)
      .find((each) => each.default === undefined && !block.given.some((given) => given.name === each.name.text));
    report(session, portProblems.wrongInputCount(name, ports.length, tensors.length, span, declared.name.span, missing?.name.text));
    return POISON;
  }
  const parameters = new Map<string, Value>();
  const home = moduleScope(block.declaration);
  const entered: Use = { declaration: block.declaration, span, text: () => useText(name, block), given: block.given };
  const sound = bindParameters(
    frame,
    name,
    declared.parameters,
    block.given,
    span,
    declared.name.span,
    (parameter, value) => parameters.set(parameter.name.text, value),
    (parameter) => {
      if (parameter.default === undefined) return undefined;
      session.trail.push(entered);
      const value = evaluate(frame, withNames(home, parameters, declared), parameter.default);
      session.trail.pop();
      return value;
    },
  );
  if (!sound || [...parameters.values()].some((value) => value.kind === "poison")) return POISON;
  const arrivals: Arrivals = { given: tensors, arguments: block.given, useSpan: span };
  const { errors } = session;
  const instance = instantiate(frame, entered, parameters, arrivals, [...frame.prefix, ...(use?.path ?? [])]);
  // What does not fit this use makes no shapes to go on with; a block that is wrong by itself has those it declares.
  if (instance === undefined || (session.errors > errors && session.reported.has(spanKey(span)))) return POISON;
  const outputs = instance.outputs.map((port): TensorValue => {
    const type = instance.types[port.value] ?? { dtype: "f32", shape: [] };
    const origins = inheritOrigins(type, tensors, span, entered.text);
    return { kind: "tensor", id: addValue(frame, type), type, origins };
  });
  const path = [...frame.prefix, ...(use?.path ?? (instance.holdsTensors ? [derivedName(frame, name)] : []))];
  frame.entries.push({
    kind: "call",
    path,
    instance,
    inputs: tensors.map((tensor) => tensor.id),
    outputs: outputs.map((output) => output.id),
    span,
  });
  const [only] = outputs;
  return outputs.length === 1 && only !== undefined ? only : { kind: "tuple", elements: outputs };
}

/** A block handed in as an argument is smaller than the use it was handed to, so a block may stand in itself that way. */
function holdsBlock(given: readonly GivenArgument[], key: string): boolean {
  return given.some(({ value }) => value.kind === "block" && (valueKey(value) === key || holdsBlock(value.given, key)));
}

export function blockKey(declaration: BlockDeclaration): string {
  return `${declaration.file.path}#${declaration.block.name.text}`;
}

/** The use as messages name it, with the values of its arguments: `` `conv(64, 3, stride: 2)` ``. */
function useText(name: string, block: BlockValue): string {
  const shown = block.given.map((given) => `${given.name === undefined ? "" : `${given.name}: `}${argumentText(given.value)}`);
  return shown.length === 0 ? `\`${name}\`` : `\`${name}(${shown.join(", ")})\``;
}

function argumentText(value: Value): string {
  switch (value.kind) {
    case "dim":
      return formatDim(value.dim);
    case "pack":
      return `[${value.dims.map(formatDim).join(", ")}]`;
    case "bool":
      return typeof value.value === "boolean" ? String(value.value) : "…";
    case "real":
      return Number.isNaN(value.value) ? "…" : String(value.value);
    case "list":
      return listText(value.elements) ?? "…";
    case "block":
      return `${value.declaration.block.name.text}${value.given.length > 0 ? "(…)" : ""}`;
    case "primitive":
    case "init":
      return value.name;
    default:
      return "…";
  }
}

function moduleScope(declaration: BlockDeclaration): Scope {
  return rootScope(declaration.file, new Map());
}

function withNames(home: Scope, parameters: ReadonlyMap<string, Value>, block: Block): Scope {
  const scope = rootScope(home.file, new Map());
  for (const [name, value] of parameters) scope.names.set(name, { value, span: block.name.span, declared: "parameter" });
  return scope;
}

/** Elaborates the body for these values, or finds that it was done before. */
function instantiate(
  caller: Frame,
  use: Use,
  parameters: ReadonlyMap<string, Value>,
  arrivals: Arrivals,
  path: readonly string[],
): Instance | undefined {
  const { session } = caller;
  const { declaration } = use;
  const cutsApply = session.edits.cuts.length > 0;
  const fullPath = [...caller.path, ...path];
  const key = [
    blockKey(declaration),
    ...[...parameters].map(([name, value]) => `${name}=${valueKey(value)}`),
    ...arrivals.given.map((input) => formatTypeKey(input.type)),
    session.scheme,
    cutsApply ? fullPath.join(".") : "",
  ].join(";");
  const known = session.memo.get(key);
  if (known !== undefined && holdsStill(known.facts, session.facts)) return known.instance;
  const sharing = shareKey(session, parameters, key);
  const shared = sharing === undefined ? undefined : session.instances(declaration).get(sharing);
  if (shared !== undefined) {
    session.inferred.push(...shared.inferred);
    session.facts = assume(session.facts, shared.assumed);
    return shared.instance;
  }
  const { facts, complaints, fresh, rounds } = session;
  const inferred = session.inferred.length;
  session.trail.push(use);
  const frame = newFrame(session, declaration.block.name.text, fullPath);
  const schemeBefore = session.scheme;
  const instance = elaborateBlock(frame, declaration, parameters, arrivals);
  session.scheme = schemeBefore;
  session.trail.pop();
  session.memo.set(key, { facts, instance });
  const quiet = session.complaints === complaints && session.fresh === fresh && session.rounds === rounds;
  if (sharing !== undefined && instance !== undefined && quiet && holdsStill(facts, session.facts))
    session
      .instances(declaration)
      .set(sharing, { instance, inferred: session.inferred.slice(inferred), assumed: session.facts.relations.slice(facts.relations.length) });
  return instance;
}

/** Facts are only ever appended to: what followed from a beginning of them follows from all. */
function holdsStill(before: Facts, now: Facts): boolean {
  const last = before.relations.length - 1;
  return last < now.relations.length && before.relations[last] === now.relations[last];
}

/** Under equal keys the elaboration of a block is the same in every session of a check; undefined if it is not shared. */
function shareKey(
  { edits, solver, facts, generic, checking, settings, packRank }: Session,
  parameters: ReadonlyMap<string, Value>,
  key: string,
): string | undefined {
  if (edits.cuts.length > 0 || edits.replacements.size > 0) return undefined;
  if ([...parameters.values()].some((value) => !SHARED_KINDS.has(value.kind))) return undefined;
  return `${key};${generic};${checking};${settings.training};${packRank};${solver.factsKey(facts)}`;
}

/** Parameters whose keys say all of them; the others may lead to blocks, whose uses a session may treat differently. */
const SHARED_KINDS: ReadonlySet<Value["kind"]> = new Set(["dim", "pack", "real", "bool", "init", "string"]);

function formatTypeKey(type: TensorType): string {
  return valueKey({ kind: "tensor", id: 0, type, origins: [] });
}

/** Elaborates a block's body into the frame; undefined if an output could not be given a type. */
export function elaborateBlock(
  frame: Frame,
  declaration: BlockDeclaration,
  parameters: ReadonlyMap<string, Value>,
  arrivals: Arrivals | undefined,
  inspect?: (scope: Scope) => void,
): Instance | undefined {
  const { session } = frame;
  const { block } = declaration;
  const outs = new Map<string, OutTarget>();
  for (const statement of block.body) if (statement.kind === "OutPort") outs.set(statement.name.text, { name: statement.name, assigned: undefined });
  const scope = rootScope(declaration.file, outs);
  for (const [name, value] of parameters) {
    const parameter = block.parameters.find((each) => each.name.text === name);
    scope.names.set(name, { value, span: parameter?.name.span ?? block.name.span, declared: "parameter" });
  }
  scope.names.set("training", {
    value: { kind: "bool", value: session.settings.training ?? TRAINING_UNKNOWN },
    span: block.name.span,
    declared: "parameter",
  });
  const ports = block.body.filter((statement): statement is InPort => statement.kind === "InPort");
  // Conditions hold wherever they are written, so they come before the sizes that are computed in the ports.
  if (bindSizes(frame, scope, ports, arrivals))
    for (const statement of block.body) {
      if (statement.kind === "Where") requireAll(frame, scope, block, statement.conditions, arrivals);
      if (statement.kind === "InPort") requireAll(frame, scope, block, statement.where, arrivals);
    }
  const inputs = bindPorts(frame, scope, block, ports, arrivals);
  if (inputs === undefined) return undefined;
  inspect?.(scope);
  const errorsBefore = session.errors;
  elaborateStatements(frame, scope, block.body, undefined);
  const outputs = finishOutputs(frame, scope, block, outs, session.errors > errorsBefore);
  if (outputs === undefined) return undefined;
  return {
    block: block.name.text,
    span: block.name.span,
    types: frame.types,
    inputs,
    outputs,
    entries: frame.entries,
    order: block.body.flatMap((statement) => (statement.kind === "Names" ? statement.order.map((name) => name.text) : [])),
    holdsTensors: frame.entries.some(
      (entry) => entry.kind === "parameter" || entry.kind === "state" || (entry.kind === "call" && entry.instance.holdsTensors),
    ),
  };
}

const TRAINING_UNKNOWN = { op: "==", left: symbol("training", { id: "?training", least: 0 }), right: 1 } as const;
