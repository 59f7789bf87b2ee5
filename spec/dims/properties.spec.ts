/**
 * Random sizes, facts and relations against brute force: a naive evaluation of the written expression is the judge.
 * Seeded; ranges of the brute force are wider than those of the solver's own first tries.
 */
import * as assert from "uvu/assert";
import { type Facts, formatRelation, prove, simplifyUnder } from "../../compiler/check/solve.ts";
import type { Relation } from "../../compiler/ir/relation.ts";
import * as Size from "../../compiler/ir/dim.ts";
import { suite } from "../harness.ts";

type Env = ReadonlyMap<string, number>;

/** An expression as written, with its own evaluation and the size built from it. */
interface Written {
  readonly text: string;
  readonly dim: Size.Dim;
  readonly value: (env: Env) => number | undefined;
}

interface Claim {
  readonly relation: Relation;
  readonly holds: (env: Env) => boolean | undefined;
}

interface Unknown {
  readonly name: string;
  readonly least: number;
}

const unknowns: readonly Unknown[] = [
  { name: "H", least: 1 },
  { name: "W", least: 1 },
  { name: "s", least: 1 },
  { name: "p", least: 0 },
  { name: "z", least: Number.NEGATIVE_INFINITY },
];

/** Multiplicative congruential generator (Lehmer, modulus 2^31 - 1, multiplier 48271). */
function generator(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (state * 48271) % 2147483647;
    return Math.floor((state / 2147483647) * count);
  };
}

function pick<T>(draw: (count: number) => number, choices: readonly T[]): T {
  return choices[draw(choices.length)] as T;
}

function both(a: number | undefined, b: number | undefined, join: (a: number, b: number) => number): number | undefined {
  return a === undefined || b === undefined ? undefined : join(a, b);
}

function binary(name: string, a: Written, b: Written, dim: Size.Dim, join: (a: number, b: number) => number): Written {
  return {
    text: `${name}(${a.text}, ${b.text})`,
    dim,
    value: (env) => {
      const value = both(a.value(env), b.value(env), join);
      return Number.isNaN(value) ? undefined : value;
    },
  };
}

function leaf(draw: (count: number) => number, pool: readonly Unknown[]): Written {
  if (draw(3) === 0) {
    const value = draw(12) - 3;
    return { text: String(value), dim: value, value: () => value };
  }
  const { name, least } = pick(draw, pool);
  return { text: name, dim: Size.symbol(name, { least }), value: (env) => env.get(name) };
}

function expression(draw: (count: number) => number, depth: number, pool: readonly Unknown[]): Written {
  if (depth === 0 || draw(6) === 0) return leaf(draw, pool);
  const a = expression(draw, depth - 1, pool);
  const b = expression(draw, depth - 1, pool);
  const small = pick(draw, [2, 2, 3, 4, 8]);
  const divisor: Written = draw(3) > 0 ? { text: String(small), dim: small, value: () => small } : b;
  const quotient = (x: number, y: number): number => (y === 0 ? Number.NaN : Math.floor(x / y));
  switch (draw(10)) {
    case 0:
    case 1:
      return binary("add", a, b, Size.add(a.dim, b.dim), (x, y) => x + y);
    case 2:
      return binary("sub", a, b, Size.sub(a.dim, b.dim), (x, y) => x - y);
    case 3:
      return binary("mul", a, b, Size.mul(a.dim, b.dim), (x, y) => x * y);
    case 4:
    case 5:
      return binary("floor", a, divisor, Size.floorDiv(a.dim, divisor.dim), quotient);
    case 6: {
      const up = (x: number, y: number): number => (y === 0 ? Number.NaN : Math.ceil(x / y));
      return binary("ceil", a, divisor, Size.ceilDiv(a.dim, divisor.dim), up);
    }
    case 7:
      return binary("mod", a, divisor, Size.modulo(a.dim, divisor.dim), (x, y) => x - y * quotient(x, y));
    case 8:
      return draw(2) === 0 ? binary("min", a, b, Size.min(a.dim, b.dim), Math.min) : binary("max", a, b, Size.max(a.dim, b.dim), Math.max);
    default: {
      const c = leaf(draw, pool);
      const d = leaf(draw, pool);
      const op = pick(draw, ["==", "!=", "<", "<="] as const);
      return {
        text: `select(${c.text} ${op} ${d.text}, ${a.text}, ${b.text})`,
        dim: Size.select({ op, left: c.dim, right: d.dim }, a.dim, b.dim),
        value: (env) => {
          const holds = compare(op, c.value(env), d.value(env));
          return holds === undefined ? undefined : (holds ? a : b).value(env);
        },
      };
    }
  }
}

function compare(op: string, a: number | undefined, b: number | undefined): boolean | undefined {
  if (a === undefined || b === undefined) return undefined;
  const outcomes: Readonly<Record<string, boolean>> = {
    "==": a === b,
    "!=": a !== b,
    "<": a < b,
    "<=": a <= b,
    ">": a > b,
    ">=": a >= b,
  };
  return outcomes[op];
}

