/**
 * Emitted pointwise, sequential and reduction kernels against the f64 evaluation: strides, broadcasts, bounds, remainders.
 */
import * as assert from "uvu/assert";
import type { Affine, Coordinate, Expression, Kernel, Operand, ScalarType, Size } from "../../compiler/ir/kernel.ts";
import { along, binary, castTo, choose, literal, unary } from "../../compiler/operators/kernel-expressions.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { suite } from "../harness.ts";
import { sizeAt } from "./evaluate-kernel.ts";
import { checkKernel, randomStream, runEntry, type TestBuffer } from "./run-entry.ts";

type Pointwise = Extract<Kernel, { form: "pointwise" }>;
type Reduction = Extract<Kernel, { form: "reduction" }>;

const plain = { serves: [], lets: [] } as const;

function at(...indices: readonly Affine[]): readonly Coordinate[] {
  return indices.map((index) => ({ index }));
}

function load(operand: number, where: readonly Coordinate[], fill = 0): Expression {
  return { kind: "load", operand, at: where, fill };
}

function axes(...extents: readonly Size[]) {
  return extents.map((extent, position) => ({ name: `i${position}`, extent }));
}

function operand(buffer: number, strides: readonly Size[], type: ScalarType = "f32", offset: Size = 0): Operand {
  return { buffer, type, offset, strides };
}

function filled(size: number, random: () => number, type: ScalarType = "f32"): TestBuffer {
  const data = Float64Array.from({ length: size }, () => (type === "f32" ? Math.fround(4 * random() - 2) : Math.floor(9 * random()) - 4));
  return { type, data };
}

/** Strides of a packed tensor whose axes lie in memory in the given order, outermost first. */
function stridesIn(order: readonly number[], extents: readonly number[]): number[] {
  const strides = new Array<number>(extents.length).fill(0);
  let stride = 1;
  for (const axis of [...order].reverse()) {
    strides[axis] = stride;
    stride *= extents[axis] ?? 1;
  }
  return strides;
}

function shuffled(count: number, random: () => number): number[] {
  return Array.from({ length: count }, (_, k) => ({ k, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ k }) => k);
}

const remainders = [1, 2, 3, 4, 5, 8, 10, 17];

function pick<T>(values: readonly T[], random: () => number): T {
  const found = values[Math.floor(random() * values.length)];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
}

/** relu(a * b + c) with a, b, c in memory orders and broadcasts of their own. */
function randomPointwise(random: () => number): { kernel: Pointwise; buffers: TestBuffer[] } {
  const extents = Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(remainders, random));
  const buffers: TestBuffer[] = [];
  const operands = Array.from({ length: 4 }, (_, index) => {
    const own = extents.map((extent) => (index > 0 && random() < 0.3 ? 1 : extent));
    const strides = stridesIn(random() < 0.6 ? own.map((_, k) => k) : shuffled(own.length, random), own);
    const offset = Math.floor(random() * 3);
    buffers.push(filled(own.reduce((a, b) => a * b, 1) + offset, random));
    return operand(
      index,
      strides.map((stride, axis) => (own[axis] === 1 ? 0 : stride)),
      "f32",
      offset,
    );
  });
  const here = at(...extents.map((_, axis) => along(axis)));
  const value = unary("relu", binary("add", binary("multiply", load(1, here), load(2, here)), load(3, here)));
  const kernel = {
    ...plain,
    form: "pointwise",
    name: `pointwise_${extents.join("x")}`,
    operands,
    axes: axes(...extents),
    stores: [{ operand: 0, at: here, value }],
  } as const;
  return { kernel, buffers };
}

