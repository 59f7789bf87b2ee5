/**
 * Functions that need f64 inside, one element at a time: sine, cosine, power, integer division.
 * Invariant: arguments and results are f32 (i32 for division); no function traps.
 */
import type { Code, Local, ModuleBuilder } from "./encode.ts";

/** pi/2 in two parts; the high part has 33 bits, so multiples up to 2^20 are exact. */
const HALF_PI_HIGH = 1.57079632673412561417;
const HALF_PI_LOW = 6.07710050650619224932e-11;

/** Pushes sum of c[k] x^k in f64. */
function horner(code: Code, x: Local, coefficients: readonly number[]): void {
  code.f64(coefficients.at(-1) ?? 0);
  for (const coefficient of coefficients.slice(0, -1).reverse()) code.get(x).op("f64.mul").f64(coefficient).op("f64.add");
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

/** Sine of x + quarter * pi/2. Taylor series on |r| <= pi/4: below 1e-11. */
function buildSine(code: Code, quarter: number): void {
  const [n, r, z, q] = [code.local("f64"), code.local("f64"), code.local("f64"), code.local("i32")];
  code
    .get(0)
    .op("f64.promote_f32")
    .f64(2 / Math.PI)
    .op("f64.mul")
    .op("f64.nearest")
    .tee(n);
  code.op("i32.trunc_sat_f64_s").i32(quarter).op("i32.add").set(q);
  code.get(0).op("f64.promote_f32").get(n).f64(HALF_PI_HIGH).op("f64.mul").op("f64.sub");
  code.get(n).f64(HALF_PI_LOW).op("f64.mul").op("f64.sub").tee(r).get(r).op("f64.mul").set(z);
  code.get(q).i32(1).op("i32.and");
  code.if(
    () =>
      horner(
        code,
        z,
        [0, 2, 4, 6, 8, 10, 12].map((k) => (k % 4 === 0 ? 1 : -1) / factorial(k)),
      ),
    () => {
      horner(
        code,
        z,
        [1, 3, 5, 7, 9, 11].map((k) => (k % 4 === 1 ? 1 : -1) / factorial(k)),
      );
      code.get(r).op("f64.mul");
    },
    "f64",
  );
  code.op("f32.demote_f64").op("i32.reinterpret_f32");
  code.get(q).i32(2).op("i32.and").i32(30).op("i32.shl").op("i32.xor").op("f32.reinterpret_i32");
}

export function sine(module: ModuleBuilder): number {
  return module.shared("sin_scalar", ["f32"], ["f32"], (code) => buildSine(code, 0));
}

export function cosine(module: ModuleBuilder): number {
  return module.shared("cos_scalar", ["f32"], ["f32"], (code) => buildSine(code, 1));
}

/** Quotient rounded towards zero; division by 0 saturates. */
export function divideI32(module: ModuleBuilder): number {
  return module.shared("divide_scalar", ["i32", "i32"], ["i32"], (code) => {
    code.get(0).op("f64.convert_i32_s").get(1).op("f64.convert_i32_s").op("f64.div").op("i32.trunc_sat_f64_s");
  });
}

/** log2 of a positive finite f32 in f64, from its bits; leaves it on the stack. */
function pushLog2(code: Code, magnitude: Local): void {
  const [bits, exponent, f, s, z] = [code.local("i32"), code.local("i32"), code.local("f64"), code.local("f64"), code.local("f64")];
  code.get(magnitude).op("i32.reinterpret_f32").set(bits);
  code.i32(0).set(exponent);
  code.get(bits).i32(0x00800000).op("i32.lt_s");
  code.if(() => {
    code
      .get(magnitude)
      .f32(2 ** 24)
      .op("f32.mul")
      .op("i32.reinterpret_f32")
      .set(bits);
    code.i32(-24).set(exponent);
  });
  const shift = code.local("i32");
  code.get(bits).i32(0x3f3504f3).op("i32.sub").i32(23).op("i32.shr_s").tee(shift).get(exponent).op("i32.add").set(exponent);
  code.get(bits).get(shift).i32(23).op("i32.shl").op("i32.sub").op("f32.reinterpret_i32").op("f64.promote_f32").set(f);
  code.get(f).f64(1).op("f64.sub").get(f).f64(1).op("f64.add").op("f64.div").tee(s).get(s).op("f64.mul").set(z);
  code.get(s);
  horner(
    code,
    z,
    [1, 3, 5, 7, 9, 11, 13].map((k) => (2 * Math.LOG2E) / k),
  );
  code.op("f64.mul").get(exponent).op("f64.convert_i32_s").op("f64.add");
}

/** 2^(half of n) as f32, from the i32 on the stack (within -126..127). */
function powerOfTwo(code: Code): void {
  code.i32(127).op("i32.add").i32(23).op("i32.shl").op("f32.reinterpret_i32");
}

/** |x|^y = 2^(y log2 |x|); negative x needs a whole y, and an odd one gives the sign. IEEE 754 pow for the special cases. */
export function power(module: ModuleBuilder): number {
  return module.shared("power_scalar", ["f32", "f32"], ["f32"], (code) => {
    const [a, t, n, r] = [code.local("f32"), code.local("f64"), code.local("f64"), code.local("f64")];
    const [whole, half] = [code.local("i32"), code.local("i32")];
    const y = code.local("f64");
    code
      .get(1)
      .f32(0)
      .op("f32.eq")
      .get(0)
      .f32(1)
      .op("f32.eq")
      .op("i32.or")
      .if(() => code.f32(1).op("return"));
    code.get(1).op("f64.promote_f32").set(y);
    code.get(0).op("f32.abs").set(a);
    code.get(a).f32(0).op("f32.eq");
    code.if(
      () => code.f64(-Infinity),
      () =>
        code
          .get(a)
          .f32(Infinity)
          .op("f32.lt")
          .if(
            () => pushLog2(code, a),
            () => code.get(a).op("f64.promote_f32"),
            "f64",
          ),
      "f64",
    );
    code.get(y).op("f64.mul").f64(200).op("f64.min").f64(-200).op("f64.max").tee(t).op("f64.nearest").set(n);
    code.get(t).get(n).op("f64.sub").f64(Math.LN2).op("f64.mul").set(r);
    code.get(n).op("i32.trunc_sat_f64_s").tee(whole).i32(1).op("i32.shr_s").set(half);
    horner(
      code,
      r,
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((k) => 1 / factorial(k)),
    );
    code.op("f32.demote_f64").get(half);
    powerOfTwo(code);
    code.op("f32.mul").get(whole).get(half).op("i32.sub");
    powerOfTwo(code);
    code.op("f32.mul").set(a);
    code.get(0).f32(0).op("f32.lt");
    code.if(() => signOfNegativeBase(code, y, a));
    code.get(a);
  });
}

function signOfNegativeBase(code: Code, y: Local, result: Local): void {
  const half = code.local("f64");
  const isWhole = (value: Local) => code.get(value).get(value).op("f64.floor").op("f64.sub").op("f64.abs").f64(0).op("f64.gt").op("i32.eqz");
  isWhole(y);
  code.if(
    () => {
      code.get(y).f64(0.5).op("f64.mul").set(half);
      isWhole(half);
      code.op("i32.eqz").if(() => code.get(result).op("f32.neg").set(result));
    },
    () => code.f32(NaN).set(result),
  );
}
