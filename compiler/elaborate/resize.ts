/**
 * `resize`: other spatial sizes by nearest neighbour or linear interpolation, composed of movement and matrix products.
 * Invariant: sample centres lie at half positions (PyTorch's align_corners = false), and edges repeat.
 */
import type { Span } from "../../grammar/source.ts";
import { constantOf, type Dim, divExact, mul, product, sameDim } from "../ir/dim.ts";
import type { ArgumentReader } from "./argument-reader.ts";
import { emitOp, type Frame, report } from "./context.ts";
import { badMovement } from "./movement-problems.ts";
import { reshapeTo, transposeTo } from "./rearrange.ts";
import { asTensor, elementwise, unaryTensor } from "./tensor-expressions.ts";
import { dimValue, type TensorValue, type Value } from "./values.ts";

const MODES: readonly string[] = ["nearest", "bilinear"];

/** `resize(x, scale: 2, mode: bilinear)` or `resize(x, size: [H, W])`, over all spatial axes. */
export function resize(read: ArgumentReader, frame: Frame, span: Span): Value | undefined {
  const x = read.tensor("x");
  const rank = Math.max(0, x.type.shape.length - 2);
  const scaled = read.named("size") === undefined;
  const given = read.perAxis(scaled ? "scale" : "size", rank);
  const mode = read.optional("mode") === undefined ? "nearest" : read.string("mode");
  if (!MODES.includes(mode)) {
    report(frame.session, badMovement("resize", `there is no mode \`${mode}\`; there are ${MODES.join(" and ")}`, span));
    return undefined;
  }
  let result: TensorValue | undefined = x;
  for (const [i, wanted] of given.entries()) {
    const from = x.type.shape[i + 2] ?? 1;
    const to = scaled ? mul(from, wanted) : wanted;
    if (sameDim(from, to) || result === undefined) continue;
    const whole = scaled ? wanted : wholeFactor(from, to);
    result =
      mode === "nearest" && whole !== undefined ? repeatEach(frame, result, i + 2, whole, span) : interpolate(frame, result, i + 2, to, mode, span);
  }
  return result;
}

/** How often each position is repeated, where that is a known whole number. */
function wholeFactor(from: Dim, to: Dim): Dim | undefined {
  const a = constantOf(from);
  const b = constantOf(to);
  return a === undefined || b === undefined || b % a !== 0 ? undefined : divExact(b, a);
}

function repeatEach(frame: Frame, x: TensorValue, axis: number, times: Dim, span: Span): TensorValue | undefined {
  const { shape } = x.type;
  const axes = shape.map((_, i) => (i <= axis ? i : i + 1));
  const wide = emitOp(frame, "broadcast", [x], { shape: shape.toSpliced(axis + 1, 0, times), axes }, span, "resize")?.[0];
  return wide === undefined ? undefined : reshapeTo(frame, wide, shape.with(axis, mul(shape[axis] ?? 1, times)), span, "resize");
}

/** A product with the matrix [to, from] of each new position's weights. */
function interpolate(frame: Frame, x: TensorValue, axis: number, to: Dim, mode: string, span: Span): TensorValue | undefined {
  const { shape } = x.type;
  const from = shape[axis] ?? 1;
  const last = shape.length - 1;
  const toEnd = shape.map((_, i) => (i === last ? axis : i < axis ? i : i + 1));
  const moved = transposeTo(frame, x, toEnd, span, "resize");
  const weights = mode === "nearest" ? nearestWeights(frame, from, to, span) : linearWeights(frame, from, to, span);
  if (moved === undefined || weights === undefined) return undefined;
  const leading = moved.type.shape.slice(0, -1);
  const rows = reshapeTo(frame, moved, [product(leading), from], span, "resize");
  const mixed =
    rows === undefined ? undefined : emitOp(frame, "matmul", [rows, weights], { transposeLeft: false, transposeRight: true }, span, "resize")?.[0];
  const apart = mixed === undefined ? undefined : reshapeTo(frame, mixed, [...leading, to], span, "resize");
  if (apart === undefined) return undefined;
  return transposeTo(
    frame,
    apart,
    shape.map((_, i) => (i < axis ? i : i === axis ? last : i - 1)),
    span,
    "resize",
  );
}

type Operand = Value | undefined;

function arithmetic(frame: Frame, span: Span) {
  const both = (op: "add" | "subtract" | "multiply" | "divide" | "maximum" | "minimum" | "equal") => (a: Operand, b: Operand) =>
    a === undefined || b === undefined ? undefined : elementwise(frame, op, a, b, span, "resize");
  return {
    plus: both("add"),
    minus: both("subtract"),
    times: both("multiply"),
    over: both("divide"),
    most: both("minimum"),
    least: both("maximum"),
    same: both("equal"),
  };
}

function real(value: number): Value {
  return { kind: "real", value };
}

function positions(frame: Frame, shape: readonly Dim[], axis: number, dtype: "f32" | "i32", span: Span): TensorValue | undefined {
  return emitOp(frame, "iota", [], { shape, axis, dtype }, span, "resize")?.[0];
}

/** max(0, 1 - |source - position|) with source = (target + 1/2) * from / to - 1/2, kept within the input. */
function linearWeights(frame: Frame, from: Dim, to: Dim, span: Span): TensorValue | undefined {
  const { plus, minus, times, over, most, least } = arithmetic(frame, span);
  const ratio = over(asTensor(frame, dimValue(from), "f32", span), asTensor(frame, dimValue(to), "f32", span));
  const centre = minus(times(plus(positions(frame, [to, from], 0, "f32", span), real(0.5)), ratio), real(0.5));
  const end = minus(asTensor(frame, dimValue(from), "f32", span), real(1));
  const source = most(least(centre, real(0)), end);
  const distance = minus(source, positions(frame, [to, from], 1, "f32", span));
  if (distance?.kind !== "tensor") return undefined;
  const weight = least(minus(real(1), unaryTensor(frame, "abs", distance, span)), real(0));
  return weight?.kind === "tensor" ? weight : undefined;
}

/** 1 where the position is floor(target * from / to). */
function nearestWeights(frame: Frame, from: Dim, to: Dim, span: Span): TensorValue | undefined {
  const { times, over, same } = arithmetic(frame, span);
  const source = over(times(positions(frame, [to, from], 0, "i32", span), dimValue(from)), dimValue(to));
  const chosen = same(source, positions(frame, [to, from], 1, "i32", span));
  return chosen?.kind === "tensor" ? emitOp(frame, "cast", [chosen], { dtype: "f32" }, span, "resize")?.[0] : undefined;
}
