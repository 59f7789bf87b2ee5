/**
 * Runs a plan in f64, one element at a time, over memory laid out exactly as planned: the second oracle, for plans.
 * Invariant: one number per 4 bytes of an arena; loads and stores outside their buffer are errors.
 */
import { invariant } from "../ir/invariant.ts";
import type { Affine, Contraction, Coordinate, Expression, Kernel, Operand, RoleStrides, ScalarType, Size } from "../ir/kernel.ts";
import type { Buffer, Place, Plan } from "../ir/plan.ts";
import { randomUniform as uniformAt } from "../ir/random.ts";
import { binaryFunctions, integerDivide, unaryFunctions } from "../operators/scalar-functions.ts";
import { typeOf } from "./expression.ts";
import { evaluateSize } from "./size.ts";

/** One number per element slot of 4 bytes, by arena. */
export type PlanMemory = Readonly<Record<Place["arena"], Float64Array>>;

/** Memory for a plan; `persistent` may be shared between plans. Everything starts as NaN. */
export function createPlanMemory(plan: Plan, persistentBytes: number, batch: number, persistent?: Float64Array): PlanMemory {
  const slots = (bytes: number): Float64Array => new Float64Array(Math.ceil(bytes / 4)).fill(Number.NaN);
  return {
    persistent: persistent ?? slots(persistentBytes),
    fixed: slots(plan.fixedBytes),
    batch: slots(plan.batchBytes * batch),
  };
}

/** The elements of a buffer, as a view of the memory. */
export function bufferView(buffer: Buffer, memory: PlanMemory, batch: number): Float64Array {
  const start = (buffer.place.offset * (buffer.place.arena === "batch" ? batch : 1)) / 4;
  return memory[buffer.place.arena].subarray(start, start + evaluateSize(buffer.size, batch));
}

/** Runs every step. With `poison`, memory is overwritten with NaN as soon as the plan says that it is free. */
export function runPlan(plan: Plan, memory: PlanMemory, batch: number, options: { readonly poison?: boolean } = {}): void {
  for (const { kernel, frees } of plan.steps) {
    runKernel(kernel, (id) => viewOf(plan, id, memory, batch), batch);
    if (options.poison === true) for (const id of frees) viewOf(plan, id, memory, batch).fill(Number.NaN);
  }
}

function viewOf(plan: Plan, id: number, memory: PlanMemory, batch: number): Float64Array {
  const buffer = plan.buffers[id];
  invariant(buffer !== undefined && buffer.id === id, `buffer ${id} is missing`);
  return bufferView(buffer, memory, batch);
}

type Evaluate = (axes: Int32Array) => number;

interface Frame {
  readonly views: readonly Float64Array[];
  readonly operands: readonly Operand[];
  readonly batch: number;
  readonly lets: Float64Array;
  readonly accumulators: Float64Array;
  readonly letTypes: readonly ScalarType[];
}

/** Runs one kernel on the elements of its operands' buffers. */
export function runKernel(kernel: Kernel, view: (buffer: number) => Float64Array, batch: number): void {
  const letTypes: ScalarType[] = [];
  const frame: Frame = {
    views: kernel.operands.map((operand) => view(operand.buffer)),
    operands: kernel.operands,
    batch,
    lets: new Float64Array(kernel.lets.length),
    accumulators: new Float64Array(kernel.form === "reduction" ? kernel.accumulators.length : 1),
    letTypes,
  };
  for (const each of kernel.lets) letTypes.push(expressionType(each, frame));
  const lets = kernel.lets.map((each) => compile(each, frame));
  const stores = kernel.stores.map((store) => {
    const value = compile(store.value, frame);
    const address = compileAddress(store.operand, store.at, frame);
    const target = frame.views[store.operand];
    invariant(target !== undefined, "a store names an operand");
    return (axes: Int32Array): void => {
      const at = address(axes);
      if (at < 0) return;
      invariant(at < target.length, `${kernel.name} stores outside its buffer`);
      target[at] = store.accumulate === true ? (target[at] ?? 0) + value(axes) : value(axes);
    };
  });
  const extents = kernel.axes.map((axis) => evaluateSize(axis.extent, batch));
  const reduced = kernel.form === "reduction" ? kernel.reduced.map((axis) => evaluateSize(axis.extent, batch)) : [];
  const axes = new Int32Array(extents.length + reduced.length);
  const accumulate = accumulation(kernel, frame, reduced, extents.length);
  loop(axes, 0, extents, () => {
    accumulate(axes);
    for (const [k, each] of lets.entries()) frame.lets[k] = each(axes);
    for (const store of stores) store(axes);
  });
}

function loop(axes: Int32Array, start: number, extents: readonly number[], body: () => void): void {
  if (extents.some((extent) => extent <= 0)) return;
  axes.fill(0, start, start + extents.length);
  for (;;) {
    body();
    let axis = extents.length - 1;
    for (; axis >= 0; axis--) {
      const next = (axes[start + axis] ?? 0) + 1;
      axes[start + axis] = next < (extents[axis] ?? 0) ? next : 0;
      if (next < (extents[axis] ?? 0)) break;
    }
    if (axis < 0) return;
  }
}

