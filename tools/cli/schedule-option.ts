/**
 * The text form of a learning-rate schedule, as `--schedule` takes it: `warmup(5) -> cosine(90)`.
 * Invariant: yields the same phases as the same words in a recipe.
 */
import { createSchedule, type Phase } from "../../runtime/train.ts";
import { CommandFailure } from "./failure.ts";

const FORM = "phases like constant, warmup(5), cosine(90), step(milestones: [30, 60], gamma: 0.1), joined by ->";

/** Reads the phases and checks them. */
export function parseSchedule(text: string): Phase[] {
  const phases = text.split("->").map((part) => parsePhase(text, part.trim()));
  createSchedule(phases, 1);
  return phases;
}

function parsePhase(whole: string, text: string): Phase {
  const match = /^([a-z_]+)\s*(?:\((.*)\))?$/s.exec(text);
  if (match === null) throw wrongSchedule(whole);
  const values = parseArguments(whole, match[2] ?? "");
  const allow = (...names: readonly string[]): Record<string, number | number[]> => {
    if (Object.keys(values).some((name) => !names.includes(name))) throw wrongSchedule(whole);
    return values;
  };
  const number = (name: string): number | undefined => {
    const value = values[name];
    if (Array.isArray(value)) throw wrongSchedule(whole);
    return value;
  };
  const given = <K extends string>(name: K): { [P in K]?: number } => {
    const value = number(name);
    return (value === undefined ? {} : { [name]: value }) as { [P in K]?: number };
  };
  switch (match[1]) {
    case "constant":
      allow("epochs");
      return { kind: "constant", ...given("epochs") };
    case "warmup":
      allow("epochs");
      return { kind: "warmup", epochs: required(whole, number("epochs")) };
    case "cosine":
      allow("epochs", "final");
      return { kind: "cosine", epochs: required(whole, number("epochs")), ...given("final") };
    case "step": {
      const milestones = allow("milestones", "every", "gamma", "epochs")["milestones"];
      const list = milestones === undefined ? {} : { milestones: Array.isArray(milestones) ? milestones : [milestones] };
      return { kind: "step", ...list, ...given("every"), ...given("gamma"), ...given("epochs") };
    }
    default:
      throw wrongSchedule(whole);
  }
}

/** `5`, `epochs: 5`, `[30, 60], gamma: 0.1`; the first unnamed list is `milestones`, the first unnamed number `epochs`. */
function parseArguments(whole: string, text: string): Record<string, number | number[]> {
  const values: Record<string, number | number[]> = {};
  for (const part of text.match(/[^,[\]]*\[[^\]]*\]|[^,]+/g) ?? []) {
    const match = /^\s*(?:([a-z_]+)\s*:)?\s*(\[[^\]]*\]|[-+.\de]+)\s*$/.exec(part);
    const value: unknown = match === null ? undefined : readJson(match[2] ?? "");
    const isNumber = typeof value === "number";
    const isList = Array.isArray(value) && value.every((each) => typeof each === "number");
    if (match === null || !(isNumber || isList)) throw wrongSchedule(whole);
    values[match[1] ?? (isList ? "milestones" : "epochs")] = value as number | number[];
  }
  return values;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function required(whole: string, value: number | undefined): number {
  if (value === undefined) throw wrongSchedule(whole);
  return value;
}

function wrongSchedule(text: string): CommandFailure {
  return new CommandFailure(`--schedule '${text}': expected ${FORM}`);
}
