/** Contraction kernels for tests and benchmarks: activations [N, spatial.., channels], weights [out, in, taps..]. */
import type { Coordinate, Expression, Kernel, Operand, Size, Store, WindowAxis } from "../../compiler/ir/kernel.ts";

export type ContractionKernel = Extract<Kernel, { form: "contraction" }>;

export interface WindowSpec {
  readonly input: number;
  readonly taps: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly padding?: number;
}

export interface ContractionSpec {
  readonly result: "output" | "input" | "kernel";
  readonly batch: Size;
  readonly groups?: number;
  /** Per group. */
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly window: readonly WindowSpec[];
  /** Adds `max(sum + bias[channel] + residual, 0)` as epilogue. */
  readonly residual?: boolean;
  /** Reads the factor as `max(x * scale[channel] + shift[channel], 0)`. */
  readonly prologue?: boolean;
}

/** Buffers of the kernel: input, weights, output, bias, residual, scale and shift. */
export const INPUT = 1;
export const WEIGHTS = 2;
export const OUTPUT = 3;
export const BIAS = 4;
export const RESIDUAL = 5;
export const SCALE = 6;
export const SHIFT = 7;

function windowAxes(spec: ContractionSpec): WindowAxis[] {
  return spec.window.map(({ input, taps, stride = 1, dilation = 1, padding = 0 }) => {
    const output = Math.floor((input + 2 * padding - dilation * (taps - 1) - 1) / stride) + 1;
    return { input, output, taps, stride, dilation, padding };
  });
}

function product(values: readonly number[]): number {
  return values.reduce((total, value) => total * value, 1);
}

/** Strides of [N, group, spatial.., channel] in a dense [N, spatial.., groups * channels] tensor. */
function activationStrides(extents: readonly number[], groups: number, channels: number) {
  const total = groups * channels;
  const spatial = extents.map((_, i) => product(extents.slice(i + 1)) * total);
  return { batch: product(extents) * total, group: channels, spatial, channel: 1 };
}

function at(count: number): Coordinate[] {
  return Array.from({ length: count }, (_, axis) => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } }));
}

function binary(op: "add" | "multiply" | "maximum", left: Expression, right: Expression): Expression {
  return { kind: "binary", op, left, right };
}

/** Elements of each buffer for a given batch. */
export function bufferSizes(spec: ContractionSpec, batch: number): Readonly<Record<number, number>> {
  const window = windowAxes(spec);
  const groups = spec.groups ?? 1;
  const n = typeof spec.batch === "number" ? spec.batch : spec.batch.batch * batch;
  const input = n * product(window.map((axis) => axis.input)) * groups * spec.inputChannels;
  const output = n * product(window.map((axis) => axis.output)) * groups * spec.outputChannels;
  const weights = groups * spec.outputChannels * spec.inputChannels * product(window.map((axis) => axis.taps));
  const result = spec.result === "output" ? output : spec.result === "input" ? input : weights;
  const widest = groups * Math.max(spec.inputChannels, spec.outputChannels);
  return { [INPUT]: input, [WEIGHTS]: weights, [OUTPUT]: output, [BIAS]: widest, [RESIDUAL]: result, [SCALE]: widest, [SHIFT]: widest };
}

/** Multiply-adds of one call. */
export function multiplyAdds(spec: ContractionSpec, batch: number): number {
  const window = windowAxes(spec);
  const n = typeof spec.batch === "number" ? spec.batch : spec.batch.batch * batch;
  return n * product(window.map((axis) => axis.output * axis.taps)) * (spec.groups ?? 1) * spec.inputChannels * spec.outputChannels;
}

export function buildContraction(spec: ContractionSpec): ContractionKernel {
  const window = windowAxes(spec);
  const groups = spec.groups ?? 1;
  const { result, inputChannels, outputChannels } = spec;
  const taps = window.map((axis) => axis.taps);
  const perOutput = inputChannels * product(taps);
  const input = activationStrides(
    window.map((axis) => axis.input),
    groups,
    inputChannels,
  );
  const output = activationStrides(
    window.map((axis) => axis.output),
    groups,
    outputChannels,
  );
  const kernel = {
    group: outputChannels * perOutput,
    taps: taps.map((_, i) => product(taps.slice(i + 1))),
    input: product(taps),
    output: perOutput,
  };
  const roleStrides = (role: typeof input) => [role.batch, role.group, ...role.spatial, role.channel];
  const strides = {
    output: roleStrides(output),
    input: roleStrides(input),
    kernel: [kernel.group, ...kernel.taps, kernel.input, kernel.output],
  };
  const operand = (buffer: number, steps: readonly Size[]): Operand => ({ buffer, type: "f32", offset: 0, strides: steps });
  const resultBuffer = { output: OUTPUT, input: INPUT, kernel: WEIGHTS }[result];
  const resultChannels = result === "output" ? outputChannels : inputChannels;
  const operands = [
    operand(INPUT, strides.input),
    operand(WEIGHTS, strides.kernel),
    operand(OUTPUT, strides.output),
    operand(BIAS, [resultChannels, 1]),
    operand(RESIDUAL, strides[result]),
    operand(SCALE, [1]),
    operand(SHIFT, [1]),
  ];
  const sizes = { output: window.map((axis) => axis.output), input: window.map((axis) => axis.input), kernel: taps }[result];
  const extents: Size[] = result === "kernel" ? [groups, ...sizes, inputChannels, outputChannels] : [spec.batch, groups, ...sizes, resultChannels];
  const where = at(extents.length);
  const sum: Expression = { kind: "accumulator", index: 0 };
  const zero: Expression = { kind: "constant", value: 0, type: "f32" };
  const residual: Expression = { kind: "load", operand: 4, at: where, fill: 0 };
  const channelOf = (axis: number): Coordinate => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } });
  const bias: Expression = { kind: "load", operand: 3, at: [channelOf(1), channelOf(extents.length - 1)], fill: 0 };
  const biased = result === "kernel" ? sum : binary("add", sum, bias);
  const value = spec.residual ? binary("maximum", binary("add", biased, residual), zero) : sum;
  const store: Store = { operand: resultBuffer === OUTPUT ? 2 : resultBuffer === INPUT ? 0 : 1, at: where, value };
  const factorChannels = result === "input" ? outputChannels : inputChannels;
  const channelAxis = 2 + window.length;
  const globalChannel: Coordinate = {
    index: {
      constant: 0,
      terms: [
        { axis: 1, coefficient: factorChannels },
        { axis: channelAxis, coefficient: 1 },
      ],
    },
  };
  const scaled = binary("multiply", sum, { kind: "load", operand: 5, at: [globalChannel], fill: 0 });
  const lets = [binary("add", scaled, { kind: "load", operand: 6, at: [globalChannel], fill: 0 })];
  const prologue: Expression = { kind: "unary", op: "relu", x: { kind: "let", index: 0 } };
  const side = result === "input" ? { outputPrologue: prologue } : { inputPrologue: prologue };
  return {
    form: "contraction",
    name: `convolution_${result}`,
    serves: [],
    operands,
    axes: extents.map((extent, i) => ({ name: `a${i}`, extent })),
    lets: spec.prologue ? lets : [],
    stores: [store],
    contraction: {
      result,
      batch: spec.batch,
      groups,
      window,
      inputChannels,
      outputChannels,
      input: { operand: 0, ...input },
      kernel: { operand: 1, ...kernel },
      output: { operand: 2, ...output },
      ...(spec.prologue ? side : {}),
    },
  };
}
