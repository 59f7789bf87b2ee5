/**
 * Movement and reduction over named axes, and `einsum`: each becomes reshapes, a transposition, a reduction or product.
 * Invariant: steps that change nothing are left out, so a pattern costs what it says.
 */
import type { Span } from "../../grammar/source.ts";
import { type Dim, product, sameDim } from "../ir/dim.ts";
import type { TypeRelation } from "../operators/operator.ts";
import type { ArgumentReader } from "./argument-reader.ts";
import { type AxisGroup, axisSizes, readPattern } from "./axis-pattern.ts";
import { demand, emitOp, type Frame, report } from "./context.ts";
import { badPattern } from "./movement-problems.ts";
import * as problems from "./problems.ts";
import type { TensorValue, Value } from "./values.ts";

/** `reshape`, unless the shape is that already. */
export function reshapeTo(frame: Frame, x: TensorValue, shape: readonly Dim[], span: Span, what: string): TensorValue | undefined {
  const same = shape.length === x.type.shape.length && shape.every((dim, axis) => sameDim(dim, x.type.shape[axis] ?? 0));
  return same ? x : emitOp(frame, "reshape", [x], { shape }, span, what)?.[0];
}

/** `transpose`, unless the order is that already. */
export function transposeTo(frame: Frame, x: TensorValue, permutation: readonly number[], span: Span, what: string): TensorValue | undefined {
  const same = permutation.every((from, to) => from === to);
  return same ? x : emitOp(frame, "transpose", [x], { permutation }, span, what)?.[0];
}

/** Names that a tensor's axes have, one each. */
interface Named {
  readonly x: TensorValue;
  readonly names: readonly string[];
}

/** `rearrange(x, "n (h d) t -> n h t d", h: 4)`: splits, permutes and merges axes. */
export function rearrange(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  return byPattern(read, frame, span, "rearrange", x, read.string("pattern"), undefined);
}

/** How a reduction over some axes is built; the axes are dropped. */
export type ReduceAxes = (x: TensorValue, axes: readonly number[]) => TensorValue | undefined;

/** Splits by the left side, reduces what the right side lacks, permutes and merges into the right side. */
export function byPattern(
  read: ArgumentReader,
  frame: Frame,
  span: Span,
  what: string,
  x: TensorValue,
  text: string,
  reduce: ReduceAxes | undefined,
): TensorValue | undefined {
  const pattern = readPattern(frame, what, text, x.type.shape.length, span);
  const sizes = pattern === undefined ? undefined : axisSizes(frame, what, x, pattern, read, span);
  if (pattern === undefined || sizes === undefined) return undefined;
  const names = pattern.left.flat();
  const kept = pattern.right.flat();
  const dropped = names.filter((name) => !kept.includes(name));
  if (dropped.length > 0 && reduce === undefined) {
    report(frame.session, badPattern(what, text, `loses \`${dropped[0]}\`: a reduction does that, as \`mean(x, "…")\``, span));
    return undefined;
  }
  const split = reshapeTo(
    frame,
    x,
    names.map((name) => sizes.get(name) ?? 1),
    span,
    what,
  );
  if (split === undefined) return undefined;
  const axes = dropped.map((name) => names.indexOf(name));
  const reduced = axes.length === 0 || reduce === undefined ? split : reduce(split, axes);
  if (reduced === undefined) return undefined;
  const left = names.filter((name) => kept.includes(name));
  const turned = transposeTo(
    frame,
    reduced,
    kept.map((name) => left.indexOf(name)),
    span,
    what,
  );
  if (turned === undefined) return undefined;
  return reshapeTo(
    frame,
    turned,
    pattern.right.map((group) => sizeOf(group, sizes)),
    span,
    what,
  );
}

function sizeOf(group: AxisGroup, sizes: ReadonlyMap<string, Dim>): Dim {
  return product(group.map((name) => sizes.get(name) ?? 1));
}

/** `einsum("nqd,nkd->nqk", q, k)`: sums over the names that the result lacks; of one or two tensors. */
export function einsum(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const text = read.string("pattern");
  const tensors = read.tensors();
  const parsed = parseEinsum(text);
  const fail = (mistake: string): undefined => {
    report(frame.session, badPattern("einsum", text, mistake, span));
    return undefined;
  };
  if (typeof parsed === "string") return fail(parsed);
  const { operands, result } = parsed;
  if (operands.length !== tensors.length || tensors.length < 1 || tensors.length > 2)
    return fail(`is for ${operands.length} tensors, but there are ${tensors.length}; einsum takes one or two`);
  for (const [i, names] of operands.entries()) {
    const rank = tensors[i]?.type.shape.length ?? 0;
    if (names.length !== rank) return fail(`names ${names.length} axes of tensor ${i + 1}, which has ${rank}`);
    if (new Set(names).size !== names.length) return fail("names an axis twice in one tensor");
  }
  if (new Set(result).size !== result.length) return fail("names an axis twice in the result");
  const stray = result.find((name) => !operands.some((names) => names.includes(name)));
  if (stray !== undefined) return fail(`has \`${stray}\` only on the right of \`->\``);
  const [first, second] = tensors.map((x, i) =>
    sumUnused(frame, { x, names: operands[i] ?? [] }, [...operands.filter((_, other) => other !== i).flat(), ...result], span),
  );
  if (first === undefined || (tensors.length === 2 && second === undefined)) return undefined;
  if (second === undefined)
    return transposeTo(
      frame,
      first.x,
      result.map((name) => first.names.indexOf(name)),
      span,
      "einsum",
    );
  return sizesAgree(frame, first, second, span) ? contract(frame, first, second, result, span) : undefined;
}