function accumulation(kernel: Kernel, frame: Frame, reduced: readonly number[], start: number): (axes: Int32Array) => void {
  if (kernel.form === "contraction") return contraction(kernel, kernel.contraction, frame);
  if (kernel.form !== "reduction") return () => {};
  const first = { sum: 0, prod: 1, max: Number.NEGATIVE_INFINITY, min: Number.POSITIVE_INFINITY };
  const parts = kernel.accumulators.map((each) => ({ ...each, evaluate: compile(each.value, frame) }));
  const best = new Float64Array(parts.length);
  return (axes) => {
    for (const [k, { combine, position }] of parts.entries()) {
      frame.accumulators[k] = position === true ? 0 : first[combine];
      best[k] = first[combine];
    }
    let at = 0;
    loop(axes, start, reduced, () => {
      for (const [k, { combine, position, evaluate }] of parts.entries()) {
        const value = evaluate(axes);
        const before = best[k] ?? 0;
        const after = combineWith(combine, before, value);
        if (position === true) {
          if (value > before) frame.accumulators[k] = at;
        } else frame.accumulators[k] = after;
        best[k] = after;
      }
      at++;
    });
  };
}

function combineWith(combine: "sum" | "max" | "min" | "prod", before: number, value: number): number {
  switch (combine) {
    case "sum":
      return before + value;
    case "prod":
      return before * value;
    case "max":
      return binaryFunctions.maximum(before, value);
    case "min":
      return binaryFunctions.minimum(before, value);
    default:
      return combine satisfies never;
  }
}

function expressionType(e: Expression, frame: Frame): ScalarType {
  return typeOf(e, {
    operand: (operand) => frame.operands[operand]?.type ?? "f32",
    accumulator: () => "f32",
    let: (index) => frame.letTypes[index] ?? "f32",
  });
}

function compile(e: Expression, frame: Frame): Evaluate {
  switch (e.kind) {
    case "load": {
      const address = compileAddress(e.operand, e.at, frame);
      const source = frame.views[e.operand];
      invariant(source !== undefined, "a load names an operand");
      return (axes) => {
        const at = address(axes);
        if (at < 0) return e.fill;
        invariant(at < source.length, "a load lies outside its buffer");
        return source[at] ?? Number.NaN;
      };
    }
    case "constant":
      return () => e.value;
    case "size": {
      const value = evaluateSize(e.value, frame.batch);
      return () => value;
    }
    case "index":
      return compileAffine(e.value);
    case "unary": {
      const x = compile(e.x, frame);
      const apply = unaryFunctions[e.op];
      return (axes) => apply(x(axes));
    }
    case "binary": {
      const left = compile(e.left, frame);
      const right = compile(e.right, frame);
      const whole = e.op === "divide" && expressionType(e.left, frame) === "i32";
      const apply = whole ? integerDivide : binaryFunctions[e.op];
      return (axes) => apply(left(axes), right(axes));
    }
    case "select": {
      const condition = compile(e.condition, frame);
      const then = compile(e.then, frame);
      const otherwise = compile(e.else, frame);
      return (axes) => (condition(axes) !== 0 ? then(axes) : otherwise(axes));
    }
    case "cast": {
      const x = compile(e.x, frame);
      return e.to === "i32" ? (axes) => Math.trunc(x(axes)) : x;
    }
    case "random": {
      const seed = compile(e.seed, frame);
      const index = compile(e.index, frame);
      return (axes) => uniformAt(seed(axes), e.stream, index(axes));
    }
    case "accumulator":
      return () => frame.accumulators[e.index] ?? Number.NaN;
    case "let":
      return () => frame.lets[e.index] ?? Number.NaN;
    default:
      return e satisfies never;
  }
}

function compileAffine(index: Affine): Evaluate {
  const { constant, terms } = index;
  return (axes) => {
    let value = constant;
    for (const { axis, coefficient } of terms) value += coefficient * (axes[axis] ?? 0);
    return value;
  };
}

/** The element's position in its buffer; -1 where a bound keeps it out. */
function compileAddress(operand: number, at: readonly Coordinate[], frame: Frame): Evaluate {
  const { offset, strides } = frame.operands[operand] ?? { offset: 0, strides: [] };
  invariant(at.length === strides.length, "an access has one coordinate per stride");
  const start = evaluateSize(offset, frame.batch);
  const parts = at.map((each, d) => ({
    index: each.dynamic === undefined ? compileAffine(each.index) : compile(each.dynamic, frame),
    stride: evaluateSize(strides[d] ?? 0, frame.batch),
    bound: each.bound && { extent: evaluateSize(each.bound.extent, frame.batch), divisor: each.bound.divisor },
  }));
  return (axes) => {
    let address = start;
    for (const { index, stride, bound } of parts) {
      let position = index(axes);
      if (bound !== undefined) {
        if (position % bound.divisor !== 0) return -1;
        position /= bound.divisor;
        if (position < 0 || position >= bound.extent) return -1;
      } else invariant(position >= 0, "an unbounded coordinate is negative");
      address += position * stride;
    }
    return address;
  };
}

