/**
 * Tensor arithmetic in expressions: equal shapes or scalars; nothing else broadcasts by itself.
 * Invariant: results are appended to the frame as typed operators.
 */
import type { BinaryOperator } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import { constantOf, type Dim, formatDim } from "../ir/dim.ts";
import type { Dtype } from "../ir/type.ts";
import type { TypeRelation } from "../operators/operator.ts";
import { demand, emitOp, type Frame, provedEqual, report } from "./context.ts";
import { originLabels } from "./origins.ts";
import * as problems from "./problems.ts";
import { formatShape, POISON, type TensorValue, type Value } from "./values.ts";

const BINARY: Readonly<Record<BinaryOperator, BinaryOp | undefined>> = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "/": "divide",
  "%": undefined,
  "==": "equal",
  "!=": "not_equal",
  "<": "less",
  "<=": "less_equal",
  ">": "greater",
  ">=": "greater_equal",
  "&&": "and",
  "||": "or",
};

/** undefined: the operands cannot be combined (not yet reported). */
export function binaryTensor(frame: Frame, operator: BinaryOperator, left: Value, right: Value, span: Span): Value | undefined {
  const op = BINARY[operator];
  return op === undefined ? undefined : elementwise(frame, op, left, right, span, `\`${operator}\``);
}

export function elementwise(frame: Frame, op: BinaryOp, left: Value, right: Value, span: Span, what: string): Value | undefined {
  const dtype: Dtype = left.kind === "tensor" ? left.type.dtype : right.kind === "tensor" ? right.type.dtype : "f32";
  const a = asTensor(frame, left, dtype, span);
  const b = asTensor(frame, right, dtype, span);
  if (a === undefined || b === undefined) return undefined;
  const pair = matchShapes(frame, a, b, span, what);
  if (pair === undefined) return POISON;
  return emitOp(frame, "binary", pair, { op }, span, what)?.[0] ?? POISON;
}

/** Brings a scalar to the other's shape; reports shapes that differ. */
export function matchShapes(frame: Frame, a: TensorValue, b: TensorValue, span: Span, what: string): readonly [TensorValue, TensorValue] | undefined {
  const rankA = a.type.shape.length;
  const rankB = b.type.shape.length;
  if (rankA === rankB) return sameSizes(frame, a, b, span, what) ? [a, b] : undefined;
  if (rankA === 0) return [broadcastScalar(frame, a, b.type.shape, span), b];
  if (rankB === 0) return [a, broadcastScalar(frame, b, a.type.shape, span)];
  report(frame.session, {
    code: "RN206",
    severity: "error",
    message: `${what} needs tensors of one shape, but they are ${formatShape(a.type)} and ${formatShape(b.type)}`,
    span,
    note: `rank ${rankA} ≠ rank ${rankB}`,
    labels: originLabels([...a.origins, ...b.origins], span),
    help: [broadcastAdvice(frame, a, b)],
    fixes: [],
  });
  return undefined;
}

/** With the axes of the larger that have the sizes of the smaller, if there is one way. */
function broadcastAdvice({ session }: Frame, a: TensorValue, b: TensorValue): string {
  const [small, large] = a.type.shape.length < b.type.shape.length ? [a, b] : [b, a];
  const axes = small.type.shape.map((size) => large.type.shape.flatMap((other, axis) => (provedEqual(session, size, other) ? [axis] : [])));
  const name = small.origins.find((origin) => origin?.of !== undefined)?.of ?? "small";
  const isClear = axes.every((found, i) => found.length === 1 && (i === 0 || (found[0] ?? 0) > (axes[i - 1]?.[0] ?? 0)));
  return `nothing broadcasts by itself: write \`broadcast(${name}, like: large, axes: [${isClear ? axes.flat().join(", ") : "..."}])\``;
}

function sameSizes(frame: Frame, a: TensorValue, b: TensorValue, span: Span, what: string): boolean {
  return a.type.shape.every((left, axis) => {
    const right = b.type.shape[axis] ?? left;
    const relation: TypeRelation = { op: "==", left, right };
    const name = problems.axisName(axis, a.type.shape.length);
    return demand(frame.session, relation, span, `${what}: equal ${name} sizes`, (witness) => ({
      ...problems.relationFails(relation, `${name} sizes`, witness, span, what, [onlyAxis(a, axis), onlyAxis(b, axis)]),
      help: stretchAdvice(left === 1 ? a : right === 1 ? b : undefined),
    }));
  });
}

/** Elsewhere an axis of size 1 would be stretched. */
function stretchAdvice(small: TensorValue | undefined): string[] {
  if (small === undefined) return [];
  const { shape } = small.type;
  const kept = shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  const sizes = kept.map((axis) => formatDim(shape[axis] ?? 1)).join(", ");
  return [`an axis of size 1 is not stretched by itself: write \`broadcast(reshape(small, [${sizes}]), like: large, axes: [${kept.join(", ")}])\``];
}

/** The tensor with the origin of one size only. */
function onlyAxis(tensor: TensorValue, axis: number): TensorValue {
  return { ...tensor, origins: tensor.origins.slice(axis, axis + 1) };
}

/** A number as a scalar tensor; a size of unknown value stays a size. */
export function asTensor(frame: Frame, value: Value, dtype: Dtype, span: Span): TensorValue | undefined {
  switch (value.kind) {
    case "tensor":
      return value;
    case "real":
      return emitOp(frame, "constant", [], { value: value.value, dtype: "f32", shape: [] }, span, "constant")?.[0];
    case "dim": {
      const constant = constantOf(value.dim);
      if (constant === undefined) return emitOp(frame, "size", [], { value: value.dim, dtype }, span, "size")?.[0];
      return emitOp(frame, "constant", [], { value: constant, dtype, shape: [] }, span, "constant")?.[0];
    }
    case "bool":
      if (typeof value.value !== "boolean") return undefined;
      return emitOp(frame, "constant", [], { value: value.value ? 1 : 0, dtype: "bool", shape: [] }, span, "constant")?.[0];
    default:
      return undefined;
  }
}

export function broadcastScalar(frame: Frame, scalar: TensorValue, shape: readonly Dim[], span: Span): TensorValue {
  const result = emitOp(frame, "broadcast", [scalar], { shape, axes: [] }, span, "broadcast")?.[0];
  return result ?? scalar;
}

export function unaryTensor(frame: Frame, op: UnaryOp, operand: TensorValue, span: Span): Value {
  return emitOp(frame, "unary", [operand], { op }, span, `\`${op}\``)?.[0] ?? POISON;
}
