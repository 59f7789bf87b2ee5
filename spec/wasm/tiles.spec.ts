/**
 * Packed contractions against the f64 evaluation of the kernel as it was before packing: all three results, remainders,
 * strides, dilation, groups, prologues and epilogues.
 */
import * as assert from "uvu/assert";
import { runKernel } from "../../compiler/fuse/interpret-kernels.ts";
import type { Axis, Contraction, Coordinate, Expression, Kernel, Operand, RoleStrides, Size, WindowAxis } from "../../compiler/ir/kernel.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { packing } from "../../compiler/wasm/pack.ts";
import { suite } from "../harness.ts";
import { sizeAt } from "./evaluate-kernel.ts";
import { randomStream, runEntry, type TestBuffer } from "./run-entry.ts";

type Result = Contraction["result"];
type ContractionKernel = Extract<Kernel, { form: "contraction" }>;

interface Case {
  readonly result: Result;
  readonly batch: number;
  /** The batch is a constant of the kernel rather than free. */
  readonly fixedBatch?: boolean;
  readonly groups?: number;
  /** Per group. */
  readonly inputs: number;
  readonly outputs: number;
  readonly sizes: readonly number[];
  readonly taps?: readonly number[];
  readonly stride?: number;
  readonly dilation?: number;
  readonly padding?: number;
  /** PyTorch's layout of the images; otherwise channels lie innermost. */
  readonly channelsFirst?: boolean;
  readonly epilogue?: boolean;
  readonly prologue?: "input" | "output";
}

function windowOf({ sizes, taps = [], stride = 1, dilation = 1, padding = 0 }: Case): WindowAxis[] {
  return sizes.map((input, k) => {
    const count = taps[k] ?? 1;
    const output = Math.floor((input + 2 * padding - dilation * (count - 1) - 1) / stride) + 1;
    return { input, output, taps: count, stride, dilation, padding };
  });
}

/** Dense strides of [batch, group, spatial.., channel] in one of two layouts, and the elements per image. */
function imageStrides(groups: number, channels: number, sizes: readonly number[], channelsFirst: boolean) {
  const area = sizes.reduce((a, b) => a * b, 1);
  const unit = channelsFirst ? 1 : groups * channels;
  const spatial = sizes.map((_, k) => unit * sizes.slice(k + 1).reduce((a, b) => a * b, 1));
  const channel = channelsFirst ? area : 1;
  return { batch: groups * channels * area, group: channels * channel, spatial, channel };
}

function along(axis: number): Coordinate {
  return { index: { constant: 0, terms: [{ axis, coefficient: 1 }] } };
}

const accumulator: Expression = { kind: "accumulator", index: 0 };

function binary(op: "add" | "multiply", left: Expression, right: Expression): Expression {
  return { kind: "binary", op, left, right };
}