/** Sets accumulator 0 to the sum for the result element at the kernel's axes. */
function contraction(kernel: Kernel, c: Contraction, frame: Frame): (axes: Int32Array) => void {
  const size = (value: Size): number => evaluateSize(value, frame.batch);
  const rank = c.window.length;
  const input = roleReader(c.input, c.inputPrologue, kernel, frame);
  const output = roleReader(c.output, c.outputPrologue, kernel, frame);
  const weights = frame.views[c.kernel.operand];
  const origin = size(frame.operands[c.kernel.operand]?.offset ?? 0);
  const weight = (g: number, taps: Int32Array, from: number, ci: number, n: number): number => {
    let at = origin + g * size(c.kernel.group) + ci * c.kernel.input + n * c.kernel.output;
    for (let k = 0; k < rank; k++) at += (taps[from + k] ?? 0) * (c.kernel.taps[k] ?? 0);
    return weights?.[at] ?? Number.NaN;
  };
  const taps = c.window.map((axis) => axis.taps);
  const place = new Int32Array(rank);
  const sum = c.result === "kernel" ? [size(c.batch), ...c.window.map((axis) => axis.output)] : taps;
  const channels = c.result === "output" ? c.inputChannels : c.result === "input" ? c.outputChannels : 1;
  const inner = new Int32Array(sum.length);
  /** Moves `place` to the position that the pair of known positions meets; false outside. */
  const meet = (axes: Int32Array): boolean => {
    for (let k = 0; k < rank; k++) {
      const { stride, dilation, padding, input: extent, output: outputs } = c.window[k] ?? windowless;
      if (c.result === "output") {
        const at = (axes[2 + k] ?? 0) * stride + (inner[k] ?? 0) * dilation - padding;
        if (at < 0 || at >= extent) return false;
        place[k] = at;
      } else if (c.result === "input") {
        const at = ((axes[2 + k] ?? 0) + padding - (inner[k] ?? 0) * dilation) / stride;
        if (!Number.isInteger(at) || at < 0 || at >= outputs) return false;
        place[k] = at;
      } else {
        const at = (inner[1 + k] ?? 0) * stride + (axes[1 + k] ?? 0) * dilation - padding;
        if (at < 0 || at >= extent) return false;
        place[k] = at;
      }
    }
    return true;
  };
  return (axes) => {
    let total = 0;
    loop(inner, 0, sum, () => {
      if (!meet(axes)) return;
      const [first = 0, second = 0] = axes;
      for (let channel = 0; channel < channels; channel++) {
        const last = axes[kernel.axes.length - 1] ?? 0;
        if (c.result === "output") total += input(first, second, place, 0, channel) * weight(second, inner, 0, channel, last);
        else if (c.result === "input") total += output(first, second, place, 0, channel) * weight(second, inner, 0, last, channel);
        else {
          const ci = axes[kernel.axes.length - 2] ?? 0;
          total += input(inner[0] ?? 0, first, place, 0, ci) * output(inner[0] ?? 0, first, inner, 1, last);
        }
      }
    });
    frame.accumulators[0] = total;
  };
}

const windowless = { stride: 1, dilation: 1, padding: 0, input: 1, output: 1 };

/** Reads the input or output operand at [batch, group, spatial.., channel], through its prologue. */
function roleReader(role: RoleStrides, prologue: Expression | undefined, kernel: Kernel, frame: Frame) {
  const size = (value: Size): number => evaluateSize(value, frame.batch);
  const values = frame.views[role.operand];
  const origin = size(frame.operands[role.operand]?.offset ?? 0);
  const [batch, group, channel] = [size(role.batch), size(role.group), size(role.channel)];
  const spatial = role.spatial.map(size);
  const inner: Frame = { ...frame, lets: new Float64Array(frame.lets.length), accumulators: new Float64Array(1) };
  const lets = prologue === undefined ? [] : kernel.lets.map((each) => compile(each, inner));
  const apply = prologue && compile(prologue, inner);
  const axes = new Int32Array(spatial.length + 3);
  return (b: number, g: number, place: Int32Array, from: number, c: number): number => {
    let at = origin + b * batch + g * group + c * channel;
    for (let k = 0; k < spatial.length; k++) at += (place[from + k] ?? 0) * (spatial[k] ?? 0);
    const value = values?.[at] ?? Number.NaN;
    if (apply === undefined) return value;
    axes[0] = b;
    axes[1] = g;
    for (let k = 0; k < spatial.length; k++) axes[2 + k] = place[from + k] ?? 0;
    axes[axes.length - 1] = c;
    inner.accumulators[0] = value;
    for (const [k, each] of lets.entries()) inner.lets[k] = each(axes);
    return apply(axes);
  };
}
