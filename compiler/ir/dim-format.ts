/**
 * Sizes as a person would write them: `ceil(H/2)`, `H % 32`, `(H - 2)*(W - 2)`.
 * Invariant: the text, read as the language's arithmetic, has the value of the size; work is linear in its terms.
 */
import { boundsOf } from "./dim-bounds.ts";
import {
  add,
  atomKey,
  type Dim,
  type DimAtom,
  type DimCondition,
  type DimTerm,
  dimKey,
  divideFactors,
  divideWithRemainder,
  type FloorAtom,
  fromAtom,
  fromParts,
  mul,
  negate,
  partsOf,
  sameDim,
  sub,
} from "./dim-polynomial.ts";

/** One signed part of a sum. */
interface Addend {
  readonly negative: boolean;
  readonly text: string;
}

/** A way to write one term, and what is left of the sum; `cost` estimates the characters. */
interface Writing {
  readonly text: () => Addend;
  readonly rest: Dim;
  readonly cost: number;
}

/** The size as text. */
export function formatDim(a: Dim): string {
  if (typeof a === "number") return Number.isNaN(a) ? "(beyond 2^53)" : String(a);
  const factored = factor(a);
  if (factored !== undefined) return factored.map(asFactor).join("*");
  const addends: Addend[] = [];
  let rest: Dim = a;
  for (let term = specialTerm(rest); term !== undefined; term = specialTerm(rest)) {
    const writing = bestWriting(term, rest);
    addends.push(writing.text());
    rest = writing.rest;
  }
  const plain = partsOf(rest);
  const names = plain.terms.map((term) => ({ negative: term.coefficient < 0, text: product(term) }));
  const constant = { negative: plain.constant < 0, text: String(Math.abs(plain.constant)) };
  return joinAddends([...names, ...addends], plain.constant === 0 ? undefined : constant);
}

/** A condition as text; `1 <= i` turns to `i >= 1`. */
export function formatCondition({ op, left, right }: DimCondition): string {
  const truth = truthName(left);
  if (truth !== undefined && right === 1 && (op === "==" || op === "!=")) return op === "==" ? truth : `!${truth}`;
  if (typeof left === "number" && op !== "==" && op !== "!=") {
    return `${formatDim(right)} ${op === "<" ? ">" : ">="} ${formatDim(left)}`;
  }
  return `${formatDim(left)} ${op} ${formatDim(right)}`;
}

/** The name of a parameter or condition that is true or false and stands among sizes as 1 or 0; such ids begin with `?`. */
function truthName(a: Dim): string | undefined {
  const { constant, terms } = partsOf(a);
  const [term] = terms;
  const [atom] = term?.factors ?? [];
  if (constant !== 0 || terms.length !== 1 || term?.coefficient !== 1 || term.factors.length !== 1 || atom?.kind !== "symbol") return undefined;
  if (!atom.id.startsWith("?")) return undefined;
  return /^\w+$/.test(atom.name) ? atom.name : `(${atom.name})`;
}

/** Positive parts come first; the constant is last unless nothing else is positive. */
function joinAddends(addends: readonly Addend[], constant: Addend | undefined): string {
  const positive = addends.filter((each) => !each.negative);
  const negative = addends.filter((each) => each.negative);
  const ordered = [...positive];
  if (constant !== undefined && !constant.negative && positive.length === 0) ordered.push(constant, ...negative);
  else ordered.push(...negative, ...(constant === undefined ? [] : [constant]));
  return ordered
    .map(({ negative: minus, text }, index) => (index === 0 ? (minus ? `-${text}` : text) : minus ? ` - ${text}` : ` + ${text}`))
    .join("");
}

