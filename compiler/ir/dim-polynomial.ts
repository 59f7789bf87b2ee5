/**
 * The data of symbolic sizes and their ring arithmetic: sums of integer coefficients times sorted products of atoms.
 * Invariant: terms are sorted by key, coefficients are non-zero safe integers, a SymbolicDim has at least one term;
 * arithmetic that leaves the safe integers gives the constant NaN, which no comparison accepts.
 */

/** A size: a plain integer, or a symbolic expression. Values are integers. */
export type Dim = number | SymbolicDim;

/** `constant` plus the sum of the terms; `key` is canonical text: equal keys mean structurally equal. */
export interface SymbolicDim {
  readonly kind: "dim";
  readonly key: string;
  readonly constant: number;
  readonly terms: readonly DimTerm[];
}

/** An integer coefficient times a product of atoms; `factors` is sorted by key, a power repeats its factor. */
export interface DimTerm {
  readonly coefficient: number;
  readonly factors: readonly DimAtom[];
}

/** A named unknown; `least` is its least possible value: 1 for dims, 0 for counts, -Infinity for ints. */
export interface SymbolAtom {
  readonly kind: "symbol";
  readonly name: string;
  /** Unique: two symbols are the same unknown exactly when their ids are equal. */
  readonly id: string;
  readonly least: number;
}

/** Division rounded towards minus infinity. */
export interface FloorAtom {
  readonly kind: "floor";
  readonly numerator: Dim;
  readonly denominator: Dim;
}

/** The lesser or greater of two sizes. */
export interface ExtremeAtom {
  readonly kind: "min" | "max";
  readonly left: Dim;
  readonly right: Dim;
}

/** A choice decided by a condition over sizes. */
export interface SelectAtom {
  readonly kind: "select";
  readonly condition: DimCondition;
  readonly then: Dim;
  readonly else: Dim;
}

export type DimAtom = SymbolAtom | FloorAtom | ExtremeAtom | SelectAtom;

/** A comparison of two sizes, as a `select` holds it. */
export interface DimCondition {
  readonly op: "==" | "!=" | "<" | "<=";
  readonly left: Dim;
  readonly right: Dim;
}

/** A polynomial under construction: its constant and its terms by the key of their factors. */
export interface Parts {
  readonly constant: number;
  readonly terms: readonly DimTerm[];
}

/** The canonical text of a size. */
export function dimKey(a: Dim): string {
  return typeof a === "number" ? String(a) : a.key;
}

/** Structural equality of canonical forms; NaN (no representable value) equals nothing. */
export function sameDim(a: Dim, b: Dim): boolean {
  return typeof a === "number" ? a === b : typeof b !== "number" && a.key === b.key;
}

