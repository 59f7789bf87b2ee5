/** Pointwise, sequential and reduction kernels against the f64 evaluator: strides, bounds, remainders, several stores. */
import * as assert from "uvu/assert";
import type { Affine, Coordinate, Expression, Kernel, Operand, ScalarType, Size, Store } from "../../compiler/ir/kernel.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { suite } from "../harness.ts";
import { sizeValue } from "./reference-kernel.ts";
import { checkKernels, pseudoRandom, runWasm, type Buffers } from "./run-module.ts";

type Reduction = Extract<Kernel, { form: "reduction" }>;

function axisIndex(axis: number, coefficient = 1, constant = 0): Affine {
  return { constant, terms: [{ axis, coefficient }] };
}

function at(...axes: readonly number[]): Coordinate[] {
  return axes.map((axis) => ({ index: axisIndex(axis) }));
}

function load(operand: number, where: readonly Coordinate[], fill = 0): Expression {
  return { kind: "load", operand, at: where, fill };
}

function f32(value: number): Expression {
  return { kind: "constant", value, type: "f32" };
}

function binary(op: Extract<Expression, { kind: "binary" }>["op"], left: Expression, right: Expression): Expression {
  return { kind: "binary", op, left, right };
}

function unary(op: Extract<Expression, { kind: "unary" }>["op"], x: Expression): Expression {
  return { kind: "unary", op, x };
}

/** Row-major strides; a batch-proportional extent may stand first only. */
function rowMajor(extents: readonly number[]): number[] {
  return extents.map((_, i) => extents.slice(i + 1).reduce((product, extent) => product * extent, 1));
}

function operand(buffer: number, strides: readonly Size[], type: ScalarType = "f32", offset: Size = 0): Operand {
  return { buffer, type, offset, strides };
}

function buffers(sizes: Readonly<Record<number, number>>, integers: readonly number[] = [], limit = 4): Buffers {
  const next = pseudoRandom(7);
  const data = new Map<number, Float64Array>();
  const types = new Map<number, ScalarType>();
  for (const [id, size] of Object.entries(sizes)) {
    const whole = integers.includes(Number(id));
    types.set(Number(id), whole ? "i32" : "f32");
    data.set(
      Number(id),
      Float64Array.from({ length: size }, () => (whole ? Math.floor((next() + 1) * 0.5 * limit) : next())),
    );
  }
  return { types, data };
}

function pointwise(operands: readonly Operand[], extents: readonly Size[], stores: readonly Store[], lets: readonly Expression[] = []): Kernel {
  return { form: "pointwise", name: "pointwise", serves: [], operands, axes: extents.map((extent, i) => ({ name: `a${i}`, extent })), lets, stores };
}

function reduction(
  parallel: readonly Size[],
  reduced: readonly Size[],
  rest: Pick<Reduction, "operands" | "accumulators" | "stores"> & { readonly lets?: readonly Expression[] },
): Kernel {
  const axes = (extents: readonly Size[], prefix: string) => extents.map((extent, i) => ({ name: `${prefix}${i}`, extent }));
  return { form: "reduction", name: "reduction", serves: [], axes: axes(parallel, "p"), reduced: axes(reduced, "r"), lets: [], ...rest };
}

const SIZES = [1, 3, 5, 8, 10, 17];

