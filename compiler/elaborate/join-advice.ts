/**
 * Repairs for a skip that does not fit its join, each tried against the sizes before it is offered.
 * Invariant: none is `safe`: they add weights, change values or restrict the input.
 */
import type { Argument, Chain, Skip, Stage } from "../../grammar/ast.ts";
import type { Fix } from "../../grammar/diagnostic.ts";
import { assume, prove } from "../check/solve.ts";
import { ceilDiv, constantOf, type Dim, evaluate, formatDim, symbol, symbolsOf } from "../ir/dim.ts";
import type { Relation } from "../ir/relation.ts";
import { samePlace } from "./anchor.ts";
import { type Frame, provedEqual, type Session } from "./context.ts";
import { projectionWeights } from "./join-problems.ts";
import { portCondition, stepsOf } from "./origins.ts";
import { axisName } from "./problems.ts";
import { strideFor } from "./skip.ts";
import type { Origin, TensorValue } from "./values.ts";

export interface Advice {
  readonly help: readonly string[];
  readonly fixes: readonly Fix[];
}

const MOST_FACTOR = 64;

/** `via project` for an identity skip, with the weights it adds. */
export function projectFix(skip: Skip, from: TensorValue, to: TensorValue): Fix[] {
  const { source, start } = skip.span;
  const edit = { span: { ...skip.span, start: skip.join.span.end, end: skip.via?.span.end ?? skip.join.span.end }, replacement: " via project" };
  const shown = `${source.text.slice(start, skip.join.span.end)} via project`;
  const weights = projectionWeights(from.type.shape[1] ?? 1, to.type.shape[1] ?? 1);
  return [{ title: `adds ${weights} conv weights: \`${shown}\``, applicability: "maybe-incorrect", edits: [edit] }];
}

/** A pooling stage on the skip that rounds down where the join's path rounds up: `ceil: true`. */
export function roundingFix(frame: Frame, via: Chain, carried: Origin | undefined, wanted: Dim): Fix[] {
  if (carried?.previous === undefined) return [];
  const stage = via.stages.find((each) => samePlace(each.span, carried.span));
  const call = stage === undefined ? undefined : poolingCall(stage);
  const window = call?.arguments.find((argument) => argument.name === undefined || argument.name.text === "stride")?.value;
  if (call === undefined || window?.kind !== "NumberLiteral" || call.arguments.some((argument) => argument.name?.text === "ceil")) return [];
  const before = carried.previous.dim;
  if (!provedEqual(frame.session, ceilDiv(before, window.value), wanted)) return [];
  const last = call.arguments.at(-1);
  if (last === undefined) return [];
  const end = last.span.end;
  const { source, start } = call.span;
  const shown = `${source.text.slice(start, end)}, ceil: true)`;
  const edits = [{ span: { source, start: end, end }, replacement: ", ceil: true" }];
  return [{ title: `let the last window hang over: \`${shown}\``, applicability: "maybe-incorrect", edits }];
}

/** A convolution on the skip without a stride, where the join's path has one: `conv(128, 1, stride: 2)`. */
export function strideFix({ session }: Frame, via: Chain, carried: TensorValue, main: TensorValue): Fix[] {
  const calls = via.stages.flatMap((stage) =>
    stage.kind === "CallStage" && stage.value.kind === "Call" && stage.value.callee.kind === "Reference" && stage.value.callee.name.text === "conv"
      ? [stage.value]
      : [],
  );
  const [call] = calls;
  const last = call?.arguments.at(-1);
  if (call === undefined || last === undefined || calls.length > 1) return [];
  const names = call.arguments.map(({ name }) => name?.text);
  if (names.includes("stride") || names.filter((name) => name === undefined).length > 2) return [];
  const stride = strideFor(session, carried.type.shape, main.type.shape);
  if (stride === undefined || constantOf(stride) === 1) return [];
  const { source, start } = call.span;
  const { end } = last.span;
  const more = `, stride: ${formatDim(stride)}`;
  const edits = [{ span: { source, start: end, end }, replacement: more }];
  return [{ title: `give it the join's stride: \`${source.text.slice(start, end)}${more})\``, applicability: "maybe-incorrect", edits }];
}

function poolingCall(stage: Stage): { readonly arguments: readonly Argument[]; readonly span: Stage["span"] } | undefined {
  if (stage.kind !== "CallStage" || stage.value.kind !== "Call" || stage.value.callee.kind !== "Reference") return undefined;
  return ["avgpool", "maxpool"].includes(stage.value.callee.name.text) ? stage.value : undefined;
}

/** For a concat whose sides were halved and doubled: the divisibility of the input under which they meet. */
export function divisibilityAdvice(session: Session, carried: TensorValue, main: TensorValue, skipped: number): Advice {
  const conditions: string[] = [];
  const help: string[] = [];
  let origin: Origin | undefined;
  for (const [axis, wanted] of main.type.shape.entries()) {
    const size = carried.type.shape[axis] ?? wanted;
    if (axis === skipped || provedEqual(session, size, wanted)) continue;
    const found = divisorFor(session, size, wanted);
    if (found !== undefined && !conditions.includes(found)) {
      conditions.push(found);
      origin ??= carried.origins[axis] ?? main.origins[axis];
    }
    const way = stepsOf(main.origins[axis]);
    const factor = reduction(way);
    const first = constantOf(way[0]?.dim ?? 0);
    if (found === undefined && factor !== undefined && first !== undefined && first > 0)
      help.push(
        `\`pad\` the input so that its ${axisName(axis, main.type.shape.length)} is a multiple of ${factor}: ${first} → ${Math.ceil(first / factor) * factor}`,
      );
  }
  if (conditions.length === 0) return { help, fixes: [] };
  const where = conditions.join(", ");
  const port = stepsOf(origin)[0]?.port;
  const fix = port === undefined ? undefined : portCondition(port, where);
  if (fix === undefined) return { help: [`state \`where ${where}\` at the input, or \`pad\` it`], fixes: [] };
  return { help: ["or `pad` the input up to such a size"], fixes: [fix] };
}

/** `W % 32 == 0` for the least factor under which the sizes are proved equal. */
function divisorFor(session: Session, left: Dim, right: Dim): string | undefined {
  const symbols = new Map([...symbolsOf(left), ...symbolsOf(right)]);
  const [only] = symbols;
  if (only === undefined || symbols.size > 1) return undefined;
  const [id, atom] = only;
  const relation: Relation = { op: "==", left, right };
  const dim = symbol(atom.name, atom);
  for (let factor = 2; factor <= MOST_FACTOR; factor++) {
    const agrees = [1, 2, 3, 5].every((times) => {
      const env = new Map([[id, factor * times]]);
      const value = evaluate(left, env);
      return value !== undefined && value === evaluate(right, env);
    });
    if (!agrees) continue;
    const facts = assume(session.facts, [{ op: "divides", divisor: factor, dividend: dim }]);
    if (prove(relation, facts).kind === "proved") return `${formatDim(dim)} % ${factor} == 0`;
  }
  return undefined;
}

/** By how much the steps divide the size in all, up to where it is smallest: 2·2·2·2·2 for 525 → 263 → … → 17. */
function reduction(steps: readonly Origin[]): number | undefined {
  let factor = 1;
  for (const [i, step] of steps.entries()) {
    const before = constantOf(steps[i - 1]?.dim ?? step.dim);
    const size = constantOf(step.dim);
    if (before === undefined || size === undefined || size <= 0) return undefined;
    if (size < before) factor *= Math.round(before / size);
  }
  return factor > 1 && factor <= 4096 ? factor : undefined;
}
