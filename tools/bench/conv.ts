/**
 * GFLOP/s of the Wasm contractions on ResNet shapes: forward, data gradient, weight gradient, one thread, best of many.
 * Usage: tsx tools/bench/conv.ts [filter]. Two flops per multiply-add; packing is not counted.
 */
import type { Kernel, Operand, Size, WindowAxis } from "../../compiler/ir/kernel.ts";
import { emitWasm } from "../../compiler/wasm/emit.ts";
import { packing } from "../../compiler/wasm/pack.ts";

interface Shape {
  readonly name: string;
  readonly batch: number;
  readonly size: number;
  readonly input: number;
  readonly output: number;
  readonly taps: number;
  readonly stride: number;
}

type Result = "output" | "input" | "kernel";

const SHAPES: readonly Shape[] = [
  { name: "3x3 64->64 56x56", batch: 1, size: 56, input: 64, output: 64, taps: 3, stride: 1 },
  { name: "3x3 128->128 28x28", batch: 1, size: 28, input: 128, output: 128, taps: 3, stride: 1 },
  { name: "3x3 256->256 14x14", batch: 1, size: 14, input: 256, output: 256, taps: 3, stride: 1 },
  { name: "3x3 512->512 7x7", batch: 1, size: 7, input: 512, output: 512, taps: 3, stride: 1 },
  { name: "1x1 64->256 56x56", batch: 1, size: 56, input: 64, output: 256, taps: 1, stride: 1 },
  { name: "1x1 1024->256 14x14", batch: 1, size: 14, input: 1024, output: 256, taps: 1, stride: 1 },
  { name: "3x3 128->128 56x56 /2", batch: 1, size: 56, input: 128, output: 128, taps: 3, stride: 2 },
  { name: "1x1 256->512 56x56 /2", batch: 1, size: 56, input: 256, output: 512, taps: 1, stride: 2 },
  { name: "7x7 3->64 224x224 /2", batch: 1, size: 224, input: 3, output: 64, taps: 7, stride: 2 },
  { name: "3x3 16->16 32x32 b8", batch: 8, size: 32, input: 16, output: 16, taps: 3, stride: 1 },
  { name: "3x3 32->32 16x16 b8", batch: 8, size: 16, input: 32, output: 32, taps: 3, stride: 1 },
  { name: "3x3 64->64 8x8 b8", batch: 8, size: 8, input: 64, output: 64, taps: 3, stride: 1 },
  { name: "3x3 16->32 32x32 /2 b8", batch: 8, size: 32, input: 16, output: 32, taps: 3, stride: 2 },
  { name: "3x3 3->16 32x32 b8", batch: 8, size: 32, input: 3, output: 16, taps: 3, stride: 1 },
];

const [INPUT, WEIGHTS, OUTPUT, PACKED] = [0, 1, 2, 3];

function product(values: readonly number[]): number {
  return values.reduce((total, value) => total * value, 1);
}

function windowOf({ size, taps, stride }: Shape): WindowAxis {
  const padding = Math.floor(taps / 2);
  return { input: size, output: Math.floor((size + 2 * padding - taps) / stride) + 1, taps, stride, dilation: 1, padding };
}

