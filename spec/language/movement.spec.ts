/** Movement and reduction over named axes, `einsum`, and what is composed of them: numbers by hand, and the reference interpreter. */
import * as assert from "uvu/assert";
import { check } from "../../compiler/compile.ts";
import { readModule } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";
import { closeTo, counting, type Given, runSource, scattered } from "./run-source.ts";

/** A model whose one output is the expression of x, with the mean squared error to `t` as its loss. */
function model(shape: string, expression: string, more = ""): string {
  return `model M {\n  in x: [${shape}]\n  ${more}\n  out y\n  y = ${expression}\n}`;
}

/** Runs one expression on numbers, with gradients, and gives its values. */
async function values(
  shape: readonly number[],
  expression: string,
  data: readonly number[],
  outShape: readonly number[],
): Promise<readonly number[]> {
  const [, ...rest] = shape;
  const t: Given = {
    shape: outShape,
    data: scattered(
      outShape.reduce((a, b) => a * b, 1),
      50,
    ),
  };
  const text = model(`N, ${rest.join(", ")}`, expression);
  const ran = await runSource(text, { inputs: { x: { shape, data }, t }, loss: "mse(y, t)" });
  assert.equal(ran.shapes["y"], outShape);
  return ran.outputs["y"] ?? [];
}

function messages(text: string): string[] {
  return check({ path: "test.resnet", text }, readModule)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ code, message }) => `${code} ${message}`);
}

