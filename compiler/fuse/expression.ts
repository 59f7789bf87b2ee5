/**
 * Scalar expressions as shared graphs: traversal, index substitution, interning with constant folding, cost.
 * Invariant: an expression object is never changed; equal objects are visited once, so that shared diamonds stay linear.
 */
import type { Affine, Coordinate, Expression, ScalarType } from "../ir/kernel.ts";
import { binaryFunctions, unaryFunctions } from "../operators/scalar-functions.ts";
import { affineKey, composeAffine, coordinateKey, isIdentity } from "./affine.ts";
import { sizeKey } from "./size.ts";

/** An access of a tensor. */
export type Load = Extract<Expression, { kind: "load" }>;

/** Direct parts of an expression. */
export function childrenOf(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case "load": {
      let found: Expression[] | undefined;
      for (const each of e.at) if (each.dynamic !== undefined) (found ??= []).push(each.dynamic);
      return found ?? none;
    }
    case "unary":
    case "cast":
      return [e.x];
    case "binary":
      return [e.left, e.right];
    case "select":
      return [e.condition, e.then, e.else];
    case "random":
      return [e.seed, e.index];
    case "constant":
    case "size":
    case "index":
    case "accumulator":
    case "let":
      return none;
    default:
      return e satisfies never;
  }
}

const none: readonly Expression[] = [];

/** The expression with its direct parts replaced; the same object where nothing changes. */
export function mapChildren(e: Expression, change: (part: Expression) => Expression): Expression {
  switch (e.kind) {
    case "load": {
      if (e.at.every((each) => each.dynamic === undefined)) return e;
      const at = e.at.map((each) => (each.dynamic === undefined ? each : { ...each, dynamic: change(each.dynamic) }));
      return { ...e, at };
    }
    case "unary": {
      const x = change(e.x);
      return x === e.x ? e : { ...e, x };
    }
    case "cast": {
      const x = change(e.x);
      return x === e.x ? e : { ...e, x };
    }
    case "binary": {
      const left = change(e.left);
      const right = change(e.right);
      return left === e.left && right === e.right ? e : { ...e, left, right };
    }
    case "select": {
      const condition = change(e.condition);
      const then = change(e.then);
      const otherwise = change(e.else);
      return condition === e.condition && then === e.then && otherwise === e.else ? e : { ...e, condition, then, else: otherwise };
    }
    case "random": {
      const seed = change(e.seed);
      const index = change(e.index);
      return seed === e.seed && index === e.index ? e : { ...e, seed, index };
    }
    case "constant":
    case "size":
    case "index":
    case "accumulator":
    case "let":
      return e;
    default:
      return e satisfies never;
  }
}

/** Rebuilds bottom-up, each shared part once; `leaf` may replace a whole part before its children are seen. */
export function rewriteExpression(
  e: Expression,
  leaf: (part: Expression) => Expression | undefined,
  memo: Map<Expression, Expression> = new Map(),
): Expression {
  const walk = (part: Expression): Expression => {
    const known = memo.get(part);
    if (known !== undefined) return known;
    const result = leaf(part) ?? mapChildren(part, walk);
    memo.set(part, result);
    return result;
  };
  return walk(e);
}

/** Calls `visit` once for each distinct part, parts before wholes. */
export function visitExpression(e: Expression, visit: (part: Expression) => void, seen: Set<Expression> = new Set()): void {
  if (seen.has(e)) return;
  seen.add(e);
  for (const child of childrenOf(e)) visitExpression(child, visit, seen);
  visit(e);
}

/** Every distinct load in the expressions. */
export function loadsOf(expressions: Iterable<Expression>): readonly Load[] {
  const found: Load[] = [];
  const seen = new Set<Expression>();
  for (const each of expressions) {
    visitExpression(each, (part) => void (part.kind === "load" && found.push(part)), seen);
  }
  return found;
}

/** Replaces axis a of every index by `axes[a]`. */
export function substituteAxes(e: Expression, axes: readonly Affine[]): Expression {
  const memo = new Map<Expression, Expression>();
  const walk = (part: Expression): Expression => {
    const known = memo.get(part);
    if (known !== undefined) return known;
    const result = moved(part);
    memo.set(part, result);
    return result;
  };
  const moved = (part: Expression): Expression => {
    if (part.kind === "index") return { kind: "index", value: composeAffine(part.value, axes) };
    if (part.kind === "load") return { ...part, at: part.at.map((each) => moveCoordinate(each, axes, walk)) };
    return mapChildren(part, walk);
  };
  return walk(e);
}