/** sum, max, sum of squares over some axes of a tensor in any memory order. */
function randomReduction(random: () => number): { kernel: Reduction; buffers: TestBuffer[] } {
  const rank = 2 + Math.floor(random() * 3);
  const extents = Array.from({ length: rank }, () => pick(remainders, random));
  const kept = Math.floor(random() * rank);
  const order = random() < 0.5 ? extents.map((_, k) => k) : shuffled(rank, random);
  const source = operand(0, stridesIn(order, extents));
  const outer = extents.slice(0, kept);
  const here = load(0, at(...extents.map((_, axis) => along(axis))));
  const results = stridesIn(shuffled(kept, random), outer);
  const target = at(...outer.map((_, axis) => along(axis)));
  const types = ["f32", "f32", "f32", "i32"] as const;
  const kernel: Reduction = {
    ...plain,
    form: "reduction",
    name: `reduction_${extents.join("x")}_${kept}`,
    operands: [source, ...types.map((type, k) => operand(1 + k, results, type))],
    axes: axes(...outer),
    reduced: axes(...extents.slice(kept)),
    accumulators: [
      { combine: "sum", value: here },
      { combine: "max", value: here },
      { combine: "sum", value: unary("square", here) },
      { combine: "max", value: here, position: true },
    ],
    stores: types.map((_, index) => ({
      operand: 1 + index,
      at: target,
      value: { kind: "accumulator", index },
    })),
  };
  const size = (list: readonly number[]) => list.reduce((a, b) => a * b, 1);
  return { kernel, buffers: [filled(size(extents), random), ...types.map((type) => filled(size(outer), random, type))] };
}

/** Max pooling in channels-last memory: y, position. */
function pooling(
  batch: Size,
  size: number,
  channels: number,
  taps: number,
  stride: number,
  padding: number,
): { kernel: Reduction; elements: readonly Size[] } {
  const out = Math.floor((size + 2 * padding - taps) / stride) + 1;
  const times = (n: number): Size => (typeof batch === "number" ? batch * n : { batch: batch.batch * n });
  const coordinate = (spatial: number): Coordinate => ({
    index: {
      constant: -padding,
      terms: [
        { axis: 2 + spatial, coefficient: stride },
        { axis: 4 + spatial, coefficient: 1 },
      ],
    },
    bound: { extent: size, divisor: 1 },
  });
  const value = load(0, [...at(along(0), along(1)), coordinate(0), coordinate(1)], Number.NEGATIVE_INFINITY);
  const y = [out * out * channels, 1, out * channels, channels];
  const everywhere = at(along(0), along(1), along(2), along(3));
  const kernel: Reduction = {
    ...plain,
    form: "reduction",
    name: "max_pool",
    operands: [operand(0, [size * size * channels, 1, size * channels, channels]), operand(1, y), operand(2, y, "i32")],
    axes: axes(batch, channels, out, out),
    reduced: axes(taps, taps),
    accumulators: [
      { combine: "max", value },
      { combine: "max", value, position: true },
    ],
    stores: [0, 1].map((index) => ({ operand: 1 + index, at: everywhere, value: { kind: "accumulator", index } })),
  };
  return { kernel, elements: [times(size * size * channels), times(out * out * channels), times(out * out * channels)] };
}

