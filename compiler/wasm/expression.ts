/**
 * Scalar expressions as vector code: one element in all lanes, or four elements along the level's vector axis.
 * Invariant: an element's bits do not depend on which of the two flavours computed it.
 */
import type { BinaryOp, UnaryOp } from "../ir/attributes.ts";
import { invariant } from "../ir/invariant.ts";
import type { Coordinate, Expression, ScalarType, Size, Store } from "../ir/kernel.ts";
import type { Code } from "./encode.ts";
import { countLocal, push, pushProduct, scaled, type Term } from "./frame.ts";
import { mathFunction, randomFunction } from "./math.ts";
import { applyBound, explicitStride, laneWise, pushAffine, type Level } from "./level.ts";
import type { Mnemonic } from "./opcodes.ts";
import { axesOf, meet, siteOf, siteStride, typeOf, type LaneType, type Scope, type Site } from "./scope.ts";

/** Not worth a local of its own. */
export function isTrivial(expression: Expression): boolean {
  return expression.kind === "constant" || expression.kind === "accumulator";
}

/** Pushes vector number `vector` of the value and returns the type it has. */
export function evaluate(scope: Scope, level: Level, expression: Expression, vector: number): LaneType {
  const { code } = scope.frame;
  const held = level.values.get(expression.kind === "let" ? `let${expression.index}` : expression);
  if (held !== undefined) {
    code.get(held.locals[held.locals.length === 1 ? 0 : vector] ?? 0);
    return held.type;
  }
  switch (expression.kind) {
    case "load":
      return evaluateLoad(scope, level, expression, vector);
    case "constant":
      if (expression.type === "i32") code.splatI32(expression.value);
      else code.splatF32(expression.value);
      return expression.type;
    case "size": {
      push(code, sizeArgument(scope, expression.value)).op("i32x4.splat");
      if (expression.type === "f32") code.op("f32x4.convert_i32x4_s");
      return expression.type;
    }
    case "index":
      evaluateIndex(scope, level, expression, vector);
      return "i32";
    case "unary":
      return evaluateUnary(scope, level, expression.op, expression.x, vector);
    case "binary":
      return evaluateBinary(scope, level, expression.op, expression.left, expression.right, vector);
    case "select": {
      const type = meet(scope, expression.then, expression.else);
      evaluateAs(scope, level, expression.then, type, vector);
      evaluateAs(scope, level, expression.else, type, vector);
      evaluateAs(scope, level, expression.condition, "mask", vector);
      code.op("v128.bitselect");
      return type;
    }
    case "cast":
      evaluateAs(scope, level, expression.x, expression.to, vector);
      return expression.to;
    case "random":
      evaluateAs(scope, level, expression.seed, "i32", vector);
      code.splatI32(expression.stream | 0);
      evaluateAs(scope, level, expression.index, "i32", vector);
      code.op("call", randomFunction(scope.frame.module));
      return "f32";
    case "accumulator": {
      const locals = level.accumulators[expression.index];
      invariant(locals !== undefined, "an accumulator is read before it is complete");
      code.get(locals[locals.length === 1 ? 0 : vector] ?? 0);
      return scope.accumulatorTypes[expression.index] ?? "f32";
    }
    case "let": {
      const body = scope.lets[expression.index];
      invariant(body !== undefined, "a let is missing");
      return evaluate(scope, level, body, vector);
    }
  }
  expression satisfies never;
}

function sizeArgument(scope: Scope, value: Size): Term {
  const key = `size${JSON.stringify(value)}`;
  const term = scope.affineTerms.get(key) ?? { local: countLocal(scope.frame, value) };
  scope.affineTerms.set(key, term);
  return term;
}

/** Pushes the value converted to `type`. */
export function evaluateAs(scope: Scope, level: Level, expression: Expression, type: LaneType, vector: number): void {
  convert(scope.frame.code, evaluate(scope, level, expression, vector), type);
}

