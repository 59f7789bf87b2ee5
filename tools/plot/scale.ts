/**
 * Axis arithmetic for plots.
 * Invariant: ticks are multiples of 1, 2, 2.5 or 5 times a power of ten, and cover the data.
 */

export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  /** Decimal places that tell the ticks apart. */
  readonly decimals: number;
}

/** An axis over the finite ones of `values`, with about `wanted` ticks; 0 to 1 if there are none. */
export function niceAxis(values: readonly number[], wanted: number): Axis {
  const finite = values.filter(Number.isFinite);
  const low = finite.length === 0 ? 0 : Math.min(...finite);
  const high = finite.length === 0 ? 1 : Math.max(...finite);
  const span = high > low ? high - low : Math.max(Math.abs(high) * 0.2, 0.1);
  const step = niceStep(span / wanted);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { low: first * step, high: last * step, ticks, decimals: decimalsOf(step) };
}

/** An axis of whole numbers from `low` to `high` that keeps its ends. */
export function countAxis(low: number, high: number, wanted: number): Axis {
  const step = Math.max(1, Math.ceil(niceStep((high - low) / wanted)));
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  if (!ticks.includes(low)) ticks.unshift(low);
  return { low, high, ticks: ticks.filter((tick, i) => i === 0 || tick - (ticks[0] ?? 0) >= step / 2), decimals: 0 };
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1e-12)));
  const fraction = raw / power;
  const nice = fraction <= 1 ? 1 : fraction <= 2 ? 2 : fraction <= 2.5 ? 2.5 : fraction <= 5 ? 5 : 10;
  return nice * power;
}

function decimalsOf(step: number): number {
  for (let decimals = 0; decimals < 10; decimals++) {
    if (Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) < 1e-6) return decimals;
  }
  return 10;
}
