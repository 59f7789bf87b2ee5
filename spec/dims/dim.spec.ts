/** Symbolic sizes by hand: canonical forms, text, evaluation. Shape formulas are those of convolution and pooling. */
import * as assert from "uvu/assert";
import {
  add,
  ceilDiv,
  coefficientOf,
  constantOf,
  type Dim,
  divExact,
  evaluate,
  floorDiv,
  formatDim,
  max,
  min,
  modulo,
  mul,
  negate,
  product,
  sameDim,
  select,
  sub,
  substitute,
  sum,
  symbol,
  symbolsOf,
} from "../../compiler/ir/dim.ts";
import { suite } from "../harness.ts";

const H = symbol("H");
const W = symbol("W");
const C = symbol("C");
const N = symbol("N");
const s = symbol("s");
const k = symbol("k");
const width = symbol("width");
const growth = symbol("growth");
const i = symbol("i", { least: 0 });

/** PyTorch's output size of convolution and pooling: floor((size + 2*padding - kernel)/stride) + 1. */
function windowed(size: Dim, kernel: Dim, stride: Dim, padding: Dim): Dim {
  return add(floorDiv(sub(add(size, mul(2, padding)), kernel), stride), 1);
}

function equal(a: Dim, b: Dim): void {
  assert.ok(sameDim(a, b), `${formatDim(a)} is not ${formatDim(b)}`);
}

suite("dim: ring", (test) => {
  test("like terms meet, zero terms go", () => {
    equal(sub(add(mul(2, H), W), add(H, W)), H);
    assert.is(sub(mul(H, W), mul(W, H)), 0);
    equal(mul(add(H, 1), sub(H, 1)), sub(mul(H, H), 1));
    equal(add(C, sum([growth, growth, growth])), add(C, mul(3, growth)));
    assert.is(product([2, 3, 7]), 42);
    assert.is(sum([]), 0);
    assert.is(product([]), 1);
  });
  test("symbols are told apart by id, not by name", () => {
    const other = symbol("H", { id: "H#2" });
    assert.not(sameDim(H, other));
    assert.is(formatDim(other), "H");
    assert.equal([...symbolsOf(add(mul(H, other), floorDiv(W, 3))).keys()], ["H", "H#2", "W"]);
  });
  test("the linear part of a symbol", () => {
    assert.equal(coefficientOf(add(mul(3, H), W), "H"), { coefficient: 3, rest: W });
    assert.equal(coefficientOf(W, "H"), { coefficient: 0, rest: W });
    assert.is(coefficientOf(mul(H, W), "H"), undefined);
    assert.is(coefficientOf(add(H, floorDiv(H, 2)), "H"), undefined);
  });
  test("leaving the safe integers gives no value, never a wrong one", () => {
    const huge = mul(2 ** 40, 2 ** 40);
    assert.is(constantOf(huge), undefined);
    assert.not(sameDim(huge, huge));
    assert.is(
      evaluate(
        mul(H, W),
        new Map([
          ["H", 2 ** 30],
          ["W", 2 ** 30],
        ]),
      ),
      undefined,
    );
    assert.is(
      evaluate(
        mul(H, W),
        new Map([
          ["H", 2 ** 30],
          ["W", 4],
        ]),
      ),
      2 ** 32,
    );
  });
});

suite("dim: division", (test) => {
  test("numbers divide downwards for every sign", () => {
    assert.is(floorDiv(7, 2), 3);
    assert.is(floorDiv(-7, 2), -4);
    assert.is(floorDiv(7, -2), -4);
    assert.is(floorDiv(-7, -2), 3);
    assert.is(ceilDiv(7, 2), 4);
    assert.is(ceilDiv(-7, 2), -3);
    assert.is(modulo(-7, 4), 1);
    assert.is(modulo(7, -4), -1);
    assert.is(evaluate(floorDiv(7, 0), new Map()), undefined);
  });
  test("multiples leave the floor, symbolic ones too", () => {
    equal(floorDiv(add(H, 8), 4), add(floorDiv(H, 4), 2));
    equal(floorDiv(add(H, mul(C, s)), s), add(floorDiv(H, s), C));
    equal(floorDiv(mul(4, width), 2), mul(2, width));
    assert.is(floorDiv(mul(4, width), width), 4);
    equal(divExact(sub(mul(H, H), mul(W, W)), sub(H, W)), add(H, W));
  });
  test("common factors cancel", () => {
    equal(floorDiv(mul(2, H), mul(2, W)), floorDiv(H, W));
    equal(floorDiv(mul(H, C), mul(W, C)), floorDiv(H, W));
    equal(floorDiv(add(mul(4, H), 3), 8), floorDiv(H, 2));
  });
  test("nested floors become one", () => {
    equal(floorDiv(floorDiv(H, 2), 2), floorDiv(H, 4));
    equal(floorDiv(add(floorDiv(H, 3), 1), 2), floorDiv(add(H, 3), 6));
    equal(ceilDiv(ceilDiv(H, 2), 3), ceilDiv(H, 6));
    equal(floorDiv(floorDiv(H, s), 2), floorDiv(H, mul(2, s)));
    equal(ceilDiv(ceilDiv(H, s), s), ceilDiv(H, mul(s, s)));
  });
  test("signs and remainders", () => {
    equal(floorDiv(negate(H), 16), negate(ceilDiv(H, 16)));
    equal(floorDiv(negate(H), s), negate(ceilDiv(H, s)));
    equal(modulo(modulo(H, 4), 2), modulo(H, 2));
    assert.is(floorDiv(modulo(H, 4), 4), 0);
    assert.is(modulo(mul(32, H), 16), 0);
    assert.is(ceilDiv(1, s), 1);
  });
});

