/**
 * A network small enough to assemble and to differentiate by hand: y[n, j] = w * x[n, j], loss = sum((y - t)^2) / N,
 * trained by SGD with momentum. Inference reads a prepared copy of w, so that a stale preparation shows.
 */
import type { ArgumentSpec, CallSpec, Manifest, PortSpec, SizeSpec, StepSpec } from "../../runtime/manifest.ts";

// ── Assembler ────────────────────────────────────────────────────────────────────────────────────────────────────

type Code = readonly number[];

function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const section = (id: number, body: Code): Code => [id, ...sized(body)];
const text = (value: string): Code => sized([...new TextEncoder().encode(value)]);

const get = (local: number): Code => [0x20, local];
const set = (local: number, value: Code): Code => [...value, 0x21, local];
/** Small constants only: one byte of signed LEB128. */
const constant = (value: number): Code => [0x41, value];
const argument = (index: number): Code => [...get(0), 0x28, 2, ...unsigned(4 * index)];
const loadFloat = (address: Code): Code => [...address, 0x2a, 2, 0];
const loadInteger = (address: Code): Code => [...address, 0x28, 2, 0];
const storeFloat = (address: Code, value: Code): Code => [...address, ...value, 0x38, 2, 0];
const storeInteger = (address: Code, value: Code): Code => [...address, ...value, 0x36, 2, 0];
const I32 = { add: 0x6a, multiply: 0x6c, shiftRight: 0x76, lessUnsigned: 0x49 };
const F32 = { add: 0x92, subtract: 0x93, multiply: 0x94, divide: 0x95 };
const apply = (op: number, left: Code, right: Code): Code => [...left, ...right, op];
const toFloat = (value: Code): Code => [...value, 0xb2];
/** Address of element `index` of the array that argument `base` points to. */
const element = (base: number, index: Code): Code => apply(I32.add, argument(base), apply(I32.multiply, index, constant(4)));

/** Locals: 0 arguments, 1 begin, 2 end, 3 scratch; 4 is the counter, 5 an f32 sum. Runs `body` for i in [begin, end). */
function loop(begin: Code, end: Code, body: Code): Code {
  const condition = apply(I32.lessUnsigned, get(4), end);
  const step = set(4, apply(I32.add, get(4), constant(1)));
  return [...set(4, begin), 0x02, 0x40, 0x03, 0x40, ...condition, 0x45, 0x0d, 1, ...body, ...step, 0x0c, 0, 0x0b, 0x0b];
}

const I = get(4);
/** y[i] - t[i / 2] for arguments 0 and 1. */
const difference = apply(F32.subtract, loadFloat(element(0, I)), toFloat(loadInteger(element(1, apply(I32.shiftRight, I, constant(1))))));
const accumulate = (value: Code): Code => set(5, apply(F32.add, get(5), value));
const doubled = (value: Code): Code => apply(F32.add, value, value);
/** All 2N elements, whatever the range. */
const overAll = (samples: number, body: Code): Code => loop(constant(0), apply(I32.multiply, argument(samples), constant(2)), body);

const KERNELS: readonly (readonly [string, Code])[] = [
  ["scale", loop(get(1), get(2), storeFloat(element(2, I), apply(F32.multiply, loadFloat(element(0, I)), loadFloat(argument(1)))))],
  ["copy", loop(get(1), get(2), storeFloat(element(1, I), loadFloat(element(0, I))))],
  [
    "loss",
    [
      ...overAll(3, accumulate(apply(F32.multiply, difference, difference))),
      ...storeFloat(argument(2), apply(F32.divide, get(5), toFloat(argument(3)))),
    ],
  ],
  [
    "weight_gradient",
    [
      ...overAll(4, accumulate(apply(F32.multiply, doubled(difference), loadFloat(element(2, I))))),
      ...storeFloat(argument(3), apply(F32.divide, get(5), toFloat(argument(4)))),
    ],
  ],
  [
    "input_gradient",
    loop(
      get(1),
      get(2),
      storeFloat(element(3, I), apply(F32.divide, apply(F32.multiply, doubled(difference), loadFloat(argument(2))), toFloat(argument(4)))),
    ),
  ],
  [
    "sgd",
    [
      ...storeFloat(argument(1), apply(F32.add, apply(F32.multiply, loadFloat(argument(4)), loadFloat(argument(1))), loadFloat(argument(2)))),
      ...storeFloat(argument(0), apply(F32.subtract, loadFloat(argument(0)), apply(F32.multiply, loadFloat(argument(3)), loadFloat(argument(1))))),
    ],
  ],
  ["count", storeInteger(argument(0), apply(I32.add, loadInteger(argument(0)), constant(1)))],
  ["trap", [0x00]],
];

/** The module's bytes: kernels `(i32, i32, i32, i32) -> ()` over an imported memory. */
export function tinyWasm(): Uint8Array<ArrayBuffer> {
  const type = [0x60, ...vector([[0x7f], [0x7f], [0x7f], [0x7f]]), 0];
  const body = (code: Code): Code =>
    sized([
      ...vector([
        [1, 0x7f],
        [1, 0x7d],
      ]),
      ...code,
      0x0b,
    ]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([type])),
    ...section(2, vector([[...text("env"), ...text("memory"), 2, 0, 1]])),
    ...section(3, vector(KERNELS.map(() => [0]))),
    ...section(7, vector(KERNELS.map(([name], index) => [...text(name), 0, index]))),
    ...section(10, vector(KERNELS.map(([, code]) => body(code)))),
  ]);
}