suite("wasm/pointwise", (test) => {
  test("residual add and ReLU over remainders, one long loop", () => {
    for (const c of SIZES) {
      const tensors = [1, 2, 0].map((id) => operand(id, [6 * c, 3 * c, c, 1]));
      const where = at(0, 1, 2, 3);
      const value = unary("relu", binary("add", load(0, where), load(1, where)));
      const kernel = pointwise(tensors, [{ batch: 1 }, 2, 3, c], [{ operand: 2, at: where, value }]);
      checkKernels([kernel], buffers({ 0: 12 * c, 1: 12 * c, 2: 12 * c }), 2, 1e-6, `c=${c}`);
      assert.equal(emitWasm([kernel]).entries()[0]?.units, { batch: 6 * c }, "all axes merge into the units");
    }
  });

  test("normalisation with broadcast channels, shared lets and two stores", () => {
    for (const c of SIZES) {
      const x = operand(1, [7 * c, c, 1]);
      const perChannel = [2, 3, 4].map((id) => operand(id, [1]));
      const lets = [
        unary("rsqrt", binary("add", load(2, at(2)), f32(1.5))),
        binary("multiply", binary("subtract", load(0, at(0, 1, 2)), load(1, at(2))), { kind: "let", index: 0 }),
      ];
      const stores: Store[] = [
        { operand: 4, at: at(0, 1, 2), value: binary("multiply", { kind: "let", index: 1 }, load(3, at(2))) },
        { operand: 5, at: at(0, 1, 2), value: binary("greater", { kind: "let", index: 1 }, f32(0)) },
      ];
      const outputs = [operand(0, [7 * c, c, 1]), operand(5, [7 * c, c, 1], "i32")];
      const kernel = pointwise([x, ...perChannel, ...outputs], [3, 7, c], stores, lets);
      checkKernels([kernel], buffers({ 0: 21 * c, 1: 21 * c, 2: c, 3: c, 4: c, 5: 21 * c }, [5]), 1, 1e-6, `c=${c}`);
    }
  });

  test("layout change, channel slice, broadcast along the vector", () => {
    const [n, c, h, w] = [2, 5, 4, 6];
    const source = operand(1, [c * h * w, h * w, w, 1]);
    const slice = operand(0, [h * w * 9, w * 9, 9, 1], "f32", 3);
    const perRow = operand(2, [h, 1]);
    const value = binary("multiply", load(0, at(0, 1, 2, 3)), load(1, at(0, 2)));
    const kernel = pointwise([source, perRow, slice], [n, c, h, w], [{ operand: 2, at: at(0, 2, 3, 1), value }]);
    checkKernels([kernel], buffers({ 0: n * h * w * 9, 1: n * c * h * w, 2: n * h }), 1, 1e-6, "slice");
  });

  test("bounds on outer and on vector axes, divisors, fills, bounded stores", () => {
    for (const c of [1, 3, 8, 10]) {
      const bound = (index: Affine, extent: Size, divisor = 1): Coordinate => ({ index, bound: { extent, divisor } });
      const operands = [operand(1, [5 * c, c, 1]), operand(0, [9 * (c + 2), c + 2, 1]), operand(2, [4 * c, c, 1])];
      const padded = load(0, [{ index: axisIndex(0) }, bound(axisIndex(1, 1, -2), 5), bound(axisIndex(2, 1, -1), c)], 0.25);
      const spread = load(2, [{ index: axisIndex(0) }, bound(axisIndex(1, 1, -1), 4, 2), bound(axisIndex(2), c)], -1);
      const store: Store = { operand: 1, at: at(0, 1, 2), value: binary("add", padded, spread) };
      const inside: Store = {
        operand: 2,
        at: [{ index: axisIndex(0) }, bound(axisIndex(1, 1, -3), 4), bound(axisIndex(2, 1, -2), c)],
        value: padded,
      };
      const kernel = pointwise(operands, [{ batch: 1 }, 9, c + 2], [store]);
      const data = { 0: 2 * 9 * (c + 2), 1: 10 * c, 2: 8 * c };
      checkKernels([kernel], buffers(data), 2, 1e-6, `c=${c}`);
      checkKernels([pointwise(operands, [2, 9, c + 2], [inside])], buffers(data), 1, 1e-6, `store c=${c}`);
    }
  });

  test("gather of rows and of elements, index values, size, casts and select", () => {
    const table = operand(1, [5, 1]);
    const indices = operand(2, [1], "i32");
    const row = load(1, at(0));
    const whole: Coordinate = { index: axisIndex(0, 0), dynamic: row };
    const rows = pointwise(
      [table, indices, operand(0, [5, 1])],
      [{ batch: 3 }, 5],
      [{ operand: 2, at: at(0, 1), value: load(0, [whole, { index: axisIndex(1) }]) }],
    );
    const data = buffers({ 0: 30, 1: 20, 2: 6 }, [2]);
    checkKernels([rows], data, 2, 0, "rows");
    const picked = load(
      0,
      [{ index: { constant: 0, terms: [] }, dynamic: row, bound: { extent: 3, divisor: 1 } }, { index: { constant: 2, terms: [] } }],
      9,
    );
    const position: Expression = { kind: "index", value: { constant: 2, terms: [{ axis: 0, coefficient: 3 }] } };
    const chosen: Expression = {
      kind: "select",
      condition: binary("and", binary("less", position, { kind: "constant", value: 12, type: "i32" }), unary("not", row)),
      then: { kind: "cast", to: "f32", x: position },
      else: binary("multiply", picked, { kind: "size", value: { batch: 3 }, type: "f32" }),
    };
    checkKernels(
      [pointwise([table, indices, operand(0, [1])], [{ batch: 3 }], [{ operand: 2, at: at(0), value: chosen }])],
      data,
      2,
      1e-6,
      "elements",
    );
  });

  test("a scalar buffer, a full scalar kernel, in-place update", () => {
    const scalar = operand(1, []);
    const step = pointwise([scalar], [], [{ operand: 0, at: [], value: binary("power", load(0, []), f32(1.5)) }]);
    checkKernels([step], { types: new Map(), data: new Map([[1, Float64Array.of(0.75)]]) }, 1, 1e-6, "scalar");
    const parameter = operand(2, [1]);
    const update = binary("subtract", load(1, at(0)), binary("multiply", load(0, []), load(1, at(0))));
    checkKernels([pointwise([scalar, parameter], [11], [{ operand: 1, at: at(0), value: update }])], buffers({ 1: 1, 2: 11 }), 1, 1e-6, "in place");
  });

  test("random is the same whatever the layout", () => {
    const index: Expression = {
      kind: "index",
      value: {
        constant: 0,
        terms: [
          { axis: 0, coefficient: 7 },
          { axis: 1, coefficient: 1 },
        ],
      },
    };
    const value: Expression = { kind: "random", seed: load(1, []), stream: 5, index };
    for (const strides of [
      [7, 1],
      [1, 4],
    ]) {
      const kernel = pointwise([operand(0, strides), operand(1, [], "i32")], [4, 7], [{ operand: 0, at: at(0, 1), value }]);
      checkKernels([kernel], buffers({ 0: 28, 1: 1 }, [1], 1000), 1, 0, `strides ${strides}`);
    }
  });
});

