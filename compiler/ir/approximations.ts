/**
 * Polynomials by which both back ends compute elementary functions.
 * Invariant: minimax fits on the stated intervals, computed for this project, lowest coefficient first.
 */

/** (expm1(r) - r) / r^2 for |r| <= ln(2)/2. */
export const EXPM1 = [5.000000049e-1, 1.666666683e-1, 4.166634213e-2, 8.33327062e-3, 1.3942046e-3, 1.991562301e-4];
/** (log((1+s)/(1-s)) - 2s) / s^3 in s^2, for (1+s)/(1-s) in [sqrt(1/2), sqrt(2)]. */
export const LOG = [6.666666556e-1, 4.000035617e-1, 2.853588982e-1, 2.361052318e-1];
/** (tanh(x) - x) / x^3 in x^2, for |x| <= 0.625. */
export const TANH = [-3.333333091e-1, 1.333320977e-1, -5.394720459e-2, 2.170296869e-2, -8.18267745e-3, 2.147539907e-3];
/** erf(x)/x - 1 in x^2, for |x| <= 1. */
export const ERF = [
  1.283791671e-1, -3.761263848e-1, 1.128378275e-1, -2.686544583e-2, 5.221074891e-3, -8.484711638e-4, 1.127054585e-4, -9.680140258e-6,
];
/** log(erfc(x)) for x in [1, 4]. */
export const LOG_ERFC = [
  1.88036799e-4, -1.129578409, -6.332199213e-1, -1.084185487e-1, 2.520823961e-2, -4.204555848e-3, 4.413352221e-4, -2.168675697e-5,
];
export const LN2_HIGH = 0.693359375;
export const LN2_LOW = -2.12194440054690583e-4;