/** Pushes lane 0 as an i32; for values that do not vary along vectors. */
export function evaluateScalar(scope: Scope, level: Level, expression: Expression): void {
  evaluateAs(scope, level, expression, "i32", 0);
  scope.frame.code.op("i32x4.extract_lane", 0);
}

/** Truth is 1 as a number; any number but 0 (NaN included) is true. */
export function convert(code: Code, from: LaneType, to: LaneType): void {
  if (from === to) return;
  if (from === "mask") {
    if (to === "f32") code.splatF32(1).op("v128.and");
    else code.splatI32(1).op("v128.and");
  } else if (to === "mask") {
    if (from === "f32") code.splatF32(0).op("f32x4.ne");
    else code.splatI32(0).op("i32x4.ne");
  } else {
    code.op(to === "f32" ? "f32x4.convert_i32x4_s" : "i32x4.trunc_sat_f32x4_s");
  }
}

function evaluateIndex(scope: Scope, level: Level, expression: Extract<Expression, { kind: "index" }>, vector: number): void {
  const { code } = scope.frame;
  pushAffine(scope, level, expression.value);
  code.op("i32x4.splat");
  if (level.lanes.width !== 4) return;
  const step = expression.value.terms.reduce((sum, term) => (term.axis === level.lanes.axis ? sum + term.coefficient : sum), 0);
  if (step === 0) return;
  code.lanesI32([0, 1, 2, 3].map((lane) => (lane + 4 * vector) * step)).op("i32x4.add");
}

/** Loads and stores of operands that vary irregularly along the vector take its lanes one by one. */
function isLaneWise(scope: Scope, level: Level, site: Site): boolean {
  return site.checked.some((each) => laneWise(level, each.axes & ~scope.dropped));
}

function evaluateLoad(scope: Scope, level: Level, load: Extract<Expression, { kind: "load" }>, vector: number): LaneType {
  const { code } = scope.frame;
  const site = siteOf(scope, load.operand, load.at);
  const key = `${site.key}|${load.fill}|${vector}`;
  const held = level.values.get(key);
  if (held !== undefined) {
    code.get(held.locals[0] ?? 0);
    return site.type;
  }
  const flag = level.flags.get(site.key);
  const result = code.local("v128");
  const fill = () => (site.type === "f32" ? code.splatF32(load.fill) : code.splatI32(load.fill));
  if (isLaneWise(scope, level, site)) {
    fill().set(result);
    forLanes(scope, level, site, vector, (lane, address) => {
      code.get(address).get(result).memory("v128.load32_lane", 0, lane).set(result);
    });
    code.get(result);
  } else if (flag !== undefined) {
    code.get(flag).if(() => plainLoad(scope, level, site, vector), fill, "v128");
  } else {
    plainLoad(scope, level, site, vector);
  }
  code.tee(result);
  level.values.set(key, { type: site.type, locals: [result] });
  return site.type;
}

function plainLoad(scope: Scope, level: Level, site: Site, vector: number): void {
  const { code } = scope.frame;
  const pointer = level.pointers.get(site.key);
  invariant(pointer !== undefined, "a site without a pointer");
  const stride = level.lanes.width === 4 ? siteStride(scope, site, level.lanes.axis) : { constant: 0 };
  if ("constant" in stride) {
    if (stride.constant === 0) code.get(pointer).memory("v128.load32_splat");
    else code.get(pointer).memory("v128.load", 16 * vector);
    return;
  }
  const address = code.local("i32");
  const result = code.local("v128");
  push(code.get(pointer), scaled(scope.frame, stride, 4 * vector))
    .op("i32.add")
    .tee(address);
  code.memory("v128.load32_splat").set(result);
  for (let lane = 1; lane < 4; lane++) {
    code.get(address).get(stride.local).op("i32.add").tee(address);
    code.get(result).memory("v128.load32_lane", 0, lane).set(result);
  }
  code.get(result);
}

