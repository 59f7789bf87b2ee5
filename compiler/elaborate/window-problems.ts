/** RN207: windows that are larger than what is left of a size, with the two ways out. */
import type { Diagnostic, Fix } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { evaluate, formatDim, symbolsOf } from "../ir/dim.ts";
import type { TypeRelation } from "../operators/operator.ts";
import { chainLabels, portCondition, stepsOf } from "./origins.ts";
import { axisName } from "./problems.ts";
import type { TensorValue } from "./values.ts";

type Comparison = Extract<TypeRelation, { op: "==" | "<=" | ">=" }>;

/** How the window operators word their demand; the axis is counted among the spatial ones. */
const WINDOW_FITS = /^kernel fits the padded input, spatial axis (\d+)$/;

/** The axis of the tensor that such a demand is about; undefined for any other. */
export function windowAxis(what: string): number | undefined {
  const axis = WINDOW_FITS.exec(what)?.[1];
  return axis === undefined ? undefined : 2 + Number(axis);
}

export interface WindowMismatch {
  readonly relation: Comparison;
  readonly axis: number;
  readonly witness: string;
  readonly span: Span;
  /** The use that is at fault. */
  readonly place: Span;
  readonly stage: string;
  readonly input: TensorValue | undefined;
}

export function windowTooLarge({ relation, axis, witness, span, place, stage, input }: WindowMismatch): Diagnostic {
  const origin = input?.origins[axis];
  const name = axisName(axis, input?.type.shape.length ?? 4);
  const size = formatDim(input?.type.shape[axis] ?? relation.left);
  const [padded, window] = [formatDim(relation.left), formatDim(relation.right)];
  const averages = stage.includes("avg");
  const least = smallestFor(relation);
  const condition =
    least === undefined ? undefined : [least.name, ...alike(input, axis, least.name, stage)].map((each) => `${each} >= ${least.value}`).join(", ");
  const port = least === undefined ? undefined : stepsOf(origin)[0]?.port;
  const whole = averages ? wholeMean(place) : undefined;
  const larger: Fix | undefined = condition === undefined || port === undefined ? undefined : portCondition(port, condition);
  const advice = [
    ...(averages && whole === undefined ? ["`global_avgpool` takes the mean over whatever size is left"] : []),
    ...(condition !== undefined && larger === undefined ? [`or state \`where ${condition}\` at the input`] : []),
    ...(averages || least !== undefined ? [] : ["use a smaller window, a larger input, or fewer layers that reduce its size"]),
  ];
  return {
    severity: "error",
    code: "RN207",
    message: `${stage}: a window of ${window} does not fit ${name} ${size}${padded === size ? "" : `, ${padded} with padding`}`,
    span,
    note: witness,
    labels: chainLabels(origin, span),
    help: advice,
    fixes: [whole, larger].flatMap((fix) => fix ?? []),
  };
}

/** Other axes that came the same way as this one, named as its symbol: under the same window they need the same size. */
function alike(input: TensorValue | undefined, axis: number, name: string, stage: string): string[] {
  const own = formatDim(input?.type.shape[axis] ?? 0);
  // A list has a window for each axis.
  if (input === undefined || stage.includes("[")) return [];
  return input.type.shape.flatMap((dim, other) => {
    const [only, ...more] = [...symbolsOf(dim).values()];
    if (other < 2 || other === axis || only === undefined || more.length > 0 || only.name === name) return [];
    return own.replaceAll(new RegExp(`\\b${name}\\b`, "g"), only.name) === formatDim(dim) ? [only.name] : [];
  });
}

/** The mean over all positions instead of a pooling: offered where features are all that is asked for next. */
function wholeMean(place: Span): Fix | undefined {
  const { text } = place.source;
  const written = text.slice(place.start, place.end);
  const next = /^\s*->\s*(?:\w+:\s*)?(flatten|linear|dropout|global_avgpool|gap)\b/.exec(text.slice(place.end));
  if (!/^avgpool\s*\([^()]*\)$/.test(written) || next === null) return undefined;
  if (next[1] !== "global_avgpool" && next[1] !== "gap") {
    const edits = [{ span: place, replacement: "global_avgpool" }];
    return { title: "take the mean over whatever size is left: `global_avgpool`", applicability: "maybe-incorrect", edits };
  }
  const rest = /^\s*->\s*/.exec(text.slice(place.end))?.[0].length ?? 0;
  const edits = [{ span: { ...place, end: place.end + rest }, replacement: "" }];
  return { title: `delete \`${written}\`: \`${next[1]}\` takes the mean over whatever size is left`, applicability: "maybe-incorrect", edits };
}

/** The least size of the only symbol from which on the relation holds, tried up to 4096. */
function smallestFor(relation: Comparison): { name: string; value: number } | undefined {
  const symbols = new Map([...symbolsOf(relation.left), ...symbolsOf(relation.right)]);
  const [only] = symbols;
  if (only === undefined || symbols.size > 1) return undefined;
  const [id, { name }] = only;
  const holds = (value: number): boolean => {
    const env = new Map([[id, value]]);
    const [left, right] = [evaluate(relation.left, env), evaluate(relation.right, env)];
    return left !== undefined && right !== undefined && left >= right;
  };
  if (!holds(4096)) return undefined;
  let value = 4096;
  while (value > 1 && holds(value - 1)) value--;
  return { name, value };
}