// ── Manifest ─────────────────────────────────────────────────────────────────────────────────────────────────────

const N = { batch: 1 };
const [WEIGHT, COUNT, SLOT, PREPARED] = [
  [0, 0],
  [0, 64],
  [0, 128],
  [0, 192],
] as const;
const [LOSS, GRADIENT, RATE, MOMENTUM, STEP, SEED] = [
  [1, 0],
  [1, 64],
  [1, 128],
  [1, 192],
  [1, 256],
  [1, 320],
] as const;
const [X, T, Y, DX] = [
  [2, 0],
  [2, 64],
  [2, 128],
  [2, 192],
] as const;

const port = (name: string, dtype: PortSpec["dtype"], shape: PortSpec["shape"], place: PortSpec["place"]): PortSpec => ({
  name,
  dtype,
  shape,
  place,
});
const x = port("x", "f32", [N, 2], X);
const t = port("label", "i64", [N], T);
const y = port("y", "f32", [N, 2], Y);
const loss = port("loss", "f32", [], LOSS);
const seen = [port("seen_step", "i32", [], STEP), port("output.seen_seed", "i32", [], SEED)];

/** What the steps below call, as the manifest lists it. */
const calls: CallSpec[] = [];

/** A step that calls a kernel with these places and counts. */
function stepOf(name: string, given: readonly (PortSpec["place"] | SizeSpec)[], units: SizeSpec, serves?: string): StepSpec {
  const operands: number[] = [];
  const argument = (each: (typeof given)[number]): ArgumentSpec =>
    typeof each === "number" || "batch" in each ? each : [operands.push(...each) / 2 - 1, 0];
  const call = calls.push({ kernel: KERNELS.findIndex(([kernel]) => kernel === name), arguments: given.map(argument), units }) - 1;
  return { call, operands, ...(serves === undefined ? {} : { serves }) };
}

const SIZES = { fixedBytes: 384, batchBytes: 256 };
const own = [port("step_number", "i32", [], STEP), port("seed", "i32", [], SEED)];
const forward = [
  stepOf("scale", [X, WEIGHT, Y], { batch: 2 }, "scale"),
  stepOf("loss", [Y, T, LOSS, N], 1, "loss"),
  stepOf("weight_gradient", [Y, T, X, GRADIENT, N], 1),
];

export const TINY: Manifest = {
  format: 1,
  model: "Tiny",
  kernels: KERNELS.map(([name]) => name),
  calls,
  persistentBytes: 256,
  scratchBytes: 64,
  batch: undefined,
  tensors: [
    {
      name: "scale.weight",
      kind: "param",
      dtype: "f32",
      shape: [1],
      offset: 0,
      initializer: { kind: "constant", value: 3 },
    },
    {
      name: "num_batches_tracked",
      kind: "state",
      dtype: "i64",
      shape: [],
      offset: 64,
      initializer: { kind: "constant", value: 0 },
    },
    {
      name: "scale.weight.momentum",
      kind: "slot",
      dtype: "f32",
      shape: [1],
      offset: 128,
      initializer: { kind: "constant", value: 0 },
    },
  ],
  prepare: {
    inputs: [],
    scalars: [],
    outputs: [],
    fixedBytes: 0,
    batchBytes: 0,
    steps: [stepOf("copy", [WEIGHT, PREPARED], 1)],
  },
  infer: {
    inputs: [x],
    scalars: [],
    outputs: [y],
    ...SIZES,
    steps: [stepOf("scale", [X, PREPARED, Y], { batch: 2 }, "scale")],
  },
  gradients: {
    inputs: [x, t],
    scalars: own,
    outputs: [loss, y, ...seen, port("gradient.scale.weight", "f32", [1], GRADIENT), port("input.x", "f32", [N, 2], DX)],
    ...SIZES,
    steps: [...forward, stepOf("input_gradient", [Y, T, WEIGHT, DX, N], { batch: 2 })],
  },
  step: {
    inputs: [x, t],
    scalars: [...own, port("learning_rate", "f32", [], RATE), port("momentum", "f32", [], MOMENTUM)],
    outputs: [loss, y, ...seen],
    ...SIZES,
    steps: [...forward, stepOf("sgd", [WEIGHT, SLOT, GRADIENT, RATE, MOMENTUM], 1), stepOf("count", [COUNT], 1)],
  },
  scalars: { learning_rate: 0.25, momentum: 0.5 },
  guards: [],
};

/** The same network built without training. */
export const TINY_INFERENCE: Manifest = {
  ...TINY,
  tensors: TINY.tensors.filter((spec) => spec.kind !== "slot"),
  gradients: undefined,
  step: undefined,
  scalars: {},
};

/** Its only step traps. */
export const TINY_TRAP: Manifest = {
  ...TINY_INFERENCE,
  infer: {
    ...TINY_INFERENCE.infer!,
    steps: [stepOf("trap", [], 1, "layer1.0.conv1")],
  },
};