/** Calls `body` for each lane with its address, inside the lane's condition. */
function forLanes(scope: Scope, level: Level, site: Site, vector: number, body: (lane: number, address: number) => void): void {
  const { code } = scope.frame;
  const flag = level.flags.get(site.key);
  const pointer = level.pointers.get(site.key) ?? 0;
  const stride = siteStride(scope, site, level.lanes.axis);
  const varying = site.checked.filter((each) => laneWise(level, each.axes & ~scope.dropped));
  const coordinates = varying.map((each) => {
    const vectorLocal = code.local("v128");
    evaluateCoordinate(scope, level, each.coordinate, vector);
    code.set(vectorLocal);
    return { each, vectorLocal };
  });
  for (let lane = 0; lane < 4; lane++) {
    const address = code.local("i32");
    const offset = scaled(scope.frame, stride, 4 * vector + lane);
    push(code.get(pointer), offset).op("i32.add").set(address);
    if (flag === undefined) code.i32(1);
    else code.get(flag);
    for (const { each, vectorLocal } of coordinates) {
      const index = code.local("i32");
      code.get(vectorLocal).op("i32x4.extract_lane", lane).set(index);
      if (applyBound(scope, site, each, index)) code.op("i32.and");
      code.get(address);
      pushProduct(code, index, explicitStride(scope, site, each))
        .op("i32.add")
        .set(address);
    }
    code.if(() => body(lane, address));
  }
}

function evaluateCoordinate(scope: Scope, level: Level, coordinate: Coordinate, vector: number): void {
  if (coordinate.dynamic !== undefined) evaluateAs(scope, level, coordinate.dynamic, "i32", vector);
  else evaluateIndex(scope, level, { kind: "index", value: coordinate.index }, vector);
}

/** Stores the vector on top of the stack, which has the operand's type. */
export function storeValue(scope: Scope, level: Level, store: Store, vector: number): void {
  const { code } = scope.frame;
  const site = siteOf(scope, store.operand, store.at);
  const value = code.local("v128");
  code.set(value);
  if (isLaneWise(scope, level, site)) {
    forLanes(scope, level, site, vector, (lane, address) => {
      if (store.accumulate) accumulateAt(code, site.type, value, address);
      code.get(address).get(value).memory("v128.store32_lane", 0, lane);
    });
    return;
  }
  const flag = level.flags.get(site.key);
  if (flag === undefined) plainStore(scope, level, store, site, value, vector);
  else code.get(flag).if(() => plainStore(scope, level, store, site, value, vector));
}

/** Adds what lies at `address` to every lane; only the lane stored afterwards matters. */
function accumulateAt(code: Code, type: ScalarType, value: number, address: number): void {
  code
    .get(address)
    .memory("v128.load32_splat")
    .get(value)
    .op(type === "f32" ? "f32x4.add" : "i32x4.add")
    .set(value);
}

function plainStore(scope: Scope, level: Level, store: Store, site: Site, value: number, vector: number): void {
  const { code } = scope.frame;
  const pointer = level.pointers.get(site.key) ?? 0;
  if (level.lanes.width === 1) {
    if (store.accumulate) accumulateAt(code, site.type, value, pointer);
    code.get(pointer).get(value).memory("v128.store32_lane", 0, 0);
    return;
  }
  const stride = siteStride(scope, site, level.lanes.axis);
  if ("constant" in stride && stride.constant === 4) {
    code.get(pointer);
    if (store.accumulate) {
      code
        .get(pointer)
        .memory("v128.load", 16 * vector)
        .get(value)
        .op(site.type === "f32" ? "f32x4.add" : "i32x4.add");
    } else {
      code.get(value);
    }
    code.memory("v128.store", 16 * vector);
    return;
  }
  invariant(store.accumulate !== true, "an accumulating store is vectorised only where it is contiguous");
  const address = code.local("i32");
  push(code.get(pointer), scaled(scope.frame, stride, 4 * vector))
    .op("i32.add")
    .set(address);
  for (let lane = 0; lane < 4; lane++) {
    code.get(address).get(value).memory("v128.store32_lane", 0, lane);
    if (lane < 3) push(code.get(address), stride).op("i32.add").set(address);
  }
}