suite("named axes", (test) => {
  test("rearrange permutes, merges and splits", async () => {
    const x = counting(12);
    closeTo(await values([2, 2, 3], 'rearrange(x, "n c l -> n (c l)")', x, [2, 6]), x);
    closeTo(await values([2, 2, 3], 'rearrange(x, "n c l -> n l c")', x, [2, 3, 2]), [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
    closeTo(await values([2, 6], 'rearrange(x, "n (c l) -> l n c", c: 2)', x, [3, 2, 2]), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    closeTo(await values([2, 2, 3], 'rearrange(x, "n .. -> n 1 (..)")', x, [2, 1, 6]), x);
  });

  test("space to depth and back is the identity", async () => {
    const down = 'rearrange(x, "n c (h a) (w b) -> n (c a b) h w", a: 2, b: 2)';
    closeTo(await values([1, 1, 2, 4], down, counting(8), [1, 4, 1, 2]), [0, 2, 1, 3, 4, 6, 5, 7]);
    const both = `rearrange(${down}, "n (c a b) h w -> n c (h a) (w b)", a: 2, b: 2)`;
    closeTo(await values([2, 3, 4, 2], both, counting(48), [2, 3, 4, 2]), counting(48));
  });

  test("a stage takes its pattern and sizes", async () => {
    const text = `model M {\n in x: [N, 6]\n out y: [N, 3, 2]\n x -> rearrange("n (a b) -> n b a", b: 3) -> y\n}`;
    const { outputs } = await runSource(text, { inputs: { x: { shape: [1, 6], data: counting(6) } } });
    closeTo(outputs["y"], [0, 3, 1, 4, 2, 5]);
  });

  test("reductions over named axes keep, permute, split", async () => {
    const x = counting(12);
    closeTo(await values([1, 2, 2, 3], 'mean(x, "n c h w -> n c")', x, [1, 2]), [2.5, 8.5]);
    closeTo(await values([1, 2, 2, 3], 'sum(x, "n c h w -> w n")', x, [3, 1]), [18, 22, 26]);
    closeTo(await values([1, 2, 2, 3], 'max(x, "n c h w -> n c 1 1")', x, [1, 2, 1, 1]), [5, 11]);
    closeTo(await values([1, 12], 'min(x, "n (a b) -> n b", a: 3)', x, [1, 4]), [0, 1, 2, 3]);
    closeTo(await values([1, 2, 2, 3], "sum(x, [1, 2])", x, [1, 3]), [18, 22, 26]);
  });

  test("a generic block proves split sizes from its `where`", () => {
    const good = `block B(heads: dim) {\n in x: [N, C, T]\n out y: [N, heads, C/heads, T]\n where C % heads == 0\n y = rearrange(x, "n (h d) t -> n h d t", h: heads)\n}`;
    assert.equal(check({ path: "t.resnet", text: good }, readModule).diagnostics, []);
  });

  test("wrong patterns are said once, with what is wrong", () => {
    const of = (expression: string): string[] => messages(`model M {\n in x: [N, 4, 6]\n out y\n y = ${expression}\n}`);
    assert.match(of('rearrange(x, "n c -> c n")').join(), /RN301 rearrange: "n c -> c n" names 2 axes, but the tensor has 3/);
    assert.match(of('rearrange(x, "n c c -> n c")').join(), /names `c` twice/);
    assert.match(of('rearrange(x, "n c l -> n c l d")').join(), /has `d` only on the right/);
    assert.match(of('rearrange(x, "n c l -> n c")').join(), /loses `l`/);
    assert.match(of('rearrange(x, "n (a b) l -> n a b l")').join(), /needs the size of `a` or `b`/);
    assert.match(of('rearrange(x, "n (a b) l -> n a b l", a: 3)').join(), /RN213 .*3 does not divide 4/);
    assert.match(of('rearrange(x, "n (c l -> n c l")').join(), /leaves a bracket open/);
    assert.match(of('rearrange(x, "n c l -> n l c", q: 3)').join(), /RN302/);
    assert.match(of('einsum("ncl,nkl->nck", x)').join(), /is for 2 tensors, but there are 1/);
  });
});

suite("einsum", (test) => {
  const q = { shape: [2, 3, 2], data: scattered(12) };
  const k = { shape: [2, 4, 2], data: scattered(16, 30) };
  const two = (expression: string): string => `model M {\n in q: [N, 3, 2]\n in k: [N, 4, 2]\n out y\n y = ${expression}\n}`;
  const at = (given: Given, ...index: number[]): number => given.data[index.reduce((flat, i, axis) => flat * (given.shape[axis] ?? 1) + i, 0)] ?? 0;

  test("attention scores, both orders of the result", async () => {
    const expected = [0, 1].flatMap((n) =>
      [0, 1, 2].flatMap((i) => [0, 1, 2, 3].map((j) => at(q, n, i, 0) * at(k, n, j, 0) + at(q, n, i, 1) * at(k, n, j, 1))),
    );
    const t = { shape: [2, 3, 4], data: scattered(24, 9) };
    const plain = await runSource(two('einsum("nqd,nkd->nqk", q, k)'), { inputs: { q, k, t }, loss: "mse(y, t)" });
    closeTo(plain.outputs["y"], expected);
    const named = await runSource(two('einsum("n query d, n key d -> n query key", q, k)'), { inputs: { q, k } });
    closeTo(named.outputs["y"], expected);
    const turned = await runSource(two('rearrange(einsum("nqd,nkd->kqn", q, k), "k q n -> n q k")'), { inputs: { q, k } });
    closeTo(turned.outputs["y"], expected);
  });

  test("sums of one side, outer products, full contraction", async () => {
    const rows = await runSource(two('einsum("nqd,nkd->nd", q, k)'), { inputs: { q, k } });
    const sum = (given: Given, n: number, d: number): number => counting(given.shape[1] ?? 0).reduce((total, i) => total + at(given, n, i, d), 0);
    closeTo(
      rows.outputs["y"],
      [0, 1].flatMap((n) => [0, 1].map((d) => sum(q, n, d) * sum(k, n, d))),
    );
    const outer = await runSource(two('einsum("nqd,nke->nqkde", q, k)'), { inputs: { q, k } });
    closeTo([outer.outputs["y"]?.[0] ?? 0, outer.outputs["y"]?.[3] ?? 0], [at(q, 0, 0, 0) * at(k, 0, 0, 0), at(q, 0, 0, 1) * at(k, 0, 0, 1)]);
    const single = await runSource(two('einsum("nqd->dn", q) + 0 * einsum("nkd->dn", k)'), { inputs: { q, k } });
    closeTo(
      single.outputs["y"],
      [0, 1].flatMap((d) => [0, 1].map((n) => sum(q, n, d))),
    );
  });

  test("with a weight, in either storage order", async () => {
    const text = `model M {\n in x: [N, 3]\n out y: [N, 2]\n param w: [3, 2] = ones\n param v: [2, 3] = ones\n y = einsum("ni,io->no", x, w) + einsum("ni,oi->no", x, v)\n}`;
    const inputs = { x: { shape: [1, 3], data: [1, 2, 3] }, t: { shape: [1, 2], data: [0, 0] } };
    const { outputs, gradients } = await runSource(text, { inputs, weights: { w: [1, 2, 3, 4, 5, 6], v: [1, 0, 0, 0, 1, 0] }, loss: "mse(y, t)" });
    closeTo(outputs["y"], [22 + 1, 28 + 2]);
    closeTo(gradients["w"], [23, 30, 46, 60, 69, 90]);
  });
});

suite("attention in the language", (test) => {
  test("heads by rearrange, split and einsum, by the definition", async () => {
    const text = `model M(heads: dim = 2) {
      in x: [N, 3, 4]
      out y: [N, 3, 4]
      x -> qkv: linear(12, bias: false)
      let (q, k, v) = split(rearrange(qkv, "n t (p h d) -> p (n h) t d", p: 3, h: heads), 3, axis: 0)
      let scores = einsum("pbqd,pbkd->pbqk", q, k) * (1 / sqrt(4 / heads))
      let mixed = einsum("pbqk,pbkd->pbqd", softmax(scores), v)
      y = rearrange(mixed, "1 (n h) t d -> n t (h d)", h: heads)
    }`;
    const [x, w] = [scattered(24), scattered(48, 7)];
    const t = { shape: [2, 3, 4], data: scattered(24, 90) };
    const { outputs } = await runSource(text, { inputs: { x: { shape: [2, 3, 4], data: x }, t }, weights: { "qkv.weight": w }, loss: "mse(y, t)" });
    const project = (n: number, position: number, row: number): number =>
      [0, 1, 2, 3].reduce((sum, f) => sum + (w[row * 4 + f] ?? 0) * (x[(n * 3 + position) * 4 + f] ?? 0), 0);
    const expected = [0, 1].flatMap((n) =>
      [0, 1, 2].flatMap((at) =>
        [0, 1, 2, 3].map((f) => {
          const head = f < 2 ? 0 : 2;
          const powers = [0, 1, 2].map((other) =>
            Math.exp([0, 1].reduce((sum, d) => sum + project(n, at, head + d) * project(n, other, 4 + head + d), 0) / Math.SQRT2),
          );
          const total = powers.reduce((a, b) => a + b, 0);
          return powers.reduce((sum, power, other) => sum + (power / total) * project(n, other, 8 + f), 0);
        }),
      ),
    );
    closeTo(outputs["y"], expected);
  });
});

suite("composed operators", (test) => {
  test("var and std: unbiased unless asked for", async () => {
    const x = [1, 2, 3, 6, 0, 0, 0, 4];
    closeTo(await values([2, 4], "var(x, axes: [1])", x, [2]), [14 / 3, 4]);
    closeTo(await values([2, 4], "var(x, axes: [1], biased: true)", x, [2]), [3.5, 3]);
    closeTo(await values([2, 4], 'std(x, "n c -> n")', x, [2]), [Math.sqrt(14 / 3), 2]);
  });

  test("logsumexp does not overflow", async () => {
    closeTo(await values([2, 2], "logsumexp(x, axes: [1])", [1000, 1000, 0, Math.log(3)], [2]), [1000 + Math.log(2), Math.log(4)]);
  });

  test("clamp passes the gradient at its bounds", async () => {
    const t = { shape: [1, 4], data: [0, 0, 0, 0] };
    const x = { shape: [1, 4], data: [-2, -1, 0.5, 3] };
    const { outputs, gradients } = await runSource(model("N, 4", "clamp(x, -1, 1)"), { inputs: { x, t }, loss: "mse(y, t)" });
    closeTo(outputs["y"], [-1, -1, 0.5, 1]);
    closeTo(gradients["input.x"], [0, -0.5, 0.25, 0]);
    closeTo(await values([1, 4], "clamp(x, high: 0)", x.data, [1, 4]), [-2, -1, 0, 0]);
  });

  test("squeeze, unsqueeze, stack, flatten, split", async () => {
    const x = counting(6);
    closeTo(await values([1, 2, 3], "squeeze(unsqueeze(x, 1), 1)", x, [1, 2, 3]), x);
    closeTo(await values([1, 6], "stack(x, x * 2, axis: 1)", x, [1, 2, 6]), [...x, ...x.map((value) => 2 * value)]);
    closeTo(await values([1, 2, 3], "flatten(x)", x, [1, 6]), x);
    closeTo(await values([1, 2, 3, 1], "flatten(x, 2)", x, [1, 2, 3]), x);
    const text = (parts: string): string => `model M {\n in x: [N, 6]\n out y\n let (a, b) = split(x, ${parts})\n y = concat(b, a, axis: 1)\n}`;
    const inputs = { x: { shape: [1, 6], data: x } };
    closeTo((await runSource(text("2"), { inputs })).outputs["y"], [3, 4, 5, 0, 1, 2]);
    closeTo((await runSource(text("[2, 4]"), { inputs })).outputs["y"], [2, 3, 4, 5, 0, 1]);
    assert.match(messages(text("[2, 3]")).join(), /RN205 split/);
    assert.match(messages(text("4")).join(), /RN213 split/);
  });

  test("argmax and argmin give indices", async () => {
    const text = `model M {\n in x: [N, 3]\n out high: i64[N]\n out low: i64[N]\n high = argmax(x, 1)\n low = argmin(x, 1)\n}`;
    const { outputs } = await runSource(text, { inputs: { x: { shape: [2, 3], data: [1, 5, 5, 0, -1, 2] } } });
    closeTo(outputs["high"], [1, 2]);
    closeTo(outputs["low"], [0, 1]);
  });

  test("comparison and where choose element by element", async () => {
    closeTo(await values([1, 4], "where(x > 0 && x != 2, x, -x)", [-1, 1, 2, 3], [1, 4]), [1, 1, -2, 3]);
    const whole = `model M {\n in i: i32[N, 3]\n out y: i32[N, 3]\n y = where(i >= 2, i, 0)\n}`;
    closeTo((await runSource(whole, { inputs: { i: { shape: [1, 3], data: [1, 2, 3], dtype: "i32" } } })).outputs["y"], [0, 2, 3]);
  });
});

suite("resize", (test) => {
  test("nearest by whole factors and to any size", async () => {
    closeTo(await values([1, 1, 3], "resize(x, scale: 2)", [1, 2, 3], [1, 1, 6]), [1, 1, 2, 2, 3, 3]);
    closeTo(await values([1, 1, 2, 2], "resize(x, scale: [1, 2], mode: nearest)", [1, 2, 3, 4], [1, 1, 2, 4]), [1, 1, 2, 2, 3, 3, 4, 4]);
    // floor(i * 5 / 3) = 0, 1, 3
    closeTo(await values([1, 1, 5], "resize(x, size: 3)", [1, 2, 3, 4, 5], [1, 1, 3]), [1, 2, 4]);
  });

  test("linear interpolation between half positions, edges repeated", async () => {
    closeTo(await values([1, 1, 2], "resize(x, scale: 2, mode: bilinear)", [1, 2], [1, 1, 4]), [1, 1.25, 1.75, 2]);
    // torch.nn.functional.interpolate([[1, 2], [3, 4]], scale_factor=2, mode="bilinear"), as its documentation prints it.
    const documented = [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4];
    closeTo(await values([1, 1, 2, 2], "resize(x, scale: 2, mode: bilinear)", [1, 2, 3, 4], [1, 1, 4, 4]), documented);
    // 4 to 3: sources (i + 1/2) * 4/3 - 1/2 = 1/6, 3/2, 17/6
    closeTo(await values([1, 1, 4], "resize(x, size: [3], mode: bilinear)", [0, 6, 12, 18], [1, 1, 3]), [1, 9, 17]);
    closeTo(
      await values([2, 2, 2, 3, 2], "resize(x, size: [4, 3, 4], mode: bilinear)", scattered(48), [2, 2, 4, 3, 4]),
      await trilinear(scattered(48)),
    );
  });

  test("an unknown mode is refused", () => {
    assert.match(messages(model("N, 1, 4", 'resize(x, scale: 2, mode: "cubic")')).join(), /RN301 resize: there is no mode `cubic`/);
  });
});

/** [2, 2, 2, 3, 2] to [2, 2, 4, 3, 4] by the definition, in f64. */
async function trilinear(x: readonly number[]): Promise<number[]> {
  const source = (i: number): readonly [number, number, number] => {
    const at = Math.min(1, Math.max(0, (i + 0.5) / 2 - 0.5));
    return [Math.floor(at), Math.min(1, Math.floor(at) + 1), at - Math.floor(at)];
  };
  const read = (nc: number, d: number, h: number, w: number): number => x[((nc * 2 + d) * 3 + h) * 2 + w] ?? 0;
  return counting(4).flatMap((nc) =>
    counting(4).flatMap((d) =>
      counting(3).flatMap((h) =>
        counting(4).map((w) => {
          const [d0, d1, fd] = source(d);
          const [w0, w1, fw] = source(w);
          const row = (depth: number): number => (1 - fw) * read(nc, depth, h, w0) + fw * read(nc, depth, h, w1);
          return (1 - fd) * row(d0) + fd * row(d1);
        }),
      ),
    ),
  );
}
