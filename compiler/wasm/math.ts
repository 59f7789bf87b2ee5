/**
 * Elementary functions on f32x4, one shared function each, called by the kernels that need them.
 * Errors are a few units in the last place (spec/wasm/math.spec.ts holds the table). Range reduction follows Cody and
 * Waite (1980).
 */
import { ERF, EXPM1, LN2_HIGH, LN2_LOW, LOG, LOG_ERFC, TANH } from "../ir/approximations.ts";
import { invariant } from "../ir/invariant.ts";
import type { UnaryOp } from "../ir/attributes.ts";
import type { Code, Local, ModuleBuilder } from "./encode.ts";
import { cosine, divideI32, power, sine } from "./scalar-math.ts";

type Builder = (code: Code, module: ModuleBuilder) => void;

export type MathName = UnaryOp | "power" | "divide_i32";

const BUILDERS: Readonly<Partial<Record<MathName, Builder>>> = {
  exp: buildExp,
  expm1: buildExpm1,
  log: buildLog,
  log1p: buildLog1p,
  tanh: buildTanh,
  erf: buildErf,
  sigmoid: (code, module) => logistic(code, module, () => code.splatF32(1)),
  silu: (code, module) => logistic(code, module, () => code.get(0)),
  softplus: buildSoftplus,
  gelu: buildGelu,
  sin: perLane(sine),
  cos: perLane(cosine),
};

/** The index of a shared function (x) or, for "power" and "divide_i32", (left, right) -> v128. */
export function mathFunction(module: ModuleBuilder, name: MathName): number {
  if (name === "power") return module.shared("power", ["v128", "v128"], ["v128"], (code) => pairwise(code, power(module), "f32"));
  if (name === "divide_i32") {
    return module.shared("divide_i32", ["v128", "v128"], ["v128"], (code) => pairwise(code, divideI32(module), "i32"));
  }
  const build = BUILDERS[name];
  invariant(build !== undefined, `no function computes ${name}`);
  return module.shared(name, ["v128"], ["v128"], build);
}

/** Pushes the polynomial in `x`, lowest coefficient first. */
function horner(code: Code, x: Local, coefficients: readonly number[]): void {
  code.splatF32(coefficients.at(-1) ?? 0);
  for (const coefficient of coefficients.slice(0, -1).reverse()) code.get(x).op("f32x4.mul").splatF32(coefficient).op("f32x4.add");
}

/** From x (parameter 0) within [low, 89]: x = n ln 2 + r; returns locals with expm1(r) and n (i32x4). */
function reduceExp(code: Code, low: number): { readonly p: Local; readonly n: Local } {
  const [rounded, n, r, p] = [code.local("v128"), code.local("v128"), code.local("v128"), code.local("v128")];
  code.get(0).splatF32(89).op("f32x4.pmin").splatF32(low).op("f32x4.pmax").tee(r);
  code.splatF32(Math.LOG2E).op("f32x4.mul").op("f32x4.nearest").tee(rounded).op("i32x4.trunc_sat_f32x4_s").set(n);
  code.get(r).get(rounded).splatF32(LN2_HIGH).op("f32x4.mul").op("f32x4.sub");
  code.get(rounded).splatF32(LN2_LOW).op("f32x4.mul").op("f32x4.sub").set(r);
  code.get(r).get(r).get(r).op("f32x4.mul");
  horner(code, r, EXPM1);
  code.op("f32x4.mul").op("f32x4.add").set(p);
  return { p, n };
}

/** Turns the i32x4 exponent on the stack into the f32x4 power of two. */
function powerOfTwo(code: Code): void {
  code.splatI32(127).op("i32x4.add").i32(23).op("i32x4.shl");
}

/** 2^n is applied in two steps, so that results near overflow and the denormals come out right. */
function buildExp(code: Code): void {
  const { p, n } = reduceExp(code, -104);
  const half = code.local("v128");
  code.get(n).i32(1).op("i32x4.shr_s").set(half);
  code.get(p).splatF32(1).op("f32x4.add");
  code.get(half);
  powerOfTwo(code);
  code.op("f32x4.mul").get(n).get(half).op("i32x4.sub");
  powerOfTwo(code);
  code.op("f32x4.mul");
}

