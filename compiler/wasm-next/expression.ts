/**
 * Expressions, loads and stores as code on four lanes; with width 1 only lane 0 is loaded, stored and meaningful.
 * Invariant: a condition is a mask (all bits of a lane set or none) until used as a number, then 0 or 1.
 */
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import { invariant } from "../ir/invariant.ts";
import type { Expression, ScalarType, Store } from "../ir/kernel.ts";
import { mix } from "../ir/random.ts";
import type { FunctionBuilder, Local } from "./encode.ts";
import type { PlainName } from "./opcodes.ts";
import { decidable, type Frame, type Place } from "./frame.ts";
import { emitLoad, emitStore } from "./memory.ts";
import { visitExpression } from "./loops.ts";

export type ValueKind = ScalarType | "mask";

/** How many elements are computed at once, along which loop (undefined: none, with width 1). */
export interface Lanes {
  readonly width: 1 | 4;
  readonly loop: number | undefined;
}

/** What `Expression` nodes of kind `accumulator` stand for. */
export interface AccumulatorValues {
  readonly push: (index: number) => ValueKind;
}

const comparisons: Partial<Record<BinaryOp, readonly [f32: PlainName, i32: PlainName]>> = {
  equal: ["f32x4.eq", "i32x4.eq"],
  not_equal: ["f32x4.ne", "i32x4.ne"],
  less: ["f32x4.lt", "i32x4.lt_s"],
  less_equal: ["f32x4.le", "i32x4.le_s"],
  greater: ["f32x4.gt", "i32x4.gt_s"],
  greater_equal: ["f32x4.ge", "i32x4.ge_s"],
};

const arithmetic: Partial<Record<BinaryOp, readonly [f32: PlainName, i32: PlainName]>> = {
  add: ["f32x4.add", "i32x4.add"],
  subtract: ["f32x4.sub", "i32x4.sub"],
  multiply: ["f32x4.mul", "i32x4.mul"],
  maximum: ["f32x4.max", "i32x4.max_s"],
  minimum: ["f32x4.min", "i32x4.min_s"],
};

