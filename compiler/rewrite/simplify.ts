/**
 * Algebra that makes a graph smaller. What a single node shows (x + 0, constants) the builder has folded already.
 * Invariant: exact but for the sign of zero; no rule depends on how often a value is used.
 */
import { add, mul } from "../ir/dim.ts";
import type { Graph } from "../ir/graph.ts";
import { rewrite, type Rule, ruleFor } from "./rewrite.ts";

/** The rules by name. */
export const simplifyRules: readonly Rule[] = [
  ruleFor("transpose of transpose", "transpose", (context, node) => {
    const inner = context.producer(node.inputs[0], "transpose");
    if (inner === undefined) return undefined;
    const permutation = node.attributes.permutation.map((axis) => inner.attributes.permutation[axis] ?? axis);
    return context.builder.emit("transpose", inner.inputs, { permutation });
  }),
  ruleFor("reshape of reshape", "reshape", (context, node) => {
    const inner = context.producer(node.inputs[0], "reshape");
    return inner && context.builder.emit("reshape", inner.inputs, node.attributes);
  }),
  ruleFor("broadcast of broadcast", "broadcast", (context, node) => {
    const inner = context.producer(node.inputs[0], "broadcast");
    if (inner === undefined) return undefined;
    const axes = inner.attributes.axes.map((axis) => node.attributes.axes[axis] ?? axis);
    return context.builder.emit("broadcast", inner.inputs, { shape: node.attributes.shape, axes });
  }),
  ruleFor("slice of slice", "slice", (context, node) => {
    const inner = context.producer(node.inputs[0], "slice");
    if (inner === undefined) return undefined;
    const { start, step, size } = node.attributes;
    return context.builder.emit("slice", inner.inputs, {
      start: start.map((first, axis) => add(inner.attributes.start[axis] ?? 0, mul(first, inner.attributes.step[axis] ?? 1))),
      step: step.map((stride, axis) => mul(stride, inner.attributes.step[axis] ?? 1)),
      size,
    });
  }),
  ruleFor("negate of negate, not of not, relu of relu, abs of abs", "unary", (context, node) => {
    const inner = context.producer(node.inputs[0], "unary");
    if (inner === undefined || inner.attributes.op !== node.attributes.op) return undefined;
    const { op } = node.attributes;
    if (op === "negate" || op === "not") return inner.inputs[0];
    return op === "relu" || op === "abs" || op === "floor" || op === "ceil" || op === "round" ? node.inputs[0] : undefined;
  }),
  ruleFor("add or subtract of a negation", "binary", (context, node) => {
    const [left, right] = node.inputs;
    const { op } = node.attributes;
    if (left === undefined || (op !== "add" && op !== "subtract")) return undefined;
    const negated = context.producer(right, "unary");
    const [inner] = negated?.inputs ?? [];
    if (negated?.attributes.op !== "negate" || inner === undefined) return undefined;
    return context.builder.emit("binary", [left, inner], { op: op === "add" ? "subtract" : "add" });
  }),
  ruleFor("choice by a negation", "select", (context, node) => {
    const [condition, then, otherwise] = node.inputs;
    const negated = context.producer(condition, "unary");
    const [inner] = negated?.inputs ?? [];
    if (negated?.attributes.op !== "not" || inner === undefined || then === undefined || otherwise === undefined) return undefined;
    return context.builder.emit("select", [inner, otherwise, then], {});
  }),
  ruleFor("negation of a constant factor", "unary", (context, node) => {
    const product = node.attributes.op === "negate" ? context.producer(node.inputs[0], "binary") : undefined;
    const [left, right] = product?.inputs ?? [];
    const factor = context.producer(right, "constant");
    if (product?.attributes.op !== "multiply" || left === undefined || factor === undefined) return undefined;
    const opposite = context.builder.emit("constant", [], { ...factor.attributes, value: -factor.attributes.value });
    return context.builder.emit("binary", [left, opposite], { op: "multiply" });
  }),
];

/** Applies the rules. */
export function simplify(graph: Graph): Graph {
  return rewrite(graph, simplifyRules);
}
