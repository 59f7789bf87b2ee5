/** Turned weights: filling them and reading them gives the same sums as reading the weights as they lie. */
import * as assert from "uvu/assert";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import { packing } from "../../compiler/wgsl/pack.ts";
import { suite } from "../harness.ts";
import { bufferSizes, buildContraction, type ContractionSpec, WEIGHTS } from "../wasm/build-contraction.ts";
import { evaluateKernel, type Memory } from "../wasm/reference-kernel.ts";
import { randomStream } from "../wasm/run-entry.ts";

const PACKED = 99;

/** A template's operands are buffers by position among the kernel's operands, and -1. */
function placed(template: Kernel, kernel: Kernel): Kernel {
  const operands = template.operands.map((operand) => ({
    ...operand,
    buffer: operand.buffer === -1 ? PACKED : (kernel.operands[operand.buffer]?.buffer ?? Number.NaN),
  }));
  return { ...template, operands };
}

function memoryFor(spec: ContractionSpec, batch: number): Memory {
  const random = randomStream(3);
  return new Map(
    Object.entries(bufferSizes(spec, batch)).map(([id, size]) => [Number(id), Float64Array.from({ length: size }, () => random() - 0.5)]),
  );
}

const window = [
  { input: 5, taps: 3, padding: 1 },
  { input: 4, taps: 2, stride: 2 },
];

suite("turned weights", (test) => {
  for (const result of ["output", "input"] as const) {
    test(`${result} of a grouped convolution`, () => {
      const spec: ContractionSpec = { result, batch: { batch: 1 }, groups: 2, inputChannels: 9, outputChannels: 12, window, residual: true };
      const kernel = buildContraction(spec);
      const own = kernel.operands.map((operand, buffer) => ({ ...operand, buffer }));
      const found = packing({ ...kernel, operands: own });
      assert.ok(found !== undefined);
      const [plain, turned] = [memoryFor(spec, 2), memoryFor(spec, 2)];
      evaluateKernel(kernel, plain, 2);
      turned.set(PACKED, new Float64Array(found.packedSize));
      evaluateKernel(placed(found.pack, kernel), turned, 2);
      turned.delete(WEIGHTS);
      evaluateKernel(placed(found.contraction, kernel), turned, 2);
      for (const [id, values] of turned) if (id !== PACKED) assert.equal([...values], [...(plain.get(id) ?? [])]);
    });
  }

  test("weights of one tap, and gradients of weights, are read as they lie", () => {
    const spec = { batch: { batch: 1 }, inputChannels: 8, outputChannels: 16 } as const;
    assert.is(packing(buildContraction({ ...spec, result: "output", window: [{ input: 9, taps: 1 }] })), undefined);
    assert.is(packing(buildContraction({ ...spec, result: "kernel", window })), undefined);
  });
});