/** Literals that occur in formulas rather than as sizes or settings stay in the code. */
const plainLiterals: readonly number[] = [0, 1, -1, 2, 0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Emits the values of one step of the innermost loop; loads and lets are evaluated once. */
export class ElementEmitter {
  readonly frame: Frame;
  readonly f: FunctionBuilder;
  readonly place: Place;
  readonly lanes: Lanes;
  private readonly accumulators: AccumulatorValues | undefined;
  private readonly loaded = new Map<number, Local>();
  private readonly lets = new Map<number, { readonly local: Local; readonly kind: ValueKind }>();

  constructor(frame: Frame, place: Place, lanes: Lanes, accumulators?: AccumulatorValues) {
    this.frame = frame;
    this.f = frame.f;
    this.place = place;
    this.lanes = lanes;
    this.accumulators = accumulators;
  }

  /** Evaluates all values, then stores them, so that operands may share memory element by element. */
  stores(stores: readonly Store[]): void {
    const values = stores.map((store) => {
      const type = this.frame.kernel.operands[store.operand]?.type ?? "f32";
      this.number(store.value, type);
      const local = this.f.local("v128");
      this.f.set(local);
      return local;
    });
    for (const [position, store] of stores.entries()) {
      const value = values[position];
      if (value !== undefined) emitStore(this, store, value);
    }
  }

  /** Pushes a value as a number; a condition becomes 0 or 1 of `type`. */
  number(expression: Expression, type?: ScalarType): ScalarType {
    const kind = this.push(expression);
    if (kind !== "mask") return kind;
    if (type === "f32") this.f.v128(1).op("v128.and");
    else this.f.v128i(1).op("v128.and");
    return type ?? "i32";
  }

  /** Pushes a value as a mask. */
  mask(expression: Expression): void {
    const kind = this.push(expression);
    if (kind === "i32") this.f.v128i(0).op("i32x4.ne");
    if (kind === "f32") this.f.v128(0).op("f32x4.ne");
  }

  /** Whether a value may differ between lanes. */
  varies(root: Expression): boolean {
    const { loop, width } = this.lanes;
    if (loop === undefined || width === 1) return false;
    let varying = false;
    visitExpression(root, (each) => {
      if (each.kind === "index") varying ||= (this.frame.steps(each.value)[loop] ?? 0) !== 0;
      if (each.kind === "load") {
        const { steps, guards } = this.frame.access(this.frame.accessIndex(each));
        const step = steps[loop];
        varying ||= step !== undefined && (step.fixed !== 0 || step.batch !== 0);
        varying ||= guards.some((guard) => !decidable(guard, this.place) || (guard.steps[loop] ?? 0) !== 0);
      }
      if (each.kind === "accumulator") varying = true;
      if (each.kind === "let") varying ||= this.varies(this.letOf(each.index));
    });
    return varying;
  }

  private letOf(index: number): Expression {
    const found = this.frame.kernel.lets[index];
    invariant(found !== undefined, "no such let");
    return found;
  }

  push(expression: Expression): ValueKind {
    const { f, frame } = this;
    switch (expression.kind) {
      case "load": {
        const index = frame.accessIndex(expression);
        const known = this.loaded.get(index);
        if (known !== undefined) {
          f.get(known);
          return frame.access(index).type;
        }
        emitLoad(this, index);
        const local = f.local("v128");
        f.tee(local);
        this.loaded.set(index, local);
        return frame.access(index).type;
      }
      case "constant":
        this.pushConstant(expression.value, expression.type);
        return expression.type;
      case "size":
        f.get(frame.count(`size ${JSON.stringify(expression.value)}`, expression.value)).op("i32x4.splat");
        if (expression.type === "f32") f.op("f32x4.convert_i32x4_s");
        return expression.type;
      case "index":
        this.pushIndex(expression.value.constant, frame.steps(expression.value), JSON.stringify(expression.value));
        return "i32";
      case "unary":
        return this.unary(expression.op, expression.x);
      case "binary":
        return this.binary(expression.op, expression.left, expression.right);
      case "select":
        return this.select(expression.condition, expression.then, expression.else);
      case "cast":
        return this.cast(expression.to, expression.x);
      case "random":
        return this.random(expression.seed, expression.stream, expression.index);
      case "accumulator":
        invariant(this.accumulators !== undefined, "no accumulators here");
        return this.accumulators.push(expression.index);
      case "let": {
        const known = this.lets.get(expression.index);
        if (known !== undefined) {
          f.get(known.local);
          return known.kind;
        }
        const kind = this.push(this.letOf(expression.index));
        const local = f.local("v128");
        f.tee(local);
        this.lets.set(expression.index, { local, kind });
        return kind;
      }
      default:
        return expression satisfies never;
    }
  }

  private pushConstant(value: number, type: ScalarType): void {
    if (!plainLiterals.includes(value)) this.f.get(this.frame.constant(value, type));
    else if (type === "f32") this.f.v128(value);
    else this.f.v128i(value);
  }

  /** Pushes an affine index per lane. */
  pushIndex(constant: number, steps: readonly number[], key: string): void {
    const { f, frame, lanes } = this;
    frame.pushAffine(`index ${key}`, constant, steps, this.place);
    f.op("i32x4.splat");
    const step = lanes.loop === undefined ? 0 : (steps[lanes.loop] ?? 0);
    if (lanes.width === 1 || lanes.loop === undefined || step === 0) return;
    f.v128i(0, 1, 2, 3);
    if (step !== 1) f.get(frame.count(`index ${key} step ${lanes.loop}`, step)).op("i32x4.splat", "i32x4.mul");
    f.op("i32x4.add");
  }

  private unary(op: UnaryOp, x: Expression): ValueKind {
    const { f } = this;
    if (op === "not") {
      const kind = this.push(x);
      if (kind === "mask") f.op("v128.not");
      else if (kind === "i32") f.v128i(0).op("i32x4.eq");
      else f.v128(0).op("f32x4.eq");
      return "mask";
    }
    const type = this.number(x);
    if (type === "i32") {
      integerUnary(f, op);
      return "i32";
    }
    floatUnary(this, op);
    return "f32";
  }

  private binary(op: BinaryOp, left: Expression, right: Expression): ValueKind {
    const { f } = this;
    if (op === "and" || op === "or") {
      this.mask(left);
      this.mask(right);
      f.op(op === "and" ? "v128.and" : "v128.or");
      return "mask";
    }
    if (op === "power" && right.kind === "constant" && this.constantPower(left, right.value)) return "f32";
    const type = this.number(left);
    this.number(right, type);
    const [comparison, plain] = [comparisons[op], arithmetic[op]];
    if (comparison !== undefined) {
      f.op(comparison[type === "f32" ? 0 : 1]);
      return "mask";
    }
    if (plain !== undefined) f.op(plain[type === "f32" ? 0 : 1]);
    else if (op === "divide" && type === "f32") f.op("f32x4.div");
    else if (op === "divide") integerDivide(f);
    else if (type === "f32") f.call(this.frame.shared.power());
    else integerPower(f, this.frame.shared.power());
    return type;
  }

  /** Powers by multiplication; false if the exponent is another one, and nothing was pushed. */
  private constantPower(base: Expression, exponent: number): boolean {
    if (![1, 2, 3, -1].includes(exponent)) return false;
    if (this.number(base) === "i32") this.f.op("f32x4.convert_i32x4_s");
    const { f } = this;
    const x = f.local("v128");
    if (exponent === -1) f.set(x).v128(1).get(x).op("f32x4.div");
    if (exponent >= 2) f.tee(x).get(x).op("f32x4.mul");
    if (exponent === 3) f.get(x).op("f32x4.mul");
    return true;
  }

  private select(condition: Expression, then: Expression, otherwise: Expression): ValueKind {
    const [first, second] = [this.f.local("v128"), this.f.local("v128")];
    const kinds = [this.pushTo(then, first), this.pushTo(otherwise, second)] as const;
    const [a, b] = kinds;
    const kind = a === b ? a : a === "mask" ? b : a;
    for (const [position, local] of [first, second].entries()) {
      this.f.get(local);
      if (kinds[position] === "mask" && kind !== "mask") (kind === "f32" ? this.f.v128(1) : this.f.v128i(1)).op("v128.and");
    }
    this.mask(condition);
    this.f.op("v128.bitselect");
    return kind;
  }

  private pushTo(expression: Expression, local: Local): ValueKind {
    const kind = this.push(expression);
    this.f.set(local);
    return kind;
  }

  private cast(to: ScalarType, x: Expression): ValueKind {
    const kind = this.push(x);
    if (kind === "mask") (to === "f32" ? this.f.v128(1) : this.f.v128i(1)).op("v128.and");
    else if (kind !== to) this.f.op(to === "f32" ? "f32x4.convert_i32x4_s" : "i32x4.trunc_sat_f32x4_s");
    return to;
  }

  /** `randomUniform` of ir/random.ts, step by step. */
  private random(seed: Expression, stream: number, index: Expression): ValueKind {
    const { f, frame } = this;
    const [x, key] = [f.local("v128"), f.local("v128")];
    const fold = (shift: number): unknown => f.tee(x).get(x).i32(shift).op("i32x4.shr_u", "v128.xor");
    const mixed = (): void => {
      fold(16);
      f.v128i(0x85ebca6b | 0).op("i32x4.mul");
      fold(13);
      f.v128i(0xc2b2ae35 | 0).op("i32x4.mul");
      fold(16);
    };
    this.number(seed);
    f.get(frame.constant(mix((stream + 0x9e3779b9) | 0), "i32")).op("v128.xor");
    mixed();
    f.set(key);
    this.number(index);
    f.get(key).op("i32x4.add");
    mixed();
    f.get(key).v128i(0x27d4eb2f).op("i32x4.mul", "i32x4.add");
    mixed();
    f.i32(8)
      .op("i32x4.shr_u", "f32x4.convert_i32x4_s")
      .v128(2 ** -24)
      .op("f32x4.mul");
    return "f32";
  }
}

/** Each half as f64: exact for i32, and division by zero does not trap. */
function integerDivide(f: FunctionBuilder): void {
  const [a, b, low] = [f.local("v128"), f.local("v128"), f.local("v128")];
  f.set(b).set(a);
  const quotient = (): unknown =>
    f.get(a).op("f64x2.convert_low_i32x4_s").get(b).op("f64x2.convert_low_i32x4_s", "f64x2.div", "i32x4.trunc_sat_f64x2_s_zero");
  quotient();
  f.set(low);
  for (const local of [a, b]) f.get(local).get(local).shuffleLanes(2, 3, 2, 3).set(local);
  f.get(low);
  quotient();
  f.shuffleLanes(0, 1, 4, 5);
}

function integerPower(f: FunctionBuilder, power: number): void {
  const b = f.local("v128");
  f.op("f32x4.convert_i32x4_s").set(b).op("f32x4.convert_i32x4_s").get(b).call(power);
  f.op("f32x4.nearest", "i32x4.trunc_sat_f32x4_s");
}

function integerUnary(f: FunctionBuilder, op: UnaryOp): void {
  const x = f.local("v128");
  switch (op) {
    case "negate":
      f.op("i32x4.neg");
      return;
    case "abs":
      f.op("i32x4.abs");
      return;
    case "relu":
      f.v128i(0).op("i32x4.max_s");
      return;
    case "square":
      f.tee(x).get(x).op("i32x4.mul");
      return;
    case "sign":
      f.v128i(1).op("i32x4.min_s").v128i(-1).op("i32x4.max_s");
      return;
    default:
      // Rounding leaves whole numbers as they are.
      invariant(op === "floor" || op === "ceil" || op === "round", `${op} of integers`);
  }
}

function floatUnary({ f, frame }: ElementEmitter, op: UnaryOp): void {
  const x = f.local("v128");
  switch (op) {
    case "negate":
      f.op("f32x4.neg");
      return;
    case "abs":
      f.op("f32x4.abs");
      return;
    case "sqrt":
      f.op("f32x4.sqrt");
      return;
    case "rsqrt":
      f.set(x).v128(1).get(x).op("f32x4.sqrt", "f32x4.div");
      return;
    case "reciprocal":
      f.set(x).v128(1).get(x).op("f32x4.div");
      return;
    case "floor":
      f.op("f32x4.floor");
      return;
    case "ceil":
      f.op("f32x4.ceil");
      return;
    case "round":
      f.op("f32x4.nearest");
      return;
    case "square":
      f.tee(x).get(x).op("f32x4.mul");
      return;
    case "relu":
      // One instruction, and NaN stays NaN, because it is not less than 0.
      f.v128(0).op("f32x4.pmax");
      return;
    case "sign":
      // 1 with the sign of x where x is above or below 0, x itself where it is 0 or NaN.
      f.tee(x)
        .v128i(0x80000000 | 0)
        .op("v128.and")
        .v128(1)
        .op("v128.or")
        .get(x);
      f.get(x).v128(0).op("f32x4.lt").get(x).v128(0).op("f32x4.gt", "v128.or", "v128.bitselect");
      return;
    case "not":
      invariant(false, "not yields a condition");
      return;
    default:
      f.call(frame.shared.unary(op));
  }
}