/** 2 * (s p + (s - 1/2)) with s = 2^(n-1): no cancellation for n = 0, no early overflow for n = 128. */
function buildExpm1(code: Code): void {
  const { p, n } = reduceExp(code, -30);
  const scale = code.local("v128");
  code.get(n).splatI32(1).op("i32x4.sub");
  powerOfTwo(code);
  code.tee(scale).get(p).op("f32x4.mul").get(scale).splatF32(0.5).op("f32x4.sub").op("f32x4.add");
  code.splatF32(2).op("f32x4.mul");
}

function buildLog(code: Code): void {
  const local = () => code.local("v128");
  const [x, tiny, exponent, f, s, z, half, result] = [local(), local(), local(), local(), local(), local(), local(), local()];
  // Denormals are scaled into the normal range.
  code
    .get(0)
    .splatF32(2 ** -126)
    .op("f32x4.lt")
    .set(tiny);
  code
    .get(0)
    .splatF32(2 ** 23)
    .op("f32x4.mul")
    .get(0)
    .get(tiny)
    .op("v128.bitselect")
    .set(x);
  code.get(x).splatI32(0x3f3504f3).op("i32x4.sub").i32(23).op("i32x4.shr_s").set(exponent);
  code.get(x).get(exponent).i32(23).op("i32x4.shl").op("i32x4.sub").splatF32(1).op("f32x4.sub").set(f);
  code.get(exponent).splatI32(23).get(tiny).op("v128.and").op("i32x4.sub").op("f32x4.convert_i32x4_s").set(exponent);
  code.get(f).get(f).splatF32(2).op("f32x4.add").op("f32x4.div").tee(s).get(s).op("f32x4.mul").set(z);
  code.get(f).get(f).op("f32x4.mul").splatF32(0.5).op("f32x4.mul").set(half);
  // e ln2_high - ((f^2/2 - (s (f^2/2 + R) + e ln2_low)) - f)
  code.get(exponent).splatF32(LN2_HIGH).op("f32x4.mul").get(half);
  code.get(s).get(half).get(z);
  horner(code, z, LOG);
  code.op("f32x4.mul").op("f32x4.add").op("f32x4.mul");
  code.get(exponent).splatF32(LN2_LOW).op("f32x4.mul").op("f32x4.add").op("f32x4.sub");
  code.get(f).op("f32x4.sub").op("f32x4.sub").set(result);
  code.get(result).get(0).get(0).splatF32(Infinity).op("f32x4.lt").op("v128.bitselect").set(result);
  code.splatF32(-Infinity).get(result).get(0).splatF32(0).op("f32x4.eq").op("v128.bitselect").set(result);
  code.splatF32(NaN).get(result).get(0).splatF32(0).op("f32x4.lt").op("v128.bitselect");
}

/** log(u) (x / (u - 1)) with u = 1 + x: the rounding of u cancels (Kahan). */
function buildLog1p(code: Code, module: ModuleBuilder): void {
  const [u, result, d] = [code.local("v128"), code.local("v128"), code.local("v128")];
  code.get(0).splatF32(1).op("f32x4.add").tee(u).op("call", mathFunction(module, "log"));
  code.get(0).get(u).splatF32(1).op("f32x4.sub").tee(d).op("f32x4.div").op("f32x4.mul").set(result);
  code.get(0).get(result).get(d).splatF32(0).op("f32x4.eq").op("v128.bitselect").set(result);
  code.get(0).get(result).get(0).splatF32(Infinity).op("f32x4.eq").op("v128.bitselect");
}

function buildTanh(code: Code, module: ModuleBuilder): void {
  const [z, small, magnitude] = [code.local("v128"), code.local("v128"), code.local("v128")];
  code.get(0).op("f32x4.abs").set(magnitude);
  code.get(0).get(0).op("f32x4.mul").set(z);
  code.get(0).get(0).get(z).op("f32x4.mul");
  horner(code, z, TANH);
  code.op("f32x4.mul").op("f32x4.add").set(small);
  code.get(small);
  code.splatF32(1).splatF32(2);
  code.get(magnitude).splatF32(2).op("f32x4.mul").op("call", mathFunction(module, "exp")).splatF32(1).op("f32x4.add");
  code.op("f32x4.div").op("f32x4.sub").get(0).splatF32(-0).op("v128.and").op("v128.or");
  code.get(magnitude).splatF32(0.625).op("f32x4.lt").op("v128.bitselect");
}

