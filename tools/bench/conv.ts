/**
 * Speed of contraction kernels on one thread, in GFLOP/s: for each shape the forward pass and both gradients.
 * Usage: npx tsx tools/bench/conv.ts [words of the shapes wanted]. Invariant: the best of many calls after a warm-up.
 */
import type { Axis, Contraction, Kernel, WindowAxis } from "../../compiler/ir/kernel.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { packing } from "../../compiler/wasm/pack.ts";

interface Shape {
  readonly name: string;
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  /** 0 for a linear layer. */
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly groups?: number;
}

const shapes: readonly Shape[] = [
  { name: "3x3 64>64 56 b1", batch: 1, inputs: 64, outputs: 64, size: 56, taps: 3, stride: 1 },
  { name: "3x3 128>128 28 b1", batch: 1, inputs: 128, outputs: 128, size: 28, taps: 3, stride: 1 },
  { name: "3x3 256>256 14 b1", batch: 1, inputs: 256, outputs: 256, size: 14, taps: 3, stride: 1 },
  { name: "3x3 512>512 7 b1", batch: 1, inputs: 512, outputs: 512, size: 7, taps: 3, stride: 1 },
  { name: "7x7/2 3>64 224 b1", batch: 1, inputs: 3, outputs: 64, size: 224, taps: 7, stride: 2 },
  { name: "1x1 64>256 56 b1", batch: 1, inputs: 64, outputs: 256, size: 56, taps: 1, stride: 1 },
  { name: "1x1 1024>256 14 b1", batch: 1, inputs: 1024, outputs: 256, size: 14, taps: 1, stride: 1 },
  { name: "3x3 3>16 32 b16", batch: 16, inputs: 3, outputs: 16, size: 32, taps: 3, stride: 1 },
  { name: "3x3 16>16 32 b16", batch: 16, inputs: 16, outputs: 16, size: 32, taps: 3, stride: 1 },
  { name: "3x3/2 16>32 32 b16", batch: 16, inputs: 16, outputs: 32, size: 32, taps: 3, stride: 2 },
  { name: "3x3 32>32 16 b16", batch: 16, inputs: 32, outputs: 32, size: 16, taps: 3, stride: 1 },
  { name: "3x3/2 32>64 16 b16", batch: 16, inputs: 32, outputs: 64, size: 16, taps: 3, stride: 2 },
  { name: "3x3 64>64 8 b16", batch: 16, inputs: 64, outputs: 64, size: 8, taps: 3, stride: 1 },
  { name: "depthwise 3x3 128 28 b4", batch: 4, inputs: 1, outputs: 1, size: 28, taps: 3, stride: 1, groups: 128 },
  { name: "linear 512>1000 b64", batch: 64, inputs: 512, outputs: 1000, size: 0, taps: 1, stride: 1 },
];

const results = ["output", "input", "kernel"] as const;

function windowOf({ size, taps, stride }: Shape): WindowAxis[] {
  if (size === 0) return [];
  const padding = Math.floor(taps / 2);
  const output = Math.floor((size + 2 * padding - taps) / stride) + 1;
  const axis = { input: size, output, taps, stride, dilation: 1, padding };
  return [axis, axis];
}

/** Buffers 0 input, 1 weights (OIHW), 2 output; images channels-last. */
function kernelOf(shape: Shape, result: Contraction["result"]): Extract<Kernel, { form: "contraction" }> {
  const { batch, inputs, outputs, groups = 1, taps } = shape;
  const window = windowOf(shape);
  const field = window.length === 0 ? 1 : taps * taps;
  const image = (sizes: readonly number[], channels: number) => {
    const spatial = sizes.map((_, k) => groups * channels * sizes.slice(k + 1).reduce((a, b) => a * b, 1));
    return { batch: groups * channels * sizes.reduce((a, b) => a * b, 1), group: channels, spatial, channel: 1 };
  };
  const input = {
    operand: 0,
    ...image(
      window.map((axis) => axis.input),
      inputs,
    ),
  };
  const output = {
    operand: 2,
    ...image(
      window.map((axis) => axis.output),
      outputs,
    ),
  };
  const kernel = {
    operand: 1,
    group: outputs * inputs * field,
    taps: window.length === 0 ? [] : [taps, 1],
    input: field,
    output: inputs * field,
  };
  const contraction: Contraction = {
    result,
    batch,
    groups,
    window,
    inputChannels: inputs,
    outputChannels: outputs,
    input,
    kernel,
    output,
  };
  const role = result === "output" ? output : input;
  const axis = (extent: number, position: number): Axis => ({ name: `a${position}`, extent });
  const [extents, strides] =
    result === "kernel"
      ? [
          [groups, ...window.map((each) => each.taps), inputs, outputs],
          [kernel.group, ...kernel.taps, kernel.input, kernel.output],
        ]
      : [
          [batch, groups, ...window.map((each) => (result === "output" ? each.output : each.input)), result === "output" ? outputs : inputs],
          [role.batch, role.group, ...role.spatial, role.channel],
        ];
  const at = extents.map((_, k) => ({ index: { constant: 0, terms: [{ axis: k, coefficient: 1 }] } }));
  const target = { output: 2, input: 0, kernel: 1 }[result];
  return {
    form: "contraction",
    name: `conv_${result}`,
    serves: [],
    axes: extents.map(axis),
    lets: [],
    contraction,
    operands: [0, 1, 2].map((buffer) => ({
      buffer,
      type: "f32",
      offset: 0,
      strides: buffer === target ? strides : [1],
    })),
    stores: [{ operand: target, at, value: { kind: "accumulator", index: 0 } }],
  };
}

