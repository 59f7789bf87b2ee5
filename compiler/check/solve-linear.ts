/**
 * Integer linear arithmetic over products of atoms, by bounded Fourier–Motzkin elimination with gcd tightening.
 * Invariant: `true` only when no integer assignment satisfies the constraints; dropping one only loses answers.
 */
import { childrenOf, type Dim, type DimAtom, dimKey, mul, sub, add } from "../ir/dim.ts";
import { type AtomBounds, boundsOf } from "../ir/dim-bounds.ts";
import {
  atomKey,
  divideWithRemainder,
  factorsKey,
  floorQuotient,
  fromAtom,
  fromParts,
  greatestCommonDivisor,
  partsOf,
} from "../ir/dim-polynomial.ts";

const MAX_CONSTRAINTS = 240;
const MAX_PAIRS = 400;
const MAX_DERIVED = 60;
const MAX_FLOORS = 12;

/** `sum(coefficients * variables) + constant <= 0` (or `== 0` among equations); variables are products by key. */
interface Row {
  readonly coefficients: ReadonlyMap<string, number>;
  readonly constant: number;
}

/** Whether the constraints `each <= 0` and `each == 0` contradict one another. */
export function linearContradiction(atMostZero: readonly Dim[], zero: readonly Dim[]): boolean {
  const derived = derivedConstraints([...atMostZero, ...zero], atMostZero);
  const rows = [...atMostZero, ...derived].map(rowOf);
  const solved = eliminateEquations(rows, zero.map(rowOf));
  return solved === undefined || eliminateAll(solved);
}

/** What the atoms and products themselves imply: `d*floor(a/d) <= a < d*floor(a/d) + d`, bounds, products of bounds. */
function derivedConstraints(dims: readonly Dim[], facts: readonly Dim[]): Dim[] {
  const atoms = new Map<string, DimAtom>();
  const products = new Map<string, readonly DimAtom[]>();
  const derived: Dim[] = [];
  const note = (dim: Dim): void => {
    for (const term of partsOf(dim).terms) {
      const key = factorsKey(term.factors);
      if (products.has(key)) continue;
      products.set(key, term.factors);
      for (const factor of term.factors) {
        if (atoms.has(atomKey(factor))) continue;
        atoms.set(atomKey(factor), factor);
        for (const constraint of atomConstraints(factor)) {
          derived.push(constraint);
          note(constraint);
        }
      }
    }
  };
  dims.forEach(note);
  const known = floorBounds([...atoms.values()], facts);
  for (const factors of [...products.values()].slice(0, MAX_DERIVED)) {
    for (const constraint of productConstraints(factors, known)) {
      derived.push(constraint);
      note(constraint);
    }
  }
  for (const constraint of nestedFloorConstraints([...atoms.values()])) {
    derived.push(constraint);
    note(constraint);
  }
  for (const constraint of scaledFacts(facts, [...products.values()], new Set(products.keys()))) {
    derived.push(constraint);
    note(constraint);
  }
  for (const factors of products.values()) derived.push(...boundConstraints(fromParts(0, [{ coefficient: 1, factors }])));
  return derived;
}

function atomConstraints(atom: DimAtom): readonly Dim[] {
  const self = fromAtom(atom);
  if (atom.kind === "floor" && boundsOf(atom.denominator).low >= 1) {
    const below = sub(mul(atom.denominator, self), atom.numerator);
    return [below, sub(sub(1, atom.denominator), below)];
  }
  if (atom.kind === "min") return childrenOf(atom).map((side) => sub(self, side));
  if (atom.kind === "max") return childrenOf(atom).map((side) => sub(side, self));
  return [];
}

function boundConstraints(dim: Dim): readonly Dim[] {
  const { low, high } = boundsOf(dim);
  const constraints: Dim[] = [];
  if (Number.isFinite(low)) constraints.push(sub(low, dim));
  if (Number.isFinite(high)) constraints.push(sub(dim, high));
  return constraints;
}

/** A floor is not negative where one fact says so of its numerator: from `k <= H` follows `floor((H - k)/s) >= 0`. */
function floorBounds(atoms: readonly DimAtom[], facts: readonly Dim[]): AtomBounds {
  const notNegative = new Set<string>();
  for (const atom of atoms.filter((each) => each.kind === "floor").slice(0, MAX_FLOORS)) {
    if (boundsOf(atom.denominator).low < 1 || boundsOf(atom.numerator).low >= 0) continue;
    // fact <= 0, so the numerator is at least numerator + fact.
    if (facts.some((fact) => boundsOf(add(atom.numerator, fact)).low >= 0)) notNegative.add(atomKey(atom));
  }
  return (atom) => (notNegative.has(atomKey(atom)) ? { low: 0, high: Number.POSITIVE_INFINITY } : undefined);
}