function build(shape: Shape, result: Result): Extract<Kernel, { form: "contraction" }> {
  const axis = windowOf(shape);
  const { input: c, output: o, taps } = shape;
  const activation = (size: number, channels: number) => {
    return { batch: size * size * channels, group: channels, spatial: [size * channels, channels], channel: 1 };
  };
  const [x, y] = [activation(axis.input, c), activation(axis.output, o)];
  const weights = { group: o * c * taps * taps, taps: [taps, 1], input: taps * taps, output: c * taps * taps };
  const list = (role: typeof x): readonly Size[] => [role.batch, role.group, ...role.spatial, role.channel];
  const strides = { output: list(y), input: list(x), kernel: [weights.group, ...weights.taps, weights.input, weights.output] };
  const position = { output: 2, input: 0, kernel: 1 }[result];
  const operand = (buffer: number, steps: readonly Size[]): Operand => ({ buffer, type: "f32", offset: 0, strides: steps });
  const spatial = result === "kernel" ? [taps, taps] : result === "output" ? [axis.output, axis.output] : [axis.input, axis.input];
  const extents = result === "kernel" ? [1, ...spatial, c, o] : [shape.batch, 1, ...spatial, result === "output" ? o : c];
  const at = extents.map((_, i) => ({ index: { constant: 0, terms: [{ axis: i, coefficient: 1 }] } }));
  return {
    form: "contraction",
    name: `convolution_${result}`,
    serves: [],
    operands: [operand(INPUT ?? 0, strides.input), operand(WEIGHTS ?? 1, strides.kernel), operand(OUTPUT ?? 2, strides.output)],
    axes: extents.map((extent, i) => ({ name: `a${i}`, extent })),
    lets: [],
    stores: [{ operand: position, at, value: { kind: "accumulator", index: 0 } }],
    contraction: {
      result,
      batch: shape.batch,
      groups: 1,
      window: [axis, axis],
      inputChannels: c,
      outputChannels: o,
      input: { operand: 0, ...x },
      kernel: { operand: 1, ...weights },
      output: { operand: 2, ...y },
    },
  };
}

type KernelExport = (argumentsPointer: number, begin: number, end: number, scratch: number) => void;

/** Seconds of the best call, after warming up V8's optimising tier. */
function best(call: () => void): number {
  const started = performance.now();
  while (performance.now() - started < 60) call();
  let least = Infinity;
  const until = performance.now() + 150;
  while (performance.now() < until) {
    const before = performance.now();
    call();
    least = Math.min(least, performance.now() - before);
  }
  return least / 1000;
}

function measure(shape: Shape, result: Result): number {
  const kernel = build(shape, result);
  const packed = packing(kernel);
  const target = packed?.contraction ?? kernel;
  const named = (each: Kernel): Kernel => ({
    ...each,
    operands: each.operands.map((operand) => (operand.buffer === -1 ? { ...operand, buffer: PACKED ?? 3 } : operand)),
  });
  const module = emitWasm([named(target)]);
  const entry = module.entries[0];
  if (entry === undefined) throw new Error("no kernel");
  const axis = windowOf(shape);
  const packedSize = typeof packed?.packedSize === "number" ? packed.packedSize : 0;
  const sizes = [
    shape.batch * axis.input ** 2 * shape.input,
    shape.input * shape.output * shape.taps ** 2,
    shape.batch * axis.output ** 2 * shape.output,
    packedSize,
  ];
  let top = 65536;
  const starts = sizes.map((size) => {
    const start = top;
    top = Math.ceil((top + size * 4 + 64) / 64) * 64;
    return start;
  });
  const scratch = top;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((scratch + module.scratchBytes + 65536) / 65536) });
  new Float32Array(memory.buffer).fill(0.01, 16384, scratch / 4);
  const words = new Int32Array(memory.buffer);
  entry.arguments.forEach((argument, slot) => {
    const value = argument.kind === "address" ? (starts[argument.buffer] ?? 0) + Number(argument.offset) : Number(argument.value);
    words[slot + 16] = value;
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes), { env: { memory } });
  const call = instance.exports[entry.export] as KernelExport;
  const flops = 2 * shape.batch * axis.output ** 2 * product([shape.input, shape.output, shape.taps, shape.taps]);
  return flops / best(() => call(64, 0, Number(entry.units), scratch)) / 1e9;
}

const filter = process.argv[2] ?? "";
console.log("GFLOP/s                      forward   data gradient   weight gradient");
for (const shape of SHAPES) {
  if (!shape.name.includes(filter)) continue;
  const figures = (["output", "input", "kernel"] as const).map((result) => measure(shape, result).toFixed(1));
  console.log(`${shape.name.padEnd(26)} ${figures[0]?.padStart(9)} ${figures[1]?.padStart(15)} ${figures[2]?.padStart(17)}`);
}