/** `A*x + B` with A a proper divisor of B is the product `A*(x + B/A)`, as in `(H - 2)*(W - 2)`. */
function factor(a: Dim): readonly Dim[] | undefined {
  const { constant, terms } = partsOf(a);
  if (terms.length + (constant === 0 ? 0 : 1) < 2) return undefined;
  for (const term of terms) {
    if (term.factors.length < 2) continue;
    for (const atom of term.factors) {
      const split = splitBy(a, atom);
      if (split === undefined || typeof split.coefficient === "number") continue;
      const { quotient, remainder } = divideWithRemainder(split.rest, split.coefficient);
      if (remainder !== 0 || quotient === 0) continue;
      const others = factor(split.coefficient) ?? [split.coefficient];
      const own = add(fromAtom(atom), quotient);
      return [...others.filter(isAtomic), own, ...others.filter((other) => !isAtomic(other))];
    }
  }
  return undefined;
}

/** Writes `a` as `coefficient*atom + rest` with `rest` free of the atom as a factor; undefined for higher powers. */
function splitBy(a: Dim, atom: DimAtom): { readonly coefficient: Dim; readonly rest: Dim } | undefined {
  const key = atomKey(atom);
  const { constant, terms } = partsOf(a);
  const own: DimTerm[] = [];
  let whole = 0;
  const rest: DimTerm[] = [];
  for (const term of terms) {
    const left = divideFactors(term.factors, [atom]);
    if (left === undefined) rest.push(term);
    else if (left.some((other) => atomKey(other) === key)) return undefined;
    else if (left.length === 0) whole += term.coefficient;
    else own.push({ coefficient: term.coefficient, factors: left });
  }
  return { coefficient: fromParts(whole, own), rest: fromParts(constant, rest) };
}

/** The first term that holds a floor, min or max, whose writing may take in other terms. */
function specialTerm(a: Dim): DimTerm | undefined {
  return partsOf(a).terms.find((term) => term.factors.some(isSpecial));
}

function isSpecial(atom: DimAtom): boolean {
  return atom.kind === "floor" || atom.kind === "min" || atom.kind === "max";
}

function bestWriting(term: DimTerm, sum: Dim): Writing {
  const rest = sub(sum, fromParts(0, [term]));
  const plain: Writing = {
    text: () => ({ negative: term.coefficient < 0, text: product(term) }),
    rest,
    cost: cost(fromParts(0, [term])) + cost(rest),
  };
  const writings = [plain, ...moduloWritings(term, sum, rest), ...shiftedWritings(term, rest)];
  return writings.reduce((best, each) => (each.cost < best.cost ? each : best));
}

/** `m*n - m*d*floor(n/d)` is `m*(n % d)`. */
function moduloWritings(term: DimTerm, sum: Dim, rest: Dim): readonly Writing[] {
  const writings: Writing[] = [];
  for (const atom of term.factors) {
    if (atom.kind !== "floor") continue;
    const others = divideFactors(term.factors, [atom]) ?? [];
    const own = others.length === 0 ? term.coefficient : fromParts(0, [{ coefficient: term.coefficient, factors: others }]);
    const { quotient, remainder } = divideWithRemainder(negate(own), atom.denominator);
    if (remainder !== 0 || quotient === 0) continue;
    const left = sub(rest, mul(quotient, atom.numerator));
    const negative = typeof quotient === "number" && quotient < 0;
    const times = negative ? negate(quotient) : quotient;
    const write = (): string => {
      const text = `${asFactor(atom.numerator)} % ${asDivisor(atom.denominator)}`;
      if (sameDim(times, 1)) return negative ? `(${text})` : text;
      return `${asFactor(times)}*(${text})`;
    };
    const ownCost = nestedCost(atom.numerator) + nestedCost(atom.denominator) + 3;
    writings.push({ text: () => ({ negative, text: write() }), rest: left, cost: ownCost + cost(left) });
  }
  return partsOf(sum).terms.length > 1 ? writings : [];
}