/** `floor(a/(m*d))` is `floor(floor(a/d)/m)` for d >= 1: `m*outer <= inner < m*outer + m`. */
function nestedFloorConstraints(atoms: readonly DimAtom[]): readonly Dim[] {
  const floors = atoms.filter((atom) => atom.kind === "floor").slice(0, MAX_FLOORS);
  const constraints: Dim[] = [];
  for (const inner of floors) {
    if (boundsOf(inner.denominator).low < 1) continue;
    for (const outer of floors) {
      if (outer === inner || dimKey(outer.numerator) !== dimKey(inner.numerator)) continue;
      const { quotient, remainder } = divideWithRemainder(outer.denominator, inner.denominator);
      if (remainder !== 0 || boundsOf(quotient).low < 1) continue;
      const below = sub(mul(quotient, fromAtom(outer)), fromAtom(inner));
      constraints.push(below, sub(sub(1, quotient), below));
    }
  }
  return constraints;
}

/** `(x - low(x)) * (y - low(y)) >= 0` for each split of a product in one atom and the others. */
function productConstraints(factors: readonly DimAtom[], known: AtomBounds): readonly Dim[] {
  if (factors.length < 2 || factors.length > 4) return [];
  const constraints: Dim[] = [];
  const seen = new Set<string>();
  for (const [index, factor] of factors.entries()) {
    if (seen.has(atomKey(factor))) continue;
    seen.add(atomKey(factor));
    const one = fromAtom(factor);
    const others = fromParts(0, [{ coefficient: 1, factors: factors.filter((_, other) => other !== index) }]);
    const [low, lowOthers] = [boundsOf(one, known).low, boundsOf(others, known).low];
    // Among integers a square is at least its root, of either sign.
    if (factors.length === 2 && factors.every((each) => atomKey(each) === atomKey(factor))) {
      constraints.push(sub(one, mul(one, one)), sub(mul(-1, one), mul(one, one)));
    }
    if (!Number.isFinite(low) || !Number.isFinite(lowOthers)) continue;
    constraints.push(mul(-1, mul(sub(one, low), sub(others, lowOthers))));
  }
  return constraints;
}

/**
 * Facts times an atom known not to be negative, where that speaks of products that occur; a product that does not may
 * link two of them: `s <= t` and `x < y` give `s*x <= t*x` and `t*x < t*y`.
 */
function scaledFacts(facts: readonly Dim[], products: readonly (readonly DimAtom[])[], known: ReadonlySet<string>): readonly Dim[] {
  const multipliers = new Map<string, Dim>();
  for (const factors of products) {
    if (factors.length < 2) continue;
    for (const factor of factors) multipliers.set(atomKey(factor), fromAtom(factor));
  }
  const scaled: Dim[] = [];
  const linked: { readonly dim: Dim; readonly product: string }[] = [];
  const uses = new Map<string, number>();
  for (const multiplier of multipliers.values()) {
    if (boundsOf(multiplier).low < 0) continue;
    for (const fact of facts) {
      const candidate = mul(fact, multiplier);
      const foreign = partsOf(candidate).terms.flatMap((term) => (known.has(factorsKey(term.factors)) ? [] : [factorsKey(term.factors)]));
      const [product] = foreign;
      if (product === undefined) scaled.push(candidate);
      else if (foreign.length === 1 && linked.length < MAX_DERIVED) {
        linked.push({ dim: candidate, product });
        uses.set(product, (uses.get(product) ?? 0) + 1);
      }
      if (scaled.length >= MAX_DERIVED) return scaled;
    }
  }
  const useful = linked.filter(({ product }) => (uses.get(product) ?? 0) >= 2).map(({ dim }) => dim);
  return [...scaled, ...useful].slice(0, MAX_DERIVED);
}

function rowOf(dim: Dim): Row {
  const { constant, terms } = partsOf(dim);
  return { coefficients: new Map(terms.map((term) => [factorsKey(term.factors), term.coefficient])), constant };
}