function claim(draw: (count: number) => number, depth: number, pool: readonly Unknown[]): Claim {
  const a = expression(draw, depth, pool);
  const b = draw(3) === 0 ? leaf(draw, pool) : expression(draw, depth, pool);
  const kind = draw(10);
  if (kind === 0) {
    const parts = [claim(draw, Math.min(depth, 1), pool), claim(draw, Math.min(depth, 1), pool)];
    const op = pick(draw, ["and", "or"] as const);
    return {
      relation: { op, parts: parts.map((part) => part.relation) },
      holds: (env) => {
        const values = parts.map((part) => part.holds(env));
        if (values.includes(op === "or")) return op === "or";
        return values.includes(undefined) ? undefined : op === "and";
      },
    };
  }
  if (kind === 1) {
    const part = claim(draw, depth, pool);
    const holds = (env: Env): boolean | undefined => {
      const value = part.holds(env);
      return value === undefined ? undefined : !value;
    };
    return { relation: { op: "not", part: part.relation }, holds };
  }
  if (kind <= 3) {
    const divisor = pick(draw, [2, 3, 4, 8]);
    const holds = (env: Env): boolean | undefined => {
      const value = a.value(env);
      return value === undefined ? undefined : value % divisor === 0;
    };
    return { relation: { op: "divides", divisor, dividend: a.dim }, holds };
  }
  const op = pick(draw, ["==", "==", "!=", "<", "<=", ">", ">="] as const);
  return { relation: { op, left: a.dim, right: b.dim }, holds: (env) => compare(op, a.value(env), b.value(env)) };
}

function assignment(draw: (count: number) => number): Map<string, number> {
  const range = pick(draw, [6, 20, 80]);
  return new Map(unknowns.map(({ name, least }) => [name, Number.isFinite(least) ? least + draw(range) : draw(range) - range / 2]));
}

/** Every assignment of the pool's unknowns up to `span` values each. */
function* grid(pool: readonly Unknown[], span: number): Generator<Map<string, number>> {
  const count = span ** pool.length;
  for (let turn = 0; turn < count; turn++) {
    let rest = turn;
    const env = new Map<string, number>();
    for (const { name, least } of pool) {
      env.set(name, (rest % span) + (Number.isFinite(least) ? least : -Math.floor(span / 2)));
      rest = Math.floor(rest / span);
    }
    yield env;
  }
}

suite("sizes: random expressions", (test) => {
  test("the canonical form has the value of the written expression, before and after substitution", () => {
    const draw = generator(20260101);
    let defined = 0;
    for (let turn = 0; turn < 4000; turn++) {
      const written = expression(draw, 1 + draw(4), unknowns);
      for (let sample = 0; sample < 4; sample++) {
        const env = assignment(draw);
        const expected = written.value(env);
        if (expected === undefined) continue;
        defined++;
        assert.is(Size.evaluate(written.dim, env), expected + 0, `${written.text} at ${JSON.stringify([...env])}`);
        const partial = new Map([...env].filter(() => draw(2) === 0));
        const substituted = Size.substitute(written.dim, partial);
        assert.is(Size.evaluate(substituted, env), expected + 0, `${written.text} after ${JSON.stringify([...partial])}`);
      }
    }
    assert.ok(defined > 8000, `${defined} values`);
  });

  test("rebuilding a canonical form changes nothing, and its key is its identity", () => {
    const draw = generator(7);
    for (let turn = 0; turn < 2000; turn++) {
      const { dim, text } = expression(draw, 1 + draw(3), unknowns);
      const self = new Map([...Size.symbolsOf(dim)].map(([id, atom]) => [id, Size.symbol(atom.name, atom)]));
      assert.is(Size.dimKey(Size.substitute(dim, self)), Size.dimKey(dim), text);
    }
  });

  test("the text has the value of the size", () => {
    const draw = generator(99);
    for (let turn = 0; turn < 1500; turn++) {
      const { dim, text } = expression(draw, 1 + draw(3), unknowns);
      const env = assignment(draw);
      const expected = Size.evaluate(dim, env);
      if (expected === undefined) continue;
      assert.is(readText(Size.formatDim(dim), env), expected, `${text} written ${Size.formatDim(dim)}`);
    }
  });
});

