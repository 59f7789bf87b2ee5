/**
 * Ports of a block: what arrives is matched with the declared patterns, what the body gives with the declared outputs.
 * Invariant: a declared shape is an assertion; names in it that are not bound yet are bound by what arrives.
 */
import type { Block, InPort, OutPort, ShapeDim } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { walk } from "../../grammar/walk.ts";
import { type Dim, sameDim, symbol } from "../ir/dim.ts";
import type { ValueId } from "../ir/program.ts";
import type { TensorType } from "../ir/type.ts";
import { PRELUDE } from "../resolve/modules.ts";
import { addValue, demand, type Frame, provedEqual, report, type Session } from "./context.ts";
import { evaluate, evaluateShape } from "./expressions.ts";
import { stepsOf } from "./origins.ts";
import { declareActual, endInOutput, joinAxes } from "./port-fixes.ts";
import * as portProblems from "./port-problems.ts";
import * as problems from "./problems.ts";
import { lookup, type OutTarget, type Scope } from "./scope.ts";
import { isStatic } from "./static-functions.ts";
import { dimValue, formatShape, type GivenArgument, type Origin, type TensorValue } from "./values.ts";

/** What arrives at the in ports: a use's tensors, or undefined to make symbolic ones (a model, or a generic check). */
export interface Arrivals {
  readonly given: readonly TensorValue[];
  /** The use's arguments, as written. */
  readonly arguments: readonly GivenArgument[];
  readonly useSpan: Span;
}

/** Binds port names; the sizes in their patterns are bound already. */
export function bindPorts(
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
    // Where i64 is declared, i32 holds whole numbers as well.
    const isInteger = given?.type.dtype === "i32" && port.type?.dtype === "i64";
    if (given !== undefined && port.type?.dtypeSpan !== undefined && given.type.dtype !== port.type.dtype && !isInteger) {
      report(
        session,
        problems.dtypeMismatch(
          arrivals?.useSpan ?? port.span,
          `\`${block.name.text}\`, port \`${port.name.text}\``,
          port.type.dtype,
          given.type.dtype,
        ),
      );
      return undefined;
    }
    const id = addValue(frame, type);
    const origins =
      given?.origins ??
      type.shape.map(
        (dim, axis): Origin => ({
          span: port.type?.dims[Math.min(axis, (port.type?.dims.length ?? 1) - 1)]?.span ?? port.span,
          dim,
          port,
        }),
      );
    scope.names.set(port.name.text, { value: { kind: "tensor", id, type, origins }, span: port.name.span, declared: "port" });
    bound.push({ name: port.name.text, value: id });
  }
  return bound;
}

/**
 * Binds the names that stand alone in the ports' patterns: to what arrives, or to symbols. False if what arrives has
 * another number of axes somewhere, which `bindPorts` reports.
 */
export function bindSizes(frame: Frame, scope: Scope, ports: readonly InPort[], arrivals: Arrivals | undefined): boolean {
  let fits = true;
  for (const [i, port] of ports.entries()) {
    const given = arrivals?.given[i];
    if (given === undefined) bindSymbols(frame, scope, port);
    else fits = bindToShape(scope, port, given) && fits;
  }
  return fits;
}

/** Fresh symbols for names not bound yet. */
function bindSymbols({ session }: Frame, scope: Scope, port: InPort): void {
  for (const dim of port.type?.dims ?? []) {
    if (dim.value.kind !== "Reference") continue;
    const name = dim.value.name.text;
    if (!isFree(scope, name)) continue;
    if (dim.kind === "PackExpression")
      scope.names.set(name, { value: { kind: "pack", dims: packSymbols(name, session.packRank) }, span: dim.span, declared: "dim" });
    else {
      const fixed = session.settings.dims.get(name);
      scope.names.set(name, { value: dimValue(fixed ?? symbol(name)), span: dim.span, declared: "dim" });
    }
  }
}