/** Gauss elimination by whole multiples; undefined when the equations alone have no integer solution. */
function eliminateEquations(rows: readonly Row[], equations: readonly Row[]): Row[] | undefined {
  let open = [...equations];
  let constraints = [...rows];
  while (open.length > 0) {
    const [first, ...others] = open;
    if (first === undefined) break;
    const content = greatestCommonDivisor([...first.coefficients.values()]);
    if (content === 0) {
      if (first.constant !== 0) return undefined;
      open = others;
      continue;
    }
    if (first.constant % content !== 0) return undefined;
    const [key, pivot] = [...first.coefficients].reduce((best, each) => (Math.abs(each[1]) < Math.abs(best[1]) ? each : best));
    const cancel = (row: Row): Row | undefined => {
      const own = row.coefficients.get(key);
      return own === undefined ? row : combine(row, Math.abs(pivot), first, -own * Math.sign(pivot));
    };
    open = others.map(cancel).filter((row) => row !== undefined);
    constraints = constraints.map(cancel).filter((row) => row !== undefined);
  }
  return constraints;
}

/** `times*row + otherTimes*other`; undefined beyond safe integers. */
function combine(row: Row, times: number, other: Row, otherTimes: number): Row | undefined {
  const coefficients = new Map<string, number>();
  let safe = true;
  const note = (value: number): number => {
    safe &&= Number.isSafeInteger(value);
    return value;
  };
  for (const [key, value] of row.coefficients) coefficients.set(key, note(value * times));
  for (const [key, value] of other.coefficients) {
    coefficients.set(key, note((coefficients.get(key) ?? 0) + note(value * otherTimes)));
  }
  const constant = note(note(row.constant * times) + note(other.constant * otherTimes));
  for (const [key, value] of coefficients) if (value === 0) coefficients.delete(key);
  return safe ? { coefficients, constant } : undefined;
}

function eliminateAll(rows: readonly Row[]): boolean {
  let current = tighten(rows);
  while (current !== undefined && current.length > 0) {
    const variable = cheapestVariable(current);
    if (variable === undefined) return false;
    const upper = current.filter((row) => (row.coefficients.get(variable) ?? 0) > 0);
    const lower = current.filter((row) => (row.coefficients.get(variable) ?? 0) < 0);
    const rest = current.filter((row) => !row.coefficients.has(variable));
    if (upper.length * lower.length <= MAX_PAIRS) {
      for (const above of upper) {
        for (const below of lower) {
          const a = above.coefficients.get(variable) ?? 0;
          const b = below.coefficients.get(variable) ?? 0;
          const common = greatestCommonDivisor([a, b]);
          const joined = combine(above, -b / common, below, a / common);
          if (joined !== undefined) rest.push(joined);
        }
      }
    }
    current = tighten(rest);
  }
  return current === undefined;
}

/** Divides by the gcd, rounds the constant up, keeps the strongest row per direction; undefined: a contradiction. */
function tighten(rows: readonly Row[]): readonly Row[] | undefined {
  const strongest = new Map<string, Row>();
  for (const row of rows) {
    const content = greatestCommonDivisor([...row.coefficients.values()]);
    if (content === 0) {
      if (row.constant > 0) return undefined;
      continue;
    }
    const quotient = floorQuotient(-row.constant, content);
    if (quotient === undefined) continue;
    const entries = [...row.coefficients].map(([key, value]) => [key, value / content] as const);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    const reduced: Row = { coefficients: new Map(entries), constant: -quotient };
    const direction = entries.map(([key, value]) => `${value}*${key}`).join(" ");
    const known = strongest.get(direction);
    if (known === undefined || known.constant < reduced.constant) strongest.set(direction, reduced);
  }
  // Short rows carry the bounds, so those are kept when there are too many.
  const kept = [...strongest.values()].sort((a, b) => a.coefficients.size - b.coefficients.size);
  return kept.slice(0, MAX_CONSTRAINTS);
}

function cheapestVariable(rows: readonly Row[]): string | undefined {
  const counts = new Map<string, { upper: number; lower: number }>();
  for (const row of rows) {
    for (const [key, value] of row.coefficients) {
      const count = counts.get(key) ?? { upper: 0, lower: 0 };
      if (value > 0) count.upper++;
      else count.lower++;
      counts.set(key, count);
    }
  }
  const growth = ({ upper, lower }: { upper: number; lower: number }): number => upper * lower - upper - lower;
  const sorted = [...counts].sort(([a, x], [b, y]) => growth(x) - growth(y) || (a < b ? -1 : 1));
  return sorted[0]?.[0];
}
