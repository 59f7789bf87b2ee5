/** Three answers by hand: what shape checking asks, from the complaints people had and the sketches of the language. */
import * as assert from "uvu/assert";
import { assume, type Facts, formatRelation, formatWitness, noFacts, prove, simplifyUnder } from "../../compiler/check/solve.ts";
import type { Relation } from "../../compiler/ir/relation.ts";
import { add, ceilDiv, type Dim, divExact, floorDiv, formatDim, max, min, modulo, mul, sameDim, select, sub, symbol } from "../../compiler/ir/dim.ts";
import { suite } from "../harness.ts";

const H = symbol("H");
const W = symbol("W");
const T = symbol("T");
const C = symbol("C");
const N = symbol("N");
const X = symbol("X");
const w = symbol("w");
const k = symbol("k");
const p = symbol("p", { least: 0 });
const s = symbol("s");
const q = symbol("groups");
const i = symbol("i", { least: 0 });
const z = symbol("z", { least: Number.NEGATIVE_INFINITY });

const eq = (left: Dim, right: Dim): Relation => ({ op: "==", left, right });
const le = (left: Dim, right: Dim): Relation => ({ op: "<=", left, right });
const lt = (left: Dim, right: Dim): Relation => ({ op: "<", left, right });
const ge = (left: Dim, right: Dim): Relation => ({ op: ">=", left, right });
const divides = (divisor: Dim, dividend: Dim): Relation => ({ op: "divides", divisor, dividend });
const given = (...relations: Relation[]): Facts => assume(noFacts, relations);

function windowed(size: Dim, kernel: Dim, stride: Dim, padding: Dim): Dim {
  return add(floorDiv(sub(add(size, mul(2, padding)), kernel), stride), 1);
}