const DIRECT_UNARY: Readonly<Partial<Record<UnaryOp, Mnemonic>>> = {
  sqrt: "f32x4.sqrt",
  floor: "f32x4.floor",
  ceil: "f32x4.ceil",
  round: "f32x4.nearest",
};

function evaluateUnary(scope: Scope, level: Level, op: UnaryOp, x: Expression, vector: number): LaneType {
  const { code } = scope.frame;
  if (op === "not") {
    evaluateAs(scope, level, x, "mask", vector);
    code.op("v128.not");
    return "mask";
  }
  const integer = typeOf(scope, x) === "i32";
  const argument = () => evaluateAs(scope, level, x, integer && sameType(op) ? "i32" : "f32", vector);
  if (op === "reciprocal" || op === "rsqrt") {
    code.splatF32(1);
    argument();
    if (op === "rsqrt") code.op("f32x4.sqrt");
    code.op("f32x4.div");
    return "f32";
  }
  argument();
  if (sameType(op)) {
    simpleUnary(code, op, integer);
    return integer ? "i32" : "f32";
  }
  const direct = DIRECT_UNARY[op];
  if (direct !== undefined) code.op(direct);
  else code.op("call", mathFunction(scope.frame.module, op));
  return "f32";
}

function sameType(op: UnaryOp): op is "negate" | "abs" | "sign" | "square" | "relu" {
  return op === "negate" || op === "abs" || op === "sign" || op === "square" || op === "relu";
}

function simpleUnary(code: Code, op: "negate" | "abs" | "sign" | "square" | "relu", integer: boolean): void {
  const value = code.local("v128");
  switch (op) {
    case "negate":
      code.op(integer ? "i32x4.neg" : "f32x4.neg");
      return;
    case "abs":
      code.op(integer ? "i32x4.abs" : "f32x4.abs");
      return;
    case "square":
      code
        .tee(value)
        .get(value)
        .op(integer ? "i32x4.mul" : "f32x4.mul");
      return;
    case "relu":
      // pmax keeps a NaN of its first operand, as x < 0 is false for it.
      if (integer) code.splatI32(0).op("i32x4.max_s");
      else code.splatF32(0).op("f32x4.pmax");
      return;
    case "sign":
      code.set(value);
      if (integer) {
        code.get(value).splatI32(1).op("i32x4.min_s").splatI32(-1).op("i32x4.max_s");
      } else {
        // 1 with the sign of x; x itself where it is 0 or NaN.
        code.splatF32(1).get(value).splatF32(-0).op("v128.and").op("v128.or").get(value);
        code.get(value).f32(0).op("f32x4.splat").op("f32x4.eq").get(value).get(value).op("f32x4.ne").op("v128.or").op("v128.not");
        code.op("v128.bitselect");
      }
  }
}

const COMPARE: Readonly<Partial<Record<BinaryOp, { readonly f32: Mnemonic; readonly i32: Mnemonic }>>> = {
  equal: { f32: "f32x4.eq", i32: "i32x4.eq" },
  not_equal: { f32: "f32x4.ne", i32: "i32x4.ne" },
  less: { f32: "f32x4.lt", i32: "i32x4.lt_s" },
  less_equal: { f32: "f32x4.le", i32: "i32x4.le_s" },
  greater: { f32: "f32x4.gt", i32: "i32x4.gt_s" },
  greater_equal: { f32: "f32x4.ge", i32: "i32x4.ge_s" },
};

const ARITHMETIC: Readonly<Partial<Record<BinaryOp, { readonly f32: Mnemonic; readonly i32: Mnemonic }>>> = {
  add: { f32: "f32x4.add", i32: "i32x4.add" },
  subtract: { f32: "f32x4.sub", i32: "i32x4.sub" },
  multiply: { f32: "f32x4.mul", i32: "i32x4.mul" },
  maximum: { f32: "f32x4.max", i32: "i32x4.max_s" },
  minimum: { f32: "f32x4.min", i32: "i32x4.min_s" },
};

