/** Small networks for tests of fusion and planning, built node by node. */
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import { applyOptimizer } from "../../compiler/differentiate/optimizer.ts";
import type { OptimizerSpec } from "../../compiler/ir/optimizer.ts";
import { differentiate } from "../../compiler/differentiate/differentiate.ts";
import { type Dim, symbol } from "../../compiler/ir/dim.ts";
import type { Graph, GraphUpdate, NamedValue, Value } from "../../compiler/ir/graph.ts";
import { decompose } from "../../compiler/rewrite/decompose.ts";

export const N = symbol("N");

export function parameter(b: GraphBuilder, name: string, shape: readonly number[]): Value {
  return b.emit("parameter", [], { name, shape, initializer: { kind: "constant", value: 0 } });
}

export function state(b: GraphBuilder, name: string, shape: readonly number[]): Value {
  return b.emit("state", [], { name, dtype: "f32", shape, initializer: { kind: "constant", value: 0 } });
}

export function input(b: GraphBuilder, name: string, shape: readonly Dim[]): Value {
  return b.emit("input", [], { name, dtype: "f32", shape });
}

export function convolution(b: GraphBuilder, x: Value, name: string, channels: number, kernel = 3, stride = 1, groups = 1): Value {
  const own = b.typeOf(x).shape[1];
  if (typeof own !== "number") throw new Error("channels are constant");
  const weight = parameter(b, `${name}.weight`, [channels, own / groups, kernel, kernel]);
  const pair = (value: number) => [value, value];
  return b.withPath(name, () =>
    b.emit("convolution", [x, weight], {
      kernel: pair(kernel),
      stride: pair(stride),
      padding: pair((kernel - 1) / 2),
      dilation: pair(1),
      groups,
    }),
  );
}

export function norm(b: GraphBuilder, x: Value, name: string): Value {
  const channels = b.typeOf(x).shape[1];
  if (typeof channels !== "number") throw new Error("channels are constant");
  const [weight, bias] = [parameter(b, `${name}.weight`, [channels]), parameter(b, `${name}.bias`, [channels])];
  const [mean, variance] = [state(b, `${name}.running_mean`, [channels]), state(b, `${name}.running_var`, [channels])];
  return b.withPath(name, () => b.emit("batch_norm", [x, weight, bias, mean, variance], { eps: 1e-5 }));
}

export const relu = (b: GraphBuilder, x: Value): Value => b.emit("unary", [x], { op: "relu" });

export function block(b: GraphBuilder, x: Value, name: string, channels: number, stride: number): Value {
  const first = relu(b, norm(b, convolution(b, x, `${name}.conv1`, channels, 3, stride), `${name}.bn1`));
  const second = norm(b, convolution(b, first, `${name}.conv2`, channels), `${name}.bn2`);
  const own = b.typeOf(x).shape[1];
  const projected = stride !== 1 || own !== channels;
  const skip = projected ? norm(b, convolution(b, x, `${name}.down`, channels, 1, stride), `${name}.bnd`) : x;
  return relu(b, b.emitBinary("add", second, skip));
}

export function pool(b: GraphBuilder, x: Value): Value {
  const pair = (value: number) => [value, value];
  return b.emit("max_pool", [x], {
    kernel: pair(3),
    stride: pair(2),
    padding: pair(1),
    dilation: pair(1),
    ceil: false,
  });
}

export function classifier(b: GraphBuilder, x: Value, classes: number): Value {
  const pooled = b.emit("reduce", [x], { op: "mean", axes: [2, 3] });
  const width = b.typeOf(pooled).shape[1];
  const weight = parameter(b, "fc.weight", [classes, Number(width)]);
  const bias = parameter(b, "fc.bias", [classes]);
  const product = b.emit("matmul", [pooled, weight], { transposeLeft: false, transposeRight: true });
  const shape = b.typeOf(product).shape;
  return b.emit("binary", [product, b.emit("broadcast", [bias], { shape, axes: [1] })], { op: "add" });
}

export function residualNetwork(batch: Dim): Graph {
  const b = createGraphBuilder("N");
  const image = input(b, "image", [batch, 3, 9, 8]);
  const stem = pool(b, relu(b, norm(b, convolution(b, image, "conv1", 4), "bn1")));
  const one = block(b, stem, "layer1", 4, 1);
  const two = block(b, one, "layer2", 6, 2);
  return b.finish([{ name: "logits", value: classifier(b, two, 5) }], []);
}