suite("solve: proved", (test) => {
  const half = (dim: Dim): Dim => ceilDiv(dim, 2);
  const cases: readonly (readonly [string, Relation, Facts])[] = [
    ["3x3/2 branch against 1x1/2 shortcut", eq(windowed(H, 3, 2, 1), windowed(H, 1, 2, 0)), noFacts],
    ["symbolic stride", eq(windowed(H, 3, s, 1), windowed(H, 1, s, 0)), noFacts],
    ["symbolic odd kernel, k = 2p + 1", eq(windowed(H, k, s, p), ceilDiv(H, s)), given(eq(k, add(mul(2, p), 1)))],
    ["symbolic odd kernel, k % 2 == 1", eq(windowed(H, k, s, floorDiv(sub(k, 1), 2)), ceilDiv(H, s)), given(eq(modulo(k, 2), 1))],
    ["N*(X/N) == X under N | X", eq(mul(N, divExact(X, N)), X), given(divides(N, X))],
    ["patches of 16 where they divide it", eq(mul(3, mul(mul(s, s), mul(floorDiv(16, s), floorDiv(16, s)))), 768), given(divides(s, 16))],
    ["a divisor of 12 that is at least 5 is 6 or 12", divides(6, s), given(divides(s, 12), ge(s, 5))],
    ["groups times width per group", eq(mul(q, floorDiv(w, q)), w), given(eq(modulo(w, q), 0))],
    ["two halvings are a quarter under H % 4 == 0", eq(half(half(H)), divExact(H, 4)), given(divides(4, H))],
    ["16*ceil(W/16) == W under W % 32 == 0", eq(mul(16, ceilDiv(W, 16)), W), given(eq(modulo(W, 32), 0))],
    ["U-Net join under W % 32 == 0", eq(mul(2, ceilDiv(W, 32)), ceilDiv(W, 16)), given(divides(32, W))],
    ["pool against conv under even T", eq(floorDiv(T, 2), half(T)), given(divides(2, T))],
    ["both roundings add up", eq(add(floorDiv(H, 2), half(H)), H), noFacts],
    ["thirds add up", eq(add(add(floorDiv(H, 3), floorDiv(add(H, 1), 3)), floorDiv(add(H, 2), 3)), H), noFacts],
    ["divisibility is inherited", divides(4, H), given(divides(32, H))],
    ["divisibility adds", divides(4, add(H, W)), given(divides(4, H), divides(8, W))],
    ["12 from 4 and 3", divides(12, H), given(divides(4, H), divides(3, H))],
    ["channels from an equality", eq(C, mul(4, w)), given(eq(mul(2, w), X), eq(C, mul(2, X)))],
    ["equal coefficients cancel", eq(H, W), given(eq(mul(3, H), mul(3, W)))],
    ["positive factors cancel", eq(H, W), given(eq(mul(C, H), mul(C, W)))],
    ["a halving of 32 or more is at least 16", ge(ceilDiv(H, 2), 16), given(ge(H, 32))],
    ["five halvings keep a size", ge(floorDiv(H, 32), 1), given(ge(H, 32))],
    ["chained order", lt(H, X), given(lt(H, W), lt(W, X))],
    ["integers between", le(mul(2, H), 4), given(le(mul(2, H), 5))],
    ["a window fits", ge(windowed(H, 7, 1, 0), 1), given(ge(H, 7))],
    ["products keep order", le(mul(C, H), mul(C, W)), given(le(H, W))],
    ["products are at least their factors", le(H, mul(H, W)), noFacts],
    ["quotient below its dividend", le(floorDiv(H, s), H), noFacts],
    ["ceiling keeps a size", ge(ceilDiv(H, s), 1), noFacts],
    ["remainder below the divisor", lt(modulo(H, s), s), noFacts],
    ["min below both", le(min(H, W), W), noFacts],
    ["min plus max", eq(add(min(H, W), max(H, W)), add(H, W)), noFacts],
    ["min decided by a fact", eq(min(H, W), H), given(le(H, W))],
    ["stage stride decided", eq(select(lt1(i), 2, 1), 1), given(eq(i, 0))],
    ["stage stride in its range", le(ceilDiv(H, select(lt1(i), 2, 1)), H), noFacts],
    ["a stride of 1 or 2", eq(mul(mul(sub(s, 1), sub(s, 2)), H), 0), given(le(s, 2))],
    ["either of two", ge(H, 2), given({ op: "or", parts: [eq(H, 7), ge(H, 9)] })],
    ["or over all cases", { op: "or", parts: [divides(2, H), divides(2, add(H, 1))] }, noFacts],
    ["negation", { op: "not", part: lt(H, 1) }, noFacts],
    ["contradictory facts", eq(H, 5), given(lt(H, 3), ge(H, 4))],
    ["dilation: effective kernel", eq(windowed(H, add(mul(2, sub(k, 1)), 1), 1, sub(k, 1)), H), noFacts],
    ["transposed convolution undoes a halving of an even size", eq(mul(2, floorDiv(H, 2)), H), given(divides(2, H))],
    ["pixel shuffle channels", eq(mul(divExact(C, mul(s, s)), mul(s, s)), C), given(divides(mul(s, s), C))],
    ["heads divide the width", eq(mul(q, divExact(C, q)), C), given(eq(modulo(C, q), 0), ge(C, q))],
    ["floor equal to a constant bounds", le(H, 15), given(eq(floorDiv(H, 2), 7))],
    ["a finite range is enumerated", { op: "!=", left: mul(H, H), right: 7 }, given(le(H, 20))],
  ];
  for (const [name, relation, facts] of cases) {
    test(name, () => assert.equal(prove(relation, facts), { kind: "proved" }, formatRelation(relation)));
  }
});

function lt1(index: Dim): { readonly op: "<"; readonly left: Dim; readonly right: Dim } {
  return { op: "<", left: 0, right: index };
}