suite("wasm/sequential", (test) => {
  test("scatter adds rows in order", () => {
    for (const d of [1, 3, 8, 9]) {
      const target: Coordinate = { index: { constant: 0, terms: [] }, dynamic: load(1, at(0)) };
      const kernel: Kernel = {
        form: "sequential",
        name: "scatter",
        serves: [],
        operands: [operand(1, [d, 1]), operand(2, [1], "i32"), operand(0, [d, 1])],
        axes: [
          { name: "i", extent: { batch: 5 } },
          { name: "d", extent: d },
        ],
        lets: [],
        stores: [{ operand: 2, at: [target, { index: axisIndex(1) }], value: load(0, at(0, 1)), accumulate: true }],
      };
      checkKernels([kernel], buffers({ 0: 4 * d, 1: 10 * d, 2: 10 }, [2]), 2, 1e-6, `d=${d}`);
    }
  });
});

const SUM = (value: Expression) => ({ combine: "sum", value }) as const;

suite("wasm/reduction", (test) => {
  test("channel moments: two sums over long outer axes", () => {
    for (const c of [...SIZES, 33]) {
      const x = load(0, at(1, 2, 0));
      const kernel = reduction([c], [{ batch: 1 }, 37], {
        operands: [operand(1, [37 * c, c, 1]), operand(0, [1]), operand(2, [1])],
        accumulators: [SUM(x), SUM(unary("square", x))],
        stores: [0, 1].map((i) => ({
          operand: i + 1,
          at: at(0),
          value: binary("divide", { kind: "accumulator", index: i }, { kind: "size", value: { batch: 37 }, type: "f32" }),
        })),
      });
      checkKernels([kernel], buffers({ 0: c, 1: 37 * c * 29, 2: c }), 29, 3e-7, `c=${c}`);
    }
  });

  test("long sums keep f32 accuracy in both orientations", () => {
    const data = buffers({ 0: 8, 1: 8 * 40000 });
    data.data.get(1)?.forEach((value, i, all) => (all[i] = Math.fround(value + 1)));
    for (const [strides, count] of [
      [[1, 8], 40000],
      [[40000, 1], 40000],
    ] as const) {
      const kernel = reduction([8], [count], {
        operands: [operand(1, strides), operand(0, [1])],
        accumulators: [SUM(load(0, at(0, 1)))],
        stores: [{ operand: 1, at: at(0), value: { kind: "accumulator", index: 0 } }],
      });
      checkKernels([kernel], data, 1, 4e-7, `strides ${strides}`);
    }
  });

  test("rows: max, sum of exponentials, product, min over contiguous columns", () => {
    for (const n of [1, 2, 4, 7, 16, 19, 40, 130]) {
      const x = load(0, at(0, 1));
      const shifted = unary("exp", binary("subtract", x, load(1, at(0))));
      const results = [2, 3, 4, 0].map((id) => operand(id, [1]));
      const kernel = reduction([5], [n], {
        operands: [operand(1, [n, 1]), operand(5, [1]), ...results],
        accumulators: [
          { combine: "max", value: x },
          SUM(shifted),
          { combine: "prod", value: binary("add", x, f32(1)) },
          { combine: "min", value: x },
        ],
        stores: [0, 1, 2, 3].map((i) => ({ operand: i + 2, at: at(0), value: { kind: "accumulator", index: i } as const })),
      });
      checkKernels([kernel], buffers({ 0: 5, 1: 5 * n, 2: 5, 3: 5, 4: 5, 5: 5 }), 1, 2e-6, `n=${n}`);
    }
  });

  test("window pooling with padding: maximum, its position, average", () => {
    for (const c of [1, 3, 8, 21]) {
      const [h, w, oh, ow] = [7, 6, 4, 3];
      const bound = (index: Affine, extent: number): Coordinate => ({ index, bound: { extent, divisor: 1 } });
      const tap = (axis: number, reduced: number): Affine => ({
        constant: -1,
        terms: [
          { axis, coefficient: 2 },
          { axis: reduced, coefficient: 1 },
        ],
      });
      const where = [{ index: axisIndex(0) }, bound(tap(1, 4), h), bound(tap(2, 5), w), { index: axisIndex(3) }];
      const outputs = rowMajor([2, oh, ow, c]);
      const kernel = reduction([{ batch: 1 }, oh, ow, c], [3, 3], {
        operands: [operand(1, rowMajor([2, h, w, c])), operand(0, outputs), operand(2, outputs, "i32"), operand(3, outputs)],
        accumulators: [
          { combine: "max", value: load(0, where, -Infinity) },
          { combine: "max", value: load(0, where, -Infinity), position: true },
          SUM(load(0, where, 0)),
        ],
        stores: [
          { operand: 1, at: at(0, 1, 2, 3), value: { kind: "accumulator", index: 0 } },
          { operand: 2, at: at(0, 1, 2, 3), value: { kind: "accumulator", index: 1 } },
          { operand: 3, at: at(0, 1, 2, 3), value: binary("divide", { kind: "accumulator", index: 2 }, f32(9)) },
        ],
      });
      const outputSize = 2 * oh * ow * c;
      checkKernels([kernel], buffers({ 0: outputSize, 1: 2 * h * w * c, 2: outputSize, 3: outputSize }, [2]), 2, 1e-6, `c=${c}`);
    }
  });

  test("argmax of rows, whole-tensor mean, gradient sums with per-channel operands", () => {
    const argmax = reduction([{ batch: 1 }], [11], {
      operands: [operand(1, [11, 1]), operand(0, [1], "i32")],
      accumulators: [{ combine: "max", value: load(0, at(0, 1)), position: true }],
      stores: [{ operand: 1, at: at(0), value: { kind: "accumulator", index: 0 } }],
    });
    checkKernels([argmax], buffers({ 0: 6, 1: 66 }, [0]), 6, 0, "argmax");
    const mean = reduction([], [{ batch: 1 }, 5], {
      operands: [operand(1, [5, 1]), operand(0, [])],
      accumulators: [SUM(load(0, at(0, 1)))],
      stores: [{ operand: 1, at: [], value: { kind: "accumulator", index: 0 } }],
    });
    checkKernels([mean], buffers({ 0: 1, 1: 35 }), 7, 1e-6, "mean");
    for (const c of [3, 16, 18]) {
      const centred = binary("multiply", load(0, at(1, 0)), binary("subtract", load(1, at(1, 0)), load(2, at(0))));
      const sums = reduction([c], [{ batch: 300 }], {
        operands: [operand(1, [c, 1]), operand(2, [c, 1]), operand(3, [1]), operand(0, [1]), operand(4, [1])],
        accumulators: [SUM(load(0, at(1, 0))), SUM({ kind: "let", index: 0 })],
        lets: [centred],
        stores: [
          { operand: 3, at: at(0), value: { kind: "accumulator", index: 0 } },
          { operand: 4, at: at(0), value: binary("multiply", { kind: "accumulator", index: 1 }, load(2, at(0))) },
        ],
      });
      checkKernels([sums], buffers({ 0: c, 1: 900 * c, 2: 900 * c, 3: c, 4: c }), 3, 8e-6, `c=${c}`);
    }
  });

  test("random strides and orders", () => {
    const next = pseudoRandom(99);
    const pick = (count: number) => Math.floor((next() + 1) * 0.5 * count);
    for (let round = 0; round < 60; round++) {
      const extents = Array.from({ length: 4 }, () => SIZES[pick(SIZES.length)] ?? 1);
      const order = [0, 1, 2, 3].toSorted(() => next());
      const strides: number[] = [];
      let size = 1;
      for (const axis of order) {
        strides[axis] = size;
        size *= (extents[axis] ?? 1) + pick(2);
      }
      const parallel = extents.slice(0, 2);
      const kernel = reduction(parallel, extents.slice(2), {
        operands: [operand(1, strides, "f32", pick(3)), operand(0, rowMajor(parallel)), operand(2, [1])],
        accumulators: [SUM(binary("multiply", load(0, at(0, 1, 2, 3)), load(2, at(pick(4))))), { combine: "max", value: load(0, at(0, 1, 2, 3)) }],
        stores: [{ operand: 1, at: at(0, 1), value: binary("add", { kind: "accumulator", index: 0 }, { kind: "accumulator", index: 1 }) }],
      });
      checkKernels(
        [kernel],
        buffers({ 0: sizeValue((parallel[0] ?? 1) * (parallel[1] ?? 1), 1), 1: size + 3, 2: 17 }),
        1,
        5e-6,
        `round ${round} ${extents} ${order}`,
      );
    }
  });
});

suite("wasm/module", (test) => {
  test("kernels that differ in sizes only are emitted once", () => {
    const add = (n: number, m: number, buffer: number) => {
      const where = at(0, 1);
      const operands = [operand(buffer, [m + 1, 1]), operand(buffer + 1, [m, 1])];
      return pointwise(operands, [n, m], [{ operand: 1, at: where, value: unary("relu", load(0, where)) }]);
    };
    const module = emitWasm([add(3, 4, 0), add(70, 90, 2), add(5, 7, 4)]);
    assert.is(new Set(module.entries().map((entry) => entry.export)).size, 1);
    assert.match(module.text(), "f32x4.pmax");
    const data = buffers({ 0: 15, 1: 12, 2: 70 * 91, 3: 6300, 4: 40, 5: 35 });
    const result = runWasm(module, data, 1);
    data.data.get(2)?.forEach((value, i) => {
      if (i % 91 < 90) assert.is(result.get(3)?.[Math.floor(i / 91) * 90 + (i % 91)], Math.max(value, 0));
    });
  });
});
