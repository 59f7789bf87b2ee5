/**
 * Elementwise functions of four f32 lanes, v128 -> v128, added to a module at their first use.
 * Invariant: about 2e-7 relative accuracy (erf, tanh, expm1, log1p also near 0), exact limits at 0, infinities and NaN.
 */
import type { UnaryOp } from "../ir/attributes.ts";
import type { FunctionBuilder, Local, WasmModule } from "./encode.ts";

/** Function indices by name. */
export interface SharedFunctions {
  /** A function of one vector. */
  unary(op: SharedUnary): number;
  /** `a ** b`. */
  power(): number;
}

export type SharedUnary = Extract<
  UnaryOp,
  "exp" | "log" | "tanh" | "erf" | "sin" | "cos" | "sigmoid" | "gelu" | "silu" | "softplus" | "log1p" | "expm1"
>;

type Body = (f: FunctionBuilder, x: Local, shared: SharedFunctions) => void;

const bodies: { readonly [K in SharedUnary]: Body } = {
  exp: expBody,
  log: logBody,
  tanh: tanhBody,
  erf: erfBody,
  sin: (f, x) => sineBody(f, x, 0),
  cos: (f, x) => sineBody(f, x, 1),
  /** 1 / (1 + exp(-x)) */
  sigmoid: (f, x, shared) => {
    f.v128(1).get(x).op("f32x4.neg").call(shared.unary("exp")).v128(1).op("f32x4.add", "f32x4.div");
  },
  silu: (f, x, shared) => {
    f.get(x).get(x).op("f32x4.neg").call(shared.unary("exp")).v128(1).op("f32x4.add", "f32x4.div");
  },
  gelu: (f, x, shared) => {
    f.get(x).v128(0.5).op("f32x4.mul").get(x).v128(Math.SQRT1_2).op("f32x4.mul").call(shared.unary("erf"));
    f.v128(1).op("f32x4.add", "f32x4.mul");
  },
  softplus: (f, x, shared) => {
    f.get(x).v128(0).op("f32x4.max").get(x).op("f32x4.abs", "f32x4.neg").call(shared.unary("exp"));
    f.call(shared.unary("log1p")).op("f32x4.add");
  },
  log1p: log1pBody,
  expm1: expm1Body,
};

/** The functions of a module; each is built once. */
export function createSharedFunctions(module: WasmModule): SharedFunctions {
  const known = new Map<string, number>();
  const once = (name: string, arity: number, build: (f: FunctionBuilder) => void): number => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const index = module.addFunction(`f32x4_${name}`, new Array<"v128">(arity).fill("v128"), ["v128"], build);
    known.set(name, index);
    return index;
  };
  const shared: SharedFunctions = {
    unary: (op) => once(op, 1, (f) => bodies[op](f, f.param(0), shared)),
    power: () => once("power", 2, powerBody),
  };
  return shared;
}

/** ln 2 in two parts; products of the first with whole numbers up to 2^14 are exact. */
const ln2High = 355 / 512;
const ln2Low = Math.LN2 - ln2High;

/** Pushes a polynomial in `x`, coefficients from the constant term up. */
function polynomial(f: FunctionBuilder, x: Local, coefficients: readonly number[]): void {
  const descending = [...coefficients].reverse();
  f.v128(descending[0] ?? 0);
  for (const coefficient of descending.slice(1)) f.get(x).op("f32x4.mul").v128(coefficient).op("f32x4.add");
}

/** 1/k! for k in from..to. */
function factorials(from: number, to: number): number[] {
  const out: number[] = [];
  for (let k = 0, term = 1; k <= to; k++, term /= k) if (k >= from) out.push(term);
  return out;
}

/** Splits the clamped `x` into n ln 2 + r: sets n (f32) and r. */
function reduceByLn2(f: FunctionBuilder, x: Local, low: number, high: number): { n: Local; r: Local } {
  const [n, r] = [f.local("v128"), f.local("v128")];
  f.get(x).v128(low).op("f32x4.max").v128(high).op("f32x4.min").tee(r);
  f.v128(Math.LOG2E).op("f32x4.mul", "f32x4.nearest").set(n);
  f.get(r).get(n).v128(ln2High).op("f32x4.mul", "f32x4.sub").get(n).v128(ln2Low).op("f32x4.mul", "f32x4.sub").set(r);
  return { n, r };
}

/** Pushes 2^n for i32 lanes n in -126..127. */
function powerOfTwo(f: FunctionBuilder, n: Local): void {
  f.get(n).v128i(127).op("i32x4.add").i32(23).op("i32x4.shl");
}

