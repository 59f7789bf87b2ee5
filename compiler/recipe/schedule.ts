/** The phases of a learning rate. Invariant: each that is kept ends after the one before it. */
import type { Argument, Expression } from "../../grammar/ast.ts";
import { numberOf, readChoice, readNumber, readOptions, type NamedCall, type Report } from "./call.ts";
import * as problems from "./problems.ts";

/** A phase of the learning rate; `epochs` is where it ends, counted from the start of training. */
export type PhaseSpec =
  | { readonly kind: "constant"; readonly epochs?: number }
  | { readonly kind: "warmup"; readonly epochs: number }
  | { readonly kind: "cosine"; readonly epochs: number; readonly final?: number }
  | { readonly kind: "step"; readonly milestones: readonly number[]; readonly gamma: number };

const SCHEDULES = ["constant", "warmup", "cosine", "step"];
const POSITIVE = { fits: (value: number): boolean => value > 0, wanted: "a number above 0" };
const SHARE = { fits: (value: number): boolean => value >= 0 && value <= 1, wanted: "a number from 0 to 1" };

/** `warmup(5) -> cosine(90)`, `step([30, 60], gamma: 0.1)`, `constant`. */
export function readSchedule(values: readonly Expression[], report: Report): readonly PhaseSpec[] {
  const phases: PhaseSpec[] = [];
  let reached = 0;
  for (const [position, value] of values.entries()) {
    const phase = readPhase(value, report);
    if (phase === undefined) continue;
    const end = phase.kind === "step" ? undefined : phase.epochs;
    const isLast = position === values.length - 1;
    if (end !== undefined && end <= reached) report(problems.phaseOutOfOrder(phase.kind, end, reached, value.span));
    else if (end === undefined && !isLast) report(problems.phaseWithoutEnd(phase.kind, value.span));
    else phases.push(phase);
    reached = Math.max(reached, end ?? 0);
  }
  return phases;
}

function readPhase(expression: Expression, report: Report): PhaseSpec | undefined {
  const call = readChoice("schedule", expression, SCHEDULES, report);
  if (call === undefined) return undefined;
  if (call.name === "step") return readSteps(call, expression, report);
  const options = readOptions(call, call.name === "cosine" ? ["epochs", "final"] : ["epochs"], report);
  const epochs = readNumber(call, options, "epochs", POSITIVE, report);
  if (call.name === "constant") return epochs === undefined ? { kind: "constant" } : { kind: "constant", epochs };
  if (epochs === undefined) {
    if (!options.has("epochs")) report(problems.badSetting(call.name, `a number of epochs, as in \`${call.name}(5)\``, expression.span));
    return undefined;
  }
  if (call.name === "warmup") return { kind: "warmup", epochs };
  const final = readNumber(call, options, "final", SHARE, report);
  return final === undefined ? { kind: "cosine", epochs } : { kind: "cosine", epochs, final };
}

function readSteps(call: NamedCall, expression: Expression, report: Report): PhaseSpec | undefined {
  const options = readOptions(call, ["milestones", "gamma"], report);
  const milestones = milestonesOf(options.get("milestones"));
  if (milestones === undefined) {
    report(
      problems.badSetting("step", "a list of epochs, as in `step([30, 60], gamma: 0.1)`", options.get("milestones")?.value.span ?? expression.span),
    );
    return undefined;
  }
  return { kind: "step", milestones, gamma: readNumber(call, options, "gamma", POSITIVE, report) ?? 0.1 };
}

function milestonesOf(argument: Argument | undefined): readonly number[] | undefined {
  if (argument?.value.kind !== "ListExpression") return undefined;
  const numbers = argument.value.elements.map(numberOf);
  const known = numbers.flatMap((number) => number ?? []);
  return known.length > 0 && known.length === numbers.length ? known : undefined;
}