suite("solve: refuted", (test) => {
  const cases: readonly (readonly [string, Relation, Facts, string])[] = [
    ["conv /2 against avgpool(2)", eq(floorDiv(T, 2), ceilDiv(T, 2)), given(ge(T, 68)), "T = 69: 34 vs 35"],
    ["the same from the smallest size", eq(floorDiv(T, 2), ceilDiv(T, 2)), noFacts, "T = 3: 1 vs 2"],
    ["U-Net join", eq(mul(2, ceilDiv(W, 32)), ceilDiv(W, 16)), given(ge(W, 525)), "W = 525: 34 vs 33"],
    ["U-Net join at one size", eq(ceilDiv(W, 16), mul(2, ceilDiv(W, 32))), given(eq(W, 525)), "W = 525: 33 vs 34"],
    ["a guessed stride", eq(H, ceilDiv(H, 2)), given(eq(H, 75)), "H = 75: 75 vs 38"],
    ["channels", eq(64, mul(4, w)), given(eq(w, 64)), "w = 64: 64 vs 256"],
    ["constants", eq(10, 490), noFacts, "10 vs 490"],
    ["divisibility", divides(32, H), given(divides(16, H)), "H = 16: 16 vs 0"],
    ["a remainder fact is honoured", divides(3, H), given(eq(modulo(H, 32), 5)), "H = 5: 2 vs 0"],
    ["witness beyond a bound", lt(H, 100), given(ge(H, 32)), "H = 100: 100 vs 100"],
    ["a window may not fit", ge(windowed(H, 7, 1, 0), 1), noFacts, "H = 1: -5 vs 1"],
    ["two symbols", eq(H, W), noFacts, "H = 2, W = 1: 2 vs 1"],
    ["an int may be negative", ge(z, 0), noFacts, "z = -1: -1 vs 0"],
    ["equality facts are solved", eq(C, 256), given(eq(C, mul(4, w)), ge(w, 64)), "C = 260: 260 vs 256"],
    ["a far value is solved for", { op: "!=", left: floorDiv(W, 64), right: 8 }, noFacts, "W = 512: 8 vs 8"],
    ["and names the failing part", { op: "and", parts: [ge(H, 1), ge(H, 2)] }, noFacts, "H = 1: 1 vs 2"],
  ];
  for (const [name, relation, facts, text] of cases) {
    test(name, () => {
      const answer = prove(relation, facts);
      assert.is(answer.kind === "refuted" ? formatWitness(answer.witness) : answer.kind, text);
    });
  }
  test("bindings cover the symbols of the facts", () => {
    const answer = prove(eq(C, 256), given(eq(C, mul(4, w)), divides(8, H)));
    assert.is(answer.kind, "refuted");
    if (answer.kind === "refuted") assert.equal([...answer.witness.bindings.keys()], ["C", "w", "H"]);
  });
});

suite("solve: unproved", (test) => {
  test("hard is neither accepted nor refused", () => {
    const cube = (dim: Dim): Dim => mul(dim, mul(dim, dim));
    const fermat: Relation = { op: "!=", left: add(cube(H), cube(W)), right: cube(C) };
    assert.is(prove(fermat, noFacts).kind, "unproved");
  });
  test("a value beyond 2^53 decides nothing", () => {
    const huge = mul(2 ** 40, 2 ** 40);
    assert.is(prove(eq(huge, huge), noFacts).kind, "unproved");
  });
  test("a division by zero has no value, so nothing follows", () => {
    const facts = given({ op: "or", parts: [le(floorDiv(z, 2), floorDiv(W, z)), le(z, -7)] });
    assert.is(prove(le(W, modulo(add(W, modulo(z, 8)), floorDiv(z, 0))), facts).kind, "unproved");
    assert.is(prove(eq(modulo(H, sub(s, s)), 1), noFacts).kind, "unproved");
  });
  test("bounded work on many choices", () => {
    const many = Array.from({ length: 14 }, (_, index) => min(symbol(`a${index}`), symbol(`b${index}`)));
    const started = performance.now();
    prove(eq(many.reduce(add, 0), many.reduce(mul, 1)), noFacts);
    prove(le(many.reduce(mul, 1), many.reduce(add, 0)), given(...many.map((dim) => ge(dim, 2))));
    assert.ok(performance.now() - started < 3000, `${performance.now() - started} ms`);
  });
});

suite("solve: simplify and text", (test) => {
  const simplified = (dim: Dim, ...facts: Relation[]): string => formatDim(simplifyUnder(dim, given(...facts)));
  test("equalities, parity and choices are applied", () => {
    assert.is(simplified(C, eq(C, mul(4, w))), "4*w");
    assert.is(simplified(mul(16, ceilDiv(W, 16)), divides(32, W)), "W");
    assert.is(simplified(ceilDiv(ceilDiv(H, 2), 2), divides(4, H)), "floor(H/4)");
    assert.is(simplified(select(lt1(i), 2, 1), ge(i, 1)), "2");
    assert.is(simplified(min(H, W), lt(H, W)), "H");
    assert.is(simplified(add(H, floorDiv(W, 2)), divides(32, H)), "H + floor(W/2)");
    assert.ok(sameDim(simplifyUnder(mul(q, floorDiv(w, q)), given(divides(q, w))), w));
  });
  test("relations read like the language", () => {
    assert.is(formatRelation(eq(modulo(H, 32), 0)), "H % 32 == 0");
    assert.is(formatRelation(divides(32, add(H, 1))), "(H + 1) % 32 == 0");
    assert.is(formatRelation({ op: "or", parts: [ge(H, 32), { op: "not", part: eq(H, 7) }] }), "H >= 32 || !(H == 7)");
  });
});