/** Multiplies the vector on the stack by 2^n, in two steps so that n may leave the range of normal exponents. */
function scaleByPower(f: FunctionBuilder, n: Local): void {
  const [whole, half] = [f.local("v128"), f.local("v128")];
  f.get(n).op("i32x4.trunc_sat_f32x4_s").tee(whole).i32(1).op("i32x4.shr_s").set(half);
  powerOfTwo(f, half);
  f.op("f32x4.mul").get(whole).get(half).op("i32x4.sub").set(whole);
  powerOfTwo(f, whole);
  f.op("f32x4.mul");
}

function expBody(f: FunctionBuilder, x: Local): void {
  const { n, r } = reduceByLn2(f, x, -104, 89);
  polynomial(f, r, factorials(0, 7));
  scaleByPower(f, n);
}

/** 2 (s (exp(r) - 1) + (s - 1/2)) with s = 2^(n-1): nothing cancels near 0. */
function expm1Body(f: FunctionBuilder, x: Local): void {
  const { n, r } = reduceByLn2(f, x, -30, 89);
  const s = f.local("v128");
  f.get(n).op("i32x4.trunc_sat_f32x4_s").v128i(1).op("i32x4.sub").set(s);
  powerOfTwo(f, s);
  f.set(s);
  f.get(r).get(r).op("f32x4.mul");
  polynomial(f, r, factorials(2, 8));
  f.op("f32x4.mul").get(r).op("f32x4.add").get(s).op("f32x4.mul").get(s).v128(0.5).op("f32x4.sub", "f32x4.add");
  f.v128(2).op("f32x4.mul");
}

/** x = 2^e (1 + g), g in [sqrt(1/2) - 1, sqrt 2 - 1]; log(1 + g) = g - (g^2/2 - s (g^2/2 + R(s^2))), s = g / (2 + g). */
function logBody(f: FunctionBuilder, x: Local): void {
  const [bits, e, g, s, z, half, small] = [
    f.local("v128"),
    f.local("v128"),
    f.local("v128"),
    f.local("v128"),
    f.local("v128"),
    f.local("v128"),
    f.local("v128"),
  ];
  f.get(x)
    .v128(2 ** -126)
    .op("f32x4.lt")
    .set(small);
  f.get(x)
    .v128(2 ** 23)
    .op("f32x4.mul")
    .get(x)
    .get(small)
    .op("v128.bitselect")
    .tee(bits);
  f.v128(Math.SQRT1_2).op("i32x4.sub").i32(23).op("i32x4.shr_s").set(e);
  f.get(bits).get(e).i32(23).op("i32x4.shl", "i32x4.sub").v128(1).op("f32x4.sub").set(g);
  f.get(e).get(small).v128i(23).op("v128.and", "i32x4.sub", "f32x4.convert_i32x4_s").set(e);
  f.get(g).get(g).v128(2).op("f32x4.add", "f32x4.div").tee(s).get(s).op("f32x4.mul").set(z);
  f.get(g).get(g).op("f32x4.mul").v128(0.5).op("f32x4.mul").set(half);
  f.get(e).v128(ln2High).op("f32x4.mul").get(g).get(half).get(s).get(half);
  polynomial(f, z, [0, 2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11]);
  f.op("f32x4.add", "f32x4.mul").get(e).v128(ln2Low).op("f32x4.mul", "f32x4.add", "f32x4.sub", "f32x4.sub", "f32x4.add");
  // x itself for NaN and infinity, NaN below zero, -infinity at zero.
  const result = f.local("v128");
  f.set(result).get(x).get(result).get(x).v128(Number.POSITIVE_INFINITY).op("f32x4.lt", "v128.not");
  f.op("v128.bitselect").set(result);
  f.v128(Number.NaN).get(result).get(x).v128(0).op("f32x4.lt", "v128.bitselect").set(result);
  f.v128(Number.NEGATIVE_INFINITY).get(result).get(x).v128(0).op("f32x4.eq", "v128.bitselect");
}

/** With u = 1 + x rounded: log(u) x / (u - 1), x itself where u is 1 (Higham, Accuracy and Stability, section 1.14). */
function log1pBody(f: FunctionBuilder, x: Local, shared: SharedFunctions): void {
  const [u, keep] = [f.local("v128"), f.local("v128")];
  f.get(x).v128(1).op("f32x4.add").set(u);
  f.get(u).v128(1).op("f32x4.eq").get(x).v128(Number.POSITIVE_INFINITY).op("f32x4.eq", "v128.or").set(keep);
  f.get(x).get(u).call(shared.unary("log")).get(x).get(u).v128(1).op("f32x4.sub", "f32x4.div", "f32x4.mul");
  f.get(keep).op("v128.bitselect");
}

/** Pushes the vector on the stack with the sign of x. */
function withSignOf(f: FunctionBuilder, x: Local): void {
  f.v128i(0x7fffffff)
    .op("v128.and")
    .get(x)
    .v128i(0x80000000 | 0)
    .op("v128.and", "v128.or");
}

