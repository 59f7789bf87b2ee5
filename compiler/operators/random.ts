/**
 * Random numbers: a pure function of seed, stream and element, so that runs repeat bit for bit on every device.
 * Invariant: element i of two tensors with one stream and seed is the same number, whatever their shapes.
 */
import { randomUniform } from "../ir/random.ts";
import { axesOf, rowMajor } from "./kernel-expressions.ts";
import type { Operator } from "./operator.ts";
import { at, inputAt, shapeAt, tensorOf } from "./row-major.ts";
import { expectInputs, expectInteger, expectRank } from "./type-rules.ts";

/** Uniform in [0, 1). */
export const random: Operator<"random"> = {
  documentation: "Uniform numbers in [0, 1) from a counter-based generator keyed by the seed input (shape []) and the stream.",
  type(context, inputs, { shape }) {
    const [seed] = inputs;
    if (!expectInputs(context, inputs, 1) || seed === undefined) return undefined;
    if (!expectRank(context, seed, 0, 0, "the seed") || !expectInteger(context, seed, 0, "the seed")) return undefined;
    return [{ dtype: "f32", shape }];
  },
  gradient: () => [undefined],
  lower(context, { stream }) {
    const axes = axesOf(context.outputs[0] ?? []);
    const position = rowMajor(axes.map(({ extent }, axis) => ({ axis, extent })));
    const value = {
      kind: "random",
      seed: context.load(0, []),
      stream,
      index: { kind: "index", value: position },
    } as const;
    return { form: "pointwise", axes, values: [value] };
  },
  reference(inputs, { stream }, shapes) {
    const seed = at(inputAt(inputs, 0), 0);
    return [tensorOf(shapeAt(shapes, 0), (_, flat) => randomUniform(seed, stream, flat))];
  },
  onnx: "RandomUniform",
};
