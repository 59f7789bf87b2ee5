/** Contractions against their definition: windows, strides, dilation, groups, remainders, prologues, epilogues, packing. */
import * as assert from "uvu/assert";
import type { Kernel, Operand } from "../../compiler/ir/kernel.ts";
import { asReduction } from "../../compiler/fuse/as-reduction.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { packing } from "../../compiler/wasm/pack.ts";
import { suite } from "../harness.ts";
import { buildContraction, bufferSizes, type ContractionKernel, type ContractionSpec } from "./build-contraction.ts";
import { evaluateKernel, sizeValue } from "./reference-kernel.ts";
import { checkKernels, pseudoRandom, relativeError, runWasm, type Buffers } from "./run-module.ts";

const PACKED = 8;

function buffersFor(spec: ContractionSpec, batch: number, packedSize: number): Buffers {
  const next = pseudoRandom(3);
  const sizes = Object.entries(bufferSizes(spec, batch));
  const data = new Map(sizes.map(([id, size]) => [Number(id), Float64Array.from({ length: size }, next)] as const));
  data.set(
    PACKED,
    Float64Array.from({ length: packedSize }, () => 7),
  );
  return { types: new Map(), data };
}

function withPackedBuffer(kernel: Kernel): Kernel {
  const operands = kernel.operands.map((operand): Operand => (operand.buffer === -1 ? { ...operand, buffer: PACKED } : operand));
  return { ...kernel, operands };
}

/** Kernels as a plan would run them: the pack kernel, where there is one, and the contraction. */
function lowered(kernel: ContractionKernel): { readonly kernels: readonly Kernel[]; readonly packedSize: number } {
  const packed = packing(kernel);
  if (packed === undefined) return { kernels: [kernel], packedSize: 1 };
  return { kernels: [withPackedBuffer(packed.pack), withPackedBuffer(packed.contraction)], packedSize: sizeValue(packed.packedSize, 1) };
}

/** The unpacked kernel in f64 is the truth; the packed pair must give it, and not depend on the split. */
function check(spec: ContractionSpec, batch = 1): void {
  const label = JSON.stringify(spec);
  const kernel = buildContraction(spec);
  const { kernels, packedSize } = lowered(kernel);
  const buffers = buffersFor(spec, batch, packedSize);
  const expected = new Map([...buffers.data].map(([id, data]) => [id, Float64Array.from(data)] as const));
  evaluateKernel(kernel, expected, batch);
  const module = emitWasm(kernels);
  const actual = runWasm(module, buffers, batch);
  const terms = spec.result === "kernel" ? 400 : spec.inputChannels * spec.window.reduce((product, axis) => product * axis.taps, 1);
  for (const [id, data] of expected) {
    if (id === PACKED) continue;
    const error = relativeError(actual.get(id) ?? new Float64Array(), data, 1);
    assert.ok(error <= 1e-6 * Math.sqrt(terms) + 1e-6, `${label}: buffer ${id} is off by ${error}`);
  }
  const split = runWasm(module, buffers, batch, 3);
  for (const [id, data] of actual)
    assert.ok(
      data.every((value, i) => Object.is(value, split.get(id)?.[i])),
      `${label}: ${id} depends on the split`,
    );
}

const RESULTS = ["output", "input", "kernel"] as const;
const square = (input: number, taps: number, stride = 1, padding = 0, dilation = 1) => [
  { input, taps, stride, padding, dilation },
  { input: input + 1, taps, stride, padding, dilation },
];