/** Reads the language's arithmetic: `?:`, comparisons, + - * / %, calls; `/` only inside floor and ceil. */
function readText(text: string, env: Env): number {
  const tokens = text.match(/\d+|[A-Za-z_]\w*|[<>=!]=|[-+*/%()?:,<>]/g) ?? [];
  let at = 0;
  const take = (token: string): boolean => {
    const found = tokens[at] === token;
    if (found) at++;
    return found;
  };
  const conditional = (): number => {
    const left = sum();
    const op = tokens[at] ?? "";
    if (!["==", "!=", "<", "<=", ">", ">="].includes(op)) return left;
    at++;
    const holds = compare(op, left, sum());
    take("?");
    const then = conditional();
    take(":");
    const otherwise = conditional();
    return holds ? then : otherwise;
  };
  const sum = (): number => {
    let value = product();
    while (true) {
      if (take("+")) value += product();
      else if (take("-")) value -= product();
      else return value;
    }
  };
  const product = (): number => {
    let value = unary();
    while (tokens[at] === "*" || tokens[at] === "/" || tokens[at] === "%") {
      if (take("*")) value *= unary();
      else if (take("/")) value /= unary();
      else {
        at++;
        const divisor = unary();
        value -= divisor * Math.floor(value / divisor);
      }
    }
    return value;
  };
  const unary = (): number => (take("-") ? -unary() : primary());
  const primary = (): number => {
    const token = tokens[at++] ?? "";
    if (/^\d/.test(token)) return Number(token);
    if (token === "(") {
      const value = conditional();
      take(")");
      return value;
    }
    if (!take("(")) return env.get(token) ?? Number.NaN;
    const first = conditional();
    const second = take(",") ? conditional() : 0;
    take(")");
    const calls: Readonly<Record<string, number>> = {
      floor: Math.floor(first),
      ceil: Math.ceil(first),
      min: Math.min(first, second),
      max: Math.max(first, second),
    };
    return calls[token] ?? Number.NaN;
  };
  const value = conditional();
  return at === tokens.length ? value + 0 : Number.NaN;
}

suite("answers: random relations", (test) => {
  const run = (seed: number, turns: number, depth: number): Record<string, number> => {
    const draw = generator(seed);
    const tally: Record<string, number> = { proved: 0, refuted: 0, unproved: 0 };
    for (let turn = 0; turn < turns; turn++) {
      const pool = [pick(draw, unknowns), pick(draw, unknowns.slice(0, 3))].filter((each, at, all) => all.indexOf(each) === at);
      const claims = Array.from({ length: draw(3) }, () => claim(draw, 1, pool));
      const facts: Facts = { relations: claims.map((each) => each.relation) };
      const { relation, holds } = claim(draw, depth, pool);
      const answer = prove(relation, facts);
      tally[answer.kind] = (tally[answer.kind] ?? 0) + 1;
      const about = `turn ${turn}: ${formatRelation(relation)} given ${facts.relations.map(formatRelation).join(", ")}`;
      if (answer.kind === "refuted") {
        const env = new Map(answer.witness.bindings);
        for (const { name, least } of pool) {
          if (!env.has(name)) env.set(name, Number.isFinite(least) ? least : 0);
          assert.ok((env.get(name) ?? 0) >= least, `${about}: ${name} below its least value`);
        }
        assert.is.not(holds(env), true, `${about}: the witness ${JSON.stringify([...env])} does not falsify`);
        for (const fact of claims) assert.is.not(fact.holds(env), false, `${about}: the witness breaks a fact`);
      } else if (answer.kind === "proved") {
        for (const env of grid(pool, 45)) {
          if (holds(env) !== false) continue;
          assert.not(
            claims.every((fact) => fact.holds(env) === true),
            `${about}: false at ${JSON.stringify([...env])}`,
          );
        }
      }
    }
    return tally;
  };

  test("no proved relation fails, every witness falsifies and satisfies the facts", () => {
    const tally = run(11, 1500, 2);
    assert.ok((tally["proved"] ?? 0) > 150 && (tally["refuted"] ?? 0) > 500, JSON.stringify(tally));
    assert.ok((tally["unproved"] ?? 0) < 150, JSON.stringify(tally));
  });

  test("true relations between differently written equal sizes are proved", () => {
    const draw = generator(5);
    let proved = 0;
    const turns = 300;
    for (let turn = 0; turn < turns; turn++) {
      const divisor = pick(draw, [2, 3, 4]);
      const H = Size.symbol("H");
      const shift = draw(9) - 4;
      const W = Size.symbol("W");
      const base = pick(draw, [H, Size.add(H, W), Size.sub(H, W), Size.mul(2, H)]);
      const top = Size.add(base, shift);
      const left = Size.sub(base, Size.floorDiv(Size.sub(base, shift), divisor));
      const parts = Array.from({ length: divisor - 1 }, (_, part) => Size.floorDiv(Size.add(Size.sub(base, shift), part + 1), divisor));
      const right = Size.add(Size.sum(parts), shift);
      assert.is(typeof top, "object");
      if (prove({ op: "==", left, right }, { relations: [] }).kind === "proved") proved++;
    }
    assert.is(proved, turns);
  });

  test("a simplified size has the same value wherever the facts hold", () => {
    const draw = generator(23);
    const pool = unknowns.slice(0, 3);
    let checked = 0;
    for (let turn = 0; turn < 400; turn++) {
      const written = expression(draw, 2, pool);
      const claims = Array.from({ length: 1 + draw(2) }, () => claim(draw, 1, pool));
      const simple = simplifyUnder(written.dim, { relations: claims.map((each) => each.relation) });
      for (const env of grid(pool, 7)) {
        const expected = written.value(env);
        if (expected === undefined || !claims.every((fact) => fact.holds(env) === true)) continue;
        checked++;
        assert.is(Size.evaluate(simple, env), expected + 0, `turn ${turn}: ${written.text} to ${Size.formatDim(simple)}`);
      }
    }
    assert.ok(checked > 5000, `${checked} values`);
  });
});
