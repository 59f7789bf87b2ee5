/**
 * Analytic gradients against central differences of the f64 interpreter.
 * Invariant: the loss is a weighted sum of all differentiable outputs, so that no element's gradient cancels another's.
 */
import * as assert from "uvu/assert";
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import { differentiate } from "../../compiler/differentiate/differentiate.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { Graph, NamedValue, Value } from "../../compiler/ir/graph.ts";
import { invariant } from "../../compiler/ir/invariant.ts";
import { isFloat } from "../../compiler/operators/type-rules.ts";
import { scattered, type TypedTensor } from "../operators/run-operator.ts";

/** A graph of `loss` and `gradient.K` for each float input. */
export function gradientGraph(
  inputs: readonly TypedTensor[],
  body: (builder: GraphBuilder, inputs: readonly Value[]) => readonly Value[],
): { readonly graph: Graph; readonly bound: ReadonlyMap<string, TypedTensor>; readonly wanted: readonly number[] } {
  const builder = createGraphBuilder(undefined);
  const { outputs, bound, wanted } = addGradients(builder, "", inputs, body);
  return { graph: builder.finish(outputs, []), bound, wanted };
}

/** Adds `loss` and `gradient.K` to a graph; the names of inputs and outputs begin with `prefix`. */
export function addGradients(
  builder: GraphBuilder,
  prefix: string,
  inputs: readonly TypedTensor[],
  body: (builder: GraphBuilder, inputs: readonly Value[]) => readonly Value[],
): { readonly outputs: readonly NamedValue[]; readonly bound: ReadonlyMap<string, TypedTensor>; readonly wanted: readonly number[] } {
  const values = inputs.map(({ shape, dtype = "f32" }, k) => builder.emit("input", [], { name: `${prefix}x${k}`, dtype, shape }));
  const bound = new Map(inputs.map((tensor, k) => [`${prefix}x${k}`, tensor]));
  const parts: Value[] = [];
  for (const [k, output] of body(builder, values).entries()) {
    const { dtype, shape } = builder.typeOf(output);
    if (!isFloat(dtype)) continue;
    const weight = builder.emit("input", [], { name: `${prefix}w${k}`, dtype, shape });
    bound.set(`${prefix}w${k}`, scattered(shape.map(Number), 40 + k));
    const weighted = builder.emit("binary", [output, weight], { op: "multiply" });
    parts.push(builder.emit("reduce", [weighted], { op: "sum", axes: shape.map((_, axis) => axis) }));
  }
  const [first, ...others] = parts;
  invariant(first !== undefined, "no output is real");
  const loss = others.reduce((total, part) => builder.emit("binary", [total, part], { op: "add" }), first);
  const wanted = inputs.flatMap(({ dtype = "f32" }, k) => (isFloat(dtype) ? [k] : []));
  const gradients = differentiate(
    builder,
    loss,
    wanted.map((k) => values[k] ?? loss),
  );
  const outputs: NamedValue[] = [{ name: `${prefix}loss`, value: loss }];
  for (const [position, value] of gradients.entries()) {
    if (value !== undefined) outputs.push({ name: `${prefix}gradient.${wanted[position]}`, value });
  }
  return { outputs, bound, wanted };
}

/** Fails unless every gradient agrees within `tolerance` of its largest element (or of 1). */
export function checkGradients(
  inputs: readonly TypedTensor[],
  body: (builder: GraphBuilder, inputs: readonly Value[]) => readonly Value[],
  tolerance = 1e-6,
): void {
  const { graph, bound, wanted } = gradientGraph(inputs, body);
  const run = (changed: ReadonlyMap<string, TypedTensor>) =>
    interpret(graph, { inputs: changed, tensors: new Map(), scalars: new Map(), batch: 1 }).outputs;
  const lossOf = (changed: ReadonlyMap<string, TypedTensor>): number => run(changed).get("loss")?.data[0] ?? Number.NaN;
  const analytic = run(bound);
  for (const k of wanted) {
    const name = `x${k}`;
    const tensor = bound.get(name);
    const gradient = analytic.get(`gradient.${k}`);
    invariant(tensor !== undefined, "the input is bound");
    let scale = 1;
    const numeric = tensor.data.map((value, i) => {
      const step = 1e-5;
      const moved = (by: number): number => {
        const data = tensor.data.slice();
        data[i] = value + by;
        return lossOf(new Map(bound).set(name, { ...tensor, data }));
      };
      const slope = (moved(step) - moved(-step)) / (2 * step);
      scale = Math.max(scale, Math.abs(slope));
      return slope;
    });
    for (const [i, slope] of numeric.entries()) {
      const given = gradient === undefined ? 0 : (gradient.data[i] ?? Number.NaN);
      const off = Math.abs(given - slope);
      if (!(off <= tolerance * scale)) assert.unreachable(`input ${k}, element ${i}: gradient ${given}, slope ${slope}`);
    }
  }
}