function buildErf(code: Code, module: ModuleBuilder): void {
  const [z, a] = [code.local("v128"), code.local("v128")];
  code.get(0).op("f32x4.abs").splatF32(4).op("f32x4.pmin").set(a);
  code.get(0).get(0).op("f32x4.mul").set(z);
  code.get(0).get(0);
  horner(code, z, ERF);
  code.op("f32x4.mul").op("f32x4.add");
  code.splatF32(1);
  horner(code, a, LOG_ERFC);
  code.op("call", mathFunction(module, "exp")).op("f32x4.sub").get(0).splatF32(-0).op("v128.and").op("v128.or");
  code.get(a).splatF32(1).op("f32x4.lt").op("v128.bitselect");
}

/** numerator / (1 + exp(-x)). */
function logistic(code: Code, module: ModuleBuilder, numerator: () => void): void {
  numerator();
  code.get(0).op("f32x4.neg").op("call", mathFunction(module, "exp")).splatF32(1).op("f32x4.add").op("f32x4.div");
}

/** max(x, 0) + log1p(exp(-|x|)). */
function buildSoftplus(code: Code, module: ModuleBuilder): void {
  code.get(0).splatF32(0).op("f32x4.pmax");
  code.get(0).op("f32x4.abs").op("f32x4.neg").op("call", mathFunction(module, "exp"));
  code.op("call", mathFunction(module, "log1p")).op("f32x4.add");
}

function buildGelu(code: Code, module: ModuleBuilder): void {
  code.get(0).splatF32(0.5).op("f32x4.mul");
  code.get(0).splatF32(Math.SQRT1_2).op("f32x4.mul").op("call", mathFunction(module, "erf")).splatF32(1).op("f32x4.add");
  code.op("f32x4.mul");
}

function perLane(scalar: (module: ModuleBuilder) => number): Builder {
  return (code, module) => {
    const index = scalar(module);
    code.get(0);
    for (let lane = 0; lane < 4; lane++) {
      code.get(0).op("f32x4.extract_lane", lane).op("call", index).op("f32x4.replace_lane", lane);
    }
  };
}

function pairwise(code: Code, index: number, type: "f32" | "i32"): void {
  const extract = type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane";
  code.get(0);
  for (let lane = 0; lane < 4; lane++) {
    code.get(0).op(extract, lane).get(1).op(extract, lane).op("call", index);
    code.op(type === "f32" ? "f32x4.replace_lane" : "i32x4.replace_lane", lane);
  }
}

/** (seed, stream, index) as i32x4 -> uniform f32x4; the same hash as `randomUniform` in compiler/ir/random.ts. */
export function randomFunction(module: ModuleBuilder): number {
  const mix = module.shared("mix", ["v128"], ["v128"], (code) => {
    const xorShift = (bits: number) => code.get(0).get(0).i32(bits).op("i32x4.shr_u").op("v128.xor");
    xorShift(16).splatI32(0x85ebca6b).op("i32x4.mul").set(0);
    xorShift(13).splatI32(0xc2b2ae35).op("i32x4.mul").set(0);
    xorShift(16);
  });
  return module.shared("random_uniform", ["v128", "v128", "v128"], ["v128"], (code) => {
    const key = code.local("v128");
    code.get(1).splatI32(0x9e3779b9).op("i32x4.add").op("call", mix).get(0).op("v128.xor").op("call", mix).set(key);
    code.get(2).get(key).op("i32x4.add").op("call", mix);
    code.get(key).splatI32(0x27d4eb2f).op("i32x4.mul").op("i32x4.add").op("call", mix);
    code
      .i32(8)
      .op("i32x4.shr_u")
      .op("f32x4.convert_i32x4_s")
      .splatF32(2 ** -24)
      .op("f32x4.mul");
  });
}
