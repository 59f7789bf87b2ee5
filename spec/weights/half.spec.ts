/** 16-bit floats: every pattern against the formula of IEEE 754-2008 section 3.4, and rounding at every boundary. */
import * as assert from "uvu/assert";
import { bf16ToFloat32, f16ToFloat32, f16ToNumber, float32ToBf16, numberToF16 } from "../../runtime/half.ts";
import { suite } from "../harness.ts";

const allPatterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

/** By the standard's text, on the pattern's digits. */
function valueByDefinition(bits: number, exponentBits: number, fractionBits: number): number {
  const digits = bits.toString(2).padStart(16, "0");
  const exponent = Number.parseInt(digits.slice(1, 1 + exponentBits), 2);
  const fraction = Number.parseInt(digits.slice(1 + exponentBits), 2) / 2 ** fractionBits;
  const sign = digits[0] === "1" ? -1 : 1;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

suite("half precision", (test) => {
  test("known values (IEEE 754 binary16)", () => {
    const known: readonly (readonly [number, number])[] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x03ff, 0.00006097555160522461],
      [0x0001, 2 ** -24],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    for (const [bits, value] of known) {
      assert.is(f16ToNumber(bits), value);
      assert.is(numberToF16(value), bits);
    }
    assert.ok(Object.is(f16ToNumber(0x8000), -0));
    assert.is(numberToF16(-0), 0x8000);
    assert.ok(Number.isNaN(f16ToNumber(0x7e00)));
    assert.ok(Number.isNaN(f16ToNumber(numberToF16(Number.NaN))));
  });

  test("all 65536 binary16 patterns widen by definition and narrow back", () => {
    const values = f16ToFloat32(allPatterns);
    for (const bits of allPatterns) {
      const expected = valueByDefinition(bits, 5, 10);
      if (!Object.is(values[bits], expected)) assert.unreachable(`0x${bits.toString(16)}: ${values[bits]} instead of ${expected}`);
      if (!Number.isNaN(expected) && numberToF16(expected) !== bits) assert.unreachable(`0x${bits.toString(16)} does not come back`);
    }
    assert.is(values.length, 65536);
  });

  test("between neighbours binary16 goes to the nearer, ties to even", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [f16ToNumber(bits), f16ToNumber(bits + 1)];
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const nudge = (high - low) * 2 ** -20;
      const got = [numberToF16(middle), numberToF16(middle - nudge), numberToF16(middle + nudge), numberToF16(-middle)];
      const expected = [even, bits, bits + 1, even | 0x8000];
      if (got.join() !== expected.join()) assert.unreachable(`around ${middle}: ${got} instead of ${expected}`);
    }
    assert.is(numberToF16(65519.99), 0x7bff);
    assert.is(numberToF16(65520), 0x7c00);
  });

  test("all 65536 bfloat16 patterns widen by definition and narrow back", () => {
    const values = bf16ToFloat32(allPatterns);
    const back = float32ToBf16(values);
    for (const bits of allPatterns) {
      const expected = valueByDefinition(bits, 8, 7);
      if (!Object.is(values[bits], expected)) assert.unreachable(`0x${bits.toString(16)}: ${values[bits]} instead of ${expected}`);
      if (!Number.isNaN(expected) && back[bits] !== bits) assert.unreachable(`0x${bits.toString(16)} comes back as 0x${back[bits]!.toString(16)}`);
    }
    assert.ok(bf16ToFloat32(float32ToBf16(Float32Array.of(Number.NaN)))[0] !== 0);
  });

  test("bfloat16 rounds ties to even: 1 + 2^-8 down, 1 + 3 * 2^-8 up, the largest f32 to infinity", () => {
    const values = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 3.4028234663852886e38);
    assert.equal([...float32ToBf16(values)], [0x3f80, 0x3f82, 0x3f81, 0x7f80]);
  });
});
