/**
 * The shared SIMD functions against Math in f64: accuracy on dense samples, and exact values at the limits.
 */
import * as assert from "uvu/assert";
import { binaryFunctions, unaryFunctions } from "../../compiler/operators/scalar-functions.ts";
import { createModule } from "../../compiler/wasm-next/encode.ts";
import { createSharedFunctions, type SharedUnary } from "../../compiler/wasm-next/functions.ts";
import { suite } from "../harness.ts";

const names: readonly SharedUnary[] = ["exp", "log", "tanh", "erf", "sin", "cos", "sigmoid", "gelu", "silu", "softplus", "log1p", "expm1"];

type Apply = (xs: readonly number[], ys?: readonly number[]) => Float32Array;

function compile(name: SharedUnary | "power"): Apply {
  const module = createModule();
  const shared = createSharedFunctions(module);
  const target = name === "power" ? shared.power() : shared.unary(name);
  module.addFunction(
    "run",
    ["i32"],
    [],
    (f) => {
      f.get(f.param(0)).get(f.param(0)).load("v128.load", 0);
      if (name === "power") f.get(f.param(0)).load("v128.load", 16);
      f.call(target).store("v128.store", 32);
    },
    { export: true },
  );
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory } });
  const run = instance.exports["run"] as (pointer: number) => void;
  const view = new Float32Array(memory.buffer, 0, 12);
  return (xs, ys = xs) => {
    const out = new Float32Array(xs.length);
    for (let k = 0; k < xs.length; k += 4) {
      for (let lane = 0; lane < 4; lane++) {
        view[lane] = xs[k + lane] ?? 1;
        view[4 + lane] = ys[k + lane] ?? 1;
      }
      run(0);
      out.set(view.subarray(8, 8 + Math.min(4, xs.length - k)), k);
    }
    return out;
  };
}

/** Both signs over many magnitudes, and an even grid. */
function samples(): number[] {
  const out: number[] = [];
  for (let exponent = -30; exponent <= 6; exponent++) {
    for (let k = 0; k < 40; k++) out.push(Math.fround(2 ** exponent * (1 + k / 40.7)));
  }
  for (let k = 0; k < 2000; k++) out.push(Math.fround(0.0021 + k * 0.0077));
  return out.flatMap((x) => [x, -x]);
}

/** What is measured relative to the result, and what relative to 1 because the function crosses zero or cancels. */
const absolute: Partial<Record<SharedUnary, number>> = { sin: 3e-7, cos: 3e-7, gelu: 1.2e-7 };

suite("wasm functions", (test) => {
  for (const name of names) {
    test(`${name} is accurate`, () => {
      const domain = name === "log" ? samples().filter((x) => x > 0) : name === "log1p" ? samples().filter((x) => x > -1) : samples();
      const got = compile(name)(domain);
      let worst = 0;
      let where = 0;
      for (const [k, x] of domain.entries()) {
        const want = unaryFunctions[name](x);
        if (Math.abs(want) > 3.4e38 || Math.abs(want) < 1e-36) continue;
        const scale = absolute[name] === undefined ? Math.abs(want) : Math.max(Math.abs(want), Math.abs(x), name === "gelu" ? 0 : 1);
        const error = Math.abs((got[k] ?? Number.NaN) - want) / scale;
        if (!(error <= worst)) [worst, where] = [error, x];
      }
      assert.ok(worst < 2.6e-7, `error ${worst} at ${where}`);
    });
  }

  test("limits", () => {
    const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
    const expected: Record<Exclude<SharedUnary, "silu" | "gelu">, readonly number[]> = {
      exp: [1, inf, 0, nan],
      log: [-inf, inf, nan, nan],
      tanh: [0, 1, -1, nan],
      erf: [0, 1, -1, nan],
      sin: [0, nan, nan, nan],
      cos: [1, nan, nan, nan],
      sigmoid: [0.5, 1, 0, nan],
      softplus: [Math.fround(Math.LN2), inf, 0, nan],
      log1p: [0, inf, nan, nan],
      expm1: [0, inf, -1, nan],
    };
    for (const [name, values] of Object.entries(expected)) {
      assert.equal([...compile(name as SharedUnary)([0, inf, -inf, nan])], values, name);
    }
    assert.equal([...compile("gelu")([0, inf])], [0, inf]);
    assert.equal([...compile("silu")([0, inf])], [0, inf]);
    assert.equal([...compile("log")([-1, 1, 1.401298464324817e-45])], [nan, 0, Math.fround(Math.log(1.401298464324817e-45))]);
    assert.equal([...compile("log1p")([-1, 1e-30])], [-inf, Math.fround(1e-30)]);
  });

  test("power is accurate and keeps signs", () => {
    const bases = [0.001, 0.5, 0.9, 1, 1.1, 2, 3, 7.3, 1234.5, 1e-30, 1e20].map(Math.fround);
    const exponents = [-3, -1.5, -1, -0.25, 0, 0.3, 0.5, 1, 2, 2.5, 3, 10].map(Math.fround);
    const pairs = bases.flatMap((a) => exponents.map((b): [number, number] => [a, b]));
    const got = compile("power")(
      pairs.map(([a]) => a),
      pairs.map(([, b]) => b),
    );
    for (const [k, [a, b]] of pairs.entries()) {
      const want = binaryFunctions.power(a, b);
      if (want > 3.4e38 || want < 1.2e-38) continue;
      assert.ok(Math.abs((got[k] ?? 0) / want - 1) < 2.6e-7, `${a} ** ${b} is ${got[k]}, not ${want}`);
    }
    const inf = Number.POSITIVE_INFINITY;
    const special: [number, number][] = [
      [-2, 3],
      [-2, 2],
      [-2, 0.5],
      [0, 2],
      [0, -2],
      [0, 0],
      [-3, 0],
      [inf, 2],
      [inf, -1],
      [0.5, inf],
      [2, inf],
      [2, -inf],
      [Number.NaN, 0],
      [Number.NaN, 1],
      [-1, 5],
      [-2, -3],
    ];
    const results = compile("power")(
      special.map(([a]) => a),
      special.map(([, b]) => b),
    );
    for (const [k, [a, b]] of special.entries()) {
      const [want, is] = [a ** b, results[k] ?? 0];
      assert.ok(Object.is(want, is) || Math.abs(is - want) <= 2.6e-7 * Math.abs(want), `${a} ** ${b} is ${is}, not ${want}`);
    }
  });
});
