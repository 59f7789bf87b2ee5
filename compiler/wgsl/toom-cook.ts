/**
 * Matrices of minimal filtering F(m, 3): m results of a filter of three taps from m + 2 products, by Toom and Cook's
 * interpolation (Winograd 1980, Arithmetic Complexity of Computations; Lavin and Gray 2015, arXiv 1509.09308):
 *   results = output * ((filter * taps) . (input * values))
 */

export type Matrix = readonly (readonly number[])[];

export interface Filtering {
  /** Results of a tile along an axis. */
  readonly results: number;
  /** Products of a tile along an axis, and the values that it reads. */
  readonly products: number;
  /** results x products */
  readonly output: Matrix;
  /** products x 3 */
  readonly filter: Matrix;
  /** products x products */
  readonly input: Matrix;
}

const TAPS = 3;

/** F(m, 3) from m + 1 distinct points; infinity is the last one. */
function filteringAt(points: readonly number[]): Filtering {
  const results = points.length + 2 - TAPS;
  const powers = (point: number, count: number): number[] => Array.from({ length: count }, (_, k) => point ** k);
  const others = (k: number): readonly number[] => points.filter((_, j) => j !== k);
  const scales = points.map((point, k) => others(k).reduce((product, other) => product * (point - other), 1));
  return {
    results,
    products: points.length + 1,
    output: Array.from({ length: results }, (_, k) => [...points.map((point) => point ** k), k === results - 1 ? 1 : 0]),
    filter: [...points.map((point, k) => powers(point, TAPS).map((power) => power / (scales[k] ?? 1))), [0, 0, 1]],
    input: [...points.map((_, k) => [...polynomialOf(others(k)), 0]), polynomialOf(points)],
  };
}

/** Coefficients of the polynomial with these roots, the constant first. */
function polynomialOf(roots: readonly number[]): number[] {
  const found = [1];
  for (const root of roots) {
    found.push(0);
    for (let k = found.length - 1; k >= 0; k--) found[k] = (found[k - 1] ?? 0) - root * (found[k] ?? 0);
  }
  return found;
}

/** As exact as the plain sum. */
export const F2 = filteringAt([0, 1, -1]);

/**
 * Two to three times the error of the plain sum with these points, which keep the sizes of the coefficients apart least
 * (Barabasz et al. 2020, arXiv 1803.10986); with 2 in place of 1/2, the usual choice, it is six to thirteen times.
 */
export const F4 = filteringAt([0, 1, -1, 0.5, -2]);
