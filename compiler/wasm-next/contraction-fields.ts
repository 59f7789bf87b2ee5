/**
 * The words that the drivers of contractions read and write: of a plan (in the arguments block) and a state (in scratch).
 * Invariant: a plan is never written; a state describes one box.
 */
import { phaseFields, planFields, type SpatialName } from "./contraction-plan.ts";
import { layout, type Value, word } from "./micro-code.ts";

/** Byte offsets of the words of a state: the box that is being worked on. `channels` counts those that the band holds. */
export const stateFields = layout(
  "image", "group", "block0", "blockEnd", "source", "channels", "pixels", "runs", "runBytes", "panels",
  "phaseD", "phaseH", "phaseW", "indexD", "indexH", "indexW", "countD", "countH", "countW", "resultD", "resultH", "resultW",
  "fromD", "fromH", "fromW", "spanD", "spanH", "spanW", "stepD", "stepH", "stepW", "origin",
);

export type PlanField = keyof typeof planFields;
export type StateField = keyof typeof stateFields;

/** Reads of a plan and a state, whose addresses are given. */
export function fieldsOf(plan: Value, state: Value) {
  return {
    p: (name: PlanField): Value => word(plan, planFields[name]),
    s: (name: StateField): Value => word(state, stateFields[name]),
    phase: (axis: SpatialName, name: keyof typeof phaseFields): Value => word(word(state, stateFields[`phase${axis}`]), phaseFields[name]),
  };
}
