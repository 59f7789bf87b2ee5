/**
 * The tables a tiled contraction reads from its arguments: per phase its runs of taps.
 * Invariant: tables are part of the arguments, so that contractions which differ only in them share their code.
 */
import type { Size } from "../ir/kernel.ts";
import { type Geometry, phaseRuns } from "./bands.ts";
import type { Frame } from "./frame.ts";
import { RUN_WORDS } from "./tile.ts";

/** Words of a phase record before the count and phase of each dimension: start and end of its runs, in bytes. */
export const RECORD_HEAD = 2;

/** Appends phase records and run tables to the arguments; the slot gets their place. */
export function appendTables(frame: Frame, geometry: Geometry, slot: number): void {
  const combinations = phaseRuns(geometry);
  frame.arguments[slot] = { kind: "count", value: 4 * frame.arguments.length };
  const push = (value: Size) => frame.arguments.push({ kind: "count", value });
  const recordWords = RECORD_HEAD + 2 * geometry.dimensions.length;
  let runsAt = combinations.length * recordWords;
  for (const { phases, runs } of combinations) {
    push(4 * runsAt);
    runsAt += runs.length * RUN_WORDS;
    push(4 * runsAt);
    for (const { count, phase } of phases) {
      push(count);
      push(phase);
    }
  }
  for (const { runs } of combinations) {
    for (const run of runs) {
      push(run.a);
      push(run.panel);
      push(run.length);
    }
  }
}