suite("wasm kernels", (test) => {
  test("random pointwise kernels", () => {
    for (let seed = 0; seed < 80; seed++) {
      const { kernel, buffers } = randomPointwise(randomStream(seed));
      checkKernel(kernel, buffers);
    }
  });

  test("random reductions", () => {
    for (let seed = 0; seed < 80; seed++) {
      const { kernel, buffers } = randomReduction(randomStream(1000 + seed));
      checkKernel(kernel, buffers, 1, 1e-5);
    }
  });

  test("max pooling with padding, batch free", () => {
    for (const channels of [1, 3, 8, 17]) {
      const { kernel, elements } = pooling({ batch: 1 }, 7, channels, 3, 2, 1);
      const random = randomStream(channels);
      for (const batch of [1, 3]) {
        checkKernel(
          kernel,
          elements.map((size, k) => filled(sizeAt(size, batch), random, k === 2 ? "i32" : "f32")),
          batch,
        );
      }
    }
  });

  test("gradient of strided windows: divisors in bounds, along rows and along the vector", () => {
    const random = randomStream(5);
    for (const channelsLast of [true, false]) {
      const [n, c, size, out, taps, stride, padding] = [2, 5, 9, 5, 3, 2, 1];
      const coordinate = (spatial: number): Coordinate => ({
        index: {
          constant: padding,
          terms: [
            { axis: 2 + spatial, coefficient: 1 },
            { axis: 4 + spatial, coefficient: -1 },
          ],
        },
        bound: { extent: out, divisor: stride },
      });
      const order = channelsLast ? [0, 2, 3, 1] : [0, 1, 2, 3];
      const kernel: Reduction = {
        ...plain,
        form: "reduction",
        name: "pool_gradient",
        operands: [operand(0, stridesIn(order, [n, c, out, out])), operand(1, stridesIn(order, [n, c, size, size]))],
        axes: axes(n, c, size, size),
        reduced: axes(taps, taps),
        accumulators: [{ combine: "sum", value: load(0, [...at(along(0), along(1)), coordinate(0), coordinate(1)], 0.25) }],
        stores: [{ operand: 1, at: at(along(0), along(1), along(2), along(3)), value: { kind: "accumulator", index: 0 } }],
      };
      checkKernel(kernel, [filled(n * c * out * out, random), filled(n * c * size * size, random)]);
    }
  });

  test("padding and slices along the vector; bounded stores", () => {
    const random = randomStream(7);
    for (const extent of remainders) {
      const inner = extent + 5;
      const from: Coordinate = { index: { constant: -2, terms: [{ axis: 1, coefficient: 1 }] }, bound: { extent, divisor: 1 } };
      const pad = {
        ...plain,
        form: "pointwise",
        name: "pad",
        operands: [operand(0, [extent, 1]), operand(1, [inner, 1])],
        axes: axes(3, inner),
        stores: [{ operand: 1, at: at(along(0), along(1)), value: load(0, [{ index: along(0) }, from], 9) }],
      } as const;
      checkKernel(pad, [filled(3 * extent, random), filled(3 * inner, random)]);
      const into: Coordinate = { index: { constant: 0, terms: [{ axis: 1, coefficient: 1 }] }, bound: { extent: extent, divisor: 2 } };
      const crop = {
        ...pad,
        name: "crop",
        stores: [{ operand: 0, at: [{ index: along(0) }, into], value: load(1, at(along(0), along(1))) }],
      } as const;
      checkKernel(crop, [filled(3 * extent, random), filled(3 * inner, random)]);
    }
  });

  test("gather by rows and by elements, scatter by addition", () => {
    const random = randomStream(11);
    for (const width of remainders) {
      const ids = { type: "i32", data: Float64Array.from([3, 0, 7, -1, 3, 2, 1]) } as const;
      const row: Coordinate = { index: along(0), dynamic: load(0, at(along(0))), bound: { extent: 4, divisor: 1 } };
      const operands = [operand(0, [1], "i32"), operand(1, [width, 1]), operand(2, [width, 1])];
      const gather = {
        ...plain,
        form: "pointwise",
        name: "gather",
        operands,
        axes: axes(7, width),
        stores: [{ operand: 2, at: at(along(0), along(1)), value: load(1, [row, { index: along(1) }]) }],
      } as const;
      const buffers = [ids, filled(4 * width, random), filled(7 * width, random)];
      checkKernel(gather, buffers);
      const scatter = {
        ...gather,
        form: "sequential",
        name: "scatter",
        stores: [{ operand: 1, at: [row, { index: along(1) }], value: load(2, at(along(0), along(1))), accumulate: true }],
      } as const;
      checkKernel(scatter, buffers);
      const element = {
        ...plain,
        form: "pointwise",
        name: "element",
        operands: [operand(0, [1], "i32"), operand(1, [1]), operand(2, [1])],
        axes: axes(7),
        stores: [{ operand: 2, at: at(along(0)), value: load(1, [row]) }],
      } as const;
      checkKernel(element, buffers);
    }
  });

  test("integers, conditions, lets, sizes, indices and random bits", () => {
    const random = randomStream(13);
    const here = at(along(0), along(1));
    const [x, k] = [load(0, here), load(1, here)];
    const index: Expression = {
      kind: "index",
      value: {
        constant: 5,
        terms: [
          { axis: 0, coefficient: 10 },
          { axis: 1, coefficient: 1 },
        ],
      },
    };
    const values: readonly (readonly [ScalarType, Expression])[] = [
      ["i32", binary("divide", index, k)],
      ["i32", binary("greater", x, literal(0.3))],
      ["f32", castTo("f32", binary("and", binary("less", x, literal(1.25)), unary("not", k)))],
      ["f32", choose(binary("equal", k, literal(2, "i32")), unary("negate", x), { kind: "let", index: 0 })],
      ["f32", binary("add", { kind: "size", value: { batch: 10 }, type: "f32" }, { kind: "let", index: 0 })],
      ["f32", { kind: "random", seed: k, stream: 77, index }],
      ["i32", castTo("i32", binary("multiply", x, literal(100)))],
      ["f32", binary("power", unary("abs", x), literal(2.5))],
      ["f32", unary("sign", x)],
      ["f32", unary("round", binary("multiply", x, literal(4)))],
    ];
    const kernel: Pointwise = {
      serves: [],
      lets: [binary("multiply", unary("exp", x), castTo("f32", k))],
      form: "pointwise",
      name: "mixture",
      operands: [operand(0, [10, 1]), operand(1, [10, 1], "i32"), ...values.map(([type], position) => operand(2 + position, [10, 1], type))],
      axes: axes({ batch: 1 }, 10),
      stores: values.map(([, value], position) => ({ operand: 2 + position, at: here, value })),
    };
    const ks: TestBuffer = { type: "i32", data: Float64Array.from({ length: 30 }, (_, each) => (each % 7) + 1) };
    checkKernel(kernel, [filled(30, random), ks, ...values.map(([type]) => filled(30, random, type))], 3);
  });

  test("long sums keep their accuracy", () => {
    for (const channels of [1, 6, 16]) {
      const rows = 40_000;
      const random = randomStream(channels);
      const value = load(0, at(along(1), along(0)));
      const kernel: Reduction = {
        ...plain,
        form: "reduction",
        name: "sum",
        operands: [operand(0, [channels, 1]), operand(1, [1])],
        axes: axes(channels),
        reduced: axes(rows),
        accumulators: [{ combine: "sum", value }],
        stores: [{ operand: 1, at: at(along(0)), value: { kind: "accumulator", index: 0 } }],
      };
      const data = Float64Array.from({ length: rows * channels }, () => Math.fround(random()));
      checkKernel(kernel, [{ type: "f32", data }, filled(channels, random)], 1, 4e-7);
    }
  });

  test("kernels that differ in sizes only share their code", () => {
    const scale = (extent: Size, factor: number): Pointwise => ({
      ...plain,
      form: "pointwise",
      name: "scale",
      operands: [operand(0, [1]), operand(1, [1])],
      axes: axes(extent),
      stores: [{ operand: 1, at: at(along(0)), value: binary("multiply", load(0, at(along(0))), literal(factor)) }],
    });
    const emitted = emitWasm([
      scale(10, 3),
      scale({ batch: 40 }, 3),
      pooling(2, 8, 16, 3, 2, 1).kernel,
      pooling({ batch: 1 }, 56, 64, 2, 5, 3).kernel,
    ]);
    const [first, second, third] = emitted.entries();
    assert.is(first?.export, second?.export);
    assert.is.not(first?.export, third?.export);
    const got = runEntry(
      emitted,
      0,
      [
        { type: "f32", data: new Float64Array(10).fill(2) },
        { type: "f32", data: new Float64Array(10) },
      ],
      1,
    );
    assert.equal([...new Float32Array((got[1] ?? new Int32Array()).buffer)], new Array(10).fill(6));
    assert.ok(emitted.text().includes("$scale"));
  });
});
