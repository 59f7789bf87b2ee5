/** Plans of random graphs compute what the reference interpreter computes. */
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import type { BinaryOp, ReduceOp, UnaryOp } from "../../compiler/ir/attributes.ts";
import { type Dim, mul, product } from "../../compiler/ir/dim.ts";
import type { Graph, GraphUpdate, NamedValue, Value } from "../../compiler/ir/graph.ts";
import { decompose } from "../../compiler/rewrite/decompose.ts";
import { suite } from "../harness.ts";
import { convolution, input, N, norm, parameter, state } from "./networks.ts";
import { checkPlan, randomNumbers, variants } from "./run-both.ts";

const unaries: readonly UnaryOp[] = ["relu", "negate", "tanh", "square", "sigmoid", "abs", "floor"];
const binaries: readonly BinaryOp[] = ["add", "subtract", "multiply", "maximum", "minimum"];
const reductions: readonly ReduceOp[] = ["sum", "mean", "max", "min"];

interface Choice {
  /** An integer in [0, below). */
  number(below: number): number;
  of<T>(list: readonly T[]): T;
}

function choices(seed: number): Choice {
  const random = randomNumbers(seed);
  const number = (below: number): number => Math.min(below - 1, Math.floor(((random() + 1) / 2) * below));
  return {
    number,
    of(list) {
      const found = list[number(list.length)];
      if (found === undefined) throw new Error("an empty list");
      return found;
    },
  };
}

/** One more value, or undefined where the chosen operation does not apply. */
function grow(b: GraphBuilder, values: readonly Value[], pick: Choice, serial: number): Value | undefined {
  const x = pick.of(values);
  const { shape, dtype } = b.typeOf(x);
  const alike = values.filter((each) => sameDims(b.typeOf(each).shape, shape) && b.typeOf(each).dtype === dtype);
  const rank = shape.length;
  switch (pick.number(14)) {
    case 0:
    case 1:
      return b.emit("unary", [x], { op: pick.of(unaries) });
    case 2:
    case 3:
    case 4:
      return b.emit("binary", [x, pick.of(alike)], { op: pick.of(binaries) });
    case 5: {
      const condition = b.emit("binary", [x, pick.of(alike)], { op: "greater" });
      return b.emit("select", [condition, pick.of(alike), pick.of(alike)], {});
    }
    case 6: {
      if (rank === 0) return undefined;
      const permutation = shape.map((_, axis) => axis).reverse();
      return b.emit("transpose", [x], { permutation });
    }
    case 7: {
      if (rank === 0) return undefined;
      const axis = pick.number(rank);
      return b.emit("reduce", [x], { op: pick.of(reductions), axes: [axis] });
    }
    case 8: {
      const smaller = values.find((each) => b.typeOf(each).shape.length === rank - 1 && sameDims(b.typeOf(each).shape, shape.slice(1)));
      const axes = shape.slice(1).map((_, axis) => axis + 1);
      return smaller && b.emit("broadcast", [smaller], { shape, axes });
    }
    case 9: {
      const axis = shape.findIndex((size, k) => k > 0 && typeof size === "number" && size > 2);
      if (axis < 0) return undefined;
      const size = shape.map((own, k) => (k === axis ? Number(own) - 1 : own));
      const start = shape.map((_, k) => (k === axis ? 1 : 0));
      const part = b.emit("slice", [x], { start, step: shape.map(() => 1), size });
      return pick.number(2) === 0
        ? part
        : b.emit("pad", [part], { before: start, after: shape.map(() => 0), interior: shape.map(() => 0), value: 0 });
    }
    case 10: {
      if (rank < 3) return undefined;
      const merged = b.emit("reshape", [x], { shape: [shape[0] ?? 1, product(shape.slice(1))] });
      return pick.number(2) === 0 ? merged : b.emit("reshape", [b.emit("unary", [merged], { op: "tanh" })], { shape });
    }
    case 11:
      return rank < 2 ? undefined : b.emit("concat", [x, pick.of(alike), pick.of(alike)], { axis: 1 });
    case 12: {
      if (rank !== 4 || typeof shape[1] !== "number" || typeof shape[2] !== "number" || shape[2] > 8) return undefined;
      if (shape[0] !== N || typeof shape[3] !== "number") return undefined;
      const y = convolution(b, x, `conv${serial}`, 1 + pick.number(4), pick.of([1, 3]), pick.of([1, 2]));
      return pick.number(2) === 0 ? y : norm(b, y, `bn${serial}`);
    }
    default: {
      if (rank !== 2 || typeof shape[1] !== "number") return undefined;
      const weight = parameter(b, `w${serial}`, [shape[1], 3]);
      return b.emit("matmul", [x, weight], { transposeLeft: false, transposeRight: false });
    }
  }
}

function sameDims(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((size, axis) => mul(size, 1) === b[axis] || size === b[axis]);
}

function randomGraph(seed: number): Graph {
  const pick = choices(seed);
  const b = createGraphBuilder("N");
  const values: Value[] = [input(b, "image", [N, 3, 5, 4]), input(b, "rows", [N, 6]), parameter(b, "p", [3, 5, 4]), state(b, "s", [6])];
  const kept = values[3];
  for (let serial = 0; serial < 30; serial++) {
    const value = grow(b, values.slice(-12), pick, serial);
    if (value !== undefined && b.typeOf(value).shape.length <= 4) values.push(value);
  }
  const outputs: NamedValue[] = values.slice(-4).map((value, k) => ({ name: `out${k}`, value }));
  outputs.push({ name: "middle", value: values[Math.floor(values.length / 2)] ?? pick.of(values) });
  const updates: GraphUpdate[] = [];
  if (kept !== undefined) updates.push({ target: kept.node, value: b.emit("binary", [kept, kept], { op: "add" }) });
  return decompose(b.finish(outputs, updates));
}

suite("plans of random graphs", (test) => {
  for (let block = 0; block < 6; block++) {
    test(`seeds ${block * 25 + 1} to ${block * 25 + 25}`, () => {
      for (let seed = block * 25 + 1; seed <= block * 25 + 25; seed++) {
        const graph = randomGraph(seed);
        for (const target of [variants[0], variants[1 + (seed % (variants.length - 1))]]) {
          try {
            checkPlan(graph, { ...(target === undefined ? {} : { target }), batch: 1 + (seed % 3), seed });
          } catch (error) {
            throw new Error(`seed ${seed}, rules ${JSON.stringify(target?.rules)}: ${String(error)}`, { cause: error });
          }
        }
      }
    });
  }
});