function evaluateBinary(scope: Scope, level: Level, op: BinaryOp, left: Expression, right: Expression, vector: number): LaneType {
  const { code, module } = scope.frame;
  const both = (type: LaneType) => {
    evaluateAs(scope, level, left, type, vector);
    evaluateAs(scope, level, right, type, vector);
  };
  if (op === "and" || op === "or") {
    both("mask");
    code.op(op === "and" ? "v128.and" : "v128.or");
    return "mask";
  }
  const type = meet(scope, left, right);
  const compare = COMPARE[op];
  if (compare !== undefined) {
    both(type);
    code.op(compare[type]);
    return "mask";
  }
  if (type === "f32" && (op === "maximum" || op === "minimum") && right.kind === "constant" && !Number.isNaN(right.value)) {
    both("f32");
    code.op(op === "maximum" ? "f32x4.pmax" : "f32x4.pmin");
    return "f32";
  }
  const arithmetic = ARITHMETIC[op];
  if (arithmetic !== undefined) {
    both(type);
    code.op(arithmetic[type]);
    return type;
  }
  if (op === "divide") {
    both(type);
    if (type === "f32") code.op("f32x4.div");
    else code.op("call", mathFunction(module, "divide_i32"));
    return type;
  }
  evaluatePower(scope, level, left, right, vector);
  convert(code, "f32", type);
  return type;
}

function evaluatePower(scope: Scope, level: Level, base: Expression, exponent: Expression, vector: number): void {
  const { code, module } = scope.frame;
  const power = exponent.kind === "constant" ? exponent.value : undefined;
  const value = code.local("v128");
  if (power === -1 || power === -0.5) code.splatF32(1);
  evaluateAs(scope, level, base, "f32", vector);
  if (power === 1) return;
  if (power === 2) code.tee(value).get(value).op("f32x4.mul");
  else if (power === 3) code.tee(value).get(value).op("f32x4.mul").get(value).op("f32x4.mul");
  else if (power === -1) code.op("f32x4.div");
  else if (power === 0.5) code.op("f32x4.sqrt");
  else if (power === -0.5) code.op("f32x4.sqrt").op("f32x4.div");
  else {
    evaluateAs(scope, level, exponent, "f32", vector);
    code.op("call", mathFunction(module, "power"));
  }
}

/** Evaluates the used lets, then all stored values, then stores: a store may alias what another value reads. */
export function evaluateStores(scope: Scope, level: Level): void {
  const { code } = scope.frame;
  const { unroll } = level.lanes;
  holdLets(scope, level);
  const values = scope.stores.map((store) => {
    const { type } = siteOf(scope, store.operand, store.at);
    return Array.from({ length: unroll }, (_, vector) => {
      evaluateAs(scope, level, store.value, type, vector);
      const local = code.local("v128");
      code.set(local);
      return local;
    });
  });
  scope.stores.forEach((store, position) => {
    values[position]?.forEach((local, vector) => {
      code.get(local);
      storeValue(scope, level, store, vector);
    });
  });
}

/** Computes the used lets that this level decides, in order. */
export function holdLets(scope: Scope, level: Level): void {
  const { code } = scope.frame;
  for (const index of scope.usedLets) {
    const body = scope.lets[index];
    if (body === undefined || level.values.has(`let${index}`)) continue;
    if ((axesOf(scope, body) & ~scope.dropped & ~level.bound) !== 0) continue;
    let type: LaneType = "f32";
    const locals = Array.from({ length: level.lanes.unroll }, (_, vector) => {
      type = evaluate(scope, level, body, vector);
      const local = code.local("v128");
      code.set(local);
      return local;
    });
    level.values.set(`let${index}`, { type, locals });
  }
}