/** Names in the pattern that are not bound yet are bound to the sizes at their places, if the number of axes fits. */
function bindToShape(scope: Scope, port: InPort, given: TensorValue): boolean {
  const dims = port.type?.dims ?? [];
  const { shape } = given.type;
  if (port.type === undefined) return true;
  const packAt = dims.findIndex((dim) => isFreePack(scope, dim));
  const fits = packAt < 0 ? portRank(scope, dims) === shape.length : shape.length >= dims.length - 1;
  if (!fits) return false;
  let axis = 0;
  for (const [i, dim] of dims.entries()) {
    const name = dim.value.kind === "Reference" ? dim.value.name.text : undefined;
    const width = i === packAt ? shape.length - (dims.length - 1) : portRank(scope, [dim]);
    const actual = shape[axis];
    if (name !== undefined && i === packAt)
      scope.names.set(name, { value: { kind: "pack", dims: shape.slice(axis, axis + width) }, span: dim.span, declared: "dim" });
    else if (name !== undefined && dim.kind === "DimExpression" && isFree(scope, name) && actual !== undefined)
      scope.names.set(name, { value: dimValue(actual), span: dim.span, declared: "dim" });
    axis += width;
  }
  return true;
}

/** The declared shape of a port whose names are bound. */
function symbolicType(frame: Frame, scope: Scope, port: InPort): TensorType | undefined {
  const { session } = frame;
  if (port.type === undefined) {
    return { dtype: "f32", shape: [freshDim(session, "N"), freshDim(session, "C"), freshDim(session, "H"), freshDim(session, "W")] };
  }
  return evaluateShape(frame, scope, port.type);
}

function packSymbols(name: string, rank: number): Dim[] {
  return Array.from({ length: rank }, (_, i) => symbol(`${name}${i}`));
}

function freshDim(session: Session, name: string): Dim {
  return symbol(name, { id: `${name}?${session.fresh++}` });
}

/** Demands that what arrives has the sizes of the pattern. */
function matchPort(frame: Frame, scope: Scope, block: Block, port: InPort, given: TensorValue, useSpan: Span): TensorType | undefined {
  if (port.type === undefined) return given.type;
  const dims = port.type.dims;
  const shape = given.type.shape;
  const freePack = dims.some((dim) => isFreePack(scope, dim));
  const wantedRank = freePack ? undefined : portRank(scope, dims);
  if (wantedRank === undefined ? shape.length < dims.length - 1 : shape.length !== wantedRank) {
    reportRank(frame, block, port, given, wantedRank, useSpan);
    return undefined;
  }
  let axis = 0;
  let sound = true;
  for (const dim of dims) {
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
          portProblems.inputContradicts(
            block.name.text,
            port.name.text,
            problems.axisName(at, shape.length),
            wanted,
            arrives,
            witness,
            useSpan,
            dim.span,
            given.origins[at],
          ),
        ) && sound;
      axis++;
    }
  }
  return sound ? given.type : undefined;
}

/** A rank that is one short because the input was declared without its batch or channel axis is the input's mistake. */
function reportRank(frame: Frame, block: Block, port: InPort, given: TensorValue, wanted: number | undefined, useSpan: Span): void {
  if (port.type === undefined) return;
  const declared = `\`${port.name.text}: ${textOf(port.type.span)}\``;
  const origin = stepsOf(given.origins[0])[0];
  const input = origin?.port;
  const short = wanted !== undefined && given.type.shape.length === wanted - 1;
  // Whole numbers are no picture: what they lack is something else.
  const isPicture = input?.type?.dtype === "f32" || input?.type?.dtype === "f16";
  if (short && isPicture && input?.type?.dims.length === given.type.shape.length && textOf(port.type.span) !== "")
    report(frame.session, portProblems.inputShort(block.name.text, declared, input.name.text, input.type, given, useSpan, port.type.span), true);
  else report(frame.session, portProblems.inputRank(block.name.text, port.name.text, declared, given, useSpan, port.type.span));
}

/** A name that a pattern binds. A constant of the file, own or imported, is an assertion; a block of that name is not meant. */
function isFree(scope: Scope, name: string): boolean {
  if (scope.names.has(name)) return false;
  const declaration = scope.file.visible.get(name);
  return declaration?.kind !== "constant" || (declaration.file.path === PRELUDE && scope.file.path !== PRELUDE);
}

function isFreePack(scope: Scope, dim: ShapeDim): boolean {
  return dim.kind === "PackExpression" && dim.value.kind === "Reference" && isFree(scope, dim.value.name.text);
}