/** `"nqd,nkd->nqk"`, or with names of several letters `"n query d, n key d -> n query key"`; a string is what is wrong. */
function parseEinsum(text: string): { operands: readonly (readonly string[])[]; result: readonly string[] } | string {
  const [left, right, more] = text.split("->");
  if (left === undefined || right === undefined || more !== undefined) return "needs one `->`";
  if (!/^[A-Za-z0-9_,\s]*$/.test(left + right)) return "may hold only names, commas and `->`";
  const spaced = [...left.split(","), right].some((side) => /\S\s+\S/.test(side));
  const names = (side: string): string[] => (spaced ? side.trim().split(/\s+/) : [...side.trim()]).filter((name) => name !== "");
  return { operands: left.split(",").map(names), result: names(right) };
}

/** Names that occur nowhere else are summed away first. */
function sumUnused(frame: Frame, { x, names }: Named, used: readonly string[], span: Span): Named | undefined {
  const axes = names.flatMap((name, axis) => (used.includes(name) ? [] : [axis]));
  if (axes.length === 0) return { x, names };
  const summed = emitOp(frame, "reduce", [x], { op: "sum", axes }, span, "einsum")?.[0];
  return summed === undefined ? undefined : { x: summed, names: names.filter((name) => used.includes(name)) };
}

function sizesAgree(frame: Frame, a: Named, b: Named, span: Span): boolean {
  return a.names.every((name) => {
    if (!b.names.includes(name)) return true;
    const relation: TypeRelation = { op: "==", left: sizeNamed(a, name), right: sizeNamed(b, name) };
    const what = `the sizes of \`${name}\``;
    return demand(frame.session, relation, span, `einsum: ${what}`, (witness) =>
      problems.relationFails(relation, what, witness, span, "einsum", [a.x, b.x]),
    );
  });
}

function sizeNamed({ x, names }: Named, name: string): Dim {
  return x.type.shape[names.indexOf(name)] ?? 1;
}

/** A batched matrix product: names of both and the result, then those of one side, those summed over. */
function contract(frame: Frame, a: Named, b: Named, result: readonly string[], span: Span): Value | undefined {
  const shared = a.names.filter((name) => b.names.includes(name));
  const batch = shared.filter((name) => result.includes(name));
  const summed = shared.filter((name) => !result.includes(name));
  const left = a.names.filter((name) => !shared.includes(name));
  const right = b.names.filter((name) => !shared.includes(name));
  const one = asMatrices(frame, a, batch, left, summed, span);
  const other = asMatrices(frame, b, batch, right, summed, span);
  if (one === undefined || other === undefined) return undefined;
  const attributes = { transposeLeft: one.summedFirst, transposeRight: !other.summedFirst };
  const multiplied = emitOp(frame, "matmul", [one.x, other.x], attributes, span, "einsum")?.[0];
  if (multiplied === undefined) return undefined;
  const order = [...batch, ...left, ...right];
  const apart = reshapeTo(
    frame,
    multiplied,
    order.map((name) => sizeNamed(a.names.includes(name) ? a : b, name)),
    span,
    "einsum",
  );
  return apart === undefined
    ? undefined
    : transposeTo(
        frame,
        apart,
        result.map((name) => order.indexOf(name)),
        span,
        "einsum",
      );
}

/** As `[batch, own, summed]` or, where the axes lie so already, `[batch, summed, own]`; without a batch as a matrix. */
function asMatrices(
  frame: Frame,
  operand: Named,
  batch: readonly string[],
  own: readonly string[],
  summed: readonly string[],
  span: Span,
): { readonly x: TensorValue; readonly summedFirst: boolean } | undefined {
  const { names } = operand;
  const other = [...batch, ...summed, ...own];
  const summedFirst = other.every((name, axis) => names[axis] === name) && own.length > 0 && summed.length > 0;
  const order = summedFirst ? other : [...batch, ...own, ...summed];
  const turned = transposeTo(
    frame,
    operand.x,
    order.map((name) => names.indexOf(name)),
    span,
    "einsum",
  );
  if (turned === undefined) return undefined;
  const size = (part: readonly string[]): Dim => product(part.map((name) => sizeNamed(operand, name)));
  const matrix = summedFirst ? [size(summed), size(own)] : [size(own), size(summed)];
  const x = reshapeTo(frame, turned, batch.length === 0 ? matrix : [size(batch), ...matrix], span, "einsum");
  return x === undefined ? undefined : { x, summedFirst };
}
