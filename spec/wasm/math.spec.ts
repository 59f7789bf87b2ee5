/** Accuracy of the elementary functions against f64, in units of 2^-24 relative; special values; the generator. */
import * as assert from "uvu/assert";
import type { Expression, Kernel } from "../../compiler/ir/kernel.ts";
import { randomUniform } from "../../compiler/ir/random.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { suite } from "../harness.ts";
import { binary, unary } from "./reference-kernel.ts";
import { pseudoRandom, runWasm } from "./run-module.ts";

type UnaryName = Extract<Expression, { kind: "unary" }>["op"];

function load(operand: number): Expression {
  return { kind: "load", operand, at: [{ index: { constant: 0, terms: [{ axis: 0, coefficient: 1 }] } }], fill: 0 };
}

function apply(value: Expression, inputs: readonly (readonly number[])[], type: "f32" | "i32" = "f32"): Float64Array {
  const count = inputs[0]?.length ?? 0;
  const operand = (buffer: number, of: "f32" | "i32") => ({ buffer, type: of, offset: 0, strides: [1] });
  const kernel: Kernel = {
    form: "pointwise",
    name: "apply",
    serves: [],
    operands: [...inputs.map((_, i) => operand(i + 1, type)), operand(0, "f32")],
    axes: [{ name: "i", extent: count }],
    lets: [],
    stores: [{ operand: inputs.length, at: [{ index: { constant: 0, terms: [{ axis: 0, coefficient: 1 }] } }], value }],
  };
  const data = new Map<number, Float64Array>([[0, new Float64Array(count)]]);
  inputs.forEach((each, i) => data.set(i + 1, Float64Array.from(each)));
  const types = new Map(inputs.map((_, i) => [i + 1, type] as const));
  return runWasm(emitWasm([kernel]), { types, data }, 1).get(0) ?? new Float64Array();
}

/** Evenly spaced f32 numbers. */
function spaced(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround(from + ((to - from) * i) / (count - 1)));
}

const TABLE: readonly { readonly op: UnaryName; readonly from: number; readonly to: number; readonly ulp: number; readonly absolute?: number }[] = [
  { op: "exp", from: -87, to: 88.7, ulp: 2 },
  { op: "exp", from: -1, to: 1, ulp: 2 },
  { op: "expm1", from: -20, to: 88, ulp: 3 },
  { op: "expm1", from: -0.5, to: 0.5, ulp: 3 },
  { op: "log", from: 1e-6, to: 4, ulp: 2 },
  { op: "log", from: 0.9, to: 1.1, ulp: 2 },
  { op: "log", from: 1e-40, to: 1e30, ulp: 2 },
  { op: "log1p", from: -0.99, to: 10, ulp: 4 },
  { op: "log1p", from: -1e-3, to: 1e-3, ulp: 4 },
  { op: "tanh", from: -10, to: 10, ulp: 3 },
  { op: "tanh", from: -0.7, to: 0.7, ulp: 3 },
  { op: "erf", from: -5, to: 5, ulp: 3 },
  { op: "erf", from: -0.1, to: 0.1, ulp: 3 },
  { op: "sigmoid", from: -80, to: 80, ulp: 4 },
  { op: "silu", from: -80, to: 80, ulp: 4 },
  { op: "softplus", from: -80, to: 80, ulp: 4 },
  { op: "gelu", from: -6, to: 6, ulp: 6, absolute: 4e-7 },
  { op: "sin", from: -1000, to: 1000, ulp: 2 },
  { op: "cos", from: -1000, to: 1000, ulp: 2 },
  { op: "sqrt", from: 0, to: 100, ulp: 1 },
  { op: "rsqrt", from: 1e-6, to: 100, ulp: 3 },
  { op: "reciprocal", from: 0.1, to: 100, ulp: 2 },
  { op: "round", from: -4, to: 4, ulp: 0 },
  { op: "sign", from: -4, to: 4, ulp: 0 },
  { op: "square", from: -4, to: 4, ulp: 1 },
  { op: "relu", from: -4, to: 4, ulp: 0 },
];

