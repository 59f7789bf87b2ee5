/**
 * Relations between sizes as text, with a judge of their own: `facts => relation`, read once into the solver's form and
 * once into a function on whole numbers that knows nothing of the solver.
 */
import type { Relation } from "../../compiler/ir/relation.ts";
import * as Size from "../../compiler/ir/dim.ts";

/** Sizes by name. */
export type Sizes = ReadonlyMap<string, number>;

interface Value {
  readonly kind: "size";
  readonly dim: Size.Dim;
  /** NaN where it has no value. */
  readonly value: (sizes: Sizes) => number;
}

interface Truth {
  readonly kind: "truth";
  readonly relation: Relation;
  /** Undefined where a side has no value. */
  readonly holds: (sizes: Sizes) => boolean | undefined;
}

export interface Written {
  readonly facts: readonly Truth[];
  readonly relation: Truth;
  /** Least values by name. */
  readonly names: ReadonlyMap<string, number>;
}

/** Names whose least value is not 1. */
const LEAST: Readonly<Record<string, number>> = { p: 0, q: 0, i: 0, j: 0, z: Number.NEGATIVE_INFINITY };

/** Reads `fact, fact => relation`; every operator of the language's conditions. */
export function readWritten(text: string): Written {
  const [before = "", after] = text.split("=>");
  const names = new Map<string, number>();
  const truths = (source: string): Truth[] => new Reader(source, names).list();
  const facts = after === undefined ? [] : truths(before);
  const [relation] = truths(after ?? before);
  if (relation === undefined) throw new Error(`no relation in ${text}`);
  return { facts, relation, names };
}

type Part = Value | Truth;

const LEVELS: readonly (readonly string[])[] = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"]];

class Reader {
  private readonly tokens: readonly string[];
  private at = 0;
  private readonly text: string;
  private readonly names: Map<string, number>;

  constructor(text: string, names: Map<string, number>) {
    this.text = text;
    this.names = names;
    this.tokens = text.match(/\d+|[A-Za-z_]\w*|[<>=!]=|&&|\|\||[-+*/%()?:,<>!]/g) ?? [];
  }

  list(): Truth[] {
    const found = [truth(this.choice())];
    while (this.take(",")) found.push(truth(this.choice()));
    if (this.at < this.tokens.length) throw new Error(`${this.text}: unexpected ${this.tokens[this.at]}`);
    return found;
  }

  private take(token: string): boolean {
    const found = this.tokens[this.at] === token;
    if (found) this.at++;
    return found;
  }

  private choice(): Part {
    const condition = this.binary(0);
    if (!this.take("?")) return condition;
    const then = size(this.choice());
    if (!this.take(":")) throw new Error(`${this.text}: no ':'`);
    const otherwise = size(this.choice());
    const { relation, holds } = truth(condition);
    if (!("left" in relation)) throw new Error(`${this.text}: a condition of ?: is one comparison`);
    const { op, left, right } = relation;
    const flipped = op === ">" || op === ">=";
    const normal = { op: op === ">" ? "<" : op === ">=" ? "<=" : op, left: flipped ? right : left, right: flipped ? left : right } as const;
    return {
      kind: "size",
      dim: Size.select(normal, then.dim, otherwise.dim),
      value: (sizes) => (holds(sizes) === undefined ? Number.NaN : (holds(sizes) ? then : otherwise).value(sizes)),
    };
  }

