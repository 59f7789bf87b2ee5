/**
 * Runs one operator through the builder and the reference interpreter, or its type rule alone.
 * Invariant: integer and bool inputs are declared as such, since type rules ask.
 */
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { interpret } from "../../compiler/interpret/interpret.ts";
import type { Attributes, OpName } from "../../compiler/ir/attributes.ts";
import { invariant } from "../../compiler/ir/invariant.ts";
import type { Dtype, TensorType } from "../../compiler/ir/type.ts";
import type { ReferenceTensor, TypeProblem, TypeRelation } from "../../compiler/operators/operator.ts";
import { elementCount } from "../../compiler/operators/row-major.ts";
import { operatorOf } from "../../compiler/operators/table.ts";

/** A tensor with a dtype; f32 if it says none. */
export interface TypedTensor extends ReferenceTensor {
  readonly dtype?: Dtype;
}

/** A tensor from nested lists; the shape is theirs. */
export function nested(value: unknown, dtype: Dtype = "f32"): TypedTensor {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  const flat = Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value];
  const data = Float64Array.from(flat as number[]);
  invariant(data.length === elementCount(shape), "the lists are ragged");
  return { shape, data, dtype };
}

/** A shape filled with start, start + step, ... */
export function ramp(shape: readonly number[], start = 0, step = 1): TypedTensor {
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => start + i * step), dtype: "f32" };
}

/** Numbers in (-1, 1), never the same one twice, far from 0 and from one another in small tensors. */
export function scattered(shape: readonly number[], seed: number): TypedTensor {
  const golden = (Math.sqrt(5) - 1) / 2;
  const data = Float64Array.from({ length: elementCount(shape) }, (_, i) => {
    const unit = ((i + 1) * golden + seed * 0.37218) % 1;
    return 2 * unit - 1;
  });
  return { shape, data, dtype: "f32" };
}

/** All outputs of one node. */
export function runOperator<K extends OpName>(op: K, inputs: readonly TypedTensor[], attributes: Attributes[K]): readonly ReferenceTensor[] {
  const builder = createGraphBuilder(undefined);
  const values = inputs.map(({ shape, dtype = "f32" }, position) => builder.emit("input", [], { name: `x${position}`, dtype, shape }));
  const results = builder.emitAll(op, values, attributes);
  const graph = builder.finish(
    results.map((value, k) => ({ name: `y${k}`, value })),
    [],
  );
  const bound = new Map(inputs.map((tensor, position) => [`x${position}`, tensor]));
  const { outputs } = interpret(graph, { inputs: bound, tensors: new Map(), scalars: new Map(), batch: 1 });
  return results.map((_, k) => {
    const tensor = outputs.get(`y${k}`);
    invariant(tensor !== undefined, "an output is missing");
    return tensor;
  });
}

export interface Typing {
  readonly types: readonly TensorType[] | undefined;
  readonly relations: readonly (TypeRelation & { readonly what: string })[];
  readonly problems: readonly TypeProblem[];
}

/** The type rule with a context that writes down what is asked. */
export function typing<K extends OpName>(op: K, inputs: readonly TensorType[], attributes: Attributes[K]): Typing {
  const relations: (TypeRelation & { readonly what: string })[] = [];
  const problems: TypeProblem[] = [];
  const types = operatorOf(op).type(
    {
      require: (relation, what) => relations.push({ ...relation, what }),
      fail(problem) {
        problems.push(problem);
      },
    },
    inputs,
    attributes,
  );
  return { types, relations, problems };
}
