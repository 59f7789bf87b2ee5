/** Sets of weights that do not fit: what is said of real networks' state dicts. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import type { Manifest, TensorSpec } from "../../runtime/manifest.ts";
import type { TensorLike } from "../../runtime/tensor.ts";
import { matchWeights } from "../../runtime/weights.ts";
import { suite } from "../harness.ts";
import { throwsError } from "../runtime/expect-error.ts";
import { TINY } from "../runtime/tiny-network.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/fixtures/state-dict-names");

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i64";
}

/** `[{name, shape, dtype}]` or `{tensors: [..]}`, with dtypes as safetensors writes them. */
function stateDict(model: string): readonly Entry[] {
  const file = JSON.parse(readFileSync(join(folder, `${model}.json`), "utf8")) as unknown;
  const list = (Array.isArray(file) ? file : (file as { tensors: unknown[] }).tensors) as {
    name: string;
    shape: number[];
    dtype: string;
  }[];
  return list.map(({ name, shape, dtype }) => ({ name, shape, dtype: /64/.test(dtype) ? "i64" : "f32" }));
}

function networkOf(entries: readonly Entry[]): Manifest {
  const tensors = entries.map((entry): TensorSpec => {
    const kind = /running_|num_batches/.test(entry.name) ? "state" : "param";
    return { ...entry, kind, offset: 0, initializer: { kind: "constant", value: 0 } };
  });
  return { ...TINY, model: "Net", tensors };
}

function zeros({ shape, dtype }: Entry): TensorLike {
  const count = shape.reduce((product, size) => product * size, 1);
  return { dtype, shape, data: dtype === "i64" ? new BigInt64Array(count) : new Float32Array(count) };
}

const weightsOf = (entries: readonly Entry[]): Record<string, TensorLike> => Object.fromEntries(entries.map((entry) => [entry.name, zeros(entry)]));

const small: readonly Entry[] = [
  { name: "conv.weight", shape: [4, 3, 3, 3], dtype: "f32" },
  { name: "bn.weight", shape: [4], dtype: "f32" },
  { name: "bn.num_batches_tracked", shape: [], dtype: "i64" },
  { name: "fc.weight", shape: [10, 4], dtype: "f32" },
  { name: "fc.bias", shape: [10], dtype: "f32" },
];