/** Buffers: 0 input, 1 kernel, 2 output, 3 per result channel, 4 like the result, 5 per channel of a prologue. */
function build(spec: Case): { kernel: ContractionKernel; sizes: readonly Size[] } {
  const { result, groups = 1, inputs, outputs, channelsFirst = false } = spec;
  const window = windowOf(spec);
  const batch: Size = spec.fixedBatch === true ? spec.batch : { batch: 1 };
  const times = (count: number): Size => (typeof batch === "number" ? batch * count : { batch: count });
  const input = imageStrides(
    groups,
    inputs,
    window.map((axis) => axis.input),
    channelsFirst,
  );
  const output = imageStrides(
    groups,
    outputs,
    window.map((axis) => axis.output),
    channelsFirst,
  );
  const taps = window.map((axis) => axis.taps);
  const field = taps.reduce((a, b) => a * b, 1);
  const tapStrides = taps.map((_, k) => taps.slice(k + 1).reduce((a, b) => a * b, 1));
  const kernel = {
    operand: 1,
    group: outputs * inputs * field,
    taps: tapStrides,
    input: field,
    output: inputs * field,
  };
  const resultAxes: Axis[] = [];
  const strides: Size[] = [];
  const axis = (name: string, extent: Size, stride: Size): void => {
    resultAxes.push({ name, extent });
    strides.push(stride);
  };
  const image = (role: "input" | "output", of: typeof input, channels: number): void => {
    axis("b", batch, of.batch);
    axis("g", groups, of.group);
    for (const [k, each] of window.entries()) axis(`s${k}`, each[role], of.spatial[k] ?? 0);
    axis("c", channels, of.channel);
  };
  if (result === "output") image("output", output, outputs);
  else if (result === "input") image("input", input, inputs);
  else {
    axis("g", groups, kernel.group);
    for (const [k, count] of taps.entries()) axis(`k${k}`, count, kernel.taps[k] ?? 0);
    axis("c", inputs, kernel.input);
    axis("n", outputs, kernel.output);
  }
  const target = { output: 2, input: 0, kernel: 1 }[result];
  const last = resultAxes.length - 1;
  const groupAxis = result === "kernel" ? 0 : 1;
  const perGroup = result === "input" ? inputs : outputs;
  const prologueChannels = spec.prologue === "output" ? outputs : inputs;
  const operands: Operand[] = [0, 1, 2].map((buffer) => ({
    buffer,
    type: "f32",
    offset: 0,
    strides: buffer === target ? strides : [1],
  }));
  operands.push({ buffer: 3, type: "f32", offset: 0, strides: [perGroup, 1] });
  operands.push({ buffer: 4, type: "f32", offset: 0, strides });
  operands.push({ buffer: 5, type: "f32", offset: 0, strides: [prologueChannels, 1] });
  const at = resultAxes.map((_, k) => along(k));
  const bias: Expression = { kind: "load", operand: 3, at: [along(groupAxis), along(last)], fill: 0 };
  const skip: Expression = { kind: "load", operand: 4, at, fill: 0 };
  // The oracle evaluates lets for prologues too, over the axes of the operand.
  const shared = spec.epilogue === true && spec.prologue === undefined;
  const value: Expression =
    spec.epilogue === true
      ? {
          kind: "unary",
          op: "relu",
          x: binary("add", binary("add", accumulator, bias), shared ? { kind: "let", index: 0 } : skip),
        }
      : accumulator;
  const scale: Expression = { kind: "load", operand: 5, at: [along(1), along(window.length + 2)], fill: 0 };
  const prologue: Expression = {
    kind: "unary",
    op: "relu",
    x: binary("add", binary("multiply", accumulator, scale), { kind: "constant", value: 0.25, type: "f32" }),
  };
  const role = (of: typeof input, operand: number): RoleStrides => ({ operand, ...of });
  const contraction: Contraction = {
    result,
    batch,
    groups,
    window,
    inputChannels: inputs,
    outputChannels: outputs,
    input: role(input, 0),
    kernel,
    output: role(output, 2),
    ...(spec.prologue === "input" ? { inputPrologue: prologue } : {}),
    ...(spec.prologue === "output" ? { outputPrologue: prologue } : {}),
  };
  const area = (of: typeof input): Size => times(of.batch);
  const weights = groups * kernel.group;
  const like: Size = { output: area(output), input: area(input), kernel: weights }[result];
  return {
    kernel: {
      form: "contraction",
      name: `contraction_${result}`,
      serves: [],
      operands,
      axes: resultAxes,
      contraction,
      lets: shared ? [skip] : [],
      stores: [{ operand: target, at, value }],
    },
    sizes: [area(input), weights, area(output), groups * perGroup, like, groups * prologueChannels],
  };
}

function pointed(kernel: Kernel, buffer: number): Kernel {
  return {
    ...kernel,
    operands: kernel.operands.map((operand) => (operand.buffer === -1 ? { ...operand, buffer } : operand)),
  };
}

/** Terms summed per result element. */
function depthOf({ contraction }: ContractionKernel, batch: number): number {
  const product = (pick: (axis: WindowAxis) => number): number => contraction.window.reduce((total, axis) => total * pick(axis), 1);
  if (contraction.result === "kernel") return sizeAt(contraction.batch, batch) * product((axis) => axis.output);
  return product((axis) => axis.taps) * (contraction.result === "output" ? contraction.inputChannels : contraction.outputChannels);
}

