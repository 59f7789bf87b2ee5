/**
 * Nodes that need not exist: those that repeat their input, and those whose inputs are constants.
 * Invariant: the replacement has the same type and, but for the sign of zero, the same value.
 */
import type { BinaryOp } from "../ir/attributes.ts";
import type { GraphNode, NodeFor, Value } from "../ir/graph.ts";
import { sameShape, type TensorType } from "../ir/type.ts";
import type { Emitter } from "../operators/operator.ts";
import { binaryFunctions, integerDivide, unaryFunctions } from "../operators/scalar-functions.ts";
import { isFloat } from "../operators/type-rules.ts";

/** What folding may look at. */
export interface FoldContext extends Emitter {
  node(id: number): GraphNode;
}

/** The value that stands for a node about to be added, or undefined if it is needed. */
export function foldNode(context: FoldContext, node: GraphNode): Value | undefined {
  const [first] = node.inputs;
  const [type] = node.types;
  if (type === undefined) return undefined;
  switch (node.op) {
    case "unary":
      return foldConstants(context, node, type, ([x = 0]) => unaryFunctions[node.attributes.op](x));
    case "binary":
      return foldBinary(context, node, type);
    case "select":
      return foldSelect(context, node);
    case "cast": {
      if (first !== undefined && context.typeOf(first).dtype === type.dtype) return first;
      const whole = (x: number): number => (type.dtype === "bool" ? Number(x !== 0) : Math.trunc(x));
      return foldConstants(context, node, type, ([x = 0]) => (isFloat(type.dtype) ? x : whole(x)));
    }
    case "broadcast":
    case "reshape":
      if (first !== undefined && sameShape(context.typeOf(first).shape, type.shape)) return first;
      return foldConstants(context, node, type, ([x = 0]) => x);
    case "transpose":
      if (first !== undefined && node.attributes.permutation.every((axis, position) => axis === position)) return first;
      return foldConstants(context, node, type, ([x = 0]) => x);
    case "slice":
      if (first !== undefined && sameShape(context.typeOf(first).shape, type.shape)) return first;
      return foldConstants(context, node, type, ([x = 0]) => x);
    case "pad":
      return first !== undefined && sameShape(context.typeOf(first).shape, type.shape) ? first : undefined;
    case "concat":
      return node.inputs.length === 1 ? first : undefined;
    case "reduce":
      return node.attributes.axes.length === 0 ? first : undefined;
    case "size":
      return typeof node.attributes.value === "number" ? context.emit("constant", [], { value: node.attributes.value, ...type }) : undefined;
    default:
      return undefined;
  }
}

/** The number that fills a value, if it is a constant or a repeated one. */
export function constantNumber(context: Pick<FoldContext, "node">, value: Value | undefined): number | undefined {
  const node = value === undefined ? undefined : context.node(value.node);
  return node?.op === "constant" ? node.attributes.value : undefined;
}

function foldConstants(context: FoldContext, node: GraphNode, type: TensorType, compute: (values: readonly number[]) => number): Value | undefined {
  const values: number[] = [];
  for (const input of node.inputs) {
    const value = constantNumber(context, input);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return context.emit("constant", [], { value: compute(values), ...type });
}

/** The number that leaves the other operand unchanged, on either side or on the right only. */
const neutral: { readonly [K in BinaryOp]?: { readonly value: number; readonly left: boolean } } = {
  add: { value: 0, left: true },
  subtract: { value: 0, left: false },
  multiply: { value: 1, left: true },
  divide: { value: 1, left: false },
  power: { value: 1, left: false },
};

function foldBinary(context: FoldContext, node: NodeFor<"binary">, type: TensorType): Value | undefined {
  const { op } = node.attributes;
  const [left, right] = node.inputs;
  const [a, b] = [constantNumber(context, left), constantNumber(context, right)];
  if (a !== undefined && b !== undefined) {
    const compute = op === "divide" && !isFloat(type.dtype) ? integerDivide : binaryFunctions[op];
    return context.emit("constant", [], { value: compute(a, b), ...type });
  }
  const rule = neutral[op];
  if (rule === undefined) return undefined;
  if (b === rule.value) return left;
  return rule.left && a === rule.value ? right : undefined;
}

function foldSelect(context: FoldContext, node: NodeFor<"select">): Value | undefined {
  const [condition, then, otherwise] = node.inputs;
  const holds = constantNumber(context, condition);
  if (holds !== undefined) return holds !== 0 ? then : otherwise;
  return then !== undefined && then.node === otherwise?.node && then.output === otherwise.output ? then : undefined;
}