function portRank(scope: Scope, dims: readonly ShapeDim[]): number {
  return dims.reduce((rank, dim) => rank + (dim.kind === "PackExpression" ? packRank(scope, dim) : 1), 0);
}

/** As many axes as the pack in it has: `..ceil(S/2)` has those of S. */
function packRank(scope: Scope, dim: ShapeDim): number {
  let rank: number | undefined;
  walk(dim, (node) => {
    const bound = node.kind === "Reference" ? scope.names.get(node.name.text)?.value : undefined;
    if (bound?.kind === "pack") rank ??= bound.dims.length;
  });
  return rank ?? 1;
}

/** Gives each out port its value, checked against the declared shape, which also stands in for what failed. */
export function finishOutputs(
  frame: Frame,
  scope: Scope,
  block: Block,
  outs: ReadonlyMap<string, OutTarget>,
  hadErrors: boolean,
): { name: string; value: ValueId }[] | undefined {
  const { session } = frame;
  const outputs: { name: string; value: ValueId }[] = [];
  for (const port of block.body.filter((statement): statement is OutPort => statement.kind === "OutPort")) {
    const assigned = outs.get(port.name.text)?.assigned;
    if (assigned === undefined && !hadErrors)
      report(session, portProblems.outputNeverAssigned(port.name.text, port.span, endInOutput(session, block, port)));
    if (assigned !== undefined && assigned.value.kind !== "tensor" && assigned.value.kind !== "poison")
      report(session, problems.wrongKind(assigned.span, "a tensor", assigned.value));
    if (assigned?.value.kind === "tensor") {
      checkOutput(frame, scope, port, assigned.value, assigned.span);
      outputs.push({ name: port.name.text, value: assigned.value.id });
      continue;
    }
    const declared = declaredOutput(frame, scope, port);
    if (declared === undefined) return undefined;
    outputs.push({ name: port.name.text, value: addValue(frame, declared) });
  }
  return outputs;
}

/** The type an out port declares, if all its names are known: uses of a broken block are checked against it. */
function declaredOutput(frame: Frame, scope: Scope, port: OutPort): TensorType | undefined {
  if (port.type === undefined) return undefined;
  let known = true;
  walk(port.type, (node) => {
    if (node.kind === "Hole" || (node.kind === "Reference" && lookup(scope, node.name.text) === undefined && !isStatic(node.name.text)))
      known = false;
  });
  return known ? evaluateShape(frame, scope, port.type) : undefined;
}

function checkOutput(frame: Frame, scope: Scope, port: OutPort, value: TensorValue, at: Span): void {
  if (port.type === undefined) return;
  const shape = value.type.shape;
  const declared = evaluateShape(frame, scope, port.type);
  if (declared === undefined) return;
  const text = (): string => formatShape(declared);
  if (declared.shape.length !== shape.length) {
    report(
      frame.session,
      portProblems.outputContradicts(
        port.name.text,
        text(),
        value,
        undefined,
        `rank ${declared.shape.length} ≠ rank ${shape.length}`,
        port.type.span,
        at,
        joinAxes(frame.session, declared.shape.length, value),
      ),
    );
    return;
  }
  for (const [axis, wanted] of declared.shape.entries()) {
    const actual = shape[axis] ?? wanted;
    if (sameDim(wanted, actual) || provedEqual(frame.session, wanted, actual)) continue;
    const dimSpan = port.type.dims.length === shape.length ? (port.type.dims[axis]?.span ?? port.type.span) : port.type.span;
    const fine = demand(frame.session, { op: "==", left: wanted, right: actual }, dimSpan, `size of output \`${port.name.text}\``, (witness) =>
      portProblems.outputContradicts(
        port.name.text,
        text(),
        value,
        axis,
        witness,
        dimSpan,
        at,
        dimSpan === port.type?.span ? [] : declareActual(frame.session, scope, actual, dimSpan),
      ),
    );
    if (!fine) break;
  }
  if (port.type.dtypeSpan !== undefined && value.type.dtype !== port.type.dtype)
    report(frame.session, problems.dtypeMismatch(port.type.dtypeSpan, `output \`${port.name.text}\``, port.type.dtype, value.type.dtype));
}

function textOf({ source, start, end }: Span): string {
  return source.text.slice(start, end);
}
