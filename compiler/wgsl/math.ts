/**
 * Elementary functions as WGSL text. The built-in ones may be off by far more than a rounding (WGSL, "Accuracy of
 * concrete floating point expressions"), so those that tensors meet are polynomials, the same as on the CPU.
 * Invariant: infinities and NaN are made and recognised by their bits, which no compiler may assume away.
 */
import { ERF, EXPM1, LN2_HIGH, LN2_LOW, LOG, LOG_ERFC, TANH } from "../ir/approximations.ts";
import { invariant } from "../ir/invariant.ts";

/** A finite f32 as a literal. */
export function floatLiteral(value: number): string {
  const rounded = Math.fround(value);
  invariant(Number.isFinite(rounded), "infinities and NaN have no literal");
  const text = Object.is(rounded, -0) ? "-0" : String(rounded);
  return text.startsWith("-") ? `(${text}f)` : `${text}f`;
}

/** The bits of an infinity or NaN, to be given to `from_bits`. */
export function specialBits(value: number): string {
  return Number.isNaN(value) ? "0x7fc00000u" : value > 0 ? "0x7f800000u" : "0xff800000u";
}

function horner(x: string, coefficients: readonly number[]): string {
  const [last = 0, ...others] = [...coefficients].reverse();
  return others.reduce((sum, each) => `fma(${sum}, ${x}, ${floatLiteral(each)})`, floatLiteral(last));
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

const sineTerms = [1, 3, 5, 7, 9].map((k) => (k % 4 === 1 ? 1 : -1) / factorial(k));
const cosineTerms = [0, 2, 4, 6, 8, 10].map((k) => (k % 4 === 0 ? 1 : -1) / factorial(k));

interface MathFunction {
  readonly needs: readonly string[];
  readonly text: string;
}

const one = (name: string, needs: readonly string[], body: string): readonly [string, MathFunction] => [
  name,
  { needs, text: `fn ${name}(x: f32) -> f32 {\n${body.trim()}\n}` },
];

const FUNCTIONS: ReadonlyMap<string, MathFunction> = new Map<string, MathFunction>([
  ["from_bits", { needs: [], text: "fn from_bits(bits: u32) -> f32 {\n  return bitcast<f32>(bits);\n}" }],
  ["is_nan", { needs: [], text: "fn is_nan(x: f32) -> bool {\n  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;\n}" }],
  one(
    "math_exp",
    ["is_nan"],
    `
  let held = clamp(x, -104f, 89f);
  let n = round(held * ${floatLiteral(Math.LOG2E)});
  let whole = i32(n);
  // ln 2 in two parts, the first (355 / 512) times n in whole numbers: some drivers add the factors of n beforehand.
  let r = fma(n, ${floatLiteral(-LN2_LOW)}, held - f32(whole * ${512 * LN2_HIGH}) * ${floatLiteral(1 / 512)});
  let p = fma(r * r, ${horner("r", EXPM1)}, r) + 1f;
  // Two steps, so that results near overflow and the denormals come out right.
  let half = whole >> 1u;
  let y = p * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((whole - half + 127) << 23u);
  return select(y, x, is_nan(x));`,
  ),
  one(
    "math_expm1",
    ["math_exp"],
    `
  if (abs(x) < 0.35f) {
    return fma(x * x, ${horner("x", EXPM1)}, x);
  }
  return math_exp(x) - 1f;`,
  ),
  one(
    "log_near_one",
    [],
    `  let s = x / (x + 2f);\n  let z = s * s;\n  let half = 0.5f * x * x;\n  return x - (half - s * fma(z, ${horner("z", LOG)}, half));`,
  ),
  one(
    "math_log",
    ["from_bits"],
    `
  let raw = bitcast<u32>(x);
  if ((raw & 0x7fffffffu) == 0u) {
    return from_bits(0xff800000u);
  }
  if (raw >= 0x7f800000u) {
    return select(x, from_bits(0x7fc00000u), raw > 0x80000000u);
  }
  let tiny = raw < 0x00800000u;
  let bits = bitcast<i32>(select(x, x * 8388608f, tiny));
  let exponent = (bits - 0x3f3504f3) >> 23u;
  let f = bitcast<f32>(bits - (exponent << 23u)) - 1f;
  let e = f32(exponent - select(0, 23, tiny));
  let s = f / (f + 2f);
  let z = s * s;
  let half = 0.5f * f * f;
  return fma(e, ${floatLiteral(LN2_HIGH)}, f - (half - fma(e, ${floatLiteral(LN2_LOW)}, s * fma(z, ${horner("z", LOG)}, half))));`,
  ),
  one("math_log1p", ["math_log", "log_near_one"], "  if (abs(x) < 0.25f) {\n    return log_near_one(x);\n  }\n  return math_log(1f + x);"),
  one(
    "math_tanh",
    ["math_exp", "is_nan"],
    `
  let z = x * x;
  let small = fma(x * z, ${horner("z", TANH)}, x);
  let large = 1f - 2f / (math_exp(min(2f * abs(x), 40f)) + 1f);
  let y = select(select(large, -large, x < 0f), small, abs(x) < 0.625f);
  return select(y, x, is_nan(x));`,
  ),
  one(
    "math_erf",
    ["math_exp", "is_nan"],
    `
  let z = x * x;
  let a = min(abs(x), 4f);
  let small = fma(x, ${horner("z", ERF)}, x);
  let large = 1f - math_exp(${horner("a", LOG_ERFC)});
  let y = select(select(large, -large, x < 0f), small, a < 1f);
  return select(y, x, is_nan(x));`,
  ),
  one("math_sigmoid", ["math_exp"], "  return 1f / (1f + math_exp(-x));"),
  one("math_silu", ["math_exp"], "  return x / (1f + math_exp(-x));"),
  one("math_softplus", ["math_exp", "math_log1p"], "  return select(x, 0f, x < 0f) + math_log1p(math_exp(-abs(x)));"),
  one("math_gelu", ["math_erf"], `  return 0.5f * x * (math_erf(x * ${floatLiteral(Math.SQRT1_2)}) + 1f);`),
  [
    "sine_of_turn",
    {
      needs: [],
      // pi/2 in three parts, the first (201 / 128) times n in whole numbers, as above.
      text: `fn sine_of_turn(x: f32, quarter: i32) -> f32 {
  let n = round(x * ${floatLiteral(2 / Math.PI)});
  let whole = i32(n);
  let r = fma(n, -7.5497894e-8f, fma(n, -4.837513e-4f, x - f32(whole * 201) * 0.0078125f));
  let z = r * r;
  let turn = whole + quarter;
  let y = select(r * ${horner("z", sineTerms)}, ${horner("z", cosineTerms)}, (turn & 1) == 1);
  return select(y, -y, (turn & 2) == 2);
}`,
    },
  ],
  one("math_sin", ["sine_of_turn"], "  return sine_of_turn(x, 0);"),
  one("math_cos", ["sine_of_turn"], "  return sine_of_turn(x, 1);"),
  [
    "math_power",
    {
      needs: ["math_exp", "math_log", "from_bits"],
      text: `fn math_power(x: f32, y: f32) -> f32 {
  if (y == 0f || x == 1f) {
    return 1f;
  }
  let size = math_exp(y * math_log(abs(x)));
  if (!(x < 0f)) {
    return size;
  }
  if (floor(y) != y) {
    return from_bits(0x7fc00000u);
  }
  return select(size, -size, floor(0.5f * y) != 0.5f * y);
}`,
    },
  ],
  [
    "mix",
    {
      needs: [],
      text: `fn mix(value: u32) -> u32 {
  let a = (value ^ (value >> 16u)) * 0x85ebca6bu;
  let b = (a ^ (a >> 13u)) * 0xc2b2ae35u;
  return b ^ (b >> 16u);
}`.replaceAll("mix", "mix_bits"),
    },
  ],
  [
    "random_uniform",
    {
      needs: ["mix"],
      // The hash of compiler/ir/random.ts.
      text: `fn random_uniform(seed: i32, stream: u32, index: i32) -> f32 {
  let key = mix_bits(bitcast<u32>(seed) ^ mix_bits(stream + 0x9e3779b9u));
  let bits = mix_bits(mix_bits(bitcast<u32>(index) + key) + key * 0x27d4eb2fu);
  return f32(bits >> 8u) * 5.9604645e-8f;
}`,
    },
  ],
]);

/** The texts of the functions named and of what they call, callees first. */
export function mathFunctions(names: Iterable<string>): string[] {
  const found = new Map<string, string>();
  const add = (name: string): void => {
    if (found.has(name)) return;
    const known = FUNCTIONS.get(name);
    invariant(known !== undefined, `no function ${name}`);
    for (const each of known.needs) add(each);
    found.set(name, known.text);
  };
  for (const name of names) add(name);
  return [...found.values()];
}