  private binary(level: number): Part {
    const ops = LEVELS[level];
    if (ops === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (let op = this.tokens[this.at]; op !== undefined && ops.includes(op); op = this.tokens[this.at]) {
      this.at++;
      left = join(op, left, this.binary(level + 1));
    }
    return left;
  }

  private unary(): Part {
    if (this.take("-")) return join("-", number(0), this.unary());
    if (this.take("!")) {
      const part = truth(this.unary());
      return { kind: "truth", relation: { op: "not", part: part.relation }, holds: (sizes) => negation(part.holds(sizes)) };
    }
    return this.primary();
  }

  private primary(): Part {
    const token = this.tokens[this.at++] ?? "";
    if (token === "(") return this.closed();
    if (/^\d/.test(token)) return number(Number(token));
    if (!/^\w/.test(token)) throw new Error(`${this.text}: unexpected ${token}`);
    if (!this.take("(")) return this.name(token);
    if (token === "floor" || token === "ceil") return rounded(token, this.closed());
    const parts = [size(this.choice())];
    while (this.take(",")) parts.push(size(this.choice()));
    this.take(")");
    return parts.reduce((a, b) => extreme(token, a, b));
  }

  private closed(): Part {
    const inner = this.choice();
    if (!this.take(")")) throw new Error(`${this.text}: no ')'`);
    return inner;
  }

  private name(name: string): Value {
    const least = LEAST[name] ?? 1;
    this.names.set(name, least);
    return { kind: "size", dim: Size.symbol(name, { least }), value: (sizes) => sizes.get(name) ?? Number.NaN };
  }
}

/** A quotient that is not whole: only `floor` and `ceil` give it a value. */
interface Quotient extends Value {
  readonly quotient: readonly [Value, Value];
}

function number(value: number): Value {
  return { kind: "size", dim: value, value: () => value };
}

function size(part: Part): Value {
  if (part.kind !== "size") throw new Error("a size is expected");
  return part;
}

function truth(part: Part): Truth {
  if (part.kind !== "truth") throw new Error("a relation is expected");
  return part;
}

function negation(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function rounded(how: "floor" | "ceil", part: Part): Value {
  if (!("quotient" in part)) return size(part);
  const [above, below] = (part as Quotient).quotient;
  const round = how === "floor" ? Math.floor : Math.ceil;
  return {
    kind: "size",
    dim: (how === "floor" ? Size.floorDiv : Size.ceilDiv)(above.dim, below.dim),
    value: (sizes) => (below.value(sizes) === 0 ? Number.NaN : round(above.value(sizes) / below.value(sizes))),
  };
}

function extreme(name: string, a: Value, b: Value): Value {
  const least = name === "min";
  return {
    kind: "size",
    dim: (least ? Size.min : Size.max)(a.dim, b.dim),
    value: (sizes) => (least ? Math.min : Math.max)(a.value(sizes), b.value(sizes)),
  };
}

function join(op: string, left: Part, right: Part): Part {
  if (op === "&&" || op === "||") return both(op, truth(left), truth(right));
  const [a, b] = [size(left), size(right)];
  const whole = (dim: Size.Dim, value: (x: number, y: number) => number): Value => ({
    kind: "size",
    dim,
    value: (sizes) => value(a.value(sizes), b.value(sizes)),
  });
  switch (op) {
    case "+":
      return whole(Size.add(a.dim, b.dim), (x, y) => x + y);
    case "-":
      return whole(Size.sub(a.dim, b.dim), (x, y) => x - y);
    case "*":
      return whole(Size.mul(a.dim, b.dim), (x, y) => x * y);
    case "%":
      return whole(Size.modulo(a.dim, b.dim), (x, y) => x - y * Math.floor(x / y));
    case "/": {
      const exact = whole(Size.divExact(a.dim, b.dim), (x, y) => (x % y === 0 ? x / y : Number.NaN));
      const quotient: Quotient = { ...exact, quotient: [a, b] };
      return quotient;
    }
    default:
      return compared(op as "==", a, b);
  }
}

function both(op: "&&" | "||", left: Truth, right: Truth): Truth {
  const deciding = op === "||";
  return {
    kind: "truth",
    relation: { op: deciding ? "or" : "and", parts: [left.relation, right.relation] },
    holds: (sizes) => {
      const values = [left.holds(sizes), right.holds(sizes)];
      if (values.includes(deciding)) return deciding;
      return values.includes(undefined) ? undefined : !deciding;
    },
  };
}

function compared(op: "==" | "!=" | "<" | "<=" | ">" | ">=", a: Value, b: Value): Truth {
  const outcomes = (x: number, y: number): Readonly<Record<typeof op, boolean>> => ({
    "==": x === y,
    "!=": x !== y,
    "<": x < y,
    "<=": x <= y,
    ">": x > y,
    ">=": x >= y,
  });
  return {
    kind: "truth",
    relation: { op, left: a.dim, right: b.dim },
    holds: (sizes) => {
      const [x, y] = [a.value(sizes), b.value(sizes)];
      return Number.isNaN(x) || Number.isNaN(y) ? undefined : outcomes(x, y)[op];
    },
  };
}

/** How many values each of n sizes takes in the brute force. */
const SPANS: readonly number[] = [1, 400, 48, 16, 9, 6, 4];

export type Verdict = { readonly kind: "holds" } | { readonly kind: "fails"; readonly at: Sizes } | { readonly kind: "vacuous" };

/** The truth over all sizes of a range; where a side has no value nothing is said. */
export function bruteForce({ facts, relation, names }: Written): Verdict {
  const span = SPANS[names.size] ?? 3;
  const entries = [...names];
  let seen = 0;
  for (let turn = 0; turn < span ** entries.length; turn++) {
    let rest = turn;
    const sizes = new Map<string, number>();
    for (const [name, least] of entries) {
      sizes.set(name, (rest % span) + (Number.isFinite(least) ? least : -Math.floor(span / 2)));
      rest = Math.floor(rest / span);
    }
    if (!facts.every((fact) => fact.holds(sizes) === true)) continue;
    seen++;
    if (relation.holds(sizes) === false) return { kind: "fails", at: sizes };
  }
  return seen === 0 ? { kind: "vacuous" } : { kind: "holds" };
}
