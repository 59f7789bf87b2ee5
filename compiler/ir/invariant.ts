/** The one way to fail on a compiler bug. User mistakes are Diagnostics, never this. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal compiler error: ${message}`);
}