/** t / (t + 2) with t = expm1(2 |x|). */
function tanhBody(f: FunctionBuilder, x: Local, shared: SharedFunctions): void {
  const t = f.local("v128");
  f.get(x).op("f32x4.abs").v128(10).op("f32x4.min").v128(2).op("f32x4.mul").call(shared.unary("expm1")).tee(t);
  f.get(t).v128(2).op("f32x4.add", "f32x4.div");
  withSignOf(f, x);
}

/** erf(x) / x on [0, 1] in powers of x^2: interpolation at Chebyshev points, error 9e-13. */
const erfNearZero = [
  1.128379167, -0.3761263889, 0.1128379131, -0.02686613325, 0.00522378353, -0.0008542639211, 0.0001195657789, -0.00001390944019, 0.000001058964497,
];

/** 1 - erf(5/2 + 3/2 u) on [-1, 1], likewise, error 1e-8. */
const erfBeyondOne = [
  0.0004069520174, -0.003267270355, 0.01225283041, -0.02818740627, 0.04365147857, -0.04638958373, 0.03186845073, -0.009579305634, -0.006637864132,
  0.01041184524, -0.004667028816, -0.001542911075, 0.002032798781, -0.00009497238337, -0.0002580061008,
];

function erfBody(f: FunctionBuilder, x: Local): void {
  const [size, z, u] = [f.local("v128"), f.local("v128"), f.local("v128")];
  f.get(x).op("f32x4.abs").v128(4).op("f32x4.min").tee(size).get(size).op("f32x4.mul").set(z);
  f.get(size)
    .v128(2.5)
    .op("f32x4.sub")
    .v128(2 / 3)
    .op("f32x4.mul")
    .set(u);
  f.get(size);
  polynomial(f, z, erfNearZero);
  f.op("f32x4.mul").v128(1);
  polynomial(f, u, erfBeyondOne);
  f.op("f32x4.sub").get(size).v128(1).op("f32x4.lt", "v128.bitselect");
  withSignOf(f, x);
}

const halfPiHigh = Math.fround(Math.PI / 2);

/** Reduces by multiples of pi/2 in f64, so that arguments up to 1e8 keep their accuracy. `quarter` 1 gives the cosine. */
function sineBody(f: FunctionBuilder, x: Local, quarter: number): void {
  const [n, q, r, z] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  const [d, parts, quadrants] = [f.local("v128"), [f.local("v128"), f.local("v128")], [f.local("v128"), f.local("v128")]] as const;
  for (const [half, part] of parts.entries()) {
    f.get(x)
      .get(x)
      .shuffleLanes(2 * half, 2 * half + 1, 0, 0)
      .op("f64x2.promote_low_f32x4")
      .tee(d);
    f.v128d(2 / Math.PI)
      .op("f64x2.mul", "f64x2.nearest")
      .tee(n)
      .op("i32x4.trunc_sat_f64x2_s_zero")
      .set(quadrants[half] ?? q);
    f.get(d).get(n).v128d(halfPiHigh).op("f64x2.mul", "f64x2.sub");
    f.get(n)
      .v128d(Math.PI / 2 - halfPiHigh)
      .op("f64x2.mul", "f64x2.sub")
      .op("f32x4.demote_f64x2_zero")
      .set(part);
  }
  f.get(parts[0]).get(parts[1]).shuffleLanes(0, 1, 4, 5).tee(r).get(r).op("f32x4.mul").set(z);
  f.get(quadrants[0]).get(quadrants[1]).shuffleLanes(0, 1, 4, 5).v128i(quarter).op("i32x4.add").set(q);
  f.v128(1).get(z);
  polynomial(
    f,
    z,
    factorials(2, 12)
      .filter((_, k) => k % 2 === 0)
      .map((c, k) => (k % 2 === 0 ? -c : c)),
  );
  f.op("f32x4.mul", "f32x4.add");
  f.get(r).get(r).get(z).op("f32x4.mul");
  polynomial(
    f,
    z,
    factorials(3, 11)
      .filter((_, k) => k % 2 === 0)
      .map((c, k) => (k % 2 === 0 ? -c : c)),
  );
  f.op("f32x4.mul", "f32x4.add");
  f.get(q).i32(31).op("i32x4.shl").i32(31).op("i32x4.shr_s", "v128.bitselect");
  f.get(q)
    .i32(30)
    .op("i32x4.shl")
    .v128i(0x80000000 | 0)
    .op("v128.and", "v128.xor");
}