suite("wasm/contraction", (test) => {
  for (const result of RESULTS) {
    test(`${result}: channels with every remainder`, () => {
      for (const c of [1, 3, 5, 8, 10, 16, 17]) {
        for (const o of [1, 3, 8, 10, 17]) {
          check({ result, batch: { batch: 1 }, inputChannels: c, outputChannels: o, window: square(5, 3, 1, 1) }, 2);
        }
      }
    });

    test(`${result}: strides, dilations and paddings`, () => {
      for (const taps of [1, 2, 3, 5]) {
        for (const stride of [1, 2, 3]) {
          for (const [padding, dilation] of [
            [0, 1],
            [1, 1],
            [2, 2],
          ] as const) {
            if (8 + 2 * padding < (taps - 1) * dilation + 1) continue;
            check({ result, batch: 2, inputChannels: 4, outputChannels: 9, window: square(8, taps, stride, padding, dilation) });
          }
        }
      }
    });

    test(`${result}: one and three window axes, matrix products, batch 1 and 3`, () => {
      for (const batch of [1, 3]) {
        check({ result, batch: { batch: 1 }, inputChannels: 5, outputChannels: 6, window: [{ input: 11, taps: 4, stride: 2, padding: 1 }] }, batch);
        const cube = [5, 4, 6].map((input) => ({ input, taps: 3, stride: 2, padding: 1 }));
        check({ result, batch: { batch: 1 }, inputChannels: 3, outputChannels: 10, window: cube }, batch);
        const unit = [3, 4, 3].map((input) => ({ input, taps: 2 }));
        check({ result, batch: { batch: 1 }, inputChannels: 4, outputChannels: 8, window: unit }, batch);
        for (const [c, o] of [
          [1, 1],
          [7, 10],
          [16, 24],
          [33, 5],
        ] as const) {
          check({ result, batch: { batch: 5 }, inputChannels: c, outputChannels: o, window: [] }, batch);
          check({ result, batch: { batch: 1 }, groups: 3, inputChannels: c, outputChannels: o, window: [] }, batch);
        }
      }
    });

    test(`${result}: groups and depthwise`, () => {
      for (const [groups, c, o] of [
        [2, 3, 5],
        [4, 4, 4],
        [3, 8, 8],
        [5, 1, 1],
        [16, 1, 1],
        [9, 1, 2],
      ] as const) {
        for (const stride of [1, 2]) check({ result, batch: 2, groups, inputChannels: c, outputChannels: o, window: square(6, 3, stride, 1) });
      }
    });

    test(`${result}: epilogue with bias, residual and ReLU; prologue`, () => {
      for (const [groups, c, o] of [
        [1, 6, 8],
        [1, 8, 12],
        [2, 5, 3],
        [7, 1, 1],
      ] as const) {
        for (const stride of [1, 2]) {
          const base = { result, batch: { batch: 1 }, groups, inputChannels: c, outputChannels: o } as const;
          check({ ...base, window: square(6, 3, stride, 1), residual: true }, 2);
          check({ ...base, window: square(6, 3, stride, 1), residual: true, prologue: true }, 2);
          check({ ...base, window: square(6, 1, stride), prologue: true }, 2);
        }
        check({ result, batch: { batch: 2 }, groups, inputChannels: c, outputChannels: o, window: [], prologue: true }, 3);
      }
    });

    test(`${result}: bands of several lines, several images, and cut within an image`, () => {
      check({ result, batch: { batch: 1 }, inputChannels: 8, outputChannels: 8, window: square(40, 3, 1, 1) }, 1);
      check({ result, batch: { batch: 1 }, inputChannels: 1, outputChannels: 5, window: [{ input: 2000, taps: 9, stride: 4, padding: 4 }] }, 2);
      check({ result, batch: { batch: 1 }, inputChannels: 6, outputChannels: 9, window: [{ input: 7, taps: 3, padding: 9, dilation: 3 }] }, 2);
      check({ result, batch: { batch: 1 }, inputChannels: 2, outputChannels: 3, window: square(4, 3, 1, 1) }, 70);
      check(
        {
          result,
          batch: { batch: 1 },
          inputChannels: 300,
          outputChannels: 9,
          window: [
            { input: 30, taps: 1 },
            { input: 9, taps: 1 },
          ],
        },
        2,
      );
      check(
        {
          result,
          batch: { batch: 1 },
          inputChannels: 2,
          outputChannels: 3,
          window: [
            { input: 3, taps: 3, padding: 1 },
            { input: 900, taps: 2 },
          ],
        },
        1,
      );
    });
  }

  test("a transposed left operand and a transposed, strided result", () => {
    const kernel = buildContraction({ result: "output", batch: 6, inputChannels: 5, outputChannels: 9, window: [] });
    const { contraction } = kernel;
    const turned: ContractionKernel = {
      ...kernel,
      operands: kernel.operands.map((operand, i) => (i === 2 ? { ...operand, strides: [1, 0, 6] } : operand)),
      contraction: { ...contraction, input: { ...contraction.input, batch: 1, channel: 6 }, kernel: { ...contraction.kernel, input: 9, output: 1 } },
    };
    const { kernels } = lowered(turned);
    const next = pseudoRandom(5);
    const data = new Map(
      [
        [1, 30],
        [2, 45],
        [3, 54],
        [PACKED, 80],
      ].map(([id = 0, size = 0]) => [id, Float64Array.from({ length: size }, next)]),
    );
    for (const id of [4, 5, 6, 7]) data.set(id, new Float64Array(54));
    checkKernels(kernels, { types: new Map(), data }, 1, 1e-5, "transposed");
  });

  test("the plain reduction computes the same", () => {
    for (const result of RESULTS) {
      for (const prologue of [false, true]) {
        const spec = { result, batch: 2, groups: 2, inputChannels: 3, outputChannels: 4, window: square(6, 3, 2, 1), residual: true, prologue };
        const kernel = buildContraction(spec);
        const buffers = buffersFor(spec, 1, 1);
        const expected = new Map([...buffers.data].map(([id, data]) => [id, Float64Array.from(data)] as const));
        evaluateKernel(kernel, expected, 1);
        const actual = runWasm(emitWasm([asReduction(kernel)]), buffers, 1);
        for (const [id, data] of expected)
          assert.ok(relativeError(actual.get(id) ?? new Float64Array(), data, 1) < 1e-5, `${result} ${prologue} ${id}`);
      }
    }
  });

  test("many layers share a few functions", () => {
    const kernels: Kernel[] = [];
    for (const c of [16, 32, 64, 128]) {
      for (const input of [32, 16, 8]) {
        for (const result of RESULTS) {
          const spec: ContractionSpec = { result, batch: { batch: 1 }, inputChannels: c, outputChannels: c, window: square(input, 3, 1, 1) };
          kernels.push(...lowered(buildContraction(spec)).kernels);
        }
      }
    }
    const names = new Set(
      emitWasm(kernels)
        .entries()
        .map((entry) => entry.export),
    );
    assert.ok(names.size <= 5, `${[...names].join()} for ${kernels.length} kernels`);
  });
});