/** The canonical text of an atom. */
export function atomKey(atom: DimAtom): string {
  switch (atom.kind) {
    case "symbol":
      return /^[\w.$#@]+$/.test(atom.id) ? atom.id : JSON.stringify(atom.id);
    case "floor":
      return `floor(${dimKey(atom.numerator)},${dimKey(atom.denominator)})`;
    case "min":
    case "max":
      return `${atom.kind}(${dimKey(atom.left)},${dimKey(atom.right)})`;
    case "select": {
      const { op, left, right } = atom.condition;
      return `select(${dimKey(left)}${op}${dimKey(right)},${dimKey(atom.then)},${dimKey(atom.else)})`;
    }
    default:
      return atom satisfies never;
  }
}

/** The canonical text of a product of atoms. */
export function factorsKey(factors: readonly DimAtom[]): string {
  return factors.map(atomKey).join("*");
}

/** The constant and terms of a size, for either form. */
export function partsOf(a: Dim): Parts {
  return typeof a === "number" ? { constant: a, terms: [] } : a;
}

/** Builds a size from a constant and terms in any order; merges equal products and drops zeros. */
export function fromParts(constant: number, terms: readonly DimTerm[]): Dim {
  if (!Number.isSafeInteger(constant)) return Number.NaN;
  const [only] = terms;
  if (only === undefined) return constant + 0;
  if (terms.length === 1) return fromTerm(constant, only);
  const merged = new Map<string, DimTerm>();
  for (const term of terms) {
    const key = factorsKey(term.factors);
    const coefficient = (merged.get(key)?.coefficient ?? 0) + term.coefficient;
    if (!Number.isSafeInteger(term.coefficient) || !Number.isSafeInteger(coefficient)) return Number.NaN;
    merged.set(key, { coefficient, factors: term.factors });
  }
  const kept = [...merged].filter(([, term]) => term.coefficient !== 0);
  if (kept.length === 0) return constant + 0;
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = kept.map(([key, term]) => (term.coefficient === 1 ? key : `${term.coefficient}*${key}`));
  const key = constant === 0 ? texts.join("+") : `${texts.join("+")}+${constant}`;
  return { kind: "dim", key, constant: constant + 0, terms: kept.map(([, term]) => term) };
}

/** Most sizes have one term; nothing is to be merged or sorted then. */
function fromTerm(constant: number, term: DimTerm): Dim {
  const { coefficient, factors } = term;
  if (!Number.isSafeInteger(coefficient)) return Number.NaN;
  if (coefficient === 0) return constant + 0;
  const text = coefficient === 1 ? factorsKey(factors) : `${coefficient}*${factorsKey(factors)}`;
  return { kind: "dim", key: constant === 0 ? text : `${text}+${constant}`, constant: constant + 0, terms: [term] };
}

/** One atom as a size. */
export function fromAtom(atom: DimAtom): Dim {
  return fromParts(0, [{ coefficient: 1, factors: [atom] }]);
}

/** The sum of two sizes. */
export function add(a: Dim, b: Dim): Dim {
  const left = partsOf(a);
  const right = partsOf(b);
  return fromParts(left.constant + right.constant, [...left.terms, ...right.terms]);
}

/** `a - b` */
export function sub(a: Dim, b: Dim): Dim {
  return add(a, negate(b));
}

/** `-a` */
export function negate(a: Dim): Dim {
  return scale(a, -1);
}

/** A size times an integer. */
export function scale(a: Dim, factor: number): Dim {
  if (typeof a === "number") return safe(a * factor);
  return fromParts(
    a.constant * factor,
    a.terms.map((term) => ({ coefficient: term.coefficient * factor, factors: term.factors })),
  );
}

/** The product of two sizes, expanded. */
export function mul(a: Dim, b: Dim): Dim {
  if (typeof a === "number") return scale(b, a);
  if (typeof b === "number") return scale(a, b);
  const terms: DimTerm[] = [];
  for (const x of [...a.terms, { coefficient: a.constant, factors: [] }]) {
    for (const y of [...b.terms, { coefficient: b.constant, factors: [] }]) {
      if (x.coefficient === 0 || y.coefficient === 0) continue;
      terms.push({ coefficient: x.coefficient * y.coefficient, factors: sortFactors([...x.factors, ...y.factors]) });
    }
  }
  const constants = terms.filter((term) => term.factors.length === 0).map((term) => term.coefficient);
  return fromParts(
    constants[0] ?? 0,
    terms.filter((term) => term.factors.length > 0),
  );
}

/** The sum of any number of sizes; 0 for none. */
export function sum(dims: readonly Dim[]): Dim {
  const parts = dims.map(partsOf);
  return fromParts(
    parts.reduce((total, part) => total + part.constant, 0),
    parts.flatMap((part) => part.terms),
  );
}

/** The product of any number of sizes; 1 for none. */
export function product(dims: readonly Dim[]): Dim {
  return dims.reduce<Dim>(mul, 1);
}

/** The greatest common divisor of integers, not negative; 0 for none. */
export function greatestCommonDivisor(values: readonly number[]): number {
  let result = 0;
  for (const value of values) {
    let rest = Math.abs(value);
    while (rest > 0) [result, rest] = [rest, result % rest];
  }
  return result;
}

/** Floored integer quotient, exact for safe integers; undefined when `b` is 0 or the inputs are not safe integers. */
export function floorQuotient(a: number, b: number): number | undefined {
  if (b === 0 || !Number.isSafeInteger(a) || !Number.isSafeInteger(b)) return undefined;
  const rest = a % b;
  const truncated = (a - rest) / b;
  return (rest !== 0 && rest < 0 !== b < 0 ? truncated - 1 : truncated) + 0;
}

/** A coefficient-wise quotient; every coefficient must be a multiple of `divisor`. */
export function divideCoefficients(a: Dim, divisor: number): Dim {
  if (typeof a === "number") return a / divisor + 0;
  return fromParts(
    a.constant / divisor,
    a.terms.map((term) => ({ coefficient: term.coefficient / divisor, factors: term.factors })),
  );
}

/** Splits `a = quotient * b + remainder` so that equal `a` modulo `b` leave equal remainders. */
export function divideWithRemainder(a: Dim, b: Dim): { readonly quotient: Dim; readonly remainder: Dim } {
  const lead = leadingTerm(b);
  let quotient: Dim = 0;
  let remainder: Dim = a;
  // Each step settles one product of the remainder for good, so the bound only guards against overflow oddities.
  for (let steps = 0; steps < 200; steps++) {
    const step = divisionStep(remainder, lead);
    if (step === undefined) break;
    quotient = add(quotient, step);
    remainder = sub(remainder, mul(step, b));
  }
  return { quotient, remainder };
}

function divisionStep(remainder: Dim, lead: DimTerm): Dim | undefined {
  for (const term of descendingTerms(remainder)) {
    const factors = divideFactors(term.factors, lead.factors);
    if (factors === undefined) continue;
    const coefficient = quotientCoefficient(term, lead.coefficient);
    if (coefficient === 0 || !Number.isSafeInteger(coefficient)) continue;
    return factors.length === 0 ? coefficient : fromParts(0, [{ coefficient, factors }]);
  }
  return undefined;
}

/** Constants leave a remainder in [0, d), products one in (-d/2, d/2], which reads better: `H - k`, not `H + 2*k`. */
function quotientCoefficient(term: DimTerm, divisor: number): number {
  const size = Math.abs(divisor);
  const shift = term.factors.length === 0 ? 0 : Math.ceil(size / 2) - 1;
  const quotient = floorQuotient(term.coefficient + shift, size) ?? 0;
  return divisor < 0 ? -quotient : quotient;
}

/** The terms, constant included, by descending degree, then key. */
export function descendingTerms(a: Dim): readonly DimTerm[] {
  const { constant, terms } = partsOf(a);
  const sorted = [...terms].sort((x, y) => y.factors.length - x.factors.length || compareFactors(x.factors, y.factors));
  return constant === 0 ? sorted : [...sorted, { coefficient: constant, factors: [] }];
}

/** The term that leads in a fixed order compatible with products; the zero size leads with coefficient 0. */
export function leadingTerm(a: Dim): DimTerm {
  return descendingTerms(a)[0] ?? { coefficient: 0, factors: [] };
}

/** `a / b` as products of atoms, or undefined when some factor of `b` is missing in `a`. */
export function divideFactors(a: readonly DimAtom[], b: readonly DimAtom[]): readonly DimAtom[] | undefined {
  const rest = [...a];
  for (const factor of b) {
    const key = atomKey(factor);
    const index = rest.findIndex((candidate) => atomKey(candidate) === key);
    if (index < 0) return undefined;
    rest.splice(index, 1);
  }
  return rest;
}

function compareFactors(a: readonly DimAtom[], b: readonly DimAtom[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const x = atomKey(a[i] as DimAtom);
    const y = atomKey(b[i] as DimAtom);
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function sortFactors(factors: readonly DimAtom[]): readonly DimAtom[] {
  return factors
    .map((factor) => [atomKey(factor), factor] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, factor]) => factor);
}

function safe(value: number): number {
  return Number.isSafeInteger(value) ? value + 0 : Number.NaN;
}