function pointed(kernel: Kernel): Kernel {
  return {
    ...kernel,
    operands: kernel.operands.map((operand) => (operand.buffer === -1 ? { ...operand, buffer: 3 } : operand)),
  };
}

/** Best time of a call in milliseconds. */
function measure(shape: Shape, result: Contraction["result"]): number {
  const plain = kernelOf(shape, result);
  const packed = packing(plain);
  const kernels = packed === undefined ? [plain] : [pointed(packed.pack), pointed(packed.contraction)];
  const { batch, inputs, outputs, groups = 1 } = shape;
  const area = windowOf(shape).reduce((product, axis) => product * axis.input, 1);
  const images = batch * groups * Math.max(inputs, outputs) * area;
  const weights = 2 * groups * (inputs + 8) * (outputs + 8) * shape.taps ** 2;
  const emitted = emitWasm(kernels);
  const starts: number[] = [];
  let top = 65536;
  for (const elements of [images, weights, images, weights, emitted.scratchBytes / 4]) {
    starts.push(top);
    top += Math.ceil((4 * elements + 256) / 64) * 64;
  }
  const memory = new WebAssembly.Memory({ initial: Math.ceil(top / 65536) });
  const floats = new Float32Array(memory.buffer);
  for (let k = 65536 / 4; k < floats.length; k++) floats[k] = ((k * 7919) % 1024) / 512 - 1;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(emitted.bytes), { env: { memory } });
  const words = new Int32Array(memory.buffer);
  const calls = emitted.entries().map((entry, index) => {
    const block = 8192 * (index + 1);
    for (const [slot, argument] of entry.arguments.entries()) {
      const size = argument.kind === "count" ? argument.value : argument.offset;
      const value = typeof size === "number" ? size : size.batch * batch;
      words[block / 4 + slot] = argument.kind === "count" ? value : (starts[argument.buffer] ?? 0) + value;
    }
    const run = instance.exports[entry.export] as (block: number, begin: number, end: number, scratch: number) => void;
    const units = typeof entry.units === "number" ? entry.units : entry.units.batch * batch;
    return () => run(block, 0, units, starts[4] ?? 0);
  });
  for (const call of calls) call();
  const last = calls.at(-1);
  let best = Number.POSITIVE_INFINITY;
  const begin = performance.now();
  for (let now = begin; now - begin < 600; ) {
    last?.();
    const after = performance.now();
    best = Math.min(best, after - now);
    now = after;
  }
  return best;
}

/** Floating-point operations, two per product, padding included. */
function operations(shape: Shape): number {
  const { batch, inputs, outputs, groups = 1 } = shape;
  const window = windowOf(shape);
  return window.reduce((product, axis) => product * axis.output * axis.taps, 2 * batch * groups * inputs * outputs);
}

const wanted = process.argv.slice(2).filter((word, k, words) => word !== "--device" && words[k - 1] !== "--device");
console.log(`${"GFLOP/s".padEnd(26)}${results.map((result) => result.padStart(10)).join("")}`);
for (const shape of shapes) {
  if (!wanted.every((part) => shape.name.includes(part))) continue;
  const speeds = results.map((result) => (operations(shape) / measure(shape, result) / 1e6).toFixed(1).padStart(10));
  console.log(`${shape.name.padEnd(26)}${speeds.join("")}`);
}
