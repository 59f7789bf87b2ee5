/**
 * Losses over a built program: the mean over the batch, as PyTorch's reductions.
 * Invariant: prediction and target shapes must agree exactly; nothing broadcasts (a [N,1] against [N] is an error).
 */
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { formatDim, mul, product } from "../ir/dim.ts";
import type { NamedValue, Value } from "../ir/graph.ts";
import { sameType, type TensorType } from "../ir/type.ts";
import * as problems from "../recipe/problems.ts";
import { labelType, type LossSpec } from "../recipe/recipe.ts";
import type { Built } from "./build.ts";
import type { GraphBuilder } from "../graph/builder.ts";

export interface BuiltLoss {
  readonly value: Value;
  /** The target, unless it is an input of the model already. */
  readonly target: NamedValue;
}

/** Adds the loss to the graph, with the target as an input of its own. */
export function buildLoss(built: Built, spec: LossSpec, report: (diagnostic: Diagnostic) => void): BuiltLoss | undefined {
  const { builder } = built;
  const output = built.outputs.find((port) => port.name === spec.output);
  if (output === undefined) {
    report(
      problems.noSuchOutput(
        spec.output,
        spec.span,
        built.outputs.map((port) => port.name),
      ),
    );
    return undefined;
  }
  const type = builder.typeOf(output.value);
  const wanted = targetType(spec, type);
  if (wanted === undefined) {
    const shape = `[${type.shape.map(formatDim).join(", ")}]`;
    report(problems.lossRank(spec, shape, []));
    return undefined;
  }
  const known = built.inputs.find((port) => port.name === spec.target);
  if (known !== undefined && !sameType(builder.typeOf(known.value), wanted)) {
    const target = builder.typeOf(known.value);
    report(problems.lossShapes({ loss: spec, output: type, target, wanted, witness: "", span: spec.targetSpan ?? spec.span, labels: [] }));
    return undefined;
  }
  const target = known ?? { name: spec.target, value: builder.emit("input", [], { name: spec.target, dtype: wanted.dtype, shape: wanted.shape }) };
  const value = builder.withPath("loss", () => meanLoss(builder, spec, output.value, target.value));
  return { value, target };
}

function targetType(spec: LossSpec, output: TensorType): TensorType | undefined {
  return spec.kind === "cross_entropy" ? labelType(output) : { dtype: "f32", shape: output.shape };
}

function meanLoss(builder: GraphBuilder, spec: LossSpec, output: Value, target: Value): Value {
  const each = elementLoss(builder, spec, output, target);
  const axes = builder.typeOf(each).shape.map((_, axis) => axis);
  return builder.emit("reduce", [each], { op: "mean", axes });
}

/** Logits at several positions are as many rows: `[N, K, H, W]` becomes `[N*H*W, K]`, its labels `[N*H*W]`. */
function rowsOfLogits(builder: GraphBuilder, logits: Value, labels: Value): readonly [Value, Value] {
  const [samples = 1, classes = 1, ...positions] = builder.typeOf(logits).shape;
  if (positions.length === 0) return [logits, labels];
  const rows = mul(samples, product(positions));
  const permutation = [0, ...positions.map((_, i) => i + 2), 1];
  const last = builder.emit("transpose", [logits], { permutation });
  return [builder.emit("reshape", [last], { shape: [rows, classes] }), builder.emit("reshape", [labels], { shape: [rows] })];
}

function elementLoss(builder: GraphBuilder, spec: LossSpec, output: Value, target: Value): Value {
  const constant = (value: number): Value => builder.emit("constant", [], { value, dtype: "f32", shape: [] });
  const difference = (): Value => builder.emitBinary("subtract", output, target);
  switch (spec.kind) {
    case "cross_entropy": {
      const [logits, labels] = rowsOfLogits(builder, output, target);
      return builder.emit("softmax_cross_entropy", [logits, labels], { smoothing: spec.smoothing });
    }
    case "mse":
      return builder.emit("unary", [difference()], { op: "square" });
    case "l1":
      return builder.emit("unary", [difference()], { op: "abs" });
    case "binary_cross_entropy": {
      // With logits: max(x, 0) - x t + log(1 + exp(-|x|)), which does not overflow.
      const positive = builder.emit("unary", [output], { op: "relu" });
      const product = builder.emitBinary("multiply", output, target);
      const magnitude = builder.emit("unary", [builder.emit("unary", [output], { op: "abs" })], { op: "negate" });
      const rest = builder.emit("unary", [builder.emit("unary", [magnitude], { op: "exp" })], { op: "log1p" });
      return builder.emitBinary("add", builder.emitBinary("subtract", positive, product), rest);
    }
    case "huber": {
      // Huber 1964: d²/2 within delta, delta (|d| - delta/2) outside.
      const d = difference();
      const magnitude = builder.emit("unary", [d], { op: "abs" });
      const square = builder.emitBinary("multiply", builder.emit("unary", [d], { op: "square" }), constant(0.5));
      const line = builder.emitBinary("multiply", builder.emitBinary("subtract", magnitude, constant(spec.delta / 2)), constant(spec.delta));
      const near = builder.emitBinary("less_equal", magnitude, constant(spec.delta));
      return builder.emit("select", [near, square, line], {});
    }
    default:
      return spec.kind satisfies never;
  }
}
