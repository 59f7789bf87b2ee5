/**
 * The text form of a learning-rate schedule, as `--schedule` takes it: `warmup(5) -> cosine(90)`.
 * Invariant: the same words in a recipe give the same phases, because they are read as one.
 */
import { readRecipe } from "../../compiler/recipe/recipe.ts";
import { parse } from "../../grammar/parse.ts";
import { createSchedule, type Phase } from "../../runtime/train.ts";
import { CommandFailure } from "./failure.ts";

const FORM = "phases like constant, warmup(5), cosine(90), step([30, 60], gamma: 0.1), joined by ->";

/** Reads the phases and checks that they follow one another. */
export function parseSchedule(text: string): readonly Phase[] {
  const { module, diagnostics } = parse({ path: "--schedule", text: `train Model {\n  schedule ${text}\n}\n` });
  const problems = diagnostics.map((diagnostic) => diagnostic.message);
  const [train] = module.items;
  if (train?.kind !== "Train" || module.items.length !== 1 || train.settings.length !== 1) throw wrongSchedule(text, problems);
  const { schedule } = readRecipe(train, (diagnostic) => problems.push(diagnostic.message));
  if (problems.length > 0 || schedule.length === 0) throw wrongSchedule(text, problems);
  createSchedule(schedule, 1);
  return schedule;
}

function wrongSchedule(text: string, problems: readonly string[]): CommandFailure {
  const reason = problems[0] === undefined ? "" : `${problems[0]}; `;
  return new CommandFailure(`--schedule '${text}': ${reason}expected ${FORM}`);
}