function check(spec: Case): void {
  const { batch } = spec;
  const { kernel, sizes } = build(spec);
  const next = randomStream(JSON.stringify(spec).length * 7919);
  const buffers: TestBuffer[] = sizes.map((size) => ({
    type: "f32",
    data: Float64Array.from({ length: sizeAt(size, batch) }, () => Math.fround(2 * next() - 1)),
  }));
  const expected = buffers.map(({ data }) => data.slice());
  runKernel(kernel, (buffer) => expected[buffer] ?? new Float64Array(), batch);
  const floats = (bits: Int32Array): Float64Array => Float64Array.from(new Float32Array(bits.buffer, bits.byteOffset, bits.length));
  const packed = packing(kernel);
  let ready: Kernel = kernel;
  if (packed !== undefined) {
    const blank = new Float64Array(sizeAt(packed.packedSize, batch)).fill(Number.NaN);
    const before: TestBuffer[] = [...buffers, { type: "f32", data: blank }];
    const after = runEntry(emitWasm([pointed(packed.pack, buffers.length)]), 0, before, batch);
    buffers.push({ type: "f32", data: floats(after[buffers.length] ?? new Int32Array()) });
    ready = pointed(packed.contraction, buffers.length - 1);
  }
  const target = { output: 2, input: 0, kernel: 1 }[spec.result];
  buffers[target] = { type: "f32", data: new Float64Array(buffers[target]?.data.length ?? 0).fill(Number.NaN) };
  const emitted = emitWasm([ready]);
  const whole = runEntry(emitted, 0, buffers, batch);
  const got = floats(whole[target] ?? new Int32Array());
  const tolerance = 1e-6 * Math.sqrt(depthOf(kernel, batch));
  for (const [k, want] of (expected[target] ?? []).entries()) {
    const error = Math.abs((got[k] ?? Number.NaN) - want);
    assert.ok(error <= tolerance * Math.max(1, Math.abs(want)), `[${k}] is ${got[k]}, not ${want}: ${JSON.stringify(spec)}`);
  }
  for (const parts of [2, 5]) {
    assert.equal(runEntry(emitted, 0, buffers, batch, parts)[target], whole[target], `bits differ in ${parts} parts: ${JSON.stringify(spec)}`);
  }
}

const results: readonly Result[] = ["output", "input", "kernel"];