/** `c*floor(n/d) + c*t` is `c*floor((n + t*d)/d)`, also as a ceiling; likewise for min and max. */
function shiftedWritings(term: DimTerm, rest: Dim): readonly Writing[] {
  const atom = term.factors[0];
  if (atom === undefined || term.factors.length !== 1 || !isSpecial(atom)) return [];
  const { coefficient } = term;
  const everything = divideWithRemainder(rest, coefficient).quotient;
  const shifts: Dim[] = [0, 1, partsOf(everything).constant, add(everything, -1), everything];
  return shifts.flatMap((shift): Writing[] => {
    const left = sub(rest, mul(coefficient, shift));
    const times = Math.abs(coefficient) === 1 ? "" : `${Math.abs(coefficient)}*`;
    const writing = (text: () => string, own: number): Writing => ({
      text: () => ({ negative: coefficient < 0, text: times + text() }),
      rest: left,
      cost: own + times.length + cost(left),
    });
    if (atom.kind === "floor") return quotientWritings(atom, shift, writing);
    if (atom.kind !== "min" && atom.kind !== "max") return [];
    const [x, y] = [add(atom.left, shift), add(atom.right, shift)];
    return [writing(() => `${atom.kind}(${formatDim(x)}, ${formatDim(y)})`, 4 + cost(x) + cost(y))];
  });
}

function quotientWritings({ numerator, denominator }: FloorAtom, shift: Dim, writing: (text: () => string, own: number) => Writing): Writing[] {
  const lower = add(numerator, mul(shift, denominator));
  const upper = add(sub(lower, denominator), 1);
  const names = boundsOf(denominator).low >= 1 ? (["floor", "ceil"] as const) : (["floor"] as const);
  return names.map((name) => {
    const top = name === "floor" ? lower : upper;
    const own = name.length + 3 + nestedCost(top) + nestedCost(denominator);
    return writing(() => `${name}(${asFactor(top)}/${asDivisor(denominator)})`, own);
  });
}

/** The text of a term without its sign. */
function product({ coefficient, factors }: DimTerm): string {
  const size = Math.abs(coefficient);
  const names = factors.filter((atom) => atom.kind === "symbol");
  const texts = [...names, ...factors.filter((atom) => atom.kind !== "symbol")].map(formatAtom);
  return (size === 1 && texts.length > 0 ? texts : [String(size), ...texts]).join("*");
}

function formatAtom(atom: DimAtom): string {
  switch (atom.kind) {
    case "symbol":
      return atom.name;
    case "floor": {
      const upper = add(sub(atom.numerator, atom.denominator), 1);
      const ceil = boundsOf(atom.denominator).low >= 1 && nestedCost(upper) < nestedCost(atom.numerator);
      return `${ceil ? "ceil" : "floor"}(${asFactor(ceil ? upper : atom.numerator)}/${asDivisor(atom.denominator)})`;
    }
    case "min":
    case "max":
      return `${atom.kind}(${formatDim(atom.left)}, ${formatDim(atom.right)})`;
    case "select":
      return `(${formatCondition(atom.condition)} ? ${formatDim(atom.then)} : ${formatDim(atom.else)})`;
    default:
      return atom satisfies never;
  }
}

/** Text that binds as tightly as a factor. */
function asFactor(a: Dim): string {
  const text = formatDim(a);
  return isAtomic(a) || isClosed(text) ? text : `(${text})`;
}

/** Text that may stand right of `/` and `%`. */
function asDivisor(a: Dim): string {
  const text = formatDim(a);
  return (typeof a === "number" && a >= 0) || isClosed(text) ? text : `(${text})`;
}

/** A single product may stand left of `*`, `/` and `%` as it is. */
function isAtomic(a: Dim): boolean {
  const { constant, terms } = partsOf(a);
  if (terms.length === 0) return constant >= 0;
  return terms.length === 1 && constant === 0 && (terms[0]?.coefficient ?? 0) > 0;
}

/** A name, or one call such as `ceil(H/2)`. */
function isClosed(text: string): boolean {
  if (/^[\w.]+$/.test(text)) return true;
  const open = /^\w*\(/.exec(text);
  if (open === null) return false;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return i === text.length - 1;
  }
  return false;
}

function cost(a: Dim): number {
  return a === 0 ? 0 : dimKey(a).length + 3;
}

function nestedCost(a: Dim): number {
  return dimKey(a).length + (isAtomic(a) ? 0 : 2);
}