function moveCoordinate(each: Coordinate, axes: readonly Affine[], walk: (e: Expression) => Expression): Coordinate {
  const index = composeAffine(each.index, axes);
  if (each.bound === undefined && each.dynamic === undefined) return { index };
  return {
    index,
    ...(each.bound === undefined ? {} : { bound: each.bound }),
    ...(each.dynamic === undefined ? {} : { dynamic: walk(each.dynamic) }),
  };
}

/**
 * The value of a tensor given by `e` over its own axes, read at `at`. Bounded or computed coordinates compose only with
 * a bare load (see `composesWith`); returns undefined where they do not.
 */
export function readAt(e: Expression, at: readonly Coordinate[], fill: number): Expression | undefined {
  if (isIdentity(at, at.length)) return e;
  if (at.every((each) => each.bound === undefined && each.dynamic === undefined)) {
    return substituteAxes(
      e,
      at.map((each) => each.index),
    );
  }
  if (e.kind !== "load") return undefined;
  const special = new Set<number>();
  for (const [axis, each] of at.entries()) if (each.bound !== undefined || each.dynamic !== undefined) special.add(axis);
  const used = new Set<number>();
  const axes = at.map((each) => each.index);
  const composed: Coordinate[] = [];
  for (const inner of e.at) {
    // Two bounds on one access have two fills; one coordinate has room for one.
    if (inner.bound !== undefined || inner.dynamic !== undefined) return undefined;
    const touched = inner.index.terms.filter((term) => special.has(term.axis));
    const [sole] = touched;
    if (sole === undefined) {
      composed.push({ index: composeAffine(inner.index, axes) });
      continue;
    }
    const outer = at[sole.axis];
    if (inner.index.constant !== 0 || inner.index.terms.length !== 1 || sole.coefficient !== 1) return undefined;
    if (outer === undefined || used.has(sole.axis)) return undefined;
    used.add(sole.axis);
    composed.push(outer);
  }
  if (used.size !== special.size) return undefined;
  return { kind: "load", operand: e.operand, at: composed, fill };
}

/** Interns expressions: equal structure becomes one object; constants are folded on the way. */
export interface Interner {
  /** An expression whose parts are interned already. */
  make(e: Expression): Expression;
  /** Any expression. */
  intern(e: Expression): Expression;
  /** The number of an interned expression. */
  idOf(e: Expression): number;
}

/** A fresh interner; ids are numbered in order of first appearance. */
export function createInterner(): Interner {
  const byKey = new Map<string, Expression>();
  const ids = new Map<Expression, number>();
  const idOf = (e: Expression): number => ids.get(e) ?? -1;
  const make = (e: Expression): Expression => {
    const folded = fold(e);
    if (ids.has(folded)) return folded;
    const key = structureKey(folded, idOf);
    const known = byKey.get(key);
    if (known !== undefined) return known;
    byKey.set(key, folded);
    ids.set(folded, ids.size);
    return folded;
  };
  const intern = (e: Expression): Expression => {
    const memo = new Map<Expression, Expression>();
    const walk = (part: Expression): Expression => {
      const known = memo.get(part);
      if (known !== undefined) return known;
      const result = make(mapChildren(part, walk));
      memo.set(part, result);
      return result;
    };
    return walk(e);
  };
  return { make, intern, idOf };
}