for (const result of results) {
  suite(`contraction tiles, result ${result}`, (test) => {
    test("channels that leave remainders", () => {
      for (const inputs of [1, 3, 5, 8, 10, 17]) {
        for (const outputs of [1, 3, 8, 17]) check({ result, batch: 2, inputs, outputs, sizes: [5, 6], taps: [3, 3], padding: 1, epilogue: true });
      }
    });
    test("strides, dilation and padding", () => {
      for (const stride of [1, 2, 3]) {
        for (const dilation of [1, 2]) {
          for (const padding of [0, 1, 3])
            check({
              result,
              batch: 1,
              inputs: 4,
              outputs: 9,
              sizes: [9, 8],
              taps: [3, 2],
              stride,
              dilation,
              padding,
              epilogue: true,
            });
        }
      }
    });
    test("more phases than taps", () => {
      check({ result, batch: 2, inputs: 8, outputs: 8, sizes: [8, 8], taps: [1, 1], stride: 2, epilogue: true });
      check({ result, batch: 1, inputs: 3, outputs: 16, sizes: [12, 12], taps: [4, 4], stride: 4 });
      check({ result, batch: 1, inputs: 3, outputs: 5, sizes: [11, 7], taps: [2, 2], stride: 3, dilation: 2 });
    });
    test("one and three spatial axes", () => {
      check({
        result,
        batch: 3,
        inputs: 5,
        outputs: 10,
        sizes: [17],
        taps: [5],
        stride: 2,
        padding: 2,
        epilogue: true,
      });
      check({ result, batch: 2, inputs: 3, outputs: 8, sizes: [1100], taps: [3], padding: 1 });
      check({ result, batch: 2, inputs: 4, outputs: 5, sizes: [4, 5, 6], taps: [3, 2, 3], padding: 1, epilogue: true });
      check({ result, batch: 1, inputs: 4, outputs: 8, sizes: [5, 5, 5], taps: [2, 3, 3], stride: 2, padding: 1 });
    });
    test("groups", () => {
      check({
        result,
        batch: 2,
        groups: 2,
        inputs: 3,
        outputs: 5,
        sizes: [6, 6],
        taps: [3, 3],
        padding: 1,
        epilogue: true,
      });
      check({
        result,
        batch: 2,
        groups: 4,
        inputs: 4,
        outputs: 8,
        sizes: [5, 5],
        taps: [3, 3],
        stride: 2,
        padding: 1,
        epilogue: true,
      });
      check({ result, batch: 1, groups: 3, inputs: 1, outputs: 2, sizes: [5, 5], taps: [3, 3] });
    });
    test("depthwise", () => {
      for (const groups of [2, 8, 13, 150]) {
        check({
          result,
          batch: 2,
          groups,
          inputs: 1,
          outputs: 1,
          sizes: [6, 5],
          taps: [3, 3],
          padding: 1,
          epilogue: true,
        });
        check({
          result,
          batch: 1,
          groups,
          inputs: 1,
          outputs: 1,
          sizes: [7, 7],
          taps: [3, 3],
          stride: 2,
          padding: 1,
          channelsFirst: true,
        });
      }
      check({ result, batch: 1, groups: 16, inputs: 1, outputs: 1, sizes: [5, 5], taps: [2, 2] });
    });
    test("images whose channels are not innermost", () => {
      check({
        result,
        batch: 2,
        inputs: 3,
        outputs: 10,
        sizes: [9, 9],
        taps: [3, 3],
        stride: 2,
        padding: 1,
        channelsFirst: true,
        epilogue: true,
      });
      check({ result, batch: 1, groups: 2, inputs: 4, outputs: 4, sizes: [4, 4], taps: [1, 1], channelsFirst: true });
    });
    test("rows of matrices", () => {
      for (const batch of [1, 3, 70, 130]) {
        check({ result, batch, inputs: 17, outputs: 10, sizes: [], epilogue: true });
        check({ result, batch, inputs: 12, outputs: 16, sizes: [] });
        check({ result, batch, inputs: 8, outputs: 5, sizes: [1, 1], taps: [1, 1], epilogue: true });
      }
      check({ result, batch: 70, fixedBatch: true, inputs: 8, outputs: 9, sizes: [], epilogue: true });
      check({ result, batch: 9, fixedBatch: true, groups: 3, inputs: 8, outputs: 9, sizes: [], epilogue: true });
      check({ result, batch: 9, fixedBatch: true, groups: 3, inputs: 5, outputs: 6, sizes: [], channelsFirst: true });
    });
    test("prologues", () => {
      for (const prologue of result === "kernel" ? (["input", "output"] as const) : ([result === "output" ? "input" : "output"] as const)) {
        check({
          result,
          batch: 2,
          inputs: 5,
          outputs: 9,
          sizes: [6, 5],
          taps: [3, 3],
          padding: 1,
          prologue,
          epilogue: true,
        });
        check({
          result,
          batch: 2,
          groups: 2,
          inputs: 8,
          outputs: 8,
          sizes: [7, 7],
          taps: [3, 3],
          stride: 2,
          padding: 1,
          prologue,
        });
        check({
          result,
          batch: 1,
          groups: 12,
          inputs: 1,
          outputs: 1,
          sizes: [5, 5],
          taps: [3, 3],
          padding: 1,
          prologue,
        });
        check({ result, batch: 5, inputs: 12, outputs: 10, sizes: [], prologue });
        check({
          result,
          batch: 1,
          inputs: 6,
          outputs: 6,
          sizes: [4, 4, 4],
          taps: [1, 1, 1],
          prologue,
          channelsFirst: true,
        });
      }
    });
    test("a batch of one, and large images in several boxes", () => {
      check({ result, batch: 1, inputs: 8, outputs: 24, sizes: [30, 70], taps: [3, 3], padding: 1, epilogue: true });
      check({ result, batch: 1, inputs: 200, outputs: 8, sizes: [20, 16], taps: [3, 3], padding: 1 });
    });
  });
}
