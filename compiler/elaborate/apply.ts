/**
 * Using a block: its arguments and inputs are bound, its body elaborated once per distinct use, the result shared.
 * Invariant: an Instance depends on the block, its argument values, its input types and the session's settings only.
 */
import type { Block, Expression, InPort, OutPort } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { type Dim, formatDim, sameDim, symbol } from "../ir/dim.ts";
import type { Instance, ValueId } from "../ir/program.ts";
import type { TensorType } from "../ir/type.ts";
import type { Declaration } from "../resolve/modules.ts";
import { recursiveBlock } from "../resolve/problems.ts";
import { bindParameters } from "./arguments.ts";
import { elaborateStatements } from "./body.ts";
import { addValue, demand, type Frame, inheritOrigins, provedEqual, report, type Session } from "./context.ts";
import { evaluate, evaluateShape } from "./expressions.ts";
import * as problems from "./problems.ts";
import { type OutTarget, rootScope, type Scope } from "./scope.ts";
import { type BlockValue, dimValue, formatShape, POISON, type TensorValue, type Value, valueKey } from "./values.ts";

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
  if (session.trail.includes(blockKey(block.declaration))) {
    report(session, recursiveBlock(name, span, [...session.trail.map((key) => key.split("#")[1] ?? key), name]));
    return POISON;
  }
  const ports = declared.body.filter((statement): statement is InPort => statement.kind === "InPort");
  if (ports.length !== tensors.length) {
    report(session, problems.wrongInputCount(name, ports.length, tensors.length, span, declared.name.span));
    return POISON;
  }
  const parameters = new Map<string, Value>();
  const home = moduleScope(block.declaration);
  const sound = bindParameters(
    frame,
    name,
    declared.parameters,
    block.given,
    span,
    declared.name.span,
    (parameter, value) => parameters.set(parameter.name.text, value),
    (parameter) => (parameter.default === undefined ? undefined : evaluate(frame, withNames(home, parameters, declared), parameter.default)),
  );
  if (!sound || [...parameters.values()].some((value) => value.kind === "poison")) return POISON;
  const instance = instantiate(frame, block.declaration, parameters, tensors, span, [...frame.prefix, ...(use?.path ?? [])]);
  if (instance === undefined) return POISON;
  const outputs = instance.outputs.map((port): TensorValue => {
    const type = instance.types[port.value] ?? { dtype: "f32", shape: [] };
    const origins = inheritOrigins(type, tensors, span, useText(name, block));
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

export function blockKey(declaration: Extract<Declaration, { kind: "block" }>): string {
  return `${declaration.file.path}#${declaration.block.name.text}`;
}

/** A stable name for an unlabelled use: the block's, numbered from the second on. */
export function derivedName(frame: Frame, block: string): string {
  const depth = frame.prefix.length;
  const used = new Set<string>();
  for (const entry of frame.entries) {
    if (entry.kind !== "call") continue;
    const component = entry.path[depth];
    if (component !== undefined && frame.prefix.every((part, i) => entry.path[i] === part)) used.add(component);
  }
  if (!used.has(block)) return block;
  for (let k = 2; ; k++) if (!used.has(`${block}_${k}`)) return `${block}_${k}`;
}

function useText(name: string, block: BlockValue): string {
  const dims = block.given.flatMap((given) => (given.value.kind === "dim" ? [`${given.name === undefined ? "" : `${given.name}: `}${formatDim(given.value.dim)}`] : []));
  return dims.length === 0 ? `\`${name}\`` : `\`${name}(${dims.join(", ")})\``;
}

function moduleScope(declaration: Extract<Declaration, { kind: "block" }>): Scope {
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
  declaration: Extract<Declaration, { kind: "block" }>,
  parameters: ReadonlyMap<string, Value>,
  inputs: readonly TensorValue[],
  span: Span,
  path: readonly string[],
): Instance | undefined {
  const { session } = caller;
  const cutsApply = session.edits.cuts.length > 0;
  const fullPath = [...caller.path, ...path];
  const key = [
    blockKey(declaration),
    ...[...parameters].map(([name, value]) => `${name}=${valueKey(value)}`),
    ...inputs.map((input) => formatTypeKey(input.type)),
    session.scheme,
    cutsApply ? fullPath.join(".") : "",
  ].join(";");
  const known = session.memo.get(key);
  if (known !== undefined) return known === "failed" ? undefined : known;
  session.trail.push(blockKey(declaration));
  const frame: Frame = { session, block: declaration.block.name.text, types: [], entries: [], path: fullPath, prefix: [] };
  const schemeBefore = session.scheme;
  const instance = elaborateBlock(frame, declaration, parameters, { given: inputs, useSpan: span });
  session.scheme = schemeBefore;
  session.trail.pop();
  session.memo.set(key, instance ?? "failed");
  return instance;
}

function formatTypeKey(type: TensorType): string {
  return valueKey({ kind: "tensor", id: 0, type, origins: [] });
}

/** What arrives at the in ports: a use's tensors, or undefined to make symbolic ones (a model, or a generic check). */
export interface Arrivals {
  readonly given: readonly TensorValue[];
  readonly useSpan: Span;
}

/** Elaborates a block's body into the frame; undefined if an output could not be given a type. */
export function elaborateBlock(
  frame: Frame,
  declaration: Extract<Declaration, { kind: "block" }>,
  parameters: ReadonlyMap<string, Value>,
  arrivals: Arrivals | undefined,
): Instance | undefined {
  const { session } = frame;
  const { block } = declaration;
  const outs = new Map<string, OutTarget>();
  for (const statement of block.body)
    if (statement.kind === "OutPort") outs.set(statement.name.text, { name: statement.name, assigned: undefined });
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
  const inputs = bindPorts(frame, scope, block, ports, arrivals);
  if (inputs === undefined) return undefined;
  for (const statement of block.body) {
    if (statement.kind === "Where") requireAll(frame, scope, block, statement.conditions, arrivals);
    if (statement.kind === "InPort") requireAll(frame, scope, block, statement.where, arrivals);
  }
  const errorsBefore = countErrors(session);
  elaborateStatements(frame, scope, block.body, undefined);
  const outputs = finishOutputs(frame, scope, block, outs, countErrors(session) > errorsBefore);
  if (outputs === undefined) return undefined;
  return {
    block: block.name.text,
    span: block.name.span,
    types: frame.types,
    inputs,
    outputs,
    entries: frame.entries,
    holdsTensors: frame.entries.some(
      (entry) => entry.kind === "parameter" || entry.kind === "state" || (entry.kind === "call" && entry.instance.holdsTensors),
    ),
  };
}

const TRAINING_UNKNOWN = { op: "==", left: symbol("training", { id: "?training", least: 0 }), right: 1 } as const;

function countErrors(session: Session): number {
  return session.diagnostics.filter((diagnostic) => diagnostic.severity === "error").length;
}

/** Binds port names and the dims of their patterns. */
function bindPorts(
  frame: Frame,
  scope: Scope,
  block: Block,
  ports: readonly InPort[],
  arrivals: Arrivals | undefined,
): { name: string; value: ValueId }[] | undefined {
  const { session } = frame;
  const bound: { name: string; value: ValueId }[] = [];
  for (const [i, port] of ports.entries()) {
    const given = arrivals?.given[i];
    const type = given === undefined ? symbolicType(frame, scope, port) : matchPort(frame, scope, block, port, given, arrivals?.useSpan ?? port.span);
    if (type === undefined) return undefined;
    if (given !== undefined && port.type?.dtypeSpan !== undefined && given.type.dtype !== port.type.dtype) {
      report(session, problems.dtypeMismatch(arrivals?.useSpan ?? port.span, `\`${block.name.text}\`, port \`${port.name.text}\``, port.type.dtype, given.type.dtype));
      return undefined;
    }
    const id = addValue(frame, type);
    const origins = given?.origins ?? type.shape.map((dim, axis) => ({
      span: port.type?.dims[Math.min(axis, (port.type?.dims.length ?? 1) - 1)]?.span ?? port.span,
      text: `${formatDim(dim)}: declared here`,
    }));
    scope.names.set(port.name.text, { value: { kind: "tensor", id, type, origins }, span: port.name.span, declared: "port" });
    bound.push({ name: port.name.text, value: id });
  }
  return bound;
}

/** The declared pattern with fresh symbols for names not bound yet. */
function symbolicType(frame: Frame, scope: Scope, port: InPort): TensorType | undefined {
  const { session } = frame;
  if (port.type === undefined) {
    return { dtype: "f32", shape: [freshDim(session, "N"), freshDim(session, "C"), freshDim(session, "H"), freshDim(session, "W")] };
  }
  for (const dim of port.type.dims) {
    if (dim.value.kind !== "Reference") continue;
    const name = dim.value.name.text;
    if (scope.names.has(name) || scope.file.own.has(name)) continue;
    if (dim.kind === "PackExpression")
      scope.names.set(name, { value: { kind: "pack", dims: packSymbols(name, session.packRank) }, span: dim.span, declared: "dim" });
    else {
      const fixed = session.settings.dims.get(name);
      scope.names.set(name, { value: dimValue(fixed ?? symbol(name)), span: dim.span, declared: "dim" });
    }
  }
  return evaluateShape(frame, scope, port.type);
}

function packSymbols(name: string, rank: number): Dim[] {
  return Array.from({ length: rank }, (_, i) => symbol(`${name}${i}`));
}

function freshDim(session: Session, name: string): Dim {
  return symbol(name, { id: `${name}?${session.fresh++}` });
}

/** Binds the pattern's names to what arrives and demands the rest. */
function matchPort(frame: Frame, scope: Scope, block: Block, port: InPort, given: TensorValue, useSpan: Span): TensorType | undefined {
  if (port.type === undefined) return given.type;
  const dims = port.type.dims;
  const packAt = dims.findIndex((dim) => dim.kind === "PackExpression" && dim.value.kind === "Reference" && isFree(scope, dim.value.name.text));
  const shape = given.type.shape;
  const fixedCount = packAt < 0 ? undefined : dims.length - 1;
  const rankFits = packAt < 0 ? portRank(scope, dims) === shape.length : shape.length >= (fixedCount ?? 0);
  if (!rankFits) {
    const declared = `\`${port.name.text}: ${port.type.span.source.text.slice(port.type.span.start, port.type.span.end)}\``;
    report(frame.session, problems.inputRank(block.name.text, port.name.text, declared, given, useSpan, port.type.span));
    return undefined;
  }
  let axis = 0;
  let sound = true;
  for (const [i, dim] of dims.entries()) {
    if (i === packAt && dim.value.kind === "Reference") {
      const count = shape.length - (fixedCount ?? 0);
      scope.names.set(dim.value.name.text, { value: { kind: "pack", dims: shape.slice(axis, axis + count) }, span: dim.span, declared: "dim" });
      axis += count;
      continue;
    }
    const actual = shape[axis];
    if (dim.value.kind === "Reference" && dim.kind === "DimExpression" && isFree(scope, dim.value.name.text) && actual !== undefined) {
      scope.names.set(dim.value.name.text, { value: dimValue(actual), span: dim.span, declared: "dim" });
      axis++;
      continue;
    }
    const declared = evaluate(frame, scope, dim.value);
    const list = declared.kind === "dim" ? [declared.dim] : declared.kind === "pack" ? declared.dims : undefined;
    if (list === undefined) {
      if (declared.kind !== "poison") report(frame.session, problems.wrongKind(dim.span, "a dim", declared));
      return undefined;
    }
    for (const wanted of list) {
      const arrives = shape[axis] ?? wanted;
      const at = axis;
      sound =
        demand(frame.session, { op: "==", left: wanted, right: arrives }, useSpan, `size of port \`${port.name.text}\``, (witness) =>
          problems.inputContradicts(block.name.text, port.name.text, problems.axisName(at, shape.length), wanted, arrives, witness, useSpan, dim.span, given.origins[at]),
        ) && sound;
      axis++;
    }
  }
  return sound ? given.type : undefined;
}

function isFree(scope: Scope, name: string): boolean {
  return !scope.names.has(name) && scope.file.own.get(name)?.kind !== "constant";
}

function portRank(scope: Scope, dims: NonNullable<InPort["type"]>["dims"]): number {
  let rank = 0;
  for (const dim of dims) {
    const bound = dim.value.kind === "Reference" ? scope.names.get(dim.value.name.text)?.value : undefined;
    rank += dim.kind === "PackExpression" && bound?.kind === "pack" ? bound.dims.length : 1;
  }
  return rank;
}

/** Conditions are assumed by a block that is checked by itself or built, and demanded of its uses. */
function requireAll(frame: Frame, scope: Scope, block: Block, conditions: readonly Expression[], arrivals: Arrivals | undefined): void {
  const { session } = frame;
  for (const expression of conditions) {
    const condition = evaluate(frame, scope, expression);
    if (condition.kind === "poison") continue;
    if (condition.kind !== "bool") {
      report(session, problems.wrongKind(expression.span, "a condition", condition));
      continue;
    }
    const text = expression.span.source.text.slice(expression.span.start, expression.span.end);
    if (typeof condition.value === "boolean") {
      if (!condition.value) report(session, problems.whereFails(block.name.text, text, "", arrivals?.useSpan ?? expression.span, expression.span));
    } else if (arrivals === undefined) session.facts = { relations: [...session.facts.relations, condition.value] };
    else {
      const relation = condition.value;
      demand(session, relation, arrivals.useSpan, `\`${block.name.text}\` requires ${text}`, (witness) =>
        problems.whereFails(block.name.text, text, witness, arrivals.useSpan, expression.span),
      );
    }
  }
}

/** Declared output shapes are assertions about what the body gives. */
function finishOutputs(
  frame: Frame,
  scope: Scope,
  block: Block,
  outs: ReadonlyMap<string, OutTarget>,
  hadErrors: boolean,
): { name: string; value: ValueId }[] | undefined {
  const { session } = frame;
  const outputs: { name: string; value: ValueId }[] = [];
  let sound = true;
  for (const port of block.body.filter((statement): statement is OutPort => statement.kind === "OutPort")) {
    const assigned = outs.get(port.name.text)?.assigned;
    if (assigned === undefined) {
      if (!hadErrors) report(session, problems.outputNeverAssigned(port.name.text, port.span));
      sound = false;
      continue;
    }
    if (assigned.value.kind !== "tensor") {
      if (assigned.value.kind !== "poison") report(session, problems.wrongKind(assigned.span, "a tensor", assigned.value));
      sound = false;
      continue;
    }
    sound = checkOutput(frame, scope, port, assigned.value, assigned.span) && sound;
    outputs.push({ name: port.name.text, value: assigned.value.id });
  }
  return sound ? outputs : undefined;
}

function checkOutput(frame: Frame, scope: Scope, port: OutPort, value: TensorValue, at: Span): boolean {
  if (port.type === undefined) return true;
  const shape = value.type.shape;
  if (port.type.dims.every((dim) => dim.kind === "DimExpression") && port.type.dims.length === shape.length)
    for (const [axis, dim] of port.type.dims.entries()) {
      const actual = shape[axis];
      if (dim.value.kind === "Reference" && actual !== undefined && isFree(scope, dim.value.name.text))
        scope.names.set(dim.value.name.text, { value: dimValue(actual), span: dim.span, declared: "dim" });
    }
  const declared = evaluateShape(frame, scope, port.type);
  if (declared === undefined) return true;
  const text = formatShape(declared);
  if (declared.shape.length !== shape.length) {
    report(frame.session, problems.outputContradicts(port.name.text, text, value, `rank ${declared.shape.length} ≠ rank ${shape.length}`, port.type.span, at));
    return true;
  }
  for (const [axis, wanted] of declared.shape.entries()) {
    const actual = shape[axis] ?? wanted;
    if (sameDim(wanted, actual) || provedEqual(frame.session, wanted, actual)) continue;
    const dimSpan = port.type.dims.length === shape.length ? (port.type.dims[axis]?.span ?? port.type.span) : port.type.span;
    const fine = demand(frame.session, { op: "==", left: wanted, right: actual }, dimSpan, `size of output \`${port.name.text}\``, (witness) =>
      problems.outputContradicts(port.name.text, text, value, witness, dimSpan, at),
    );
    if (!fine) break;
  }
  if (port.type.dtypeSpan !== undefined && value.type.dtype !== port.type.dtype)
    report(frame.session, problems.dtypeMismatch(port.type.dtypeSpan, `output \`${port.name.text}\``, port.type.dtype, value.type.dtype));
  return true;
}