suite("wasm/math", (test) => {
  for (const { op, from, to, ulp, absolute } of TABLE) {
    test(`${op} on [${from}, ${to}] within ${ulp} ulp`, () => {
      const xs = spaced(from, to, 20001);
      const got = apply({ kind: "unary", op, x: load(0) }, [xs]);
      xs.forEach((x, i) => {
        const expected = unary(op, x);
        const error = Math.abs((got[i] ?? NaN) - expected);
        const allowed = Math.max(Math.abs(expected) * ulp * 2 ** -24, 2 ** -149, absolute ?? 0);
        assert.ok(error <= allowed, `${op}(${x}) = ${got[i]}, expected ${expected}`);
      });
    });
  }

  test("special values", () => {
    const values = [NaN, Infinity, -Infinity, 0, -0, 1e38, -1e38, 1e-42, 89, -110];
    for (const op of ["exp", "log", "tanh", "erf", "sigmoid", "softplus", "expm1", "log1p", "sin", "relu", "sign", "sqrt"] as const) {
      const got = apply({ kind: "unary", op, x: load(0) }, [values]);
      values.forEach((x, i) => {
        const expected = Math.fround(unary(op, Math.fround(x)));
        const value = got[i] ?? 0;
        if (Number.isNaN(expected)) assert.ok(Number.isNaN(value), `${op}(${x}) = ${value}, expected NaN`);
        else if (op === "sin" && Math.abs(x) > 1e9) assert.ok(true);
        else
          assert.ok(
            Object.is(value, expected) || Math.abs(value - expected) <= 2e-7 * Math.abs(expected),
            `${op}(${x}) = ${value}, expected ${expected}`,
          );
      });
    }
  });

  test("power", () => {
    const bases = [0, 1e-40, 0.5, 1, 1.0001, 2, 10, 1e20, -2, -0.5, -3, Infinity];
    const exponents = [0, 1, -1, 2, 3, 0.5, -2.5, 1.7, 127, -126, 300, 0.001];
    const xs: number[] = [];
    const ys: number[] = [];
    for (const x of bases)
      for (const y of exponents) {
        xs.push(Math.fround(x));
        ys.push(Math.fround(y));
      }
    const got = apply({ kind: "binary", op: "power", left: load(0), right: load(1) }, [xs, ys]);
    xs.forEach((x, i) => {
      const exact = binary("power", x, ys[i] ?? 0);
      const expected = Math.fround(exact);
      const value = got[i] ?? 0;
      const close = Object.is(value, expected) || Math.abs(value - exact) <= Math.max(2 ** -149, Math.abs(exact) * 2 ** -23);
      assert.ok(close, `${x} ** ${ys[i]} = ${value}, expected ${expected}`);
    });
  });

  test("random follows the documented hash and is uniform", () => {
    const index = Array.from({ length: 4099 }, (_, i) => i * 7 - 9);
    const expression: Expression = { kind: "random", seed: { kind: "constant", value: 12345, type: "i32" }, stream: 3, index: load(0) };
    const got = apply(expression, [index], "i32");
    index.forEach((value, i) => assert.is(got[i], randomUniform(12345, 3, value)));
    const mean = got.reduce((sum, value) => sum + value, 0) / got.length;
    assert.ok(Math.abs(mean - 0.5) < 0.02);
    const low = got.filter((value) => value < 0.1).length / got.length;
    assert.ok(Math.abs(low - 0.1) < 0.02);
  });

  test("integer division truncates and does not trap", () => {
    const a = [7, -7, 8, 1, 0, -(2 ** 31)];
    const b = [2, 2, -3, 0, 5, -1];
    const got = apply({ kind: "cast", to: "f32", x: { kind: "binary", op: "divide", left: load(0), right: load(1) } }, [a, b], "i32");
    assert.equal([...got], [3, -3, -2, 2147483648, 0, 2147483648]);
  });

  test("pseudoRandom stays in range", () => {
    const next = pseudoRandom(1);
    for (let i = 0; i < 100; i++) assert.ok(Math.abs(next()) <= 1);
  });
});