suite("weights: matching", (test) => {
  const net = networkOf(small);
  const fitting = weightsOf(small);

  test("fits, from other widths of the same kind", () => {
    assert.is(matchWeights(net, fitting).size, 5);
    const others = {
      "bn.weight": { dtype: "f64", shape: [4], data: new Float64Array(4) },
      "fc.bias": { dtype: "bf16", shape: [10], data: new Uint16Array(10) },
      "bn.num_batches_tracked": { dtype: "i32", shape: [], data: Int32Array.of(3) },
    } as const;
    assert.is(matchWeights(net, { ...fitting, ...others }).size, 5);
  });

  test("files from before batch-norm counters fit", () => {
    const { "bn.num_batches_tracked": _, ...older } = fitting;
    assert.is(matchWeights(net, older).size, 4);
  });

  test("missing, surplus, misshapen and mistyped tensors, all in one message", () => {
    const { "conv.weight": _, ...missing } = fitting;
    throwsError(() => matchWeights(net, missing), "RN710", "`Net`", "missing: `conv.weight`");
    throwsError(() => matchWeights(net, { ...fitting, extra: fitting["fc.bias"]! }), "RN711", "`extra`");
    const turned = { ...fitting, "fc.weight": { shape: [4, 10], data: new Float32Array(40) } };
    throwsError(() => matchWeights(net, turned), "RN712", "`fc.weight` must have shape [10, 4], got [4, 10]");
    throwsError(
      () => matchWeights(net, { ...fitting, "fc.bias": { shape: [10], data: new Int32Array(10) } }),
      "RN713",
      "`fc.bias` must be f32, got i32",
    );
    throwsError(() => matchWeights(net, { ...turned, "conv.weight": undefined as never }), "RN715", "`conv.weight`", "undefined");
    throwsError(
      () => matchWeights(net, { ...missing, extra: fitting["fc.bias"]!, "fc.weight": turned["fc.weight"]! }),
      "RN710",
      "`conv.weight`",
      "`extra`",
      "[4, 10]",
    );
  });

  test("at most five names, then a count", () => {
    throwsError(
      () => matchWeights(networkOf(Array.from({ length: 8 }, (_, i) => ({ ...small[1]!, name: `n${i}` }))), {}),
      "RN710",
      "`n4` and 3 more",
      "empty",
    );
  });

  test("tensors that are none", () => {
    const bias = (tensor: unknown) => () => matchWeights(net, { ...fitting, "fc.bias": tensor as TensorLike });
    throwsError(bias(new Float32Array(10)), "RN715", "`fc.bias`", "Float32Array");
    throwsError(bias({ shape: [10], data: new Float32Array(9) }), "RN715", "10 elements, the data 9");
    throwsError(bias({ dtype: "f32", shape: [10], data: new Float64Array(10) }), "RN715", "Float32Array");
    throwsError(bias({ shape: [10], data: new Uint16Array(10) }), "RN715", "no dtype");
    throwsError(bias({ dtype: "toString", shape: [10], data: new Float32Array(10) }), "RN715", "toString");
    throwsError(
      () => matchWeights(net, { ...fitting, "bn.num_batches_tracked": { shape: [], data: BigInt64Array.of(2n ** 40n) } }),
      "RN705",
      "32 bits",
    );
  });

  test("says what the likely cause is", () => {
    const renamed = (rename: (name: string) => string) => weightsOf(small.map((entry) => ({ ...entry, name: rename(entry.name) })));
    throwsError(
      () =>
        matchWeights(
          net,
          renamed((name) => `module.${name}`),
        ),
      "RN710",
      "`module.`, as a wrapper for parallel training",
    );
    throwsError(
      () => matchWeights(networkOf(small.map((entry) => ({ ...entry, name: `net.${entry.name}` }))), fitting),
      "RN710",
      "lack the prefix `net.`",
    );
    const classes = small.map((entry) => (entry.name.startsWith("fc") ? { ...entry, shape: [1000, ...entry.shape.slice(1)] } : entry));
    throwsError(() => matchWeights(net, weightsOf(classes)), "RN712", "1000 classes, the model 10");
    const grouped = small.map((entry) => (entry.name === "conv.weight" ? { ...entry, shape: [4, 1, 3, 3] } : entry));
    throwsError(() => matchWeights(net, weightsOf(grouped)), "RN712", "another number of groups");
  });

  if (!existsSync(folder)) {
    test.skip("state dicts of real networks", `none at ${folder}`);
    return;
  }

  test("state dicts of real networks", () => {
    const check = (model: string, given: string, code: string, says: string) =>
      throwsError(() => matchWeights(networkOf(stateDict(model)), weightsOf(stateDict(given))), code, says);
    assert.ok(matchWeights(networkOf(stateDict("resnet18")), weightsOf(stateDict("resnet18"))).size > 100);
    check("resnet18", "resnet50", "RN711", "this is a checkpoint of a bottleneck network, the model is a basic-block network");
    check("resnet50", "resnet18", "RN710", "this is a checkpoint of a basic-block network, the model is a bottleneck network");
    check("cifar_resnet20_a", "cifar_resnet20_b", "RN711", "with projection shortcuts, the model has none");
    check("cifar_resnet20_b", "cifar_resnet20_a", "RN710", "without projection shortcuts");
    check("cifar_resnet20_b", "se_resnet20", "RN711", "squeeze-excitation");
    check("ror3_20", "ror3_110", "RN711", "another depth: 18, 18, 18 blocks per stage, the model has 3, 3, 3");
    check("resnet18", "densenet121", "RN710", "densely connected");
    check("resnet18", "transformer_tiny", "RN710", "transformer");
  });
});