suite("dim: windows", (test) => {
  test("odd kernel, padding (k-1)/2: the output is ceil(H/stride)", () => {
    for (const kernel of [1, 3, 5, 7, 11]) {
      for (const stride of [1, 2, 3, 4, s]) {
        equal(windowed(H, kernel, stride, (kernel - 1) / 2), ceilDiv(H, stride));
      }
    }
  });
  test("floor-mode pooling is another size than a strided convolution", () => {
    equal(windowed(H, 2, 2, 0), floorDiv(H, 2));
    assert.not(sameDim(windowed(H, 2, 2, 0), windowed(H, 3, 2, 1)));
  });
  test("seven halvings are one division by 128, of either rounding", () => {
    let conv: Dim = H;
    let pool: Dim = H;
    for (let step = 0; step < 7; step++) {
      conv = windowed(conv, 3, 2, 1);
      pool = windowed(pool, 2, 2, 0);
    }
    equal(conv, ceilDiv(H, 128));
    equal(pool, floorDiv(H, 128));
  });
  test("ResNet's five halvings from any size", () => {
    let size = windowed(windowed(H, 7, 2, 3), 3, 2, 1);
    for (const stride of [1, 2, 2, 2]) size = windowed(size, 3, stride, 1);
    equal(size, ceilDiv(H, 32));
    assert.is(evaluate(size, new Map([["H", 224]])), 7);
    assert.is(evaluate(size, new Map([["H", 300]])), 10);
  });
  test("U-Net at 525: the encoder has 33, the decoder 34", () => {
    const env = new Map([["W", 525]]);
    assert.is(evaluate(ceilDiv(W, 16), env), 33);
    assert.is(evaluate(mul(2, ceilDiv(W, 32)), env), 34);
  });
  test("substitution brings the canonical form", () => {
    equal(
      substitute(
        windowed(H, k, s, 1),
        new Map([
          ["k", 3],
          ["s", 2],
        ]),
      ),
      ceilDiv(H, 2),
    );
    assert.is(
      substitute(
        ceilDiv(H, s),
        new Map([
          ["H", 7],
          ["s", 2],
        ]),
      ),
      4,
    );
    equal(substitute(floorDiv(H, 4), new Map([["H", mul(4, W)]])), W);
    equal(
      substitute(
        add(H, W),
        new Map([
          ["H", W],
          ["W", H],
        ]),
      ),
      add(H, W),
    );
  });
});

suite("dim: choices", (test) => {
  test("min and max are decided by bounds, sorted, and give up what both sides share", () => {
    assert.is(min(add(H, 5), 3), 3);
    equal(max(H, 1), H);
    equal(min(H, W), min(W, H));
    equal(min(add(H, 3), add(W, 3)), add(min(H, W), 3));
    equal(min(sub(H, C), sub(W, C)), sub(min(H, W), C));
    equal(min(mul(2, H), mul(2, W)), mul(2, min(H, W)));
    equal(min(H, min(W, C)), min(min(C, H), W));
    equal(min(H, H), H);
  });
  test("select is decided by constants and bounds", () => {
    assert.is(select({ op: "<", left: 0, right: 1 }, 2, 1), 2);
    assert.is(select({ op: "<=", left: H, right: 0 }, 2, 1), 1);
    equal(select({ op: "<", left: 0, right: i }, H, H), H);
    equal(select({ op: "!=", left: i, right: 0 }, 2, 1), select({ op: "==", left: 0, right: i }, 1, 2));
    equal(select({ op: "<", left: 0, right: i }, 2, 1), select({ op: "<=", left: 1, right: i }, 2, 1));
    assert.is(evaluate(select({ op: "<", left: 0, right: i }, 2, 1), new Map([["i", 0]])), 1);
    assert.is(evaluate(select({ op: "==", left: i, right: 0 }, 5, floorDiv(3, i)), new Map([["i", 0]])), 5);
  });
});

suite("dim: text", (test) => {
  const cases: readonly (readonly [Dim, string])[] = [
    [mul(4, width), "4*width"],
    [windowed(H, 3, 2, 1), "ceil(H/2)"],
    [add(C, mul(3, growth)), "C + 3*growth"],
    [modulo(H, 32), "H % 32"],
    [mul(2, modulo(add(H, 3), 32)), "2*((H + 3) % 32)"],
    [modulo(H, s), "H % s"],
    [windowed(H, 2, 2, 0), "floor(H/2)"],
    [windowed(H, 7, 4, 0), "ceil((H - 6)/4)"],
    [windowed(H, k, 1, 0), "H - k + 1"],
    [floorDiv(sub(H, k), 2), "floor((H - k)/2)"],
    [ceilDiv(H, s), "ceil(H/s)"],
    [product([C, ceilDiv(H, s), ceilDiv(W, s)]), "C*ceil(H/s)*ceil(W/s)"],
    [mul(sub(H, 2), sub(W, 2)), "(H - 2)*(W - 2)"],
    [product([N, C, H, W]), "C*H*N*W"],
    [mul(16, ceilDiv(W, 16)), "16*ceil(W/16)"],
    [mul(s, floorDiv(H, s)), "s*floor(H/s)"],
    [ceilDiv(H, mul(2, s)), "ceil(H/(2*s))"],
    [sub(1, H), "1 - H"],
    [negate(H), "-H"],
    [min(H, 512), "min(H, 512)"],
    [min(sub(H, W), 3), "min(H - W, 3)"],
    [mul(C, select({ op: "<", left: 0, right: i }, 2, 1)), "C*(i >= 1 ? 2 : 1)"],
    [-3, "-3"],
  ];
  for (const [dim, text] of cases) test(text, () => assert.is(formatDim(dim), text));
});