/** 2^(b log2 |a|), the logarithm and the product in f64; then signs and the cases that a logarithm misses. */
function powerBody(f: FunctionBuilder): void {
  const [a, b] = [f.param(0), f.param(1)];
  const [mantissa, e, n, r, size, small] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  f.get(a)
    .op("f32x4.abs")
    .tee(size)
    .v128(2 ** -126)
    .op("f32x4.lt")
    .set(small);
  f.get(size)
    .v128(2 ** 23)
    .op("f32x4.mul")
    .get(size)
    .get(small)
    .op("v128.bitselect")
    .tee(mantissa);
  f.v128(Math.SQRT1_2).op("i32x4.sub").i32(23).op("i32x4.shr_s").set(e);
  f.get(mantissa).get(e).i32(23).op("i32x4.shl", "i32x4.sub").set(mantissa);
  f.get(e).get(small).v128i(23).op("v128.and", "i32x4.sub").set(e);
  const [d, s, z] = [f.local("v128"), f.local("v128"), f.local("v128")];
  const wholes = [f.local("v128"), f.local("v128")] as const;
  const rests = [f.local("v128"), f.local("v128")] as const;
  for (const [half, whole] of wholes.entries()) {
    const pick = (local: Local) =>
      f
        .get(local)
        .get(local)
        .shuffleLanes(2 * half, 2 * half + 1, 0, 0);
    pick(mantissa).op("f64x2.promote_low_f32x4").tee(d).v128d(1).op("f64x2.sub");
    f.get(d).v128d(1).op("f64x2.add", "f64x2.div").tee(s).get(s).op("f64x2.mul").set(z);
    f.v128d(2 / 15);
    for (const odd of [13, 11, 9, 7, 5, 3, 1])
      f.get(z)
        .op("f64x2.mul")
        .v128d(2 / odd)
        .op("f64x2.add");
    f.get(s).op("f64x2.mul").v128d(Math.LOG2E).op("f64x2.mul");
    pick(e).op("f64x2.convert_low_i32x4_s", "f64x2.add");
    pick(b).op("f64x2.promote_low_f32x4", "f64x2.mul").v128d(-200).op("f64x2.max").v128d(200).op("f64x2.min").tee(d);
    f.op("f64x2.nearest").tee(s).op("f32x4.demote_f64x2_zero").set(whole);
    f.get(d)
      .get(s)
      .op("f64x2.sub")
      .v128d(Math.LN2)
      .op("f64x2.mul", "f32x4.demote_f64x2_zero")
      .set(rests[half] ?? r);
  }
  f.get(wholes[0]).get(wholes[1]).shuffleLanes(0, 1, 4, 5).set(n);
  f.get(rests[0]).get(rests[1]).shuffleLanes(0, 1, 4, 5).set(r);
  polynomial(f, r, factorials(0, 7));
  scaleByPower(f, n);
  powerCases(f, a, b, size);
}

/** The result on the stack is that for |a|, wrong where |a| is 0 or infinite. */
function powerCases(f: FunctionBuilder, a: Local, b: Local, size: Local): void {
  const [result, whole, odd] = [f.local("v128"), f.local("v128"), f.local("v128")];
  const infinity = Number.POSITIVE_INFINITY;
  f.set(result);
  const replace = (value: () => void, when: () => void): void => {
    value();
    f.get(result);
    when();
    f.op("v128.bitselect").set(result);
  };
  const extreme = (): unknown => f.get(size).v128(0).op("f32x4.eq").get(size).v128(infinity).op("f32x4.eq", "v128.or");
  // |a| is 0 or infinite: the result is too, and which of the two turns with the sign of b.
  const grows = (): unknown => f.get(size).v128(0).op("f32x4.eq").get(b).v128(0).op("f32x4.gt", "v128.xor");
  replace(
    () => f.v128(infinity),
    () => {
      extreme();
      grows();
      f.op("v128.and");
    },
  );
  replace(
    () => f.v128(0),
    () => {
      extreme();
      grows();
      f.op("v128.andnot");
    },
  );
  f.get(b).op("f32x4.trunc").get(b).op("f32x4.eq").set(whole);
  f.get(b).v128(0.5).op("f32x4.mul").tee(odd).op("f32x4.trunc").get(odd).op("f32x4.ne").get(whole).op("v128.and").set(odd);
  f.get(result)
    .get(odd)
    .get(a)
    .op("v128.and")
    .v128i(0x80000000 | 0)
    .op("v128.and", "v128.xor")
    .set(result);
  replace(
    () => f.v128(Number.NaN),
    () => f.get(a).v128(0).op("f32x4.lt").get(whole).op("v128.andnot").get(size).v128(infinity).op("f32x4.ne", "v128.and"),
  );
  replace(
    () => f.get(a).get(b).op("f32x4.add"),
    () => f.get(a).get(a).op("f32x4.ne").get(b).get(b).op("f32x4.ne", "v128.or"),
  );
  replace(
    () => f.v128(1),
    () => f.get(b).v128(0).op("f32x4.eq"),
  );
  f.get(result);
}