function structureKey(e: Expression, idOf: (e: Expression) => number): string {
  switch (e.kind) {
    case "load": {
      let text = `l${e.operand}:${e.fill}`;
      for (const each of e.at) text += `,${coordinateKey(each, each.dynamic === undefined ? undefined : `${idOf(each.dynamic)}`)}`;
      return text;
    }
    case "constant":
      return `c${e.type}${Object.is(e.value, -0) ? "-0" : e.value}`;
    case "size":
      return `s${e.type}${sizeKey(e.value)}`;
    case "index":
      return `i${affineKey(e.value)}`;
    case "unary":
      return `${e.op}(${idOf(e.x)})`;
    case "binary":
      return `${e.op}(${idOf(e.left)},${idOf(e.right)})`;
    case "select":
      return `?(${idOf(e.condition)},${idOf(e.then)},${idOf(e.else)})`;
    case "cast":
      return `>${e.to}(${idOf(e.x)})`;
    case "random":
      return `r${e.stream}(${idOf(e.seed)},${idOf(e.index)})`;
    case "accumulator":
      return `a${e.index}`;
    case "let":
      return `t${e.index}`;
    default:
      return e satisfies never;
  }
}

/** Constants are combined in f64, as the reference interpreter does; `x * 0` stays, for x may be NaN. */
function fold(e: Expression): Expression {
  if (e.kind === "unary" && e.x.kind === "constant" && e.op !== "not") {
    return { kind: "constant", value: unaryFunctions[e.op](e.x.value), type: e.x.type };
  }
  if (e.kind === "size" && typeof e.value === "number") return { kind: "constant", value: e.value, type: e.type };
  if (e.kind === "cast" && e.x.kind === "constant") {
    return { kind: "constant", value: e.to === "i32" ? Math.trunc(e.x.value) : e.x.value, type: e.to };
  }
  if (e.kind === "cast" && e.x.kind === "cast" && e.to === "f32" && e.x.to === "f32") return e.x;
  if (e.kind === "select" && e.then === e.else) return e.then;
  if (e.kind !== "binary") return e;
  const { op, left, right } = e;
  const arithmetic = arithmeticOps.has(op);
  if (arithmetic && left.kind === "constant" && right.kind === "constant" && left.type === "f32") {
    return { kind: "constant", value: binaryFunctions[op](left.value, right.value), type: left.type };
  }
  const l = left.kind === "constant" ? left.value : undefined;
  const r = right.kind === "constant" ? right.value : undefined;
  if (op === "multiply") return l === 1 ? right : r === 1 ? left : e;
  if (op === "add") return l === 0 ? right : r === 0 ? left : e;
  if ((op === "subtract" && r === 0) || (op === "divide" && r === 1)) return left;
  return e;
}

const arithmeticOps: ReadonlySet<string> = new Set(["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"]);

const free: ReadonlySet<string> = new Set(["load", "constant", "size", "index", "accumulator", "let"]);
const costly: ReadonlySet<string> = new Set([
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "reciprocal",
  "sin",
  "cos",
  "tanh",
  "erf",
  "sigmoid",
  "softplus",
  "gelu",
  "silu",
  "log1p",
  "expm1",
  "divide",
  "power",
]);

/** Whether one operation takes many cycles: divisions, roots, transcendental functions, random numbers. */
export function isCostly(e: Expression): boolean {
  return e.kind === "random" || ((e.kind === "unary" || e.kind === "binary") && costly.has(e.op));
}

/** Operations in the expression, weighted in simple ones: a costly one counts 8. */
export function costOf(expressions: Iterable<Expression>): number {
  let cost = 0;
  const seen = new Set<Expression>();
  for (const each of expressions) {
    visitExpression(each, (part) => void (cost += free.has(part.kind) ? 0 : isCostly(part) ? 8 : 1), seen);
  }
  return cost;
}

/** The type of a value; `loaded` and the other tables answer for leaves. */
export function typeOf(
  e: Expression,
  leaves: {
    readonly operand: (operand: number) => ScalarType;
    readonly accumulator: (index: number) => ScalarType;
    readonly let: (index: number) => ScalarType;
  },
): ScalarType {
  switch (e.kind) {
    case "load":
      return leaves.operand(e.operand);
    case "constant":
    case "size":
      return e.type;
    case "index":
      return "i32";
    case "unary":
      return e.op === "not" ? "i32" : typeOf(e.x, leaves);
    case "binary":
      return arithmeticOps.has(e.op) ? typeOf(e.left, leaves) : "i32";
    case "select":
      return typeOf(e.then, leaves);
    case "cast":
      return e.to;
    case "random":
      return "f32";
    case "accumulator":
      return leaves.accumulator(e.index);
    case "let":
      return leaves.let(e.index);
    default:
      return e satisfies never;
  }
}