export function denseNetwork(nested: boolean): Graph {
  const b = createGraphBuilder("N");
  let x = convolution(b, input(b, "image", [N, 2, 5, 5]), "stem", 3);
  const parts = [x];
  for (let k = 0; k < 3; k++) {
    const inner = convolution(b, relu(b, norm(b, x, `bn${k}`)), `conv${k}`, 2);
    parts.push(inner);
    x = b.emit("concat", nested ? [x, inner] : [...parts], { axis: 1 });
  }
  return b.finish([{ name: "y", value: classifier(b, x, 4) }], []);
}

/** Batch norm with the statistics of the batch; running statistics are updated. */
export interface Training {
  readonly updates: GraphUpdate[];
}

export function trainedNorm(b: GraphBuilder, x: Value, name: string, training: Training): Value {
  const channels = Number(b.typeOf(x).shape[1]);
  const [weight, bias] = [parameter(b, `${name}.weight`, [channels]), parameter(b, `${name}.bias`, [channels])];
  const [mean, variance] = b.emitAll("batch_moments", [x], {});
  if (mean === undefined || variance === undefined) throw new Error("two moments");
  for (const [kind, moment] of [
    ["running_mean", mean],
    ["running_var", variance],
  ] as const) {
    const running = state(b, `${name}.${kind}`, [channels]);
    const share = (value: Value, factor: number) =>
      b.emitBinary("multiply", value, b.emit("constant", [], { value: factor, dtype: "f32", shape: [] }));
    training.updates.push({
      target: running.node,
      value: b.emitBinary("add", share(running, 0.9), share(moment, 0.1)),
    });
  }
  return b.withPath(name, () => b.emit("batch_norm", [x, weight, bias, mean, variance], { eps: 1e-5 }));
}

function trainedBlock(b: GraphBuilder, x: Value, name: string, channels: number, stride: number, training: Training): Value {
  const first = relu(b, trainedNorm(b, convolution(b, x, `${name}.conv1`, channels, 3, stride), `${name}.bn1`, training));
  const second = trainedNorm(b, convolution(b, first, `${name}.conv2`, channels), `${name}.bn2`, training);
  const projected = stride !== 1 || b.typeOf(x).shape[1] !== channels;
  const skip = projected ? trainedNorm(b, convolution(b, x, `${name}.down`, channels, 1, stride), `${name}.bnd`, training) : x;
  return relu(b, b.emitBinary("add", second, skip));
}

function meanLoss(b: GraphBuilder, logits: Value): Value {
  const labels = b.emit("input", [], { name: "label", dtype: "i64", shape: [b.typeOf(logits).shape[0] ?? 1] });
  const losses = b.emit("softmax_cross_entropy", [logits, labels], { smoothing: 0.1 });
  return b.emit("reduce", [losses], { op: "mean", axes: [0] });
}

/** The training graph of `build`: loss, gradients or one optimizer step. */
export function trainingGraph(build: (b: GraphBuilder, training: Training) => Value, goal: "gradients" | OptimizerSpec): Graph {
  const b = createGraphBuilder("N");
  const training: Training = { updates: [] };
  const logits = build(b, training);
  const loss = meanLoss(b, logits);
  const parameters: { name: string; value: Value }[] = [];
  for (let id = 0; id < b.count(); id++) {
    const node = b.node(id);
    if (node.op === "parameter") parameters.push({ name: node.attributes.name, value: { node: id, output: 0 } });
  }
  const gradients = differentiate(
    b,
    loss,
    parameters.map((each) => each.value),
  );
  const trained = parameters.flatMap((each, k) => {
    const gradient = gradients[k];
    return gradient === undefined ? [] : [{ ...each, gradient }];
  });
  const outputs: NamedValue[] = [{ name: "loss", value: loss }];
  if (goal === "gradients") {
    for (const { name, gradient } of trained) outputs.push({ name: `gradient.${name}`, value: gradient });
    outputs.push({ name: "output.logits", value: logits });
    return decompose(b.finish(outputs, training.updates));
  }
  const rate = b.emit("scalar", [], { name: "learning_rate", dtype: "f32" });
  const number = b.emit("scalar", [], { name: "step_number", dtype: "f32" });
  const step = applyOptimizer(b, goal, trained, rate, number);
  return decompose(b.finish(outputs, [...training.updates, ...step.updates]));
}

/** A residual classifier of `depth` blocks per stage on images of 8x8. */
export function residualTraining(depth: number, widths: readonly number[] = [3, 4]) {
  return (b: GraphBuilder, training: Training): Value => {
    let x = relu(b, trainedNorm(b, convolution(b, input(b, "image", [N, 2, 8, 8]), "stem", widths[0] ?? 3), "bn", training));
    for (const [stage, width] of widths.entries()) {
      for (let k = 0; k < depth; k++) {
        x = trainedBlock(b, x, `layer${stage}.${k}`, width, k === 0 && stage > 0 ? 2 : 1, training);
      }
    }
    return classifier(b, x, 3);
  };
}
